// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/recording.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <fstream>
#include <set>

#include "bifrost/ib/wire_orders.hpp"
#include "temporary_folder.hpp"
#include "wire_support.hpp"

namespace bifrost::ib {
namespace {

using core::Errc;
using Kind = Record::Kind;
namespace fs = std::filesystem;

class Recording : public testing::Test {
 protected:
  std::unique_ptr<Recorder> open(RecorderOptions options = {}) const {
    options.folder = folder;
    auto recorder = Recorder::open(std::move(options));
    EXPECT_TRUE(recorder) << (recorder ? "" : recorder.error().message);
    return recorder ? std::move(*recorder) : nullptr;
  }
  std::vector<Record> read(int* truncated = nullptr) const {
    std::vector<Record> records;
    auto reader = RecordingReader::open(folder);
    EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
    if (!reader) return records;
    for (;;) {
      auto record = reader->next();
      EXPECT_TRUE(record) << (record ? "" : record.error().message);
      if (!record || !*record) break;
      records.push_back(std::move(**record));
    }
    if (truncated != nullptr) *truncated = reader->truncated();
    return records;
  }
  std::vector<fs::path> files() const { return recording_files(folder).value(); }
  std::string all_bytes() const {
    std::string all;
    for (const auto& record : read()) all += record.payload;
    return all;
  }

  const TemporaryFolder own;
  const fs::path folder = own.path();
};

std::string payload(std::string_view text) {
  return wire::framed(text).substr(4);
}

std::vector<std::string> payloads(const std::vector<Record>& records) {
  std::vector<std::string> out;
  for (const auto& record : records) out.push_back(record.payload);
  return out;
}

/// Bytes that do not compress.
std::string noise(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes) {
    seed = seed * 1'664'525 + 1'013'904'223;
    byte = static_cast<char>('A' + (seed >> 24) % 26);
  }
  return bytes;
}

TEST_F(Recording, GivesBackWhatPassedInItsOrder) {
  const auto before = core::Instant{
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())};
  {
    const auto recorder = open();
    recorder->record(Kind::opened, 0, "127.0.0.1:4002");
    recorder->record(Kind::sent, 0, "v176..178");
    recorder->record(Kind::received, 178, payload("178|20251121 15:50:00 US/Eastern|"));
    recorder->record(Kind::closed, 178, "the gateway closed the link");
    EXPECT_EQ(recorder->state().records, 4u);
    EXPECT_EQ(recorder->state().dropped, 0u);
  }
  const auto records = read();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].kind, Kind::opened);
  EXPECT_EQ(records[1].payload, "v176..178");
  EXPECT_EQ(records[2].payload, payload("178|20251121 15:50:00 US/Eastern|"));
  EXPECT_EQ(records[2].server_version, 178);
  EXPECT_EQ(records[3].kind, Kind::closed);
  for (const auto& record : records) {
    EXPECT_GE(record.at, before);
    EXPECT_LT(record.at, before + std::chrono::minutes{10});
  }
  struct stat status{};
  ASSERT_EQ(::stat(files().front().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u) << "positions and balances are nobody else's business";
}

TEST_F(Recording, AFileThatWasCutIsGoodUpToItsLastWholeRecord) {
  {
    const auto recorder = open();
    for (unsigned i = 0; i < 50; ++i) recorder->record(Kind::received, 178, noise(300, i));
  }
  const auto file = files().front();
  const auto whole = read();
  ASSERT_EQ(whole.size(), 50u);
  const auto size = fs::file_size(file);
  std::size_t fewest = 50;
  for (auto cut = size; cut > 0; cut -= std::min<std::uintmax_t>(cut, 97)) {
    fs::resize_file(file, cut);
    int truncated = 0;
    const auto records = read(&truncated);
    if (cut < size) {
      EXPECT_EQ(truncated, 1) << cut;
    }
    ASSERT_LE(records.size(), fewest);
    for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i], whole[i]);
    fewest = records.size();
  }
  EXPECT_LT(fewest, 3u);
}

TEST_F(Recording, WhatWasFlushedSurvivesAKill) {
  const auto recorder = open({.flush = std::chrono::milliseconds{1}});
  recorder->record(Kind::received, 178, payload("49|1|1|"));
  // Read beside the living writer, as after its end by force.
  const auto give_up = core::after(std::chrono::seconds{20});
  while (read().empty() && core::after({}) < give_up) {
  }
  int truncated = 0;
  EXPECT_THAT(payloads(read(&truncated)), testing::ElementsAre(payload("49|1|1|")));
  EXPECT_EQ(truncated, 1);
}

TEST_F(Recording, ATornFileDoesNotHideTheNextOne) {
  {
    open()->record(Kind::received, 178, payload("49|1|1|"));
  }
  fs::resize_file(files().front(), 30);
  {
    open()->record(Kind::received, 178, payload("49|1|2|"));
  }
  int truncated = 0;
  EXPECT_THAT(payloads(read(&truncated)), testing::Contains(payload("49|1|2|")));
  EXPECT_EQ(truncated, 1);
}

TEST_F(Recording, BytesThatAreNoRecordingAreNamed) {
  std::ofstream{folder / "frames-a-1.bfr.gz"} << "hello";
  auto reader = RecordingReader::open(folder).value();
  const auto record = reader.next();
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, Errc::corrupt_data);
  EXPECT_THAT(record.error().message, testing::HasSubstr("frames-a-1.bfr.gz: after record 0"));

  gzFile other = gzopen((folder / "frames-a-1.bfr.gz").c_str(), "wb");
  gzputs(other, "some other file");
  gzclose(other);
  auto again = RecordingReader::open(folder).value();
  EXPECT_EQ(again.next().error().code, Errc::corrupt_data);

  EXPECT_EQ(RecordingReader::open(folder / "nowhere").error().code, Errc::not_found);
  fs::remove(folder / "frames-a-1.bfr.gz");
  EXPECT_EQ(RecordingReader::open(folder).error().code, Errc::not_found);
}

TEST_F(Recording, FilesRotateBySizeAndTheOldestGo) {
  {
    const auto recorder = open({.file_bytes = 20'000, .total_bytes = 100'000, .files = 4});
    for (unsigned i = 0; i < 400; ++i) {
      recorder->record(Kind::received, 178, noise(1'000, i));
    }
    recorder->record(Kind::received, 178, "last");
  }
  const auto kept = files();
  EXPECT_LE(kept.size(), 4u);
  EXPECT_GE(kept.size(), 3u);
  std::uintmax_t total = 0;
  for (const auto& file : kept) total += fs::file_size(file);
  EXPECT_LE(total, 100'000u + 20'000u);
  EXPECT_EQ(read().back().payload, "last");
}

TEST_F(Recording, AnOldFileIsFollowedByANewOne) {
  {
    const auto recorder = open({.file_age = std::chrono::seconds{0}});
    recorder->record(Kind::received, 178, "a1");
    recorder->record(Kind::received, 178, "b1");
  }
  EXPECT_GE(files().size(), 2u);
  EXPECT_THAT(payloads(read()), testing::ElementsAre("a1", "b1"));
}

TEST_F(Recording, TwoProgramsShareAFolderWithoutTouchingEachOthersFiles) {
  {
    open({.label = "api"})->record(Kind::received, 178, "of the api");
  }
  {
    const auto recorder =
        open({.label = "collector", .file_bytes = 1'000, .total_bytes = 1'000, .files = 1});
    for (unsigned i = 0; i < 20; ++i) recorder->record(Kind::received, 178, noise(1'000, i));
  }
  EXPECT_THAT(payloads(read()), testing::Contains("of the api"));
}

TEST_F(Recording, WhatCannotBeKeptIsCountedAndSaid) {
  constexpr unsigned most = 2'000;
  std::uint64_t dropped = 0;
  {
    const auto recorder = open({.queue_bytes = 10'000});
    for (unsigned i = 0; i < most; ++i) recorder->record(Kind::received, 178, noise(4'000, i));
    recorder->record(Kind::received, 178, payload("15|1|DU1234567|"));
    const auto state = recorder->state();
    dropped = state.dropped;
    EXPECT_EQ(state.records + state.dropped, most + 1);
  }
  EXPECT_GT(dropped, 0u) << "the disk was faster than this test can be";
  std::uint64_t missing = 0;
  bool list = false;
  for (const auto& record : read()) {
    if (record.kind == Kind::lost) missing += std::stoull(record.payload);
    list = list || record.payload == payload("15|1|SIM-RECORDED|");
  }
  EXPECT_TRUE(list) << "the list of accounts is never dropped";
  EXPECT_EQ(missing, dropped) << "the list came behind what was lost, and says so";
}

TEST_F(Recording, ADiskThatFailsIsSaidAndStopsNothing) {
  const auto recorder = open({.file_age = std::chrono::seconds{0}});
  fs::remove_all(folder);  // no further file can be made
  const auto give_up = core::after(std::chrono::seconds{20});
  while (recorder->state().problem.empty() && core::after({}) < give_up) {
    recorder->record(Kind::received, 178, "x");
  }
  EXPECT_THAT(recorder->state().problem, testing::HasSubstr("No such file or directory"));
  EXPECT_GT(recorder->state().dropped, 0u);
}

TEST_F(Recording, AFolderThatCannotBeIsAnErrorAtOnce) {
  RecorderOptions options;
  EXPECT_EQ(Recorder::open(options).error().code, Errc::invalid_input);
  options.folder = "/proc/nowhere";
  EXPECT_EQ(Recorder::open(options).error().code, Errc::unavailable);
  options.folder = folder;
  options.label = "a-b";
  EXPECT_EQ(Recorder::open(options).error().code, Errc::invalid_input);
  options.label = "a";
  options.total_bytes = options.file_bytes - 1;
  EXPECT_EQ(Recorder::open(options).error().code, Errc::invalid_input);
}

// ---- secrets

TEST_F(Recording, NoAccountReachesTheDisk) {
  const auto send = [](Recorder& recorder, Kind kind, std::string_view text) {
    recorder.record(kind, 178, payload(text));
  };
  {
    const auto recorder = open();
    send(*recorder, Kind::received, "15|1|DU1234567,F7654321,U12345678,|");
    send(*recorder, Kind::received, "63|1|9|DU1234567|NetLiquidation|1000000.00|USD|");
    send(*recorder, Kind::received, "63|1|9|All|NetLiquidation|1000000.00|USD|");
    send(*recorder, Kind::received,
         "4|2|9|321|Error: account DU1234567 (master F7654321) may not||");
    send(*recorder, Kind::received,
         "61|3|U5550001|700000600|SPY|OPT|20251219|600.0|C|100||USD|SPY|SPY|2|455.65|");
    send(*recorder, Kind::received, "6|2|AccountCode|U5550001||U5550001|");
    send(*recorder, Kind::received, "7|8|1|SPY|STK||0|||ARCA|USD|SPY|SPY|2|1|2|1|0|0|U5550002|");
    send(*recorder, Kind::received, "54|1|U5550002|");
    send(*recorder, Kind::received, "73|1|9|U5550003||NetLiquidation|1|USD|");
    send(*recorder, Kind::received, "71|1|9|U5550003|1|SPY|STK||0|||SMART|USD|SPY|SPY|2|1||");
    send(*recorder, Kind::received, "78|1|U5550004|F|");
    send(*recorder, Kind::sent, "6|2|1|U5550005|");
    send(*recorder, Kind::sent, "7|3|9|1|U5550006|||||");
    send(*recorder, Kind::sent, "92|9|U5550007||");
    send(*recorder, Kind::sent, "76|1|9|U5550008||1|");
    send(*recorder, Kind::sent, "74|1|9|U5550009||");
    recorder->record(Kind::sent, 178,
                     wire::encode(wire::WhatIfOrder{.account = "U5550010"}, 178).substr(4));
    recorder->record(Kind::received, 178,
                     wire::encode(wire::OpenOrder{.account = "U5550011"}, 178).substr(4));
    recorder->record(Kind::received, 178,
                     wire::encode(wire::ExecutionData{.account = "U5550012"}, 178).substr(4));
    send(*recorder, Kind::received, "45|6|1|23|0.5|");
  }
  const auto all = all_bytes();
  for (const auto* secret : {"DU1234567", "F7654321", "U12345678", "U55500"}) {
    EXPECT_EQ(all.find(secret), all.npos) << secret;
  }
  const auto records = read();
  ASSERT_EQ(records.size(), 20u);
  EXPECT_EQ(records[0].payload, payload("15|1|SIM-RECORDED|"));
  EXPECT_EQ(records[1].payload, payload("63|1|9|SIM-RECORDED|NetLiquidation|1000000.00|USD|"));
  EXPECT_EQ(records[2].payload, payload("63|1|9|All|NetLiquidation|1000000.00|USD|"));
  EXPECT_EQ(records[3].payload,
            payload("4|2|9|321|Error: account SIM-RECORDED (master SIM-RECORDED) may not||"));
  EXPECT_EQ(records[19].payload, payload("45|6|1|23|0.5|")) << "others stay as they are";
}

TEST(Pseudonyms, AWordInTheWrongPlaceDoesNotVanishElsewhere) {
  Pseudonyms names;
  (void)names.without_accounts(Kind::received, payload("61|3|SMART|"));
  EXPECT_EQ(names.without_accounts(Kind::received, payload("46|6|1|32|SMART|")),
            payload("46|6|1|32|SMART|"));
  // One id inside another.
  (void)names.without_accounts(Kind::received, payload("15|1|U123,DU1234567|"));
  EXPECT_EQ(names.without_accounts(Kind::received, payload("46|6|1|32|DU1234567 U123|")),
            payload("46|6|1|32|SIM-RECORDED SIM-RECORDED|"));
}

TEST(RecordCutter, ReadsTheStreamHoweverItIsSplit) {
  const std::vector<Record> records{
      {.kind = Kind::opened, .server_version = 0, .at = core::Instant{}, .payload = "x"},
      {.kind = Kind::received,
       .server_version = 200,
       .at = core::Instant{std::chrono::microseconds{1'763'758'200'123'456}},
       .payload = std::string("a\0b", 3)},
      {.kind = Kind::lost, .server_version = 178, .at = core::Instant{}, .payload = ""}};
  std::string stream = "bifrost-frames 1\n";
  for (const auto& record : records) stream += encode(record);
  for (std::size_t step = 1; step < stream.size(); ++step) {
    RecordCutter cutter;
    std::vector<Record> read;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      cutter.feed(std::string_view{stream}.substr(at, step));
      for (;;) {
        auto record = cutter.next();
        ASSERT_TRUE(record);
        if (!*record) break;
        read.push_back(**record);
      }
    }
    EXPECT_EQ(read, records) << step;
    EXPECT_EQ(cutter.pending(), 0u);
  }
}

TEST(RecordCutter, StaysBroken) {
  RecordCutter cutter;
  cutter.feed("bifrost-frames 2\n");
  EXPECT_EQ(cutter.next().error().code, Errc::corrupt_data);
  cutter.feed("bifrost-frames 1\n");
  EXPECT_FALSE(cutter.next());

  RecordCutter huge;
  huge.feed("bifrost-frames 1\n" + encode({.payload = "x"}).substr(0, 11) + "\xff\xff\xff\xff");
  EXPECT_FALSE(huge.next());
  RecordCutter kind;
  kind.feed("bifrost-frames 1\n?");
  EXPECT_FALSE(kind.next());
}

}  // namespace
}  // namespace bifrost::ib
