// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/queries.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include "catalogue.hpp"
#include "facts.hpp"
#include "history_impl.hpp"
#include "known.hpp"
#include "stored_rows.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;
using Known = Queries::Known;

Instant horizon(Known known_at) {
  return known_at.value_or(Instant::max());
}

tl::unexpected<core::Error> no_snapshot(std::string_view symbol, std::optional<Instant> at,
                                        Known known_at) {
  return fail(
      Errc::not_found,
      fmt::format("no snapshot of {}{}{}", symbol, at ? " at or before " + core::to_iso(*at) : "",
                  known_at ? " was known at " + core::to_iso(*known_at) : ""));
}

/// A ledger row as known, and where its facts are.
struct KnownRun {
  Run run;
  bool superseded = false;
};

Result<std::vector<KnownRun>> read_known(const pg::Rows& rows, std::string_view symbol,
                                         std::int64_t price_scale) {
  std::vector<KnownRun> runs;
  runs.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    BF_TRY(auto run, rows::read_run(rows, row, 0, symbol, price_scale));
    runs.push_back({std::move(run), rows.boolean(row, 12)});
  }
  return runs;
}

Result<std::vector<KnownRun>> known_runs(pg::Connection& connection, std::string_view symbol,
                                         const Underlying& underlying, Instant from, Instant to,
                                         Known known_at, Deadline deadline) {
  pg::Params params;
  params.add(underlying.id).add(from).add(to).add(horizon(known_at));
  BF_TRY(const auto rows,
         connection.query(
             "SELECT " BIFROST_RUN_COLUMNS ", r.superseded FROM " BIFROST_KNOWN_RUNS(
                 "underlying_id = $1 AND as_of BETWEEN $2 AND $3", "$4") " ORDER BY r.as_of",
             params, deadline));
  return read_known(rows, symbol, underlying.price_scale);
}

Result<std::optional<KnownRun>> find_snapshot(pg::Connection& connection, std::string_view symbol,
                                              const Underlying& underlying,
                                              std::optional<Instant> at, Known known_at,
                                              Deadline deadline) {
  pg::Params params;
  params.add(underlying.id).add(at.value_or(Instant::max())).add(horizon(known_at));
  // The newest of each table first: the planner walks each key backwards and stops.
  BF_TRY(const auto rows,
         connection.query(
             "SELECT " BIFROST_RUN_COLUMNS ", r.superseded FROM ("
             "(SELECT *, false AS superseded FROM (SELECT underlying_id, as_of, status, reason,"
             " source, interval_seconds, started_at, finished_at, expected, received, refused,"
             " underlying_price, stored_at FROM collection_runs WHERE underlying_id = $1"
             " AND as_of <= $2 AND status IN (1, 2) AND stored_at <= $3"
             " ORDER BY as_of DESC LIMIT 1) c)"
             " UNION ALL "
             "(SELECT *, true FROM (SELECT underlying_id, as_of, status, reason,"
             " source, interval_seconds, started_at, finished_at, expected, received, refused,"
             " underlying_price, stored_at FROM superseded_runs WHERE underlying_id = $1"
             " AND as_of <= $2 AND status IN (1, 2) AND stored_at <= $3 AND superseded_at > $3"
             " ORDER BY as_of DESC LIMIT 1) s)"
             ") r ORDER BY r.as_of DESC LIMIT 1",
             params, deadline));
  BF_TRY(auto runs, read_known(rows, symbol, underlying.price_scale));
  if (runs.empty()) return std::nullopt;
  return std::move(runs.front());
}

#define BIFROST_CHAIN_OF(table, condition)                                                        \
  "SELECT c.trading_class, c.expiry, c.strike, c.\"right\", c.multiplier, " BIFROST_QUOTE_COLUMNS \
  " FROM " table                                                                                  \
  " s JOIN contracts c ON c.contract_id = s.contract_id"                                          \
  " WHERE s.as_of = $1 AND s.underlying_id = $2 AND c.underlying_id = $2" condition               \
  " AND ($3::date IS NULL OR c.expiry = $3) AND ($4::text IS NULL OR c.trading_class = $4)"       \
  " ORDER BY c.expiry, c.trading_class COLLATE \"C\", c.strike, c.\"right\", c.multiplier"

Result<StoredChain> read_chain(pg::Connection& connection, Catalogue& catalogue,
                               const Underlying& underlying, KnownRun known,
                               const ChainFilter& filter, Deadline deadline) {
  auto& run = known.run;
  if (!run.source) return fail(Errc::corrupt_data, "a snapshot without a source");
  core::ChainSnapshot snapshot{run.underlying, run.as_of, run.underlying_price, *run.source, {}};
  if (!known.superseded && !filter.expiry && !filter.trading_class) {
    BF_TRY(snapshot.quotes,
           facts::chain(connection, catalogue, run.underlying, underlying, run.as_of, deadline));
    if (snapshot.quotes.empty() && run.received > 0)
      BF_CHECK(refuse_dropped(connection, run, deadline));
    return StoredChain{std::move(run), std::move(snapshot)};
  }
  pg::Params params;
  std::optional<std::string_view> trading_class;
  if (filter.trading_class) trading_class = *filter.trading_class;
  params.add(run.as_of).add(underlying.id).add(filter.expiry).add(trading_class);
  if (known.superseded) params.add(run.stored_at);
  BF_TRY(const auto rows,
         connection.query(known.superseded ? BIFROST_CHAIN_OF("superseded_option_snapshots",
                                                              " AND s.stored_at = $5")
                                           : BIFROST_CHAIN_OF("option_snapshots", ""),
                          params, deadline));
  if (rows.size() == 0 && run.received > 0) BF_CHECK(refuse_dropped(connection, run, deadline));
  snapshot.quotes.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    snapshot.quotes.push_back({rows::read_contract(rows, row, 0, run.underlying),
                               rows::read_quote(rows, row, 5, run.as_of, underlying.price_scale)});
  }
  return StoredChain{std::move(run), std::move(snapshot)};
}

std::vector<Run> gaps_of(std::span<const KnownRun> runs) {
  std::vector<Run> gaps;
  for (const auto& known : runs) {
    if (known.run.status != RunStatus::complete) gaps.push_back(known.run);
  }
  return gaps;
}

/// The value of the quotes, not the moment they were observed.
bool same_values(core::Quote a, core::Quote b) {
  a.observed_at = b.observed_at = std::nullopt;
  return a == b;
}

}  // namespace

ChainDiff diff_chains(const StoredChain& before, const StoredChain& after) {
  ChainDiff diff{before.run, after.run, {}, 0};
  auto a = before.snapshot.quotes.begin();
  auto b = after.snapshot.quotes.begin();
  const auto a_end = before.snapshot.quotes.end();
  const auto b_end = after.snapshot.quotes.end();
  while (a != a_end || b != b_end) {
    if (b == b_end || (a != a_end && rows::place(a->contract) < rows::place(b->contract))) {
      diff.contracts.push_back({a->contract, a->quote, std::nullopt});
      ++a;
    } else if (a == a_end || rows::place(b->contract) < rows::place(a->contract)) {
      diff.contracts.push_back({b->contract, std::nullopt, b->quote});
      ++b;
    } else {
      if (same_values(a->quote, b->quote)) {
        ++diff.unchanged;
      } else {
        diff.contracts.push_back({a->contract, a->quote, b->quote});
      }
      ++a;
      ++b;
    }
  }
  return diff;
}

struct Queries::Impl {
  explicit Impl(Database& database)
      : pool(database.pool()), catalogue(database.pool()), history(database) {}

  /// The underlying, once everything that was known is to be seen.
  Result<std::optional<Underlying>> find(pg::Connection& connection, std::string_view symbol,
                                         Known known_at, Deadline deadline) {
    BF_TRY(const auto found, catalogue.find_underlying(connection, symbol, deadline));
    if (found) BF_CHECK(settle(connection, known_at, std::array{found->id}, deadline));
    return found;
  }

  /// Of one underlying (none of them when it is not known) or of all, in ascending order.
  Result<std::vector<std::int32_t>> ids(pg::Connection& connection,
                                        const std::optional<std::string>& symbol,
                                        Deadline deadline) {
    std::optional<std::string_view> wanted;
    if (symbol) wanted = *symbol;
    BF_TRY(const auto rows,
           connection.query("SELECT underlying_id FROM underlyings"
                            " WHERE $1::text IS NULL OR symbol = $1 ORDER BY underlying_id",
                            pg::Params{}.add(wanted), deadline));
    std::vector<std::int32_t> found;
    for (int row = 0; row < rows.size(); ++row)
      found.push_back(static_cast<std::int32_t>(rows.integer(row, 0)));
    return found;
  }

  Pool& pool;
  Catalogue catalogue;
  History history;
};

Queries::Queries(Database& database) : impl_(std::make_unique<Impl>(database)) {}
Queries::Queries(Queries&&) noexcept = default;
Queries& Queries::operator=(Queries&&) noexcept = default;
Queries::~Queries() = default;

Result<Instant> Queries::now(Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto rows, connection->query("SELECT clock_timestamp()", deadline));
  return rows.instant(0, 0);
}

Result<StoredChain> Queries::chain(std::string_view underlying, const ChainFilter& filter,
                                   Known known_at, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->find(*connection, underlying, known_at, deadline));
  if (!found) return no_snapshot(underlying, filter.at, known_at);
  // One state of the database for the ledger and the quotes: a correction may come in between.
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  BF_TRY(auto run, find_snapshot(*connection, underlying, *found, filter.at, known_at, deadline));
  if (!run) return no_snapshot(underlying, filter.at, known_at);
  BF_TRY(auto chain,
         read_chain(*connection, impl_->catalogue, *found, *std::move(run), filter, deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return chain;
}

Result<std::vector<Run>> Queries::runs(std::string_view underlying, Instant from, Instant to,
                                       Known known_at, Deadline deadline) {
  std::vector<Run> runs;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->find(*connection, underlying, known_at, deadline));
  if (!found) return runs;
  BF_TRY(auto known, known_runs(*connection, underlying, *found, from, to, known_at, deadline));
  for (auto& one : known) runs.push_back(std::move(one.run));
  return runs;
}

Result<ChainDiff> Queries::diff(std::string_view underlying, Instant before, Instant after,
                                Known known_at, Deadline deadline) {
  // Both from one state of knowledge, even where it is not named.
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->find(*connection, underlying, known_at, deadline));
  if (!found) return no_snapshot(underlying, before, known_at);
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  std::array<std::optional<StoredChain>, 2> chains;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto at = i == 0 ? before : after;
    BF_TRY(auto run, find_snapshot(*connection, underlying, *found, at, known_at, deadline));
    if (!run) return no_snapshot(underlying, at, known_at);
    BF_TRY(chains[i],
           read_chain(*connection, impl_->catalogue, *found, *std::move(run), {}, deadline));
  }
  BF_CHECK(connection->query("COMMIT", deadline));
  return diff_chains(*chains[0], *chains[1]);
}

Result<Series<ContractPoint>> Queries::contract_series(const core::OptionContract& contract,
                                                       Instant from, Instant to, Known known_at,
                                                       Deadline deadline) {
  Series<ContractPoint> series;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->find(*connection, contract.underlying, known_at, deadline));
  if (!found) return series;
  // One state of the database for the ledger and the quotes: a correction may come in between.
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  BF_TRY(const auto runs,
         known_runs(*connection, contract.underlying, *found, from, to, known_at, deadline));
  series.gaps = gaps_of(runs);
  BF_TRY(series.emptied_before,
         emptied_before(*connection, std::span(&found->id, 1), from, to, deadline));
  BF_TRY(const auto id, find_contract(*connection, found->id, contract, deadline));
  if (!id) return series;
  std::vector<Instant> instants;
  std::vector<Instant> versions;  // of superseded snapshots: those of instants that moved aside
  std::vector<Instant> aside;
  std::map<Instant, const Run*> by_instant;
  for (const auto& known : runs) {
    if (known.run.status == RunStatus::missed) continue;
    by_instant.emplace(known.run.as_of, &known.run);
    if (known.superseded) {
      aside.push_back(known.run.as_of);
      versions.push_back(known.run.stored_at);
    } else {
      instants.push_back(known.run.as_of);
    }
  }
  const auto take = [&](const pg::Rows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
      const auto as_of = rows.instant(row, 0);
      series.points.push_back({as_of, by_instant.at(as_of)->underlying_price,
                               rows::read_quote(rows, row, 1, as_of, found->price_scale)});
    }
  };
  BF_TRY(auto points, facts::series(*connection, *found, *id, instants, deadline));
  for (auto& [as_of, quote] : points) {
    series.points.push_back({as_of, by_instant.at(as_of)->underlying_price, std::move(quote)});
  }
  if (!aside.empty()) {
    pg::Params params;
    params.add(std::span<const Instant>(aside))
        .add(std::span<const Instant>(versions))
        .add(found->id)
        .add(*id);
    BF_TRY(const auto rows,
           connection->query(
               "SELECT s.as_of, " BIFROST_QUOTE_COLUMNS
               " FROM unnest($1::timestamptz[], $2::timestamptz[]) AS k(as_of, stored_at)"
               " JOIN superseded_option_snapshots s ON s.as_of = k.as_of"
               "  AND s.stored_at = k.stored_at AND s.underlying_id = $3 AND s.contract_id = $4",
               params, deadline));
    take(rows);
    std::ranges::sort(series.points, {}, &ContractPoint::as_of);
  }
  BF_CHECK(connection->query("COMMIT", deadline));
  return series;
}

Result<Series<StoredConditions>> Queries::conditions_series(std::string_view underlying,
                                                            Instant from, Instant to,
                                                            Known known_at, Deadline deadline) {
  Series<StoredConditions> series;
  std::vector<KnownRun> runs;
  {
    BF_TRY(const auto connection, impl_->pool.lease(deadline));
    BF_TRY(const auto found, impl_->find(*connection, underlying, known_at, deadline));
    if (!found) return series;
    BF_TRY(runs, known_runs(*connection, underlying, *found, from, to, known_at, deadline));
  }
  series.gaps = gaps_of(runs);
  BF_TRY(auto stored, impl_->history.market_conditions(underlying, from, to, deadline));
  // Conditions come with the first snapshot of their cycle; a cycle that was not known by then, or
  // only as missed, had none.
  std::size_t run = 0;
  for (auto& point : stored) {
    while (run < runs.size() && runs[run].run.as_of < point.as_of) ++run;
    if (run == runs.size() || runs[run].run.as_of != point.as_of) continue;
    if (runs[run].run.status != RunStatus::missed) series.points.push_back(std::move(point));
  }
  return series;
}

Result<Kept<StoredChange>> Queries::largest_changes(const ChangeFilter& filter, Known known_at,
                                                    Deadline deadline) {
  Kept<StoredChange> changes;
  if (filter.limit < 0 || !(filter.at_least >= 0)) {
    return fail(Errc::invalid_input, "a limit or a smallest size below zero");
  }
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto ids, impl_->ids(*connection, filter.underlying, deadline));
  BF_CHECK(settle(*connection, known_at, ids, deadline));
  BF_TRY(changes.emptied_before,
         emptied_before(*connection, ids, filter.from, filter.to, deadline));
  std::optional<std::int16_t> kind;
  if (filter.kind) kind = static_cast<std::int16_t>(*filter.kind);
  pg::Params params;
  params.add(std::span<const std::int32_t>(ids))
      .add(filter.from)
      .add(filter.to)
      .add(kind)
      .add(filter.at_least)
      .add(static_cast<std::int32_t>(filter.limit))
      .add(horizon(known_at));
  BF_TRY(const auto rows,
         connection->query(
             "SELECT h.as_of, h.kind, h.previous, h.current, c.trading_class, c.expiry, c.strike,"
             " c.\"right\", c.multiplier, u.symbol FROM option_changes h"
             " JOIN contracts c ON c.contract_id = h.contract_id"
             " JOIN underlyings u ON u.underlying_id = h.underlying_id"
             " WHERE h.underlying_id = ANY($1) AND h.as_of BETWEEN $2 AND $3"
             " AND ($4::int2 IS NULL OR h.kind = $4)"
             " AND ($5 = 0 OR abs(h.current - h.previous) >= $5)"
             // Found with the first snapshot of their cycle; known since then.
             " AND (EXISTS (SELECT FROM collection_runs r WHERE r.underlying_id = h.underlying_id"
             "   AND r.as_of = h.as_of AND r.status IN (1, 2) AND r.stored_at <= $7)"
             "  OR EXISTS (SELECT FROM superseded_runs r WHERE r.underlying_id = h.underlying_id"
             "   AND r.as_of = h.as_of AND r.status IN (1, 2) AND r.stored_at <= $7))"
             " ORDER BY abs(h.current - h.previous) DESC NULLS LAST, h.as_of DESC, h.contract_id,"
             " h.kind LIMIT $6",
             params, deadline));
  for (int row = 0; row < rows.size(); ++row) {
    changes.push_back({rows.instant(row, 0),
                       {rows::read_contract(rows, row, 4, rows.text(row, 9)),
                        static_cast<ChangeKind>(rows.integer(row, 1)), rows.find_real(row, 2),
                        rows.find_real(row, 3)}});
  }
  return changes;
}

Result<Kept<OpenInterestChange>> Queries::top_open_interest_changes(core::Date day, int limit,
                                                                    Known known_at,
                                                                    Deadline deadline) {
  Kept<OpenInterestChange> changes;
  if (limit < 0) return fail(Errc::invalid_input, "a limit below zero");
  const auto start = core::from_exchange_time(day, std::chrono::seconds{0});
  const auto end = core::from_exchange_time(day + std::chrono::days{1}, std::chrono::seconds{0});
  const auto reach = core::from_exchange_time(day - open_interest_reach, std::chrono::seconds{0});
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto ids, impl_->ids(*connection, std::nullopt, deadline));
  BF_CHECK(settle(*connection, known_at, ids, deadline));
  // One state of the database for the ledger and the quotes: a correction may come in between.
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  // Which two snapshots of each underlying: from the ledger, so that the facts are asked for by
  // their key.
  pg::Params params;
  params.add(std::span<const std::int32_t>(ids))
      .add(reach)
      .add(end - std::chrono::microseconds{1})
      .add(horizon(known_at))
      .add(start);
  BF_TRY(const auto runs,
         connection->query(
             "SELECT DISTINCT ON (r.underlying_id, r.as_of >= $5) r.underlying_id, r.as_of,"
             " r.stored_at, r.superseded, r.as_of >= $5 FROM " BIFROST_KNOWN_RUNS(
                 "underlying_id = ANY($1) AND as_of BETWEEN $2 AND $3 AND status IN (1, 2)",
                 "$4") " ORDER BY r.underlying_id, r.as_of >= $5, r.as_of DESC",
             params, deadline));
  std::vector<std::int32_t> found;
  std::vector<Instant> before;
  std::vector<Instant> now;
  std::vector<std::optional<Instant>> before_version;
  std::vector<std::optional<Instant>> now_version;
  for (int row = 0; row + 1 < runs.size(); ++row) {
    const bool pair = runs.integer(row, 0) == runs.integer(row + 1, 0);
    if (!pair) continue;  // nothing on the day, or nothing before it
    const auto version = [&](int of) {
      return runs.boolean(of, 3) ? std::optional(runs.instant(of, 2)) : std::nullopt;
    };
    found.push_back(static_cast<std::int32_t>(runs.integer(row, 0)));
    before.push_back(runs.instant(row, 1));
    before_version.push_back(version(row));
    now.push_back(runs.instant(row + 1, 1));
    now_version.push_back(version(row + 1));
    ++row;
  }
  if (found.empty()) return changes;
  BF_TRY(changes.emptied_before,
         emptied_before(*connection, found, *std::ranges::min_element(before),
                        *std::ranges::max_element(now), deadline));
  pg::Params keys;
  keys.add(std::span<const std::int32_t>(found))
      .add(std::span<const Instant>(before))
      .add(std::span<const Instant>(now))
      .add(std::span<const std::optional<Instant>>(before_version))
      .add(std::span<const std::optional<Instant>>(now_version))
      .add(*std::ranges::min_element(before))
      .add(*std::ranges::max_element(before))
      .add(*std::ranges::min_element(now))
      .add(*std::ranges::max_element(now))
      .add(static_cast<std::int32_t>(limit));
  // The bounds keep the planner to the partitions of the two days.
#define BIFROST_OPEN_INTEREST(as_of, version, low, high)                                       \
  "(SELECT contract_id, open_interest FROM option_snapshots f WHERE " version                  \
  " IS NULL AND f.as_of = " as_of " AND f.underlying_id = k.underlying_id AND f.as_of >= " low \
  " AND f.as_of <= " high                                                                      \
  " UNION ALL SELECT contract_id, open_interest FROM superseded_option_snapshots f"            \
  " WHERE f.stored_at = " version " AND f.as_of = " as_of                                      \
  " AND f.underlying_id = k.underlying_id)"
  BF_TRY(
      const auto rows,
      connection->query(
          "SELECT c.trading_class, c.expiry, c.strike, c.\"right\", c.multiplier, u.symbol,"
          " k.before, k.now, m.before, m.now"
          " FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[],"
          "  $5::timestamptz[]) AS k(underlying_id, before, now, before_version, now_version)"
          " CROSS JOIN LATERAL (SELECT contract_id, b.open_interest AS before,"
          "  n.open_interest AS now FROM " BIFROST_OPEN_INTEREST(
              "k.now", "k.now_version", "$8",
              "$9") " n JOIN " BIFROST_OPEN_INTEREST("k.before", "k.before_version", "$6",
                                                     "$7") " b USING (contract_id)"
                                                           "  WHERE b.open_interest <> "
                                                           "n.open_interest) m"
                                                           " JOIN contracts c USING (contract_id)"
                                                           " JOIN underlyings u ON u.underlying_id "
                                                           "= k.underlying_id"
                                                           " ORDER BY abs(m.now::int8 - m.before) "
                                                           "DESC, u.symbol COLLATE \"C\", c.expiry,"
                                                           " c.trading_class COLLATE \"C\", "
                                                           "c.strike, c.\"right\", c.multiplier "
                                                           "LIMIT $10",
          keys, deadline));
#undef BIFROST_OPEN_INTEREST
  BF_CHECK(connection->query("COMMIT", deadline));
  for (int row = 0; row < rows.size(); ++row) {
    changes.push_back({rows::read_contract(rows, row, 0, rows.text(row, 5)), rows.instant(row, 6),
                       rows.instant(row, 7), rows.integer(row, 8), rows.integer(row, 9)});
  }
  return changes;
}

Result<std::vector<IvRankDay>> Queries::iv_rank_history(std::span<const std::string> underlyings,
                                                        DailyOrigin origin, core::Date first,
                                                        core::Date last, Deadline deadline) {
  std::vector<IvRankDay> days;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  std::map<std::int32_t, std::size_t> places;
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < underlyings.size(); ++i) {
    BF_TRY(const auto found,
           impl_->catalogue.find_underlying(*connection, underlyings[i], deadline));
    if (found && places.emplace(found->id, i).second) ids.push_back(found->id);
  }
  pg::Params params;
  params.add(std::span<const std::int32_t>(ids)).add(to_string(origin)).add(first).add(last);
  BF_TRY(const auto rows,
         connection->query("SELECT underlying_id, day, implied_vol_30d_close, iv_rank,"
                           " iv_percentile, iv_rank_n FROM underlying_daily"
                           " WHERE underlying_id = ANY($1) AND origin = $2"
                           " AND day BETWEEN $3 AND $4 AND implied_vol_30d_close IS NOT NULL",
                           params, deadline));
  days.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    days.push_back({places.at(static_cast<std::int32_t>(rows.integer(row, 0))), rows.date(row, 1),
                    rows.real(row, 2), rows.find_real(row, 3), rows.find_real(row, 4),
                    rows.integer(row, 5)});
  }
  std::ranges::sort(days, {},
                    [](const IvRankDay& one) { return std::tie(one.underlying, one.day); });
  return days;
}

}  // namespace bifrost::store
