// SPDX-License-Identifier: Apache-2.0
#include "status_commands.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "bifrost/core/clock.hpp"
#include "bifrost/net/json.hpp"
#include "bifrost/store/maintenance.hpp"
#include "progress.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

using core::Errc;
using core::Result;
using namespace std::chrono_literals;

struct Table {
  std::string name;
  std::int64_t rows_estimate;
  std::int64_t bytes;
  std::string layout;
  std::int64_t parts;
  std::int64_t compressed_parts;
};
BF_DESCRIBE(Table, "One table with its partitions and indexes.", (name), (rows_estimate), (bytes),
            (layout), (parts), (compressed_parts))

struct Count {
  std::string name;
  std::int64_t value;
};
BF_DESCRIBE(Count, "How many of something.", (name), (value))

struct Task {
  std::string task;
  bool ok;
  std::string problem;
  core::Instant started_at;
  core::Instant finished_at;
  std::optional<core::Instant> last_ok_at;
  std::optional<core::Date> through_day;
  std::vector<Count> counts;
};
BF_DESCRIBE(Task, "The last result of a task of upkeep.", (task), (ok), (problem), (started_at),
            (finished_at), (last_ok_at), (through_day), (counts))

struct Mismatch {
  std::string underlying;
  core::Instant as_of;
  std::optional<std::int64_t> received;
  std::int64_t found;
};
BF_DESCRIBE(Mismatch, "A cycle whose rows are not as many as the ledger says.", (underlying),
            (as_of), (received), (found))

struct Status {
  std::string server_version;
  std::string tier;
  std::optional<std::string> timescaledb_version;
  std::optional<std::string> recorded_tier;
  int schema_revision;
  int program_revision;
  std::vector<std::string> warnings;
  std::vector<Table> tables;
  std::optional<std::int64_t> partition_days_ahead;
  std::int64_t stray_rows;
  std::optional<core::Instant> quotes_kept_from;
  std::optional<core::Instant> first_snapshot;
  std::optional<core::Instant> last_snapshot;
  std::int64_t complete_runs;
  std::int64_t partial_runs;
  std::int64_t missed_runs;
  std::vector<Task> maintenance;
  std::int64_t days_checked;
  std::int64_t mismatches;
  std::vector<Mismatch> newest_mismatches;
};
BF_DESCRIBE(Status, "State of the database.", (server_version), (tier), (timescaledb_version),
            (recorded_tier), (schema_revision), (program_revision), (warnings), (tables),
            (partition_days_ahead), (stray_rows), (quotes_kept_from), (first_snapshot),
            (last_snapshot), (complete_runs), (partial_runs), (missed_runs), (maintenance),
            (days_checked), (mismatches), (newest_mismatches))

struct Maintained {
  core::Date through_day;
  bool ok;
  std::vector<Task> tasks;
};
BF_DESCRIBE(Maintained, "What an upkeep did.", (through_day), (ok), (tasks))

std::string moment(const std::optional<core::Instant>& t) {
  return t ? core::to_iso(*t) : "none";
}

Task shown(const store::TaskResult& result) {
  Task task{result.task,        result.ok,         result.problem,     result.started_at,
            result.finished_at, result.last_ok_at, result.through_day, {}};
  for (const auto& [name, value] : result.counts) task.counts.push_back({name, value});
  return task;
}

std::string words(const store::TaskResult& result) {
  std::string text;
  for (const auto& [name, value] : result.counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value, name);
  return text;
}

void print_task(const store::TaskResult& result) {
  const std::chrono::duration<double> took = result.finished_at - result.started_at;
  fmt::print("  {:<12} {:<6} {}, {:.1f} s{}{}\n", result.task, result.ok ? "ok" : "FAILED",
             core::to_iso(std::chrono::floor<std::chrono::seconds>(result.finished_at)),
             took.count(), result.counts.empty() ? "" : ": ", words(result));
  if (!result.ok) {
    fmt::print("  {:<12} {}; last good: {}\n", "", result.problem, moment(result.last_ok_at));
  }
}

std::string layout_of(const store::TableStatus& table) {
  switch (table.layout) {
    case store::Layout::plain:
      return "";
    case store::Layout::partitions:
      return fmt::format(", {} partitions", table.parts);
    case store::Layout::hypertable:
      return fmt::format(", hypertable of {} chunks, {} compressed", table.parts,
                         table.compressed_parts);
  }
  core::panic("a layout outside its enumeration");
}

void print_status(const store::DatabaseStatus& status, const store::MaintenanceStatus& upkeep) {
  fmt::print("PostgreSQL {}, {}\n", status.server_version,
             status.timescaledb_version
                 ? fmt::format("TimescaleDB {} (tier {})", *status.timescaledb_version,
                               store::to_string(status.tier))
                 : "no TimescaleDB (tier stock)");
  fmt::print("schema revision {} of {}{}\n", status.schema_revision, status.program_revision,
             status.schema_revision < status.program_revision ? "; run: bifrost migrate" : "");
  fmt::print("snapshots: {} complete, {} partial, {} missed; first {}, last {}\n",
             status.complete_runs, status.partial_runs, status.missed_runs,
             moment(status.first_snapshot), moment(status.last_snapshot));
  if (status.quotes_kept_from) {
    fmt::print("quotes before {} were dropped by retention\n",
               core::to_iso(*status.quotes_kept_from));
  }
  if (status.partition_days_ahead) {
    fmt::print("partitions ready for {} days ahead, {} stray rows\n", *status.partition_days_ahead,
               status.stray_rows);
  }
  for (const auto& table : status.tables) {
    fmt::print("  {:<28} {:>12} rows (estimate) {:>10.1f} MB{}\n", table.name, table.rows_estimate,
               static_cast<double>(table.bytes) / 1e6, layout_of(table));
  }
  fmt::print("upkeep:{}\n", upkeep.tasks.empty() ? " never yet; run: bifrost db maintain" : "");
  for (const auto& task : upkeep.tasks) print_task(task);
  if (upkeep.days_checked > 0) {
    fmt::print("rows against the ledger: {} days checked, {} cycles differ\n", upkeep.days_checked,
               upkeep.mismatches);
  }
  for (const auto& wrong : upkeep.newest_mismatches) {
    fmt::print("  {} {}: {} rows, the ledger says {}\n", wrong.underlying,
               core::to_iso(wrong.as_of), wrong.found,
               wrong.received ? fmt::format("{}", *wrong.received) : "nothing");
  }
  for (const auto& warning : status.warnings) fmt::print("warning: {}\n", warning);
}

}  // namespace

Result<void> show_database_status(const std::string& env_file, bool json) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  BF_TRY(const auto status, place.database->status(core::SystemClock{}.now(), core::after(30s)));
  store::MaintenanceStatus upkeep;
  if (status.schema_revision == status.program_revision) {
    BF_TRY(upkeep, store::maintenance_status(*place.database, core::after(30s)));
  }
  if (!json) {
    print_status(status, upkeep);
    return {};
  }
  Status document{status.server_version,
                  std::string{store::to_string(status.tier)},
                  status.timescaledb_version,
                  std::nullopt,
                  status.schema_revision,
                  status.program_revision,
                  status.warnings,
                  {},
                  status.partition_days_ahead,
                  status.stray_rows,
                  status.quotes_kept_from,
                  status.first_snapshot,
                  status.last_snapshot,
                  status.complete_runs,
                  status.partial_runs,
                  status.missed_runs,
                  {},
                  upkeep.days_checked,
                  upkeep.mismatches,
                  {}};
  if (status.recorded_tier) document.recorded_tier = store::to_string(*status.recorded_tier);
  for (const auto& table : status.tables) {
    document.tables.push_back({table.name, table.rows_estimate, table.bytes,
                               std::string{store::to_string(table.layout)}, table.parts,
                               table.compressed_parts});
  }
  for (const auto& task : upkeep.tasks) document.maintenance.push_back(shown(task));
  for (const auto& wrong : upkeep.newest_mismatches)
    document.newest_mismatches.push_back(
        {wrong.underlying, wrong.as_of, wrong.received, wrong.found});
  fmt::print("{}\n", net::to_json(document));
  return {};
}

Result<void> maintain_database(const std::string& env_file, bool json, bool everything,
                               const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  store::MaintenanceOptions options;
  options.retention_days = place.config.retention_days;
  options.everything = everything;
  std::string task;
  std::unique_ptr<Progress> step;
  const auto report = store::maintain(
      *place.database, core::SystemClock{}.now(), options,
      [&](const store::MaintenanceProgress& progress) {
        if (task != progress.task) {
          if (step) step->done();
          task = progress.task;
          step = std::make_unique<Progress>(task);
        }
        step->update(progress.share, progress.detail);
      },
      stop.token(), core::after(24h));
  if (!report) return tl::unexpected{report.error()};
  if (step) step->done();
  if (json) {
    Maintained document{report->through_day, report->ok(), {}};
    for (const auto& result : report->tasks) document.tasks.push_back(shown(result));
    fmt::print("{}\n", net::to_json(document));
  } else {
    fmt::print("upkeep through {}:\n", core::to_iso_date(report->through_day));
    for (const auto& result : report->tasks) print_task(result);
  }
  if (!report->ok()) return core::fail(Errc::unavailable, "not every task could be done");
  return {};
}

}  // namespace bifrost
