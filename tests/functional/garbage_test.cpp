// SPDX-License-Identifier: Apache-2.0
// Garbage on every port: a clear error or a closed connection, the process alive, nothing written.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <fstream>
#include <random>

#include "bifrost/net/connection.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;

/// A recording of our own, so that this test needs no data from outside: one contract, one
/// snapshot.
std::filesystem::path tiny_recording() {
  const auto file = scratch() / "tiny.csv";
  std::ofstream{file}
      << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
         "delta,gamma,theta,vega,"
         "bid_size,ask_size,root,mid\n"
         "2026-03-02T15:00:00Z,ABC,100,2026-03-20,100,C,1.5,1.6,1.55,10,100,0.2,0.5,,,,5,6,ABC,\n"
         "2026-03-02T15:00:00Z,ABC,100,2026-03-20,100,P,1.4,1.5,,0,100,0.2,-0.5,,,,5,6,ABC,\n";
  return file;
}

/// A page to serve, so that there is something to escape from.
std::filesystem::path page_folder() {
  const auto folder = scratch() / "page";
  std::filesystem::create_directories(folder);
  std::ofstream{folder / "index.html"} << "<!doctype html>";
  return folder;
}

std::string random_bytes(std::uint32_t seed, std::size_t size) {
  std::mt19937 random{seed};
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xff);
  return bytes;
}

/// Sends `bytes`, ends the sending side of the story by closing, and does not care what comes back.
void throw_at(std::uint16_t port, std::string_view bytes) {
  auto connection = net::Connection::connect("127.0.0.1", port, core::after(5s));
  if (!connection) return;
  if (!connection->write_all(bytes, core::after(5s))) return;
  std::array<char, 4096> chunk;
  static_cast<void>(connection->read_some(chunk, core::after(100ms)));
}

class Garbage : public ::testing::Test {
 protected:
  static std::string own_name() {
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    return "garbage_" + name.substr(0, 40);
  }

  std::string url = make_database(own_name());
  Sql sql{url};
  ReplayGateway gateway{{tiny_recording()}};

  std::string everything_stored() {
    return sql.one(
        "SELECT (SELECT count(*) FROM underlyings) || ' ' || (SELECT count(*) FROM contracts) || ' "
        "' || "
        "(SELECT count(*) FROM collection_runs) || ' ' || (SELECT count(*) FROM option_snapshots)");
  }
};

TEST_F(Garbage, OnTheApiPortIsAnsweredOrClosedAndChangesNothing) {
  const auto before = everything_stored();
  auto api =
      start_api({.database_url = url, .gateway_port = gateway.port(), .web_root = page_folder()});
  for (std::uint32_t seed = 0; seed < 50; ++seed)
    throw_at(api.port, random_bytes(seed, 1 + seed * 97));
  throw_at(api.port, "GET /api/health HTT");  // cut short
  throw_at(api.port,
           "POST /api/health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nshort");
  throw_at(api.port, std::string(100'000, 'A'));  // a request line without end
  const auto large = send_raw(api.port,
                              "POST /api/health HTTP/1.1\r\nHost: x\r\nConnection: "
                              "close\r\nContent-Length: 10485760\r\n\r\n" +
                                  std::string(10 * 1024 * 1024, 'x'));
  EXPECT_TRUE(large.empty() || large.starts_with("HTTP/1.1 413")) << large.substr(0, 80);
  EXPECT_NE(
      get(api.port, "/api/chain/%27;DROP%20TABLE%20contracts;--?expiry=2026-03-20").find(" 422 "),
      std::string::npos);
  EXPECT_NE(get(api.port, "/api/chain/ABC?expiry=20&from=7").find(" 422 "), std::string::npos);
  const auto escape = get(api.port, "/../../../../etc/passwd");
  EXPECT_TRUE(escape.starts_with("HTTP/1.1 40")) << escape.substr(0, 80);
  EXPECT_EQ(escape.find("root:"), std::string::npos);
  EXPECT_TRUE(api.process.running());
  EXPECT_NE(get(api.port, "/api/health").find(" 200 "), std::string::npos);
  EXPECT_EQ(everything_stored(), before);
  EXPECT_EQ(api.process.stop(core::after(15s)), 0);
}

TEST_F(Garbage, OnTheGatewayPortClosesThatConnectionAlone) {
  const std::string hello{"API\0", 4};
  for (std::uint32_t seed = 0; seed < 50; ++seed)
    throw_at(gateway.port(), random_bytes(seed, 1 + seed * 97));
  throw_at(gateway.port(), hello);  // and then silence
  throw_at(gateway.port(),
           hello + std::string{"\xff\xff\xff\xff", 4} + "v100..200");  // a frame of four gigabytes
  throw_at(gateway.port(), hello + std::string{"\0\0\0\x09v176..178", 13} + random_bytes(1, 5'000));
  throw_at(gateway.port(), hello + std::string{"\0\0\0\x09v1", 6});  // a truncated frame
  EXPECT_TRUE(gateway.process().running());
  // An honest client is served as if nothing had happened.
  gateway.set_time(core::parse_instant("2026-03-02T15:00:00Z").value());
  auto collector = start_collector({url, gateway.port(), "ABC", 300});
  EXPECT_TRUE(
      wait_until(60s, [&] { return sql.one("SELECT count(*) FROM option_snapshots") == "2"; }));
  EXPECT_EQ(collector.stop(core::after(10s)), 0);
}

/// Plays a gateway that answers everything with rubbish.
TEST_F(Garbage, FromTheGatewayLeavesTheCollectorAliveAndTheHistoryClean) {
  auto listener = net::Listener::bind("127.0.0.1", 0);
  ASSERT_TRUE(listener);
  const auto before = everything_stored();
  auto collector = start_collector({url, listener->port(), "ABC", 300});
  const std::string reply{
      "\0\0\0\x15"
      "178\0"
      "20260302 15:00:00\0",
      26};
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    auto connection = listener->accept(core::after(30s));
    ASSERT_TRUE(connection) << "the client gave up";
    static_cast<void>(connection->write_all(
        (seed == 2 ? reply : std::string{}) + random_bytes(seed, 20'000), core::after(5s)));
    std::array<char, 4096> chunk;
    static_cast<void>(connection->read_some(chunk, core::after(200ms)));
  }
  EXPECT_TRUE(collector.running());
  EXPECT_EQ(everything_stored(), before);
  EXPECT_EQ(collector.stop(core::after(15s)), 0);
}

TEST_F(Garbage, InAnImportedFileIsReportedByLineAndTheRestIsTaken) {
  const auto file = scratch() / "dirty.csv";
  std::ifstream clean{tiny_recording()};
  std::string header;
  std::string call;
  std::getline(clean, header);
  std::getline(clean, call);
  std::ofstream{file}
      << header << '\n'
      << "2026-03-02T15:00:00Z,'; DROP TABLE contracts;--,1,2026-03-20,100,C,,,,,,,,,,,,,X,\n"
      << random_bytes(7, 300) << '\n'
      << call << '\n';
  const auto ran = run("bifrost", {"import", file.string(), "--json"}, url);
  EXPECT_EQ(ran.status, 0);
  EXPECT_NE(ran.output.find("\"rows_imported\":1"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("\"line\":2"), std::string::npos) << ran.output;
  EXPECT_EQ(sql.one("SELECT count(*) FROM option_snapshots"), "1");
}

}  // namespace
}  // namespace bifrost::test
