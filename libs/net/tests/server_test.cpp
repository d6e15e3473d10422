// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <random>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "client.hpp"

namespace bifrost::net {
namespace {

using testing::Client;
using namespace std::chrono_literals;

Response echo(const Request& request) {
  if (request.path == "/throw") throw std::runtime_error{"password is hunter2"};
  if (request.path == "/split") return {200, "text/plain", "", {{"x-a", "1\r\nx-b: 2"}}};
  return {200, "text/plain",
          request.method + " " + request.path + "?" + request.query + " " + request.body};
}

Server start(ServerOptions options = {}, Server::Handler handler = echo) {
  return Server::start(options, std::move(handler)).value();
}

TEST(Server, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  auto server = start();
  Client client{server.port()};
  EXPECT_EQ(client.get("/a?b=c").body, "GET /a?b=c ");
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  ASSERT_TRUE(client.send(many));
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.receive().body, "GET /" + std::to_string(i) + "? ");
  }
}

TEST(Server, ReadsARequestThatComesByteByByte) {
  auto server = start();
  Client client{server.port()};
  for (const char c :
       std::string_view{"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"}) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  EXPECT_EQ(client.receive().body, "POST /x? abc");
}

TEST(Server, ReadsChunkedBodies) {
  auto server = start();
  Client client{server.port()};
  ASSERT_TRUE(
      client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n2;note=1\r\nde\r\n0\r\n\r\n"));
  EXPECT_EQ(client.receive().body, "POST /x? abcde");
  EXPECT_EQ(client.get("/next").status, 200);
}

TEST(Server, TellsAClientThatAsksToGoOn) {
  auto server = start();
  Client client{server.port()};
  ASSERT_TRUE(client.send(
      "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  EXPECT_EQ(client.receive().status, 100);
  ASSERT_TRUE(client.send("ok"));
  EXPECT_EQ(client.receive().body, "POST /x? ok");
}

TEST(Server, EveryResponseCarriesTheRequestIdAndSafetyHeaders) {
  auto server = start();
  Client client{server.port()};
  const auto own = client.get("/");
  EXPECT_FALSE(own.header("x-request-id").empty());
  EXPECT_EQ(own.header("x-content-type-options"), "nosniff");
  EXPECT_FALSE(own.header("referrer-policy").empty());
  EXPECT_NE(client.get("/").header("x-request-id"), own.header("x-request-id"));
  EXPECT_EQ(client.get("/", "X-Request-Id: abc-1\r\n").header("x-request-id"), "abc-1");
  EXPECT_NE(client.get("/", "X-Request-Id: a b\r\n").header("x-request-id"), "a b");
}

TEST(Server, AHeaderValueCannotAddHeaders) {
  auto server = start();
  Client client{server.port()};
  EXPECT_EQ(client.get("/split").header("x-b"), "");
}

TEST(Server, HeadHasTheLengthWithoutTheBody) {
  auto server = start();
  Client client{server.port()};
  ASSERT_TRUE(client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.receive(true).header("content-length"), "9");
  EXPECT_EQ(client.get("/b").body, "GET /b? ");
}

TEST(Server, AnExceptionIsA500WithoutItsText) {
  auto server = start();
  Client client{server.port()};
  const auto reply = client.get("/throw");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.header("content-type"), "application/problem+json");
  EXPECT_EQ(reply.body.find("hunter2"), std::string::npos);
  EXPECT_EQ(client.get("/").status, 200);
}

TEST(Server, ABodyOverTheLimitIsA413AndTheAnswerArrives) {
  auto server = start();
  const std::string big(10'000'000, 'x');
  Client client{server.port()};
  EXPECT_EQ(client.post("/x", big).status, 413);
  Client chunked{server.port()};
  chunked.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n989680\r\n" + big);
  EXPECT_EQ(chunked.receive().status, 413);
}

TEST(Server, HeadersOverTheLimitAreA431) {
  auto server = start();
  Client client{server.port()};
  EXPECT_EQ(client.get("/", "X-Long: " + std::string(20'000, 'x') + "\r\n").status, 431);
  EXPECT_TRUE(client.closed_within(5s));
  Client endless{server.port()};
  endless.send("GET / HTTP/1.1\r\nX-Endless: " + std::string(100'000, 'x'));
  EXPECT_EQ(endless.receive().status, 431);
}

TEST(Server, AnEndlessChunkHeaderIsRefused) {
  auto server = start();
  Client client{server.port()};
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
              std::string(300'000, 'x'));
  EXPECT_EQ(client.receive().status, 400);
}

TEST(Server, GarbageIsA400AndAClosedConnection) {
  auto server = start();
  for (const std::string_view bytes :
       {std::string_view{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11},
        std::string_view{"NONSENSE\r\n\r\n"}, std::string_view{"GET / HTTP/9.9\r\n\r\n"},
        std::string_view{"GET  HTTP/1.1\r\nHost: x\r\n\r\n"},
        std::string_view{"GET / HTTP/1.1\r\n\r\n"},
        std::string_view{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        std::string_view{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
        std::string_view{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
        std::string_view{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
                         "chunked\r\n\r\n0\r\n\r\n"},
        std::string_view{
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}}) {
    Client client{server.port()};
    ASSERT_TRUE(client.send(bytes));
    client.send("\r\n\r\n");
    EXPECT_EQ(client.receive().status, 400) << bytes;
    EXPECT_TRUE(client.closed_within(5s)) << bytes;
  }
  EXPECT_EQ(Client{server.port()}.get("/").status, 200);
}

TEST(Server, RandomBytesNeverStopIt) {
  auto server = start();
  std::mt19937 random{1};
  for (int i = 0; i < 200; ++i) {
    Client client{server.port()};
    std::string bytes(1 + random() % 2000, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (i % 2 == 0) bytes = "GET / HTTP/1.1\r\n" + bytes;
    client.send(bytes);
  }
  EXPECT_EQ(Client{server.port()}.get("/").status, 200);
}

TEST(Server, ATruncatedRequestIsForgotten) {
  std::atomic<int> calls = 0;
  auto server = start({}, [&calls](const Request&) {
    ++calls;
    return Response{};
  });
  {
    Client client{server.port()};
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  }
  EXPECT_EQ(Client{server.port()}.get("/").status, 200);
  EXPECT_EQ(calls, 1);
}

TEST(Server, ASlowRequestIsClosedHoweverSteadilyItDrips) {
  ServerOptions options;
  options.read_timeout = 100ms;
  auto server = start(options);
  Client client{server.port()};
  client.send("GET / HTTP/1.1\r\n");
  const auto begin = std::chrono::steady_clock::now();
  bool open = true;
  while (open && std::chrono::steady_clock::now() - begin < 10s) {
    open = client.send("x") && !client.closed_within(10ms);
  }
  EXPECT_FALSE(open);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
}

TEST(Server, AnIdleConnectionIsClosed) {
  ServerOptions options;
  options.idle_timeout = 50ms;
  auto server = start(options);
  Client client{server.port()};
  EXPECT_TRUE(client.closed_within(10s));
}

TEST(Server, AResponseThatNobodyReadsIsGivenUp) {
  ServerOptions options;
  options.write_timeout = 100ms;
  auto server = start(options, [](const Request& request) {
    return Response{200, "text/plain", std::string(request.path == "/big" ? 50'000'000 : 1, 'x')};
  });
  Client stuck{server.port()};
  ASSERT_TRUE(stuck.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
  // The server keeps serving others meanwhile, on the very thread that watches the clock.
  Client other{server.port()};
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 1s) ASSERT_EQ(other.get("/").status, 200);
  EXPECT_LT(stuck.receive().body.size(), 50'000'000u);
  EXPECT_TRUE(stuck.closed_within(5s));
}

TEST(Server, AFullQueueIsA503ThatSaysWhenToComeAgain) {
  ServerOptions options;
  options.workers = 1;
  options.queue_limit = 1;
  std::counting_semaphore<> entered{0};
  std::counting_semaphore<> release{0};
  auto server = start(options, [&](const Request&) {
    entered.release();
    release.acquire();
    return Response{};
  });
  Client running{server.port()};
  running.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.acquire();
  // One of these two waits in the queue, the other is refused.
  Client a{server.port()};
  Client b{server.port()};
  a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  b.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const bool a_answered = a.fill(300ms);
  const auto refused = a_answered ? a.receive() : b.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  release.release(2);
  EXPECT_EQ(running.receive().status, 200);
  EXPECT_EQ((a_answered ? b : a).receive().status, 200);
}

TEST(Server, ConnectionsAreBounded) {
  ServerOptions options;
  options.max_connections = 2;
  auto server = start(options);
  Client a{server.port()};
  EXPECT_EQ(a.get("/").status, 200);
  Client b{server.port()};
  EXPECT_EQ(b.get("/").status, 200);
  Client c{server.port()};
  EXPECT_EQ(c.receive().status, 503);
  EXPECT_TRUE(c.closed_within(5s));
  EXPECT_EQ(a.get("/").status, 200);
}

TEST(Server, StopFinishesTheRequestInFlightAndClosesTheRest) {
  std::latch entered{1};
  std::latch release{1};
  auto server = start({}, [&](const Request& request) {
    if (request.path == "/slow") {
      entered.count_down();
      release.wait();
    }
    return Response{200, "text/plain", "done"};
  });
  Client idle{server.port()};
  EXPECT_EQ(idle.get("/").status, 200);
  Client busy{server.port()};
  busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.wait();
  std::thread stopper{[&server] { server.stop(); }};
  EXPECT_TRUE(idle.closed_within(5s));
  EXPECT_FALSE(Connection::connect("127.0.0.1", server.port(), core::after(1s)).has_value());
  release.count_down();
  const auto reply = busy.receive();
  EXPECT_EQ(reply.body, "done");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(busy.closed_within(5s));
  busy.connection().shutdown();
  stopper.join();
}

TEST(Server, StopGivesUpOnARequestThatNeverEnds) {
  ServerOptions options;
  options.drain_limit = 50ms;
  auto server = start(options);
  Client client{server.port()};
  client.send("GET / HTTP/1.1\r\nHost:");
  EXPECT_FALSE(client.fill(50ms));
  const auto begin = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_TRUE(client.closed_within(5s));
}

TEST(Server, ABusyPortIsAConflict) {
  auto server = start();
  ServerOptions options;
  options.port = server.port();
  const auto second = Server::start(options, echo);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, core::Errc::conflict);
}

TEST(Server, ManyClientsAtOnceAreAllAnswered) {
  auto server = start();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Client client{server.port()};
      for (int i = 0; i < 200; ++i) {
        const auto path = "/" + std::to_string(t) + "-" + std::to_string(i);
        good += client.get(path).body == "GET " + path + "? " ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 1600);
}

}  // namespace
}  // namespace bifrost::net
