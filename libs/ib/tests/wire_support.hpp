// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/ib/wire.hpp"

// Frames as the protocol document prints them, and what the codec makes of them.
namespace bifrost::ib::wire {

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high * 16 + digit));
      high = -1;
    }
  }
  return bytes;
}

/// Text as the protocol document prints it: '|' is a NUL.
inline std::string framed(std::string_view text) {
  std::string payload{text};
  for (char& c : payload) {
    if (c == '|') c = '\0';
  }
  return frame(payload);
}

inline std::string visible(std::string frame_bytes) {
  for (char& c : frame_bytes) {
    if (c == '\0') c = '|';
  }
  return frame_bytes.substr(std::min<std::size_t>(4, frame_bytes.size()));
}

template <class M>
core::Result<M> decode_frame(const std::string& bytes, int version) {
  FrameReader reader;
  reader.feed(bytes);
  auto payload = reader.next();
  EXPECT_TRUE(payload && *payload) << "not a whole frame";
  if (!payload || !*payload) return core::fail(core::Errc::corrupt_data, "no frame");
  EXPECT_EQ(reader.pending(), 0u);
  return decode<M>(Fields{**payload}, version);
}

inline bool same_number(const std::string& a, const std::string& b) {
  char* end_a = nullptr;
  char* end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a);
  const double y = std::strtod(b.c_str(), &end_b);
  return !a.empty() && !b.empty() && *end_a == '\0' && *end_b == '\0' && x == y;
}

inline std::vector<std::string> fields_of(const std::string& frame_bytes) {
  const Fields fields{std::string_view{frame_bytes}.substr(4)};
  std::vector<std::string> out;
  for (std::size_t i = 0; i < fields.size(); ++i) out.emplace_back(fields[i]);
  return out;
}

/// A captured frame that our writer reproduces to the byte.
template <class M>
M exact(std::string_view hex, int version) {
  const auto bytes = from_hex(hex);
  auto message = decode_frame<M>(bytes, version);
  EXPECT_TRUE(message) << (message ? "" : message.error().message);
  if (!message) return {};
  EXPECT_EQ(visible(encode(*message, version)), visible(bytes));
  EXPECT_EQ(encode(*message, version), bytes);
  return *message;
}

/// A captured frame whose peer spells some numbers differently (600.0 for 600): every field equal
/// as text or as number.
template <class M>
M equivalent(std::string_view hex, int version) {
  const auto bytes = from_hex(hex);
  auto message = decode_frame<M>(bytes, version);
  EXPECT_TRUE(message) << (message ? "" : message.error().message);
  if (!message) return {};
  const auto theirs = fields_of(bytes);
  const auto ours = fields_of(encode(*message, version));
  EXPECT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    EXPECT_TRUE(ours[i] == theirs[i] || same_number(ours[i], theirs[i]))
        << i << ": " << ours[i] << " for " << theirs[i];
  }
  return *message;
}

}  // namespace bifrost::ib::wire
