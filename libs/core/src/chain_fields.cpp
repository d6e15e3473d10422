// SPDX-License-Identifier: Apache-2.0
#include "chain_fields.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

namespace bifrost::core::chain_fields {

void split(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  const bool quoted = line.find('"') != std::string_view::npos;
  for (;;) {
    std::string_view field;
    auto comma = line.find(',');
    if (quoted && !line.empty() && line.front() == '"') {
      const auto end = line.find('"', 1);
      field = line.substr(1, end == std::string_view::npos ? end : end - 1);
      comma = end == std::string_view::npos ? end : line.find(',', end);
    } else {
      field = line.substr(0, comma);
    }
    fields.push_back(field);
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

std::optional<Price> FieldReader::price(Column column, bool may_be_negative) {
  const auto value = text(column);
  if (value.empty()) return std::nullopt;
  const auto parsed = Price::parse(value);
  if (!parsed) {
    wrong(column, "is not a price with at most four decimals");
  } else if (!may_be_negative && *parsed < Price{}) {
    wrong(column, "is negative");
  }
  return parsed;
}

std::optional<std::int64_t> FieldReader::count(Column column) {
  const auto value = text(column);
  if (value.empty()) return std::nullopt;
  std::int64_t parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size() || parsed < 0 ||
      parsed > 2'147'483'647) {
    wrong(column, "is not a whole number from 0 to 2147483647");
    return std::nullopt;
  }
  return parsed;
}

std::optional<double> FieldReader::number(Column column) {
  const auto value = text(column);
  if (value.empty()) return std::nullopt;
  double parsed = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size() || !std::isfinite(parsed)) {
    wrong(column, "is not a number");
    return std::nullopt;
  }
  return parsed;
}

/// A hundred times the number, as the decimal text has it: shifted before it is rounded to a
/// double, so that 0.25147 gives 25.147.
std::optional<double> FieldReader::hundredfold(Column column) {
  const auto plain = number(column);
  if (!plain) return std::nullopt;
  const std::string shifted{std::string{text(column)} + "e2"};
  double parsed = 0;
  const auto [end, error] =
      std::from_chars(shifted.data(), shifted.data() + shifted.size(), parsed);
  if (error != std::errc{} || end != shifted.data() + shifted.size()) parsed = *plain * 100;
  if (!std::isfinite(parsed)) {
    wrong(column, "is too large");
    return std::nullopt;
  }
  return parsed;
}

void FieldReader::wrong(Column column, std::string_view why) {
  if (!reason_.empty()) return;
  const int at = where_[column];
  const std::string_view name =
      at >= 0 && !names_.empty() ? names_[static_cast<std::size_t>(at)] : column_names[column];
  reason_ = fmt::format("{} '{}' {}", name, text(column).substr(0, 40), why);
}

}  // namespace bifrost::core::chain_fields
