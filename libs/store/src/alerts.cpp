// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/alerts.hpp"

#include "pool.hpp"

namespace bifrost::store {

using core::Date;
using core::Deadline;
using core::Result;

namespace {

// Sessions of a contract with the volume of the day and the open interest before and after it. The
// session after is the underlying's next rolled-up day, at most a long weekend away.
#define BIFROST_OUTCOMES                                                                         \
  " sessions AS (SELECT underlying_id, day, lead(day) OVER (PARTITION BY underlying_id"          \
  "   ORDER BY day) AS next FROM (SELECT DISTINCT underlying_id, day FROM option_daily"          \
  "   WHERE day BETWEEN $3 AND $4 + 5 AND ($5::text IS NULL OR underlying_id ="                  \
  "    (SELECT underlying_id FROM underlyings WHERE symbol = $5))) d),"                          \
  " outcomes AS (SELECT a.underlying_id, a.day, a.contract_id, a.volume, a.open_interest,"       \
  "   b.open_interest - a.open_interest >= 0.25 * a.volume AS confirmed"                         \
  "  FROM sessions s JOIN option_daily a ON a.underlying_id = s.underlying_id AND a.day = s.day" \
  "  JOIN option_daily b ON b.underlying_id = s.underlying_id AND b.day = s.next"                \
  "   AND b.contract_id = a.contract_id"                                                         \
  "  WHERE s.day BETWEEN $3 AND $4 AND s.next - s.day <= 5 AND a.volume > 0"                     \
  "   AND a.open_interest IS NOT NULL AND b.open_interest IS NOT NULL)"

#define BIFROST_CHANGES                                                                       \
  "WITH found AS (SELECT h.underlying_id, h.contract_id, h.kind,"                             \
  "   (h.as_of AT TIME ZONE 'America/New_York')::date AS day, h.score IS NOT NULL AS scored," \
  "   COALESCE(h.score <= h.false_alarm_rate, false) AS alert FROM option_changes h"          \
  "  JOIN collection_runs r ON r.underlying_id = h.underlying_id AND r.as_of = h.as_of"       \
  "   AND r.status IN (1, 2)"                                                                 \
  "  WHERE h.as_of >= $1 AND h.as_of < $2 AND ($5::text IS NULL OR h.underlying_id ="         \
  "   (SELECT underlying_id FROM underlyings WHERE symbol = $5))),"

}  // namespace

Result<AlertReport> alert_report(Database& database, std::optional<std::string_view> underlying,
                                 Date first, Date last, Deadline deadline) {
  BF_TRY(const auto connection, database.pool().lease(deadline));
  pg::Params params;
  params.add(core::from_exchange_time(first, {}))
      .add(core::from_exchange_time(last + std::chrono::days{1}, {}))
      .add(first)
      .add(last)
      .add(underlying);
  AlertReport report;
  BF_TRY(const auto counts,
         connection->query(
             BIFROST_CHANGES BIFROST_OUTCOMES
             ", alarmed AS (SELECT DISTINCT underlying_id, contract_id, day, kind FROM found"
             "   WHERE alert),"
             " answers AS (SELECT a.kind, count(*) AS answered,"
             "   count(*) FILTER (WHERE o.confirmed) AS confirmed FROM alarmed a"
             "  JOIN outcomes o USING (underlying_id, contract_id, day) GROUP BY a.kind)"
             " SELECT f.kind, count(*), count(*) FILTER (WHERE f.scored),"
             "  count(*) FILTER (WHERE f.alert), COALESCE(max(w.answered), 0),"
             "  COALESCE(max(w.confirmed), 0)"
             " FROM found f LEFT JOIN answers w ON w.kind = f.kind GROUP BY f.kind ORDER BY f.kind",
             params, deadline));
  for (int row = 0; row < counts.size(); ++row) {
    report.kinds.push_back({static_cast<ChangeKind>(counts.integer(row, 0)), counts.integer(row, 1),
                            counts.integer(row, 2), counts.integer(row, 3), counts.integer(row, 4),
                            counts.integer(row, 5)});
  }
  BF_TRY(const auto plain,
         connection->query(
             BIFROST_CHANGES BIFROST_OUTCOMES
             ", wanted AS (SELECT a.underlying_id, a.day, count(*) AS n FROM"
             "   (SELECT DISTINCT underlying_id, contract_id, day FROM found WHERE alert AND kind "
             "= 3) a"
             "  JOIN outcomes o USING (underlying_id, contract_id, day) GROUP BY 1, 2),"
             " ranked AS (SELECT o.*, row_number() OVER (PARTITION BY underlying_id, day ORDER BY"
             "   volume / greatest(open_interest, 1)::float8 DESC, contract_id) AS place"
             "  FROM outcomes o WHERE volume >= 1.25 * open_interest)"
             " SELECT count(*), count(*) FILTER (WHERE r.confirmed) FROM ranked r"
             " JOIN wanted w USING (underlying_id, day) WHERE r.place <= w.n",
             params, deadline));
  report.plain = {plain.integer(0, 0), plain.integer(0, 1)};
  return report;
}

}  // namespace bifrost::store
