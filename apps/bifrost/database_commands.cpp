// SPDX-License-Identifier: Apache-2.0
#include "database_commands.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "bifrost/core/clock.hpp"
#include "bifrost/net/json.hpp"
#include "bifrost/store/import.hpp"
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
struct Reject {
  std::string file;
  std::int64_t line;
  std::string reason;
};
BF_DESCRIBE(Reject, "A line that was not taken.", (file), (line), (reason))

struct Imported {
  std::int64_t rows_read;
  std::int64_t rows_imported;
  std::int64_t rows_already_there;
  std::int64_t rows_rejected;
  std::int64_t cycles_imported;
  std::int64_t cycles_already_there;
  std::vector<Reject> rejects;
};
BF_DESCRIBE(Imported, "What an import did.", (rows_read), (rows_imported), (rows_already_there),
            (rows_rejected), (cycles_imported), (cycles_already_there), (rejects))

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
Result<void> import_files(const std::string& env_file, const ImportOptions& options,
                          const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file));
  // An empty database becomes a history; one of another revision is for `bifrost migrate` to
  // change, knowingly.
  BF_TRY(const auto status, place.database->status(core::SystemClock{}.now(), core::after(30s)));
  if (status.schema_revision == 0) {
    BF_TRY(const int applied, place.database->migrate(core::after(300s)));
    fmt::print(stderr, "A new history: {} schema steps applied.\n", applied);
  }
  BF_CHECK(place.database->check_schema(core::after(30s)));
  store::History history{*place.database};

  Progress step{
      fmt::format("import {} file{}", options.files.size(), options.files.size() == 1 ? "" : "s")};
  const auto files = static_cast<double>(options.files.size());
  BF_TRY(
      const auto report,
      store::import_chain_files(history, options.files, [&](const store::ImportProgress& progress) {
        step.update((static_cast<double>(progress.file) + progress.share) / files,
                    fmt::format("{} rows", progress.so_far.rows_read));
        return !stop.token().stop_requested();
      }));
  step.done(fmt::format("{} rows", report.rows_read));
  if (options.json) {
    Imported imported{report.rows_read,
                      report.rows_imported,
                      report.rows_already_there,
                      report.rows_rejected,
                      report.cycles_imported,
                      report.cycles_already_there,
                      {}};
    for (const auto& reject : report.rejects) {
      imported.rejects.push_back(
          {reject.file.string(), static_cast<std::int64_t>(reject.line), reject.reason});
    }
    fmt::print("{}\n", net::to_json(imported));
    return {};
  }
  for (const auto& reject : report.rejects) {
    fmt::print("{}:{}: {}\n", reject.file.string(), reject.line, reject.reason);
  }
  if (const auto more = report.rows_rejected - static_cast<std::int64_t>(report.rejects.size());
      more > 0) {
    fmt::print("... and {} more lines rejected\n", more);
  }
  fmt::print("{} rows read: {} imported in {} snapshots, {} there already, {} rejected\n",
             report.rows_read, report.rows_imported, report.cycles_imported,
             report.rows_already_there, report.rows_rejected);
  return {};
}

}  // namespace bifrost
