// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/result.hpp"

#include <cstdlib>

#include "bifrost/core/log.hpp"

namespace bifrost::core {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_input:
      return "invalid_input";
    case Errc::not_found:
      return "not_found";
    case Errc::conflict:
      return "conflict";
    case Errc::unauthorized:
      return "unauthorized";
    case Errc::unavailable:
      return "unavailable";
    case Errc::timeout:
      return "timeout";
    case Errc::cancelled:
      return "cancelled";
    case Errc::corrupt_data:
      return "corrupt_data";
  }
  return "corrupt_data";
}

void panic(std::string_view what, std::source_location where) {
  log::error("broken invariant: {} ({}:{})", what, where.file_name(), where.line());
  std::abort();
}

}  // namespace bifrost::core
