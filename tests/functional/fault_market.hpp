// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/sim/market.hpp"
#include "stack.hpp"

namespace bifrost::test {

struct MarketShape {
  std::string symbol = "FLT";
  core::Date first{};        // the first expiry is the first Friday on or after it
  int fridays = 70;          // expiries there will ever be
  int listed = 2;            // nearest expiries that are listed on any day
  int lowest_strike = 95;    // whole units, one strike each ...
  int highest_strike = 105;  // ... up to here
  std::uint64_t seed = 1;
  bool plausible = false;  // prices and greeks of one model, so that a wrong one can be told
  bool dirty = false;      // crossed, locked, zero and negative quotes, one-sided greeks
  std::optional<core::Instant> listed_later{};  // from when the highest strike exists
  std::optional<core::Instant> gone{};          // from when the lowest strike exists no more
};

/// A market whose every number is a hash of seed, contract and minute, so that a checker can say
/// what the history has to hold without asking anything that was under test. One share, weekly
/// options. Bids, asks, trades and models are missing here and there.
class FaultMarket final : public sim::Market {
 public:
  explicit FaultMarket(MarketShape shape);

  /// Trading class, expiry, strike in thousandths, right.
  using Key = std::array<std::string, 4>;
  /// bid ask last bid_size ask_size volume open_interest implied_vol delta gamma theta vega, as the
  /// integers of option_snapshots.
  std::map<Key, SqlRow> expected(core::Instant t) const;
  std::string expected_underlying_price(core::Instant t) const;  // ten-thousandths
  const MarketShape& shape() const { return shape_; }

  void advance_to(core::Instant t) override;
  core::Instant now() const override { return now_; }
  std::uint64_t revision() const override { return revision_; }
  std::span<const sim::Underlying> underlyings() const override { return underlyings_; }
  std::span<const sim::ListedOption> options(int underlying_con_id) const override;
  const sim::ListedOption* find_option(int con_id) const override;
  sim::OptionState option_state(int con_id) const override;
  sim::UnderlyingState underlying_state(int con_id) const override;
  std::optional<sim::Carry> carry(int) const override { return std::nullopt; }
  std::vector<sim::DailyBar> daily_bars(int underlying_con_id, sim::BarKind kind,
                                        std::size_t count) const override;

 private:
  struct Quoted;
  Quoted quoted(const sim::ListedOption& option, core::Instant t) const;
  struct Listing {
    core::Instant t;
    core::Date day;
    core::Date last;
  };
  Listing listing(core::Instant t) const;
  bool is_listed(const sim::ListedOption& option, const Listing& at) const;

  MarketShape shape_;
  std::vector<sim::Underlying> underlyings_;
  std::vector<sim::ListedOption> all_;  // sorted
  std::map<int, std::size_t> by_con_id_;
  core::Instant now_{};
  std::vector<sim::ListedOption> listed_;
  std::uint64_t revision_ = 0;
};

}  // namespace bifrost::test
