// SPDX-License-Identifier: Apache-2.0
#include "database_commands.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "bifrost/core/clock.hpp"
#include "bifrost/net/json.hpp"
#include "progress.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

using core::Result;
using namespace std::chrono_literals;

struct Table {
  std::string name;
  std::int64_t rows_estimate;
  std::int64_t bytes;
};
BF_DESCRIBE(Table, "One table with its partitions and indexes.", (name), (rows_estimate), (bytes))

struct Status {
  std::string server_version;
  std::string tier;
  std::optional<std::string> timescaledb_version;
  int schema_revision;
  int program_revision;
  std::vector<std::string> warnings;
  std::vector<Table> tables;
  std::optional<std::int64_t> partition_days_ahead;
  std::int64_t stray_rows;
  std::optional<core::Instant> first_snapshot;
  std::optional<core::Instant> last_snapshot;
  std::int64_t complete_runs;
  std::int64_t partial_runs;
  std::int64_t missed_runs;
};
BF_DESCRIBE(Status, "State of the database.", (server_version), (tier), (timescaledb_version),
            (schema_revision), (program_revision), (warnings), (tables), (partition_days_ahead),
            (stray_rows), (first_snapshot), (last_snapshot), (complete_runs), (partial_runs),
            (missed_runs))

std::string moment(const std::optional<core::Instant>& t) {
  return t ? core::to_iso(*t) : "none";
}

}  // namespace

Result<void> migrate_database(const std::string& env_file) {
  BF_TRY(auto place, open_workplace(env_file));
  Progress step{"bring the schema up to date"};
  BF_TRY(const int applied, place.database->migrate(core::after(300s)));
  step.done(applied == 0 ? "it is" : fmt::format("{} applied", applied));
  return {};
}

Result<void> show_database_status(const std::string& env_file, bool json) {
  BF_TRY(auto place, open_workplace(env_file));
  BF_TRY(const auto status, place.database->status(core::SystemClock{}.now(), core::after(30s)));
  if (json) {
    Status shown{status.server_version,
                 std::string{store::to_string(status.tier)},
                 status.timescaledb_version,
                 status.schema_revision,
                 status.program_revision,
                 status.warnings,
                 {},
                 status.partition_days_ahead,
                 status.stray_rows,
                 status.first_snapshot,
                 status.last_snapshot,
                 status.complete_runs,
                 status.partial_runs,
                 status.missed_runs};
    for (const auto& table : status.tables)
      shown.tables.push_back({table.name, table.rows_estimate, table.bytes});
    fmt::print("{}\n", net::to_json(shown));
    return {};
  }
  fmt::print("PostgreSQL {}, {}\n", status.server_version,
             status.timescaledb_version
                 ? fmt::format("TimescaleDB {} ({})", *status.timescaledb_version,
                               store::to_string(status.tier))
                 : "native daily partitions (no TimescaleDB)");
  fmt::print("schema revision {} of {}{}\n", status.schema_revision, status.program_revision,
             status.schema_revision < status.program_revision ? "; run: bifrost migrate" : "");
  fmt::print("snapshots: {} complete, {} partial, {} missed; first {}, last {}\n",
             status.complete_runs, status.partial_runs, status.missed_runs,
             moment(status.first_snapshot), moment(status.last_snapshot));
  if (status.partition_days_ahead)
    fmt::print("partitions ready for {} days ahead\n", *status.partition_days_ahead);
  for (const auto& table : status.tables) {
    fmt::print("  {:<20} {:>12} rows (estimate) {:>10.1f} MB\n", table.name, table.rows_estimate,
               static_cast<double>(table.bytes) / 1e6);
  }
  for (const auto& warning : status.warnings) fmt::print("warning: {}\n", warning);
  return {};
}

}  // namespace bifrost
