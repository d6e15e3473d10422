// SPDX-License-Identifier: Apache-2.0
// `bifrost price`, `fit`, `analyze` and `find` by hand: text in, text out, no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "bifrost/analysis/black_scholes.hpp"
#include "shared_data.hpp"
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

// An option file of one underlying: a flat smile of 20 % about a forward of 100, a month and two
// months out, quoted a cent around the fair price.
fs::path flat_market(std::string_view symbol = "XSP") {
  const auto file = scratch() / "flat.csv";
  std::ofstream out{file};
  out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
         "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n";
  for (const auto& [expiry, days] : {std::pair{"2026-04-01", 30.0}, {"2026-05-01", 60.0}}) {
    for (int strike = 70; strike <= 130; strike += 2) {
      for (const auto right : {analysis::Right::call, analysis::Right::put}) {
        const double fair = analysis::black_scholes_price(
            right,
            analysis::ForwardInputs{100.0, static_cast<double>(strike), days / 365, 1.0, 0.2});
        if (fair < 0.02) continue;
        out << "2026-03-02T20:00:00Z," << symbol << ",100," << expiry << ',' << strike << ','
            << core::to_char(right) << ',' << std::floor(fair * 100 - 1) / 100 << ','
            << std::ceil(fair * 100 + 1) / 100 << ",,5,100,,,,,,10,10," << symbol << ",\n";
      }
    }
  }
  return file;
}

double number_after(const std::string& text, const std::string& key) {
  std::smatch found;
  const std::regex pattern{"\"" + key + "\":(-?[0-9.e+-]+)"};
  if (!std::regex_search(text, found, pattern))
    throw std::runtime_error("no " + key + " in " + text);
  return std::stod(found[1]);
}

TEST(FitVerb, FindsTheForwardAndVolThatMadeTheQuotes) {
  const auto market = flat_market().string();
  const auto fit = bifrost_says({"fit", "--chain", market, "--json"});
  ASSERT_EQ(fit.status, 0) << fit.err;
  ASSERT_EQ(fit.out.size(), 1u);
  EXPECT_NEAR(number_after(fit.out[0], "forward"), 100.0, 0.05);
  EXPECT_NEAR(number_after(fit.out[0], "atm_implied_vol"), 0.2, 0.003);
  EXPECT_THAT(fit.out[0], HasSubstr("\"butterfly_free\":true"));
  const auto table = bifrost_says({"fit", "--chain", market});
  EXPECT_EQ(table.status, 0);
  ASSERT_EQ(table.out.size(), 4u);  // title, head, two expiries
  EXPECT_THAT(table.out[2], HasSubstr("2026-04-01"));
}

TEST(FitVerb, SaysWhyWhereThereIsNothingToFit) {
  const auto none = bifrost_says({"fit", "--chain", (scratch() / "absent.csv").string()});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("absent.csv"));
  EXPECT_EQ(bifrost_says({"fit"}).status, 1);
  const auto early =
      bifrost_says({"fit", "--chain", flat_market().string(), "--at", "2020-01-01", "--json"});
  EXPECT_EQ(early.status, 1);
  EXPECT_THAT(early.out, IsEmpty());
}

TEST(FindVerb, ProvesItsAnswer) {
  const auto found = bifrost_says({"find", "--chain", flat_market().string(), "--strategy",
                                   "iron_condor", "--expiry", "2026-04-01", "--top", "3", "--where",
                                   "pop>=0.5", "--where", "width<=10", "--prove", "--json"});
  ASSERT_EQ(found.status, 0) << found.err;
  ASSERT_EQ(found.out.size(), 1u);
  EXPECT_THAT(found.out[0], HasSubstr("\"verified\":true"));
  EXPECT_THAT(found.err, HasSubstr("found the same candidates"));
  EXPECT_GE(number_after(found.out[0], "pop"), 0.5);
  EXPECT_EQ(number_after(found.out[0], "visited") + number_after(found.out[0], "pruned"),
            number_after(found.out[0], "combinations"));
}

TEST(FindVerb, TellsWhereANamedStructureStands) {
  const auto found = bifrost_says({"find", "--chain", flat_market().string(), "--strategy",
                                   "bull_put_spread", "--expiry", "2026-04-01", "--top", "1",
                                   "--objective", "credit", "--why-not", "90,94", "--json"});
  ASSERT_EQ(found.status, 0) << found.err;
  const auto standing = found.out[0].substr(found.out[0].find("\"why_not\""));
  EXPECT_GT(number_after(standing, "rank"), 1);
}

TEST(FindVerb, RefusesWhatItDoesNotUnderstandAndSaysSo) {
  const auto market = flat_market().string();
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all{"find", "--chain", market};
    all.insert(all.end(), more.begin(), more.end());
    return bifrost_says(all);
  };
  EXPECT_EQ(with({"--strategy", "iron_condor", "--where", "luck>=1"}).status, 2);
  EXPECT_EQ(with({"--strategy", "iron_condor", "--where", "pop<=0.5"}).status, 2);
  EXPECT_EQ(with({"--strategy", "iron_condor", "--expiry", "soon"}).status, 2);
  EXPECT_EQ(with({"--strategy", "martingale"}).status, 1);
  EXPECT_EQ(with({"--strategy", "iron_condor", "--objective", "luck"}).status, 1);
  EXPECT_EQ(with({"--strategy", "iron_condor", "--expiry", "2026-04-02"}).status, 1);
  EXPECT_EQ(with({}).status, 2);
  const auto list = bifrost_says({"find", "--list"});
  EXPECT_EQ(list.status, 0);
  EXPECT_GT(list.out.size(), 40u);
}

// Two classes on the first date and two on the later one: every structure is on the dates that were
// named, and neither class of the first date is passed over.
TEST(FindVerb, KeepsToTheDatesThatWereNamed) {
  const auto file = scratch() / "classes.csv";
  {
    std::ofstream out{file};
    out << "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
           "delta,gamma,theta,vega,bid_size,ask_size,root,mid\n";
    for (const char* root : {"SPX", "SPXW"}) {
      for (const auto& [expiry, days] :
           {std::pair{"2026-04-17", 46.0}, {"2026-05-15", 74.0}, {"2026-06-19", 109.0}}) {
        for (int strike = 80; strike <= 120; strike += 2) {
          for (const auto right : {analysis::Right::call, analysis::Right::put}) {
            const double fair = analysis::black_scholes_price(
                right,
                analysis::ForwardInputs{100.0, static_cast<double>(strike), days / 365, 1.0, 0.2});
            if (fair < 0.02) continue;
            out << "2026-03-02T20:00:00Z,SPX,100," << expiry << ',' << strike << ','
                << core::to_char(right) << ',' << std::floor(fair * 100 - 1) / 100 << ','
                << std::ceil(fair * 100 + 1) / 100 << ",,5,100,,,,,,10,10," << root << ",\n";
          }
        }
      }
    }
  }
  const auto find = [&](std::vector<std::string> more) {
    std::vector<std::string> all{"find",
                                 "--chain",
                                 file.string(),
                                 "--strategy",
                                 "long_call_calendar",
                                 "--objective",
                                 "expected_profit",
                                 "--top",
                                 "500",
                                 "--fill",
                                 "0"};
    all.insert(all.end(), more.begin(), more.end());
    return bifrost_says(all);
  };
  const auto named = find({"--expiry", "2026-04-17", "--later-expiry", "2026-06-19"});
  ASSERT_EQ(named.status, 0) << named.err;
  int spx = 0;
  int spxw = 0;
  for (const auto& line : named.out) {
    if (line.find("(model)") == std::string::npos) continue;
    EXPECT_THAT(line, HasSubstr("@2026-04-17/"));
    EXPECT_THAT(line, HasSubstr("@2026-06-19/"));
    (line.find("@2026-04-17/SPXW") == std::string::npos ? spx : spxw) += 1;
  }
  EXPECT_GT(spx, 10);
  EXPECT_EQ(spx, spxw);
  EXPECT_EQ(find({"--expiry", "2026-04-17", "--later-expiry", "2026-06-20"}).status, 1);
  EXPECT_EQ(find({"--expiry", "2026-05-15", "--later-expiry", "2026-04-17"}).status, 1);
  EXPECT_EQ(find({"--expiry", "2026-04-17", "--why-not", "100"}).status, 1);
}

TEST(FindVerb, FailsWhenItsAnswerGoesNowhere) {
  const auto full = [](std::string verb) {
    return std::system((std::string{BIFROST_BIN} + "/bifrost --env /dev/null " + std::move(verb) +
                        " > /dev/full 2> /dev/null")
                           .c_str());
  };
  EXPECT_EQ(WEXITSTATUS(full("find --list")), 1);
  EXPECT_EQ(WEXITSTATUS(full("fit --chain " + flat_market().string())), 1);
  EXPECT_EQ(bifrost_says({"find", "--chain", flat_market().string(), "--strategy", "iron_condor",
                          "--fee", "nan"})
                .status,
            1);
}

// At the middle of fair quotes nothing is to be expected; crossing the spreads is what it costs.
TEST(AnalyzeVerb, TellsTheWholePosition) {
  const auto market = flat_market().string();
  const auto position = [&](const char* fill) {
    return bifrost_says({"analyze", "--chain", market, "--fill", fill, "--legs",
                         "sell:2026-04-01:94P", "buy:2026-04-01:90P", "sell:2026-04-01:106C",
                         "buy:2026-04-01:110C", "--target", "20", "--stop", "60", "--json"});
  };
  const auto mid = position("0");
  ASSERT_EQ(mid.status, 0) << mid.err;
  EXPECT_THAT(mid.out[0], HasSubstr("\"strategy\":\"iron_condor\""));
  EXPECT_NEAR(number_after(mid.out[0], "expected_profit"), 0.0, 3.0);
  EXPECT_NEAR(number_after(mid.out[0], "worst_loss"), 400, 1e-9);
  const double credit = -number_after(mid.out[0], "option_cost");
  EXPECT_NEAR(number_after(mid.out[0], "max_loss"), 400 - credit, 1e-6);
  EXPECT_NEAR(number_after(mid.out[0], "target_first") + number_after(mid.out[0], "stop_first") +
                  number_after(mid.out[0], "neither"),
              1.0, 1e-6);
  const auto natural = position("1");
  EXPECT_LT(number_after(natural.out[0], "expected_profit"),
            number_after(mid.out[0], "expected_profit"));
  EXPECT_EQ(bifrost_says({"analyze", "--chain", market, "--legs", "hold:2026-04-01:94P"}).status,
            1);
  const auto unlisted =
      bifrost_says({"analyze", "--chain", market, "--legs", "buy:2026-04-01:94.5P"});
  EXPECT_EQ(unlisted.status, 1);
  EXPECT_THAT(unlisted.err, HasSubstr("first leg"));
}

// Every chain there is can be read, and is fitted or refused by name.
TEST(FitVerb, ReadsEveryRecordedChain) {
  const auto folder = shared_data();
  if (!folder) GTEST_SKIP() << "no shared/data here (set BIFROST_SHARED_DATA)";
  int files = 0;
  for (const char* name :
       {"a_clear/aapl_2014_06_06_and_09_hourly", "a_clear/twx_2014_06_05_06_5min",
        "b_upstream_unstated/spx_2019_05_17_eod_full", "b_upstream_unstated/spxw_2018_01_eod",
        "b_upstream_unstated/vstoxx_2014_jan_feb_eod_settle"}) {
    const auto file = *folder / (std::string{name} + ".csv.gz");
    if (!fs::exists(file)) continue;
    ++files;
    const bool january = name == std::string_view{"b_upstream_unstated/spxw_2018_01_eod"};
    std::vector<std::string> asked{"fit",    "--chain", file.string(),
                                   "--json", "--at",    january ? "2018-01-10" : "2030-01-01"};
    // Its rows name the price of each expiry's own future, so there is no one spot to exercise
    // into.
    if (std::string_view{name}.find("vstoxx") != std::string_view::npos) {
      EXPECT_EQ(bifrost_says(asked).status, 1);
      asked.insert(asked.end(), {"--style", "european"});
    }
    const auto fit = bifrost_says(asked);
    EXPECT_EQ(fit.status, 0) << name << fit.err;
    ASSERT_EQ(fit.out.size(), 1u) << name;
    EXPECT_THAT(fit.out[0], HasSubstr("\"quality\":{")) << name;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace bifrost::test
