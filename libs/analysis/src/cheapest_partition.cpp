// SPDX-License-Identifier: Apache-2.0
#include "cheapest_partition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>

namespace bifrost::analysis {
namespace {

__extension__ using Wide = __int128;

// Dual prices of these problems are fractions with small denominators: a half where three positions
// share, a hundredth where a lot of stock is a hundred shares.
constexpr std::int64_t price_denominator = 6000;

constexpr std::size_t columns_at_once = 1000;

// Amounts closer than this to a whole number are that number; what follows is checked in integers.
constexpr double whole_enough = 1e-6;

/// "No more than `cap` of `piece`", what a branch adds.
struct Cap {
  int piece;
  std::int64_t cap;
};

/// A basis of the simplex method and its inverse, dense, by rows. Rows: the items, then the caps.
/// Columns: the pieces, then what a cap leaves unused.
struct Basis {
  std::vector<std::size_t> columns;  // per row
  std::vector<double> inverse;

  std::size_t rows() const { return columns.size(); }
  double& at(std::size_t row, std::size_t column) { return inverse[row * rows() + column]; }
  double at(std::size_t row, std::size_t column) const { return inverse[row * rows() + column]; }
};

struct Node {
  std::vector<std::int64_t> taken;     // per piece, fixed by branching
  std::vector<Cap> caps;               // on what is taken beyond that; the parent's come first
  std::shared_ptr<const Basis> start;  // the parent's last basis; none at the root
};

struct Relaxation {
  std::vector<double> amounts;  // per piece
  std::int64_t bound;           // proven; no integer solution of the node costs less
  std::shared_ptr<const Basis> basis;
};

class Search {
 public:
  Search(std::span<const std::int64_t> heap, std::span<const Piece> pieces, std::int64_t work_limit)
      : heap_(heap), pieces_(pieces), work_left_(work_limit) {
    for (const auto& piece : pieces) {
      tolerance_ = std::max(tolerance_, 1e-4 + 1e-13 * static_cast<double>(piece.cost));
    }
  }

  Partition run() {
    best_ = greedy({}, heap_);
    best_cost_ = cost_of(best_);
    std::int64_t open_bound = best_cost_;
    std::vector<Node> open{{std::vector<std::int64_t>(pieces_.size(), 0), {}, {}}};
    while (!open.empty()) {
      Node node = std::move(open.back());
      open.pop_back();
      const auto relaxed = relax(node);
      if (!relaxed) {  // out of work: this node and those still open stay unexplored
        open_bound = root_bound_;
        break;
      }
      if (!root_known_) {
        root_bound_ = relaxed->bound;
        root_known_ = true;
        dive(node, *relaxed);
      }
      if (relaxed->bound >= best_cost_) continue;
      const auto split = improve(node, *relaxed);
      if (relaxed->bound >= best_cost_) continue;
      if (!split) {
        // The relaxation is integral, yet its cost lies above its proven bound: the gap is the
        // rounding of dual prices, and no branch would close it.
        open_bound = std::min(open_bound, relaxed->bound);
        continue;
      }
      branch(node, *relaxed, *split, open);
    }
    return {best_, best_cost_, std::min(open_bound, best_cost_)};
  }

 private:
  std::int64_t cost_of(std::span<const std::int64_t> counts) const {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) total += counts[i] * pieces_[i].cost;
    return total;
  }

  std::vector<std::int64_t> rest_of(std::span<const std::int64_t> counts) const {
    std::vector<std::int64_t> rest(heap_.begin(), heap_.end());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      for (int u = 0; u < pieces_[i].use_count; ++u) {
        const auto& use = pieces_[i].uses[static_cast<std::size_t>(u)];
        rest[static_cast<std::size_t>(use.item)] -= use.lots * counts[i];
      }
    }
    return rest;
  }

  // Completes `counts` from what is left, the piece that saves most first.
  std::vector<std::int64_t> greedy(std::vector<std::int64_t> counts,
                                   std::span<const std::int64_t> left) {
    if (by_saving_.empty()) {
      saving_.resize(pieces_.size());
      for (std::size_t i = 0; i < pieces_.size(); ++i) {
        for (int u = 0; u < pieces_[i].use_count; ++u) {
          const auto& use = pieces_[i].uses[static_cast<std::size_t>(u)];
          saving_[i] += use.lots * pieces_[static_cast<std::size_t>(use.item)].cost;
        }
        saving_[i] -= pieces_[i].cost;
      }
      by_saving_.resize(pieces_.size());
      std::iota(by_saving_.begin(), by_saving_.end(), std::size_t{0});
      std::sort(by_saving_.begin(), by_saving_.end(), [this](std::size_t a, std::size_t b) {
        return saving_[a] != saving_[b] ? saving_[a] > saving_[b] : a < b;
      });
    }
    counts.resize(pieces_.size());
    std::vector<std::int64_t> rest(left.begin(), left.end());
    for (const std::size_t i : by_saving_) {
      if (saving_[i] < 0) break;
      if (i < heap_.size()) continue;
      std::int64_t times = std::numeric_limits<std::int64_t>::max();
      for (int u = 0; u < pieces_[i].use_count; ++u) {
        const auto& use = pieces_[i].uses[static_cast<std::size_t>(u)];
        times = std::min(times, rest[static_cast<std::size_t>(use.item)] / use.lots);
      }
      if (times == 0) continue;
      counts[i] += times;
      for (int u = 0; u < pieces_[i].use_count; ++u) {
        const auto& use = pieces_[i].uses[static_cast<std::size_t>(u)];
        rest[static_cast<std::size_t>(use.item)] -= use.lots * times;
      }
    }
    for (std::size_t i = 0; i < rest.size(); ++i) counts[i] += rest[i];
    return counts;
  }

  // Rounds the relaxation into a solution, keeps it if it is better, and says which piece to branch
  // on: the one furthest from whole. Nothing if all are whole.
  std::optional<int> improve(const Node& node, const Relaxation& relaxed) {
    std::vector<std::int64_t> counts = node.taken;
    std::optional<int> split;
    double furthest = whole_enough;
    // Items alone take what the other pieces leave: whole if these are.
    for (std::size_t i = heap_.size(); i < counts.size(); ++i) {
      const double amount = relaxed.amounts[i];
      const double nearest = std::round(amount);
      const double distance = std::abs(amount - nearest);
      if (distance > furthest) {
        furthest = distance;
        split = static_cast<int>(i);
      }
      counts[i] +=
          static_cast<std::int64_t>(distance <= whole_enough ? nearest : std::floor(amount));
    }
    auto left = rest_of(counts);
    if (std::any_of(left.begin(), left.end(), [](std::int64_t n) { return n < 0; })) return split;
    counts = greedy(std::move(counts), left);
    const std::int64_t cost = cost_of(counts);
    if (cost < best_cost_) {
      best_cost_ = cost;
      best_ = std::move(counts);
    }
    return split;
  }

  // A good solution early: takes the whole parts of the relaxation and its largest fraction,
  // relaxes what is left, and so on. Proves nothing, saves most of the branching.
  void dive(Node node, Relaxation relaxed) {
    while (relaxed.bound < best_cost_ && improve(node, relaxed)) {
      std::size_t largest = 0;
      double fraction = 0.0;
      for (std::size_t i = heap_.size(); i < pieces_.size(); ++i) {
        const double whole = std::floor(relaxed.amounts[i] + whole_enough);
        node.taken[i] += static_cast<std::int64_t>(whole);
        if (relaxed.amounts[i] - whole > fraction) {
          fraction = relaxed.amounts[i] - whole;
          largest = i;
        }
      }
      ++node.taken[largest];
      const auto left = rest_of(node.taken);
      if (std::any_of(left.begin(), left.end(), [](std::int64_t n) { return n < 0; })) return;
      node.start = relaxed.basis;
      auto next = relax(node);
      if (!next) return;
      relaxed = *std::move(next);
    }
  }

  void branch(const Node& node, const Relaxation& relaxed, int piece,
              std::vector<Node>& open) const {
    const auto at = static_cast<std::size_t>(piece);
    const auto low = static_cast<std::int64_t>(std::floor(relaxed.amounts[at]));
    const auto existing = [piece](Node& child) {
      return std::find_if(child.caps.begin(), child.caps.end(),
                          [piece](const Cap& cap) { return cap.piece == piece; });
    };
    Node few{node.taken, node.caps, relaxed.basis};
    if (const auto cap = existing(few); cap != few.caps.end()) {
      cap->cap = std::min(cap->cap, low);
    } else {
      few.caps.push_back({piece, low});
    }
    open.push_back(std::move(few));

    Node many{node.taken, node.caps, relaxed.basis};
    many.taken[at] += low + 1;
    if (const auto cap = existing(many); cap != many.caps.end()) {
      cap->cap -= low + 1;
      if (cap->cap < 0) return;
    }
    const auto left = rest_of(many.taken);
    if (std::any_of(left.begin(), left.end(), [](std::int64_t n) { return n < 0; })) return;
    open.push_back(std::move(many));
  }

  double cost(std::size_t column) const {
    return column < pieces_.size() ? static_cast<double>(pieces_[column].cost) : 0.0;
  }

  // Visits (row, lots) of a column, by the caps of the node being relaxed.
  template <class Visit>
  void for_each_use(std::size_t column, Visit&& visit) const {
    if (column >= pieces_.size()) {
      visit(heap_.size() + (column - pieces_.size()), 1.0);
      return;
    }
    const Piece& piece = pieces_[column];
    for (int u = 0; u < piece.use_count; ++u) {
      const auto& use = piece.uses[static_cast<std::size_t>(u)];
      visit(static_cast<std::size_t>(use.item), static_cast<double>(use.lots));
    }
    if (cap_row_[column] >= 0) visit(static_cast<std::size_t>(cap_row_[column]), 1.0);
  }

  // Each item alone, each cap unused: a solution to start from. (Caps never lie on an item alone.)
  Basis singles(std::size_t rows) const {
    Basis basis{std::vector<std::size_t>(rows), std::vector<double>(rows * rows, 0.0)};
    for (std::size_t i = 0; i < rows; ++i) {
      basis.columns[i] = i < heap_.size() ? i : pieces_.size() + (i - heap_.size());
      basis.at(i, i) = 1.0;
    }
    return basis;
  }

  // The parent's basis with a row for each cap that has come since, unused.
  Basis grown(const Basis& parent, std::size_t rows) const {
    Basis basis = singles(rows);
    for (std::size_t i = 0; i < parent.rows(); ++i) {
      basis.columns[i] = parent.columns[i];
      for (std::size_t r = 0; r < parent.rows(); ++r) basis.at(i, r) = parent.at(i, r);
    }
    for (std::size_t i = 0; i < parent.rows(); ++i) {
      if (parent.columns[i] >= pieces_.size() || cap_row_[parent.columns[i]] < 0) continue;
      const auto capped = static_cast<std::size_t>(cap_row_[parent.columns[i]]);
      if (capped < parent.rows()) continue;
      for (std::size_t r = 0; r < parent.rows(); ++r) basis.at(capped, r) -= parent.at(i, r);
    }
    return basis;
  }

  // Sets step_ to the column as the basis sees it.
  void look_at(const Basis& basis, std::size_t column) {
    step_.assign(basis.rows(), 0.0);
    for_each_use(column, [&](std::size_t row, double lots) {
      for (std::size_t i = 0; i < basis.rows(); ++i) step_[i] += basis.at(i, row) * lots;
    });
  }

  void price_by(const Basis& basis) {
    price_.assign(basis.rows(), 0.0);
    for (std::size_t i = 0; i < basis.rows(); ++i) {
      const double of_row = cost(basis.columns[i]);
      if (of_row == 0.0) continue;
      for (std::size_t r = 0; r < basis.rows(); ++r) price_[r] += of_row * basis.at(i, r);
    }
  }

  double saved_by(std::size_t column) const {
    double saved = -cost(column);
    for_each_use(column, [&](std::size_t row, double lots) { saved += price_[row] * lots; });
    return saved;
  }

  // `entering` takes the place of row `leaving`; step_ has seen it.
  void pivot(Basis& basis, std::size_t leaving, std::size_t entering) {
    const std::size_t rows = basis.rows();
    const double reach = level_[leaving] / step_[leaving];
    for (std::size_t r = 0; r < rows; ++r) basis.at(leaving, r) /= step_[leaving];
    level_[leaving] = reach;
    for (std::size_t i = 0; i < rows; ++i) {
      if (i == leaving || step_[i] == 0.0) continue;
      level_[i] -= step_[i] * reach;
      for (std::size_t r = 0; r < rows; ++r) {
        basis.at(i, r) -= step_[i] * basis.at(leaving, r);
      }
    }
    basis.columns[leaving] = entering;
  }

  void level_by(const Basis& basis, const Node& node, std::span<const std::int64_t> left) {
    const std::size_t rows = basis.rows();
    level_.assign(rows, 0.0);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t r = 0; r < rows; ++r) {
        const auto amount = r < left.size() ? left[r] : node.caps[r - left.size()].cap;
        level_[i] += basis.at(i, r) * static_cast<double>(amount);
      }
    }
  }

  // The dual simplex method: a child's basis still has the right prices, but some amounts below
  // zero. False: it got nowhere, by rounding or for want of work.
  bool repair(Basis& basis, std::size_t columns) {
    const std::size_t rows = basis.rows();
    for (std::size_t steps = 0; steps < 50 + 4 * rows && work_left_ >= 0; ++steps) {
      const auto lowest = std::min_element(level_.begin(), level_.end());
      if (*lowest > -1e-7) return true;
      const auto leaving = static_cast<std::size_t>(lowest - level_.begin());
      price_by(basis);
      std::size_t entering = columns;
      double least = 0.0;
      double largest = 0.0;
      for (std::size_t column = 0; column < columns; ++column) {
        double along = 0.0;
        double saved = -cost(column);
        for_each_use(column, [&](std::size_t row, double lots) {
          along += basis.at(leaving, row) * lots;
          saved += price_[row] * lots;
        });
        if (along > -1e-9) continue;
        const double ratio = std::max(-saved, 0.0) / -along;
        if (entering < columns && (ratio > least || (ratio == least && -along <= largest)))
          continue;
        entering = column;
        least = ratio;
        largest = -along;
      }
      work_left_ -= static_cast<std::int64_t>(columns + rows * rows);
      if (entering == columns) return false;
      look_at(basis, entering);
      if (std::abs(step_[leaving]) < 1e-9) return false;
      pivot(basis, leaving, entering);
    }
    return false;
  }

  // The primal simplex method: minimise cost over amounts >= 0 that use up the heap exactly. False:
  // out of work, or rounding ate the pivot.
  bool optimise(Basis& basis, std::size_t columns) {
    const std::size_t rows = basis.rows();
    int degenerate_steps = 0;
    std::size_t next_column = 0;
    while (work_left_ >= 0) {
      price_by(basis);
      // Enter the column that saves most per lot among a thousand or so, the next thousand next
      // time; after many steps that changed nothing the first of all that saves, which cannot go
      // round in circles (Bland 1977).
      const bool first_found = degenerate_steps > 40;
      std::size_t entering = columns;
      double most_saved = tolerance_;
      std::size_t column = first_found ? 0 : next_column;
      std::size_t looked_at = 0;
      for (; looked_at < columns; ++looked_at, ++column) {
        if (column >= columns) column = 0;
        const double saved = saved_by(column);
        if (saved > most_saved) {
          entering = column;
          most_saved = saved;
        }
        if (entering < columns && (first_found || looked_at >= columns_at_once)) break;
      }
      next_column = column;
      work_left_ -= static_cast<std::int64_t>(looked_at + rows * rows);
      if (entering == columns) return true;

      look_at(basis, entering);
      std::size_t leaving = rows;
      double reach = 0.0;
      for (std::size_t i = 0; i < rows; ++i) {
        if (step_[i] < 1e-9) continue;
        level_[i] = std::max(level_[i], 0.0);
        const double here = level_[i] / step_[i];
        const bool tie = leaving < rows && std::abs(here - reach) <= 1e-12 * (1.0 + reach);
        if (leaving == rows || (tie ? basis.columns[i] < basis.columns[leaving] : here < reach)) {
          leaving = i;
          reach = here;
        }
      }
      if (leaving == rows) return false;
      degenerate_steps = reach > 1e-9 ? 0 : degenerate_steps + 1;
      pivot(basis, leaving, entering);
    }
    return false;
  }

  // The node without the demand that amounts be whole. Nothing: out of work.
  std::optional<Relaxation> relax(const Node& node) {
    const auto left = rest_of(node.taken);
    const std::size_t rows = heap_.size() + node.caps.size();
    const std::size_t columns = pieces_.size() + node.caps.size();
    cap_row_.assign(pieces_.size(), -1);
    for (std::size_t k = 0; k < node.caps.size(); ++k) {
      cap_row_[static_cast<std::size_t>(node.caps[k].piece)] = static_cast<int>(heap_.size() + k);
    }
    work_left_ -= static_cast<std::int64_t>(pieces_.size());

    Basis basis = node.start ? grown(*node.start, rows) : singles(rows);
    level_by(basis, node, left);
    bool solved = (!node.start || repair(basis, columns)) && optimise(basis, columns);
    if (!solved && node.start && work_left_ >= 0) {
      basis = singles(rows);
      level_by(basis, node, left);
      solved = optimise(basis, columns);
    }
    if (!solved) {
      work_left_ = -1;
      return std::nullopt;
    }
    price_by(basis);

    Relaxation relaxed{std::vector<double>(pieces_.size(), 0.0), 0, {}};
    for (std::size_t i = 0; i < rows; ++i) {
      if (basis.columns[i] < pieces_.size()) {
        relaxed.amounts[basis.columns[i]] = std::max(level_[i], 0.0);
      }
    }
    relaxed.bound = cost_of(node.taken) + proven_bound(node, left);
    relaxed.basis = std::make_shared<const Basis>(std::move(basis));
    return relaxed;
  }

  // A lower bound on what the rest costs, from dual prices: if no piece is worth more at `price`
  // than it costs, the heap is worth no more than its cheapest partition. Prices are rounded to
  // fractions, then checked in integers; failing that, lowered by the tolerance and checked again;
  // failing that, costs are not negative.
  std::int64_t proven_bound(const Node& node, std::span<const std::int64_t> left) const {
    std::vector<std::int64_t> scaled(price_.size());
    for (const bool lowered : {false, true}) {
      for (std::size_t r = 0; r < price_.size(); ++r) {
        const double at = price_denominator * (lowered ? price_[r] - tolerance_ : price_[r]);
        if (!(std::abs(at) < 4e18)) return 0;
        scaled[r] = static_cast<std::int64_t>(lowered ? std::floor(at) : std::round(at));
        if (r >= left.size()) scaled[r] = std::min<std::int64_t>(scaled[r], 0);
      }
      const bool holds = [&] {
        for (std::size_t i = 0; i < pieces_.size(); ++i) {
          Wide worth = cap_row_[i] >= 0 ? scaled[static_cast<std::size_t>(cap_row_[i])] : 0;
          for (int u = 0; u < pieces_[i].use_count; ++u) {
            const auto& use = pieces_[i].uses[static_cast<std::size_t>(u)];
            worth += static_cast<Wide>(scaled[static_cast<std::size_t>(use.item)]) * use.lots;
          }
          if (worth > static_cast<Wide>(pieces_[i].cost) * price_denominator) return false;
        }
        return true;
      }();
      if (!holds) continue;
      Wide total = 0;
      for (std::size_t r = 0; r < price_.size(); ++r) {
        const std::int64_t amount = r < left.size() ? left[r] : node.caps[r - left.size()].cap;
        total += static_cast<Wide>(scaled[r]) * amount;
      }
      if (total <= 0) return 0;
      // Costs are whole: rounded up, the bound still holds.
      return static_cast<std::int64_t>((total + price_denominator - 1) / price_denominator);
    }
    return 0;
  }

  std::span<const std::int64_t> heap_;
  std::span<const Piece> pieces_;
  std::int64_t work_left_;
  double tolerance_ = 1e-4;  // of costs and prices per lot
  std::vector<std::int64_t> saving_;
  std::vector<std::size_t> by_saving_;
  std::vector<std::int64_t> best_;
  std::int64_t best_cost_ = 0;
  std::int64_t root_bound_ = 0;
  bool root_known_ = false;

  // Of the node being relaxed.
  std::vector<int> cap_row_;   // per piece; -1: none
  std::vector<double> level_;  // per row: how much of the column that the basis has there
  std::vector<double> price_;  // per row
  std::vector<double> step_;   // per row
};

}  // namespace

Partition cheapest_partition(std::span<const std::int64_t> heap, std::span<const Piece> pieces,
                             std::int64_t work_limit) {
  return Search(heap, pieces, work_limit).run();
}

}  // namespace bifrost::analysis
