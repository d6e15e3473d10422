// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../tests/shapes.hpp"
#include "bifrost/net/json.hpp"

// Whatever comes in: no crash, and what is accepted survives being written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bifrost::net;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto order = parse_json<shapes::Order>(text)) {
    const auto again = parse_json<shapes::Order>(to_json(*order));
    if (!again || to_json(*again) != to_json(*order)) std::abort();
  }
  if (const auto all = parse_json<shapes::Everything>(text)) {
    const auto again = parse_json<shapes::Everything>(to_json(*all));
    if (!again || to_json(*again) != to_json(*all)) std::abort();
  }
  return 0;
}
