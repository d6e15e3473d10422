// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "bifrost/core/clock.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/sim/gateway.hpp"
#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

using SteadyTime = std::chrono::steady_clock::time_point;

/// How many messages came within the last second, whoever sent them.
class MessageRate {
 public:
  enum class Verdict { fine, near_limit, over_limit };

  explicit MessageRate(int limit) : limit_(limit) {}
  Verdict count(SteadyTime now);

 private:
  int limit_;
  std::deque<SteadyTime> recent_;
};

/// What all sessions of one gateway share. The gateway's lock guards it.
struct Floor {
  Floor(Market& m, const core::Clock& c, const GatewayOptions& o)
      : market(m), clock(c), options(o), rate(o.max_messages_per_second) {}

  Market& market;
  const core::Clock& clock;
  const GatewayOptions& options;
  MessageRate rate;
  int lines = 0;
  std::set<int> client_ids;
};

/// One client's conversation, from its first byte: bytes in, bytes out. Knows no sockets and no
/// threads; the gateway calls it under its lock, with the market already at the present.
class Session {
 public:
  explicit Session(Floor& floor) : floor_(floor) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// False: the connection is to be closed once the output has been sent.
  bool receive(std::string_view bytes, SteadyTime now);
  /// START_API was accepted.
  bool ready() const { return stage_ == Stage::ready; }

  /// Queues what changed on the subscribed lines since they were last told, and ends snapshots.
  void market_moved();

  /// What is to be sent, handed over once.
  std::string take_output() { return std::exchange(output_, {}); }

 private:
  enum class Stage { hello, start, ready };

  struct Line {
    int con_id = 0;
    bool option = false;
    std::set<int> generics;
    std::optional<core::Instant> snapshot_ends;
    std::optional<OptionState> option_told;
    std::optional<UnderlyingState> underlying_told;
  };

  bool hello(std::string_view payload);
  bool start(const ib::wire::Fields& fields);
  bool dispatch(const ib::wire::Fields& fields, SteadyTime now);

  template <class M>
  void send(const M& message) {
    output_ += ib::wire::encode(message, version_);
  }
  void send_error(std::optional<int> req_id, int code, std::string text);

  // One handler for each request that has an answer of its own.
  void on(const ib::wire::CurrentTimeRequest&);
  void on(const ib::wire::CurrentTimeMillisRequest&);
  void on(const ib::wire::IdsRequest&);
  void on(const ib::wire::ManagedAccountsRequest&);
  void on(const ib::wire::ContractDataRequest& m);
  void on(const ib::wire::OptionParametersRequest& m);
  void on(const ib::wire::MarketDataRequest& m);
  void on(const ib::wire::CancelMarketData& m);
  void on(const ib::wire::MarketDataTypeRequest& m);
  void on(const ib::wire::HistoricalDataRequest& m);
  void on(const ib::wire::CancelHistoricalData& m);
  void on(const ib::wire::ImpliedVolRequest& m);
  void on(const ib::wire::OptionPriceRequest& m);
  void on(const ib::wire::AccountSummaryRequest& m);
  void on(const ib::wire::CancelAccountSummary& m);
  void on(const ib::wire::PositionsRequest&);
  void on(const ib::wire::PositionsMultiRequest& m);
  void on(const ib::wire::AccountUpdatesRequest& m);
  void on(const ib::wire::AccountUpdatesMultiRequest& m);
  void on(const ib::wire::PnlRequest& m);
  void on(const ib::wire::OpenOrdersRequest&);
  void on(const ib::wire::AllOpenOrdersRequest&);
  void on(const ib::wire::CompletedOrdersRequest&);
  void on(const ib::wire::ExecutionsRequest& m);
  void on(const ib::wire::MatchingSymbolsRequest& m);
  void on(const ib::wire::MarketRuleRequest& m);
  void on(const ib::wire::SoftDollarTiersRequest& m);
  void on(const ib::wire::SmartComponentsRequest& m);
  void on(const ib::wire::UserInfoRequest& m);
  /// Accepted in silence, as the real gateway does.
  template <class M>
  void on(const M&) {}

  template <class... M>
  bool dispatch_to(ib::wire::MessageList<M...>, const ib::wire::Fields& fields, int id);

  void tell(int req_id, Line& line);
  void tell_option(int req_id, const Line& line, const OptionState& state);
  void tell_underlying(int req_id, const Line& line, const UnderlyingState& state);
  void tell_price(int req_id, int price_tick, int size_tick,
                  const std::optional<core::Price>& price, const std::optional<std::int64_t>& size);
  void tell_computation(int req_id, int tick_type, const std::optional<Computation>& value);
  void drop(std::map<int, Line>::iterator line);

  Floor& floor_;
  Stage stage_ = Stage::hello;
  ib::wire::FrameReader frames_{ib::wire::FrameReader::From::client};
  int version_ = 0;
  std::optional<int> client_id_;
  int market_data_type_ = 1;
  int breaches_ = 0;
  std::optional<SteadyTime> last_breach_;
  std::map<int, Line> lines_;  // by request id
  std::set<int> summaries_;
  std::string output_;
};

}  // namespace bifrost::sim
