// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/maintenance.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/log.hpp"
#include "partitions.hpp"
#include "pool.hpp"
#include "rollups.hpp"
#include "tiers.hpp"
#include "upkeep.hpp"

namespace bifrost::store {
namespace {

using core::Date;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;
using std::chrono::days;
namespace log = core::log;

constexpr std::array<std::string_view, 7> task_names{
    "partitions", "rollups", "row_check", "retention", "sorting", "compression", "analyze"};

/// A writer's transaction may have begun, and so dated its rows, this long before they are seen.
constexpr auto longest_transaction = "1 hour";
/// Days whose last check is longest ago, checked again at every run.
constexpr int old_days_checked = 5;

using Counts = std::vector<std::pair<std::string, std::int64_t>>;

/// What a task remembers of its last good run.
struct Memory {
  std::optional<Instant> ledger_seen_until;  // with the longest transaction taken off
  std::optional<Date> through_day;
};

class Upkeep {
 public:
  Upkeep(pg::Connection& connection, Tier tier, Date through, Instant now,
         const MaintenanceOptions& options,
         const std::function<void(const MaintenanceProgress&)>& on_progress, std::stop_token stop,
         Deadline deadline)
      : connection_(connection),
        tier_(tier),
        through_(through),
        now_(now),
        options_(options),
        on_progress_(on_progress),
        stop_(std::move(stop)),
        deadline_(deadline) {}

  /// Error only when the rest cannot be done either.
  Result<TaskResult> perform(std::string_view task) {
    task_ = task;
    counts_.clear();
    BF_TRY(const auto started, clock());
    BF_TRY(const auto memory, remember());
    tell(0, "");
    auto done = run(memory);
    if (connection_.broken()) {
      return done ? fail(Errc::unavailable, "the connection to the database was lost")
                  : tl::unexpected{std::move(done).error()};
    }
    if (connection_.in_transaction()) BF_CHECK(connection_.run("ROLLBACK", deadline_));
    if (!done && (stop_.stop_requested() || done.error().code == Errc::cancelled))
      return tl::unexpected{std::move(done).error()};
    TaskResult result;
    result.task = task;
    result.started_at = started;
    BF_TRY(result.finished_at, clock());
    result.ok = done.has_value();
    if (!done) result.problem = done.error().message;
    result.counts = counts_;
    if (result.ok) result.through_day = through_;
    BF_TRY(result.last_ok_at, keep(result));
    return result;
  }

 private:
  Result<void> run(const Memory& memory) {
    if (task_ == "partitions") return partitions();
    if (task_ == "rollups") return rollups(memory);
    if (task_ == "row_check") return row_check(memory);
    if (task_ == "retention") return retention();
    if (task_ == "sorting") return sorting();
    if (task_ == "compression") return compression(memory);
    return analyze();
  }

  void count(std::string name, std::int64_t value) { counts_.emplace_back(std::move(name), value); }
  void tell(double share, std::string detail) {
    if (on_progress_) on_progress_({task_, share, std::move(detail)});
  }
  Result<void> go_on() const {
    if (stop_.stop_requested()) return fail(Errc::cancelled, "upkeep was stopped");
    return {};
  }

  Result<Instant> clock() {
    BF_TRY(const auto rows, connection_.query("SELECT clock_timestamp()", deadline_));
    return rows.instant(0, 0);
  }

  Result<Memory> remember() {
    Memory memory;
    if (options_.everything) return memory;
    BF_TRY(const auto rows,
           connection_.query("SELECT ledger_seen_until - $2::text::interval, through_day"
                             " FROM maintenance_runs WHERE task = $1",
                             pg::Params{}.add(task_).add(std::string_view(longest_transaction)),
                             deadline_));
    if (rows.size() == 0) return memory;
    memory.ledger_seen_until = rows.find_instant(0, 0);
    if (!rows.missing(0, 1)) memory.through_day = rows.date(0, 1);
    return memory;
  }

  /// Enters the result; gives the end of the last good run.
  Result<std::optional<Instant>> keep(const TaskResult& result) {
    std::string counts = "{";
    for (const auto& [name, value] : result.counts) {
      counts += fmt::format("{}\"{}\": {}", counts.size() > 1 ? ", " : "", name, value);
    }
    counts += "}";
    BF_TRY(
        const auto rows,
        connection_.query(
            "INSERT INTO maintenance_runs AS m (task, started_at, finished_at, ok, problem, counts,"
            " last_ok_at, through_day, ledger_seen_until)"
            " SELECT $1, $2, $3, k.ok, $5, $6::text::json, CASE WHEN k.ok THEN $3 END,"
            " CASE WHEN k.ok THEN $7 END, CASE WHEN k.ok THEN $2 END FROM (SELECT $4 = 1 AS ok) k"
            " ON CONFLICT (task) DO UPDATE SET started_at = EXCLUDED.started_at,"
            " finished_at = EXCLUDED.finished_at, ok = EXCLUDED.ok, problem = EXCLUDED.problem,"
            " counts = EXCLUDED.counts, last_ok_at = coalesce(EXCLUDED.last_ok_at, m.last_ok_at),"
            " through_day = coalesce(EXCLUDED.through_day, m.through_day),"
            " ledger_seen_until = coalesce(EXCLUDED.ledger_seen_until, m.ledger_seen_until)"
            " RETURNING last_ok_at",
            pg::Params{}
                .add(std::string_view(result.task))
                .add(result.started_at)
                .add(result.finished_at)
                .add(static_cast<std::int32_t>(result.ok ? 1 : 0))
                .add(std::string_view(result.problem))
                .add(std::string_view(counts))
                .add(through_),
            deadline_));
    return rows.find_instant(0, 0);
  }

  Result<void> partitions() {
    const auto today = std::chrono::floor<days>(now_);
    std::vector<Date> ahead;
    for (int i = 0; i <= options_.partition_days_ahead; ++i) ahead.push_back(today + days{i});
    BF_TRY(const auto made, make_partitions(connection_, ahead, deadline_));
    BF_TRY(const auto emptied, empty_default_partitions(connection_, deadline_));
    count("made", made.made + emptied.made);
    count("moved_rows", made.moved_rows + emptied.moved_rows);
    return {};
  }

  Result<void> rollups(const Memory& memory) {
    BF_TRY(const auto written, days_written(connection_, memory.ledger_seen_until,
                                            memory.through_day, through_, deadline_));
    std::int64_t done = 0;
    std::int64_t contracts = 0;
    std::int64_t without_quotes = 0;
    std::int64_t failed = 0;
    std::string problem;
    std::set<Date> changed;
    for (std::size_t i = 0; i < written.size(); ++i) {
      BF_CHECK(go_on());
      const auto rolled = roll_up(connection_, written[i], deadline_);
      if (!rolled) {
        // One day that cannot be done does not keep the others from it.
        if (connection_.broken()) return tl::unexpected{rolled.error()};
        BF_CHECK(connection_.run("ROLLBACK", deadline_));
        if (++failed == 1) {
          problem =
              fmt::format("{}: {}", core::to_iso_date(written[i].day), rolled.error().message);
        }
      } else if (rolled->what == RolledUp::done) {
        ++done;
        contracts += rolled->contracts;
        changed.insert(written[i].day);
      } else if (rolled->what == RolledUp::no_quotes) {
        ++without_quotes;
      }
      tell(static_cast<double>(i + 1) / static_cast<double>(written.size()),
           fmt::format("{}, {} underlying-days", core::to_iso_date(written[i].day), done));
    }
    count("days", static_cast<std::int64_t>(changed.size()));
    count("underlying_days", done);
    count("option_days", contracts);
    if (without_quotes > 0) count("underlying_days_without_quotes", without_quotes);
    if (failed == 0) return {};
    count("underlying_days_failed", failed);
    return fail(Errc::unavailable, problem);
  }

  Result<void> row_check(const Memory& memory) {
    BF_TRY(const auto written, days_written(connection_, memory.ledger_seen_until,
                                            memory.through_day, through_, deadline_));
    std::set<Date> wanted;
    for (const auto& key : written) wanted.insert(key.day);
    BF_TRY(const auto old,
           connection_.query("SELECT day FROM row_checks WHERE day >= coalesce((SELECT"
                             "  (quotes_kept_from AT TIME ZONE 'America/New_York')::date + 1"
                             "  FROM db_info), '-infinity') ORDER BY checked_at, day LIMIT $1",
                             pg::Params{}.add(old_days_checked), deadline_));
    for (int row = 0; row < old.size(); ++row) wanted.insert(old.date(row, 0));
    RowCheck all;
    std::int64_t checked = 0;
    for (const auto day : wanted) {
      BF_CHECK(go_on());
      BF_TRY(const auto found, check_rows(connection_, day, deadline_));
      if (found) {
        ++checked;
        all.cycles += found->cycles;
        all.mismatches += found->mismatches;
        if (found->mismatches > 0) {
          log::warning(
              "{}: {} of {} cycles have another number of rows than the ledger says; "
              "hint: bifrost db status",
              core::to_iso_date(day), found->mismatches, found->cycles);
        }
      }
      tell(static_cast<double>(checked) / static_cast<double>(wanted.size()),
           core::to_iso_date(day));
    }
    count("days", checked);
    count("cycles", all.cycles);
    count("mismatches", all.mismatches);
    return {};
  }

  Result<void> retention() {
    if (!options_.retention_days) return {};
    BF_TRY(const auto newest,
           connection_.query("SELECT (max(as_of) AT TIME ZONE 'America/New_York')::date"
                             " FROM collection_runs WHERE status IN (1, 2)",
                             pg::Params{}, deadline_));
    // Counted from the newest quotes at the latest: a clock far ahead must not empty the history.
    const auto last = newest.missing(0, 0) ? through_ : std::min(through_, newest.date(0, 0));
    const auto horizon = bounds_of(last - days{*options_.retention_days - 1}).from;
    const auto before = std::chrono::floor<days>(horizon);
    // Whatever went wrong before, a day that is not rolled up as the ledger has it is kept.
    BF_TRY(
        const auto open,
        connection_.query(
            "SELECT min(w.day) FROM (SELECT underlying_id,"
            "  (as_of AT TIME ZONE 'America/New_York')::date AS day,"
            "  sum(received)::int8 AS received, max(stored_at) AS stored_at"
            "  FROM collection_runs WHERE status IN (1, 2) AND as_of < $1"
            "  AND as_of >= coalesce((SELECT ((quotes_kept_from AT TIME ZONE 'America/New_York')"
            "   ::date + 1)::timestamp AT TIME ZONE 'America/New_York' FROM db_info), '-infinity')"
            "  GROUP BY 1, 2) w LEFT JOIN underlying_daily d ON d.underlying_id = w.underlying_id"
            " AND d.day = w.day AND d.origin = 'snapshots' AND d.received = w.received"
            " AND d.ledger_stored_at = w.stored_at WHERE d.day IS NULL",
            pg::Params{}.add(horizon), deadline_));
    if (!open.missing(0, 0)) {
      return fail(Errc::conflict, fmt::format("{} is not rolled up yet: nothing was dropped",
                                              core::to_iso_date(open.date(0, 0))));
    }
    // By what is about to go too: the ledger's days before the last drop are not looked at above.
    for (const auto& series : timeseries) {
      if (!series.dropped || std::string_view(series.table) != quotes_by_day.table) continue;
      BF_TRY(const bool hypertable, is_hypertable(connection_, series.table, tier_, deadline_));
      if (hypertable) BF_CHECK(may_go(series.table, true, before));
      BF_TRY(const auto parts, partitions_before(connection_, series, before, deadline_));
      for (const auto& part : parts) BF_CHECK(may_go(part, false, before));
    }
    // Said before it is done: readers must never take a dropped day for an empty one.
    BF_CHECK(
        connection_.query("UPDATE db_info SET quotes_kept_from = greatest(quotes_kept_from, $1)"
                          " WHERE EXISTS (SELECT FROM collection_runs WHERE as_of < $1)",
                          pg::Params{}.add(Instant{before}), deadline_));
    std::int64_t dropped = 0;
    for (const auto& series : timeseries) {
      if (!series.dropped) continue;
      BF_CHECK(go_on());
      BF_TRY(const bool hypertable, is_hypertable(connection_, series.table, tier_, deadline_));
      const bool quotes = std::string_view(series.table) == quotes_by_day.table;
      if (hypertable) {
        const auto allowed = [&]() -> Result<void> {
          return quotes ? may_go(series.table, true, before) : Result<void>{};
        };
        BF_TRY(const auto gone,
               drop_chunks(connection_, series.table, Instant{before}, allowed, deadline_));
        dropped += gone;
        continue;
      }
      BF_TRY(const auto parts, partitions_before(connection_, series, before, deadline_));
      for (const auto& part : parts) {
        BF_CHECK(go_on());
        const auto allowed = [&]() -> Result<void> {
          return quotes ? may_go(part, false, before) : Result<void>{};
        };
        BF_CHECK(drop_partition(connection_, series, part, allowed, deadline_));
        ++dropped;
      }
    }
    // What corrections moved aside, and what was said of the rows that went.
    BF_CHECK(connection_.query("DELETE FROM superseded_option_snapshots WHERE as_of < $1",
                               pg::Params{}.add(Instant{before}), deadline_));
    BF_CHECK(connection_.query("DELETE FROM row_check_mismatches WHERE as_of < $1",
                               pg::Params{}.add(Instant{before}), deadline_));
    count("dropped", dropped);
    return {};
  }

  /// Whether the quotes of a table, before a day, are rolled up.
  Result<void> may_go(std::string_view table, bool hypertable, Date before) {
    BF_TRY(const auto open,
           first_day_not_rolled_up(connection_, table, hypertable, Instant{before}, deadline_));
    if (!open) return {};
    return fail(Errc::conflict, fmt::format("{} has quotes that are not rolled up yet: they stay",
                                            core::to_iso_date(*open)));
  }

  /// What compression is to chunks, in its order at least, to native partitions.
  Result<void> sorting() {
    const auto closed = std::min(bounds_of(through_).before, now_);
    BF_TRY(const auto parts, partitions_to_sort(connection_, closed, deadline_));
    std::int64_t done = 0;
    std::int64_t in_use = 0;
    for (const auto& part : parts) {
      BF_CHECK(go_on());
      BF_TRY(const bool sorted, sort_partition(connection_, part, deadline_));
      ++(sorted ? done : in_use);
      tell(static_cast<double>(done + in_use) / static_cast<double>(parts.size()), part);
    }
    count("partitions", done);
    if (in_use > 0) count("in_use", in_use);
    return {};
  }

  Result<void> compression(const Memory& memory) {
    BF_CHECK(apply_community_settings(connection_, tier_, deadline_));
    const auto closed = std::min(bounds_of(through_).before, now_);
    BF_TRY(const auto chunks,
           chunks_to_compress(connection_, tier_, closed,
                              memory.ledger_seen_until.value_or(Instant{}), deadline_));
    std::int64_t done = 0;
    for (const auto& chunk : chunks) {
      BF_CHECK(go_on());
      BF_CHECK(compress(connection_, chunk, deadline_));
      ++done;
      tell(static_cast<double>(done) / static_cast<double>(chunks.size()), chunk.name);
    }
    if (tier_ == Tier::community) count("chunks", done);
    return {};
  }

  Result<void> analyze() {
    BF_TRY(const auto rows,
           connection_.query("SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
                             " WHERE schemaname IN (current_schema(), '_timescaledb_internal')"
                             " AND n_mod_since_analyze > greatest(100, n_live_tup / 10) ORDER BY 1",
                             deadline_));
    for (int row = 0; row < rows.size(); ++row) {
      BF_CHECK(go_on());
      // A table's name cannot be a parameter; this one the server has quoted.
      BF_CHECK(connection_.run(fmt::format("ANALYZE {}", rows.text(row, 0)), deadline_));
      tell(static_cast<double>(row + 1) / rows.size(), std::string(rows.text(row, 0)));
    }
    count("tables", rows.size());
    return {};
  }

  pg::Connection& connection_;
  const Tier tier_;
  const Date through_;
  const Instant now_;
  const MaintenanceOptions& options_;
  const std::function<void(const MaintenanceProgress&)>& on_progress_;
  const std::stop_token stop_;
  const Deadline deadline_;
  std::string_view task_;
  Counts counts_;
};

/// The pool gets the connection back as it was.
class Borrowed {
 public:
  Borrowed(pg::Connection& connection, std::chrono::milliseconds usual_limit, std::stop_token stop)
      : connection_(connection), usual_limit_(usual_limit) {
    connection_.stop_with(std::move(stop));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    connection_.stop_with({});
    if (connection_.broken()) return;  // the server lets go of the lock by itself
    if (connection_.in_transaction())
      static_cast<void>(connection_.run("ROLLBACK", core::after(std::chrono::seconds{1})));
    static_cast<void>(
        connection_.run(fmt::format("SELECT pg_advisory_unlock_all(); SET statement_timeout = {}",
                                    usual_limit_.count()),
                        core::after(std::chrono::seconds{1})));
  }

 private:
  pg::Connection& connection_;
  std::chrono::milliseconds usual_limit_;
};

Result<TaskResult> read_task(const pg::Rows& rows, int row) {
  TaskResult task;
  task.task = rows.text(row, 0);
  task.started_at = rows.instant(row, 1);
  task.finished_at = rows.instant(row, 2);
  task.ok = rows.boolean(row, 3);
  task.problem = rows.text(row, 4);
  task.last_ok_at = rows.find_instant(row, 5);
  if (!rows.missing(row, 6)) task.through_day = rows.date(row, 6);
  return task;
}

}  // namespace

Date last_closed_day(Instant now) {
  const auto today = core::exchange_time(now).date;
  const auto session = core::session(today);
  return session && now >= session->close + closing_grace ? today : today - days{1};
}

bool MaintenanceReport::ok() const {
  return std::ranges::all_of(tasks, &TaskResult::ok);
}

Result<MaintenanceReport> maintain_as(
    Database& database, std::optional<Tier> tier, Instant now, const MaintenanceOptions& options,
    const std::function<void(const MaintenanceProgress&)>& on_progress, std::stop_token stop,
    Deadline deadline) {
  if (options.partition_days_ahead < 0 || options.partition_days_ahead > 3660 ||
      (options.retention_days && *options.retention_days < 1)) {
    return fail(Errc::invalid_input, "upkeep with days that are not days");
  }
  BF_CHECK(database.check_schema(deadline));
  BF_TRY(const auto connection, database.pool().lease(deadline));
  const Borrowed borrowed(*connection, database.pool().options().statement_timeout, stop);
  // A day of five hundred underlyings takes longer than any ordinary statement; the deadline stays.
  BF_CHECK(connection->run("SET statement_timeout = '30min'", deadline));
  BF_TRY(const auto lock,
         connection->query("SELECT pg_try_advisory_lock(1651859712, 2)", deadline));
  if (!lock.boolean(0, 0)) return fail(Errc::conflict, "another upkeep is at work");
  BF_TRY(const auto server, detect_server(*connection, deadline));
  BF_CHECK(record_server(*connection, server, deadline));

  MaintenanceReport report;
  report.through_day = last_closed_day(now);
  Upkeep upkeep(*connection, tier.value_or(server.tier), report.through_day, now, options,
                on_progress, stop, deadline);
  for (const auto task : task_names) {
    BF_TRY(auto result, upkeep.perform(task));
    if (!result.ok) log::warning("upkeep: {}: {}", result.task, result.problem);
    report.tasks.push_back(std::move(result));
  }
  return report;
}

Result<MaintenanceReport> maintain(
    Database& database, Instant now, const MaintenanceOptions& options,
    const std::function<void(const MaintenanceProgress&)>& on_progress, std::stop_token stop,
    Deadline deadline) {
  return maintain_as(database, std::nullopt, now, options, on_progress, std::move(stop), deadline);
}

Result<MaintenanceStatus> maintenance_status(Database& database, Deadline deadline) {
  MaintenanceStatus status;
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_TRY(const auto tasks,
         connection->query("SELECT task, started_at, finished_at, ok, problem, last_ok_at,"
                           " through_day FROM maintenance_runs",
                           deadline));
  for (int row = 0; row < tasks.size(); ++row) {
    BF_TRY(auto task, read_task(tasks, row));
    status.tasks.push_back(std::move(task));
  }
  std::ranges::sort(status.tasks, {}, [](const TaskResult& task) {
    return std::ranges::find(task_names, task.task) - task_names.begin();
  });
  BF_TRY(const auto counts,
         connection->query("SELECT m.task, c.key, c.value::int8 FROM maintenance_runs m,"
                           " json_each_text(m.counts) WITH ORDINALITY AS c(key, value, at)"
                           " ORDER BY m.task, c.at",
                           deadline));
  for (int row = 0; row < counts.size(); ++row) {
    const auto task =
        std::ranges::find(status.tasks, std::string(counts.text(row, 0)), &TaskResult::task);
    task->counts.emplace_back(counts.text(row, 1), counts.integer(row, 2));
  }
  BF_TRY(const auto checks, connection->query("SELECT (SELECT count(*) FROM row_checks),"
                                              " (SELECT count(*) FROM row_check_mismatches)",
                                              deadline));
  status.days_checked = checks.integer(0, 0);
  status.mismatches = checks.integer(0, 1);
  BF_TRY(const auto wrong,
         connection->query("SELECT u.symbol, m.as_of, m.received, m.found"
                           " FROM row_check_mismatches m"
                           " JOIN underlyings u ON u.underlying_id = m.underlying_id"
                           " ORDER BY m.as_of DESC, u.symbol LIMIT 20",
                           deadline));
  for (int row = 0; row < wrong.size(); ++row) {
    status.newest_mismatches.push_back({std::string(wrong.text(row, 0)), wrong.instant(row, 1),
                                        wrong.find_integer(row, 2), wrong.integer(row, 3)});
  }
  return status;
}

Result<std::optional<Date>> maintained_through(Database& database, Deadline deadline) {
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_TRY(const auto rows,
         connection->query("SELECT min(through_day) FILTER (WHERE through_day IS NOT NULL),"
                           " count(through_day) FROM maintenance_runs WHERE ok",
                           deadline));
  if (rows.missing(0, 0) || rows.integer(0, 1) < static_cast<std::int64_t>(task_names.size()))
    return std::nullopt;
  return rows.date(0, 0);
}

}  // namespace bifrost::store
