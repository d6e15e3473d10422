// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

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

  /// The gateway complained.
  void halve_until(Steady::time_point until) { halved_until_ = std::max(halved_until_, until); }

 private:
  double rate(Steady::time_point now) const { return now < halved_until_ ? rate_ / 2 : rate_; }
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
  Steady::time_point halved_until_{};
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
