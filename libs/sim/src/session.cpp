// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "bifrost/core/log.hpp"
#include "catalogue.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;
namespace log = core::log;
using namespace std::chrono_literals;

// Breaches of the message rate within a minute of each other that end the connection.
constexpr int tolerated_breaches = 3;

}  // namespace

MessageRate::Verdict MessageRate::count(SteadyTime now) {
  if (limit_ == 0) return Verdict::fine;
  while (!recent_.empty() && now - recent_.front() >= 1s) recent_.pop_front();
  recent_.push_back(now);
  const auto count = static_cast<int>(recent_.size());
  if (count > limit_) return Verdict::over_limit;
  // The documented warning comes at 44 of 50.
  return count == limit_ * 44 / 50 && count > 1 ? Verdict::near_limit : Verdict::fine;
}

Session::~Session() {
  floor_.lines -= static_cast<int>(lines_.size());
  if (client_id_) floor_.client_ids.erase(*client_id_);
}

bool Session::receive(std::string_view bytes, SteadyTime now) {
  frames_.feed(bytes);
  for (;;) {
    const auto payload = frames_.next();
    if (!payload) {
      log::info("client {}: {}", client_id_.value_or(-1), payload.error().message);
      return false;
    }
    if (!*payload) return true;
    if (stage_ == Stage::hello) {
      if (!hello(**payload)) return false;
      continue;
    }
    const wire::Fields fields{**payload};
    if (!(stage_ == Stage::start ? start(fields) : dispatch(fields, now))) return false;
  }
}

bool Session::hello(std::string_view payload) {
  const auto offered = wire::decode_hello(payload);
  if (!offered) {
    log::info("refused a client: {}", offered.error().message);
    return false;
  }
  version_ = std::min(offered->max, floor_.options.max_version);
  if (version_ < offered->min || version_ < floor_.options.min_version) {
    log::info("refused a client that speaks versions {} to {}", offered->min, offered->max);
    return false;
  }
  output_ += wire::encode(wire::HelloReply{.server_version = version_,
                                           .connection_time = gateway_time(floor_.market.now())});
  stage_ = Stage::start;
  return true;
}

bool Session::start(const wire::Fields& fields) {
  // A real gateway loses what comes before START_API.
  if (fields.id() != static_cast<int>(wire::Request::start_api)) return true;
  const auto request = wire::decode<wire::StartApi>(fields, version_);
  if (!request) return false;
  if (!floor_.client_ids.insert(request->client_id).second) {
    send_error(
        std::nullopt, 326,
        "Unable to connect as the client id is already in use. Retry with a unique client id.");
    return false;
  }
  client_id_ = request->client_id;
  stage_ = Stage::ready;
  send(wire::ManagedAccounts{.accounts = {floor_.options.account}});
  send(wire::NextValidId{.order_id = 1});
  send_error(std::nullopt, 2104, "Market data farm connection is OK:simfarm");
  send_error(std::nullopt, 2104, "Market data farm connection is OK:simopt");
  send_error(std::nullopt, 2106, "HMDS data farm connection is OK:simhmds");
  send_error(std::nullopt, 2158, "Sec-def data farm connection is OK:simsecdef");
  return true;
}

bool Session::dispatch(const wire::Fields& fields, SteadyTime now) {
  switch (floor_.rate.count(now)) {
    case MessageRate::Verdict::fine:
      break;
    case MessageRate::Verdict::near_limit:
      send_error(std::nullopt, 0,
                 fmt::format("Warning: Approaching max rate of {} messages per second ({})",
                             floor_.options.max_messages_per_second,
                             floor_.options.max_messages_per_second * 44 / 50));
      break;
    case MessageRate::Verdict::over_limit:
      if (last_breach_ && now - *last_breach_ < 1s) return true;
      breaches_ = last_breach_ && now - *last_breach_ < 1min ? breaches_ + 1 : 1;
      last_breach_ = now;
      send_error(std::nullopt, 100,
                 fmt::format("Max rate of messages per second has been exceeded: max={}",
                             floor_.options.max_messages_per_second));
      return breaches_ <= tolerated_breaches;
  }
  const auto id = fields.id();
  if (!id) {
    send_error(std::nullopt, 320, "Error reading request. Unable to parse the message id");
    return true;
  }
  if (*id == static_cast<int>(wire::Request::family_codes)) {
    // Peers differ in whether a message version follows, and there is nothing else to read.
    send(wire::FamilyCodes{.codes = {{.account = floor_.options.account, .code = {}}}});
    return true;
  }
  return dispatch_to(wire::Requests{}, fields, *id);
}

template <class... M>
bool Session::dispatch_to(wire::MessageList<M...>, const wire::Fields& fields, int id) {
  const auto attempt = [&]<class Message>(Message*) {
    if (static_cast<int>(Message::id) != id) return false;
    auto message = wire::decode<Message>(fields, version_);
    if (message) {
      on(*message);
    } else {
      send_error(std::nullopt, 320,
                 fmt::format("Error reading request. {}", message.error().message));
    }
    return true;
  };
  if ((attempt(static_cast<M*>(nullptr)) || ...)) return true;

  const bool order = id == static_cast<int>(wire::Request::place_order) ||
                     id == static_cast<int>(wire::Request::cancel_order);
  if (order || id == static_cast<int>(wire::Request::global_cancel)) {
    // The cancel of older versions has a message version in front of the order id.
    const bool versioned = id == static_cast<int>(wire::Request::cancel_order) && version_ < 192;
    const std::size_t at = versioned ? 2 : 1;
    const auto order_id = order && fields.size() > at ? parse_int(fields[at]) : std::nullopt;
    send_error(order_id, 321,
               "Error validating request.-'b' : cause - The API interface is currently in "
               "Read-Only mode.");
    return true;
  }
  log::debug("client {}: no answer to message {}", client_id_.value_or(-1), id);
  return true;
}

void Session::send_error(std::optional<int> req_id, int code, std::string text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.market.now());
  send(wire::ErrorMessage{.req_id = req_id,
                          .code = code,
                          .text = std::move(text),
                          .reject_json = {},
                          .time_millis = now.time_since_epoch().count()});
}

}  // namespace bifrost::sim
