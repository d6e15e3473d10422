// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "bifrost/ib/recording.hpp"
#include "bifrost/ib/wire.hpp"
#include "record_format.hpp"

namespace bifrost::ib {

namespace {

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xFF));
  }
}

std::uint64_t take(std::string_view& bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(count);
  return value;
}

constexpr std::size_t head_bytes = 1 + 2 + 8 + 4;

bool is_kind(char c) {
  return std::string_view{"o><x!"}.find(c) != std::string_view::npos;
}

}  // namespace

std::string encode(const Record& record) {
  std::string out;
  out.reserve(head_bytes + record.payload.size());
  out.push_back(static_cast<char>(record.kind));
  put(out, static_cast<std::uint64_t>(record.server_version), 2);
  put(out, static_cast<std::uint64_t>(record.at.time_since_epoch().count()), 8);
  put(out, record.payload.size(), 4);
  return out += record.payload;
}

void RecordCutter::feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  if (!broken_) buffer_.append(bytes);
}

core::Result<std::optional<Record>> RecordCutter::next() {
  const auto stop = [&](std::string_view why) {
    broken_ = true;
    return core::fail(core::Errc::corrupt_data, fmt::format("this is no recording: {}", why));
  };
  if (broken_) return stop("it went wrong before");
  auto held = std::string_view{buffer_}.substr(taken_);
  if (!greeted_) {
    if (!recording_greeting.starts_with(held.substr(0, recording_greeting.size()))) {
      return stop("it does not begin as one");
    }
    if (held.size() < recording_greeting.size()) return std::nullopt;
    taken_ += recording_greeting.size();
    held.remove_prefix(recording_greeting.size());
    greeted_ = true;
  }
  if (held.size() < head_bytes) {
    if (!held.empty() && !is_kind(held.front())) return stop("a record of unknown kind");
    return std::nullopt;
  }
  const auto kind = static_cast<char>(take(held, 1));
  if (!is_kind(kind)) return stop("a record of unknown kind");
  Record record{.kind = static_cast<Record::Kind>(kind),
                .server_version = static_cast<int>(take(held, 2))};
  record.at = core::Instant{std::chrono::microseconds{static_cast<std::int64_t>(take(held, 8))}};
  const auto length = take(held, 4);
  // Taking account ids out may make a frame longer than it was on the wire.
  if (length > 2 * wire::max_payload) return stop("a record beyond the largest frame");
  if (held.size() < length) return std::nullopt;
  record.payload = held.substr(0, length);
  taken_ += head_bytes + length;
  return record;
}

}  // namespace bifrost::ib
