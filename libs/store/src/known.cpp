// SPDX-License-Identifier: Apache-2.0
#include "known.hpp"

#include <fmt/core.h>

namespace bifrost::store {

core::Result<void> settle(pg::Connection& connection, std::optional<core::Instant> known_at,
                          std::span<const std::int32_t> underlying_ids, core::Deadline deadline) {
  if (!known_at) return {};
  BF_TRY(const auto passed,
         connection.query("SELECT $1 < clock_timestamp()", pg::Params{}.add(*known_at), deadline));
  if (!passed.boolean(0, 0)) {
    return core::fail(core::Errc::invalid_input,
                      fmt::format("what will be known at {} cannot be said before that",
                                  core::to_iso(*known_at)));
  }
  // Writers take this lock before their ledger row gets its stored_at and hold it until they have
  // committed. Locks are taken in the order of ids, as writers do.
  BF_CHECK(
      connection.query("SELECT pg_advisory_xact_lock_shared(1651859713, k.id)"
                       " FROM unnest($1::int4[]) AS k(id)",
                       pg::Params{}.add(underlying_ids), deadline));
  return {};
}

}  // namespace bifrost::store
