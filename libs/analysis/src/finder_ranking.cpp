// SPDX-License-Identifier: Apache-2.0
#include "finder_ranking.hpp"

#include <algorithm>
#include <tuple>

namespace bifrost::analysis::finder {

bool better(const Choice& a, const Choice& b) {
  return std::tuple(-a.score, -a.pop, a.board, a.strikes) <
         std::tuple(-b.score, -b.pop, b.board, b.strikes);
}

void Ranking::offer(const Choice& choice) {
  if (choices_.size() == keep_) {
    if (!better(choice, choices_.front())) return;
    std::pop_heap(choices_.begin(), choices_.end(), better);
    choices_.pop_back();
  }
  choices_.push_back(choice);
  std::push_heap(choices_.begin(), choices_.end(), better);
}

std::vector<Choice> Ranking::sorted() const {
  auto out = choices_;
  std::sort(out.begin(), out.end(), better);
  return out;
}

std::optional<bool> Judge::pop_fits_by_bounds(const Board::Rows& rows) const {
  const double least = board_->task().request.constraints.min_pop;
  if (least <= 0.0) return true;
  const auto [low, high] = board_->pop_bounds(rows);
  if (high < least) return false;
  if (low >= least) return true;
  return std::nullopt;
}

std::optional<Unfit> Judge::unfit(int i, int j) const {
  const auto features = board_->features(*lower_, i, *upper_, j);
  if (const auto why = board_->unfit(features, *lower_, i, *upper_, j)) return why;
  const auto rows = board_->rows(*lower_, i, *upper_, j);
  if (!board_->breakevens_fit(rows)) return Unfit::breakevens;
  const auto fits = pop_fits_by_bounds(rows);
  const double least = board_->task().request.constraints.min_pop;
  if (fits ? *fits : board_->exact_pop(rows) >= least) return std::nullopt;
  return Unfit::pop;
}

Choice Judge::rate(int i, int j) const {
  const auto rows = board_->rows(*lower_, i, *upper_, j);
  Choice out{.score = 0.0,
             .pop = board_->exact_pop(rows),
             .board = index_,
             .strikes = {},
             .rows = rows};
  out.score = board_->score(board_->features(*lower_, i, *upper_, j), out.pop);
  for (std::size_t rung = 0; rung < board_->task().rungs; ++rung) {
    out.strikes[rung] = board_->strike_units(rows[rung]);
  }
  return out;
}

std::optional<Choice> Judge::choice(int i, int j, std::optional<double> threshold) const {
  const auto& task = board_->task();
  const auto features = board_->features(*lower_, i, *upper_, j);
  if (board_->unfit(features, *lower_, i, *upper_, j)) return std::nullopt;
  const auto rows = board_->rows(*lower_, i, *upper_, j);
  Choice out{.score = 0.0, .pop = 0.0, .board = index_, .strikes = {}, .rows = rows};
  if (task.uses_pop && threshold) {
    // The score is linear in pop, so that its ends bound it.
    const auto [low, high] = board_->pop_bounds(rows);
    if (std::max(board_->score(features, low), board_->score(features, high)) < *threshold) {
      return std::nullopt;
    }
  }
  if (!task.uses_pop) {
    out.score = board_->score(features, 0.0);
    if (threshold && out.score < *threshold) return std::nullopt;
  }
  const auto fits = pop_fits_by_bounds(rows);
  if (fits && !*fits) return std::nullopt;
  if (!board_->breakevens_fit(rows)) return std::nullopt;
  out.pop = board_->exact_pop(rows);
  if (!fits && out.pop < task.request.constraints.min_pop) return std::nullopt;
  if (task.uses_pop) {
    out.score = board_->score(features, out.pop);
    if (threshold && out.score < *threshold) return std::nullopt;
  }
  for (std::size_t rung = 0; rung < task.rungs; ++rung) {
    out.strikes[rung] = board_->strike_units(rows[rung]);
  }
  return out;
}

void Judge::offer(int i, int j, std::optional<double> threshold, Ranking& ranking) const {
  if (const auto made = choice(i, j, threshold)) ranking.offer(*made);
}

bool Judge::comes_before(int i, int j, const Choice& than) const {
  const auto made = choice(i, j, than.score);
  return made && better(*made, than);
}

}  // namespace bifrost::analysis::finder
