// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/core/quote.hpp"

namespace bifrost::store {

/// Turns a snapshot into what will be read back once it is stored: values rounded to the steps of
/// their columns, values that fit no column missing. Whoever derives facts from a snapshot before
/// it is stored does so on this, so that the same comes out when they are derived again from the
/// history. `price_scale` is the underlying's.
void make_as_stored(core::ChainSnapshot& snapshot,
                    std::int64_t price_scale = core::Price::units_per_one);

}  // namespace bifrost::store
