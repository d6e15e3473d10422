// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/collector.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "bifrost/collector/conditions.hpp"
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
constexpr auto discovery_patience = 60s;
// With simulated time no wall-clock deadline follows from the cycle; a chunk gets this long.
constexpr auto simulated_chunk_patience = 60s;
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
  for (;;) {
    auto written = write();
    if (written || written.error().code == Errc::invalid_input) return written;
    log::warning("{} {}: not written yet: {}", underlying, to_iso(cycle), written.error().message);
    if (!pause(stop, 500ms))
      return core::fail(Errc::cancelled, "stopped before the cycle was written");
  }
}

core::Source source_of(bool simulated, bool delayed) {
  if (simulated) return core::Source::simulated;
  return delayed ? core::Source::delayed : core::Source::live;
}

}  // namespace

Collector::Collector(Options options, ib::Client& client, store::History& history,
                     const core::Clock& clock)
    : options_(std::move(options)), client_(client), history_(history), clock_(clock) {}

void Collector::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    // A simulated market's clock means nothing before the gateway has been heard.
    if (options_.simulated_clock && client_.link().sessions == 0) {
      client_.wait_ready(core::after(500ms));
      continue;
    }
    const bool worked = turn(stop);
    auto wait = 200ms;
    if (!options_.simulated_clock && !worked) {
      const Instant now = clock_.now();
      const auto until = std::chrono::duration_cast<std::chrono::milliseconds>(
          next_cycle(now, options_.interval) - now);
      // Never past a minute: a stepped clock is noticed.
      wait = std::clamp<std::chrono::milliseconds>(until, 10ms, 60s);
    }
    if (!worked) pause(stop, wait);
  }
}

/// Does what is due now. False: nothing was.
bool Collector::turn(std::stop_token stop) {
  const Instant now = clock_.now();
  const auto cycle = current_cycle(now, options_.interval);
  bool worked = false;
  for (const auto& underlying : options_.underlyings) {
    if (stop.stop_requested()) return true;
    if (const auto learned = learn_progress(underlying); !learned) {
      log::warning("history not reached, trying again: {}", learned.error().message);
      return false;
    }
    auto& progress = progress_[underlying];
    const Instant due = cycle ? *cycle : now;
    if (const auto entered = enter_missed(
            underlying, due, "the collector was not running, or the cycle before took too long");
        !entered) {
      log::warning("{}: missed cycles not entered yet: {}", underlying, entered.error().message);
      return false;
    }
    if (!cycle || (progress.last && *progress.last >= *cycle)) continue;
    if (current_cycle(clock_.now(), options_.interval) != cycle) return true;  // time has moved on
    collect(underlying, *cycle, stop);
    worked = true;
  }
  return worked;
}

Result<void> Collector::learn_progress(const std::string& underlying) {
  auto& progress = progress_[underlying];
  if (progress.known) return {};
  BF_TRY(const auto last, history_.last_run(underlying, core::after(history_patience)));
  // A history that was only imported says nothing about when this collector should have run.
  if (last && last->source != core::Source::imported) progress.last = last->as_of;
  auto stored = history_.chain(underlying, {}, core::after(history_patience));
  if (stored) {
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
  const auto missed = cycles_between(*progress.last, before, options_.interval);
  if (missed.empty()) return {};
  BF_CHECK(history_.mark_missed(underlying, missed, reason, options_.interval,
                                core::after(history_patience)));
  log::warning("{}: {} cycles missed, {} to {}: {}", underlying, missed.size(),
               to_iso(missed.front()), to_iso(missed.back()), reason);
  progress.last = missed.back();
  return {};
}

void Collector::collect(const std::string& underlying, Instant cycle, std::stop_token stop) {
  auto record = ask(underlying, cycle, stop);
  // Cut short by a stop: no ledger row. The next start finds the cycle still open, or missed.
  if (stop.stop_requested()) return;
  if (!record.snapshot.quotes.empty()) {
    add_changes(record);
    record.market_conditions = find_conditions(record.snapshot);
    record.finished_at = clock_.now();
    if (const auto written = write(record, stop)) {
      log::info("{} {}: {} of {} contracts{}{}, {} changes", underlying, to_iso(cycle),
                record.snapshot.quotes.size(), record.expected,
                record.reason.empty() ? "" : ", partial: ", record.reason, record.changes.size());
      progress_[underlying].last = cycle;
      store::StoredChain stored;
      stored.run.status = record.status;
      stored.snapshot = std::move(record.snapshot);
      previous_.insert_or_assign(underlying, std::move(stored));
      return;
    } else if (written.error().code == Errc::cancelled) {
      return;
    } else {
      record.reason = fmt::format("the history refuses the snapshot: {}", written.error().message);
    }
  }
  log::warning("{} {}: missed: {}", underlying, to_iso(cycle), record.reason);
  const std::vector<Instant> missed{cycle};
  const auto entered = until_written(stop, underlying, cycle, [&] {
    return history_.mark_missed(underlying, missed, record.reason, options_.interval,
                                core::after(history_patience));
  });
  if (entered) progress_[underlying].last = cycle;
}

/// Everything the broker tells about one underlying in one cycle. No quotes: `reason` says why.
store::CycleRecord Collector::ask(const std::string& underlying, Instant cycle,
                                  std::stop_token stop) {
  store::CycleRecord record;
  record.snapshot.underlying = underlying;
  record.snapshot.as_of = cycle;
  record.interval = options_.interval;
  record.started_at = clock_.now();

  while (!client_.wait_ready(std::min(core::after(500ms), end_of(cycle)))) {
    if (stop.stop_requested() || current_cycle(clock_.now(), options_.interval) != cycle) {
      record.reason = fmt::format("gateway not available: {}", client_.link().last_problem);
      return record;
    }
  }
  const core::Date day = core::exchange_time(cycle).date;
  const auto listed = universe(underlying, day);
  if (!listed) {
    record.reason = fmt::format("contracts not listed: {}", listed.error().message);
    return record;
  }
  bool delayed = false;
  const auto spot = client_.underlying_quote(underlyings_.at(underlying), {}, clock_,
                                             std::min(core::after(10s), end_of(cycle)));
  if (spot) {
    record.snapshot.underlying_price = spot->price;
    delayed = spot->delayed;
  } else {
    log::warning("{} {}: no price of the underlying: {}", underlying, to_iso(cycle),
                 spot.error().message);
  }

  const auto chosen = choose(**listed, day, record.snapshot.underlying_price);
  record.expected = static_cast<std::int64_t>(chosen.size());
  std::string stopped;
  std::string refusal;
  for (std::size_t at = 0; at < chosen.size() && stopped.empty();
       at += static_cast<std::size_t>(options_.chunk)) {
    const auto size = std::min(static_cast<std::size_t>(options_.chunk), chosen.size() - at);
    const auto report =
        client_.quotes(std::span{chosen}.subspan(at, size), {}, clock_, end_of(cycle));
    if (!report) {
      stopped = report.error().message;
      break;
    }
    for (const auto& collected : report->quotes) {
      if (collected.completeness == ib::Completeness::refused) {
        ++record.refused;
        if (refusal.empty() && collected.refusal) refusal = collected.refusal->reason;
      }
      if (collected.completeness == ib::Completeness::complete ||
          collected.completeness == ib::Completeness::partial) {
        record.snapshot.quotes.push_back(collected.option);
        delayed = delayed || collected.delayed;
      }
    }
    if (report->stopped) stopped = *report->stopped;
    if (stop.stop_requested()) stopped = "the collector was stopped";
    if (stopped.empty() && at + size < chosen.size() &&
        current_cycle(clock_.now(), options_.interval) != cycle) {
      stopped = "the cycle was over";
    }
  }
  record.snapshot.source = source_of(client_.link().simulated, delayed);

  const auto received = static_cast<std::int64_t>(record.snapshot.quotes.size());
  if (received < record.expected) {
    record.status = store::RunStatus::partial;
    record.reason = fmt::format("{} of {} contracts answered", received, record.expected);
    if (record.refused > 0)
      record.reason += fmt::format("; {} refused: {}", record.refused, refusal);
    if (!stopped.empty()) record.reason += "; " + stopped;
  } else if (chosen.empty()) {
    record.reason = "no contract is listed inside the limits";
  }
  return record;
}

Deadline Collector::end_of(Instant cycle) const {
  if (options_.simulated_clock) return core::after(simulated_chunk_patience);
  return core::after(cycle + options_.interval - clock_.now() -
                     std::min<std::chrono::microseconds>(writing_reserve, options_.interval / 10));
}

Result<const Collector::Universe*> Collector::universe(const std::string& underlying,
                                                       core::Date day) {
  if (const auto found = universes_.find(underlying);
      found != universes_.end() && found->second.day == day) {
    return &found->second;
  }
  auto known = underlyings_.find(underlying);
  if (known == underlyings_.end()) {
    BF_TRY(auto found, client_.underlying(underlying, core::after(discovery_patience)));
    known = underlyings_.emplace(underlying, std::move(found)).first;
  }
  BF_TRY(const auto parameters,
         client_.option_parameters(known->second, core::after(discovery_patience)));
  // One class is listed on many exchanges with the same contracts; SMART stands for all where it is
  // offered.
  const bool smart =
      std::ranges::any_of(parameters, [](const auto& p) { return p.exchange == "SMART"; });
  std::set<std::pair<std::string, core::Date>> wanted;
  for (const auto& offered : parameters) {
    if (smart && offered.exchange != "SMART") continue;
    for (const core::Date expiry : offered.expiries) {
      const auto days_ahead = (expiry - day).count();
      if (options_.expiry_days == 0 || days_ahead <= options_.expiry_days)
        wanted.emplace(offered.trading_class, expiry);
    }
  }
  Universe fresh{day, {}};
  for (const auto& [trading_class, expiry] : wanted) {
    BF_TRY(auto listed, client_.listed_options(known->second, trading_class, expiry,
                                               core::after(discovery_patience)));
    std::ranges::move(listed, std::back_inserter(fresh.options));
  }
  log::info("{}: {} contracts of {} expiries listed on {}", underlying, fresh.options.size(),
            wanted.size(), to_iso_date(day));
  return &universes_.insert_or_assign(underlying, std::move(fresh)).first->second;
}

/// The contracts of a cycle, the ones that matter most first: near the money, then near in time.
std::vector<ib::ListedOption> Collector::choose(const Universe& universe, core::Date day,
                                                std::optional<core::Price> spot) const {
  struct Ranked {
    double distance;
    const ib::ListedOption* option;
  };
  std::vector<Ranked> ranked;
  for (const auto& option : universe.options) {
    double moneyness = 0;
    if (spot && spot->value() > 0)
      moneyness = std::abs(option.contract.strike.value() / spot->value() - 1);
    if (options_.strike_window > 0 && moneyness > options_.strike_window) continue;
    // A month counts as much as a tenth of the price.
    const double months = static_cast<double>((option.contract.expiry - day).count()) / 30.0;
    ranked.push_back({moneyness + 0.1 * months, &option});
  }
  std::ranges::stable_sort(ranked, {}, &Ranked::distance);
  std::vector<ib::ListedOption> chosen;
  chosen.reserve(ranked.size());
  for (const auto& entry : ranked) chosen.push_back(*entry.option);
  return chosen;
}

void Collector::add_changes(store::CycleRecord& record) {
  const auto before = previous_.find(record.snapshot.underlying);
  if (before == previous_.end()) return;
  record.changes =
      find_changes(before->second.snapshot, before->second.run.status == store::RunStatus::complete,
                   record.snapshot, options_.thresholds);
}

Result<void> Collector::write(const store::CycleRecord& record, std::stop_token stop) {
  const auto& snapshot = record.snapshot;
  BF_TRY(const auto appended, until_written(stop, snapshot.underlying, snapshot.as_of, [&] {
           return history_.append(record, core::after(history_patience));
         }));
  if (appended.dropped > 0) {
    log::warning("{} {}: {} values beyond what the history can hold were kept as missing",
                 snapshot.underlying, to_iso(snapshot.as_of), appended.dropped);
  }
  return {};
}

}  // namespace bifrost::collector
