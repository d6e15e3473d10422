// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <vector>

#include "bifrost/ib/client.hpp"
#include "scripted_gateway.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using namespace testing_support;

std::unique_ptr<Client> connected(ClientOptions options) {
  auto client = Client::connect(std::move(options), soon());
  EXPECT_TRUE(client) << client.error().message;
  return client ? std::move(*client) : nullptr;
}

TEST(Link, IsReadyAfterTheHandshakeAndKnowsItsGateway) {
  ScriptedGateway gateway{[](Peer& peer) {
    ASSERT_TRUE(peer.handshake(177));
    EXPECT_EQ(peer.offered, (wire::VersionRange{176, 178}));
    EXPECT_EQ(peer.client_id, 5);
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  ASSERT_TRUE(client);
  const auto link = client->link();
  EXPECT_TRUE(link.connected);
  EXPECT_TRUE(link.upstream_ok);
  EXPECT_FALSE(link.simulated);
  EXPECT_EQ(link.server_version, 177);
  EXPECT_EQ(link.sessions, 1u);
}

TEST(Link, AnAccountNamedSimMarksASimulator) {
  ScriptedGateway gateway{[](Peer& peer) {
    ASSERT_TRUE(peer.handshake(178, "SIM0001"));
    Market{}.serve(peer);
  }};
  EXPECT_TRUE(connected(gateway.options())->link().simulated);
}

TEST(Link, ToleratesMessagesBeforeTheVersionNoticesAndByteWiseDelivery) {
  ScriptedGateway gateway{[](Peer& peer) {
    peer.byte_wise = true;
    ASSERT_TRUE(peer.read_hello());
    peer.version = 178;
    peer.notice(2104);
    ASSERT_TRUE(peer.reply_hello(178) && peer.read_start());
    peer.notice(2104);
    ASSERT_TRUE(peer.send(wire::NextValidId{1}) && peer.send(wire::ManagedAccounts{{"DU1"}}));
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  EXPECT_TRUE(client->current_time(soon()));
}

TEST(Link, ANoGatewayIsUnavailableAtTheDeadline) {
  std::uint16_t port = 0;
  {
    auto listener = net::Listener::bind("127.0.0.1", 0);
    ASSERT_TRUE(listener);
    port = listener->port();
  }
  ClientOptions options;
  options.port = port;
  options.first_backoff = milliseconds{5};
  const auto client = Client::connect(options, core::after(milliseconds{100}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Errc::unavailable);
}

TEST(Link, AGatewayThatComesLaterIsFound) {
  Log<int> refused;
  ScriptedGateway gateway{[&](Peer& peer) {
    if (peer.number < 3) return refused.add(peer.number);
    ASSERT_TRUE(peer.handshake());
    Market{}.serve(peer);
  }};
  const auto client = Client::start(gateway.options());
  ASSERT_TRUE(client);
  EXPECT_TRUE((*client)->wait_ready(soon()));
  EXPECT_EQ(refused.all().size(), 2u);
}

TEST(Link, AStalledHandshakeIsATimeoutAndTheSocketIsClosed) {
  Log<bool> ended;
  ScriptedGateway gateway{[&](Peer& peer) {
    peer.wait_for_end();
    ended.add(peer.saw_end);
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{50};
  const auto client = Client::connect(options, core::after(milliseconds{300}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Errc::timeout);
  EXPECT_TRUE(ended.wait_for(1));
}

TEST(Link, AStallAfterStartIsATimeoutToo) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178));
    peer.wait_for_end();
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{50};
  options.first_backoff = milliseconds{10'000};
  const auto client = Client::connect(options, core::after(milliseconds{400}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Errc::timeout);
}

TEST(Link, AnUnsupportedVersionEndsTheAttemptAtOnce) {
  for (const int version : {163, 201, -1}) {
    ScriptedGateway gateway{[&](Peer& peer) {
      if (peer.read_hello() && peer.reply_hello(version)) peer.wait_for_end();
    }};
    const auto begun = std::chrono::steady_clock::now();
    const auto client = Client::connect(gateway.options(), core::after(seconds{15}));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, Errc::unavailable);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{10});
  }
}

TEST(Link, AClientIdInUseIsRotated) {
  Log<int> ids;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start());
    ids.add(peer.client_id);
    if (peer.number == 1) {
      peer.notice(326);
      return;
    }
    if (peer.number == 2) return;  // the end of the stream is all that some clients see
    ASSERT_TRUE(peer.say_ready());
    Market{}.serve(peer);
  }};
  ASSERT_TRUE(connected(gateway.options()));
  EXPECT_THAT(ids.all(), ElementsAre(5, 105, 205));
}

TEST(Link, EveryClientIdInUseIsAConflict) {
  ScriptedGateway gateway{[&](Peer& peer) {
    if (peer.read_hello() && peer.reply_hello(178) && peer.read_start()) peer.notice(326);
  }};
  const auto client = Client::connect(gateway.options(), core::after(milliseconds{200}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Errc::conflict);
}

TEST(Link, AnEndInTheMiddleOfAFrameIsReconnectedAndTheRequestRepeatedUnderANewId) {
  Log<int> ids;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    Market market;
    if (peer.number == 1) {
      const auto* fields = peer.receive();
      ASSERT_TRUE(fields);
      ids.add(wire::decode<wire::ContractDataRequest>(*fields, 178).value().req_id);
      peer.raw(
          std::string("\0\0\1\0"
                      "10\0",
                      7));
      return;
    }
    market.on_any = [&](Peer&, const wire::Fields& fields) {
      if (const auto request = wire::decode<wire::ContractDataRequest>(fields, 178)) {
        ids.add(request->req_id);
      }
      return false;
    };
    market.serve(peer);
  }};
  const auto client = connected(gateway.options());
  const auto spy = client->underlying("SPY", soon());
  ASSERT_TRUE(spy) << spy.error().message;
  EXPECT_EQ(client->link().sessions, 2u);
  ASSERT_EQ(ids.all().size(), 2u);
  EXPECT_LT(ids.all()[0], ids.all()[1]);
}

TEST(Link, RequestIdsAreNotReusedByAnotherClientOfTheProcess) {
  std::set<int> seen;
  Log<int> ids;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    Market market;
    market.on_any = [&](Peer&, const wire::Fields& fields) {
      if (const auto request = wire::decode<wire::ContractDataRequest>(fields, 178)) {
        ids.add(request->req_id);
      }
      return false;
    };
    market.serve(peer);
  }};
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(connected(gateway.options())->underlying("SPY", soon()));
  for (const int id : ids.all()) EXPECT_TRUE(seen.insert(id).second);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Link, ASilentPeerIsAskedForTheTimeAndGivenUpAfterTwoMisses) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (const auto* fields = peer.receive()) {
      if (peer.number == 1) asked.add(fields->id().value_or(0));
      if (peer.number > 1) peer.send(wire::CurrentTime{1});
    }
  }};
  auto options = gateway.options();
  options.heartbeat_interval = milliseconds{40};
  const auto client = connected(options);
  EXPECT_TRUE(asked.wait_for(2));
  while (client->link().sessions < 2) {
    ASSERT_TRUE(client->wait_ready(soon()));
    ASSERT_TRUE(client->current_time(soon()));
  }
  EXPECT_THAT(asked.all(), testing::Each(static_cast<int>(wire::Request::current_time)));
}

TEST(Link, AnsweredHeartbeatsKeepTheLink) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (peer.receive()) {
      peer.send(wire::CurrentTime{1});
      asked.add(1);
    }
  }};
  auto options = gateway.options();
  options.heartbeat_interval = milliseconds{20};
  const auto client = connected(options);
  EXPECT_TRUE(asked.wait_for(10));
  EXPECT_EQ(client->link().sessions, 1u);
}

TEST(Link, AnImpossibleFrameLengthEndsTheSessionAndANewOneBegins) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    if (peer.number == 1) {
      peer.raw(std::string(4, '\0'));
      peer.wait_for_end();
      return;
    }
    if (peer.number == 2) {
      peer.raw("\x7f\xff\xff\xff");
      peer.wait_for_end();
      return;
    }
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  while (client->link().sessions < 3) ASSERT_TRUE(client->current_time(soon()));
}

TEST(Link, UnreadableAndUnknownMessagesAreCountedAndDropped) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    peer.raw(wire::frame({"1\0006\0x\0", 6}));                        // a number that is none
    peer.raw(wire::frame({"10\0001\0", 5}));                          // much too short
    peer.raw(wire::frame({"999\0001\0", 6}));                         // of no known kind
    peer.raw(wire::frame("junk"));                                    // without an id
    peer.raw(wire::frame({"49\0001\0009223372036854775807\0", 25}));  // a time beyond all calendars
    peer.raw(
        wire::frame({"1\0006\000123456\0001\0001.5\0001\0000\000extra\0", 26}));  // late, surplus
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  ASSERT_TRUE(client->current_time(soon()));
  const auto link = client->link();
  EXPECT_EQ(link.sessions, 1u);
  EXPECT_EQ(link.undecodable, 4u);
  EXPECT_EQ(link.unknown, 1u);
  EXPECT_EQ(link.late, 1u);
}

// Each blocked in another wait: for an answer, for history, for ticks, for a broker that is away.
TEST(Link, StoppingEndsEveryWaitAtOnce) {
  for (const bool away : {false, true}) {
    Log<int> asked;
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake());
      ASSERT_TRUE(peer.receive());
      if (away) peer.notice(1100);
      peer.send(wire::CurrentTime{1});
      while (const auto* fields = peer.receive()) asked.add(fields->id().value_or(0));
    }};
    auto options = gateway.options();
    options.lines = 1;
    const auto client = connected(options);
    ASSERT_TRUE(client->current_time(soon()));
    const Underlying spy{.symbol = "SPY",
                         .sec_type = "STK",
                         .exchange = "SMART",
                         .currency = "USD",
                         .long_name = {},
                         .con_id = 1,
                         .min_tick = {}};
    const core::SystemClock clock;
    const auto late = core::after(std::chrono::minutes{10});
    std::vector<std::future<std::optional<Errc>>> waits;
    const auto wait_in = [&](auto call) {
      waits.push_back(std::async(std::launch::async, [call] {
        const auto got = call();
        return got ? std::nullopt : std::optional{got.error().code};
      }));
    };
    wait_in([&] { return client->current_time(late); });
    wait_in([&] { return client->underlying("SPY", late); });
    wait_in([&] { return client->daily_bars(spy, BarKind::trades, 5, late); });
    for (int i = 0; i < 2; ++i) {
      wait_in([&] {
        return client->underlying_quote(spy, {.dwell_cap = std::chrono::minutes{10}}, clock, late);
      });
    }
    const std::vector<ListedOption> options_of_spy{
        {.contract = {.underlying = "SPY",
                      .trading_class = "SPY",
                      .expiry = core::Date{std::chrono::days{20'600}},
                      .strike = *core::Price::from_double(500),
                      .right = core::Right::call},
         .con_id = 2,
         .exchange = "SMART",
         .currency = "USD",
         .last_trade_date = "20260528"}};
    auto collected = std::async(std::launch::async,
                                [&] { return client->quotes(options_of_spy, {}, clock, late); });
    if (!away) {
      ASSERT_TRUE(asked.wait_for(3));
    }
    const auto begun = std::chrono::steady_clock::now();
    client->stop();
    for (auto& wait : waits) EXPECT_EQ(wait.get(), std::optional{Errc::cancelled});
    const auto report = collected.get();
    // With nothing in it, if the round had begun.
    if (report) {
      EXPECT_EQ(report->complete, 0u);
    } else {
      EXPECT_EQ(report.error().code, Errc::cancelled);
    }
    EXPECT_FALSE(client->wait_ready(late));
    EXPECT_FALSE(client->link().connected);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{20});
  }
}

TEST(Link, RequestsWaitWhileTheBrokerIsAway) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    // The first answer makes sure that the notice behind it has been read before the next request.
    const auto* first = peer.receive();
    ASSERT_TRUE(first);
    peer.notice(1100);
    peer.send(wire::CurrentTime{1});
    Market market;
    market.on_any = [&](Peer&, const wire::Fields& fields) {
      asked.add(fields.id().value_or(0));
      return false;
    };
    market.serve(peer);
  }};
  const auto client = connected(gateway.options());
  ASSERT_TRUE(client->current_time(soon()));
  EXPECT_TRUE(client->link().connected);
  EXPECT_FALSE(client->link().upstream_ok);
  const auto spy = client->underlying("SPY", core::after(milliseconds{50}));
  ASSERT_FALSE(spy);
  EXPECT_EQ(spy.error().code, Errc::unavailable);
  EXPECT_TRUE(asked.all().empty());
}

TEST(Link, TheBrokerBackAgainServesWaitingRequests) {
  for (const int code : {1101, 1102}) {
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake());
      ASSERT_TRUE(peer.receive());
      peer.notice(1100);
      peer.send(wire::CurrentTime{1});
      peer.notice(code);
      Market{}.serve(peer);
    }};
    const auto client = connected(gateway.options());
    ASSERT_TRUE(client->current_time(soon()));
    EXPECT_TRUE(client->underlying("SPY", soon())) << code;
  }
}

TEST(Link, IsDestroyedAtOnceWhileItWaitsToReconnect) {
  std::uint16_t port = 0;
  {
    auto listener = net::Listener::bind("127.0.0.1", 0);
    ASSERT_TRUE(listener);
    port = listener->port();
  }
  ClientOptions options;
  options.port = port;
  options.first_backoff = seconds{60};
  const auto begun = std::chrono::steady_clock::now();
  {
    const auto client = Client::start(options);
    EXPECT_FALSE((*client)->wait_ready(core::after(milliseconds{20})));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{5});
}

TEST(Link, IsDestroyedAtOnceWhileItReads) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    peer.wait_for_end();
  }};
  const auto begun = std::chrono::steady_clock::now();
  connected(gateway.options()).reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{5});
}

TEST(Link, OptionsOutOfRangeAreRefused) {
  const auto refused = [](auto change) {
    ClientOptions options;
    change(options);
    const auto client = Client::start(options);
    return !client && client.error().code == Errc::invalid_input;
  };
  EXPECT_TRUE(refused([](auto& o) { o.max_server_version = 201; }));
  EXPECT_TRUE(refused([](auto& o) { o.min_server_version = 162; }));
  EXPECT_TRUE(refused([](auto& o) { o.min_server_version = 190; }));
  EXPECT_TRUE(refused([](auto& o) { o.lines = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.host.clear(); }));
  EXPECT_TRUE(refused([](auto& o) { o.client_ids = 0; }));
}

// ---- the time

TEST(GatewayTime, IsInSecondsBefore197AndInMillisecondsFromThere) {
  for (const int version : {178, 200}) {
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake(version));
      Market{}.serve(peer);
    }};
    auto options = gateway.options();
    options.max_server_version = 200;
    const auto time = connected(options)->current_time(soon());
    ASSERT_TRUE(time);
    EXPECT_EQ(core::to_iso(*time),
              version < 197 ? "2025-11-21T20:50:00Z" : "2025-11-21T20:50:00.123Z");
  }
}

TEST(GatewayTime, NoAnswerIsATimeout) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    peer.wait_for_end();
  }};
  const auto time = connected(gateway.options())->current_time(core::after(milliseconds{50}));
  ASSERT_FALSE(time);
  EXPECT_EQ(time.error().code, Errc::timeout);
}

TEST(GatewayTime, AnAnswerThatComesTooLateIsNotTakenForThatToTheNextQuestion) {
  Log<bool> given_up;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    ASSERT_TRUE(peer.receive());
    ASSERT_TRUE(given_up.wait_for(1));
    peer.send(wire::CurrentTime{1});
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  EXPECT_FALSE(client->current_time(core::after(milliseconds{30})));
  // Nobody is asked while the answer may still come.
  EXPECT_FALSE(client->current_time(core::after(milliseconds{30})));
  given_up.add(true);
  const auto time = client->current_time(soon());
  ASSERT_TRUE(time);
  EXPECT_EQ(core::to_iso(*time), "2025-11-21T20:50:00Z");
}

TEST(GatewayTime, AQuestionThatWasLostDoesNotPutTheNextOnesOff) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    ASSERT_TRUE(peer.receive());
    Market{}.serve(peer);
  }};
  auto options = gateway.options();
  options.heartbeat_interval = milliseconds{60};
  const auto client = connected(options);
  EXPECT_FALSE(client->current_time(core::after(milliseconds{30})));
  EXPECT_TRUE(client->current_time(soon()));
  EXPECT_TRUE(client->current_time(soon()));
  EXPECT_EQ(client->link().sessions, 1u);
}

TEST(GatewayClock, ReusesAnAnswerForAWhile) {
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (peer.receive()) {
      asked.add(1);
      peer.send(wire::CurrentTime{1'763'758'200 + static_cast<int>(asked.all().size())});
    }
  }};
  const auto client = connected(gateway.options());
  const GatewayClock clock{*client};
  const auto first = clock.now();
  EXPECT_EQ(core::to_iso(first), "2025-11-21T20:50:01Z");
  auto later = first;
  int calls = 0;
  while (later == first) {
    later = clock.now();
    ++calls;
  }
  EXPECT_GT(calls, 10) << "answers were not reused";
  EXPECT_EQ(core::to_iso(later), "2025-11-21T20:50:02Z");
}

TEST(GatewayClock, IgnoresJitterAndFollowsAGatewayThatBeginsAgainEarlier) {
  constexpr std::array<int, 4> offsets{0, -4, -3600, -3599};
  Log<int> asked;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    while (peer.receive()) {
      // Counted before it is answered: whoever has the answer finds it counted.
      const auto nth = std::min(asked.all().size(), offsets.size() - 1);
      asked.add(1);
      peer.send(wire::CurrentTime{1'763'758'200 + offsets[nth]});
    }
  }};
  const auto client = connected(gateway.options());
  const GatewayClock clock{*client};
  std::vector<std::string> seen;
  for (std::size_t n = 1; n <= offsets.size(); ++n) {
    auto now = clock.now();
    while (asked.all().size() < n) now = clock.now();
    seen.push_back(core::to_iso(now));
  }
  EXPECT_THAT(seen, ElementsAre("2025-11-21T20:50:00Z", "2025-11-21T20:50:00Z",
                                "2025-11-21T19:50:00Z", "2025-11-21T19:50:01Z"));
}

TEST(GatewayClock, RunsOnFromTheLastAnswerWhenTheGatewayIsSilent) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    ASSERT_TRUE(peer.receive());
    peer.send(wire::CurrentTime{1'763'758'200});
    peer.wait_for_end();
  }};
  const auto client = connected(gateway.options());
  const GatewayClock clock{*client, milliseconds{20}};
  const auto first = clock.now();
  auto later = first;
  while (later == first) later = clock.now();
  EXPECT_GT(later, first);
  EXPECT_LT(later, first + seconds{20});
  EXPECT_LE(later, clock.now());
}

}  // namespace
}  // namespace bifrost::ib
