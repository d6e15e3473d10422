// SPDX-License-Identifier: Apache-2.0
// Faults of the database under a running collector.
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>

#include <fstream>
#include <thread>

#include "fault_relay.hpp"
#include "fault_server.hpp"
#include "fault_stage.hpp"

namespace bifrost::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using core::Instant;

constexpr auto interval = 300s;

MarketShape small_market(std::uint64_t seed) {
  return {.first = core::parse_date("2026-03-02").value(),
          .fridays = 12,
          .listed = 2,
          .lowest_strike = 98,
          .highest_strike = 102,
          .seed = seed};
}

/// False also while the server is away.
bool in_ledger(const std::string& url, Instant as_of) {
  try {
    return Sql{url}.one(fmt::format("SELECT count(*) FROM collection_runs WHERE as_of = '{}'",
                                    core::to_iso(as_of))) == "1";
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::vector<Instant> march(Sql& sql) {
  return owed_cycles(sql, at("2026-03-02T14:30:00Z"), at("2026-03-31T00:00:00Z"), interval);
}

/// What a collector that ran all the time owes: every cycle complete, and what it said stored.
Verdict all_complete(const std::string& url, const StagedGateway& gateway, Instant from, Instant to,
                     const std::string& log) {
  Sql sql{url};
  const auto logged = logged_cycles(log, "FLT");
  auto verdict = check_invariants(sql, {.underlying = "FLT",
                                        .interval = interval,
                                        .from = from,
                                        .to = to,
                                        .market = &gateway.market(),
                                        .logged = &logged});
  if (verdict.complete != verdict.scheduled)
    verdict.broken.push_back("not every cycle is complete");
  return verdict;
}

/// One server, one collector, and kills of the former while the latter writes.
class KillLane {
 public:
  KillLane(int lane, int kills) : lane_(lane), kills_(kills) {}

  /// In a thread of its own.
  void run_kills() {
    try {
      kill_again_and_again();
    } catch (const std::exception& problem) {
      failure_ = problem.what();
    }
  }

  const std::string& failure() const { return failure_; }
  const Verdict& verdict() const { return verdict_; }
  std::uint64_t writing() const { return writing_; }

 private:
  void must(bool done, std::string_view what) const {
    if (done) return;
    throw std::runtime_error(fmt::format("seed {}, lane {}, kill {}: {}; logs {}.log and {}-db.log",
                                         fault_seed(), lane_, kill_, what,
                                         (scratch() / name_).string(), name_));
  }

  /// The postmaster, or who writes for the collector. Just after a recovery there may be neither
  /// the collector's connection nor the log writer yet, and what the last kill does may begin only
  /// after the cycle was in the ledger.
  pid_t find_victim(const std::string& url, bool whole_server) const {
    const std::string who =
        whole_server
            ? "SELECT (string_to_array(pg_read_file('postmaster.pid'), E'\\n'))[1]"
            : "SELECT pid FROM pg_stat_activity WHERE application_name = 'bifrost-collector' OR "
              "backend_type = 'walwriter' ORDER BY backend_type = 'walwriter', query_start DESC "
              "LIMIT 1";
    pid_t victim = 0;
    must(wait_until(60s,
                    [&] {
                      try {
                        const auto rows = Sql{url}(who);
                        if (!rows.empty()) victim = std::stoi(*rows[0][0]);
                      } catch (const std::runtime_error&) {
                        return false;
                      }
                      return victim != 0;
                    }),
         "nobody to kill");
    return victim;
  }

  void kill_again_and_again() {
    std::mt19937_64 random{fault_seed() * 1'000 + static_cast<std::uint64_t>(lane_)};
    const QuickFolder folder{name_};
    FaultServer server{
        folder.path(),
        {.settings = {"shared_buffers=16MB"}, .log = scratch() / (name_ + "-db.log")}};
    server.start();
    must(run("bifrost", {"migrate"}, server.url()).status == 0, "migrate");
    const auto& url = server.url();
    std::vector<Instant> cycles;
    {
      Sql sql{url};
      cycles = march(sql);
    }
    auto cycle = cycles.begin();
    StagedGateway gateway{small_market(fault_seed()), *cycle};
    Relay relay{gateway.port(), socket_of(url)};
    auto collector = start_faulted_collector(through(url, relay.database_port()), gateway.port(),
                                             name_ + ".log");
    must(wait_until(60s, [&] { return in_ledger(url, *cycle); }), "the first cycle");
    // A cycle in peace, to know how many bytes its writing is.
    relay.kill_at(0, -1, Relay::Counts::database);
    gateway.set_time(*++cycle);
    must(wait_until(60s, [&] { return in_ledger(url, *cycle); }), "the second cycle");
    writing_ = relay.passed();
    std::uniform_int_distribution<std::uint64_t> moment{1, writing_};
    for (kill_ = 1; kill_ <= kills_; ++kill_) {
      const bool whole = kill_ % 10 == 0;  // every tenth takes the whole server down
      const auto victim = find_victim(url, whole);
      relay.kill_at(moment(random), victim, Relay::Counts::database);
      do {
        gateway.set_time(*++cycle);  // a cycle with little to say may not reach the byte
        must(wait_until(60s, [&] { return relay.struck() || in_ledger(url, *cycle); }),
             "nothing was written");
      } while (!relay.struck());
      relay.kill_at(0, -1, Relay::Counts::database);
      if (whole) server.start();
      must(wait_until(60s, [&] { return in_ledger(url, *cycle); }),
           core::to_iso(*cycle) + " is not in the ledger");
    }
    must(collector.running(), "the collector is gone");
    collector.stop(core::after(10s));
    must(find_victim(url, true) != 0, "the server is gone");
    verdict_ = all_complete(url, gateway, cycles.front(), *cycle, name_ + ".log");
    server.stop();
  }

  int lane_;
  int kills_;
  int kill_ = 0;
  std::string name_ = fmt::format("f2-{}", lane_);
  std::string failure_;
  Verdict verdict_;
  std::uint64_t writing_ = 0;
};

TEST(Fault, F02DatabaseKilledDuringACommit) {
  const Stopwatch watch;
  constexpr int kills = 200;
  constexpr int lanes = 4;  // most of the time goes by in servers that recover
  std::vector<std::unique_ptr<KillLane>> all;
  std::vector<std::thread> threads;
  for (int lane = 0; lane < lanes; ++lane) {
    all.push_back(std::make_unique<KillLane>(lane, kills / lanes));
    threads.emplace_back([&one = *all.back()] { one.run_kills(); });
  }
  for (auto& thread : threads) thread.join();
  Verdict sum;
  for (const auto& lane : all) {
    EXPECT_EQ(lane->failure(), "");
    EXPECT_TRUE(lane->verdict().good()) << "seed " << fault_seed() << lane->verdict().why();
    sum.add(lane->verdict());
  }
  EXPECT_GE(sum.complete, kills);
  tell("F2",
       fmt::format("database kill -9: {} kills at random bytes of the {} that a cycle's writing "
                   "is, every tenth of the whole server: {}  seed {}  {}",
                   kills, all.front()->writing(), sum.text(), fault_seed(), watch.text()));
}

TEST(Fault, F04FsyncFailsOnce) {
  const Stopwatch watch;
  const auto seed = fault_seed();
  // Where the server's user may read the library and take the order away.
  const auto folder = scratch() / "f4";
  fs::create_directory(folder);
  give_to_server_user(folder);
  const auto order = folder / "order";
  const auto library = folder / "fsync_fails.so";
  fs::copy_file(BIFROST_FAULT_FSYNC_LIBRARY, library);
  FaultServer server{
      scratch() / "f4-db",
      {.environment = {{"LD_PRELOAD", library.string()}, {"FAULT_FSYNC", order.string()}}}};
  server.start();
  ASSERT_EQ(run("bifrost", {"migrate"}, server.url()).status, 0);
  std::vector<Instant> cycles;
  {
    Sql sql{server.url()};
    cycles = march(sql);
  }
  auto cycle = cycles.begin();
  StagedGateway gateway{small_market(seed), *cycle};
  auto collector = start_faulted_collector(server.url(), gateway.port(), "f4.log");
  ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(server.url(), *cycle); }));
  constexpr int strikes = 4;
  for (int strike = 0; strike < strikes; ++strike) {
    // The log of a commit, then a data file at a checkpoint, in turn.
    const bool log = strike % 2 == 0;
    std::ofstream{order} << (log ? "pg_wal/" : "/base/") << '\n';
    give_to_server_user(order);
    gateway.set_time(*++cycle);
    if (!log) {
      ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(server.url(), *cycle); }));
      try {
        Sql{server.url()}("CHECKPOINT");
      } catch (const std::runtime_error&) {
        // The server went down in it, as it should.
      }
    }
    ASSERT_TRUE(wait_until(60s, [&] { return !fs::exists(order); })) << "strike " << strike;
    ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(server.url(), *cycle); }))
        << "strike " << strike << ": " << core::to_iso(*cycle);
  }
  EXPECT_TRUE(server.log_says("PANIC")) << server.log().string();
  EXPECT_EQ(collector.stop(core::after(10s)), 0);
  const auto verdict = all_complete(server.url(), gateway, cycles.front(), *cycle, "f4.log");
  EXPECT_TRUE(verdict.good()) << verdict.why();
  tell("F4",
       fmt::format("fsync gives EIO: {} times, of log and data in turn, PANIC and replay each "
                   "time: {}  {}",
                   strikes, verdict.text(), watch.text()));
}

TEST(Fault, F05DiskFull) {
  const Stopwatch watch;
  const auto seed = fault_seed();
  auto wal = SmallDisk::mount(scratch() / "f5-wal", 48);
  if (!wal) FAULT_NOT_HERE("F5", "no right to mount a small file system");
  auto data = SmallDisk::mount(scratch() / "f5-data", 160);
  fs::create_directory(wal->path() / "pg_wal");
  give_to_server_user(wal->path() / "pg_wal");
  FaultServer server{data->path() / "db",
                     {.settings = {"max_wal_size=32MB", "min_wal_size=32MB", "shared_buffers=8MB",
                                   "restart_after_crash=on"},
                      .wal = wal->path() / "pg_wal"}};
  server.start();
  ASSERT_EQ(run("bifrost", {"migrate"}, server.url()).status, 0);
  std::vector<Instant> cycles;
  {
    Sql sql{server.url()};
    cycles = march(sql);
  }
  auto cycle = cycles.begin();
  StagedGateway gateway{small_market(seed), *cycle};
  auto collector = start_faulted_collector(server.url(), gateway.port(), "f5.log");
  ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(server.url(), *cycle); }));
  int full = 0;
  for (auto* disk : {&*data, &*wal}) {
    // Something must want space: a table that grows, and with it the log.
    disk->fill();
    ++full;
    const bool refused = wait_until(60s, [&] {
      try {
        Sql{server.url()}("CREATE TABLE IF NOT EXISTS ballast (t text)");
        Sql{server.url()}(
            "INSERT INTO ballast SELECT repeat('x', 500) FROM generate_series(1, 20000)");
        return false;
      } catch (const std::runtime_error&) {
        return true;
      }
    });
    ASSERT_TRUE(refused) << "the disk is not full";
    gateway.set_time(*++cycle);
    ::poll(nullptr, 0, 1'500);  // some attempts with no space
    disk->empty();
    const auto is_up = [&] {
      try {
        Sql{server.url()}("DROP TABLE IF EXISTS ballast");
        return true;
      } catch (const std::runtime_error&) {
        return false;
      }
    };
    if (!wait_until(20s, is_up)) server.start();  // with its log full it may have gone for good
    ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(server.url(), *cycle); }))
        << core::to_iso(*cycle) << "; log " << server.log().string();
  }
  EXPECT_TRUE(server.log_says("No space left on device"));
  EXPECT_EQ(collector.stop(core::after(10s)), 0);
  const auto verdict = all_complete(server.url(), gateway, cycles.front(), *cycle, "f5.log");
  EXPECT_TRUE(verdict.good()) << verdict.why();
  tell("F5", fmt::format(
                 "disk full: {} times, under the data and under the log; goes on by itself: {}  {}",
                 full, verdict.text(), watch.text()));
  server.stop();
}

TEST(Fault, F06RowsOfAClosedDayWithConflictsInTheMiddle) {
  const auto seed = fault_seed();
  const auto url = make_database("f6");
  Sql sql{url};
  const auto cycles = march(sql);
  StagedGateway gateway{small_market(seed), cycles.front()};
  // A day collected in full, and one of its cycles torn: every third row left, no ledger row.
  {
    auto collector = start_faulted_collector(url, gateway.port(), "f6.log");
    ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(url, cycles.front()); }));
    gateway.set_time(cycles[1]);
    ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(url, cycles[1]); }));
    EXPECT_EQ(collector.stop(core::after(10s)), 0);
  }
  const auto before = digest_of(sql, "FLT", cycles[1]);
  const auto as_of = core::to_iso(cycles[1]);
  const auto whole =
      sql.one(fmt::format("SELECT count(*) FROM option_snapshots WHERE as_of = '{}'", as_of));
  sql(fmt::format("DELETE FROM option_snapshots WHERE as_of = '{}' AND contract_id % 3 <> 0",
                  as_of));
  sql(fmt::format("DELETE FROM option_changes WHERE as_of = '{}'", as_of));
  sql(fmt::format("DELETE FROM market_conditions WHERE as_of = '{}'", as_of));
  sql(fmt::format("DELETE FROM collection_runs WHERE as_of = '{}'", as_of));
  const auto torn =
      sql.one(fmt::format("SELECT count(*) FROM option_snapshots WHERE as_of = '{}'", as_of));
  ASSERT_NE(torn, whole);
  ASSERT_NE(torn, "0");
  auto collector = start_faulted_collector(url, gateway.port(), "f6.log");
  ASSERT_TRUE(wait_until(60s, [&] { return in_ledger(url, cycles[1]); }));
  EXPECT_EQ(collector.stop(core::after(10s)), 0);
  EXPECT_EQ(digest_of(sql, "FLT", cycles[1]), before);
  const auto verdict = all_complete(url, gateway, cycles.front(), cycles[1], "f6.log");
  EXPECT_TRUE(verdict.good()) << verdict.why();
  tell("F6",
       fmt::format("rows of a past cycle with conflicts in the middle: {} of {} were there, all {} "
                   "are, byte for byte (stock tier: nothing is compressed)",
                   torn, whole, whole));
}

/// The schema as the server tells it, without the numbers of its rows.
std::string schema_of(const std::string& url) {
  Sql sql{url};
  return sql.one(
      R"(SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
           SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) AS line
           FROM information_schema.columns WHERE table_schema = 'public'
           UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
           UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
                     WHERE connamespace = 'public'::regnamespace
           UNION ALL SELECT format('%s %s', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace) x)");
}

/// Whether the collector, as every program, refuses to work on this schema and says so.
bool refused_for_its_schema(const std::string& url) {
  const std::string log = "f33-refused.log";
  fs::remove(scratch() / log);
  auto collector = start_faulted_collector(url, 1, log);
  if (collector.wait(core::after(20s)).value_or(0) != 1) return false;
  std::ifstream in{scratch() / log};
  const std::string said{std::istreambuf_iterator<char>{in}, {}};
  return said.find("schema revision") != std::string::npos;
}

TEST(Fault, F33MigrationKilledHalfWay) {
  const Stopwatch watch;
  const auto seed = fault_seed();
  std::mt19937_64 random{seed};
  // How much a migration has to say, and what comes of one that nobody disturbs.
  const auto undisturbed = cluster().create_database("f33_whole", core::after(30s)).value();
  std::uint64_t length = 0;
  {
    Relay meter{1, socket_of(undisturbed)};
    ASSERT_EQ(run("bifrost", {"migrate"}, through(undisturbed, meter.database_port())).status, 0);
    length = meter.passed();
  }
  const auto whole = schema_of(undisturbed);
  const auto revisions = Sql{undisturbed}.one("SELECT count(*) FROM schema_migrations");

  constexpr int databases = 5;
  constexpr int kills = 40;
  std::uniform_int_distribution<std::uint64_t> moment{1, length};
  int refused = 0;
  for (int database = 0; database < databases; ++database) {
    const auto url =
        cluster().create_database(fmt::format("f33_{}", database), core::after(30s)).value();
    Relay relay{1, socket_of(url)};
    for (int kill = 0; kill < kills / databases; ++kill) {
      const auto byte = moment(random);
      auto process = core::Process::start(
                         fs::path{BIFROST_BIN} / "bifrost",
                         {.arguments = {"--env", "/dev/null", "migrate"},
                          .environment = {{"DATABASE_URL", through(url, relay.database_port())}},
                          .error_log = scratch() / "f33.log"})
                         .value();
      relay.kill_at(byte, process.pid());
      const auto ended = process.wait(core::after(60s));
      ASSERT_TRUE(ended.value_or(-1) == 128 + SIGKILL || ended.value_or(-1) == 0)
          << "seed " << seed << ", database " << database << ", kill " << kill;
      if (schema_of(url) == whole) break;
      if (kill % 4 == 0) {
        EXPECT_TRUE(refused_for_its_schema(url)) << "seed " << seed << ", database " << database;
        ++refused;
      }
    }
    relay.kill_at(0, -1);
    ASSERT_EQ(run("bifrost", {"migrate"}, url).status, 0);
    EXPECT_EQ(schema_of(url), whole) << "seed " << seed << ", database " << database;
    EXPECT_EQ(Sql{url}.one("SELECT count(*) FROM schema_migrations"), revisions);
  }
  EXPECT_GT(refused, 0);
  // A revision that nobody here knows is refused as well.
  Sql{undisturbed}(
      "INSERT INTO schema_migrations (revision, name, checksum) SELECT 9999, 'future', checksum "
      "FROM "
      "schema_migrations LIMIT 1");
  EXPECT_TRUE(refused_for_its_schema(undisturbed));
  tell("F33",
       fmt::format("migration killed up to {} times at random bytes of {}, then run to its end: {} "
                   "schemas whole, {} unfinished ones and one from the future refused  seed {}  {}",
                   kills, length, databases, refused, seed, watch.text()));
}

}  // namespace
}  // namespace bifrost::test
