// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/fill.hpp"
#include "bifrost/analysis/payoff.hpp"
#include "bifrost/analysis/probability.hpp"
#include "bifrost/analysis/strategy.hpp"

namespace bifrost::analysis {

/// What atm_density() is, for whoever reads a probability.
inline constexpr std::string_view atm_density_method = "lognormal_atm_forward";

/// The lognormal density of a priced chain: parity forward, at-the-money vol. Nothing without that
/// vol or without time.
std::optional<LognormalDensity> atm_density(const PricedChain& priced);

struct FinderLimits {
  /// Of every option leg. Stock trades at the underlying price, since a chain holds no quote of it.
  Fill fill = Fill::natural;
  double min_pop = 0.0;  // a probability, 0 to 1
  /// Options are sold only where they are not in the money by the forward: puts at or below it,
  /// calls at or above. What traders mean by a condor; without it the highest return on risk goes
  /// to structures whose short strikes lie on one side of the market.
  bool sell_out_of_the_money = false;
  /// Currency for one unit of the strategy: positive and finite. What no combination can lose
  /// limits nothing.
  std::optional<double> max_loss = std::nullopt;
  std::size_t keep = 20;
};

struct CandidateLeg {
  Leg leg;
  std::optional<double> implied_vol;  // of its own middle
  std::optional<double> delta;        // per share of the leg, as if bought
};

/// Per share of the underlying for one unit of the strategy; units as in Valuation.
struct NetGreeks {
  double delta;
  double gamma;
  double theta;
  double vega;
};

struct Candidate {
  std::vector<CandidateLeg> legs;   // in the order of the strategy's shape
  Price credit;                     // per share, options only; negative is a debit
  Payoff payoff;                    // of one unit, multiplier included; both extremes are there
  std::optional<NetGreeks> greeks;  // nothing where a leg has none
  double pop;
  double return_on_risk;  // max profit / max loss
  /// return_on_risk * 365 / days to expiry, not compounded; nothing on the last day.
  std::optional<double> annualised_return_simple;
};

/// Of the combinations examined those without profit, without risk and outside the limits are set
/// apart in this order; the rest qualified.
struct FinderResult {
  LognormalDensity density;         // behind every pop
  std::int64_t examined = 0;        // ascending choices of strikes whose legs all have a price
  std::int64_t without_profit = 0;  // the best outcome is no gain: a condor for no credit
  std::int64_t without_risk = 0;    // the worst outcome is no loss: a quote is wrong
  std::int64_t qualified = 0;
  std::vector<Candidate> candidates;  // the best of the qualified, best first
};

/// Examines every combination of listed strikes that the limits let in and returns the `keep` with
/// the highest return on risk; equals by higher pop, then by lower strikes. No combination that is
/// not returned scores better. Condors of n strikes are about n^4/24 combinations of 12 ns each: 7
/// ms for 60 strikes, a second for 200. invalid_input for limits out of range, a strategy whose
/// profit or loss has no bound, and a chain without a multiplier or with prices beyond exact money;
/// unavailable when the chain lacks a density or, for strategies with stock, an underlying price.
core::Result<FinderResult> find_best(const StrategyShape& strategy, const PricedChain& priced,
                                     int days_to_expiry, const FinderLimits& limits);

}  // namespace bifrost::analysis
