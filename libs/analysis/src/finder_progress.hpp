// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "bifrost/analysis/finder.hpp"

namespace bifrost::analysis::finder {

/// Counts what is accounted for over all boards and asks now and then whether to go on. There is no
/// clock here: how much time has passed is told by the work that was done, in rough nanoseconds.
class Progress {
 public:
  /// Until there is a total, the share is what prepare() says.
  explicit Progress(const OnProgress& on_progress) : on_progress_(on_progress) {}

  void set_total(std::int64_t combinations) {
    total_ = static_cast<double>(combinations);
    counting_ = true;
  }

  /// So much of what comes before the combinations is done, 0 to 1; it counts as half of all.
  /// False: stop.
  bool prepare(double share) {
    prepared_ = share;
    return spend(0.0);
  }

  /// So many combinations are settled, and so many are on the list. False: stop.
  bool account(std::int64_t combinations, std::size_t found) {
    done_ += static_cast<double>(combinations);
    found_ = std::max(found_, found);
    // A call costs next to nothing beside what was done since the last one.
    if (++calls_ % 64 == 0 || done_ >= last_report_ + 0.01 * total_) report();
    return !stopped_;
  }

  /// Work that settles nothing by itself. False: stop.
  bool spend(double nanoseconds) {
    spent_ += nanoseconds;
    if (spent_ >= patience) report();
    return !stopped_;
  }

  bool stopped() const { return stopped_; }

 private:
  static constexpr double patience = 5e6;  // a tenth of what a slow machine may take

  void report() {
    last_report_ = done_;
    spent_ = 0.0;
    if (stopped_ || !on_progress_) return;
    const double settled = !counting_ ? 0.0 : total_ > 0.0 ? std::min(done_ / total_, 1.0) : 1.0;
    const double before = prepared_ > 0.0 ? 0.5 : 0.0;
    stopped_ =
        !on_progress_({.share = before * prepared_ + (1.0 - before) * settled, .found = found_});
  }

  const OnProgress& on_progress_;
  double total_ = 0.0;
  double prepared_ = 0.0;
  bool counting_ = false;
  double done_ = 0.0;
  std::size_t found_ = 0;
  int calls_ = 0;
  double last_report_ = 0.0;
  double spent_ = 0.0;
  bool stopped_ = false;
};

inline tl::unexpected<core::Error> stopped() {
  return core::fail(core::Errc::cancelled, "the search was stopped");
}

}  // namespace bifrost::analysis::finder
