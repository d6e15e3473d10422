// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

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

/// A market that knows no volume and no open interest before an instant.
class LateSizes final : public Market {
 public:
  LateSizes(Market& market, core::Instant from) : market_(market), from_(from) {}

  OptionState option_state(int con_id) const override {
    auto state = market_.option_state(con_id);
    if (now() < from_) {
      state.quote.volume.reset();
      state.quote.open_interest.reset();
    }
    return state;
  }
  void advance_to(core::Instant t) override { market_.advance_to(t); }
  core::Instant now() const override { return market_.now(); }
  std::uint64_t revision() const override { return market_.revision(); }
  std::span<const Underlying> underlyings() const override { return market_.underlyings(); }
  std::span<const ListedOption> options(int con_id) const override {
    return market_.options(con_id);
  }
  const ListedOption* find_option(int con_id) const override { return market_.find_option(con_id); }
  UnderlyingState underlying_state(int con_id) const override {
    return market_.underlying_state(con_id);
  }
  std::optional<Carry> carry(int con_id) const override { return market_.carry(con_id); }
  std::vector<DailyBar> daily_bars(int con_id, BarKind kind, std::size_t count) const override {
    return market_.daily_bars(con_id, kind, count);
  }
  std::vector<IntradayBar> intraday_bars(int con_id, std::chrono::seconds length,
                                         core::Instant from, core::Instant until) const override {
    return market_.intraday_bars(con_id, length, from, until);
  }

 private:
  Market& market_;
  const core::Instant from_;
};

TEST(OwnClientLate, TakesSizesThatComeBehindTheModel) {
  core::ManualClock clock{instant("2026-03-02T17:00:00Z")};
  SyntheticMarket whole(7, date("2026-01-02"), only({"BFX"}));
  SyntheticMarket twin(7, date("2026-01-02"), only({"BFX"}));
  const auto later = clock.now() + 1s;  // prices move every five
  twin.advance_to(later);
  LateSizes market{whole, later};
  auto gateway = *Gateway::start(market, clock, {.port = 0, .max_messages_per_second = 0});
  ib::ClientOptions options;
  options.port = gateway->port();
  options.messages_per_second = 0;
  auto connected = ib::Client::connect(options, soon());
  ASSERT_TRUE(connected.has_value()) << connected.error().message;
  auto& client = **connected;
  const auto found = client.underlying("BFX", soon());
  ASSERT_TRUE(found.has_value());
  const auto parameters = client.option_parameters(*found, soon());
  ASSERT_TRUE(parameters.has_value() && !parameters->empty());
  auto listed = client.listed_options(*found, parameters->front().trading_class,
                                      parameters->front().expiries.at(0), soon());
  ASSERT_TRUE(listed.has_value());
  ASSERT_GT(listed->size(), 20U);
  listed->resize(20);

  ib::CollectReport report;
  std::thread collecting{[&] {
    if (auto got = client.quotes(*listed, {.dwell_cap = 60s, .late_ticks = 60s}, clock, soon()))
      report = *std::move(got);
  }};
  // Each answer follows the ticks of what was asked before it.
  while (client.link().lines_in_use < 20 && client.current_time(soon())) {
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.current_time(soon()));
  EXPECT_EQ(client.link().lines_in_use, 20) << "given up before the sizes came";
  clock.set(later);
  gateway->step();
  collecting.join();
  ASSERT_EQ(report.complete, listed->size());
  for (std::size_t i = 0; i < listed->size(); ++i) {
    const auto want = twin.option_state(static_cast<int>((*listed)[i].con_id)).quote;
    EXPECT_EQ(report.quotes[i].option.quote.open_interest, want.open_interest);
    EXPECT_EQ(report.quotes[i].option.quote.volume, want.volume);
  }
}

}  // namespace
}  // namespace bifrost::sim
