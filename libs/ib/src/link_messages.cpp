// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "bifrost/core/log.hpp"
#include "link.hpp"

// What each message of a gateway means for the link and for whoever asked: runs on the reader
// thread of link_reader.cpp.
namespace bifrost::ib {

namespace log = core::log;

namespace {

/// "Market data farm connection is OK:usfarm"
std::string farm_of(std::string_view text) {
  const auto colon = text.rfind(':');
  return std::string{colon == text.npos ? "" : text.substr(colon + 1)};
}

/// "... Please reconnect on the new port - 4002"; 0: none is named.
std::uint16_t port_of(std::string_view text) {
  const auto last = text.find_last_of("0123456789");
  if (last == text.npos) return 0;
  const auto before = text.find_last_not_of("0123456789", last);
  const auto digits = text.substr(before == text.npos ? 0 : before + 1, last - before);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc{} && end == digits.data() + digits.size() ? port : std::uint16_t{0};
}

}  // namespace

template <class M>
std::optional<M> Link::take(const wire::Fields& fields, int version) {
  auto message = wire::decode<M>(fields, version);
  if (message) return std::move(*message);
  // Reported at the first and then ever more rarely.
  if (std::has_single_bit(++undecodable_)) {
    log::warning("dropped a message of the gateway: {} ({} so far)", message.error().message,
                 undecodable_);
  }
  return std::nullopt;
}

void Link::on_message(const wire::Fields& fields, int version, Batch& batch) {
  const auto id = fields.id();
  if (!id) {
    ++undecodable_;
    return;
  }
  const auto pass = [&]<class M>(std::type_identity<M>) {
    if (auto message = take<M>(fields, version)) {
      const int req_id = message->req_id;
      batch.emplace_back(req_id, std::move(*message));
    }
  };
  switch (static_cast<wire::Reply>(*id)) {
    case wire::Reply::tick_price:
      ticked_ = true;
      if (auto tick = take<wire::TickPrice>(fields, version)) {
        // Prices come from the broker. Those still on their way when it was lost say nothing, nor
        // do the ones that take a price back.
        if (!upstream_alive_ && tick->price &&
            Steady::now() >= upstream_lost_ + options_.upstream_patience / 60) {
          upstream_is_back(batch);
        }
        const int req_id = tick->req_id;
        batch.emplace_back(req_id, std::move(*tick));
      }
      return;
    case wire::Reply::tick_size:
      ticked_ = true;
      return pass(std::type_identity<wire::TickSize>{});
    case wire::Reply::tick_generic:
      ticked_ = true;
      return pass(std::type_identity<wire::TickGeneric>{});
    case wire::Reply::tick_snapshot_end:
      return pass(std::type_identity<wire::TickSnapshotEnd>{});
    case wire::Reply::historical_data:
      return pass(std::type_identity<wire::HistoricalData>{});
    case wire::Reply::historical_data_end:
      return pass(std::type_identity<wire::HistoricalDataEnd>{});
    case wire::Reply::account_summary:
      return pass(std::type_identity<wire::AccountSummary>{});
    case wire::Reply::account_summary_end:
      return pass(std::type_identity<wire::AccountSummaryEnd>{});
    case wire::Reply::position:
      if (auto position = take<wire::Position>(fields, version)) {
        batch.emplace_back(positions_route, std::move(*position));
      }
      return;
    case wire::Reply::position_end:
      batch.emplace_back(positions_route, wire::PositionEnd{});
      return;
    case wire::Reply::open_order:
      if (auto order = take<wire::OpenOrder>(fields, version)) {
        const int order_id = order->order_id;
        batch.emplace_back(order_id, std::make_unique<wire::OpenOrder>(std::move(*order)));
      }
      return;
    case wire::Reply::option_computation:
      ticked_ = true;
      return pass(std::type_identity<wire::OptionComputation>{});
    case wire::Reply::market_data_type:
      return pass(std::type_identity<wire::MarketDataType>{});
    case wire::Reply::contract_data:
      if (auto data = take<wire::ContractData>(fields, version)) {
        const int req_id = data->req_id;
        batch.emplace_back(req_id, std::make_unique<wire::ContractData>(std::move(*data)));
      }
      return;
    case wire::Reply::contract_data_end:
      return pass(std::type_identity<wire::ContractDataEnd>{});
    case wire::Reply::option_parameters:
      return pass(std::type_identity<wire::OptionParameters>{});
    case wire::Reply::option_parameters_end:
      return pass(std::type_identity<wire::OptionParametersEnd>{});
    case wire::Reply::current_time:
      if (auto time = take<wire::CurrentTime>(fields, version)) {
        on_time(std::chrono::seconds{1}, time->epoch_seconds, batch);
      }
      return;
    case wire::Reply::current_time_millis:
      if (auto time = take<wire::CurrentTimeMillis>(fields, version)) {
        on_time(std::chrono::milliseconds{1}, time->epoch_millis, batch);
      }
      return;
    case wire::Reply::error:
      if (auto error = take<wire::ErrorMessage>(fields, version)) on_error(*error, batch);
      return;
    case wire::Reply::next_valid_id:
    case wire::Reply::managed_accounts:
    case wire::Reply::tick_request_parameters:
    case wire::Reply::order_status:
    case wire::Reply::execution_data:
    case wire::Reply::commission_report:
    case wire::Reply::open_order_end:
      return;  // known, and of no use here
    case wire::Reply::tick_string:
      ticked_ = true;
      return;
    default:
      ++unknown_;
  }
}

void Link::on_time(std::chrono::microseconds unit, std::int64_t count, Batch& batch) {
  constexpr std::chrono::microseconds year_2200 = std::chrono::hours{24 * 365 * 230};
  if (count < 0 || count > year_2200 / unit) {
    ++undecodable_;
    return;
  }
  if (!proven_) return proven();  // the answer to our own question, and to nobody else's
  batch.emplace_back(0, TimeAnswer{core::Instant{unit * count}});
}

void Link::set_upstream(bool alive, const std::string& problem) {
  if (!alive && upstream_alive_) upstream_lost_ = Steady::now();
  upstream_alive_ = alive;
  const std::scoped_lock lock{mutex_};
  state_.upstream_ok = alive && state_.connected;
  if (!alive) state_.last_problem = problem;
  poke_all();
}

void Link::upstream_is_back(Batch& batch) {
  log::info("gateway link at {}:{}: the broker is back", options_.host, port_);
  set_upstream(true, {});
  batch.emplace_back(0, StreamsLost{});
}

void Link::on_error(const wire::ErrorMessage& error, Batch& batch) {
  const auto ruling = rule(error.code, error.text);
  switch (ruling.meaning) {
    case Meaning::rate: {
      log::warning("gateway: {} ({})", error.text, error.code);
      const std::scoped_lock lock{mutex_};
      bucket_.complain(Steady::now(), options_.rate_recovery);
      return;
    }
    case Meaning::id_in_use:
      id_taken_ = !proven_;
      break;
    case Meaning::port_changed:
      log::warning("gateway: {} ({})", error.text, error.code);
      if (const auto port = port_of(error.text); port != 0) port_ = port;
      return;
    case Meaning::outdated: {
      log::error("gateway: {} ({})", error.text, error.code);
      const std::scoped_lock lock{mutex_};
      session_alert_ = fmt::format("{} ({})", error.text, error.code);
      if (error.code >= 2100 && error.code <= 2999) return;  // warnings end no request
      break;
    }
    case Meaning::competing: {
      const std::scoped_lock lock{mutex_};
      competing_until_ = Steady::now() + std::chrono::minutes{5};
      break;
    }
    case Meaning::upstream_lost:
      log::warning("gateway: {} ({})", error.text, error.code);
      return set_upstream(false, error.text);
    case Meaning::upstream_back:
      log::info("gateway: {} ({})", error.text, error.code);
      return upstream_is_back(batch);
    case Meaning::farm_lost:
      log::warning("gateway: {} ({})", error.text, error.code);
      broken_farms_.insert(farm_of(error.text));
      return;
    case Meaning::farm_back: {
      log::info("gateway: {} ({})", error.text, error.code);
      // After a break streams may stay dead without a word.
      const bool was_broken = broken_farms_.erase(farm_of(error.text)) > 0;
      // A farm is beyond the broker: 1101 or 1102 may have been lost.
      if (!upstream_alive_) return upstream_is_back(batch);
      if (was_broken) batch.emplace_back(0, StreamsLost{});
      return;
    }
    default:
      break;
  }
  if (!error.req_id) {
    log::info("gateway: {} ({})", error.text, error.code);
    return;
  }
  if (error.code == 320) log::error("the gateway could not read a request of ours: {}", error.text);
  if (ruling.meaning == Meaning::notice) {
    log::debug("gateway: {} ({})", error.text, error.code);
    return;
  }
  batch.emplace_back(*error.req_id, RequestError{*error.req_id, ruling, error.text});
}

void Link::deliver(Batch& batch, std::uint64_t messages) {
  const std::scoped_lock lock{mutex_};
  state_.messages_in += messages;
  state_.undecodable = undecodable_;
  state_.unknown = unknown_;
  if (ticked_) {
    ticked_ = false;
    silent_before_ = {};
    silent_from_ = Steady::now();
    silence_steps_ = 0;
    stream_alert_.clear();
    competing_until_ = {};
  }
  for (auto& [req_id, event] : batch) {
    // A peer may send 0 as a request id too, which is nobody's.
    if (const auto* time = std::get_if<TimeAnswer>(&event)) {
      last_time_answer_ = Steady::now();
      if (time_questions_.empty()) continue;  // to a first question, asked more than once
      if (auto* waiter = time_questions_.front().waiter) waiter->events_.emplace_back(*time);
      time_questions_.pop_front();
      // Whoever could not ask because of this one.
      for (auto* mailbox : mailboxes_) mailbox->poked_ = true;
    } else if (std::holds_alternative<StreamsLost>(event)) {
      for (auto* mailbox : mailboxes_) mailbox->events_.emplace_back(StreamsLost{});
    } else if (const auto route = routes_.find(req_id); route != routes_.end()) {
      route->second->events_.push_back(std::move(event));
    } else {
      ++state_.late;
    }
  }
  if (!batch.empty()) changed_.notify_all();
  batch.clear();
}

}  // namespace bifrost::ib
