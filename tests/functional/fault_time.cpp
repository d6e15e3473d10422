// SPDX-License-Identifier: Apache-2.0
// Faults of time, of the universe, and of a database that is away.
#include <fmt/core.h>
#include <signal.h>

#include "bifrost/core/calendar.hpp"
#include "fault_play.hpp"
#include "shared_data.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using core::Instant;

/// Whether this build's collector keeps what it has finished, and takes turns with another one.
bool has_spool() {
  return run("bifrost", {"config"}, "").output.find("BIFROST_SPOOL_DIR") != std::string::npos;
}

MarketShape market_from(const char* first) {
  return {.first = core::parse_date(first).value(),
          .fridays = 12,
          .listed = 2,
          .lowest_strike = 98,
          .highest_strike = 102,
          .seed = fault_seed()};
}

const Played f3{
    "F03DatabaseAwayForHalfAnHour", "F3", [] {
      if (!has_spool()) return Outcome{{}, {}, "this collector has no spool and no lease"};
      Scene scene{{.name = "f3", .shape = market_from("2026-03-02")}};
      scene.cycle(scene.now(), 40s);
      scene.cycles(1, 40s);
      scene.relay().close_database(true);
      constexpr int away = 6;
      // What it got, not what it asks for: the clock may go on only then.
      const auto in_log = [&](Instant as_of) {
        return wait_until(40s,
                          [&] { return scene.log_lines(core::to_iso(as_of) + ": 20 of ") > 0; });
      };
      for (int i = 0; i < away; ++i) {
        const auto as_of = scene.next(scene.now());
        scene.set_time(as_of);
        scene.expect(in_log(as_of), core::to_iso(as_of) + " was not collected without a database");
        if (i == away / 2) {
          // What it has spooled is on disk, not in the process.
          scene.collector().signal(SIGKILL);
          scene.expect(scene.collector().wait(core::after(10s)).has_value(), "it does not die");
          scene.start_collector();
        }
      }
      scene.relay().close_database(false);
      const Stopwatch drain;
      scene.cycle(scene.next(scene.now()), 60s);
      const auto drained = drain.text();
      const int back = scene.back_within(2, 40s);
      const auto verdict = scene.finish();
      scene.expect(verdict.missed == 0, "cycles were lost while the database was away");
      const auto order = scene.sql().one(
          "SELECT count(*) FROM (SELECT as_of, lag(as_of) OVER (ORDER BY stored_at, as_of) AS "
          "before FROM "
          "collection_runs) x WHERE as_of < before");
      scene.expect(order == "0", "the spool was not drained in order");
      return scene.outcome(
          fmt::format("database away for {} cycles and a kill -9 of the collector meanwhile: "
                      "drained in order in "
                      "{}, complete again after {} cycle: {}",
                      away, drained, back, verdict.text()));
    }};

const Played f21{
    "F21TheUniverseMoves", "F21", [] {
      auto shape = market_from("2026-03-02");
      shape.listed_later = at("2026-03-06T20:50:00Z");
      shape.gone = at("2026-03-06T20:55:00Z");
      Scene scene{{.name = "f21", .shape = shape, .first = "2026-03-06T20:40:00Z"}};
      scene.cycle(scene.now(), 40s);
      scene.cycles(
          6, 40s);  // Friday's last cycles, with a strike more and one less, and Monday's first
      const auto monday = at("2026-03-09T13:40:00Z");
      scene.expect(scene.now() == monday, "it is " + core::to_iso(scene.now()));
      Owed owed;
      owed.listing_moves = true;
      const auto verdict = scene.finish(owed);
      const auto rows = [&](std::string_view condition) {
        return scene.sql().one(fmt::format(
            "SELECT count(*) FROM option_snapshots s JOIN contracts c USING (contract_id) WHERE {}",
            condition));
      };
      scene.expect(rows("expiry = '2026-03-06' AND as_of > '2026-03-07'") == "0",
                   "an expired series goes on");
      scene.expect(rows("expiry = '2026-03-20' AND as_of > '2026-03-07'") != "0",
                   "the new series is not there");
      scene.expect(rows("strike = 98000 AND as_of > '2026-03-06T20:55:00Z'") == "0",
                   "a strike that is gone has quotes");
      scene.expect(rows("strike = 102000 AND as_of > '2026-03-07'") == "8",
                   "the new strike is not there on Monday: " +
                       rows("strike = 102000 AND as_of > '2026-03-07'"));
      scene.expect(scene.status_of(monday) == 1, "Monday is not complete: " + scene.reasons());
      return scene.outcome(fmt::format(
          "a strike appears, one is withdrawn, an expiry rolls off, within 7 cycles: {}",
          verdict.text()));
    }};

const Played f24{
    "F24Split", "F24", [] {
      const auto file = shared_data("a_clear/aapl_2014_06_06_and_09_hourly.csv.gz");
      if (!file)
        return Outcome{
            {}, {}, "shared/data/a_clear/aapl_2014_06_06_and_09_hourly.csv.gz is not here"};
      const std::string url = play_database("f24");
      std::vector<std::string> wrong;
      if (run("bifrost", {"import", file->string()}, url).status != 0)
        wrong.push_back("the import fails");
      Sql sql{url};
      const auto of_day = [&](std::string_view day) {
        return sql.one(fmt::format(
            "SELECT count(DISTINCT contract_id) FROM option_snapshots WHERE as_of::date = '{}'",
            day));
      };
      const auto both = sql.one(
          "SELECT count(*) FROM (SELECT contract_id FROM option_snapshots GROUP BY contract_id "
          "HAVING "
          "count(DISTINCT as_of::date) > 1) x");
      // Counted in the file by its README.
      if (of_day("2014-06-06") != "2352")
        wrong.push_back("contracts before the split: " + of_day("2014-06-06"));
      if (of_day("2014-06-09") != "2180")
        wrong.push_back("contracts after the split: " + of_day("2014-06-09"));
      if (both != "0") wrong.push_back(both + " contracts live on both sides of the split");
      return Outcome{wrong,
                     fmt::format("AAPL 7:1 of June 2014: {} contracts before, {} after, {} merged",
                                 of_day("2014-06-06"), of_day("2014-06-09"), both),
                     {}};
    }};

Verdict days(const std::string& name, const char* first_friday, const std::string& first, int count,
             std::vector<std::string>& wrong, bool stepped) {
  Scene scene{{.name = name, .shape = market_from(first_friday), .first = first, .interval = 1h}};
  scene.cycle(scene.now(), 40s);
  scene.cycles(count / 2, 40s);
  if (stepped) {
    // Five minutes and two hours back, then on again: nothing is written twice or under a wrong
    // name.
    const auto here = scene.now();
    for (const auto step : {-5min, +5min, -120min, -60min, +0min}) {
      scene.set_time(here + step);
      wait_until(1s, [] { return false; });
    }
  }
  scene.cycles(count - count / 2, 40s);
  const auto verdict = scene.finish();
  auto outcome = scene.outcome("");
  wrong.insert(wrong.end(), outcome.wrong.begin(), outcome.wrong.end());
  if (verdict.complete != verdict.scheduled) wrong.push_back(name + ": " + verdict.text());
  return verdict;
}

const Played f25{
    "F25ClockAndCalendar", "F25", [] {
      std::vector<std::string> wrong;
      Verdict sum;
      sum.add(days("f25_spring", "2026-03-02", "2026-03-06T19:00:00Z", 12, wrong, true));
      sum.add(days("f25_autumn", "2026-10-26", "2026-10-30T18:00:00Z", 12, wrong, false));
      sum.add(days("f25_thanksgiving", "2026-11-23", "2026-11-25T19:00:00Z", 10, wrong, false));
      sum.add(days("f25_christmas", "2026-12-21", "2026-12-23T20:00:00Z", 10, wrong, false));
      // When an expiry settles, by PostgreSQL's clock of New York.
      Sql sql{cluster().url()};
      int settled = 0;
      for (const auto& [expiry, close] : {std::pair{"2026-03-06", "16:00"},
                                          {"2026-03-13", "16:00"},
                                          {"2026-10-30", "16:00"},
                                          {"2026-11-06", "16:00"},
                                          {"2026-11-27", "13:00"},
                                          {"2026-12-24", "13:00"}}) {
        const auto expected =
            sql.one(fmt::format("SELECT extract(epoch FROM ('{} {}'::timestamp AT TIME ZONE "
                                "'America/New_York'))::bigint",
                                expiry, close));
        const auto ours =
            core::settlement_instant({"FLT", "FLT", core::parse_date(expiry).value(),
                                      core::Price::from_units(1'000'000), core::Right::call, 100});
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(ours.time_since_epoch()).count();
        if (std::to_string(seconds) != expected)
          wrong.push_back(fmt::format("{} settles at {}", expiry, core::to_iso(ours)));
        ++settled;
      }
      return Outcome{wrong,
                     fmt::format("clock 5 minutes and 2 hours back and on, DST both ways, half "
                                 "days, holiday eves: {}; {} "
                                 "settlements right",
                                 sum.text(), settled),
                     {}};
    }};

const Played f32{
    "F32TwoCollectors", "F32", [] {
      if (!has_spool()) return Outcome{{}, {}, "this collector has no spool and no lease"};
      Scene scene{{.name = "f32", .shape = market_from("2026-03-02")}};
      scene.cycle(scene.now(), 40s);
      auto second = start_faulted_collector(
          through(scene.url(), scene.relay().database_port()), scene.relay().gateway_port(),
          "f32-second.log",
          {{"IB_CLIENT_ID", "12"}, {"BIFROST_SPOOL_DIR", (scratch() / "spool-second").string()}});
      scene.cycles(6, 40s);
      scene.expect(second.running(), "the second collector is gone");
      // Stopped without dying: its lease runs out, the other one writes, and when it wakes it must
      // not.
      scene.collector().signal(SIGSTOP);
      const Stopwatch paused;
      scene.cycles(1, 60s);
      const auto followed = paused.text();
      scene.expect(scene.status_of(scene.now()) == 1,
                   "nobody followed the collector that was stopped");
      scene.collector().signal(SIGCONT);
      scene.cycles(4, 40s);
      // And killed, whichever of the two it is that writes.
      second.signal(SIGKILL);
      scene.expect(second.wait(core::after(10s)).has_value(), "it does not die");
      const Stopwatch killed;
      scene.cycles(1, 60s);
      const auto taken = killed.text();
      scene.cycles(2, 40s);
      const auto verdict = scene.finish();
      scene.expect(verdict.complete == verdict.scheduled,
                   "a cycle was lost between the two: " + scene.reasons());
      return scene.outcome(fmt::format(
          "two collectors: followed {} after one was stopped, {} after one was killed: {}",
          followed, taken, verdict.text()));
    }};

}  // namespace
}  // namespace bifrost::test
