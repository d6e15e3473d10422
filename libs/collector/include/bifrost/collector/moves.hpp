// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "bifrost/core/quote.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// What is measured of every contract that two snapshots have in common, and what a baseline
/// judges.
inline constexpr std::array measured_kinds{
    store::ChangeKind::price_move, store::ChangeKind::iv_move,    store::ChangeKind::delta_move,
    store::ChangeKind::gamma_move, store::ChangeKind::theta_move, store::ChangeKind::vega_move,
    store::ChangeKind::volume,     store::ChangeKind::spread,     store::ChangeKind::open_interest};
inline constexpr std::size_t kinds = measured_kinds.size();

/// Times of day that are alike: half an hour after the open differs from noon, and the step over a
/// night from both.
inline constexpr std::size_t overnight = 0;
inline constexpr std::size_t slots = 8;

struct Move {
  double previous;
  double current;
  /// How large, never negative. For price_move the part that the earlier delta times the move of
  /// the underlying does not explain, where both are known; else the whole move.
  double size;
};
using Moves = std::array<std::optional<Move>, kinds>;

/// The step from one snapshot to the next, as far as it is the same for every contract.
struct Step {
  core::Instant from{};
  core::Instant to{};
  bool same_day = false;       // in New York
  std::optional<double> spot;  // before
  std::optional<double> spot_move;
  /// The time of day it is to be compared with; none: it is no ordinary step (its length is not the
  /// interval, or it leads over more than one night), and nothing it shows can be called unusual.
  std::optional<std::size_t> slot;
};
Step step_between(const core::ChainSnapshot& before, const core::ChainSnapshot& now,
                  std::chrono::seconds interval);

/// A market in which both sides are there, somebody bids, and the sides do not cross: what a middle
/// and a spread can be read from.
bool has_market(const core::Quote& quote);

/// What is wrong with the numbers of a quote, as far as the numbers themselves tell.
struct Suspicion {
  std::optional<double> quote;  // a negative spread (crossed), or a negative price
  struct Greeks {
    double ours;
    double theirs;
  };
  /// A greek of the wrong sign, or a delta that is far from the one that its own implied vol gives:
  /// by more than 0.25, within a year of expiry. Rates and dividends, which are not known here,
  /// explain no such distance.
  std::optional<Greeks> greeks;
};
Suspicion suspect(const core::OptionQuote& option, double years_to_expiry,
                  std::optional<double> spot);

/// Years from a moment to a contract's settlement, remembered from one call to the next, for
/// contracts come sorted.
class YearsToExpiry {
 public:
  explicit YearsToExpiry(core::Instant as_of) : as_of_(as_of) {}
  double operator()(const core::OptionContract& contract);

 private:
  core::Instant as_of_;
  core::Date expiry_{};
  std::string trading_class_;
  std::optional<double> years_;
};

/// Between two looks at one contract. What one of them lacks, or shows in a way that cannot be
/// believed (crossed, negative, greeks that are suspect), is absent.
Moves moves_between(const core::Quote& before, const Suspicion& about_before,
                    const core::Quote& now, const Suspicion& about_now, const Step& step);

/// Pointers to the quotes of a snapshot, ascending by contract.
std::vector<const core::OptionQuote*> by_contract(const core::ChainSnapshot& snapshot);

}  // namespace bifrost::collector
