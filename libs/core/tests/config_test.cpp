// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/config.hpp"

#include <gtest/gtest.h>

namespace bifrost::core {
namespace {

Result<Config> read(std::string_view file,
                    const std::map<std::string, std::string>& environment = {}) {
  return Config::from_text(file, ".env", environment);
}

TEST(Config, ReadsTheFileOfTheDeploymentDocument) {
  const auto config = read(
      "IB_HOST=127.0.0.1\nIB_PORT=7497\nIB_CLIENT_ID=2\n"
      "DATABASE_URL=postgresql://user:pass@localhost:5432/options_db\nCOLLECTION_INTERVAL=300  # 5 "
      "minutes\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->ib_client_id, 2);
  EXPECT_EQ(config->collection_interval, std::chrono::seconds{300});
  EXPECT_EQ(config->database_url, "postgresql://user:pass@localhost:5432/options_db");
}

TEST(Config, LetsTheEnvironmentWin) {
  EXPECT_EQ(read("IB_PORT=4001\n", {{"IB_PORT", "4002"}})->ib_port, 4002);
}

TEST(Config, NamesTheLineOfAnUnknownKey) {
  const auto config = read("# ours\n\nIB_PROT=7497\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::invalid_input);
  EXPECT_NE(config.error().message.find(".env line 3"), std::string::npos);
  EXPECT_NE(config.error().message.find("IB_PROT"), std::string::npos);
}

TEST(Config, NamesTheKeyOfAValueThatCannotBe) {
  for (const std::string line :
       {"IB_PORT=seven", "IB_PORT=70000", "COLLECTION_INTERVAL=0", "COLLECTION_INTERVAL=7000",
        "BIFROST_CLOCK=sun", "BIFROST_MARKET_DATA=stale", "BIFROST_IB_RECORD_MB=1",
        "BIFROST_STRIKE_WINDOW=nan", "BIFROST_UNDERLYINGS=spy;drop",
        "BIFROST_EXTRA_CLOSURES=2027-13-01", "BIFROST_COLLECT_POSITIONS=yes",
        "BIFROST_RETENTION_DAYS=6", "BIFROST_RETENTION_DAYS=1e3"}) {
    const auto config = read(line);
    ASSERT_FALSE(config) << line;
    EXPECT_NE(config.error().message.find(line.substr(0, line.find('='))), std::string::npos)
        << line;
  }
  EXPECT_FALSE(read("", {{"BIFROST_UNDERLYING", "SPY"}}));
}

TEST(Config, KeepsTheHistoryForEverUnlessToldOtherwise) {
  EXPECT_EQ(read("")->retention_days, std::nullopt);
  EXPECT_EQ(read("BIFROST_RETENTION_DAYS=400")->retention_days, 400);
}

TEST(Config, KeepsAPasswordOutOfEveryMessage) {
  const auto config = read("DATABASE_URL=postgresql://user:hunter2@db/x\nnot a line\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message.find("hunter2"), std::string::npos);
}

TEST(Config, TakesQuotedValuesAndLists) {
  const auto config =
      read("BIFROST_UNDERLYINGS=\"SPY, BRK B ,SPX\"\nBIFROST_WEB_ROOT='/srv/page #1'\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->underlyings, (std::vector<std::string>{"SPY", "BRK B", "SPX"}));
  EXPECT_EQ(config->web_root, "/srv/page #1");
}

}  // namespace
}  // namespace bifrost::core
