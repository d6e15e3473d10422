// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/store/database.hpp"
#include "pg.hpp"

/// What differs between a server without TimescaleDB, with its Apache part and with all of it.
namespace bifrost::store {

struct Server {
  Tier tier = Tier::stock;
  std::string version;
  std::optional<std::string> timescaledb_version;
};

core::Result<Server> detect_server(pg::Connection& connection, core::Deadline deadline);

/// Enters what detect_server found into db_info.
core::Result<void> record_server(pg::Connection& connection, const Server& server,
                                 core::Deadline deadline);

/// A table cut by time and how: native partitions, or a hypertable. A database that was made before
/// the extension was installed keeps its native partitions, whatever the tier.
core::Result<bool> is_hypertable(pg::Connection& connection, std::string_view table, Tier tier,
                                 core::Deadline deadline);

/// Settings that need the community licence (sql/community.sql). Nothing on other tiers.
core::Result<void> apply_community_settings(pg::Connection& connection, Tier tier,
                                            core::Deadline deadline);

struct Chunk {
  std::string table;  // quoted, with its schema
  std::string name;   // quoted, with its schema
  core::Instant end;
};

/// Chunks that end at or before `end`: those not compressed yet, and those that hold a cycle
/// stored since `written_since` (they may be compressed, but not all of it is). Nothing on other
/// tiers than community.
core::Result<std::vector<Chunk>> chunks_to_compress(pg::Connection& connection, Tier tier,
                                                    core::Instant end, core::Instant written_since,
                                                    core::Deadline deadline);
core::Result<void> compress(pg::Connection& connection, const Chunk& chunk,
                            core::Deadline deadline);

/// Drops whole chunks before `before`, in one transaction; gives their number. `allowed` is asked
/// in it, once nobody else can write; its error keeps them (the transaction is left open).
core::Result<std::int64_t> drop_chunks(pg::Connection& connection, std::string_view table,
                                       core::Instant before,
                                       const std::function<core::Result<void>()>& allowed,
                                       core::Deadline deadline);

}  // namespace bifrost::store
