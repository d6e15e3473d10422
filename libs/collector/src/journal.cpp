// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/core/log.hpp"

namespace bifrost::collector {

namespace log = core::log;
using core::Deadline;
using core::Errc;
using core::Result;
using core::to_iso;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 10s;
constexpr auto retry = 500ms;
// How often a description of one cycle may time out before the cycle is written without.
constexpr int descriptions_late = 3;

/// What the history gets of a cycle that cannot be described.
store::CycleRecord bare(store::CycleRecord record, std::string_view problem) {
  record.changes.clear();
  record.market_conditions.reset();
  if (!record.reason.empty()) record.reason += "; ";
  record.reason += reason::because(reason::not_described, problem);
  return record;
}

}  // namespace

Journal::Journal(store::Database& database, store::History& history, store::WriterLease& lease,
                 Spool spool, Describe describe)
    : database_(database),
      history_(history),
      lease_(lease),
      spool_(std::move(spool)),
      describe_(std::move(describe)) {
  if (const auto held = spool_.last_held()) token_ = held->token;
  if (!spool_.empty()) {
    log::info("{} entries of an earlier run wait in the spool ({} MB)", spool_.entries(),
              spool_.bytes() >> 20);
  }
}

Journal::Standing Journal::look() {
  const auto view = lease_.view();
  const bool ours =
      view.state == store::LeaseState::held || view.state == store::LeaseState::presumed;
  if (const auto held = spool_.last_held(); held && !held->history_id.empty() &&
                                            !view.history_id.empty() &&
                                            held->history_id != view.history_id) {
    // Behind this address there is another history now; what was collected for the old one does not
    // belong into it.
    if (!spool_.empty()) {
      const auto moved = spool_.set_all_aside();
      log::error(
          "spool_foreign: {} entries were collected for another database (history {}) and "
          "were put aside{}",
          moved ? fmt::format("{}", *moved) : "the", held->history_id,
          moved ? "" : ", or not: " + moved.error().message);
    }
    ++epoch_;
  }
  if (!ours) {
    reached_ = false;
    schema_known_ = false;
    if (token_ != 0) ++epoch_;
    token_ = 0;
    const auto now =
        view.state == store::LeaseState::unknown
            ? "waiting: the database has not been reached: " + view.problem
            : fmt::format("waiting: another collector writes: {}{}", view.other,
                          spool_.empty()
                              ? ""
                              : fmt::format("; {} entries stay in the spool", spool_.entries()));
    if (!view.problem.empty() || view.state != store::LeaseState::unknown) {
      if (std::exchange(told_, now) != now) log::warning("{}", now);
    }
    return Standing::waiting;
  }
  if (view.token != token_) {
    // Not the token that this installation held before: somebody else may have been at work.
    ++epoch_;
    token_ = view.token;
    schema_known_ = false;
    astray_.clear();
    distrusted_ = spool_.entries();
  }
  if (!view.reached()) {
    reached_ = false;
    schema_known_ = false;  // it may come back as another one
    if (!std::exchange(away_told_, true))
      log::warning("database_away: finished cycles wait in the spool: {}", view.problem);
    return Standing::ours;
  }
  if (!schema_known_) {
    const auto known = database_.check_schema(core::after(patience));
    if (!known) {
      reached_ = false;
      if (std::exchange(told_, known.error().message) != known.error().message)
        log::error("schema_unknown: nothing is written: {}", known.error().message);
      return Standing::ours;
    }
    schema_known_ = true;
  }
  if (std::exchange(away_told_, false))
    log::info("database_back: {} entries wait in the spool", spool_.entries());
  if (!told_.empty()) log::info("this collector writes now (lease {})", token_);
  told_.clear();
  reached_ = true;
  // A full disk does not keep what waits from being written.
  if (const auto noted = spool_.remember_held({view.token, view.history_id}); noted) {
    held_told_.clear();
  } else if (std::exchange(held_told_, noted.error().message) != noted.error().message) {
    log::warning("a restart without the database would wait for it: {}", noted.error().message);
  }
  return Standing::ours;
}

Result<store::Fence> Journal::fence() const {
  auto fence = lease_.fence();
  if (!fence || fence->token != token_)
    return core::fail(Errc::conflict, "the lease has been lost");
  return *std::move(fence);
}

void Journal::trouble(const core::Error& error) {
  next_try_ = core::after(retry);
  if (std::exchange(trouble_told_, error.message) != error.message)
    log::warning("not written yet: {}", error.message);
  // The lease looks at once whether the database is still there.
  lease_.refresh(core::after(0s));
}

/// Describes a cycle against the snapshot that the history really has before it.
Result<void> Journal::describe(FinishedCycle& cycle, Deadline deadline) {
  const auto& snapshot = cycle.record.snapshot;
  const auto before =
      history_.chain(snapshot.underlying,
                     {.at = snapshot.as_of - 1us, .expiry = {}, .trading_class = {}}, deadline);
  if (!before && before.error().code != Errc::not_found) return tl::unexpected{before.error()};
  BF_CHECK(describe_(cycle.record, before ? &*before : nullptr, deadline));
  cycle.undescribed = false;
  return {};
}

/// Describes a cycle where that has not been done. Gives the problem of one that cannot be
/// described: nothing that waits behind it is to wait for ever.
Result<std::optional<std::string>> Journal::settle(FinishedCycle& cycle, Deadline deadline) {
  const auto& snapshot = cycle.record.snapshot;
  if (!cycle.undescribed && distrusted_ == 0 && !astray_.contains(snapshot.underlying))
    return std::nullopt;
  const auto described = describe(cycle, deadline);
  if (described) return std::nullopt;
  const auto& error = described.error();
  switch (error.code) {
    case Errc::unavailable:
    case Errc::conflict:
    case Errc::cancelled:
      return tl::unexpected{error};
    case Errc::timeout:
      if (late_.underlying != snapshot.underlying || late_.as_of != snapshot.as_of)
        late_ = {snapshot.underlying, snapshot.as_of, 0};
      if (++late_.times < descriptions_late) return tl::unexpected{error};
      break;
    case Errc::invalid_input:
    case Errc::not_found:
    case Errc::unauthorized:
    case Errc::corrupt_data:
      break;
  }
  if (std::exchange(bare_told_, error.message) != error.message) {
    log::error("not_described: {} {} is written without changes and market conditions: {}",
               snapshot.underlying, to_iso(snapshot.as_of), error.message);
  }
  return error.message;
}

Result<store::Appended> Journal::append(FinishedCycle& cycle, Deadline deadline) {
  BF_TRY(const auto held, fence());
  BF_TRY(const auto problem, settle(cycle, deadline));
  const auto& snapshot = cycle.record.snapshot;
  auto appended = problem
                      ? history_.append(bare(cycle.record, *problem), core::after(patience), held)
                      : history_.append(cycle.record, deadline, held);
  if (!appended) {
    if (appended.error().code == Errc::invalid_input) astray_.insert(snapshot.underlying);
    return appended;
  }
  if (appended->stored) {
    astray_.erase(snapshot.underlying);
  } else {
    astray_.insert(snapshot.underlying);
  }
  if (appended->dropped > 0) {
    log::warning("{} {}: {} values beyond what the history can hold were kept as missing",
                 snapshot.underlying, to_iso(snapshot.as_of), appended->dropped);
  }
  trouble_told_.clear();
  return appended;
}

Result<Journal::Kept> Journal::to_spool(const SpoolEntry& entry) {
  if (const auto added = spool_.add(entry); !added) {
    if (!std::exchange(full_told_, true))
      log::error("spool_full: cycles are missed until there is room: {}", added.error().message);
    return tl::unexpected{added.error()};
  }
  if (std::exchange(full_told_, false)) log::info("spool_room: the spool takes cycles again");
  return Kept::spooled;
}

Result<Journal::Kept> Journal::keep(FinishedCycle cycle) {
  if (in_step()) {
    const auto appended = append(cycle, core::after(patience));
    if (appended && appended->stored) return Kept::stored;
    if (appended) {
      log::warning("{} {}: the history has this cycle already; it is left as it is",
                   cycle.record.snapshot.underlying, to_iso(cycle.record.snapshot.as_of));
      return Kept::known_already;
    }
    if (appended.error().code == Errc::invalid_input) return tl::unexpected{appended.error()};
    trouble(appended.error());
  }
  return to_spool(std::move(cycle));
}

Result<std::int64_t> Journal::enter(const MissedCycles& missed, Deadline deadline) {
  BF_TRY(const auto held, fence());
  return history_.mark_missed(missed.underlying, missed.as_of, missed.reason, missed.interval,
                              deadline, held);
}

Result<Journal::Kept> Journal::keep(const MissedCycles& missed) {
  if (in_step()) {
    const auto entered = enter(missed, core::after(patience));
    if (entered) return Kept::stored;
    if (entered.error().code == Errc::invalid_input) return tl::unexpected{entered.error()};
    trouble(entered.error());
  }
  return to_spool(missed);
}

/// False: there was nothing.
Result<bool> Journal::write_front(Deadline deadline) {
  BF_TRY(auto front, spool_.front());
  if (!front) return false;
  if (auto* cycle = std::get_if<FinishedCycle>(&*front)) {
    auto& snapshot = cycle->record.snapshot;
    const auto appended = append(*cycle, deadline);
    if (appended) {
      ++(appended->stored ? drained_.written : drained_.known_already);
      spool_.drop_front();
      return true;
    }
    if (appended.error().code != Errc::invalid_input) return tl::unexpected{appended.error()};
    log::error("history_refused: {} {}: {}; it is kept aside", snapshot.underlying,
               to_iso(snapshot.as_of), appended.error().message);
    const auto entered = enter({snapshot.underlying,
                                {snapshot.as_of},
                                reason::because(reason::history_refused, appended.error().message),
                                cycle->record.interval},
                               deadline);
    if (!entered && entered.error().code != Errc::invalid_input)
      return tl::unexpected{entered.error()};
  } else {
    const auto& missed = std::get<MissedCycles>(*front);
    const auto entered = enter(missed, deadline);
    if (entered) {
      drained_.missed += *entered;
      spool_.drop_front();
      return true;
    }
    if (entered.error().code != Errc::invalid_input) return tl::unexpected{entered.error()};
    log::error("history_refused: missed cycles: {}; they are kept aside", entered.error().message);
  }
  ++drained_.refused;
  spool_.set_front_aside();
  return true;
}

void Journal::drain(std::stop_token stop, Deadline deadline) {
  if (!reached_ || spool_.empty() || std::chrono::steady_clock::now() < next_try_) return;
  while (!spool_.empty()) {
    if (stop.stop_requested() || std::chrono::steady_clock::now() >= deadline) return;
    const auto before = spool_.entries();
    const auto wrote = write_front(core::after(patience));
    distrusted_ -= std::min(distrusted_, before - spool_.entries());
    if (!wrote) {
      trouble(wrote.error());
      return;
    }
  }
  log::info("spool_drained: {} cycles written, {} the history had already, {} missed, {} refused",
            drained_.written, drained_.known_already, drained_.missed, drained_.refused);
  drained_ = {};
}

}  // namespace bifrost::collector
