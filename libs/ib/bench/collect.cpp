// SPDX-License-Identifier: Apache-2.0
// How many contracts a second a client looks at, beside the most that its budget allows: two
// messages a contract within the message rate, and a line for as long as the gateway takes to
// answer. The gateway is a local one that answers every subscription after a fixed time.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <stdexcept>
#include <thread>

#include "bifrost/core/clock.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/net/connection.hpp"

namespace bifrost::ib {
namespace {

using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

/// Serves one client.
class Gateway {
 public:
  explicit Gateway(std::chrono::milliseconds dwell)
      : dwell_(dwell), listener_(must(net::Listener::bind("127.0.0.1", 0))) {
    thread_ = std::thread{[this] { serve(); }};
  }
  ~Gateway() {
    listener_.close();
    thread_.join();
  }
  std::uint16_t port() const { return listener_.port(); }

 private:
  static constexpr int version = 178;

  void serve() {
    auto accepted = listener_.accept(core::after(1h));
    if (!accepted) return;
    auto& connection = *accepted;
    wire::FrameReader frames{wire::FrameReader::From::client};
    wire::Fields fields;
    std::array<char, 65536> chunk;
    struct Due {
      Steady::time_point at;
      int req_id;
    };
    std::deque<Due> due;
    std::string out;
    bool greeted = false;
    for (;;) {
      const auto until = due.empty() ? core::after(1h) : due.front().at;
      const auto size = connection.read_some(chunk, until);
      if (size && *size == 0) return;
      if (size) frames.feed({chunk.data(), *size});
      while (const auto payload = must(frames.next())) {
        fields.assign(*payload);
        if (!greeted) {
          greeted = true;
          out += wire::encode(wire::HelloReply{version, "now"});
        } else if (fields.id() == static_cast<int>(wire::Request::start_api)) {
          out += wire::encode(wire::ManagedAccounts{{"DU1"}}, version);
          out += wire::encode(wire::NextValidId{1}, version);
        } else if (fields.id() == static_cast<int>(wire::Request::current_time)) {
          out += wire::encode(wire::CurrentTime{1'763'758'200}, version);
        } else if (const auto request = wire::decode<wire::MarketDataRequest>(fields, version)) {
          due.push_back({Steady::now() + dwell_, request->req_id});
        }
      }
      for (const auto now = Steady::now(); !due.empty() && due.front().at <= now; due.pop_front()) {
        answer(out, due.front().req_id);
      }
      if (!out.empty() && !connection.write_all(out, core::after(5s))) return;
      out.clear();
    }
  }

  static void answer(std::string& out, int id) {
    namespace tick = wire::tick;
    out += wire::encode(wire::MarketDataType{id, 1}, version);
    out += wire::encode(wire::TickPrice{id, tick::bid, 4.55, 12, 1}, version);
    out += wire::encode(wire::TickPrice{id, tick::ask, 4.6, 31, 1}, version);
    out += wire::encode(wire::TickSize{id, tick::call_open_interest, 10234}, version);
    out += wire::encode(
        wire::OptionComputation{
            .req_id = id, .tick_type = tick::model_computation, .implied_vol = 0.16, .delta = 0.5},
        version);
  }

  std::chrono::milliseconds dwell_;
  net::Listener listener_;
  std::thread thread_;
};

std::vector<ListedOption> contracts(int count) {
  std::vector<ListedOption> options;
  for (int i = 0; i < count; ++i) {
    options.push_back({.contract = {.underlying = "SPY",
                                    .trading_class = "SPY",
                                    .expiry = core::parse_date("2026-12-18").value(),
                                    .strike = core::Price::from_units((100 + i) * 10'000LL),
                                    .right = core::Right::call,
                                    .multiplier = 100},
                       .con_id = 1'000 + i,
                       .exchange = "SMART",
                       .currency = "USD",
                       .last_trade_date = "20261218"});
  }
  return options;
}

/// Arguments: messages per second (0: unlimited), lines, milliseconds until a contract answers,
/// contracts.
void collect(benchmark::State& state) {
  const auto rate = static_cast<double>(state.range(0));
  const auto lines = static_cast<int>(state.range(1));
  const auto dwell = std::chrono::milliseconds{state.range(2)};
  const auto options = contracts(static_cast<int>(state.range(3)));
  const core::SystemClock clock;
  double seconds = 0;
  for (auto _ : state) {
    Gateway gateway{dwell};
    ClientOptions link;
    link.port = gateway.port();
    link.messages_per_second = rate;
    link.lines = lines;
    const auto client = must(Client::connect(link, core::after(10s)));
    const auto begun = Steady::now();
    const auto report =
        must(client->quotes(options, {.dwell_cap = 10s, .quiet = 10s}, clock, core::after(5min)));
    seconds += std::chrono::duration<double>(Steady::now() - begun).count();
    if (report.complete != options.size()) state.SkipWithError("not every contract was complete");
  }
  const double per_second =
      static_cast<double>(options.size()) * static_cast<double>(state.iterations()) / seconds;
  state.counters["contracts_per_s"] = per_second;
  if (rate > 0) {
    const double held = static_cast<double>(dwell.count()) / 1e3;
    const double limit = std::min(rate / 2, held > 0 ? lines / held : rate / 2);
    state.counters["limit_per_s"] = limit;
    state.counters["share_of_limit"] = per_second / limit;
  }
}

BENCHMARK(collect)
    ->ArgNames({"rate", "lines", "dwell_ms", "contracts"})
    ->Args({40, 90, 0, 400})      // the rate binds
    ->Args({40, 90, 1'000, 400})  // and still does
    ->Args({40, 10, 1'000, 200})  // the lines bind
    ->Args({0, 90, 0, 20'000})    // neither: what the client itself can do
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bifrost::ib

BENCHMARK_MAIN();
