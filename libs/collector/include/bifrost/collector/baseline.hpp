// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/collector/moves.hpp"
#include "bifrost/core/result.hpp"

// How unusual is a move? Each contract has a scale: the typical size of its own moves over the last
// days, drawn towards that of contracts of like moneyness and life where it is young. A move
// divided by the scale is compared with all such ratios that the underlying's contracts showed at
// the same time of day over these days. The share of them that was at least as large is the score:
// were today like those days, a score of p or less would come up once in 1/p tests, whatever the
// shape of the distribution. Everything here is a function of stored snapshots.
namespace bifrost::collector {

inline constexpr int window_days = 10;           // sketches a baseline is made of, at most ...
inline constexpr int window_calendar_days = 30;  // ... from so many days back
inline constexpr int minimum_days =
    5;  // with ratios at that time of day; before, nothing is scored
inline constexpr double highest_rate = 0.01;  // of false alarms per test, on small chains

/// Ratios of move to scale, counted in bins that are two percent wide where it matters.
class Tail {
 public:
  static constexpr std::size_t bins = 3 + 6 * 32 + 8 * 8 + 1;
  static std::size_t bin_of(double ratio);

  void count(double ratio) { ++counts_[bin_of(ratio)], ++n_; }
  void add(std::size_t bin, std::uint32_t times) { counts_[bin] += times, n_ += times; }
  std::uint64_t n() const { return n_; }
  const std::array<std::uint32_t, bins>& counts() const { return counts_; }

  friend bool operator==(const Tail&, const Tail&) = default;

 private:
  std::array<std::uint32_t, bins> counts_{};
  std::uint64_t n_ = 0;
};

/// The sizes of moves of one kind, summed up as square roots, which an outlier does not rule.
template <class Count, class Sum>
struct Sizes {
  std::array<Count, kinds> n{};
  std::array<Sum, kinds> roots{};

  friend bool operator==(const Sizes&, const Sizes&) = default;
};
using OwnSizes = Sizes<std::uint16_t, float>;
using BucketSizes = Sizes<std::uint32_t, double>;

/// Contracts of like moneyness and life; the last is for those whose moneyness is not known.
inline constexpr std::size_t buckets = 21;
std::size_t bucket_of(const core::OptionContract& contract, core::Date day,
                      std::optional<double> spot);

/// What one day taught. `tails` is empty for a day that had no day before it to take scales from.
struct DaySketch {
  bool simulated = false;  // of a simulated market, which says nothing about a real one
  std::vector<std::pair<core::OptionContract, OwnSizes>> contracts;  // ascending
  std::array<BucketSizes, buckets> by_bucket{};
  std::vector<Tail> tails;  // [slot * kinds + kind]

  std::string encode() const;
  /// `corrupt_data` for anything that encode() did not write.
  static core::Result<DaySketch> decode(std::string_view bytes, const std::string& underlying);

  friend bool operator==(const DaySketch&, const DaySketch&) = default;
};

/// What a day is judged by.
class Baseline {
 public:
  /// Of a day, from the sketches of days before it, oldest first; the market of the newest counts,
  /// simulated or not. `alerts_per_day` is how many false alarms a day like these would raise;
  /// every kind of move and time of day gets an equal share.
  Baseline(core::Date day, std::span<const DaySketch> sketches, double alerts_per_day);

  struct Verdict {
    double score;
    double false_alarm_rate;
  };
  /// Nothing: too little history.
  std::optional<Verdict> judge(std::size_t kind, std::size_t slot, double size, const OwnSizes* own,
                               std::size_t bucket) const;
  /// The typical size of a move; nothing before the first day of its kind.
  std::optional<double> scale(std::size_t kind, const OwnSizes* own, std::size_t bucket) const;

  core::Date day() const { return day_; }
  bool simulated() const { return simulated_; }
  bool scores() const { return !cells_.empty(); }  // anything at all

  /// Walks through contracts that come in ascending order.
  class Walk {
   public:
    explicit Walk(const Baseline* baseline) : baseline_(baseline) {}
    const OwnSizes* find(const core::OptionContract& contract);

   private:
    const Baseline* baseline_;
    std::size_t at_ = 0;
  };

 private:
  core::Date day_{};
  bool simulated_ = false;
  std::vector<core::OptionContract> contracts_;
  std::vector<OwnSizes> own_;
  std::array<BucketSizes, buckets> by_bucket_{};
  BucketSizes all_{};
  struct Cell {
    int days = 0;
    std::array<std::uint32_t, Tail::bins> at_least{};  // ratios in this bin or a higher one
    double false_alarm_rate = 0;
  };
  std::vector<Cell> cells_;
};

/// Makes the sketch of a day from its snapshots, in order, beginning with the last one before the
/// day if there is one. `scales` is the baseline of that day.
class SketchBuilder {
 public:
  SketchBuilder(const Baseline& scales, std::chrono::seconds interval)
      : scales_(scales), interval_(interval) {}

  void add(const core::ChainSnapshot& before, const core::ChainSnapshot& now);
  DaySketch finish() const;

 private:
  const Baseline& scales_;
  std::chrono::seconds interval_;
  std::map<core::OptionContract, BucketSizes> contracts_;
  std::array<BucketSizes, buckets> by_bucket_{};
  std::vector<Tail> tails_;
  bool simulated_ = false;
};

/// Whether moves of this kind say something at this time of day: open interest is published each
/// morning, volume counts from the open.
constexpr bool is_tested(std::size_t kind, std::size_t slot) {
  if (measured_kinds[kind] == store::ChangeKind::open_interest) return slot == overnight;
  return measured_kinds[kind] != store::ChangeKind::volume || slot != overnight;
}

}  // namespace bifrost::collector
