// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/market.hpp"

#include <unordered_set>

#include "bifrost/core/calendar.hpp"
#include "hash.hpp"

namespace bifrost::sim {
namespace {

// Ids of underlyings stay below, those of options above this line, so the two never collide.
constexpr int first_option_id = 100'000'000;
constexpr std::uint64_t option_ids = 2'000'000'000;

}  // namespace

core::Date last_trade_date(const core::OptionContract& contract) {
  const auto last = core::last_trading_day(contract.expiry);
  const bool morning = core::settlement_instant(contract) == core::session(last)->open;
  return morning ? core::previous_trading_day(last) : last;
}

void assign_con_ids(std::span<ListedOption> options, std::span<const int> taken) {
  std::unordered_set<int> used(taken.begin(), taken.end());
  for (auto& option : options) {
    const auto& c = option.contract;
    auto h = hash_text(c.underlying);
    h = mix(h ^ hash_text(c.trading_class));
    h = mix(h ^ static_cast<std::uint64_t>(c.expiry.time_since_epoch().count()));
    h = mix(h ^ static_cast<std::uint64_t>(c.strike.units()));
    h = mix(h ^ (c.right == core::Right::call ? 1U : 2U) ^
            (static_cast<std::uint64_t>(c.multiplier) << 8U));
    do {
      option.con_id = first_option_id + static_cast<int>(h % option_ids);
      h = mix(h);
    } while (!used.insert(option.con_id).second);
  }
}

int underlying_con_id(std::string_view symbol) {
  constexpr int first = 1'000;
  return first +
         static_cast<int>(hash_text(symbol) % static_cast<std::uint64_t>(first_option_id - first));
}

}  // namespace bifrost::sim
