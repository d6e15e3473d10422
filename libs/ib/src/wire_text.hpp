// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Numbers and text as fields of the wire spell them.
namespace bifrost::ib::wire {

template <class Int>
bool parse_whole(std::string_view text, Int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Decimal or Java exponent form. Unset marks, infinities and NaN give a value without content.
bool parse_number(std::string_view text, std::optional<double>& value);
/// The shortest text without an exponent that reads back the same.
std::string number_text(double value);
/// Whatever a peer sends: what it becomes part of (a reason, a log line, a row) is UTF-8.
std::string utf8(std::string_view text);
/// Non-ASCII as \uXXXX; '&' too, because real gateways do ("S\u0026P").
std::string escape(std::string_view text);
std::string unescape(std::string_view text);

}  // namespace bifrost::ib::wire
