// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "golden_table.hpp"

// Against QuantLib 1.29, run outside the build. golden/MANIFEST.md tells how, and why each
// tolerance is what it is.
namespace bifrost::analysis {
namespace {

TEST(QuantLibGolden, EuropeanPricesAndGreeksAgree) {
  const GoldenTable table("european.csv");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto in = table.inputs(i);
    const auto ours = black_scholes(table.right(i), in);
    // QuantLib subtracts two numbers of this size, we do not.
    const double t = in.years_to_expiry;
    const double size =
        std::max(in.spot * std::exp(-in.dividend_yield * t), in.strike * std::exp(-in.rate * t));
    const double d = (std::abs(std::log(in.spot / in.strike)) + 1.0) / (in.vol * std::sqrt(t));
    // Of the density n(d1), which QuantLib loses to this extent far from the strike.
    const double slack = 1e-13 + 2e-13 * d * d;
    EXPECT_NEAR(ours.price, table(i, "price"), 2e-14 * size) << table.text(i);
    EXPECT_NEAR(ours.delta, table(i, "delta"), 2e-15 * std::max(1.0, d)) << table.text(i);
    EXPECT_NEAR(ours.gamma, table(i, "gamma"), slack * table(i, "gamma") + 1e-300) << table.text(i);
    EXPECT_NEAR(ours.vega, table(i, "vega"), slack * table(i, "vega") + 1e-300) << table.text(i);
    EXPECT_NEAR(ours.theta * 365, table(i, "theta_per_year"),
                slack * std::abs(table(i, "theta_per_year")) + 2e-14 * size)
        << table.text(i);
    EXPECT_NEAR(ours.rho, table(i, "rho"), 1e-13 * t * size) << table.text(i);
  }
}

// The vols that made the prices come back, and where QuantLib's solver finds one it is the same.
TEST(QuantLibGolden, EuropeanVolsComeBackFromItsPrices) {
  const GoldenTable table("european.csv");
  int solved = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto in = table.inputs(i);
    const double t = in.years_to_expiry;
    const double forward = in.spot * std::exp((in.rate - in.dividend_yield) * t);
    const auto found = implied_vol(
        table.right(i), {table(i, "price"), forward, in.strike, t, std::exp(-in.rate * t)});
    const double size =
        std::max(in.spot * std::exp(-in.dividend_yield * t), in.strike * std::exp(-in.rate * t));
    const double noise = 2e-14 * size / table(i, "vega");  // what the table's prices leave open
    if (!(noise < 1e-6)) continue;
    ASSERT_TRUE(found) << to_string(found.error()) << " " << table.text(i);
    ++solved;
    EXPECT_NEAR(*found, in.vol, noise + 1e-14 * in.vol) << table.text(i);
    if (std::isfinite(table(i, "implied_vol"))) {
      EXPECT_NEAR(*found, table(i, "implied_vol"), 2 * noise + 1e-12) << table.text(i);
    }
  }
  EXPECT_GT(solved, 330);
}

TEST(QuantLibGolden, AmericanPricesAgree) {
  const GoldenTable table("american.csv");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto in = table.inputs(i);
    const auto ours = american_price(table.right(i), in);
    ASSERT_TRUE(ours) << to_string(ours.error());
    const double size = std::max(in.spot, in.strike);
    EXPECT_NEAR(*ours, table(i, "price"), 3e-7 * size) << table.text(i);
  }
}

TEST(QuantLibGolden, AmericanSurfacesAgree) {
  const GoldenTable table("american.csv");
  for (std::size_t i = 0; i < 300; i += 3) {
    const auto in = table.inputs(i);
    const Right right = table.right(i);
    const auto surface =
        AmericanSurface::build(right, {in.spot, in.years_to_expiry, in.rate, in.dividend_yield});
    ASSERT_TRUE(surface);
    const ContractColumns contract{std::vector{in.strike}, right};
    double price = 0.0;
    surface->prices(contract, std::vector{in.vol}, {&price, 1});
    // The goal of issue 4.
    EXPECT_NEAR(price, table(i, "price"), 5e-5) << table.text(i);
    const double intrinsic =
        std::max(right == Right::call ? in.spot - in.strike : in.strike - in.spot, 0.0);
    const double vega = black_scholes(right, in).vega;
    if (table(i, "price") - intrinsic < 1e-3 || vega < 1.0) continue;
    ImpliedVolColumns back;
    surface->implied_vols(contract, std::vector{table(i, "price")}, back);
    ASSERT_FALSE(back.refusal[0]) << to_string(*back.refusal[0]) << table.text(i);
    EXPECT_NEAR(back.vol[0], in.vol, 2e-5) << table.text(i);
  }
}

// Finite differences; our tree of a thousand steps is the less exact of the two where the first
// dividend decides the exercise.
TEST(QuantLibGolden, AmericanPricesWithDividendsAgree) {
  const GoldenTable table("american_with_dividends.csv");
  double sum = 0.0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto in = table.inputs(i);
    std::vector<CashDividend> dividends;
    for (int k = 0; k < table(i, "dividends"); ++k) {
      dividends.push_back(
          {(table(i, "first_ex_day") + k * table(i, "days_between")) / 365.0, table(i, "amount")});
    }
    const auto ours = american_tree(table.right(i), in, dividends, 1000);
    ASSERT_TRUE(ours) << to_string(ours.error());
    EXPECT_NEAR(ours->price, table(i, "price"), 5e-3) << table.text(i);
    EXPECT_NEAR(ours->delta, table(i, "delta"), 2e-3) << table.text(i);
    EXPECT_NEAR(ours->gamma, table(i, "gamma"), 6e-4) << table.text(i);
    sum += std::abs(ours->price - table(i, "price"));
  }
  EXPECT_LT(sum / static_cast<double>(table.size()), 1.3e-3);
}

}  // namespace
}  // namespace bifrost::analysis
