// SPDX-License-Identifier: Apache-2.0
#include "cheapest_partition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
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

struct Node {
  std::vector<std::int64_t> taken;  // per piece, fixed by branching
  std::vector<Cap> caps;            // on what is taken beyond that
};

struct Relaxation {
  std::vector<double> amounts;  // per piece
  std::int64_t bound;           // proven; no integer solution of the node costs less
};

class Search {
 public:
  Search(std::span<const std::int64_t> heap, std::span<const Piece> pieces, std::int64_t work_limit)
      : heap_(heap), pieces_(pieces), work_left_(work_limit) {
    for (const auto& piece : pieces) highest_cost_ = std::max(highest_cost_, piece.cost);
  }

  Partition run() {
    best_ = greedy({}, heap_);
    best_cost_ = cost_of(best_);
    std::int64_t open_bound = best_cost_;
    std::vector<Node> open{{std::vector<std::int64_t>(pieces_.size(), 0), {}}};
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
      branch(node, *split, relaxed->amounts[static_cast<std::size_t>(*split)], open);
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
      std::stable_sort(by_saving_.begin(), by_saving_.end(),
                       [this](std::size_t a, std::size_t b) { return saving_[a] > saving_[b]; });
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
      auto next = relax(node);
      if (!next) return;
      relaxed = *std::move(next);
    }
  }

  void branch(const Node& node, int piece, double amount, std::vector<Node>& open) const {
    const auto at = static_cast<std::size_t>(piece);
    const auto low = static_cast<std::int64_t>(std::floor(amount));
    const auto existing = [piece](Node& child) {
      return std::find_if(child.caps.begin(), child.caps.end(),
                          [piece](const Cap& cap) { return cap.piece == piece; });
    };
    Node few = node;
    if (const auto cap = existing(few); cap != few.caps.end()) {
      cap->cap = std::min(cap->cap, low);
    } else {
      few.caps.push_back({piece, low});
    }
    open.push_back(std::move(few));

    Node many = node;
    many.taken[at] += low + 1;
    if (const auto cap = existing(many); cap != many.caps.end()) {
      cap->cap -= low + 1;
      if (cap->cap < 0) return;
    }
    const auto left = rest_of(many.taken);
    if (std::any_of(left.begin(), left.end(), [](std::int64_t n) { return n < 0; })) return;
    open.push_back(std::move(many));
  }

  // The revised simplex method with a dense inverse: minimise cost over amounts >= 0 that use up
  // the heap exactly. Columns from pieces_.size() on are the slacks of caps.
  std::optional<Relaxation> relax(const Node& node) {
    const auto left = rest_of(node.taken);
    const std::size_t items = heap_.size();
    const std::size_t rows = items + node.caps.size();
    const std::size_t columns = pieces_.size() + node.caps.size();
    cap_row_.assign(pieces_.size(), -1);
    for (std::size_t k = 0; k < node.caps.size(); ++k) {
      cap_row_[static_cast<std::size_t>(node.caps[k].piece)] = static_cast<int>(items + k);
    }

    const auto cost = [&](std::size_t column) {
      return column < pieces_.size() ? static_cast<double>(pieces_[column].cost) : 0.0;
    };
    const auto for_each_use = [&](std::size_t column, auto&& visit) {
      if (column >= pieces_.size()) {
        visit(items + (column - pieces_.size()), 1.0);
        return;
      }
      const Piece& piece = pieces_[column];
      for (int u = 0; u < piece.use_count; ++u) {
        const auto& use = piece.uses[static_cast<std::size_t>(u)];
        visit(static_cast<std::size_t>(use.item), static_cast<double>(use.lots));
      }
      if (cap_row_[column] >= 0) visit(static_cast<std::size_t>(cap_row_[column]), 1.0);
    };

    // Each item alone, each slack alone: a solution to start from. (Caps never lie on an item
    // alone.)
    std::vector<std::size_t> basis(rows);
    std::vector<double> inverse(rows * rows, 0.0);
    std::vector<double> level(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      basis[i] = i < items ? i : pieces_.size() + (i - items);
      inverse[i * rows + i] = 1.0;
      level[i] = static_cast<double>(i < items ? left[i] : node.caps[i - items].cap);
    }

    const double tolerance = 1e-4 + 1e-13 * static_cast<double>(highest_cost_);
    std::vector<double> price(rows);
    std::vector<double> step(rows);
    int degenerate_steps = 0;
    std::size_t next_column = 0;
    while (true) {
      if (work_left_ < 0) return std::nullopt;
      for (std::size_t r = 0; r < rows; ++r) {
        price[r] = 0.0;
        for (std::size_t i = 0; i < rows; ++i) price[r] += cost(basis[i]) * inverse[i * rows + r];
      }
      // Enter the column that saves most per lot among a thousand or so, the next thousand next
      // time; after many steps that changed nothing the first of all that saves, which cannot go
      // round in circles (Bland 1977).
      const bool first_found = degenerate_steps > 40;
      std::size_t entering = columns;
      double most_saved = tolerance;
      std::size_t column = first_found ? 0 : next_column;
      std::size_t looked_at = 0;
      for (; looked_at < columns; ++looked_at, ++column) {
        if (column >= columns) column = 0;
        double saved = -cost(column);
        for_each_use(column, [&](std::size_t row, double lots) { saved += price[row] * lots; });
        if (saved > most_saved) {
          entering = column;
          most_saved = saved;
        }
        if (entering < columns && (first_found || looked_at >= columns_at_once)) break;
      }
      next_column = column;
      work_left_ -= static_cast<std::int64_t>(looked_at + rows * rows);
      if (entering == columns) break;

      std::fill(step.begin(), step.end(), 0.0);
      for_each_use(entering, [&](std::size_t row, double lots) {
        for (std::size_t i = 0; i < rows; ++i) step[i] += inverse[i * rows + row] * lots;
      });
      std::size_t leaving = rows;
      double reach = 0.0;
      for (std::size_t i = 0; i < rows; ++i) {
        if (step[i] < 1e-9) continue;
        const double here = std::max(level[i], 0.0) / step[i];
        const bool tie = leaving < rows && std::abs(here - reach) <= 1e-12 * (1.0 + reach);
        if (leaving == rows || (tie ? basis[i] < basis[leaving] : here < reach)) {
          leaving = i;
          reach = here;
        }
      }
      if (leaving == rows) {  // rounding ate the pivot: no bound from here on
        work_left_ = -1;
        return std::nullopt;
      }
      degenerate_steps = reach > 1e-9 ? 0 : degenerate_steps + 1;

      const double pivot = step[leaving];
      for (std::size_t r = 0; r < rows; ++r) inverse[leaving * rows + r] /= pivot;
      level[leaving] = reach;
      for (std::size_t i = 0; i < rows; ++i) {
        if (i == leaving || step[i] == 0.0) continue;
        level[i] -= step[i] * reach;
        for (std::size_t r = 0; r < rows; ++r) {
          inverse[i * rows + r] -= step[i] * inverse[leaving * rows + r];
        }
      }
      basis[leaving] = entering;
    }

    Relaxation relaxed{std::vector<double>(pieces_.size(), 0.0), 0};
    for (std::size_t i = 0; i < rows; ++i) {
      if (basis[i] < pieces_.size()) relaxed.amounts[basis[i]] = std::max(level[i], 0.0);
    }
    relaxed.bound = cost_of(node.taken) + proven_bound(node, left, price, tolerance);
    return relaxed;
  }

  // A lower bound on what the rest costs, from dual prices: if no piece is worth more at `price`
  // than it costs, the heap is worth no more than its cheapest partition. Prices are rounded to
  // fractions, then checked in integers; failing that, lowered by the tolerance and checked again;
  // failing that, costs are not negative.
  std::int64_t proven_bound(const Node& node, std::span<const std::int64_t> left,
                            std::span<const double> price, double tolerance) const {
    std::vector<std::int64_t> scaled(price.size());
    for (const bool lowered : {false, true}) {
      for (std::size_t r = 0; r < price.size(); ++r) {
        const double at = price_denominator * (lowered ? price[r] - tolerance : price[r]);
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
      for (std::size_t r = 0; r < price.size(); ++r) {
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
  std::int64_t highest_cost_ = 0;
  std::vector<std::int64_t> saving_;
  std::vector<std::size_t> by_saving_;
  std::vector<std::int64_t> best_;
  std::int64_t best_cost_ = 0;
  std::int64_t root_bound_ = 0;
  bool root_known_ = false;
  std::vector<int> cap_row_;  // per piece, of the node being relaxed; -1: none
};

}  // namespace

Partition cheapest_partition(std::span<const std::int64_t> heap, std::span<const Piece> pieces,
                             std::int64_t work_limit) {
  return Search(heap, pieces, work_limit).run();
}

}  // namespace bifrost::analysis
