// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "bifrost/sim/market.hpp"
#include "weather.hpp"

namespace bifrost::sim {

/// What the market shows, as spoiled as values can say it. `stale` holds the model of the moment at
/// which stale_model began, and is kept by the caller.
void spoil(OptionState& state, Spoils spoils, std::optional<Computation>& stale);
void spoil(UnderlyingState& state, Spoils spoils);

/// A framed tick or computation, with what no value can say: texts that are no numbers.
std::string spoil_frame(std::string frame, Spoils spoils);

}  // namespace bifrost::sim
