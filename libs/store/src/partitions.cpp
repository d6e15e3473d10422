// SPDX-License-Identifier: Apache-2.0
#include "partitions.hpp"

#include <fmt/core.h>

#include <set>

namespace bifrost::store {
namespace {

using core::Date;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;
using std::chrono::days;

/// Asked of the catalogue itself: to_regclass answers from a cache that need not know yet what
/// another session has just committed.
Result<bool> has_relation(pg::Connection& connection, std::string_view name, Deadline deadline) {
  BF_TRY(const auto rows, connection.query("SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1"
                                           " AND relnamespace = current_schema()::regnamespace)",
                                           pg::Params{}.add(name), deadline));
  return rows.boolean(0, 0);
}

std::string partition_name(const Timeseries& series, Date start) {
  return fmt::format("{}_{}", series.table, core::to_compact_date(start));
}

std::string bound(const Timeseries& series, Date day) {
  return core::to_iso_date(day) + series.zone;
}

std::string_view column(const Timeseries& series) {
  return *series.zone != '\0' ? "as_of" : "day";
}

/// In a transaction of its own. Gives nothing when somebody else made it meanwhile.
Result<PartitionsMade> make_partition(pg::Connection& connection, const Timeseries& series,
                                      Date start, Deadline deadline) {
  // Made beside the table and attached: readers of other days are not kept waiting. Writers of one
  // new day take turns, and the second finds it there.
  const auto name = partition_name(series, start);
  // A dump of the database holds what we lock below, and readers would queue behind us.
  BF_CHECK(connection.run("BEGIN; SET LOCAL lock_timeout = '2s'", deadline));
  BF_CHECK(connection.query("SELECT pg_advisory_xact_lock(1651859712, 1)", deadline));
  BF_TRY(const bool there, has_relation(connection, name, deadline));
  PartitionsMade done;
  if (!there) {
    const auto from = bound(series, start);
    const auto to = bound(series, start + days{series.days});
    // Names cannot be parameters; these are ours, made of a constant and digits. ATTACH is refused
    // while the default partition holds rows of these days; it locks that partition anyway.
    BF_CHECK(connection.run(
        fmt::format("CREATE TABLE {0} (LIKE {1} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING "
                    "INDEXES);"
                    "LOCK TABLE {1}_default IN ACCESS EXCLUSIVE MODE",
                    name, series.table),
        deadline));
    const auto move = fmt::format(
        "WITH caught AS (DELETE FROM {0}_default WHERE {1} >= '{2}' AND {1} < '{3}' RETURNING *)"
        " INSERT INTO {4} SELECT * FROM caught",
        series.table, column(series), from, to, name);
    BF_TRY(const auto moved, connection.query(move.c_str(), deadline));
    BF_CHECK(connection.run(
        fmt::format("ALTER TABLE {0} ATTACH PARTITION {1} FOR VALUES FROM ('{2}') TO ('{3}')",
                    series.table, name, from, to),
        deadline));
    done = {1, moved.affected()};
  }
  BF_CHECK(connection.run("COMMIT", deadline));
  return done;
}

/// Of these tables, those that are cut into native partitions.
Result<bool> is_partitioned(pg::Connection& connection, const Timeseries& series,
                            Deadline deadline) {
  BF_TRY(const auto kind,
         connection.query("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass($1)",
                          pg::Params{}.add(std::string_view(series.table)), deadline));
  if (kind.size() == 0)
    return fail(Errc::unavailable, "the database has no schema yet; hint: bifrost migrate");
  return kind.boolean(0, 0);
}

/// Only a partition that is sorted has it.
std::string contract_index(std::string_view partition) {
  return fmt::format("{}_contract", partition);
}

/// Indexes into `partitions` of those that are sorted.
Result<std::vector<std::size_t>> places_of_sorted(pg::Connection& connection,
                                                  std::span<const std::string> partitions,
                                                  Deadline deadline) {
  std::vector<std::string> indexes;
  for (const auto& partition : partitions) indexes.push_back(contract_index(partition));
  BF_TRY(const auto rows,
         connection.query("SELECT k.place FROM unnest($1::text[]) WITH ORDINALITY AS k(name, place)"
                          " JOIN pg_class c ON c.relname = k.name::name AND c.relkind = 'i'"
                          " AND c.relnamespace = current_schema()::regnamespace",
                          pg::Params{}.add(std::span<const std::string>(indexes)), deadline));
  std::vector<std::size_t> places;
  for (int row = 0; row < rows.size(); ++row)
    places.push_back(static_cast<std::size_t>(rows.integer(row, 0)) - 1);
  return places;
}

}  // namespace

Date partition_start(Date day, int width) {
  constexpr Date monday{std::chrono::year{2000} / 1 / 3};
  const auto n = (day - monday).count();
  return monday + days{(n >= 0 ? n / width : (n - width + 1) / width) * width};
}

Result<PartitionsMade> make_partitions(pg::Connection& connection, std::span<const Date> wanted,
                                       Deadline deadline) {
  PartitionsMade all;
  for (const auto& series : timeseries) {
    BF_TRY(const bool partitioned, is_partitioned(connection, series, deadline));
    if (!partitioned) continue;  // a hypertable makes its own
    std::set<Date> starts;
    for (const auto day : wanted) starts.insert(partition_start(day, series.days));
    for (const auto start : starts) {
      BF_TRY(const bool there, has_relation(connection, partition_name(series, start), deadline));
      if (there) continue;
      BF_TRY(const auto made, make_partition(connection, series, start, deadline));
      all.made += made.made;
      all.moved_rows += made.moved_rows;
    }
  }
  return all;
}

Result<PartitionsMade> empty_default_partitions(pg::Connection& connection, Deadline deadline) {
  PartitionsMade all;
  for (const auto& series : timeseries) {
    BF_TRY(const bool partitioned, is_partitioned(connection, series, deadline));
    if (!partitioned) continue;
    const auto list =
        fmt::format("SELECT DISTINCT {0}::date FROM {1}_default ORDER BY 1",
                    *series.zone != '\0' ? "(as_of AT TIME ZONE 'UTC')" : "day", series.table);
    BF_TRY(const auto rows, connection.query(list.c_str(), deadline));
    std::set<Date> starts;
    for (int row = 0; row < rows.size(); ++row)
      starts.insert(partition_start(rows.date(row, 0), series.days));
    for (const auto start : starts) {
      BF_TRY(const auto made, make_partition(connection, series, start, deadline));
      all.made += made.made;
      all.moved_rows += made.moved_rows;
    }
  }
  return all;
}

Result<std::vector<std::string>> partitions_before(pg::Connection& connection,
                                                   const Timeseries& series, Date before,
                                                   Deadline deadline) {
  std::vector<std::string> names;
  BF_TRY(const bool partitioned, is_partitioned(connection, series, deadline));
  if (!partitioned) return names;
  BF_TRY(const auto rows,
         connection.query("SELECT c.relname::text FROM pg_inherits i"
                          " JOIN pg_class c ON c.oid = i.inhrelid"
                          " WHERE i.inhparent = to_regclass($1) ORDER BY 1",
                          pg::Params{}.add(std::string_view(series.table)), deadline));
  for (int row = 0; row < rows.size(); ++row) {
    std::string name{rows.text(row, 0)};
    const auto start = core::parse_compact_date(name.substr(name.rfind('_') + 1));
    // Only what make_partition named; a partition that somebody made by hand is his.
    if (start && name == partition_name(series, *start) && *start + days{series.days} <= before)
      names.push_back(std::move(name));
  }
  return names;
}

Result<std::set<Date>> sorted_days(pg::Connection& connection, std::span<const Date> days,
                                   Deadline deadline) {
  std::vector<std::string> names;
  for (const auto day : days) names.push_back(partition_name(quotes_by_day, day));
  BF_TRY(const auto places, places_of_sorted(connection, names, deadline));
  std::set<Date> sorted;
  for (const auto place : places) sorted.insert(days[place]);
  return sorted;
}

Result<std::vector<std::string>> partitions_to_sort(pg::Connection& connection, core::Instant end,
                                                    Deadline deadline) {
  BF_TRY(auto names,
         partitions_before(connection, quotes_by_day, std::chrono::floor<days>(end), deadline));
  BF_TRY(const auto places, places_of_sorted(connection, names, deadline));
  for (const auto place : places) names[place].clear();
  std::erase(names, std::string());
  return names;
}

Result<bool> sort_partition(pg::Connection& connection, const std::string& name, Deadline deadline,
                            std::int64_t largest_sorted) {
  // A reader in the middle of the day keeps us waiting, and we would keep everybody.
  const std::string begin = "BEGIN; SET LOCAL lock_timeout = '2s';";
  const auto make_index =
      fmt::format("CREATE INDEX {} ON {} (contract_id); COMMIT", contract_index(name), name);
  const auto sort = [&]() -> Result<void> {
    // Not by the number of rows: a day that was filled at once has none in the catalogue yet.
    BF_TRY(const auto rows, connection.query("SELECT pg_relation_size(to_regclass($1))",
                                             pg::Params{}.add(std::string_view(name)), deadline));
    const auto order = fmt::format("{}_order", name);
    if (!rows.missing(0, 0) && rows.integer(0, 0) > largest_sorted) {
      // Left by a run that found the day in use when it was smaller. In a transaction of its own:
      // readers wait for it, and would for what is made after it.
      BF_CHECK(
          connection.run(fmt::format("{}DROP INDEX IF EXISTS {}; COMMIT", begin, order), deadline));
      return connection.run(begin + make_index, deadline);
    }
    // CLUSTER, because whoever reads an older state of the database finds the rows afterwards, as
    // he would not if they had been inserted anew. It wants an index in the new order, made while
    // readers go on; a run that was killed leaves it to the next.
    BF_CHECK(connection.run(
        fmt::format("{}CREATE INDEX IF NOT EXISTS {} ON {} (date_bin('30 minutes', as_of,"
                    " '2000-01-01 00:00+00'), underlying_id, contract_id, as_of); COMMIT",
                    begin, order, name),
        deadline));
    return connection.run(fmt::format("{}CLUSTER {} USING {}; DROP INDEX {}; {}", begin, name,
                                      order, order, make_index),
                          deadline);
  };
  if (const auto sorted = sort(); !sorted) {
    if (connection.last_sqlstate() != "55P03") return tl::unexpected{sorted.error()};
    BF_CHECK(connection.run("ROLLBACK", deadline));
    return false;
  }
  BF_CHECK(connection.run("ANALYZE " + name, deadline));
  return true;
}

Result<void> drop_partition(pg::Connection& connection, const Timeseries& series,
                            const std::string& name, const std::function<Result<void>()>& allowed,
                            Deadline deadline) {
  // A reader in the middle of an old day keeps us waiting, and we would keep everybody. Makers and
  // droppers of partitions take turns, because they lock table and default in different orders.
  BF_CHECK(connection.run(fmt::format("BEGIN; SET LOCAL lock_timeout = '10s';"
                                      "SELECT pg_advisory_xact_lock(1651859712, 1);"
                                      "LOCK TABLE ONLY {0} IN ACCESS EXCLUSIVE MODE;"
                                      "LOCK TABLE {1} IN ACCESS EXCLUSIVE MODE",
                                      series.table, name),
                          deadline));
  BF_CHECK(allowed());
  return connection.run(fmt::format("ALTER TABLE {0} DETACH PARTITION {1}; DROP TABLE {1}; COMMIT",
                                    series.table, name),
                        deadline);
}

}  // namespace bifrost::store
