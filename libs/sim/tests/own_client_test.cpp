// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "bifrost/ib/client.hpp"
#include "bifrost/sim/gateway.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

core::Deadline soon() {
  return core::after(20s);
}

// What our client collects from the gateway must be what the market shows, field by field.
class OwnClient : public testing::TestWithParam<int> {};

TEST_P(OwnClient, CollectsExactlyWhatTheMarketShows) {
  const core::ManualClock clock{instant("2026-03-02T17:00:00Z")};
  SyntheticMarket market(7, date("2026-01-02"), only({"BFX", "ODIN"}));
  SyntheticMarket twin(7, date("2026-01-02"), only({"BFX", "ODIN"}));
  twin.advance_to(clock.now());
  auto gateway = *Gateway::start(market, clock, {.port = 0, .max_messages_per_second = 0});

  ib::ClientOptions options;
  options.port = gateway->port();
  options.max_server_version = GetParam();
  options.messages_per_second = 0;
  auto connected = ib::Client::connect(options, soon());
  ASSERT_TRUE(connected.has_value()) << connected.error().message;
  auto& client = **connected;
  EXPECT_TRUE(client.link().simulated);
  EXPECT_EQ(client.link().server_version, GetParam());
  EXPECT_EQ(*client.current_time(soon()), clock.now());

  for (const auto* symbol : {"BFX", "ODIN"}) {
    const auto& shown = underlying(twin, symbol);
    const auto found = client.underlying(symbol, soon());
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_EQ(found->con_id, shown.con_id);
    const auto spot = client.underlying_quote(*found, {}, clock, soon());
    ASSERT_TRUE(spot.has_value()) << spot.error().message;
    EXPECT_EQ(spot->price, *twin.underlying_state(shown.con_id).last);

    const auto parameters = client.option_parameters(*found, soon());
    ASSERT_TRUE(parameters.has_value()) << parameters.error().message;
    for (const auto& p : *parameters) {
      if (p.exchange != "SMART") continue;
      const auto listed = client.listed_options(*found, p.trading_class, p.expiries[0], soon());
      ASSERT_TRUE(listed.has_value()) << listed.error().message;
      ASSERT_GT(listed->size(), 20U);
      const auto report = client.quotes(*listed, {}, clock, soon());
      ASSERT_TRUE(report.has_value()) << report.error().message;
      EXPECT_EQ(report->complete, listed->size());
      for (std::size_t i = 0; i < listed->size(); ++i) {
        const auto& option = (*listed)[i];
        const auto* same = twin.find_option(static_cast<int>(option.con_id));
        ASSERT_NE(same, nullptr);
        EXPECT_EQ(option.contract, same->contract);
        auto got = report->quotes[i].option.quote;
        auto want = twin.option_state(same->con_id).quote;
        EXPECT_NEAR(*got.vega, *want.vega, 1e-9 * *want.vega + 1e-12);
        EXPECT_EQ(got.observed_at, clock.now());
        got.vega = want.vega;
        got.observed_at = want.observed_at;
        EXPECT_EQ(got, want) << core::describe(option.contract);
      }
    }
  }
  EXPECT_EQ(client.link().undecodable, 0U);
  EXPECT_EQ(client.link().unknown, 0U);
}

INSTANTIATE_TEST_SUITE_P(Versions, OwnClient, testing::Values(176, 178, 200));

}  // namespace
}  // namespace bifrost::sim
