// SPDX-License-Identifier: Apache-2.0
#include "digest.hpp"

#include <fmt/core.h>

#include "migrations.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

std::uint64_t bits_of(const pg::Rows& rows, int row, int column) {
  return static_cast<std::uint64_t>(rows.find_integer(row, column).value_or(0));
}

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

}  // namespace

Result<void> say(const BackupProgress& progress, std::string_view what) {
  if (!progress || progress(what)) return {};
  return fail(Errc::cancelled, "stopped; nothing was left behind");
}

Result<void> begin_long_read(pg::Connection& connection, Deadline deadline) {
  BF_CHECK(connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  BF_CHECK(
      connection.query("SELECT set_config('statement_timeout', '0', true),"
                       " set_config('idle_in_transaction_session_timeout', '0', true),"
                       // Rows as text read the same on every server.
                       " set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),"
                       " set_config('IntervalStyle', 'postgres', true),"
                       " set_config('extra_float_digits', '1', true),"
                       " set_config('bytea_output', 'hex', true)",
                       deadline));
  return {};
}

Result<BackupContents> digest(pg::Connection& connection, const BackupProgress& progress,
                              Deadline deadline) {
  BackupContents contents;
  BF_TRY(const auto now, connection.query("SELECT transaction_timestamp()", deadline));
  contents.taken_at = now.instant(0, 0);
  BF_TRY(contents.schema_revision, schema_revision(connection, deadline));
  contents.server_version = connection.parameter("server_version");
  BF_TRY(const auto extension,
         connection.query("SELECT e.extversion, current_setting('timescaledb.license', true)"
                          " FROM pg_extension e WHERE e.extname = 'timescaledb'",
                          deadline));
  if (extension.size() > 0) {
    contents.timescaledb_version = std::string(extension.text(0, 0));
    contents.tier = extension.text(0, 1) == "timescale" ? Tier::community : Tier::apache;
  }
  BF_TRY(const auto tables,
         connection.query("SELECT c.relname::text, EXISTS (SELECT FROM pg_attribute a"
                          "  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
                          "  AND a.atttypid IN ('json'::regtype, 'json[]'::regtype))"
                          " FROM pg_class c WHERE c.relnamespace ="
                          " current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
                          " AND NOT c.relispartition ORDER BY c.relname COLLATE \"C\"",
                          deadline));
  for (int i = 0; i < tables.size(); ++i) {
    const std::string name(tables.text(i, 0));
    BF_CHECK(say(progress, "looking through " + name));
    // PostgreSQL keeps this hash the same from version to version, because partitions by hash rest
    // on it. A table's name cannot be a parameter; it comes from the catalogue.
    if (name == "option_snapshots") {
      BF_TRY(const auto rows,
             connection.query(
                 "SELECT (q.as_of AT TIME ZONE 'UTC')::date, count(*), sum(q.n)::int8, bit_xor(q.h)"
                 " FROM (SELECT s.as_of, s.underlying_id, count(*) AS n,"
                 "  bit_xor(hash_record_extended(s, 0)) AS h FROM option_snapshots s"
                 "  GROUP BY s.as_of, s.underlying_id) q GROUP BY 1 ORDER BY 1",
                 deadline));
      for (int row = 0; row < rows.size(); ++row) {
        contents.days.push_back(
            {rows.date(row, 0), rows.integer(row, 1), rows.integer(row, 2), bits_of(rows, row, 3)});
      }
      continue;
    }
    // The type json has no hash of its own; what is written there is hashed as text.
    const auto* const hash = tables.boolean(i, 1) ? "hashtextextended(t::text COLLATE \"C\", 0)"
                                                  : "hash_record_extended(t, 0)";
    const auto sql = fmt::format("SELECT count(*), bit_xor({}) FROM {} t", hash, quoted_name(name));
    BF_TRY(const auto rows, connection.query(sql.c_str(), deadline));
    contents.tables.push_back({name, rows.integer(0, 0), bits_of(rows, 0, 1)});
  }
  return contents;
}

Result<BackupContents> contents_of(Database& database, const BackupProgress& progress,
                                   Deadline deadline) {
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_CHECK(begin_long_read(*connection, deadline));
  BF_TRY(auto contents, digest(*connection, progress, deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return contents;
}

}  // namespace bifrost::store
