// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

/// What one day of snapshots taught about the sizes of changes, and on what it rests. `bytes` are
/// the collector's; the store only keeps them.
struct ChangeSketch {
  core::Date day{};
  std::vector<core::Instant> cycles;  // its snapshots, oldest first
  std::vector<core::Date> earlier;    // days whose sketches it built on, oldest first
  std::string bytes;

  friend bool operator==(const ChangeSketch&, const ChangeSketch&) = default;
};

/// Which sketches the changes of a day were judged by.
struct ChangeBaseline {
  core::Date day{};
  core::Instant in_force_from{};  // cycles of the day before this one had no baseline
  std::vector<core::Date> days;   // oldest first
  double alerts_per_day = 0;

  friend bool operator==(const ChangeBaseline&, const ChangeBaseline&) = default;
};

/// The memory behind the scores of changes. Everything here is written once and never changed:
/// whoever comes second reads what is there. Only changes among snapshots of one interval are
/// alike, so each interval has its own. Safe to use from any thread; must not outlive its Database.
class Baselines {
 public:
  Baselines(Database& database, std::chrono::seconds interval);
  Baselines(Baselines&&) noexcept;
  Baselines& operator=(Baselines&&) noexcept;
  ~Baselines();

  /// Trading days (New York) of the last `limit` before `day` that have a snapshot, newest first.
  core::Result<std::vector<core::Date>> days_with_snapshots(std::string_view underlying,
                                                            core::Date day, int limit,
                                                            core::Deadline deadline);
  /// Days with a sketch, newest first, at most `limit`, all before `before`.
  core::Result<std::vector<core::Date>> sketched_days(std::string_view underlying,
                                                      core::Date before, int limit,
                                                      core::Deadline deadline);
  /// `not_found` when one of the days has none. In the order of `days`.
  core::Result<std::vector<ChangeSketch>> sketches(std::string_view underlying,
                                                   std::span<const core::Date> days,
                                                   core::Deadline deadline);
  /// False: the day has one already, which stays.
  core::Result<bool> add_sketch(std::string_view underlying, const ChangeSketch& sketch,
                                core::Deadline deadline);

  core::Result<std::optional<ChangeBaseline>> baseline(std::string_view underlying, core::Date day,
                                                       core::Deadline deadline);
  /// Puts a baseline in force unless the day has one; gives the one in force.
  core::Result<ChangeBaseline> put_in_force(std::string_view underlying,
                                            const ChangeBaseline& baseline,
                                            core::Deadline deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
