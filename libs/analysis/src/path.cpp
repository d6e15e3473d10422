// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/path.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double edge = 6.0;  // deviations at which the Brownian motion stops

/// Time runs back from expiry, 0, to now, 1. Steps are finest at both ends, where everything
/// changes fastest; between two levels lies their midpoint.
class Lattice {
 public:
  Lattice(int half_cells, int steps)
      : nodes_(static_cast<std::size_t>(2 * half_cells + 1)), cell_(edge / half_cells) {
    const auto at = [&](int i) {
      const double share = static_cast<double>(i) / steps;
      return share * share * (3.0 - 2.0 * share);
    };
    for (int i = 0; i < steps; ++i) {
      levels_.push_back(at(i));
      levels_.push_back(0.5 * (at(i) + at(i + 1)));
    }
    levels_.push_back(1.0);
  }

  std::size_t nodes() const { return nodes_; }
  std::size_t middle() const { return nodes_ / 2; }
  double cell() const { return cell_; }
  double score(std::size_t node) const {
    return cell_ * (static_cast<double>(node) - static_cast<double>(middle()));
  }
  const std::vector<double>& levels() const { return levels_; }

 private:
  std::size_t nodes_;
  double cell_;
  std::vector<double> levels_;
};

using Row = std::vector<double>;

/// A system with three diagonals, two right-hand sides at once.
class Tridiagonal {
 public:
  struct Line {
    double below = 0.0;
    double middle = 1.0;
    double above = 0.0;
    std::array<double, 2> right{};
  };

  explicit Tridiagonal(std::size_t size) : lines_(size) {}

  Line& operator[](std::size_t i) { return lines_[i]; }

  /// Thomas's elimination; leaves the solution in the right-hand sides.
  void solve() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      Line& line = lines_[i];
      if (i > 0) {
        const Line& before = lines_[i - 1];
        line.middle -= line.below * before.above;
        for (std::size_t r = 0; r < 2; ++r) line.right[r] -= line.below * before.right[r];
      }
      line.above /= line.middle;
      for (double& r : line.right) r /= line.middle;
    }
    for (std::size_t i = lines_.size() - 1; i-- > 0;) {
      for (std::size_t r = 0; r < 2; ++r)
        lines_[i].right[r] -= lines_[i].above * lines_[i + 1].right[r];
    }
  }

 private:
  std::vector<Line> lines_;
};

/// The means of two terminal rows on every level: Crank and Nicolson, after implicit steps that
/// take the kinks away (Rannacher, 1984).
std::array<std::vector<Row>, 2> means(const Lattice& lattice, Row first, Row second) {
  std::array<std::vector<Row>, 2> out{{{std::move(first)}, {std::move(second)}}};
  Tridiagonal system{lattice.nodes()};
  const double per_cell = 1.0 / (lattice.cell() * lattice.cell());
  const auto& levels = lattice.levels();
  for (std::size_t level = 1; level < levels.size(); ++level) {
    const double step = 0.5 * (levels[level] - levels[level - 1]) * per_cell;
    const double implicit = (level <= 4 ? 1.0 : 0.5) * step;
    const double explicitly = step - implicit;
    for (std::size_t i = 0; i < lattice.nodes(); ++i) {
      auto& line = system[i];
      const bool stopped = i == 0 || i + 1 == lattice.nodes();
      line = {.below = stopped ? 0.0 : -implicit,
              .middle = stopped ? 1.0 : 1.0 + 2.0 * implicit,
              .above = stopped ? 0.0 : -implicit,
              .right = {}};
      for (std::size_t r = 0; r < 2; ++r) {
        const Row& last = out[r].back();
        line.right[r] = last[i];
        if (!stopped) line.right[r] += explicitly * (last[i - 1] - 2.0 * last[i] + last[i + 1]);
      }
    }
    system.solve();
    for (std::size_t r = 0; r < 2; ++r) {
      Row row(lattice.nodes());
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = system[i].right[r];
      out[r].push_back(std::move(row));
    }
  }
  return out;
}

struct Corridor {
  double low = -infinity;
  double high = infinity;
};

struct FirstExit {
  double high = 0.0;
  double low = 0.0;
};

/// Which end of the corridor the watched value reaches first, seen from the middle node now.
class ExitSolver {
 public:
  /// `watched` runs parallel to the levels.
  ExitSolver(const Lattice& lattice, const std::vector<Row>& watched, Corridor corridor)
      : lattice_(lattice),
        watched_(watched),
        corridor_(corridor),
        system_(lattice.nodes()),
        now_(lattice.nodes()) {}

  FirstExit solve() {
    for (std::size_t i = 0; i < now_.size(); ++i) now_[i] = ended(watched_[0][i]).value_or(Pair{});
    // Implicit steps, whole and as two halves, extrapolated to the second order in time.
    const auto& levels = lattice_.levels();
    std::vector<Pair> halves;
    std::vector<Pair> whole;
    for (std::size_t level = 2; level < levels.size(); level += 2) {
      step(now_, level - 1, levels[level - 1] - levels[level - 2], halves);
      step(halves, level, levels[level] - levels[level - 1], halves);
      step(now_, level, levels[level] - levels[level - 2], whole);
      for (std::size_t i = 0; i < now_.size(); ++i) {
        for (std::size_t r = 0; r < 2; ++r) now_[i][r] = 2.0 * halves[i][r] - whole[i][r];
      }
    }
    const auto [high, low] = now_[lattice_.middle()];
    return {high, low};
  }

 private:
  using Pair = std::array<double, 2>;  // probability of the high end first, of the low end

  std::optional<Pair> ended(double value) const {
    if (value >= corridor_.high) return Pair{1.0, 0.0};
    if (value <= corridor_.low) return Pair{0.0, 1.0};
    return std::nullopt;
  }

  /// How far from a node inside, in cells, the way to its neighbour leaves the corridor.
  double reach(double inside, double neighbour) const {
    constexpr double nearest = 1e-6;
    if (neighbour >= corridor_.high) {
      return std::max((corridor_.high - inside) / (neighbour - inside), nearest);
    }
    if (neighbour <= corridor_.low) {
      return std::max((inside - corridor_.low) / (inside - neighbour), nearest);
    }
    return 1.0;
  }

  void step(const std::vector<Pair>& from, std::size_t level, double time, std::vector<Pair>& to) {
    const Row& watched = watched_[level];
    const double ratio = time / (lattice_.cell() * lattice_.cell());
    for (std::size_t i = 0; i < watched.size(); ++i) {
      auto& line = system_[i];
      line = {};
      if (const auto end = ended(watched[i])) {
        line.right = *end;
        continue;
      }
      line.right = from[i];
      if (i == 0 || i + 1 == watched.size()) continue;
      const double left = reach(watched[i], watched[i - 1]);
      const double right = reach(watched[i], watched[i + 1]);
      line.below = -ratio / (left * (left + right));
      line.above = -ratio / (right * (left + right));
      line.middle = 1.0 + ratio / (left * right);
    }
    system_.solve();
    to.resize(watched.size());
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = system_[i].right;
  }

  const Lattice& lattice_;
  const std::vector<Row>& watched_;
  Corridor corridor_;
  Tridiagonal system_;
  std::vector<Pair> now_;
};

constexpr int fine_cells = 300;
constexpr int fine_steps = 120;

/// The density's quantiles on the nodes of the fine lattice and, every second one of them, of the
/// coarse one.
class Settlements {
 public:
  explicit Settlements(const Density& density) {
    const Lattice fine{fine_cells, fine_steps};
    for (std::size_t i = 0; i < fine.nodes(); ++i) {
      fine_.push_back(density.quantile(normal_cdf(fine.score(i))));
      if (i % 2 == 0) coarse_.push_back(fine_.back());
    }
  }

  const Row& on(const Lattice& lattice) const {
    return lattice.nodes() == fine_.size() ? fine_ : coarse_;
  }

 private:
  Row fine_;
  Row coarse_;
};

struct Answer {
  FirstExit exit;
  double error;
};

/// On two lattices; `watch` gives the watched value on every level of one.
template <class Watch>
Answer on_two_lattices(Corridor corridor, Watch watch) {
  const auto on = [&](int cells, int steps) {
    const Lattice lattice{cells, steps};
    return ExitSolver{lattice, watch(lattice), corridor}.solve();
  };
  const FirstExit coarse = on(fine_cells / 2, fine_steps / 2);
  const FirstExit fine = on(fine_cells, fine_steps);
  return {{std::clamp(fine.high, 0.0, 1.0), std::clamp(fine.low, 0.0, 1.0)},
          std::max(std::abs(fine.high - coarse.high), std::abs(fine.low - coarse.low))};
}

/// `values` over ascending `at`, read at ascending `wanted` along straight lines; the end values
/// beyond.
Row interpolated(const Row& at, const Row& values, const Row& wanted) {
  Row out;
  out.reserve(wanted.size());
  std::size_t i = 1;
  for (const double x : wanted) {
    while (i + 1 < at.size() && at[i] < x) ++i;
    const double share = std::clamp((x - at[i - 1]) / (at[i] - at[i - 1]), 0.0, 1.0);
    out.push_back(std::lerp(values[i - 1], values[i], share));
  }
  return out;
}

bool is_positive(double x) {
  return std::isfinite(x) && x > 0.0;
}

}  // namespace

double probability_of_touch(const TouchInputs& in) {
  const double s = in.vol * std::sqrt(in.years);
  const double direction = in.level >= in.spot ? 1.0 : -1.0;
  const double x = direction * std::log(in.level / in.spot);  // the way to go
  const double m = direction * (in.drift - 0.5 * in.vol * in.vol) * in.years;
  if (x == 0.0) return 1.0;
  const double ahead = (x - m) / s;
  const double mirrored = (x + m) / s;
  // exp(2 m x / s^2) N(-mirrored), and its factors apart where neither overflows.
  const double reflected = mirrored > 0.0 ? normal_density(ahead) * cdf_over_density(-mirrored)
                                          : std::exp(2.0 * m * x / (s * s)) * normal_cdf(-mirrored);
  return normal_cdf(-ahead) + reflected;
}

core::Result<PathTouch> probability_of_touch(const Density& density, double spot, double level) {
  if (!is_positive(spot) || !is_positive(level)) {
    return core::fail(core::Errc::invalid_input,
                      "probability of touch: a spot or level that is not positive");
  }
  if (spot == level) return PathTouch{1.0, 0.0, density.label()};
  const bool above = level > spot;
  const Corridor corridor = above ? Corridor{-infinity, level} : Corridor{level, infinity};
  const double carry = std::log(density.mean() / spot);
  const Settlements settlements{density};
  const auto answer = on_two_lattices(corridor, [&](const Lattice& lattice) {
    auto forward = std::move(means(lattice, settlements.on(lattice), Row(lattice.nodes(), 0.0))[0]);
    for (std::size_t level_index = 0; level_index < forward.size(); ++level_index) {
      const double growth = std::exp(-carry * lattice.levels()[level_index]);
      for (double& price : forward[level_index]) price *= growth;
    }
    return forward;
  });
  return PathTouch{above ? answer.exit.high : answer.exit.low, answer.error, density.label()};
}

core::Result<ExitProbabilities> exit_probabilities(std::span<const Leg> legs, const Density& paths,
                                                   const Density& marks, const ExitRule& rule,
                                                   const MarkTerms& terms) {
  using core::Errc;
  if (!rule.profit_target && !rule.loss_limit) {
    return core::fail(Errc::invalid_input, "exit probabilities without a target or a limit");
  }
  if ((rule.profit_target && !is_positive(*rule.profit_target)) ||
      (rule.loss_limit && !is_positive(*rule.loss_limit)) || !is_positive(terms.discount_factor)) {
    return core::fail(Errc::invalid_input,
                      "exit probabilities: target, limit and discount factor must be positive");
  }
  BF_TRY(const Payoff payoff, payoff_at_expiry(legs));

  // Only what the legs are worth is discounted; what they cost was paid at once.
  double cost = terms.fees;
  double paid_for_legs = 0.0;
  double dividends = 0.0;
  for (const auto& leg : legs) {
    const bool stock = leg.kind == LegKind::stock;
    const auto shares = static_cast<double>(leg.quantity) * (stock ? 1.0 : leg.multiplier);
    paid_for_legs += leg.entry_price.value() * shares;
    if (stock) dividends += shares * terms.dividends_per_share;
  }
  cost += paid_for_legs;
  const auto worth = [&](const Row& spots) {
    Row row;
    row.reserve(spots.size());
    for (const double spot : spots) row.push_back(profit_at_expiry(legs, spot) + paid_for_legs);
    return row;
  };
  const Settlements at_marks{marks};
  std::optional<Settlements> at_paths;
  if (&paths != &marks) at_paths.emplace(paths);
  const double growth = std::log(paths.mean() / marks.mean());
  const Corridor corridor{rule.loss_limit ? -*rule.loss_limit : -infinity,
                          rule.profit_target.value_or(infinity)};
  const auto answer = on_two_lattices(corridor, [&](const Lattice& lattice) {
    const Row& settled = at_marks.on(lattice);
    auto [forward, value] = means(lattice, settled, worth(settled));
    if (at_paths) {
      const Row& ends = at_paths->on(lattice);
      const auto on_the_way = means(lattice, ends, Row(lattice.nodes(), 0.0))[0];
      value[0] = worth(ends);
      for (std::size_t level = 1; level < value.size(); ++level) {
        // Both start from the market's forward; the drift to another mean comes evenly.
        Row wanted = on_the_way[level];
        for (double& price : wanted) price *= std::exp(-growth * lattice.levels()[level]);
        value[level] = interpolated(forward[level], value[level], wanted);
      }
    }
    for (std::size_t level = 0; level < value.size(); ++level) {
      const double left = lattice.levels()[level];
      const double discount = std::pow(terms.discount_factor, left);
      for (double& profit : value[level]) profit = discount * profit - cost + dividends * left;
    }
    return std::move(value);
  });
  const double profit_now =
      terms.discount_factor * (expected_profit(payoff, marks) + paid_for_legs) - cost + dividends;
  const double neither = std::max(1.0 - answer.exit.high - answer.exit.low, 0.0);
  return ExitProbabilities{.target_first = answer.exit.high,
                           .stop_first = answer.exit.low,
                           .neither = neither,
                           .profit_now = profit_now,
                           .numerical_error = answer.error,
                           .paths = paths.label(),
                           .marks = marks.label()};
}

}  // namespace bifrost::analysis
