// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "bifrost/store/history.hpp"

namespace bifrost::store {

/// Alerts of one kind, and what the next session's open interest said of those that can be asked.
struct AlertCount {
  ChangeKind kind = ChangeKind::volume;
  std::int64_t changes = 0;  // rows stored, alerts or not
  std::int64_t scored = 0;   // of these with a score
  std::int64_t alerts = 0;
  /// Contract and session pairs with such an alert whose open interest of this and of the next
  /// session is known, as is the volume between; and of these the ones borne out: grown by a
  /// quarter of the volume at least. `confirmed / answered` is the precision.
  std::int64_t answered = 0;
  std::int64_t confirmed = 0;

  friend bool operator==(const AlertCount&, const AlertCount&) = default;
};

/// The rule of thumb beside our volume alerts: volume of a session at least 1.25 times the open
/// interest before it, strongest ratios first, as many a session as there were volume alerts that
/// could be answered. Same criterion.
struct PlainRule {
  std::int64_t answered = 0;
  std::int64_t confirmed = 0;

  friend bool operator==(const PlainRule&, const PlainRule&) = default;
};

struct AlertReport {
  std::vector<AlertCount> kinds;  // those with at least one change, by kind
  PlainRule plain;
};

/// What became of the alerts of sessions in first <= day <= last (days in New York), from
/// option_changes and the daily roll-ups; a session counts as answered once the one after has been
/// rolled up. One underlying, or all.
core::Result<AlertReport> alert_report(Database& database,
                                       std::optional<std::string_view> underlying, core::Date first,
                                       core::Date last, core::Deadline deadline);

}  // namespace bifrost::store
