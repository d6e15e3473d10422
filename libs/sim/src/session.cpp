// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "bifrost/core/log.hpp"
#include "catalogue.hpp"
#include "hash.hpp"
#include "message_kinds.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;
namespace log = core::log;
using namespace std::chrono_literals;

// Breaches of the message rate within a minute of each other that end the connection.
constexpr int tolerated_breaches = 3;

constexpr std::size_t max_inbox = 1U << 20U;

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
  floor_.open_histories -= live_bars_.size();
  if (floor_.account_subscriber == this) floor_.account_subscriber = nullptr;
  if (client_id_) floor_.client_ids.erase(*client_id_);
}

void Session::connected() {
  for (const auto* action : floor_.weather.on_connect()) strike(*action);
}

bool Session::receive(std::string_view bytes) {
  if (stalled()) {
    // A gateway that hangs leaves them to the system's buffers, which have an end too.
    if (inbox_.size() < max_inbox) inbox_ += bytes;
    return true;
  }
  frames_.feed(bytes);
  for (;;) {
    const auto payload = frames_.next();
    if (!payload) {
      log::info("client {}: {}", client_id_.value_or(-1), payload.error().message);
      return false;
    }
    if (!*payload) return true;
    if (!take(**payload) || outlet_.ending() != Outlet::Ending::none) return false;
    // What has come already waits in the reader.
    if (stalled()) return true;
  }
}

bool Session::time_passed() {
  outlet_.release(floor_.now);
  if (stalled()) return true;
  return receive(std::exchange(inbox_, {}));
}

void Session::suffer(const Blow& blow) {
  const bool heard = stage_ == Stage::ready && !floor_.weather.wedged();
  if (!heard && blow.kind == Blow::Kind::notice) return;
  switch (blow.kind) {
    case Blow::Kind::notice:
      return send_error(std::nullopt, blow.code, blow.text);
    case Blow::Kind::kill:
      for (auto& [req_id, line] : lines_) {
        if (fits(blow.selector, line.subject, floor_.weather.seed())) line.dead = true;
      }
      return;
    case Blow::Kind::compete:
      while (!lines_.empty()) {
        send_error(lines_.begin()->first, 10197, std::string{usual_text(10197)});
        drop(lines_.begin());
      }
      return;
    case Blow::Kind::connection:
      if (!blow.selector.client || blow.selector.client == client_id_) strike(blow.action);
      return;
  }
}

bool Session::take(std::string_view payload) {
  if (stage_ == Stage::hello) return hello(payload);
  const wire::Fields fields{payload};
  const auto id = fields.id();
  if (!floor_.weather.scripted() || !id) return answer(fields);
  const auto kind = kind_of(request_kinds(), *id);
  auto subject = Subject::of(fields, static_cast<std::size_t>(kind.contract), floor_.market);
  subject.client = client_id_;
  if (stage_ == Stage::start && fields.size() > 2) subject.client = parse_int(fields[2]);
  const auto fired = floor_.weather.on_request(*id, subject);
  return fired.empty() ? answer(fields) : answer_as_told(fields, *id, fired);
}

bool Session::answer(const wire::Fields& fields) {
  return stage_ == Stage::start ? start(fields) : dispatch(fields);
}

bool Session::answer_as_told(const wire::Fields& fields, int id, const Weather::Fired& fired) {
  const auto at = request_id_field(kind_of(request_kinds(), id), version_);
  const auto req_id = at > 0 && at < fields.size() ? parse_int(fields[at]) : std::nullopt;
  const auto text_of = [](const Action& action) {
    return action.text.value_or(std::string{usual_text(static_cast<int>(*action.number))});
  };
  bool answered = true;
  std::vector<const Action*> cuts;
  std::vector<std::string> frames;
  std::int64_t copies = 1;
  std::optional<Until> due;
  std::optional<std::int64_t> other_id;
  captured_ = &frames;
  for (const auto* action : fired) {
    switch (action->what) {
      case Do::ignore:
        answered = false;
        break;
      case Do::error:
        answered = false;
        [[fallthrough]];
      case Do::advise:
        send_error(req_id, static_cast<int>(*action->number), text_of(*action));
        break;
      case Do::delay:
        due = after(*action->span, floor_.now);
        break;
      case Do::duplicate:
        copies += action->number.value_or(1);
        break;
      case Do::readdress:
        other_id = action->number;
        break;
      case Do::reset:
      case Do::eof:
      case Do::stall:
        cuts.push_back(action);
        break;
      default:
        strike(*action);
    }
  }
  const bool stay = !answered || answer(fields);
  captured_ = nullptr;

  std::string bytes;
  for (auto& frame : frames) {
    const wire::Fields reply{std::string_view{frame}.substr(4)};
    const auto field = reply_id_field(kind_of(reply_kinds(), reply.id().value_or(0)), version_);
    if (other_id && field > 0) frame = with_field(frame, field, std::to_string(*other_id));
    bytes += frame;
  }
  std::string all;
  for (; copies > 0; --copies) all += bytes;
  // With a number of bytes a cut is in the answer, without one it follows the answer.
  for (const auto* cut : cuts) {
    if (cut->number) strike(*cut);
  }
  if (!due) {
    put(all);
  } else {
    outlet_.put_later(*due, std::move(all));
    if (const auto line = lines_.find(req_id.value_or(-1)); line != lines_.end()) {
      line->second.quiet_until = due;
    }
  }
  for (const auto* cut : cuts) {
    if (!cut->number) strike(*cut);
  }
  return stay;
}

bool Session::unanswerable(int request) const {
  const auto& weather = floor_.weather;
  using wire::Request;
  switch (static_cast<Request>(request)) {
    case Request::contract_data:
    case Request::option_parameters:
    case Request::matching_symbols:
      return weather.upstream_down() || weather.broken(Farm::definitions);
    case Request::historical_data:
      return weather.upstream_down() || weather.broken(Farm::history);
    default:
      return false;
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
  put(wire::encode(wire::HelloReply{.server_version = version_,
                                    .connection_time = gateway_time(floor_.told_time())}));
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
  switch (floor_.weather.greeting()) {
    case Greeting::ready:
      for (const auto farm : {Farm::quotes, Farm::options, Farm::history, Farm::definitions}) {
        wake(farm);
      }
      break;
    case Greeting::inactive:
      for (const int code : {2108, 2107, 2158}) {
        send_error(std::nullopt, code, std::string{usual_text(code)});
      }
      break;
    case Greeting::lazy:
      break;
  }
  return true;
}

/// The first request that needs a farm connects it, where the greeting has not.
void Session::wake(Farm farm) {
  if (!woken_.insert(farm).second) return;
  constexpr std::pair<int, std::string_view> notices[] = {
      {2104, "Market data farm connection is OK:simfarm"},
      {2104, "Market data farm connection is OK:simopt"},
      {2106, "HMDS data farm connection is OK:simhmds"},
      {2158, "Sec-def data farm connection is OK:simsecdef"},
  };
  const auto& [code, text] = notices[static_cast<std::size_t>(farm)];
  send_error(std::nullopt, code, std::string{text});
}

bool Session::dispatch(const wire::Fields& fields) {
  const auto now = floor_.now.real;
  switch (floor_.rate.count(now)) {
    case MessageRate::Verdict::fine:
      break;
    case MessageRate::Verdict::near_limit:
      send_error(std::nullopt, 0,
                 fmt::format("Warning: Approaching max rate of {} messages per second ({})",
                             floor_.rate.limit(), floor_.rate.limit() * 44 / 50));
      break;
    case MessageRate::Verdict::over_limit:
      if (last_breach_ && now - *last_breach_ < 1s) return true;
      breaches_ = last_breach_ && now - *last_breach_ < 1min ? breaches_ + 1 : 1;
      last_breach_ = now;
      send_error(std::nullopt, 100,
                 fmt::format("Max rate of messages per second has been exceeded: max={}",
                             floor_.rate.limit()));
      return breaches_ <= tolerated_breaches;
  }
  const auto id = fields.id();
  if (!id) {
    send_error(std::nullopt, 320, "Error reading request. Unable to parse the message id");
    return true;
  }
  if (unanswerable(*id)) return true;
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

  if (id == static_cast<int>(wire::Request::place_order)) {
    on_order(fields);
    return true;
  }
  if (id == static_cast<int>(wire::Request::cancel_order) ||
      id == static_cast<int>(wire::Request::global_cancel)) {
    refuse_order(fields, id);
    return true;
  }
  log::debug("client {}: no answer to message {}", client_id_.value_or(-1), id);
  return true;
}

// ---- what is sent

void Session::send_error(std::optional<int> req_id, int code, std::string text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.told_time());
  send(wire::ErrorMessage{.req_id = req_id,
                          .code = code,
                          .text = std::move(text),
                          .reject_json = {},
                          .time_millis = now.time_since_epoch().count()});
}

Subject Session::subject_of_reply(int id, std::string_view frame) const {
  Subject subject;
  const auto field = reply_id_field(kind_of(reply_kinds(), id), version_);
  const wire::Fields fields{frame.substr(4)};
  const auto req_id = field > 0 && field < fields.size() ? parse_int(fields[field]) : std::nullopt;
  if (const auto line = lines_.find(req_id.value_or(-1)); line != lines_.end()) {
    subject = line->second.subject;
  }
  subject.client = client_id_;
  // Every message of a tick has its type in the field behind the request id.
  if (field > 0 && field + 1 < fields.size()) subject.tick = parse_int(fields[field + 1]);
  return subject;
}

void Session::emit(int id, std::string frame) {
  if (!floor_.weather.watches_replies()) return deliver(std::move(frame));
  std::int64_t copies = 1;
  std::vector<const Action*> cuts_behind;
  for (const auto* action : floor_.weather.on_reply(id, subject_of_reply(id, frame))) {
    const bool cuts =
        action->what == Do::reset || action->what == Do::eof || action->what == Do::stall;
    if (cuts && !action->number) {
      cuts_behind.push_back(action);
      continue;
    }
    switch (action->what) {
      case Do::lose:
        copies = 0;
        break;
      case Do::duplicate:
        copies += action->number.value_or(1);
        break;
      case Do::field:
        frame = with_field(frame, static_cast<std::size_t>(*action->number), *action->text);
        break;
      case Do::surplus: {
        auto payload = frame.substr(4);
        for (std::int64_t i = 0; i < *action->number; ++i) payload += std::string_view{"7\0", 2};
        frame = wire::frame(payload);
        break;
      }
      case Do::missing: {
        auto payload = frame.substr(4);
        for (std::int64_t i = 0; i < *action->number; ++i) {
          const auto end =
              payload.size() < 2 ? payload.npos : payload.rfind('\0', payload.size() - 2);
          if (end == payload.npos) break;
          payload.resize(end + 1);
        }
        frame = wire::frame(payload);
        break;
      }
      default:
        // A cut counts its bytes from this frame on, so what waits in front of it goes first.
        if (cuts) send_captured();
        strike(*action);
    }
  }
  for (; copies > 0; --copies) deliver(frame);
  if (cuts_behind.empty()) return;
  send_captured();
  for (const auto* action : cuts_behind) strike(*action);
}

void Session::send_captured() {
  if (!captured_) return;
  for (const auto& waiting : std::exchange(*captured_, {})) put(waiting);
}

void Session::deliver(std::string frame) {
  if (captured_) {
    captured_->push_back(std::move(frame));
  } else {
    put(frame);
  }
}

void Session::put(std::string_view bytes) {
  const auto begin = sent_;
  sent_ += bytes.size();
  std::uint64_t passed = 0;
  const Subject subject{.client = client_id_};
  for (const auto& [count, action] : floor_.weather.on_bytes(begin, sent_, subject)) {
    outlet_.put(bytes.substr(passed, count - begin - passed));
    passed = count - begin;
    strike(*action);
  }
  outlet_.put(bytes.substr(passed));
}

bool Session::strike(const Action& action) {
  const auto bytes = static_cast<std::uint64_t>(action.number.value_or(0));
  switch (action.what) {
    case Do::reset:
      outlet_.end(Outlet::Ending::reset, bytes);
      return true;
    case Do::eof:
      outlet_.end(Outlet::Ending::eof, bytes);
      return true;
    case Do::stall:
      outlet_.stall(bytes,
                    action.span ? std::optional{after(*action.span, floor_.now)} : std::nullopt);
      return true;
    case Do::split:
      bytewise_ = true;
      return true;
    case Do::notice: {
      const auto code = static_cast<int>(*action.number);
      if (stage_ == Stage::ready) {
        send_error(std::nullopt, code, action.text.value_or(std::string{usual_text(code)}));
      }
      return true;
    }
    case Do::message: {
      auto payload = *action.text;
      std::ranges::replace(payload, '|', '\0');
      if (!payload.empty()) deliver(wire::frame(payload));
      return true;
    }
    case Do::garbage: {
      std::string payload;
      while (payload.size() <
             std::min<std::uint64_t>(std::max<std::uint64_t>(bytes, 1), 1U << 20U)) {
        payload.push_back(static_cast<char>(mix(floor_.weather.seed() ^ ++garbage_) & 0xFFU));
      }
      deliver(wire::frame(payload));
      return true;
    }
    case Do::oversize:
      deliver(std::string{"\x01\0\0\0", 4});
      return true;
    case Do::empty:
      deliver(std::string(4, '\0'));
      return true;
    default:
      return floor_.weather.apply(action, floor_.now);
  }
}

}  // namespace bifrost::sim
