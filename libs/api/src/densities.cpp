// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/densities.hpp"

#include <fmt/format.h>

#include <array>

#include "bifrost/core/calendar.hpp"
#include "structures.hpp"

namespace bifrost::api {
namespace {

using core::Errc;
using core::Result;

constexpr int default_points = 81;

/// From quantile to quantile evenly, so that every curve shows its whole body; the density between
/// two points is the slope of the probability there.
DensityCurve curve_of(const analysis::Density& density, int points) {
  DensityCurve curve{describe(density), quantiles_of(density), {}};
  const double low = density.quantile(0.0005);
  const double high = density.quantile(0.9995);
  const double step = (high - low) / (points - 1);
  for (int i = 0; i < points; ++i) {
    const double spot = low + step * i;
    const double below = density.cdf(spot - step / 2);
    const double above = density.cdf(spot + step / 2);
    curve.points.push_back({spot, density.cdf(spot), (above - below) / step});
  }
  return curve;
}

/// Sessions after the snapshot's day until the settlement's.
int trading_days_between(Instant from, Date to) {
  int days = 0;
  for (Date day = core::exchange_time(from).date; day < to; day += std::chrono::days{1}) {
    if (core::is_trading_day(day + std::chrono::days{1})) ++days;
  }
  return days;
}

}  // namespace

std::vector<DensityQuantile> quantiles_of(const analysis::Density& density) {
  constexpr std::array told{0.01, 0.05, 0.10, 0.16, 0.25, 0.50, 0.75, 0.84, 0.90, 0.95, 0.99};
  std::vector<DensityQuantile> quantiles;
  for (const double p : told) quantiles.push_back({p, density.quantile(p)});
  return quantiles;
}

Result<Densities> densities_in(const core::ChainSnapshot& snapshot, const DensityQuery& query,
                               std::span<const double> closes, const Told& told) {
  const auto style = query.style.value_or(exercise_style_of(snapshot.underlying, told));
  auto markets = markets_of(snapshot, style, query.rate, DensityKind::market_implied,
                            [&](const analysis::ListedExpiry& listed) {
                              return listed.expiry == query.expiry &&
                                     query.trading_class.value_or(listed.trading_class) ==
                                         listed.trading_class;
                            });
  if (markets.empty()) {
    return core::fail(Errc::not_found,
                      fmt::format("{} lists no such expiry as {}", snapshot.underlying,
                                  core::to_iso_date(query.expiry)));
  }
  if (markets.size() > 1) {
    return core::fail(
        Errc::invalid_input,
        fmt::format("{} lists {} and {} on {}; name one with trading_class", snapshot.underlying,
                    markets[0].listed.trading_class, markets[1].listed.trading_class,
                    core::to_iso_date(query.expiry)));
  }
  const auto& listed = markets.front();
  const int points = query.points.value_or(default_points);
  Densities out{};
  out.symbol = snapshot.underlying;
  out.expiry = listed.listed.expiry;
  out.trading_class = listed.listed.trading_class;
  out.as_of = snapshot.as_of;
  out.source = snapshot.source;
  out.underlying_price = snapshot.underlying_price;
  if (!listed.market) {
    for (const char* kind : {"market_implied", "lognormal", "history"})
      out.missing.push_back({kind, listed.market.error()});
    return out;
  }
  const auto& market = *listed.market;
  out.curves.push_back(curve_of(*market.density, points));
  if (const auto flat = analysis::atm_density(market.priced)) {
    out.curves.push_back(curve_of(*analysis::lognormal_density(*flat), points));
  } else {
    out.missing.push_back({"lognormal", "no volatility at the money"});
  }
  analysis::HistoryInputs past;
  past.closes = closes;
  past.horizon_trading_days =
      std::max(1, trading_days_between(snapshot.as_of, core::last_trading_day(query.expiry)));
  past.anchor_price = market.priced.parity.forward;
  if (const auto history = analysis::history_density(past)) {
    out.curves.push_back(curve_of(**history, points));
  } else {
    out.missing.push_back({"history", history.error().message});
  }
  return out;
}

}  // namespace bifrost::api
