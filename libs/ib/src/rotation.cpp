// SPDX-License-Identifier: Apache-2.0
#include "rotation.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "bifrost/core/log.hpp"

namespace bifrost::ib {

namespace tick = wire::tick;
using std::chrono::milliseconds;

namespace {

// What volume and open interest may take beyond the model, where the caller does not say.
constexpr milliseconds latest_tick{250};

std::optional<core::Price> to_price(const std::optional<double>& value) {
  return value ? core::Price::from_double(*value) : std::nullopt;
}

std::optional<std::int64_t> to_size(const std::optional<double>& value) {
  if (!value || !(*value >= 0) || *value > 1e15) return std::nullopt;
  return std::llround(*value);
}

}  // namespace

void TickBook::add(const wire::TickPrice& t) {
  switch (t.tick_type) {
    case tick::bid:
    case tick::delayed_bid:
      quote_.bid = to_price(t.price);
      if (t.size) quote_.bid_size = to_size(t.size);
      bid_answered_ = true;
      break;
    case tick::ask:
    case tick::delayed_ask:
      quote_.ask = to_price(t.price);
      if (t.size) quote_.ask_size = to_size(t.size);
      ask_answered_ = true;
      break;
    case tick::last:
    case tick::delayed_last:
      quote_.last = to_price(t.price);
      break;
    case tick::close:
    case tick::delayed_close:
      close_ = to_price(t.price);
      break;
    default:
      return;
  }
  if (t.tick_type >= tick::delayed_bid) delayed_ = true;
}

void TickBook::add(const wire::TickSize& t) {
  const auto size = to_size(t.size);
  switch (t.tick_type) {
    case tick::bid_size:
    case tick::delayed_bid_size:
      quote_.bid_size = size;
      break;
    case tick::ask_size:
    case tick::delayed_ask_size:
      quote_.ask_size = size;
      break;
    case tick::volume:
    case tick::delayed_volume:
      quote_.volume = size;
      break;
    case tick::call_open_interest:
      call_interest_ = size;
      break;
    case tick::put_open_interest:
      put_interest_ = size;
      break;
    default:
      break;
  }
}

void TickBook::add(const wire::TickGeneric& t) {
  const auto volatility = t.value && *t.value >= 0 ? t.value : std::nullopt;
  if (t.tick_type == tick::option_implied_vol) implied_vol_ = volatility;
  if (t.tick_type == tick::historical_vol) historical_vol_ = volatility;
}

void TickBook::add(const wire::OptionComputation& t) {
  if (t.tick_type != tick::model_computation && t.tick_type != tick::delayed_model_computation) {
    return;
  }
  model_answered_ = true;
  if (t.tick_type == tick::delayed_model_computation) delayed_ = true;
  quote_.implied_vol = t.implied_vol && *t.implied_vol >= 0 ? t.implied_vol : std::nullopt;
  quote_.delta = t.delta;
  quote_.gamma = t.gamma;
  quote_.theta = t.theta;
  quote_.vega = t.vega;
  // The wire's vega is per volatility point, ours per 1.00.
  if (quote_.vega) *quote_.vega *= 100;
}

void TickBook::add(const wire::MarketDataType& t) {
  delayed_ = t.type == static_cast<int>(MarketData::delayed) ||
             t.type == static_cast<int>(MarketData::delayed_frozen);
  frozen_ = t.type == static_cast<int>(MarketData::frozen) ||
            t.type == static_cast<int>(MarketData::delayed_frozen);
}

core::Quote TickBook::quote(core::Right right) const {
  core::Quote q = quote_;
  if (!q.bid) q.bid_size.reset();
  if (!q.ask) q.ask_size.reset();
  q.open_interest = right == core::Right::call ? call_interest_ : put_interest_;
  return q;
}

std::string allowed_generic_ticks(std::string_view generic_ticks, MarketData type) {
  if (type == MarketData::live || type == MarketData::frozen) return std::string{generic_ticks};
  constexpr std::array<std::string_view, 7> delayed{"101", "106", "165", "221",
                                                    "232", "236", "258"};
  std::string allowed;
  while (!generic_ticks.empty()) {
    const auto comma = std::min(generic_ticks.find(','), generic_ticks.size());
    const auto one = generic_ticks.substr(0, comma);
    if (std::find(delayed.begin(), delayed.end(), one) != delayed.end()) {
      if (!allowed.empty()) allowed += ',';
      allowed += one;
    }
    generic_ticks.remove_prefix(std::min(comma + 1, generic_ticks.size()));
  }
  return allowed;
}

Rotation::Rotation(Link& link, std::span<const ListedOption> options, const CollectOptions& how,
                   const core::Clock& clock)
    : link_(link),
      options_(options),
      how_(how),
      market_data_(how.market_data.value_or(link.options().market_data)),
      // Generic ticks with a snapshot are refused.
      generic_ticks_(how.snapshot
                         ? std::string{}
                         : allowed_generic_ticks(link.options().generic_ticks, market_data_)),
      open_interest_asked_(("," + generic_ticks_ + ",").find(",101,") != std::string::npos),
      dwell_cap_(how.snapshot ? std::max(how.dwell_cap, milliseconds{15'000}) : how.dwell_cap),
      clock_(clock),
      mailbox_(link),
      contracts_(options.size()) {
  for (std::size_t i = 0; i < options.size(); ++i) queue_.push_back(i);
}

CollectReport Rotation::run(core::Deadline deadline) {
  while (!stopped_ && !(queue_.empty() && active_.empty() && cancels_.empty())) {
    if (link_.is_over(deadline)) break;
    auto until = deadline;
    if (const auto session = link_.ready()) {
      // Under another session only once the loss of this one has been handled.
      if (!session_) session_ = session;
      if (session_->number == session->number) {
        until = std::min(until, send_what_may_go(deadline));
        until = std::min(until, expire(Steady::now()));
      }
    }
    auto events = mailbox_.wait(until);
    const auto now = Steady::now();
    stamp_.reset();
    for (auto& event : events) handle(event, now);
  }
  end_all();
  return report();
}

Steady::time_point Rotation::send_what_may_go(Steady::time_point until) {
  const auto now = Steady::now();
  while (!cancels_.empty() || !queue_.empty()) {
    const bool cancel = !cancels_.empty();
    if (!cancel && now < resume_) return std::min(until, resume_);
    if (const auto wait = link_.pace_wait(); wait > Steady::duration::zero()) {
      return std::min(until, now + wait);
    }
    if (!cancel && !link_.acquire_line()) {
      if (give_up_late_ticks(now)) continue;
      // A line that anybody releases wakes the mailbox.
      return until;
    }
    link_.take_place();
    if (cancel) {
      const wire::CancelMarketData message{.req_id = cancels_.front()};
      if (!link_.send(*session_, message)) return until;
      cancels_.pop_front();
      link_.release_line(true);
    } else {
      const auto index = queue_.front();
      queue_.pop_front();
      if (!subscribe(index)) return until;
    }
  }
  return until;
}

bool Rotation::subscribe(std::size_t index) {
  const auto& option = options_[index];
  const auto& contract = option.contract;
  const int req_id = mailbox_.open();
  const wire::MarketDataRequest request{
      .req_id = req_id,
      .contract = {.con_id = option.con_id,
                   .symbol = contract.underlying,
                   .sec_type = "OPT",
                   .last_trade_date = option.last_trade_date,
                   .strike = contract.strike.value(),
                   .right = contract.right,
                   .multiplier = std::to_string(contract.multiplier),
                   .exchange = option.exchange,
                   .currency = option.currency,
                   .trading_class = contract.trading_class},
      .generic_ticks = generic_ticks_,
      .snapshot = how_.snapshot};
  active_.emplace(req_id, Subscription{index, Steady::now(), {}, {}});
  lines_used_ = std::max(lines_used_, static_cast<int>(active_.size() + cancels_.size()));
  // If the link is gone, LinkLost follows and puts it back.
  return link_.subscribe(*session_, request, market_data_).has_value();
}

Steady::time_point Rotation::expire(Steady::time_point now) {
  auto next = Steady::time_point::max();
  for (auto at = active_.begin(); at != active_.end();) {
    const auto current = at++;
    const auto& s = current->second;
    auto end = s.begun + dwell_cap_;
    if (s.late_until) {
      end = std::min(end, *s.late_until);
    } else if (s.last_tick && !how_.snapshot) {
      end = std::min(end, *s.last_tick + how_.quiet);
    }
    if (end > now) {
      next = std::min(next, end);
      continue;
    }
    auto& contract = contracts_[s.index];
    if (s.late_until) {
      finish(current, Completeness::complete, now);
    } else if (!s.last_tick && contract.advisory) {
      contract.refusal = contract.advisory;
      finish(current, Completeness::refused, now);
    } else {
      finish(current, s.last_tick ? Completeness::partial : Completeness::not_reached, now);
    }
    next = now;  // there is a cancellation to send
  }
  return next;
}

template <class Tick>
void Rotation::on_tick(const Tick& t, Steady::time_point now) {
  const auto at = active_.find(t.req_id);
  if (at == active_.end()) return;
  auto& contract = contracts_[at->second.index];
  contract.book.add(t);
  if constexpr (!std::is_same_v<Tick, wire::MarketDataType>) {
    at->second.last_tick = now;
    if (!stamp_) stamp_ = clock_.now();
    contract.observed_at = stamp_;
    const auto& book = contract.book;
    if (!book.bid_answered() || !book.ask_answered() || !book.model_answered()) return;
    auto& subscription = at->second;
    if (!lacks_late_ticks(subscription.index)) {
      finish(at, Completeness::complete, now);
    } else if (!subscription.late_until) {
      const auto took = std::chrono::duration_cast<milliseconds>(now - subscription.begun);
      add_dwell(subscription, now);
      const auto patience = how_.late_ticks.value_or(std::min(latest_tick, took));
      subscription.late_until = now + patience;
    }
  }
}

/// How long it held its line; waiting for late ticks, which ends when the line is needed, not
/// counted.
void Rotation::add_dwell(const Subscription& subscription, Steady::time_point now) {
  dwells_.push_back(std::chrono::duration_cast<milliseconds>(now - subscription.begun));
}

/// Whether something is still to come that a gateway may send behind the model.
bool Rotation::lacks_late_ticks(std::size_t index) const {
  const auto& book = contracts_[index].book;
  return !book.volume_answered() ||
         (open_interest_asked_ && !book.open_interest_answered(options_[index].contract.right));
}

/// For a contract that waits for a line, ends the longest wait for late ticks. False: there is
/// none.
bool Rotation::give_up_late_ticks(Steady::time_point now) {
  auto first = active_.end();
  for (auto at = active_.begin(); at != active_.end(); ++at) {
    const auto& until = at->second.late_until;
    if (until && (first == active_.end() || *until < *first->second.late_until)) first = at;
  }
  if (first == active_.end()) return false;
  finish(first, Completeness::complete, now);
  return true;
}

void Rotation::handle(Event& event, Steady::time_point now) {
  if (const auto* price = std::get_if<wire::TickPrice>(&event)) {
    on_tick(*price, now);
  } else if (const auto* size = std::get_if<wire::TickSize>(&event)) {
    on_tick(*size, now);
  } else if (const auto* computation = std::get_if<wire::OptionComputation>(&event)) {
    on_tick(*computation, now);
  } else if (const auto* type = std::get_if<wire::MarketDataType>(&event)) {
    on_tick(*type, now);
  } else if (const auto* end = std::get_if<wire::TickSnapshotEnd>(&event)) {
    on_snapshot_end(end->req_id, now);
  } else if (const auto* error = std::get_if<RequestError>(&event)) {
    handle(*error);
  } else if (std::holds_alternative<StreamsLost>(event)) {
    put_back_all(true);
  } else if (const auto* lost = std::get_if<LinkLost>(&event)) {
    if (session_ && session_->number == lost->session) {
      put_back_all(false);
      session_.reset();
    }
  }
}

void Rotation::handle(const RequestError& error) {
  const auto at = active_.find(error.req_id);
  if (at == active_.end()) return;
  const auto index = at->second.index;
  auto& contract = contracts_[index];
  // The gateway has ended the request itself, so there is nothing to cancel.
  const auto drop = [&] {
    mailbox_.close(error.req_id);
    active_.erase(at);
  };
  if (at->second.late_until && error.ruling.meaning != Meaning::advisory) {
    // All but the late ticks had come.
    if (error.ruling.meaning == Meaning::competing) stopped_ = error.text;
    drop();
    link_.release_line(false);
    contract.completeness = Completeness::complete;
    return;
  }
  switch (error.ruling.meaning) {
    case Meaning::advisory:
      contract.advisory = Refusal{error.ruling.code, error.text};
      return;
    case Meaning::no_line:
      drop();
      link_.line_refused();
      contract = {};
      queue_.push_front(index);
      // With nothing of our own to give back, only another program can: wait for it a little.
      if (active_.empty() && cancels_.empty()) resume_ = Steady::now() + milliseconds{250};
      return;
    case Meaning::duplicate_id:
      if (++contract.duplicates <= 3) {
        drop();
        link_.release_line(false);
        queue_.push_front(index);
        return;
      }
      break;
    case Meaning::competing:
      stopped_ = error.text;
      break;
    default:
      break;
  }
  drop();
  link_.release_line(false);
  contract.completeness = Completeness::refused;
  contract.refusal = Refusal{error.ruling.code, error.text};
}

void Rotation::on_snapshot_end(int req_id, Steady::time_point now) {
  const auto at = active_.find(req_id);
  if (at == active_.end()) return;
  const auto& subscription = at->second;
  auto& contract = contracts_[subscription.index];
  if (subscription.late_until) {
    contract.completeness = Completeness::complete;
  } else if (!subscription.last_tick && contract.advisory) {
    contract.completeness = Completeness::refused;
    contract.refusal = contract.advisory;
  } else {
    contract.completeness =
        subscription.last_tick ? Completeness::partial : Completeness::not_reached;
  }
  if (!subscription.late_until) add_dwell(subscription, now);
  // The gateway has ended it: there is nothing to cancel.
  mailbox_.close(req_id);
  active_.erase(at);
  link_.release_line(true);
}

void Rotation::finish(Active::iterator at, Completeness as, Steady::time_point now) {
  const auto& [req_id, subscription] = *at;
  contracts_[subscription.index].completeness = as;
  if (!subscription.late_until) add_dwell(subscription, now);
  mailbox_.close(req_id);
  cancels_.push_back(req_id);
  active_.erase(at);
}

void Rotation::put_back_all(bool cancel) {
  for (auto at = active_.rbegin(); at != active_.rend(); ++at) {
    mailbox_.close(at->first);
    if (at->second.late_until) {
      contracts_[at->second.index].completeness = Completeness::complete;
    } else {
      queue_.push_front(at->second.index);
      contracts_[at->second.index] = {};
    }
    if (cancel) {
      cancels_.push_back(at->first);
    } else {
      link_.release_line(false);
    }
  }
  active_.clear();
  if (cancel) return;
  for (std::size_t i = 0; i < cancels_.size(); ++i) link_.release_line(false);
  cancels_.clear();
}

void Rotation::end_all() {
  for (const auto& [req_id, subscription] : active_) {
    contracts_[subscription.index].completeness = subscription.late_until ? Completeness::complete
                                                  : subscription.last_tick
                                                      ? Completeness::partial
                                                      : Completeness::not_reached;
    cancels_.push_back(req_id);
  }
  active_.clear();
  // Whatever holds a line was sent under a session.
  for (const int req_id : cancels_) link_.end_subscription(*session_, req_id);
  cancels_.clear();
}

CollectReport Rotation::report() {
  CollectReport r;
  r.quotes.reserve(contracts_.size());
  for (std::size_t i = 0; i < contracts_.size(); ++i) {
    auto& contract = contracts_[i];
    const auto& listed = options_[i].contract;
    switch (contract.completeness) {
      case Completeness::complete:
        ++r.complete;
        break;
      case Completeness::partial:
        ++r.partial;
        break;
      case Completeness::refused:
        ++r.refused;
        break;
      case Completeness::not_reached:
        ++r.not_reached;
        break;
    }
    CollectedQuote quote{.option = {listed, contract.book.quote(listed.right)},
                         .completeness = contract.completeness,
                         .delayed = contract.book.delayed(),
                         .frozen = contract.book.frozen(),
                         .refusal = std::move(contract.refusal)};
    quote.option.quote.observed_at = contract.observed_at;
    r.quotes.push_back(std::move(quote));
  }
  const auto percentile = [&](std::size_t percent) {
    if (dwells_.empty()) return milliseconds{0};
    const auto at =
        dwells_.begin() + static_cast<std::ptrdiff_t>((dwells_.size() - 1) * percent / 100);
    std::nth_element(dwells_.begin(), at, dwells_.end());
    return *at;
  };
  r.dwell_p50 = percentile(50);
  r.dwell_p95 = percentile(95);
  r.lines_used = lines_used_;
  r.stopped = std::move(stopped_);
  return r;
}

}  // namespace bifrost::ib
