// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

namespace bifrost::core {
namespace {

using namespace std::chrono_literals;

TEST(Process, TalksThroughLinesAndTellsItsExitStatus) {
  auto child =
      Process::start("/bin/sh", {.arguments = {"-c", "read x; echo \"got $x $EXTRA\"; exit 7"},
                                 .environment = {{"EXTRA", "more"}},
                                 .error_log = {}})
          .value();
  ASSERT_TRUE(child.write_line("hello"));
  EXPECT_EQ(child.read_line(after(10s)).value(), "got hello more");
  EXPECT_EQ(child.wait(after(10s)).value(), 7);
  EXPECT_FALSE(child.running());
  EXPECT_EQ(child.read_line(after(10s)).error().code, Errc::unavailable);
}

TEST(Process, ReportsAProgramThatCannotStart) {
  const auto child = Process::start("/no/such/program", {});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code, Errc::unavailable);
}

TEST(Process, IsKilledWhenItIgnoresTheRequestToStop) {
  auto child =
      Process::start("/bin/sh",
                     {.arguments = {"-c", "trap '' TERM; echo ready; while :; do sleep 1; done"},
                      .environment = {},
                      .error_log = {}})
          .value();
  ASSERT_EQ(child.read_line(after(10s)).value(), "ready");
  EXPECT_EQ(child.wait(after(50ms)).error().code, Errc::timeout);
  EXPECT_EQ(child.stop(after(100ms)), 128 + SIGKILL);
}

TEST(Process, WritingToOneThatIsGoneIsAnError) {
  auto child = Process::start("/bin/true", {}).value();
  ASSERT_EQ(child.wait(after(10s)).value(), 0);
  EXPECT_FALSE(child.write_line("anybody?"));
}

}  // namespace
}  // namespace bifrost::core
