// SPDX-License-Identifier: Apache-2.0
#include "facts.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "partitions.hpp"
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

namespace {

struct Question {
  pg::Connection& connection;
  const Underlying& underlying;
  std::int32_t contract_id;
  Deadline deadline;
};

/// Days sorted by contract: the index on the contract finds all of them next to each other.
Result<pg::Rows> read_sorted(const Question& ask, std::span<const Instant> instants) {
  pg::Params params;
  params.add(ask.underlying.id).add(ask.contract_id).add(instants.front()).add(instants.back());
  return ask.connection.query("SELECT s.as_of, " BIFROST_QUOTE_COLUMNS
                              " FROM option_snapshots s WHERE s.underlying_id = $1"
                              " AND s.contract_id = $2 AND s.as_of >= $3 AND s.as_of <= $4"
                              " ORDER BY s.as_of",
                              params, ask.deadline);
}

/// Days in the order in which cycles were written. The instants of each UTC day as one array in
/// text: a day is one partition and one pass over its key. Over all days at once every instant
/// would be looked for in every partition, and one by one each would start a plan anew; a range
/// would read all contracts.
Result<pg::Rows> read_by_cycle(const Question& ask, std::span<const Instant> instants) {
  std::vector<std::string> lists;
  std::vector<Instant> firsts;
  std::vector<Instant> lasts;
  std::optional<core::Date> day;
  for (const auto at : instants) {
    const auto its_day = std::chrono::floor<std::chrono::days>(at);
    if (day != its_day) {
      if (day) lists.back() += '}';
      day = its_day;
      lists.emplace_back("{");
      firsts.push_back(at);
      lasts.push_back(at);
    } else {
      lists.back() += ',';
    }
    lists.back() += core::to_iso(at);
    lasts.back() = at;
  }
  lists.back() += '}';
  pg::Params params;
  params.add(std::span<const std::string>(lists))
      .add(std::span<const Instant>(firsts))
      .add(std::span<const Instant>(lasts))
      .add(ask.underlying.id)
      .add(ask.contract_id)
      .add(instants.front())
      .add(instants.back());
  return ask.connection.query("SELECT s.as_of, " BIFROST_QUOTE_COLUMNS
                              " FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])"
                              " AS d(instants, first, last) CROSS JOIN LATERAL ("
                              "SELECT * FROM option_snapshots f"
                              " WHERE f.as_of = ANY(d.instants::timestamptz[])"
                              " AND f.underlying_id = $4 AND f.contract_id = $5"
                              " AND f.as_of >= d.first AND f.as_of <= d.last"
                              " AND f.as_of >= $6 AND f.as_of <= $7 OFFSET 0) s ORDER BY s.as_of",
                              params, ask.deadline);
}

}  // namespace

Result<std::vector<Point>> series(pg::Connection& connection, const Underlying& underlying,
                                  std::int32_t contract_id, std::span<const Instant> instants,
                                  Deadline deadline) {
  std::vector<Point> points;
  if (instants.empty()) return points;
  points.reserve(instants.size());
  const auto day_of = [](Instant at) { return std::chrono::floor<std::chrono::days>(at); };
  std::vector<core::Date> days;
  for (const auto at : instants) {
    if (days.empty() || days.back() != day_of(at)) days.push_back(day_of(at));
  }
  BF_TRY(const auto sorted, sorted_days(connection, days, deadline));
  const Question ask{connection, underlying, contract_id, deadline};
  // Neighbouring days of one kind are one statement: all closed days, then the day that is open.
  for (std::size_t at = 0; at < instants.size();) {
    const auto begin = at;
    const bool by_contract = sorted.contains(day_of(instants[begin]));
    while (at < instants.size() && sorted.contains(day_of(instants[at])) == by_contract) ++at;
    const auto stretch = instants.subspan(begin, at - begin);
    BF_TRY(const auto rows, by_contract ? read_sorted(ask, stretch) : read_by_cycle(ask, stretch));
    auto wanted = stretch.begin();
    for (int row = 0; row < rows.size(); ++row) {
      const auto as_of = rows.instant(row, 0);
      while (wanted != stretch.end() && *wanted < as_of) ++wanted;
      if (wanted == stretch.end() || *wanted != as_of) continue;  // not of the ledger
      points.push_back({as_of, rows::read_quote(rows, row, 1, as_of, underlying.price_scale)});
    }
  }
  return points;
}

}  // namespace bifrost::store::facts
