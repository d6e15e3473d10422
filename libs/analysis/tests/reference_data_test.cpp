// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "bifrost/analysis/certificate.hpp"
#include "bifrost/analysis/finder.hpp"
#include "bifrost/core/calendar.hpp"
#include "chain_history.hpp"
#include "shared_data.hpp"

// Real chains, read where they lie (shared/data/README.md describes them and gives the reference
// results).
namespace bifrost::analysis {
namespace {

namespace fs = std::filesystem;

class ReferenceData : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto folder = shared_data();
    if (!folder) GTEST_SKIP() << "no shared/data here (set BIFROST_SHARED_DATA)";
    folder_ = *folder;
  }
  fs::path folder_;
};

struct Position {
  const char* name;
  std::vector<std::tuple<LegKind, int, int>> legs;  // kind, quantity, strike
  double credit_mid;
  double credit_natural;
  double profit_mid;
  double profit_natural;
};

TEST_F(ReferenceData, PositionsOfJanuary2018ComeOutToTheCent) {
  const auto history = read_history(folder_ / "b_upstream_unstated" / "spxw_2018_01_eod.csv.gz");
  ASSERT_EQ(history.snapshots.size(), 21u);
  const auto& entry = history.snapshots.begin()->second;
  const Price settled = *history.snapshots.rbegin()->second.underlying_price;
  ASSERT_EQ(settled, Price::parse("2823.89"));
  const auto chain = select_expiry(entry, listed_expiries(entry).at(0));
  ASSERT_TRUE(chain);

  using enum LegKind;
  const Position positions[] = {
      {"iron condor",
       {{put, -1, 2635}, {put, 1, 2510}, {call, -1, 2735}, {call, 1, 2765}},
       9.575,
       9.15,
       -2042.50,
       -2085.00},
      {"bull put", {{put, -1, 2665}, {put, 1, 2580}}, 8.20, 7.90, 820, 790},
      {"short straddle", {{put, -1, 2695}, {call, -1, 2695}}, 42.25, 41.60, -8664, -8729},
      {"long call", {{call, 1, 2720}}, -8.75, -8.90, 9514, 9499},
  };
  for (const auto& position : positions) {
    for (const Fill fill : {Fill::mid, Fill::natural}) {
      std::vector<Leg> legs;
      Price credit;
      for (const auto& [kind, quantity, strike] : position.legs) {
        const auto row = std::find_if(
            chain->rows.begin(), chain->rows.end(),
            [s = strike](const StrikeRow& at) { return at.strike == Price::from_double(s); });
        ASSERT_NE(row, chain->rows.end());
        const auto price = entry_price(kind == call ? *row->call : *row->put, quantity > 0, fill);
        ASSERT_TRUE(price);
        credit = credit - *price * quantity;
        legs.push_back({kind, quantity, row->strike, *price});
      }
      const bool mid = fill == Fill::mid;
      EXPECT_EQ(credit, Price::from_double(mid ? position.credit_mid : position.credit_natural))
          << position.name;
      EXPECT_EQ(profit_at_expiry(legs, settled),
                Money::from_double(mid ? position.profit_mid : position.profit_natural))
          << position.name;
      const auto payoff = payoff_at_expiry(legs);
      ASSERT_TRUE(payoff);
      if (payoff->max_loss) {
        EXPECT_GE(*payoff->max_loss, -profit_at_expiry(legs, settled));
      }
      if (payoff->max_profit) {
        EXPECT_GE(*payoff->max_profit, profit_at_expiry(legs, settled));
      }
    }
  }
}

// The source computed its vols on the Saturday after, so short expiries read high there and are
// left out.
TEST_F(ReferenceData, ImpliedVolsOfAWholeIndexChainAgreeWithTheSource) {
  const auto history =
      read_history(folder_ / "b_upstream_unstated" / "spx_2019_05_17_eod_full.csv.gz");
  ASSERT_EQ(history.snapshots.size(), 1u);
  const auto& snapshot = history.snapshots.begin()->second;
  std::map<core::OptionContract, double> theirs;
  for (const auto& [contract, quote] : snapshot.quotes) {
    if (quote.implied_vol && *quote.implied_vol > 0) theirs[contract] = *quote.implied_vol;
  }
  std::vector<double> differences;
  for (const auto& which : listed_expiries(snapshot)) {
    auto chain = select_expiry(snapshot, which);
    ASSERT_TRUE(chain);
    core::OptionContract contract{
        snapshot.underlying, which.trading_class, which.expiry, Price{}, Right::call, 100};
    const double years = core::years_act365f(snapshot.as_of, core::settlement_instant(contract));
    if (years < 14.0 / 365) continue;
    const auto priced = refresh(*std::move(chain), years, std::nullopt);
    ASSERT_TRUE(priced) << core::to_iso_date(which.expiry);
    for (const auto& row : priced->rows) {
      // Out of the money, where a vol says something.
      const bool is_call = row.strike.value() >= priced->parity.forward;
      const auto& option = is_call ? row.call : row.put;
      contract.strike = row.strike;
      contract.right = is_call ? Right::call : Right::put;
      const auto their = theirs.find(contract);
      if (option && option->implied_vol && their != theirs.end()) {
        differences.push_back(std::abs(*option->implied_vol - their->second));
      }
    }
  }
  ASSERT_GT(differences.size(), 3000u);
  std::sort(differences.begin(), differences.end());
  const double median = differences[differences.size() / 2];
  RecordProperty("compared", static_cast<int>(differences.size()));
  RecordProperty("median", std::to_string(median));
  RecordProperty("p99", std::to_string(differences[differences.size() * 99 / 100]));
  RecordProperty("max", std::to_string(differences.back()));
  EXPECT_LE(median, 0.002);
}

// The first rows of the only file with greeks: SPY 368.79, 25 days, puts and calls. Our own greeks
// at the file's vols settle in which units it has them.
TEST_F(ReferenceData, GreeksOfAFileAreInOurUnits) {
  const auto history =
      read_history(folder_ / "b_upstream_unstated" / "spy_2021_jan_sep_eod_top20.csv.gz");
  const auto& snapshot = history.snapshots.begin()->second;
  ASSERT_EQ(snapshot.quotes.size(), 20u);
  for (const auto& [contract, quote] : snapshot.quotes) {
    const double years = core::years_act365f(snapshot.as_of, core::settlement_instant(contract));
    const auto value = black_scholes(
        contract.right, SpotInputs{snapshot.underlying_price->value(), contract.strike.value(),
                                   years, 0.0, 0.0, *quote.implied_vol});
    EXPECT_NEAR(*quote.vega, value.vega, 0.03 * value.vega) << core::describe(contract);
    EXPECT_NEAR(*quote.theta, value.theta, 0.15 * -value.theta) << core::describe(contract);
  }
}

TEST_F(ReferenceData, EveryChainIsPricedAndSearched) {
  int expiries = 0;
  int priced_expiries = 0;
  int searched = 0;
  for (const char* folder : {"a_clear", "b_upstream_unstated"}) {
    for (const auto& entry : fs::directory_iterator(folder_ / folder)) {
      auto reader = core::ChainFileReader::open(entry.path());
      if (!reader) continue;  // not an option file
      const auto history = read_history(entry.path());
      for (const auto& [as_of, snapshot] : history.snapshots) {
        for (const auto& which : listed_expiries(snapshot)) {
          ++expiries;
          auto chain = select_expiry(snapshot, which);
          ASSERT_TRUE(chain) << chain.error().message;
          const core::OptionContract contract{
              snapshot.underlying, which.trading_class, which.expiry, Price{}, Right::call, 100};
          const double years =
              std::max(core::years_act365f(as_of, core::settlement_instant(contract)), 0.0);
          auto priced = refresh(*std::move(chain), years, std::nullopt);
          if (!priced) continue;
          ++priced_expiries;
          for (const auto& row : priced->rows) {
            for (const auto* option : {&row.call, &row.put}) {
              if (!*option || !(*option)->greeks) continue;
              const auto& greeks = *(*option)->greeks;
              ASSERT_TRUE(std::isfinite(greeks.delta) && std::isfinite(greeks.gamma) &&
                          std::isfinite(greeks.theta) && std::isfinite(greeks.vega));
            }
          }
          for (const auto& shape : {covered_call, iron_condor}) {
            const auto flat = atm_density(*priced);
            if (!flat) continue;
            const auto density = lognormal_density(*flat);
            const SearchExpiry expiry{&*priced, density.get(), 1};
            SearchRequest request{.strategy = shape};
            request.fill = Fill::mid;
            request.constraints.min_pop = 0.6;
            request.keep = 5;
            request.certificate = true;
            const auto found = find_best(request, {&expiry, 1});
            if (!found) continue;
            ++searched;
            EXPECT_EQ(found->visited + found->pruned, found->combinations);
            for (const auto& candidate : found->candidates) {
              EXPECT_GE(candidate.pop, 0.6);
              EXPECT_LE(candidate.pop, 1.0 + 1e-12);
              EXPECT_GT(candidate.score, 0.0);
            }
            if (searched % 20 != 0) continue;  // they all hold; it takes a minute to see it
            const auto verified = verify_certificate(request, {&expiry, 1}, *found);
            EXPECT_TRUE(verified) << verified.error().what;
          }
        }
      }
    }
  }
  RecordProperty("expiries", expiries);
  RecordProperty("priced", priced_expiries);
  RecordProperty("searched", searched);
  EXPECT_GT(priced_expiries, 100);
  EXPECT_GT(searched, 100);
}

}  // namespace
}  // namespace bifrost::analysis
