// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/conditions.hpp"

#include <algorithm>
#include <cmath>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

struct TermPoint {
  double years;
  double total_variance;
};

/// At-the-money total variance of every expiry that has one, nearest first.
std::vector<TermPoint> term_structure(const core::ChainSnapshot& snapshot) {
  std::vector<TermPoint> term;
  for (const auto& listed : analysis::listed_expiries(snapshot)) {
    auto chain = analysis::select_expiry(snapshot, listed);
    if (!chain)
      continue;  // adjusted contracts share the class: which multiplier the market means is not
                 // ours to guess
    const core::OptionContract any{
        snapshot.underlying, listed.trading_class, listed.expiry, {}, core::Right::call};
    const double years = core::years_act365f(snapshot.as_of, core::settlement_instant(any));
    if (years <= 0) continue;
    const auto priced = analysis::refresh(std::move(*chain), years, std::nullopt);
    if (!priced || !priced->atm_implied_vol) continue;
    const double vol = *priced->atm_implied_vol;
    term.push_back({years, vol * vol * years});
  }
  std::ranges::sort(term, {}, &TermPoint::years);
  return term;
}

std::optional<double> constant_maturity(const std::vector<TermPoint>& term, double days) {
  const double years = days / 365.0;
  const auto later = std::ranges::lower_bound(term, years, {}, &TermPoint::years);
  if (later == term.end()) return std::nullopt;
  if (later->years == years) return std::sqrt(later->total_variance / years);
  if (later == term.begin()) return std::nullopt;
  const auto earlier = later - 1;
  const double weight = (years - earlier->years) / (later->years - earlier->years);
  const double variance = std::lerp(earlier->total_variance, later->total_variance, weight);
  return std::sqrt(variance / years);
}

std::optional<double> put_call_ratio(const core::ChainSnapshot& snapshot,
                                     std::optional<std::int64_t> core::Quote::* count) {
  double puts = 0;
  double calls = 0;
  for (const auto& option : snapshot.quotes) {
    const auto n = option.quote.*count;
    if (!n) continue;
    (option.contract.right == core::Right::put ? puts : calls) += static_cast<double>(*n);
  }
  return calls > 0 ? std::optional{puts / calls} : std::nullopt;
}

}  // namespace

store::MarketConditions find_conditions(const core::ChainSnapshot& snapshot) {
  store::MarketConditions conditions;
  const auto term = term_structure(snapshot);
  conditions.implied_vol_30d = constant_maturity(term, 30);
  conditions.implied_vol_60d = constant_maturity(term, 60);
  if (conditions.implied_vol_30d && conditions.implied_vol_60d) {
    conditions.term_slope = *conditions.implied_vol_60d - *conditions.implied_vol_30d;
  }
  conditions.put_call_volume_ratio = put_call_ratio(snapshot, &core::Quote::volume);
  conditions.put_call_open_interest_ratio = put_call_ratio(snapshot, &core::Quote::open_interest);
  return conditions;
}

}  // namespace bifrost::collector
