// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/database.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "migrations.hpp"
#include "pool.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

TEST(Database, AWrongUrlIsRefusedWithoutBeingRepeated) {
  for (const std::string url :
       {"postgresql://me:hunter2@[bad", "postgresql://me:hunter2@127.0.0.1:1/x",
        "host=127.0.0.1 port=1 password=hunter2", "nonsense hunter2"}) {
    const auto opened = Database::open(url, core::after(5s));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message.find("hunter2"), std::string::npos) << opened.error().message;
  }
  EXPECT_EQ(Database::open("postgresql://[bad", core::after(5s)).error().code, Errc::invalid_input);
  EXPECT_EQ(Database::open("postgresql://me@127.0.0.1:1/x", core::after(5s)).error().code,
            Errc::unavailable);
}

/// Idle, interval and count of keepalives and the limit for unanswered data (ms), of the socket
/// with which this process connects to a listener that never answers.
std::vector<int> patience_of_a_connection(const std::string& parameters) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener, any, size), 0);
  EXPECT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(getsockname(listener, any, &size), 0);
  std::thread client([port = ntohs(address.sin_port), &parameters] {
    const auto url = "postgresql://me@127.0.0.1:" + std::to_string(port) + "/x" + parameters;
    EXPECT_FALSE(pg::Connection::connect(url, "test", 10s, soon()));
  });
  sockaddr_in peer{};
  size = sizeof peer;
  const int accepted = accept(listener, reinterpret_cast<sockaddr*>(&peer), &size);
  std::vector<int> found;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in own{};
    size = sizeof own;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0 ||
        own.sin_family != AF_INET || own.sin_port != peer.sin_port) {
      continue;
    }
    for (const int option : {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT}) {
      int value = 0;
      socklen_t length = sizeof value;
      EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, option, &value, &length), 0);
      found.push_back(value);
    }
  }
  close(accepted);
  close(listener);
  client.join();
  return found;
}

TEST(Database, AHostThatDiedIsNoticedWithinHalfAMinuteUnlessTheUrlSaysOtherwise) {
  EXPECT_THAT(patience_of_a_connection(""), ::testing::ElementsAre(10, 5, 3, 20'000));
  EXPECT_THAT(patience_of_a_connection("?keepalives_idle=77&tcp_user_timeout=1234"),
              ::testing::ElementsAre(77, 5, 3, 1234));
}

TEST(Database, ADatabaseThatDoesNotExistIsNotFound) {
  auto url = cluster().url();
  url.replace(url.find("/bifrost?"), 9, "/nothing?");
  EXPECT_EQ(Database::open(url, soon()).error().code, Errc::not_found);
}

TEST(Database, MigratingTwiceIsMigratingOnce) {
  auto database = ok(Database::open(fresh_database(), soon()));
  const auto before = database.check_schema(soon());
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, Errc::unavailable);
  EXPECT_EQ(ok(database.migrate(soon())), static_cast<int>(migrations().size()));
  EXPECT_EQ(ok(database.migrate(soon())), 0);
  ok(database.check_schema(soon()));
}

TEST(Database, MigratorsTakeTurns) {
  const auto url = fresh_database();
  auto one = ok(Database::open(url, soon()));
  auto other = ok(Database::open(url, soon()));
  int steps = 0;
  std::thread second([&] { steps = ok(other.migrate(soon())); });
  const int first = ok(one.migrate(soon()));
  second.join();
  EXPECT_EQ(first + steps, static_cast<int>(migrations().size()));
}

TEST(Database, ANewerSchemaIsRefusedByEveryProgram) {
  auto database = migrated();
  {
    const auto connection = ok(database.pool().lease(soon()));
    ok(connection->run("INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x')",
                       soon()));
  }
  EXPECT_EQ(database.check_schema(soon()).error().code, Errc::conflict);
  EXPECT_EQ(database.migrate(soon()).error().code, Errc::conflict);
}

TEST(Database, ASchemaThatWasChangedAfterwardsIsNotTakenForOurs) {
  auto database = migrated();
  {
    const auto connection = ok(database.pool().lease(soon()));
    ok(connection->run("UPDATE schema_migrations SET checksum = 'other' WHERE revision = 1",
                       soon()));
  }
  EXPECT_EQ(database.check_schema(soon()).error().code, Errc::corrupt_data);
}

TEST(Database, AStepThatFailsLeavesNothingAndIsResumed) {
  auto database = ok(Database::open(fresh_database(), soon()));
  const auto connection = ok(database.pool().lease(soon()));
  const Migration good{1, "good", "a", "CREATE TABLE good (x int4)"};
  const std::vector broken{good,
                           Migration{2, "bad", "b", "CREATE TABLE half (x int4); SELECT 1 / 0"}};
  EXPECT_EQ(apply_migrations(*connection, broken, soon()).error().code, Errc::invalid_input);
  ok(connection->run("ROLLBACK", soon()));
  EXPECT_EQ(ok(schema_revision(*connection, soon())), 1);
  const auto half = ok(connection->query("SELECT to_regclass('half') IS NULL", soon()));
  EXPECT_TRUE(half.boolean(0, 0));
  const std::vector mended{good, Migration{2, "bad", "c", "CREATE TABLE half (x int4)"}};
  EXPECT_EQ(ok(apply_migrations(*connection, mended, soon())), 1);
  ok(verify_schema(*connection, mended, soon()));
}

TEST(Database, TheScheduleMadeUpForThePastEndsWhereAnUnderlyingWasTakenOut) {
  auto database = ok(Database::open(fresh_database(), soon()));
  const auto connection = ok(database.pool().lease(soon()));
  ok(apply_migrations(*connection, migrations().first(3), soon()));
  ok(connection->run(
      "INSERT INTO underlyings (symbol) VALUES ('OLD'), ('NEW'), ('FILE');"
      "INSERT INTO collection_runs (underlying_id, as_of, status, source, interval_seconds,"
      " received, refused, schema_rev) VALUES"
      " (1, '2026-01-05T15:00:00Z', 1, 'live', 300, 0, 0, 3),"
      " (1, '2026-01-05T15:05:00Z', 1, 'live', 300, 0, 0, 3),"
      " (2, '2026-01-05T15:00:00Z', 1, 'live', 300, 0, 0, 3),"
      " (2, '2026-03-02T15:00:00Z', 1, 'live', 60, 0, 0, 3),"
      " (3, '2026-01-05T15:00:00Z', 1, 'imported', 300, 0, 0, 3)",
      soon()));
  ok(apply_migrations(*connection, migrations(), soon()));
  const auto rows = ok(connection->query(
      "SELECT underlying_id, valid_from, interval_seconds FROM collection_schedule ORDER BY 1, 2",
      soon()));
  ASSERT_EQ(rows.size(), 4);
  EXPECT_EQ(rows.integer(1, 0), 1);
  EXPECT_EQ(rows.instant(1, 1), at("2026-01-05T15:05:00Z") + 1us);
  EXPECT_TRUE(rows.missing(1, 2));
  EXPECT_EQ(rows.integer(2, 0), 2);
  EXPECT_EQ(rows.integer(3, 0), 2);
  EXPECT_EQ(rows.find_integer(3, 2), 60);
}

TEST(Database, StatusCountsTheDefaultPartitionsThatThereAre) {
  auto database = migrated();
  const auto connection = ok(database.pool().lease(soon()));
  // As in a history whose server gained TimescaleDB before its second revision.
  ok(connection->run("DROP TABLE IF EXISTS option_daily_default", soon()));
  EXPECT_EQ(ok(database.status(at("2026-11-23T12:00:00Z"), soon())).stray_rows, 0);
}

TEST(Database, AMigratorKilledInTheMiddleIsResumed) {
  auto database = ok(Database::open(fresh_database(), soon()));
  const std::vector slow{
      Migration{1, "slow", "a", "CREATE TABLE half (x int4); SELECT pg_sleep(600)"}};
  const std::vector quick{Migration{1, "slow", "a", "CREATE TABLE half (x int4)"}};
  auto victim = ok(database.pool().lease(soon()));
  const int victim_pid = victim->backend_pid();
  std::thread migrator([&] { EXPECT_FALSE(apply_migrations(*victim, slow, soon())); });
  const auto connection = ok(database.pool().lease(soon()));
  for (bool asleep = false; !asleep;) {
    const auto seen = ok(connection->query(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep')",
        pg::Params{}.add(static_cast<std::int32_t>(victim_pid)), soon()));
    asleep = seen.boolean(0, 0);
  }
  ok(connection->query("SELECT pg_terminate_backend($1)",
                       pg::Params{}.add(static_cast<std::int32_t>(victim_pid)), soon()));
  migrator.join();
  EXPECT_EQ(ok(schema_revision(*connection, soon())), 0);
  EXPECT_EQ(ok(apply_migrations(*connection, quick, soon())), 1);
}

TEST(Database, AStatementThatOutlivesItsDeadlineIsAbandonedAndThePoolGoesOn) {
  auto database = ok(Database::open(fresh_database(), {.connections = 1}, soon()));
  {
    const auto connection = ok(database.pool().lease(soon()));
    EXPECT_EQ(connection->query("SELECT pg_sleep(600)", core::after(50ms)).error().code,
              Errc::timeout);
    EXPECT_TRUE(connection->broken());
  }
  const auto connection = ok(database.pool().lease(soon()));
  EXPECT_EQ(ok(connection->query("SELECT 1", soon())).integer(0, 0), 1);
}

TEST(Database, TheServersOwnLimitEndsAStatement) {
  auto database = ok(Database::open(fresh_database(), {.statement_timeout = 50ms}, soon()));
  const auto connection = ok(database.pool().lease(soon()));
  EXPECT_EQ(connection->query("SELECT pg_sleep(600)", soon()).error().code, Errc::timeout);
  EXPECT_FALSE(connection->broken());
}

TEST(Database, WhoeverFindsNoFreeConnectionGivesUpAtTheDeadline) {
  auto database = ok(Database::open(fresh_database(), {.connections = 1}, soon()));
  std::optional<Lease> held(ok(database.pool().lease(soon())));
  EXPECT_EQ(database.pool().lease(core::after(20ms)).error().code, Errc::timeout);
  std::thread waiting([&] { ok(database.pool().lease(soon())); });
  held.reset();
  waiting.join();
}

TEST(Database, ATransactionLeftOpenIsRolledBackBeforeAnybodyElseGetsTheConnection) {
  auto database = ok(Database::open(fresh_database(), {.connections = 1}, soon()));
  {
    const auto connection = ok(database.pool().lease(soon()));
    ok(connection->run("BEGIN; CREATE TABLE left_open (x int4)", soon()));
  }
  const auto connection = ok(database.pool().lease(soon()));
  EXPECT_FALSE(connection->in_transaction());
  EXPECT_TRUE(
      ok(connection->query("SELECT to_regclass('left_open') IS NULL", soon())).boolean(0, 0));
}

TEST(Database, AConnectionThatTheServerClosedIsReplaced) {
  auto database = ok(Database::open(fresh_database(), {.connections = 2}, soon()));
  int first = 0;
  {
    const auto connection = ok(database.pool().lease(soon()));
    const auto other = ok(database.pool().lease(soon()));
    first = connection->backend_pid();
    ok(other->query("SELECT pg_terminate_backend($1, 10000)", pg::Params{}.add(first), soon()));
  }
  for (int i = 0; i < 2; ++i) {
    const auto connection = ok(database.pool().lease(soon()));
    EXPECT_NE(connection->backend_pid(), first);
    EXPECT_EQ(ok(connection->query("SELECT 1", soon())).integer(0, 0), 1);
  }
}

TEST(Database, StatusTellsWhatIsThere) {
  auto database = ok(Database::open(fresh_database(), soon()));
  const auto noon = at("2026-11-23T12:00:00Z");
  const auto empty = ok(database.status(noon, soon()));
  EXPECT_EQ(empty.schema_revision, 0);
  ok(database.migrate(soon()));
  ok(database.prepare_days(day("2026-11-23"), day("2026-11-27"), soon()));
  History history(database);
  CycleRecord record;
  record.snapshot = {
      "SPX",
      noon,
      std::nullopt,
      core::Source::simulated,
      {{{"SPX", "SPX", day("2026-12-18"), price("6000"), core::Right::call, 100}, {}}}};
  ok(history.append(record, soon()));
  ok(history.mark_missed("SPX", std::vector{noon + 300s, noon + 600s}, "away", 300s, soon()));
  const auto status = ok(database.status(noon, soon()));
  EXPECT_EQ(status.tier, status.timescaledb_version ? status.tier : Tier::stock);
  EXPECT_EQ(status.schema_revision, status.program_revision);
  EXPECT_EQ(status.complete_runs, 1);
  EXPECT_EQ(status.partial_runs, 0);
  EXPECT_EQ(status.missed_runs, 2);
  EXPECT_EQ(status.first_snapshot, noon);
  EXPECT_EQ(status.last_snapshot, noon);
  EXPECT_EQ(status.stray_rows, 0);
  EXPECT_EQ(status.partition_days_ahead,
            status.tier == Tier::stock ? std::optional<std::int64_t>(4) : std::nullopt);
  const auto facts =
      std::find_if(status.tables.begin(), status.tables.end(),
                   [](const auto& table) { return table.name == "option_snapshots"; });
  ASSERT_NE(facts, status.tables.end());
  EXPECT_GT(facts->bytes, 0);
}

// storage.md 0.2 and 4: TimescaleDB before 2.28.4 on a PostgreSQL minor of November 2026.
TEST(Database, TheKnownBadPairOfVersionsIsNamed) {
  EXPECT_THAT(known_faults(150020, std::nullopt), ::testing::IsEmpty());
  EXPECT_THAT(known_faults(150020, "2.28.3"), ::testing::SizeIs(2));
  EXPECT_THAT(known_faults(150018, "2.28.3"), ::testing::SizeIs(1));
  EXPECT_THAT(known_faults(150020, "2.28.4"), ::testing::SizeIs(1));
  EXPECT_THAT(known_faults(170012, "2.19.3"), ::testing::SizeIs(2));
  EXPECT_THAT(known_faults(170011, "2.29.1"), ::testing::IsEmpty());
  EXPECT_THAT(known_faults(180007, "2.31.0"), ::testing::SizeIs(1));
  EXPECT_THAT(known_faults(180006, "2.31.0"), ::testing::IsEmpty());
  EXPECT_THAT(known_faults(180007, "2.31.1"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace bifrost::store
