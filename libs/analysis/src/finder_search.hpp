// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finder_conditions.hpp"
#include "finder_progress.hpp"
#include "finder_ranking.hpp"

// Two ways through the combinations of one board that agree on what is best.
namespace bifrost::analysis::finder {

struct Counts {
  std::int64_t visited = 0;
  std::int64_t pruned = 0;
};

/// A score that the best `keep` combinations of the board reach, found in a hurry: offers some to
/// `seeds`. Fewer when stopped.
void sow(const Board& board, std::size_t index, const Half& lower, const Half& upper,
         Conditions& conditions, Ranking& seeds, Progress& progress);

/// Branch and bound over the trees of both halves: what is not below `floor` and the ranking's
/// threshold is looked at. Settled classes are appended to `classes` unless that is null.
Counts branch_and_bound(const Board& board, std::size_t index, const Half& lower, const Half& upper,
                        Conditions& conditions, std::optional<double> floor, Ranking& ranking,
                        std::vector<CertificateClass>* classes, Progress& progress);

/// Looks at every combination, with the census. The upper half has no tree: its members ascend in
/// their first row.
Census scan(const Board& board, std::size_t index, const Half& lower, const Half& upper,
            Conditions& conditions, Ranking& ranking, Progress& progress);

/// How many that fit come before `than`, by looking at all.
std::int64_t count_better(const Board& board, std::size_t index, const Half& lower,
                          const Half& upper, Conditions& conditions, const Choice& than,
                          Progress& progress);

}  // namespace bifrost::analysis::finder
