// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "bifrost/core/price.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::core {

enum class Right : std::uint8_t { call, put };

constexpr char to_char(Right right) {
  return right == Right::call ? 'C' : 'P';
}

/// What makes two options the same contract. The trading class is part of it: SPX (morning-settled)
/// and SPXW (afternoon-settled) of one date are two contracts, and so is an adjusted class after a
/// split.
struct OptionContract {
  std::string underlying;     // "SPX"
  std::string trading_class;  // "SPXW"
  Date expiry{};              // as listed
  Price strike;
  Right right = Right::call;
  int multiplier = 100;  // shares per contract

  friend auto operator<=>(const OptionContract&, const OptionContract&) = default;
};

/// "SPXW 2021-01-04 3700 C", for people.
std::string describe(const OptionContract& contract);

/// One to twelve characters of A-Z, 0-9, '.', '-' and a blank inside ("BRK B"): what may name an
/// underlying or a trading class anywhere in the system.
bool is_symbol(std::string_view text);

}  // namespace bifrost::core
