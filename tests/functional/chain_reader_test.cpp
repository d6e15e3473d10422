// SPDX-License-Identifier: Apache-2.0
// What the collector asks the broker, over a real socket: listings that outlive the process, a
// universe that changes during a day, turns when time is short.
#include "bifrost/collector/chain_reader.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "bifrost/sim/gateway.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using core::Date;
using core::Instant;
using core::Price;
using core::Right;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Date day(std::string_view text) {
  return core::parse_date(text).value();
}
Instant at(std::string_view text) {
  return core::parse_instant(text).value();
}

/// A market of one share whose listing is in the test's hands. What is quoted and what is listed
/// are told apart: a contract can be quoted that is not listed, and the other way round.
class ListMarket final : public sim::Market {
 public:
  ListMarket() {
    underlyings_.push_back({.con_id = sim::underlying_con_id("LIST"),
                            .symbol = "LIST",
                            .type = sim::SecurityType::stock,
                            .name = "LISTED PLC",
                            .exchange = "NYSE",
                            .min_tick = Price::from_units(100)});
  }

  /// Lists these strikes for a date, call and put, and makes them known for ever.
  void list(Date expiry, std::initializer_list<int> strikes) {
    const std::lock_guard lock{mutex_};
    for (const int strike : strikes) {
      for (const auto right : {Right::call, Right::put}) {
        sim::ListedOption option;
        option.underlying_con_id = underlyings_[0].con_id;
        option.contract = {"LIST", "LIST", expiry, *Price::from_double(strike), right, 100};
        option.last_trade_date = sim::last_trade_date(option.contract);
        listed_.push_back(option);
      }
    }
    std::ranges::sort(listed_, {}, &sim::ListedOption::contract);
    sim::assign_con_ids(listed_, {});
    known_.insert(known_.end(), listed_.begin(), listed_.end());
    ++revision_;
  }
  /// No listing any more: a broker that is asked for one has nothing to say.
  void hide_listing() {
    const std::lock_guard lock{mutex_};
    listed_.clear();
    ++revision_;
  }
  /// There is no such contract (error 200), although it is listed.
  void forget(int strike) {
    const std::lock_guard lock{mutex_};
    std::erase_if(known_, [&](const auto& option) {
      return option.contract.strike == *Price::from_double(strike);
    });
  }

  void advance_to(Instant t) override {
    if (t != now_) ++revision_;
    now_ = t;
  }
  Instant now() const override { return now_; }
  std::uint64_t revision() const override { return revision_; }
  std::span<const sim::Underlying> underlyings() const override { return underlyings_; }
  std::span<const sim::ListedOption> options(int) const override {
    const std::lock_guard lock{mutex_};
    shown_ = listed_;
    return shown_;
  }
  const sim::ListedOption* find_option(int con_id) const override {
    const std::lock_guard lock{mutex_};
    const auto found = std::ranges::find(known_, con_id, &sim::ListedOption::con_id);
    if (found == known_.end()) return nullptr;
    looked_at_ = *found;
    return &looked_at_;
  }
  sim::OptionState option_state(int) const override {
    sim::OptionState state;
    state.quote.bid = Price::from_units(10'000);
    state.quote.ask = Price::from_units(11'000);
    state.quote.bid_size = 1;
    state.quote.ask_size = 1;
    state.model.emplace();
    state.model->implied_vol = 0.2;
    state.model->delta = 0.5;
    return state;
  }
  sim::UnderlyingState underlying_state(int) const override {
    sim::UnderlyingState state;
    state.bid = Price::from_units(999'900);
    state.ask = Price::from_units(1'000'100);
    state.last = Price::from_units(1'000'000);
    return state;
  }
  std::optional<sim::Carry> carry(int) const override { return std::nullopt; }
  std::vector<sim::DailyBar> daily_bars(int, sim::BarKind, std::size_t) const override {
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::vector<sim::Underlying> underlyings_;
  std::vector<sim::ListedOption> listed_;
  std::vector<sim::ListedOption> known_;
  mutable std::vector<sim::ListedOption> shown_;
  mutable sim::ListedOption looked_at_;
  Instant now_{};
  std::atomic<std::uint64_t> revision_ = 1;
};

const Date friday = day("2026-11-20");
const Date next_friday = day("2026-11-27");
constexpr auto monday_morning = "2026-11-16T14:35:00Z";

class ChainReaderTest : public ::testing::Test {
 protected:
  ChainReaderTest()
      : database(
            store::Database::open(
                make_database(fmt::format(
                    "reader_{}", ::testing::UnitTest::GetInstance()->current_test_info()->line())),
                core::after(30s))
                .value()),
        listings(database) {}

  /// A collector process, as far as asking goes.
  struct Process {
    std::unique_ptr<ib::Client> client;
    collector::ChainReader reader;
  };
  std::unique_ptr<Process> start(std::string_view rules = "* expiries=0-60 strikes=all",
                                 double messages_per_second = 0, int chunk = 100,
                                 const std::string& account = "") {
    if (!gateway) {
      sim::GatewayOptions serving;
      serving.port = 0;
      serving.max_messages_per_second = 0;
      serving.account_file = account;
      gateway = sim::Gateway::start(market, clock, serving).value();
    }
    ib::ClientOptions options;
    options.port = gateway->port();
    options.messages_per_second = messages_per_second;
    options.lines = 20;
    auto client = ib::Client::connect(options, core::after(20s)).value();
    auto& link = *client;
    collector::ReaderOptions reading;
    reading.rules = collector::UniverseRules::parse(rules, "rules", 60, 0).value();
    reading.chunk = chunk;
    reading.positions = !account.empty();
    return std::unique_ptr<Process>(
        new Process{std::move(client), {reading, link, listings, clock}});
  }
  store::CycleRecord read(Process& process, std::string_view cycle,
                          std::chrono::milliseconds time = 20s) {
    clock.set(at(cycle));
    gateway->step();
    return process.reader.read("LIST", at(cycle), core::after(time), {});
  }
  void tend(Process& process) {
    const std::vector<std::string> underlyings{"LIST"};
    process.reader.tend(underlyings, core::floor_to(clock.now(), 300s), core::after(20s), {});
  }
  std::vector<store::UniverseVersion> versions() {
    return listings.versions("LIST", day("2026-11-01"), day("2026-12-31"), core::after(10s))
        .value();
  }

  ListMarket market;
  core::ManualClock clock{at(monday_morning)};
  std::unique_ptr<sim::Gateway> gateway;
  store::Database database;
  store::Listings listings;
};

void expect_complete(const store::CycleRecord& record, std::size_t contracts) {
  EXPECT_EQ(record.reason, "");
  EXPECT_EQ(record.status, store::RunStatus::complete);
  EXPECT_EQ(record.expected, static_cast<std::int64_t>(contracts));
  EXPECT_EQ(record.snapshot.quotes.size(), contracts);
}

TEST_F(ChainReaderTest, AsksNothingAgainOnTheSameDayAfterARestart) {
  market.list(friday, {95, 100, 105});
  market.list(next_friday, {100});
  {
    auto first = start();
    expect_complete(read(*first, monday_morning), 8);
    tend(*first);
  }
  // Whoever asked for a listing or an offer now would get none.
  market.hide_listing();
  auto second = start();
  const auto before = second->client->link().messages_out;
  const auto record = read(*second, "2026-11-16T14:40:00Z");
  expect_complete(record, 8);
  EXPECT_EQ(record.snapshot.underlying_price, Price::from_units(1'000'000));
  // Each contract and the underlying: asked for, and ended; and the kind of data, once.
  EXPECT_LE(second->client->link().messages_out - before, 2u * 9 + 2);
  tend(*second);
  ASSERT_EQ(versions().size(), 2u) << "one a process";
  EXPECT_EQ(versions()[0].chosen, 8);
}

TEST_F(ChainReaderTest, OnANewDayListsWhatIsNewAndUsesTheRest) {
  market.list(friday, {95, 100});
  auto process = start();
  expect_complete(read(*process, monday_morning), 4);
  tend(*process);
  market.list(next_friday, {95, 100});  // a new date, the strikes of its class as before
  expect_complete(read(*process, "2026-11-17T14:35:00Z"), 8);
  tend(*process);
  const auto stored = listings.load("LIST", friday, core::after(10s)).value().value();
  ASSERT_EQ(stored.series.size(), 2u);
  for (const auto& series : stored.series)
    EXPECT_EQ(series.listed_on, day("2026-11-17")) << "the known one was refreshed, too";
}

TEST_F(ChainReaderTest, FindsStrikesAndDatesThatAppearDuringTheDay) {
  market.list(friday, {95, 100});
  auto process = start();
  expect_complete(read(*process, monday_morning), 4);
  tend(*process);
  market.list(friday, {105});
  market.list(next_friday, {100});
  expect_complete(read(*process, "2026-11-16T15:00:00Z"), 4);
  tend(*process);  // 25 minutes after the offer was looked at
  expect_complete(read(*process, "2026-11-16T15:05:00Z"), 4);
  tend(*process);
  expect_complete(read(*process, "2026-11-16T15:10:00Z"), 8);
  tend(*process);
  const auto all = versions();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].version, 2);
  EXPECT_EQ(all[1].as_of, at("2026-11-16T15:10:00Z"));
  EXPECT_EQ(all[1].added, 4);
  EXPECT_EQ(all[1].chosen, 8);
}

TEST_F(ChainReaderTest, AContractTheBrokerDoesNotKnowIsAskedForOnceADay) {
  market.list(friday, {95, 100, 105});
  {
    auto process = start();
    expect_complete(read(*process, monday_morning), 6);
    market.forget(105);
    const auto record = read(*process, "2026-11-16T14:40:00Z");
    EXPECT_EQ(record.status, store::RunStatus::partial);
    EXPECT_THAT(record.reason, StartsWith("refused: 2 refused: "));
    EXPECT_EQ(record.expected, 6);
    EXPECT_EQ(record.refused, 2);
    expect_complete(read(*process, "2026-11-16T14:45:00Z"), 4);
    tend(*process);
    EXPECT_EQ(versions().back().removed, 2);
  }
  auto restarted = start();
  expect_complete(read(*restarted, "2026-11-16T14:50:00Z"), 4);
}

TEST_F(ChainReaderTest, AnExpiryRollsOffAtTheClose) {
  market.list(friday, {100});
  market.list(next_friday, {100});
  auto process = start("* strikes=all expiries=0-30\nLIST hours=index");
  expect_complete(read(*process, "2026-11-20T21:00:00Z"), 4);
  expect_complete(read(*process, "2026-11-20T21:05:00Z"), 2);
  expect_complete(read(*process, "2026-11-23T14:35:00Z"), 2);
}

TEST_F(ChainReaderTest, WhatATimeTooShortLeavesOutComesInTurn) {
  market.list(friday, {91,  92,  93,  94,  95,  96,  97,  98,  99,  100,
                       101, 102, 103, 104, 105, 106, 107, 108, 109, 110});
  auto process = start("* strikes=all", 40, 4);
  // Time for all: what is listed is known from here on.
  expect_complete(read(*process, monday_morning), 40);
  tend(*process);
  std::set<core::OptionContract> every;
  Instant cycle = at("2026-11-16T14:40:00Z");
  for (int n = 0; n < 20 && every.size() < 40; ++n, cycle += 300s) {
    // 82 messages are needed, and 10 at once and 60 in the time are allowed.
    const auto record = read(*process, core::to_iso(cycle), 1500ms);
    EXPECT_EQ(record.expected, 40);
    EXPECT_EQ(record.status, store::RunStatus::partial);
    const auto left = record.expected - static_cast<std::int64_t>(record.snapshot.quotes.size());
    EXPECT_THAT(
        record.reason,
        HasSubstr(fmt::format("out_of_budget: {} of 40 contracts left for later cycles", left)));
    for (const auto& quote : record.snapshot.quotes) every.insert(quote.contract);
  }
  EXPECT_EQ(every.size(), 40u) << "nobody waits for ever";
}

TEST_F(ChainReaderTest, WhatIsHeldIsAskedForWhereverItLies) {
  market.list(friday, {100, 150});
  market.list(next_friday, {100, 150});
  auto process = start("* strikes=percent:5 expiries=0-7", 0, 100,
                       "option LIST LIST 2026-11-20 150 C 1 1.05\n"
                       "option LIST LIST 2026-11-27 150 P -2 1.05\n");
  const auto record = read(*process, monday_morning);
  expect_complete(record, 4);
  std::vector<std::string> names;
  for (const auto& quote : record.snapshot.quotes) names.push_back(core::describe(quote.contract));
  EXPECT_THAT(names, ::testing::ElementsAre("LIST 2026-11-20 100 C", "LIST 2026-11-20 100 P",
                                            "LIST 2026-11-20 150 C", "LIST 2026-11-27 150 P"));
}

TEST_F(ChainReaderTest, HandlesOfARealGatewayAreNotUsedWithASimulatedOne) {
  market.list(friday, {100});
  const store::BrokerUnderlying real{false, 1, "STK", "SMART", "USD", "LISTED PLC"};
  const store::ListedSeries series{
      "LIST",
      friday,
      day("2026-11-16"),
      1,
      {{.contract = {"LIST", "LIST", friday, Price::from_units(900'000)},
        .con_id = 424242,
        .exchange = "SMART",
        .currency = "USD",
        .last_trade_date = "20261120"}}};
  ASSERT_TRUE(listings.save_offer("LIST", real, day("2026-11-16"), clock.now(), std::vector{series},
                                  core::after(10s)));
  ASSERT_TRUE(listings.save_series("LIST", series, clock.now(), core::after(10s)));
  auto process = start();
  const auto record = read(*process, monday_morning);
  expect_complete(record, 2);
  tend(*process);
  const auto stored = listings.load("LIST", friday, core::after(10s)).value().value();
  EXPECT_TRUE(stored.underlying.simulated);
  ASSERT_EQ(stored.series.size(), 1u);
  EXPECT_EQ(stored.series[0].contracts.size(), 2u);
}

TEST_F(ChainReaderTest, WhatWasChosenBeforeARestartStaysChosen) {
  market.list(friday, {90, 100, 110});
  auto process = start("* strikes=percent:5");
  core::ChainSnapshot earlier;
  earlier.underlying = "LIST";
  earlier.as_of = at("2026-11-16T14:35:00Z");
  earlier.quotes.push_back(
      {{"LIST", "LIST", friday, *Price::from_double(110), Right::call, 100}, {}});
  process->reader.remember(earlier);
  expect_complete(read(*process, "2026-11-16T14:40:00Z"), 3);
  expect_complete(read(*process, "2026-11-17T14:35:00Z"), 2);
}

}  // namespace
}  // namespace bifrost::test
