// SPDX-License-Identifier: Apache-2.0
#include "spoil.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "message_kinds.hpp"

namespace bifrost::sim {
namespace {

constexpr auto cent = core::Price::units_per_one / 100;

void spoil_sides(std::optional<core::Price>& bid, std::optional<core::Price>& ask,
                 std::optional<std::int64_t>& bid_size, std::optional<std::int64_t>& ask_size,
                 Spoils spoils) {
  using core::Price;
  if (spoils.has(Spoil::zero_bid)) {
    bid = Price{};
    bid_size = 0;
  }
  if (bid && ask) {
    if (spoils.has(Spoil::locked)) bid = ask;
    if (spoils.has(Spoil::crossed)) bid = Price::from_units(ask->units() + 5 * cent);
    if (spoils.has(Spoil::negative)) {
      bid = Price::from_units(-5 * cent);
      ask = Price::from_units(-cent);
      bid_size = ask_size = 10;
    }
  }
  if (spoils.has(Spoil::no_quote)) {
    bid.reset();
    ask.reset();
    bid_size.reset();
    ask_size.reset();
  }
}

void negate(std::optional<double>& value) {
  if (value) value = -*value;
}

}  // namespace

void spoil(OptionState& state, Spoils spoils, std::optional<Computation>& stale) {
  if (spoils.has(Spoil::stale_model)) {
    if (!stale) stale = state.model;
    state.model = stale;
  } else {
    stale.reset();
  }
  if (spoils.none()) return;
  auto& q = state.quote;
  spoil_sides(q.bid, q.ask, q.bid_size, q.ask_size, spoils);
  if (spoils.has(Spoil::wrong_sign)) {
    for (auto* value : {&state.bid, &state.ask, &state.model}) {
      if (!*value) continue;
      for (auto field :
           {&Computation::delta, &Computation::gamma, &Computation::vega, &Computation::theta}) {
        negate(**value.*field);
      }
    }
  }
  if (spoils.has(Spoil::no_greeks)) {
    state.bid.reset();
    state.ask.reset();
    state.model.reset();
  }
}

void spoil(UnderlyingState& state, Spoils spoils) {
  if (!spoils.none()) {
    spoil_sides(state.bid, state.ask, state.bid_size, state.ask_size, spoils);
  }
}

std::string spoil_frame(std::string frame, Spoils spoils) {
  constexpr std::pair<Spoil, std::string_view> texts[] = {
      {Spoil::nan, "NaN"},
      {Spoil::infinite, "Infinity"},
      {Spoil::unset, "1.7976931348623157E308"},
      {Spoil::unparsable, "n/a"},
  };
  for (const auto& [fault, text] : texts) {
    if (!spoils.has(fault)) continue;
    const bool price = frame.compare(4, 2, std::string_view{"1\0", 2}) == 0;
    const bool computation = frame.compare(4, 3, std::string_view{"21\0", 3}) == 0;
    if (price) frame = with_field(frame, 4, text);
    if (computation) {
      for (const std::size_t field : {4u, 5u, 6u, 8u, 9u, 10u}) {
        frame = with_field(frame, field, text);
      }
    }
  }
  return frame;
}

}  // namespace bifrost::sim
