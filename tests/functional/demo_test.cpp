// SPDX-License-Identifier: Apache-2.0
// The demo as its user meets it: it comes up, survives the death of a part, stops without a trace
// and starts again.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "bifrost/net/connection.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

namespace fs = std::filesystem;
using core::Process;
using namespace std::chrono_literals;

struct Child {
  pid_t pid;
  std::string name;
};

/// The direct children of a process.
std::vector<Child> children_of(pid_t parent) {
  std::vector<Child> found;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const auto number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream in{entry.path() / "stat"};
    const std::string line{std::istreambuf_iterator<char>{in}, {}};
    const auto open = line.find('(');
    const auto close = line.rfind(')');  // a name may hold anything
    if (open == std::string::npos || close == std::string::npos) continue;
    if (std::stoi(line.substr(close + 4)) == parent) {
      found.push_back({std::stoi(number), line.substr(open + 1, close - open - 1)});
    }
  }
  return found;
}

Process start_demo(const fs::path& data, std::vector<std::string> more) {
  more.insert(more.begin(),
              {"demo", "--data", data.string(), "--history-days", "1", "--speed", "300"});
  return Process::start(
             fs::path{BIFROST_BIN} / "bifrost",
             {.arguments = std::move(more), .environment = {}, .error_log = scratch() / "demo.log"})
      .value();
}

std::uint16_t port_of(const std::string& url) {
  const auto colon = url.rfind(':');
  return static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1)));
}

/// The body alone: a header tells the time and would always differ.
std::string snapshots(std::uint16_t port) {
  const auto reply = get(port, "/api/underlyings");
  return reply.substr(reply.find("\r\n\r\n"));
}

TEST(Demo, KilledOutrightTakesEveryPartWithIt) {
  auto demo = start_demo(scratch() / "killed-demo", {"--port", "0"});
  ASSERT_TRUE(demo.read_line(core::after(120s)));
  const auto parts = children_of(demo.pid());
  ASSERT_EQ(parts.size(), 4u);
  demo.signal(SIGKILL);
  ASSERT_EQ(demo.wait(core::after(10s)).value_or(-1), 128 + SIGKILL);
  for (const auto& part : parts) {
    EXPECT_TRUE(wait_until(20s, [&] { return ::kill(part.pid, 0) != 0; }))
        << part.name << " is left";
  }
}

TEST(Demo, ComesUpSurvivesADeathStopsWithoutATraceAndStartsAgain) {
  const auto data = scratch() / "demo";
  std::string kept;
  {
    auto demo = start_demo(data, {"--port", "0"});
    const auto url = demo.read_line(core::after(120s));
    ASSERT_TRUE(url) << "see " << (scratch() / "demo.log");
    const auto port = port_of(*url);
    EXPECT_NE(get(port, "/api/health").find("\"simulated\":true"), std::string::npos);
    EXPECT_NE(get(port, "/api/expirations/BFX").find("BFXW"), std::string::npos)
        << "the history is empty";

    auto second = start_demo(data, {"--port", "0"});
    EXPECT_EQ(second.wait(core::after(30s)).value_or(-1), 1);  // one demo a folder
    auto refused = start_demo(data, {"--port", std::to_string(port)});
    EXPECT_EQ(refused.wait(core::after(30s)).value_or(-1), 1);  // the port is taken, and said so

    // A part dies; the next snapshot comes all the same.
    const auto before = snapshots(port);
    int killed = 0;
    for (const auto& child : children_of(demo.pid())) {
      if (child.name.starts_with("bifrost-collect") && ::kill(child.pid, SIGKILL) == 0) ++killed;
    }
    EXPECT_EQ(killed, 1);
    EXPECT_TRUE(wait_until(60s, [&] { return snapshots(port) != before; }));

    const auto parts = children_of(demo.pid());
    EXPECT_EQ(parts.size(), 4u);  // database, gateway, collector, API
    demo.signal(SIGINT);
    EXPECT_EQ(demo.wait(core::after(60s)).value_or(-1), 0);
    EXPECT_FALSE(net::Connection::connect("127.0.0.1", port, core::after(2s)));
    for (const auto& part : parts) EXPECT_NE(::kill(part.pid, 0), 0) << part.name << " is left";
  }
  {
    auto demo = start_demo(data, {"--port", "0"});
    const auto url = demo.read_line(core::after(60s));
    ASSERT_TRUE(url);
    // What was collected is there, and more comes.
    const auto before = snapshots(port_of(*url));
    EXPECT_NE(before.find("BFX"), std::string::npos);
    EXPECT_TRUE(wait_until(60s, [&] { return snapshots(port_of(*url)) != before; }));
    demo.signal(SIGTERM);
    EXPECT_EQ(demo.wait(core::after(60s)).value_or(-1), 0);
  }
  // Only what a demo made is forgotten.
  std::ofstream{data / "notes.txt"} << "mine";
  auto reset = start_demo(data, {"--reset"});
  EXPECT_EQ(reset.wait(core::after(30s)).value_or(-1), 0);
  EXPECT_FALSE(fs::exists(data / "db"));
  EXPECT_TRUE(fs::exists(data / "notes.txt"));
}

}  // namespace
}  // namespace bifrost::test
