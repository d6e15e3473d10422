// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// A cycle is named by its boundary, a multiple of the interval (UTC). A trading day's cycles are
/// those after the open, up to and including the close: at the opening instant nothing has been
/// quoted, and the closing snapshot is the day's most wanted one. `interval` divides a day.
std::vector<core::Instant> cycles_of(core::Date day, std::chrono::seconds interval);

/// The cycle that `now` belongs to: its boundary is the latest one not after `now`, less than one
/// interval ago.
std::optional<core::Instant> current_cycle(core::Instant now, std::chrono::seconds interval);

/// The first cycle strictly after `t`, over nights, weekends and holidays.
core::Instant next_cycle(core::Instant t, std::chrono::seconds interval);

/// Every cycle strictly between two instants, oldest first.
std::vector<core::Instant> cycles_between(core::Instant after, core::Instant before,
                                          std::chrono::seconds interval);

}  // namespace bifrost::collector
