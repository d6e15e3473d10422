// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "bifrost/store/history.hpp"
#include "catalogue.hpp"

/// The two reads that have to be quick, for History and Queries alike.
namespace bifrost::store::facts {

/// All quotes of one snapshot, in the order of a chain.
core::Result<std::vector<core::OptionQuote>> chain(pg::Connection& connection, Catalogue& catalogue,
                                                   std::string_view symbol,
                                                   const Underlying& underlying,
                                                   core::Instant as_of, core::Deadline deadline);

struct Point {
  core::Instant as_of;
  core::Quote quote;
};

/// One contract at these instants (ascending), oldest first; nothing where it has no quote.
core::Result<std::vector<Point>> series(pg::Connection& connection, const Underlying& underlying,
                                        std::int32_t contract_id,
                                        std::span<const core::Instant> instants,
                                        core::Deadline deadline);

}  // namespace bifrost::store::facts
