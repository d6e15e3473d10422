// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/listings.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Right;

const BrokerUnderlying spx{false, 416904, "IND", "CBOE", "USD", "S&P 500 Stock Index", 0.01};

ListedContract contract(const char* trading_class, const char* expiry, const char* strike,
                        Right right, std::int64_t con_id) {
  return {.contract = {"SPX", trading_class, day(expiry), price(strike), right, 100},
          .con_id = con_id,
          .exchange = "SMART",
          .currency = "USD",
          .last_trade_date = "20261119"};
}

ListedSeries series(const char* trading_class, const char* filed,
                    std::vector<ListedContract> contracts = {},
                    std::optional<core::Date> listed_on = std::nullopt) {
  return {trading_class, day(filed), listed_on, listed_on ? 77 : 0, std::move(contracts)};
}

class ListingsTest : public ::testing::Test {
 protected:
  StoredListings load(const char* from = "2026-11-16") {
    auto stored = ok(listings.load("SPX", day(from), soon()));
    if (!stored) throw std::runtime_error("nothing is stored");
    return *std::move(stored);
  }

  void list_one_call() {
    ok(listings.save_offer("SPX", spx, monday, morning, std::vector{series("SPXW", "2026-11-20")},
                           soon()));
    ok(listings.save_series(
        "SPX",
        series("SPXW", "2026-11-20", {contract("SPXW", "2026-11-20", "6000", Right::call, 1)},
               monday),
        morning, soon()));
  }

  Database database = migrated();
  Listings listings{database};
  const core::Date monday = day("2026-11-16");
  const core::Instant morning = at("2026-11-16T14:31:00Z");
};

TEST_F(ListingsTest, GiveBackWhatWasSaved) {
  EXPECT_FALSE(ok(listings.load("SPX", monday, soon())));
  ok(listings.save_offer("SPX", spx, monday, morning,
                         std::vector{series("SPXW", "2026-11-20"), series("SPX", "2026-11-19")},
                         soon()));
  auto listed = series("SPX", "2026-11-19",
                       {contract("SPX", "2026-11-20", "6000", Right::call, 11),
                        contract("SPX", "2026-11-20", "6000", Right::put, 9'000'000'000'000),
                        contract("SPX", "2026-11-20", "6012.5", Right::call, 13)},
                       monday);
  ok(listings.save_series("SPX", listed, morning + 5s, soon()));

  const auto stored = load();
  EXPECT_EQ(stored.underlying, spx);
  EXPECT_EQ(stored.offered_on, monday);
  EXPECT_EQ(stored.offered_at, morning);
  ASSERT_EQ(stored.series.size(), 2u);
  for (auto& one : listed.contracts) one.first_seen = morning + 5s;
  EXPECT_EQ(stored.series[0], listed);
  EXPECT_EQ(stored.series[1], series("SPXW", "2026-11-20"));
  EXPECT_EQ(load("2026-11-20").series.size(), 1u) << "only what is filed from then on";
}

TEST_F(ListingsTest, TellWhatEachUnderlyingIsForTheBroker) {
  EXPECT_TRUE(ok(listings.sec_types(soon())).empty());
  ok(listings.save_offer("SPX", spx, monday, morning, {}, soon()));
  auto shares = spx;
  shares.sec_type = "STK";
  ok(listings.save_offer("Z", shares, monday, morning, {}, soon()));
  const std::map<std::string, std::string, std::less<>> told{{"SPX", "IND"}, {"Z", "STK"}};
  EXPECT_EQ(ok(listings.sec_types(soon())), told);
}

TEST_F(ListingsTest, ANewListingReplacesTheOldOneAndKeepsWhenAContractWasFirstSeen) {
  ok(listings.save_offer("SPX", spx, monday, morning, std::vector{series("SPXW", "2026-11-20")},
                         soon()));
  ok(listings.save_series("SPX",
                          series("SPXW", "2026-11-20",
                                 {contract("SPXW", "2026-11-20", "6000", Right::call, 1),
                                  contract("SPXW", "2026-11-20", "6005", Right::call, 2)},
                                 monday),
                          morning, soon()));
  const auto tuesday = morning + 24h;
  ok(listings.save_series("SPX",
                          series("SPXW", "2026-11-20",
                                 {contract("SPXW", "2026-11-20", "6005", Right::call, 22),
                                  contract("SPXW", "2026-11-20", "6010", Right::call, 3)},
                                 day("2026-11-17")),
                          tuesday, soon()));
  const auto stored = load();
  ASSERT_EQ(stored.series.size(), 1u);
  const auto& contracts = stored.series[0].contracts;
  ASSERT_EQ(contracts.size(), 2u) << "6000 is no longer listed";
  EXPECT_EQ(contracts[0].con_id, 22) << "it has a new handle";
  EXPECT_EQ(contracts[0].first_seen, morning);
  EXPECT_EQ(contracts[1].first_seen, tuesday);
  EXPECT_EQ(stored.series[0].listed_on, day("2026-11-17"));
  // The clock stands still, or is set back: what counts is what was saved last.
  for (const auto when : {tuesday, tuesday - 1h}) {
    ok(listings.save_series(
        "SPX",
        series("SPXW", "2026-11-20", {contract("SPXW", "2026-11-20", "6010", Right::call, 3)},
               day("2026-11-17")),
        when, soon()));
    EXPECT_EQ(load().series[0].contracts.size(), 1u);
  }
}

TEST_F(ListingsTest, ANewOfferRemovesSeriesAndKeepsTheListedOnes) {
  ok(listings.save_offer("SPX", spx, monday, morning,
                         std::vector{series("SPXW", "2026-11-17"), series("SPXW", "2026-11-20")},
                         soon()));
  ok(listings.save_series("SPX",
                          series("SPXW", "2026-11-20",
                                 {contract("SPXW", "2026-11-20", "6000", Right::call, 1)}, monday),
                          morning, soon()));
  ok(listings.save_offer("SPX", spx, day("2026-11-17"), morning + 24h,
                         std::vector{series("SPXW", "2026-11-20"), series("SPXW", "2026-12-31")},
                         soon()));
  const auto stored = load();
  ASSERT_EQ(stored.series.size(), 2u);
  EXPECT_EQ(stored.series[0].contracts.size(), 1u);
  EXPECT_EQ(stored.series[0].listed_on, monday);
  EXPECT_FALSE(stored.series[1].listed_on);
  EXPECT_EQ(listings.save_series("SPX", series("SPXW", "2026-11-17", {}, monday), morning, soon())
                .error()
                .code,
            Errc::not_found);
}

TEST_F(ListingsTest, HandlesOfASimulatorAndOfTheBrokerNeverMix) {
  list_one_call();
  auto simulated = spx;
  simulated.simulated = true;
  ok(listings.save_offer("SPX", simulated, monday, morning,
                         std::vector{series("SPXW", "2026-11-20")}, soon()));
  const auto stored = load();
  EXPECT_TRUE(stored.underlying.simulated);
  ASSERT_EQ(stored.series.size(), 1u);
  EXPECT_FALSE(stored.series[0].listed_on);
  EXPECT_TRUE(stored.series[0].contracts.empty());
}

TEST_F(ListingsTest, RememberWhatTheBrokerDoesNotKnowUntilItListsItAgain) {
  ok(listings.save_offer("SPX", spx, monday, morning, std::vector{series("SPXW", "2026-11-20")},
                         soon()));
  const auto listed = series("SPXW", "2026-11-20",
                             {contract("SPXW", "2026-11-20", "6000", Right::call, 1),
                              contract("SPXW", "2026-11-20", "6000", Right::put, 2)},
                             monday);
  ok(listings.save_series("SPX", listed, morning, soon()));
  ok(listings.save_unknown("SPX", monday, std::vector<std::int64_t>{2, 99}, soon()));
  EXPECT_FALSE(load().series[0].contracts[0].unknown_on);
  EXPECT_EQ(load().series[0].contracts[1].unknown_on, monday);
  ok(listings.save_series("SPX", listed, morning + 1h, soon()));
  EXPECT_FALSE(load().series[0].contracts[1].unknown_on);
}

TEST_F(ListingsTest, ForgetWhatExpiredAMonthAgo) {
  list_one_call();
  const auto rows = [&] { return number(database, "SELECT count(*) FROM option_listings"); };
  ok(listings.save_offer("SPX", spx, day("2026-12-20"), morning, {}, soon()));
  EXPECT_EQ(rows(), 1);
  ok(listings.save_offer("SPX", spx, day("2026-12-21"), morning, {}, soon()));
  EXPECT_EQ(rows(), 0);
}

TEST_F(ListingsTest, RefuseWhatCannotBe) {
  ok(listings.save_offer("SPX", spx, monday, morning, std::vector{series("SPXW", "2026-11-20")},
                         soon()));
  const auto one = contract("SPXW", "2026-11-20", "6000", Right::call, 1);
  const auto refused = [&](ListedSeries listed) {
    const auto saved = listings.save_series("SPX", listed, morning, soon());
    return !saved && saved.error().code == Errc::invalid_input;
  };
  EXPECT_TRUE(refused(series("SPXW", "2026-11-20", {one, one}, monday)));
  EXPECT_TRUE(refused(series("SPX", "2026-11-20", {one}, monday)));
  EXPECT_TRUE(refused(series("SPXW", "2026-11-20", {one}))) << "listed on no day";
  auto fine = one;
  fine.contract.strike = core::Price::from_units(60'000'001);
  EXPECT_TRUE(refused(series("SPXW", "2026-11-20", {fine}, monday)));
  EXPECT_FALSE(listings.save_offer("spx; --", spx, monday, morning, {}, soon()));
}

TEST_F(ListingsTest, NumberTheVersionsOfADay) {
  UniverseVersion version{.day = monday,
                          .as_of = at("2026-11-16T14:35:00Z"),
                          .rule = "expiries=0-60 strikes=percent:25 hours=index",
                          .listed = 9000,
                          .chosen = 2000,
                          .added = 2000,
                          .fell_back = true};
  EXPECT_EQ(ok(listings.add_version("SPX", version, soon())), 1);
  version.as_of += 300s;
  EXPECT_EQ(ok(listings.add_version("SPX", version, soon())), 2);
  auto other_day = version;
  other_day.day = day("2026-11-17");
  EXPECT_EQ(ok(listings.add_version("SPX", other_day, soon())), 1);
  const auto versions = ok(listings.versions("SPX", monday, monday, soon()));
  ASSERT_EQ(versions.size(), 2u);
  version.version = 2;
  EXPECT_EQ(versions[1], version);
  EXPECT_TRUE(ok(listings.versions("NDX", monday, monday, soon())).empty());
}

}  // namespace
}  // namespace bifrost::store
