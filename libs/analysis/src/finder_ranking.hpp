// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "finder_board.hpp"

namespace bifrost::analysis::finder {

struct Choice {
  double score;
  double pop;
  std::size_t board;
  std::array<std::int64_t, most_rungs> strikes;  // price units; 0 beyond the strategy's rungs
  Board::Rows rows;
};

/// The order of results.
bool better(const Choice& a, const Choice& b);

/// The best of what was offered, at most `keep`.
class Ranking {
 public:
  explicit Ranking(std::size_t keep) : keep_(keep) {}

  /// What a score must reach to be of interest; nothing: any is.
  std::optional<double> threshold() const {
    return choices_.size() == keep_ ? std::optional{choices_.front().score} : std::nullopt;
  }
  std::size_t size() const { return choices_.size(); }
  /// No combination twice.
  void offer(const Choice& choice);
  /// Best first.
  std::vector<Choice> sorted() const;

 private:
  std::size_t keep_;
  std::vector<Choice> choices_;  // a heap, worst on top
};

/// Judges single combinations: pop by its bounds where they decide, exactly where they do not.
class Judge {
 public:
  Judge(const Board& board, std::size_t index, const Half& lower, const Half& upper)
      : board_(&board), index_(index), lower_(&lower), upper_(&upper) {}

  /// The first reason against it; nothing if it fits.
  std::optional<Unfit> unfit(int i, int j) const;
  /// Whether its pop reaches the least.
  bool pop_fits(int i, int j) const;
  /// Offers it to the ranking if it fits, unless its score is below `threshold`.
  void offer(int i, int j, std::optional<double> threshold, Ranking& ranking) const;
  /// Its place in the order, whether it fits or not.
  Choice rate(int i, int j) const;
  /// Whether it fits and comes before `than`.
  bool comes_before(int i, int j, const Choice& than) const;

 private:
  std::optional<Choice> choice(int i, int j, std::optional<double> threshold) const;
  Choice place(int i, int j, double score, double pop) const;
  std::optional<bool> pop_fits_by_bounds(int i, int j) const;

  const Board* board_;
  std::size_t index_;
  const Half* lower_;
  const Half* upper_;
};

}  // namespace bifrost::analysis::finder
