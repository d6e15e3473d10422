// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "bifrost/store/import.hpp"
#include "shared_data.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

const auto go_on = [](const ImportProgress&) { return true; };

constexpr std::string_view orats_header =
    "ticker,cOpra,pOpra,stkPx,expirDate,yte,strike,cVolu,cOi,pVolu,pOi,cBidPx,cValue,cAskPx,pBidPx,"
    "pValue,pAskPx,cBidIv,cMidIv,cAskIv,smoothSmvVol,pBidIv,pMidIv,pAskIv,iRate,divRate,"
    "residualRateData,delta,gamma,theta,vega,rho,phi,driftlessTheta,extVol,extCTheo,extPTheo,"
    "spot_px,trade_date\n";

std::string orats_line(const std::string& ticker, const std::string& root, int strike,
                       const std::string& price = "184.24") {
  const auto occ = [&](char right) {
    auto digits = std::to_string(strike * 1000);
    return root + "240119" + right + std::string(8 - digits.size(), '0') + digits;
  };
  return ticker + "," + occ('C') + "," + occ('P') + "," + price + ",1/19/2024,0.04384," +
         std::to_string(strike) +
         ",1,2,3,4,5.10,5.2,5.40,6.2,6.3,6.5,0.2,0.21,0.22,0.2,0.2,0.22,0.23,0.05,0,0,0.5,0.03,"
         "-0.1,0.2,1,1,-1,0.1,45,36,,1/3/2024\n";
}

struct File {
  File(const std::string& name, const std::string& text) : path(folder.path() / name) {
    std::ofstream(path) << text;
  }
  TemporaryFolder folder;
  fs::path path;
};

TEST(ImportLayouts, AVendorsFileBecomesSnapshotsAndAgainIsHarmless) {
  auto database = migrated();
  History history(database);
  const File file("ORATS_SMV_Strikes_20240103.csv",
                  std::string(orats_header) + orats_line("AAPL", "AAPL", 180) +
                      orats_line("AAPL", "AAPL", 185) + orats_line("MSFT", "MSFT", 370) +
                      "AAPL,garbage\n");
  const auto first = ok(import_chain_files(history, std::vector{file.path}, go_on));
  EXPECT_EQ(first.rows_read, 7) << "two rows of every line, one of what is none";
  EXPECT_EQ(first.rows_imported, 6);
  EXPECT_EQ(first.cycles_imported, 2);
  ASSERT_EQ(first.rejects.size(), 1U);
  EXPECT_EQ(first.rejects[0].line, 5U);
  const auto chain = ok(history.chain("AAPL", {}, soon()));
  EXPECT_EQ(chain.snapshot.as_of, at("2024-01-03T21:00:00Z"));
  EXPECT_EQ(chain.snapshot.underlying_price, price("184.24"));
  EXPECT_EQ(chain.snapshot.source, core::Source::imported);
  ASSERT_EQ(chain.snapshot.quotes.size(), 4U);
  EXPECT_EQ(chain.snapshot.quotes[1].quote.ask, price("6.5"));
  EXPECT_EQ(chain.snapshot.quotes[1].quote.observed_at, at("2024-01-03T20:46:00Z"));
  const auto second = ok(import_chain_files(history, std::vector{file.path}, go_on));
  EXPECT_EQ(second.rows_imported, 0);
  EXPECT_EQ(second.rows_already_there, 6);
  EXPECT_EQ(ok(history.chain("AAPL", {}, soon())).snapshot.quotes, chain.snapshot.quotes);
}

TEST(ImportLayouts, AdjustedAndMorningClassesStayApart) {
  auto database = migrated();
  History history(database);
  const File file("orats.csv", std::string(orats_header) + orats_line("AAPL", "AAPL", 180) +
                                   orats_line("AAPL", "AAPL7", 180) +
                                   orats_line("SPX", "SPX", 4700, "4709.4") +
                                   orats_line("SPX", "SPXW", 4700, "4708.93"));
  const auto report = ok(import_chain_files(history, std::vector{file.path}, go_on));
  EXPECT_EQ(report.rows_imported, 8);
  EXPECT_EQ(report.rows_rejected, 0);
  std::set<std::string> classes;
  for (const auto& one : ok(history.chain("AAPL", {}, soon())).snapshot.quotes) {
    classes.insert(one.contract.trading_class);
  }
  EXPECT_EQ(classes, (std::set<std::string>{"AAPL", "AAPL7"}));
  const auto spx = ok(history.chain("SPX", {}, soon()));
  EXPECT_EQ(spx.snapshot.quotes.size(), 4U);
  EXPECT_EQ(spx.snapshot.underlying_price, std::nullopt)
      << "an index has another stkPx for every expiry and class: none is chosen";
  EXPECT_THAT(spx.run.reason, HasSubstr("differs"));
}

TEST(ImportLayouts, AWholeMarketInOneInstantDoesNotPileUp) {
  auto database = migrated();
  History history(database);
  std::string text(orats_header);
  for (int i = 0; i < 60; ++i) {
    const std::string symbol{static_cast<char>('A' + i / 26), static_cast<char>('A' + i % 26)};
    for (int strike = 1; strike <= 20; ++strike) text += orats_line(symbol, symbol, strike);
  }
  text += orats_line("AA", "AA", 21);  // out of order
  const File file("market.csv", text);
  ImportOptions options;
  options.open_rows = 100;
  const auto report = ok(import_chain_files(history, std::vector{file.path}, go_on, options));
  EXPECT_EQ(report.cycles_imported, 60);
  EXPECT_EQ(report.rows_imported, 60 * 40);
  EXPECT_EQ(report.rows_rejected, 2);
  EXPECT_THAT(report.rejects.at(0).reason, HasSubstr("earlier in the file"));
}

TEST(ImportLayouts, TheLayoutMayBeNamedAndMustFit) {
  auto database = migrated();
  History history(database);
  const File file("orats.csv", std::string(orats_header) + orats_line("AAPL", "AAPL", 180));
  ImportOptions options;
  options.file.layout = core::ChainLayout::cboe_eod;
  const auto refused = import_chain_files(history, std::vector{file.path}, go_on, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::Errc::invalid_input);
  EXPECT_TRUE(ok(history.underlyings(soon())).empty());
}

// F24: the 7-for-1 split of AAPL on the weekend between the two days of the file.
TEST(ImportLayouts, ContractsBeforeAndAfterASplitAreNeverMerged) {
  const std::string name = "a_clear/aapl_2014_06_06_and_09_hourly.csv.gz";
  const auto source = shared_data(name);
  if (!source) GTEST_SKIP() << "no shared data: " << name;
  auto database = migrated();
  History history(database);
  const auto report = ok(import_chain_files(history, std::vector<fs::path>{*source}, go_on));
  EXPECT_EQ(report.rows_rejected, 0);
  const auto friday = ok(history.chain("AAPL", {.at = at("2014-06-08T00:00:00Z")}, soon()));
  const auto monday = ok(history.chain("AAPL", {}, soon()));
  EXPECT_EQ(friday.snapshot.quotes.size(), 2352U);
  EXPECT_EQ(monday.snapshot.quotes.size(), 2180U);
  std::set<core::OptionContract> before;
  for (const auto& one : friday.snapshot.quotes) before.insert(one.contract);
  for (const auto& one : monday.snapshot.quotes) ASSERT_FALSE(before.contains(one.contract));
  // 645 became 92.14: two contracts, each with the history of its own days.
  const auto history_of = [&](const std::string& strike) {
    return ok(history.contract_history(
        {"AAPL", "AAPL", day("2014-06-21"), price(strike), core::Right::call, 100},
        core::Instant::min(), core::Instant::max(), soon()));
  };
  const auto old_points = history_of("645");
  const auto new_points = history_of("92.14");
  ASSERT_EQ(old_points.size(), 7U);
  ASSERT_EQ(new_points.size(), 7U);
  EXPECT_LT(old_points.back().as_of, new_points.front().as_of);
  EXPECT_EQ(*new_points.front().quote.open_interest % 7, 0) << "seven for one";
}

}  // namespace
}  // namespace bifrost::store
