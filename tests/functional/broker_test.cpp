// SPDX-License-Identifier: Apache-2.0
// `bifrost broker ...` by hand against the simulated gateway, and what --record keeps of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <fstream>
#include <iterator>

#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

std::string text_of(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// A gateway with a made-up market that stands still on a trading day.
class Broker : public testing::Test {
 protected:
  explicit Broker(std::vector<std::string> more = {}) : gateway_(start(std::move(more))) {
    const auto line = must(gateway_.read_line(core::after(60s)));
    port_ = line.substr(line.rfind(':') + 1);
  }

  static core::Process start(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--port", "0", "--clock", "manual", "--start", "2026-03-02T15:00:00Z"});
    return must(core::Process::start(fs::path{BIFROST_BIN} / "bifrost-sim",
                                     {.arguments = std::move(arguments),
                                      .environment = {},
                                      .error_log = scratch() / "broker-sim.log"}));
  }

  struct Answer {
    int status = 0;
    std::string out;
    std::string err;
  };
  Answer broker(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--env", "/dev/null", "broker"});
    const auto errors = scratch() / "broker.err";
    fs::remove(errors);
    auto process = must(core::Process::start(fs::path{BIFROST_BIN} / "bifrost",
                                             {.arguments = std::move(arguments),
                                              .environment = {{"IB_PORT", port_}},
                                              .error_log = errors}));
    Answer answer;
    while (const auto line = process.read_line(core::after(60s))) answer.out += *line + "\n";
    answer.status = must(process.wait(core::after(10s)));
    answer.err = text_of(errors);
    return answer;
  }

  core::Process gateway_;
  std::string port_;
};

TEST_F(Broker, AnswersEachQuestionForPeopleAndForPrograms) {
  const auto time = broker({"time", "--json"});
  EXPECT_EQ(time.status, 0) << time.err;
  EXPECT_EQ(time.out,
            "{\"gateway_time\":\"2026-03-02T15:00:00Z\",\"server_version\":178,"
            "\"simulated\":true}\n");
  EXPECT_THAT(broker({"time"}).out, HasSubstr("2026-03-02T15:00:00Z (version 178, a simulator)"));
  EXPECT_EQ(broker({"time", "--patience", "60", "--json"}).out, time.out)
      << "what is for every question may follow it";
  EXPECT_THAT(broker({"account", "--json"}).out, HasSubstr("\"net_liquidation\":1000000"));
  EXPECT_THAT(broker({"positions", "--json"}).out, HasSubstr("{\"positions\":["));
  const auto bars = broker({"bars", "NRTH", "--days", "5", "--of", "implied-vol", "--json"});
  EXPECT_EQ(bars.status, 0) << bars.err;
  EXPECT_THAT(bars.out, HasSubstr("\"of\":\"implied-vol\""));
  EXPECT_THAT(bars.out, HasSubstr("\"volume\":null"));
  const auto quote = broker({"quote", "NRTH", "--json"});
  EXPECT_EQ(quote.status, 0) << quote.err;
  EXPECT_THAT(quote.out, HasSubstr("\"source\":\"simulated\""));
  EXPECT_THAT(quote.out, Not(HasSubstr("\"implied_vol_30d\":null")));
}

TEST_F(Broker, WrongUseAndWrongLegsAreSaid) {
  EXPECT_EQ(broker({}).status, 2);
  EXPECT_EQ(broker({"bars"}).status, 2);
  EXPECT_EQ(broker({"bars", "NRTH", "--of", "nothing"}).status, 2);
  const auto unknown = broker({"quote", "NOPE"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_EQ(unknown.out, "");
  EXPECT_THAT(unknown.err, HasSubstr("the broker knows no US stock or index"));
  for (const auto* leg :
       {"hold:1", "buy", "buy:", "buy:0", "buy:x:2026-01-16:600C", "sell:2026-13-16:600C",
        "buy:2026-01-16:600X", "buy:2026-01-16:C", "buy:-1:2026-01-16:600C"}) {
    const auto wrong = broker({"what-if", "NRTH", leg});
    EXPECT_EQ(wrong.status, 1) << leg;
    EXPECT_THAT(wrong.err, HasSubstr("hint: buy:2026-01-16:600C")) << leg;
  }
}

TEST_F(Broker, TheMarginOfACombinationIsAskedForByWhatItIs) {
  const auto vertical = broker({"what-if", "NRTH", "--limit", "2.5", "--json",
                                "buy:2026-03-20:600C", "sell:2026-03-20:610C"});
  EXPECT_EQ(vertical.status, 0) << vertical.err;
  EXPECT_THAT(vertical.out, HasSubstr("\"initial_change\":"));
  EXPECT_THAT(vertical.out, Not(HasSubstr("\"initial_change\":null")));
  const auto shown = broker({"what-if", "NRTH", "sell:2:2026-03-20:600C"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("nothing was ordered"));
  const auto unlisted = broker({"what-if", "NRTH", "buy:2026-03-20:601.37C"});
  EXPECT_EQ(unlisted.status, 1);
  EXPECT_THAT(unlisted.err, HasSubstr("is not listed"));
}

class ReadOnlyBroker : public Broker {
 protected:
  ReadOnlyBroker() : Broker({"--refuse-what-if"}) {}
};

TEST_F(ReadOnlyBroker, RefusesEvenTheQuestionAndTheRemedyIsNamed) {
  const auto answer = broker({"what-if", "NRTH", "sell:2026-03-20:600C"});
  EXPECT_EQ(answer.status, 1);
  EXPECT_THAT(answer.err, HasSubstr("untick \"Read-Only API\""));
  EXPECT_EQ(broker({"positions"}).status, 0) << "everything else works";
}

TEST_F(Broker, TheFramesAreKeptWithoutTheAccount) {
  const auto folder = scratch() / "frames";
  ASSERT_EQ(broker({"--record", folder.string(), "account"}).status, 0);
  std::string frames;
  int files = 0;
  for (const auto& entry : fs::directory_iterator{folder}) {
    ++files;
    EXPECT_THAT(entry.path().filename().string(), testing::StartsWith("frames-broker-"));
    gzFile in = gzopen(entry.path().c_str(), "rb");
    std::array<char, 4096> chunk;
    for (int size = 0; (size = gzread(in, chunk.data(), chunk.size())) > 0;) {
      frames.append(chunk.data(), static_cast<std::size_t>(size));
    }
    gzclose(in);
  }
  EXPECT_EQ(files, 1);
  EXPECT_THAT(frames, testing::StartsWith("bifrost-frames 1\n"));
  EXPECT_THAT(frames, HasSubstr("NetLiquidation"));
  EXPECT_THAT(frames, HasSubstr("SIM-RECORDED"));
  EXPECT_THAT(frames, Not(HasSubstr("SIM1000001")));
}

TEST_F(Broker, NobodyThereIsAnErrorWithinItsPatience) {
  gateway_.stop(core::after(10s));
  const auto answer = broker({"--patience", "1", "time", "--json"});
  EXPECT_EQ(answer.status, 1);
  EXPECT_EQ(answer.out, "");
  EXPECT_THAT(answer.err, HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace bifrost::test
