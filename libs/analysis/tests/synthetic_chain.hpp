// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "bifrost/analysis/chain.hpp"

namespace bifrost::analysis {

// A market that is known exactly: a smile about a forward, quoted on a tick with the model price
// between bid and ask.
struct SyntheticMarket {
  double forward = 100.4;
  double rate = 0.05;
  double years = 60.0 / 365;
  double tick = 0.01;
  double half_spread = 0.02;
  int multiplier = 100;

  double vol(double strike) const {
    const double k = std::log(strike / forward);
    return 0.22 - 0.25 * k + 0.6 * k * k;
  }
  double discount() const { return std::exp(-rate * years); }
  double price(Right right, double strike) const {
    return black_scholes_price(right,
                               ForwardInputs{forward, strike, years, discount(), vol(strike)});
  }
  OptionSide quote(Right right, double strike) const {
    const double fair = price(right, strike);
    const double bid = std::max(std::floor((fair - half_spread) / tick) * tick, 0.0);
    const double ask = std::ceil((fair + half_spread) / tick) * tick;
    return {.bid = Price::from_double(bid),
            .ask = Price::from_double(ask),
            .bid_size = 10,
            .ask_size = 12,
            .open_interest = std::nullopt};
  }
  ExpiryChain chain(double lowest, double highest, double step) const {
    ExpiryChain out{.underlying = "TEST",
                    .trading_class = "TEST",
                    .expiry = {},
                    .multiplier = multiplier,
                    .underlying_price = Price::from_double(100.0),
                    .rows = {}};
    for (double strike = lowest; strike <= highest + 1e-9; strike += step) {
      out.rows.push_back(
          {*Price::from_double(strike), quote(Right::call, strike), quote(Right::put, strike)});
    }
    return out;
  }
};

}  // namespace bifrost::analysis
