// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "bifrost/core/result.hpp"

namespace bifrost::core {

/// A point in time, UTC, microseconds: exactly what PostgreSQL's timestamptz holds.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;

/// A calendar day without a zone (an expiry, a trading day).
using Date = std::chrono::sys_days;

/// When a blocking call gives up. Steady, so a stepped wall clock cannot stretch it.
using Deadline = std::chrono::steady_clock::time_point;

inline Deadline after(std::chrono::steady_clock::duration wait) {
  return std::chrono::steady_clock::now() + wait;
}

/// "2014-06-05T13:35:00Z"; a fraction is written only when there is one.
std::string to_iso(Instant t);
/// Accepts exactly what to_iso writes (1 to 6 fractional digits). Always Z: no other zone is read.
Result<Instant> parse_instant(std::string_view text);

/// "2014-06-21".
std::string to_iso_date(Date d);
Result<Date> parse_date(std::string_view text);
/// "20140621", as Interactive Brokers writes dates.
std::string to_compact_date(Date d);
Result<Date> parse_compact_date(std::string_view text);

/// The wall clock in New York at an instant. Standard and daylight time by the system's zone data.
struct ExchangeTime {
  Date date;
  std::chrono::seconds since_midnight;
};
ExchangeTime exchange_time(Instant t);

/// The instant at which New York's clocks show `since_midnight` on `date`.
/// An hour that a DST change skips or repeats never falls into a trading session; the earlier
/// instant is taken.
Instant from_exchange_time(Date date, std::chrono::seconds since_midnight);

/// Years between two instants, actual/365 fixed. Negative when `to` is earlier.
inline double years_act365f(Instant from, Instant to) {
  return std::chrono::duration<double>(to - from).count() / (365.0 * 86400.0);
}

/// The latest multiple of `interval` (since the Unix epoch) that is not after `t`: the cycle a
/// moment belongs to.
Instant floor_to(Instant t, std::chrono::seconds interval);

}  // namespace bifrost::core
