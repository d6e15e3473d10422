// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "pg.hpp"

namespace bifrost::store {

/// Computes iv_rank, iv_percentile and iv_rank_n of one underlying and origin again, from a day on.
/// `last`: the last day whose closing vol may have changed; a year after it is out of its reach.
core::Result<void> refresh_iv_ranks(pg::Connection& connection, std::int32_t underlying_id,
                                    std::string_view origin, core::Date first, core::Date last,
                                    core::Deadline deadline);

}  // namespace bifrost::store
