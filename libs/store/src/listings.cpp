// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/listings.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

#include "catalogue.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Date;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

// What the broker listed so long ago has expired and is nobody's concern any more.
constexpr auto kept_for = std::chrono::days{30};

Result<void> check(std::string_view underlying, const ListedSeries& series) {
  std::vector<core::OptionContract> contracts;
  for (const auto& listed : series.contracts) {
    const auto& c = listed.contract;
    if (c.underlying != underlying || c.trading_class != series.trading_class) {
      return fail(Errc::invalid_input, fmt::format("{} is not of {} {}", core::describe(c),
                                                   underlying, series.trading_class));
    }
    if (!units::encode_strike(c.strike)) {
      return fail(Errc::invalid_input, fmt::format("the strike of {} is negative, too large or "
                                                   "finer than 0.001",
                                                   core::describe(c)));
    }
    contracts.push_back(c);
  }
  std::ranges::sort(contracts);
  if (const auto twice = std::ranges::adjacent_find(contracts); twice != contracts.end()) {
    return fail(Errc::invalid_input, fmt::format("{} is listed twice", core::describe(*twice)));
  }
  return {};
}

ListedContract read_contract(const pg::Rows& rows, int row, std::string_view underlying) {
  ListedContract listed;
  auto& c = listed.contract;
  c.underlying = underlying;
  c.trading_class = rows.text(row, 0);
  c.expiry = rows.date(row, 2);
  c.strike = units::decode_price(rows.integer(row, 3), 1000);
  c.right = rows.text(row, 4) == "C" ? core::Right::call : core::Right::put;
  c.multiplier = static_cast<int>(rows.integer(row, 5));
  listed.con_id = rows.integer(row, 6);
  listed.exchange = rows.text(row, 7);
  listed.currency = rows.text(row, 8);
  listed.last_trade_date = rows.text(row, 9);
  listed.first_seen = rows.instant(row, 10);
  if (!rows.missing(row, 11)) listed.unknown_on = rows.date(row, 11);
  return listed;
}

}  // namespace

struct Listings::Impl {
  explicit Impl(Pool& pool_of_database) : pool(pool_of_database), catalogue(pool_of_database) {}

  Pool& pool;
  Catalogue catalogue;
};

Listings::Listings(Database& database) : impl_(std::make_unique<Impl>(database.pool())) {}
Listings::Listings(Listings&&) noexcept = default;
Listings& Listings::operator=(Listings&&) noexcept = default;
Listings::~Listings() = default;

Result<std::optional<StoredListings>> Listings::load(std::string_view underlying, Date from,
                                                     Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::nullopt;
  // One picture of the three tables, whatever is written meanwhile.
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  BF_TRY(const auto broker,
         connection->query("SELECT simulated, con_id, sec_type, exchange, currency, long_name,"
                           " min_tick, offered_on, offered_at FROM broker_underlyings"
                           " WHERE underlying_id = $1",
                           pg::Params{}.add(found->id), deadline));
  if (broker.size() == 0) {
    BF_CHECK(connection->query("COMMIT", deadline));
    return std::nullopt;
  }
  StoredListings stored;
  stored.underlying = {broker.boolean(0, 0),           broker.integer(0, 1),
                       std::string{broker.text(0, 2)}, std::string{broker.text(0, 3)},
                       std::string{broker.text(0, 4)}, std::string{broker.text(0, 5)},
                       broker.find_real(0, 6)};
  stored.offered_on = broker.date(0, 7);
  stored.offered_at = broker.instant(0, 8);
  BF_TRY(const auto series,
         connection->query("SELECT trading_class, filed, listed_on, strikes_hash FROM listed_series"
                           " WHERE underlying_id = $1 AND filed >= $2"
                           " ORDER BY filed, trading_class COLLATE \"C\"",
                           pg::Params{}.add(found->id).add(from), deadline));
  std::map<std::pair<Date, std::string>, std::size_t> index;
  for (int row = 0; row < series.size(); ++row) {
    ListedSeries one{std::string{series.text(row, 0)}, series.date(row, 1)};
    if (!series.missing(row, 2)) {
      one.listed_on = series.date(row, 2);
      one.strikes_hash = series.integer(row, 3);
    }
    index.emplace(std::pair{one.filed, one.trading_class}, stored.series.size());
    stored.series.push_back(std::move(one));
  }
  BF_TRY(const auto rows,
         connection->query(
             "SELECT l.trading_class, l.filed, l.expiry, l.strike, l.\"right\", l.multiplier,"
             " l.con_id, l.exchange, l.currency, l.last_trade_date, l.first_seen, l.unknown_on"
             " FROM listed_series s JOIN option_listings l"
             " ON l.underlying_id = s.underlying_id AND l.trading_class = s.trading_class"
             " AND l.filed = s.filed AND l.last_seen = s.listed_at"
             " WHERE s.underlying_id = $1 AND s.filed >= $2 AND l.filed >= $2"
             " ORDER BY l.filed, l.trading_class, l.expiry, l.strike, l.\"right\", l.multiplier",
             pg::Params{}.add(found->id).add(from), deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  for (int row = 0; row < rows.size(); ++row) {
    const auto at = index.find({rows.date(row, 1), std::string{rows.text(row, 0)}});
    stored.series[at->second].contracts.push_back(read_contract(rows, row, underlying));
  }
  return stored;
}

Result<std::map<std::string, std::string, std::less<>>> Listings::sec_types(Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto rows, connection->query("SELECT u.symbol, b.sec_type FROM broker_underlyings b"
                                            " JOIN underlyings u USING (underlying_id)",
                                            deadline));
  std::map<std::string, std::string, std::less<>> types;
  for (int row = 0; row < rows.size(); ++row) types.emplace(rows.text(row, 0), rows.text(row, 1));
  return types;
}

Result<void> Listings::save_offer(std::string_view underlying, const BrokerUnderlying& as, Date day,
                                  Instant at, std::span<const ListedSeries> offered,
                                  Deadline deadline) {
  if (!core::is_symbol(underlying))
    return fail(Errc::invalid_input, "an offer of something that is no symbol");
  std::vector<std::string> classes;
  std::vector<Date> dates;
  for (const auto& series : offered) {
    classes.push_back(series.trading_class);
    dates.push_back(series.filed);
  }
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  BF_CHECK(connection->query("BEGIN", deadline));
  const auto id = [&] { return pg::Params{}.add(found.id); };
  // Two collectors of one underlying take turns.
  BF_CHECK(connection->query("SELECT 1 FROM underlyings WHERE underlying_id = $1 FOR NO KEY UPDATE",
                             id(), deadline));
  BF_TRY(const auto other,
         connection->query("SELECT 1 FROM broker_underlyings WHERE underlying_id = $1"
                           " AND simulated <> ($2 = 1)",
                           id().add(std::int16_t{as.simulated}), deadline));
  if (other.size() > 0) {
    BF_CHECK(
        connection->query("DELETE FROM listed_series WHERE underlying_id = $1", id(), deadline));
    BF_CHECK(
        connection->query("DELETE FROM option_listings WHERE underlying_id = $1", id(), deadline));
  }
  BF_CHECK(connection->query(
      "INSERT INTO broker_underlyings (underlying_id, simulated, con_id, sec_type, exchange,"
      " currency, long_name, min_tick, offered_on, offered_at)"
      " VALUES ($1, $2 = 1, $3, $4, $5, $6, $7, $8, $9, $10)"
      " ON CONFLICT (underlying_id) DO UPDATE SET simulated = EXCLUDED.simulated,"
      " con_id = EXCLUDED.con_id, sec_type = EXCLUDED.sec_type, exchange = EXCLUDED.exchange,"
      " currency = EXCLUDED.currency, long_name = EXCLUDED.long_name,"
      " min_tick = EXCLUDED.min_tick, offered_on = EXCLUDED.offered_on,"
      " offered_at = EXCLUDED.offered_at",
      id().add(std::int16_t{as.simulated})
          .add(as.con_id)
          .add(as.sec_type)
          .add(as.exchange)
          .add(as.currency)
          .add(as.long_name)
          .add(as.min_tick)
          .add(day)
          .add(at),
      deadline));
  const auto offer = [&] {
    return id().add(std::span<const std::string>(classes)).add(std::span<const Date>(dates));
  };
  BF_CHECK(connection->query(
      "DELETE FROM listed_series s WHERE underlying_id = $1 AND NOT EXISTS (SELECT FROM"
      " unnest($2::text[], $3::date[]) AS o(trading_class, filed)"
      " WHERE o.trading_class = s.trading_class AND o.filed = s.filed)",
      offer(), deadline));
  BF_CHECK(
      connection->query("INSERT INTO listed_series (underlying_id, trading_class, filed)"
                        " SELECT $1, o.trading_class, o.filed"
                        " FROM unnest($2::text[], $3::date[]) AS o(trading_class, filed)"
                        " ON CONFLICT DO NOTHING",
                        offer(), deadline));
  BF_CHECK(connection->query("DELETE FROM option_listings WHERE underlying_id = $1 AND filed < $2",
                             id().add(day - kept_for), deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return {};
}

Result<void> Listings::save_series(std::string_view underlying, const ListedSeries& series,
                                   Instant at, Deadline deadline) {
  BF_CHECK(check(underlying, series));
  if (!series.listed_on)
    return fail(Errc::invalid_input, "a listing without the trading day it is of");
  std::vector<Date> expiries;
  std::vector<std::int32_t> strikes;
  std::vector<std::string> rights;
  std::vector<std::int32_t> multipliers;
  std::vector<std::int64_t> con_ids;
  std::vector<std::string> exchanges;
  std::vector<std::string> currencies;
  std::vector<std::string> last_trade_dates;
  for (const auto& listed : series.contracts) {
    expiries.push_back(listed.contract.expiry);
    strikes.push_back(*units::encode_strike(listed.contract.strike));
    rights.emplace_back(1, core::to_char(listed.contract.right));
    multipliers.push_back(listed.contract.multiplier);
    con_ids.push_back(listed.con_id);
    exchanges.push_back(listed.exchange);
    currencies.push_back(listed.currency);
    last_trade_dates.push_back(listed.last_trade_date);
  }
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  const auto not_offered = [&] {
    return fail(Errc::not_found,
                fmt::format("{} {} is not in the newest offer of {}", series.trading_class,
                            core::to_iso_date(series.filed), underlying));
  };
  if (!found) return not_offered();
  BF_CHECK(connection->query("BEGIN", deadline));
  BF_TRY(const auto marked,
         connection->query("UPDATE listed_series SET listed_on = $4, listed_at = $5,"
                           " strikes_hash = $6"
                           " WHERE underlying_id = $1 AND trading_class = $2 AND filed = $3",
                           pg::Params{}
                               .add(found->id)
                               .add(series.trading_class)
                               .add(series.filed)
                               .add(*series.listed_on)
                               .add(at)
                               .add(series.strikes_hash),
                           deadline));
  if (marked.affected() == 0) return not_offered();
  // A clock that stands still or was set back must not leave older contracts listed.
  BF_CHECK(connection->query(
      "UPDATE option_listings SET last_seen = $4 - interval '1 microsecond'"
      " WHERE underlying_id = $1 AND trading_class = $2 AND filed = $3"
      " AND last_seen >= $4",
      pg::Params{}.add(found->id).add(series.trading_class).add(series.filed).add(at), deadline));
  BF_CHECK(connection->query(
      "INSERT INTO option_listings (underlying_id, trading_class, filed, expiry, strike,"
      " \"right\", multiplier, con_id, exchange, currency, last_trade_date, first_seen, last_seen)"
      " SELECT $1, $2, $3, k.expiry, k.strike, k.\"right\"::\"char\", k.multiplier, k.con_id,"
      " k.exchange, k.currency, k.last_trade_date, $12, $12"
      " FROM unnest($4::date[], $5::int4[], $6::text[], $7::int4[], $8::int8[], $9::text[],"
      " $10::text[], $11::text[])"
      " AS k(expiry, strike, \"right\", multiplier, con_id, exchange, currency, last_trade_date)"
      " ON CONFLICT (underlying_id, filed, trading_class, expiry, strike, \"right\", multiplier)"
      " DO UPDATE SET con_id = EXCLUDED.con_id, exchange = EXCLUDED.exchange,"
      " currency = EXCLUDED.currency, last_trade_date = EXCLUDED.last_trade_date,"
      " last_seen = EXCLUDED.last_seen, unknown_on = NULL",
      pg::Params{}
          .add(found->id)
          .add(series.trading_class)
          .add(series.filed)
          .add(std::span<const Date>(expiries))
          .add(std::span<const std::int32_t>(strikes))
          .add(std::span<const std::string>(rights))
          .add(std::span<const std::int32_t>(multipliers))
          .add(std::span<const std::int64_t>(con_ids))
          .add(std::span<const std::string>(exchanges))
          .add(std::span<const std::string>(currencies))
          .add(std::span<const std::string>(last_trade_dates))
          .add(at),
      deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return {};
}

Result<void> Listings::save_unknown(std::string_view underlying, Date day,
                                    std::span<const std::int64_t> con_ids, Deadline deadline) {
  if (con_ids.empty()) return {};
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return {};
  BF_CHECK(
      connection->query("UPDATE option_listings SET unknown_on = $2"
                        " WHERE underlying_id = $1 AND con_id = ANY($3::int8[])",
                        pg::Params{}.add(found->id).add(day).add(con_ids), deadline));
  return {};
}

Result<int> Listings::add_version(std::string_view underlying, const UniverseVersion& version,
                                  Deadline deadline) {
  if (!core::is_symbol(underlying))
    return fail(Errc::invalid_input, "a universe of something that is no symbol");
  const auto count = [](std::int64_t value) { return units::encode_count(value).value_or(-1); };
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  BF_TRY(const auto rows,
         connection->query(
             "INSERT INTO universe_versions (underlying_id, day, version, as_of, rule, listed,"
             " chosen, added, removed, fell_back)"
             " SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7, $8, $9 = 1"
             " FROM universe_versions WHERE underlying_id = $1 AND day = $2"
             " RETURNING version",
             pg::Params{}
                 .add(found.id)
                 .add(version.day)
                 .add(version.as_of)
                 .add(version.rule)
                 .add(count(version.listed))
                 .add(count(version.chosen))
                 .add(count(version.added))
                 .add(count(version.removed))
                 .add(std::int16_t{version.fell_back}),
             deadline));
  return static_cast<int>(rows.integer(0, 0));
}

Result<std::vector<UniverseVersion>> Listings::versions(std::string_view underlying, Date first,
                                                        Date last, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto rows,
         connection->query("SELECT v.day, v.version, v.as_of, v.rule, v.listed, v.chosen,"
                           " v.added, v.removed, v.fell_back FROM universe_versions v"
                           " JOIN underlyings u USING (underlying_id)"
                           " WHERE u.symbol = $1 AND v.day BETWEEN $2 AND $3"
                           " ORDER BY v.day, v.version",
                           pg::Params{}.add(underlying).add(first).add(last), deadline));
  std::vector<UniverseVersion> versions;
  for (int row = 0; row < rows.size(); ++row) {
    versions.push_back({.day = rows.date(row, 0),
                        .version = static_cast<int>(rows.integer(row, 1)),
                        .as_of = rows.instant(row, 2),
                        .rule = std::string{rows.text(row, 3)},
                        .listed = rows.integer(row, 4),
                        .chosen = rows.integer(row, 5),
                        .added = rows.integer(row, 6),
                        .removed = rows.integer(row, 7),
                        .fell_back = rows.boolean(row, 8)});
  }
  return versions;
}

}  // namespace bifrost::store
