// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/collection_schedule.hpp"

#include <fmt/core.h>

#include "catalogue.hpp"
#include "fence.hpp"
#include "units.hpp"

namespace bifrost::store {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

Result<std::vector<ScheduleEntry>> load_schedule(Database& database, std::string_view underlying,
                                                 Deadline deadline) {
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_TRY(const auto rows,
         connection->query(
             "SELECT s.valid_from, s.interval_seconds, s.hours FROM collection_schedule s"
             " JOIN underlyings u USING (underlying_id) WHERE u.symbol = $1"
             " ORDER BY s.valid_from",
             pg::Params{}.add(underlying), deadline));
  std::vector<ScheduleEntry> entries;
  for (int row = 0; row < rows.size(); ++row) {
    ScheduleEntry entry{rows.instant(row, 0)};
    if (const auto interval = rows.find_integer(row, 1))
      entry.interval = std::chrono::seconds{*interval};
    const auto hours = core::parse_product_hours(rows.text(row, 2));
    if (!hours) {
      return fail(Errc::corrupt_data,
                  fmt::format("the schedule of {} since {}: {}", underlying,
                              core::to_iso(entry.valid_from), hours.error().message));
    }
    entry.hours = *hours;
    entries.push_back(entry);
  }
  return entries;
}

namespace {

Result<std::vector<std::string>> load_symbols(Database& database, const char* sql,
                                              Deadline deadline) {
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_TRY(const auto rows, connection->query(sql, deadline));
  std::vector<std::string> symbols;
  for (int row = 0; row < rows.size(); ++row) symbols.emplace_back(rows.text(row, 0));
  return symbols;
}

}  // namespace

Result<std::vector<std::string>> scheduled_underlyings(Database& database, Deadline deadline) {
  return load_symbols(database,
                      "SELECT symbol FROM (SELECT DISTINCT ON (u.symbol) u.symbol,"
                      " s.interval_seconds FROM collection_schedule s"
                      " JOIN underlyings u USING (underlying_id)"
                      " ORDER BY u.symbol, s.valid_from DESC) newest"
                      " WHERE interval_seconds IS NOT NULL ORDER BY symbol",
                      deadline);
}

Result<std::vector<std::string>> scheduled_ever(Database& database, Deadline deadline) {
  return load_symbols(database,
                      "SELECT DISTINCT u.symbol FROM collection_schedule s"
                      " JOIN underlyings u USING (underlying_id) ORDER BY 1",
                      deadline);
}

Result<void> enter_schedule(Database& database, std::string_view underlying,
                            const ScheduleEntry& entry, const std::optional<Fence>& fence,
                            Deadline deadline) {
  if (!core::is_symbol(underlying))
    return fail(Errc::invalid_input, "a schedule of something that is no symbol");
  std::optional<std::int32_t> seconds;
  if (entry.interval) {
    if (entry.interval->count() <= 0 || !units::encode_count(entry.interval->count()))
      return fail(Errc::invalid_input, "an interval that is not positive");
    seconds = static_cast<std::int32_t>(entry.interval->count());
  }
  const auto hours = core::to_string(entry.hours);
  BF_TRY(const auto connection, database.pool().lease(deadline));
  Catalogue catalogue{database.pool()};
  BF_TRY(const auto found, catalogue.ensure_underlying(*connection, underlying, deadline));
  BF_CHECK(begin_fenced(*connection, fence, deadline));
  BF_CHECK(connection->query(
      "INSERT INTO collection_schedule (underlying_id, valid_from, interval_seconds, hours)"
      " VALUES ($1, $2, $3, $4) ON CONFLICT (underlying_id, valid_from)"
      " DO UPDATE SET interval_seconds = EXCLUDED.interval_seconds, hours = EXCLUDED.hours,"
      " recorded_at = now()",
      pg::Params{}.add(found.id).add(entry.valid_from).add(seconds).add(std::string_view(hours)),
      deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  return {};
}

}  // namespace bifrost::store
