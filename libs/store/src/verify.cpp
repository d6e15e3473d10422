// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "bifrost/store/backup.hpp"
#include "digest.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Instant;
using core::Result;

constexpr std::size_t findings_kept = 100;

class Check {
 public:
  Check(pg::Connection& connection, const BackupProgress& progress, Deadline deadline)
      : connection_(connection), progress_(progress), deadline_(deadline) {}

  Result<Verification> run() {
    BF_TRY(const auto symbols,
           connection_.query("SELECT underlying_id, symbol FROM underlyings", deadline_));
    for (int row = 0; row < symbols.size(); ++row) {
      symbols_.emplace(symbols.integer(row, 0), symbols.text(row, 1));
    }
    BF_TRY(const auto kept,
           connection_.query("SELECT max(quotes_kept_from) FROM db_info", deadline_));
    kept_from_ = kept.find_instant(0, 0).value_or(Instant::min());
    BF_CHECK(partitions());
    BF_TRY(const auto days,
           connection_.query(
               "SELECT DISTINCT (as_of AT TIME ZONE 'UTC')::date FROM collection_runs ORDER BY 1",
               deadline_));
    std::optional<core::Date> next;  // the first day not looked at
    for (int row = 0; row < days.size(); ++row) {
      const auto day = days.date(row, 0);
      BF_CHECK(say(progress_,
                   fmt::format("{}, day {} of {}", core::to_iso_date(day), row + 1, days.size())));
      // Facts on days that the ledger does not know are found with the day after them.
      BF_CHECK(facts(next ? Instant{*next} : Instant::min(),
                     Instant{day + std::chrono::days{1}} - std::chrono::microseconds{1}));
      BF_CHECK(ledger(day));
      next = day + std::chrono::days{1};
    }
    BF_CHECK(facts(next ? Instant{*next} : Instant::min(), Instant::max()));
    BF_CHECK(superseded());
    return std::move(result_);
  }

 private:
  void find(std::int64_t underlying_id, Instant as_of, std::string what) {
    ++result_.problems;
    if (result_.findings.size() >= findings_kept) return;
    const auto symbol = symbols_.find(underlying_id);
    result_.findings.push_back({symbol == symbols_.end()
                                    ? (underlying_id == 0 ? "" : fmt::format("#{}", underlying_id))
                                    : symbol->second,
                                as_of, std::move(what)});
  }

  Result<void> partitions() {
    BF_TRY(const auto rows,
           connection_.query(
               "SELECT p.relname::text, c.relname::text, pg_get_expr(c.relpartbound, c.oid)"
               " FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent"
               " JOIN pg_class c ON c.oid = i.inhrelid WHERE p.relkind = 'p'"
               " AND p.relnamespace = current_schema()::regnamespace ORDER BY 1, 2",
               deadline_));
    for (int row = 0; row < rows.size(); ++row) {
      const std::string table(rows.text(row, 1));
      const auto bound = rows.text(row, 2);
      if (bound == "DEFAULT") {
        const auto sql = fmt::format("SELECT count(*) FROM \"{}\"", table);
        BF_TRY(const auto stray, connection_.query(sql.c_str(), deadline_));
        if (stray.integer(0, 0) > 0) {
          find(0, {},
               fmt::format("{} rows lie in {}, which no partition took", stray.integer(0, 0),
                           table));
        }
        continue;
      }
      const auto day =
          core::parse_compact_date(std::string_view(table).substr(table.rfind('_') + 1));
      if (!day || bound.find("FROM ('" + core::to_iso_date(*day)) == std::string_view::npos) {
        find(0, {}, fmt::format("the partition {} holds {}", table, bound));
      }
    }
    return {};
  }

  struct Facts {
    std::int64_t rows;
    std::int64_t contracts;
    std::int64_t strangers;
    std::uint64_t hash;
  };

  /// Takes in the facts of [from, to], by cycle.
  Result<void> facts(Instant from, Instant to) {
    BF_TRY(const auto rows,
           connection_.query(
               "SELECT s.underlying_id, s.as_of, count(*), count(DISTINCT s.contract_id),"
               " count(*) FILTER (WHERE c.contract_id IS NULL),"
               " bit_xor(hash_record_extended(s, 0)) FROM option_snapshots s"
               " LEFT JOIN contracts c ON c.contract_id = s.contract_id"
               "  AND c.underlying_id = s.underlying_id"
               " WHERE s.as_of BETWEEN $1 AND $2 GROUP BY s.as_of, s.underlying_id"
               " ORDER BY s.as_of, s.underlying_id",
               pg::Params{}.add(from).add(to), deadline_));
    for (int row = 0; row < rows.size(); ++row) {
      const auto as_of = rows.instant(row, 1);
      const Facts found{rows.integer(row, 2), rows.integer(row, 3), rows.integer(row, 4),
                        static_cast<std::uint64_t>(rows.integer(row, 5))};
      found_[{rows.integer(row, 0), as_of}] = found;
      const auto day = std::chrono::floor<std::chrono::days>(as_of);
      if (result_.days.empty() || result_.days.back().day != day) result_.days.push_back({day});
      auto& digest = result_.days.back();
      ++digest.cycles;
      digest.rows += found.rows;
      digest.hash ^= found.hash;
      result_.rows += found.rows;
      if (found.contracts != found.rows) {
        find(rows.integer(row, 0), as_of,
             fmt::format("{} rows for {} contracts", found.rows, found.contracts));
      }
      if (found.strangers > 0) {
        find(rows.integer(row, 0), as_of,
             fmt::format("{} rows of contracts that are unknown or another's", found.strangers));
      }
    }
    if (to == Instant::max()) unclaimed();
    return {};
  }

  void unclaimed() {
    for (const auto& [key, facts] : found_) {
      find(key.first, key.second,
           fmt::format("{} rows that no cycle of the ledger vouches for", facts.rows));
    }
    found_.clear();
  }

  Result<void> ledger(core::Date day) {
    BF_TRY(const auto rows,
           connection_.query(
               "SELECT underlying_id, as_of, status, received FROM collection_runs"
               " WHERE as_of >= $1 AND as_of < $2 AND status IN (1, 2) ORDER BY as_of",
               pg::Params{}.add(Instant{day}).add(Instant{day + std::chrono::days{1}}), deadline_));
    for (int row = 0; row < rows.size(); ++row) {
      ++result_.cycles;
      const auto as_of = rows.instant(row, 1);
      const auto received = rows.integer(row, 3);
      const auto node = found_.extract({rows.integer(row, 0), as_of});
      const auto there = node.empty() ? 0 : node.mapped().rows;
      if (there == received) continue;
      if (there == 0 && as_of < kept_from_) {
        ++result_.cycles_dropped;
        continue;
      }
      find(rows.integer(row, 0), as_of,
           fmt::format("the ledger says {} rows, there are {}", received, there));
    }
    unclaimed();
    return {};
  }

  Result<void> superseded() {
    BF_TRY(const auto rows,
           connection_.query("SELECT r.underlying_id, r.as_of, r.received, count(s.contract_id)"
                             " FROM superseded_runs r LEFT JOIN superseded_option_snapshots s"
                             "  USING (underlying_id, as_of, stored_at) WHERE r.status IN (1, 2)"
                             " GROUP BY r.underlying_id, r.as_of, r.stored_at, r.received"
                             " HAVING count(s.contract_id) <> r.received ORDER BY r.as_of",
                             deadline_));
    for (int row = 0; row < rows.size(); ++row) {
      if (rows.integer(row, 3) == 0 && rows.instant(row, 1) < kept_from_) continue;
      find(rows.integer(row, 0), rows.instant(row, 1),
           fmt::format("what was superseded had {} rows, {} are kept", rows.integer(row, 2),
                       rows.integer(row, 3)));
    }
    return {};
  }

  pg::Connection& connection_;
  const BackupProgress& progress_;
  const Deadline deadline_;
  Verification result_;
  Instant kept_from_ = Instant::min();
  std::map<std::int64_t, std::string> symbols_;
  std::map<std::pair<std::int64_t, Instant>, Facts> found_;  // not yet vouched for
};

}  // namespace

Result<Verification> verify(Database& database, const BackupProgress& progress, Deadline deadline) {
  BF_CHECK(database.check_schema(deadline));
  BF_TRY(const auto connection, database.pool().lease(deadline));
  BF_CHECK(begin_long_read(*connection, deadline));
  auto result = Check(*connection, progress, deadline).run();
  if (result) BF_CHECK(connection->query("COMMIT", deadline));
  return result;
}

}  // namespace bifrost::store
