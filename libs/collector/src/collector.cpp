// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/collector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <set>
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
constexpr auto learning_patience = 60s;  // for reading a whole day of snapshots
// How far back the newest cycle of a collector is looked for behind imported ones.
constexpr auto look_back = std::chrono::days{30};
constexpr auto discovery_patience = 60s;
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

core::Source source_of(bool simulated, bool delayed) {
  if (simulated) return core::Source::simulated;
  return delayed ? core::Source::delayed : core::Source::live;
}

}  // namespace

Collector::Collector(Options options, ib::Client& client, store::History& history, Radar& radar,
                     const core::Clock& clock)
    : options_(std::move(options)),
      client_(client),
      history_(history),
      radar_(radar),
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
        if (quiet_work()) break;
        std::chrono::milliseconds wait = 200ms;
        if (!options_.simulated_clock) {
          const Instant now = clock_.now();
          Instant next = Instant::max();
          for (const auto& underlying : options_.underlyings)
            next = std::min(next, next_cycle(now, options_.interval, hours(underlying)));
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
  for (std::size_t i = 0; i < options_.underlyings.size(); ++i) {
    const auto& underlying = options_.underlyings[i];
    if (stop.stop_requested()) return Turn::worked;
    const auto cycle = current_cycle(now, options_.interval, hours(underlying));
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
    if (current_cycle(clock_.now(), options_.interval, hours(underlying)) != cycle)
      return Turn::worked;
    collect(underlying, *cycle, share_of(*cycle, options_.underlyings.size() - i), stop);
    result = Turn::worked;
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
  const auto missed = cycles_between(*progress.last, before, options_.interval, hours(underlying));
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
  auto record = ask(underlying, cycle, end, stop);
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

/// Everything the broker tells about one underlying in one cycle. No quotes: `reason` says why.
store::CycleRecord Collector::ask(const std::string& underlying, Instant cycle, Deadline end,
                                  std::stop_token stop) {
  store::CycleRecord record;
  record.snapshot.underlying = underlying;
  record.snapshot.as_of = cycle;
  record.interval = options_.interval;
  record.started_at = clock_.now();

  while (!client_.wait_ready(std::min(core::after(500ms), end))) {
    if (stop.stop_requested() || over(cycle, end)) {
      record.reason = fmt::format("gateway not available: {}", client_.link().last_problem);
      return record;
    }
  }
  const core::Date day = core::exchange_time(cycle).date;
  const auto listed = universe(underlying, day, end, stop);
  if (!listed) {
    record.reason = fmt::format("contracts not listed: {}", listed.error().message);
    return record;
  }
  bool delayed = false;
  std::optional<core::Price> centre;
  const auto spot = client_.underlying_quote(underlyings_.at(underlying), {}, clock_,
                                             std::min(core::after(10s), end));
  if (spot) {
    centre = spot->price;
    delayed = spot->delayed;
    // Yesterday's close serves to choose strikes; as the price of this moment it would be a lie.
    if (spot->from != ib::PriceFrom::close) record.snapshot.underlying_price = spot->price;
  } else {
    log::warning("{} {}: no price of the underlying: {}", underlying, to_iso(cycle),
                 spot.error().message);
  }

  const auto chosen = choose(**listed, day, centre);
  record.expected = static_cast<std::int64_t>(chosen.size());
  std::vector<std::string> reasons;
  if (const auto unlisted = (*listed)->to_list.size(); unlisted > 0) {
    reasons.push_back(fmt::format("{} expiries not listed yet", unlisted));
  }
  std::size_t in_part = 0;
  std::string refusal;
  std::string stopped;
  const auto chunk = static_cast<std::size_t>(options_.chunk);
  for (std::size_t at = 0; at < chosen.size() && stopped.empty(); at += chunk) {
    const auto size = std::min(chunk, chosen.size() - at);
    const auto report = client_.quotes(std::span{chosen}.subspan(at, size), {}, clock_, end);
    if (!report) {
      stopped = report.error().message;
      break;
    }
    in_part += report->partial;
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
    if (stopped.empty() && at + size < chosen.size() && over(cycle, end)) {
      stopped = "no time was left";
    }
  }
  record.snapshot.source = source_of(client_.link().simulated, delayed);

  const auto received = static_cast<std::int64_t>(record.snapshot.quotes.size());
  if (received < record.expected) {
    reasons.push_back(fmt::format("{} of {} contracts answered", received, record.expected));
  }
  if (in_part > 0) reasons.push_back(fmt::format("{} answered only in part", in_part));
  if (record.refused > 0) reasons.push_back(fmt::format("{} refused: {}", record.refused, refusal));
  if (!stopped.empty()) reasons.push_back(stopped);
  if (chosen.empty()) reasons.emplace_back("no contract is listed inside the limits");
  record.reason = fmt::format("{}", fmt::join(reasons, "; "));
  if (!reasons.empty()) record.status = store::RunStatus::partial;
  return record;
}

/// Until when one underlying may be asked: an even share of what is left of the cycle.
Deadline Collector::share_of(Instant cycle, std::size_t underlyings_left) const {
  if (options_.simulated_clock) return core::after(simulated_patience);
  const auto reserve = std::min<std::chrono::microseconds>(writing_reserve, options_.interval / 10);
  const auto left = cycle + options_.interval - clock_.now() - reserve;
  return core::after(left / static_cast<std::int64_t>(underlyings_left));
}

bool Collector::over(Instant cycle, Deadline end) const {
  return std::chrono::steady_clock::now() >= end ||
         core::floor_to(clock_.now(), options_.interval) != cycle;
}

core::ProductHours Collector::hours(const std::string& underlying) const {
  return core::hours_of(underlying);
}

/// The day's contracts as far as they are known; what time did not suffice for is listed in a later
/// cycle.
Result<const Collector::Universe*> Collector::universe(const std::string& underlying,
                                                       core::Date day, Deadline end,
                                                       std::stop_token stop) {
  const auto limit = [&] { return std::min(core::after(discovery_patience), end); };
  auto known = underlyings_.find(underlying);
  if (known == underlyings_.end()) {
    BF_TRY(auto found, client_.underlying(underlying, limit()));
    known = underlyings_.emplace(underlying, std::move(found)).first;
  }
  auto& universe = universes_[underlying];
  if (universe.day != day) {
    BF_TRY(const auto parameters, client_.option_parameters(known->second, limit()));
    // One class is listed on many exchanges with the same contracts; SMART stands for all where it
    // is offered.
    const bool smart =
        std::ranges::any_of(parameters, [](const auto& p) { return p.exchange == "SMART"; });
    universe = {day, {}, {}};
    for (const auto& offered : parameters) {
      if (smart && offered.exchange != "SMART") continue;
      for (const core::Date filed : offered.expiries) {
        if (options_.expiry_days == 0 || (filed - day).count() <= options_.expiry_days) {
          universe.to_list.emplace(offered.trading_class, filed);
        }
      }
    }
  }
  // Nearest dates first: they matter most if time runs out.
  std::vector<Series> order{universe.to_list.begin(), universe.to_list.end()};
  std::ranges::stable_sort(order, {}, &Series::second);
  for (const auto& series : order) {
    if (stop.stop_requested() || std::chrono::steady_clock::now() >= end) break;
    auto listed = client_.listed_options(known->second, series.first, series.second, limit());
    if (!listed) {
      log::warning("{}: {} of {} not listed: {}", underlying, series.first,
                   to_iso_date(series.second), listed.error().message);
      break;
    }
    std::ranges::move(*listed, std::back_inserter(universe.options));
    universe.to_list.erase(series);
    if (universe.to_list.empty()) {
      log::info("{}: {} contracts listed on {}", underlying, universe.options.size(),
                to_iso_date(day));
    }
  }
  if (universe.options.empty() && !universe.to_list.empty()) {
    return core::fail(Errc::unavailable, fmt::format("none of {} expiries could be listed yet",
                                                     universe.to_list.size()));
  }
  return &universe;
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
    const auto at = hours(underlying);
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
