// SPDX-License-Identifier: Apache-2.0
#include "pacing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

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

TEST(TokenBucket, AComplaintHalvesTheRateForAWhileThenItGrowsBack) {
  TokenBucket bucket{40, 1, start};
  bucket.complain(start, seconds{60});
  EXPECT_DOUBLE_EQ(bucket.rate(start), 20);
  EXPECT_NEAR(sent_within(bucket, start, seconds{60}), 1200, 2);
  EXPECT_DOUBLE_EQ(bucket.rate(start + seconds{90}), 30);
  EXPECT_NEAR(sent_within(bucket, start + seconds{60}, seconds{60}), 1800, 30);
  EXPECT_DOUBLE_EQ(bucket.rate(start + seconds{120}), 40);
  EXPECT_NEAR(sent_within(bucket, start + seconds{120}, seconds{10}), 400, 2);
}

TEST(TokenBucket, ComplaintsInOneBreathAreOneAndLaterOnesHalveAgain) {
  TokenBucket bucket{40, 1, start};
  for (int i = 0; i < 5; ++i) bucket.complain(start + milliseconds{i * 100}, seconds{60});
  EXPECT_DOUBLE_EQ(bucket.rate(start), 20);
  bucket.complain(start + seconds{2}, seconds{60});
  EXPECT_DOUBLE_EQ(bucket.rate(start + seconds{3}), 10);
  for (int i = 0; i < 50; ++i) bucket.complain(start + seconds{4 + 2 * i}, seconds{60});
  EXPECT_DOUBLE_EQ(bucket.rate(start + seconds{102}), 2.5) << "it never stops altogether";
}

TEST(HistoryPacer, FiftyRequestsAreOpenAtMost) {
  HistoryPacer pacer;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(pacer.begin(core::after(seconds{10})));
  EXPECT_EQ(pacer.begin(core::after(milliseconds{5})).error().code, core::Errc::timeout);
  pacer.end();
  EXPECT_TRUE(pacer.begin(core::after(seconds{10})));
}

TEST(HistoryPacer, AViolationPausesThem) {
  HistoryPacer pacer;
  pacer.violated(Steady::now());
  EXPECT_EQ(pacer.begin(core::after(seconds{10})).error().code, core::Errc::timeout);
  HistoryPacer later;
  later.violated(Steady::now() - HistoryPacer::pause);
  EXPECT_TRUE(later.begin(core::after(seconds{10})));
}

TEST(HistoryPacer, NobodyWaitsWhenStopped) {
  HistoryPacer pacer;
  pacer.violated(Steady::now());
  auto waiting = std::async(std::launch::async, [&] {
    return pacer.begin(core::after(std::chrono::minutes{10})).error().code;
  });
  pacer.stop();
  EXPECT_EQ(waiting.get(), core::Errc::cancelled);
  EXPECT_EQ(pacer.begin(core::after(seconds{10})).error().code, core::Errc::cancelled);
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
