// SPDX-License-Identifier: Apache-2.0
// `bifrost price`, `fit`, `analyze` and `find` by hand: text in, text out; what all verbs tell.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/store/listings.hpp"
#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
namespace fs = std::filesystem;

struct Answer {
  int status = 0;
  std::vector<std::string> out;  // lines
  std::string err;
};

Answer answer_of(core::Result<core::Process>& process, const fs::path& errors) {
  if (!process) throw std::runtime_error(process.error().message);
  Answer answer;
  while (const auto line = process->read_line(core::after(60s))) answer.out.push_back(*line);
  answer.status = process->wait(core::after(10s)).value_or(-1);
  std::ifstream in{errors};
  answer.err = {std::istreambuf_iterator<char>{in}, {}};
  return answer;
}

Answer bifrost_says(std::vector<std::string> arguments, const std::string& input = {},
                    std::map<std::string, std::string> environment = {}) {
  const auto errors = scratch() / "verb.err";
  fs::remove(errors);
  if (!input.empty()) {
    std::ofstream{scratch() / "verb.in"} << input;
    arguments.push_back((scratch() / "verb.in").string());
  }
  arguments.insert(arguments.begin(), {"--env", "/dev/null"});
  auto process = core::Process::start(fs::path{BIFROST_BIN} / "bifrost",
                                      {.arguments = std::move(arguments),
                                       .environment = std::move(environment),
                                       .error_log = errors});
  return answer_of(process, errors);
}

/// The same with `input` as what is piped in.
Answer bifrost_reads(const std::string& input, const std::string& arguments) {
  std::ofstream{scratch() / "piped"} << input;
  const auto errors = scratch() / "verb.err";
  fs::remove(errors);
  auto process = core::Process::start(
      "/bin/sh",
      {.arguments = {"-c", fmt::format("cat {} | {}/bifrost --env /dev/null {}",
                                       (scratch() / "piped").string(), BIFROST_BIN, arguments)},
       .environment = {},
       .error_log = errors});
  return answer_of(process, errors);
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

// A refusal by name is an answer.
TEST(PriceVerb, SucceedsWhereEveryLineHasItsAnswer) {
  const auto answer = bifrost_says({"price", "--json"},
                                   "european,C,100,110,0.5,0.04,0,0.2\n"
                                   "american,P,100,110,0.5,0.04,0,,9\n");
  EXPECT_EQ(answer.status, 0);
  ASSERT_EQ(answer.out.size(), 2u);
  EXPECT_THAT(answer.out[1], HasSubstr("below_intrinsic"));
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

std::string content_of(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

TEST(Verbs, ReadAChainFromStandardInput) {
  const auto file = flat_market();
  const auto fit = bifrost_says({"fit", "--chain", file.string(), "--json"});
  ASSERT_EQ(fit.status, 0) << fit.err;
  const auto text = content_of(file);
  EXPECT_EQ(bifrost_reads(text, "fit --chain - --json").out, fit.out);
  EXPECT_EQ(bifrost_reads(text, "fit --chain /dev/stdin --json").out, fit.out);
  const auto gzipped = scratch() / "flat.csv.gz";
  gzFile out = gzopen(gzipped.c_str(), "w");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  EXPECT_EQ(bifrost_reads(content_of(gzipped), "fit --chain - --json").out, fit.out);
  const auto none = bifrost_reads("", "fit --chain - --json");
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("no header line"));
}

/// Of the flat market, the strikes from 96 to 104 alone: half of the density lies outside.
std::string narrow_market() {
  std::istringstream all{content_of(flat_market())};
  std::string narrow;
  for (std::string line; std::getline(all, line);) {
    const auto strike = fields(line)[4];
    if (strike == "strike" || (std::stoi(strike) >= 96 && std::stoi(strike) <= 104))
      narrow += line + '\n';
  }
  return narrow;
}

TEST(Verbs, SayWhereMuchOfTheDensityIsAssumed) {
  const std::string arguments[] = {"fit --chain -",
                                   "find --chain - --strategy long_put --objective pop --top 1",
                                   "analyze --chain - --legs buy:2026-04-01:98P"};
  const std::string whole = content_of(flat_market());
  const std::string narrow = narrow_market();
  for (const auto& each : arguments) {
    const auto told = bifrost_reads(narrow, each);
    ASSERT_EQ(told.status, 0) << told.err;
    const auto line = std::ranges::find_if(told.out, [](const auto& text) {
      return text.find("beyond the quoted strikes") != text.npos;
    });
    ASSERT_NE(line, told.out.end()) << each;
    EXPECT_THAT(*line, HasSubstr("2026-04-01: "));
    for (const auto& text : bifrost_reads(whole, each).out)
      EXPECT_THAT(text, Not(HasSubstr("beyond the quoted strikes"))) << each;
  }
}

TEST(FitVerb, SaysWhyWhereThereIsNothingToFit) {
  const auto none = bifrost_says({"fit", "--chain", (scratch() / "absent.csv").string()});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("absent.csv"));
  EXPECT_EQ(bifrost_says({"fit"}).status, 2);
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
  EXPECT_EQ(with({"--strategy", "martingale"}).status, 2);
  EXPECT_EQ(with({"--strategy", "iron_condor", "--objective", "luck"}).status, 2);
  EXPECT_EQ(
      with({"--strategy", "iron_condor", "--where", "pop>=0.5", "--where", "pop>=0.9"}).status, 2);
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
  EXPECT_EQ(find({"--expiry", "2026-05-15", "--later-expiry", "2026-04-17"}).status, 2);
  EXPECT_EQ(find({"--expiry", "2026-04-17", "--why-not", "100"}).status, 2);

  // Which class is meant can only be said with --class, and that is what is asked for.
  const auto leg = bifrost_says(
      {"analyze", "--chain", file.string(), "--legs", "buy:2026-04-17:100P", "--json"});
  EXPECT_EQ(leg.status, 2);
  EXPECT_THAT(leg.out, IsEmpty());
  EXPECT_THAT(leg.err, HasSubstr("--class"));
  EXPECT_THAT(leg.err, Not(HasSubstr("trading_class")));
  EXPECT_EQ(bifrost_says({"analyze", "--chain", file.string(), "--class", "SPX", "--legs",
                          "buy:2026-04-17:100P", "--json"})
                .status,
            0);
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
            2);
}

// At the middle of fair quotes nothing is to be expected; crossing the spreads is what it costs.
// As `find` prints them.
TEST(AnalyzeVerb, TakesATradingClassBehindTheExpiryOfALeg) {
  const auto market = flat_market().string();
  const auto said = [&](std::string leg) {
    return bifrost_says({"analyze", "--chain", market, "--json", "--legs", std::move(leg)});
  };
  const auto plain = said("sell:2026-04-01:94P");
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(said("sell:2026-04-01/XSP:94P").out, plain.out);
  EXPECT_EQ(said("sell:2026-04-01/XSPW:94P").status, 1);
  EXPECT_EQ(said("sell:2026-04-01/:94P").status, 2);
}

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
  const auto unlisted =
      bifrost_says({"analyze", "--chain", market, "--legs", "buy:2026-04-01:94.5P"});
  EXPECT_EQ(unlisted.status, 1);
  EXPECT_THAT(unlisted.err, HasSubstr("first leg"));
  EXPECT_THAT(unlisted.err, Not(HasSubstr("entry_price")));
  EXPECT_EQ(
      bifrost_says({"analyze", "--chain", market, "--legs", "buy:2026-04-01:94.5P@0.4"}).status, 0);
}

TEST(AnalyzeVerb, CallsAPutCashSecuredWhereItIsToldSo) {
  const auto said = [](std::vector<std::string> more) {
    std::vector<std::string> all{"analyze", "--chain", flat_market().string(), "--json", "--legs"};
    all.insert(all.end(), more.begin(), more.end());
    return bifrost_says(all);
  };
  EXPECT_THAT(said({"sell:2026-04-01:94P"}).out.at(0), HasSubstr("\"strategy\":\"short_put\""));
  const auto secured = said({"sell:2026-04-01:94P", "--cash"});
  ASSERT_EQ(secured.status, 0) << secured.err;
  EXPECT_THAT(secured.out.at(0), HasSubstr("\"strategy\":\"cash_secured_put\""));
  EXPECT_THAT(secured.out.at(0),
              HasSubstr("\"denominator\":\"cash\",\"rules\":null,\"amount\":9400"));
  const auto none = said({"buy:2026-04-01:94P", "--cash"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("--cash"));
}

// A return on margin is one on somebody's margin.
TEST(AnalyzeVerb, NamesTheRulesBehindAReturnOnMargin) {
  const std::vector<std::string> spread{
      "analyze",           "--chain", flat_market().string(), "--legs", "sell:2026-04-01:94P",
      "buy:2026-04-01:90P"};
  auto with_json = spread;
  with_json.push_back("--json");
  const auto json = bifrost_says(with_json);
  ASSERT_EQ(json.status, 0) << json.err;
  std::smatch found;
  ASSERT_TRUE(std::regex_search(
      json.out[0], found,
      std::regex{R"re("denominator":"margin","rules":"([a-z_]+)","amount":([0-9.]+))re"}));
  const auto rules = found[1].str();
  EXPECT_THAT(json.out[0], HasSubstr("{\"rules\":\"" + rules + "\""));
  EXPECT_EQ(std::stod(found[2]),
            number_after(json.out[0].substr(json.out[0].find("{\"rules\":\"" + rules + "\"")),
                         "initial"));
  const auto table = bifrost_says(spread);
  const auto line = std::ranges::find_if(
      table.out, [](const auto& each) { return each.starts_with("return on margin"); });
  ASSERT_NE(line, table.out.end());
  EXPECT_THAT(*line, HasSubstr(rules));
}

// Wrong usage is told as 2 with the option that was typed, before anything is printed or read: the
// limits are those of the API's description.
TEST(Verbs, RefuseWhatTheApiRefusesAndNameTheOption) {
  const auto market = flat_market().string();
  struct Case {
    std::vector<std::string> arguments;
    const char* option;
  };
  const std::vector<std::string> find{"find", "--strategy", "iron_condor"};
  const std::vector<std::string> analyze{"analyze", "--legs", "buy:2026-04-01:94P"};
  const auto more = [](std::vector<std::string> all, std::vector<std::string> rest) {
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  };
  std::vector<std::string> sixty{"analyze", "--legs"};
  for (int i = 0; i < 60; ++i) sixty.push_back("buy:2026-04-01:94P");
  const std::vector<Case> cases{
      {{"fit", "--rate", "1.5"}, "--rate"},
      {{"fit", "--rate", "nan"}, "--rate"},
      {{"fit", "--rate", "much"}, "--rate"},
      {{"fit", "--symbol", "spx"}, "--symbol"},
      {{"fit", "--at", "yesterday"}, "--at"},
      {{"fit", "--style", "bermudan"}, "--style"},
      {more(find, {"--fill", "1.5"}), "--fill"},
      {more(find, {"--fill", "nan"}), "--fill"},
      {more(find, {"--fee", "-1"}), "--fee"},
      {more(find, {"--fee", "inf"}), "--fee"},
      {more(find, {"--top", "0"}), "--top"},
      {more(find, {"--top", "501"}), "--top"},
      {more(find, {"--class", "xsp"}), "--class"},
      {more(find, {"--at", "2026-13-01"}), "--at"},
      {more(find, {"--where", "pop>=2"}), "pop>="},
      {more(find, {"--where", "pop>=nan"}), "pop>="},
      {more(find, {"--where", "max_loss<=0"}), "max_loss<="},
      {more(find, {"--where", "short_delta<=inf"}), "short_delta<="},
      {more(find, {"--where", "credit>=1e300"}), "credit>="},
      {more(find, {"--where", "max_loss<=1e400"}), "out of range"},
      {more(find, {"--where", "open_interest>=3000000000"}), "out of range"},
      {more(find, {"--where", "open_interest>=1.5"}), "not a whole number"},
      {more(find, {"--where", "width<=5x"}), "not a number"},
      {more(find, {"--where", "days>=50", "--where", "days<=5"}), "days>=50 and days<=5"},
      {more(find, {"--where", "width<=2.5", "--where", "width>=5"}), "width>=5 and width<=2.5"},
      {more(find, {"--where", "short_delta>=0.3", "--where", "short_delta<=0.2"}), "--where"},
      {more(find, {"--objective", "max_loss"}), "'max_loss'"},
      {more(find, {"--objective", "pop:x"}), "--objective"},
      {more(find, {"--why-not", "90,94,106,110"}), "--why-not"},
      {more(find, {"--why-not", "a,b", "--expiry", "2026-04-01"}), "--why-not"},
      {more(find, {"--why-not", "90,94,106", "--expiry", "2026-04-01"}), "--why-not"},
      {more(find, {"--why-not", "94,90,106,110", "--expiry", "2026-04-01"}), "--why-not"},
      {more(find, {"--later-expiry", "2026-05-01"}), "later"},
      {more(find, {"--where", "breakeven>=1%", "--where", "breakeven>=1s"}), "breakeven>="},
      {{"find", "--strategy", "Iron Condor"}, "--strategy"},
      {{"find", "--strategy", "martingale"}, "--strategy"},
      {sixty, "--legs"},
      {{"analyze", "--legs", "hold:2026-04-01:94P"}, "--legs"},
      {{"analyze", "--legs", "buy:94P"}, "--legs"},
      {{"analyze", "--legs", "buy:2026-02-30:94P"}, "'2026-02-30' is no date"},
      {{"analyze", "--legs", "buy:2026-04-01:94p"}, "C nor P"},
      {{"analyze", "--legs", "buy:2026-04-01:9x4P"}, "'9x4' is no strike"},
      {{"analyze", "--legs", "buy:2026-04-01:94P,sell:2026-04-01:90P"}, "separated by blanks"},
      {{"analyze", "--legs", "buy:1000000000:2026-04-01:94P"}, "--legs"},
      {{"analyze", "--legs", "buy:0:2026-04-01:94P"}, "--legs"},
      {{"analyze", "--legs", "buy:2026-04-01:94P@nan"}, "--legs"},
      {{"analyze", "--legs", "buy:2026-04-01:94P@-1"}, "buy:2026-04-01:94P@-1"},
      {{"analyze", "--legs", "buy:2026-04-01:0P"}, "buy:2026-04-01:0P"},
      {{"analyze", "--legs", "buy:5000000000:2026-04-01:94P"}, "buy:5000000000:2026-04-01:94P"},
      {{"analyze", "--legs", "buy:99999999999999999999:2026-04-01:94P"}, "--legs"},
      {more(analyze, {"--vol-shift", "1e10"}), "--vol-shift"},
      {more(analyze, {"--vol-shift", "nan"}), "--vol-shift"},
      {more(analyze, {"--fill", "-2"}), "--fill"},
      {more(analyze, {"--fee", "101"}), "--fee"},
      {more(analyze, {"--target", "0"}), "--target"},
      {more(analyze, {"--stop", "inf"}), "--stop"},
      {more(analyze, {"--days", "-1"}), "--days"},
      {more(analyze, {"--days", "1000"}), "--days"},
      {more(analyze, {"--days", "nan"}), "--days"},
      {more(analyze, {"--spots", "-5"}), "--spots"},
      {more(analyze, {"--spots", "inf"}), "--spots"},
      {more(analyze, {"--days", "1", "--spots", "1e308"}), "--spots"},
      {more(analyze, {"--days", "1", "--spots", "100001"}), "0 to 100000.00"},
      {more(analyze, {"--class", "lower"}), "--class"},
  };
  for (const auto& [arguments, option] : cases) {
    const auto answer = bifrost_says(more(arguments, {"--chain", market, "--json"}));
    std::string typed;
    for (const auto& each : arguments) typed += each + ' ';
    EXPECT_EQ(answer.status, 2) << typed << answer.err;
    EXPECT_THAT(answer.out, IsEmpty()) << typed;
    EXPECT_THAT(answer.err, HasSubstr(option)) << typed;
    for (const char* of_the_api :
         {"trading_class", "entry_price", "why_not", "fill_position", "fee_per_contract", "min_pop",
          "max_short_delta", "later_expiry", "profit_target", "loss_limit", "vol_shift", "body/"}) {
      EXPECT_THAT(answer.err, Not(HasSubstr(of_the_api))) << typed;
    }
  }
  // What is missing is told; only a verb of verbs can lack the one that was typed.
  const auto symbol = bifrost_says({"export", "SPX"});
  EXPECT_EQ(symbol.status, 2);
  EXPECT_THAT(symbol.err, HasSubstr("--symbol"));
  EXPECT_THAT(bifrost_says({"analyze", "SPX"}).err, HasSubstr("--legs"));
  EXPECT_THAT(bifrost_says({"fly"}).err, HasSubstr("there is no 'fly' here"));
  EXPECT_THAT(bifrost_says({"db", "fly"}).err, HasSubstr("bifrost db: there is no 'fly' here"));
  EXPECT_EQ(bifrost_says({"fit", "--bogus"}).status, 2);
  EXPECT_EQ(bifrost_says({"price", "--bogus"}).status, 2);
  EXPECT_EQ(bifrost_says({"analyze", "--chain", market}).status, 2);
  EXPECT_EQ(bifrost_says(find).status, 2) << "of no chain";
}

TEST(Verbs, FailWithOneWhereTheUsageIsRight) {
  const auto market = flat_market().string();
  const auto absent = (scratch() / "absent.csv").string();
  const std::vector<std::vector<std::string>> cases{
      {"fit", "--chain", absent, "--json"},
      {"find", "--chain", absent, "--strategy", "iron_condor", "--json"},
      {"analyze", "--chain", absent, "--legs", "buy:2026-04-01:94P", "--json"},
      {"price", absent, "--json"},
      {"fit", "--chain", market, "--at", "2020-01-01", "--json"},
      {"fit", "--chain", market, "--symbol", "SPY", "--json"},
      {"find", "--chain", market, "--strategy", "iron_condor", "--expiry", "2026-04-02", "--json"},
      {"analyze", "--chain", market, "--legs", "buy:2026-04-02:94P", "--json"},
  };
  for (const auto& arguments : cases) {
    const auto answer = bifrost_says(arguments);
    EXPECT_EQ(answer.status, 1) << arguments[0] << ' ' << answer.err;
    EXPECT_THAT(answer.out, IsEmpty()) << arguments[0];
    EXPECT_THAT(answer.err, HasSubstr("bifrost: "));
  }
  // By the time of the chain it is over.
  auto late = content_of(flat_market());
  for (auto at = late.find("2026-03-02T"); at != late.npos; at = late.find("2026-03-02T"))
    late.replace(at, 11, "2026-06-02T");
  for (const char* verb : {"analyze --legs buy:2026-04-01:94P", "find --strategy iron_condor"}) {
    const auto settled = bifrost_reads(late, fmt::format("{} --chain - --json", verb));
    EXPECT_EQ(settled.status, 1) << verb;
    EXPECT_THAT(settled.out, IsEmpty()) << verb;
    EXPECT_THAT(settled.err, HasSubstr("had settled")) << verb;
  }
  // Nothing of the file can be taken, or nothing is quoted: the message says which, and where.
  const std::string head =
      content_of(flat_market()).substr(0, content_of(flat_market()).find('\n'));
  const auto odd = bifrost_reads(head +
                                     "\n2026-03-02T20:00:00Z,XSP,100,2026-04-01,94,P,nan,1,,5,100,"
                                     ",,,,,10,10,XSP,\n",
                                 "analyze --chain - --legs buy:2026-04-01:94P");
  EXPECT_EQ(odd.status, 1);
  EXPECT_THAT(odd.err, HasSubstr("line 2: bid"));
  const auto unquoted = bifrost_reads(
      head + "\n2026-03-02T20:00:00Z,XSP,100,2026-04-01,94,P,,,,5,100,,,,,,10,10,XSP,\n",
      "analyze --chain - --legs buy:2026-04-01:94P");
  EXPECT_EQ(unquoted.status, 1);
  EXPECT_THAT(unquoted.err, HasSubstr("quoted on both sides"));
  std::vector<std::string> many{"analyze", "--chain", market, "--legs"};
  for (int i = 0; i < 21; ++i) many.push_back(i < 20 ? "buy:2026-04-01:94P" : "buy:2026-04-01:95P");
  EXPECT_THAT(bifrost_says(many).err, HasSubstr("the 21st leg"));
  const auto later = bifrost_says({"find", "--chain", market, "--strategy", "long_call_calendar",
                                   "--expiry", "2026-05-01", "--json"});
  EXPECT_EQ(later.status, 1);
  EXPECT_THAT(later.err, HasSubstr("no later one"));
  // A quote of which one side cannot be traded, as of the strike that is not listed.
  const auto one_sided = flat_market();
  std::ofstream{one_sided, std::ios::app}
      << "2026-03-02T20:00:00Z,XSP,100,2026-04-01,60,P,0,0.03,,5,100,,,,,,10,10,XSP,\n";
  const auto position = [&](const char* leg) {
    return bifrost_says(
        {"analyze", "--chain", one_sided.string(), "--json", "--legs", "buy:2026-04-01:94P", leg});
  };
  const auto sold = position("sell:2026-04-01:60P");
  EXPECT_EQ(sold.status, 1) << sold.err;
  EXPECT_THAT(sold.out, IsEmpty());
  EXPECT_THAT(sold.err, HasSubstr("give its @PRICE"));
  EXPECT_EQ(position("sell:2026-04-01:60P@0.01").status, 0);
  EXPECT_EQ(position("buy:2026-04-01:60P").status, 0);
}

// The highest price that is taken has a table of numbers.
TEST(AnalyzeVerb, HasNumbersInEveryCell) {
  const auto far =
      bifrost_says({"analyze", "--chain", flat_market().string(), "--legs", "buy:2026-04-01:94C@7",
                    "--days", "0", "1", "--spots", "0", "100000", "--json"});
  ASSERT_EQ(far.status, 0) << far.err;
  const auto table = far.out.at(0).substr(far.out[0].find("\"table\""));
  EXPECT_THAT(table, Not(HasSubstr("null")));
  // The stock less the strike, which is worth a little less today.
  EXPECT_THAT(table, HasSubstr("\"profit\":[[-700"));
}

// What a verb did is its answer, in a pipe as on a terminal.
TEST(Verbs, TellOnStandardOutputWhatTheyDid) {
  const auto url = *cluster().create_database("told_from", core::after(30s));
  const auto migrated = run("bifrost", {"migrate"}, url);
  EXPECT_EQ(migrated.status, 0);
  EXPECT_THAT(migrated.output, HasSubstr("applied"));
  EXPECT_THAT(run("bifrost", {"migrate"}, url).output, HasSubstr("up to date"));
  ASSERT_EQ(run("bifrost", {"import", flat_market().string()}, url).status, 0);
  const auto out = scratch() / "told.csv";
  EXPECT_THAT(run("bifrost", {"export", "--symbol", "XSP", "-o", out.string()}, url).output,
              HasSubstr("told.csv: "));

  const auto backup = (scratch() / "told.dump").string();
  const auto made = run("bifrost", {"db", "backup", backup}, url);
  ASSERT_EQ(made.status, 0);
  EXPECT_THAT(made.output, HasSubstr(backup));
  std::smatch rows;
  ASSERT_TRUE(std::regex_search(made.output, rows, std::regex{"([1-9][0-9]*) rows, [0-9.]+ MB"}))
      << made.output;
  const auto proved = HasSubstr(rows[1].str() + " rows");
  const auto whole = run("bifrost", {"db", "verify", backup}, url).output;
  EXPECT_THAT(whole, proved);
  EXPECT_THAT(whole, HasSubstr("whole"));
  const auto fresh = *cluster().create_database("told_back", core::after(30s));
  EXPECT_THAT(run("bifrost", {"db", "restore", backup}, fresh).output, proved);
  const auto replaced = run("bifrost", {"db", "restore", "--replace", backup}, fresh).output;
  EXPECT_THAT(replaced, proved);
  EXPECT_THAT(replaced, HasSubstr("is now the database "));

  // One document, and nothing beside it.
  const auto json = run("bifrost", {"db", "verify", backup, "--json"}, url).output;
  EXPECT_EQ(std::ranges::count(json, '\n'), 1) << json;
  EXPECT_THAT(json, HasSubstr("\"rows\":" + rows[1].str()));
}

// Without a history on this machine there is none to be made by asking for it.
TEST(Verbs, MakeNoDatabaseToSayThatThereIsNone) {
  const bool root = ::geteuid() == 0;
  const auto home = scratch() / "new_home";
  const fs::path data = root ? fs::path{"/var/lib/bifrost"} : home / "bifrost";
  if (root && fs::exists(data / "db")) GTEST_SKIP() << "there is a history in " << data;
  const bool there = fs::exists(data);
  const std::vector<std::vector<std::string>> cases{
      {"fit", "--symbol", "SPX"},
      {"find", "--symbol", "SPX", "--strategy", "iron_condor"},
      {"analyze", "--symbol", "SPX", "--legs", "buy:2026-04-01:94P"},
      {"export", "--symbol", "SPX"},
      {"db", "status"},
      {"db", "ledger"},
      {"db", "verify"},
      {"db", "backup", (scratch() / "of_none.dump").string()},
      {"db", "maintain"},
  };
  for (const auto& arguments : cases) {
    const auto answer =
        bifrost_says(arguments, {}, {{"XDG_DATA_HOME", home.string()}, {"DATABASE_URL", ""}});
    EXPECT_EQ(answer.status, 1) << answer.err;
    EXPECT_THAT(answer.out, IsEmpty());
    EXPECT_THAT(answer.err, HasSubstr("bifrost import")) << "how to get one";
    EXPECT_FALSE(fs::exists(data / "db"));
    EXPECT_EQ(fs::exists(data), there);
  }
}

// Nobody can hold shares of an index: SPX, XSP and their like settle in cash.
TEST(Verbs, KnowNoSharesOfAnIndex) {
  const auto offered = [](std::string_view symbol, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--chain", flat_market(symbol).string(), "--json"});
    return bifrost_says(std::move(arguments));
  };
  for (const std::string strategy :
       {"covered_call", "protective_put", "collar", "covered_put", "conversion"}) {
    const auto index = offered("XSP", {"find", "--strategy", strategy});
    EXPECT_EQ(index.status, 2) << strategy;
    EXPECT_THAT(index.out, IsEmpty()) << strategy;
    EXPECT_THAT(index.err, HasSubstr("XSP")) << strategy;
  }
  const std::vector<std::string> covered{"analyze", "--legs", "buy:100:stock",
                                         "sell:2026-04-01:106C"};
  EXPECT_EQ(offered("SPX", covered).status, 2);
  const auto shares = offered("ABC", covered);
  EXPECT_EQ(shares.status, 0) << shares.err;
  EXPECT_THAT(shares.out.at(0), HasSubstr("\"strategy\":\"covered_call\""));
  const auto found =
      offered("ABC", {"find", "--strategy", "covered_call", "--objective", "pop", "--top", "1"});
  EXPECT_EQ(found.status, 0) << found.err;
  EXPECT_THAT(found.out.at(0), HasSubstr("\"kind\":\"stock\""));
}

// DAX is an index for the table, and a fund for a broker who lists its shares.
TEST(Verbs, TakeTheBrokersWordForWhatAnUnderlyingIs) {
  const auto url = *cluster().create_database("broker_says", core::after(30s));
  ASSERT_EQ(run("bifrost", {"migrate"}, url).status, 0);
  ASSERT_EQ(run("bifrost", {"import", flat_market("DAX").string()}, url).status, 0);
  const std::vector<std::string> covered{"find",         "--symbol", "DAX", "--strategy",
                                         "covered_call", "--top",    "1"};
  EXPECT_EQ(run("bifrost", covered, url).status, 2);
  auto database = store::Database::open(url, core::after(30s));
  ASSERT_TRUE(database);
  store::Listings listings{*database};
  const store::BrokerUnderlying share{false, 1, "STK", "SMART", "USD", "A fund", {}};
  const auto day = *core::parse_date("2026-03-02");
  const auto at = *core::parse_instant("2026-03-02T15:00:00Z");
  ASSERT_TRUE(listings.save_offer("DAX", share, day, at, {}, core::after(30s)));
  const auto found = run("bifrost", covered, url);
  EXPECT_EQ(found.status, 0) << found.output;
}

// What is no terminal gets no redrawn lines, and of quick work none at all.
TEST(Verbs, AreQuietInAPipe) {
  const auto market = flat_market().string();
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"fit", "--chain", market, "--json"},
           {"find", "--chain", market, "--strategy", "bull_put_spread", "--top", "1", "--json"},
           {"analyze", "--chain", market, "--legs", "buy:2026-04-01:94P", "--json"}}) {
    const auto begun = std::chrono::steady_clock::now();
    const auto answer = bifrost_says(arguments);
    const auto took = std::chrono::steady_clock::now() - begun;
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.err, Not(HasSubstr("\r"))) << arguments[0];
    EXPECT_THAT(answer.err, Not(HasSubstr("\033"))) << arguments[0];
    // Of each of at most two steps: one at its end, and one every five seconds.
    EXPECT_LE(std::ranges::count(answer.err, '\n'), took / 2s) << arguments[0] << answer.err;
  }
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
    // into, and of an index none is needed.
    if (std::string_view{name}.find("vstoxx") != std::string_view::npos) {
      auto american = asked;
      american.insert(american.end(), {"--style", "american"});
      EXPECT_EQ(bifrost_says(american).status, 1);
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
