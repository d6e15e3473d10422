// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/daily.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "catalogue.hpp"
#include "rollups.hpp"
#include "stored_rows.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Date;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

// Read by read_day in this order.
#define BIFROST_DAY_COLUMNS                                                                      \
  "d.day, d.origin, d.source, d.open, d.high, d.low, d.close, d.close_as_of, "                   \
  "d.implied_vol_30d_open, d.implied_vol_30d_high, d.implied_vol_30d_low, "                      \
  "d.implied_vol_30d_close, d.implied_vol_30d_close_as_of, d.historical_vol_20d, "               \
  "d.historical_vol_30d, d.iv_rank, d.iv_percentile, d.iv_rank_n, d.put_volume, d.call_volume, " \
  "d.put_open_interest, d.call_open_interest, d.skew_25_delta, d.term_slope, d.n"
// Read by read_option_day in this order.
#define BIFROST_OPTION_DAY_COLUMNS                                                                \
  "o.day, o.mid_open, o.mid_high, o.mid_low, o.mid_close, o.average_spread, o.n, o.close_as_of, " \
  "o.implied_vol_close, o.volume, o.open_interest, o.open_interest_change"

Result<UnderlyingDay> read_day(const pg::Rows& rows, int row, std::int64_t price_scale) {
  const auto price = [&](int column) { return rows::read_price(rows, row, column, price_scale); };
  UnderlyingDay day;
  day.day = rows.date(row, 0);
  const auto origin = parse_daily_origin(rows.text(row, 1));
  if (!origin)
    return fail(Errc::corrupt_data,
                fmt::format("a day of an unknown origin on {}", core::to_iso_date(day.day)));
  day.origin = *origin;
  day.source = rows.text(row, 2);
  day.open = price(3);
  day.high = price(4);
  day.low = price(5);
  day.close = price(6);
  day.close_as_of = rows.find_instant(row, 7);
  day.implied_vol_30d_open = rows.find_real(row, 8);
  day.implied_vol_30d_high = rows.find_real(row, 9);
  day.implied_vol_30d_low = rows.find_real(row, 10);
  day.implied_vol_30d_close = rows.find_real(row, 11);
  day.implied_vol_30d_close_as_of = rows.find_instant(row, 12);
  day.historical_vol_20d = rows.find_real(row, 13);
  day.historical_vol_30d = rows.find_real(row, 14);
  day.iv_rank = rows.find_real(row, 15);
  day.iv_percentile = rows.find_real(row, 16);
  day.iv_rank_n = rows.integer(row, 17);
  day.put_volume = rows.find_integer(row, 18);
  day.call_volume = rows.find_integer(row, 19);
  day.put_open_interest = rows.find_integer(row, 20);
  day.call_open_interest = rows.find_integer(row, 21);
  day.skew_25_delta = rows.find_real(row, 22);
  day.term_slope = rows.find_real(row, 23);
  day.n = rows.integer(row, 24);
  return day;
}

OptionDay read_option_day(const pg::Rows& rows, int row, core::OptionContract contract) {
  OptionDay day;
  day.day = rows.date(row, 0);
  day.contract = std::move(contract);
  day.mid_open = rows.find_real(row, 1);
  day.mid_high = rows.find_real(row, 2);
  day.mid_low = rows.find_real(row, 3);
  day.mid_close = rows.find_real(row, 4);
  day.average_spread = rows.find_real(row, 5);
  day.n = rows.integer(row, 6);
  day.close_as_of = rows.instant(row, 7);
  day.implied_vol_close = rows::read_real(rows, row, 8, units::implied_vol);
  day.volume = rows.find_integer(row, 9);
  day.open_interest = rows.find_integer(row, 10);
  day.open_interest_change = rows.find_integer(row, 11);
  return day;
}

Result<void> check(std::string_view underlying, std::span<const UnderlyingDay> days) {
  const auto refuse = [&](const UnderlyingDay& day, std::string_view why) {
    return fail(Errc::invalid_input,
                fmt::format("day {} of {}: {}", core::to_iso_date(day.day), underlying, why));
  };
  if (!core::is_symbol(underlying))
    return fail(Errc::invalid_input, "days of something that is no symbol");
  std::set<std::pair<Date, DailyOrigin>> seen;
  for (const auto& day : days) {
    if (day.day < Date{std::chrono::year{1970} / 1 / 1} ||
        day.day >= Date{std::chrono::year{2200} / 1 / 1}) {
      return refuse(day, "not in 1970 to 2199");
    }
    if (!seen.emplace(day.day, day.origin).second) return refuse(day, "is there twice");
    if (day.source.empty()) return refuse(day, "has no source");
    for (const auto* value :
         {&day.implied_vol_30d_open, &day.implied_vol_30d_high, &day.implied_vol_30d_low,
          &day.implied_vol_30d_close, &day.historical_vol_20d, &day.historical_vol_30d,
          &day.skew_25_delta, &day.term_slope}) {
      if (*value && !std::isfinite(**value)) return refuse(day, "a value that is not finite");
    }
  }
  return {};
}

/// One array per column, as unnest takes them.
struct Columns {
  std::vector<Date> day;
  std::vector<std::string> source;
  std::vector<std::optional<std::int64_t>> integers[9];  // open high low close, volumes, OIs, n
  std::vector<std::optional<Instant>> instants[2];
  std::vector<std::optional<double>> reals[8];
};

Result<Columns> columns_of(std::string_view underlying, std::span<const UnderlyingDay> days,
                           DailyOrigin origin, std::int64_t price_scale) {
  Columns columns;
  for (const auto& day : days) {
    if (day.origin != origin) continue;
    columns.day.push_back(day.day);
    columns.source.push_back(day.source);
    int i = 0;
    for (const auto* price : {&day.open, &day.high, &day.low, &day.close}) {
      std::optional<std::int64_t> stored;
      if (*price) {
        stored = units::encode_wide_price(**price, price_scale);
        if (!stored) {
          return fail(Errc::invalid_input,
                      fmt::format("day {} of {}: the price {} is finer than 1/{}",
                                  core::to_iso_date(day.day), underlying, (*price)->to_string(),
                                  price_scale));
        }
      }
      columns.integers[i++].push_back(stored);
    }
    for (const auto& count : {day.put_volume, day.call_volume, day.put_open_interest,
                              day.call_open_interest, std::optional(day.n)}) {
      columns.integers[i++].push_back(count);
    }
    columns.instants[0].push_back(day.close_as_of);
    columns.instants[1].push_back(day.implied_vol_30d_close_as_of);
    i = 0;
    for (const auto& real :
         {day.implied_vol_30d_open, day.implied_vol_30d_high, day.implied_vol_30d_low,
          day.implied_vol_30d_close, day.historical_vol_20d, day.historical_vol_30d,
          day.skew_25_delta, day.term_slope}) {
      columns.reals[i++].push_back(real);
    }
  }
  return columns;
}

/// "x = CASE WHEN same THEN coalesce(given, kept) ELSE given END" for each column.
std::string merge(std::initializer_list<std::string_view> columns) {
  std::string sql;
  for (const auto column : columns) {
    sql += fmt::format(
        ", {0} = CASE WHEN d.source = EXCLUDED.source THEN coalesce(EXCLUDED.{0}, d.{0})"
        " ELSE EXCLUDED.{0} END",
        column);
  }
  return sql;
}

const std::string& upsert_sql() {
  static const std::string sql =
      "INSERT INTO underlying_daily AS d (underlying_id, origin, day, source, open, high, low,"
      " close, put_volume, call_volume, put_open_interest, call_open_interest, n, close_as_of,"
      " implied_vol_30d_close_as_of, implied_vol_30d_open, implied_vol_30d_high,"
      " implied_vol_30d_low, implied_vol_30d_close, historical_vol_20d, historical_vol_30d,"
      " skew_25_delta, term_slope)"
      " SELECT $1, $2, * FROM unnest($3::date[], $4::text[], $5::int8[], $6::int8[], $7::int8[],"
      " $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[],"
      " $14::timestamptz[], $15::timestamptz[], $16::float8[], $17::float8[], $18::float8[],"
      " $19::float8[], $20::float8[], $21::float8[], $22::float8[], $23::float8[])"
      " ON CONFLICT (underlying_id, day, origin) DO UPDATE SET source = EXCLUDED.source,"
      " n = EXCLUDED.n, received = NULL, ledger_stored_at = NULL, stored_at = now()" +
      merge({"open", "high", "low", "close", "put_volume", "call_volume", "put_open_interest",
             "call_open_interest", "close_as_of", "implied_vol_30d_close_as_of",
             "implied_vol_30d_open", "implied_vol_30d_high", "implied_vol_30d_low",
             "implied_vol_30d_close", "historical_vol_20d", "historical_vol_30d", "skew_25_delta",
             "term_slope"});
  return sql;
}

}  // namespace

std::string_view to_string(DailyOrigin origin) {
  switch (origin) {
    case DailyOrigin::snapshots:
      return "snapshots";
    case DailyOrigin::broker:
      return "broker";
  }
  core::panic("an origin outside its enumeration");
}

std::optional<DailyOrigin> parse_daily_origin(std::string_view text) {
  for (const auto origin : {DailyOrigin::snapshots, DailyOrigin::broker}) {
    if (to_string(origin) == text) return origin;
  }
  return std::nullopt;
}

Result<void> refresh_iv_ranks(pg::Connection& connection, std::int32_t underlying_id,
                              std::string_view origin, Date first, Date last, Deadline deadline) {
  // Simulated days are no history of real ones, nor the other way round.
  BF_CHECK(connection.query(
      "UPDATE underlying_daily d SET iv_rank = r.iv_rank, iv_percentile = r.iv_percentile,"
      " iv_rank_n = r.n"
      " FROM (SELECT t.day, count(e.v) FILTER (WHERE t.v IS NOT NULL)::int4 AS n,"
      "   (t.v - least(t.v, min(e.v)))"
      "    / nullif(greatest(t.v, max(e.v)) - least(t.v, min(e.v)), 0) AS iv_rank,"
      "   count(*) FILTER (WHERE e.v < t.v)::float8"
      "    / nullif(count(e.v) FILTER (WHERE t.v IS NOT NULL), 0) AS iv_percentile"
      "  FROM (SELECT day, implied_vol_30d_close AS v, source = 'simulated' AS simulated"
      "    FROM underlying_daily WHERE underlying_id = $1 AND origin = $2"
      "    AND day BETWEEN $3 AND $4::date + 365) t"
      "  LEFT JOIN LATERAL (SELECT p.implied_vol_30d_close AS v FROM underlying_daily p"
      "    WHERE p.underlying_id = $1 AND p.origin = $2 AND p.day BETWEEN t.day - 365 AND t.day - 1"
      "    AND (p.source = 'simulated') = t.simulated) e ON true"
      "  GROUP BY t.day, t.v) r"
      " WHERE d.underlying_id = $1 AND d.origin = $2 AND d.day = r.day"
      " AND (d.iv_rank, d.iv_percentile, d.iv_rank_n)"
      "  IS DISTINCT FROM (r.iv_rank, r.iv_percentile, r.n)",
      pg::Params{}.add(underlying_id).add(origin).add(first).add(last), deadline));
  return {};
}

struct Daily::Impl {
  explicit Impl(Pool& pool_of_database) : pool(pool_of_database), catalogue(pool_of_database) {}

  Pool& pool;
  Catalogue catalogue;
};

Daily::Daily(Database& database) : impl_(std::make_unique<Impl>(database.pool())) {}
Daily::Daily(Daily&&) noexcept = default;
Daily& Daily::operator=(Daily&&) noexcept = default;
Daily::~Daily() = default;

Result<std::int64_t> Daily::upsert(std::string_view underlying, std::span<const UnderlyingDay> days,
                                   Deadline deadline) {
  BF_CHECK(check(underlying, days));
  if (days.empty()) return 0;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  BF_CHECK(connection->query("BEGIN", deadline));
  std::int64_t entered = 0;
  for (const auto origin : {DailyOrigin::snapshots, DailyOrigin::broker}) {
    BF_TRY(const auto columns, columns_of(underlying, days, origin, found.price_scale));
    if (columns.day.empty()) continue;
    pg::Params params;
    params.add(found.id)
        .add(to_string(origin))
        .add(std::span<const Date>(columns.day))
        .add(std::span<const std::string>(columns.source));
    for (const auto& column : columns.integers)
      params.add(std::span<const std::optional<std::int64_t>>(column));
    for (const auto& column : columns.instants)
      params.add(std::span<const std::optional<Instant>>(column));
    for (const auto& column : columns.reals)
      params.add(std::span<const std::optional<double>>(column));
    BF_TRY(const auto rows, connection->query(upsert_sql().c_str(), params, deadline));
    entered += rows.affected();
    const auto [first, last] = std::ranges::minmax(columns.day);
    BF_CHECK(refresh_iv_ranks(*connection, found.id, to_string(origin), first, last, deadline));
  }
  BF_CHECK(connection->query("COMMIT", deadline));
  return entered;
}

Result<std::vector<UnderlyingDay>> Daily::underlying_days(std::string_view underlying,
                                                          DailyOrigin origin, Date first, Date last,
                                                          Deadline deadline) {
  std::vector<UnderlyingDay> days;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return days;
  BF_TRY(const auto rows,
         connection->query("SELECT " BIFROST_DAY_COLUMNS
                           " FROM underlying_daily d WHERE d.underlying_id = $1 AND d.origin = $2"
                           " AND d.day BETWEEN $3 AND $4 ORDER BY d.day",
                           pg::Params{}.add(found->id).add(to_string(origin)).add(first).add(last),
                           deadline));
  for (int row = 0; row < rows.size(); ++row) {
    BF_TRY(auto day, read_day(rows, row, found->price_scale));
    days.push_back(std::move(day));
  }
  return days;
}

Result<std::optional<UnderlyingDay>> Daily::last_underlying_day(std::string_view underlying,
                                                                DailyOrigin origin, Date last,
                                                                Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::nullopt;
  BF_TRY(const auto rows,
         connection->query("SELECT " BIFROST_DAY_COLUMNS
                           " FROM underlying_daily d WHERE d.underlying_id = $1 AND d.origin = $2"
                           " AND d.day <= $3 ORDER BY d.day DESC LIMIT 1",
                           pg::Params{}.add(found->id).add(to_string(origin)).add(last), deadline));
  if (rows.size() == 0) return std::nullopt;
  BF_TRY(auto day, read_day(rows, 0, found->price_scale));
  return day;
}

Result<std::vector<OptionDay>> Daily::option_days(const core::OptionContract& contract, Date first,
                                                  Date last, Deadline deadline) {
  std::vector<OptionDay> days;
  if (!units::encode_strike(contract.strike)) return days;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found,
         impl_->catalogue.find_underlying(*connection, contract.underlying, deadline));
  if (!found) return days;
  BF_TRY(const auto id, find_contract(*connection, found->id, contract, deadline));
  if (!id) return days;
  // By the list of the underlying's days, so that each is one probe of the key.
  BF_TRY(
      const auto rows,
      connection->query("SELECT " BIFROST_OPTION_DAY_COLUMNS
                        " FROM underlying_daily d JOIN option_daily o ON o.day = d.day"
                        " AND o.underlying_id = d.underlying_id AND o.contract_id = $2"
                        " WHERE d.underlying_id = $1 AND d.origin = 'snapshots'"
                        " AND d.day BETWEEN $3 AND $4 AND o.day BETWEEN $3 AND $4 ORDER BY d.day",
                        pg::Params{}.add(found->id).add(*id).add(first).add(last), deadline));
  for (int row = 0; row < rows.size(); ++row) days.push_back(read_option_day(rows, row, contract));
  return days;
}

Result<std::vector<OptionDay>> Daily::option_days(std::string_view underlying, Date day,
                                                  Deadline deadline) {
  std::vector<OptionDay> days;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return days;
  BF_TRY(const auto rows,
         connection->query("SELECT " BIFROST_OPTION_DAY_COLUMNS
                           ", c.trading_class, c.expiry, c.strike, c.\"right\", c.multiplier"
                           " FROM option_daily o JOIN contracts c ON c.contract_id = o.contract_id"
                           " WHERE o.day = $2 AND o.underlying_id = $1"
                           " ORDER BY c.expiry, c.trading_class, c.strike, c.\"right\","
                           " c.multiplier",
                           pg::Params{}.add(found->id).add(day), deadline));
  for (int row = 0; row < rows.size(); ++row) {
    days.push_back(read_option_day(rows, row, rows::read_contract(rows, row, 12, underlying)));
  }
  return days;
}

}  // namespace bifrost::store
