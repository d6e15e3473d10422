// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bifrost/store/history.hpp"
#include "pg.hpp"

namespace bifrost::store {

/// BEGIN, and with a fence the proof that it is the newest one, which holds until the transaction
/// ends: whoever takes the lease waits for that. `conflict`: the lease has passed on. A process
/// that is stopped inside the transaction is thrown out by the server after ten seconds.
core::Result<void> begin_fenced(pg::Connection& connection, const std::optional<Fence>& fence,
                                core::Deadline deadline);

}  // namespace bifrost::store
