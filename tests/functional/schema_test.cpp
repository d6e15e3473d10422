// SPDX-License-Identifier: Apache-2.0
// F33: a migration that is killed half-way leaves a database that the next one brings to its end; a
// schema that a program does not know is refused by every program.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <fstream>
#include <random>
#include <sstream>

#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// Everything that a schema is made of, as one text.
std::string shape_of(Sql& sql) {
  return sql.one(
      "SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM ("
      " SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable,"
      "  column_default) FROM information_schema.columns WHERE table_schema = 'public'"
      " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
      " UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace ="
      "  'public'::regnamespace"
      " UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
      " UNION ALL SELECT format('%s %s', revision, checksum) FROM schema_migrations) q(line)");
}

TEST(Schema, AMigrationThatIsKilledIsBroughtToItsEndByTheNext) {
  const auto whole_url = make_database("schema_whole");
  Sql whole{whole_url};
  const auto wanted = shape_of(whole);
  const auto steps = std::stoi(whole.one("SELECT count(*) FROM schema_migrations"));
  auto url = cluster().create_database("schema_killed", core::after(30s));
  ASSERT_TRUE(url);

  constexpr int kills = 20;
  std::mt19937 random{33};
  int in_the_middle = 0;
  int killed = 0;
  for (int round = 0; killed < kills; ++round) {
    ASSERT_LT(round, 400) << "the kills never hit";
    Sql sql{*url};
    auto started = core::Process::start(std::filesystem::path{BIFROST_BIN} / "bifrost",
                                        {.arguments = {"--env", "/dev/null", "migrate"},
                                         .environment = {{"DATABASE_URL", *url}},
                                         .error_log = scratch() / "migrate.log"});
    ASSERT_TRUE(started);
    ::poll(nullptr, 0, static_cast<int>(random() % 160));  // the random point
    started->signal(SIGKILL);
    const auto status = started->wait(core::after(10s));
    ASSERT_TRUE(status);
    if (*status == 128 + SIGKILL) ++killed;
    // What is there is whole steps, and no program takes it for a history.
    const bool ledger = sql.one("SELECT to_regclass('schema_migrations') IS NOT NULL") == "t";
    const int applied = ledger ? std::stoi(sql.one("SELECT count(*) FROM schema_migrations")) : 0;
    if (applied < steps) {
      if (applied > 0) ++in_the_middle;
      EXPECT_EQ(run("bifrost", {"export", "--symbol", "SPX"}, *url).status, 1);
    }
    ASSERT_EQ(run("bifrost", {"migrate"}, *url).status, 0);
    ASSERT_EQ(shape_of(sql), wanted) << "after " << applied << " steps";
    ASSERT_EQ(run("bifrost", {"db", "verify"}, *url).status, 0);
    sql("SET client_min_messages = warning");
    sql("DROP SCHEMA public CASCADE");
    sql("CREATE SCHEMA public");
  }
  fmt::print(
      "F33: {} kills of a migration of {} steps, {} of them between two steps, all resumed\n",
      killed, steps, in_the_middle);
}

TEST(Schema, OneThatIsNotKnownIsRefusedByEveryProgram) {
  const auto url = make_database("schema_unknown");
  const auto file = scratch() / "one.csv";
  std::ofstream(file) << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,"
                         "open_interest,iv,delta,gamma,theta,vega,bid_size,ask_size,root,mid\n"
                         "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n";
  ASSERT_EQ(run("bifrost", {"import", file.string()}, url).status, 0);
  const auto good = scratch() / "good.dump";
  ASSERT_EQ(run("bifrost", {"db", "backup", good.string()}, url).status, 0);
  Sql sql{url};
  const auto facts = sql.one("SELECT count(*) FROM option_snapshots");
  const auto last = sql.one("SELECT max(revision) FROM schema_migrations");
  for (const std::string& harm :
       {std::string("INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x')"),
        "UPDATE schema_migrations SET checksum = 'another' WHERE revision = " + last}) {
    sql("BEGIN");
    sql("CREATE TABLE kept AS SELECT * FROM schema_migrations");
    sql(harm);
    sql("COMMIT");
    const auto out = (scratch() / "out.csv").string();
    const auto dump = (scratch() / "bad.dump").string();
    const std::vector<std::vector<std::string>> verbs{
        {"migrate"},      {"import", file.string()}, {"export", "--symbol", "SPX", "-o", out},
        {"db", "verify"}, {"db", "backup", dump},    {"db", "restore", good.string()}};
    for (const auto& verb : verbs) {
      EXPECT_EQ(run("bifrost", verb, url).status, 1) << verb.back();
    }
    EXPECT_FALSE(std::filesystem::exists(out));
    EXPECT_FALSE(std::filesystem::exists(dump));
    for (const std::string service : {"bifrost-api", "bifrost-collector"}) {
      const auto log = scratch() / (service + "-refused.log");
      auto process = core::Process::start(
          std::filesystem::path{BIFROST_BIN} / service,
          {.arguments = {"--env", "/dev/null"},
           .environment = {{"DATABASE_URL", url},
                           {"APP_PORT", "0"},
                           {"IB_PORT", "1"},
                           {"BIFROST_SPOOL_DIR", (scratch() / "spool").string()},
                           {"BIFROST_UNDERLYINGS", "SPX"}},
           .error_log = log});
      ASSERT_TRUE(process);
      const auto status = process->wait(core::after(60s));
      ASSERT_TRUE(status) << service << " goes on with a schema that it does not know";
      EXPECT_EQ(*status, 1) << service;
      std::ostringstream text;
      text << std::ifstream(log).rdbuf();
      EXPECT_THAT(text.str(), HasSubstr("schema revision"));
    }
    EXPECT_EQ(sql.one("SELECT count(*) FROM option_snapshots"), facts);
    sql("DELETE FROM schema_migrations");
    sql("INSERT INTO schema_migrations SELECT * FROM kept");
    sql("DROP TABLE kept");
    EXPECT_EQ(run("bifrost", {"db", "verify"}, url).status, 0) << "and once it is known again";
  }
}

TEST(Schema, AnOlderOneIsNamedAndNeverUsed) {
  const auto url = make_database("schema_older");
  Sql sql{url};
  sql("DELETE FROM schema_migrations WHERE revision = (SELECT max(revision) FROM"
      " schema_migrations)");
  EXPECT_EQ(run("bifrost", {"export", "--symbol", "SPX"}, url).status, 1);
  EXPECT_EQ(run("bifrost", {"db", "verify"}, url).status, 1);
  // Before a migration is when a backup is wanted most.
  EXPECT_EQ(run("bifrost", {"db", "backup", (scratch() / "older.dump").string()}, url).status, 0);
}

// Out and in again, and away and back, with the programs as a person uses them.
TEST(Files, AnExportAndABackupBringTheSameFactsBack) {
  const auto url = make_database("files_from");
  const auto file = scratch() / "two.csv";
  {
    std::ofstream out(file);
    out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
           "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n";
    for (int minute = 0; minute < 50; ++minute) {
      for (int strike = 3600; strike < 3700; ++strike) {
        out << fmt::format(
            "2021-01-04T15:{:02}:00Z,SPX,3700.25,2021-01-15,{},C,{}.05,{}.1,,0,,0.25147,0.5,"
            "0.00012,-0.1,0.25147,3,,SPXW,\n",
            minute, strike, minute, minute + 1);
      }
    }
  }
  ASSERT_EQ(run("bifrost", {"import", file.string()}, url).status, 0);
  const std::string facts =
      "SELECT md5(string_agg(format('%s %s %s %s %s', s, c.trading_class, c.expiry, c.strike,"
      " c.\"right\"), ',' ORDER BY s.as_of, s.contract_id)) FROM option_snapshots s"
      " JOIN contracts c USING (contract_id)";
  Sql from{url};
  const auto wanted = from.one(facts);
  const auto out = scratch() / "spx.csv.gz";
  const auto exported =
      run("bifrost", {"export", "--symbol", "SPX", "-o", out.string(), "--json"}, url);
  ASSERT_EQ(exported.status, 0);
  EXPECT_THAT(exported.output, HasSubstr("\"rows\":5000"));
  const auto to_url = make_database("files_to");
  ASSERT_EQ(run("bifrost", {"import", out.string()}, to_url).status, 0);
  Sql to{to_url};
  EXPECT_EQ(to.one(facts), wanted);
  const auto piped = run("bifrost", {"export", "--symbol", "SPX"}, to_url);
  EXPECT_EQ(std::ranges::count(piped.output, '\n'), 5001);

  const auto dump = scratch() / "spx.dump";
  const auto backed_up = run("bifrost", {"db", "backup", dump.string(), "--json"}, url);
  ASSERT_EQ(backed_up.status, 0);
  EXPECT_THAT(backed_up.output, HasSubstr("\"rows\":5000"));
  EXPECT_EQ(run("bifrost", {"db", "verify", dump.string()}, url).status, 0);
  auto fresh = cluster().create_database("files_back", core::after(30s));
  ASSERT_TRUE(fresh);
  ASSERT_EQ(run("bifrost", {"db", "restore", dump.string()}, *fresh).status, 0);
  {
    Sql back{*fresh};
    EXPECT_EQ(back.one(facts), wanted);
  }
  EXPECT_EQ(run("bifrost", {"db", "restore", dump.string()}, *fresh).status, 1)
      << "a history is not overwritten unless that is said";
  EXPECT_EQ(run("bifrost", {"db", "restore", dump.string(), "--replace"}, *fresh).status, 0);
  {
    Sql back{*fresh};
    EXPECT_EQ(back.one(facts), wanted);
    back("DELETE FROM option_snapshots WHERE contract_id = 1");
  }
  EXPECT_EQ(run("bifrost", {"db", "backup", dump.string()}, url).status, 1)
      << "nor is a backup that is there";
  const auto maintained = scratch() / "maintained.dump";
  ASSERT_EQ(run("bifrost", {"db", "maintain"}, url).status, 0);
  ASSERT_EQ(run("bifrost", {"db", "backup", maintained.string()}, url).status, 0);
  EXPECT_EQ(run("bifrost", {"db", "verify", maintained.string(), "--deep"}, url).status, 0);
  EXPECT_EQ(run("bifrost", {"db", "verify", "--deep"}, url).status, 2);
  const auto useless = scratch() / "useless.csv";
  std::ofstream(useless)
      << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
         "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n"
         "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,never,C,1,2,,,,,,,,,,,SPXW,\n";
  EXPECT_EQ(run("bifrost", {"import", useless.string()}, url).status, 1) << "nothing was taken";
  const auto verified = run("bifrost", {"db", "verify", "--json"}, *fresh);
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.output, HasSubstr("\"problems\":50"));
}

TEST(Files, AnInterruptedVerbSaysSoByItsStatus) {
  const auto url = make_database("files_interrupted");
  const auto file = scratch() / "interrupted.csv";
  std::ofstream(file) << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,"
                         "open_interest,iv,delta,gamma,theta,vega,bid_size,ask_size,root,mid\n"
                         "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,\n";
  ASSERT_EQ(run("bifrost", {"import", file.string()}, url).status, 0);
  Sql holder{url};
  holder("BEGIN");
  holder("LOCK TABLE underlyings");
  auto process = core::Process::start(std::filesystem::path{BIFROST_BIN} / "bifrost",
                                      {.arguments = {"--env", "/dev/null", "db", "verify"},
                                       .environment = {{"DATABASE_URL", url}},
                                       .error_log = scratch() / "interrupted.log"});
  ASSERT_TRUE(process);
  Sql sql{url};
  ASSERT_TRUE(wait_until(60s, [&] {
    return sql.one(
               "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
               " 'underlyings'::regclass") == "1";
  }));
  process->signal(SIGINT);
  // Taken by the program once it is no longer pending.
  ASSERT_TRUE(wait_until(60s, [&] {
    std::ifstream status(fmt::format("/proc/{}/status", process->pid()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("ShdPnd:")) return line.ends_with("0000000000000000");
    }
    return false;
  }));
  holder("COMMIT");
  EXPECT_EQ(process->wait(core::after(60s)).value_or(-1), 130);
}

// A killed export leaves the file that was there.
TEST(Files, AKilledExportLeavesNoHalfFile) {
  const auto url = make_database("files_killed");
  const auto file = scratch() / "many.csv";
  {
    std::ofstream out(file);
    out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
           "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n";
    for (int minute = 0; minute < 50; ++minute) {
      for (int strike = 1; strike < 1001; ++strike) {
        out << fmt::format("2021-01-04T15:{:02}:00Z,SPX,3700,2021-01-15,{},C,1,2,,,,,,,,,,,SPXW,\n",
                           minute, strike);
      }
    }
  }
  ASSERT_EQ(run("bifrost", {"import", file.string()}, url).status, 0);
  const auto target = scratch() / "killed.csv";
  std::mt19937 random{7};
  int killed = 0;
  for (int round = 0; killed < 10; ++round) {
    ASSERT_LT(round, 200) << "the kills never hit";
    std::ofstream(target) << "what was there\n";
    auto process = core::Process::start(
        std::filesystem::path{BIFROST_BIN} / "bifrost",
        {.arguments = {"--env", "/dev/null", "export", "--symbol", "SPX", "-o", target.string()},
         .environment = {{"DATABASE_URL", url}},
         .error_log = scratch() / "export.log"});
    ASSERT_TRUE(process);
    ::poll(nullptr, 0, static_cast<int>(random() % 120));
    process->signal(SIGKILL);
    if (process->wait(core::after(10s)).value_or(0) == 128 + SIGKILL) ++killed;
    std::ostringstream text;
    text << std::ifstream(target).rdbuf();
    const auto lines = std::ranges::count(text.str(), '\n');
    EXPECT_TRUE(lines == 1 || lines == 50'001) << lines;
  }
}

}  // namespace
}  // namespace bifrost::test
