// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/connection.hpp"

#include <gtest/gtest.h>

#include <array>
#include <latch>
#include <string>
#include <thread>

namespace bifrost::net {
namespace {

using core::Errc;
using namespace std::chrono_literals;

struct Pair {
  Connection client;
  Connection server;
};

Pair make_pair_of_connections() {
  auto listener = Listener::bind("127.0.0.1", 0).value();
  auto client = Connection::connect("127.0.0.1", listener.port(), core::after(5s)).value();
  auto server = listener.accept(core::after(5s)).value();
  return {std::move(client), std::move(server)};
}

TEST(Connection, BytesArriveInOrderAndTheEndIsZero) {
  auto [client, server] = make_pair_of_connections();
  std::string sent(5'000'000, 'x');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 23);
  std::thread writer{[&from = client, &sent] {
    EXPECT_TRUE(from.write_all(sent, core::after(20s)).has_value());
    from.shutdown();
  }};
  std::string got;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto n = server.read_some(buffer, core::after(20s));
    ASSERT_TRUE(n.has_value()) << n.error().message;
    if (*n == 0) break;
    got.append(buffer.data(), *n);
  }
  writer.join();
  EXPECT_EQ(got, sent);
}

TEST(Connection, ReadGivesUpAtTheDeadlineAndStaysUsable) {
  auto [client, server] = make_pair_of_connections();
  std::array<char, 16> buffer;
  const auto begin = std::chrono::steady_clock::now();
  const auto nothing = server.read_some(buffer, core::after(50ms));
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, Errc::timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
  ASSERT_TRUE(client.write_all("late", core::after(5s)).has_value());
  const auto n = server.read_some(buffer, core::after(5s));
  ASSERT_TRUE(n.has_value());
  EXPECT_EQ(std::string(buffer.data(), *n), "late");
}

TEST(Connection, WriteGivesUpWhenThePeerDoesNotRead) {
  auto [client, server] = make_pair_of_connections();
  const std::string much(64'000'000, 'x');
  const auto result = client.write_all(much, core::after(100ms));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::timeout);
}

TEST(Connection, ShutdownFromAnotherThreadEndsABlockedRead) {
  auto [client, server] = make_pair_of_connections();
  std::latch reading{1};
  std::thread reader{[&from = server, &reading] {
    std::array<char, 16> buffer;
    reading.count_down();
    const auto n = from.read_some(buffer, core::after(30s));
    ASSERT_TRUE(n.has_value());
    EXPECT_EQ(*n, 0u);
  }};
  reading.wait();
  server.shutdown();
  reader.join();
}

TEST(Connection, AResetReachesThePeerBehindWhatWasSentAndEndsABlockedRead) {
  auto [client, server] = make_pair_of_connections();
  ASSERT_TRUE(server.write_all("half", core::after(5s)).has_value());
  std::thread reader{[&from = server] {
    std::array<char, 16> buffer;
    const auto n = from.read_some(buffer, core::after(20s));
    EXPECT_TRUE(!n || *n == 0);
  }};
  server.reset();
  reader.join();
  std::array<char, 16> buffer;
  const auto first = client.read_some(buffer, core::after(5s));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(std::string(buffer.data(), *first), "half");
  const auto end = client.read_some(buffer, core::after(5s));
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().code, Errc::unavailable);
}

TEST(Connection, WritingToAPeerThatLeftIsAnErrorAndNotASignal) {
  auto [client, server] = make_pair_of_connections();
  {
    const Connection gone = std::move(server);
  }
  core::Result<> result;
  for (int i = 0; i < 1000 && result; ++i) {
    result = client.write_all(std::string(10'000, 'x'), core::after(5s));
  }
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::unavailable);
}

TEST(Connection, NobodyListeningIsUnavailable) {
  std::uint16_t port = 0;
  {
    port = Listener::bind("127.0.0.1", 0).value().port();
  }
  const auto result = Connection::connect("127.0.0.1", port, core::after(5s));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::unavailable);
}

TEST(Connection, UnknownHostIsUnavailable) {
  const auto result = Connection::connect("no-such-host.invalid", 1, core::after(5s));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::unavailable);
}

TEST(Listener, BusyPortIsAConflictThatNamesThePort) {
  const auto first = Listener::bind("127.0.0.1", 0).value();
  const auto second = Listener::bind("127.0.0.1", first.port());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(first.port())), std::string::npos);
}

TEST(Listener, AddressOfAnotherMachineIsUnavailable) {
  const auto result = Listener::bind("192.0.2.1", 0);  // RFC 5737: documentation only
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::unavailable);
}

TEST(Listener, AcceptGivesUpAtTheDeadline) {
  auto listener = Listener::bind("127.0.0.1", 0).value();
  const auto result = listener.accept(core::after(20ms));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::timeout);
}

TEST(Listener, CloseFromAnotherThreadEndsABlockedAcceptAndFreesThePort) {
  auto listener = Listener::bind("127.0.0.1", 0).value();
  std::thread closer{[&listener] { listener.close(); }};
  const auto result = listener.accept(core::after(30s));
  closer.join();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::cancelled);
  EXPECT_EQ(listener.accept(core::after(30s)).error().code, Errc::cancelled);
  EXPECT_TRUE(Listener::bind("127.0.0.1", listener.port()).has_value());
}

TEST(Listener, LocalhostIsReachableByItsNumber) {
  auto listener = Listener::bind("localhost", 0).value();
  EXPECT_TRUE(Connection::connect("127.0.0.1", listener.port(), core::after(5s)).has_value());
  EXPECT_TRUE(Connection::connect("localhost", listener.port(), core::after(5s)).has_value());
}

}  // namespace
}  // namespace bifrost::net
