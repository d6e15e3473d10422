// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/extra_closures.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "clock_text.hpp"

namespace bifrost::core {
namespace {

std::vector<ExtraClosure>& in_force() {
  static std::vector<ExtraClosure> closures;
  return closures;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

Result<std::vector<ExtraClosure>> parse_extra_closures(std::string_view text) {
  constexpr std::chrono::minutes first{9 * 60 + 31};
  constexpr std::chrono::minutes last{16 * 60};
  std::vector<ExtraClosure> closures;
  for (std::string_view rest = trim(text); !rest.empty();) {
    const auto comma = rest.find(',');
    const auto entry = trim(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const auto wrong = [&](std::string_view rule) {
      return fail(Errc::invalid_input, fmt::format("'{}' {}", entry, rule));
    };
    const auto day = parse_date(entry.substr(0, 10));
    if (!day) return wrong("does not begin with a date such as 2027-01-09");
    ExtraClosure closure{*day, std::nullopt};
    if (entry.size() > 10) {
      closure.close = entry[10] == ':' ? parse_clock(entry.substr(11)) : std::nullopt;
      if (!closure.close || *closure.close < first || *closure.close > last) {
        return wrong("does not end with a close from 09:31 to 16:00, as in 2027-03-03:13:00");
      }
    }
    if (std::ranges::find(closures, *day, &ExtraClosure::day) != closures.end()) {
      return wrong("names a day for the second time");
    }
    closures.push_back(closure);
  }
  return closures;
}

void set_extra_closures(std::vector<ExtraClosure> closures) {
  in_force() = std::move(closures);
}

Result<void> set_extra_closures_from_environment() {
  const char* text = std::getenv("BIFROST_EXTRA_CLOSURES");
  if (text == nullptr) return {};
  auto closures = parse_extra_closures(text);
  if (!closures) {
    return fail(Errc::invalid_input,
                fmt::format("BIFROST_EXTRA_CLOSURES: {}", closures.error().message));
  }
  set_extra_closures(*std::move(closures));
  return {};
}

const std::vector<ExtraClosure>& extra_closures() {
  return in_force();
}

}  // namespace bifrost::core
