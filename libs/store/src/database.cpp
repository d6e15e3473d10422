// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/database.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <utility>

#include "migrations.hpp"
#include "pool.hpp"
#include "tiers.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

/// "2.28.3" or "2.31.0-dev"; missing parts are 0.
std::array<int, 3> version_parts(std::string_view text) {
  std::array<int, 3> parts{};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (auto& part : parts) {
    at = std::from_chars(at, end, part).ptr;
    if (at == end || *at != '.') break;
    ++at;
  }
  return parts;
}

Result<void> read_tables(pg::Connection& connection, DatabaseStatus& status, Deadline deadline) {
  // Native partitions and hypertable chunks are both children by inheritance.
  BF_TRY(
      const auto rows,
      connection.query(
          "WITH RECURSIVE tree(root, relid) AS ("
          " SELECT c.oid, c.oid FROM pg_class c WHERE c.relnamespace = "
          "current_schema()::regnamespace"
          "  AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
          " UNION ALL SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = "
          "t.relid)"
          " SELECT r.relname::text, sum(greatest(c.reltuples, 0) * (c.relkind <> 'p')::int)::int8,"
          "  sum(pg_total_relation_size(c.oid))::int8, r.relkind = 'p',"
          "  count(*) FILTER (WHERE c.relispartition AND c.relname <> r.relname || '_default')"
          " FROM tree t JOIN pg_class r ON r.oid = t.root JOIN pg_class c ON c.oid = t.relid"
          " GROUP BY 1, r.relkind ORDER BY 1",
          deadline));
  for (int i = 0; i < rows.size(); ++i) {
    status.tables.push_back({std::string(rows.text(i, 0)), rows.integer(i, 1), rows.integer(i, 2),
                             rows.boolean(i, 3) ? Layout::partitions : Layout::plain,
                             rows.integer(i, 4)});
  }
  if (status.tier == Tier::stock) return {};
  BF_TRY(const auto chunks,
         connection.query("SELECT h.hypertable_name::text, count(c.chunk_name),"
                          " count(*) FILTER (WHERE c.is_compressed)"
                          " FROM timescaledb_information.hypertables h"
                          " LEFT JOIN timescaledb_information.chunks c"
                          "  USING (hypertable_schema, hypertable_name)"
                          " WHERE h.hypertable_schema = current_schema() GROUP BY 1",
                          deadline));
  for (int i = 0; i < chunks.size(); ++i) {
    for (auto& table : status.tables) {
      if (table.name != chunks.text(i, 0)) continue;
      table.layout = Layout::hypertable;
      table.parts = chunks.integer(i, 1);
      table.compressed_parts = chunks.integer(i, 2);
    }
  }
  return {};
}

Result<void> read_partitions(pg::Connection& connection, core::Instant now, DatabaseStatus& status,
                             Deadline deadline) {
  BF_TRY(
      const auto rows,
      connection.query(
          "SELECT c.relname::text FROM pg_partitioned_table p"
          " JOIN pg_inherits i ON i.inhparent = p.partrelid JOIN pg_class c ON c.oid = i.inhrelid"
          " WHERE p.partrelid = to_regclass('option_snapshots') ORDER BY 1",
          deadline));
  if (rows.size() == 0) return {};
  const auto today = std::chrono::floor<std::chrono::days>(now);
  std::int64_t ahead = 0;
  for (int i = 0; i < rows.size(); ++i) {
    const auto name = rows.text(i, 0);
    const auto day = core::parse_compact_date(name.substr(name.rfind('_') + 1));
    if (day && *day > today) ++ahead;
  }
  status.partition_days_ahead = ahead;
  // A history that got TimescaleDB later may have hypertables beside these.
  BF_TRY(const auto defaults,
         connection.query("SELECT c.oid::regclass::text FROM pg_partitioned_table p"
                          " JOIN pg_class c ON c.oid = p.partdefid"
                          " JOIN pg_class t ON t.oid = p.partrelid"
                          " WHERE t.relnamespace = current_schema()::regnamespace",
                          deadline));
  std::int64_t stray = 0;
  for (int i = 0; i < defaults.size(); ++i) {
    // A table's name cannot be a parameter; this one the server has quoted.
    const auto count = fmt::format("SELECT count(*) FROM {}", defaults.text(i, 0));
    BF_TRY(const auto found, connection.query(count.c_str(), deadline));
    stray += found.integer(0, 0);
  }
  status.stray_rows = stray;
  return {};
}

Result<void> read_info(pg::Connection& connection, DatabaseStatus& status, Deadline deadline) {
  BF_TRY(const auto rows, connection.query("SELECT tier, quotes_kept_from FROM db_info", deadline));
  if (rows.size() == 0) return {};
  for (const auto tier : {Tier::stock, Tier::apache, Tier::community}) {
    if (to_string(tier) == rows.text(0, 0)) status.recorded_tier = tier;
  }
  status.quotes_kept_from = rows.find_instant(0, 1);
  if (status.recorded_tier && *status.recorded_tier != status.tier) {
    status.warnings.push_back(fmt::format(
        "the server's tier is {} now and was {} at the last upkeep; hint: bifrost db maintain",
        to_string(status.tier), to_string(*status.recorded_tier)));
  }
  return {};
}

Result<void> read_runs(pg::Connection& connection, DatabaseStatus& status, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query("SELECT count(*) FILTER (WHERE status = 1),"
                          " count(*) FILTER (WHERE status = 2), count(*) FILTER (WHERE status = 3),"
                          " min(as_of) FILTER (WHERE status <> 3),"
                          " max(as_of) FILTER (WHERE status <> 3) FROM collection_runs",
                          deadline));
  status.complete_runs = rows.integer(0, 0);
  status.partial_runs = rows.integer(0, 1);
  status.missed_runs = rows.integer(0, 2);
  status.first_snapshot = rows.find_instant(0, 3);
  status.last_snapshot = rows.find_instant(0, 4);
  return {};
}

}  // namespace

std::string_view to_string(Tier tier) {
  switch (tier) {
    case Tier::stock:
      return "stock";
    case Tier::apache:
      return "apache";
    case Tier::community:
      return "community";
  }
  core::panic("a tier outside its enumeration");
}

std::string_view to_string(Layout layout) {
  switch (layout) {
    case Layout::plain:
      return "plain";
    case Layout::partitions:
      return "partitions";
    case Layout::hypertable:
      return "hypertable";
  }
  core::panic("a layout outside its enumeration");
}

// TimescaleDB's CHANGELOG.md (2.28.0, 2.29.0, 2.29.1), release notes of 2.28.4 and pull request
// 11015.
std::vector<std::string> known_faults(int server_version,
                                      std::optional<std::string_view> timescaledb_version) {
  if (!timescaledb_version) return {};
  std::vector<std::string> faults;
  const auto have = version_parts(*timescaledb_version);
  const int major = server_version / 10000;
  const int minor = server_version % 10000;
  const bool stricter_portals = (major == 15 && minor >= 20) || (major == 16 && minor >= 16) ||
                                (major == 17 && minor >= 12) || (major == 18 && minor >= 7);
  if (stricter_portals && have < std::array{2, 28, 4}) {
    faults.push_back(fmt::format(
        "TimescaleDB {} fails every background job on PostgreSQL {}.{}; hint: update the "
        "extension to 2.28.4 or newer (Bifrost itself uses no background jobs)",
        *timescaledb_version, major, minor));
  } else if (stricter_portals && have >= std::array{2, 29, 0} && have <= std::array{2, 31, 0}) {
    // The mend of November 2026 came after these.
    faults.push_back(fmt::format(
        "TimescaleDB {} is older than the mend of its background jobs for PostgreSQL {}.{} and may "
        "fail them; hint: update the extension (Bifrost itself uses no background jobs)",
        *timescaledb_version, major, minor));
  }
  if (have < std::array{2, 29, 1}) {
    faults.push_back(fmt::format("TimescaleDB {} lacks the security fixes of 2.29.1{}",
                                 *timescaledb_version,
                                 major == 15 ? "; hint: they need PostgreSQL 16 or newer" : ""));
  }
  return faults;
}

Result<Database> Database::open(std::string url, DatabaseOptions options, Deadline deadline) {
  if (options.connections < 1)
    return fail(Errc::invalid_input, "a database needs at least one connection");
  Database database(std::make_unique<Pool>(std::move(url), std::move(options)));
  BF_CHECK(database.pool_->lease(deadline));
  return database;
}

Database Database::attach(std::string url, DatabaseOptions options) {
  return Database(std::make_unique<Pool>(std::move(url), std::move(options)));
}

Database::Database(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;
Pool& Database::pool() {
  return *pool_;
}

Result<int> Database::migrate(Deadline deadline) {
  BF_TRY(const auto connection, pool_->lease(deadline));
  BF_TRY(const int applied, apply_migrations(*connection, migrations(), deadline));
  BF_TRY(const auto server, detect_server(*connection, deadline));
  BF_CHECK(record_server(*connection, server, deadline));
  return applied;
}

Result<void> Database::check_schema(Deadline deadline) {
  BF_TRY(const auto connection, pool_->lease(deadline));
  return verify_schema(*connection, migrations(), deadline);
}

Result<void> Database::prepare_days(core::Date first, core::Date last, Deadline deadline) {
  if (last - first > std::chrono::days{3660}) {
    return fail(Errc::invalid_input, "partitions for more than ten years ahead");
  }
  std::vector<core::Date> days;
  for (auto day = first; day <= last; day += std::chrono::days{1}) days.push_back(day);
  return pool_->ensure_partitions(days, deadline);
}

Result<DatabaseStatus> Database::status(core::Instant now, Deadline deadline) {
  BF_TRY(const auto connection, pool_->lease(deadline));
  DatabaseStatus status{};
  BF_TRY(auto server, detect_server(*connection, deadline));
  status.server_version = std::move(server.version);
  status.tier = server.tier;
  status.timescaledb_version = std::move(server.timescaledb_version);
  status.warnings = known_faults(connection->server_version(), status.timescaledb_version);
  status.program_revision = migrations().empty() ? 0 : migrations().back().revision;
  BF_TRY(status.schema_revision, schema_revision(*connection, deadline));
  BF_CHECK(read_tables(*connection, status, deadline));
  if (status.schema_revision == 0) return status;
  // An older schema has less to tell.
  if (status.schema_revision >= 2) {
    BF_CHECK(read_partitions(*connection, now, status, deadline));
    BF_CHECK(read_info(*connection, status, deadline));
  }
  BF_CHECK(read_runs(*connection, status, deadline));
  return status;
}

}  // namespace bifrost::store
