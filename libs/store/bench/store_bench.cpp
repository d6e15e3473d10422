// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "bifrost/store/export.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/import.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "bifrost/store/queries.hpp"
#include "partitions.hpp"
#include "pool.hpp"
#include "rollups.hpp"
#include "units.hpp"

// Against a private cluster in BIFROST_BENCH_FOLDER, or in a new folder of the temporary directory
// (a real disk gives the honest numbers: every append waits for fsync). The history is 10 million
// rows: one underlying every five minutes and nineteen a few times a day, 2,000 contracts each,
// over 22 days, and a year of daily values of all twenty. Filling it takes half a minute.
//
// Where a goal is a ratio, both sides are measured in turns in one benchmark, so that whatever else
// the machine does falls on both. The bare side is one binary COPY of the same 16 columns of the
// same rows, into or out of a table without a key, in the order of the rows; what it takes in is
// committed as durably. It knows no contracts, ledger, or text, which is what the ratio tells.
namespace bifrost::store {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int contracts = 2'000;
constexpr int days = 22;
constexpr int cycles_a_day = 78;
constexpr int others = 19;
constexpr int others_every = 10;  // cycles
const core::Date first_day{std::chrono::year{2026} / 1 / 5};

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

double best(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::ranges::min_element(values);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <class Work>
double seconds(const Work& work) {
  const auto started = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - started).count();
}

std::string symbol_of(int number) {
  return number == 0 ? "SPX" : fmt::format("U{}", number);
}

/// 14:35 to 21:00 UTC, every five minutes.
core::Instant moment(int day, int cycle) {
  return core::Instant{first_day + std::chrono::days{day}} + 14h + 35min + cycle * 300s;
}

/// 20 expiries of 50 strikes, calls and puts; quotes differ from cycle to cycle as live ones do.
CycleRecord cycle(const std::string& symbol, core::Instant as_of, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int64_t> cents(1, 20'000);
  CycleRecord record;
  record.snapshot = {
      symbol, as_of, core::Price::from_units(37'000'000), core::Source::simulated, {}};
  record.snapshot.quotes.reserve(contracts);
  record.expected = contracts;
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
    record.snapshot.quotes.push_back({{symbol, symbol, anchor + std::chrono::days{7 * (i / 100)},
                                       core::Price::from_units(30'000'000 + 50'000LL * (i % 50)),
                                       i % 100 < 50 ? core::Right::call : core::Right::put, 100},
                                      quote});
  }
  return record;
}

/// The facts of a cycle as a COPY stream has them.
void put_facts(pg::CopyData& data, const CycleRecord& record, std::int32_t underlying_id,
               std::int32_t first_contract) {
  const auto as_of = record.snapshot.as_of;
  for (const auto& [contract, q] : record.snapshot.quotes) {
    auto& row = data.tuple(16);
    row.field(as_of);
    row.field(underlying_id);
    row.field(first_contract++);
    for (const auto& price : {q.bid, q.ask, q.last}) {
      row.field(units::encode_price(*price, 10'000));
    }
    for (const auto& n : {q.bid_size, q.ask_size, q.volume, q.open_interest})
      row.field(units::encode_count(*n));
    row.field(units::encode_real(*q.implied_vol, units::implied_vol));
    row.field(units::encode_real(*q.delta, units::delta));
    row.field(units::encode_real(*q.gamma, units::gamma));
    row.field(units::encode_real(*q.theta, units::theta));
    row.field(units::encode_real(*q.vega, units::vega));
    row.field(units::encode_observed_at(*q.observed_at, as_of));
  }
}

struct World {
  std::filesystem::path folder;
  std::optional<PrivateCluster> server;
  std::optional<Database> database;
  std::optional<History> history;
  std::optional<Queries> queries;
  core::Instant next = moment(days, 0);  // for appends
  int symbols = 0;                       // made for imports

  World() {
    const char* set = std::getenv("BIFROST_BENCH_FOLDER");
    folder = set != nullptr ? std::filesystem::path{set}
                            : std::filesystem::temp_directory_path() /
                                  fmt::format("bifrost-bench-{}", getpid());
    server.emplace(must(PrivateCluster::start(folder, soon(), {.die_with_starter = true})));
    const auto url = must(server->create_database(fmt::format("bench_{}", getpid()), soon()));
    database.emplace(must(Database::open(url, {.statement_timeout = 600s}, soon())));
    must(database->migrate(soon()));
    history.emplace(*database);
    queries.emplace(*database);
    fill();
  }
  ~World() {
    queries.reset();
    history.reset();
    database.reset();
    static_cast<void>(server->stop(soon()));
    std::error_code ignored;
    if (std::getenv("BIFROST_BENCH_FOLDER") == nullptr)
      std::filesystem::remove_all(folder, ignored);
  }

  void fill() {
    // One snapshot of each makes underlyings and contracts, in the order of the quotes; the rest
    // goes in by COPY as it is.
    for (int u = 0; u <= others; ++u) {
      must(history->append(cycle(symbol_of(u), moment(0, 0), 1), soon()));
    }
    must(database->prepare_days(first_day, first_day + std::chrono::days{days}, soon()));
    const auto connection = must(database->pool().lease(soon()));
    std::vector<CycleRecord> patterns;
    for (std::uint32_t i = 0; i < 16; ++i) patterns.push_back(cycle("SPX", moment(0, 0), i));
    must(connection->run("CREATE TABLE due (underlying_id int4, as_of timestamptz)", soon()));
    std::size_t pattern = 0;
    for (int day = 0; day < days; ++day) {
      pg::CopyData facts;
      pg::CopyData due;
      facts.reserve(70'000'000);
      for (int i = day == 0 ? 1 : 0; i < cycles_a_day; ++i) {
        for (std::int32_t u = 0; u <= others; ++u) {
          if (u > 0 && i % others_every != 0) continue;
          auto& record = patterns[++pattern % patterns.size()];
          const auto shift = moment(day, i) - record.snapshot.as_of;
          record.snapshot.as_of += shift;
          for (auto& quote : record.snapshot.quotes) *quote.quote.observed_at += shift;
          put_facts(facts, record, u + 1, u * contracts + 1);
          auto& row = due.tuple(2);
          row.field(u + 1);
          row.field(moment(day, i));
        }
      }
      must(connection->copy_in("COPY option_snapshots FROM STDIN (FORMAT binary)", facts, soon()));
      must(connection->copy_in("COPY due FROM STDIN (FORMAT binary)", due, soon()));
    }
    must(
        connection->run("INSERT INTO collection_runs (underlying_id, as_of, status, source,"
                        " expected, received, refused, underlying_price, schema_rev)"
                        " SELECT underlying_id, as_of, 1, 'simulated', 2000, 2000, 0, 37000000, 1"
                        " FROM due;"
                        "INSERT INTO underlying_daily (underlying_id, day, origin, source,"
                        " implied_vol_30d_close, iv_rank, iv_percentile, iv_rank_n)"
                        " SELECT u, date '2026-01-31' - i, 'snapshots', 'simulated', 0.2 + i / 1e4,"
                        " 0.5, 0.5, 252 FROM generate_series(1, 20) u, generate_series(0, 364) i"
                        " WHERE extract(isodow FROM date '2026-01-31' - i) < 6",
                        soon()));
    must(connection->run("CREATE TABLE bare (LIKE option_snapshots)", soon()));
    must(connection->run("VACUUM ANALYZE", soon()));
    const auto rows =
        must(connection->query("SELECT count(*) FROM option_snapshots", soon())).integer(0, 0);
    fmt::print(stderr, "history of {} rows\n", rows);
    if (rows < 10'000'000) std::abort();
  }
};

World& world() {
  static World made;
  return made;
}

/// Goal: at most 3 times the bare COPY of the same rows in a transaction of its own.
void append_a_snapshot_against_a_bare_copy(benchmark::State& state) {
  auto& w = world();
  const auto connection = must(w.database->pool().lease(soon()));
  std::vector<double> append;
  std::vector<double> bare;
  for (auto _ : state) {
    const auto record = cycle("SPX", w.next, static_cast<std::uint32_t>(state.iterations()));
    w.next += 300s;
    append.push_back(seconds([&] { must(w.history->append(record, soon())); }));
    bare.push_back(seconds([&] {
      pg::CopyData data;
      data.reserve(300'000);
      put_facts(data, record, 1, 1);
      must(connection->copy_in("COPY bare FROM STDIN (FORMAT binary)", data, soon()));
    }));
    state.SetIterationTime(append.back());
  }
  state.counters["p50_ms"] = median(append) * 1e3;
  state.counters["bare_p50_ms"] = median(bare) * 1e3;
  state.counters["times_bare"] = median(append) / median(bare);
  must(connection->run("TRUNCATE bare", soon()));
}

template <class Read>
void measure(benchmark::State& state, const Read& read) {
  std::vector<double> times;
  for (auto _ : state) {
    times.push_back(seconds(read));
    state.SetIterationTime(times.back());
  }
  state.counters["p50_ms"] = median(times) * 1e3;
  state.counters["best_ms"] = best(times) * 1e3;
}

/// Goal: p50 at most 5 ms.
void chain_as_of(benchmark::State& state) {
  auto& w = world();
  std::mt19937 random(7);
  measure(state, [&] {
    const auto at = moment(static_cast<int>(random() % days), static_cast<int>(random() % 78));
    if (must(w.history->chain("SPX", {.at = at}, soon())).snapshot.quotes.size() != contracts)
      std::abort();
  });
}

void chain_as_of_in_sorted_days(benchmark::State& state) {
  chain_as_of(state);
}

void chain_as_of_as_known_then(benchmark::State& state) {
  auto& w = world();
  const auto known_at = must(w.queries->now(soon()));
  std::mt19937 random(7);
  measure(state, [&] {
    const auto at = moment(static_cast<int>(random() % days), static_cast<int>(random() % 78));
    if (must(w.queries->chain("SPX", {.at = at}, known_at, soon())).snapshot.quotes.size() !=
        contracts)
      std::abort();
  });
}

void chain_of_one_expiry(benchmark::State& state) {
  auto& w = world();
  measure(state, [&] {
    const auto chain = must(w.history->chain(
        "SPX", {.at = moment(1, 3), .expiry = core::Date{std::chrono::year{2026} / 12 / 18}},
        soon()));
    if (chain.snapshot.quotes.size() != 100) std::abort();
  });
}

void measure_contract_history(benchmark::State& state) {
  auto& w = world();
  const auto quotes = cycle("SPX", moment(0, 0), 0).snapshot.quotes;
  std::mt19937 random(7);
  measure(state, [&] {
    const auto& contract = quotes[random() % quotes.size()].contract;
    const auto points =
        must(w.history->contract_history(contract, moment(0, 0), moment(days - 1, 77), soon()));
    if (points.size() != days * cycles_a_day) std::abort();
  });
}

/// Beside a plain aggregate of the same rows into a table without a key, day by day in turns.
/// `last_to_first`: of the days' times, the last five to the first five; 1 where a day costs the
/// same however many there are before it.
void roll_ups_of_22_days_against_a_plain_aggregate(benchmark::State& state) {
  auto& w = world();
  const auto connection = must(w.database->pool().lease(soon()));
  must(
      connection->run("CREATE TABLE bare_daily (day date, contract_id int4, high int4, low int4,"
                      " n int8, bids int8, volume int4, open_interest int4)",
                      soon()));
  std::vector<double> rolled;
  std::vector<double> bare;
  for (auto _ : state) {
    for (int i = 0; i < days; ++i) {
      const auto day = first_day + std::chrono::days{i};
      const auto [from, before] = bounds_of(day);
      bare.push_back(seconds([&] {
        must(connection->query(
            "INSERT INTO bare_daily SELECT $2, contract_id, max(bid), min(bid), count(*), sum(bid),"
            " max(volume), max(open_interest) FROM option_snapshots WHERE underlying_id = $1"
            " AND as_of >= $3 AND as_of < $4 GROUP BY contract_id",
            pg::Params{}.add(1).add(day).add(from).add(before), soon()));
      }));
      rolled.push_back(seconds([&] {
        if (must(roll_up(*connection, {1, day}, soon())).contracts != contracts) std::abort();
      }));
    }
    state.SetIterationTime(std::accumulate(rolled.begin(), rolled.end(), 0.0));
  }
  must(connection->run("DROP TABLE bare_daily", soon()));
  constexpr double rows = cycles_a_day * contracts;
  const std::vector first(rolled.begin(), rolled.begin() + 5);
  const std::vector last(rolled.end() - 5, rolled.end());
  state.SetItemsProcessed(static_cast<std::int64_t>(rows) * days);
  state.counters["p50_day_ms"] = median(rolled) * 1e3;
  state.counters["bare_rows_s"] = rows / median(bare);
  state.counters["of_bare"] = median(bare) / median(rolled);
  state.counters["last_to_first"] = median(last) / median(first);
}

/// All days as cycles are written: no upkeep has been there.
void contract_history_of_22_open_days(benchmark::State& state) {
  measure_contract_history(state);
}

/// Goal: at most 20 ms. The days as upkeep leaves them; what is measured from here on reads them
/// so.
void contract_history_of_22_days(benchmark::State& state) {
  auto& w = world();
  {
    const auto connection = must(w.database->pool().lease(soon()));
    for (const auto& day : must(partitions_to_sort(*connection, moment(days, 0), soon()))) {
      if (!must(sort_partition(*connection, day, soon()))) std::abort();
    }
  }
  measure_contract_history(state);
}

void contract_series_as_known_then(benchmark::State& state) {
  auto& w = world();
  const auto contract = cycle("SPX", moment(0, 0), 0).snapshot.quotes[777].contract;
  const auto known_at = must(w.queries->now(soon()));
  measure(state, [&] {
    const auto series = must(
        w.queries->contract_series(contract, moment(0, 0), moment(days - 1, 77), known_at, soon()));
    if (series.points.size() != days * cycles_a_day) std::abort();
  });
}

/// Goal: at most 5 ms.
void iv_rank_of_20_symbols_over_a_year(benchmark::State& state) {
  auto& w = world();
  std::vector<std::string> symbols;
  for (int u = 0; u <= others; ++u) symbols.push_back(symbol_of(u));
  measure(state, [&] {
    const auto ranks = must(w.queries->iv_rank_history(symbols, DailyOrigin::snapshots,
                                                       first_day - std::chrono::days{365},
                                                       first_day + std::chrono::days{26}, soon()));
    if (ranks.size() < 20 * 250) std::abort();
  });
}

void top_open_interest_changes_of_a_day(benchmark::State& state) {
  auto& w = world();
  measure(state, [&] {
    const auto top = must(w.queries->top_open_interest_changes(first_day + std::chrono::days{9}, 20,
                                                               std::nullopt, soon()));
    if (top.size() != 20) std::abort();
  });
}

/// Goal: at least 0.3 of the rows a second that a bare COPY of the same rows takes in.
void import_against_a_bare_copy(benchmark::State& state) {
  auto& w = world();
  const auto file = w.folder / "import.csv";
  const auto connection = must(w.database->pool().lease(soon()));
  std::vector<double> import;
  std::vector<double> bare;
  constexpr int cycles = 39;
  for (auto _ : state) {
    const auto symbol = fmt::format("I{}", ++w.symbols);
    std::vector<CycleRecord> records;
    std::ofstream out(file);
    out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
           "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n";
    for (int i = 0; i < cycles; ++i) {
      records.push_back(cycle(symbol, moment(days, i), static_cast<std::uint32_t>(i)));
      for (const auto& [contract, q] : records.back().snapshot.quotes) {
        out << fmt::format(
            "{},{},3700,{},{},{},{},{},{},{},{},{:.6f},0.5,0.001,-0.1,0.2,{},{},{},\n",
            core::to_iso(moment(days, i)), symbol, core::to_iso_date(contract.expiry),
            contract.strike.to_string(), core::to_char(contract.right), q.bid->to_string(),
            q.ask->to_string(), q.last->to_string(), *q.volume, *q.open_interest, *q.implied_vol,
            *q.bid_size, *q.ask_size, symbol);
      }
    }
    out.close();
    import.push_back(seconds([&] {
      const auto report = must(import_chain_files(*w.history, std::vector{file},
                                                  [](const ImportProgress&) { return true; }));
      if (report.rows_imported != cycles * contracts) std::abort();
    }));
    bare.push_back(seconds([&] {
      pg::CopyData data;
      data.reserve(20'000'000);
      for (const auto& record : records) put_facts(data, record, 1, 1);
      must(connection->copy_in("COPY bare FROM STDIN (FORMAT binary)", data, soon()));
    }));
    must(connection->run("TRUNCATE bare", soon()));
    state.SetIterationTime(import.back());
  }
  state.SetItemsProcessed(state.iterations() * cycles * contracts);
  state.counters["bare_rows_s"] = cycles * contracts / median(bare);
  state.counters["of_bare"] = median(bare) / median(import);
  state.counters["best_of_bare"] = best(bare) / best(import);
}

/// Goal: at least 0.8 of the rows a second that a bare COPY of the same rows gives out.
void export_against_a_bare_copy(benchmark::State& state, ExportFormat format) {
  auto& w = world();
  const auto connection = must(w.database->pool().lease(soon()));
  constexpr int some = 5;
  must(connection->run("TRUNCATE bare", soon()));
  must(connection->run(fmt::format("INSERT INTO bare SELECT * FROM option_snapshots WHERE"
                                   " underlying_id = 1 AND as_of >= '{}' AND as_of < '{}'"
                                   " ORDER BY as_of, contract_id; ANALYZE bare",
                                   core::to_iso(moment(0, 0)), core::to_iso(moment(some, 0))),
                       soon()));
  must(connection->run("VACUUM bare", soon()));
  const ExportRequest request{
      .underlying = "SPX", .from = moment(0, 0), .to = moment(some, 0) - 1s, .format = format};
  std::vector<double> exported;
  std::vector<double> bare;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    exported.push_back(seconds([&] {
      rows = must(export_chains(*w.database, request, [&](std::string_view piece) {
               bytes += static_cast<std::int64_t>(piece.size());
               return core::Result<void>{};
             })).rows;
    }));
    if (rows != some * cycles_a_day * contracts) std::abort();
    bare.push_back(seconds([&] {
      must(connection->copy_out(
          "COPY bare TO STDOUT (FORMAT binary)",
          [&](std::string_view piece) {
            bytes += static_cast<std::int64_t>(piece.size());
            return core::Result<void>{};
          },
          600s));
    }));
    state.SetIterationTime(exported.back());
  }
  benchmark::DoNotOptimize(bytes);
  state.SetItemsProcessed(state.iterations() * rows);
  state.counters["bare_rows_s"] = static_cast<double>(rows) / median(bare);
  state.counters["of_bare"] = median(bare) / median(exported);
  state.counters["best_of_bare"] = best(bare) / best(exported);
}

#define BIFROST_STORE_BENCHMARK(name) \
  BENCHMARK(name)->Unit(benchmark::kMillisecond)->UseManualTime()
BIFROST_STORE_BENCHMARK(append_a_snapshot_against_a_bare_copy);
BIFROST_STORE_BENCHMARK(chain_as_of);
BIFROST_STORE_BENCHMARK(chain_as_of_as_known_then);
BIFROST_STORE_BENCHMARK(chain_of_one_expiry);
BIFROST_STORE_BENCHMARK(roll_ups_of_22_days_against_a_plain_aggregate)->Iterations(1);
BIFROST_STORE_BENCHMARK(contract_history_of_22_open_days);
BIFROST_STORE_BENCHMARK(contract_history_of_22_days);
BIFROST_STORE_BENCHMARK(chain_as_of_in_sorted_days);
BIFROST_STORE_BENCHMARK(contract_series_as_known_then);
BIFROST_STORE_BENCHMARK(iv_rank_of_20_symbols_over_a_year);
BIFROST_STORE_BENCHMARK(top_open_interest_changes_of_a_day);
BIFROST_STORE_BENCHMARK(import_against_a_bare_copy)->Iterations(3);
BENCHMARK_CAPTURE(export_against_a_bare_copy, csv, ExportFormat::csv)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(export_against_a_bare_copy, csv_gz, ExportFormat::csv_gz)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);
BENCHMARK_CAPTURE(export_against_a_bare_copy, binary, ExportFormat::binary)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(3);

}  // namespace
}  // namespace bifrost::store

BENCHMARK_MAIN();
