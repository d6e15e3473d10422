// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::core {

/// Regular trading hours of one day, as instants.
struct Session {
  Instant open;
  Instant close;
};

/// The US equity options session of a day: 09:30 to 16:00 New York, 13:00 on shortened days,
/// nothing on weekends, holidays and special closures. Rules and exceptions cover 1990 to 2030 and
/// were checked day by day against a published table; later years follow the same rules, without
/// closures nobody can foresee (extra_closures.hpp adds those). Products that are quoted at other
/// hours: session_hours.hpp.
std::optional<Session> session(Date day);

inline bool is_trading_day(Date day) {
  return session(day).has_value();
}
Date next_trading_day(Date day);      // strictly after
Date previous_trading_day(Date day);  // strictly before

/// The last day on which a listed expiry trades: the day itself, or the last trading day before it
/// (US monthlies were dated on Saturdays before February 2015; Good Friday falls on a third Friday
/// now and then).
Date last_trading_day(Date expiry);

/// When the payoff is fixed: the close of the last trading day; for morning-settled index classes
/// (SPX, NDX, RUT, DJX, VIX, VIXW, MNX) the open of that day. Used for time to expiry.
Instant settlement_instant(const OptionContract& contract);

}  // namespace bifrost::core
