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

std::optional<bool> Judge::pop_fits_by_bounds(int i, int j) const {
  const double least = board_->task().request.constraints.min_pop;
  if (least <= 0.0) return true;
  const auto [low, high] = board_->pop_bounds(*lower_, i, *upper_, j);
  if (high < least) return false;
  if (low >= least) return true;
  return std::nullopt;
}

bool Judge::pop_fits(int i, int j) const {
  const auto fits = pop_fits_by_bounds(i, j);
  return fits ? *fits
              : board_->exact_pop(*lower_, i, *upper_, j) >=
                    board_->task().request.constraints.min_pop;
}

std::optional<Unfit> Judge::unfit(int i, int j) const {
  const auto features = board_->features(*lower_, i, *upper_, j);
  if (const auto why = board_->unfit(features, *lower_, i, *upper_, j)) return why;
  if (!board_->breakevens_fit(board_->rows(*lower_, i, *upper_, j))) return Unfit::breakevens;
  return pop_fits(i, j) ? std::nullopt : std::optional{Unfit::pop};
}

Choice Judge::rate(int i, int j) const {
  const double pop = board_->exact_pop(*lower_, i, *upper_, j);
  return place(i, j, board_->score(board_->features(*lower_, i, *upper_, j), pop), pop);
}

Choice Judge::place(int i, int j, double score, double pop) const {
  Choice out{.score = score,
             .pop = pop,
             .board = index_,
             .strikes = {},
             .rows = board_->rows(*lower_, i, *upper_, j)};
  for (std::size_t rung = 0; rung < board_->task().rungs; ++rung) {
    out.strikes[rung] = board_->strike_units(out.rows[rung]);
  }
  return out;
}

std::optional<Choice> Judge::choice(int i, int j, std::optional<double> threshold) const {
  const auto& task = board_->task();
  const auto features = board_->features(*lower_, i, *upper_, j);
  double score = 0.0;
  if (!task.uses_pop) {
    score = board_->score(features, 0.0);
    // What has no risk has no score; it is unfit below.
    if (threshold && score < *threshold) return std::nullopt;
  }
  if (board_->unfit(features, *lower_, i, *upper_, j)) return std::nullopt;
  if (task.uses_pop && threshold) {
    // The score is linear in pop, so that its ends bound it.
    const auto [low, high] = board_->pop_bounds(*lower_, i, *upper_, j);
    if (std::max(board_->score(features, low), board_->score(features, high)) < *threshold) {
      return std::nullopt;
    }
  }
  const auto fits = pop_fits_by_bounds(i, j);
  if (fits && !*fits) return std::nullopt;
  if (!board_->breakevens_fit(board_->rows(*lower_, i, *upper_, j))) return std::nullopt;
  const double pop = board_->exact_pop(*lower_, i, *upper_, j);
  if (!fits && pop < task.request.constraints.min_pop) return std::nullopt;
  if (task.uses_pop) {
    score = board_->score(features, pop);
    if (threshold && score < *threshold) return std::nullopt;
  }
  return place(i, j, score, pop);
}

void Judge::offer(int i, int j, std::optional<double> threshold, Ranking& ranking) const {
  if (const auto made = choice(i, j, threshold)) ranking.offer(*made);
}

bool Judge::comes_before(int i, int j, const Choice& than) const {
  if (!board_->task().uses_pop) {
    const auto features = board_->features(*lower_, i, *upper_, j);
    const double score = board_->score(features, 0.0);
    if (score < than.score) return false;
    if (score > than.score) {
      return !board_->unfit(features, *lower_, i, *upper_, j) && pop_fits(i, j) &&
             board_->breakevens_fit(board_->rows(*lower_, i, *upper_, j));
    }
  }
  const auto made = choice(i, j, than.score);
  return made && better(*made, than);
}

}  // namespace bifrost::analysis::finder
