// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace bifrost::analysis {

/// A group of lots that may be taken out of the heap together, at a price.
struct Piece {
  struct Use {
    int item;
    std::int64_t lots;
  };
  std::array<Use, 4> uses;
  int use_count;
  std::int64_t cost;
};

struct Partition {
  std::vector<std::int64_t> counts;  // per piece
  std::int64_t cost;
  std::int64_t lower_bound;  // equals cost where minimality is proven
};

/// Splits a heap (so many lots of each item) into pieces at the least total cost. Piece i, for each
/// item i, must be one lot of that item alone, so that a solution always exists; costs are not
/// negative. Integer programming: linear relaxation by the simplex method, branch and bound. A
/// bound counts only after its dual prices, rounded to fractions, were checked against every piece
/// in integer arithmetic; floating point can cost the proof, never the truth. `work_limit` bounds
/// the time (in pieces priced): some 3e8 a second.
Partition cheapest_partition(std::span<const std::int64_t> heap, std::span<const Piece> pieces,
                             std::int64_t work_limit);

}  // namespace bifrost::analysis
