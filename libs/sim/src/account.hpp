// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/analysis/payoff.hpp"
#include "bifrost/core/contract.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

/// What the made-up account holds of one instrument.
struct Holding {
  std::string symbol;
  std::optional<core::OptionContract> option;  // none: shares
  std::int64_t quantity = 0;                   // negative: sold
  core::Price price;                           // paid for one share
};

struct Account {
  double cash = 1'000'000;
  std::vector<Holding> holdings;
};

/// One a line: `cash AMOUNT`, `stock SYMBOL QUANTITY PRICE`, `option SYMBOL CLASS EXPIRY STRIKE C|P
/// QUANTITY PRICE`; `#` begins a comment. invalid_input names every line that cannot be read.
core::Result<Account> parse_account(std::string_view text, std::string_view name);

/// A million in cash, two calls at the money of the first underlying's monthly class, bought at
/// what they are worth now, and one put sold.
Account default_account(const Market& market);

/// A holding at the market of now.
struct Position {
  ib::wire::Contract contract;  // primary exchange given, exchange not
  double quantity = 0;
  double multiplier = 1;
  double average_cost = 0;  // of one contract or share
  double market_price = 0;  // of one share
  double market_value() const { return quantity * multiplier * market_price; }
  double unrealized() const { return market_value() - quantity * average_cost; }
};

struct Statement {
  double cash = 0;
  double margin = 0;  // initial and maintenance alike
  double net_liquidation = 0;
  double gross_position_value = 0;
  double unrealized = 0;
  std::vector<Position> positions;  // what is not listed any more is left out
};
Statement state_account(const Account& account, const Market& market);

/// A line of the account's summary: "NetLiquidation", "1000000.00", "USD".
struct AccountLine {
  std::string tag;
  std::string value;
  std::string currency;
};
std::vector<AccountLine> account_lines(const Statement& statement);

/// The middle of the quote, else the last price, else the model's; 0 where there is nothing.
core::Price market_price(const OptionState& state);
core::Price market_price(const UnderlyingState& state);

/// The simulator's own margin rule: the worst loss of the legs if all of them settle together, at
/// their entry prices; where it has no end, a fifth of the underlying's value for each share not
/// covered, on top of the worst corner.
double margin_of(std::span<const analysis::Leg> legs, double spot);

}  // namespace bifrost::sim
