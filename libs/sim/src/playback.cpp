// SPDX-License-Identifier: Apache-2.0
#include "playback.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "bifrost/core/log.hpp"
#include "message_kinds.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;
namespace log = core::log;

Playback::~Playback() {
  if (client_id_) floor_.client_ids.erase(*client_id_);
}

bool Playback::receive(std::string_view bytes) {
  frames_.feed(bytes);
  for (;;) {
    const auto payload = frames_.next();
    if (!payload) {
      log::info("client {}: {}", client_id_.value_or(-1), payload.error().message);
      return false;
    }
    if (!*payload) break;
    if (!session_) {
      if (!hello(**payload)) return false;
      continue;
    }
    const wire::Fields fields{**payload};
    const auto id = fields.id();
    if (!client_id_) {
      if (id == static_cast<int>(wire::Request::start_api) && !start(fields)) return false;
    } else if (id) {
      answer(**payload, fields, *id);
    }
  }
  send_due();
  return true;
}

bool Playback::hello(std::string_view payload) {
  const auto offered = wire::decode_hello(payload);
  const auto& sessions = state_.frames.sessions;
  const auto& session = sessions[std::min(state_.connections, sessions.size() - 1)];
  if (!offered || session.version < offered->min || session.version > offered->max) {
    log::warning("refused a client: the recording is of server version {}", session.version);
    return false;
  }
  ++state_.connections;
  session_ = &session;
  output_ += wire::frame(session.greeting);
  return true;
}

bool Playback::start(const wire::Fields& fields) {
  const auto request = wire::decode<wire::StartApi>(fields, session_->version);
  if (!request) return false;
  if (!floor_.client_ids.insert(request->client_id).second) {
    send_error(std::nullopt, 326, std::string{usual_text(326)});
    return false;
  }
  client_id_ = request->client_id;
  for (const auto& frame : session_->unsolicited) {
    waiting_.emplace(floor_.now.simulated + frame.after,
                     Waiting{.req_id = {}, .frame = wire::frame(frame.payload)});
  }
  return true;
}

void Playback::answer(std::string_view payload, const wire::Fields& fields, int id) {
  const int version = session_->version;
  if (id == static_cast<int>(wire::Request::current_time)) {
    const auto now = std::chrono::floor<std::chrono::seconds>(floor_.now.simulated);
    output_ +=
        wire::encode(wire::CurrentTime{.epoch_seconds = now.time_since_epoch().count()}, version);
    return;
  }
  if (id == static_cast<int>(wire::Request::current_time_millis)) {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.now.simulated);
    output_ += wire::encode(wire::CurrentTimeMillis{.epoch_millis = now.time_since_epoch().count()},
                            version);
    return;
  }
  const auto kind = kind_of(request_kinds(), id);
  const auto field = request_id_field(kind, version);
  const std::string req_id{field > 0 && field < fields.size() ? fields[field] : std::string_view{}};
  const bool cancels = kind.name.starts_with("cancel");
  if (cancels) {
    std::erase_if(waiting_,
                  [&](const auto& w) { return !req_id.empty() && w.second.req_id == req_id; });
  }
  const auto content = request_content(payload, version);
  const auto found = state_.frames.answers.find(content);
  if (found == state_.frames.answers.end()) {
    // When a cancel was needed is a matter of pace, so one that is not recorded is no surprise.
    if (cancels) return;
    log::warning("the recording holds no answer to a request of kind {}",
                 kind.name.empty() ? std::to_string(id) : std::string{kind.name});
    if (!req_id.empty()) {
      send_error(parse_int(req_id), 321,
                 "Error validating request.-'b' : cause - the recording holds no answer to this "
                 "request");
    }
    return;
  }
  const auto turn = std::min(state_.asked[content]++, found->second.size() - 1);
  for (const auto& frame : found->second[turn]) {
    auto bytes = wire::frame(frame.payload);
    const auto reply = wire::Fields{frame.payload}.id().value_or(0);
    const auto at = reply_id_field(kind_of(reply_kinds(), reply), version);
    if (!req_id.empty() && at > 0) bytes = with_field(bytes, at, req_id);
    waiting_.emplace(floor_.now.simulated + frame.after,
                     Waiting{.req_id = req_id, .frame = std::move(bytes)});
  }
}

void Playback::send_error(std::optional<int> req_id, int code, std::string text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.now.simulated);
  output_ += wire::encode(wire::ErrorMessage{.req_id = req_id,
                                             .code = code,
                                             .text = std::move(text),
                                             .reject_json = {},
                                             .time_millis = now.time_since_epoch().count()},
                          session_->version);
}

void Playback::send_due() {
  while (!waiting_.empty() && waiting_.begin()->first <= floor_.now.simulated) {
    output_ += waiting_.begin()->second.frame;
    waiting_.erase(waiting_.begin());
  }
}

bool Playback::time_passed() {
  send_due();
  return true;
}

}  // namespace bifrost::sim
