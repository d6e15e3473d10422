// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/schedule.hpp"

#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {

using core::Date;
using core::Instant;
using std::chrono::days;
using std::chrono::seconds;

std::vector<Instant> cycles_of(Date day, seconds interval) {
  std::vector<Instant> cycles;
  if (const auto hours = core::session(day)) {
    for (Instant t = core::floor_to(hours->open, interval) + interval; t <= hours->close;
         t += interval) {
      cycles.push_back(t);
    }
  }
  return cycles;
}

std::optional<Instant> current_cycle(Instant now, seconds interval) {
  const Instant boundary = core::floor_to(now, interval);
  const auto hours = core::session(core::exchange_time(boundary).date);
  if (!hours || boundary <= hours->open || boundary > hours->close) return std::nullopt;
  return boundary;
}

Instant next_cycle(Instant t, seconds interval) {
  for (Date day = core::exchange_time(t).date;; day = core::next_trading_day(day)) {
    for (const Instant cycle : cycles_of(day, interval)) {
      if (cycle > t) return cycle;
    }
  }
}

std::vector<Instant> cycles_between(Instant after, Instant before, seconds interval) {
  std::vector<Instant> found;
  for (Date day = core::exchange_time(after).date; day <= core::exchange_time(before).date;
       day += days{1}) {
    for (const Instant cycle : cycles_of(day, interval)) {
      if (cycle > after && cycle < before) found.push_back(cycle);
    }
  }
  return found;
}

}  // namespace bifrost::collector
