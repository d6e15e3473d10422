// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "bifrost/collector/baseline.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// From what size on a change between two snapshots is worth keeping even if it is not unusual.
struct ChangeThresholds {
  double price_move = 0.10;        // of the middle, currency per share ...
  double price_move_share = 0.20;  // ... and as a share of the earlier middle
  double iv_move = 0.02;           // annual, decimal
  double delta_move = 0.05;        // per share
  double gamma_move = 0.005;       // per share and 1.00 of underlying ...
  double theta_move = 0.05;        // per share and day ...
  double vega_move = 2.0;          // per share and 1.00 of vol ...
  double greek_move_share = 0.25;  // ... and, of these three, as a share of the earlier value
  std::int64_t volume = 100;       // contracts traded since the earlier snapshot of the same day
  std::int64_t open_interest = 1;  // contracts, either way
  double spread = 0.10;            // ask minus bid, currency per share ...
  double spread_ratio = 2.0;       // ... and as a multiple of the earlier one, or its inverse
};

/// Whether every contract that was asked for gave a row, if only in part. Imports ask for nothing.
bool reached_all(const store::Run& run);
bool reached_all(const store::CycleRecord& record);

/// Two snapshots, one stored after the other, as the history keeps them (store::make_as_stored).
struct Comparison {
  const core::ChainSnapshot& before;
  bool before_reached_all;  // see reached_all()
  const core::ChainSnapshot& now;
  bool now_reached_all;
  std::chrono::seconds interval{300};
  ChangeThresholds thresholds = {};
  const Baseline* baseline = nullptr;  // of the day of `now`; none: nothing is scored
};

/// What changed: a function of what is given alone, so that it can be computed again from the
/// history at any time. Only contracts in both are compared, field by field where both have the
/// field. A move is kept when it is beyond its threshold, or when the baseline calls it an alert;
/// it carries its score whenever there is one. A quote that becomes suspect is told once, when it
/// begins, and leads to no moves while it lasts. Sorted by contract, then kind.
///
/// Contracts come and go only between snapshots that reached all they asked for, and only inside
/// what both looked at: a strike beyond the strikes of its expiry in the other snapshot, or an
/// expiry beyond its last, may merely have moved into or out of the window of collection. After a
/// split, told by an underlying whose price is less than two thirds or more than one and a half
/// times the one before, every strike is a new one and this does not hold. An expired contract is
/// one that the later snapshot lacks and whose last trading day is over.
std::vector<store::Change> find_changes(const Comparison& look);

/// A volume alert that waits for the open interest of the next session: the first alert of its
/// contract in a session, and what the session's last snapshot says of the contract.
struct PendingAlert {
  core::OptionContract contract;
  core::Instant as_of;
  std::optional<std::int64_t> volume;         // of the whole session
  std::optional<std::int64_t> open_interest;  // as published before it
};

/// Open interest bears an alert out when it grew by at least this share of the session's volume:
/// the trades opened positions, they did not merely pass them on.
inline constexpr double confirming_share = 0.25;

/// `changes` of one session, any order and kind; ascending by contract.
std::vector<PendingAlert> pending_alerts(std::span<const store::StoredChange> changes,
                                         const core::ChainSnapshot& last_of_session);

/// Answers for the alerts whose contracts the snapshot shows with an open interest: these leave
/// `pending`. The snapshot is of the session after theirs.
std::vector<store::Change> confirm_alerts(std::vector<PendingAlert>& pending,
                                          const core::ChainSnapshot& snapshot);

}  // namespace bifrost::collector
