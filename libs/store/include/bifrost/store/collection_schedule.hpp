// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/session_hours.hpp"
#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::store {

/// From this cycle on an underlying is collected at this interval in these hours; without an
/// interval, no longer.
struct ScheduleEntry {
  core::Instant valid_from{};
  std::optional<std::chrono::seconds> interval = std::nullopt;
  core::ProductHours hours{};

  friend bool operator==(const ScheduleEntry&, const ScheduleEntry&) = default;
};

/// Oldest first; empty when it was never collected.
core::Result<std::vector<ScheduleEntry>> load_schedule(Database& database,
                                                       std::string_view underlying,
                                                       core::Deadline deadline);
/// Underlyings whose newest entry has an interval, by symbol.
core::Result<std::vector<std::string>> scheduled_underlyings(Database& database,
                                                             core::Deadline deadline);
/// Underlyings that have an entry at all, by symbol.
core::Result<std::vector<std::string>> scheduled_ever(Database& database, core::Deadline deadline);
/// Adds an entry; one of the same `valid_from` is replaced by it. Errors as History::append.
core::Result<void> enter_schedule(Database& database, std::string_view underlying,
                                  const ScheduleEntry& entry, const std::optional<Fence>& fence,
                                  core::Deadline deadline);

}  // namespace bifrost::store
