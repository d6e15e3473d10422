// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "bifrost/sim/market.hpp"
#include "weather.hpp"

namespace bifrost::sim {

/// A market with the options left out that the weather hides: to a client they are not listed.
class VeiledMarket final : public Market {
 public:
  VeiledMarket(Market& market, const Weather& weather) : market_(market), weather_(weather) {}

  void advance_to(core::Instant t) override { market_.advance_to(t); }
  core::Instant now() const override { return market_.now(); }
  std::uint64_t revision() const override { return market_.revision(); }
  std::span<const Underlying> underlyings() const override { return market_.underlyings(); }
  UnderlyingState underlying_state(int con_id) const override {
    return market_.underlying_state(con_id);
  }
  std::optional<Carry> carry(int con_id) const override { return market_.carry(con_id); }
  std::vector<DailyBar> daily_bars(int con_id, BarKind kind, std::size_t count) const override {
    return market_.daily_bars(con_id, kind, count);
  }

  std::vector<IntradayBar> intraday_bars(int con_id, std::chrono::seconds length,
                                         core::Instant from, core::Instant until) const override {
    return market_.intraday_bars(con_id, length, from, until);
  }

  std::span<const ListedOption> options(int underlying_con_id) const override {
    const auto all = market_.options(underlying_con_id);
    if (!weather_.hides()) return all;
    const auto state = std::pair{market_.revision(), weather_.listing_revision()};
    if (state != cached_for_) {
      cache_.clear();
      cached_for_ = state;
    }
    const auto [at, fresh] = cache_.try_emplace(underlying_con_id);
    if (fresh) {
      for (const auto& option : all) {
        if (!weather_.hidden(Subject::of(option))) at->second.push_back(option);
      }
    }
    return at->second;
  }
  const ListedOption* find_option(int con_id) const override {
    const auto* option = market_.find_option(con_id);
    const bool hidden = option && weather_.hides() && weather_.hidden(Subject::of(*option));
    return hidden ? nullptr : option;
  }
  OptionState option_state(int con_id) const override {
    return find_option(con_id) ? market_.option_state(con_id) : OptionState{};
  }

 private:
  Market& market_;
  const Weather& weather_;
  mutable std::map<int, std::vector<ListedOption>> cache_;  // by underlying
  mutable std::pair<std::uint64_t, std::uint64_t> cached_for_{};
};

}  // namespace bifrost::sim
