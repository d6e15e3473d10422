// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/backup.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "bifrost/core/process.hpp"
#include "bifrost/store/maintenance.hpp"
#include "bifrost/store/queries.hpp"
#include "client_program.hpp"
#include "pool.hpp"
#include "sha256.hpp"
#include "support.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;
using core::Errc;
using core::Instant;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto ten = at("2021-01-04T15:00:00Z");

CycleRecord cycle(int number, int contracts = 50, const std::string& symbol = "SPX") {
  CycleRecord record;
  record.snapshot = {symbol, ten + number * 20min, price("3700"), core::Source::simulated, {}};
  for (int i = 0; i < contracts; ++i) {
    core::Quote quote;
    quote.bid = core::Price::from_units(number * 1'000 + i);
    quote.implied_vol = 0.25;
    record.snapshot.quotes.push_back(
        {{symbol, symbol, day("2021-01-15"), core::Price::from_units(10'000LL * (i + 1)),
          core::Right::call, 100},
         quote});
  }
  record.changes = {{record.snapshot.quotes[0].contract, ChangeKind::price_move, 1, 2}};
  record.market_conditions = MarketConditions{.implied_vol_30d = 0.2};
  return record;
}

/// A history of one cycle of SPX, and its backup.
struct OneCycleBackup {
  OneCycleBackup() {
    ok(History(database).append(cycle(0), soon()));
    backup = ok(back_up(database, file, {}, soon()));
  }

  Database database = migrated();
  TemporaryFolder folder;
  fs::path file = folder.path() / "mine.dump";
  Backup backup;
};

/// The first one of the history at that url.
std::string underlying_at(const std::string& url) {
  auto database = ok(Database::open(url, soon()));
  return ok(History(database).underlyings(soon())).at(0).symbol;
}

using Key = std::pair<std::int64_t, Instant>;
using Cycles = std::map<Key, std::pair<std::int64_t, std::int64_t>>;  // count and hash

Cycles cycles_of(Database& database, const std::string& condition = "true") {
  const auto connection = ok(database.pool().lease(soon()));
  const auto rows = ok(connection->query(
      ("SELECT underlying_id, as_of, count(*), bit_xor(hash_record_extended(s, 0))"
       " FROM option_snapshots s WHERE " +
       condition + " GROUP BY 1, 2")
          .c_str(),
      soon()));
  Cycles found;
  for (int row = 0; row < rows.size(); ++row) {
    found[{rows.integer(row, 0), rows.instant(row, 1)}] = {rows.integer(row, 2),
                                                           rows.integer(row, 3)};
  }
  return found;
}

TEST(Sha256, IsThatOfTheStandard) {
  const auto sum = [](const std::vector<std::string>& pieces) {
    Sha256 made;
    for (const auto& piece : pieces) made.add(piece);
    return made.finish();
  };
  EXPECT_EQ(sum({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sum({"a", "bc"}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sum({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"}),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  std::vector<std::string> million(1'000, std::string(1'000, 'a'));
  EXPECT_EQ(sum(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// F9: a backup during heavy writes, brought back into an empty place.
TEST(Backup, TakenDuringHeavyWritesItComesBackAsOneMoment) {
  const auto url = fresh_database();
  auto database = ok(Database::open(url, soon()));
  ok(database.migrate(soon()));
  History history(database);
  for (int i = 0; i < 200; ++i) ok(history.append(cycle(i), soon()));
  ok(history.correct(cycle(7, 20), soon()));

  std::atomic<bool> enough{false};
  std::atomic<int> acknowledged{200};
  std::thread writer([&] {
    for (int i = 200; !enough; ++i) {
      ok(history.append(cycle(i), soon()));
      acknowledged = i + 1;
    }
  });
  while (acknowledged < 210) std::this_thread::yield();
  const TemporaryFolder folder;
  const int before = acknowledged;
  const auto backup = ok(back_up(database, folder.path(), {}, soon()));
  const int after = acknowledged;
  enough = true;
  writer.join();
  EXPECT_GT(after, before) << "nothing was written meanwhile: nothing was tested";
  EXPECT_EQ(backup.bytes, static_cast<std::int64_t>(fs::file_size(backup.file)));
  EXPECT_EQ(backup.file.parent_path(), folder.path());

  const auto target_url = fresh_database();
  const auto started = std::chrono::steady_clock::now();
  const auto restored = ok(restore(target_url, backup.file, false, {}, soon()));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  EXPECT_EQ(restored.kept_as, std::nullopt);
  EXPECT_EQ(restored.backup.contents, backup.contents);

  auto target = ok(Database::open(target_url, soon()));
  ok(target.check_schema(soon()));
  // I2 up to the stated point: all that was acknowledged before the backup began is there, and
  // every cycle that is there is, row for row, the one in the database that went on.
  const auto there = cycles_of(target);
  EXPECT_GE(there.size(), static_cast<std::size_t>(before));
  for (int i = 0; i < before; ++i) ASSERT_TRUE(there.contains({1, ten + i * 20min})) << i;
  const auto origin = cycles_of(database);
  for (const auto& [key, digest] : there) ASSERT_EQ(origin.at(key), digest);
  std::int64_t rows = 0;
  for (const auto& one : backup.contents.days) rows += one.rows;
  std::int64_t rows_there = 0;
  for (const auto& [key, digest] : there) rows_there += digest.first;
  EXPECT_EQ(rows, rows_there);
  const auto verified = ok(verify(target, {}, soon()));
  EXPECT_EQ(verified.problems, 0) << (verified.findings.empty() ? "" : verified.findings[0].what);
  EXPECT_EQ(verified.days, backup.contents.days);
  std::printf(
      "F9: %lld rows, %lld bytes, %d cycles written during the backup, restored in %.2f s\n",
      static_cast<long long>(rows), static_cast<long long>(backup.bytes), after - before,
      took.count());

  // It goes on from there: new contracts and cycles find their numbers, old knowledge is kept.
  History more(target);
  ok(more.append(cycle(100'000, 60), soon()));
  EXPECT_EQ(ok(Queries(target).runs("SPX", ten, ten + 200 * 20min, std::nullopt, soon())).size(),
            201U);
  EXPECT_EQ(number(target, "SELECT count(*) FROM superseded_option_snapshots"), 50);
}

// What upkeep writes has a column of type json, which has no hash of its own.
TEST(Backup, OfAHistoryThatWasMaintainedComesBackAndIsProved) {
  auto database = migrated();
  ok(History(database).append(cycle(0), soon()));
  ASSERT_TRUE(ok(maintain(database, at("2021-01-05T12:00:00Z"), {}, {}, {}, soon())).ok());
  const TemporaryFolder folder;
  const auto file = folder.path() / "mine.dump";
  const auto backup = ok(back_up(database, file, {}, soon()));
  const auto runs = std::ranges::find(backup.contents.tables, "maintenance_runs",
                                      [](const TableDigest& table) { return table.name; });
  ASSERT_NE(runs, backup.contents.tables.end());
  EXPECT_GT(runs->rows, 0);
  EXPECT_NE(runs->hash, 0U);
  const auto url = fresh_database();
  // A server that shows its rows otherwise.
  {
    auto target = ok(Database::open(url, soon()));
    const auto name = ok(database_of(url));
    run(target, "ALTER DATABASE \"" + name + "\" SET DateStyle = 'SQL, DMY'");
    run(target, "ALTER DATABASE \"" + name + "\" SET extra_float_digits = -3");
    run(target, "ALTER DATABASE \"" + name + "\" SET bytea_output = 'escape'");
  }
  EXPECT_EQ(ok(restore(url, file, false, {}, soon())).kept_as, std::nullopt);
  auto target = ok(Database::open(url, soon()));
  EXPECT_EQ(ok(verify(target, {}, soon())).problems, 0);
  EXPECT_EQ(ok(maintained_through(target, soon())), day("2021-01-04"));
  run(target, "UPDATE maintenance_runs SET counts = '{\"other\": 1}'");
  const auto changed = ok(contents_of(target, {}, soon()));
  const auto other = std::ranges::find(changed.tables, "maintenance_runs",
                                       [](const TableDigest& table) { return table.name; });
  ASSERT_NE(other, changed.tables.end());
  EXPECT_NE(*other, *runs);
}

TEST(Backup, AFileThatIsThereIsLeftAlone) {
  auto database = migrated();
  const TemporaryFolder folder;
  const auto file = folder.path() / "mine.dump";
  const auto first = ok(back_up(database, file, {}, soon()));
  ok(History(database).append(cycle(0), soon()));
  EXPECT_EQ(back_up(database, file, {}, soon()).error().code, Errc::conflict);
  EXPECT_EQ(ok(read_backup(file)).contents, first.contents);
}

// Tokens given after the backup are not given again.
TEST(Backup, LeasesGoOnFarFromWhereItLeftThem) {
  auto database = migrated();
  run(database, "INSERT INTO leases VALUES ('collector', 7, 'somebody', '', false, now(), now())");
  const TemporaryFolder folder;
  const auto file = folder.path() / "mine.dump";
  ok(back_up(database, file, {}, soon()));
  const auto url = fresh_database();
  ok(restore(url, file, false, {}, soon()));
  auto target = ok(Database::open(url, soon()));
  EXPECT_EQ(number(target, "SELECT token FROM leases"), 1'000'007);
}

TEST(Backup, IsReadByPgRestoreAsItIs) {
  const OneCycleBackup mine;
  auto listing = ok(core::Process::start(ok(client_program("pg_restore", 14)),
                                         {.arguments = {"--list", mine.file.string()},
                                          .environment = {},
                                          .error_log = mine.folder.path() / "errors"}));
  std::string text;
  while (const auto line = listing.read_line(soon())) text += *line + "\n";
  EXPECT_EQ(ok(listing.wait(soon())), 0);
  EXPECT_THAT(text, HasSubstr("TABLE DATA public collection_runs"));
}

TEST(Backup, AnyDamageIsFound) {
  const OneCycleBackup mine;
  EXPECT_EQ(ok(read_backup(mine.file)).contents, mine.backup.contents);
  std::ifstream in(mine.file, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(1);
  const auto damaged = mine.folder.path() / "damaged.dump";
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(damaged, std::ios::binary) << bytes;
    const auto read = read_backup(damaged);
    return !read && read.error().code == Errc::corrupt_data;
  };
  for (int i = 0; i < 200; ++i) {
    auto bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
    ASSERT_TRUE(refused(bytes));
    ASSERT_TRUE(refused(whole.substr(0, random() % whole.size())));
  }
  EXPECT_TRUE(refused(whole + "x"));
  EXPECT_TRUE(refused(""));
  const auto url = fresh_database();
  EXPECT_EQ(restore(url, damaged, false, {}, soon()).error().code, Errc::corrupt_data);
  EXPECT_EQ(read_backup(mine.folder.path() / "nothing").error().code, Errc::not_found);
}

TEST(Backup, AHistoryIsNotOverwrittenUnlessThatIsSaidAndIsKeptEvenThen) {
  const OneCycleBackup mine;

  const auto url = fresh_database();
  std::string name = ok(database_of(url));
  {
    auto target = ok(Database::open(url, soon()));
    ok(target.migrate(soon()));
    History other(target);
    ok(other.append(cycle(5, 3, "NDX"), soon()));
    const auto refused = restore(url, mine.file, false, {}, soon());
    EXPECT_EQ(refused.error().code, Errc::conflict);
    // Somebody is connected: nothing happens to the database that is there.
    EXPECT_EQ(restore(url, mine.file, true, {}, soon()).error().code, Errc::conflict);
    EXPECT_EQ(ok(other.underlyings(soon())).at(0).symbol, "NDX");
  }
  const auto restored = ok(restore(url, mine.file, true, {}, soon()));
  ASSERT_TRUE(restored.kept_as);
  EXPECT_THAT(*restored.kept_as, HasSubstr(name + "_before_"));
  EXPECT_EQ(underlying_at(url), "SPX");
  EXPECT_EQ(underlying_at(ok(url_of_database(url, *restored.kept_as))), "NDX");
  auto target = ok(Database::open(url, soon()));
  EXPECT_EQ(number(target, "SELECT count(*) FROM pg_database WHERE datname LIKE '%_restored_%'"), 0)
      << "what was begun in vain is gone";
}

// A restore whose last step fails: somebody is connected to what has just been restored, so that it
// cannot have the name. `meanwhile` runs, beside it, once the old database has given its name away.
class InterruptedRename : public ::testing::Test {
 protected:
  core::Result<Restored> restore_in_use(const std::function<void()>& meanwhile) {
    {
      auto target = ok(Database::open(url_, soon()));
      ok(target.migrate(soon()));
      ok(History(target).append(cycle(5, 3, "NDX"), soon()));
    }
    std::thread beside;
    auto restored = restore(
        url_, mine_.file, true,
        [&](std::string_view what) {
          if (what == "changing names") {
            hold("restored");
            beside = std::thread(meanwhile);
          }
          return true;
        },
        soon());
    if (beside.joinable()) beside.join();
    return restored;
  }

  std::vector<std::string> databases(const std::string& kind) {
    const auto rows =
        ok(ok(admin_.pool().lease(soon()))
               ->query("SELECT datname::text FROM pg_database WHERE"
                       " starts_with(datname, $1) ORDER BY 1",
                       pg::Params{}.add(std::string_view(name_ + "_" + kind + "_")), soon()));
    std::vector<std::string> names;
    for (int row = 0; row < rows.size(); ++row) names.emplace_back(rows.text(row, 0));
    return names;
  }

  void hold(const std::string& kind) {
    for (const auto& name : databases(kind)) {
      held_[kind].push_back(ok(Database::open(ok(url_of_database(url_, name)), soon())));
      ok(held_[kind].back().pool().lease(soon()));  // stays connected until it is let go
    }
  }

  std::string underlying_in(const std::string& database) {
    return underlying_at(ok(url_of_database(url_, database)));
  }

  const std::string url_ = fresh_database();
  const std::string name_ = ok(database_of(url_));
  Database admin_ = ok(Database::open(ok(url_of_database(url_, "postgres")), soon()));
  std::map<std::string, std::vector<Database>> held_;

 private:
  const OneCycleBackup mine_;
};

TEST_F(InterruptedRename, GivesTheOldDatabaseItsNameBack) {
  const auto restored = restore_in_use([] {});
  ASSERT_FALSE(restored);
  EXPECT_EQ(underlying_in(name_), "NDX");
  EXPECT_THAT(databases("before"), IsEmpty());
}

TEST_F(InterruptedRename, LosesNeitherDatabaseWhereTheNameCannotBeGivenBack) {
  const auto restored = restore_in_use([&] {
    // The old database is held too, and the new one let go while its name is being asked for back:
    // whoever then took it for useless could remove it.
    for (const auto until = soon(); databases("before").empty();) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "the old database was never renamed";
    }
    hold("before");
    const auto watch = ok(admin_.pool().lease(soon()));
    const auto asked = "ALTER DATABASE \"" + name_ + "_before_";
    const auto until = soon();
    for (bool back = false; !back;) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "its name was never asked for back";
      const auto rows =
          ok(watch->query("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                          " AND starts_with(query, $1)",
                          pg::Params{}.add(std::string_view(asked)), soon()));
      back = rows.integer(0, 0) > 0;
    }
    held_.erase("restored");
  });
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::conflict);
  held_.clear();
  const auto old = databases("before");
  const auto fresh = databases("restored");
  ASSERT_EQ(old.size(), 1U);
  ASSERT_EQ(fresh.size(), 1U);
  EXPECT_EQ(underlying_in(old.front()), "NDX");
  EXPECT_EQ(underlying_in(fresh.front()), "SPX");
  EXPECT_THAT(restored.error().message, HasSubstr(old.front()));
  EXPECT_THAT(restored.error().message, HasSubstr(fresh.front()));
}

TEST(Backup, AnEmptyHistoryIsReplacedWithoutAWord) {
  const OneCycleBackup mine;
  const auto url = fresh_database();
  ok(ok(Database::open(url, soon())).migrate(soon()));
  EXPECT_EQ(ok(restore(url, mine.file, false, {}, soon())).kept_as, std::nullopt);
  auto target = ok(Database::open(url, soon()));
  EXPECT_EQ(ok(History(target).underlyings(soon())).size(), 1U);
}

// What is written while the backup is brought back is not lost with the database that was empty.
TEST(Backup, AnEmptyHistoryThatGotRowsMeanwhileIsKept) {
  const OneCycleBackup mine;
  const auto url = fresh_database();
  ok(ok(Database::open(url, soon())).migrate(soon()));
  const auto restored = ok(restore(
      url, mine.file, false,
      [&](std::string_view what) {
        if (what == "changing names") {
          auto late = ok(Database::open(url, soon()));
          ok(History(late).append(cycle(5, 3, "NDX"), soon()));
        }
        return true;
      },
      soon()));
  ASSERT_TRUE(restored.kept_as);
  EXPECT_EQ(underlying_at(ok(url_of_database(url, *restored.kept_as))), "NDX");
  EXPECT_EQ(underlying_at(url), "SPX");
}

TEST(Backup, ThatCannotBeProvedInADatabaseWithoutTablesSaysWhatIsThere) {
  const OneCycleBackup mine;
  const auto url = fresh_database();
  const auto stopped = restore(
      url, mine.file, false, [](std::string_view what) { return what != "gathering statistics"; },
      soon());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  EXPECT_THAT(stopped.error().message, HasSubstr("is not proved"));
  EXPECT_EQ(restore(url, mine.file, false, {}, soon()).error().code, Errc::conflict);
  EXPECT_TRUE(ok(restore(url, mine.file, true, {}, soon())).kept_as);
}

TEST(Backup, ItsProgramsAreFoundOnThePathToo) {
  const TemporaryFolder folder;
  const auto program = folder.path() / "pg_dump";
  std::ofstream(program) << "#!/bin/sh\necho 'pg_dump (PostgreSQL) 98.2 (Somebody 98.2-1)'\n";
  fs::permissions(program, fs::perms::owner_all);
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", (before + ":" + folder.path().string()).c_str(), 1);
  const auto found = client_program("pg_dump", 98);
  const auto newer = client_program("pg_dump", 99);
  ::setenv("PATH", before.c_str(), 1);
  EXPECT_EQ(ok(found), program);
  EXPECT_EQ(newer.error().code, Errc::not_found);
}

TEST(Backup, ThatIsStoppedLeavesNothing) {
  auto database = migrated();
  ok(History(database).append(cycle(0), soon()));
  const TemporaryFolder folder;
  int calls = 0;
  const auto stopped = back_up(
      database, folder.path() / "mine.dump", [&](std::string_view) { return ++calls < 3; }, soon());
  EXPECT_EQ(stopped.error().code, Errc::cancelled);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

/// The same backup, saying other things of itself.
void reword(const fs::path& file, const std::string& from, const std::string& to) {
  std::ifstream in(file, std::ios::binary);
  std::string all{std::istreambuf_iterator<char>(in), {}};
  constexpr std::size_t of_length = 16;
  constexpr std::size_t of_sum = 64;
  const auto word = all.substr(all.size() - of_sum - of_length - 8, 8);
  auto length = std::stoull(all.substr(all.size() - of_sum - of_length, of_length), nullptr, 16);
  all.resize(all.size() - of_sum - of_length - word.size());
  const auto found = all.find(from, all.size() - length);
  ASSERT_NE(found, std::string::npos);
  all.replace(found, from.size(), to);
  length += to.size() - from.size();
  Sha256 sum;
  sum.add(all);
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      << all << word << fmt::format("{:016x}", length) << sum.finish();
}

// What a server with the extension does, tests/timescaledb/timescaledb.sh looks at.
TEST(Backup, OfAHistoryWithTimescaleDbIsRefusedWhereThatVersionIsNot) {
  OneCycleBackup mine;
  if (ok(mine.database.status(ten, soon())).tier != Tier::stock) GTEST_SKIP() << "no TimescaleDB";
  reword(mine.file, "tier stock\n", "tier apache\ntimescaledb 2.0.999\n");
  const auto url = fresh_database();
  const auto refused = restore(url, mine.file, false, {}, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_input);
  EXPECT_THAT(refused.error().message, HasSubstr("TimescaleDB 2.0.999"));
  EXPECT_THAT(refused.error().message, HasSubstr("this server does not have it"));
  auto target = ok(Database::open(url, soon()));
  EXPECT_EQ(
      number(target, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
      0);
}

TEST(Backup, ASettingForTheRestoreJoinsThoseOfTheUrlOrElseOfTheEnvironment) {
  const auto options = [](const std::string& url) {
    const auto settings = ok(client_settings(ok(url_with_setting(url, "work_mem=7MB"))));
    EXPECT_EQ(settings.environment.at("PGHOST"), "h");
    return settings.environment.at("PGOPTIONS");
  };
  const char* before = std::getenv("PGOPTIONS");
  const std::optional<std::string> kept =
      before != nullptr ? std::optional<std::string>(before) : std::nullopt;
  ::setenv("PGOPTIONS", "-c jit=on", 1);
  EXPECT_EQ(options("host=h dbname=d"), "-c jit=on -c work_mem=7MB");
  EXPECT_EQ(options("host=h options='-c jit=off -c a.b=it\\'s'"),
            "-c jit=off -c a.b=it's -c work_mem=7MB");
  ::unsetenv("PGOPTIONS");
  EXPECT_EQ(options("host=h"), "-c work_mem=7MB");
  if (kept) ::setenv("PGOPTIONS", kept->c_str(), 1);

  auto database =
      ok(Database::open(ok(url_with_setting(fresh_database(), "work_mem=7MB")), soon()));
  EXPECT_EQ(ok(ok(database.pool().lease(soon()))->query("SHOW work_mem", soon())).text(0, 0),
            "7MB");
}

TEST(Backup, SecretsGoByEnvironmentNotAsArguments) {
  const auto settings = ok(client_settings(
      "postgresql://me:hunter2@db.example:5433/desk?sslmode=require&keepalives_idle=7"));
  EXPECT_EQ(settings.environment.at("PGPASSWORD"), "hunter2");
  EXPECT_EQ(settings.environment.at("PGHOST"), "db.example");
  EXPECT_EQ(settings.environment.at("PGPORT"), "5433");
  EXPECT_EQ(settings.environment.at("PGUSER"), "me");
  EXPECT_EQ(settings.environment.at("PGSSLMODE"), "require");
  EXPECT_THAT(settings.conninfo, HasSubstr("dbname='desk'"));
  EXPECT_THAT(settings.conninfo, HasSubstr("keepalives_idle='7'"));
  EXPECT_THAT(settings.conninfo, ::testing::Not(HasSubstr("hunter2")));
  const auto refused = client_settings("host=x sslpassword=hunter3");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::Not(HasSubstr("hunter3")));
  EXPECT_EQ(client_program("pg_dump", 99).error().code, Errc::not_found);
}

TEST(Verify, FindsWhatAHandHasDone) {
  auto database = migrated();
  History history(database);
  for (int i = 0; i < 6; ++i) ok(history.append(cycle(i * 30), soon()));
  ok(history.mark_missed("SPX", std::array{ten + 1s}, "no answer", 300s, soon()));
  ok(history.correct(cycle(30, 20), soon()));
  const auto clean = ok(verify(database, {}, soon()));
  EXPECT_EQ(clean.problems, 0) << (clean.findings.empty() ? "" : clean.findings[0].what);
  EXPECT_EQ(clean.cycles, 6);
  EXPECT_EQ(clean.rows, 5 * 50 + 20);
  EXPECT_GT(clean.days.size(), 1U);
  EXPECT_EQ(clean.days, ok(contents_of(database, {}, soon())).days);

  const auto found = [&](const std::string& harm) {
    run(database, "BEGIN; SET session_replication_role = replica; " + harm + "; COMMIT");
    return ok(verify(database, {}, soon()));
  };
  auto result = found(
      "DELETE FROM option_snapshots WHERE as_of = '2021-01-04T15:00:00Z' AND "
      "contract_id = 3");
  ASSERT_EQ(result.problems, 1);
  EXPECT_EQ(result.findings[0].underlying, "SPX");
  EXPECT_EQ(result.findings[0].as_of, ten);
  EXPECT_EQ(result.findings[0].what, "the ledger says 50 rows, there are 49");
  EXPECT_NE(result.days, clean.days);
  result = found(
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id) VALUES "
      "('2021-01-04T15:00:01Z', 1, 1)");
  ASSERT_EQ(result.problems, 2);
  EXPECT_THAT(result.findings[1].what, HasSubstr("no cycle of the ledger vouches"));
  result = found(
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id) VALUES "
      "('2021-01-04T15:00:00Z', 1, 99999)");
  ASSERT_EQ(result.problems, 2) << "fifty rows again, one of them a stranger's";
  EXPECT_THAT(result.findings[0].what, HasSubstr("unknown"));
  result = found(
      "INSERT INTO option_snapshots (as_of, underlying_id, contract_id) VALUES "
      "('2199-01-01T15:00:00Z', 1, 1)");
  EXPECT_EQ(result.problems, 4) << "in no partition, and of no cycle";
  result = found("DELETE FROM superseded_option_snapshots WHERE contract_id = 1");
  EXPECT_EQ(result.problems, 5);
  // What retention has dropped is no damage.
  result = found(
      "INSERT INTO db_info (tier, server_version, quotes_kept_from) VALUES ('stock', "
      "'15', '2021-01-06') ON CONFLICT (only_row) DO UPDATE SET quotes_kept_from = "
      "'2021-01-06'; DELETE FROM option_snapshots WHERE as_of < '2021-01-05'");
  EXPECT_GT(result.cycles_dropped, 0);
  EXPECT_EQ(result.problems, 3) << "the stray row (twice) and what was superseded are left";
}

TEST(Verify, AnUnknownSchemaIsRefused) {
  auto database = migrated();
  run(database, "INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x')");
  EXPECT_EQ(verify(database, {}, soon()).error().code, Errc::conflict);
}

}  // namespace
}  // namespace bifrost::store
