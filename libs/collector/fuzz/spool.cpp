// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string_view>

#include "spool_codec.hpp"

/// Arbitrary bytes as a segment, and as a payload: the reader ends, sees every byte once, and what
/// it takes for an entry is written back as one that reads the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bifrost::collector;
  const std::string_view all{reinterpret_cast<const char*>(data), size};
  const auto check = [](std::string_view payload) {
    const auto entry = decode_payload(payload);
    if (!entry) return;
    const auto bytes = encode_payload(*entry);
    const auto again = decode_payload(bytes);
    if (!again || encode_payload(*again) != bytes) __builtin_trap();
    if (find_frame(to_frame(bytes)).length != frame_header + bytes.size()) __builtin_trap();
  };
  check(all);
  for (std::string_view rest = all; !rest.empty();) {
    const auto found = find_frame(rest);
    if (found.length == 0 || found.length > rest.size()) __builtin_trap();
    if (found.what == Found::What::entry)
      check(rest.substr(frame_header, found.length - frame_header));
    rest.remove_prefix(found.length);
  }
  return 0;
}
