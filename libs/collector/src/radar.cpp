// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/radar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/store/as_stored.hpp"

namespace bifrost::collector {

using core::Date;
using core::Deadline;
using core::Instant;
using core::Result;
using store::Change;
using store::ChangeKind;
using namespace std::chrono_literals;

namespace {

constexpr auto moment = std::chrono::microseconds{1};
constexpr int closes_back = 400;  // calendar days: 252 sessions and the longest closures
constexpr int all_of_a_session = 1'000'000;

Instant start_of(Date day) {
  return core::from_exchange_time(day, {});
}

/// The snapshots of a day, oldest first.
Result<std::vector<Instant>> cycles_stored(store::History& history, const std::string& underlying,
                                           Date day, Deadline deadline) {
  BF_TRY(const auto runs, history.runs(underlying, start_of(day),
                                       start_of(day + std::chrono::days{1}) - moment, deadline));
  std::vector<Instant> cycles;
  for (const auto& run : runs) {
    if (run.status != store::RunStatus::missed) cycles.push_back(run.as_of);
  }
  return cycles;
}

Result<std::vector<DaySketch>> read_sketches(store::Baselines& baselines,
                                             const std::string& underlying,
                                             std::span<const Date> days, Deadline deadline) {
  BF_TRY(const auto stored, baselines.sketches(underlying, days, deadline));
  std::vector<DaySketch> sketches;
  for (const auto& one : stored) {
    auto sketch = DaySketch::decode(one.bytes, underlying);
    if (sketch) {
      sketches.push_back(*std::move(sketch));
    } else if (sketch.error().code == core::Errc::corrupt_data) {
      // The other days still tell what is usual.
      core::log::error("{}: the sketch of {} is left out: {}", underlying,
                       core::to_iso_date(one.day), sketch.error().message);
    } else {
      return tl::unexpected{std::move(sketch).error()};
    }
  }
  return sketches;
}

/// Days before `day` that its baseline may rest on, oldest first.
Result<std::vector<Date>> window_before(store::Baselines& baselines, const std::string& underlying,
                                        Date day, Deadline deadline) {
  BF_TRY(auto days, baselines.sketched_days(underlying, day, window_days, deadline));
  std::erase_if(days, [&](Date d) { return (day - d).count() > window_calendar_days; });
  std::ranges::reverse(days);
  return days;
}

/// The volume alerts of the session before `day`, if the snapshot before is of that session.
Result<std::vector<PendingAlert>> alerts_before(store::History& history,
                                                const std::string& underlying, Date day,
                                                Deadline deadline) {
  BF_TRY(const auto last, history.last_snapshot(underlying, start_of(day) - moment, deadline));
  if (!last) return std::vector<PendingAlert>{};
  const Date session = core::exchange_time(last->as_of).date;
  if (session != core::previous_trading_day(day)) return std::vector<PendingAlert>{};
  BF_TRY(const auto changes, history.changes(underlying, start_of(session), last->as_of,
                                             ChangeKind::volume, all_of_a_session, deadline));
  if (std::ranges::none_of(changes, [](const auto& one) { return one.change.alert(); })) {
    return std::vector<PendingAlert>{};
  }
  BF_TRY(const auto chain, history.chain(underlying, {.at = last->as_of}, deadline));
  return pending_alerts(changes, chain.snapshot);
}

void sort_changes(std::vector<Change>& changes) {
  std::ranges::sort(changes, [](const Change& a, const Change& b) {
    return std::tie(a.contract, a.kind) < std::tie(b.contract, b.kind);
  });
}

}  // namespace

Radar::Radar(RadarOptions options, store::Database& database, store::History& history)
    : options_(options),
      history_(history),
      baselines_(database, options.interval),
      daily_(database) {}

Result<Radar::Day*> Radar::day_of(const std::string& underlying, Date day, Deadline deadline) {
  if (const auto known = days_.find(underlying); known != days_.end() && known->second.day == day) {
    return &known->second;
  }
  Day fresh;
  fresh.day = day;
  BF_TRY(const auto in_force, baselines_.baseline(underlying, day, deadline));
  if (in_force) {
    fresh.sketches = in_force->days;
    fresh.in_force_from = in_force->in_force_from;
  } else {
    BF_TRY(fresh.sketches, window_before(baselines_, underlying, day, deadline));
  }
  if (!fresh.sketches.empty()) {
    BF_TRY(const auto sketches, read_sketches(baselines_, underlying, fresh.sketches, deadline));
    fresh.baseline.emplace(day, sketches,
                           in_force ? in_force->alerts_per_day : options_.alerts_per_day);
    if (!fresh.baseline->scores()) fresh.baseline.reset();
  }
  const auto closes = [&](store::DailyOrigin origin) {
    return daily_.underlying_days(underlying, origin, day - std::chrono::days{closes_back},
                                  day - std::chrono::days{1}, deadline);
  };
  BF_TRY(fresh.closes.snapshots, closes(store::DailyOrigin::snapshots));
  BF_TRY(fresh.closes.broker, closes(store::DailyOrigin::broker));

  BF_TRY(auto pending, alerts_before(history_, underlying, day, deadline));
  if (!pending.empty()) {
    BF_TRY(const auto answered,
           history_.changes(underlying, start_of(day), start_of(day + std::chrono::days{1}),
                            ChangeKind::oi_confirmation, all_of_a_session, deadline));
    for (auto& alert : pending) {
      const auto answer = std::ranges::find_if(
          answered, [&](const auto& one) { return one.change.contract == alert.contract; });
      fresh.alerts.push_back({std::move(alert), answer != answered.end()
                                                    ? std::optional{answer->as_of}
                                                    : std::nullopt});
    }
  }
  return &days_.insert_or_assign(underlying, std::move(fresh)).first->second;
}

/// The baseline of a cycle, put in force by the first cycle that has one.
Result<const Baseline*> Radar::baseline_for(Day& day, const store::CycleRecord& record,
                                            Deadline deadline) {
  const auto& snapshot = record.snapshot;
  if (!day.baseline) return nullptr;
  if (day.baseline->simulated() != (snapshot.source == core::Source::simulated)) return nullptr;
  if (!day.in_force_from) {
    const store::ChangeBaseline wanted{day.day, snapshot.as_of, day.sketches,
                                       options_.alerts_per_day};
    BF_TRY(const auto in_force, baselines_.put_in_force(snapshot.underlying, wanted, deadline));
    if (in_force.days != wanted.days || in_force.alerts_per_day != wanted.alerts_per_day) {
      // Somebody was first, with another one.
      BF_TRY(const auto sketches,
             read_sketches(baselines_, snapshot.underlying, in_force.days, deadline));
      day.baseline.emplace(day.day, sketches, in_force.alerts_per_day);
      day.sketches = in_force.days;
    }
    day.in_force_from = in_force.in_force_from;
  }
  return snapshot.as_of >= *day.in_force_from ? &*day.baseline : nullptr;
}

Result<void> Radar::describe(store::CycleRecord& record, const core::ChainSnapshot* before,
                             bool before_reached_all, Deadline deadline) {
  auto& snapshot = record.snapshot;
  store::make_as_stored(snapshot);
  std::ranges::sort(snapshot.quotes, {}, &core::OptionQuote::contract);
  const Date today = core::exchange_time(snapshot.as_of).date;
  BF_TRY(auto* day, day_of(snapshot.underlying, today, deadline));
  BF_TRY(const auto* baseline, baseline_for(*day, record, deadline));
  record.changes.clear();
  if (before != nullptr) {
    record.changes = find_changes({*before, before_reached_all, snapshot, reached_all(record),
                                   options_.interval, options_.thresholds, baseline});
  }
  std::vector<PendingAlert> open;
  for (const auto& one : day->alerts) {
    if (!one.answered || *one.answered >= snapshot.as_of) open.push_back(one.alert);
  }
  for (auto& answer : confirm_alerts(open, snapshot)) {
    const auto one = std::ranges::find_if(
        day->alerts, [&](const auto& a) { return a.alert.contract == answer.contract; });
    one->answered = snapshot.as_of;
    record.changes.push_back(std::move(answer));
  }
  sort_changes(record.changes);
  record.market_conditions = find_conditions(snapshot, day->closes);
  return {};
}

Result<bool> Radar::prepare(const std::string& underlying, Date day, Deadline deadline) {
  if (learned_[underlying] < day) {
    BF_TRY(auto wanted, baselines_.days_with_snapshots(underlying, day, window_days, deadline));
    BF_TRY(const auto sketched,
           baselines_.sketched_days(underlying, day, 2 * window_days, deadline));
    std::ranges::reverse(wanted);  // each day builds on those before it
    const auto missing = std::ranges::find_if(wanted, [&](Date d) {
      return (day - d).count() <= window_calendar_days && std::ranges::count(sketched, d) == 0;
    });
    if (missing != wanted.end()) {
      store::ChangeSketch made{*missing, {}, {}, {}};
      BF_TRY(made.cycles, cycles_stored(history_, underlying, *missing, deadline));
      BF_TRY(made.earlier, window_before(baselines_, underlying, *missing, deadline));
      BF_TRY(const auto sketch,
             sketch_again(history_, baselines_, underlying, *missing, made.cycles, made.earlier,
                          options_.interval, deadline));
      made.bytes = sketch.encode();
      BF_CHECK(baselines_.add_sketch(underlying, made, deadline));
      core::log::info("{}: learned from {} snapshots of {}", underlying, made.cycles.size(),
                      core::to_iso_date(*missing));
      return true;
    }
    learned_[underlying] = day;
    // What was in hand of this day may have been made before the last sketch was.
    if (const auto known = days_.find(underlying);
        known != days_.end() && known->second.day == day && !known->second.in_force_from) {
      days_.erase(known);
    }
  }
  if (const auto known = days_.find(underlying); known != days_.end() && known->second.day == day) {
    return false;
  }
  BF_CHECK(day_of(underlying, day, deadline));
  return true;
}

Result<DaySketch> sketch_again(store::History& history, store::Baselines& baselines,
                               const std::string& underlying, Date day,
                               std::span<const Instant> cycles, std::span<const Date> earlier,
                               std::chrono::seconds interval, Deadline deadline) {
  BF_TRY(const auto sketches, read_sketches(baselines, underlying, earlier, deadline));
  const Baseline scales{day, sketches, 1};
  SketchBuilder builder{scales, interval};
  std::optional<store::StoredChain> before;
  if (!cycles.empty()) {
    BF_TRY(const auto last, history.last_snapshot(underlying, cycles.front() - moment, deadline));
    if (last && core::exchange_time(last->as_of).date == core::previous_trading_day(day)) {
      BF_TRY(before, history.chain(underlying, {.at = last->as_of}, deadline));
    }
  }
  for (const Instant cycle : cycles) {
    BF_TRY(auto now, history.chain(underlying, {.at = cycle}, deadline));
    if (before) builder.add(before->snapshot, now.snapshot);
    before = std::move(now);
  }
  return builder.finish();
}

Result<std::vector<Change>> changes_again(store::Database& database, store::History& history,
                                          const RadarOptions& options,
                                          const std::string& underlying, Instant as_of,
                                          Deadline deadline) {
  store::Baselines baselines{database, options.interval};
  const Date day = core::exchange_time(as_of).date;
  BF_TRY(const auto now, history.chain(underlying, {.at = as_of}, deadline));
  if (now.run.as_of != as_of) {
    return core::fail(core::Errc::not_found,
                      fmt::format("no snapshot of {} at {}", underlying, core::to_iso(as_of)));
  }
  if (reason::names(now.run.reason, reason::not_described)) return std::vector<Change>{};
  // What had not been stored yet when this cycle was could not be compared with.
  std::optional<store::Run> last;
  for (Instant at = as_of - moment;;) {
    BF_TRY(last, history.last_snapshot(underlying, at, deadline));
    if (!last || last->stored_at <= now.run.stored_at) break;
    at = last->as_of - moment;
  }
  std::optional<Baseline> baseline;
  BF_TRY(const auto in_force, baselines.baseline(underlying, day, deadline));
  if (in_force && as_of >= in_force->in_force_from) {
    BF_TRY(const auto sketches, read_sketches(baselines, underlying, in_force->days, deadline));
    baseline.emplace(day, sketches, in_force->alerts_per_day);
    if (baseline->simulated() != (now.snapshot.source == core::Source::simulated)) baseline.reset();
  }
  std::vector<Change> changes;
  if (last) {
    BF_TRY(const auto before, history.chain(underlying, {.at = last->as_of}, deadline));
    changes =
        find_changes({before.snapshot, reached_all(before.run), now.snapshot, reached_all(now.run),
                      options.interval, options.thresholds, baseline ? &*baseline : nullptr});
  }
  BF_TRY(auto pending, alerts_before(history, underlying, day, deadline));
  if (!pending.empty()) {
    BF_TRY(const auto answered,
           history.changes(underlying, start_of(day), as_of - moment, ChangeKind::oi_confirmation,
                           all_of_a_session, deadline));
    std::erase_if(pending, [&](const PendingAlert& alert) {
      return std::ranges::any_of(
          answered, [&](const auto& one) { return one.change.contract == alert.contract; });
    });
    std::ranges::move(confirm_alerts(pending, now.snapshot), std::back_inserter(changes));
  }
  sort_changes(changes);
  return changes;
}

}  // namespace bifrost::collector
