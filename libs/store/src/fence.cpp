// SPDX-License-Identifier: Apache-2.0
#include "fence.hpp"

#include <fmt/core.h>

namespace bifrost::store {

using core::Errc;
using core::fail;

core::Result<void> begin_fenced(pg::Connection& connection, const std::optional<Fence>& fence,
                                core::Deadline deadline) {
  if (!fence) {
    BF_CHECK(connection.query("BEGIN", deadline));
    return {};
  }
  BF_CHECK(
      connection.run("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 10000", deadline));
  // A renewal passes this lock, a change of hands waits for it.
  BF_TRY(const auto rows,
         connection.query("SELECT token, holder FROM leases WHERE name = $1 FOR KEY SHARE",
                          pg::Params{}.add(std::string_view(fence->lease)), deadline));
  if (rows.size() == 0) {
    return fail(Errc::conflict, fmt::format("nobody holds the lease {}", fence->lease));
  }
  if (rows.integer(0, 0) != fence->token) {
    return fail(Errc::conflict,
                fmt::format("the lease {} has passed to {}", fence->lease, rows.text(0, 1)));
  }
  return {};
}

}  // namespace bifrost::store
