// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/export.hpp"

#include <gmock/gmock.h>
#include <zlib.h>

#include <fstream>
#include <sstream>

#include "bifrost/store/daily.hpp"
#include "bifrost/store/import.hpp"
#include "bifrost/store/maintenance.hpp"
#include "bifrost/store/queries.hpp"
#include "pool.hpp"
#include "shared_data.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Instant;

const auto ten = at("2021-01-04T15:00:00Z");
const auto go_on = [](const ImportProgress&) { return true; };

/// Everything a quote can hold, and what it can lack.
CycleRecord cycle(Instant as_of, int seed) {
  CycleRecord record;
  record.snapshot = {"SPX", as_of, price("3759.8125"), core::Source::live, {}};
  for (int i = 0; i < 6; ++i) {
    core::OptionQuote one{{"SPX", i % 2 == 0 ? "SPXW" : "SPX", day("2021-01-15"),
                           core::Price::from_units(37'000'000 + 5'000 * (i / 2)),
                           i % 3 == 0 ? core::Right::put : core::Right::call, i == 5 ? 10 : 100},
                          {}};
    auto& q = one.quote;
    if (i != 1) {
      q.bid = core::Price::from_units(seed * 37 + i);
      q.ask = *q.bid + core::Price::from_units(1);
      q.last = price("0");
      q.bid_size = 0;
      q.ask_size = 2'147'483'647;
      q.volume = 2'147'483'647 - seed;
      q.open_interest = i;
      q.implied_vol = 0.288041 + i * 1e-6;
      q.delta = -0.000001 * seed;
      q.gamma = 0.00000001 * (i + 1);
      q.theta = -12.000001;
      q.vega = 25.14701 + i * 1e-5;
      q.observed_at = as_of - 1234ms + i * 1ms;
    }
    record.snapshot.quotes.push_back(one);
  }
  record.expected = 6;
  return record;
}

std::string exported(Database& database, const ExportRequest& request,
                     ExportReport* report = nullptr) {
  std::string text;
  const auto made = ok(export_chains(database, request, [&](std::string_view bytes) {
    text += bytes;
    return core::Result<void>{};
  }));
  EXPECT_EQ(made.bytes, static_cast<std::int64_t>(text.size()));
  if (report != nullptr) *report = made;
  return text;
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string unpacked(const fs::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string text;
  char buffer[1 << 16];
  for (int got = 0; (got = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  gzclose(file);
  return text;
}

std::vector<StoredChain> everything(Database& database, const std::string& symbol) {
  History history(database);
  std::vector<StoredChain> chains;
  for (const auto& run : ok(history.runs(symbol, Instant::min(), Instant::max(), soon()))) {
    if (run.status == RunStatus::missed) continue;
    chains.push_back(ok(history.chain(symbol, {.at = run.as_of}, soon())));
  }
  return chains;
}

TEST(Export, WhatIsExportedAndImportedIsTheSameFactForFact) {
  auto database = migrated();
  History history(database);
  for (int i = 0; i < 5; ++i) ok(history.append(cycle(ten + i * 20h, i), soon()));
  ok(history.mark_missed("SPX", std::array{ten + 5h}, "no answer", 300s, soon()));
  const TemporaryFolder folder;
  const auto file = folder.path() / "spx.csv.gz";
  const auto report =
      ok(export_chains(database, {.underlying = "SPX", .format = ExportFormat::csv_gz}, file));
  EXPECT_EQ(report.rows, 30);
  EXPECT_EQ(report.cycles, 5);
  EXPECT_EQ(report.cycles_missed, 1);
  EXPECT_EQ(report.cycles_short, 0);
  EXPECT_EQ(report.first, ten);
  EXPECT_EQ(report.last, ten + 80h);
  EXPECT_EQ(report.bytes, static_cast<std::int64_t>(fs::file_size(file)));

  auto other = migrated();
  History again(other);
  const auto imported = ok(import_chain_files(again, std::vector{file}, go_on));
  EXPECT_EQ(imported.rows_imported, 30)
      << (imported.rejects.empty() ? "" : imported.rejects.front().reason);
  const auto before = everything(database, "SPX");
  const auto after = everything(other, "SPX");
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].snapshot.as_of, after[i].snapshot.as_of);
    EXPECT_EQ(before[i].snapshot.underlying_price, after[i].snapshot.underlying_price);
    EXPECT_EQ(before[i].snapshot.quotes, after[i].snapshot.quotes);
  }
  // And once more: the file of the second history is the file of the first.
  EXPECT_EQ(exported(other, {.underlying = "SPX"}), unpacked(file));
}

TEST(Export, OurOwnFilesComeBackByteForByte) {
  for (const auto* name :
       {"a_clear/spx_2021_01_04_5min.csv.gz", "a_clear/aapl_2014_06_06_and_09_hourly.csv.gz"}) {
    const auto source = shared_data(name);
    if (!source) GTEST_SKIP() << "no shared data: " << name;
    auto database = migrated();
    History history(database);
    const auto imported = ok(import_chain_files(history, std::vector<fs::path>{*source}, go_on));
    ASSERT_EQ(imported.rows_rejected, 0);
    const auto symbol = ok(history.underlyings(soon())).at(0).symbol;
    auto original = unpacked(*source);
    auto text = exported(database, {.underlying = symbol});
    // The same values; the file may have written them with more zeros.
    auto a = core::ChainFileReader::from_text(std::move(original));
    auto b = core::ChainFileReader::from_text(text);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(text.substr(0, text.find('\n')),
              "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,"
              "iv,delta,gamma,theta,vega,bid_size,ask_size,root,mid");
    for (std::int64_t row = 0;; ++row) {
      const auto x = ok(a->next());
      const auto y = ok(b->next());
      ASSERT_EQ(x.has_value(), y.has_value()) << row;
      if (!x) {
        EXPECT_EQ(row, imported.rows_imported);
        break;
      }
      const auto& left = std::get<core::ChainFileRow>(*x);
      const auto& right = std::get<core::ChainFileRow>(*y);
      ASSERT_EQ(left.quote_ts, right.quote_ts) << left.line;
      ASSERT_EQ(left.contract, right.contract) << left.line;
      ASSERT_EQ(left.quote, right.quote) << left.line;
      ASSERT_EQ(left.underlying_price, right.underlying_price) << left.line;
    }
  }
}

TEST(Export, IsNarrowedByTimeExpiryAndTradingClass) {
  auto database = migrated();
  History history(database);
  auto record = cycle(ten, 1);
  record.snapshot.quotes[0].contract.expiry = day("2021-02-19");
  ok(history.append(std::vector{record, cycle(ten + 300s, 2), cycle(ten + 600s, 3)}, soon()));
  const auto rows = [&](const ExportRequest& request) {
    ExportReport report;
    exported(database, request, &report);
    return report.rows;
  };
  EXPECT_EQ(rows({.underlying = "SPX", .from = ten + 1s, .to = ten + 300s}), 6);
  EXPECT_EQ(rows({.underlying = "SPX", .expiry = day("2021-02-19")}), 1);
  EXPECT_EQ(rows({.underlying = "SPX", .trading_class = "SPXW"}), 9);
  EXPECT_EQ(rows({.underlying = "SPX", .trading_class = "NDX"}), 0);
  EXPECT_EQ(rows({.underlying = "SPX", .to = ten - 1s}), 0);
  const ExportSink nowhere = [](std::string_view) { return core::Result<void>{}; };
  EXPECT_EQ(export_chains(database, {.underlying = "NDX"}, nowhere).error().code, Errc::not_found);
  EXPECT_EQ(
      export_chains(database, {.underlying = "'; DROP TABLE contracts; --"}, nowhere).error().code,
      Errc::invalid_input);
  EXPECT_EQ(export_chains(database, {.underlying = "SPX", .trading_class = "' OR '1'='1"}, nowhere)
                .error()
                .code,
            Errc::invalid_input);
}

TEST(Export, ABinaryStreamIsTakenByCopy) {
  auto database = migrated();
  History history(database);
  ok(history.append(std::vector{cycle(ten, 1), cycle(ten + 300s, 2)}, soon()));
  const auto stream = exported(database, {.underlying = "SPX", .format = ExportFormat::binary});
  const auto connection = ok(database.pool().lease(soon()));
  ok(connection->run(
      "CREATE TABLE taken (as_of timestamptz, underlying text, underlying_price int8,"
      " source text, trading_class text, expiry date, strike int4, \"right\" text,"
      " multiplier int4, bid int8, ask int8, last int8, bid_size int4, ask_size int4,"
      " volume int4, open_interest int4, implied_vol int4, delta int4, gamma int4,"
      " theta int4, vega int4, observed_at timestamptz)",
      soon()));
  // As a client would: the stream as it is.
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::others_all, fs::perm_options::add);
  const auto file = folder.path() / "spx.copy";
  write_file(file, stream);
  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  ok(connection->run("COPY taken FROM '" + file.string() + "' (FORMAT binary)", soon()));
  const auto same = ok(connection->query(
      "SELECT count(*), count(*) FILTER (WHERE t.bid IS NOT DISTINCT FROM s.bid AND t.vega IS NOT"
      " DISTINCT FROM s.vega AND t.gamma IS NOT DISTINCT FROM s.gamma AND t.observed_at IS NOT"
      " DISTINCT FROM s.as_of + s.observed_offset_ms * interval '1 millisecond' AND"
      " t.underlying_price = 37598125 AND t.source = 'live') FROM taken t JOIN contracts c USING"
      " (trading_class, expiry, strike, multiplier) JOIN option_snapshots s ON s.contract_id ="
      " c.contract_id AND s.as_of = t.as_of WHERE c.\"right\" = t.\"right\"::\"char\"",
      soon()));
  EXPECT_EQ(same.integer(0, 0), 12);
  EXPECT_EQ(same.integer(0, 1), 12);
}

TEST(Export, AsKnownBeforeACorrectionItHasTheOldNumbers) {
  auto database = migrated();
  History history(database);
  Queries queries(database);
  ok(history.append(std::vector{cycle(ten, 1), cycle(ten + 300s, 2), cycle(ten + 600s, 3)},
                    soon()));
  const auto before = exported(database, {.underlying = "SPX"});
  const auto known_at = ok(queries.now(soon()));
  ok(history.correct(cycle(ten + 300s, 9), soon()));
  ok(history.append(cycle(ten - 300s, 4), soon()));
  EXPECT_EQ(exported(database, {.underlying = "SPX", .known_at = known_at}), before);
  const auto now = exported(database, {.underlying = "SPX"});
  EXPECT_NE(now, before);
  EXPECT_EQ(std::ranges::count(now, '\n'), 25);
}

TEST(Export, AFileIsWholeOrNotThere) {
  auto database = migrated();
  History history(database);
  ok(history.append(cycle(ten, 1), soon()));
  const TemporaryFolder folder;
  const auto file = folder.path() / "spx.csv";
  // Stopped in the middle.
  const auto stopped = export_chains(database, {.underlying = "SPX"}, file,
                                     [](const ExportProgress&) { return false; });
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  // A file of that name stays as it was until the new one is whole.
  write_file(file, "mine");
  EXPECT_FALSE(export_chains(database, {.underlying = "SPX"}, file,
                             [](const ExportProgress&) { return false; }));
  EXPECT_EQ(read_file(file), "mine");
  ok(export_chains(database, {.underlying = "SPX"}, file));
  EXPECT_EQ(std::ranges::count(read_file(file), '\n'), 7);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{}), 1);
  EXPECT_EQ(export_chains(database, {.underlying = "SPX"}, folder.path() / "no" / "where.csv")
                .error()
                .code,
            Errc::not_found);
  // A disk that takes no more: the sink's error is the export's, and the pool goes on.
  const auto full = export_chains(database, {.underlying = "SPX"}, [](std::string_view) {
    return core::Result<void>{core::fail(Errc::unavailable, "no space left")};
  });
  EXPECT_EQ(full.error().message, "no space left");
  EXPECT_EQ(ok(history.underlyings(soon())).size(), 1U);
}

TEST(Export, CyclesWithoutTheirRowsAreCountedNotHidden) {
  auto database = migrated();
  History history(database);
  ok(history.append(std::vector{cycle(ten, 1), cycle(ten + 300s, 2)}, soon()));
  run(database, "DELETE FROM option_snapshots WHERE as_of = '2021-01-04T15:00:00Z'");
  ExportReport report;
  exported(database, {.underlying = "SPX"}, &report);
  EXPECT_EQ(report.rows, 6);
  EXPECT_EQ(report.cycles, 1);
  EXPECT_EQ(report.cycles_short, 1);
}

TEST(Export, MemoryDoesNotGrowWithTheLengthOfTheHistory) {
  auto database = migrated();
  History history(database);
  std::vector<CycleRecord> cycles;
  for (int i = 0; i < 240; ++i) {
    auto record = cycle(ten + i * 300s, i);
    for (int k = 0; k < 500; ++k) {
      auto one = record.snapshot.quotes[0];
      one.contract.strike = core::Price::from_units(10'000LL * (k + 1));
      record.snapshot.quotes.push_back(one);
    }
    cycles.push_back(std::move(record));
    if (cycles.size() == 40) {
      ok(history.append(cycles, soon()));
      cycles.clear();
    }
  }
  cycles.shrink_to_fit();
  std::int64_t largest = 0;
  std::int64_t bytes = 0;
  const auto report =
      ok(export_chains(database, {.underlying = "SPX"}, [&](std::string_view piece) {
        largest = std::max(largest, static_cast<std::int64_t>(piece.size()));
        bytes += static_cast<std::int64_t>(piece.size());
        return core::Result<void>{};
      }));
  EXPECT_EQ(report.rows, 240 * 506);
  EXPECT_GT(bytes, 10'000'000);
  EXPECT_LT(largest, 200'000);
}

TEST(Export, RollUpsOfTheDays) {
  auto database = migrated();
  History history(database);
  ok(history.append(cycle(ten, 1), soon()));
  run(database,
      "INSERT INTO option_daily (day, underlying_id, contract_id, mid_close, n, close_as_of,"
      " implied_vol_close, volume) SELECT '2021-01-04', 1, contract_id, 1.5, 3,"
      " '2021-01-04T20:55:00Z', 250000, 7 FROM contracts");
  ExportReport report;
  const auto text = exported(database, {.underlying = "SPX", .daily = true}, &report);
  EXPECT_EQ(report.rows, 6);
  EXPECT_THAT(text, ::testing::StartsWith("day,underlying,trading_class,expiry,strike,right,"));
  EXPECT_THAT(text, ::testing::HasSubstr("2021-01-04,SPX,SPX,2021-01-15,3700,C,100,,,,1.5,,3,"
                                         "2021-01-04T20:55:00Z,0.25,7,,\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 7);
  exported(database, {.underlying = "SPX", .format = ExportFormat::binary, .daily = true}, &report);
  EXPECT_EQ(report.rows, 6);
  exported(database, {.underlying = "SPX", .from = ten + 24h, .daily = true}, &report);
  EXPECT_EQ(report.rows, 0);
}

// What a correction moved aside goes with the quotes of its day; the ledger still tells of it.
TEST(Export, SupersededCyclesThatRetentionEmptiedAreCounted) {
  auto database = migrated();
  History history(database);
  ok(history.append(cycle(ten, 1), soon()));
  ok(history.append(cycle(ten + 300s, 2), soon()));
  ok(history.append(cycle(ten + 240h, 3), soon()));
  const auto known_at = ok(Queries(database).now(soon()));
  ok(history.correct(cycle(ten, 4), soon()));
  ok(history.correct(cycle(ten + 240h, 5), soon()));
  const auto short_of = [&](const ExportRequest& request) {
    ExportReport report;
    exported(database, request, &report);
    return report.cycles_short;
  };
  const ExportRequest then{.underlying = "SPX", .known_at = known_at};
  const ExportRequest of_an_expiry{
      .underlying = "SPX", .expiry = day("2021-01-15"), .known_at = known_at};
  const ExportRequest of_no_expiry{
      .underlying = "SPX", .expiry = day("2021-02-19"), .known_at = known_at};
  EXPECT_EQ(short_of(then), 0);
  EXPECT_EQ(short_of(of_an_expiry), 0);
  EXPECT_TRUE(
      ok(maintain(database, at("2021-01-14T23:00:00Z"), {.retention_days = 2}, {}, {}, soon()))
          .ok());
  EXPECT_EQ(short_of({.underlying = "SPX"}), 2);
  EXPECT_EQ(short_of(then), 2);
  EXPECT_EQ(short_of(of_an_expiry), 2);
  EXPECT_EQ(short_of(of_no_expiry), 2);
}

}  // namespace
}  // namespace bifrost::store
