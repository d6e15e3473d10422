// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "bifrost/collector/spool.hpp"
#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/lease.hpp"

namespace bifrost::collector {

/// Fills in changes and market conditions, `before` being the snapshot before this one in the
/// history, nullptr where there is none (as Radar::describe does). What fails
/// with anything but `unavailable`, or times out time and again, is written undescribed.
using Describe = std::function<core::Result<void>(
    store::CycleRecord& record, const store::StoredChain* before, core::Deadline deadline)>;

/// The collector's way into the history: what it is handed is on disk when the call returns,
/// in the database or, while that is away, in the spool, and everything of one underlying reaches
/// the history in the order in which it was handed over. Nothing is written past the lease. One
/// thread; history, database and lease must outlive it.
class Journal {
 public:
  Journal(store::Database& database, store::History& history, store::WriterLease& lease,
          Spool spool, Describe describe);

  enum class Standing : std::uint8_t {
    ours,    // the lease is held, or was when the database was last reached
    waiting  // another collector writes, or nobody can say yet
  };
  /// Takes in what the lease has learned and says in the log what has changed. Cheap.
  Standing look();

  /// Rises whenever another collector may have written in the meantime: what is known of the
  /// ledger is then out of date.
  std::uint64_t epoch() const { return epoch_; }

  /// The database answers, the lease is ours and nothing waits: what the history says is all there
  /// is. As of the last look().
  bool in_step() const { return reached_ && spool_.empty(); }

  /// Writes what waits, oldest first, until nothing does, a write fails or the deadline passes.
  void drain(std::stop_token stop, core::Deadline deadline);

  enum class Kept : std::uint8_t {
    stored,
    spooled,
    known_already,  // the history had this cycle: it is left as it is, and ours is dropped
  };
  /// `invalid_input`: the history refuses it. `unavailable`: neither history nor spool takes it.
  core::Result<Kept> keep(FinishedCycle cycle);
  core::Result<Kept> keep(const MissedCycles& missed);

  /// The newest cycle of an underlying that waits to be written.
  std::optional<core::Instant> newest_spooled(std::string_view underlying) const {
    return spool_.newest(underlying);
  }

  store::Database& database() { return database_; }
  store::History& history() { return history_; }
  /// The lease as of the last look(), for writes that go past the journal. `conflict`: it has been
  /// lost, perhaps taken again, since then.
  core::Result<store::Fence> fence() const;

 private:
  core::Result<store::Appended> append(FinishedCycle& cycle, core::Deadline deadline);
  core::Result<std::int64_t> enter(const MissedCycles& missed, core::Deadline deadline);
  core::Result<void> describe(FinishedCycle& cycle, core::Deadline deadline);
  core::Result<std::optional<std::string>> settle(FinishedCycle& cycle, core::Deadline deadline);
  core::Result<Kept> to_spool(const SpoolEntry& entry);
  core::Result<bool> write_front(core::Deadline deadline);
  void trouble(const core::Error& error);

  store::Database& database_;
  store::History& history_;
  store::WriterLease& lease_;
  Spool spool_;
  Describe describe_;

  std::uint64_t epoch_ = 0;
  std::int64_t token_ = 0;  // of the last look
  bool reached_ = false;
  bool schema_known_ = false;
  std::string told_;        // the last thing said about lease or schema
  bool away_told_ = false;  // that the database is away
  bool full_told_ = false;  // that the spool takes nothing
  std::string trouble_told_;
  std::string held_told_;  // why the lease could not be noted
  std::string bare_told_;  // why a cycle was written without a description
  // The cycle whose description timed out last, and how often it did.
  struct Late {
    std::string underlying;
    core::Instant as_of{};
    int times = 0;
  } late_;
  core::Deadline next_try_{};
  // Underlyings whose last cycle was not taken, and how many of the entries in the spool were made
  // before another collector may have written: they are described again, because they were
  // described against snapshots that the history does not have, or without ones that it has.
  std::set<std::string, std::less<>> astray_;
  std::size_t distrusted_ = 0;
  // Since the spool was last empty.
  struct Drained {
    std::int64_t written = 0;
    std::int64_t known_already = 0;
    std::int64_t missed = 0;
    std::int64_t refused = 0;
  } drained_;
};

}  // namespace bifrost::collector
