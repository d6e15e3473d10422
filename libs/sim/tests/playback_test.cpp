// SPDX-License-Identifier: Apache-2.0
#include "playback.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "bifrost/ib/client.hpp"
#include "bifrost/sim/clock.hpp"
#include "bifrost/sim/gateway.hpp"
#include "temporary_folder.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;
using namespace std::chrono_literals;
using Kind = ib::Record::Kind;

const auto begin = instant("2026-03-02T15:00:00Z");

std::string fields(std::string text) {
  std::ranges::replace(text, '|', '\0');
  return text;
}

/// A recording by hand: time in milliseconds since the start.
class Tape {
 public:
  Tape& add(int ms, Kind kind, std::string text) {
    records_.push_back({.kind = kind,
                        .server_version = 178,
                        .at = begin + std::chrono::milliseconds{ms},
                        .payload = fields(std::move(text))});
    return *this;
  }
  Tape& session(int ms, int version = 178) {
    return add(ms, Kind::opened, "gateway:4002")
        .add(ms, Kind::sent, "v176..178")
        .add(ms, Kind::received, std::to_string(version) + "|20260302 10:00:00 US/Eastern|")
        .add(ms, Kind::sent, "71|2|5||");
  }
  Frames frames() const { return *Frames::of(records_); }

 private:
  std::vector<ib::Record> records_;
};

class PlaybackTest : public testing::Test {
 protected:
  void play(const Tape& tape) {
    state_.emplace(tape.frames());
    floor_.now.simulated = begin;
  }

  std::unique_ptr<Playback> connect(int client_id = 1) {
    auto p = std::make_unique<Playback>(floor_, *state_);
    EXPECT_TRUE(p->receive(wire::encode_hello({.min = 176, .max = 178})));
    EXPECT_THAT(heard(*p), testing::ElementsAre(testing::StartsWith("178|")));
    EXPECT_TRUE(p->receive(wire::frame(fields("71|2|" + std::to_string(client_id) + "||"))));
    return p;
  }

  void ask(Playback& p, std::string text) {
    EXPECT_TRUE(p.receive(wire::frame(fields(std::move(text)))));
  }

  static std::vector<std::string> heard(Playback& p) {
    wire::FrameReader reader;
    const auto bytes = p.take_output();
    reader.feed(bytes);
    std::vector<std::string> out;
    for (auto payload = reader.next(); payload && *payload; payload = reader.next()) {
      std::string text{**payload};
      std::ranges::replace(text, '\0', '|');
      out.push_back(std::move(text));
    }
    return out;
  }

  std::vector<std::string> after(Playback& p, std::chrono::milliseconds time) {
    floor_.now.simulated += time;
    p.time_passed();
    return heard(p);
  }

  core::ManualClock clock_{begin};
  SyntheticMarket market_{7, date("2026-01-02"), only({"ODIN"})};
  GatewayOptions options_;
  Floor floor_{market_, clock_, options_, {}, {}};
  std::optional<PlaybackState> state_;
};

TEST_F(PlaybackTest, AnswersComeWithTheAskersIdAtTheirDistance) {
  play(Tape{}
           .session(0)
           .add(1000, Kind::sent, "1|11|7|0|SPY|STK||||")
           .add(1010, Kind::received, "58|1|7|1|")
           .add(1200, Kind::received, "1|6|7|1|4.55|12|1|")
           .add(1300, Kind::received, "21|7|13|0|0.2|0.5|4.5|0|0.1|0.2|-0.1|598|"));
  const auto p = connect();
  ask(*p, "1|11|4711|0|SPY|STK||||");
  EXPECT_TRUE(heard(*p).empty());
  EXPECT_THAT(after(*p, 10ms), testing::ElementsAre("58|1|4711|1|"));
  EXPECT_THAT(after(*p, 500ms),
              testing::ElementsAre("1|6|4711|1|4.55|12|1|",
                                   "21|4711|13|0|0.2|0.5|4.5|0|0.1|0.2|-0.1|598|"));
}

TEST_F(PlaybackTest, TheNthQuestionGetsTheNthAnswerAndThenTheLast) {
  Tape tape;
  tape.session(0);
  for (const auto* answer : {"10", "20"}) {
    tape.add(100, Kind::sent, std::string("78|") + answer + "|SPY||STK|756733|")
        .add(100, Kind::received, std::string("76|") + answer + "|")
        .add(100, Kind::received, std::string("4|2|") + answer + "|20" + answer + "|x||");
  }
  play(tape);
  const auto p = connect();
  std::vector<std::string> codes;
  for (int id = 1; id <= 3; ++id) {
    ask(*p, "78|" + std::to_string(id) + "|SPY||STK|756733|");
    const auto got = heard(*p);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0], "76|" + std::to_string(id) + "|");
    codes.push_back(got[1].substr(6, 4));
  }
  EXPECT_THAT(codes, testing::ElementsAre("2010", "2020", "2020"));
}

TEST_F(PlaybackTest, WhatNobodyAskedForComesAtItsTime) {
  play(Tape{}
           .session(0)
           .add(5, Kind::received, "15|1|SIM-RECORDED|")
           .add(6, Kind::received, "9|1|1|")
           .add(60'000, Kind::received, "4|2|-1|1100|lost||"));
  const auto p = connect();
  EXPECT_THAT(after(*p, 6ms), testing::ElementsAre("15|1|SIM-RECORDED|", "9|1|1|"));
  EXPECT_TRUE(after(*p, 59s).empty());
  EXPECT_THAT(after(*p, 1s), testing::ElementsAre("4|2|-1|1100|lost||"));
}

TEST_F(PlaybackTest, RequestsWithoutAnIdHaveTheirOwnReplies) {
  play(Tape{}
           .session(0)
           .add(10, Kind::sent, "61|1|")
           .add(11, Kind::received, "61|3|A|1|SPY|STK||0.0|||X|USD|SPY|SPY|2|455.65|")
           .add(11, Kind::received, "4|2|-1|2104|ok||")
           .add(12, Kind::received, "62|1|"));
  const auto p = connect();
  EXPECT_THAT(after(*p, 100ms), testing::ElementsAre("4|2|-1|2104|ok||"));
  ask(*p, "61|1|");
  EXPECT_EQ(after(*p, 100ms).size(), 2U);
}

TEST_F(PlaybackTest, ACancelEndsWhatIsStillToCome) {
  play(Tape{}
           .session(0)
           .add(10, Kind::sent, "1|11|7|0|SPY|STK||||")
           .add(20, Kind::received, "58|1|7|1|")
           .add(900, Kind::received, "2|6|7|0|12|")
           .add(950, Kind::sent, "2|2|7|"));
  const auto p = connect();
  ask(*p, "1|11|3|0|SPY|STK||||");
  EXPECT_EQ(after(*p, 10ms).size(), 1U);
  ask(*p, "2|2|3|");
  EXPECT_TRUE(after(*p, 10s).empty());
}

TEST_F(PlaybackTest, WhatWasNotRecordedIsRefusedAndTheTimeIsTheClocks) {
  play(Tape{}.session(0));
  const auto p = connect();
  ask(*p, "9|8|3|0|SPY|STK|||");
  EXPECT_THAT(heard(*p), testing::ElementsAre(testing::StartsWith("4|2|3|321|")));
  floor_.now.simulated += 90s;
  ask(*p, "49|1|");
  const auto seconds = (begin + 90s).time_since_epoch() / 1s;
  EXPECT_THAT(heard(*p), testing::ElementsAre("49|1|" + std::to_string(seconds) + "|"));
}

TEST_F(PlaybackTest, AnotherConnectionIsTheNextSessionAndOnlyItsVersionServes) {
  play(Tape{}
           .session(0)
           .add(1, Kind::received, "9|1|1|")
           .add(2, Kind::closed, "eof")
           .session(1000)
           .add(1001, Kind::received, "9|1|2|"));
  auto first = connect();
  EXPECT_THAT(after(*first, 1ms), testing::ElementsAre("9|1|1|"));
  Playback second(floor_, *state_);
  EXPECT_FALSE(second.receive(wire::encode_hello({.min = 179, .max = 200})));
  first.reset();
  const auto third = connect();
  EXPECT_THAT(after(*third, 1ms), testing::ElementsAre("9|1|2|"));
}

TEST(Frames, ARecordingWithoutASessionIsRefused) {
  EXPECT_EQ(Frames::of({}).error().code, core::Errc::not_found);
  EXPECT_FALSE(Frames::load("/nowhere/at/all").has_value());
}

// ---- there and back: what our own client collected once, it collects from the recording again

struct Collected {
  std::vector<core::Quote> quotes;
  std::vector<ib::DailyBar> bars;
  std::optional<core::Price> spot;
  std::size_t listed = 0;
  std::vector<double> positions;
  std::optional<double> net_liquidation;
  std::optional<double> margin;
};

Collected collect(std::uint16_t port, std::shared_ptr<ib::Recorder> recorder) {
  const auto soon = [] { return core::after(30s); };
  const core::ManualClock stamp{begin};
  ib::ClientOptions options;
  options.port = port;
  options.messages_per_second = 0;
  options.recorder = std::move(recorder);
  auto connected = ib::Client::connect(options, soon());
  if (!connected) {
    ADD_FAILURE() << connected.error().message;
    return {};
  }
  auto& client = **connected;
  Collected out;
  const auto check = [](const auto& result) {
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.has_value();
  };
  const auto odin = client.underlying("ODIN", soon());
  if (!check(odin)) return out;
  if (const auto spot = client.underlying_quote(*odin, {}, stamp, soon()); check(spot)) {
    out.spot = spot->price;
  }
  const auto parameters = client.option_parameters(*odin, soon());
  if (!check(parameters)) return out;
  auto listed = client.listed_options(*odin, "ODIN", parameters->front().expiries[1], soon());
  if (!check(listed)) return out;
  out.listed = listed->size();
  const auto report = client.quotes(*listed, {}, stamp, soon());
  if (!check(report)) return out;
  EXPECT_EQ(report->complete, listed->size());
  for (const auto& q : report->quotes) out.quotes.push_back(q.option.quote);
  if (const auto bars = client.daily_bars(*odin, ib::BarKind::historical_volatility, 30, soon());
      check(bars)) {
    out.bars = *bars;
  }
  if (const auto held = client.positions({}, soon()); check(held)) {
    for (const auto& p : *held) out.positions.push_back(p.quantity);
  }
  if (const auto summary = client.account_summary(soon()); check(summary)) {
    out.net_liquidation = summary->front().net_liquidation;
  }
  const ib::MarginQuestion question{.symbol = "ODIN",
                                    .legs = {{.con_id = listed->at(0).con_id, .ratio = 1},
                                             {.con_id = listed->at(2).con_id, .ratio = -1}},
                                    .limit_price = 1.0};
  if (const auto margin = client.what_if_margin(question, soon()); check(margin)) {
    out.margin = margin->initial_change;
  }
  return out;
}

TEST(FramesOfOurOwnClient, PlayBackWhatItCollected) {
  const TemporaryFolder own;
  const auto& folder = own.path();
  Collected once;
  {
    const core::ManualClock clock{begin};
    SyntheticMarket market(7, date("2025-06-02"), only({"ODIN"}));
    const auto gateway = *Gateway::start(market, clock, {.port = 0, .max_messages_per_second = 0});
    auto recorder = ib::Recorder::open({.folder = folder});
    ASSERT_TRUE(recorder.has_value()) << recorder.error().message;
    once = collect(gateway->port(), std::move(*recorder));
  }
  ASSERT_GT(once.quotes.size(), 20U);
  ASSERT_EQ(once.bars.size(), 30U);
  ASSERT_FALSE(once.positions.empty());
  ASSERT_TRUE(once.margin.has_value());

  const auto span = Gateway::recorded_span(folder);
  ASSERT_TRUE(span.has_value()) << span.error().message;
  const PacedClock clock{span->first, {.speed = 20}};
  const auto gateway = Gateway::play(folder, clock, {.port = 0});
  ASSERT_TRUE(gateway.has_value()) << gateway.error().message;
  const auto again = collect((*gateway)->port(), nullptr);
  EXPECT_EQ(again.listed, once.listed);
  EXPECT_EQ(again.quotes, once.quotes);
  EXPECT_EQ(again.bars, once.bars);
  EXPECT_EQ(again.spot, once.spot);
  EXPECT_EQ(again.positions, once.positions);
  EXPECT_EQ(again.net_liquidation, once.net_liquidation);
  EXPECT_EQ(again.margin, once.margin);
}

}  // namespace
}  // namespace bifrost::sim
