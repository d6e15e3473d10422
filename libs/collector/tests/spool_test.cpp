// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/spool.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>

#include "durable_support.hpp"
#include "spool_codec.hpp"

namespace bifrost::collector {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;
using core::Errc;

const auto ten = at("2021-01-04T15:00:00Z");

Spool open(const TemporaryFolder& folder, SpoolOptions options = {}) {
  options.folder = folder.path() / "spool";
  return ok(Spool::open(std::move(options)));
}

std::vector<fs::path> segments(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& file : fs::directory_iterator{folder}) {
    if (file.path().extension() == ".spool") found.push_back(file.path());
  }
  std::ranges::sort(found);
  return found;
}

std::string read(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream{path, std::ios::binary}.rdbuf();
  return bytes.str();
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << bytes;
}

/// Number of a cycle made by cycle(); -1 for a note of missed ones.
int number_of(const SpoolEntry& entry) {
  const auto* cycle = std::get_if<FinishedCycle>(&entry);
  if (cycle == nullptr) return -1;
  return static_cast<int>(*cycle->record.snapshot.quotes.front().quote.volume - 1'000'000);
}

std::vector<int> drain(Spool& spool) {
  std::vector<int> numbers;
  while (const auto entry = ok(spool.front())) {
    numbers.push_back(number_of(*entry));
    spool.drop_front();
  }
  return numbers;
}

TEST(SpoolCodec, EveryFieldComesBackAsItWas) {
  auto full = cycle("SPX", ten, 7, 12);
  full.undescribed = true;
  full.record.status = store::RunStatus::partial;
  full.record.reason = "answers_missing: 3 of 15";
  full.record.expected = 15;
  full.record.refused = 2;
  full.record.snapshot.quotes[1].quote.gamma = std::numeric_limits<double>::denorm_min();
  full.record.snapshot.quotes[2].quote.vega = -std::numeric_limits<double>::infinity();
  full.record.snapshot.quotes[3].quote.open_interest = std::numeric_limits<std::int64_t>::min();
  full.record.snapshot.quotes[4].quote.ask_size = std::numeric_limits<std::int64_t>::max();
  full.record.snapshot.quotes[5].quote.observed_at = core::Instant::min();
  const auto back = decode_payload(encode_payload(full));
  ASSERT_TRUE(back);
  const auto& found = std::get<FinishedCycle>(*back);
  EXPECT_TRUE(found.undescribed);
  const auto& a = full.record;
  const auto& b = found.record;
  EXPECT_EQ(b.snapshot.underlying, a.snapshot.underlying);
  EXPECT_EQ(b.snapshot.as_of, a.snapshot.as_of);
  EXPECT_EQ(b.snapshot.underlying_price, a.snapshot.underlying_price);
  EXPECT_EQ(b.snapshot.source, a.snapshot.source);
  EXPECT_EQ(b.snapshot.quotes, a.snapshot.quotes);
  EXPECT_EQ(b.status, a.status);
  EXPECT_EQ(b.reason, a.reason);
  EXPECT_EQ(b.expected, a.expected);
  EXPECT_EQ(b.refused, a.refused);
  EXPECT_EQ(b.interval, a.interval);
  EXPECT_EQ(b.started_at, a.started_at);
  EXPECT_EQ(b.finished_at, a.finished_at);
  EXPECT_EQ(b.changes, a.changes);
  EXPECT_EQ(b.market_conditions, a.market_conditions);
  const MissedCycles missed{"BRK B", {ten, ten + 300s}, "overrun: because", 300s};
  EXPECT_EQ(std::get<MissedCycles>(decode_payload(encode_payload(missed)).value()), missed);
}

TEST(SpoolCodec, NothingButAnExactEntryIsTaken) {
  const auto payload = encode_payload(cycle("SPX", ten, 1));
  for (std::size_t size = 0; size < payload.size(); ++size)
    ASSERT_FALSE(decode_payload(payload.substr(0, size))) << size;
  EXPECT_FALSE(decode_payload(payload + '\0'));
  auto other_version = payload;
  other_version[0] = 99;
  EXPECT_FALSE(decode_payload(other_version));
  // A count of 2^60 quotes asks for no memory.
  EXPECT_FALSE(
      decode_payload(std::string("\x01\x02\x01X\xff\xff\xff\xff\xff\xff\xff\xff\x0f", 13)));
}

TEST(SpoolCodec, EveryTruncationOfASegmentIsTornAndEveryFlippedBitIsSeen) {
  const auto frame = to_frame(encode_payload(cycle("SPX", ten, 1, 1)));
  EXPECT_EQ(find_frame(frame).what, Found::What::entry);
  for (std::size_t size = 1; size < frame.size(); ++size) {
    const auto cut = frame.substr(0, size);
    ASSERT_EQ(find_frame(cut).what, Found::What::torn) << size;
    ASSERT_EQ(find_frame(cut).length, size);
  }
  EXPECT_EQ(find_frame(std::string(4096, '\0')).what, Found::What::torn);
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    auto flipped = frame;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto followed = flipped + frame;
    const auto found = find_frame(followed);
    ASSERT_EQ(found.what, Found::What::damage) << bit;
    ASSERT_EQ(found.length, frame.size()) << "the entry behind it is found";
  }
}

TEST(Spool, IsAQueueThatSurvivesItsProcess) {
  const TemporaryFolder folder;
  {
    auto spool = open(folder, {.folder = {}, .segment_size = 2'000});
    for (int i = 0; i < 20; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
    ok(spool.add(MissedCycles{"SPX", {ten}, "overrun: x", 300s}));
    EXPECT_EQ(spool.entries(), 21U);
    EXPECT_GT(segments(folder.path() / "spool").size(), 3U);
  }
  auto spool = open(folder);
  EXPECT_EQ(spool.entries(), 21U);
  EXPECT_EQ(spool.newest("SPX"), ten + 19 * 300s);
  EXPECT_FALSE(spool.newest("QQQ"));
  std::vector<int> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  expected.push_back(-1);
  EXPECT_EQ(drain(spool), expected);
  EXPECT_TRUE(spool.empty());
  EXPECT_EQ(spool.bytes(), 0U);
  EXPECT_TRUE(segments(folder.path() / "spool").empty());
  EXPECT_FALSE(spool.newest("SPX"));
  // And goes on.
  ok(spool.add(cycle("SPX", ten, 5)));
  EXPECT_EQ(drain(spool), std::vector{5});
}

TEST(Spool, OneProcessAFolder) {
  const TemporaryFolder folder;
  std::string instance;
  {
    auto spool = open(folder);
    instance = spool.instance();
    EXPECT_EQ(instance.size(), 36U);
    EXPECT_EQ(Spool::open({.folder = folder.path() / "spool"}).error().code, Errc::conflict);
    EXPECT_EQ(spool.last_held(), std::nullopt);
    ok(spool.remember_held({12, "a-history"}));
  }
  auto again = open(folder);
  EXPECT_EQ(again.instance(), instance);
  EXPECT_EQ(again.last_held(), (Spool::Held{12, "a-history"}));
}

TEST(Spool, WhatAKillCutShortIsSkippedAndTheRestIsThere) {
  const TemporaryFolder folder;
  {
    auto spool = open(folder);
    for (int i = 0; i < 3; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  }
  const auto segment = segments(folder.path() / "spool").at(0);
  const auto whole = read(segment);
  for (std::size_t cut : {std::size_t{1}, std::size_t{11}, std::size_t{13}, std::size_t{100}}) {
    write(segment, whole + to_frame(encode_payload(cycle("SPX", ten, 9))).substr(0, cut));
    auto spool = open(folder);
    EXPECT_EQ(spool.entries(), 3U);
    // New entries go into another file, behind the old ones.
    ok(spool.add(cycle("SPX", ten + 900s, 3)));
    EXPECT_EQ(drain(spool), (std::vector{0, 1, 2, 3}));
    EXPECT_TRUE(fs::is_empty(folder.path() / "spool" / "aside"));
  }
}

TEST(Spool, ADamagedEntryIsSaidSkippedAndItsFileKept) {
  const TemporaryFolder folder;
  {
    auto spool = open(folder);
    for (int i = 0; i < 3; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  }
  const auto segment = segments(folder.path() / "spool").at(0);
  auto bytes = read(segment);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write(segment, bytes);
  ::testing::internal::CaptureStderr();
  auto spool = open(folder);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("spool_corrupt"));
  EXPECT_EQ(drain(spool), (std::vector{0, 2}));
  EXPECT_EQ(read(folder.path() / "spool" / "aside" / segment.filename()), bytes);
  EXPECT_EQ(spool.bytes(), bytes.size()) << "what is kept counts";
  // Its number is not used again.
  ok(spool.add(cycle("SPX", ten, 7)));
  EXPECT_NE(segments(folder.path() / "spool").at(0).filename(), segment.filename());
}

TEST(Spool, DamageWhileItIsOpenIsNoticedToo) {
  const TemporaryFolder folder;
  auto spool = open(folder);
  for (int i = 0; i < 2; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  const auto segment = segments(folder.path() / "spool").at(0);
  auto bytes = read(segment);
  bytes[40] = static_cast<char>(bytes[40] ^ 1);
  {
    std::fstream file{segment, std::ios::binary | std::ios::in | std::ios::out};
    file.seekp(40);
    file.put(bytes[40]);
  }
  EXPECT_EQ(drain(spool), std::vector{1});
  EXPECT_TRUE(fs::exists(folder.path() / "spool" / "aside" / segment.filename()));
}

TEST(Spool, ASegmentThatHasVanishedHoldsNothingUp) {
  const TemporaryFolder folder;
  auto spool = open(folder, {.folder = {}, .segment_size = 1});
  for (int i = 0; i < 3; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  fs::remove(segments(folder.path() / "spool").at(1));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(drain(spool), (std::vector{0, 2}));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("spool_corrupt"));
  EXPECT_TRUE(spool.empty());
}

TEST(Spool, ASegmentThatCannotBeReadDoesNotKeepACollectorFromStarting) {
  const TemporaryFolder folder;
  {
    auto spool = open(folder, {.folder = {}, .segment_size = 1});
    for (int i = 0; i < 3; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  }
  const auto lost = segments(folder.path() / "spool").at(1);
  fs::remove(lost);
  fs::create_symlink("nowhere", lost);
  ::testing::internal::CaptureStderr();
  auto spool = open(folder);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("spool_corrupt"));
  EXPECT_EQ(drain(spool), (std::vector{0, 2}));
  EXPECT_TRUE(fs::is_symlink(folder.path() / "spool" / "aside" / lost.filename()));
}

TEST(Spool, RefusesBeyondItsLimitKeepsWhatItHasAndTakesNotesStill) {
  const TemporaryFolder folder;
  auto spool = open(folder, {.folder = {}, .limit = 20'000, .segment_size = 4'000});
  int taken = 0;
  core::Result<void> added;
  while ((added = spool.add(cycle("SPX", ten + taken * 300s, taken)))) ++taken;
  EXPECT_EQ(added.error().code, Errc::unavailable);
  EXPECT_GT(taken, 10);
  EXPECT_LE(spool.bytes(), 20'000U);
  ok(spool.add(MissedCycles{"SPX", {ten + taken * 300s}, "spool_full: x", 300s}));
  // Room again once the oldest file is through.
  ASSERT_TRUE(ok(spool.front()));
  std::vector<int> numbers;
  while (!spool.add(cycle("SPX", ten, 1'000))) {
    numbers.push_back(number_of(*ok(spool.front())));
    spool.drop_front();
  }
  EXPECT_EQ(numbers.front(), 0);
  const auto rest = drain(spool);
  EXPECT_EQ(rest.back(), 1'000);
  EXPECT_EQ(rest.at(rest.size() - 2), -1);
  EXPECT_EQ(numbers.size() + rest.size(), static_cast<std::size_t>(taken) + 2);
}

/// A child process so that its limits and its end are its own. Gives its exit status.
template <class Work>
int in_child(Work work) {
  const auto child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// F5: the limit on the size of a file stands for a disk that is full in the middle of a write.
TEST(Spool, AFullDiskHurtsNothingThatIsThereAndIsUsedAgainWhenThereIsRoom) {
  const TemporaryFolder folder;
  const auto status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    auto spool = open(folder);
    for (int i = 0; i < 3; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
    const auto bytes = spool.bytes();
    const rlimit limit{bytes + 100, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    if (spool.add(cycle("SPX", ten + 900s, 99))) _exit(1);  // the segment is cut back
    if (spool.bytes() != bytes) _exit(2);
    const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &none);
    if (!spool.add(cycle("SPX", ten + 1200s, 3))) _exit(3);
  });
  ASSERT_EQ(status, 0);
  auto spool = open(folder);
  EXPECT_EQ(drain(spool), (std::vector{0, 1, 2, 3}));
  EXPECT_TRUE(fs::is_empty(folder.path() / "spool" / "aside"));
}

/// What the segments of a spool that another process fills have come to, in bytes.
std::uintmax_t bytes_written(const TemporaryFolder& folder) {
  std::uintmax_t bytes = 0;
  std::error_code error;
  for (const auto& file : fs::directory_iterator{folder.path() / "spool", error}) {
    const auto size = file.path().extension() == ".spool" ? fs::file_size(file, error) : 0;
    if (!error) bytes += size;
  }
  return bytes;
}

// F1 for the spool: what add() has accepted is there, whenever the process was killed.
TEST(Spool, KilledAtAnyMomentKeepsWhatItHasAccepted) {
  constexpr std::uint32_t seed = 20261126;
  std::mt19937 random{seed};
  // The moment is one of the writer's own progress: so much has been written, and then, as the
  // writes come whole, looked at so often again.
  std::uniform_int_distribution<std::uintmax_t> moment{0, 60'000};
  std::uniform_int_distribution<int> further{0, 20};
  auto* shared =
      static_cast<std::atomic<int>*>(mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  int killed_with_entries = 0;
  for (int kill_number = 0; kill_number < 20; ++kill_number) {
    const TemporaryFolder folder;
    *shared = 0;
    const auto child = fork();
    if (child == 0) {
      auto spool = open(folder, {.folder = {}, .segment_size = 10'000});
      for (int i = 0;; ++i) {
        if (!spool.add(cycle("SPX", ten + i * 300s, i, 20))) _exit(1);
        *shared = i + 1;
      }
    }
    const auto limit = soon();
    for (const auto wanted = moment(random);
         bytes_written(folder) < wanted && std::chrono::steady_clock::now() < limit;) {
    }
    for (int looks = further(random); looks > 0; --looks) bytes_written(folder);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "seed " << seed << ", kill " << kill_number;
    const int accepted = *shared;
    auto spool = open(folder);
    const auto numbers = drain(spool);
    ASSERT_GE(numbers.size(), static_cast<std::size_t>(accepted)) << "seed " << seed;
    ASSERT_LE(numbers.size(), static_cast<std::size_t>(accepted) + 1) << "seed " << seed;
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], static_cast<int>(i));
    killed_with_entries += accepted > 0 ? 1 : 0;
  }
  EXPECT_GT(killed_with_entries, 5) << "the child was never caught at work";
  munmap(shared, sizeof(std::atomic<int>));
}

TEST(Spool, WhatBelongsToAnotherHistoryIsPutAside) {
  const TemporaryFolder folder;
  auto spool = open(folder, {.folder = {}, .segment_size = 2'000});
  for (int i = 0; i < 9; ++i) ok(spool.add(cycle("SPX", ten + i * 300s, i)));
  EXPECT_EQ(ok(spool.set_all_aside()), 9U);
  EXPECT_TRUE(spool.empty());
  EXPECT_TRUE(segments(folder.path() / "spool").empty());
  EXPECT_GT(segments(folder.path() / "spool" / "aside").size(), 1U);
  ok(spool.add(cycle("SPX", ten, 10)));
  EXPECT_EQ(drain(spool), std::vector{10});
}

TEST(Spool, AFolderThatCannotBeMadeIsRefused) {
  EXPECT_FALSE(Spool::open({.folder = "/proc/bifrost-spool"}));
}

}  // namespace
}  // namespace bifrost::collector
