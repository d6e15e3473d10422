// SPDX-License-Identifier: Apache-2.0
#include "quadratic_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace bifrost::analysis {
namespace {

double dot(std::span<const double> x, std::span<const double> y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

/// The lower Cholesky factor, in place of the matrix; nothing if it has none.
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

/// A constraint's normal: a unit vector for a bound, a row otherwise.
struct Normal {
  std::optional<std::size_t> unit;
  std::span<const double> row;

  double times(std::span<const double> x) const { return unit ? x[*unit] : dot(row, x); }
};

class DualActiveSet {
 public:
  explicit DualActiveSet(const QuadraticProgram& program)
      : program_(program), n_(program.a.size()), factor_(program.g) {}

  QuadraticSolution run() {
    QuadraticSolution out{QuadraticOutcome::solved, {}, 0};
    if (!start()) {
      out.outcome = QuadraticOutcome::not_positive_definite;
      return out;
    }
    out.outcome = take_equalities() ? take_inequalities(out.steps) : QuadraticOutcome::infeasible;
    // What is active is exactly at its bound.
    for (const auto& held : active_) {
      if (held.id < n_ && !held.equality) x_[held.id] = 0.0;
    }
    for (double& value : x_) value = std::max(value, 0.0);
    out.x = std::move(x_);
    return out;
  }

 private:
  struct Held {
    std::size_t id;  // below n: the bound of that variable; then the inequalities
    bool equality;
    double multiplier;
  };

  // factor_ becomes L with G = L L'; columns_ holds the columns of J = L^-T, each a row here, whose
  // first active_.size() span the active normals: J' N = (R; 0).
  bool start() {
    if (!factorise(factor_)) return false;
    columns_ = {n_, std::vector<double>(n_ * n_, 0.0)};
    // Row c of L^-1 is column c of L^-T.
    for (std::size_t c = 0; c < n_; ++c) {
      auto inverse_row = columns_[c];
      inverse_row[c] = 1.0 / factor_[c][c];
    }
    for (std::size_t c = 0; c < n_; ++c) {
      auto row = columns_[c];
      for (std::size_t k = 0; k < c; ++k) {
        const double scale = factor_[c][k] / factor_[c][c];
        const auto above = columns_[k];
        for (std::size_t j = 0; j <= k; ++j) row[j] -= scale * above[j];
      }
    }
    std::vector<double> half(n_);
    for (std::size_t c = 0; c < n_; ++c) half[c] = dot(columns_[c], program_.a);
    x_.assign(n_, 0.0);
    for (std::size_t c = 0; c < n_; ++c) add(x_, half[c], columns_[c]);
    upper_ = {n_, std::vector<double>(n_ * n_, 0.0)};
    direction_.resize(n_);
    step_.resize(n_);
    dual_step_.resize(n_);
    return true;
  }

  static void add(std::vector<double>& to, double factor, std::span<const double> what) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * what[i];
  }

  Normal normal(std::size_t id) const {
    if (id < n_) return {id, {}};
    return {std::nullopt, program_.inequalities[id - n_]};
  }

  /// The step in x along which the active constraints stay as they are, and what it does to their
  /// multipliers.
  void directions(const Normal& toward) {
    const std::size_t held = active_.size();
    for (std::size_t c = 0; c < n_; ++c) direction_[c] = toward.times(columns_[c]);
    std::fill(step_.begin(), step_.end(), 0.0);
    for (std::size_t c = held; c < n_; ++c) add(step_, direction_[c], columns_[c]);
    for (std::size_t i = held; i-- > 0;) {
      double sum = direction_[i];
      for (std::size_t j = i + 1; j < held; ++j) sum -= upper_[i][j] * dual_step_[j];
      dual_step_[i] = sum / upper_[i][i];
    }
  }

  /// How far the normal still reaches out of those that are active already.
  double reach() const {
    double sum = 0.0;
    for (std::size_t c = active_.size(); c < n_; ++c) sum += direction_[c] * direction_[c];
    return sum;
  }
  double length() const { return dot(direction_, direction_); }

  /// Makes the normal whose direction_ was just computed the last active one.
  void hold(Held what) {
    const std::size_t held = active_.size();
    for (std::size_t c = n_ - 1; c > held; --c) {
      const double radius = std::hypot(direction_[c - 1], direction_[c]);
      if (radius == 0.0) continue;
      const double cosine = direction_[c - 1] / radius;
      const double sine = direction_[c] / radius;
      direction_[c - 1] = radius;
      direction_[c] = 0.0;
      rotate(c - 1, c, cosine, sine);
    }
    for (std::size_t i = 0; i <= held; ++i) upper_[i][held] = direction_[i];
    active_.push_back(what);
  }

  void rotate(std::size_t first, std::size_t second, double cosine, double sine) {
    auto one = columns_[first];
    auto two = columns_[second];
    for (std::size_t i = 0; i < n_; ++i) {
      const double a = one[i];
      const double b = two[i];
      one[i] = cosine * a + sine * b;
      two[i] = cosine * b - sine * a;
    }
  }

  void release(std::size_t which) {
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(which));
    const std::size_t held = active_.size();
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

  bool take_equalities() {
    for (std::size_t i = 0; i < program_.equalities.size(); ++i) {
      const Normal row{std::nullopt, program_.equalities[i]};
      directions(row);
      const double room = reach();
      if (room <= tiny * length()) return false;
      const double t = (program_.targets[i] - row.times(x_)) / room;
      add(x_, t, step_);
      for (std::size_t j = 0; j < active_.size(); ++j) active_[j].multiplier -= t * dual_step_[j];
      hold({i, true, t});
    }
    return true;
  }

  double slack(std::size_t id) const {
    return id < n_ ? x_[id] : normal(id).times(x_) - program_.floors[id - n_];
  }

  std::optional<std::size_t> most_violated(const std::vector<char>& inactive) const {
    std::optional<std::size_t> worst;
    double least = -tolerance;
    for (std::size_t id = 0; id < inactive.size(); ++id) {
      if (!inactive[id]) continue;
      const double here = slack(id);
      if (here < least) {
        least = here;
        worst = id;
      }
    }
    return worst;
  }

  QuadraticOutcome take_inequalities(int& steps) {
    const std::size_t count = n_ + program_.inequalities.size();
    std::vector<char> inactive(count, 1);
    const int most_steps = static_cast<int>(10 * count) + 100;
    for (steps = 0; steps < most_steps;) {
      const auto entering = most_violated(inactive);
      if (!entering) return QuadraticOutcome::solved;
      const Normal toward = normal(*entering);
      double multiplier = 0.0;
      for (; steps < most_steps;) {
        ++steps;
        directions(toward);
        // The first multiplier to reach zero on the way leaves.
        double dual_length = std::numeric_limits<double>::infinity();
        std::size_t leaving = 0;
        for (std::size_t j = 0; j < active_.size(); ++j) {
          if (active_[j].equality || dual_step_[j] <= 0.0) continue;
          const double ratio = active_[j].multiplier / dual_step_[j];
          if (ratio < dual_length) {
            dual_length = ratio;
            leaving = j;
          }
        }
        const double room = reach();
        const bool can_move = room > tiny * length();
        const double full = can_move ? -slack(*entering) / room : dual_length;
        if (!std::isfinite(dual_length) && !can_move) return QuadraticOutcome::infeasible;
        const double t = std::min(dual_length, full);
        if (can_move) add(x_, t, step_);
        for (std::size_t j = 0; j < active_.size(); ++j) {
          active_[j].multiplier -= t * dual_step_[j];
        }
        multiplier += t;
        if (can_move && full <= dual_length) {
          hold({*entering, false, multiplier});
          inactive[*entering] = 0;
          break;
        }
        inactive[active_[leaving].id] = 1;
        release(leaving);
      }
    }
    return QuadraticOutcome::too_many_steps;
  }

  static constexpr double tolerance = 1e-9;
  static constexpr double tiny = 1e-14;

  const QuadraticProgram& program_;
  std::size_t n_;
  DenseRows factor_;
  DenseRows columns_;
  DenseRows upper_;
  std::vector<Held> active_;
  std::vector<double> x_;
  std::vector<double> direction_;
  std::vector<double> step_;
  std::vector<double> dual_step_;
};

}  // namespace

QuadraticSolution solve(const QuadraticProgram& program) {
  return DualActiveSet{program}.run();
}

}  // namespace bifrost::analysis
