// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/calendar.hpp"

#include <algorithm>
#include <array>

#include "bifrost/core/extra_closures.hpp"
#include "bifrost/core/session_hours.hpp"

namespace bifrost::core {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::month;
using std::chrono::seconds;
using std::chrono::weekday;
using std::chrono::year_month_day;
namespace chr = std::chrono;

constexpr seconds opening = hours{9} + minutes{30};
constexpr seconds regular_close = hours{16};
constexpr seconds early_close = hours{13};
constexpr seconds early_close_until_1992 = hours{14};

constexpr Date ymd(int y, unsigned m, unsigned d) {
  return Date{chr::year{y} / static_cast<int>(m) / static_cast<int>(d)};
}

/// Closures that no rule foretells: mourning, attacks, storms. A new one is a line here.
constexpr std::array special_closures{ymd(1994, 4, 27), ymd(2001, 9, 11),  ymd(2001, 9, 12),
                                      ymd(2001, 9, 13), ymd(2001, 9, 14),  ymd(2004, 6, 11),
                                      ymd(2007, 1, 2),  ymd(2012, 10, 29), ymd(2012, 10, 30),
                                      ymd(2018, 12, 5), ymd(2025, 1, 9)};

/// Early closes outside the three regular eves.
constexpr std::array special_early_closes{ymd(1996, 7, 5), ymd(1997, 12, 26), ymd(1999, 12, 31),
                                          ymd(2002, 7, 5), ymd(2003, 12, 26)};

Date nth_weekday(int year, unsigned m, weekday day, unsigned n) {
  return Date{chr::year{year} / static_cast<int>(m) / day[n]};
}

Date last_weekday(int year, unsigned m, weekday day) {
  return Date{chr::year{year} / static_cast<int>(m) / day[chr::last]};
}

/// A holiday of fixed date is kept on Friday when it falls on Saturday and on Monday when on
/// Sunday.
Date observed(Date holiday) {
  if (weekday{holiday} == chr::Saturday) return holiday - days{1};
  if (weekday{holiday} == chr::Sunday) return holiday + days{1};
  return holiday;
}

/// Easter Sunday, Gregorian calendar (Butcher 1876; Meeus, Astronomical Algorithms, 1991, p. 67).
Date easter(int y) {
  const int a = y % 19;
  const int b = y / 100;
  const int c = y % 100;
  const int d = b / 4;
  const int e = b % 4;
  const int f = (b + 8) / 25;
  const int g = (b - f + 1) / 3;
  const int h = (19 * a + b - d - g + 15) % 30;
  const int i = c / 4;
  const int k = c % 4;
  const int l = (32 + 2 * e + 2 * i - h - k) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int n = h + l - 7 * m + 114;
  return ymd(y, static_cast<unsigned>(n / 31), static_cast<unsigned>(n % 31 + 1));
}

bool is_holiday(Date day) {
  const int y = static_cast<int>(year_month_day{day}.year());
  // New Year's Day on a Saturday is not made up for: the Friday belongs to the old year's books.
  const Date new_year = ymd(y, 1, 1);
  if (day == new_year || (weekday{new_year} == chr::Sunday && day == new_year + days{1}))
    return true;
  if (y >= 1998 && day == nth_weekday(y, 1, chr::Monday, 3)) return true;  // Martin Luther King Jr.
  if (day == nth_weekday(y, 2, chr::Monday, 3)) return true;               // Washington's Birthday
  if (day == easter(y) - days{2}) return true;                             // Good Friday
  if (day == last_weekday(y, 5, chr::Monday)) return true;                 // Memorial Day
  if (y >= 2022 && day == observed(ymd(y, 6, 19))) return true;            // Juneteenth
  if (day == observed(ymd(y, 7, 4))) return true;
  if (day == nth_weekday(y, 9, chr::Monday, 1)) return true;     // Labor Day
  if (day == nth_weekday(y, 11, chr::Thursday, 4)) return true;  // Thanksgiving
  return day == observed(ymd(y, 12, 25));
}

bool is_eve_with_early_close(Date day) {
  const year_month_day date{day};
  const int y = static_cast<int>(date.year());
  if (y >= 1992 && day == nth_weekday(y, 11, chr::Thursday, 4) + days{1}) return true;
  if (date.month() == chr::December && static_cast<unsigned>(date.day()) == 24) return true;
  // In 1996 and 2002 the 5th was shortened instead.
  return y >= 1995 && y != 1996 && y != 2002 && date.month() == chr::July &&
         static_cast<unsigned>(date.day()) == 3 && weekday{day} != chr::Friday;
}

}  // namespace

std::optional<Session> session(Date day) {
  const weekday wd{day};
  if (wd == chr::Saturday || wd == chr::Sunday || is_holiday(day) ||
      std::ranges::binary_search(special_closures, day)) {
    return std::nullopt;
  }
  const auto extra = std::ranges::find(extra_closures(), day, &ExtraClosure::day);
  const bool listed = extra != extra_closures().end();
  if (listed && !extra->close) return std::nullopt;
  seconds close = regular_close;
  if (is_eve_with_early_close(day)) {
    close = year_month_day{day}.year() <= chr::year{1992} ? early_close_until_1992 : early_close;
  } else if (std::ranges::binary_search(special_early_closes, day)) {
    close = early_close;
  }
  if (listed) close = std::min<seconds>(close, *extra->close);
  return Session{from_exchange_time(day, opening), from_exchange_time(day, close)};
}

Date next_trading_day(Date day) {
  do {
    day += days{1};
  } while (!is_trading_day(day));
  return day;
}

Date previous_trading_day(Date day) {
  do {
    day -= days{1};
  } while (!is_trading_day(day));
  return day;
}

Date last_trading_day(Date expiry) {
  return is_trading_day(expiry) ? expiry : previous_trading_day(expiry);
}

Instant settlement_instant(const OptionContract& contract) {
  const auto day = session(last_trading_day(contract.expiry));
  return is_morning_settled(contract.trading_class) ? day->open : day->close;
}

bool is_morning_settled(std::string_view trading_class) {
  // VIX weeklies settle like the monthlies; the other indices' weeklies in the afternoon.
  constexpr std::array<std::string_view, 7> classes{"SPX", "NDX", "RUT", "DJX",
                                                    "VIX", "MNX", "VIXW"};
  return std::ranges::find(classes, trading_class) != classes.end();
}

}  // namespace bifrost::core
