// SPDX-License-Identifier: Apache-2.0
// `bifrost price`, `fit`, `analyze` and `find` by hand: text in, text out, no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

struct Answer {
  int status = 0;
  std::vector<std::string> out;  // lines
  std::string err;
};

Answer bifrost_says(std::vector<std::string> arguments, const std::string& input = {}) {
  const auto errors = scratch() / "verb.err";
  fs::remove(errors);
  if (!input.empty()) {
    std::ofstream{scratch() / "verb.in"} << input;
    arguments.push_back((scratch() / "verb.in").string());
  }
  arguments.insert(arguments.begin(), {"--env", "/dev/null"});
  auto process = core::Process::start(
      fs::path{BIFROST_BIN} / "bifrost",
      {.arguments = std::move(arguments), .environment = {}, .error_log = errors});
  if (!process) throw std::runtime_error(process.error().message);
  Answer answer;
  while (const auto line = process->read_line(core::after(60s))) answer.out.push_back(*line);
  answer.status = process->wait(core::after(10s)).value_or(-1);
  std::ifstream in{errors};
  answer.err = {std::istreambuf_iterator<char>{in}, {}};
  return answer;
}

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> out;
  std::stringstream in{line + ','};
  for (std::string field; std::getline(in, field, ',');) out.push_back(field);
  return out;
}

// Hull, "Options, Futures, and Other Derivatives" (8th ed.), example 15.6: call 4.76, put 0.81.
TEST(PriceVerb, PricesABookExampleAndFindsItsVolAgain) {
  const auto priced = bifrost_says({"price"},
                                   "european,C,42,40,0.5,0.1,0,0.2\n"
                                   "european,P,42,40,0.5,0.1,0,0.2\n");
  ASSERT_EQ(priced.status, 0) << priced.err;
  ASSERT_EQ(priced.out.size(), 3u);
  EXPECT_NEAR(std::stod(fields(priced.out[1])[1]), 4.76, 0.005);
  EXPECT_NEAR(std::stod(fields(priced.out[2])[1]), 0.81, 0.005);

  const auto solved =
      bifrost_says({"price"},
                   "right,style,price,spot,strike,years_to_expiry,rate,dividend_yield,vol\n"
                   "C,e," +
                       fields(priced.out[1])[1] + ",42,40,0.5,0.1,0,\n");
  ASSERT_EQ(solved.status, 0) << solved.err;
  EXPECT_NEAR(std::stod(fields(solved.out.at(1))[2]), 0.2, 1e-12);
}

// One by one and through the table of an expiry: the same numbers.
TEST(PriceVerb, AmericanRowsCostTheSameAloneAndInACrowd) {
  std::string crowd;
  for (int strike = 70; strike < 130; ++strike) {
    crowd += "american,P,100," + std::to_string(strike) + ",0.4,0.05,0.01,0.3\n";
  }
  const auto many = bifrost_says({"price"}, crowd);
  ASSERT_EQ(many.status, 0) << many.err;
  ASSERT_EQ(many.out.size(), 61u);
  for (const int strike : {75, 100, 110}) {
    const auto alone = bifrost_says(
        {"price"}, "american,P,100," + std::to_string(strike) + ",0.4,0.05,0.01,0.3\n");
    const auto one = fields(alone.out.at(1));
    const auto of_many = fields(many.out[static_cast<std::size_t>(strike - 69)]);
    EXPECT_NEAR(std::stod(of_many[1]), std::stod(one[1]), 1e-4) << strike;
    EXPECT_NEAR(std::stod(of_many[3]), std::stod(one[3]), 1e-4) << strike;
    EXPECT_NEAR(std::stod(of_many[4]), std::stod(one[4]), 1e-3) << strike;
    EXPECT_NEAR(std::stod(of_many[7]), std::stod(one[7]), 1e-3) << strike;
  }
}

TEST(PriceVerb, RefusesOneRowAndGoesOnWithTheRest) {
  const auto answer = bifrost_says({"price", "--json"},
                                   "american,P,100,110,0.5,0.04,0,,9\n"
                                   "european,X,100,110,0.5,0.04,0,0.2\n"
                                   "european,C,100,nan,0.5,0.04,0,0.2\n"
                                   "european,C,100,110,0.5,0.04,0\n"
                                   "european,C,100,110,0.5,0.04,0,0.2\n");
  EXPECT_EQ(answer.status, 1);
  ASSERT_EQ(answer.out.size(), 5u);
  EXPECT_THAT(answer.out[0], HasSubstr("below_intrinsic"));
  for (const std::size_t bad : {1u, 2u, 3u}) EXPECT_THAT(answer.out[bad], HasSubstr("bad_input"));
  EXPECT_THAT(answer.out[4], HasSubstr("\"refusal\":null"));
  EXPECT_THAT(answer.err, HasSubstr("line 2: right 'X'"));
  EXPECT_THAT(answer.err, HasSubstr("line 3: strike 'nan'"));
  EXPECT_THAT(answer.err, HasSubstr("line 4"));
}

TEST(PriceVerb, SaysWhatIsWrongWithAFileThatHoldsNoOptions) {
  const auto answer = bifrost_says({"price"}, "symbol,when\nAAPL,today\n");
  EXPECT_EQ(answer.status, 1);
  EXPECT_THAT(answer.err, HasSubstr("line 1"));
}

}  // namespace
}  // namespace bifrost::test
