// SPDX-License-Identifier: Apache-2.0
#include "exercise_boundary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
#include <tuple>

#include "bifrost/analysis/black_scholes.hpp"

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
  for (int i = 0; i < 40; ++i) {
    const double middle = 0.5 * (low + high);
    (gap(middle) > 0.0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
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
                                   const ExerciseBoundary& nearby)
    : root_years_(std::sqrt(years)),
      rate_(rate),
      yield_(dividend_yield),
      vol_(vol),
      limit_(dividend_yield > rate ? rate / dividend_yield : 1.0),
      root_times_(nearby.root_times_),
      values_(nearby.values_),
      series_(nearby.series_) {
  fix();
  prepare();
}

ExerciseBoundary::ExerciseBoundary(double years, double rate, double dividend_yield, double vol)
    : root_years_(std::sqrt(years)),
      rate_(rate),
      yield_(dividend_yield),
      vol_(vol),
      limit_(dividend_yield > rate ? rate / dividend_yield : 1.0) {
  for (int i = 0; i <= nodes; ++i) {
    root_times_[static_cast<std::size_t>(i)] =
        0.5 * root_years_ * (1.0 + std::cos(std::numbers::pi * i / nodes));
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    const double time = root_times_[i] * root_times_[i];
    const double log_start =
        std::log(approximate_boundary(time, rate, dividend_yield, vol, limit_) / limit_);
    values_[i] = log_start * log_start;
  }
  values_[nodes] = 0.0;
  root_times_[nodes] = 0.0;
  interpolate();
  fix();
  prepare();
}

void ExerciseBoundary::interpolate() {
  for (int k = 0; k <= nodes; ++k) {
    double sum = 0.5 * (values_[0] + (k % 2 == 0 ? 1.0 : -1.0) * values_[nodes]);
    for (int i = 1; i < nodes; ++i) {
      sum += values_[static_cast<std::size_t>(i)] * std::cos(std::numbers::pi * i * k / nodes);
    }
    series_[static_cast<std::size_t>(k)] = 2.0 / nodes * sum;
  }
  series_[0] *= 0.5;
  series_[nodes] *= 0.5;
}

double ExerciseBoundary::at_start() const {
  return limit_ * std::exp(log_ratio_at(root_years_));
}

double ExerciseBoundary::log_ratio_at(double root_time) const {
  const double z = 2.0 * root_time / root_years_ - 1.0;
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
  solved_ = fix_by_slope();
  if (solved_) return;
  values_ = start;
  interpolate();
  solved_ = fix_by_value();
}

template <class Map>
bool ExerciseBoundary::iterate(int most_rounds, double slowest, const Map& wanted) {
  // Less of a move is made where the moves do not shrink, for the map throws too far.
  double share = 1.0;
  double moved_before = std::numeric_limits<double>::infinity();
  for (int round = 0; round < most_rounds; ++round) {
    double moved = 0.0;
    auto next = values_;
    for (std::size_t i = 0; i < nodes; ++i) {
      const double before = -std::sqrt(values_[i]);
      const double move = wanted(i, before) - before;
      const double log_ratio = before + share * move;
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
  const auto& rule = gauss_legendre_32();
  const double carry = rate_ - yield_;
  const double log_limit = std::log(limit_);
  // What does not move with the boundary: at every node, over the time u from expiry.
  struct Point {
    double root_left;
    double root_u;
    double minus_weight;
    double plus_weight;
  };
  std::array<std::array<Point, std::tuple_size_v<decltype(rule.node)>>, nodes> points;
  for (std::size_t i = 0; i < nodes; ++i) {
    const double root = root_times_[i];
    for (std::size_t j = 0; j < points[i].size(); ++j) {
      // u = time - (root (1 + y) / 2)^2 takes the root out of the integrand.
      const double root_left = 0.5 * root * (1.0 + rule.node[j]);
      const double u = std::max(root * root - root_left * root_left, 0.0);
      const double measure = rule.weight[j] * root / vol_;
      points[i][j] = {root_left, std::sqrt(u), measure * std::exp(rate_ * u),
                      measure * std::exp(yield_ * u)};
    }
  }
  return iterate(200, 0.7, [&](std::size_t i, double before) {
    const double root = root_times_[i];
    double minus_integral = 0.0;
    double plus_integral = 0.0;
    for (const auto& point : points[i]) {
      const auto d = distances(before - log_ratio_at(point.root_u), carry, vol_, point.root_left);
      minus_integral += point.minus_weight * normal_density(d.minus);
      plus_integral += point.plus_weight *
                       (normal_density(d.plus) + vol_ * point.root_left * normal_cdf(d.plus));
    }
    const auto d = distances(log_limit + before, carry, vol_, root);
    const double numerator = rate_ * minus_integral + normal_density(d.minus) / (vol_ * root);
    const double denominator =
        yield_ * plus_integral + normal_density(d.plus) / (vol_ * root) + normal_cdf(d.plus);
    const double fixed = std::exp(-carry * root * root) * numerator / denominator;
    return std::log(std::clamp(fixed, 1e-12 * limit_, limit_) / limit_);
  });
}

/// The same as the fixed point of value matching (FP-B): more rounds, and sure of foot.
bool ExerciseBoundary::fix_by_value() {
  const auto& rule = gauss_legendre_32();
  const double carry = rate_ - yield_;
  const double log_limit = std::log(limit_);
  return iterate(400, 0.95, [&](std::size_t i, double before) {
    const double root = root_times_[i];
    const auto whole = distances(log_limit + before, carry, vol_, root);
    double strike_side = std::exp(-rate_ * root * root) * normal_cdf(whole.minus);
    double spot_side = std::exp(-yield_ * root * root) * normal_cdf(whole.plus);
    for (std::size_t j = 0; j < rule.node.size(); ++j) {
      const double root_left = 0.5 * root * (1.0 + rule.node[j]);
      const double left = root_left * root_left;
      const double root_u = std::sqrt(std::max(root * root - left, 0.0));
      const double measure = rule.weight[j] * root * root_left;
      const auto d = distances(before - log_ratio_at(root_u), carry, vol_, root_left);
      strike_side += measure * rate_ * std::exp(-rate_ * left) * normal_cdf(d.minus);
      spot_side += measure * yield_ * std::exp(-yield_ * left) * normal_cdf(d.plus);
    }
    if (!(strike_side > 0.0 && spot_side > 0.0)) return before;
    return std::log(std::clamp(strike_side / spot_side, 1e-12 * limit_, limit_) / limit_);
  });
}

void ExerciseBoundary::prepare() {
  const auto& rule = gauss_legendre_48();
  const double log_limit = std::log(limit_);
  const double time = root_years_ * root_years_;
  for (std::size_t j = 0; j < moments_.size(); ++j) {
    const double root_left = 0.5 * root_years_ * (1.0 + rule.node[j]);
    const double left = root_left * root_left;
    const double measure = rule.weight[j] * root_years_ * root_left;
    moments_[j] = {.root_left = root_left,
                   .log_boundary = log_limit + log_ratio_at(std::sqrt(std::max(time - left, 0.0))),
                   .strike_weight = measure * rate_ * std::exp(-rate_ * left),
                   .spot_weight = measure * yield_ * std::exp(-yield_ * left)};
  }
}

double ExerciseBoundary::premium(double spot) const {
  const double log_spot = std::log(spot);
  double sum = 0.0;
  for (const auto& moment : moments_) {
    const auto d =
        distances(log_spot - moment.log_boundary, rate_ - yield_, vol_, moment.root_left);
    sum += moment.strike_weight * normal_cdf(-d.minus);
    if (yield_ != 0.0) sum -= moment.spot_weight * spot * normal_cdf(-d.plus);
  }
  return sum;
}

}  // namespace bifrost::analysis
