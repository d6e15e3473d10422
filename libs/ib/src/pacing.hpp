// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::ib {

using Steady = std::chrono::steady_clock;

/// Messages per second with a burst. Not synchronised.
class TokenBucket {
 public:
  /// A rate of 0 is unlimited.
  TokenBucket(double per_second, int burst, Steady::time_point now)
      : rate_(per_second), burst_(std::max(burst, 1)), tokens_(burst_), refilled_(now) {}

  /// How long until the next message may go; zero: now.
  Steady::duration wait(Steady::time_point now) {
    if (rate_ <= 0) return {};
    refill(now);
    if (tokens_ >= 1) return {};
    const std::chrono::duration<double> seconds{(1 - tokens_) / rate(now)};
    // Rounded up, or the caller would wake just too early.
    return std::chrono::ceil<Steady::duration>(seconds);
  }

  /// Accounts for a message, whether or not it had to wait: an urgent one leaves a debt.
  void take(Steady::time_point now) {
    if (rate_ <= 0) return;
    refill(now);
    tokens_ -= 1;
  }

  /// The gateway complained: half the rate for `hold`, from then on it grows back in as long
  /// again. Several complaints within a second are one.
  void complain(Steady::time_point now, Steady::duration hold) {
    if (now < deaf_until_) return;
    deaf_until_ = now + std::chrono::seconds{1};
    low_ = std::max(factor(now) / 2, 1.0 / 16);
    low_until_ = now + hold;
    hold_ = hold;
  }

  /// In force now; 0: unlimited.
  double rate(Steady::time_point now) const { return rate_ * factor(now); }

 private:
  double factor(Steady::time_point now) const {
    if (now < low_until_) return low_;
    if (low_ >= 1 || hold_ <= Steady::duration::zero()) return 1;
    const double grown =
        std::chrono::duration<double>(now - low_until_) / std::chrono::duration<double>(hold_);
    return std::min(1.0, low_ + (1 - low_) * grown);
  }
  void refill(Steady::time_point now) {
    if (now <= refilled_) return;
    const std::chrono::duration<double> passed = now - refilled_;
    tokens_ = std::min<double>(burst_, tokens_ + passed.count() * rate(now));
    refilled_ = now;
  }

  double rate_;
  double burst_;
  double tokens_;
  Steady::time_point refilled_;
  double low_ = 1;
  Steady::time_point low_until_{};
  Steady::time_point deaf_until_{};
  Steady::duration hold_{};
};

/// Requests for history that may be open at once, and the pause after the gateway called them too
/// fast. For bars of a minute and more, which is all that is asked for here, there is no other
/// rule.
class HistoryPacer {
 public:
  static constexpr int most_open = 50;
  static constexpr auto pause = std::chrono::minutes{1};

  /// timeout: no place before the deadline; cancelled: stopped.
  core::Result<> begin(core::Deadline deadline) {
    std::unique_lock lock{mutex_};
    for (;;) {
      if (stopped_) return core::fail(core::Errc::cancelled, "the link to the gateway was stopped");
      const auto now = Steady::now();
      if (open_ < most_open && now >= resume_) {
        ++open_;
        return {};
      }
      const auto until = open_ < most_open ? std::min(resume_, deadline) : deadline;
      if (now >= deadline || resume_ > deadline) {
        return core::fail(core::Errc::timeout, "wait for a place among the requests for history");
      }
      changed_.wait_until(lock, until);
    }
  }
  void end() {
    const std::scoped_lock lock{mutex_};
    --open_;
    changed_.notify_all();
  }
  void stop() {
    const std::scoped_lock lock{mutex_};
    stopped_ = true;
    changed_.notify_all();
  }
  void violated(Steady::time_point now) {
    const std::scoped_lock lock{mutex_};
    resume_ = now + pause;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
  bool stopped_ = false;
  Steady::time_point resume_{};
};

/// Market-data lines this client may hold: one fewer for each one the gateway refuses, one more
/// after a whole round without a refusal. Not synchronised.
class LineBudget {
 public:
  explicit LineBudget(int most) : most_(most), budget_(most) {}

  bool acquire() {
    if (in_use_ >= budget_) return false;
    ++in_use_;
    return true;
  }
  void release(bool served) {
    --in_use_;
    if (served && ++served_ >= budget_ && budget_ < most_) {
      ++budget_;
      served_ = 0;
    }
  }
  void refuse() {
    --in_use_;
    budget_ = std::max(1, budget_ - 1);
    served_ = 0;
  }
  int budget() const { return budget_; }
  int in_use() const { return in_use_; }

 private:
  int most_;
  int budget_;
  int in_use_ = 0;
  int served_ = 0;
};

}  // namespace bifrost::ib
