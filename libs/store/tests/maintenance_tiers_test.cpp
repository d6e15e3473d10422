// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "maintenance_support.hpp"
#include "pool.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using core::Right;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// What upkeep asks of TimescaleDB's community tier, played by tables and functions of our own.
void play_community(Database& database) {
  run(database, R"(
    CREATE SCHEMA timescaledb_information;
    CREATE TABLE timescaledb_information.hypertables (
      hypertable_schema text, hypertable_name text, compression_enabled bool);
    CREATE TABLE timescaledb_information.chunks (
      hypertable_schema text, hypertable_name text, chunk_schema text, chunk_name text,
      range_start timestamptz, range_end timestamptz, is_compressed bool);
    CREATE TABLE asked (n int8 GENERATED ALWAYS AS IDENTITY, what text);
    CREATE FUNCTION compress_chunk(chunk regclass, if_not_compressed bool) RETURNS regclass
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO asked (what) VALUES ('compress ' || chunk);
      UPDATE timescaledb_information.chunks SET is_compressed = true
      WHERE chunk_name = chunk::text;
      RETURN chunk;
    END $$;
    CREATE FUNCTION drop_chunks(relation regclass, older_than timestamptz) RETURNS SETOF text
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO asked (what) VALUES ('drop ' || relation || ' before ' || older_than);
      RETURN NEXT 'one';
    END $$;
    INSERT INTO timescaledb_information.hypertables
    SELECT current_schema(), t, true FROM unnest(ARRAY['option_snapshots', 'option_changes']) t;
    INSERT INTO timescaledb_information.chunks
    SELECT current_schema(), 'option_snapshots', current_schema(),
           'option_snapshots_' || to_char(d, 'YYYYMMDD'), d, d + interval '1 day', false
    FROM generate_series('2021-01-04T00:00:00Z'::timestamptz, '2021-01-06T00:00:00Z', '1 day') d)");
}

std::vector<std::string> asked(Database& database) {
  const auto connection = ok(database.pool().lease(soon()));
  const auto rows = ok(connection->query("SELECT what FROM asked ORDER BY n", soon()));
  std::vector<std::string> all;
  for (int row = 0; row < rows.size(); ++row) all.emplace_back(rows.text(row, 0));
  ok(connection->run("TRUNCATE asked", soon()));
  return all;
}

TEST(Maintenance, OnlyTheCommunityTierCompressesAndOnlyWhatIsClosed) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "the real TimescaleDB is here";
  ok(database.prepare_days(day("2021-01-04"), day("2021-01-06"), soon()));
  play_community(database);
  for (const auto tier : {Tier::stock, Tier::apache}) {
    EXPECT_TRUE(keep(database, after_close, {}, tier).ok());
    EXPECT_THAT(asked(database), IsEmpty());
  }
  const auto report = keep(database, after_close, {}, Tier::community);
  EXPECT_TRUE(report.ok()) << task(report, "compression").problem;
  EXPECT_EQ(count(task(report, "compression"), "chunks"), 2);  // the 6th has not ended yet
  EXPECT_THAT(asked(database), ElementsAre("compress option_snapshots_20210104",
                                           "compress option_snapshots_20210105"));
  EXPECT_TRUE(keep(database, after_close, {}, Tier::community).ok());
  EXPECT_THAT(asked(database), IsEmpty());
  // A cycle that comes late into a compressed chunk.
  History history(database);
  ok(history.append(
      cycle(at("2021-01-04T15:00:00Z"), {quoted(option("3700", Right::call), "1", "2")}), soon()));
  EXPECT_TRUE(keep(database, after_close + 1h * 24, {}, Tier::community).ok());
  EXPECT_THAT(asked(database), ElementsAre("compress option_snapshots_20210104",
                                           "compress option_snapshots_20210106"));
}

TEST(Maintenance, HypertablesAreDroppedByChunks) {
  auto database = migrated();
  if (!stock(database)) GTEST_SKIP() << "the real TimescaleDB is here";
  play_community(database);
  for (const auto tier : {Tier::apache, Tier::community}) {
    const auto report = keep(database, after_close, {.retention_days = 10}, tier);
    EXPECT_EQ(count(task(report, "retention"), "dropped"), 2);
    const auto wanted = asked(database);
    EXPECT_THAT(wanted, ::testing::Contains("drop option_snapshots before 2020-12-28 00:00:00+00"));
    EXPECT_THAT(wanted, ::testing::Contains("drop option_changes before 2020-12-28 00:00:00+00"));
  }
  keep(database, after_close, {.retention_days = 10}, Tier::stock);
  EXPECT_THAT(asked(database), IsEmpty());
}

TEST(Maintenance, AServerThatRefusesToCompressIsSaidSoAndTheRestIsDone) {
  auto database = migrated();
  const auto report = keep(database, after_close, {}, Tier::community);
  EXPECT_FALSE(report.ok());
  EXPECT_FALSE(task(report, "compression").ok);
  EXPECT_FALSE(task(report, "compression").problem.empty());
  EXPECT_TRUE(task(report, "analyze").ok);
  EXPECT_EQ(ok(maintained_through(database, soon())), std::nullopt);
}

}  // namespace
}  // namespace bifrost::store
