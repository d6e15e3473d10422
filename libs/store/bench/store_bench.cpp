// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "bifrost/store/history.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "pool.hpp"
#include "units.hpp"

// Against a private cluster in BIFROST_BENCH_FOLDER, or in a new folder of the temporary directory
// (a real disk gives the honest numbers: every append waits for fsync).
namespace bifrost::store {
namespace {

using namespace std::chrono_literals;

constexpr int contracts = 2'000;
constexpr int history_cycles = 780;  // ten days of five minutes

core::Deadline soon() {
  return core::after(60s);
}

template <class T>
T must(core::Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// 20 expiries of 50 strikes, calls and puts; quotes differ from cycle to cycle as live ones do.
CycleRecord cycle(core::Instant as_of, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int64_t> cents(1, 20'000);
  CycleRecord record;
  record.snapshot = {
      "SPX", as_of, core::Price::from_units(37'000'000), core::Source::simulated, {}};
  record.snapshot.quotes.reserve(contracts);
  const core::Date anchor{std::chrono::year{2026} / 12 / 18};
  for (int i = 0; i < contracts; ++i) {
    core::Quote quote;
    quote.bid = core::Price::from_units(cents(random) * 100);
    quote.ask = *quote.bid + core::Price::from_units(1'000);
    quote.last = quote.bid;
    quote.bid_size = cents(random);
    quote.ask_size = cents(random);
    quote.volume = cents(random);
    quote.open_interest = cents(random);
    quote.implied_vol = static_cast<double>(cents(random)) / 40'000;
    quote.delta = 0.5;
    quote.gamma = 0.001;
    quote.theta = -0.1;
    quote.vega = 20;
    quote.observed_at = as_of + 5s;
    record.snapshot.quotes.push_back({{"SPX", "SPXW", anchor + std::chrono::days{7 * (i / 100)},
                                       core::Price::from_units(30'000'000 + 50'000LL * (i % 50)),
                                       i % 100 < 50 ? core::Right::call : core::Right::put, 100},
                                      quote});
  }
  return record;
}

struct World {
  std::filesystem::path folder;
  std::optional<PrivateCluster> server;
  std::optional<Database> database;
  std::optional<History> history;
  core::Instant next{core::Date{std::chrono::year{2026} / 1 / 5}};

  World() {
    const char* set = std::getenv("BIFROST_BENCH_FOLDER");
    folder = set != nullptr ? std::filesystem::path{set}
                            : std::filesystem::temp_directory_path() /
                                  fmt::format("bifrost-bench-{}", getpid());
    server.emplace(must(PrivateCluster::start(folder, soon(), {.die_with_starter = true})));
    const auto url = must(server->create_database(fmt::format("bench_{}", getpid()), soon()));
    database.emplace(must(Database::open(url, soon())));
    must(database->migrate(soon()));
    history.emplace(*database);
    std::vector<CycleRecord> batch;
    for (int i = 0; i < history_cycles; ++i) {
      batch.push_back(cycle(next, static_cast<std::uint32_t>(i)));
      next += (i % 78 == 77) ? 24h - 77 * 300s : 300s;
      if (batch.size() == 10) {
        must(history->append(batch, soon()));
        batch.clear();
      }
    }
    const auto connection = must(database->pool().lease(soon()));
    must(connection->run("ANALYZE", soon()));
    must(connection->run("CREATE TABLE bare (LIKE option_snapshots)", soon()));
  }
  ~World() {
    history.reset();
    database.reset();
    static_cast<void>(server->stop(soon()));
    std::error_code ignored;
    if (std::getenv("BIFROST_BENCH_FOLDER") == nullptr)
      std::filesystem::remove_all(folder, ignored);
  }
};

World& world() {
  static World made;
  return made;
}

void append_a_snapshot(benchmark::State& state) {
  auto& w = world();
  for (auto _ : state) {
    state.PauseTiming();
    const auto record = cycle(w.next, static_cast<std::uint32_t>(state.iterations()));
    w.next += 300s;
    state.ResumeTiming();
    must(w.history->append(record, soon()));
  }
  state.SetItemsProcessed(state.iterations() * contracts);
}

/// The yardstick: the same rows by one binary COPY into a table without any index, one transaction
/// each.
void copy_bare(benchmark::State& state) {
  auto& w = world();
  const auto connection = must(w.database->pool().lease(soon()));
  const auto record = cycle(w.next, 1);
  for (auto _ : state) {
    pg::CopyData data;
    data.reserve(300'000);
    std::int32_t id = 0;
    for (const auto& [contract, q] : record.snapshot.quotes) {
      auto& row = data.tuple(16);
      row.field(record.snapshot.as_of);
      row.field(std::int32_t{1});
      row.field(++id);
      for (const auto& price : {q.bid, q.ask, q.last})
        row.field(units::encode_price(*price, 10'000));
      for (const auto& n : {q.bid_size, q.ask_size, q.volume, q.open_interest})
        row.field(units::encode_count(*n));
      row.field(units::encode_real(*q.implied_vol, units::implied_vol));
      row.field(units::encode_real(*q.delta, units::delta));
      row.field(units::encode_real(*q.gamma, units::gamma));
      row.field(units::encode_real(*q.theta, units::theta));
      row.field(units::encode_real(*q.vega, units::vega));
      row.field(units::encode_observed_at(*q.observed_at, record.snapshot.as_of));
    }
    must(connection->copy_in("COPY bare FROM STDIN (FORMAT binary)", data, soon()));
  }
  state.SetItemsProcessed(state.iterations() * contracts);
}

void chain_as_of(benchmark::State& state) {
  auto& w = world();
  const core::Instant start{core::Date{std::chrono::year{2026} / 1 / 5}};
  std::mt19937 random(7);
  for (auto _ : state) {
    const auto day = static_cast<int>(random() % 10);
    const auto chain =
        must(w.history->chain("SPX", {.at = start + day * 24h + (random() % 78) * 300s}, soon()));
    benchmark::DoNotOptimize(chain.snapshot.quotes.data());
    if (chain.snapshot.quotes.size() != contracts) std::abort();
  }
}

void chain_of_one_expiry(benchmark::State& state) {
  auto& w = world();
  const core::Instant start{core::Date{std::chrono::year{2026} / 1 / 5}};
  for (auto _ : state) {
    const auto chain = must(w.history->chain(
        "SPX", {.at = start + 24h, .expiry = core::Date{std::chrono::year{2026} / 12 / 18}},
        soon()));
    if (chain.snapshot.quotes.size() != 100) std::abort();
  }
}

void history_of_a_contract(benchmark::State& state) {
  auto& w = world();
  const core::Instant start{core::Date{std::chrono::year{2026} / 1 / 5}};
  const auto contract = cycle(start, 0).snapshot.quotes[777].contract;
  for (auto _ : state) {
    const auto points =
        must(w.history->contract_history(contract, start, start + 9 * 24h + 77 * 300s, soon()));
    if (points.size() != history_cycles) std::abort();
  }
}

BENCHMARK(append_a_snapshot)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(copy_bare)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(chain_as_of)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(chain_of_one_expiry)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(history_of_a_contract)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace bifrost::store

BENCHMARK_MAIN();
