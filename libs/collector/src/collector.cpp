// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/collector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "bifrost/collector/ledger.hpp"
#include "bifrost/collector/reasons.hpp"
#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/store/as_stored.hpp"

namespace bifrost::collector {

using core::Deadline;
using core::Errc;
using core::Instant;
using core::Result;
using core::to_iso;
using core::to_iso_date;
using namespace std::chrono_literals;
namespace log = core::log;

namespace {

constexpr auto history_patience = 10s;
constexpr auto bars_patience = 60s;
constexpr auto bars_margin = 10s;
constexpr auto learning_patience = 60s;  // for reading a whole day of snapshots
// What may be spent on writing what waits in the spool before something else has its turn.
constexpr auto drain_patience = 5s;
// How often the broker is asked for the time (real clocks only).
constexpr auto clock_check_every = 60s;
// After what failed for one underlying, which must not keep the others from their turn.
constexpr auto ledger_retry = 250ms;
constexpr auto prepare_retry = 60s;
// With simulated time no wall-clock deadline follows from the cycle.
constexpr auto simulated_patience = 60s;
// The last moments of a real cycle are for writing.
constexpr auto writing_reserve = 5s;

/// Waits, but not when asked to stop. False: asked to stop.
bool pause(std::stop_token stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  wake.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

std::chrono::microseconds ahead_of_steady(Instant wall) {
  const auto steady = std::chrono::steady_clock::now().time_since_epoch();
  return wall.time_since_epoch() - std::chrono::duration_cast<std::chrono::microseconds>(steady);
}

}  // namespace

Collector::Collector(Options options, ib::Client& client, ChainReader& reader, Journal& journal,
                     Radar& radar, BarKeeper& bars, const core::Clock& clock)
    : options_(std::move(options)),
      client_(client),
      reader_(reader),
      journal_(journal),
      radar_(radar),
      bars_(bars),
      clock_(clock) {}

void Collector::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    // A simulated market's clock means nothing before the gateway has been heard.
    if (options_.simulated_clock && client_.link().sessions == 0) {
      client_.wait_ready(core::after(500ms));
      continue;
    }
    switch (turn(stop)) {
      case Turn::worked:
        break;
      case Turn::waiting:
        pause(stop, 250ms);
        break;
      case Turn::idle: {
        if (quiet_work()) break;  // and see what is due now
        // A simulator without a message rate may run as fast as it is asked.
        auto wait = client_.link().messages_per_second == 0 ? 5ms : 200ms;
        if (!options_.simulated_clock) {
          const Instant now = clock_.now();
          Instant next = Instant::max();
          for (const auto& underlying : options_.underlyings)
            next = std::min(next, next_cycle(now, options_.interval, reader_.hours(underlying)));
          const auto until = std::chrono::ceil<std::chrono::milliseconds>(next - now);
          // Never long: a stepped clock, a lost gateway and a database that is back are noticed.
          wait = std::clamp<std::chrono::milliseconds>(until, 10ms, 1s);
        }
        pause(stop, wait);
        break;
      }
    }
  }
}

/// Does what is due now.
Collector::Turn Collector::turn(std::stop_token stop) {
  const Instant now = clock_.now();
  if (!watch(now)) return Turn::waiting;
  if (journal_.look() == Journal::Standing::waiting) return Turn::waiting;
  if (std::exchange(epoch_, journal_.epoch()) != journal_.epoch()) {
    progress_.clear();
    previous_.clear();
    for (const auto& underlying : options_.underlyings) radar_.forget(underlying);
    removed_closed_ = false;
  }
  journal_.drain(stop, core::after(drain_patience));
  if (journal_.in_step() && !removed_closed_) {
    if (const auto closed = close_removed(now); !closed)
      log::warning("underlyings collected no longer: {}", closed.error().message);
  }
  Turn result = Turn::idle;
  bool all_known = true;
  const auto order = reader_.turn_order(options_.underlyings);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& underlying = options_.underlyings[order[i]];
    if (stop.stop_requested()) return Turn::worked;
    journal_.look();
    journal_.drain(stop, core::after(drain_share()));
    const auto cycle = current_cycle(now, options_.interval, reader_.hours(underlying));
    const Instant due = cycle ? *cycle : now;
    auto& progress = progress_[underlying];
    const bool set_back = progress.last && due < *progress.last;
    if (set_back && journal_.in_step()) progress.known = false;
    if (!progress.known) {
      if (journal_.in_step()) {
        if (!learned(underlying, due)) {
          all_known = false;
          continue;
        }
      } else if (!progress.last) {
        remember_spooled(underlying);
      }
    }
    if (set_back) progress.set_back = true;
    enter_missed(underlying, due);
    if (!cycle || (progress.last && *progress.last >= *cycle)) continue;
    if (progress.newest && *progress.newest >= *cycle) {
      // The clock was set back: this cycle may have been collected before.
      const auto there = has_snapshot(underlying, *cycle);
      if (!there || *there) {
        if (there) progress.last = *cycle;
        continue;
      }
    }
    if (progress.set_back && journal_.in_step()) {
      // Beyond what there was before the clock was set back: compared is with the newest of that.
      if (!learned(underlying, due)) {
        all_known = false;
        continue;
      }
    }
    if (current_cycle(clock_.now(), options_.interval, reader_.hours(underlying)) != cycle)
      return Turn::worked;
    std::size_t left = 1;
    for (std::size_t j = i + 1; j < order.size(); ++j)
      left += is_due(options_.underlyings[order[j]], now) ? 1 : 0;
    collect(underlying, *cycle, share_of(*cycle, left), stop);
    result = Turn::worked;
  }
  if (all_known) clock_step_.clear();
  // What the cycle leaves over is for listings.
  if (result == Turn::worked) {
    const Instant cycle = core::floor_to(now, options_.interval);
    reader_.tend(options_.underlyings, cycle, share_of(cycle, 1), stop);
  }
  return result;
}

/// Whether a cycle of this underlying waits to be collected.
bool Collector::is_due(const std::string& underlying, Instant now) const {
  const auto cycle = current_cycle(now, options_.interval, reader_.hours(underlying));
  if (!cycle) return false;
  const auto known = progress_.find(underlying);
  return known == progress_.end() || !known->second.last || *known->second.last < *cycle;
}

bool Collector::clock_trusted() const {
  if (options_.simulated_clock) return client_.link().sessions > 0;
  const auto known = clock_ahead_us_.load();
  if (known == clock_unknown) return false;
  // Meanwhile the clock may have been set, or the machine have slept.
  const auto set = ahead_of_steady(clock_.now()) - std::chrono::microseconds{known};
  return set <= clock_tolerance && set >= -clock_tolerance;
}

/// Says what is new about gateway and clock. False: no cycle can be named by this clock.
bool Collector::watch(Instant now) {
  const auto link = client_.link();
  if (const auto news = gateway_watch_.look(now, link.upstream_ok, link.last_problem))
    log::write(news->level, news->text);
  if (options_.simulated_clock) return true;
  if (const auto set = clock_watch_.look(now, std::chrono::steady_clock::now())) {
    const auto seconds = std::chrono::round<std::chrono::seconds>(*set).count();
    clock_step_ = fmt::format("the clock was set {} by {} s, or the machine slept",
                              seconds > 0 ? "forward" : "back", std::abs(seconds));
    log::warning("clock_stepped: {}", clock_step_);
    clock_checked_.reset();
    clock_ahead_us_ = clock_unknown;
  }
  const bool due = !clock_checked_ || now < *clock_checked_ ||
                   now - *clock_checked_ >= clock_check_every || !clock_problem_.empty();
  if (!due || !link.upstream_ok) return clock_problem_.empty();
  const auto theirs = client_.current_time(core::after(2s));
  if (!theirs) return clock_problem_.empty();
  clock_checked_ = now;
  // One reading for both: a clock that is set in between would be trusted as it never was.
  const Instant ours = clock_.now();
  const auto off = std::chrono::round<std::chrono::seconds>(ours - *theirs);
  if (off <= clock_tolerance && off >= -clock_tolerance) {
    clock_ahead_us_ = ahead_of_steady(ours).count();
    if (!clock_problem_.empty()) {
      log::info("clock_right: the clock agrees with the broker's again");
      // What fell due meanwhile is looked up, and entered for what it was.
      for (auto& [underlying, progress] : progress_) {
        progress.known = false;
        progress.gap_reason = reason::because(reason::clock_wrong, clock_problem_);
      }
      clock_problem_.clear();
    }
    return true;
  }
  clock_ahead_us_ = clock_unknown;
  const bool news = clock_problem_.empty();
  clock_problem_ = fmt::format("our clock is {} s {} the broker's", std::abs(off.count()),
                               off.count() > 0 ? "ahead of" : "behind");
  if (news) log::error("clock_wrong: nothing is collected: {}", clock_problem_);
  return false;
}

Result<void> Collector::learn_progress(const std::string& underlying, Instant due) {
  auto& progress = progress_[underlying];
  const auto why = !progress.gap_reason.empty() ? progress.gap_reason
                                                : reason::because(reason::collector_not_running,
                                                                  "no collector was at work on it");
  BF_TRY(const auto fence, journal_.fence());
  BF_TRY(const auto found, reconcile(journal_.database(), journal_.history(), fence, underlying,
                                     Schedule{options_.interval, reader_.hours(underlying)}, due,
                                     why, core::after(history_patience),
                                     progress.searched ? LookBack::week : LookBack::all));
  auto stored = journal_.history().chain(underlying, {.at = due, .expiry = {}, .trading_class = {}},
                                         core::after(history_patience));
  if (stored) {
    reader_.remember(stored->snapshot);
    previous_.insert_or_assign(underlying, *std::move(stored));
  } else if (stored.error().code != Errc::not_found) {
    return tl::unexpected{stored.error()};
  } else {
    previous_.erase(underlying);
  }
  progress = {.known = true, .searched = true, .last = found.last, .newest = found.newest};
  return {};
}

/// Learns it unless that has just failed. False: it is not known yet; the others have their turn.
bool Collector::learned(const std::string& underlying, Instant due) {
  auto& attempt = ledger_attempts_[underlying];
  if (std::chrono::steady_clock::now() < attempt.next) return false;
  const auto found = learn_progress(underlying, due);
  if (found) {
    attempt = {};
    return true;
  }
  attempt.next = core::after(ledger_retry);
  if (std::exchange(attempt.told, found.error().message) != found.error().message)
    log::warning("{}: the ledger could not be read: {}", underlying, found.error().message);
  return false;
}

/// What is known of an underlying while the history is away, from what waits to be written.
void Collector::remember_spooled(const std::string& underlying) {
  progress_[underlying].last = journal_.newest_spooled(underlying);
}

Result<bool> Collector::has_snapshot(const std::string& underlying, Instant cycle) {
  if (!journal_.in_step())
    return core::fail(Errc::unavailable, "the history is away");  // then it is not collected twice
  BF_TRY(const auto runs,
         journal_.history().runs(underlying, cycle, cycle, core::after(history_patience)));
  return !runs.empty() && runs.front().status != store::RunStatus::missed;
}

/// Underlyings that the configuration no longer names: their ledger is completed and closed.
Result<void> Collector::close_removed(Instant now) {
  BF_TRY(const auto scheduled,
         store::scheduled_underlyings(journal_.database(), core::after(history_patience)));
  for (const auto& underlying : scheduled) {
    if (std::ranges::find(options_.underlyings, underlying) != options_.underlyings.end()) continue;
    BF_TRY(const auto fence, journal_.fence());
    BF_CHECK(
        reconcile(journal_.database(), journal_.history(), fence, underlying, std::nullopt, now,
                  reason::because(reason::collector_not_running, "no collector was at work on it"),
                  core::after(history_patience)));
    log::info("{}: collected no longer", underlying);
  }
  removed_closed_ = true;
  return {};
}

/// Cycles that fell due while this process was at work on others.
void Collector::enter_missed(const std::string& underlying, Instant before) {
  auto& progress = progress_[underlying];
  if (!progress.last || *progress.last >= before) return;
  auto missed =
      cycles_between(*progress.last, before, options_.interval, reader_.hours(underlying));
  if (missed.empty()) return;
  const auto last = missed.back();
  std::string why = progress.gap_reason;
  if (why.empty() && !clock_step_.empty())
    why = reason::because(reason::clock_stepped, clock_step_);
  if (why.empty() && !progress.known)
    why = reason::because(reason::collector_not_running, "no collector was at work on it");
  if (why.empty())
    why = reason::because(reason::overrun, "the cycle before took too long, or time jumped");
  miss(underlying, std::move(missed), why);
  progress_[underlying].last = last;
}

void Collector::miss(const std::string& underlying, std::vector<Instant> cycles,
                     const std::string& why) {
  const MissedCycles missed{underlying, std::move(cycles), why, options_.interval};
  const auto kept = journal_.keep(missed);
  log::warning("{}: {} cycle{} missed, {} to {}: {}", underlying, missed.as_of.size(),
               missed.as_of.size() == 1 ? "" : "s", to_iso(missed.as_of.front()),
               to_iso(missed.as_of.back()), why);
  if (kept) return;
  // Not even the note could be kept. The ledger will be found to lack the cycles, and gets them.
  auto& progress = progress_[underlying];
  progress.known = false;
  progress.gap_reason = why;
}

void Collector::collect(const std::string& underlying, Instant cycle, Deadline end,
                        std::stop_token stop) {
  auto record = reader_.read(underlying, cycle, end, stop);
  // Cut short by a stop: no ledger row. The next start finds the cycle still open, or missed.
  if (stop.stop_requested()) return;
  progress_[underlying].last = cycle;
  if (record.snapshot.quotes.empty()) return miss(underlying, {cycle}, record.reason);
  // What will be read back, also where it is only described later.
  store::make_as_stored(record.snapshot);
  std::ranges::sort(record.snapshot.quotes, {}, &core::OptionQuote::contract);
  const bool described = describe(record);
  record.finished_at = clock_.now();
  FinishedCycle finished{std::move(record), !described};
  store::StoredChain before;
  before.run.status = finished.record.status;
  before.run.expected = finished.record.expected;
  before.run.refused = finished.record.refused;
  before.run.received = static_cast<std::int64_t>(finished.record.snapshot.quotes.size());
  before.snapshot = finished.record.snapshot;
  const auto summary =
      fmt::format("{} of {} contracts{}{}{}", before.run.received, before.run.expected.value_or(0),
                  finished.record.reason.empty() ? "" : ", partial: ", finished.record.reason,
                  described ? fmt::format(", {} changes", finished.record.changes.size()) : "");
  const auto kept = journal_.keep(std::move(finished));
  if (!kept) {
    const bool refused = kept.error().code == Errc::invalid_input;
    previous_.erase(underlying);
    progress_[underlying].known = false;
    radar_.forget(underlying);  // it may count an alert as answered by what is stored nowhere
    miss(underlying, {cycle},
         reason::because(refused ? reason::history_refused : reason::spool_full,
                         kept.error().message));
    return;
  }
  switch (*kept) {
    case Journal::Kept::stored:
      log::info("{} {}: {}", underlying, to_iso(cycle), summary);
      break;
    case Journal::Kept::spooled:
      log::info("{} {}: {}; in the spool", underlying, to_iso(cycle), summary);
      break;
    case Journal::Kept::known_already:
      // What the history has is what the next cycle is compared with.
      previous_.erase(underlying);
      progress_[underlying].known = false;
      radar_.forget(underlying);
      return;
  }
  reader_.remember(before.snapshot);
  previous_.insert_or_assign(underlying, std::move(before));
}

/// Until when one underlying may be asked: an even share of what is left of the cycle.
Deadline Collector::share_of(Instant cycle, std::size_t underlyings_left) const {
  if (options_.simulated_clock) return core::after(simulated_patience);
  const auto reserve = std::min<std::chrono::microseconds>(
      writing_reserve, std::chrono::microseconds{options_.interval} / 10);
  const auto left = cycle + options_.interval - clock_.now() - reserve;
  return core::after(left / static_cast<std::int64_t>(underlyings_left));
}

/// What each turn of an underlying may spend on writing what waits: a quarter of the cycle for all,
/// so that what waits becomes less even when every cycle is full of work.
std::chrono::milliseconds Collector::drain_share() const {
  const auto all = std::chrono::milliseconds{options_.interval} / 4;
  return std::clamp<std::chrono::milliseconds>(
      all / static_cast<std::int64_t>(options_.underlyings.size()), 50ms, drain_patience);
}

/// Changes and market conditions, against what this collector finished before. False: the history
/// that knows what they rest on could not be asked; the journal does it when the cycle is written.
bool Collector::describe(store::CycleRecord& record) {
  if (!journal_.in_step()) return false;
  const auto before = previous_.find(record.snapshot.underlying);
  const bool known = before != previous_.end();
  const auto described =
      radar_.describe(record, known ? &before->second.snapshot : nullptr,
                      known && reached_all(before->second.run), core::after(history_patience));
  if (!described) {
    log::warning("{} {}: not described yet: {}", record.snapshot.underlying,
                 to_iso(record.snapshot.as_of), described.error().message);
  }
  return described.has_value();
}

/// One piece of what is best done between cycles. False: nothing is left.
bool Collector::quiet_work() {
  if (!journal_.in_step()) return false;
  const Instant now = clock_.now();
  auto learning = std::chrono::duration_cast<std::chrono::milliseconds>(learning_patience);
  if (!options_.simulated_clock) {
    // Never into the next cycle, of whichever underlying.
    for (const auto& underlying : options_.underlyings) {
      const auto left = next_cycle(now, options_.interval, reader_.hours(underlying)) - now -
                        std::min<std::chrono::seconds>(bars_margin, options_.interval / 10);
      learning = std::min(learning, std::chrono::duration_cast<std::chrono::milliseconds>(left));
    }
  }
  for (const auto& underlying : options_.underlyings) {
    auto& attempt = prepare_attempts_[underlying];
    if (learning <= 0ms || std::chrono::steady_clock::now() < attempt.next) continue;
    const auto at = reader_.hours(underlying);
    const Instant next =
        current_cycle(now, options_.interval, at).value_or(next_cycle(now, options_.interval, at));
    const auto done =
        radar_.prepare(underlying, core::exchange_time(next).date, core::after(learning));
    if (!done) {
      attempt.next = core::after(prepare_retry);
      if (std::exchange(attempt.told, done.error().message) != done.error().message)
        log::warning("{}: not prepared for the next cycles: {}", underlying, done.error().message);
      return true;  // what is due now comes first
    }
    attempt = {};
    if (*done) return true;
  }
  if (!client_.link().upstream_ok) return false;
  const core::Date today = core::exchange_time(now).date;
  for (const auto& underlying : options_.underlyings) {
    const auto* known = reader_.find(underlying);
    if (known == nullptr || !bars_.due(underlying, today)) continue;
    auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(bars_patience);
    if (!options_.simulated_clock) {
      // Never into the next cycle.
      const auto left =
          next_cycle(now, options_.interval, reader_.hours(underlying)) - now - bars_margin;
      patience = std::min(patience, std::chrono::duration_cast<std::chrono::milliseconds>(left));
      if (patience < bars_margin) continue;
    }
    if (const auto asked = bars_.refresh(*known, today, core::after(patience)); !asked) {
      log::warning("{}: no daily bars: {}", underlying, asked.error().message);
    } else {
      radar_.forget(underlying);
    }
    return true;
  }
  return false;
}

}  // namespace bifrost::collector
