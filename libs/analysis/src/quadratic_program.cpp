// SPDX-License-Identifier: Apache-2.0
#include "quadratic_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bifrost::analysis {

// Four sums at a time: one alone waits for each addition.
double dot(std::span<const double> x, std::span<const double> y) {
  double sums[4] = {0.0, 0.0, 0.0, 0.0};
  std::size_t i = 0;
  for (; i + 4 <= x.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) sums[lane] += x[i + lane] * y[i + lane];
  }
  for (; i < x.size(); ++i) sums[0] += x[i] * y[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

namespace {

constexpr double tolerance = 1e-9;
constexpr double tiny = 1e-14;

void add(std::span<double> to, double factor, std::span<const double> what) {
  for (std::size_t i = 0; i < what.size(); ++i) to[i] += factor * what[i];
}

/// The lower Cholesky factor in place of the matrix; false if it has none.
bool factorise(DenseRows& g) {
  const std::size_t n = g.columns;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double sum = g[i][j] - dot(g[i].first(j), g[j].first(j));
      if (i != j) {
        g[i][j] = sum / g[j][j];
      } else if (sum > 0.0) {
        g[i][i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

std::optional<QuadraticProgram> QuadraticProgram::create(DenseRows g, std::span<const double> a) {
  if (!factorise(g)) return std::nullopt;
  const std::size_t n = a.size();
  QuadraticProgram program;
  program.n_ = n;
  // Row c of the factor's inverse is column c of J.
  auto& columns = program.columns_ = {n, std::vector<double>(n * n, 0.0)};
  for (std::size_t c = 0; c < n; ++c) {
    const auto row = columns[c];
    const double scale = 1.0 / g[c][c];
    row[c] = scale;
    for (std::size_t k = 0; k < c; ++k) add(row, -scale * g[c][k], columns[k].first(k + 1));
  }
  program.x_.assign(n, 0.0);
  for (std::size_t c = 0; c < n; ++c) add(program.x_, dot(columns[c], a), columns[c]);
  program.upper_ = {n, std::vector<double>(n * n, 0.0)};
  program.inequalities_.columns = n;
  program.free_.assign(n, 1);
  program.direction_.resize(n);
  program.step_.resize(n);
  program.dual_step_.resize(n);
  return program;
}

double QuadraticProgram::Normal::times(std::span<const double> x) const {
  return unit ? x[*unit] : dot(row, x);
}

QuadraticProgram::Normal QuadraticProgram::normal(std::size_t id) const {
  if (id < n_) return {id, {}};
  return {std::nullopt, inequalities_[id - n_]};
}

double QuadraticProgram::slack(std::size_t id) const {
  return id < n_ ? x_[id] : normal(id).times(x_) - floors_[id - n_];
}

std::optional<std::size_t> QuadraticProgram::most_violated() const {
  std::optional<std::size_t> worst;
  double least = -tolerance;
  for (std::size_t id = 0; id < free_.size(); ++id) {
    if (!free_[id]) continue;
    const double here = slack(id);
    if (here < least) {
      least = here;
      worst = id;
    }
  }
  return worst;
}

/// The step in x along which what is held stays as it is, and what it does to the multipliers.
void QuadraticProgram::directions(const Normal& toward) {
  const std::size_t held = held_.size();
  for (std::size_t c = 0; c < n_; ++c) direction_[c] = toward.times(columns_[c]);
  std::ranges::fill(step_, 0.0);
  for (std::size_t c = held; c < n_; ++c) add(step_, direction_[c], columns_[c]);
  for (std::size_t i = held; i-- > 0;) {
    double sum = direction_[i];
    for (std::size_t j = i + 1; j < held; ++j) sum -= upper_[i][j] * dual_step_[j];
    dual_step_[i] = sum / upper_[i][i];
  }
}

/// How far the last normal reaches out of those held already.
double QuadraticProgram::reach() const {
  const auto outside = std::span{direction_}.subspan(held_.size());
  return dot(outside, outside);
}

double QuadraticProgram::length() const {
  return dot(direction_, direction_);
}

/// Holds the normal whose directions() were just taken.
void QuadraticProgram::hold(Held what) {
  const std::size_t held = held_.size();
  for (std::size_t c = n_ - 1; c > held; --c) {
    if (direction_[c] == 0.0) continue;
    const double radius = std::hypot(direction_[c - 1], direction_[c]);
    rotate(c - 1, c, direction_[c - 1] / radius, direction_[c] / radius);
    direction_[c - 1] = radius;
    direction_[c] = 0.0;
  }
  for (std::size_t i = 0; i <= held; ++i) upper_[i][held] = direction_[i];
  held_.push_back(what);
}

void QuadraticProgram::rotate(std::size_t first, std::size_t second, double cosine, double sine) {
  const auto one = columns_[first];
  const auto two = columns_[second];
  for (std::size_t i = 0; i < n_; ++i) {
    const double a = one[i];
    const double b = two[i];
    one[i] = cosine * a + sine * b;
    two[i] = cosine * b - sine * a;
  }
}

void QuadraticProgram::release(std::size_t which) {
  free_[held_[which].id] = 1;
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
  const std::size_t held = held_.size();
  for (std::size_t i = 0; i <= held; ++i) {
    for (std::size_t j = which; j < held; ++j) upper_[i][j] = upper_[i][j + 1];
    upper_[i][held] = 0.0;
  }
  for (std::size_t i = which; i < held; ++i) {
    const double radius = std::hypot(upper_[i][i], upper_[i + 1][i]);
    if (radius == 0.0) continue;
    const double cosine = upper_[i][i] / radius;
    const double sine = upper_[i + 1][i] / radius;
    for (std::size_t j = i; j < held; ++j) {
      const double a = upper_[i][j];
      const double b = upper_[i + 1][j];
      upper_[i][j] = cosine * a + sine * b;
      upper_[i + 1][j] = cosine * b - sine * a;
    }
    rotate(i, i + 1, cosine, sine);
  }
}

bool QuadraticProgram::require(std::span<const double> row, double target) {
  const Normal toward{std::nullopt, row};
  directions(toward);
  const double room = reach();
  if (room <= tiny * length()) return false;
  const double t = (target - toward.times(x_)) / room;
  add(x_, t, step_);
  for (std::size_t j = 0; j < held_.size(); ++j) held_[j].multiplier -= t * dual_step_[j];
  hold({0, true, t});
  return true;
}

void QuadraticProgram::limit(std::span<const double> row, double floor) {
  inequalities_.values.insert(inequalities_.values.end(), row.begin(), row.end());
  floors_.push_back(floor);
  free_.push_back(1);
}

QuadraticOutcome QuadraticProgram::solve() {
  const std::size_t most_steps = 10 * free_.size() + 100;
  std::size_t steps = 0;
  for (;;) {
    const auto entering = most_violated();
    if (!entering) break;
    const Normal toward = normal(*entering);
    double multiplier = 0.0;
    for (;;) {
      if (++steps > most_steps) return QuadraticOutcome::too_many_steps;
      directions(toward);
      // The first multiplier to reach zero on the way leaves.
      double until_leaving = std::numeric_limits<double>::infinity();
      std::size_t leaving = 0;
      for (std::size_t j = 0; j < held_.size(); ++j) {
        if (held_[j].equality || dual_step_[j] <= 0.0) continue;
        const double ratio = held_[j].multiplier / dual_step_[j];
        if (ratio < until_leaving) {
          until_leaving = ratio;
          leaving = j;
        }
      }
      const double room = reach();
      const bool can_move = room > tiny * length();
      if (!can_move && std::isinf(until_leaving)) return QuadraticOutcome::infeasible;
      const double full = can_move ? -slack(*entering) / room : until_leaving;
      const double t = std::min(until_leaving, full);
      if (can_move) add(x_, t, step_);
      for (std::size_t j = 0; j < held_.size(); ++j) held_[j].multiplier -= t * dual_step_[j];
      multiplier += t;
      if (can_move && full <= until_leaving) {
        hold({*entering, false, multiplier});
        free_[*entering] = 0;
        break;
      }
      release(leaving);
    }
  }
  // What is held is at its bound exactly, and nothing is below it.
  for (const auto& what : held_) {
    if (!what.equality && what.id < n_) x_[what.id] = 0.0;
  }
  for (double& value : x_) value = std::max(value, 0.0);
  return QuadraticOutcome::solved;
}

}  // namespace bifrost::analysis
