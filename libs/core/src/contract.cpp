// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/contract.hpp"

#include <fmt/core.h>

#include "bifrost/core/quote.hpp"

namespace bifrost::core {

std::string describe(const OptionContract& contract) {
  return fmt::format("{} {} {} {}", contract.trading_class, to_iso_date(contract.expiry),
                     contract.strike.to_string(), to_char(contract.right));
}

bool is_symbol(std::string_view text) {
  if (text.empty() || text.size() > 12 || text.front() == ' ' || text.back() == ' ') return false;
  for (const char c : text) {
    const bool known =
        (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ' ';
    if (!known) return false;
  }
  return true;
}

std::string_view to_string(Source source) {
  switch (source) {
    case Source::live:
      return "live";
    case Source::delayed:
      return "delayed";
    case Source::imported:
      return "imported";
    case Source::simulated:
      return "simulated";
  }
  return "simulated";
}

std::optional<Source> parse_source(std::string_view text) {
  for (const auto source : {Source::live, Source::delayed, Source::imported, Source::simulated}) {
    if (to_string(source) == text) return source;
  }
  return std::nullopt;
}

}  // namespace bifrost::core
