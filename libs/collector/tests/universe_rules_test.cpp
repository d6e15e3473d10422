// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/universe_rules.hpp"

#include <gtest/gtest.h>

#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

core::Date day(std::string_view text) {
  return core::parse_date(text).value();
}

core::Result<UniverseRules> read(std::string_view text, int expiry_days = 60,
                                 double strike_window = 0.25) {
  return UniverseRules::parse(text, "universe.txt", expiry_days, strike_window);
}

std::string rule_of(std::string_view text, std::string_view underlying) {
  const auto rules = read(text);
  return rules ? to_string(rules->of(underlying)) : rules.error().message;
}

TEST(UniverseRules, WithoutAFileAreTheSimpleKeys) {
  EXPECT_EQ(rule_of("", "AAPL"), "expiries=0-60 strikes=percent:25 hours=equity");
  EXPECT_EQ(rule_of("", "SPX"), "expiries=0-60 strikes=percent:25 hours=index");
  EXPECT_EQ(to_string(read("", 0, 0)->of("SPY")), "expiries=all strikes=all hours=fund");
}

TEST(UniverseRules, ALineWinsOverTheDefaultLineAndThatOverTheKeys) {
  const auto* text =
      "# what we trade\n"
      "* expiries=0-30 only=monthlies\n"
      "\n"
      "SPX , XSP expiries=0-90 strikes=sigma:3 only=all   # both\n"
      "BRK B strikes=delta:0.05 count=4 hours=09:30-13:30\r\n"
      "TLT\n"
      "IWM expiries=7- count=all only=weeklies strikes=all hours=equity";
  EXPECT_EQ(rule_of(text, "SPX"), "expiries=0-90 strikes=sigma:3 hours=index");
  EXPECT_EQ(rule_of(text, "XSP"), "expiries=0-90 strikes=sigma:3 hours=index");
  EXPECT_EQ(rule_of(text, "BRK B"),
            "expiries=0-30 count=4 only=monthlies strikes=delta:0.05 hours=09:30-13:30");
  EXPECT_EQ(rule_of(text, "TLT"), "expiries=0-30 only=monthlies strikes=percent:25 hours=fund");
  EXPECT_EQ(rule_of(text, "IWM"), "expiries=7- only=weeklies strikes=all hours=equity");
  EXPECT_EQ(rule_of(text, "AAPL"), "expiries=0-30 only=monthlies strikes=percent:25 hours=equity");
  EXPECT_EQ(read(text)->named(), (std::vector<std::string>{"SPX", "XSP", "BRK B", "TLT", "IWM"}));
}

TEST(UniverseRules, AreReadBackFromWhatIsWritten) {
  for (const auto* line : {"expiries=all strikes=all hours=equity",
                           "expiries=3-90 count=8 only=weeklies strikes=delta:0.02 hours=index",
                           "expiries=7- only=monthlies strikes=sigma:2.5 hours=10:00-15:30"}) {
    EXPECT_EQ(rule_of(std::string{"X "} + line, "X"), line);
  }
}

TEST(UniverseRules, FallBackOnTheDefaultWindowWhereNoVolIsKnown) {
  const auto with_keys = read("SPX strikes=sigma:3").value().of("SPX");
  EXPECT_EQ(with_keys.fallback, (StrikeRule{StrikeRule::By::percent, 25}));
  const auto with_line = read("* strikes=percent:10\nSPX strikes=delta:0.1").value().of("SPX");
  EXPECT_EQ(with_line.fallback, (StrikeRule{StrikeRule::By::percent, 10}));
  const auto sigma_line = read("* strikes=sigma:2").value().of("SPX");
  EXPECT_EQ(sigma_line.fallback, (StrikeRule{StrikeRule::By::percent, 25}));
  EXPECT_EQ(read("* strikes=sigma:2", 0, 0)->of("SPX").fallback, StrikeRule{});
}

TEST(UniverseRules, NameTheLineAndTheWordThatIsWrong) {
  struct Wrong {
    const char* line;
    const char* word;
  };
  for (const auto& [line, word] : {Wrong{"SPX strike=all", "strike"},
                                   Wrong{"SPX expiries=90", "90"},
                                   Wrong{"SPX expiries=9-3", "9-3"},
                                   Wrong{"SPX expiries=-3", "-3"},
                                   Wrong{"SPX expiries=0-5000", "0-5000"},
                                   Wrong{"SPX expiries=0-30d", "0-30d"},
                                   Wrong{"SPX strikes=percent:0", "percent:0"},
                                   Wrong{"SPX strikes=percent:nan", "nan"},
                                   Wrong{"SPX strikes=delta:0.5", "delta:0.5"},
                                   Wrong{"SPX strikes=sigma:-1", "sigma:-1"},
                                   Wrong{"SPX strikes=3", "'3'"},
                                   Wrong{"SPX count=0", "count '0'"},
                                   Wrong{"SPX count=many", "many"},
                                   Wrong{"SPX only=fridays", "fridays"},
                                   Wrong{"SPX hours=late", "late"},
                                   Wrong{"SPX strikes=all strikes=all", "twice"},
                                   Wrong{"spx strikes=all", "'spx'"},
                                   Wrong{"strikes=all", "no symbol"},
                                   Wrong{"QQQ", "QQQ"},
                                   Wrong{"SPX,,SPY", "''"},
                                   Wrong{"*,SPX strikes=all", "'*'"},
                                   Wrong{"SPX strikes=all DJX", "DJX"}}) {
    const auto rules = read(std::string{"# one\nQQQ strikes=all\n"} + line + "\n");
    ASSERT_FALSE(rules) << line;
    EXPECT_EQ(rules.error().code, core::Errc::invalid_input);
    EXPECT_NE(rules.error().message.find("universe.txt line 3: "), std::string::npos)
        << rules.error().message;
    EXPECT_NE(rules.error().message.find(word), std::string::npos) << rules.error().message;
  }
  EXPECT_FALSE(read("* strikes=all\n* strikes=all"));
}

TEST(IsMonthly, KnowsThirdFridaysHolidaysSaturdaysAndTheDayBefore) {
  EXPECT_TRUE(is_monthly("SPY", day("2026-11-20")));
  EXPECT_FALSE(is_monthly("SPY", day("2026-11-13")));
  EXPECT_FALSE(is_monthly("SPY", day("2026-11-27")));
  EXPECT_TRUE(is_monthly("TWX", day("2014-06-21")));  // a Saturday
  EXPECT_TRUE(is_monthly("SPY", day("2019-04-18")));  // Good Friday on the 19th
  EXPECT_TRUE(is_monthly("SPX", day("2026-11-19")));  // filed under the Thursday
  EXPECT_FALSE(is_monthly("SPXW", day("2026-11-19")));
  EXPECT_TRUE(is_monthly("SPXW", day("2026-11-20")));
  EXPECT_TRUE(is_monthly("VIX", day("2026-11-18")));
  EXPECT_TRUE(is_monthly("VIX", day("2026-11-17")));
  EXPECT_FALSE(is_monthly("VIX", day("2026-11-20")));
}

TEST(ChooseSeries, ByDaysCountAndKind) {
  const auto today = day("2026-11-16");  // a Monday
  std::vector<Series> offered;
  for (int i = -3; i <= 70; ++i) {
    const auto date = today + std::chrono::days{i};
    if (core::is_trading_day(date)) offered.push_back({"SPXW", date});
  }
  offered.push_back({"SPX", day("2026-11-19")});
  offered.push_back({"SPX", day("2026-12-17")});
  offered.push_back({"SPX", day("2026-12-17")});  // another exchange offers it, too
  const auto chosen = [&](const ExpiryRule& rule) {
    std::string text;
    for (const auto& series : choose_series(rule, offered, today))
      text += series.trading_class + core::to_iso_date(series.filed).substr(4) + " ";
    return text;
  };
  EXPECT_EQ(chosen({.from_days = 0, .to_days = 3, .count = {}}),
            "SPXW-11-16 SPXW-11-17 SPXW-11-18 SPX-11-19 SPXW-11-19 ");
  EXPECT_EQ(chosen({.from_days = 2, .to_days = 60, .count = 2}),
            "SPXW-11-18 SPX-11-19 SPXW-11-19 ");
  EXPECT_EQ(chosen({.to_days = 60, .count = {}, .only = ExpiryRule::Only::monthlies}),
            "SPX-11-19 SPXW-11-20 SPX-12-17 SPXW-12-18 SPXW-01-15 ");
  EXPECT_EQ(chosen({.to_days = 4, .count = {}, .only = ExpiryRule::Only::weeklies}),
            "SPXW-11-16 SPXW-11-17 SPXW-11-18 SPXW-11-19 ");
  EXPECT_EQ(choose_series({}, offered, today).size(), offered.size() - 2)
      << "the past and the repeated are not asked for";
}

}  // namespace
}  // namespace bifrost::collector
