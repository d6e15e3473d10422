// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/contract.hpp"

// What the broker says about the user's account, and the margin it would ask for a combination.
namespace bifrost::ib {

/// One account's figures as the broker computes them; absent ones it did not send. Amounts are in
/// `currency`.
struct AccountSummary {
  std::string account;
  std::string account_type;  // INDIVIDUAL, ...
  std::string currency;      // of the amounts
  std::optional<double> net_liquidation;
  std::optional<double> total_cash;
  std::optional<double> buying_power;
  std::optional<double> initial_margin;
  std::optional<double> maintenance_margin;
  std::optional<double> available_funds;
  std::optional<double> excess_liquidity;
  std::optional<double> gross_position_value;
  std::optional<double> cushion;  // excess liquidity over net liquidation
};

struct PositionFilter {
  std::string account{};      // empty: all
  std::string symbol{};       // of the underlying; empty: all
  bool options_only = false;  // those with an `option`
};

/// What is held of one contract in one account; never a quantity of zero.
struct Position {
  std::string account;
  std::int64_t con_id = 0;
  std::string symbol;    // of the underlying
  std::string sec_type;  // STK, OPT, ...
  std::string currency;
  std::string local_symbol;
  /// Of an option that our history could keep: expiry as listed there (the last trading day, before
  /// the expiry, for morning-settled index options: the broker's positions do not tell the other).
  std::optional<core::OptionContract> option;
  double quantity = 0;  // shares or contracts; negative: sold
  int multiplier = 1;
  /// What one share cost (of an option: per share, not per contract), fees included.
  std::optional<double> average_price;
};

struct MarginLeg {
  std::int64_t con_id = 0;
  int ratio = 1;  // positive: bought, negative: sold, per one combination
  std::string exchange = "SMART";
};

/// A combination to ask the margin of. At least one leg, no contract twice.
struct MarginQuestion {
  std::string symbol;  // of the underlying
  std::string currency = "USD";
  std::vector<MarginLeg> legs{};
  int quantity = 1;                     // combinations
  std::optional<double> limit_price{};  // per share, of the combination; absent: at the market
  std::string account{};                // empty: the only one
};

/// The broker's answer. Nothing was ordered. Absent amounts it did not say.
struct Margin {
  std::string currency;  // of the margins
  std::optional<double> initial_before;
  std::optional<double> initial_change;
  std::optional<double> initial_after;
  std::optional<double> maintenance_before;
  std::optional<double> maintenance_change;
  std::optional<double> maintenance_after;
  std::optional<double> equity_before;  // with loan value
  std::optional<double> equity_change;
  std::optional<double> equity_after;
  std::optional<double> commission;  // often only its range is given
  std::optional<double> min_commission;
  std::optional<double> max_commission;
  std::string commission_currency;
  std::string warning;  // the broker's words
};

}  // namespace bifrost::ib
