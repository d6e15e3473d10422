// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::store {

class Pool;

struct DatabaseOptions {
  int connections = 8;                                  // opened when needed, never more
  std::chrono::milliseconds statement_timeout{30'000};  // the server's own limit for one statement
  std::string program = "bifrost";                      // as pg_stat_activity shows it
};

/// What the server offers: no TimescaleDB (native daily partitions), its Apache part (hypertables),
/// or all of it.
enum class Tier { stock, apache, community };
std::string_view to_string(Tier tier);

/// How a table is cut by time.
enum class Layout { plain, partitions, hypertable };
std::string_view to_string(Layout layout);

struct TableStatus {
  std::string name;
  std::int64_t rows_estimate;  // of the last ANALYZE, partitions included; 0 before there was one
  std::int64_t bytes;          // with indexes
  Layout layout = Layout::plain;
  std::int64_t parts = 0;             // native partitions without the default one, or chunks
  std::int64_t compressed_parts = 0;  // chunks that TimescaleDB's community licence has compressed
};

struct DatabaseStatus {
  std::string server_version;
  Tier tier;
  std::optional<std::string> timescaledb_version;
  int schema_revision;   // 0: never migrated
  int program_revision;  // what this program was built for
  std::vector<std::string> warnings;
  std::vector<TableStatus> tables;
  std::optional<std::int64_t>
      partition_days_ahead;           // native partitions after `now`'s day; none on hypertables
  std::int64_t stray_rows;            // rows in default partitions: upkeep has failed once
  std::optional<Tier> recorded_tier;  // as the last migration or upkeep found it
  std::optional<core::Instant> quotes_kept_from;  // quotes before were dropped by retention
  std::optional<core::Instant> first_snapshot;
  std::optional<core::Instant> last_snapshot;
  std::int64_t complete_runs;
  std::int64_t partial_runs;
  std::int64_t missed_runs;
};

/// A PostgreSQL database and a pool of connections to it. Safe to use from any thread. Every call
/// gives up at its deadline. Errors: `unavailable` while the server is away (a lost connection is
/// discarded; after a failed attempt further ones are refused at once for a while, 0.1 s doubling
/// to 5 s), `unauthorized`, `not_found` when the database does not exist, `timeout`. No message
/// holds the URL or a password.
class Database {
 public:
  /// Connects once, so that a wrong URL is known at start. `url` is anything libpq takes. A TCP
  /// connection whose host died is given up within half a minute (keepalives_idle, _interval and
  /// _count 10, 5 and 3, tcp_user_timeout 20000) unless the URL sets these itself.
  static core::Result<Database> open(std::string url, DatabaseOptions options,
                                     core::Deadline deadline);
  static core::Result<Database> open(std::string url, core::Deadline deadline) {
    return open(std::move(url), DatabaseOptions{}, deadline);
  }

  /// Without connecting, for a program that can work while the database is away: what open() would
  /// have found wrong, the first call finds.
  static Database attach(std::string url, DatabaseOptions options);

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  /// Brings the schema to this program's revision; gives the number of steps applied. One
  /// transaction a step, so an interrupted migration is resumed by the next; several migrators take
  /// turns.
  core::Result<int> migrate(core::Deadline deadline);

  /// For every program at start: fails unless the schema is exactly ours. `conflict`: a newer
  /// program was here.
  core::Result<void> check_schema(core::Deadline deadline);

  /// Makes the native partitions for these days ahead of time, so that no writer waits for them.
  /// Writing does the same for the days it needs; nothing is to be done on hypertables.
  core::Result<void> prepare_days(core::Date first, core::Date last, core::Deadline deadline);

  core::Result<DatabaseStatus> status(core::Instant now, core::Deadline deadline);

  /// For this room's own classes.
  Pool& pool();

 private:
  explicit Database(std::unique_ptr<Pool> pool);
  std::unique_ptr<Pool> pool_;
};

/// What is known to be wrong with this pair of versions (PostgreSQL as the server's number, 150020
/// for 15.20).
std::vector<std::string> known_faults(int server_version,
                                      std::optional<std::string_view> timescaledb_version);

}  // namespace bifrost::store
