// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "bifrost/store/history.hpp"
#include "catalogue.hpp"

namespace bifrost::store {

struct History::Impl {
  explicit Impl(Pool& pool_of_database) : pool(pool_of_database), catalogue(pool_of_database) {}

  Pool& pool;
  Catalogue catalogue;
};

/// For a snapshot of which no quote was found, though the ledger counts some: `not_found` when
/// retention has dropped them, so that a day that was dropped never passes for an empty one.
core::Result<void> refuse_dropped(pg::Connection& connection, const Run& run,
                                  core::Deadline deadline);

/// For Kept: since when quotes and changes are kept, if these underlyings have snapshots in the
/// range from before.
core::Result<std::optional<core::Instant>> emptied_before(
    pg::Connection& connection, std::span<const std::int32_t> underlying_ids, core::Instant from,
    core::Instant to, core::Deadline deadline);

}  // namespace bifrost::store
