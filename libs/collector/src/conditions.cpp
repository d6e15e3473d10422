// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/conditions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/statistics.hpp"
#include "bifrost/analysis/volatility.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using store::UnderlyingDay;

/// Total variances of one expiry: at the money, and at a delta of a quarter on either side.
struct TermPoint {
  double years;
  std::optional<double> at_the_money;
  std::optional<double> put_wing;
  std::optional<double> call_wing;
};

/// The vol at which the forward delta is 0.25, linear in delta between the two strikes around it,
/// going away from the forward; the first such pair, for noise may bring more.
std::optional<double> wing_vol(const analysis::PricedChain& priced, core::Right right) {
  const bool call = right == core::Right::call;
  const double forward = priced.parity.forward;
  const double root_years = std::sqrt(priced.years_to_expiry);
  struct Point {
    double delta;
    double vol;
  };
  std::optional<Point> inner;
  const auto count = priced.rows.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& row = priced.rows[call ? i : count - 1 - i];
    const double strike = row.strike.value();
    if (call ? strike < forward : strike > forward) continue;
    const auto& option = call ? row.call : row.put;
    if (!option || !option->implied_vol) continue;
    const double vol = *option->implied_vol;
    const double d1 = std::log(forward / strike) / (vol * root_years) + vol * root_years / 2;
    const Point outer{analysis::normal_cdf(call ? d1 : -d1), vol};
    if (outer.delta <= 0.25) {
      if (!inner || inner->delta <= outer.delta) return std::nullopt;
      const double weight = (inner->delta - 0.25) / (inner->delta - outer.delta);
      return std::lerp(inner->vol, outer.vol, weight);
    }
    inner = outer;
  }
  return std::nullopt;
}

/// The expiries of a chain by time, priced when they are asked for: only those around the wanted
/// maturities are.
class TermStructure {
 public:
  explicit TermStructure(const core::ChainSnapshot& snapshot) : snapshot_(snapshot) {
    for (auto& listed : analysis::listed_expiries(snapshot)) {
      const core::OptionContract any{
          snapshot.underlying, listed.trading_class, listed.expiry, {}, core::Right::call};
      const double years = core::years_act365f(snapshot.as_of, core::settlement_instant(any));
      if (years > 0) expiries_.push_back({years, std::move(listed), {}});
    }
    std::ranges::stable_sort(expiries_, {}, &Expiry::years);
  }

  /// Linear in total variance between the nearest expiries around it that have the number.
  std::optional<double> vol_at(double days, std::optional<double> TermPoint::* which) {
    const double years = days / 365.0;
    const auto middle = std::ranges::lower_bound(expiries_, years, {}, &Expiry::years);
    const TermPoint* later = nullptr;
    for (auto at = middle; at != expiries_.end() && later == nullptr; ++at) {
      if (const auto& point = priced(*at); point.*which) later = &point;
    }
    if (later == nullptr) return std::nullopt;
    const TermPoint* earlier = later->years == years ? later : nullptr;
    for (auto at = middle; at != expiries_.begin() && earlier == nullptr;) {
      if (const auto& point = priced(*--at); point.*which) earlier = &point;
    }
    if (earlier == nullptr) return std::nullopt;
    const auto variance = [which](const TermPoint& point) {
      return analysis::TermPoint{point.years, *(point.*which)};
    };
    const std::array around{variance(*earlier), variance(*later)};
    const auto vol = analysis::constant_maturity_vol(around, years);
    return vol ? std::optional{*vol} : std::nullopt;
  }

 private:
  struct Expiry {
    double years;
    analysis::ListedExpiry listed;
    std::optional<TermPoint> point;
  };

  const TermPoint& priced(Expiry& expiry) {
    if (expiry.point) return *expiry.point;
    auto& point = expiry.point.emplace();
    point.years = expiry.years;
    auto chain = analysis::select_expiry(snapshot_, expiry.listed);
    // Adjusted contracts share the class: which multiplier the market means is not ours to guess.
    if (!chain) return point;
    const auto priced = analysis::refresh(std::move(*chain), expiry.years, std::nullopt);
    if (!priced) return point;
    const auto variance = [&](std::optional<double> vol) {
      return vol ? std::optional{*vol * *vol * expiry.years} : std::nullopt;
    };
    point.at_the_money = variance(priced->atm_implied_vol);
    point.put_wing = variance(wing_vol(*priced, core::Right::put));
    point.call_wing = variance(wing_vol(*priced, core::Right::call));
    return point;
  }

  const core::ChainSnapshot& snapshot_;
  std::vector<Expiry> expiries_;
};

struct Totals {
  std::optional<std::int64_t> puts;
  std::optional<std::int64_t> calls;

  std::optional<double> ratio() const {
    if (!puts || !calls || *calls == 0) return std::nullopt;
    return static_cast<double>(*puts) / static_cast<double>(*calls);
  }
};

Totals totals(const core::ChainSnapshot& snapshot,
              std::optional<std::int64_t> core::Quote::* count) {
  Totals sums;
  for (const auto& option : snapshot.quotes) {
    const auto n = option.quote.*count;
    if (!n || *n < 0) continue;
    auto& sum = option.contract.right == core::Right::put ? sums.puts : sums.calls;
    sum = sum.value_or(0) + *n;
  }
  return sums;
}

/// Days that may stand beside the snapshot: simulated ones beside simulated ones alone.
std::vector<UnderlyingDay> of_like_source(const std::vector<UnderlyingDay>& days,
                                          const core::ChainSnapshot& snapshot) {
  const core::Date today = core::exchange_time(snapshot.as_of).date;
  const bool simulated = snapshot.source == core::Source::simulated;
  std::vector<UnderlyingDay> like;
  std::ranges::copy_if(days, std::back_inserter(like), [&](const UnderlyingDay& day) {
    return (day.source == "simulated") == simulated && day.day < today;
  });
  return like;
}

void add_historical_vol(store::MarketConditions& conditions, core::Date today,
                        std::span<const UnderlyingDay> own, std::span<const UnderlyingDay> broker) {
  const auto take = [&](std::span<const UnderlyingDay> days, std::string_view source) {
    const auto vol = historical_vol(days, today, 20);
    if (!vol) return false;
    conditions.historical_vol_20d = vol;
    conditions.historical_vol_30d = historical_vol(days, today, 30);
    conditions.historical_vol_source = source;
    return true;
  };
  // The broker's closes are adjusted for splits, ours are not.
  if (!take(broker, "broker")) take(own, "snapshots");
}

struct DatedVol {
  core::Date day;
  double vol;
};

std::vector<DatedVol> closing_vols(std::span<const UnderlyingDay> days) {
  std::vector<DatedVol> vols;
  for (const auto& day : days) {
    if (day.implied_vol_30d_close) vols.push_back({day.day, *day.implied_vol_30d_close});
  }
  return vols;
}

void add_rank(store::MarketConditions& conditions, core::Date today,
              std::span<const UnderlyingDay> own_days, std::span<const UnderlyingDay> broker_days) {
  auto own = closing_vols(own_days);
  auto broker = closing_vols(broker_days);
  std::optional<DatedVol> ours;
  if (conditions.implied_vol_30d) ours = DatedVol{today, *conditions.implied_vol_30d};
  std::optional<DatedVol> theirs;
  if (!broker.empty() && (today - broker.back().day).count() <= rank_stale_days) {
    theirs = broker.back();
    broker.pop_back();
  }
  const auto newest = [](std::vector<DatedVol>& vols) {
    if (vols.size() > rank_sessions) vols.erase(vols.begin(), vols.end() - rank_sessions);
  };
  newest(own);
  newest(broker);
  const bool take_ours = ours && (!theirs || own.size() >= broker.size());
  const auto& of = take_ours ? ours : theirs;
  auto& history = take_ours ? own : broker;
  if (!of || history.size() < rank_minimum) return;
  std::vector<double> before;
  for (const auto& past : history) before.push_back(past.vol);
  const auto percentile = analysis::iv_percentile(before, of->vol);
  before.push_back(of->vol);  // within the range that it is part of
  const auto rank = analysis::iv_rank(before, of->vol);
  if (rank) conditions.iv_rank = *rank / 100;
  if (percentile) conditions.iv_percentile = *percentile / 100;
  conditions.iv_rank_n = static_cast<std::int64_t>(history.size());
  conditions.iv_rank_source = take_ours ? "snapshots" : "broker";
  conditions.iv_rank_of = of->vol;
  conditions.iv_rank_day = of->day;
}

}  // namespace

std::optional<double> historical_vol(std::span<const UnderlyingDay> days, core::Date day,
                                     int returns) {
  constexpr double too_far = 0.405;  // log of 1.5
  std::vector<double> closes;        // newest first
  core::Date wanted = core::previous_trading_day(day);
  auto at = days.rbegin();
  for (int i = 0; i <= returns; ++i) {
    while (at != days.rend() && at->day > wanted) ++at;
    if (at == days.rend() || at->day != wanted || !at->close || at->close->units() <= 0) {
      return std::nullopt;
    }
    const double close = at->close->value();
    if (!closes.empty() && std::abs(std::log(closes.back()) - std::log(close)) > too_far) {
      return std::nullopt;
    }
    closes.push_back(close);
    wanted = core::previous_trading_day(wanted);
  }
  const auto vol = analysis::close_to_close_vol(closes);
  return vol ? std::optional{*vol} : std::nullopt;
}

store::MarketConditions find_conditions(const core::ChainSnapshot& snapshot,
                                        const DailyHistory& days) {
  store::MarketConditions conditions;
  TermStructure term{snapshot};
  conditions.implied_vol_30d = term.vol_at(30, &TermPoint::at_the_money);
  conditions.implied_vol_60d = term.vol_at(60, &TermPoint::at_the_money);
  if (conditions.implied_vol_30d && conditions.implied_vol_60d) {
    conditions.term_slope = *conditions.implied_vol_60d - *conditions.implied_vol_30d;
  }
  const auto put_wing = term.vol_at(30, &TermPoint::put_wing);
  const auto call_wing = term.vol_at(30, &TermPoint::call_wing);
  if (put_wing && call_wing) conditions.skew_25_delta = *put_wing - *call_wing;

  const auto volume = totals(snapshot, &core::Quote::volume);
  conditions.put_volume = volume.puts;
  conditions.call_volume = volume.calls;
  conditions.put_call_volume_ratio = volume.ratio();
  const auto open_interest = totals(snapshot, &core::Quote::open_interest);
  conditions.put_open_interest = open_interest.puts;
  conditions.call_open_interest = open_interest.calls;
  conditions.put_call_open_interest_ratio = open_interest.ratio();

  const core::Date today = core::exchange_time(snapshot.as_of).date;
  const auto own = of_like_source(days.snapshots, snapshot);
  const auto broker = of_like_source(days.broker, snapshot);
  add_historical_vol(conditions, today, own, broker);
  add_rank(conditions, today, own, broker);
  return conditions;
}

}  // namespace bifrost::collector
