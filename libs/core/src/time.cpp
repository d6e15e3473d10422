// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/time.hpp"

#include <date/tz.h>
#include <fmt/core.h>

#include <charconv>
#include <optional>

namespace bifrost::core {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::year_month_day;

/// The first `digits` characters of `text` as a number, consumed; nothing unless all are digits.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Date> take_date(std::string_view& text, bool dashes) {
  const auto y = take_digits(text, 4);
  if (!y || (dashes && !take(text, '-'))) return std::nullopt;
  const auto m = take_digits(text, 2);
  if (!m || (dashes && !take(text, '-'))) return std::nullopt;
  const auto d = take_digits(text, 2);
  if (!d) return std::nullopt;
  const year_month_day ymd{std::chrono::year{*y}, std::chrono::month{static_cast<unsigned>(*m)},
                           std::chrono::day{static_cast<unsigned>(*d)}};
  if (!ymd.ok()) return std::nullopt;
  return Date{ymd};
}

const date::time_zone& new_york() {
  static const date::time_zone* zone = date::locate_zone("America/New_York");
  return *zone;
}

}  // namespace

std::string to_iso_date(Date d) {
  const year_month_day ymd{d};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()));
}

std::string to_compact_date(Date d) {
  const year_month_day ymd{d};
  return fmt::format("{:04}{:02}{:02}", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()));
}

Result<Date> parse_date(std::string_view text) {
  std::string_view rest = text;
  const auto d = take_date(rest, true);
  if (!d || !rest.empty()) {
    return fail(Errc::invalid_input,
                fmt::format("'{}' is not a date; write it as 2014-06-21", text));
  }
  return *d;
}

Result<Date> parse_compact_date(std::string_view text) {
  std::string_view rest = text;
  const auto d = take_date(rest, false);
  if (!d || !rest.empty()) {
    return fail(Errc::invalid_input, fmt::format("'{}' is not a date; write it as 20140621", text));
  }
  return *d;
}

std::string to_iso(Instant t) {
  const Date day = floor<days>(t);
  const std::chrono::hh_mm_ss time{t - day};
  std::string text = fmt::format("{}T{:02}:{:02}:{:02}", to_iso_date(day), time.hours().count(),
                                 time.minutes().count(), time.seconds().count());
  if (time.subseconds().count() != 0) {
    text += fmt::format(".{:06}", time.subseconds().count());
    while (text.back() == '0') text.pop_back();
  }
  return text + 'Z';
}

Result<Instant> parse_instant(std::string_view text) {
  const auto wrong = [&] {
    return fail(Errc::invalid_input,
                fmt::format("'{}' is not a UTC instant; write it as 2014-06-05T13:35:00Z", text));
  };
  std::string_view rest = text;
  const auto day = take_date(rest, true);
  if (!day || !take(rest, 'T')) return wrong();
  const auto h = take_digits(rest, 2);
  if (!h || *h > 23 || !take(rest, ':')) return wrong();
  const auto m = take_digits(rest, 2);
  if (!m || *m > 59 || !take(rest, ':')) return wrong();
  const auto s = take_digits(rest, 2);
  if (!s || *s > 59) return wrong();
  std::int64_t micros = 0;
  if (take(rest, '.')) {
    std::size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
    if (digits == 0 || digits > 6) return wrong();
    micros = *take_digits(rest, digits);
    for (std::size_t i = digits; i < 6; ++i) micros *= 10;
  }
  if (rest != "Z") return wrong();
  return Instant{*day} + std::chrono::hours{*h} + std::chrono::minutes{*m} + seconds{*s} +
         microseconds{micros};
}

ExchangeTime exchange_time(Instant t) {
  const auto local = new_york().to_local(floor<seconds>(t));
  const auto day = floor<days>(local);
  return {Date{day.time_since_epoch()}, local - day};
}

Instant from_exchange_time(Date date, seconds since_midnight) {
  const date::local_seconds local{date.time_since_epoch() + since_midnight};
  return new_york().to_sys(local, date::choose::earliest);
}

Instant floor_to(Instant t, seconds interval) {
  const auto step = std::chrono::duration_cast<microseconds>(interval);
  auto remainder = t.time_since_epoch() % step;
  if (remainder < microseconds{0}) remainder += step;
  return t - remainder;
}

}  // namespace bifrost::core
