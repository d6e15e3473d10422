// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "bifrost/core/session_hours.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// A cycle is named by its boundary, a multiple of the interval (UTC). A trading day's cycles are
/// those after the open, up to and including the close: at the opening instant nothing has been
/// quoted, and the closing snapshot is the day's most wanted one. `interval` divides a day. Which
/// open and close depends on the product (core::hours_of, or the universe's rule).
std::vector<core::Instant> cycles_of(core::Date day, std::chrono::seconds interval,
                                     const core::ProductHours& hours = core::equity_hours);

/// The cycle that `now` belongs to: its boundary is the latest one not after `now`, less than one
/// interval ago.
std::optional<core::Instant> current_cycle(core::Instant now, std::chrono::seconds interval,
                                           const core::ProductHours& hours = core::equity_hours);

/// The first cycle strictly after `t`, over nights, weekends and holidays.
core::Instant next_cycle(core::Instant t, std::chrono::seconds interval,
                         const core::ProductHours& hours = core::equity_hours);

/// Every cycle strictly between two instants, oldest first: what the ledger must account for.
std::vector<core::Instant> cycles_between(core::Instant after, core::Instant before,
                                          std::chrono::seconds interval,
                                          const core::ProductHours& hours = core::equity_hours);

/// Why nobody need be told that the gateway is away at this moment: the broker's nightly reset, its
/// weekend maintenance, the weekend. Nothing: it should be there. From half an hour before a
/// session's open to its close it always should.
std::optional<std::string_view> absence_is_normal(core::Instant now);

}  // namespace bifrost::collector
