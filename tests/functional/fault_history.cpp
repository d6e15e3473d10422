// SPDX-License-Identifier: Apache-2.0
// Faults of what is made of the history: roll-ups over days and time zones, backups under load.
#include <fmt/core.h>

#include <atomic>
#include <fstream>

#include "fault_play.hpp"

namespace bifrost::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using core::Instant;

/// An option file of instants on both sides of midnight in New York and in Greenwich, and of the
/// hour that daylight saving time skips.
fs::path over_midnights(std::mt19937_64& random) {
  const auto file = scratch() / "f7.csv";
  std::ofstream out{file};
  out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
         "delta,gamma,theta,"
         "vega,bid_size,ask_size,root,mid\n";
  for (const auto* t : {"2026-03-06T20:00:00Z", "2026-03-06T23:50:00Z", "2026-03-07T00:10:00Z",
                        "2026-03-07T04:50:00Z", "2026-03-07T05:10:00Z", "2026-03-08T06:30:00Z",
                        "2026-03-08T07:30:00Z", "2026-03-09T03:50:00Z", "2026-03-09T04:10:00Z",
                        "2026-03-09T15:00:00Z"}) {
    for (int strike = 90; strike < 110; ++strike) {
      for (const char right : {'C', 'P'}) {
        const auto bid = random() % 400;
        const auto ask = bid + random() % 30;
        const auto text = [&](std::uint64_t cents, bool there) {
          return there ? fmt::format("{}.{:02}", cents / 100, cents % 100) : std::string{};
        };
        // Missing, crossed and worthless ones are no market.
        const auto kind = random() % 8;
        out << fmt::format("{},ROL,100.5,2026-03-20,{},{},{},{},,{},{},0.25,,,,,5,6,ROL,\n", t,
                           strike, right, text(kind == 1 ? ask + 5 : bid, kind != 0),
                           text(kind == 2 ? 0 : ask, kind != 3), random() % 900, random() % 5'000);
      }
    }
  }
  return file;
}

/// Whether this build's operator tool has the verb.
bool has_verb(const std::string& verb) {
  return run("bifrost", {"db", "--help"}, "").output.find("  " + verb + " ") != std::string::npos;
}

const Played f7{"F07RollUpsOverDaysAndTimeZones", "F7", [] {
                  if (!has_verb("maintain"))
                    return Outcome{{}, {}, "there is no `bifrost db maintain`"};
                  std::mt19937_64 random{fault_seed()};
                  const auto url = play_database("f7");
                  std::vector<std::string> wrong;
                  if (run("bifrost", {"import", over_midnights(random).string()}, url).status != 0)
                    wrong.push_back("the import fails");
                  Sql sql{url};
                  // The writer sits in another zone than the exchange.
                  sql("ALTER DATABASE f7 SET timezone TO 'Asia/Tokyo'");
                  for (int again = 0; again < 2; ++again) {
                    const auto ran = run("bifrost", {"db", "maintain"}, url);
                    if (ran.status != 0) wrong.push_back("db maintain fails: " + ran.output);
                  }
                  const auto compared = check_rollups(sql, wrong);
                  if (compared < 40 * 4)
                    wrong.push_back(fmt::format("only {} contract days were rolled up", compared));
                  const auto partitions =
                      sql.one("SELECT count(DISTINCT tableoid) FROM option_snapshots");
                  return Outcome{wrong,
                                 fmt::format("roll-ups of {} contract days over {} partitions, "
                                             "midnights of two zones and the skipped hour "
                                             "equal the raw rows  seed {}",
                                             compared, partitions, fault_seed()),
                                 {}};
                }};

const Played f9{
    "F09BackupDuringHeavyWrites", "F9", [] {
      if (!has_verb("backup")) return Outcome{{}, {}, "there is no `bifrost db backup`"};
      Scene scene{{.name = "f9",
                   .shape = {.first = core::parse_date("2026-03-02").value(),
                             .fridays = 12,
                             .listed = 2,
                             .lowest_strike = 85,
                             .highest_strike = 115,
                             .seed = fault_seed()}}};
      scene.cycle(scene.now(), 40s);
      scene.cycles(30, 40s);
      // Announced before the backup began: must be in it. The collector goes on as fast as it can.
      const auto before = scene.heard();
      const auto file = scratch() / "f9.backup";
      std::atomic<bool> done = false;
      Ran backup{-1, {}};
      const Stopwatch backing;
      std::thread operator_at_work([&] {
        backup = run("bifrost", {"db", "backup", file.string()}, scene.url());
        done = true;
      });
      int meanwhile = 0;
      do {
        scene.cycles(1, 40s);
        ++meanwhile;
      } while (!done);
      operator_at_work.join();
      const auto took = backing.text();
      scene.expect(backup.status == 0, "the backup fails: " + backup.output);
      const auto verified = run("bifrost", {"db", "verify", file.string()}, scene.url());
      scene.expect(verified.status == 0, "the backup does not verify: " + verified.output);
      // To an empty host: a database that has never been migrated.
      const auto empty = play_empty_database("f9_empty");
      const Stopwatch restoring;
      const auto restored = run("bifrost", {"db", "restore", file.string()}, empty);
      const auto back = restoring.text();
      scene.expect(restored.status == 0, "the restore fails: " + restored.output);
      int lost = 0;
      std::int64_t rows = 0;
      {
        Sql there{empty};
        rows = std::stoll(there.one("SELECT count(*) FROM option_snapshots"));
        for (const auto& ack : before) {
          if (digest_of(there, ack.underlying, ack.as_of) != ack.digest) ++lost;
        }
        // Nothing half: every cycle in it is whole.
        const auto last =
            core::parse_instant(there.one("SELECT to_char(max(as_of) AT TIME ZONE 'UTC', "
                                          "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM collection_runs"))
                .value();
        const auto there_too = check_invariants(there, {.underlying = "FLT",
                                                        .from = scene.first(),
                                                        .to = last,
                                                        .market = &scene.gateway().market()});
        for (const auto& broken : there_too.broken) scene.expect(false, "restored: " + broken);
      }
      scene.expect(lost == 0,
                   fmt::format("{} cycles announced before the backup are not in it", lost));
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "backup while {} cycles were written ({}), restored to an empty database and proved "
          "({}): {} announced cycles and {} rows in it, {} lost: {}",
          meanwhile, took, back, before.size(), rows, lost, verdict.text()));
    }};

}  // namespace

/// F8 takes two versions of the server on one machine: tests/timescaledb/timescaledb.sh has them.
TEST(Fault, F08ServerUpgrade) {
  FAULT_NOT_HERE("F8", "in \"history on TimescaleDB (Debian 13)\": PostgreSQL 15 to 17");
}

}  // namespace bifrost::test
