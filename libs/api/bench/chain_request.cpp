// SPDX-License-Identifier: Apache-2.0
// How long a page waits for one expiry of a 2,000-contract chain: database to HTTP body, over
// loopback and one kept-alive connection. Beside it, in the same run, the same bytes held ready:
// what HTTP alone costs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/api/routes.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/process.hpp"
#include "bifrost/net/connection.hpp"
#include "bifrost/net/server.hpp"
#include "bifrost/store/private_cluster.hpp"

namespace bifrost::api {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const Instant as_of = core::parse_instant("2026-03-02T15:00:00Z").value();
constexpr double vol = 0.2;

template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

/// 20 expiries of 50 strikes, calls and puts, without greeks: they are then computed for every
/// request.
core::ChainSnapshot chain_of_2000() {
  core::ChainSnapshot snapshot{"SPY", as_of, Price::from_double(500), Source::simulated, {}};
  Date expiry = core::parse_date("2026-03-06").value();
  for (int e = 0; e < 20; ++e, expiry += std::chrono::days{7}) {
    for (int strike = 450; strike < 550; strike += 2) {
      for (const Right right : {Right::call, Right::put}) {
        const core::OptionContract contract{"SPY", "SPY", expiry,
                                            Price::from_units(strike * 10'000), right};
        const double years = core::years_act365f(as_of, core::settlement_instant(contract));
        const double fair =
            analysis::black_scholes_price(right, {.forward = 500.0,
                                                  .strike = static_cast<double>(strike),
                                                  .years_to_expiry = years,
                                                  .discount_factor = 1.0,
                                                  .vol = vol});
        core::Quote quote;
        quote.bid = Price::from_double(std::max(0.01, std::round(fair * 100) / 100 - 0.02));
        quote.ask = *quote.bid + Price::from_units(400);
        quote.bid_size = 10;
        quote.ask_size = 12;
        quote.volume = strike;
        quote.open_interest = 10 * strike;
        quote.observed_at = as_of + 2s;
        snapshot.quotes.push_back({contract, quote});
      }
    }
  }
  return snapshot;
}

/// The whole stack but the gateway.
struct Stack {
  fs::path folder = [] {
    std::string name = (fs::temp_directory_path() / "bifrost-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    fs::permissions(name, fs::perms{0755});
    return fs::path{name};
  }();
  store::PrivateCluster cluster = must(
      store::PrivateCluster::start(folder / "db", core::after(60s), {.die_with_starter = true}));
  store::Database database = must(store::Database::open(cluster.url(), core::after(30s)));
  store::History history{database};
  std::unique_ptr<ib::Client> client = must(ib::Client::start({.port = 9}));
  core::ManualClock clock{as_of + 60s};
  Service service{history, *client, clock, 300s};
  net::Router router = make_router(&service);
  std::string ready;
  std::optional<net::Server> server;

  Stack() {
    must(database.migrate(core::after(30s)));
    store::CycleRecord record;
    record.snapshot = chain_of_2000();
    record.expected = 2'000;
    must(history.append(record, core::after(30s)));
    // A history in use has statistics; this one is seconds old.
    auto analyze = must(core::Process::start(
        "/usr/bin/psql",
        {.arguments = {cluster.url(), "-qc", "ANALYZE"}, .environment = {}, .error_log = {}}));
    must(analyze.wait(core::after(60s)));
    router.raw("/ready", [this](const net::Request&) { return net::Response{.body = ready}; });
    server = must(net::Server::start(
        {}, [this](const net::Request& request) { return router.handle(request); }));
  }
  ~Stack() {
    server.reset();
    static_cast<void>(cluster.stop(core::after(10s)));
    fs::remove_all(folder);
  }
};

Stack& stack() {
  static Stack instance;
  return instance;
}

/// One request on a kept-alive connection; the body.
std::string fetch(net::Connection& connection, std::string_view target) {
  if (!connection.write_all(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target),
                            core::after(5s)))
    std::abort();
  std::string all;
  std::array<char, 65536> chunk;
  std::size_t wanted = std::string::npos;
  while (all.size() < wanted) {
    const auto got = connection.read_some(chunk, core::after(10s));
    if (!got || *got == 0) std::abort();
    all.append(chunk.data(), *got);
    if (const auto head = all.find("\r\n\r\n");
        wanted == std::string::npos && head != std::string::npos) {
      std::string lower = all.substr(0, head);
      std::ranges::transform(lower, lower.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      wanted = head + 4 + std::stoul(lower.substr(lower.find("content-length:") + 15));
    }
  }
  return all.substr(all.find("\r\n\r\n") + 4);
}

constexpr std::string_view target = "/api/chain/SPY?expiry=2026-04-03&from=history";

/// Error beside speed: the largest distance of a computed vol from the one the quotes were made
/// with.
double vol_error(const std::string& body) {
  double worst = 0;
  const auto chain = net::parse_json<Chain>(body);
  for (const auto& row : chain->rows) {
    for (const auto* side : {&row.call, &row.put}) {
      const bool near = std::abs(row.strike.value() - 500) <= 20;
      if (near && *side && (*side)->implied_vol)
        worst = std::max(worst, std::abs(*(*side)->implied_vol - vol));
    }
  }
  return worst;
}

void chain_request(benchmark::State& state) {
  auto connection =
      must(net::Connection::connect("127.0.0.1", stack().server->port(), core::after(5s)));
  std::string body;
  for (auto _ : state) body = fetch(connection, target);
  state.counters["bytes"] = static_cast<double>(body.size());
  state.counters["vol_error_near_money"] = vol_error(body);
}
BENCHMARK(chain_request)->UseRealTime()->Unit(benchmark::kMicrosecond);

void same_bytes_ready(benchmark::State& state) {
  auto connection =
      must(net::Connection::connect("127.0.0.1", stack().server->port(), core::after(5s)));
  stack().ready = fetch(connection, target);
  std::string body;
  for (auto _ : state) body = fetch(connection, "/ready");
  state.counters["bytes"] = static_cast<double>(body.size());
}
BENCHMARK(same_bytes_ready)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bifrost::api

BENCHMARK_MAIN();
