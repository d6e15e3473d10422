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

#include "account.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/sim/gateway.hpp"
#include "bifrost/sim/market.hpp"
#include "conversation.hpp"
#include "history_pacing.hpp"
#include "outlet.hpp"
#include "veiled_market.hpp"
#include "weather.hpp"

namespace bifrost::sim {

/// How many messages came within the last second, whoever sent them.
class MessageRate {
 public:
  enum class Verdict { fine, near_limit, over_limit };

  explicit MessageRate(int limit) : limit_(limit) {}
  Verdict count(SteadyTime now);
  void set_limit(int limit) { limit_ = limit; }
  int limit() const { return limit_; }

 private:
  int limit_;
  std::deque<SteadyTime> recent_;
};

class Session;

/// What all sessions of one gateway share. The gateway's lock guards it.
struct Floor {
  Floor(Market& m, const core::Clock& c, const GatewayOptions& o, Script script, Account a)
      : weather(std::move(script), o.fault_seed),
        market(m, weather),
        clock(c),
        options(o),
        rate(o.max_messages_per_second),
        account(std::move(a)) {}

  Weather weather;
  VeiledMarket market;
  const core::Clock& clock;
  const GatewayOptions& options;
  MessageRate rate;
  Moment now;  // of the gateway's last look at its clocks
  int lines = 0;
  std::set<int> client_ids;
  Account account;
  const Session* account_subscriber = nullptr;  // who is told of the account as it moves
  HistoryPacing pacing;
  std::size_t open_histories = 0;

  int max_lines() const { return weather.lines(options.max_lines); }
  /// What the gateway takes the time to be, which a script may have stepped.
  core::Instant told_time() const { return market.now() + weather.clock_shift(); }
};

/// A conversation with a market behind it.
class Session final : public Conversation {
 public:
  explicit Session(Floor& floor) : floor_(floor) {}
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void connected() override;
  bool receive(std::string_view bytes) override;
  bool time_passed() override;
  /// Queues what changed on the subscribed lines since they were last told, and ends snapshots.
  void market_moved() override;
  void suffer(const Blow& blow) override;

  bool ready() const override { return stage_ == Stage::ready; }
  bool stalled() const override { return outlet_.stalled() || floor_.weather.wedged(); }

  std::string take_output() override { return outlet_.take(); }
  Outlet::Ending ending() const override { return outlet_.ending(); }
  bool bytewise() const override { return bytewise_; }

 private:
  enum class Stage { hello, start, ready };

  struct Line {
    int con_id = 0;
    bool option = false;
    std::set<int> generics;
    std::optional<core::Instant> snapshot_ends;
    bool delayed = false;
    bool computations = true;          // false: no right to them
    bool dead = false;                 // the stream has died and the client was not told
    std::optional<Until> quiet_until;  // its first answer is held back
    Subject subject;
    Spoils spoils;
    std::optional<Computation> stale_model;
    std::optional<OptionState> option_told;
    std::optional<UnderlyingState> underlying_told;
  };

  struct Summary {
    std::string tags;
    core::Instant next;
    std::map<std::string, std::string> told;
  };
  struct LiveBar {
    int con_id = 0;
    BarKind kind{};
    std::optional<DailyBar> told;
  };

  bool hello(std::string_view payload);
  bool start(const ib::wire::Fields& fields);
  bool take(std::string_view payload);
  bool answer(const ib::wire::Fields& fields);
  bool answer_as_told(const ib::wire::Fields& fields, int id, const Weather::Fired& fired);
  bool dispatch(const ib::wire::Fields& fields);
  /// The gateway cannot answer this just now and leaves the client waiting.
  bool unanswerable(int request) const;
  void wake(Farm farm);

  template <class M>
  void send(const M& message) {
    emit(static_cast<int>(M::id), ib::wire::encode(message, version_));
  }
  /// A tick of a line, as the line's entitlement and faults have it.
  template <class M>
  void send_tick(const Line& line, M message);
  void emit(int id, std::string frame);
  void deliver(std::string frame);
  void send_captured();
  void put(std::string_view bytes);
  /// False: the action is about a request or a reply.
  bool strike(const Action& action);
  Subject subject_of_reply(int id, std::string_view frame) const;
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
  void on(const ib::wire::WhatIfOrder& m);
  void on_order(const ib::wire::Fields& fields);
  void refuse_order(const ib::wire::Fields& fields, int id);
  /// Accepted in silence, as the real gateway does.
  template <class M>
  void on(const M&) {}

  template <class... M>
  bool dispatch_to(ib::wire::MessageList<M...>, const ib::wire::Fields& fields, int id);

  std::vector<DailyBar> bars_until(int con_id, BarKind kind, core::Instant end,
                                   std::size_t count) const;
  void send_schedule(int req_id, core::Instant end, std::size_t sessions);
  void bars_moved();
  void tell_summary(int req_id, Summary& summary);
  void tell_account();
  void account_moved();

  void tell(int req_id, Line& line);
  void tell_option(int req_id, const Line& line, const OptionState& state);
  void tell_underlying(int req_id, const Line& line, const UnderlyingState& state);
  void tell_price(int req_id, const Line& line, int price_tick, int size_tick,
                  const std::optional<core::Price>& price, const std::optional<std::int64_t>& size);
  ib::wire::OptionComputation computation(int req_id, int tick_type,
                                          const std::optional<Computation>& value) const;
  /// When the last trade was, and whether trading is halted (it never is).
  void tell_trading(int req_id, const Line& line, bool first, bool traded);
  bool quotes_absent() const;
  /// The stream of a line has died or cannot come just now, and the client is not told.
  bool silent(const Line& line) const;
  /// The right to data, as a notice in front of it or instead of it. False: there will be none.
  bool entitled(const ib::wire::MarketDataRequest& m, Line& line);
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
  std::map<int, Summary> summaries_;
  std::map<int, LiveBar> live_bars_;
  std::optional<core::Instant> account_updates_;  // when the next one is due
  Outlet outlet_;
  std::string inbox_;                             // came while the session was stalled
  std::vector<std::string>* captured_ = nullptr;  // frames of an answer that is not sent yet
  std::uint64_t sent_ = 0;
  std::uint64_t garbage_ = 0;
  bool bytewise_ = false;
  std::set<Farm> woken_;
};

}  // namespace bifrost::sim
