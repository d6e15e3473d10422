// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "bifrost/store/listen.hpp"
#include "fence.hpp"
#include "history_impl.hpp"
#include "migrations.hpp"
#include "notice.hpp"
#include "stored_rows.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

constexpr std::int16_t fact_columns = 16;
constexpr std::size_t fact_bytes = 2 + 16 * 4 + 8 + 15 * 4;
#define BIFROST_FACT_COLUMNS                                                        \
  "as_of, underlying_id, contract_id, bid, ask, last, bid_size, ask_size, volume, " \
  "open_interest, implied_vol, delta, gamma, theta, vega, observed_offset_ms"
constexpr auto copy_facts =
    "COPY option_snapshots (" BIFROST_FACT_COLUMNS ") FROM STDIN (FORMAT binary)";
constexpr auto copy_staged_facts =
    "COPY staged_option_snapshots (" BIFROST_FACT_COLUMNS ") FROM STDIN (FORMAT binary)";

tl::unexpected<core::Error> refuse(const core::ChainSnapshot& snapshot, std::string_view why) {
  return fail(Errc::invalid_input,
              fmt::format("snapshot of {} at {}: {}",
                          core::is_symbol(snapshot.underlying) ? snapshot.underlying : "?",
                          core::to_iso(snapshot.as_of), why));
}

Result<void> check_contract(const core::ChainSnapshot& snapshot,
                            const core::OptionContract& contract) {
  if (contract.underlying != snapshot.underlying)
    return refuse(snapshot, "a contract of another underlying");
  if (!core::is_symbol(contract.trading_class))
    return refuse(snapshot, "a trading class that is not a symbol");
  if (contract.multiplier <= 0) return refuse(snapshot, "a multiplier that is not positive");
  if (!units::encode_strike(contract.strike)) {
    return refuse(snapshot,
                  fmt::format("the strike of {} is negative, too large or finer than 0.001",
                              core::describe(contract)));
  }
  return {};
}

Result<void> check(const CycleRecord& cycle) {
  constexpr Instant earliest{core::Date{std::chrono::year{1970} / 1 / 1}};
  constexpr Instant latest{core::Date{std::chrono::year{2200} / 1 / 1}};
  const auto& snapshot = cycle.snapshot;
  if (!core::is_symbol(snapshot.underlying))
    return refuse(snapshot, "the underlying's name is not a symbol");
  if (snapshot.as_of < earliest || snapshot.as_of >= latest)
    return refuse(snapshot, "as_of is not in 1970 to 2199");
  if (cycle.status == RunStatus::missed)
    return refuse(snapshot, "a missed cycle has no snapshot; see mark_missed");
  if (cycle.status == RunStatus::partial && cycle.reason.empty()) {
    return refuse(snapshot, "a partial cycle needs a reason");
  }
  if (cycle.interval && cycle.interval->count() <= 0)
    return refuse(snapshot, "an interval that is not positive");
  if (!units::encode_count(cycle.expected) || !units::encode_count(cycle.refused) ||
      (cycle.interval && !units::encode_count(cycle.interval->count()))) {
    return refuse(snapshot, "a count beyond 2^31");
  }
  for (const auto& quote : snapshot.quotes) BF_CHECK(check_contract(snapshot, quote.contract));
  // In the order of a chain, as they usually come, twins are neighbours.
  const auto not_ascending = [](const core::OptionQuote& a, const core::OptionQuote& b) {
    return !(rows::place(a.contract) < rows::place(b.contract));
  };
  if (std::ranges::adjacent_find(snapshot.quotes, not_ascending) != snapshot.quotes.end()) {
    std::unordered_set<core::OptionContract, Catalogue::ContractHash> seen;
    seen.reserve(snapshot.quotes.size());
    for (const auto& quote : snapshot.quotes) {
      if (!seen.insert(quote.contract).second) {
        return refuse(snapshot, fmt::format("{} is there twice", core::describe(quote.contract)));
      }
    }
  }
  std::set<std::pair<core::OptionContract, ChangeKind>> changed;
  for (const auto& change : cycle.changes) {
    BF_CHECK(check_contract(snapshot, change.contract));
    const auto kind = static_cast<int>(change.kind);
    if (kind < 1 || kind > 15) return refuse(snapshot, "a change of unknown kind");
    if (!changed.emplace(change.contract, change.kind).second) {
      return refuse(snapshot,
                    fmt::format("two changes of one kind for {}", core::describe(change.contract)));
    }
  }
  return {};
}

/// Adds the facts of one cycle to the stream, in the order of the key. Gives the number of values
/// dropped.
std::int64_t put_facts(const core::ChainSnapshot& snapshot, const Underlying& underlying,
                       const std::vector<std::int32_t>& contract_ids, pg::CopyData& out) {
  std::int64_t dropped = 0;
  std::vector<std::pair<std::int32_t, const core::Quote*>> rows;
  rows.reserve(snapshot.quotes.size());
  for (std::size_t i = 0; i < snapshot.quotes.size(); ++i) {
    rows.emplace_back(contract_ids[i], &snapshot.quotes[i].quote);
  }
  std::sort(rows.begin(), rows.end());
  for (const auto& [contract_id, quote] : rows) {
    auto& row = out.tuple(fact_columns);
    const auto put = [&](bool given, std::optional<std::int32_t> encoded) {
      if (given && !encoded) ++dropped;
      row.field(encoded);
    };
    const auto price = [&](const std::optional<core::Price>& value) {
      put(value.has_value(),
          value ? units::encode_price(*value, underlying.price_scale) : std::nullopt);
    };
    const auto count = [&](const std::optional<std::int64_t>& value) {
      put(value.has_value(), value ? units::encode_count(*value) : std::nullopt);
    };
    const auto real = [&](const std::optional<double>& value, double scale) {
      put(value.has_value(), value ? units::encode_real(*value, scale) : std::nullopt);
    };
    row.field(snapshot.as_of);
    row.field(underlying.id);
    row.field(contract_id);
    price(quote->bid);
    price(quote->ask);
    price(quote->last);
    count(quote->bid_size);
    count(quote->ask_size);
    count(quote->volume);
    count(quote->open_interest);
    real(quote->implied_vol, units::implied_vol);
    real(quote->delta, units::delta);
    real(quote->gamma, units::gamma);
    real(quote->theta, units::theta);
    real(quote->vega, units::vega);
    put(quote->observed_at.has_value(),
        quote->observed_at ? units::encode_observed_at(*quote->observed_at, snapshot.as_of)
                           : std::nullopt);
  }
  return dropped;
}

Result<void> put_changes(pg::Connection& connection, const CycleRecord& cycle,
                         std::int32_t underlying_id, std::span<const std::int32_t> contract_ids,
                         Deadline deadline) {
  if (cycle.changes.empty()) return {};
  std::vector<std::int16_t> kinds;
  std::vector<std::optional<double>> previous;
  std::vector<std::optional<double>> current;
  std::vector<std::optional<double>> scores;
  std::vector<std::optional<double>> rates;
  std::vector<std::optional<Instant>> refers_to;
  std::vector<std::optional<std::int16_t>> confirmed;
  for (const auto& change : cycle.changes) {
    kinds.push_back(static_cast<std::int16_t>(change.kind));
    previous.push_back(change.previous);
    current.push_back(change.current);
    scores.push_back(change.score);
    rates.push_back(change.false_alarm_rate);
    refers_to.push_back(change.refers_to);
    confirmed.push_back(change.confirmed ? std::optional<std::int16_t>{*change.confirmed ? 1 : 0}
                                         : std::nullopt);
  }
  pg::Params params;
  params.add(cycle.snapshot.as_of)
      .add(underlying_id)
      .add(contract_ids)
      .add(std::span<const std::int16_t>(kinds))
      .add(std::span<const std::optional<double>>(previous))
      .add(std::span<const std::optional<double>>(current))
      .add(std::span<const std::optional<double>>(scores))
      .add(std::span<const std::optional<double>>(rates))
      .add(std::span<const std::optional<Instant>>(refers_to))
      .add(std::span<const std::optional<std::int16_t>>(confirmed));
  BF_CHECK(connection.query(
      "INSERT INTO option_changes (as_of, underlying_id, contract_id, kind, previous, current,"
      " score, false_alarm_rate, refers_to, confirmed)"
      " SELECT $1, $2, k.a, k.b, k.c, k.d, k.e, k.f, k.g, k.h <> 0"
      " FROM unnest($3::int4[], $4::int2[], $5::float8[], $6::float8[], $7::float8[], $8::float8[],"
      " $9::timestamptz[], $10::int2[]) AS k(a, b, c, d, e, f, g, h) ON CONFLICT DO NOTHING",
      params, deadline));
  return {};
}

std::optional<std::string_view> as_text(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>{*text} : std::nullopt;
}

Result<void> put_conditions(pg::Connection& connection, const CycleRecord& cycle,
                            std::int32_t underlying_id, Deadline deadline) {
  if (!cycle.market_conditions) return {};
  const auto& m = *cycle.market_conditions;
  std::optional<std::int16_t> regime;
  if (m.regime) regime = static_cast<std::int16_t>(*m.regime);
  pg::Params params;
  params.add(underlying_id)
      .add(cycle.snapshot.as_of)
      .add(m.implied_vol_30d)
      .add(m.implied_vol_60d)
      .add(m.historical_vol_20d)
      .add(m.skew_25_delta)
      .add(m.term_slope)
      .add(m.put_call_volume_ratio)
      .add(m.put_call_open_interest_ratio)
      .add(m.breadth)
      .add(regime)
      .add(m.historical_vol_30d)
      .add(as_text(m.historical_vol_source))
      .add(m.put_volume)
      .add(m.call_volume)
      .add(m.put_open_interest)
      .add(m.call_open_interest)
      .add(m.iv_rank)
      .add(m.iv_percentile)
      .add(m.iv_rank_n ? units::encode_count(*m.iv_rank_n) : std::nullopt)
      .add(as_text(m.iv_rank_source))
      .add(m.iv_rank_of)
      .add(m.iv_rank_day);
  BF_CHECK(connection.query(
      "INSERT INTO market_conditions (underlying_id, as_of, implied_vol_30d, implied_vol_60d,"
      " historical_vol_20d, skew_25_delta, term_slope, put_call_volume_ratio,"
      " put_call_open_interest_ratio, breadth, regime, historical_vol_30d, historical_vol_source,"
      " put_volume, call_volume, put_open_interest, call_open_interest, iv_rank, iv_percentile,"
      " iv_rank_n, iv_rank_source, iv_rank_of, iv_rank_day)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
      " $19, $20, $21, $22, $23) ON CONFLICT DO NOTHING",
      params, deadline));
  return {};
}

enum class Ledger { replaces_missed, replaces_any };

Result<std::int64_t> put_run(pg::Connection& connection, const CycleRecord& cycle,
                             const Underlying& underlying, Ledger ledger, Deadline deadline) {
  std::int64_t dropped = 0;
  std::optional<std::int64_t> price;
  if (cycle.snapshot.underlying_price) {
    price = units::encode_wide_price(*cycle.snapshot.underlying_price, underlying.price_scale);
    if (!price) ++dropped;
  }
  std::optional<std::int32_t> interval;
  if (cycle.interval) interval = static_cast<std::int32_t>(cycle.interval->count());
  pg::Params params;
  params.add(underlying.id)
      .add(cycle.snapshot.as_of)
      .add(static_cast<std::int16_t>(cycle.status))
      .add(std::string_view(cycle.reason))
      .add(core::to_string(cycle.snapshot.source))
      .add(interval)
      .add(cycle.started_at)
      .add(cycle.finished_at)
      .add(static_cast<std::int32_t>(cycle.expected))
      .add(static_cast<std::int32_t>(cycle.snapshot.quotes.size()))
      .add(static_cast<std::int32_t>(cycle.refused))
      .add(price)
      .add(static_cast<std::int32_t>(migrations().back().revision));
  const auto payload = notice_payload({cycle.snapshot.underlying, cycle.snapshot.as_of});
  params.add(std::string_view(payload));
  params.add(static_cast<std::int16_t>(ledger == Ledger::replaces_any ? 1 : 0));
  BF_TRY(const auto rows,
         connection.query(
             "INSERT INTO collection_runs AS r (underlying_id, as_of, status, reason, source, "
             "interval_seconds,"
             " started_at, finished_at, expected, received, refused, underlying_price, schema_rev)"
             " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
             " ON CONFLICT (underlying_id, as_of) DO UPDATE SET status = EXCLUDED.status, reason = "
             "EXCLUDED.reason,"
             " source = EXCLUDED.source, interval_seconds = EXCLUDED.interval_seconds,"
             " started_at = EXCLUDED.started_at, finished_at = EXCLUDED.finished_at, expected = "
             "EXCLUDED.expected,"
             " received = EXCLUDED.received, refused = EXCLUDED.refused,"
             " underlying_price = EXCLUDED.underlying_price, schema_rev = EXCLUDED.schema_rev"
             " WHERE r.status = 3 OR $15 = 1 RETURNING pg_notify('bifrost_snapshot', $14)",
             params, deadline));
  if (rows.size() == 0)
    return fail(Errc::conflict, "a cycle was written past the lock of its underlying");
  return dropped;
}

/// Cycles of `wanted` that the ledger holds with a snapshot.
Result<std::set<std::pair<std::int32_t, Instant>>> stored_cycles(
    pg::Connection& connection, const std::set<std::pair<std::int32_t, Instant>>& wanted,
    Deadline deadline) {
  std::vector<std::int32_t> ids;
  std::vector<Instant> instants;
  for (const auto& [id, as_of] : wanted) {
    ids.push_back(id);
    instants.push_back(as_of);
  }
  pg::Params params;
  params.add(std::span<const std::int32_t>(ids)).add(std::span<const Instant>(instants));
  BF_TRY(const auto rows,
         connection.query("SELECT r.underlying_id, r.as_of FROM collection_runs r"
                          " JOIN unnest($1::int4[], $2::timestamptz[]) AS k(underlying_id, as_of)"
                          " USING (underlying_id, as_of) WHERE r.status IN (1, 2)",
                          params, deadline));
  std::set<std::pair<std::int32_t, Instant>> stored;
  for (int row = 0; row < rows.size(); ++row) {
    stored.emplace(static_cast<std::int32_t>(rows.integer(row, 0)), rows.instant(row, 1));
  }
  return stored;
}

/// Held to the end of the transaction. Ledger rows get their stored_at under it, so that a reader
/// who waits for it knows that nothing earlier can still appear.
Result<void> lock_writers(pg::Connection& connection, std::int32_t underlying_id,
                          Deadline deadline) {
  BF_CHECK(connection.query("SELECT pg_advisory_xact_lock(1651859713, $1)",
                            pg::Params{}.add(underlying_id), deadline));
  return {};
}

enum class Facts { fresh, perhaps_there };

Result<std::vector<Appended>> write(Pool& pool, Catalogue& catalogue,
                                    std::span<const CycleRecord> cycles, Facts facts,
                                    bool& facts_were_there, const std::optional<Fence>& fence,
                                    Deadline deadline) {
  BF_TRY(const auto connection, pool.lease(deadline));
  std::map<std::string_view, Underlying> underlyings;
  for (const auto& cycle : cycles) underlyings.try_emplace(cycle.snapshot.underlying);
  std::set<std::int32_t> locks;
  for (auto& [symbol, underlying] : underlyings) {
    BF_TRY(underlying, catalogue.ensure_underlying(*connection, symbol, deadline));
    locks.insert(underlying.id);
  }

  BF_CHECK(begin_fenced(*connection, fence, deadline));
  // Writers of one underlying take turns, always in the order of ids. Whoever comes second finds
  // the ledger row.
  for (const auto id : locks) BF_CHECK(lock_writers(*connection, id, deadline));
  std::set<std::pair<std::int32_t, Instant>> keys;
  for (const auto& cycle : cycles) {
    keys.emplace(underlyings[cycle.snapshot.underlying].id, cycle.snapshot.as_of);
  }
  BF_TRY(const auto stored, stored_cycles(*connection, keys, deadline));

  std::vector<Appended> results(cycles.size());
  std::map<std::int32_t, Catalogue::Ids> fresh;
  std::vector<std::vector<std::int32_t>> ids_of(
      cycles.size());  // of those that have facts to write
  std::size_t rows = 0;
  for (std::size_t i = 0; i < cycles.size(); ++i) {
    const auto& cycle = cycles[i];
    const auto& underlying = underlyings[cycle.snapshot.underlying];
    if (stored.contains({underlying.id, cycle.snapshot.as_of})) continue;
    std::vector<const core::OptionContract*> contracts;
    contracts.reserve(cycle.snapshot.quotes.size() + cycle.changes.size());
    for (const auto& quote : cycle.snapshot.quotes) contracts.push_back(&quote.contract);
    for (const auto& change : cycle.changes) contracts.push_back(&change.contract);
    BF_TRY(ids_of[i], catalogue.ensure_contracts(*connection, underlying.id, contracts,
                                                 fresh[underlying.id], deadline));
    const std::span all(ids_of[i]);
    results[i].stored = true;
    results[i].rows = static_cast<std::int64_t>(cycle.snapshot.quotes.size());
    rows += cycle.snapshot.quotes.size();
    BF_CHECK(put_changes(*connection, cycle, underlying.id,
                         all.subspan(cycle.snapshot.quotes.size()), deadline));
    BF_CHECK(put_conditions(*connection, cycle, underlying.id, deadline));
    BF_TRY(results[i].dropped,
           put_run(*connection, cycle, underlying, Ledger::replaces_missed, deadline));
  }
  std::size_t next = 0;
  const auto put_a_cycle = [&](pg::CopyData& data) {
    while (next < cycles.size() && !results[next].stored) ++next;
    if (next == cycles.size()) return false;
    const auto& snapshot = cycles[next].snapshot;
    data.reserve(snapshot.quotes.size() * fact_bytes + 32);
    results[next].dropped +=
        put_facts(snapshot, underlyings[snapshot.underlying], ids_of[next], data);
    ++next;
    return true;
  };
  if (rows > 0 && facts == Facts::fresh) {
    if (auto copied = connection->copy_in(copy_facts, put_a_cycle, deadline); !copied) {
      facts_were_there = connection->last_sqlstate() == "23505";
      return tl::unexpected{std::move(copied).error()};
    }
  } else if (rows > 0) {
    BF_CHECK(
        connection->run("CREATE TEMPORARY TABLE IF NOT EXISTS staged_option_snapshots"
                        " (LIKE option_snapshots) ON COMMIT DELETE ROWS",
                        deadline));
    BF_CHECK(connection->copy_in(copy_staged_facts, put_a_cycle, deadline));
    BF_CHECK(
        connection->query("INSERT INTO option_snapshots SELECT * FROM staged_option_snapshots"
                          " ON CONFLICT DO NOTHING",
                          deadline));
  }
  BF_CHECK(connection->query("COMMIT", deadline));
  for (const auto& [underlying_id, ids] : fresh) catalogue.remember(underlying_id, ids);
  return results;
}

}  // namespace

Result<Appended> History::append(const CycleRecord& cycle, Deadline deadline,
                                 const std::optional<Fence>& fence) {
  BF_TRY(const auto results, append(std::span(&cycle, 1), deadline, fence));
  return results.front();
}

Result<std::vector<Appended>> History::append(std::span<const CycleRecord> cycles,
                                              Deadline deadline,
                                              const std::optional<Fence>& fence) {
  if (cycles.empty()) return std::vector<Appended>{};
  std::set<std::pair<std::string_view, Instant>> keys;
  std::vector<core::Date> days;
  for (const auto& cycle : cycles) {
    BF_CHECK(check(cycle));
    if (!keys.emplace(cycle.snapshot.underlying, cycle.snapshot.as_of).second) {
      return refuse(cycle.snapshot, "the cycle is there twice");
    }
    days.push_back(std::chrono::floor<std::chrono::days>(cycle.snapshot.as_of));
  }
  BF_CHECK(impl_->pool.ensure_partitions(days, deadline));
  bool facts_were_there = false;
  auto results =
      write(impl_->pool, impl_->catalogue, cycles, Facts::fresh, facts_were_there, fence, deadline);
  if (results || !facts_were_there) return results;
  // Facts without a ledger row: no writer of ours leaves them, a hand or a partial restore may. The
  // slower way keeps what is there and adds what is not.
  return write(impl_->pool, impl_->catalogue, cycles, Facts::perhaps_there, facts_were_there, fence,
               deadline);
}

Result<std::int64_t> History::mark_missed(std::string_view underlying,
                                          std::span<const Instant> as_of, std::string_view reason,
                                          std::optional<std::chrono::seconds> interval,
                                          Deadline deadline, const std::optional<Fence>& fence) {
  if (!core::is_symbol(underlying))
    return fail(Errc::invalid_input, "missed cycles of something that is no symbol");
  if (reason.empty()) return fail(Errc::invalid_input, "a missed cycle needs a reason");
  if (interval && (interval->count() <= 0 || !units::encode_count(interval->count()))) {
    return fail(Errc::invalid_input, "an interval that is not positive");
  }
  if (as_of.empty()) return 0;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  std::optional<std::int32_t> seconds;
  if (interval) seconds = static_cast<std::int32_t>(interval->count());
  pg::Params params;
  params.add(found.id).add(as_of).add(reason).add(seconds).add(
      static_cast<std::int32_t>(migrations().back().revision));
  BF_CHECK(begin_fenced(*connection, fence, deadline));
  BF_CHECK(lock_writers(*connection, found.id, deadline));
  BF_TRY(const auto rows,
         connection->query(
             "INSERT INTO collection_runs (underlying_id, as_of, status, reason, interval_seconds,"
             " received, refused, schema_rev)"
             " SELECT $1, k.as_of, 3, $3, $4, 0, 0, $5 FROM unnest($2::timestamptz[]) AS k(as_of)"
             " ON CONFLICT DO NOTHING",
             params, deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return rows.affected();
}

Result<Appended> History::correct(const CycleRecord& cycle, Deadline deadline) {
  BF_CHECK(check(cycle));
  const auto& snapshot = cycle.snapshot;
  BF_CHECK(impl_->pool.ensure_partitions(
      std::array{std::chrono::floor<std::chrono::days>(snapshot.as_of)}, deadline));
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto underlying,
         impl_->catalogue.ensure_underlying(*connection, snapshot.underlying, deadline));
  BF_CHECK(connection->query("BEGIN", deadline));
  BF_CHECK(lock_writers(*connection, underlying.id, deadline));
  pg::Params key;
  key.add(snapshot.as_of).add(underlying.id);
  BF_TRY(const auto before,
         connection->query("SELECT stored_at FROM collection_runs WHERE as_of = $1"
                           " AND underlying_id = $2 AND status IN (1, 2)",
                           key, deadline));
  if (before.size() == 0) {
    return fail(Errc::not_found,
                fmt::format("there is no snapshot of {} at {} to correct; hint: append it",
                            snapshot.underlying, core::to_iso(snapshot.as_of)));
  }
  // Compressed chunks limit what one statement may unpack; a correction is meant. The setting is
  // only a name where there is no TimescaleDB.
  BF_CHECK(connection->query(
      "SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)",
      deadline));
  key.add(before.instant(0, 0));
  BF_CHECK(
      connection->query("WITH gone AS (DELETE FROM option_snapshots WHERE as_of = $1"
                        " AND underlying_id = $2 RETURNING " BIFROST_FACT_COLUMNS
                        ") INSERT INTO superseded_option_snapshots (" BIFROST_FACT_COLUMNS
                        ", stored_at) SELECT *, $3 FROM gone",
                        key, deadline));
  std::vector<const core::OptionContract*> contracts;
  contracts.reserve(snapshot.quotes.size());
  for (const auto& quote : snapshot.quotes) contracts.push_back(&quote.contract);
  Catalogue::Ids fresh;
  BF_TRY(const auto ids,
         impl_->catalogue.ensure_contracts(*connection, underlying.id, contracts, fresh, deadline));
  pg::CopyData data;
  Appended result{true, static_cast<std::int64_t>(snapshot.quotes.size()), 0};
  result.dropped = put_facts(snapshot, underlying, ids, data);
  BF_TRY(const auto dropped,
         put_run(*connection, cycle, underlying, Ledger::replaces_any, deadline));
  result.dropped += dropped;
  BF_CHECK(connection->copy_in(copy_facts, data, deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  impl_->catalogue.remember(underlying.id, fresh);
  return result;
}

}  // namespace bifrost::store
