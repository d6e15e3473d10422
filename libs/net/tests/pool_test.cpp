// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>

namespace bifrost::net {
namespace {

TEST(Pool, RunsEverythingBeforeItIsGone) {
  std::atomic<int> done = 0;
  {
    Pool pool{3, 1000};
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.submit([&done] { ++done; }));
  }
  EXPECT_EQ(done, 500);
}

TEST(Pool, RefusesWhatDoesNotFitTheQueue) {
  std::latch running{1};
  std::latch release{1};
  Pool pool{1, 2};
  ASSERT_TRUE(pool.submit([&] {
    running.count_down();
    release.wait();
  }));
  running.wait();
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_FALSE(pool.submit([] {}));
  release.count_down();
}

TEST(Pool, SurvivesATaskThatThrows) {
  std::atomic<bool> later = false;
  {
    Pool pool{1, 10};
    ASSERT_TRUE(pool.submit([] { throw std::runtime_error{"on purpose"}; }));
    ASSERT_TRUE(pool.submit([&later] { later = true; }));
  }
  EXPECT_TRUE(later);
}

}  // namespace
}  // namespace bifrost::net
