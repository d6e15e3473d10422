// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "finder_search.hpp"

namespace bifrost::analysis::finder {
namespace {

// Calls visit(i, from, to) until every lower member has met all upper members above it, in tiles
// whose columns stay in the nearest cache. Stops when it returns false.
template <class Visit>
void for_each_tile(const Half& lower, const Half& upper, const Visit& visit) {
  constexpr int across = 64;
  constexpr long along = 512;
  const long end = upper.size();
  std::vector<long> first;
  for (int begin = 0; begin < lower.size(); begin += across) {
    const int stop = std::min(begin + across, lower.size());
    first.clear();
    for (int i = begin; i < stop; ++i) {
      first.push_back(std::upper_bound(upper.first.begin(), upper.first.end(),
                                       lower.last[static_cast<std::size_t>(i)]) -
                      upper.first.begin());
    }
    long from = *std::ranges::min_element(first);
    for (; from < end; from += along) {
      const long to = std::min(from + along, end);
      for (int i = begin; i < stop; ++i) {
        const long own = std::max(first[static_cast<std::size_t>(i - begin)], from);
        if (own < to && !visit(i, own, to)) return;
      }
    }
  }
}

// Under the model of later legs no condition of the kernels is exact.
Census scan_one_by_one(const Board& board, const Half& lower, const Half& upper, const Judge& judge,
                       Ranking& ranking, Progress& progress) {
  Census census;
  for_each_tile(lower, upper, [&](int i, long from, long to) {
    for (int j = static_cast<int>(from); j < static_cast<int>(to); ++j) {
      if (const auto why = judge.unfit(i, j)) {
        ++census.unfit[static_cast<std::size_t>(*why)];
        continue;
      }
      ++census.qualified;
      judge.offer(i, j, ranking.threshold(), ranking);
    }
    census.combinations += to - from;
    progress.spend(static_cast<double>(to - from) * board.judging_work());
    return progress.account(to - from, ranking.size());
  });
  return census;
}

}  // namespace

Census scan(const Board& board, std::size_t index, const Half& lower, const Half& upper,
            Conditions& conditions, Ranking& ranking, Progress& progress) {
  const Judge judge(board, index, lower, upper);
  if (board.task().several_expiries)
    return scan_one_by_one(board, lower, upper, judge, ranking, progress);
  const auto passing = passing_pairs();
  const auto& constraints = board.task().request.constraints;
  // Beyond the kernels: each that gets so far is judged by itself.
  const bool judged = constraints.min_pop > 0.0 || constraints.breakevens;
  Census census;
  std::array<long long, kernels::PairTest::most_groups> passed{};
  std::vector<int> found(static_cast<std::size_t>(upper.size()));
  std::optional<double> threshold = judged ? std::nullopt : ranking.threshold();
  conditions.set_threshold(threshold);
  int until_next_threshold = 0;
  std::int64_t until_report = 0;
  for_each_tile(lower, upper, [&](int i, long from, long to) {
    census.combinations += to - from;
    until_report += to - from;
    const long count = passing(conditions.test(i), from, to, found.data(), passed.data());
    for (long k = 0; k < count; ++k) {
      const int j = found[static_cast<std::size_t>(k)];
      if (constraints.breakevens) {
        if (const auto why = judge.unfit(i, j)) {
          ++census.unfit[static_cast<std::size_t>(*why)];
          continue;
        }
      } else if (judged && !judge.pop_fits(i, j)) {
        // The kernels' conditions on everything else are exact.
        ++census.unfit[static_cast<std::size_t>(Unfit::pop)];
        continue;
      }
      judge.offer(i, j, ranking.threshold(), ranking);
    }
    // A higher threshold lets fewer through, but costs a pass over the members.
    if (!judged && (until_next_threshold -= static_cast<int>(count)) <= 0 &&
        ranking.threshold() != threshold) {
      threshold = ranking.threshold();
      conditions.set_threshold(threshold);
      until_next_threshold = upper.size() / 4;
    }
    if (judged && !progress.spend(static_cast<double>(count) * board.judging_work())) return false;
    if (until_report < 5'000'000) return true;
    const std::int64_t done = std::exchange(until_report, 0);
    return progress.account(done, ranking.size());
  });
  progress.account(until_report, ranking.size());

  // What fell between two groups fell for the later one's reason.
  long long before = census.combinations;
  const auto& names = conditions.group_names();
  std::int64_t unfit = 0;
  for (std::size_t group = 0; group < names.size(); ++group) {
    if (!names[group]) break;  // the objective's
    // Breakevens are judged one by one; their groups only hurry.
    census.unfit[static_cast<std::size_t>(*names[group])] += before - passed[group];
    before = passed[group];
  }
  for (const auto count : census.unfit) unfit += count;
  census.qualified = census.combinations - unfit;
  return census;
}

std::int64_t count_better(const Board& board, std::size_t index, const Half& lower,
                          const Half& upper, Conditions& conditions, const Choice& than,
                          Progress& progress) {
  const auto passing = passing_pairs();
  const Judge judge(board, index, lower, upper);
  const auto& task = board.task();
  conditions.set_threshold(than.score);
  // Most are better for certain, and need not be looked at.
  std::optional<Conditions> certain;
  if (task.plain && !board.judges_singly() && !task.request.constraints.breakevens &&
      task.request.constraints.min_pop <= 0.0) {
    certain.emplace(board, lower, upper);
    certain->set_threshold(than.score, Conditions::Edge::strict);
  }
  std::vector<int> found(static_cast<std::size_t>(upper.size()));
  std::int64_t better = 0;
  std::int64_t until_report = 0;
  std::int64_t work = 0;  // tests
  for_each_tile(lower, upper, [&](int i, long from, long to) {
    const auto test = conditions.test(i);
    const long sure = certain ? passing(certain->test(i), from, to, nullptr, nullptr) : 0;
    const bool all_sure = certain && passing(test, from, to, nullptr, nullptr) == sure;
    long judged = 0;
    if (all_sure) {
      better += sure;
    } else {
      judged = passing(test, from, to, found.data(), nullptr);
      for (long k = 0; k < judged; ++k) {
        if (judge.comes_before(i, found[static_cast<std::size_t>(k)], than)) ++better;
      }
    }
    until_report += to - from;
    work += to - from;
    if (!progress.spend(static_cast<double>(judged) * board.judging_work())) return false;
    if (work < 5'000'000) return true;
    work = 0;
    return progress.account(std::exchange(until_report, 0), 0);
  });
  return better;
}

}  // namespace bifrost::analysis::finder
