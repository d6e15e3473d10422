// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "link.hpp"

namespace bifrost::ib {

/// Client::underlying_quote, on one line of the budget.
core::Result<UnderlyingQuote> watch_underlying(Link& link, const Underlying& underlying,
                                               const CollectOptions& how, const core::Clock& clock,
                                               core::Deadline deadline);

}  // namespace bifrost::ib
