// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/collector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/log.hpp"

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
// How far back the newest cycle of a collector is looked for behind imported ones.
constexpr auto look_back = std::chrono::days{30};
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

/// Tries again for as long as it takes, for the history may be away; only a refusal of the data
/// itself (invalid_input) and a stop (cancelled) end it otherwise.
template <class Write>
auto until_written(std::stop_token stop, const std::string& underlying, Instant cycle, Write write)
    -> decltype(write()) {
  std::chrono::milliseconds wait = 500ms;
  std::string told;
  for (;;) {
    auto written = write();
    if (written || written.error().code == Errc::invalid_input) return written;
    if (written.error().message != told) {
      told = written.error().message;
      log::warning("{} {}: not written yet: {}", underlying, to_iso(cycle), told);
    }
    if (!pause(stop, wait)) {
      return core::fail(Errc::cancelled, "stopped before the cycle was written");
    }
    wait = std::min<std::chrono::milliseconds>(2 * wait, 10s);
  }
}

}  // namespace

Collector::Collector(Options options, ib::Client& client, ChainReader& reader,
                     store::History& history, Radar& radar, BarKeeper& bars,
                     const core::Clock& clock)
    : options_(std::move(options)),
      client_(client),
      reader_(reader),
      history_(history),
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
      case Turn::troubled:
        pause(stop, 500ms);
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
          // Never past a minute: a stepped clock is noticed.
          wait = std::clamp<std::chrono::milliseconds>(until, 10ms, 60s);
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
  Turn result = Turn::idle;
  const auto order = reader_.turn_order(options_.underlyings);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& underlying = options_.underlyings[order[i]];
    if (stop.stop_requested()) return Turn::worked;
    const auto cycle = current_cycle(now, options_.interval, reader_.hours(underlying));
    if (const auto learned = learn_progress(underlying); !learned) {
      log::warning("history not reached, trying again: {}", learned.error().message);
      return Turn::troubled;
    }
    const Instant due = cycle ? *cycle : now;
    if (const auto entered = enter_missed(
            underlying, due, "the collector was not running, or the cycle before took too long");
        !entered) {
      log::warning("{}: missed cycles not entered yet: {}", underlying, entered.error().message);
      return Turn::troubled;
    }
    const auto& last = progress_[underlying].last;
    if (!cycle || (last && *last >= *cycle)) continue;
    if (current_cycle(clock_.now(), options_.interval, reader_.hours(underlying)) != cycle)
      return Turn::worked;
    collect(underlying, *cycle, share_of(*cycle, order.size() - i), stop);
    result = Turn::worked;
  }
  // What the cycle leaves over is for listings.
  if (result == Turn::worked) {
    const Instant cycle = core::floor_to(now, options_.interval);
    reader_.tend(options_.underlyings, cycle, share_of(cycle, 1), stop);
  }
  return result;
}

Result<void> Collector::learn_progress(const std::string& underlying) {
  auto& progress = progress_[underlying];
  if (progress.known) return {};
  BF_TRY(auto last, history_.last_run(underlying, core::after(history_patience)));
  if (last && last->source == core::Source::imported) {
    // What was imported says nothing about when this collector should have run; what it collected
    // before does.
    BF_TRY(const auto runs, history_.runs(underlying, last->as_of - look_back, last->as_of,
                                          core::after(history_patience)));
    const auto own = std::ranges::find_if(runs.rbegin(), runs.rend(), [](const store::Run& run) {
      return run.source != core::Source::imported;
    });
    last = own == runs.rend() ? std::nullopt : std::optional{*own};
  }
  if (last) progress.last = last->as_of;
  auto stored = history_.chain(underlying, {}, core::after(history_patience));
  if (stored) {
    reader_.remember(stored->snapshot);
    previous_.insert_or_assign(underlying, *std::move(stored));
  } else if (stored.error().code != Errc::not_found) {
    return tl::unexpected{stored.error()};
  }
  progress.known = true;
  return {};
}

Result<void> Collector::enter_missed(const std::string& underlying, Instant before,
                                     std::string_view reason) {
  auto& progress = progress_[underlying];
  if (!progress.last) return {};
  const auto missed =
      cycles_between(*progress.last, before, options_.interval, reader_.hours(underlying));
  if (missed.empty()) return {};
  BF_CHECK(history_.mark_missed(underlying, missed, reason, options_.interval,
                                core::after(history_patience)));
  log::warning("{}: {} cycles missed, {} to {}: {}", underlying, missed.size(),
               to_iso(missed.front()), to_iso(missed.back()), reason);
  progress.last = missed.back();
  return {};
}

void Collector::collect(const std::string& underlying, Instant cycle, Deadline end,
                        std::stop_token stop) {
  auto record = reader_.read(underlying, cycle, end, stop);
  // Cut short by a stop: no ledger row. The next start finds the cycle still open, or missed.
  if (stop.stop_requested()) return;
  auto& progress = progress_[underlying];
  if (!record.snapshot.quotes.empty()) {
    if (!until_written(stop, underlying, cycle, [&] { return describe(record); })) return;
    record.finished_at = clock_.now();
    const auto written = write(record, stop);
    if (written && written->stored) {
      log::info("{} {}: {} of {} contracts{}{}, {} changes", underlying, to_iso(cycle),
                record.snapshot.quotes.size(), record.expected,
                record.reason.empty() ? "" : ", partial: ", record.reason, record.changes.size());
      progress.last = cycle;
      store::StoredChain stored;
      stored.run.status = record.status;
      stored.run.expected = record.expected;
      stored.run.received = written->rows;
      reader_.remember(record.snapshot);
      stored.snapshot = std::move(record.snapshot);
      previous_.insert_or_assign(underlying, std::move(stored));
      return;
    }
    if (written) {
      log::warning("{} {}: the history has this cycle already; somebody else collects, too",
                   underlying, to_iso(cycle));
      progress.known = false;
      radar_.forget(underlying);
      return;
    }
    if (written.error().code == Errc::cancelled) return;
    record.reason = fmt::format("the history refuses the snapshot: {}", written.error().message);
  }
  log::warning("{} {}: missed: {}", underlying, to_iso(cycle), record.reason);
  const std::vector<Instant> missed{cycle};
  const auto entered = until_written(stop, underlying, cycle, [&] {
    return history_.mark_missed(underlying, missed, record.reason, options_.interval,
                                core::after(history_patience));
  });
  if (entered) progress.last = cycle;
}

/// Until when one underlying may be asked: an even share of what is left of the cycle.
Deadline Collector::share_of(Instant cycle, std::size_t underlyings_left) const {
  if (options_.simulated_clock) return core::after(simulated_patience);
  const auto reserve = std::min<std::chrono::microseconds>(writing_reserve, options_.interval / 10);
  const auto left = cycle + options_.interval - clock_.now() - reserve;
  return core::after(left / static_cast<std::int64_t>(underlyings_left));
}

Result<void> Collector::describe(store::CycleRecord& record) {
  const auto before = previous_.find(record.snapshot.underlying);
  if (before == previous_.end()) {
    return radar_.describe(record, nullptr, false, core::after(history_patience));
  }
  return radar_.describe(record, &before->second.snapshot,
                         before->second.run.status == store::RunStatus::complete,
                         core::after(history_patience));
}

/// One piece of what is best done between cycles. False: nothing is left.
bool Collector::quiet_work() {
  const Instant now = clock_.now();
  for (const auto& underlying : options_.underlyings) {
    const auto at = reader_.hours(underlying);
    const Instant next =
        current_cycle(now, options_.interval, at).value_or(next_cycle(now, options_.interval, at));
    const auto done =
        radar_.prepare(underlying, core::exchange_time(next).date, core::after(learning_patience));
    if (!done) {
      log::warning("{}: not prepared for the next cycles: {}", underlying, done.error().message);
      return false;
    }
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

Result<store::Appended> Collector::write(const store::CycleRecord& record, std::stop_token stop) {
  const auto& snapshot = record.snapshot;
  BF_TRY(const auto appended, until_written(stop, snapshot.underlying, snapshot.as_of, [&] {
           return history_.append(record, core::after(history_patience));
         }));
  if (appended.dropped > 0) {
    log::warning("{} {}: {} values beyond what the history can hold were kept as missing",
                 snapshot.underlying, to_iso(snapshot.as_of), appended.dropped);
  }
  return appended;
}

}  // namespace bifrost::collector
