// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bifrost/ib/client.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/net/connection.hpp"

namespace bifrost::ib::testing_support {

inline core::Deadline soon() {
  return core::after(std::chrono::seconds{20});
}

/// One accepted connection, from the gateway's side.
class Peer {
 public:
  Peer(net::Connection& connection, int nth) : number(nth), connection_(connection) {}

  const int number;  // 1 is the first connection
  int version = 0;
  int client_id = -1;
  wire::VersionRange offered;

  bool read_hello() {
    const auto payload = next();
    if (!payload) return false;
    const auto range = wire::decode_hello(*payload);
    if (range) offered = *range;
    return range.has_value();
  }
  bool reply_hello(int with_version) {
    version = with_version;
    return raw(wire::encode(wire::HelloReply{version, "20261123 09:30:00 China Standard Time"}));
  }
  bool read_start() {
    const auto fields = receive();
    if (!fields) return false;
    const auto start = wire::decode<wire::StartApi>(*fields, version);
    if (start) client_id = start->client_id;
    return start.has_value();
  }
  bool say_ready(const std::string& account = "DU1234567") {
    return send(wire::ManagedAccounts{{account}}) && send(wire::NextValidId{1});
  }
  bool handshake(int with_version = 178, const std::string& account = "DU1234567") {
    return read_hello() && reply_hello(with_version) && read_start() && say_ready(account) &&
           answer_probe();
  }
  /// A client believes in a gateway only once it has answered a question.
  bool answer_probe() {
    const auto* fields = receive();
    return fields != nullptr && wire::decode<wire::CurrentTimeRequest>(*fields, version) &&
           send(wire::CurrentTime{1'763'758'200});
  }

  /// The next request; nothing at the end of the connection. Views live until the next call.
  const wire::Fields* receive() {
    const auto payload = next();
    if (!payload) return nullptr;
    fields_.assign(*payload);
    return &fields_;
  }
  template <class M>
  bool send(const M& message) {
    return raw(wire::encode(message, version));
  }
  bool notice(int code, std::optional<int> req_id = std::nullopt,
              std::string text = "as scripted") {
    return send(wire::ErrorMessage{.req_id = req_id, .code = code, .text = std::move(text)});
  }
  bool raw(std::string_view bytes) {
    if (!byte_wise) return connection_.write_all(bytes, soon()).has_value();
    for (const char byte : bytes) {
      if (!connection_.write_all({&byte, 1}, soon())) return false;
    }
    return true;
  }
  /// Until the client goes away, whatever it sends.
  void wait_for_end() {
    while (next()) {
    }
    saw_end = true;
  }

  bool byte_wise = false;
  bool saw_end = false;

 private:
  std::optional<std::string_view> next() {
    for (;;) {
      auto payload = frames_.next();
      if (!payload) return std::nullopt;
      if (*payload) return **payload;
      const auto size = connection_.read_some(chunk_, soon());
      if (!size || *size == 0) return std::nullopt;
      frames_.feed({chunk_.data(), *size});
    }
  }

  net::Connection& connection_;
  wire::FrameReader frames_{wire::FrameReader::From::client};
  wire::Fields fields_;
  std::array<char, 4096> chunk_{};
};

/// Serves one connection after another on loopback, each by the script.
class ScriptedGateway {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedGateway(Script script, std::uint16_t port = 0) : script_(std::move(script)) {
    auto listener = net::Listener::bind("127.0.0.1", port);
    if (!listener) core::panic(listener.error().message);
    listener_.emplace(std::move(*listener));
    thread_ = std::thread{[this] { run(); }};
  }
  ~ScriptedGateway() {
    {
      const std::scoped_lock lock{mutex_};
      stopping_ = true;
      listener_->close();
      if (current_) current_->shutdown();
    }
    thread_.join();
  }

  std::uint16_t port() const { return listener_->port(); }

  ClientOptions options() const {
    ClientOptions o;
    o.host = "127.0.0.1";
    o.port = port();
    o.client_id = 5;
    o.messages_per_second = 0;
    o.handshake_timeout = std::chrono::milliseconds{3'000};
    o.first_backoff = std::chrono::milliseconds{5};
    return o;
  }

 private:
  void run() {
    for (int number = 1;; ++number) {
      auto accepted = listener_->accept(core::after(std::chrono::hours{1}));
      if (!accepted) return;
      {
        const std::scoped_lock lock{mutex_};
        if (stopping_) return;
        current_ = &*accepted;
      }
      Peer peer{*accepted, number};
      script_(peer);
      const std::scoped_lock lock{mutex_};
      current_ = nullptr;
    }
  }

  Script script_;
  std::optional<net::Listener> listener_;
  std::mutex mutex_;
  net::Connection* current_ = nullptr;
  bool stopping_ = false;
  std::thread thread_;
};

/// What a script tells the test.
template <class T>
class Log {
 public:
  void add(T value) {
    const std::scoped_lock lock{mutex_};
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  std::vector<T> all() const {
    const std::scoped_lock lock{mutex_};
    return values_;
  }
  /// Whether `count` values were added before long.
  bool wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_until(lock, soon(), [&] { return values_.size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> values_;
};

/// A small market behind a Peer: SPY (stock) and SPX (index) with options in two classes. Hooks
/// come first; a hook that returns true has dealt with the request.
struct Market {
  std::function<bool(Peer&, const wire::Fields&)> on_any;
  std::function<bool(Peer&, const wire::MarketDataRequest&)> on_market_data;
  std::function<void(Peer&, int req_id)> on_cancel;

  static wire::ContractData option(int req_id, std::string date, std::string real, double strike,
                                   core::Right right) {
    wire::ContractData data{
        .req_id = req_id,
        .contract = {.con_id = 1'000'000 + static_cast<std::int64_t>(strike) * 2 +
                               (right == core::Right::put ? 1 : 0),
                     .symbol = "SPX",
                     .sec_type = "OPT",
                     .last_trade_date = std::move(date),
                     .strike = strike,
                     .right = right,
                     .multiplier = "100",
                     .exchange = "SMART",
                     .currency = "USD",
                     .trading_class = "SPX"}};
    data.real_expiration_date = std::move(real);
    return data;
  }

  /// Everything a liquid option sends, in the order a gateway sends it.
  static void burst(Peer& peer, int req_id, bool with_model = true) {
    namespace tick = wire::tick;
    peer.send(wire::MarketDataType{req_id, 1});
    peer.send(wire::TickRequestParameters{req_id, 0.05, "9c0001", 3});
    peer.send(wire::TickPrice{req_id, tick::bid, 4.55, 12, 1});
    peer.send(wire::TickSize{req_id, tick::bid_size, 12});
    peer.send(wire::TickPrice{req_id, tick::ask, 4.6, 31, 1});
    peer.send(wire::TickSize{req_id, tick::ask_size, 31});
    peer.send(wire::TickPrice{req_id, tick::last, 4.58, 2, 0});
    peer.send(wire::TickSize{req_id, tick::volume, 1532});
    peer.send(wire::TickSize{req_id, tick::call_open_interest, 10234});
    peer.send(wire::TickSize{req_id, tick::put_open_interest, 77});
    if (!with_model) return;
    peer.send(wire::OptionComputation{.req_id = req_id,
                                      .tick_type = tick::model_computation,
                                      .implied_vol = 0.16273,
                                      .delta = 0.51251,
                                      .option_price = 4.5761,
                                      .pv_dividend = 0,
                                      .gamma = 0.02124,
                                      .vega = 0.6401,
                                      .theta = -0.18753,
                                      .underlying_price = 598.21});
  }

  void serve(Peer& peer) {
    while (const auto* fields = peer.receive()) {
      if (on_any && on_any(peer, *fields)) continue;
      answer(peer, *fields);
    }
  }

  void answer(Peer& peer, const wire::Fields& fields) {
    const int v = peer.version;
    switch (static_cast<wire::Request>(fields.id().value_or(0))) {
      case wire::Request::current_time:
        peer.send(wire::CurrentTime{1'763'758'200});
        break;
      case wire::Request::current_time_millis:
        peer.send(wire::CurrentTimeMillis{1'763'758'200'123});
        break;
      case wire::Request::contract_data: {
        const auto request = wire::decode<wire::ContractDataRequest>(fields, v);
        ASSERT_TRUE(request);
        contracts(peer, *request);
        break;
      }
      case wire::Request::option_parameters: {
        const auto request = wire::decode<wire::OptionParametersRequest>(fields, v);
        ASSERT_TRUE(request);
        peer.send(wire::OptionParameters{.req_id = request->req_id,
                                         .exchange = "CBOE",
                                         .underlying_con_id = request->underlying_con_id,
                                         .trading_class = "SPX",
                                         .multiplier = "100",
                                         .expirations = {"20260116", "20251218"},
                                         .strikes = {6000, 5950, 5975.5}});
        peer.send(wire::OptionParametersEnd{request->req_id});
        break;
      }
      case wire::Request::market_data: {
        const auto request = wire::decode<wire::MarketDataRequest>(fields, v);
        ASSERT_TRUE(request);
        if (!on_market_data || !on_market_data(peer, *request)) burst(peer, request->req_id);
        break;
      }
      case wire::Request::cancel_market_data: {
        const auto request = wire::decode<wire::CancelMarketData>(fields, v);
        ASSERT_TRUE(request);
        if (on_cancel) on_cancel(peer, request->req_id);
        break;
      }
      case wire::Request::market_data_type:
        break;
      default:
        ADD_FAILURE() << "the client sent message " << fields.id().value_or(-1);
    }
  }

  static void contracts(Peer& peer, const wire::ContractDataRequest& request) {
    const auto& asked = request.contract;
    const int id = request.req_id;
    if (asked.symbol == "SPY" && asked.sec_type == "STK") {
      peer.send(wire::ContractData{.req_id = id,
                                   .contract = {.con_id = 756733,
                                                .symbol = "SPY",
                                                .sec_type = "STK",
                                                .exchange = "SMART",
                                                .primary_exchange = "ARCA",
                                                .currency = "USD"},
                                   .min_tick = 0.01,
                                   .long_name = "S&P 500 ETF"});
    } else if (asked.symbol == "SPX" && asked.sec_type == "IND" && asked.exchange == "CBOE") {
      peer.send(wire::ContractData{.req_id = id,
                                   .contract = {.con_id = 416904,
                                                .symbol = "SPX",
                                                .sec_type = "IND",
                                                .exchange = "CBOE",
                                                .currency = "USD"},
                                   .min_tick = 0.01,
                                   .long_name = "S&P 500 Stock Index"});
    } else if (asked.symbol == "SPX" && asked.sec_type == "OPT" &&
               asked.last_trade_date == "20251218") {
      // Morning-settled: the last trading day is the one before the expiry.
      for (const double strike : {6000.0, 5950.0}) {
        peer.send(option(id, "20251218", "20251219", strike, core::Right::put));
        peer.send(option(id, "20251218", "20251219", strike, core::Right::call));
      }
    } else {
      peer.notice(200, id, "No security definition has been found for the request");
      return;
    }
    peer.send(wire::ContractDataEnd{id});
  }
};

inline const Underlying spx{.symbol = "SPX",
                            .sec_type = "IND",
                            .exchange = "CBOE",
                            .currency = "USD",
                            .long_name = "S&P 500 Stock Index",
                            .con_id = 416904,
                            .min_tick = 0.01};

inline std::vector<ListedOption> calls(int count) {
  std::vector<ListedOption> options;
  for (int i = 0; i < count; ++i) {
    options.push_back({.contract = {.underlying = "SPX",
                                    .trading_class = "SPXW",
                                    .expiry = core::parse_date("2025-12-19").value(),
                                    .strike = core::Price::from_units((5000 + i) * 10'000LL),
                                    .right = core::Right::call},
                       .con_id = 1000 + i,
                       .exchange = "SMART",
                       .currency = "USD",
                       .last_trade_date = "20251219"});
  }
  return options;
}

}  // namespace bifrost::ib::testing_support
