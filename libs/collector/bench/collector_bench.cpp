// SPDX-License-Identifier: Apache-2.0
// The database work of collection without a wire: cycles of many underlyings from memory through
// Radar and History, as the collector does it, beside a bare binary COPY of the same rows.
//
// BIFROST_BENCH_UNDERLYINGS and BIFROST_BENCH_CONTRACTS set the size (500 and 2000),
// BIFROST_BENCH_FOLDER where the private cluster lives (a real disk gives the honest numbers).
#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "bifrost/collector/radar.hpp"
#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/process.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "planning.hpp"

namespace bifrost::collector {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

core::Deadline soon() {
  return core::after(600s);
}

template <class T>
T must(core::Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

int setting(const char* name, int fallback) {
  const char* set = std::getenv(name);
  return set != nullptr ? std::atoi(set) : fallback;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) /
         (1 << 20);
}

/// 20 expiries of equal numbers of strikes, calls and puts, around a spot of 100.
core::ChainSnapshot first_snapshot(int n, int contracts, core::Instant as_of) {
  core::ChainSnapshot s{fmt::format("U{:03}", n),
                        as_of,
                        core::Price::from_units(1'000'000),
                        core::Source::simulated,
                        {}};
  const int strikes = contracts / 40;
  const core::Date day = core::exchange_time(as_of).date;
  for (int i = 0; i < contracts; ++i) {
    const int expiry = i / (2 * strikes);
    const int k = i % strikes;
    core::OptionQuote q;
    q.contract = {s.underlying,
                  s.underlying,
                  day + std::chrono::days{7 * (expiry + 1)},
                  core::Price::from_units(700'000 + 600'000LL * k / strikes / 1'000 * 1'000),
                  i % (2 * strikes) < strikes ? core::Right::call : core::Right::put,
                  100};
    q.quote.bid = core::Price::from_units(50'000 + 1'000LL * (i % 97));
    q.quote.ask = *q.quote.bid + core::Price::from_units(1'000);
    q.quote.last = q.quote.bid;
    q.quote.bid_size = 10;
    q.quote.ask_size = 12;
    q.quote.volume = i % 50;
    q.quote.open_interest = 100 + i % 1'000;
    q.quote.implied_vol = 0.25;
    q.quote.delta = q.contract.right == core::Right::call ? 0.5 : -0.5;
    q.quote.gamma = 0.02;
    q.quote.theta = -0.05;
    q.quote.vega = 12;
    q.quote.observed_at = as_of + 5s;
    s.quotes.push_back(q);
  }
  return s;
}

/// As live quotes do, most of them move a little.
core::ChainSnapshot next_snapshot(const core::ChainSnapshot& before, core::Instant as_of,
                                  std::mt19937& random) {
  auto s = before;
  s.as_of = as_of;
  // Fat tails, from a quick generator: the ratio of two uniform numbers.
  const auto uniform = [&] { return (static_cast<double>(random()) + 1) / 4294967297.0; };
  const auto noise = [&](double scale) {
    const double size = std::sqrt(uniform() / uniform());
    return scale * std::min(size, 50.0) * (random() % 2 == 0 ? 1 : -1);
  };
  s.underlying_price = *s.underlying_price + *core::Price::from_double(noise(0.05));
  for (auto& [contract, q] : s.quotes) {
    const double middle = 5 + 0.9 * (q.bid->value() - 5) + noise(0.02);
    q.bid = core::Price::from_double(std::round(100 * std::max(0.01, middle)) / 100);
    q.ask = *q.bid + *core::Price::from_double(std::round(10 + std::abs(noise(1))) / 100);
    q.volume = *q.volume + (random() % 8 == 0 ? static_cast<std::int64_t>(std::abs(noise(10))) : 0);
    q.implied_vol = 0.25 + noise(0.001);
    const double side = contract.right == core::Right::call ? 0.5 : -0.5;
    q.delta = side + noise(0.0005);
    q.gamma = 0.02 + noise(0.0001);
    q.theta = -0.05 + noise(0.0005);
    q.vega = 12 + noise(0.02);
    q.observed_at = as_of + 5s;
  }
  return s;
}

struct Run {
  std::filesystem::path folder;
  std::optional<store::PrivateCluster> server;
  std::string url;
  int underlyings = setting("BIFROST_BENCH_UNDERLYINGS", 500);
  int contracts = setting("BIFROST_BENCH_CONTRACTS", 2'000);

  Run() {
    const char* set = std::getenv("BIFROST_BENCH_FOLDER");
    folder = set != nullptr ? std::filesystem::path{set}
                            : std::filesystem::temp_directory_path() /
                                  fmt::format("bifrost-collector-bench-{}", getpid());
    server.emplace(must(store::PrivateCluster::start(folder, soon(), {.die_with_starter = true})));
    url = must(server->create_database(fmt::format("bench_{}", getpid()), soon()));
  }
  ~Run() {
    static_cast<void>(server->stop(soon()));
    std::error_code ignored;
    if (std::getenv("BIFROST_BENCH_FOLDER") == nullptr)
      std::filesystem::remove_all(folder, ignored);
  }
};

struct Spent {
  double describe = 0;
  double append = 0;
  std::size_t changes = 0;
  std::size_t alerts = 0;
};

/// One cycle of everything. The market moves outside the measured time.
Spent cycle(Radar& radar, store::History& history, std::vector<core::ChainSnapshot>& before,
            core::Instant as_of, bool first, std::mt19937& random) {
  Spent spent;
  for (auto& earlier : before) {
    store::CycleRecord record;
    record.snapshot = first ? earlier : next_snapshot(earlier, as_of, random);
    record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
    record.interval = 300s;
    auto start = Clock::now();
    must(radar.describe(record, first ? nullptr : &earlier, true, soon()));
    spent.describe += seconds_since(start);
    start = Clock::now();
    if (!must(history.append(record, soon())).stored) std::abort();
    spent.append += seconds_since(start);
    spent.changes += record.changes.size();
    for (const auto& change : record.changes) spent.alerts += change.alert() ? 1 : 0;
    earlier = std::move(record.snapshot);
  }
  return spent;
}

/// The same rows once more, by nothing but COPY into a table without an index, a transaction each.
double bare_copy(const Run& run, core::Instant as_of) {
  const auto psql = [&](const std::string& script) {
    const auto file = run.folder / "bench.sql";
    std::ofstream{file} << script;
    const auto start = Clock::now();
    auto process = must(core::Process::start(
        "/usr/bin/psql",
        {.arguments = {"-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file.string(), run.url},
         .environment = {},
         .error_log = {}}));
    if (must(process.wait(soon())) != 0) std::abort();
    return seconds_since(start);
  };
  const auto rows = [&](int n) { return (run.folder / fmt::format("rows-{}", n)).string(); };
  std::string out = "CREATE TABLE bare (LIKE option_snapshots);\n";
  std::string in;
  for (int n = 0; n < run.underlyings; ++n) {
    out += fmt::format(
        "\\copy (SELECT * FROM option_snapshots WHERE as_of = '{}' AND underlying_id = (SELECT "
        "underlying_id FROM underlyings WHERE symbol = 'U{:03}')) TO '{}' (FORMAT binary)\n",
        core::to_iso(as_of), n, rows(n));
    in += fmt::format("\\copy bare FROM '{}' (FORMAT binary)\n", rows(n));
  }
  psql(out);
  return psql(in);
}

int run() {
  Run run;
  auto database = must(store::Database::open(run.url, soon()));
  must(database.migrate(soon()));
  store::History history{database};
  const double rows = static_cast<double>(run.underlyings) * run.contracts;
  const core::Date day{std::chrono::year{2026} / 9 / 15};
  const auto cycles = cycles_of(day, 300s);
  std::mt19937 random(1);

  fmt::print("{} underlyings x {} contracts\n", run.underlyings, run.contracts);
  std::vector<core::ChainSnapshot> before;
  for (int n = 0; n < run.underlyings; ++n) {
    before.push_back(first_snapshot(n, run.contracts, cycles[10]));
  }
  const double memory_of_snapshots = resident_mib();

  // Days of learning, so that every contract is judged by a baseline: the first gives scales, five
  // more give ratios.
  store::Baselines baselines{database, 300s};
  double learning = 0;
  std::size_t steps = 0;
  std::size_t sketch_bytes = 0;
  for (auto& snapshot : before) {
    std::vector<DaySketch> sketches;
    core::Date at = day;
    for (int d = 0; d < minimum_days + 1; ++d) at = core::previous_trading_day(at);
    for (int d = 0; d < minimum_days + 1; ++d) {
      std::vector<core::ChainSnapshot> morning{snapshot};
      for (std::size_t i = 1; i <= 4; ++i) {
        morning.push_back(next_snapshot(morning.back(), cycles[10 + i], random));
      }
      const auto begin = Clock::now();
      const Baseline scales{day, sketches, 20};
      SketchBuilder builder{scales, 300s};
      for (std::size_t i = 1; i < morning.size(); ++i) builder.add(morning[i - 1], morning[i]);
      sketches.push_back(builder.finish());
      const auto bytes = sketches.back().encode();
      learning += seconds_since(begin);
      steps += morning.size() - 1;
      sketch_bytes = std::max(sketch_bytes, bytes.size());
      must(baselines.add_sketch(snapshot.underlying, {at, {}, {}, bytes}, soon()));
      at = core::next_trading_day(at);
    }
  }
  Radar radar{{}, database, history};
  auto spent = cycle(radar, history, before, cycles[10], true, random);
  fmt::print(
      "first cycle of a day (new contracts, baselines read): {:.1f} s, of it radar {:.1f} s\n",
      spent.describe + spent.append, spent.describe);
  double worst = 0;
  double sum = 0;
  constexpr int measured = 3;
  for (int i = 1; i <= measured; ++i) {
    const auto as_of = cycles[static_cast<std::size_t>(10 + i)];
    spent = cycle(radar, history, before, as_of, false, random);
    const double total = spent.describe + spent.append;
    worst = std::max(worst, total);
    sum += total;
    fmt::print("cycle {}: {:.2f} s (radar {:.2f} s, history {:.2f} s), {} changes, {} alerts\n", i,
               total, spent.describe, spent.append, spent.changes, spent.alerts);
  }
  const double bare = bare_copy(run, cycles[10 + measured]);
  const double mean = sum / measured;
  fmt::print("collector_cycle_seconds mean {:.2f} worst {:.2f}\n", mean, worst);
  fmt::print("rows per second {:.0f}, bare COPY {:.0f}, share {:.2f}\n", rows / mean, rows / bare,
             bare / mean);
  fmt::print("learning from a day: {:.2f} ms a snapshot, {} bytes a sketch\n",
             learning * 1'000 / static_cast<double>(steps), sketch_bytes);
  fmt::print("resident {:.0f} MiB, of it snapshots {:.0f} MiB\n", resident_mib(),
             memory_of_snapshots);
  return 0;
}

}  // namespace
}  // namespace bifrost::collector

int main() {
  bifrost::collector::bench_planning(bifrost::collector::setting("BIFROST_BENCH_UNDERLYINGS", 500),
                                     bifrost::collector::setting("BIFROST_BENCH_CONTRACTS", 2000));
  return bifrost::collector::run();
}
