// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/store/backup.hpp"
#include "pg.hpp"

namespace bifrost::store {

/// Of what `connection` sees: inside a transaction, of one state.
core::Result<BackupContents> digest(pg::Connection& connection, const BackupProgress& progress,
                                    core::Deadline deadline);

/// For statements that look through a whole history: the deadline alone counts.
core::Result<void> begin_long_read(pg::Connection& connection, core::Deadline deadline);

/// False of `progress` as an error.
core::Result<void> say(const BackupProgress& progress, std::string_view what);

}  // namespace bifrost::store
