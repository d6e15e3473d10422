// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

/// One made-up underlying. Volatility is Heston's, discretised with full truncation (Lord,
/// Koekkoek, Van Dijk 2010); the smile is SSVI (Gatheral and Jacquier 2014), free of static
/// arbitrage while smile_slope * (1 + |spot_vol_correlation|) <= 2.
struct SyntheticSymbol {
  std::string symbol;
  std::string name;
  SecurityType type = SecurityType::stock;
  std::string exchange;
  std::string weekly_class;  // the same as monthly_class: one class lists both
  std::string monthly_class;
  bool penny_options = false;
  double spot = 100;  // at the epoch
  double vol = 0.2;   // long-run, and at the epoch
  double vol_of_vol = 0.5;
  double reversion = 3.0;  // of variance, per year
  double spot_vol_correlation = -0.6;
  double market_correlation = 0.7;
  double smile_slope = 1.0;
  double dividend_yield = 0;
  double daily_contracts = 400;  // typical volume of a weekly option at the money
};

/// BFX (an index with the monthly class BFX and the weekly class BFXW), NRTH (a fund with penny
/// options), VALK, ODIN and FRYA (shares).
std::vector<SyntheticSymbol> default_universe();

/// Annual, continuously compounded, for every symbol and expiry.
inline constexpr double synthetic_rate = 0.04;

/// A market made from a seed. Prices move every five seconds of a session, on a path laid out
/// minute by minute; outside sessions the last quotes stand. Option values are European
/// Black-Scholes on the published underlying price, so that put-call parity holds.
class SyntheticMarket final : public Market {
 public:
  /// The path begins at the first session on or after `epoch`; before it the market stands still.
  /// A symbol's path does not depend on which others are in the universe.
  SyntheticMarket(std::uint64_t seed, core::Date epoch, std::vector<SyntheticSymbol> universe);
  ~SyntheticMarket() override;

  void advance_to(core::Instant t) override;
  core::Instant now() const override;
  std::uint64_t revision() const override;
  std::span<const Underlying> underlyings() const override;
  std::span<const ListedOption> options(int underlying_con_id) const override;
  const ListedOption* find_option(int con_id) const override;
  OptionState option_state(int con_id) const override;
  UnderlyingState underlying_state(int con_id) const override;
  std::optional<Carry> carry(int underlying_con_id) const override;
  std::vector<DailyBar> daily_bars(int underlying_con_id, BarKind kind,
                                   std::size_t count) const override;
  std::vector<IntradayBar> intraday_bars(int underlying_con_id, std::chrono::seconds length,
                                         core::Instant from, core::Instant until) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::sim
