// SPDX-License-Identifier: Apache-2.0
#include "pacing.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace bifrost::ib {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Steady::time_point start{std::chrono::hours{1}};

int sent_within(TokenBucket& bucket, Steady::time_point from, Steady::duration span) {
  int sent = 0;
  for (auto now = from; now < from + span;) {
    const auto wait = bucket.wait(now);
    if (wait == Steady::duration::zero()) {
      bucket.take(now);
      ++sent;
    } else {
      now += wait;
    }
  }
  return sent;
}

TEST(TokenBucket, ABurstAndThenTheRate) {
  TokenBucket bucket{40, 10, start};
  EXPECT_EQ(sent_within(bucket, start, milliseconds{1}), 10);
  const int later = sent_within(bucket, start + milliseconds{1}, seconds{10});
  EXPECT_NEAR(later, 400, 1);
}

TEST(TokenBucket, IdlenessEarnsNoMoreThanTheBurst) {
  TokenBucket bucket{40, 10, start};
  EXPECT_EQ(sent_within(bucket, start + std::chrono::hours{1}, milliseconds{1}), 10);
}

TEST(TokenBucket, AnUrgentMessageIsPaidBack) {
  TokenBucket bucket{10, 1, start};
  bucket.take(start);
  bucket.take(start);
  EXPECT_NEAR(std::chrono::duration<double>(bucket.wait(start)).count(), 0.2, 1e-6);
}

TEST(TokenBucket, AComplaintHalvesTheRateForAWhile) {
  TokenBucket bucket{40, 1, start};
  bucket.halve_until(start + seconds{60});
  EXPECT_NEAR(sent_within(bucket, start, seconds{60}), 1200, 2);
  EXPECT_NEAR(sent_within(bucket, start + seconds{60}, seconds{10}), 400, 2);
}

TEST(TokenBucket, ZeroIsUnlimited) {
  TokenBucket bucket{0, 1, start};
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(bucket.wait(start), Steady::duration::zero());
    bucket.take(start);
  }
}

TEST(LineBudget, ShrinksByEachRefusalAndGrowsByFullRounds) {
  LineBudget lines{5};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(lines.acquire());
  EXPECT_FALSE(lines.acquire());
  lines.refuse();
  lines.refuse();
  EXPECT_EQ(lines.budget(), 3);
  EXPECT_EQ(lines.in_use(), 3);
  EXPECT_FALSE(lines.acquire());
  for (int i = 0; i < 3; ++i) lines.release(true);
  EXPECT_EQ(lines.budget(), 4);
}

TEST(LineBudget, KeepsAtLeastOneAndNeverMoreThanAtFirst) {
  LineBudget lines{2};
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(lines.acquire());
    lines.refuse();
  }
  EXPECT_EQ(lines.budget(), 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(lines.acquire());
    lines.release(true);
  }
  EXPECT_EQ(lines.budget(), 2);
}

}  // namespace
}  // namespace bifrost::ib
