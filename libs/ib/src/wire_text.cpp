// SPDX-License-Identifier: Apache-2.0
#include "wire_text.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "bifrost/core/result.hpp"

namespace bifrost::ib::wire {
namespace {

constexpr double unset_double = std::numeric_limits<double>::max();
constexpr std::uint32_t replacement = 0xFFFD;

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> escape_at(std::string_view text, std::size_t i) {
  if (text.size() - i < 6 || text[i] != '\\' || text[i + 1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  const auto* digits = text.data() + i + 2;
  const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
  if (error != std::errc{} || end != digits + 4) return std::nullopt;
  return unit;
}

/// Reads one code point of UTF-8; bytes that are none give the replacement character, one at a
/// time.
std::uint32_t next_code_point(std::string_view text, std::size_t& i) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(i);
  const int extra = lead < 0x80       ? 0
                    : lead >> 5 == 6  ? 1
                    : lead >> 4 == 14 ? 2
                    : lead >> 3 == 30 ? 3
                                      : -1;
  if (extra < 0 || text.size() - i <= static_cast<std::size_t>(extra)) return ++i, replacement;
  std::uint32_t code = extra == 0 ? lead : lead & (0x3Fu >> extra);
  for (int k = 1; k <= extra; ++k) {
    const unsigned char next = byte(i + static_cast<std::size_t>(k));
    if (next >> 6 != 2) return ++i, replacement;
    code = code << 6 | (next & 0x3F);
  }
  constexpr std::array<std::uint32_t, 4> least{0, 0x80, 0x800, 0x10000};
  if (code < least[static_cast<std::size_t>(extra)]) return ++i, replacement;
  i += static_cast<std::size_t>(extra) + 1;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return surrogate || code > 0x10FFFF ? replacement : code;
}

}  // namespace

bool parse_number(std::string_view text, std::optional<double>& value) {
  value.reset();
  if (text.empty() || text == "Infinity" || text == "Infinite" || text == "-Infinity" ||
      text == "NaN")
    return true;
  if (text.front() == '+') text.remove_prefix(1);
  double number = 0;
  if (!parse_whole(text, number)) return false;
  if (std::isfinite(number) && number < unset_double) value = number;
  return true;
}

std::string number_text(double value) {
  std::array<char, 400>
      text;  // the longest shortest-form double without exponent has 345 characters
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{}) core::panic("a double did not fit its text");
  return {text.data(), end};
}

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto unit = escape_at(text, i);
    if (!unit) {
      out.push_back(text[i++]);
      continue;
    }
    i += 6;
    if (*unit < 0xD800 || *unit > 0xDFFF) {
      append_utf8(out, *unit == 0 ? replacement : *unit);
      continue;
    }
    const auto low = i < text.size() ? escape_at(text, i) : std::nullopt;
    if (*unit < 0xDC00 && low && *low >= 0xDC00 && *low <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
      i += 6;
    } else {
      append_utf8(out, replacement);
    }
  }
  return out;
}

std::string utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) append_utf8(out, next_code_point(text, i));
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto code = next_code_point(text, i);
    if (code < 0x80 && code != '&') {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                         0xDC00 + ((code - 0x10000) & 0x3FF));
    }
  }
  return out;
}

}  // namespace bifrost::ib::wire
