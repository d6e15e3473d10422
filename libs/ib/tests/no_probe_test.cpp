// SPDX-License-Identifier: Apache-2.0
// A gateway has been seen to wedge after connections that said nothing. So nobody but the link ever
// connects to it: health is what the link says of itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "bifrost/ib/client.hpp"
#include "scripted_gateway.hpp"

namespace bifrost::ib {
namespace {

namespace fs = std::filesystem;
using namespace testing_support;

TEST(NoProbe, TheLinkAloneConnectsToAGateway) {
  auto root = fs::read_symlink("/proc/self/exe").parent_path();
  while (!fs::exists(root / "libs/ib/src/link_reader.cpp") && root != root.parent_path()) {
    root = root.parent_path();
  }
  if (root == root.parent_path()) GTEST_SKIP() << "this is not built below its sources";
  const std::regex connects{R"(net::Connection::connect\(|/dev/tcp/|\bnc -z)"};
  std::vector<std::string> found;
  for (const auto* folder : {"libs", "apps", "scripts", "deploy"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator{root / folder}) {
      const auto path = fs::relative(entry.path(), root).string();
      if (!entry.is_regular_file() || path.find("/tests/") != path.npos ||
          path.find("/bench/") != path.npos) {
        continue;
      }
      std::ifstream in{entry.path()};
      const std::string text{std::istreambuf_iterator<char>{in}, {}};
      if (std::regex_search(text, connects)) found.push_back(path);
    }
  }
  // scripts/fresh.sh asks the API, which is ours.
  EXPECT_THAT(found,
              testing::UnorderedElementsAre("libs/ib/src/link_reader.cpp", "scripts/fresh.sh"));
}

TEST(NoProbe, EveryConnectionOfAClientSpeaks) {
  Log<bool> spoke;
  ScriptedGateway gateway{[&](Peer& peer) {
    spoke.add(peer.handshake());
    if (peer.number < 3) return;
    Market{}.serve(peer);
  }};
  const auto client = Client::start(gateway.options()).value();
  EXPECT_TRUE(spoke.wait_for(3));
  EXPECT_TRUE(client->underlying("SPY", soon()));
  for (int i = 0; i < 100; ++i) {
    (void)client->link();
    EXPECT_TRUE(client->wait_ready(soon()));
  }
  EXPECT_THAT(spoke.all(), testing::Each(true));
  EXPECT_EQ(spoke.all().size(), 3u) << "asking for the state connects to nothing";
}

}  // namespace
}  // namespace bifrost::ib
