// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/ws.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <random>
#include <thread>

#include "bifrost/net/server.hpp"
#include "client.hpp"

namespace bifrost::net {
namespace {

using testing::Client;
using namespace std::chrono_literals;

// "+topic" subscribes, "-topic" unsubscribes; both are confirmed, all else is echoed.
WsCommand parse(std::string_view text) {
  const std::string topic{text.substr(std::min<std::size_t>(1, text.size()))};
  if (text.starts_with('+')) return {WsCommand::Kind::subscribe, topic, "ok " + topic};
  if (text.starts_with('-')) return {WsCommand::Kind::unsubscribe, topic, "bye " + topic};
  return {.reply = "? " + std::string{text}};
}

struct Desk {
  explicit Desk(WsHub::Options options = {})
      : hub([&options] {
          options.parse = parse;
          return options;
        }()),
        server(Server::start({}, [](const Request&) { return Response{}; }, &hub).value()) {}

  Client connect() {
    Client client{server.port()};
    EXPECT_EQ(client.upgrade("/api/ws").status, 101);
    return client;
  }

  Client subscribed(const std::string& topic) {
    auto client = connect();
    client.send_frame(1, "+" + topic);
    EXPECT_EQ(client.receive_text(), "ok " + topic);
    return client;
  }

  // Lets the I/O thread do everything that was posted before.
  void settle() { EXPECT_EQ(Client{server.port()}.get("/").status, 200); }

  WsHub hub;
  Server server;
};

TEST(WsHub, AcceptsAHandshakeAsTheStandardShowsIt) {
  Desk desk;
  Client client{desk.server.port()};
  const auto reply = client.upgrade("/api/ws", "Origin: http://test\r\n");
  EXPECT_EQ(reply.status, 101);
  EXPECT_NE(reply.head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);  // RFC 6455 1.3
}

TEST(WsHub, RefusesPagesOfOtherOrigins) {
  Desk desk;
  for (const auto* origin : {"http://evil", "http://test.evil", "null", "http://test:8080"}) {
    Client client{desk.server.port()};
    EXPECT_EQ(client.upgrade("/api/ws", "Origin: " + std::string{origin} + "\r\n").status, 403)
        << origin;
  }
  for (const auto* origin : {"http://TEST", "https://test", "http://test:80"}) {
    Client client{desk.server.port()};
    EXPECT_EQ(client.upgrade("/api/ws", "Origin: " + std::string{origin} + "\r\n").status, 101)
        << origin;
  }
}

TEST(WsHub, AnOrdinaryRequestOnItsPathIsTold) {
  Desk desk;
  EXPECT_EQ(Client{desk.server.port()}.get("/api/ws").status, 426);
}

TEST(WsHub, PublishesToSubscribersOnly) {
  Desk desk;
  auto a = desk.subscribed("spx");
  auto b = desk.subscribed("spx");
  auto c = desk.subscribed("aapl");
  EXPECT_EQ(desk.hub.topics(), (std::vector<std::string>{"aapl", "spx"}));
  desk.hub.publish("spx", "1");
  desk.hub.publish("aapl", "2");
  desk.hub.publish("twx", "3");
  EXPECT_EQ(a.receive_text(), "1");
  EXPECT_EQ(b.receive_text(), "1");
  EXPECT_EQ(c.receive_text(), "2");
  a.send_frame(1, "-spx");
  EXPECT_EQ(a.receive_text(), "bye spx");
  desk.hub.publish("spx", "4");
  EXPECT_EQ(b.receive_text(), "4");
  a.send_frame(1, "hello");
  EXPECT_EQ(a.receive_text(), "? hello");
}

TEST(WsHub, ForgetsClientsThatLeave) {
  Desk desk;
  {
    auto a = desk.subscribed("spx");
    a.send_frame(8, std::string{"\x03\xe8", 2});
    EXPECT_EQ(a.receive_frame().close_code(), 1000);
  }
  {
    auto b = desk.subscribed("aapl");
  }  // without a word
  const auto deadline = core::after(5s);
  while (desk.hub.clients() > 0 && std::chrono::steady_clock::now() < deadline) desk.settle();
  EXPECT_EQ(desk.hub.clients(), 0u);
  EXPECT_TRUE(desk.hub.topics().empty());
}

TEST(WsHub, ANewSubscriberGetsThePresentState) {
  WsHub::Options options;
  options.present = [](const std::string& topic) -> std::optional<std::string> {
    if (topic == "empty") return std::nullopt;
    return "state of " + topic;
  };
  Desk desk{options};
  auto a = desk.subscribed("spx");
  EXPECT_EQ(a.receive_text(), "state of spx");
  auto b = desk.subscribed("empty");
  b.send_frame(1, "x");
  EXPECT_EQ(b.receive_text(), "? x");
}

TEST(WsHub, AnOldStateNeverFollowsANewerMessage) {
  std::latch asked{1};
  std::latch release{1};
  WsHub::Options options;
  options.present = [&](const std::string&) -> std::optional<std::string> {
    asked.count_down();
    release.wait();
    return "old";
  };
  Desk desk{options};
  auto a = desk.subscribed("spx");
  asked.wait();
  desk.hub.publish("spx", "new");
  EXPECT_EQ(a.receive_text(), "new");
  release.count_down();
  desk.settle();
  desk.hub.publish("spx", "newer");
  EXPECT_EQ(a.receive_text(), "newer");
}

TEST(WsHub, ASlowClientGetsTheLatestOfEachTopicAndOthersEverything) {
  WsHub::Options options;
  options.max_queue = 4;
  options.send_buffer_bytes = 128 * 1024;
  Desk desk{options};
  auto slow = desk.subscribed("a");
  slow.send_frame(1, "+b");
  EXPECT_EQ(slow.receive_text(), "ok b");
  auto quick = desk.subscribed("a");
  const std::string filler(200'000, '.');
  constexpr int rounds = 200;  // 80 MB: no socket buffer holds that
  for (int i = 0; i < rounds; ++i) {
    desk.hub.publish("a", "a" + std::to_string(i) + filler);
    desk.hub.publish("b", "b" + std::to_string(i) + filler);
    ASSERT_EQ(quick.receive_text().substr(0, 6), ("a" + std::to_string(i) + filler).substr(0, 6));
  }
  desk.settle();
  int received = 0;
  std::string last_a;
  std::string last_b;
  const std::string final_a = "a" + std::to_string(rounds - 1);
  const std::string final_b = "b" + std::to_string(rounds - 1);
  while (last_a != final_a || last_b != final_b) {
    const auto text = slow.receive_text();
    ASSERT_EQ(text.size(), filler.size() + text.find('.'));
    (text.front() == 'a' ? last_a : last_b) = text.substr(0, text.find('.'));
    ++received;
  }
  EXPECT_LT(received, rounds);
  EXPECT_EQ(desk.hub.clients(), 2u);
}

TEST(WsHub, AClientThatNeverReadsIsDroppedWithACloseCode) {
  WsHub::Options options;
  options.drain_limit = 500ms;
  options.send_buffer_bytes = 128 * 1024;
  Desk desk{options};
  auto stuck = desk.subscribed("a");
  auto quick = desk.subscribed("a");
  const std::string filler(500'000, '.');
  for (int i = 0; i < 40; ++i) {
    desk.hub.publish("a", filler);
    ASSERT_EQ(quick.receive_text().size(), filler.size());
  }
  // The drop is decided on the server's clock; then the client reads what was under way, and the
  // reason.
  const auto deadline = core::after(10s);
  Client::Frame frame;
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 800ms) {
    quick.send_frame(1, "x");
    ASSERT_EQ(quick.receive_text(), "? x");
  }
  do {
    frame = stuck.receive_frame();
  } while (frame.opcode == 1 && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(frame.opcode, 8);
  EXPECT_EQ(frame.close_code(), 1013);
  while (desk.hub.clients() > 1 && std::chrono::steady_clock::now() < deadline) desk.settle();
  EXPECT_EQ(desk.hub.clients(), 1u);
}

TEST(WsHub, AClientThatNeverReadsAndNeverWillIsCutOff) {
  WsHub::Options options;
  options.drain_limit = 100ms;
  options.send_buffer_bytes = 128 * 1024;
  Desk desk{options};
  auto stuck = desk.subscribed("a");
  for (int i = 0; i < 40; ++i) desk.hub.publish("a", std::string(500'000, '.'));
  const auto deadline = core::after(15s);
  while (desk.hub.clients() > 0 && std::chrono::steady_clock::now() < deadline) desk.settle();
  EXPECT_EQ(desk.hub.clients(), 0u);
  EXPECT_TRUE(desk.hub.topics().empty());
}

TEST(WsHub, PingsItsClientsAndDropsTheSilent) {
  WsHub::Options options;
  options.ping_interval = 50ms;
  Desk desk{options};
  auto silent = desk.connect();
  auto alive = desk.connect();
  const auto begin = std::chrono::steady_clock::now();
  int pings = 0;
  while (std::chrono::steady_clock::now() - begin < 400ms) {
    const auto frame = alive.receive_frame();
    ASSERT_EQ(frame.opcode, 9);
    alive.send_frame(10, frame.payload);
    ++pings;
  }
  EXPECT_GE(pings, 3);
  EXPECT_EQ(desk.hub.clients(), 1u);
  EXPECT_TRUE(silent.closed_within(5s));
}

TEST(WsHub, RefusesWhatIsTooBigBinaryOrNotUtf8) {
  Desk desk;
  auto big = desk.connect();
  big.send_frame(1, std::string(20'000, 'x'));
  EXPECT_EQ(big.receive_frame().close_code(), 1009);
  auto binary = desk.connect();
  binary.send_frame(2, "x");
  EXPECT_EQ(binary.receive_frame().close_code(), 1003);
  auto bad = desk.connect();
  bad.send_frame(1, "\xFF\xFF");
  EXPECT_EQ(bad.receive_frame().close_code(), 1007);
  auto unmasked = desk.connect();
  unmasked.send_frame(1, "x", false);
  EXPECT_EQ(unmasked.receive_frame().close_code(), 1002);
}

TEST(WsHub, TooManyTopicsCloseTheClient) {
  WsHub::Options options;
  options.max_topics = 2;
  Desk desk{options};
  auto client = desk.subscribed("a");
  client.send_frame(1, "+b");
  EXPECT_EQ(client.receive_text(), "ok b");
  client.send_frame(1, "+c");
  EXPECT_EQ(client.receive_frame().close_code(), 1008);
}

TEST(WsHub, RandomFramesNeverStopIt) {
  Desk desk;
  std::mt19937 random{2};
  for (int i = 0; i < 500; ++i) {
    auto client = desk.connect();
    std::string bytes(1 + random() % 500, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    client.send(bytes);
  }
  auto after_all = desk.subscribed("a");
  desk.hub.publish("a", "alive");
  EXPECT_EQ(after_all.receive_text(), "alive");
}

TEST(WsHub, StopTellsClientsThatTheServerGoesAway) {
  Desk desk;
  auto a = desk.subscribed("spx");
  std::thread stopper{[&desk] { desk.server.stop(); }};
  const auto frame = a.receive_frame();
  EXPECT_EQ(frame.close_code(), 1001);
  a.send_frame(8, frame.payload);
  EXPECT_TRUE(a.closed_within(5s));
  a.connection().shutdown();
  stopper.join();
  EXPECT_EQ(desk.hub.clients(), 0u);
  desk.hub.publish("spx", "into the void");
}

TEST(WsHub, PublishingFromManyThreadsReachesEverybody) {
  Desk desk;
  auto a = desk.subscribed("spx");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&desk] {
      for (int i = 0; i < 10; ++i) desk.hub.publish("spx", "x");
    });
  }
  for (int i = 0; i < 40; ++i) ASSERT_EQ(a.receive_text(), "x");
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace bifrost::net
