// SPDX-License-Identifier: Apache-2.0
#include "invariants.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <tuple>

#include "bifrost/collector/radar.hpp"
#include "shared_data.hpp"

namespace bifrost::test {

namespace {

using core::Instant;
using core::to_iso;

constexpr std::size_t findings_kept = 8;

/// Closures of the years that the faults play in, by hand from the exchanges' announcements; the
/// published table takes their place where it is on this machine.
constexpr std::string_view closed_by_hand =
    "'2025-01-01','2025-01-09','2025-01-20','2025-02-17','2025-04-18','2025-05-26','2025-06-19',"
    "'2025-07-04','2025-09-01','2025-11-27','2025-12-25','2026-01-01','2026-01-19','2026-02-16',"
    "'2026-04-03','2026-05-25','2026-06-19','2026-07-03','2026-09-07','2026-11-26','2026-12-25',"
    "'2027-01-01','2027-01-18','2027-02-15','2027-03-26','2027-05-31','2027-06-18','2027-07-05',"
    "'2027-09-06','2027-11-25','2027-12-24'";
constexpr std::string_view short_by_hand =
    "'2025-07-03','2025-11-28','2025-12-24','2026-11-27','2026-12-24','2027-11-26'";

struct Closures {
  std::string closed{closed_by_hand};
  std::string shortened{short_by_hand};
};

Closures closures() {
  const auto table = shared_data("a_clear/us_market_calendar.csv");
  if (!table) return {};
  Closures found{"", ""};
  std::ifstream in{*table};
  for (std::string line; std::getline(in, line);) {
    const auto comma = line.find(',');
    const auto what = line.substr(comma + 1, line.find(',', comma + 1) - comma - 1);
    auto* list = what == "closed" ? &found.closed : what == "short" ? &found.shortened : nullptr;
    // Only shortened days of the present rules: closing at 13:00.
    if (list == nullptr || line.substr(0, 4) < "2013") continue;
    *list += fmt::format("{}'{}'", list->empty() ? "" : ",", line.substr(0, comma));
  }
  return found;
}

/// A query that gives one column `t` with every cycle owed.
std::string schedule(Instant from, Instant to, std::chrono::seconds interval) {
  static const Closures known = closures();
  return fmt::format(
      R"(SELECT t FROM (
           SELECT (d + time '09:30') AT TIME ZONE 'America/New_York' AS opens,
                  (d + CASE WHEN d IN ({3}) THEN time '13:00' ELSE time '16:00' END)
                    AT TIME ZONE 'America/New_York' AS closes
           FROM (SELECT g::date AS d FROM generate_series('{0}'::timestamptz::date - 1, '{1}'::timestamptz::date + 1,
                                                          interval '1 day') g) days
           WHERE extract(isodow FROM d) < 6 AND d NOT IN ({2})) sessions,
         LATERAL generate_series(to_timestamp(floor(extract(epoch FROM opens) / {4}) * {4} + {4}), closes,
                                 {4} * interval '1 second') t
         WHERE t BETWEEN '{0}' AND '{1}')",
      to_iso(from), to_iso(to), known.closed, known.shortened, interval.count());
}

constexpr std::string_view iso = R"('YYYY-MM-DD"T"HH24:MI:SS"Z"')";

class Checker {
 public:
  Checker(Sql& sql, const Owed& owed)
      : sql_(sql),
        owed_(owed),
        id_(sql.one(fmt::format("SELECT underlying_id FROM underlyings WHERE symbol = '{}'",
                                owed.underlying))) {}

  Verdict run() {
    ledger();
    counts();
    duplicates();
    acknowledgements();
    values();
    return std::move(verdict_);
  }

 private:
  void broken(std::string what) {
    if (verdict_.broken.size() < findings_kept) verdict_.broken.push_back(std::move(what));
  }

  /// The values of a one-column query, cut off where nobody reads on.
  void none(std::string_view what, const std::string& query) {
    const auto rows = sql_(query);
    if (rows.empty()) return;
    std::string list;
    for (std::size_t i = 0; i < rows.size() && i < 3; ++i) {
      list += (i > 0 ? ", " : "") + rows[i][0].value_or("NULL");
    }
    broken(fmt::format("{}: {} of them: {}{}", what, rows.size(), list,
                       rows.size() > 3 ? " ..." : ""));
  }

  std::string runs(std::string_view columns, std::string_view condition = "true") const {
    return fmt::format(
        "SELECT {} FROM collection_runs r WHERE underlying_id = {} AND as_of BETWEEN '{}' AND '{}' "
        "AND {}",
        columns, id_, to_iso(owed_.from), to_iso(owed_.to), condition);
  }

  std::int64_t number(const std::string& query) { return std::stoll(sql_.one(query)); }

  void ledger() {
    const auto owed = schedule(owed_.from, owed_.to, owed_.interval);
    verdict_.scheduled = number(fmt::format("SELECT count(*) FROM ({}) x", owed));
    none("I1: scheduled and not in the ledger",
         fmt::format("SELECT to_char(t AT TIME ZONE 'UTC', {}) FROM ({} EXCEPT {}) x ORDER BY t",
                     iso, owed, runs("as_of")));
    none("I1: in the ledger and never scheduled",
         fmt::format("SELECT to_char(t AT TIME ZONE 'UTC', {}) FROM ({} EXCEPT {}) x ORDER BY t",
                     iso, runs("as_of AS t"), owed));
    none("I1: not complete and no reason", runs("as_of", "status <> 1 AND reason = ''"));
    none("I1: complete and not everything received",
         runs("as_of", "status = 1 AND expected IS DISTINCT FROM received"));
    none("I1: missed and yet rows", runs("as_of", "status = 3 AND received <> 0"));
    verdict_.complete = number(runs("count(*)", "status = 1"));
    verdict_.partial = number(runs("count(*)", "status = 2"));
    verdict_.missed = number(runs("count(*)", "status = 3"));
    if (verdict_.scheduled != verdict_.complete + verdict_.partial + verdict_.missed) {
      broken("I1: scheduled is not complete + partial + missed");
    }
  }

  void counts() {
    verdict_.rows =
        number(fmt::format("SELECT count(*) FROM option_snapshots WHERE underlying_id = {}", id_));
    none("I1: the ledger counts other rows than there are",
         fmt::format(R"(SELECT r.as_of || ' ' || r.received || ' <> ' || coalesce(n, 0)
                        FROM collection_runs r
                        LEFT JOIN (SELECT as_of, count(*) AS n FROM option_snapshots
                                   WHERE underlying_id = {0} GROUP BY as_of) s USING (as_of)
                        WHERE r.underlying_id = {0} AND r.received <> coalesce(n, 0))",
                     id_));
    none(
        "I3: rows that no ledger row vouches for",
        fmt::format(
            R"(SELECT s.as_of FROM (SELECT DISTINCT as_of FROM option_snapshots WHERE underlying_id = {0}) s
                        LEFT JOIN collection_runs r ON r.underlying_id = {0} AND r.as_of = s.as_of AND r.status IN (1, 2)
                        WHERE r.as_of IS NULL)",
            id_));
    none("I3: changes of a cycle that is not there",
         fmt::format(R"(SELECT DISTINCT c.as_of FROM option_changes c
                        LEFT JOIN collection_runs r ON r.underlying_id = c.underlying_id AND r.as_of = c.as_of AND r.status IN (1, 2)
                        WHERE c.underlying_id = {} AND r.as_of IS NULL)",
                     id_));
    none(
        "I3: rows in a default partition",
        "SELECT tableoid::regclass::text FROM option_snapshots WHERE tableoid::regclass::text LIKE "
        "'%default'");
  }

  void duplicates() {
    // By what a contract is, not by its number.
    verdict_.duplicate = number(fmt::format(
        R"(SELECT coalesce(sum(n - 1), 0) FROM (
             SELECT count(*) AS n FROM option_snapshots s JOIN contracts c USING (contract_id)
             WHERE s.underlying_id = {}
             GROUP BY s.as_of, c.trading_class, c.expiry, c.strike, c."right", c.multiplier) x)",
        id_));
    if (verdict_.duplicate != 0) {
      broken(fmt::format("I3: {} rows are there twice", verdict_.duplicate));
    }
  }

  void acknowledgements() {
    if (owed_.acks != nullptr) {
      for (const auto& ack : *owed_.acks) {
        if (digest_of(sql_, ack.underlying, ack.as_of) == ack.digest) continue;
        ++verdict_.lost;
        broken(fmt::format("I2: {} {} was announced and is not what it was then", ack.underlying,
                           to_iso(ack.as_of)));
      }
    }
    if (owed_.logged != nullptr) {
      for (const auto& [as_of, rows] : *owed_.logged) {
        const auto there = sql_.one(fmt::format(
            "SELECT count(*) FROM option_snapshots WHERE underlying_id = {} AND as_of = '{}'", id_,
            to_iso(as_of)));
        if (there == std::to_string(rows)) continue;
        ++verdict_.lost;
        broken(fmt::format("I2: {} was logged as stored with {} rows and has {}", to_iso(as_of),
                           rows, there));
      }
    }
  }

  void values() {
    if (owed_.market == nullptr) return;
    const auto cycles = sql_(
        runs(fmt::format("to_char(as_of AT TIME ZONE 'UTC', {}), status, underlying_price", iso),
             "status IN (1, 2) ORDER BY as_of"));
    for (std::size_t i = 0; i < cycles.size(); i += owed_.compare_every) {
      const auto as_of = at_iso(*cycles[i][0]);
      const auto expected = owed_.market->expected(as_of);
      const auto stored = sql_(fmt::format(
          R"(SELECT c.trading_class, c.expiry::text, c.strike, c."right", s.bid, s.ask, s.last, s.bid_size,
                    s.ask_size, s.volume, s.open_interest, s.implied_vol, s.delta, s.gamma, s.theta, s.vega
             FROM option_snapshots s JOIN contracts c USING (contract_id)
             WHERE s.underlying_id = {} AND s.as_of = '{}')",
          id_, *cycles[i][0]));
      for (const auto& row : stored) {
        const auto want = expected.find({*row[0], *row[1], *row[2], *row[3]});
        const auto name = fmt::format("{} {} {} {}", *cycles[i][0], *row[1], *row[2], *row[3]);
        if (want == expected.end()) {
          broken("I5: the market never had " + name);
          continue;
        }
        ++verdict_.compared;
        for (std::size_t f = 0; f < want->second.size(); ++f) {
          if (row[4 + f] == want->second[f]) continue;
          if (owed_.fields_may_lack && !row[4 + f]) {
            ++verdict_.lacking;
            continue;
          }
          broken(fmt::format("I5: {}: field {} is {} and the gateway sent {}", name, f,
                             row[4 + f].value_or("nothing"), want->second[f].value_or("nothing")));
        }
      }
      if (*cycles[i][1] == "1" && stored.size() != expected.size() && !owed_.listing_moves) {
        broken(fmt::format("I5: {} is complete with {} of {} contracts", *cycles[i][0],
                           stored.size(), expected.size()));
      }
      if (cycles[i][2] && *cycles[i][2] != owed_.market->expected_underlying_price(as_of)) {
        broken(fmt::format("I5: {}: the underlying stood at {}", *cycles[i][0],
                           owed_.market->expected_underlying_price(as_of)));
      }
    }
  }

  static Instant at_iso(const std::string& text) { return core::parse_instant(text).value(); }

  Sql& sql_;
  const Owed& owed_;
  std::string id_;
  Verdict verdict_;
};

}  // namespace

std::string Verdict::why() const {
  std::string all;
  for (const auto& what : broken) all += "\n  " + what;
  return all;
}

void Verdict::add(const Verdict& other) {
  broken.insert(broken.end(), other.broken.begin(), other.broken.end());
  scheduled += other.scheduled;
  complete += other.complete;
  partial += other.partial;
  missed += other.missed;
  rows += other.rows;
  lost += other.lost;
  duplicate += other.duplicate;
  compared += other.compared;
  lacking += other.lacking;
}

std::string Verdict::text() const {
  return fmt::format("{} cycles = {} complete + {} partial + {} missed  {} lost  {} duplicate",
                     scheduled, complete, partial, missed, lost, duplicate);
}

std::string digest_of(Sql& sql, std::string_view underlying, Instant as_of) {
  return sql.one(fmt::format(
      R"(SELECT md5(coalesce((SELECT string_agg(s::text, ' ' ORDER BY s.contract_id) FROM option_snapshots s
                              WHERE s.underlying_id = u.underlying_id AND s.as_of = '{1}'), '')
                    || coalesce((SELECT concat_ws(' ', r.status, r.received, r.expected, r.reason) FROM collection_runs r
                                 WHERE r.underlying_id = u.underlying_id AND r.as_of = '{1}'), ''))
         FROM underlyings u WHERE u.symbol = '{0}')",
      underlying, to_iso(as_of)));
}

Verdict check_invariants(Sql& sql, const Owed& owed) {
  return Checker{sql, owed}.run();
}

std::int64_t check_changes(const std::string& url, const std::string& underlying,
                           std::chrono::seconds interval, std::size_t every,
                           std::vector<std::string>& wrong) {
  const auto deadline = core::after(std::chrono::minutes{2});
  auto database = store::Database::open(url, deadline).value();
  store::History history{database};
  collector::RadarOptions options;
  options.interval = interval;
  std::int64_t compared = 0;
  std::map<Instant, std::vector<store::Change>> stored;
  Sql sql{url};
  const auto cycles = sql(fmt::format(
      "SELECT to_char(as_of AT TIME ZONE 'UTC', {}) FROM collection_runs JOIN underlyings USING "
      "(underlying_id) WHERE symbol = '{}' AND status IN (1, 2) ORDER BY as_of",
      iso, underlying));
  for (std::size_t i = 0; i < cycles.size(); i += every) {
    const auto as_of = core::parse_instant(*cycles[i][0]).value();
    auto again = collector::changes_again(database, history, options, underlying, as_of, deadline);
    const auto kept = history.changes(underlying, as_of, as_of, std::nullopt, 1'000'000, deadline);
    if (!again || !kept) {
      wrong.push_back(fmt::format("I6: {}: {}", *cycles[i][0],
                                  !again ? again.error().message : kept.error().message));
      continue;
    }
    std::vector<store::Change> found;
    for (const auto& change : *kept) found.push_back(change.change);
    const auto order = [](const store::Change& a, const store::Change& b) {
      return std::tie(a.contract, a.kind) < std::tie(b.contract, b.kind);
    };
    std::ranges::sort(found, order);
    std::ranges::sort(*again, order);
    if (found != *again) {
      const auto [one, other] = std::ranges::mismatch(found, *again);
      const auto told = [&](const auto& at, const auto& all) {
        return at == all.end() ? std::string{"none"}
                               : fmt::format("{} {} {} to {}", core::describe(at->contract),
                                             store::to_string(at->kind), at->previous.value_or(-1),
                                             at->current.value_or(-1));
      };
      wrong.push_back(fmt::format(
          "I6: {}: {} changes are stored and {} follow from the snapshots: {} against {}",
          *cycles[i][0], found.size(), again->size(), told(one, found), told(other, *again)));
    }
    compared += static_cast<std::int64_t>(found.size());
  }
  return compared;
}

std::int64_t check_rollups(Sql& sql, std::vector<std::string>& wrong) {
  const auto rows = sql(R"(
      WITH raw AS (
        SELECT (s.as_of AT TIME ZONE 'America/New_York')::date AS day, s.underlying_id, s.contract_id, s.as_of, s.volume,
               s.open_interest, s.implied_vol, (s.bid + s.ask) / 2.0 / u.price_scale AS mid,
               (s.ask - s.bid) / u.price_scale::float8 AS spread,
               coalesce(s.bid IS NOT NULL AND s.ask > 0 AND s.bid <= s.ask, false) AS market
        FROM option_snapshots s JOIN underlyings u USING (underlying_id)
        JOIN collection_runs r ON r.underlying_id = s.underlying_id AND r.as_of = s.as_of AND r.status IN (1, 2)),
      days AS (
        SELECT day, underlying_id, contract_id, count(*) FILTER (WHERE market) AS n,
               (array_agg(mid ORDER BY as_of) FILTER (WHERE market))[1] AS mid_open,
               max(mid) FILTER (WHERE market) AS mid_high, min(mid) FILTER (WHERE market) AS mid_low,
               (array_agg(mid ORDER BY as_of DESC) FILTER (WHERE market))[1] AS mid_close,
               avg(spread) FILTER (WHERE market) AS average_spread,
               (array_agg(implied_vol ORDER BY market DESC, as_of DESC))[1] AS implied_vol_close
        FROM raw GROUP BY 1, 2, 3)
      SELECT concat_ws(' ', day, contract_id, 'n', d.n, days.n, 'close', d.mid_close, days.mid_close) FROM days
      FULL JOIN option_daily d USING (day, underlying_id, contract_id)
      WHERE d.n IS DISTINCT FROM days.n OR abs(d.mid_open - days.mid_open) > 1e-9 OR abs(d.mid_high - days.mid_high) > 1e-9
         OR abs(d.mid_low - days.mid_low) > 1e-9 OR abs(d.mid_close - days.mid_close) > 1e-9
         OR (d.mid_close IS NULL) <> (days.mid_close IS NULL) OR abs(d.average_spread - days.average_spread) > 1e-9
         OR d.implied_vol_close IS DISTINCT FROM days.implied_vol_close)");
  for (std::size_t i = 0; i < rows.size() && i < findings_kept; ++i) {
    wrong.push_back("I7: the roll-up is not what the rows give: " + *rows[i][0]);
  }
  return std::stoll(sql.one("SELECT count(*) FROM option_daily"));
}

std::vector<Instant> owed_cycles(Sql& sql, Instant from, Instant to,
                                 std::chrono::seconds interval) {
  std::vector<Instant> cycles;
  const auto rows =
      sql(fmt::format("SELECT to_char(t AT TIME ZONE 'UTC', {}) FROM ({}) x ORDER BY t", iso,
                      schedule(from, to, interval)));
  for (const auto& row : rows) cycles.push_back(core::parse_instant(*row[0]).value());
  return cycles;
}

}  // namespace bifrost::test
