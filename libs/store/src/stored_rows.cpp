// SPDX-License-Identifier: Apache-2.0
#include "stored_rows.hpp"

#include <fmt/core.h>

#include "units.hpp"

namespace bifrost::store::rows {

std::optional<core::Price> read_price(const pg::Rows& rows, int row, int column,
                                      std::int64_t price_scale) {
  const auto stored = rows.find_integer(row, column);
  if (!stored) return std::nullopt;
  return units::decode_price(*stored, price_scale);
}

std::optional<double> read_real(const pg::Rows& rows, int row, int column, double scale) {
  const auto stored = rows.find_integer(row, column);
  if (!stored) return std::nullopt;
  return units::decode_real(*stored, scale);
}

core::Result<Run> read_run(const pg::Rows& rows, int row, int first, std::string_view symbol,
                           std::int64_t price_scale) {
  Run run;
  run.underlying = symbol;
  run.as_of = rows.instant(row, first);
  run.status = static_cast<RunStatus>(rows.integer(row, first + 1));
  run.reason = rows.text(row, first + 2);
  if (!rows.missing(row, first + 3)) {
    run.source = core::parse_source(rows.text(row, first + 3));
    if (!run.source) {
      return core::fail(core::Errc::corrupt_data,
                        fmt::format("the ledger names an unknown source of {} at {}", symbol,
                                    core::to_iso(run.as_of)));
    }
  }
  if (const auto seconds = rows.find_integer(row, first + 4))
    run.interval = std::chrono::seconds{*seconds};
  run.started_at = rows.find_instant(row, first + 5);
  run.finished_at = rows.find_instant(row, first + 6);
  run.expected = rows.find_integer(row, first + 7);
  run.received = rows.integer(row, first + 8);
  run.refused = rows.integer(row, first + 9);
  run.underlying_price = read_price(rows, row, first + 10, price_scale);
  run.stored_at = rows.instant(row, first + 11);
  return run;
}

core::Quote read_quote(const pg::Rows& rows, int row, int first, core::Instant as_of,
                       std::int64_t price_scale) {
  const auto real = [&](int column, double scale) { return read_real(rows, row, column, scale); };
  core::Quote quote;
  quote.bid = read_price(rows, row, first, price_scale);
  quote.ask = read_price(rows, row, first + 1, price_scale);
  quote.last = read_price(rows, row, first + 2, price_scale);
  quote.bid_size = rows.find_integer(row, first + 3);
  quote.ask_size = rows.find_integer(row, first + 4);
  quote.volume = rows.find_integer(row, first + 5);
  quote.open_interest = rows.find_integer(row, first + 6);
  quote.implied_vol = real(first + 7, units::implied_vol);
  quote.delta = real(first + 8, units::delta);
  quote.gamma = real(first + 9, units::gamma);
  quote.theta = real(first + 10, units::theta);
  quote.vega = real(first + 11, units::vega);
  if (const auto offset = rows.find_integer(row, first + 12)) {
    quote.observed_at = units::decode_observed_at(*offset, as_of);
  }
  return quote;
}

core::OptionContract read_contract(const pg::Rows& rows, int row, int first,
                                   std::string_view symbol) {
  core::OptionContract contract;
  contract.underlying = symbol;
  contract.trading_class = rows.text(row, first);
  contract.expiry = rows.date(row, first + 1);
  contract.strike = units::decode_price(rows.integer(row, first + 2), 1000);
  contract.right = rows.text(row, first + 3) == "C" ? core::Right::call : core::Right::put;
  contract.multiplier = static_cast<int>(rows.integer(row, first + 4));
  return contract;
}

}  // namespace bifrost::store::rows
