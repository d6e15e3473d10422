// SPDX-License-Identifier: Apache-2.0
#include "facts.hpp"

#include <algorithm>
#include <utility>

#include "stored_rows.hpp"

namespace bifrost::store::facts {

using core::Deadline;
using core::Instant;
using core::Result;

Result<std::vector<core::OptionQuote>> chain(pg::Connection& connection, Catalogue& catalogue,
                                             std::string_view symbol, const Underlying& underlying,
                                             Instant as_of, Deadline deadline) {
  // The instant is a parameter, so that the planner sees the one partition it needs.
  BF_TRY(const auto rows,
         connection.query("SELECT s.contract_id, " BIFROST_QUOTE_COLUMNS " FROM option_snapshots s"
                          " WHERE s.as_of = $1 AND s.underlying_id = $2",
                          pg::Params{}.add(as_of).add(underlying.id), deadline));
  std::vector<std::int32_t> ids;
  ids.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    ids.push_back(static_cast<std::int32_t>(rows.integer(row, 0)));
  }
  BF_TRY(const auto contracts, catalogue.contracts(connection, symbol, ids, deadline));
  std::vector<int> order(ids.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  const auto before = [&](int a, int b) {
    return rows::place(*contracts[static_cast<std::size_t>(a)]) <
           rows::place(*contracts[static_cast<std::size_t>(b)]);
  };
  // Contracts usually got their ids in this order.
  if (!std::ranges::is_sorted(order, before)) std::ranges::sort(order, before);
  std::vector<core::OptionQuote> quotes;
  quotes.reserve(order.size());
  for (const int row : order) {
    quotes.push_back({*contracts[static_cast<std::size_t>(row)],
                      rows::read_quote(rows, row, 1, as_of, underlying.price_scale)});
  }
  return quotes;
}

Result<std::vector<Point>> series(pg::Connection& connection, const Underlying& underlying,
                                  std::int32_t contract_id, std::span<const Instant> instants,
                                  Deadline deadline) {
  std::vector<Point> points;
  points.reserve(instants.size());
  for (std::size_t begin = 0; begin < instants.size();) {
    // A statement for each UTC day: one partition, one pass over its key. Over all days at once
    // every probe would look into every partition; a range would read all contracts.
    const auto day = std::chrono::floor<std::chrono::days>(instants[begin]);
    auto end = begin;
    while (end < instants.size() && std::chrono::floor<std::chrono::days>(instants[end]) == day)
      ++end;
    const auto of_day = instants.subspan(begin, end - begin);
    pg::Params params;
    params.add(of_day).add(underlying.id).add(contract_id).add(of_day.front()).add(of_day.back());
    BF_TRY(const auto rows,
           connection.query("SELECT s.as_of, " BIFROST_QUOTE_COLUMNS
                            " FROM option_snapshots s WHERE s.as_of = ANY($1)"
                            " AND s.underlying_id = $2 AND s.contract_id = $3"
                            " AND s.as_of >= $4 AND s.as_of <= $5 ORDER BY s.as_of",
                            params, deadline));
    for (int row = 0; row < rows.size(); ++row) {
      const auto as_of = rows.instant(row, 0);
      points.push_back({as_of, rows::read_quote(rows, row, 1, as_of, underlying.price_scale)});
    }
    begin = end;
  }
  return points;
}

}  // namespace bifrost::store::facts
