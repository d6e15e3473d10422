// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

/// Why a cycle is partial or missed: a stable code, a colon, words. Several are separated by "; ",
/// the one that matters most first. Reports group by the first code; the list is in the README.
namespace bifrost::collector::reason {

// Of the ledger itself; those of asking are chain_reader.hpp's.
inline constexpr std::string_view collector_not_running = "collector_not_running";
inline constexpr std::string_view overrun = "overrun";
inline constexpr std::string_view clock_stepped = "clock_stepped";
inline constexpr std::string_view clock_wrong = "clock_wrong";
inline constexpr std::string_view spool_full = "spool_full";
inline constexpr std::string_view history_refused = "history_refused";
// Beside a complete or partial snapshot: it is stored without changes and market conditions.
inline constexpr std::string_view not_described = "not_described";

inline std::string because(std::string_view code, std::string_view words) {
  return fmt::format("{}: {}", code, words);
}

/// The first code; "other" for a reason without one, "" for none.
inline std::string_view code_of(std::string_view text) {
  if (text.empty()) return {};
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_");
  if (end == 0 || end == std::string_view::npos || text[end] != ':') return "other";
  return text.substr(0, end);
}

/// Whether this is one of the codes.
inline bool names(std::string_view text, std::string_view code) {
  for (auto at = text.find(code); at != text.npos; at = text.find(code, at + 1)) {
    const bool begins = at == 0 || text.substr(0, at).ends_with("; ");
    if (begins && text.substr(at + code.size()).starts_with(':')) return true;
  }
  return false;
}

}  // namespace bifrost::collector::reason
