// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/collector/baseline.hpp"
#include "bifrost/collector/changes.hpp"
#include "bifrost/collector/conditions.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/store/baselines.hpp"
#include "bifrost/store/daily.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

struct RadarOptions {
  std::chrono::seconds interval{300};
  double alerts_per_day = 20;  // false alarms a day and underlying, by chance alone
  ChangeThresholds thresholds = {};
};

/// Says what is worth saying about each snapshot: what changed, how unusual that is, whether last
/// session's volume alerts are borne out, and the state of the market. What a day needs from the
/// history is read once a day and underlying; all else is kept in hand. Everything it says can be
/// computed again from the history, see changes_again(). Not safe to use from two threads; database
/// and history must outlive it.
class Radar {
 public:
  Radar(RadarOptions options, store::Database& database, store::History& history);

  /// Fills in changes and market conditions, from the snapshot stored before (none: there is none).
  /// Turns the record's snapshot into what the history will give back, sorted by contract. The
  /// first cycle of a day asks the history, within the deadline; when that fails nothing is filled
  /// in, and the same call may be made again later: the record is not to be written before.
  core::Result<void> describe(store::CycleRecord& record, const core::ChainSnapshot* before,
                              bool before_reached_all, core::Deadline deadline);

  /// One piece of work for a quiet moment: learns from a closed day that has not been learned from
  /// (reads all its snapshots), or reads what `day` will need. False: nothing is left to do.
  core::Result<bool> prepare(const std::string& underlying, core::Date day,
                             core::Deadline deadline);

  /// What is in hand of this underlying may be out of date: somebody else wrote.
  void forget(const std::string& underlying) { days_.erase(underlying); }

 private:
  struct Answerable {
    PendingAlert alert;
    std::optional<core::Instant> answered;  // by the snapshot of this cycle
  };
  /// What the cycles of a day need.
  struct Day {
    core::Date day{};
    std::optional<Baseline> baseline;
    std::vector<core::Date> sketches;            // it is made of
    std::optional<core::Instant> in_force_from;  // none: not in force yet
    DailyHistory closes;
    std::vector<Answerable> alerts;
  };

  core::Result<Day*> day_of(const std::string& underlying, core::Date day, core::Deadline deadline);
  core::Result<const Baseline*> baseline_for(Day& day, const store::CycleRecord& record,
                                             core::Deadline deadline);

  RadarOptions options_;
  store::History& history_;
  store::Baselines baselines_;
  store::Daily daily_;
  std::map<std::string, Day, std::less<>> days_;
  std::map<std::string, core::Date, std::less<>> learned_;  // days before this one are done
};

/// The sketch of a day as the history gives it now: the snapshots of `cycles`, and scales from the
/// sketches of `earlier`.
core::Result<DaySketch> sketch_again(store::History& history, store::Baselines& baselines,
                                     const std::string& underlying, core::Date day,
                                     std::span<const core::Instant> cycles,
                                     std::span<const core::Date> earlier,
                                     std::chrono::seconds interval, core::Deadline deadline);

/// The changes of one stored cycle, computed from the history alone. Equal to what is stored with
/// the cycle, in the same order, scores and all: none for a cycle whose reason says
/// `not_described`.
core::Result<std::vector<store::Change>> changes_again(
    store::Database& database, store::History& history, const RadarOptions& options,
    const std::string& underlying, core::Instant as_of, core::Deadline deadline);

}  // namespace bifrost::collector
