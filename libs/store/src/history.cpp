// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/history.hpp"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "facts.hpp"
#include "history_impl.hpp"
#include "stored_rows.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;
using rows::read_contract;
using rows::read_price;
using rows::read_quote;
using rows::read_run;

constexpr std::array<std::string_view, 15> change_names{
    "price_move",   "iv_move",  "volume",          "open_interest", "spread",
    "new_contract", "expired",  "delta_move",      "gamma_move",    "theta_move",
    "vega_move",    "vanished", "oi_confirmation", "suspect_quote", "suspect_greeks"};

tl::unexpected<core::Error> no_snapshot(std::string_view symbol, std::optional<Instant> at) {
  return fail(Errc::not_found,
              at ? fmt::format("no snapshot of {} at or before {}", symbol, core::to_iso(*at))
                 : fmt::format("no snapshot of {}", symbol));
}

Result<std::optional<Run>> find_snapshot(pg::Connection& connection, std::string_view symbol,
                                         const Underlying& underlying, std::optional<Instant> at,
                                         Deadline deadline) {
  pg::Params params;
  params.add(underlying.id).add(at.value_or(Instant::max()));
  BF_TRY(const auto rows,
         connection.query("SELECT " BIFROST_RUN_COLUMNS
                          " FROM collection_runs r WHERE r.underlying_id = $1"
                          " AND r.as_of <= $2 AND r.status IN (1, 2) ORDER BY r.as_of DESC LIMIT 1",
                          params, deadline));
  if (rows.size() == 0) return std::nullopt;
  BF_TRY(auto run, read_run(rows, 0, 0, symbol, underlying.price_scale));
  return run;
}

}  // namespace

std::string_view to_string(RunStatus status) {
  switch (status) {
    case RunStatus::complete:
      return "complete";
    case RunStatus::partial:
      return "partial";
    case RunStatus::missed:
      return "missed";
  }
  core::panic("a run status outside its enumeration");
}

std::string_view to_string(ChangeKind kind) {
  const auto i = static_cast<std::size_t>(kind) - 1;
  if (i >= change_names.size()) core::panic("a change kind outside its enumeration");
  return change_names[i];
}

std::optional<ChangeKind> parse_change_kind(std::string_view text) {
  for (std::size_t i = 0; i < change_names.size(); ++i) {
    if (change_names[i] == text) return static_cast<ChangeKind>(i + 1);
  }
  return std::nullopt;
}

History::History(Database& database) : impl_(std::make_unique<Impl>(database.pool())) {}
History::History(History&&) noexcept = default;
History& History::operator=(History&&) noexcept = default;
History::~History() = default;

Result<std::optional<Run>> History::last_run(std::string_view underlying, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::nullopt;
  BF_TRY(const auto rows, connection->query("SELECT " BIFROST_RUN_COLUMNS
                                            " FROM collection_runs r WHERE r.underlying_id = $1"
                                            " ORDER BY r.as_of DESC LIMIT 1",
                                            pg::Params{}.add(found->id), deadline));
  if (rows.size() == 0) return std::nullopt;
  BF_TRY(auto run, read_run(rows, 0, 0, underlying, found->price_scale));
  return run;
}

Result<std::optional<Run>> History::last_snapshot(std::string_view underlying,
                                                  std::optional<Instant> at, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::nullopt;
  return find_snapshot(*connection, underlying, *found, at, deadline);
}

Result<std::vector<Run>> History::runs(std::string_view underlying, Instant from, Instant to,
                                       Deadline deadline) {
  std::vector<Run> runs;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return runs;
  BF_TRY(const auto rows,
         connection->query("SELECT " BIFROST_RUN_COLUMNS
                           " FROM collection_runs r WHERE r.underlying_id = $1"
                           " AND r.as_of BETWEEN $2 AND $3 ORDER BY r.as_of",
                           pg::Params{}.add(found->id).add(from).add(to), deadline));
  for (int row = 0; row < rows.size(); ++row) {
    BF_TRY(auto run, read_run(rows, row, 0, underlying, found->price_scale));
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<std::vector<UnderlyingSummary>> History::underlyings(Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto rows,
         connection->query("SELECT u.symbol, u.price_scale, " BIFROST_RUN_COLUMNS
                           " FROM underlyings u CROSS JOIN LATERAL (SELECT * FROM collection_runs c"
                           "  WHERE c.underlying_id = u.underlying_id AND c.status IN (1, 2)"
                           "  ORDER BY c.as_of DESC LIMIT 1) r ORDER BY u.symbol COLLATE \"C\"",
                           deadline));
  std::vector<UnderlyingSummary> found;
  for (int row = 0; row < rows.size(); ++row) {
    BF_TRY(auto run, read_run(rows, row, 2, rows.text(row, 0), rows.integer(row, 1)));
    found.push_back({run.underlying, std::move(run)});
  }
  return found;
}

Result<void> refuse_dropped(pg::Connection& connection, const Run& run, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query("SELECT quotes_kept_from FROM db_info WHERE quotes_kept_from > $1",
                          pg::Params{}.add(run.as_of), deadline));
  if (rows.size() == 0) return {};
  return fail(
      Errc::not_found,
      fmt::format("the quotes of {} at {} were dropped by retention, which keeps them from "
                  "{} on; hint: daily values remain",
                  run.underlying, core::to_iso(run.as_of), core::to_iso(rows.instant(0, 0))));
}

Result<std::optional<Instant>> emptied_before(pg::Connection& connection,
                                              std::span<const std::int32_t> underlying_ids,
                                              Instant from, Instant to, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query("SELECT i.quotes_kept_from FROM db_info i WHERE i.quotes_kept_from > $2"
                          " AND EXISTS (SELECT FROM collection_runs r"
                          "  WHERE r.underlying_id = ANY($1) AND r.as_of >= $2 AND r.as_of <= $3"
                          "  AND r.as_of < i.quotes_kept_from AND r.status IN (1, 2))",
                          pg::Params{}.add(underlying_ids).add(from).add(to), deadline));
  if (rows.size() == 0) return std::nullopt;
  return rows.instant(0, 0);
}

Result<StoredExpirations> History::expirations(std::string_view underlying,
                                               std::optional<Instant> at, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return no_snapshot(underlying, at);
  BF_TRY(const auto run, find_snapshot(*connection, underlying, *found, at, deadline));
  if (!run) return no_snapshot(underlying, at);
  BF_TRY(const auto rows,
         connection->query("SELECT c.expiry, c.trading_class, count(*) FROM option_snapshots s"
                           " JOIN contracts c ON c.contract_id = s.contract_id"
                           " WHERE s.as_of = $1 AND s.underlying_id = $2 GROUP BY 1, 2"
                           " ORDER BY 1, c.trading_class COLLATE \"C\"",
                           pg::Params{}.add(run->as_of).add(found->id), deadline));
  if (rows.size() == 0 && run->received > 0) BF_CHECK(refuse_dropped(*connection, *run, deadline));
  StoredExpirations stored{*run, {}};
  for (int row = 0; row < rows.size(); ++row) {
    stored.expirations.push_back({rows.date(row, 0), std::string(rows.text(row, 1)),
                                  static_cast<int>(rows.integer(row, 2))});
  }
  return stored;
}

Result<StoredChain> History::chain(std::string_view underlying, const ChainFilter& filter,
                                   Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return no_snapshot(underlying, filter.at);
  // One state of the database for the ledger and the quotes: a correction may come in between.
  BF_CHECK(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
  BF_TRY(auto run, find_snapshot(*connection, underlying, *found, filter.at, deadline));
  if (!run) return no_snapshot(underlying, filter.at);
  if (!run->source) return fail(Errc::corrupt_data, "a snapshot without a source");
  core::ChainSnapshot snapshot{
      std::string(underlying), run->as_of, run->underlying_price, *run->source, {}};
  if (!filter.expiry && !filter.trading_class) {
    BF_TRY(snapshot.quotes,
           facts::chain(*connection, impl_->catalogue, underlying, *found, run->as_of, deadline));
    if (snapshot.quotes.empty() && run->received > 0)
      BF_CHECK(refuse_dropped(*connection, *run, deadline));
    BF_CHECK(connection->query("COMMIT", deadline));
    return StoredChain{*std::move(run), std::move(snapshot)};
  }
  // The instant is a parameter, so that the planner sees the one partition it needs.
  pg::Params params;
  params.add(run->as_of).add(found->id).add(filter.expiry);
  std::optional<std::string_view> trading_class;
  if (filter.trading_class) trading_class = *filter.trading_class;
  params.add(trading_class);
  BF_TRY(
      const auto rows,
      connection->query(
          "SELECT c.trading_class, c.expiry, c.strike, c.\"right\", "
          "c.multiplier, " BIFROST_QUOTE_COLUMNS
          " FROM option_snapshots s JOIN contracts c ON c.contract_id = s.contract_id"
          " WHERE s.as_of = $1 AND s.underlying_id = $2 AND c.underlying_id = $2"
          " AND ($3::date IS NULL OR c.expiry = $3) AND ($4::text IS NULL OR c.trading_class = $4)"
          " ORDER BY c.expiry, c.trading_class COLLATE \"C\", c.strike, c.\"right\", c.multiplier",
          params, deadline));
  if (rows.size() == 0 && run->received > 0) BF_CHECK(refuse_dropped(*connection, *run, deadline));
  snapshot.quotes.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    snapshot.quotes.push_back({read_contract(rows, row, 0, underlying),
                               read_quote(rows, row, 5, run->as_of, found->price_scale)});
  }
  BF_CHECK(connection->query("COMMIT", deadline));
  return StoredChain{*std::move(run), std::move(snapshot)};
}

Result<Kept<ContractPoint>> History::contract_history(const core::OptionContract& contract,
                                                      Instant from, Instant to, Deadline deadline) {
  Kept<ContractPoint> points;
  if (!units::encode_strike(contract.strike)) return points;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found,
         impl_->catalogue.find_underlying(*connection, contract.underlying, deadline));
  if (!found) return points;
  BF_TRY(points.emptied_before,
         emptied_before(*connection, std::span(&found->id, 1), from, to, deadline));
  BF_TRY(const auto id, find_contract(*connection, found->id, contract, deadline));
  if (!id) return points;
  BF_TRY(const auto runs,
         connection->query("SELECT as_of, underlying_price FROM collection_runs"
                           " WHERE underlying_id = $1 AND as_of BETWEEN $2 AND $3"
                           " AND status IN (1, 2) ORDER BY as_of",
                           pg::Params{}.add(found->id).add(from).add(to), deadline));
  if (runs.size() == 0) return points;
  std::vector<Instant> instants;
  for (int row = 0; row < runs.size(); ++row) instants.push_back(runs.instant(row, 0));
  BF_TRY(auto found_points, facts::series(*connection, *found, *id, instants, deadline));
  points.reserve(found_points.size());
  int run = 0;
  for (auto& [as_of, quote] : found_points) {
    while (instants[static_cast<std::size_t>(run)] != as_of) ++run;
    points.push_back({as_of, read_price(runs, run, 1, found->price_scale), std::move(quote)});
  }
  return points;
}

Result<Kept<StoredChange>> History::changes(std::string_view underlying, Instant from, Instant to,
                                            std::optional<ChangeKind> kind, int limit,
                                            Deadline deadline) {
  Kept<StoredChange> changes;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return changes;
  BF_TRY(changes.emptied_before,
         emptied_before(*connection, std::span(&found->id, 1), from, to, deadline));
  std::optional<std::int16_t> number;
  if (kind) number = static_cast<std::int16_t>(*kind);
  pg::Params params;
  params.add(found->id).add(from).add(to).add(number).add(static_cast<std::int32_t>(limit));
  BF_TRY(const auto rows,
         connection->query(
             "SELECT h.as_of, h.kind, h.previous, h.current, c.trading_class, c.expiry, c.strike,"
             " c.\"right\", c.multiplier, h.score, h.false_alarm_rate, h.refers_to, h.confirmed"
             " FROM option_changes h"
             " JOIN collection_runs r ON r.underlying_id = h.underlying_id AND r.as_of = h.as_of"
             "  AND r.status IN (1, 2)"
             " JOIN contracts c ON c.contract_id = h.contract_id"
             " WHERE h.underlying_id = $1 AND h.as_of BETWEEN $2 AND $3"
             " AND ($4::int2 IS NULL OR h.kind = $4)"
             " ORDER BY h.as_of DESC, h.contract_id, h.kind LIMIT $5",
             params, deadline));
  for (int row = 0; row < rows.size(); ++row) {
    Change change{read_contract(rows, row, 4, underlying),
                  static_cast<ChangeKind>(rows.integer(row, 1)),
                  rows.find_real(row, 2),
                  rows.find_real(row, 3),
                  rows.find_real(row, 9),
                  rows.find_real(row, 10),
                  rows.find_instant(row, 11),
                  std::nullopt};
    if (!rows.missing(row, 12)) change.confirmed = rows.boolean(row, 12);
    changes.push_back({rows.instant(row, 0), std::move(change)});
  }
  return changes;
}

Result<std::vector<StoredConditions>> History::market_conditions(std::string_view underlying,
                                                                 Instant from, Instant to,
                                                                 Deadline deadline) {
  std::vector<StoredConditions> stored;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return stored;
  BF_TRY(const auto rows,
         connection->query(
             "SELECT m.as_of, m.implied_vol_30d, m.implied_vol_60d, m.historical_vol_20d,"
             " m.skew_25_delta, m.term_slope, m.put_call_volume_ratio,"
             " m.put_call_open_interest_ratio, m.breadth, m.regime, m.historical_vol_30d,"
             " m.historical_vol_source, m.put_volume, m.call_volume, m.put_open_interest,"
             " m.call_open_interest, m.iv_rank, m.iv_percentile, m.iv_rank_n, m.iv_rank_source,"
             " m.iv_rank_of, m.iv_rank_day FROM market_conditions m"
             " JOIN collection_runs r ON r.underlying_id = m.underlying_id AND r.as_of = m.as_of"
             "  AND r.status IN (1, 2)"
             " WHERE m.underlying_id = $1 AND m.as_of BETWEEN $2 AND $3 ORDER BY m.as_of",
             pg::Params{}.add(found->id).add(from).add(to), deadline));
  for (int row = 0; row < rows.size(); ++row) {
    const auto text = [&](int column) -> std::optional<std::string> {
      if (rows.missing(row, column)) return std::nullopt;
      return std::string(rows.text(row, column));
    };
    MarketConditions conditions;
    conditions.implied_vol_30d = rows.find_real(row, 1);
    conditions.implied_vol_60d = rows.find_real(row, 2);
    conditions.historical_vol_20d = rows.find_real(row, 3);
    conditions.skew_25_delta = rows.find_real(row, 4);
    conditions.term_slope = rows.find_real(row, 5);
    conditions.put_call_volume_ratio = rows.find_real(row, 6);
    conditions.put_call_open_interest_ratio = rows.find_real(row, 7);
    conditions.breadth = rows.find_real(row, 8);
    conditions.historical_vol_30d = rows.find_real(row, 10);
    conditions.historical_vol_source = text(11);
    conditions.put_volume = rows.find_integer(row, 12);
    conditions.call_volume = rows.find_integer(row, 13);
    conditions.put_open_interest = rows.find_integer(row, 14);
    conditions.call_open_interest = rows.find_integer(row, 15);
    conditions.iv_rank = rows.find_real(row, 16);
    conditions.iv_percentile = rows.find_real(row, 17);
    conditions.iv_rank_n = rows.find_integer(row, 18);
    conditions.iv_rank_source = text(19);
    conditions.iv_rank_of = rows.find_real(row, 20);
    if (!rows.missing(row, 21)) conditions.iv_rank_day = rows.date(row, 21);
    if (const auto regime = rows.find_integer(row, 9))
      conditions.regime = static_cast<int>(*regime);
    stored.push_back({rows.instant(row, 0), conditions});
  }
  return stored;
}

}  // namespace bifrost::store
