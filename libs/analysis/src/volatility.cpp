// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/volatility.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "bifrost/core/result.hpp"

namespace bifrost::analysis {
namespace {

constexpr double days_per_year = 365.0;

bool is_price(double x) {
  return std::isfinite(x) && x > 0.0;
}

bool is_consistent(const DailyBar& bar) {
  return is_price(bar.low) && std::isfinite(bar.high) && bar.low <= std::min(bar.open, bar.close) &&
         bar.high >= std::max(bar.open, bar.close);
}

double parkinson(const DailyBar& bar) {
  const double range = std::log(bar.high / bar.low);
  return range * range / (4.0 * std::numbers::ln2);
}

// With u, d and c the logs of high, low and close over the open.
double garman_klass(const DailyBar& bar) {
  const double u = std::log(bar.high / bar.open);
  const double d = std::log(bar.low / bar.open);
  const double c = std::log(bar.close / bar.open);
  return 0.511 * (u - d) * (u - d) - 0.019 * (c * (u + d) - 2.0 * u * d) - 0.383 * c * c;
}

double rogers_satchell(const DailyBar& bar) {
  const double u = std::log(bar.high / bar.open);
  const double d = std::log(bar.low / bar.open);
  const double c = std::log(bar.close / bar.open);
  return u * (u - c) + d * (d - c);
}

double mean_over(std::span<const DailyBar> bars, double (*of)(const DailyBar&)) {
  double sum = 0.0;
  for (const auto& bar : bars) sum += of(bar);
  return sum / static_cast<double>(bars.size());
}

/// With n - 1 below the sum.
template <class F>
double sample_variance(std::size_t n, F value) {
  double mean = 0.0;
  for (std::size_t i = 0; i < n; ++i) mean += value(i);
  mean /= static_cast<double>(n);
  double squares = 0.0;
  for (std::size_t i = 0; i < n; ++i) squares += (value(i) - mean) * (value(i) - mean);
  return squares / static_cast<double>(n - 1);
}

double yang_zhang(std::span<const DailyBar> bars) {
  const std::size_t n = bars.size() - 1;
  const double night =
      sample_variance(n, [&](std::size_t i) { return std::log(bars[i + 1].open / bars[i].close); });
  const double day = sample_variance(
      n, [&](std::size_t i) { return std::log(bars[i + 1].close / bars[i + 1].open); });
  const auto days = static_cast<double>(n);
  const double k = 0.34 / (1.34 + (days + 1.0) / (days - 1.0));
  return night + k * day + (1.0 - k) * mean_over(bars.subspan(1), rogers_satchell);
}

double annual(double daily_variance) {
  return std::sqrt(trading_days_per_year * daily_variance);
}

/// The two moments around a third, and how far between them it lies; one moment twice if it is it.
struct Neighbours {
  std::size_t earlier;
  std::size_t later;
  double weight;

  double between(std::span<const double> values) const {
    return std::lerp(values[earlier], values[later], weight);
  }
};

std::optional<Neighbours> neighbours(std::span<const double> ascending, double wanted) {
  const auto at = std::ranges::lower_bound(ascending, wanted);
  if (at == ascending.end()) return std::nullopt;
  const auto later = static_cast<std::size_t>(at - ascending.begin());
  if (*at == wanted) return Neighbours{later, later, 0.0};
  if (later == 0) return std::nullopt;
  const double from = ascending[later - 1];
  return Neighbours{later - 1, later, (wanted - from) / (*at - from)};
}

bool is_point(const TermPoint& point) {
  return is_price(point.years_to_expiry) && is_price(point.total_variance);
}

}  // namespace

std::string_view to_string(Overnight overnight) {
  switch (overnight) {
    case Overnight::included:
      return "included";
    case Overnight::excluded:
      return "excluded";
  }
  return "unknown";
}

std::string_view to_string(Estimator estimator) {
  switch (estimator) {
    case Estimator::close_to_close:
      return "close_to_close";
    case Estimator::parkinson:
      return "parkinson";
    case Estimator::garman_klass:
      return "garman_klass";
    case Estimator::rogers_satchell:
      return "rogers_satchell";
    case Estimator::yang_zhang:
      return "yang_zhang";
  }
  return "unknown";
}

std::string_view to_string(NoVolatility why) {
  switch (why) {
    case NoVolatility::too_few_days:
      return "too_few_days";
    case NoVolatility::inconsistent_bar:
      return "inconsistent_bar";
  }
  return "unknown";
}

std::string_view to_string(NoTerm why) {
  switch (why) {
    case NoTerm::out_of_reach:
      return "out_of_reach";
    case NoTerm::not_ascending:
      return "not_ascending";
    case NoTerm::negative_variance:
      return "negative_variance";
  }
  return "unknown";
}

Overnight overnight_of(Estimator estimator) {
  const bool included =
      estimator == Estimator::close_to_close || estimator == Estimator::yang_zhang;
  return included ? Overnight::included : Overnight::excluded;
}

tl::expected<double, NoVolatility> close_to_close_vol(std::span<const double> closes) {
  if (!std::all_of(closes.begin(), closes.end(), is_price)) {
    return tl::unexpected{NoVolatility::inconsistent_bar};
  }
  if (closes.size() < 2) return tl::unexpected{NoVolatility::too_few_days};
  double squares = 0.0;
  double last = std::log(closes[0]);
  for (const double close : closes.subspan(1)) {
    const double here = std::log(close);
    squares += (here - last) * (here - last);
    last = here;
  }
  return std::sqrt(trading_days_per_year * squares / static_cast<double>(closes.size() - 1));
}

tl::expected<double, NoVolatility> historical_vol(Estimator estimator,
                                                  std::span<const DailyBar> bars) {
  if (!std::all_of(bars.begin(), bars.end(), is_consistent)) {
    return tl::unexpected{NoVolatility::inconsistent_bar};
  }
  const std::size_t fewest = estimator == Estimator::yang_zhang       ? 3
                             : estimator == Estimator::close_to_close ? 2
                                                                      : 1;
  if (bars.size() < fewest) return tl::unexpected{NoVolatility::too_few_days};
  switch (estimator) {
    case Estimator::close_to_close: {
      std::vector<double> closes;
      for (const auto& bar : bars) closes.push_back(bar.close);
      return close_to_close_vol(closes);
    }
    case Estimator::parkinson:
      return annual(mean_over(bars, parkinson));
    case Estimator::garman_klass:
      return annual(mean_over(bars, garman_klass));
    case Estimator::rogers_satchell:
      return annual(mean_over(bars, rogers_satchell));
    case Estimator::yang_zhang:
      return annual(yang_zhang(bars));
  }
  core::panic("an estimator of volatility that is none");
}

tl::expected<double, NoTerm> constant_maturity_vol(std::span<const TermPoint> points,
                                                   double years) {
  std::vector<double> times;
  std::vector<double> variances;
  for (const auto& point : points) {
    if (!is_point(point) || (!times.empty() && point.years_to_expiry < times.back())) {
      return tl::unexpected{NoTerm::not_ascending};
    }
    times.push_back(point.years_to_expiry);
    variances.push_back(point.total_variance);
  }
  const auto around = neighbours(times, years);
  if (!around) return tl::unexpected{NoTerm::out_of_reach};
  return std::sqrt(around->between(variances) / years);
}

tl::expected<double, NoTerm> forward_vol(const TermPoint& near, const TermPoint& far) {
  if (!is_point(near) || !is_point(far) || near.years_to_expiry >= far.years_to_expiry) {
    return tl::unexpected{NoTerm::not_ascending};
  }
  const double variance = far.total_variance - near.total_variance;
  if (variance < 0.0) return tl::unexpected{NoTerm::negative_variance};
  return std::sqrt(variance / (far.years_to_expiry - near.years_to_expiry));
}

TermStructure term_structure(std::span<const TermPoint> at_the_money) {
  const auto at = [&](double days) {
    return constant_maturity_vol(at_the_money, days / days_per_year);
  };
  const auto vol_30d = at(30);
  const auto vol_60d = at(60);
  const auto vol_90d = at(90);
  const auto known = [](const tl::expected<double, NoTerm>& vol) {
    return vol ? std::optional{*vol} : std::nullopt;
  };
  const auto ratio = [](const auto& one, const auto& other) {
    return one && other ? std::optional{*one / *other} : std::nullopt;
  };
  const auto between = [](const auto& near, double near_days, const auto& far,
                          double far_days) -> tl::expected<double, NoTerm> {
    if (!near) return tl::unexpected{near.error()};
    if (!far) return tl::unexpected{far.error()};
    const double near_years = near_days / days_per_year;
    const double far_years = far_days / days_per_year;
    return forward_vol({near_years, *near * *near * near_years},
                       {far_years, *far * *far * far_years});
  };
  return {.vol_30d = known(vol_30d),
          .vol_60d = known(vol_60d),
          .vol_90d = known(vol_90d),
          .ratio_30d_60d = ratio(vol_30d, vol_60d),
          .ratio_30d_90d = ratio(vol_30d, vol_90d),
          .forward_vol_30d_60d = between(vol_30d, 30, vol_60d, 60),
          .forward_vol_60d_90d = between(vol_60d, 60, vol_90d, 90)};
}

std::vector<TermPoint> at_the_money(const Surface& surface) {
  std::vector<TermPoint> points;
  for (const auto& expiry : surface.expiries) {
    if (expiry.smile) {
      points.push_back({expiry.smile->years_to_expiry(), expiry.smile->total_variance(0.0)});
    }
  }
  return points;
}

std::optional<double> strike_at_delta(const Smile& smile, Right right, double delta) {
  const double outward = right == Right::call ? 1.0 : -1.0;
  const auto delta_at = [&](double k) {
    const double s = std::sqrt(smile.total_variance(k));
    return normal_cdf(outward * (0.5 * s - k / s));
  };
  // The nearest crossing from the middle outwards, then halving.
  const double stride = 0.1 * outward * std::sqrt(smile.total_variance(0.0));
  constexpr int farthest = 100;
  double near = 0.0;
  // A put's delta at the forward lies below a half, and with much variance below what is wanted.
  while (delta_at(near) < delta) {
    near -= stride;
    if (std::abs(near) > farthest * std::abs(stride)) return std::nullopt;
  }
  double far = near + stride;
  while (delta_at(far) > delta) {
    near = far;
    far += stride;
    if (std::abs(far) > farthest * std::abs(stride)) return std::nullopt;
  }
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (near + far);
    (delta_at(middle) > delta ? near : far) = middle;
  }
  return smile.forward() * std::exp(far);
}

tl::expected<Skew, NoTerm> constant_maturity_skew(const Surface& surface, double years) {
  std::vector<double> times;
  std::vector<double> at_the_money;
  std::vector<double> puts;
  std::vector<double> calls;
  std::vector<double> slopes;  // of total variance in k
  for (const auto& expiry : surface.expiries) {
    if (!expiry.smile) continue;
    const Smile& smile = *expiry.smile;
    const auto put = strike_at_delta(smile, Right::put, 0.25);
    const auto call = strike_at_delta(smile, Right::call, 0.25);
    if (!put || !call) continue;
    const auto variance = [&](double strike) {
      return smile.total_variance(std::log(strike / smile.forward()));
    };
    times.push_back(smile.years_to_expiry());
    at_the_money.push_back(smile.total_variance(0.0));
    puts.push_back(variance(*put));
    calls.push_back(variance(*call));
    const double vol_slope = smile.forward() * smile.vol_slope(smile.forward());
    slopes.push_back(2.0 * std::sqrt(at_the_money.back() * times.back()) * vol_slope);
  }
  const auto around = neighbours(times, years);
  if (!around) return tl::unexpected{NoTerm::out_of_reach};
  const auto vol = [&](const std::vector<double>& variances) {
    return std::sqrt(around->between(variances) / years);
  };
  const double level = vol(at_the_money);
  return Skew{.at_the_money_vol = level,
              .put_25_delta_vol = vol(puts),
              .call_25_delta_vol = vol(calls),
              .slope = around->between(slopes) / (2.0 * level * years)};
}

GammaExposure gamma_exposure(std::span<const OpenGamma> options, double spot) {
  GammaExposure total{0.0, 0.0, 0, 0};
  for (const auto& option : options) {
    if (!option.open_interest) {
      ++total.without_open_interest;
      continue;
    }
    const double one = option.gamma * static_cast<double>(*option.open_interest) *
                       option.multiplier * spot * spot / 100.0;
    total.calls_long_puts_short += option.right == Right::call ? one : -one;
    total.unsigned_total += one;
    ++total.options;
  }
  return total;
}

}  // namespace bifrost::analysis
