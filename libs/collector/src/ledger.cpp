// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/ledger.hpp"

#include <algorithm>
#include <set>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/log.hpp"

namespace bifrost::collector {

namespace log = core::log;
using core::Deadline;
using core::Instant;
using core::Result;
using store::RunStatus;
using namespace std::chrono_literals;

namespace {

// How far behind its newest row a collector looks for holes (a damaged spool, an earlier defect).
constexpr auto look_back = std::chrono::days{7};
constexpr std::size_t most_named = 20;

bool is_own(const store::Run& run) {
  return run.source != core::Source::imported;
}

/// The newest row that no import made.
Result<std::optional<Instant>> newest_own(store::History& history, const std::string& underlying,
                                          Instant since, Deadline deadline) {
  BF_TRY(const auto last, history.last_run(underlying, deadline));
  if (!last) return std::nullopt;
  if (is_own(*last)) return last->as_of;
  BF_TRY(const auto runs, history.runs(underlying, since, last->as_of, deadline));
  const auto own = std::ranges::find_if(runs.rbegin(), runs.rend(), is_own);
  if (own == runs.rend()) return std::nullopt;
  return own->as_of;
}

}  // namespace

std::vector<ScheduledCycle> scheduled_cycles(std::span<const store::ScheduleEntry> entries,
                                             Instant from, Instant to) {
  std::vector<ScheduledCycle> cycles;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    if (!entry.interval) continue;
    const auto begin = std::max(from, entry.valid_from);
    const auto end = i + 1 < entries.size() ? std::min(to, entries[i + 1].valid_from) : to;
    if (begin >= end) continue;
    for (const auto as_of : cycles_between(begin - 1us, end, *entry.interval, entry.hours))
      cycles.push_back({as_of, *entry.interval});
  }
  return cycles;
}

LedgerReport check_ledger(std::span<const store::ScheduleEntry> entries,
                          std::span<const store::Run> runs, Instant from, Instant to, Instant now) {
  LedgerReport report;
  std::map<Instant, const store::Run*> rows;
  for (const auto& run : runs) {
    if (run.as_of >= from && run.as_of < to) rows.emplace(run.as_of, &run);
  }
  for (const auto& cycle : scheduled_cycles(entries, from, to)) {
    const auto row = rows.find(cycle.as_of);
    if (row == rows.end()) {
      if (cycle.as_of > now) continue;  // not scheduled yet
      ++report.scheduled;
      // Written when it has ended, at the latest in the course of the next one.
      if (cycle.as_of + 2 * cycle.interval > now) {
        ++report.open;
        continue;
      }
      ++report.unaccounted;
      if (report.unaccounted_cycles.size() < most_named)
        report.unaccounted_cycles.push_back(cycle.as_of);
      continue;
    }
    ++report.scheduled;
    const auto code = std::string{reason::code_of(row->second->reason)};
    switch (row->second->status) {
      case RunStatus::complete:
        ++report.complete;
        break;
      case RunStatus::partial:
        ++report.partial;
        ++report.partial_by_reason[code];
        break;
      case RunStatus::missed:
        ++report.missed;
        ++report.missed_by_reason[code];
        break;
    }
    rows.erase(row);
  }
  report.unscheduled = static_cast<std::int64_t>(rows.size());
  return report;
}

Result<LedgerReport> load_ledger(store::Database& database, store::History& history,
                                 std::string_view underlying, std::optional<Instant> from,
                                 std::optional<Instant> to, Instant now, Deadline deadline) {
  BF_TRY(const auto entries, store::load_schedule(database, underlying, deadline));
  BF_TRY(const auto last, history.last_run(underlying, deadline));
  BF_TRY(const auto snapshot, history.last_snapshot(underlying, std::nullopt, deadline));
  if (snapshot && snapshot->source == core::Source::simulated) now = last->as_of;
  const auto end = to ? *to : std::max(now, last ? last->as_of : now) + 1us;
  auto begin = from;
  if (!begin) {
    begin = entries.empty() ? now : entries.front().valid_from;
    BF_TRY(const auto all, history.runs(underlying, Instant{}, *begin, deadline));
    if (!all.empty()) begin = std::min(*begin, all.front().as_of);
  }
  if (*begin >= end) return LedgerReport{};
  BF_TRY(const auto runs, history.runs(underlying, *begin, end - 1us, deadline));
  return check_ledger(entries, runs, *begin, end, now);
}

Result<Reconciled> reconcile(store::Database& database, store::History& history,
                             const std::optional<store::Fence>& fence,
                             const std::string& underlying, const std::optional<Schedule>& schedule,
                             Instant due, std::string_view reason, Deadline deadline,
                             LookBack look) {
  Reconciled found;
  BF_TRY(auto entries, store::load_schedule(database, underlying, deadline));
  BF_TRY(found.newest,
         newest_own(history, underlying,
                    entries.empty() ? due - look_back : entries.front().valid_from, deadline));
  std::optional<store::ScheduleEntry> change;
  if (entries.empty()) {
    // Cycles without a schedule were made by a demonstration: it goes on from there.
    if (schedule) {
      change = {found.newest && *found.newest < due ? *found.newest + 1us : due, schedule->interval,
                schedule->hours};
    }
  } else if (!schedule) {
    if (entries.back().interval) change = {due, std::nullopt, entries.back().hours};
  } else if (entries.back().interval != schedule->interval ||
             entries.back().hours != schedule->hours) {
    change = {due, schedule->interval, schedule->hours};
  }
  if (change && !entries.empty() && change->valid_from < entries.back().valid_from) {
    log::warning("{}: the schedule of {} is not changed for {}: time has gone back", underlying,
                 core::to_iso(entries.back().valid_from), core::to_iso(change->valid_from));
    change.reset();
  }
  if (change) {
    BF_CHECK(store::enter_schedule(database, underlying, *change, fence, deadline));
    if (!entries.empty() && entries.back().valid_from == change->valid_from) entries.pop_back();
    entries.push_back(*change);
  }
  if (!entries.empty()) {
    auto from = entries.front().valid_from;
    if (found.newest && look == LookBack::week)
      from = std::max(from, std::min(*found.newest, due) - look_back);
    if (from < due) {
      BF_TRY(const auto runs, history.runs(underlying, from, due, deadline));
      std::set<Instant> rows;
      for (const auto& run : runs) {
        rows.insert(run.as_of);
        if (is_own(run)) found.last = run.as_of;
      }
      std::map<std::chrono::seconds, std::vector<Instant>> missing;
      for (const auto& cycle : scheduled_cycles(entries, from, due)) {
        if (!rows.contains(cycle.as_of)) missing[cycle.interval].push_back(cycle.as_of);
      }
      for (const auto& [interval, cycles] : missing) {
        BF_TRY(const auto entered,
               history.mark_missed(underlying, cycles, reason, interval, deadline, fence));
        found.missed += entered;
        found.last = std::max(found.last.value_or(cycles.back()), cycles.back());
        log::warning("{}: {} cycles missed, {} to {}: {}", underlying, cycles.size(),
                     core::to_iso(cycles.front()), core::to_iso(cycles.back()), reason);
      }
    }
  }
  if (found.last) found.newest = std::max(found.newest.value_or(*found.last), *found.last);
  return found;
}

}  // namespace bifrost::collector
