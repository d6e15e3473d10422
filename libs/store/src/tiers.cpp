// SPDX-License-Identifier: Apache-2.0
#include "tiers.hpp"

#include <fmt/core.h>

#include "community_settings.hpp"

namespace bifrost::store {

using core::Deadline;
using core::Instant;
using core::Result;

Result<Server> detect_server(pg::Connection& connection, Deadline deadline) {
  Server server;
  server.version = connection.parameter("server_version");
  BF_TRY(const auto extension,
         connection.query("SELECT e.extversion, current_setting('timescaledb.license', true)"
                          " FROM pg_extension e WHERE e.extname = 'timescaledb'",
                          deadline));
  if (extension.size() > 0) {
    server.timescaledb_version = std::string(extension.text(0, 0));
    server.tier = extension.text(0, 1) == "timescale" ? Tier::community : Tier::apache;
  }
  return server;
}

Result<void> record_server(pg::Connection& connection, const Server& server, Deadline deadline) {
  BF_CHECK(connection.query(
      "INSERT INTO db_info AS i (tier, server_version, timescaledb_version) VALUES ($1, $2, $3)"
      " ON CONFLICT (only_row) DO UPDATE SET tier = EXCLUDED.tier,"
      " server_version = EXCLUDED.server_version,"
      " timescaledb_version = EXCLUDED.timescaledb_version, recorded_at = now()",
      pg::Params{}
          .add(to_string(server.tier))
          .add(std::string_view(server.version))
          .add(server.timescaledb_version
                   ? std::optional<std::string_view>(*server.timescaledb_version)
                   : std::nullopt),
      deadline));
  return {};
}

Result<bool> is_hypertable(pg::Connection& connection, std::string_view table, Tier tier,
                           Deadline deadline) {
  if (tier == Tier::stock) return false;
  BF_TRY(const auto rows,
         connection.query("SELECT EXISTS (SELECT FROM timescaledb_information.hypertables"
                          " WHERE hypertable_schema = current_schema() AND hypertable_name = $1)",
                          pg::Params{}.add(table), deadline));
  return rows.boolean(0, 0);
}

Result<void> apply_community_settings(pg::Connection& connection, Tier tier, Deadline deadline) {
  if (tier != Tier::community) return {};
  return connection.run(std::string(community_settings()), deadline);
}

Result<std::vector<Chunk>> chunks_to_compress(pg::Connection& connection, Tier tier, Instant end,
                                              Instant written_since, Deadline deadline) {
  std::vector<Chunk> chunks;
  if (tier != Tier::community) return chunks;
  BF_TRY(const auto rows,
         connection.query(
             "SELECT format('%I.%I', c.hypertable_schema, c.hypertable_name),"
             " format('%I.%I', c.chunk_schema, c.chunk_name), c.range_end"
             " FROM timescaledb_information.chunks c WHERE c.hypertable_schema = current_schema()"
             " AND c.hypertable_name IN ('option_snapshots', 'option_changes')"
             " AND c.range_end <= $1 AND (NOT c.is_compressed OR EXISTS (SELECT"
             "  FROM collection_runs r WHERE r.stored_at >= $2 AND r.as_of >= c.range_start"
             "  AND r.as_of < c.range_end AND r.status IN (1, 2))) ORDER BY 3, 2",
             pg::Params{}.add(end).add(written_since), deadline));
  for (int row = 0; row < rows.size(); ++row) {
    chunks.push_back(
        {std::string(rows.text(row, 0)), std::string(rows.text(row, 1)), rows.instant(row, 2)});
  }
  return chunks;
}

Result<void> compress(pg::Connection& connection, const Chunk& chunk, Deadline deadline) {
  // Of a chunk that is compressed already this takes in what came late.
  BF_CHECK(connection.query("SELECT compress_chunk($1::text::regclass, if_not_compressed => true)",
                            pg::Params{}.add(std::string_view(chunk.name)), deadline));
  return {};
}

Result<std::int64_t> drop_chunks(pg::Connection& connection, std::string_view table, Instant before,
                                 const std::function<Result<void>()>& allowed, Deadline deadline) {
  // Writers wait, readers do not; the name is one of ours.
  BF_CHECK(connection.run(fmt::format("BEGIN; SET LOCAL lock_timeout = '10s';"
                                      "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
                                      table),
                          deadline));
  BF_CHECK(allowed());
  BF_TRY(const auto rows,
         connection.query("SELECT count(*) FROM drop_chunks($1::text::regclass, older_than => $2)",
                          pg::Params{}.add(table).add(before), deadline));
  BF_CHECK(connection.run("COMMIT", deadline));
  return rows.integer(0, 0);
}

}  // namespace bifrost::store
