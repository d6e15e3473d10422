// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "bifrost/analysis/certificate.hpp"
#include "finder_search.hpp"

namespace bifrost::analysis::finder {
namespace {

bool feasible(const Node& lower, const Node& upper) {
  return lower.size() > 0 && upper.size() > 0 && lower.least_last < upper.most_first;
}

std::int64_t count_pairs(const Half& lower, const Node& a, const Half& upper, const Node& b) {
  if (a.most_last < b.least_first) return std::int64_t{a.size()} * b.size();
  // Of the lower members, how many end at or below each row.
  std::vector<std::int64_t> ending(static_cast<std::size_t>(a.most_last - a.least_last + 1), 0);
  for (int i = a.begin; i < a.end; ++i) {
    ++ending[static_cast<std::size_t>(lower.last[static_cast<std::size_t>(i)] - a.least_last)];
  }
  std::partial_sum(ending.begin(), ending.end(), ending.begin());
  std::int64_t pairs = 0;
  for (int j = b.begin; j < b.end; ++j) {
    const int below = upper.first[static_cast<std::size_t>(j)] - 1 - a.least_last;
    if (below < 0) continue;
    pairs += ending[std::min(static_cast<std::size_t>(below), ending.size() - 1)];
  }
  return pairs;
}

// Bounds on the probability of profit of all pairs of two nodes: in each cell of spot the most that
// either half can be worth there. Nodes are prepared when first asked for.
class PopProfiles {
 public:
  static constexpr int cells = 96;
  using Profile = std::array<float, cells>;

  PopProfiles(const Board& board, const Half& lower, const Half& upper, Progress& progress)
      : board_(board),
        progress_(progress),
        sides_{Side{lower, 0, {}}, Side{upper, board.task().lower_rungs, {}}} {
    for (auto& side : sides_) side.profiles.resize(side.half.nodes.size());
    edges_ = pop_cell_edges(board.density());
    if (edges_.size() != cells) core::panic("cells of pop of another number");
    double below = 0.0;
    for (std::size_t c = 0; c + 1 < cells; ++c) {
      const double here = board.density().cdf(edges_[c + 1]);
      mass_[c] = static_cast<float>(here - below);
      below = here;
    }
    for (double& edge : edges_) edge *= Price::units_per_one;
    mass_[cells - 1] = static_cast<float>(1.0 - below);
  }

  double most_pop(std::size_t lower_node, std::size_t upper_node) {
    const Profile& a = profile(sides_[0], lower_node);
    const Profile& b = profile(sides_[1], upper_node);
    float pop = 0.0F;
    for (std::size_t c = 0; c < cells; ++c) pop += a[c] + b[c] > 0.0F ? mass_[c] : 0.0F;
    return static_cast<double>(pop) + 1e-5;  // single precision, and room for it
  }

 private:
  struct Side {
    const Half& half;
    std::size_t first_rung;
    std::vector<std::unique_ptr<Profile>> profiles;
  };

  const Profile& profile(Side& side, std::size_t index) {
    auto& kept = side.profiles[index];
    if (kept) return *kept;
    kept = std::make_unique<Profile>();
    kept->fill(-std::numeric_limits<float>::infinity());
    const Node& node = side.half.nodes[index];
    if (node.left >= 0) {
      for (const int child : {node.left, node.right}) {
        if (child < 0) continue;
        const Profile& part = profile(side, static_cast<std::size_t>(child));
        for (std::size_t c = 0; c < cells; ++c) (*kept)[c] = std::max((*kept)[c], part[c]);
      }
      return *kept;
    }
    // What is left out when stopped is of no use to anybody.
    for (int i = node.begin; i < node.end; ++i) {
      if (!progress_.spend(500.0 + 10.0 * board_.profile_work())) break;
      add(side, i, *kept);
    }
    return *kept;
  }

  static void raise(float& to, double by) {
    // Rounded up, whichever way the conversion went.
    to = std::max(to, static_cast<float>(by + std::abs(by) * 2e-7 + 1e-3));
  }

  // The model's curves are straight between its spots, and the edges of cells are among those.
  void add_curve(bool lower, const Half& half, int member, Profile& most) const {
    const auto& spots = board_.profiles()->spots;
    std::vector<double> curve(spots.size(), 0.0);
    board_.add_profile(lower, half, member, curve);
    std::size_t c = 0;
    for (std::size_t g = 0; g < spots.size(); ++g) {
      while (c + 1 < cells && spots[g] > edges_[c + 1]) ++c;
      raise(most[c], curve[g]);
      // A spot on the edge bounds the cells on both sides of it.
      for (std::size_t next = c + 1; next < cells && spots[g] >= edges_[next]; ++next) {
        raise(most[next], curve[g]);
      }
    }
    if (board_.half_slopes(lower)[half.rungs] > 0.0) {
      most[cells - 1] = std::numeric_limits<float>::infinity();
    }
  }

  // A half's profit is linear between its strikes: its most in a cell lies at an edge or at a
  // strike.
  void add(const Side& side, int member, Profile& most) const {
    const auto m = static_cast<std::size_t>(member);
    const auto& half = side.half;
    if (half.rungs == 0) {
      for (auto& value : most) value = std::max(value, 0.0F);
      return;
    }
    const bool lower = side.first_rung == 0;
    if (board_.profiles() != nullptr) {
      add_curve(lower, half, member, most);
      return;
    }
    const auto half_slopes = board_.half_slopes(lower);
    const std::array<double, 2> strikes{static_cast<double>(half.lines[m].strikes[0]),
                                        static_cast<double>(half.lines[m].strikes[1])};
    const auto base = static_cast<double>(half.lines[m].origin);
    const auto value = [&](double spot) {
      double total = base + half_slopes[0] * spot;
      for (std::size_t r = 0; r < half.rungs; ++r) {
        total += (half_slopes[r + 1] - half_slopes[r]) * std::max(spot - strikes[r], 0.0);
      }
      return total;
    };
    double at_edge = value(0.0);
    for (std::size_t c = 0; c < cells; ++c) {
      raise(most[c], at_edge);
      if (c + 1 == cells) break;
      at_edge = value(edges_[c + 1]);
      raise(most[c], at_edge);
    }
    if (half_slopes[half.rungs] > 0.0) most[cells - 1] = std::numeric_limits<float>::infinity();
    for (std::size_t r = 0; r < half.rungs; ++r) {
      const auto cell =
          std::upper_bound(edges_.begin(), edges_.end(), strikes[r]) - edges_.begin() - 1;
      raise(most[static_cast<std::size_t>(cell)], value(strikes[r]));
    }
  }

  const Board& board_;
  Progress& progress_;
  std::array<Side, 2> sides_;
  std::vector<double> edges_;  // the lower ones of the cells, price units
  std::array<float, cells> mass_{};
};

class BranchAndBound {
 public:
  BranchAndBound(const Board& board, std::size_t index, const Half& lower, const Half& upper,
                 Conditions& conditions, std::optional<double> floor, Ranking& ranking,
                 std::vector<CertificateClass>* classes, Progress& progress)
      : board_(board),
        index_(index),
        lower_(lower),
        upper_(upper),
        conditions_(conditions),
        floor_(floor),
        ranking_(ranking),
        classes_(classes),
        progress_(progress),
        judge_(board, index, lower, upper),
        passing_(passing_pairs()) {
    const auto& task = board.task();
    if (task.request.constraints.min_pop > 0.0 || task.uses_pop)
      pops_.emplace(board, lower, upper, progress);
  }

  Counts run() {
    if (lower_.nodes.empty() || upper_.nodes.empty()) return counts_;
    refresh_threshold();
    stack_.push_back({0, 0});
    while (!stack_.empty() && !progress_.stopped()) {
      const auto [a, b] = stack_.back();
      stack_.pop_back();
      settle(a, b);
    }
    return counts_;
  }

 private:
  struct Pair {
    int lower;
    int upper;
  };

  std::optional<double> threshold() const {
    const auto ranked = ranking_.threshold();
    if (!ranked) return floor_;
    return floor_ ? std::max(*floor_, *ranked) : *ranked;
  }

  void refresh_threshold() {
    threshold_ = threshold();
    conditions_.set_threshold(threshold_);
    progress_.spend(conditions_.filling_work());
    visited_at_threshold_ = counts_.visited;
  }

  void settle(int a, int b) {
    const auto l = static_cast<std::size_t>(a);
    const auto u = static_cast<std::size_t>(b);
    const Node& x = lower_.nodes[l];
    const Node& y = upper_.nodes[u];
    progress_.spend(100.0);
    if (!feasible(x, y)) return;
    if (const auto failure = conditions_.failure(l, u)) {
      close(x, y, failure->why, failure->bound);
      return;
    }
    double most_pop = 1.0;
    if (pops_) {
      most_pop = pops_->most_pop(l, u);
      if (most_pop < board_.task().request.constraints.min_pop) {
        close(x, y, Unfit::pop, most_pop);
        return;
      }
    }
    if (threshold_ && !board_.task().plain) {
      const double most = conditions_.most_score(l, u, most_pop);
      if (most < *threshold_ - 1e-9 * std::max(1.0, std::abs(*threshold_))) {
        close(x, y, std::nullopt, most);
        return;
      }
    }
    const bool split_lower = x.left >= 0 && (y.left < 0 || x.size() >= y.size());
    if (split_lower) {
      if (x.right >= 0) stack_.push_back({x.right, b});
      stack_.push_back({x.left, b});
    } else if (y.left >= 0) {
      if (y.right >= 0) stack_.push_back({a, y.right});
      stack_.push_back({a, y.left});
    } else {
      visit(x, y);
    }
  }

  void close(const Node& x, const Node& y, std::optional<Unfit> why, double bound) {
    const std::int64_t pairs = count_pairs(lower_, x, upper_, y);
    progress_.spend(3.0 * (x.size() + y.size()));
    counts_.pruned += pairs;
    record(x, y, pairs, why ? CertificateClass::End::unfit : CertificateClass::End::bounded, why,
           bound);
    progress_.account(pairs, ranking_.size());
  }

  void visit(const Node& x, const Node& y) {
    const bool ordered = x.most_last < y.least_first;
    std::int64_t pairs = 0;
    for (int i = x.begin; i < x.end; ++i) {
      const int last = lower_.last[static_cast<std::size_t>(i)];
      if (!ordered) {
        for (int j = y.begin; j < y.end; ++j) {
          pairs += upper_.first[static_cast<std::size_t>(j)] > last ? 1 : 0;
        }
      }
      std::array<int, 64> found;
      const long count = passing_(conditions_.test(i), y.begin, y.end, found.data(), nullptr);
      for (long k = 0; k < count; ++k) {
        const int j = found[static_cast<std::size_t>(k)];
        if (!ordered && upper_.first[static_cast<std::size_t>(j)] <= last) continue;
        judge_.offer(i, j, threshold(), ranking_);
        if (!progress_.spend(board_.judging_work())) return;
      }
    }
    if (ordered) pairs = std::int64_t{x.size()} * y.size();
    counts_.visited += pairs;
    record(x, y, pairs, CertificateClass::End::visited, std::nullopt, 0.0);
    progress_.account(pairs, ranking_.size());
    // A higher threshold prunes more, but costs a pass over the members.
    if (threshold() != threshold_ && counts_.visited - visited_at_threshold_ >
                                         4 * (std::int64_t{lower_.size()} + upper_.size())) {
      refresh_threshold();
    }
  }

  void record(const Node& x, const Node& y, std::int64_t pairs, CertificateClass::End end,
              std::optional<Unfit> why, double bound) {
    if (classes_ == nullptr || pairs == 0) return;
    CertificateClass made{.board = index_,
                          .strikes = {},
                          .combinations = pairs,
                          .end = end,
                          .why = why,
                          .bound = bound};
    std::size_t rung = 0;
    const auto add = [&](const Half& half, const Node& node) {
      for (std::size_t r = 0; r < half.rungs; ++r) {
        made.strikes[rung++] = {Price::from_units(board_.strike_units(node.rows[2 * r])),
                                Price::from_units(board_.strike_units(node.rows[2 * r + 1]))};
      }
    };
    add(lower_, x);
    add(upper_, y);
    classes_->push_back(made);
  }

  const Board& board_;
  std::size_t index_;
  const Half& lower_;
  const Half& upper_;
  Conditions& conditions_;
  std::optional<double> floor_;
  Ranking& ranking_;
  std::vector<CertificateClass>* classes_;
  Progress& progress_;
  Judge judge_;
  kernels::PassingPairs passing_;
  std::optional<PopProfiles> pops_;
  std::optional<double> threshold_;  // of the conditions
  std::int64_t visited_at_threshold_ = 0;
  std::vector<Pair> stack_;
  Counts counts_;
};

}  // namespace

void sow(const Board& board, std::size_t index, const Half& lower, const Half& upper,
         Conditions& conditions, Ranking& seeds, Progress& progress) {
  constexpr std::size_t few = 96;  // of either half
  constexpr int rounds = 4;
  const Judge judge(board, index, lower, upper);
  const auto evenly = [&](const Half& half) {
    std::vector<int> chosen;
    const auto size = static_cast<std::size_t>(half.size());
    for (std::size_t k = 0; k < std::min(size, few); ++k) {
      chosen.push_back(static_cast<int>(k * size / std::min(size, few)));
    }
    return chosen;
  };
  // The most promising of each stretch of rows, so that lower and upper ones fit together, and the
  // most promising of all.
  const auto promising = [&](const Half& half, bool is_lower) {
    const auto promise = conditions.promise(is_lower);
    const auto more = [&](int a, int b) {
      return promise[static_cast<std::size_t>(a)] > promise[static_cast<std::size_t>(b)];
    };
    const auto rows = static_cast<int>(board.board_rows().size());
    constexpr int stretches = static_cast<int>(few) / 2;
    std::vector<int> chosen(static_cast<std::size_t>(stretches), -1);
    std::vector<int> all(promise.size());
    for (int m = 0; m < half.size(); ++m) {
      const int row = is_lower ? half.last[static_cast<std::size_t>(m)]
                               : std::min(half.first[static_cast<std::size_t>(m)], rows - 1);
      int& best = chosen[static_cast<std::size_t>(row * stretches / rows)];
      if (best < 0 || more(m, best)) best = m;
      all[static_cast<std::size_t>(m)] = m;
    }
    std::erase(chosen, -1);
    const auto some = static_cast<std::ptrdiff_t>(std::min(all.size(), few - few / 2));
    std::nth_element(all.begin(), all.begin() + some - (some > 0 ? 1 : 0), all.end(), more);
    chosen.insert(chosen.end(), all.begin(), all.begin() + some);
    std::ranges::sort(chosen);
    chosen.erase(std::ranges::unique(chosen).begin(), chosen.end());
    return chosen;
  };
  auto some_lower = evenly(lower);
  auto some_upper = evenly(upper);
  for (int round = 0; round < rounds; ++round) {
    // Fresh each time, so that no combination is offered twice.
    Ranking found(board.task().request.keep);
    for (const int i : some_lower) {
      for (const int j : some_upper) {
        if (upper.first[static_cast<std::size_t>(j)] <= lower.last[static_cast<std::size_t>(i)]) {
          continue;
        }
        judge.offer(i, j, found.threshold(), found);
        if (!progress.spend(board.judging_work())) return;
      }
    }
    const auto reached = found.threshold();
    const auto before = seeds.threshold();
    if (reached && (!before || *reached > *before)) {
      seeds = found;
    } else if (round > 0) {
      break;
    }
    const auto best = seeds.threshold();
    if (!best || !board.task().plain) break;
    conditions.set_threshold(best);
    progress.spend(conditions.filling_work());
    some_lower = promising(lower, true);
    some_upper = promising(upper, false);
  }
}

Counts branch_and_bound(const Board& board, std::size_t index, const Half& lower, const Half& upper,
                        Conditions& conditions, std::optional<double> floor, Ranking& ranking,
                        std::vector<CertificateClass>* classes, Progress& progress) {
  return BranchAndBound(board, index, lower, upper, conditions, floor, ranking, classes, progress)
      .run();
}

}  // namespace bifrost::analysis::finder
