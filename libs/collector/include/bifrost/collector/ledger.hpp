// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/session_hours.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/store/collection_schedule.hpp"
#include "bifrost/store/history.hpp"

/// scheduled = complete + partial + missed, for ever: what was scheduled follows from the log of
/// schedules and the trading calendar, what became of it from collection_runs. The functions
/// without a database are pure.
namespace bifrost::collector {

struct ScheduledCycle {
  core::Instant as_of{};
  std::chrono::seconds interval{};

  friend bool operator==(const ScheduledCycle&, const ScheduledCycle&) = default;
};

/// Every cycle that was scheduled with from <= as_of < to, oldest first. `entries` are oldest
/// first.
std::vector<ScheduledCycle> scheduled_cycles(std::span<const store::ScheduleEntry> entries,
                                             core::Instant from, core::Instant to);

struct LedgerReport {
  std::int64_t scheduled = 0;  // = complete + partial + missed + open + unaccounted
  std::int64_t complete = 0;
  std::int64_t partial = 0;
  std::int64_t missed = 0;
  std::int64_t open = 0;         // without a row, and its time is not over
  std::int64_t unaccounted = 0;  // without a row: must be 0 when nothing waits in a spool
  std::int64_t unscheduled = 0;  // rows of other instants: imports, a calendar that has changed
  std::map<std::string, std::int64_t, std::less<>>
      partial_by_reason;  // first code, see reasons.hpp
  std::map<std::string, std::int64_t, std::less<>> missed_by_reason;
  std::vector<core::Instant> unaccounted_cycles;  // the first twenty
};

/// `runs` are all of from <= as_of < to.
LedgerReport check_ledger(std::span<const store::ScheduleEntry> entries,
                          std::span<const store::Run> runs, core::Instant from, core::Instant to,
                          core::Instant now);

/// As check_ledger, from the history. Without `from` and `to`: all there is. A simulated market has
/// a time of its own: there `now` is that of its newest row.
core::Result<LedgerReport> load_ledger(store::Database& database, store::History& history,
                                       std::string_view underlying,
                                       std::optional<core::Instant> from,
                                       std::optional<core::Instant> to, core::Instant now,
                                       core::Deadline deadline);

/// How an underlying is collected from now on.
struct Schedule {
  std::chrono::seconds interval{300};
  core::ProductHours hours;
};

/// The ledger of one underlying as a collector finds it.
struct Reconciled {
  std::optional<core::Instant> last;    // newest row at or before `due`, imported ones not counted
  std::optional<core::Instant> newest;  // newest row at all, imported ones not counted
  std::int64_t missed = 0;              // cycles entered as missed just now
};

enum class LookBack : std::uint8_t {
  all,  // since the schedule began
  week  // behind the newest row
};

/// The one path of start, recovery and return: logs the schedule where it is new, and enters every
/// scheduled cycle before `due` that has no row as missed for `reason`. `due` is the cycle that is
/// about to be collected, or now. A first start owes nothing to the past; a collector that comes
/// back owes everything since the schedule began (once that has been looked through, a `week`
/// behind its newest row is enough). Without a `schedule` the underlying is collected no longer:
/// its log is closed at `due`.
core::Result<Reconciled> reconcile(store::Database& database, store::History& history,
                                   const std::optional<store::Fence>& fence,
                                   const std::string& underlying,
                                   const std::optional<Schedule>& schedule, core::Instant due,
                                   std::string_view reason, core::Deadline deadline,
                                   LookBack look = LookBack::all);

}  // namespace bifrost::collector
