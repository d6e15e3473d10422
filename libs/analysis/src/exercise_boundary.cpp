// SPDX-License-Identifier: Apache-2.0
#include "exercise_boundary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "bifrost/analysis/black_scholes.hpp"
#include "kernels/dispatch.hpp"

namespace bifrost::analysis {
namespace {

template <std::size_t n>
GaussLegendre<n> make_gauss_legendre() {
  GaussLegendre<n> rule{};
  for (std::size_t i = 0; i < n; ++i) {
    // Newton's method on the Legendre polynomial from the usual guess.
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) /
                        (static_cast<double>(n) + 0.5));
    double slope = 1.0;
    for (int round = 0; round < 100; ++round) {
      double before = 1.0;
      double now = x;
      for (std::size_t k = 2; k <= n; ++k) {
        const auto order = static_cast<double>(k);
        const double next = ((2.0 * order - 1.0) * x * now - (order - 1.0) * before) / order;
        before = now;
        now = next;
      }
      slope = static_cast<double>(n) * (x * now - before) / (x * x - 1.0);
      const double step = now / slope;
      x -= step;
      if (std::abs(step) < 1e-16) break;
    }
    rule.node[i] = x;
    rule.weight[i] = 2.0 / ((1.0 - x * x) * slope * slope);
  }
  return rule;
}

/// (ln(ratio) + drift * time) / (vol * root) without its half variance.
struct Distances {
  double minus;
  double plus;
};
Distances distances(double log_ratio, double carry, double vol, double root_time) {
  const double deviation = vol * root_time;
  const double middle = (log_ratio + carry * root_time * root_time) / deviation;
  return {middle - 0.5 * deviation, middle + 0.5 * deviation};
}

/// Where a put is exercised according to Barone-Adesi and Whaley (1987): a start, no more.
double approximate_boundary(double time, double rate, double yield, double vol, double limit) {
  const double variance = vol * vol;
  const double m = 2.0 * rate / variance;
  const double n = 2.0 * (rate - yield) / variance;
  const double h = -std::expm1(-rate * time);
  const double q = 0.5 * (-(n - 1.0) - std::sqrt((n - 1.0) * (n - 1.0) + 4.0 * m / h));
  const auto gap = [&](double spot) {
    const SpotInputs in{spot, 1.0, time, rate, yield, vol};
    const double d1 = distances(std::log(spot), rate - yield, vol, std::sqrt(time)).plus;
    return 1.0 - spot - black_scholes_price(Right::put, in) +
           (1.0 - std::exp(-yield * time) * normal_cdf(-d1)) * spot / q;
  };
  double low = 1e-8 * limit;
  double high = limit;
  for (int i = 0; i < 40 && high - low > 1e-4 * std::min(low, limit - high); ++i) {
    const double middle = 0.5 * (low + high);
    (gap(middle) > 0.0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

using kernels::BoundaryPoints;

/// Over the time from expiry, u = time - (root (1 + y) / 2)^2, which takes the root out of the
/// integrand.
BoundaryPoints points_of_a_year() {
  BoundaryPoints points{};
  const auto& rule = gauss_legendre_32();
  for (std::size_t i = 0; i < BoundaryPoints::nodes; ++i) {
    const double root =
        0.5 * (1.0 + std::cos(std::numbers::pi * static_cast<double>(i) / BoundaryPoints::nodes));
    for (std::size_t j = 0; j < rule.node.size(); ++j) {
      const std::size_t at = i * BoundaryPoints::per_node + j;
      points.root_left[at] = 0.5 * root * (1.0 + rule.node[j]);
      points.time[at] = std::max(root * root - points.root_left[at] * points.root_left[at], 0.0);
      points.position[at] = 2.0 * std::sqrt(points.time[at]) - 1.0;
      points.measure[at] = rule.weight[j] * root;
    }
  }
  return points;
}

}  // namespace

const GaussLegendre<32>& gauss_legendre_32() {
  static const auto rule = make_gauss_legendre<32>();
  return rule;
}
const GaussLegendre<48>& gauss_legendre_48() {
  static const auto rule = make_gauss_legendre<48>();
  return rule;
}

ExerciseBoundary::ExerciseBoundary(double years, double rate, double dividend_yield, double vol,
                                   std::span<const ExerciseBoundary> nearby)
    : terms_{std::sqrt(years), rate, dividend_yield, vol},
      limit_(dividend_yield > rate ? rate / dividend_yield : 1.0),
      root_times_(nearby.front().root_times_) {
  // By Lagrange's polynomial in ln vol: ln(boundary / limit) is nearly as the vol.
  for (const auto& at : nearby) {
    double weight = vol / at.terms_.vol;
    for (const auto& other : nearby) {
      if (&other == &at) continue;
      weight *= std::log(vol / other.terms_.vol) / std::log(at.terms_.vol / other.terms_.vol);
    }
    for (std::size_t i = 0; i < nodes; ++i) values_[i] += weight * std::sqrt(at.values_[i]);
  }
  for (double& value : values_) value *= value;
  fix();
  prepare();
}

ExerciseBoundary::ExerciseBoundary(double years, double rate, double dividend_yield, double vol)
    : terms_{std::sqrt(years), rate, dividend_yield, vol},
      limit_(dividend_yield > rate ? rate / dividend_yield : 1.0) {
  for (int i = 0; i <= nodes; ++i) {
    root_times_[static_cast<std::size_t>(i)] =
        0.5 * terms_.root_years * (1.0 + std::cos(std::numbers::pi * i / nodes));
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    const double time = root_times_[i] * root_times_[i];
    const double log_start =
        std::log(approximate_boundary(time, rate, dividend_yield, vol, limit_) / limit_);
    values_[i] = log_start * log_start;
  }
  values_[nodes] = 0.0;
  root_times_[nodes] = 0.0;
  fix();
  prepare();
}

void ExerciseBoundary::interpolate() {
  static const auto cosines = [] {
    std::array<double, 2 * nodes> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i] = std::cos(std::numbers::pi * static_cast<double>(i) / nodes);
    }
    return made;
  }();
  for (std::size_t k = 0; k <= nodes; ++k) {
    double sum = 0.5 * (values_[0] + (k % 2 == 0 ? 1.0 : -1.0) * values_[nodes]);
    for (std::size_t i = 1; i < nodes; ++i) sum += values_[i] * cosines[i * k % cosines.size()];
    series_[k] = 2.0 / nodes * sum;
  }
  series_[0] *= 0.5;
  series_[nodes] *= 0.5;
}

double ExerciseBoundary::at_start() const {
  return limit_ * std::exp(log_ratio_at(terms_.root_years));
}

double ExerciseBoundary::log_ratio_at(double root_time) const {
  const double z = 2.0 * root_time / terms_.root_years - 1.0;
  double b1 = 0.0;
  double b2 = 0.0;
  for (std::size_t k = nodes; k > 0; --k) {
    const double next = series_[k] + 2.0 * z * b1 - b2;
    b2 = b1;
    b1 = next;
  }
  return -std::sqrt(std::max(series_[0] + z * b1 - b2, 0.0));
}

void ExerciseBoundary::fix() {
  const auto start = values_;
  interpolate();
  solved_ = fix_by_slope();
  if (solved_) return;
  values_ = start;
  interpolate();
  solved_ = fix_by_value();
}

template <class Map>
bool ExerciseBoundary::iterate(int most_rounds, double slowest, const Map& map) {
  // Less of a move is made where the moves do not shrink, for the map throws too far.
  double share = 1.0;
  double moved_before = std::numeric_limits<double>::infinity();
  LogRatios before{};
  LogRatios wanted{};
  for (int round = 0; round < most_rounds; ++round) {
    for (std::size_t i = 0; i < nodes; ++i) before[i] = -std::sqrt(values_[i]);
    map(before, wanted);
    double moved = 0.0;
    auto next = values_;
    for (std::size_t i = 0; i < nodes; ++i) {
      const double move = wanted[i] - before[i];
      const double log_ratio = before[i] + share * move;
      moved = std::max(moved, std::abs(move));
      next[i] = log_ratio * log_ratio;
    }
    if (!all_finite(next)) return false;
    values_ = next;
    interpolate();
    if (moved < 1e-8) return true;
    if (moved > 1e-6 && moved > slowest * moved_before) share = std::max(0.5 * share, 0.1);
    moved_before = moved;
  }
  return false;
}

/// The boundary as the fixed point of smooth pasting (their FP-A): few rounds, but where the rate
/// is large against the variance it throws too far and never comes back.
bool ExerciseBoundary::fix_by_slope() {
  // Beyond this the weights have no number.
  if (!(std::max(terms_.rate, terms_.yield) * terms_.root_years * terms_.root_years < 700.0)) {
    return false;
  }
  static const BoundaryPoints of_a_year = points_of_a_year();
  auto points = of_a_year;
  kernels::current().weigh_points(terms_, points);
  const double log_limit = std::log(limit_);
  LogRatios minus_integral{};
  LogRatios plus_integral{};
  return iterate(200, 0.7, [&](const LogRatios& before, LogRatios& wanted) {
    kernels::current().paste(terms_, points, series_.data(), before.data(), minus_integral.data(),
                             plus_integral.data());
    for (std::size_t i = 0; i < nodes; ++i) {
      const double root = root_times_[i];
      const double carry = terms_.rate - terms_.yield;
      const auto d = distances(log_limit + before[i], carry, terms_.vol, root);
      const double numerator =
          terms_.rate * minus_integral[i] + normal_density(d.minus) / (terms_.vol * root);
      const double denominator = terms_.yield * plus_integral[i] +
                                 normal_density(d.plus) / (terms_.vol * root) + normal_cdf(d.plus);
      const double fixed = std::exp(-carry * root * root) * numerator / denominator;
      wanted[i] = std::log(std::clamp(fixed, 1e-12 * limit_, limit_) / limit_);
    }
  });
}

/// The same as the fixed point of value matching (FP-B): more rounds, and sure of foot.
bool ExerciseBoundary::fix_by_value() {
  const auto& rule = gauss_legendre_32();
  const double rate = terms_.rate;
  const double yield = terms_.yield;
  const double vol = terms_.vol;
  const double carry = rate - yield;
  const double log_limit = std::log(limit_);
  const auto wanted_at = [&](std::size_t i, double before) {
    const double root = root_times_[i];
    const auto whole = distances(log_limit + before, carry, vol, root);
    double strike_side = std::exp(-rate * root * root) * normal_cdf(whole.minus);
    double spot_side = std::exp(-yield * root * root) * normal_cdf(whole.plus);
    for (std::size_t j = 0; j < rule.node.size(); ++j) {
      const double root_left = 0.5 * root * (1.0 + rule.node[j]);
      const double left = root_left * root_left;
      const double root_u = std::sqrt(std::max(root * root - left, 0.0));
      const double measure = rule.weight[j] * root * root_left;
      const auto d = distances(before - log_ratio_at(root_u), carry, vol, root_left);
      strike_side += measure * rate * std::exp(-rate * left) * normal_cdf(d.minus);
      spot_side += measure * yield * std::exp(-yield * left) * normal_cdf(d.plus);
    }
    if (!(strike_side > 0.0 && spot_side > 0.0)) return before;
    return std::log(std::clamp(strike_side / spot_side, 1e-12 * limit_, limit_) / limit_);
  };
  return iterate(400, 0.95, [&](const LogRatios& before, LogRatios& wanted) {
    for (std::size_t i = 0; i < nodes; ++i) wanted[i] = wanted_at(i, before[i]);
  });
}

void ExerciseBoundary::prepare() {
  const auto& rule = gauss_legendre_48();
  const auto& [root_years, rate, yield, vol] = terms_;
  const double log_limit = std::log(limit_);
  const double time = root_years * root_years;
  for (std::size_t j = 0; j < rule.node.size(); ++j) {
    const double root_left = 0.5 * root_years * (1.0 + rule.node[j]);
    const double left = root_left * root_left;
    const double measure = rule.weight[j] * root_years * root_left;
    moments_.root_left[j] = root_left;
    moments_.log_boundary[j] = log_limit + log_ratio_at(std::sqrt(std::max(time - left, 0.0)));
    moments_.strike_weight[j] = measure * rate * std::exp(-rate * left);
    moments_.spot_weight[j] = measure * yield * std::exp(-yield * left);
  }
}

double ExerciseBoundary::premium(double spot) const {
  double out = 0.0;
  premiums({&spot, 1}, {&out, 1});
  return out;
}

void ExerciseBoundary::premiums(std::span<const double> spots, std::span<double> out) const {
  kernels::current().boundary_premiums(terms_, moments_, spots.data(),
                                       static_cast<long>(spots.size()), out.data());
}

}  // namespace bifrost::analysis
