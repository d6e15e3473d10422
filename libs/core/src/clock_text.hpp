// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace bifrost::core {

/// "13:00", exactly two digits each, up to 24:00.
inline std::optional<std::chrono::minutes> parse_clock(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (!digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int hour = 10 * (text[0] - '0') + (text[1] - '0');
  const int minute = 10 * (text[3] - '0') + (text[4] - '0');
  const std::chrono::minutes of_day{60 * hour + minute};
  if (minute > 59 || of_day > std::chrono::hours{24}) return std::nullopt;
  return of_day;
}

}  // namespace bifrost::core
