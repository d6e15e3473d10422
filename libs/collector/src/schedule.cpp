// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/schedule.hpp"

#include <algorithm>

namespace bifrost::collector {

using core::Date;
using core::Instant;
using core::ProductHours;
using std::chrono::days;
using std::chrono::seconds;

std::vector<Instant> cycles_of(Date day, seconds interval, const ProductHours& hours) {
  std::vector<Instant> cycles;
  if (const auto session = core::session(day, hours)) {
    for (Instant t = core::floor_to(session->open, interval) + interval; t <= session->close;
         t += interval) {
      cycles.push_back(t);
    }
  }
  return cycles;
}

std::optional<Instant> current_cycle(Instant now, seconds interval, const ProductHours& hours) {
  const Instant boundary = core::floor_to(now, interval);
  const auto session = core::session(core::exchange_time(boundary).date, hours);
  if (!session || boundary <= session->open || boundary > session->close) return std::nullopt;
  return boundary;
}

Instant next_cycle(Instant t, seconds interval, const ProductHours& hours) {
  for (Date day = core::exchange_time(t).date;; day = core::next_trading_day(day)) {
    for (const Instant cycle : cycles_of(day, interval, hours)) {
      if (cycle > t) return cycle;
    }
  }
}

std::vector<Instant> cycles_between(Instant after, Instant before, seconds interval,
                                    const ProductHours& hours) {
  std::vector<Instant> found;
  for (Date day = core::exchange_time(after).date; day <= core::exchange_time(before).date;
       day += days{1}) {
    for (const Instant cycle : cycles_of(day, interval, hours)) {
      if (cycle > after && cycle < before) found.push_back(cycle);
    }
  }
  return found;
}

std::optional<std::string_view> absence_is_normal(Instant now) {
  using namespace std::chrono_literals;
  const auto [date, time] = core::exchange_time(now);
  if (const auto session = core::session(date, core::index_hours)) {
    if (now >= session->open - 30min && now <= session->close) return std::nullopt;
  }
  const std::chrono::weekday day{date};
  if (day == std::chrono::Saturday) return "the weekend";
  // From Sunday evening on a gateway that is still down needs a hand: its login may have expired.
  if (day == std::chrono::Sunday && time < 18h) return "the weekend";
  if (day == std::chrono::Friday && time >= 23h) return "the broker's weekend maintenance";
  // The restart of the gateway itself lies shortly before the reset.
  if (time >= 23h + 30min || time < 1h + 45min) return "the broker's nightly reset";
  return std::nullopt;
}

}  // namespace bifrost::collector
