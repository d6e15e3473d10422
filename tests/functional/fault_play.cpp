// SPDX-License-Identifier: Apache-2.0
#include "fault_play.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <mutex>
#include <queue>

namespace bifrost::test {

using core::Instant;
using namespace std::chrono_literals;

namespace {

struct Part {
  std::string test_name;
  std::string fault;
  std::packaged_task<Outcome()> play;
  std::future<Outcome> outcome;
};

/// All parts that are to run, played by a few threads.
class Company {
 public:
  static Company& instance() {
    static Company company;
    return company;
  }

  Part& add(const char* test_name, const char* fault, std::function<Outcome()> play) {
    auto part = std::make_unique<Part>(
        Part{test_name, fault, std::packaged_task<Outcome()>{std::move(play)}, {}});
    part->outcome = part->play.get_future();
    parts_.push_back(std::move(part));
    return *parts_.back();
  }

  void begin() {
    if (!threads_.empty()) return;
    cluster();  // by this thread, which outlives the others
    for (const auto& part : parts_) {
      if (selected(part->test_name)) waiting_.push(part.get());
    }
    for (int i = 0; i < 7; ++i) {
      threads_.emplace_back([this] {
        while (auto* part = next()) part->play();
      });
    }
  }

  ~Company() {
    for (auto& thread : threads_) thread.join();
  }

 private:
  static bool selected(const std::string& test_name) {
    const auto* tests = ::testing::UnitTest::GetInstance();
    for (int s = 0; s < tests->total_test_suite_count(); ++s) {
      const auto* suite = tests->GetTestSuite(s);
      for (int t = 0; t < suite->total_test_count(); ++t) {
        const auto* info = suite->GetTestInfo(t);
        if (info->name() == test_name) return info->should_run();
      }
    }
    return false;
  }

  Part* next() {
    const std::lock_guard guard(mutex_);
    if (waiting_.empty()) return nullptr;
    auto* part = waiting_.front();
    waiting_.pop();
    return part;
  }

  std::vector<std::unique_ptr<Part>> parts_;
  std::mutex mutex_;
  std::queue<Part*> waiting_;
  std::vector<std::thread> threads_;
};

class PlayedTest final : public ::testing::Test {
 public:
  explicit PlayedTest(Part& part) : part_(part) {}

  void TestBody() override {
    Company::instance().begin();
    const auto outcome = part_.outcome.get();
    if (!outcome.not_here.empty()) FAULT_NOT_HERE(part_.fault, outcome.not_here);
    for (const auto& wrong : outcome.wrong) {
      ADD_FAILURE() << part_.fault << ", seed " << fault_seed() << ": " << wrong;
    }
    tell(part_.fault, outcome.line);
  }

 private:
  Part& part_;
};

}  // namespace

namespace {
std::mutex one_database_at_a_time;
}

std::string play_database(const std::string& name) {
  const std::lock_guard guard(one_database_at_a_time);
  return make_database(name);
}

std::string play_empty_database(const std::string& name) {
  const std::lock_guard guard(one_database_at_a_time);
  return cluster().create_database(name, core::after(30s)).value();
}

Played::Played(const char* test_name, const char* fault, std::function<Outcome()> play) {
  auto& part = Company::instance().add(test_name, fault, [play = std::move(play)] {
    const Stopwatch watch;
    Outcome outcome;
    try {
      outcome = play();
    } catch (const std::exception& problem) {
      outcome.wrong.push_back(problem.what());
    }
    outcome.line += "  " + watch.text();
    return outcome;
  });
  ::testing::RegisterTest("Fault", test_name, nullptr, nullptr, __FILE__, __LINE__,
                          [&part]() -> ::testing::Test* { return new PlayedTest(part); });
}

Scene::Scene(Plan plan)
    : plan_(std::move(plan)),
      url_(play_database(plan_.name)),
      sql_(url_),
      gateway_(plan_.shape, at(plan_.first), [&] {
        auto options = plan_.gateway;
        options.fault_script = plan_.script;
        options.fault_script_name = plan_.name;
        options.fault_seed = fault_seed();
        return options;
      }()) {
  relay_ = std::make_unique<Relay>(gateway_.port(), socket_of(url_));
  heard_ = std::make_unique<Acknowledged>(url_);
  owed_ =
      owed_cycles(sql_, at(plan_.first), at(plan_.first) + std::chrono::days{40}, plan_.interval);
  start_collector();
}

Scene::~Scene() = default;

void Scene::start_collector() {
  auto settings = plan_.settings;
  settings.insert({{"COLLECTION_INTERVAL", std::to_string(plan_.interval.count())},
                   {"BIFROST_UNDERLYINGS", plan_.shape.symbol}});
  collector_.emplace(start_faulted_collector(through(url_, relay_->database_port()),
                                             relay_->gateway_port(), plan_.name + ".log",
                                             settings));
}

Instant Scene::next(Instant t) {
  return *std::ranges::upper_bound(owed_, t);
}

int Scene::status_of(Instant as_of) {
  const auto rows = sql_(
      fmt::format("SELECT status FROM collection_runs WHERE as_of = '{}'", core::to_iso(as_of)));
  return rows.empty() ? 0 : std::stoi(rows[0][0].value());
}

bool Scene::cycle(Instant as_of, std::chrono::seconds patience) {
  if (as_of != now()) set_time(as_of);
  return wait_until(patience, [&] { return status_of(as_of) != 0; });
}

void Scene::cycles(int count, std::chrono::seconds patience) {
  for (int i = 0; i < count; ++i) cycle(next(now()), patience);
}

int Scene::back_within(int limit, std::chrono::seconds patience) {
  for (int i = 1; i <= limit; ++i) {
    const auto as_of = next(now());
    if (cycle(as_of, patience) && status_of(as_of) == 1) return i;
  }
  expect(false,
         fmt::format("no complete cycle within {} after the fault; reasons: {}", limit, reasons()));
  return limit;
}

std::string Scene::reasons() {
  return sql_.one(
      "SELECT coalesce(string_agg(DISTINCT reason, ' | '), '') FROM collection_runs WHERE status "
      "<> 1");
}

int Scene::log_lines(const std::string& text) const {
  int count = 0;
  std::ifstream in{scratch() / (plan_.name + ".log")};
  for (std::string line; std::getline(in, line);) {
    if (line.find(text) != std::string::npos) ++count;
  }
  return count;
}

void Scene::expect(bool holds, std::string what) {
  if (!holds) {
    wrong_.push_back(fmt::format("{}; log {}", what, (scratch() / (plan_.name + ".log")).string()));
  }
}

Verdict Scene::finish(Owed owed) {
  if (collector_) {
    expect(collector_->running(), "the collector is gone");
    expect(collector_->stop(core::after(15s)) == 0, "the collector does not end in order");
  }
  const auto acks = heard_->all();
  const auto logged = logged_cycles(plan_.name + ".log", plan_.shape.symbol);
  owed.underlying = plan_.shape.symbol;
  owed.interval = plan_.interval;
  if (owed.from == Instant{}) owed.from = at(plan_.first);
  if (owed.to == Instant{}) owed.to = *std::prev(std::ranges::upper_bound(owed_, now()));
  if (owed.market == nullptr && !owed.prices_differ) owed.market = &gateway_.market();
  owed.acks = &acks;
  owed.logged = &logged;
  auto verdict = check_invariants(sql_, owed);
  std::vector<std::string> wrong;
  check_changes(url_, owed.underlying, owed.interval, 1, wrong);
  for (const auto& broken : verdict.broken) expect(false, broken);
  for (std::size_t i = 0; i < wrong.size() && i < 3; ++i) expect(false, wrong[i]);
  expect(verdict.rows > 0, "nothing was collected at all");
  return verdict;
}

Outcome Scene::outcome(std::string line) {
  return {std::move(wrong_), std::move(line), {}};
}

}  // namespace bifrost::test
