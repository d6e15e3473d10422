// SPDX-License-Identifier: Apache-2.0
#include "cheapest_partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace bifrost::analysis {
namespace {

// Every way to empty the heap, remembered by what is left.
class Exhaustive {
 public:
  explicit Exhaustive(const std::vector<Piece>& pieces) : pieces_(pieces) {}

  std::int64_t least(const std::vector<std::int64_t>& heap) {
    const auto first = std::find_if(heap.begin(), heap.end(), [](auto n) { return n > 0; });
    if (first == heap.end()) return 0;
    if (const auto known = known_.find(heap); known != known_.end()) return known->second;
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    for (const auto& piece : pieces_) {
      auto rest = heap;
      bool touches = false;
      bool fits = true;
      for (int u = 0; u < piece.use_count; ++u) {
        const auto& use = piece.uses[static_cast<std::size_t>(u)];
        touches = touches || use.item == first - heap.begin();
        rest[static_cast<std::size_t>(use.item)] -= use.lots;
        fits = fits && rest[static_cast<std::size_t>(use.item)] >= 0;
      }
      if (touches && fits) best = std::min(best, piece.cost + least(rest));
    }
    return known_[heap] = best;
  }

 private:
  const std::vector<Piece>& pieces_;
  std::map<std::vector<std::int64_t>, std::int64_t> known_;
};

void expect_valid(const Partition& partition, const std::vector<std::int64_t>& heap,
                  const std::vector<Piece>& pieces) {
  auto left = heap;
  std::int64_t cost = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    ASSERT_GE(partition.counts[i], 0);
    cost += partition.counts[i] * pieces[i].cost;
    for (int u = 0; u < pieces[i].use_count; ++u) {
      const auto& use = pieces[i].uses[static_cast<std::size_t>(u)];
      left[static_cast<std::size_t>(use.item)] -= use.lots * partition.counts[i];
    }
  }
  ASSERT_EQ(cost, partition.cost);
  ASSERT_LE(partition.lower_bound, partition.cost);
  for (const auto lots : left) ASSERT_EQ(lots, 0);
}

struct Problem {
  std::vector<std::int64_t> heap;
  std::vector<Piece> pieces;
};

Problem random_problem(std::mt19937_64& random) {
  const auto from = [&random](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>{low, high}(random);
  };
  Problem problem;
  const int items = static_cast<int>(from(1, 6));
  for (int i = 0; i < items; ++i) {
    problem.heap.push_back(from(0, 5));
    problem.pieces.push_back({{{{i, 1}}}, 1, from(0, 3) == 0 ? 0 : from(1, 30) * 1000});
  }
  const auto groups = from(0, 12);
  for (std::int64_t g = 0; g < groups; ++g) {
    std::vector<int> order(static_cast<std::size_t>(items));
    for (int i = 0; i < items; ++i) order[static_cast<std::size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), random);
    const auto used = static_cast<std::size_t>(from(1, std::min(4, items)));
    Piece piece{{}, static_cast<int>(used), from(0, 25) * 1000 + from(0, 3)};
    for (std::size_t u = 0; u < used; ++u) piece.uses[u] = {order[u], from(1, 3)};
    problem.pieces.push_back(piece);
  }
  return problem;
}

TEST(CheapestPartition, IsTheCheapestOfAllAndKnowsIt) {
  std::mt19937_64 random{21};
  for (int round = 0; round < 20'000; ++round) {
    const auto [heap, pieces] = random_problem(random);
    const auto partition = cheapest_partition(heap, pieces, 100'000'000);
    expect_valid(partition, heap, pieces);
    ASSERT_EQ(partition.cost, Exhaustive{pieces}.least(heap)) << "round " << round;
    ASSERT_EQ(partition.lower_bound, partition.cost) << "round " << round;
  }
}

TEST(CheapestPartition, OutOfWorkClaimsNoMoreThanItKnows) {
  std::mt19937_64 random{22};
  int unproven = 0;
  for (int round = 0; round < 5'000; ++round) {
    const auto [heap, pieces] = random_problem(random);
    const std::int64_t work = round % 250;
    const auto partition = cheapest_partition(heap, pieces, work);
    expect_valid(partition, heap, pieces);
    ASSERT_LE(partition.lower_bound, Exhaustive{pieces}.least(heap));
    unproven += partition.lower_bound < partition.cost ? 1 : 0;
  }
  EXPECT_GT(unproven, 100);
}

TEST(CheapestPartition, OddRingNeedsBranching) {
  // Three lots, each two of which go together for less: only one pair can, where the relaxation
  // takes half of each.
  const std::vector<Piece> pieces{
      {{{{0, 1}}}, 1, 10},         {{{{1, 1}}}, 1, 10},         {{{{2, 1}}}, 1, 10},
      {{{{0, 1}, {1, 1}}}, 2, 10}, {{{{1, 1}, {2, 1}}}, 2, 10}, {{{{0, 1}, {2, 1}}}, 2, 10},
  };
  const auto one = cheapest_partition(std::vector<std::int64_t>{1, 1, 1}, pieces, 1'000'000);
  EXPECT_EQ(one.cost, 20);
  EXPECT_EQ(one.lower_bound, 20);
  const auto two = cheapest_partition(std::vector<std::int64_t>{2, 2, 2}, pieces, 1'000'000);
  EXPECT_EQ(two.cost, 30);
}

}  // namespace
}  // namespace bifrost::analysis
