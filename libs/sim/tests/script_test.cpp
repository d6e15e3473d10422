// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "bifrost/sim/gateway.hpp"
#include "message_kinds.hpp"
#include "test_market.hpp"
#include "weather.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;

using namespace std::chrono_literals;
using testing::HasSubstr;

Rule one(std::string_view text) {
  const auto script = parse_script(text);
  if (!script) {
    ADD_FAILURE() << script.error().message;
    return {};
  }
  EXPECT_EQ(script->rules.size(), 1U);
  return script->rules.at(0);
}

TEST(Script, ReadsTriggersWithTheirModifiers) {
  const auto at = one("at 90s every 5m times 3 chance 0.5: restart 60s real");
  EXPECT_EQ(at.trigger.when, When::time);
  EXPECT_EQ(at.trigger.at.length, 90s);
  EXPECT_EQ(at.trigger.again->length, 5min);
  EXPECT_EQ(at.trigger.times, 3U);
  EXPECT_EQ(at.trigger.chance, 0.5);
  EXPECT_EQ(at.actions[0].what, Do::restart);
  EXPECT_EQ(at.actions[0].span->length, 60s);
  EXPECT_TRUE(at.actions[0].span->real);

  const auto on = one("on request market_data nth 3 symbol=BFX strike=100..200 right=P: error 101");
  EXPECT_EQ(on.trigger.kind, 1);
  EXPECT_EQ(on.trigger.first, 3U);
  EXPECT_EQ(on.trigger.times, 1U);
  EXPECT_EQ(on.trigger.selector.symbol, "BFX");
  EXPECT_EQ(on.trigger.selector.strike_from, 100.0);
  EXPECT_EQ(on.trigger.selector.strike_to, 200.0);
  EXPECT_EQ(on.trigger.selector.right, core::Right::put);

  EXPECT_EQ(one("at 2026-03-02T15:10:00Z: refuse 1s").trigger.instant,
            instant("2026-03-02T15:10:00Z"));
  EXPECT_EQ(one("after 1000 bytes: reset").trigger.bytes, 1000U);
  EXPECT_EQ(one("after 7 requests: eof").trigger.first, 7U);
  EXPECT_EQ(one("on reply 107 : lose").trigger.kind, 107);
  EXPECT_EQ(one("on connect from 2 every 2: stall 500ms").trigger.every, 2U);
}

TEST(Script, ReadsSeveralActionsQuotedTextAndComments) {
  const auto rule =
      one("\n  # nothing\n at 1s: notice 2110 \"broken; # really\"; clock -5m # back\n");
  EXPECT_EQ(rule.line, 3U);
  ASSERT_EQ(rule.actions.size(), 2U);
  EXPECT_EQ(rule.actions[0].text, "broken; # really");
  EXPECT_EQ(rule.actions[1].span->length, -5min);
}

TEST(Script, NamesEveryLineThatCannotBeRead) {
  const auto script = parse_script("at 1s: eof\nat noon: eof\n\nat 1s: explode\n", "faults.txt");
  ASSERT_FALSE(script.has_value());
  EXPECT_EQ(script.error().code, core::Errc::invalid_input);
  EXPECT_THAT(script.error().message, HasSubstr("faults.txt:2: `noon` instead of an instant"));
  EXPECT_THAT(script.error().message, HasSubstr("faults.txt:4: `explode` is no action"));
  EXPECT_THAT(script.error().message, testing::Not(HasSubstr("faults.txt:1")));
}

TEST(Script, RefusesWhatCannotMeanAnything) {
  for (const auto& [line, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"at 1s", "instead of `:`"},
           {"at 1: eof", "instead of an instant or a time"},
           {"at 1s eof", "is not understood here"},
           {"at 1s: eof 3 4", "`4` is not understood by `eof`"},
           {"at 1s: delay 3s", "`delay` belongs to `on request`"},
           {"at 1s: field 3 x", "`field` belongs to `on reply`"},
           {"on request: field 3 x", "`field` belongs to `on reply`"},
           {"on reply: ignore", "`ignore` belongs to `on request`"},
           {"at 1s symbol=BFX: eof", "only requests and replies are about an instrument"},
           {"on request tick=1: ignore", "only replies have a tick type"},
           {"on request nonsense: ignore", "is no kind of request"},
           {"on request chance 2: ignore", "probability from 0 to 1"},
           {"on request nth 0: ignore", "instead of a number from 1"},
           {"at 1s: upstream 3s perhaps", "one of lost kept silent"},
           {"at 1s: restart", "instead of a duration"},
           {"at 1s: clock 5m", "a duration with its sign"},
           {"at 1s: entitle 42", "one of live delayed"},
           {"at 1s: spoil nan colour=red", "`colour` selects nothing"},
           {"at 1s: spoil nan strike=9..3", "a strike or LOW..HIGH"},
           {"at 1s: spoil nan share=1.5", "a number from 0 to 1"},
           {"at 1s: hide", "instead of a selector"},
           {"at 1s: notice 2104 \"open", "a quote is not closed"},
           {"at 1s every 2s real: eof", "real or simulated as `at` is"},
           {"sometimes: eof", "instead of a trigger"},
       }) {
    const auto script = parse_script(line);
    ASSERT_FALSE(script.has_value()) << line;
    EXPECT_THAT(script.error().message, HasSubstr(why)) << line;
  }
}

TEST(Script, EveryExampleOfTheReadmeCanBeRead) {
  std::ifstream readme(BIFROST_SIM_README);
  ASSERT_TRUE(readme.is_open());
  std::string line;
  std::string script;
  bool inside = false;
  while (std::getline(readme, line)) {
    if (line.starts_with("```")) {
      inside = !inside && line == "```faults";
    } else if (inside) {
      script += line + "\n";
    }
  }
  const auto parsed = parse_script(script, "README.md");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_GE(parsed->rules.size(), 20U);
}

TEST(Script, HelpNamesEveryAction) {
  const auto help = fault_script_help();
  for (const auto* name : {"reset", "upstream", "entitle", "spoil", "hide", "surplus", "wedge"}) {
    EXPECT_THAT(help, HasSubstr(std::string("  ") + name + " "));
  }
}

TEST(Selectors, AShareIsTheSameForTheSameSeedAndAboutAsLarge) {
  Selector tenth;
  tenth.share = 0.1;
  int chosen = 0;
  int both = 0;
  for (int id = 1; id <= 10'000; ++id) {
    const Subject subject{.con_id = id};
    const bool now = fits(tenth, subject, 5);
    EXPECT_EQ(now, fits(tenth, subject, 5));
    chosen += now ? 1 : 0;
    both += now && fits(tenth, subject, 6) ? 1 : 0;
  }
  EXPECT_NEAR(chosen, 1000, 120);
  EXPECT_LT(both, 200) << "another seed chooses others";
}

TEST(WeatherTest, ChanceFollowsFromTheSeed) {
  const auto drawn = [](std::uint64_t seed) {
    Weather weather(*parse_script("on request chance 0.3: ignore"), seed);
    std::string pattern;
    for (int i = 0; i < 200; ++i) pattern += weather.on_request(49, {}).empty() ? '.' : 'x';
    return pattern;
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
  EXPECT_NEAR(static_cast<double>(std::ranges::count(drawn(1), 'x')), 60, 25);
}

TEST(WeatherTest, CountsEventsThatFitAlone) {
  Weather weather(*parse_script("on request contract_data from 2 every 3 times 2: ignore"), 1);
  std::string pattern;
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(weather.on_request(49, {}).empty());
    pattern += weather.on_request(9, {}).empty() ? '.' : 'x';
  }
  EXPECT_EQ(pattern, ".x..x.......");
}

TEST(WeatherTest, AJumpOfTheClockMakesARepeatedRuleHappenOnce) {
  Weather weather(*parse_script("at 10s every 10s: notice 2104"), 1);
  Moment now{.simulated = instant("2026-03-02T15:00:00Z"), .real = {}};
  weather.begin(now);
  EXPECT_FALSE(weather.tick(now));
  now.simulated += 1h;
  EXPECT_TRUE(weather.tick(now));
  EXPECT_EQ(weather.take_blows().size(), 1U);
  EXPECT_FALSE(weather.tick(now));
  now.simulated += 10s;
  EXPECT_TRUE(weather.tick(now));
}

TEST(MessageKinds, AFieldIsReplacedWhereverItStands) {
  const auto frame = wire::encode(wire::TickSize{.req_id = 7, .tick_type = 0, .size = 12}, 178);
  const auto fields_of = [](const std::string& f) {
    std::string text = f.substr(4);
    std::ranges::replace(text, '\0', '|');
    return text;
  };
  EXPECT_EQ(fields_of(with_field(frame, 0, "99")), "99|6|7|0|12|");
  EXPECT_EQ(fields_of(with_field(frame, 4, "many more")), "2|6|7|0|many more|");
  EXPECT_EQ(with_field(frame, 5, "x"), frame);
}

}  // namespace
}  // namespace bifrost::sim
