// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <span>
#include <vector>

#include "link.hpp"

namespace bifrost::ib {

/// Ticks of one subscription, put together. Knows what the tick numbers mean and which prices are
/// none; times are its caller's.
class TickBook {
 public:
  void add(const wire::TickPrice& tick);
  void add(const wire::TickSize& tick);
  void add(const wire::TickGeneric& tick);
  void add(const wire::OptionComputation& tick);
  void add(const wire::MarketDataType& type);

  bool bid_answered() const { return bid_answered_; }
  bool ask_answered() const { return ask_answered_; }
  bool model_answered() const { return model_answered_; }
  bool volume_answered() const { return quote_.volume.has_value(); }
  bool open_interest_answered(core::Right right) const {
    return (right == core::Right::call ? call_interest_ : put_interest_).has_value();
  }
  bool delayed() const { return delayed_; }
  bool frozen() const { return frozen_; }

  /// Sizes without a price are dropped; open interest is taken from the tick of the right.
  core::Quote quote(core::Right right) const;
  std::optional<core::Price> close() const { return close_; }
  /// Of an underlying, over 30 days, annual and decimal.
  std::optional<double> implied_vol() const { return implied_vol_; }
  std::optional<double> historical_vol() const { return historical_vol_; }

 private:
  core::Quote quote_;
  std::optional<core::Price> close_;
  std::optional<double> implied_vol_;
  std::optional<double> historical_vol_;
  std::optional<std::int64_t> call_interest_;
  std::optional<std::int64_t> put_interest_;
  bool bid_answered_ = false;
  bool ask_answered_ = false;
  bool model_answered_ = false;
  bool delayed_ = false;
  bool frozen_ = false;
};

/// Those of `generic_ticks` that may be asked for with this type of data: delayed data refuse most.
std::string allowed_generic_ticks(std::string_view generic_ticks, MarketData type);

/// One pass over many contracts on a few lines: subscribe, wait until answered, cancel, next. Runs
/// in the caller's thread.
class Rotation {
 public:
  Rotation(Link& link, std::span<const ListedOption> options, const CollectOptions& how,
           const core::Clock& clock);
  CollectReport run(core::Deadline deadline);

 private:
  struct Contract {
    TickBook book;
    std::optional<core::Instant> observed_at;
    std::optional<Refusal> advisory;
    std::optional<Refusal> refusal;
    Completeness completeness = Completeness::not_reached;
    int duplicates = 0;
  };
  struct Subscription {
    std::size_t index;
    Steady::time_point begun;
    std::optional<Steady::time_point> last_tick;
    // Bid, ask and model have answered: until when volume and open interest may still come.
    std::optional<Steady::time_point> late_until;
  };
  using Active = std::map<int, Subscription>;  // by request id

  Steady::time_point send_what_may_go(Steady::time_point until);
  bool subscribe(std::size_t index);
  Steady::time_point expire(Steady::time_point now);
  void handle(Event& event, Steady::time_point now);
  void handle(const RequestError& error);
  void on_snapshot_end(int req_id, Steady::time_point now);
  template <class Tick>
  void on_tick(const Tick& tick, Steady::time_point now);
  void add_dwell(const Subscription& subscription, Steady::time_point now);
  bool lacks_late_ticks(std::size_t index) const;
  bool give_up_late_ticks(Steady::time_point now);
  void finish(Active::iterator at, Completeness as, Steady::time_point now);
  void put_back_all(bool cancel);
  void end_all();
  CollectReport report();

  Link& link_;
  std::span<const ListedOption> options_;
  const CollectOptions& how_;
  MarketData market_data_;
  std::string generic_ticks_;
  bool open_interest_asked_;
  std::chrono::milliseconds dwell_cap_;
  const core::Clock& clock_;
  Link::Mailbox mailbox_;
  std::optional<Link::Session> session_;
  std::vector<Contract> contracts_;
  std::deque<std::size_t> queue_;
  Active active_;
  std::deque<int> cancels_;             // each still holds its line
  Steady::time_point resume_{};         // no new subscription before this
  std::optional<core::Instant> stamp_;  // of the batch of events in hand
  std::vector<std::chrono::milliseconds> dwells_;
  std::optional<std::string> stopped_;
  int lines_used_ = 0;
};

}  // namespace bifrost::ib
