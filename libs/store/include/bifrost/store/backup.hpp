// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

/// The facts of one UTC day, in a number that changes with any of them.
struct DayDigest {
  core::Date day{};
  std::int64_t cycles = 0;  // that have facts
  std::int64_t rows = 0;
  std::uint64_t hash = 0;

  friend bool operator==(const DayDigest&, const DayDigest&) = default;
};

struct TableDigest {
  std::string name;
  std::int64_t rows = 0;
  std::uint64_t hash = 0;

  friend bool operator==(const TableDigest&, const TableDigest&) = default;
};

/// What a backup holds, taken from the very state of the database that it is of.
struct BackupContents {
  core::Instant taken_at{};  // the server's clock when that state was fixed
  int schema_revision = 0;
  std::string server_version;
  Tier tier = Tier::stock;
  std::optional<std::string> timescaledb_version;
  std::vector<DayDigest> days;      // of option_snapshots
  std::vector<TableDigest> tables;  // all others, by name

  friend bool operator==(const BackupContents&, const BackupContents&) = default;
};

struct Backup {
  std::filesystem::path file;
  std::int64_t bytes = 0;
  BackupContents contents;
};

/// Says what is being done, a few times a second at most; false ends it with `cancelled`.
using BackupProgress = std::function<bool(std::string_view)>;

/// Writes everything that the database holds at one moment into a file; writers go on meanwhile.
/// A folder gets a file named by that moment. The file is a dump of pg_dump's custom format, which
/// pg_restore reads as it is, and behind it what it holds and a checksum over all. It is whole or
/// not there. `conflict`: such a file is there already. `not_found`: no pg_dump of the server's
/// version or a newer one.
core::Result<Backup> back_up(Database& database, const std::filesystem::path& file_or_folder,
                             const BackupProgress& progress, core::Deadline deadline);

/// Reads the whole file and what it says of itself. `corrupt_data`: it is damaged, cut off or none
/// of ours.
core::Result<Backup> read_backup(const std::filesystem::path& file);

struct Restored {
  Backup backup;
  /// Where the history that was there before is now; none when there was none.
  std::optional<std::string> kept_as;
};

/// Brings a backup into the database behind `url` and proves that all of it came: rows and hashes
/// of every table and every day equal those of the backup. A database without tables takes it in
/// one transaction. One with tables but without any ledger row is replaced; it is dropped if it
/// then holds nothing but bookkeeping, else kept. One with a history is `conflict` unless
/// `replace`: the backup then goes into a database beside it, and when that is proved the two
/// change names; the old one stays under `kept_as`. That needs a role that may create databases and
/// nobody else connected. Leases go on with tokens that nobody has been given since the backup.
/// Older backups need `migrate` afterwards. `invalid_input`: of a history with TimescaleDB, and the
/// server has not loaded the same version of it, or the role is no superuser; nothing was changed.
core::Result<Restored> restore(const std::string& url, const std::filesystem::path& file,
                               bool replace, const BackupProgress& progress,
                               core::Deadline deadline);

struct Finding {
  std::string underlying;  // empty: of the whole
  core::Instant as_of{};   // of a cycle
  std::string what;
};

struct Verification {
  std::int64_t cycles = 0;  // ledger rows that are complete or partial
  std::int64_t rows = 0;
  std::int64_t cycles_dropped = 0;  // older than retention keeps
  std::vector<DayDigest> days;
  std::int64_t problems = 0;
  std::vector<Finding> findings;  // the first hundred
};

/// Looks through the whole history: facts of every cycle against its ledger row, contracts twice or
/// unknown, facts that no cycle vouches for, partitions, what was superseded.
core::Result<Verification> verify(Database& database, const BackupProgress& progress,
                                  core::Deadline deadline);

/// What the database holds now, in the words of a backup.
core::Result<BackupContents> contents_of(Database& database, const BackupProgress& progress,
                                         core::Deadline deadline);

}  // namespace bifrost::store
