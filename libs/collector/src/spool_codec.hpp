// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "bifrost/collector/spool.hpp"

/// The bytes of a spool segment. A frame is its mark, the length of the payload, the CRC-32 of
/// length and payload, and the payload; numbers are little-endian.
namespace bifrost::collector {

inline constexpr std::size_t frame_header = 12;
inline constexpr std::size_t longest_payload = std::size_t{256} << 20;

std::string encode_payload(const SpoolEntry& entry);
/// Nothing when these bytes are not exactly one entry. Total: any bytes may be given.
std::optional<SpoolEntry> decode_payload(std::string_view payload);

/// `payload` with its header.
std::string to_frame(std::string_view payload);

/// What lies at some place of a segment.
struct Found {
  enum class What {
    entry,  // a whole frame
    torn,   // the rest of the segment is a frame that was being written, or nothing but zeros
    damage  // anything else: `length` bytes up to the next whole frame or the end
  };
  What what = What::entry;
  std::size_t length = 0;  // with the header
};
/// Looks at a segment's bytes from their beginning; they must not be empty.
Found find_frame(std::string_view bytes);

}  // namespace bifrost::collector
