// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "pg.hpp"

namespace bifrost::store {

struct Migration {
  int revision;
  std::string_view name;
  std::string_view checksum;  // SHA-256 of the file
  std::string_view sql;
};

/// The files of migrations/, lowest revision first, embedded at build time.
std::span<const Migration> migrations();

/// Brings the database behind `connection` to the last of `steps`: one transaction each, one
/// migrator at a time. Gives the number of steps applied. Refuses like verify_schema.
core::Result<int> apply_migrations(pg::Connection& connection, std::span<const Migration> steps,
                                   core::Deadline deadline);

/// Fails unless exactly `steps` have been applied: `conflict` when the database knows a newer
/// revision, `corrupt_data` when an applied step differs from ours, `unavailable` when steps are
/// missing.
core::Result<void> verify_schema(pg::Connection& connection, std::span<const Migration> steps,
                                 core::Deadline deadline);

/// 0 when the database was never migrated.
core::Result<int> schema_revision(pg::Connection& connection, core::Deadline deadline);

}  // namespace bifrost::store
