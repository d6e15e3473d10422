// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/chain_pricing.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace bifrost::analysis {
namespace {

/// Every test of this file runs on every kind of kernel that the machine has.
class ChainPricing : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { use_chain_kernels(GetParam()); }
  void TearDown() override { use_chain_kernels(""); }
};
INSTANTIATE_TEST_SUITE_P(Kernels, ChainPricing, testing::ValuesIn(available_chain_kernels()),
                         [](const auto& kernels) { return std::string{kernels.param}; });

struct Chain {
  ExpiryTerms terms;
  std::vector<double> strikes;
  std::vector<Right> rights;
  std::vector<double> vols;

  ContractColumns contracts() const { return {strikes, rights}; }
  ForwardInputs inputs(std::size_t i) const {
    return {terms.forward, strikes[i], terms.years_to_expiry, terms.discount_factor, vols[i]};
  }
};

std::vector<Chain> random_chains(std::uint64_t seed) {
  std::mt19937_64 random{seed};
  const auto in = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(random);
  };
  std::vector<Chain> chains;
  for (int n = 0; n < 60; ++n) {
    const double years = std::exp(in(std::log(1.0 / 365), std::log(3.0)));
    Chain chain{{100 * in(0.97, 1.05), std::exp(-in(-0.01, 0.07) * years), years}, {}, {}, {}};
    // Odd lengths, so that the last vector is never full.
    for (int i = 0; i < 61 + 2 * n; ++i) {
      chain.strikes.push_back(in(40, 250));
      chain.rights.push_back(random() % 2 == 0 ? Right::call : Right::put);
      chain.vols.push_back(in(0.02, 1.5));
    }
    chains.push_back(std::move(chain));
  }
  return chains;
}

TEST_P(ChainPricing, EqualsTheScalarFormula) {
  ValuationColumns out;
  for (const auto& chain : random_chains(1)) {
    price_chain(chain.contracts(), chain.terms, chain.vols, out);
    for (std::size_t i = 0; i < chain.strikes.size(); ++i) {
      const auto expected = black_scholes(chain.rights[i], chain.inputs(i));
      const double size = std::max(chain.terms.forward, chain.strikes[i]);
      // The kernels subtract two logarithms: an ulp of those weighs more the smaller the deviation.
      const double s = chain.vols[i] * std::sqrt(chain.terms.years_to_expiry);
      const double slack = 4e-15 / std::min(s, 1.0);
      const double near_slack =
          slack * (1 + std::abs(std::log(chain.terms.forward / chain.strikes[i])) / s);
      EXPECT_NEAR(out.price[i], expected.price, 4e-15 * size);
      EXPECT_NEAR(out.delta[i], expected.delta, slack);
      EXPECT_NEAR(out.gamma[i], expected.gamma, near_slack * expected.gamma + 1e-18);
      EXPECT_NEAR(out.vega[i], expected.vega, near_slack * expected.vega + 1e-15);
      EXPECT_NEAR(out.theta[i], expected.theta, near_slack * (std::abs(expected.theta) + size));
      EXPECT_NEAR(out.rho[i], expected.rho, 1e-14 * size * (1 + chain.terms.years_to_expiry));
    }
  }
}

TEST_P(ChainPricing, HigherGreeksEqualTheScalarFormula) {
  ValuationColumns valued;
  HigherGreeksColumns out;
  auto chains = random_chains(3);
  Chain limits{{100, 0.98, 0.5}, {80, 100, 120}, {}, {0.0, 0.0, 0.0}};
  limits.rights.assign(3, Right::put);
  chains.push_back(limits);
  limits.terms.years_to_expiry = 0.0;
  limits.vols.assign(3, 0.3);
  chains.push_back(limits);
  for (const auto& chain : chains) {
    price_chain(chain.contracts(), chain.terms, chain.vols, valued);
    higher_greeks_chain(chain.contracts(), chain.terms, chain.vols, valued, out);
    for (std::size_t i = 0; i < chain.strikes.size(); ++i) {
      const auto expected = higher_greeks(chain.rights[i], chain.inputs(i));
      const double s = chain.vols[i] * std::sqrt(chain.terms.years_to_expiry);
      // As of the greeks: an ulp of the two logarithms, the heavier the farther out.
      const double d =
          s > 0 ? (1 + std::abs(std::log(chain.terms.forward / chain.strikes[i]))) / s : 0.0;
      const double slack = 1e-14 * (1 + d) * (1 + d);
      const double size =
          s > 0 ? black_scholes(chain.rights[i], chain.inputs(i)).vega / chain.vols[i] : 0.0;
      EXPECT_NEAR(out.vanna[i], expected.vanna,
                  slack * (std::abs(expected.vanna) + size / chain.terms.forward) + 1e-18);
      EXPECT_NEAR(out.volga[i], expected.volga, slack * (std::abs(expected.volga) + size) + 1e-18);
      EXPECT_NEAR(out.charm[i], expected.charm, slack * (std::abs(expected.charm) + 1e-3));
    }
  }
}

TEST_P(ChainPricing, IsIntrinsicValueWithoutVolOrTime) {
  const std::vector<double> strikes{80, 100, 120, 80, 100, 120};
  const std::vector<Right> rights{Right::call, Right::call, Right::call,
                                  Right::put,  Right::put,  Right::put};
  for (const auto& [years, vol] : {std::pair{0.5, 0.0}, {0.0, 0.3}, {0.0, 0.0}}) {
    Chain chain{{100, 0.98, years}, strikes, rights, std::vector<double>(6, vol)};
    ValuationColumns out;
    price_chain(chain.contracts(), chain.terms, chain.vols, out);
    for (std::size_t i = 0; i < 6; ++i) {
      const double intrinsic =
          std::max(rights[i] == Right::call ? 100 - strikes[i] : strikes[i] - 100, 0.0);
      EXPECT_DOUBLE_EQ(out.price[i], 0.98 * intrinsic);
      EXPECT_EQ(out.gamma[i], 0.0);
      EXPECT_TRUE(std::isfinite(out.delta[i]) && std::isfinite(out.theta[i]) &&
                  std::isfinite(out.vega[i]));
    }
  }
}

// T14 of numbers.md belongs here, too: a value or a typed refusal, never a cap.
TEST_P(ChainPricing, VolsComeBackFromPrices) {
  ImpliedVolColumns out;
  double worst = 0;
  std::size_t solved = 0;
  for (const auto& chain : random_chains(2)) {
    const auto contracts = chain.contracts();
    std::vector<double> prices;
    for (std::size_t i = 0; i < chain.strikes.size(); ++i) {
      prices.push_back(black_scholes_price(chain.rights[i], chain.inputs(i)));
    }
    implied_vols(contracts, chain.terms, prices, out);
    for (std::size_t i = 0; i < prices.size(); ++i) {
      const auto expected =
          implied_vol(chain.rights[i], {prices[i], chain.terms.forward, chain.strikes[i],
                                        chain.terms.years_to_expiry, chain.terms.discount_factor});
      ASSERT_EQ(out.refusal[i].has_value(), !expected.has_value());
      if (!expected) {
        EXPECT_EQ(*out.refusal[i], expected.error());
        EXPECT_TRUE(std::isnan(out.vol[i]));
        continue;
      }
      const double intrinsic =
          std::max(chain.rights[i] == Right::call ? chain.terms.forward - chain.strikes[i]
                                                  : chain.strikes[i] - chain.terms.forward,
                   0.0);
      if (prices[i] / chain.terms.discount_factor - intrinsic <= 1e-6 * chain.terms.forward) {
        continue;
      }
      ++solved;
      worst = std::max(worst, std::abs(out.vol[i] - chain.vols[i]));
    }
  }
  EXPECT_GT(solved, 4000U);
  EXPECT_LT(worst, 1e-10);
}

TEST_P(ChainPricing, RefusesWhatHasNoVolAndSaysWhy) {
  const std::vector<double> strikes(7, 80.0);
  const std::vector<Right> rights(7, Right::call);
  const double nan_value = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> prices{10, 20, 100, nan_value, -1, 25, 99.999999};
  ImpliedVolColumns out;
  implied_vols(ContractColumns{strikes, rights}, {100, 1.0, 0.25}, prices, out);
  EXPECT_EQ(out.refusal[0], NoImpliedVol::below_intrinsic);
  EXPECT_EQ(out.refusal[1], NoImpliedVol::no_time_value);
  EXPECT_EQ(out.refusal[2], NoImpliedVol::above_bound);
  EXPECT_EQ(out.refusal[3], NoImpliedVol::not_finite);
  EXPECT_EQ(out.refusal[4], NoImpliedVol::below_intrinsic);
  EXPECT_FALSE(out.refusal[5]);
  EXPECT_FALSE(out.refusal[6]);
  EXPECT_GT(out.vol[6], 5.0);  // no cap
  implied_vols(ContractColumns{strikes, rights}, {100, 1.0, 0.0}, prices, out);
  EXPECT_EQ(out.refusal[5], NoImpliedVol::expired);
}

}  // namespace
}  // namespace bifrost::analysis
