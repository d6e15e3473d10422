// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/chain_file.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "shared_data.hpp"
#include "temporary_folder.hpp"

namespace bifrost::core {
namespace {

constexpr std::string_view header =
    "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,"
    "gamma,theta,vega,"
    "bid_size,ask_size,root,mid\n";

std::string with_header(std::string_view rows) {
  return std::string{header} + std::string{rows};
}

std::variant<ChainFileRow, ChainFileReject> only_line(std::string_view row) {
  auto reader = ChainFileReader::from_text(with_header(row)).value();
  return reader.next().value().value();
}

struct Count {
  std::size_t rows = 0;
  std::size_t rejects = 0;
};

Count count(ChainFileReader reader) {
  Count counted;
  for (;;) {
    const auto next = reader.next().value();
    if (!next) return counted;
    ++(std::holds_alternative<ChainFileRow>(*next) ? counted.rows : counted.rejects);
  }
}

// The file says 0.25147 per point; multiplied as a double that would be 25.146999999999998.
TEST(ChainFile, VegaPerPointBecomesVegaPerOne) {
  const auto vega_of = [](std::string_view text) {
    const auto line = only_line("2021-01-04T21:00:00Z,SPY,368.79,2021-01-29,345,P,,,,,,,,,," +
                                std::string{text} + ",,,SPY,\n");
    const auto* row = std::get_if<ChainFileRow>(&line);
    return row ? row->quote.vega : std::nullopt;
  };
  EXPECT_EQ(vega_of("0.25147"), 25.147);
  EXPECT_EQ(vega_of("2.5e-1"), 25.0);
  EXPECT_EQ(vega_of("0"), 0.0);
  EXPECT_EQ(vega_of(""), std::nullopt);
  EXPECT_EQ(vega_of("1e308"), std::nullopt) << "beyond double once per 1.00";
}

TEST(ChainFile, EmptyIsUnknownAndZeroIsZero) {
  const auto line =
      only_line("2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,P,,0.03,,0,0,,,,,,,190,TWX,\n");
  const auto& row = std::get<ChainFileRow>(line);
  EXPECT_EQ(row.line, 2u);
  EXPECT_EQ(to_iso(row.quote_ts), "2014-06-05T13:35:00Z");
  EXPECT_EQ(row.contract, (OptionContract{"TWX", "TWX", parse_date("2014-06-21").value(),
                                          Price::from_units(425'000), Right::put}));
  EXPECT_EQ(row.underlying_price, Price::from_units(707'200));
  EXPECT_FALSE(row.quote.bid);
  EXPECT_EQ(row.quote.ask, Price::from_units(300));
  EXPECT_FALSE(row.quote.last);
  EXPECT_EQ(row.quote.volume, 0);
  EXPECT_EQ(row.quote.open_interest, 0);
  EXPECT_FALSE(row.quote.bid_size);
  EXPECT_EQ(row.quote.ask_size, 190);
  EXPECT_FALSE(row.quote.implied_vol);
  EXPECT_FALSE(row.mid);
}

TEST(ChainFile, RejectsALineWithItsNumberAndTheFieldThatIsWrong) {
  const std::pair<std::string_view, std::string_view> lines[] = {
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,X,,,,,,,,,,,,,TWX,\n", "right"},
      {"2014-06-05,TWX,70.72,2014-06-21,42.5,C,,,,,,,,,,,,,TWX,\n", "quote_ts"},
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,-1,C,,,,,,,,,,,,,TWX,\n", "strike"},
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,C,1e9,,,,,,,,,,,,TWX,\n", "bid"},
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,C,-1,,,,,,,,,,,,TWX,\n", "bid"},
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,C,,,,1.5,,,,,,,,,TWX,\n", "volume"},
      {"2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,C,,,,,,nan,,,,,,,TWX,\n", "iv"},
      {"2014-06-05T13:35:00Z,'; DROP TABLE x,70.72,2014-06-21,42.5,C,,,,,,,,,,,,,TWX,\n",
       "underlying"},
      {"2014-06-05T13:35:00Z,TWX\n", "fields"},
  };
  for (const auto& [text, field] : lines) {
    const auto line = only_line(text);
    ASSERT_TRUE(std::holds_alternative<ChainFileReject>(line)) << text;
    EXPECT_EQ(std::get<ChainFileReject>(line).line, 2u);
    EXPECT_NE(std::get<ChainFileReject>(line).reason.find(field), std::string::npos) << text;
  }
}

TEST(ChainFile, GoesOnAfterABadLineAndReadsALastLineWithoutItsEnd) {
  const std::string good = "2014-06-05T13:35:00Z,TWX,70.72,2014-06-21,42.5,C,,,,,,,,,,,,,TWX,";
  const auto counted =
      count(ChainFileReader::from_text(
                with_header("junk\n" + good + "\r\n" + std::string(10'000, 'x') + "\n" + good))
                .value());
  EXPECT_EQ(counted.rows, 2u);
  EXPECT_EQ(counted.rejects, 2u);
}

TEST(ChainFile, RefusesAFileWithoutTheHeader) {
  EXPECT_EQ(ChainFileReader::from_text("").error().code, Errc::invalid_input);
  EXPECT_EQ(ChainFileReader::from_text("a,b,c\n1,2,3\n").error().code, Errc::invalid_input);
  EXPECT_EQ(ChainFileReader::open("/nowhere/at/all.csv.gz").error().code, Errc::not_found);
}

TEST(ChainFile, ReportsATruncatedGzipInsteadOfEndingQuietly) {
  const auto path = std::filesystem::temp_directory_path() / "bifrost_truncated.csv.gz";
  std::string rows{header};
  for (int i = 0; i < 20'000; ++i) {
    rows += "2014-06-05T13:35:00Z,TWX,70.72,2014-06-21," + std::to_string(i + 1) +
            ",C,,,,,,,,,,,,,TWX,\n";
  }
  gzFile out = gzopen(path.c_str(), "wb");
  gzwrite(out, rows.data(), static_cast<unsigned>(rows.size()));
  gzclose(out);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  auto reader = ChainFileReader::open(path).value();
  Errc seen{};
  for (int i = 0; i < 30'000; ++i) {
    const auto next = reader.next();
    if (!next) {
      seen = next.error().code;
      break;
    }
    ASSERT_TRUE(*next) << "ended as if nothing were wrong";
  }
  EXPECT_EQ(seen, Errc::corrupt_data);
  std::filesystem::remove(path);
}

TEST(ChainFile, ReadsAPipePlainOrGzipped) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::string rows{header};
  for (int i = 0; i < 20'000; ++i) {
    rows += "2014-06-05T13:35:00Z,TWX,70.72,2014-06-21," + std::to_string(i + 1) +
            ",C,,,,,,,,,,,,,TWX,\n";
  }
  for (const char* mode : {"wT", "w"}) {  // transparent: no compression
    std::jthread writer{[&] {
      gzFile out = gzopen(pipe.c_str(), mode);
      gzwrite(out, rows.data(), static_cast<unsigned>(rows.size()));
      gzclose(out);
    }};
    auto reader = ChainFileReader::open(pipe).value();
    EXPECT_EQ(reader.progress(), 0.0) << mode;
    const auto counted = count(std::move(reader));
    EXPECT_EQ(counted.rows, 20'000u) << mode;
    EXPECT_EQ(counted.rejects, 0u) << mode;
  }
}

// Row counts as published in MANIFEST.txt of the data.
TEST(ChainFile, ReadsEveryLineOfTheSharedOptionFiles) {
  const std::pair<const char*, std::size_t> files[] = {
      {"a_clear/twx_2014_06_05_06_5min.csv.gz", 28'704},
      {"a_clear/aapl_2014_06_06_and_09_hourly.csv.gz", 31'719},
      {"a_clear/spx_2021_01_04_5min.csv.gz", 1'404},
      {"a_clear/anon_aaaa_2017_06_13_1min_mid.csv.gz", 114'986},
      {"b_upstream_unstated/spxw_2018_01_eod.csv.gz", 7'588},
      {"b_upstream_unstated/spx_2019_05_17_eod_full.csv.gz", 12'626},
      {"b_upstream_unstated/spy_2021_jan_sep_eod_top20.csv.gz", 3'760},
  };
  for (const auto& [name, rows] : files) {
    const auto file = shared_data(name);
    if (!file) GTEST_SKIP() << "shared/data/" << name << " is not here";
    const auto counted = count(ChainFileReader::open(*file).value());
    EXPECT_EQ(counted.rows, rows) << name;
    EXPECT_EQ(counted.rejects, 0u) << name;
  }
}

}  // namespace
}  // namespace bifrost::core
