// SPDX-License-Identifier: Apache-2.0
// F35: thirty days of cycles, one a minute, as fast as they go: collector and database are the real
// programs, the gateway's clock goes on as soon as a cycle is announced.
#include <fmt/core.h>
#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "fault_server.hpp"
#include "fault_stage.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using core::Instant;

constexpr auto interval = 60s;
constexpr std::size_t usual_cycles = 8'640;

/// Limits of I8. What grows with the number of cycles goes past them long before the end.
constexpr std::int64_t collector_growth_kib = 12 * 1024;
constexpr std::int64_t backend_growth_kib = 12 * 1024;
constexpr int descriptor_growth = 2;
constexpr double bytes_per_row = 250;

std::size_t cycles_wanted() {
  const char* given = std::getenv("SOAK_CYCLES");
  return given == nullptr ? usual_cycles : std::stoull(given);
}

/// Waits for announcements, and nothing else.
class Announcements {
 public:
  explicit Announcements(const std::string& url) : connection_(PQconnectdb(url.c_str()), PQfinish) {
    PQclear(PQexec(connection_.get(), "LISTEN bifrost_snapshot"));
  }
  bool wait_for(Instant as_of, std::chrono::seconds patience) {
    const auto deadline = core::after(patience);
    const auto wanted = core::to_iso(as_of);
    while (std::chrono::steady_clock::now() < deadline) {
      while (auto* heard = PQnotifies(connection_.get())) {
        const bool found = std::string_view{heard->extra}.find(wanted) != std::string_view::npos;
        PQfreemem(heard);
        if (found) return true;
      }
      pollfd ready{PQsocket(connection_.get()), POLLIN, 0};
      ::poll(&ready, 1, 100);
      PQconsumeInput(connection_.get());
    }
    return false;
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

struct Sample {
  Usage collector;
  Usage gateway;  // this process
  Usage backends;
};

TEST(Fault, F35ThirtyDaysOfCycles) {
  const Stopwatch watch;
  const QuickFolder folder{"soak"};
  FaultServer server{folder.path(),
                     {.settings = {"shared_buffers=64MB", "max_wal_size=256MB"},
                      .log = scratch() / "soak-db.log"}};
  server.start();
  ASSERT_EQ(run("bifrost", {"migrate"}, server.url()).status, 0);
  Sql sql{server.url()};
  auto cycles = owed_cycles(sql, at("2026-03-02T14:31:00Z"), at("2027-03-02T00:00:00Z"), interval);
  ASSERT_GE(cycles.size(), cycles_wanted());
  cycles.resize(cycles_wanted());
  StagedGateway gateway{{.first = core::parse_date("2026-03-02").value(),
                         .fridays = static_cast<int>(cycles.size() / (390 * 5)) + 6,
                         .listed = 4,
                         .lowest_strike = 88,
                         .highest_strike = 112,
                         .seed = fault_seed()},
                        cycles.front()};
  Announcements announced{server.url()};
  auto collector = start_faulted_collector(server.url(), gateway.port(), "soak.log",
                                           {{"COLLECTION_INTERVAL", "60"}});
  std::vector<pid_t> backends;
  const auto sample = [&] {
    Sample found{usage(collector.pid()), usage(::getpid()), {0, 0, 0}};
    for (const auto& row :
         sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'bifrost-collector'")) {
      const auto one = usage(std::stoi(row[0].value()));
      found.backends.own_kib = std::max(found.backends.own_kib, one.own_kib);
      found.backends.descriptors = std::max(found.backends.descriptors, one.descriptors);
    }
    return found;
  };
  std::vector<Sample> samples;
  const auto began = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < cycles.size(); ++i) {
    if (i > 0) gateway.set_time(cycles[i]);
    ASSERT_TRUE(announced.wait_for(cycles[i], 60s))
        << "cycle " << i << ", " << core::to_iso(cycles[i]) << "; log "
        << (scratch() / "soak.log").string();
    if (i % 100 == 99 || i + 1 == cycles.size()) samples.push_back(sample());
  }
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(collector.stop(core::after(10s)), 0);

  // Flat: between a quarter of the way and the end.
  const auto& early = samples[samples.size() / 4];
  Sample worst = early;
  for (std::size_t i = samples.size() / 4; i < samples.size(); ++i) {
    const auto more = [](Usage& most, const Usage& now) {
      most.resident_kib = std::max(most.resident_kib, now.resident_kib);
      most.own_kib = std::max(most.own_kib, now.own_kib);
      most.descriptors = std::max(most.descriptors, now.descriptors);
    };
    more(worst.collector, samples[i].collector);
    more(worst.gateway, samples[i].gateway);
    more(worst.backends, samples[i].backends);
  }
  EXPECT_LE(worst.collector.resident_kib - early.collector.resident_kib, collector_growth_kib);
  EXPECT_LE(worst.gateway.resident_kib - early.gateway.resident_kib, collector_growth_kib);
  EXPECT_LE(worst.backends.own_kib - early.backends.own_kib, backend_growth_kib);
  EXPECT_LE(worst.collector.descriptors - early.collector.descriptors, descriptor_growth);
  EXPECT_LE(worst.gateway.descriptors - early.gateway.descriptors, descriptor_growth);

  const auto logged = logged_cycles("soak.log", "FLT");
  EXPECT_EQ(logged.size(), cycles.size());
  const auto verdict = check_invariants(sql, {.underlying = "FLT",
                                              .interval = interval,
                                              .from = cycles.front(),
                                              .to = cycles.back(),
                                              .market = &gateway.market(),
                                              .compare_every = 97});
  EXPECT_TRUE(verdict.good()) << verdict.why();
  EXPECT_EQ(verdict.complete, static_cast<std::int64_t>(cycles.size()));
  std::vector<std::string> wrong;
  const auto changes = check_changes(server.url(), "FLT", interval, 97, wrong);
  EXPECT_TRUE(wrong.empty()) << wrong.front();
  EXPECT_GT(changes, 0);
  const auto bytes = std::stod(sql.one(
      "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('option_snapshots')"));
  EXPECT_LT(bytes / static_cast<double>(verdict.rows), bytes_per_row);
  tell("F35",
       fmt::format(
           "soak: {} cycles of {} contracts at {:.1f} ms: {}, {} rows compared; collector {} to {} "
           "MiB, {} "
           "to {} descriptors; gateway {} to {} MiB; backend {} to {} MiB; {:.0f} bytes a row  {}",
           cycles.size(), verdict.rows / static_cast<std::int64_t>(cycles.size()),
           spent.count() / static_cast<double>(cycles.size()), verdict.text(), verdict.compared,
           early.collector.resident_kib / 1024, worst.collector.resident_kib / 1024,
           early.collector.descriptors, worst.collector.descriptors,
           early.gateway.resident_kib / 1024, worst.gateway.resident_kib / 1024,
           early.backends.own_kib / 1024, worst.backends.own_kib / 1024,
           bytes / static_cast<double>(verdict.rows), watch.text()));
  server.stop();
}

}  // namespace
}  // namespace bifrost::test
