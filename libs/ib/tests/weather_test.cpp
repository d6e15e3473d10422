// SPDX-License-Identifier: Apache-2.0
// What a gateway does to a link over the weeks, and that nobody is needed to mend it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "bifrost/ib/client.hpp"
#include "bifrost/ib/recording.hpp"
#include "scripted_gateway.hpp"
#include "temporary_folder.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;

const core::ManualClock market_clock{core::parse_instant("2025-11-21T20:50:00Z").value()};

std::unique_ptr<Client> connected(ClientOptions options) {
  auto client = Client::connect(std::move(options), soon());
  EXPECT_TRUE(client) << (client ? "" : client.error().message);
  return client ? std::move(*client) : nullptr;
}

CollectOptions patient() {
  return {.market_data = MarketData::live, .dwell_cap = seconds{60}, .quiet = seconds{60}};
}

/// Whether it comes true before long; asks all the while.
template <class Condition>
bool eventually(Condition condition) {
  const auto give_up = soon();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

// ---- health

TEST(Health, AGatewayThatAcceptsButAnswersNothingIsNoLink) {
  Log<int> probes;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start() &&
                peer.say_ready());
    if (peer.number < 3) {
      while (peer.receive()) probes.add(peer.number);
      return;
    }
    ASSERT_TRUE(peer.answer_probe());
    Market{}.serve(peer);
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{80};
  const auto deaf = Client::connect(options, core::after(milliseconds{60}));
  ASSERT_FALSE(deaf);
  const auto client = connected(options);
  EXPECT_TRUE(client->underlying("SPY", soon()));
  EXPECT_EQ(client->link().sessions, 1u) << "what was deaf never was a session";
  EXPECT_GE(probes.all().size(), 3u) << "a first question may be lost: it is asked again";
}

TEST(Health, TheLastProblemSaysThatNothingWasAnswered) {
  ScriptedGateway gateway{[&](Peer& peer) {
    // Such a short patience, or the end of the test, may cut a handshake short.
    if (!peer.read_hello() || !peer.reply_hello(178) || !peer.read_start()) return;
    peer.say_ready();
    peer.wait_for_end();
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{40};
  const auto client = Client::start(options).value();
  EXPECT_TRUE(eventually([&] {
    return client->link().last_problem == "the gateway accepts the connection but answers nothing";
  })) << client->link().last_problem;
  EXPECT_FALSE(client->link().connected);
}

TEST(Health, AGatewayThatHangsInTheMiddleOfAFrameBeforeItIsBelievedIsGivenUp) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start() &&
                peer.say_ready());
    if (peer.number == 1) {
      peer.raw(
          std::string("\0\0\1\0"
                      "49\0",
                      7));
      peer.wait_for_end();
      return;
    }
    ASSERT_TRUE(peer.answer_probe());
    Market{}.serve(peer);
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{200};
  EXPECT_TRUE(connected(options));
}

TEST(Health, ABlackHoleDelaysTheEndByNothing) {
  // A listener whose queue is full: the system drops further attempts, as a firewall would.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> fillers;
  for (int i = 0; i < 3; ++i) {
    const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)::connect(filler, reinterpret_cast<sockaddr*>(&address), sizeof address);
    fillers.push_back(filler);
  }
  ClientOptions options;
  options.port = ntohs(address.sin_port);
  options.connect_timeout = seconds{60};
  const auto begun = std::chrono::steady_clock::now();
  {
    const auto client = Client::start(options).value();
    EXPECT_FALSE(client->wait_ready(core::after(milliseconds{50})));
    EXPECT_EQ(client->link().last_problem, "") << "the attempt is still under way";
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds{10});
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

// ---- restarts

TEST(Restart, TheDailyOneIsSurvivedUnderTheSameClient) {
  // End of the stream, a port that refuses for a while, then a fresh gateway on it.
  std::uint16_t port = 0;
  ClientOptions options;
  std::unique_ptr<Client> client;
  {
    ScriptedGateway before{[](Peer& peer) {
      ASSERT_TRUE(peer.handshake());
      Market{}.serve(peer);
    }};
    options = before.options();
    port = before.port();
    client = connected(options);
    ASSERT_TRUE(client->underlying("SPY", soon()));
  }
  EXPECT_TRUE(eventually([&] { return !client->link().connected; }));
  EXPECT_TRUE(
      eventually([&] { return client->link().last_problem.find("refused") != std::string::npos; }));
  EXPECT_EQ(client->underlying("SPY", core::after(milliseconds{30})).error().code,
            Errc::unavailable);
  ScriptedGateway after{[](Peer& peer) {
                          ASSERT_TRUE(peer.handshake());
                          Market{}.serve(peer);
                        },
                        port};
  EXPECT_TRUE(client->underlying("SPY", soon()));
  EXPECT_EQ(client->link().sessions, 2u);
}

TEST(Restart, OnAnotherPortIsFollowed) {
  Log<int> served;
  ScriptedGateway moved{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    served.add(2);
    Market{}.serve(peer);
  }};
  ScriptedGateway first{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    served.add(1);
    peer.notice(1300, std::nullopt,
                "TWS socket port has been reset and this connection is being dropped. Please "
                "reconnect on the new port - " +
                    std::to_string(moved.port()));
  }};
  const auto client = connected(first.options());
  EXPECT_TRUE(served.wait_for(2));
  EXPECT_THAT(served.all(), ElementsAre(1, 2));
  EXPECT_TRUE(client->underlying("SPY", soon()));
}

TEST(Restart, APortThatWasOnlyAnnouncedIsGivenUpAgain) {
  std::uint16_t nobody = 0;
  {
    nobody = net::Listener::bind("127.0.0.1", 0)->port();
  }
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    if (peer.number == 1) {
      peer.notice(1300, std::nullopt, "reconnect on the new port - " + std::to_string(nobody));
      return;
    }
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  EXPECT_TRUE(eventually([&] { return client->link().sessions == 2; }));
  EXPECT_TRUE(client->underlying("SPY", soon()));
}

TEST(Restart, AnOldGatewayIsSaidToBeOne) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    peer.notice(503, std::nullopt, "The TWS is out of date and must be upgraded.");
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  ASSERT_TRUE(client->current_time(soon()));
  EXPECT_EQ(client->link().alert, "The TWS is out of date and must be upgraded. (503)");
}

// ---- streams

/// Counts what is subscribed, and sends nothing to the first so many.
struct Silence {
  std::size_t silent;
  Log<int> subscribed{};
  Log<int> cancelled{};

  Market market() {
    Market m;
    m.on_market_data = [this](Peer& peer, const wire::MarketDataRequest&) {
      subscribed.add(peer.number);
      return subscribed.all().size() <= silent;
    };
    m.on_cancel = [this](Peer&, int req_id) { cancelled.add(req_id); };
    return m;
  }
};

TEST(Streams, ThatDieWithoutAWordAreSubscribedAgain) {
  Silence silence{.silent = 2};
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    silence.market().serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{60};
  const auto client = connected(options);
  const auto report = client->quotes(calls(2), patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 2u);
  EXPECT_EQ(client->link().sessions, 1u);
  EXPECT_EQ(silence.subscribed.all().size(), 4u);
  EXPECT_TRUE(silence.cancelled.wait_for(4)) << "the dead ones were cancelled, too";
  EXPECT_EQ(client->link().alert, "");
}

TEST(Streams, ThatStayDeadGetANewLink) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    Market market;
    market.on_market_data = [](Peer& p, const wire::MarketDataRequest&) { return p.number == 1; };
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{40};
  const auto client = connected(options);
  const auto report = client->quotes(calls(2), patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 2u);
  EXPECT_EQ(client->link().sessions, 2u);
  EXPECT_THAT(client->link().last_problem, HasSubstr("no tick for"));
}

TEST(Streams, ThatAreDeadOnTheNewLinkAreAnAlert) {
  std::atomic<bool> alive{false};
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    Market market;
    market.on_market_data = [&](Peer&, const wire::MarketDataRequest&) { return !alive; };
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{20};
  const auto client = connected(options);
  std::jthread round{[&] {
    const auto report = client->quotes(calls(1), {.dwell_cap = milliseconds{30}}, market_clock,
                                       core::after(seconds{0}));
    EXPECT_TRUE(report);
    while (client->link().alert.empty()) {
      (void)client->quotes(calls(1), {.dwell_cap = milliseconds{30}}, market_clock, soon());
    }
  }};
  EXPECT_TRUE(eventually([&] { return !client->link().alert.empty(); }));
  round.join();
  EXPECT_THAT(client->link().alert, HasSubstr("although market data are subscribed"));
  EXPECT_EQ(client->link().last_problem, client->link().alert);
  alive = true;
  ASSERT_TRUE(client->quotes(calls(1), patient(), market_clock, soon()));
  EXPECT_EQ(client->link().alert, "") << "a tick ends it";
}

TEST(Streams, AreExpectedToBeSilentWhileTheMarketIsClosed) {
  std::atomic<bool> open{false};
  Silence silence{.silent = 1};
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    silence.market().serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{10};
  options.market_open = [&] { return open.load(); };
  const auto client = connected(options);
  const auto report =
      client->quotes(calls(1), {.dwell_cap = milliseconds{150}}, market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->not_reached, 1u);
  EXPECT_EQ(silence.subscribed.all().size(), 1u) << "nothing was subscribed again";
  EXPECT_EQ(client->link().sessions, 1u);
}

TEST(Streams, AFarmThatWasBrokenDuringTheHandshakeIsRemembered) {
  std::size_t seen = 0;
  Log<int> subscribed;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start());
    peer.notice(2103, std::nullopt, "Market data farm connection is broken:usopt");
    ASSERT_TRUE(peer.say_ready() && peer.answer_probe());
    Market market;
    market.on_market_data = [&](Peer& p, const wire::MarketDataRequest&) {
      subscribed.add(1);
      if (++seen > 1) return false;
      p.notice(2104, std::nullopt, "Market data farm connection is OK:usopt");
      return true;  // this one stays dead
    };
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{0};
  const auto report = connected(options)->quotes(calls(1), patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 1u);
  EXPECT_EQ(subscribed.all().size(), 2u);
}

TEST(Streams, ABrokerThatIsAwayAtTheHandshakeIsWaitedFor) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.read_hello() && peer.reply_hello(178) && peer.read_start());
    peer.notice(2110);
    ASSERT_TRUE(peer.say_ready() && peer.answer_probe());
    peer.notice(1102);
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  EXPECT_TRUE(client->underlying("SPY", soon()));
}

TEST(Streams, AFarmThatIsBackMeansThatTheBrokerIs) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    ASSERT_TRUE(peer.receive());
    peer.notice(1100);
    peer.send(wire::CurrentTime{1});
    peer.notice(2104, std::nullopt, "Market data farm connection is OK:usopt");
    Market{}.serve(peer);
  }};
  const auto client = connected(gateway.options());
  ASSERT_TRUE(client->current_time(soon()));
  EXPECT_TRUE(client->underlying("SPY", soon()));
  EXPECT_EQ(client->link().sessions, 1u);
}

TEST(Streams, APriceThatComesLaterMeansThatTheBrokerIsBack) {
  Log<int> subscribed;
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    int first = 0;
    Market market;
    market.on_market_data = [&](Peer& p, const wire::MarketDataRequest& request) {
      subscribed.add(request.req_id);
      if (first != 0) return false;
      first = request.req_id;
      p.notice(1100);
      return true;
    };
    market.on_any = [&](Peer& p, const wire::Fields& fields) {
      // Of the heartbeats each brings a price.
      const bool heartbeat = wire::decode<wire::CurrentTimeRequest>(fields, 178).has_value();
      if (heartbeat) p.send(wire::TickPrice{first, wire::tick::bid, 4.55, 12, 1});
      return false;
    };
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{0};
  options.heartbeat_interval = milliseconds{20};
  options.upstream_patience = seconds{12};
  const auto client = connected(options);
  const auto report = client->quotes(calls(1), patient(), market_clock, soon());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complete, 1u);
  EXPECT_EQ(subscribed.all().size(), 2u);
  EXPECT_EQ(client->link().sessions, 1u);
}

TEST(Streams, ABrokerThatStaysAwayGetsANewLink) {
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    if (peer.number == 1) peer.notice(1100);
    Market{}.serve(peer);
  }};
  auto options = gateway.options();
  options.upstream_patience = milliseconds{60};
  const auto client = connected(options);
  EXPECT_TRUE(eventually([&] { return client->link().sessions == 2; }));
  EXPECT_EQ(client->link().last_problem, "the gateway has been without the broker for too long");
  EXPECT_TRUE(client->underlying("SPY", soon()));
}

TEST(Streams, TimeWithoutALinkIsNoSilence) {
  ScriptedGateway gateway{[&](Peer& peer) {
    if (peer.number == 2) return peer.wait_for_end();  // away for longer than streams may be silent
    ASSERT_TRUE(peer.handshake());
    Market market;
    market.on_market_data = [&](Peer& p, const wire::MarketDataRequest&) {
      return p.number == 1 && !p.raw(std::string(4, '\0'));
    };
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.handshake_timeout = milliseconds{900};
  options.stale_after = milliseconds{600};
  const auto client = connected(options);
  // A line is held all the while.
  EXPECT_TRUE(client->underlying_quote(spx, patient(), market_clock, soon()));
  EXPECT_EQ(client->link().sessions, 2u);
  EXPECT_THAT(client->link().last_problem, testing::Not(HasSubstr("no tick for")));
}

TEST(Streams, TheSilenceOfAClosedMarketIsForgottenAtTheOpen) {
  std::atomic<bool> open{false};
  Silence silence{.silent = 1'000};
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    silence.market().serve(peer);
  }};
  auto options = gateway.options();
  options.stale_after = milliseconds{400};
  options.market_open = [&] { return open.load(); };
  const auto client = connected(options);
  const auto look = [&] {
    ASSERT_TRUE(client->quotes(calls(1), {.dwell_cap = milliseconds{40}}, market_clock, soon()));
  };
  for (int i = 0; i < 25; ++i) look();
  open = true;
  for (int i = 0; i < 2; ++i) look();
  EXPECT_EQ(client->link().last_problem, "");
}

// ---- budgets

TEST(Budget, TheRateInForceIsHalvedByAComplaintAndGrowsBack) {
  for (const int code : {0, 100}) {
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake());
      peer.notice(code, std::nullopt, "Approaching max rate of 50 messages per second (44)");
      Market{}.serve(peer);
    }};
    auto options = gateway.options();
    options.messages_per_second = 1'000;
    options.rate_recovery = milliseconds{100};
    const auto client = connected(options);
    ASSERT_TRUE(client->current_time(soon()));
    bool halved = false;
    EXPECT_TRUE(eventually([&] {
      const double rate = client->link().messages_per_second;
      halved = halved || rate < 1'000;
      return halved && rate == 1'000;
    })) << code;
  }
}

TEST(Budget, FewLinesAreAnAlert) {
  Log<int> asked;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    asked.add(1);
    if (asked.all().size() > 15) return false;
    peer.notice(101, request.req_id, "Max number of tickers has been reached");
    return true;
  };
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    market.serve(peer);
  }};
  auto options = gateway.options();
  options.lines = 30;
  const auto client = connected(options);
  ASSERT_TRUE(client->quotes(calls(30), patient(), market_clock, soon()));
  const auto link = client->link();
  EXPECT_LT(link.lines_budget, 20);
  EXPECT_EQ(link.alert,
            "the gateway grants only " + std::to_string(link.lines_budget) + " market-data lines");
}

TEST(Budget, ACompetingSessionIsAnAlertUntilDataFlowAgain) {
  Log<int> asked;
  Market market;
  market.on_market_data = [&](Peer& peer, const wire::MarketDataRequest& request) {
    asked.add(1);
    if (asked.all().size() > 1) return false;
    peer.notice(10197, request.req_id, "No market data during competing live session");
    return true;
  };
  ScriptedGateway gateway{[&](Peer& peer) {
    ASSERT_TRUE(peer.handshake());
    market.serve(peer);
  }};
  const auto client = connected(gateway.options());
  const auto report = client->quotes(calls(1), patient(), market_clock, soon());
  ASSERT_TRUE(report && report->stopped);
  EXPECT_THAT(client->link().alert, HasSubstr("another session"));
  ASSERT_TRUE(client->quotes(calls(1), patient(), market_clock, soon()));
  EXPECT_EQ(client->link().alert, "");
}

// ---- recording

TEST(RecordedLink, HoldsEveryFrameOfBothDirectionsInOrderAndNoAccount) {
  const TemporaryFolder folder;
  {
    ScriptedGateway gateway{[&](Peer& peer) {
      ASSERT_TRUE(peer.handshake());
      Market{}.serve(peer);
    }};
    auto options = gateway.options();
    options.recorder = Recorder::open({.folder = folder.path()}).value();
    const auto client = connected(options);
    ASSERT_TRUE(client->underlying("SPY", soon()));
    ASSERT_TRUE(client->quotes(calls(2), patient(), market_clock, soon()));
  }
  auto reader = RecordingReader::open(folder.path()).value();
  std::string kinds;
  std::vector<std::string> sent;
  std::string all;
  std::size_t ticks = 0;
  for (;;) {
    const auto record = reader.next();
    ASSERT_TRUE(record) << record.error().message;
    if (!*record) break;
    kinds.push_back(static_cast<char>((*record)->kind));
    all += (*record)->payload;
    const wire::Fields fields{(*record)->payload};
    if ((*record)->kind == Record::Kind::sent) sent.emplace_back(fields[0]);
    if ((*record)->kind == Record::Kind::received && fields[0] == "1") {
      EXPECT_EQ((*record)->server_version, 178);
      ++ticks;
    }
  }
  EXPECT_EQ(reader.truncated(), 0);
  EXPECT_THAT(sent, ElementsAre("v176..178", "71", "49", "9", "59", "1", "1", "2", "2"));
  EXPECT_EQ(kinds.substr(0, 8), "o><><<><") << "opened, hello, version, start, lists, probe";
  EXPECT_EQ(kinds.back(), 'x');
  EXPECT_EQ(ticks, 6u);
  EXPECT_EQ(all.find("DU1234567"), all.npos);
  EXPECT_NE(all.find(recorded_account), all.npos);
}

}  // namespace
}  // namespace bifrost::ib
