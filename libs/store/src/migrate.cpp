// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "migrations.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

Result<bool> has_ledger(pg::Connection& connection, Deadline deadline) {
  // Not to_regclass: its cache need not know yet what another migrator has just committed.
  BF_TRY(const auto rows,
         connection.query("SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'schema_migrations'"
                          " AND relnamespace = current_schema()::regnamespace)",
                          deadline));
  return rows.boolean(0, 0);
}

/// The number of leading steps that the database has, all of them ours.
Result<std::size_t> matching_steps(pg::Connection& connection, std::span<const Migration> steps,
                                   Deadline deadline) {
  BF_TRY(const bool ledger, has_ledger(connection, deadline));
  if (!ledger) return 0;
  BF_TRY(const auto rows,
         connection.query(
             "SELECT revision, name, checksum FROM schema_migrations ORDER BY revision", deadline));
  const auto applied = static_cast<std::size_t>(rows.size());
  for (int row = 0; row < rows.size(); ++row) {
    const auto i = static_cast<std::size_t>(row);
    if (i >= steps.size()) {
      return fail(Errc::conflict, fmt::format("the database is at schema revision {}, this program "
                                              "knows {}; hint: install the newer "
                                              "program",
                                              rows.integer(rows.size() - 1, 0),
                                              steps.empty() ? 0 : steps.back().revision));
    }
    if (rows.integer(row, 0) != steps[i].revision || rows.text(row, 2) != steps[i].checksum) {
      return fail(
          Errc::corrupt_data,
          fmt::format("schema revision {} ({}) in the database is not the one of this program",
                      rows.integer(row, 0), rows.text(row, 1)));
    }
  }
  return applied;
}

/// Hypertables need the extension before the first table is made. It is made where the server has
/// it loaded: asking for it elsewhere ends the session. A history begun without it stays as it is.
Result<bool> with_timescaledb(pg::Connection& connection, bool begun, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query(
             "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),"
             " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
             " AND EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load')",
             deadline));
  if (rows.boolean(0, 0)) return true;
  if (begun || !rows.boolean(0, 1)) return false;
  // IF NOT EXISTS does not keep two migrators from colliding.
  BF_CHECK(connection.run("BEGIN", deadline));
  BF_CHECK(connection.query("SELECT pg_advisory_xact_lock(1651859712, 0)", deadline));
  BF_CHECK(connection.run("CREATE EXTENSION IF NOT EXISTS timescaledb; COMMIT", deadline));
  return true;
}

std::string for_tier(std::string_view sql, bool timescaledb) {
  constexpr std::pair<std::string_view, std::string_view> marks[] = {
      {"{{timeseries}}", "PARTITION BY RANGE (as_of)"},
      {"{{timeseries day}}", "PARTITION BY RANGE (day)"}};
  std::string out(sql);
  for (const auto& [mark, native] : marks) {
    for (auto at = out.find(mark); at != std::string::npos; at = out.find(mark, at)) {
      out.replace(at, mark.size(), timescaledb ? "" : native);
    }
  }
  return out;
}

}  // namespace

Result<int> schema_revision(pg::Connection& connection, Deadline deadline) {
  BF_TRY(const bool ledger, has_ledger(connection, deadline));
  if (!ledger) return 0;
  BF_TRY(const auto rows,
         connection.query("SELECT coalesce(max(revision), 0) FROM schema_migrations", deadline));
  return static_cast<int>(rows.integer(0, 0));
}

Result<void> verify_schema(pg::Connection& connection, std::span<const Migration> steps,
                           Deadline deadline) {
  BF_TRY(const auto applied, matching_steps(connection, steps, deadline));
  if (applied == steps.size()) return {};
  return fail(Errc::unavailable,
              fmt::format("the database has {} of {} schema revisions; hint: bifrost migrate",
                          applied, steps.size()));
}

Result<int> apply_migrations(pg::Connection& connection, std::span<const Migration> steps,
                             Deadline deadline) {
  // Refused before anything is changed, the extension included.
  BF_TRY(const auto before, matching_steps(connection, steps, deadline));
  if (before == steps.size()) return 0;
  BF_TRY(const bool timescaledb, with_timescaledb(connection, before > 0, deadline));
  int applied = 0;
  for (;;) {
    BF_CHECK(connection.run("BEGIN", deadline));
    // A table rewrite may take longer than any ordinary statement; the deadline stays.
    BF_CHECK(connection.run("SET LOCAL statement_timeout = 0", deadline));
    BF_CHECK(connection.query("SELECT pg_advisory_xact_lock(1651859712, 0)", deadline));
    BF_CHECK(
        connection.run("CREATE TABLE IF NOT EXISTS schema_migrations (revision int4 PRIMARY KEY,"
                       " name text NOT NULL, checksum text NOT NULL,"
                       " applied_at timestamptz NOT NULL DEFAULT now())",
                       deadline));
    BF_TRY(const auto done, matching_steps(connection, steps, deadline));
    if (done == steps.size()) {
      BF_CHECK(connection.run("COMMIT", deadline));
      return applied;
    }
    const auto& step = steps[done];
    if (auto ran = connection.run(for_tier(step.sql, timescaledb), deadline); !ran) {
      return fail(ran.error().code, fmt::format("schema revision {} ({}): {}", step.revision,
                                                step.name, ran.error().message));
    }
    pg::Params record;
    record.add(static_cast<std::int32_t>(step.revision)).add(step.name).add(step.checksum);
    BF_CHECK(connection.query(
        "INSERT INTO schema_migrations (revision, name, checksum) VALUES ($1, $2, $3)", record,
        deadline));
    BF_CHECK(connection.run("COMMIT", deadline));
    ++applied;
  }
}

}  // namespace bifrost::store
