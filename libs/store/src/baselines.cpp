// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/baselines.hpp"

#include <fmt/core.h>

#include "catalogue.hpp"

namespace bifrost::store {

using core::Date;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

struct Baselines::Impl {
  Impl(Pool& pool_of_database, std::int32_t seconds)
      : pool(pool_of_database), catalogue(pool_of_database), interval(seconds) {}

  /// Days in the first column.
  static std::vector<Date> dates(const pg::Rows& rows) {
    std::vector<Date> days;
    for (int row = 0; row < rows.size(); ++row) days.push_back(rows.date(row, 0));
    return days;
  }

  Result<std::optional<ChangeBaseline>> find(pg::Connection& connection, std::int32_t underlying_id,
                                             Date day, Deadline deadline) const {
    pg::Params key;
    key.add(underlying_id).add(day).add(interval);
    BF_TRY(const auto rows,
           connection.query("SELECT in_force_from, alerts_per_day FROM change_baselines"
                            " WHERE underlying_id = $1 AND day = $2 AND interval_seconds = $3",
                            key, deadline));
    if (rows.size() == 0) return std::nullopt;
    BF_TRY(const auto days,
           connection.query("SELECT k.day FROM change_baselines b,"
                            " unnest(b.days) WITH ORDINALITY AS k(day, i)"
                            " WHERE b.underlying_id = $1 AND b.day = $2 AND b.interval_seconds = $3"
                            " ORDER BY k.i",
                            key, deadline));
    return ChangeBaseline{day, rows.instant(0, 0), dates(days), rows.real(0, 1)};
  }

  Pool& pool;
  Catalogue catalogue;
  std::int32_t interval;
};

Baselines::Baselines(Database& database, std::chrono::seconds interval)
    : impl_(std::make_unique<Impl>(database.pool(), static_cast<std::int32_t>(interval.count()))) {}
Baselines::Baselines(Baselines&&) noexcept = default;
Baselines& Baselines::operator=(Baselines&&) noexcept = default;
Baselines::~Baselines() = default;

Result<std::vector<Date>> Baselines::days_with_snapshots(std::string_view underlying, Date day,
                                                         int limit, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::vector<Date>{};
  pg::Params params;
  params.add(found->id)
      .add(core::from_exchange_time(day, {}))
      .add(core::from_exchange_time(day - std::chrono::days{2 * limit + 14}, {}))
      .add(static_cast<std::int32_t>(limit));
  BF_TRY(const auto rows,
         connection->query("SELECT DISTINCT (as_of AT TIME ZONE 'America/New_York')::date AS day"
                           " FROM collection_runs WHERE underlying_id = $1 AND as_of < $2"
                           " AND as_of >= $3 AND status IN (1, 2) ORDER BY day DESC LIMIT $4",
                           params, deadline));
  return Impl::dates(rows);
}

Result<std::vector<Date>> Baselines::sketched_days(std::string_view underlying, Date before,
                                                   int limit, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::vector<Date>{};
  pg::Params params;
  params.add(found->id).add(before).add(impl_->interval).add(static_cast<std::int32_t>(limit));
  BF_TRY(const auto rows,
         connection->query("SELECT day FROM change_sketches WHERE underlying_id = $1 AND day < $2"
                           " AND interval_seconds = $3 ORDER BY day DESC LIMIT $4",
                           params, deadline));
  return Impl::dates(rows);
}

Result<std::vector<ChangeSketch>> Baselines::sketches(std::string_view underlying,
                                                      std::span<const Date> days,
                                                      Deadline deadline) {
  std::vector<ChangeSketch> sketches;
  if (days.empty()) return sketches;
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return fail(Errc::not_found, fmt::format("no changes of {} are kept", underlying));
  for (const Date day : days) {
    pg::Params key;
    key.add(found->id).add(day).add(impl_->interval);
    BF_TRY(const auto rows,
           connection->query("SELECT sketch FROM change_sketches WHERE underlying_id = $1"
                             " AND day = $2 AND interval_seconds = $3",
                             key, deadline));
    if (rows.size() == 0) {
      return fail(Errc::not_found, fmt::format("no sketch of the changes of {} on {}", underlying,
                                               core::to_iso_date(day)));
    }
    BF_TRY(const auto cycles, connection->query("SELECT k.as_of FROM change_sketches s,"
                                                " unnest(s.cycles) WITH ORDINALITY AS k(as_of, i)"
                                                " WHERE s.underlying_id = $1 AND s.day = $2"
                                                " AND s.interval_seconds = $3 ORDER BY k.i",
                                                key, deadline));
    BF_TRY(const auto earlier, connection->query("SELECT k.day FROM change_sketches s,"
                                                 " unnest(s.earlier) WITH ORDINALITY AS k(day, i)"
                                                 " WHERE s.underlying_id = $1 AND s.day = $2"
                                                 " AND s.interval_seconds = $3 ORDER BY k.i",
                                                 key, deadline));
    ChangeSketch sketch{day, {}, Impl::dates(earlier), std::string(rows.text(0, 0))};
    for (int row = 0; row < cycles.size(); ++row) sketch.cycles.push_back(cycles.instant(row, 0));
    sketches.push_back(std::move(sketch));
  }
  return sketches;
}

Result<bool> Baselines::add_sketch(std::string_view underlying, const ChangeSketch& sketch,
                                   Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  pg::Params params;
  params.add(found.id)
      .add(sketch.day)
      .add(impl_->interval)
      .add(std::span<const Instant>(sketch.cycles))
      .add(std::span<const Date>(sketch.earlier))
      .add_bytes(sketch.bytes);
  BF_TRY(const auto rows,
         connection->query("INSERT INTO change_sketches (underlying_id, day, interval_seconds,"
                           " cycles, earlier, sketch) VALUES ($1, $2, $3, $4, $5, $6)"
                           " ON CONFLICT DO NOTHING",
                           params, deadline));
  return rows.affected() == 1;
}

Result<std::optional<ChangeBaseline>> Baselines::baseline(std::string_view underlying, Date day,
                                                          Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.find_underlying(*connection, underlying, deadline));
  if (!found) return std::nullopt;
  return impl_->find(*connection, found->id, day, deadline);
}

Result<ChangeBaseline> Baselines::put_in_force(std::string_view underlying,
                                               const ChangeBaseline& baseline, Deadline deadline) {
  BF_TRY(const auto connection, impl_->pool.lease(deadline));
  BF_TRY(const auto found, impl_->catalogue.ensure_underlying(*connection, underlying, deadline));
  pg::Params params;
  params.add(found.id)
      .add(baseline.day)
      .add(impl_->interval)
      .add(baseline.in_force_from)
      .add(std::span<const Date>(baseline.days))
      .add(baseline.alerts_per_day);
  BF_CHECK(
      connection->query("INSERT INTO change_baselines (underlying_id, day, interval_seconds,"
                        " in_force_from, days, alerts_per_day)"
                        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                        params, deadline));
  BF_TRY(const auto in_force, impl_->find(*connection, found.id, baseline.day, deadline));
  if (!in_force) return fail(Errc::conflict, "a baseline was removed while it was put in force");
  return *in_force;
}

}  // namespace bifrost::store
