// SPDX-License-Identifier: Apache-2.0
#include "frames.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bifrost/ib/wire.hpp"
#include "message_kinds.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;

// Which replies belong to a request that carries no id.
struct Replies {
  wire::Request request;
  std::vector<int> replies;
};
const std::vector<Replies>& replies_without_id() {
  static const std::vector<Replies> table = {
      {wire::Request::positions, {61, 62}},
      {wire::Request::ids, {9}},
      {wire::Request::managed_accounts, {15}},
      {wire::Request::account_updates, {6, 7, 8, 54}},
      {wire::Request::open_orders, {3, 53}},
      {wire::Request::all_open_orders, {3, 53}},
      {wire::Request::completed_orders, {101, 102}},
      {wire::Request::market_rule, {93}},
      {wire::Request::family_codes, {78}},
  };
  return table;
}

/// The time is told by the clock of the playback, not by the recording.
bool about_time(int request) {
  return request == static_cast<int>(wire::Request::current_time) ||
         request == static_cast<int>(wire::Request::current_time_millis);
}

class Loader {
 public:
  explicit Loader(Frames& out) : out_(out) {}

  void take(const ib::Record& record) {
    if (out_.first == core::Instant{}) out_.first = record.at;
    out_.last = std::max(out_.last, record.at);
    switch (record.kind) {
      case ib::Record::Kind::opened:
        end();
        open_ = true;
        break;
      case ib::Record::Kind::closed:
        end();
        break;
      case ib::Record::Kind::lost:
        out_.lost += static_cast<std::size_t>(std::max(parse_int(record.payload).value_or(0), 0));
        break;
      case ib::Record::Kind::sent:
        if (open_) sent(record);
        break;
      case ib::Record::Kind::received:
        if (open_) received(record);
        break;
    }
  }

  void end() {
    if (started_) out_.sessions.push_back(std::move(session_));
    session_ = {};
    started_.reset();
    greeted_ = open_ = false;
    by_id_.clear();
    by_reply_.clear();
  }

 private:
  struct Place {
    std::string content;
    std::size_t index = 0;
    core::Instant asked;
  };

  void sent(const ib::Record& record) {
    const wire::Fields fields{record.payload};
    const auto id = fields.id();
    if (!greeted_ || !id || about_time(*id)) return;
    if (*id == static_cast<int>(wire::Request::start_api)) {
      started_ = record.at;
      return;
    }
    const auto kind = kind_of(request_kinds(), *id);
    auto content = request_content(record.payload, session_.version);
    auto& all = out_.answers[content];
    all.emplace_back();
    ++out_.requests;
    const Place place{.content = std::move(content), .index = all.size() - 1, .asked = record.at};
    const auto field = request_id_field(kind, session_.version);
    // What still comes for an id after its cancel belongs to what was cancelled.
    if (kind.name.starts_with("cancel")) return;
    if (field > 0 && field < fields.size()) {
      by_id_[std::string{fields[field]}] = place;
      return;
    }
    for (const auto& [request, replies] : replies_without_id()) {
      if (static_cast<int>(request) != *id) continue;
      for (const int reply : replies) by_reply_[reply] = place;
    }
  }

  void received(const ib::Record& record) {
    if (!greeted_) {
      const auto reply = wire::decode_hello_reply(wire::Fields{record.payload});
      greeted_ = reply.has_value();
      session_.version = greeted_ ? reply->server_version : 0;
      session_.greeting = record.payload;
      return;
    }
    const wire::Fields fields{record.payload};
    const auto id = fields.id();
    if (!id || !started_ || *id == static_cast<int>(wire::Reply::current_time) ||
        *id == static_cast<int>(wire::Reply::current_time_millis)) {
      return;
    }
    const auto field = reply_id_field(kind_of(reply_kinds(), *id), session_.version);
    const Place* place = nullptr;
    if (field > 0 && field < fields.size()) {
      const auto at = by_id_.find(std::string{fields[field]});
      if (at != by_id_.end()) place = &at->second;
    }
    if (!place) {
      const auto at = by_reply_.find(*id);
      if (at != by_reply_.end()) place = &at->second;
    }
    if (place) {
      out_.answers[place->content][place->index].push_back(
          {.after = record.at - place->asked, .payload = record.payload});
    } else {
      session_.unsolicited.push_back({.after = record.at - *started_, .payload = record.payload});
    }
  }

  Frames& out_;
  Frames::Session session_;
  bool open_ = false;
  bool greeted_ = false;
  std::optional<core::Instant> started_;
  std::map<std::string, Place> by_id_;
  std::map<int, Place> by_reply_;
};

}  // namespace

core::Result<Frames> Frames::load(const std::filesystem::path& path) {
  BF_TRY(auto reader, ib::RecordingReader::open(path));
  Frames out;
  Loader loader{out};
  for (;;) {
    BF_TRY(const auto record, reader.next());
    if (!record) break;
    loader.take(*record);
  }
  loader.end();
  if (out.sessions.empty()) {
    return core::fail(
        core::Errc::not_found,
        fmt::format("{} holds no session that got as far as its start", path.string()));
  }
  return out;
}

core::Result<Frames> Frames::of(std::span<const ib::Record> records) {
  Frames out;
  Loader loader{out};
  for (const auto& record : records) loader.take(record);
  loader.end();
  if (out.sessions.empty()) {
    return core::fail(core::Errc::not_found, "no session got as far as its start");
  }
  return out;
}

std::string request_content(std::string_view payload, int version) {
  const auto id = wire::Fields{payload}.id();
  if (payload.empty() || !id) return std::string{payload};
  const auto field = request_id_field(kind_of(request_kinds(), *id), version);
  if (field == 0) return std::string{payload};
  return with_field(wire::frame(payload), field, "?").substr(4);
}

}  // namespace bifrost::sim
