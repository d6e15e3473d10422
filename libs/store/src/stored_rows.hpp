// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <tuple>

#include "bifrost/store/history.hpp"
#include "pg.hpp"

/// Ledger rows, quotes and contracts as they come out of a result.
namespace bifrost::store::rows {

// Read by read_run in this order.
#define BIFROST_RUN_COLUMNS                                                                  \
  "r.as_of, r.status, r.reason, r.source, r.interval_seconds, r.started_at, r.finished_at, " \
  "r.expected, "                                                                             \
  "r.received, r.refused, r.underlying_price, r.stored_at"
// Read by read_quote in this order.
#define BIFROST_QUOTE_COLUMNS                                                                \
  "s.bid, s.ask, s.last, s.bid_size, s.ask_size, s.volume, s.open_interest, s.implied_vol, " \
  "s.delta, "                                                                                \
  "s.gamma, s.theta, s.vega, s.observed_offset_ms"

std::optional<core::Price> read_price(const pg::Rows& rows, int row, int column,
                                      std::int64_t price_scale);
std::optional<double> read_real(const pg::Rows& rows, int row, int column, double scale);

core::Result<Run> read_run(const pg::Rows& rows, int row, int first, std::string_view symbol,
                           std::int64_t price_scale);

core::Quote read_quote(const pg::Rows& rows, int row, int first, core::Instant as_of,
                       std::int64_t price_scale);

/// Five columns: trading_class, expiry, strike, right, multiplier.
core::OptionContract read_contract(const pg::Rows& rows, int row, int first,
                                   std::string_view symbol);

/// The order of a chain: expiry, trading class, strike, call, put.
inline auto place(const core::OptionContract& c) {
  return std::tie(c.expiry, c.trading_class, c.strike, c.right, c.multiplier);
}

}  // namespace bifrost::store::rows
