// SPDX-License-Identifier: Apache-2.0
#include "rollups.hpp"

#include <fmt/core.h>

#include "bifrost/core/calendar.hpp"

namespace bifrost::store {
namespace {

using core::Date;
using core::Deadline;
using core::Instant;
using core::Result;
using std::chrono::days;

// Parameters of all: $1 underlying, $2 day, $3 and $4 its instants. Simulated cycles count only on
// a day that has no others.
#define BIFROST_CYCLES_OF_THE_DAY                                                                  \
  "cycles AS (SELECT r.as_of, r.source, r.underlying_price, row_number() OVER (ORDER BY r.as_of) " \
  "AS at"                                                                                          \
  " FROM collection_runs r WHERE r.underlying_id = $1 AND r.as_of >= $3 AND r.as_of < $4"          \
  " AND r.status IN (1, 2) AND (r.source <> 'simulated' OR NOT EXISTS (SELECT"                     \
  "  FROM collection_runs o WHERE o.underlying_id = $1 AND o.as_of >= $3 AND o.as_of < $4"         \
  "  AND o.status IN (1, 2) AND o.source <> 'simulated')))"

// $5: the trading day before.
constexpr auto insert_options =
    // The first and last of each kind is the second half of a pair that begins with the number of
    // its cycle: one pass, no sort.
    "WITH " BIFROST_CYCLES_OF_THE_DAY
    ", quotes AS (SELECT s.contract_id, s.as_of, c.at,"
    "  CASE WHEN s.bid >= 0 AND s.ask > 0 AND s.ask >= s.bid THEN s.bid::int8 + s.ask END AS sides,"
    "  CASE WHEN s.bid >= 0 AND s.ask > 0 AND s.ask >= s.bid THEN s.ask::int8 - s.bid END AS "
    "spread,"
    "  s.implied_vol, s.volume, s.open_interest"
    // From cycle to cycle along the key, not through what all other underlyings have of the day.
    "  FROM option_snapshots s JOIN cycles c ON c.as_of = s.as_of"
    "  WHERE s.as_of = ANY (ARRAY(SELECT as_of FROM cycles)) AND s.underlying_id = $1"
    "  AND s.as_of >= $3 AND s.as_of < $4),"
    " contracts_of_the_day AS (SELECT contract_id,"
    "  (min(ARRAY[at, sides]) FILTER (WHERE sides IS NOT NULL))[2] AS mid_open,"
    "  max(sides) AS mid_high, min(sides) AS mid_low,"
    "  (max(ARRAY[at, sides]) FILTER (WHERE sides IS NOT NULL))[2] AS mid_close,"
    "  sum(spread) AS spreads, count(sides)::int4 AS n,"
    "  coalesce(max(as_of) FILTER (WHERE sides IS NOT NULL), max(as_of)) AS close_as_of,"
    // Of close_as_of, missing or not.
    "  (coalesce(max(ARRAY[at, implied_vol]) FILTER (WHERE sides IS NOT NULL),"
    "   max(ARRAY[at, implied_vol])))[2]::int4 AS implied_vol_close,"
    "  (max(ARRAY[at, volume]) FILTER (WHERE volume IS NOT NULL))[2]::int4 AS volume,"
    "  (max(ARRAY[at, open_interest]) FILTER (WHERE open_interest IS NOT NULL))[2]::int4"
    "   AS open_interest"
    "  FROM quotes GROUP BY contract_id)"
    " INSERT INTO option_daily (day, underlying_id, contract_id, mid_open, mid_high, mid_low,"
    " mid_close, average_spread, n, close_as_of, implied_vol_close, volume, open_interest,"
    " open_interest_change)"
    " SELECT $2, $1, d.contract_id, d.mid_open / (2 * d.scale), d.mid_high / (2 * d.scale),"
    "  d.mid_low / (2 * d.scale), d.mid_close / (2 * d.scale),"
    "  d.spreads::float8 / (nullif(d.n, 0)::float8 * d.scale), d.n, d.close_as_of,"
    "  d.implied_vol_close, d.volume, d.open_interest, d.open_interest::int8 - b.open_interest"
    " FROM (SELECT *, (SELECT price_scale::float8 FROM underlyings WHERE underlying_id = $1)"
    "  AS scale FROM contracts_of_the_day) d"
    " LEFT JOIN option_daily b ON b.day = $5 AND b.underlying_id = $1"
    "  AND b.contract_id = d.contract_id";

constexpr auto insert_underlying =
    "WITH " BIFROST_CYCLES_OF_THE_DAY
    ", everything AS (SELECT sum(received)::int8 AS received, max(stored_at) AS stored_at"
    "  FROM collection_runs WHERE underlying_id = $1 AND as_of >= $3 AND as_of < $4"
    "  AND status IN (1, 2)),"
    " price AS (SELECT count(*)::int4 AS n, string_agg(DISTINCT source, ',' ORDER BY source)"
    "   AS source, max(underlying_price) AS high, min(underlying_price) AS low,"
    "  min(as_of) FILTER (WHERE underlying_price IS NOT NULL) AS open_at,"
    "  max(as_of) FILTER (WHERE underlying_price IS NOT NULL) AS close_at FROM cycles),"
    // What the broker says of the past is of another origin.
    " conditions AS (SELECT m.as_of, m.implied_vol_30d, m.skew_25_delta, m.term_slope,"
    "  CASE WHEN m.historical_vol_source IS DISTINCT FROM 'broker' THEN m.historical_vol_20d END"
    "   AS historical_vol_20d,"
    "  CASE WHEN m.historical_vol_source IS DISTINCT FROM 'broker' THEN m.historical_vol_30d END"
    "   AS historical_vol_30d"
    "  FROM market_conditions m JOIN cycles c ON c.as_of = m.as_of"
    "  WHERE m.underlying_id = $1 AND m.as_of >= $3 AND m.as_of < $4),"
    " vol AS (SELECT max(implied_vol_30d) AS high, min(implied_vol_30d) AS low,"
    "  min(as_of) FILTER (WHERE implied_vol_30d IS NOT NULL) AS open_at,"
    "  max(as_of) FILTER (WHERE implied_vol_30d IS NOT NULL) AS close_at,"
    "  max(as_of) FILTER (WHERE historical_vol_20d IS NOT NULL OR historical_vol_30d IS NOT NULL)"
    "   AS historical_at"
    "  FROM conditions),"
    " options AS (SELECT sum(d.volume) FILTER (WHERE c.\"right\" = 'P') AS put_volume,"
    "  sum(d.volume) FILTER (WHERE c.\"right\" = 'C') AS call_volume,"
    "  sum(d.open_interest) FILTER (WHERE c.\"right\" = 'P') AS put_open_interest,"
    "  sum(d.open_interest) FILTER (WHERE c.\"right\" = 'C') AS call_open_interest"
    "  FROM option_daily d JOIN contracts c ON c.contract_id = d.contract_id"
    "  WHERE d.day = $2 AND d.underlying_id = $1)"
    " INSERT INTO underlying_daily AS u (underlying_id, day, origin, source, open, high, low, "
    "close,"
    " close_as_of, implied_vol_30d_open, implied_vol_30d_high, implied_vol_30d_low,"
    " implied_vol_30d_close, implied_vol_30d_close_as_of, historical_vol_20d,"
    " historical_vol_30d, put_volume,"
    " call_volume, put_open_interest, call_open_interest, skew_25_delta, term_slope, n, received,"
    " ledger_stored_at)"
    " SELECT $1, $2, 'snapshots', p.source, po.underlying_price, p.high, p.low,"
    "  pc.underlying_price, p.close_at, vo.implied_vol_30d, v.high, v.low, vc.implied_vol_30d,"
    "  v.close_at, vh.historical_vol_20d, vh.historical_vol_30d, o.put_volume, o.call_volume, "
    "o.put_open_interest,"
    "  o.call_open_interest, vc.skew_25_delta, vc.term_slope, p.n, e.received, e.stored_at"
    " FROM price p CROSS JOIN everything e CROSS JOIN vol v CROSS JOIN options o"
    " LEFT JOIN cycles po ON po.as_of = p.open_at LEFT JOIN cycles pc ON pc.as_of = p.close_at"
    " LEFT JOIN conditions vo ON vo.as_of = v.open_at"
    " LEFT JOIN conditions vc ON vc.as_of = v.close_at"
    " LEFT JOIN conditions vh ON vh.as_of = v.historical_at"
    " ON CONFLICT (underlying_id, day, origin) DO UPDATE SET source = EXCLUDED.source,"
    " open = EXCLUDED.open, high = EXCLUDED.high, low = EXCLUDED.low, close = EXCLUDED.close,"
    " close_as_of = EXCLUDED.close_as_of, implied_vol_30d_open = EXCLUDED.implied_vol_30d_open,"
    " implied_vol_30d_high = EXCLUDED.implied_vol_30d_high,"
    " implied_vol_30d_low = EXCLUDED.implied_vol_30d_low,"
    " implied_vol_30d_close = EXCLUDED.implied_vol_30d_close,"
    " implied_vol_30d_close_as_of = EXCLUDED.implied_vol_30d_close_as_of,"
    " historical_vol_20d = EXCLUDED.historical_vol_20d,"
    " historical_vol_30d = EXCLUDED.historical_vol_30d,"
    " put_volume = EXCLUDED.put_volume, call_volume = EXCLUDED.call_volume,"
    " put_open_interest = EXCLUDED.put_open_interest,"
    " call_open_interest = EXCLUDED.call_open_interest, skew_25_delta = EXCLUDED.skew_25_delta,"
    " term_slope = EXCLUDED.term_slope, n = EXCLUDED.n, received = EXCLUDED.received,"
    " ledger_stored_at = EXCLUDED.ledger_stored_at, stored_at = now()";

/// open_interest_change of a day, whose trading day before is another.
Result<void> compare_open_interest(pg::Connection& connection, std::int32_t underlying_id, Date day,
                                   Date before, Deadline deadline) {
  BF_CHECK(connection.query(
      "UPDATE option_daily d SET open_interest_change = x.change FROM (SELECT t.contract_id,"
      "  t.open_interest::int8 - b.open_interest AS change FROM option_daily t"
      "  LEFT JOIN option_daily b ON b.day = $3 AND b.underlying_id = $1"
      "   AND b.contract_id = t.contract_id"
      "  WHERE t.day = $2 AND t.underlying_id = $1) x"
      " WHERE d.day = $2 AND d.underlying_id = $1 AND d.contract_id = x.contract_id"
      " AND d.open_interest_change IS DISTINCT FROM x.change",
      pg::Params{}.add(underlying_id).add(day).add(before), deadline));
  return {};
}

Result<bool> dropped_by_retention(pg::Connection& connection, Date day, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query("SELECT coalesce($1 < quotes_kept_from, false) FROM db_info",
                          pg::Params{}.add(bounds_of(day).from), deadline));
  return rows.size() > 0 && rows.boolean(0, 0);
}

}  // namespace

DayBounds bounds_of(Date day) {
  return {core::from_exchange_time(day, std::chrono::seconds{0}),
          core::from_exchange_time(day + days{1}, std::chrono::seconds{0})};
}

Result<std::vector<UnderlyingAndDay>> days_written(pg::Connection& connection,
                                                   std::optional<Instant> stored_since,
                                                   std::optional<Date> after_day, Date last,
                                                   Deadline deadline) {
  std::optional<Instant> as_of_from;
  if (after_day) as_of_from = bounds_of(*after_day).before;
  BF_TRY(const auto rows,
         connection.query(
             "SELECT DISTINCT (as_of AT TIME ZONE 'America/New_York')::date, underlying_id"
             " FROM collection_runs WHERE as_of < $1 AND status IN (1, 2)"
             " AND ($2::timestamptz IS NULL OR stored_at >= $2 OR as_of >= $3) ORDER BY 1, 2",
             pg::Params{}.add(bounds_of(last).before).add(stored_since).add(as_of_from), deadline));
  std::vector<UnderlyingAndDay> written;
  written.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    written.push_back({static_cast<std::int32_t>(rows.integer(row, 1)), rows.date(row, 0)});
  }
  return written;
}

Result<RollUp> roll_up(pg::Connection& connection, const UnderlyingAndDay& key, Deadline deadline) {
  const auto [from, before] = bounds_of(key.day);
  const auto params = [&] {
    return pg::Params{}.add(key.underlying_id).add(key.day).add(from).add(before);
  };
  // One moment for the ledger and the quotes, whoever is writing meanwhile.
  BF_CHECK(connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ", deadline));
  BF_TRY(
      const auto current,
      connection.query(
          "SELECT EXISTS (SELECT FROM underlying_daily d, (SELECT sum(received)::int8 AS received,"
          "  max(stored_at) AS stored_at FROM collection_runs WHERE underlying_id = $1"
          "  AND as_of >= $3 AND as_of < $4 AND status IN (1, 2)) e"
          " WHERE d.underlying_id = $1 AND d.day = $2 AND d.origin = 'snapshots'"
          " AND d.received = e.received AND d.ledger_stored_at = e.stored_at)",
          params(), deadline));
  RollUp result;
  if (current.boolean(0, 0)) {
    BF_CHECK(connection.run("COMMIT", deadline));
    return result;
  }
  BF_TRY(const bool dropped, dropped_by_retention(connection, key.day, deadline));
  if (dropped) {
    // Only a day that is there again as a whole, by an import say, may replace what it was.
    BF_TRY(const auto whole,
           connection.query(
               "SELECT (SELECT count(*) FROM option_snapshots WHERE underlying_id = $1"
               "  AND as_of >= $2 AND as_of < $3) = (SELECT coalesce(sum(received), 0)"
               "  FROM collection_runs WHERE underlying_id = $1 AND as_of >= $2 AND as_of < $3"
               "  AND status IN (1, 2))",
               pg::Params{}.add(key.underlying_id).add(from).add(before), deadline));
    if (!whole.boolean(0, 0)) {
      BF_CHECK(connection.run("COMMIT", deadline));
      result.what = RolledUp::no_quotes;
      return result;
    }
  }
  BF_CHECK(connection.query("DELETE FROM option_daily WHERE underlying_id = $1 AND day = $2",
                            pg::Params{}.add(key.underlying_id).add(key.day), deadline));
  // The day and the one before are too new for statistics, which have them as a row or two: loops
  // in loops over all contracts look free to the planner then. Neither statement needs a loop.
  BF_CHECK(
      connection.run("SET LOCAL enable_nestloop = off; SELECT set_config('work_mem', '64MB', true)"
                     " WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')",
                     deadline));
  BF_TRY(const auto options,
         connection.query(insert_options, params().add(core::previous_trading_day(key.day)),
                          deadline));
  const auto next = core::next_trading_day(key.day);
  if (core::previous_trading_day(next) == key.day)
    BF_CHECK(compare_open_interest(connection, key.underlying_id, next, key.day, deadline));
  BF_CHECK(connection.run("SET LOCAL enable_nestloop = DEFAULT; SET LOCAL work_mem = DEFAULT",
                          deadline));
  BF_CHECK(connection.query(insert_underlying, params(), deadline));
  BF_CHECK(
      refresh_iv_ranks(connection, key.underlying_id, "snapshots", key.day, key.day, deadline));
  BF_CHECK(connection.run("COMMIT", deadline));
  return RollUp{RolledUp::done, options.affected()};
}

Result<std::optional<Date>> first_day_not_rolled_up(pg::Connection& connection,
                                                    std::string_view table, bool hypertable,
                                                    Instant before, Deadline deadline) {
  // From cycle to cycle along the key: a partition is locked meanwhile, and its rows are millions.
  // The chunks of a hypertable may be compressed, and are read through.
  const auto cycles =
      hypertable
          ? fmt::format("SELECT DISTINCT as_of, underlying_id FROM {0} WHERE as_of < $1", table)
          : fmt::format(
                "(SELECT as_of, underlying_id FROM {0} WHERE as_of < $1 ORDER BY 1, 2 LIMIT 1)"
                " UNION ALL SELECT n.as_of, n.underlying_id FROM cycles c CROSS JOIN LATERAL ("
                "SELECT s.as_of, s.underlying_id FROM {0} s WHERE s.as_of < $1"
                " AND (s.as_of, s.underlying_id) > (c.as_of, c.underlying_id)"
                " ORDER BY 1, 2 LIMIT 1) n",
                table);
  const auto sql = fmt::format(
      "WITH RECURSIVE cycles AS ({}), days AS (SELECT underlying_id, day,"
      "  day::timestamp AT TIME ZONE 'America/New_York' AS first,"
      "  (day + 1)::timestamp AT TIME ZONE 'America/New_York' AS next FROM (SELECT DISTINCT"
      "   underlying_id, (as_of AT TIME ZONE 'America/New_York')::date AS day FROM cycles) c)"
      " SELECT min(k.day) FROM days k CROSS JOIN LATERAL (SELECT sum(r.received)::int8 AS received,"
      "   max(r.stored_at) AS stored_at FROM collection_runs r"
      "   WHERE r.underlying_id = k.underlying_id AND r.as_of >= k.first AND r.as_of < k.next"
      "   AND r.status IN (1, 2)) w"
      " LEFT JOIN underlying_daily d ON d.underlying_id = k.underlying_id AND d.day = k.day"
      "  AND d.origin = 'snapshots'"
      " WHERE d.day IS NULL OR ((d.received IS DISTINCT FROM w.received"
      "  OR d.ledger_stored_at IS DISTINCT FROM w.stored_at) AND w.received = (SELECT count(*)"
      "   FROM option_snapshots s WHERE s.underlying_id = k.underlying_id AND s.as_of >= k.first"
      "   AND s.as_of < k.next))",
      cycles);
  BF_TRY(const auto rows, connection.query(sql.c_str(), pg::Params{}.add(before), deadline));
  if (rows.missing(0, 0)) return std::nullopt;
  return rows.date(0, 0);
}

Result<std::optional<RowCheck>> check_rows(pg::Connection& connection, Date day,
                                           Deadline deadline) {
  const auto [from, before] = bounds_of(day);
  BF_CHECK(connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ", deadline));
  BF_TRY(const bool dropped, dropped_by_retention(connection, day, deadline));
  if (dropped) {
    BF_CHECK(connection.run("COMMIT", deadline));
    return std::nullopt;
  }
  BF_CHECK(connection.query("DELETE FROM row_check_mismatches WHERE day = $1",
                            pg::Params{}.add(day), deadline));
  BF_TRY(const auto rows,
         connection.query(
             "WITH found AS (SELECT underlying_id, as_of, count(*) AS n FROM option_snapshots"
             "  WHERE as_of >= $2 AND as_of < $3 GROUP BY 1, 2),"
             " told AS (SELECT underlying_id, as_of, received FROM collection_runs"
             "  WHERE as_of >= $2 AND as_of < $3 AND status IN (1, 2)),"
             " both_sides AS (SELECT underlying_id, as_of, received, coalesce(n, 0) AS n"
             "  FROM told FULL JOIN found USING (underlying_id, as_of)),"
             " wrong AS (INSERT INTO row_check_mismatches (underlying_id, as_of, day, received,"
             "  found) SELECT underlying_id, as_of, $1, received, n FROM both_sides"
             "  WHERE received IS DISTINCT FROM n RETURNING 1)"
             " INSERT INTO row_checks AS c (day, cycles, rows, mismatches)"
             " SELECT $1, (SELECT count(*) FROM told), (SELECT coalesce(sum(n), 0) FROM found),"
             "  (SELECT count(*) FROM wrong)"
             " ON CONFLICT (day) DO UPDATE SET cycles = EXCLUDED.cycles, rows = EXCLUDED.rows,"
             " mismatches = EXCLUDED.mismatches, checked_at = now() RETURNING cycles, mismatches",
             pg::Params{}.add(day).add(from).add(before), deadline));
  BF_CHECK(connection.run("COMMIT", deadline));
  return RowCheck{rows.integer(0, 0), rows.integer(0, 1)};
}

}  // namespace bifrost::store
