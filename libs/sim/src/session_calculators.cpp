// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

struct Terms {
  core::OptionContract contract;
  Carry carry;
  double years;
};

/// What a calculation needs besides the two numbers given; nothing where the market cannot say.
std::optional<Terms> terms_of(const Market& market, const std::vector<Instrument>& found) {
  const auto* const* option = std::get_if<const ListedOption*>(&found.front());
  if (!option) return std::nullopt;
  const auto carry = market.carry((*option)->underlying_con_id);
  if (!carry) return std::nullopt;
  const auto& contract = (*option)->contract;
  const double years = core::years_act365f(market.now(), core::settlement_instant(contract));
  if (years <= 0) return std::nullopt;
  return Terms{.contract = contract, .carry = *carry, .years = years};
}

Computation compute(const Terms& terms, double spot, double vol) {
  const auto value = analysis::black_scholes(
      terms.contract.right, analysis::SpotInputs{.spot = spot,
                                                 .strike = terms.contract.strike.value(),
                                                 .years_to_expiry = terms.years,
                                                 .rate = terms.carry.rate,
                                                 .dividend_yield = terms.carry.dividend_yield,
                                                 .vol = vol});
  return {.implied_vol = vol,
          .price = value.price,
          .delta = value.delta,
          .gamma = value.gamma,
          .theta = value.theta,
          .vega = value.vega,
          .underlying_price = spot};
}

}  // namespace

void Session::on(const wire::ImpliedVolRequest& m) {
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return send_error(m.req_id, 200, std::string{no_definition});
  std::optional<Computation> result;
  const auto terms = terms_of(floor_.market, found);
  if (terms && m.option_price && m.underlying_price && *m.underlying_price > 0) {
    const double spot = *m.underlying_price;
    const auto& carry = terms->carry;
    const auto vol = analysis::implied_vol(
        terms->contract.right,
        {.price = *m.option_price,
         .forward = spot * std::exp((carry.rate - carry.dividend_yield) * terms->years),
         .strike = terms->contract.strike.value(),
         .years_to_expiry = terms->years,
         .discount_factor = std::exp(-carry.rate * terms->years)});
    if (vol) {
      result = compute(*terms, spot, *vol);
      result->price = *m.option_price;
    }
  }
  send(computation(m.req_id, wire::tick::custom_computation, result));
}

void Session::on(const wire::OptionPriceRequest& m) {
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return send_error(m.req_id, 200, std::string{no_definition});
  std::optional<Computation> result;
  const auto terms = terms_of(floor_.market, found);
  if (terms && m.volatility && *m.volatility >= 0 && m.underlying_price &&
      *m.underlying_price > 0) {
    result = compute(*terms, *m.underlying_price, *m.volatility);
  }
  send(computation(m.req_id, wire::tick::custom_computation, result));
}

}  // namespace bifrost::sim
