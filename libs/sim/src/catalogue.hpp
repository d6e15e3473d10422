// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bifrost/ib/wire.hpp"
#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

/// What a client's description of a contract may mean. Pointers live until the market moves.
using Instrument = std::variant<const Underlying*, const ListedOption*>;

/// Every instrument that fits: by contract id alone if there is one, else by all fields given.
std::vector<Instrument> find_instruments(const Market& market, const ib::wire::Contract& wanted);

const Underlying* find_underlying(const Market& market, int con_id);

/// The answer to a contract data request, request id excepted.
ib::wire::ContractData describe_instrument(const Market& market, const Instrument& instrument);

/// "SPY   251219C00600000".
std::string local_symbol(const core::OptionContract& contract);

/// "STK", "IND".
std::string_view security_type(const Underlying& underlying);

/// Market rules of option prices.
inline constexpr int penny_rule = 26;
inline constexpr int nickel_rule = 109;

/// "20251121 16:00:00 US/Eastern".
std::string gateway_time(core::Instant t);

}  // namespace bifrost::sim
