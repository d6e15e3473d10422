// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/json.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "shapes.hpp"

namespace bifrost::net {
namespace {

using shapes::Colour;
using shapes::Everything;
using shapes::Inner;
using shapes::Order;

core::Price price(std::string_view text) {
  return core::Price::parse(text).value();
}

double number_of(const std::string& json) {
  double value = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), value);
  EXPECT_EQ(error, std::errc{}) << json;
  EXPECT_EQ(end, json.data() + json.size()) << json;
  return value;
}

template <class T>
std::vector<std::string> paths_and_codes(const Parsed<T>& parsed) {
  std::vector<std::string> all;
  if (parsed) return all;
  for (const auto& p : parsed.error()) all.push_back(p.path + " " + p.code);
  return all;
}

using Strings = std::vector<std::string>;

TEST(JsonWriter, WritesEveryKindOfMember) {
  Everything e{};
  e.flag = true;
  e.count = -7;
  e.big = std::numeric_limits<std::int64_t>::min();
  e.ratio = 0.25;
  e.name = "a\"b\\c\n\x01";
  e.price = price("27.6");
  e.date = core::parse_date("2014-06-21").value();
  e.time = core::parse_instant("2014-06-05T13:35:00Z").value();
  e.right = core::Right::put;
  e.source = core::Source::simulated;
  e.colour = Colour::green;
  e.list = {1, 2, 3};
  e.map = {{"x", {1, std::nullopt}}, {"y", {2, 3.5}}};
  EXPECT_EQ(to_json(e), R"({"flag":true,"count":-7,"big":-9223372036854775808,"ratio":0.25,)"
                        R"("name":"a\"b\\c\n\u0001","price":27.6,"date":"2014-06-21",)"
                        R"("time":"2014-06-05T13:35:00Z","right":"put","source":"simulated",)"
                        R"("colour":"green","maybe":null,"list":[1,2,3],)"
                        R"("map":{"x":{"n":1,"v":null},"y":{"n":2,"v":3.5}}})");
}

TEST(JsonWriter, PricesAreExactDecimals) {
  EXPECT_EQ(to_json(price("0")), "0");
  EXPECT_EQ(to_json(price("-0.05")), "-0.05");
  EXPECT_EQ(to_json(price("3700")), "3700");
  EXPECT_EQ(to_json(price("28.1")), "28.1");
  EXPECT_EQ(to_json(price("0.0001")), "0.0001");
  EXPECT_EQ(to_json(core::Price::from_units(std::numeric_limits<std::int64_t>::min())),
            "-922337203685477.5808");
}

TEST(JsonWriter, DoublesReadBackAsTheSameBits) {
  std::mt19937_64 random{20261123};
  for (int i = 0; i < 300'000; ++i) {
    double v = 0;
    const auto bits = random();
    switch (i % 4) {
      case 0:
        std::memcpy(&v, &bits, sizeof v);
        break;
      case 1:
        v = static_cast<double>(static_cast<std::int64_t>(bits % 2'000'000'000) - 1'000'000'000) /
            100;
        break;
      case 2:
        v = static_cast<double>(bits % 100'000'000'000) / 1e6;
        break;
      default:
        v = static_cast<double>(bits >> 11) * 0x1p-53;
        break;
    }
    if (!std::isfinite(v)) continue;
    const double back = number_of(to_json(v));
    ASSERT_EQ(std::memcmp(&back, &v, sizeof v), 0) << to_json(v);
    ASSERT_EQ(parse_json<double>(to_json(v)), v);
  }
}

TEST(JsonWriter, DoublesHaveNoMoreDigitsThanNeeded) {
  const auto digits = [](std::string_view s) {
    s = s.substr(0, s.find('e'));
    std::string kept;
    for (const char c : s) {
      if (c >= '0' && c <= '9') kept += c;
    }
    const auto first = kept.find_first_not_of('0');
    const auto last = kept.find_last_not_of('0');
    return first == kept.npos ? std::size_t{0} : last - first + 1;
  };
  std::mt19937_64 random{7};
  for (int i = 0; i < 100'000; ++i) {
    const double v = static_cast<double>(random() % 1'000'000'000'000) / 1e6;
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
    ASSERT_EQ(digits(to_json(v)), digits({buffer, static_cast<std::size_t>(end - buffer)}))
        << to_json(v);
  }
}

TEST(JsonWriter, WhatIsNotANumberIsNull) {
  EXPECT_EQ(to_json(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(to_json(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(to_json(-std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonWriter, TimesAreWhatCoreWrites) {
  std::mt19937_64 random{3};
  for (int i = 0; i < 20'000; ++i) {
    const auto span = static_cast<std::int64_t>(4'000'000'000'000'000);  // years 1970 to 2096
    core::Instant t{std::chrono::microseconds{static_cast<std::int64_t>(random()) % span}};
    if (i % 2 == 0) t = std::chrono::floor<std::chrono::seconds>(t);
    ASSERT_EQ(to_json(t), '"' + core::to_iso(t) + '"');
    const auto day = std::chrono::floor<std::chrono::days>(t);
    ASSERT_EQ(to_json(day), '"' + core::to_iso_date(day) + '"');
  }
}

TEST(JsonWriter, TextThatIsNotUtf8IsStillJson) {
  EXPECT_EQ(to_json(std::string{"caf\xC3\xA9"}), "\"caf\xC3\xA9\"");
  EXPECT_EQ(to_json(std::string{"\xFF"}), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(to_json(std::string{"\xC0\xAF"}), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");  // overlong
  EXPECT_EQ(to_json(std::string{"\xE2\x82"}), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");  // cut short
  EXPECT_EQ(to_json(std::string{"\xF0\x9F\x98\x80"}), "\"\xF0\x9F\x98\x80\"");
}

TEST(JsonWriter, LongTextsAndListsGrowTheBuffer) {
  const std::string text(100'000, '\x02');
  EXPECT_EQ(to_json(text).size(), 600'002u);
  const std::vector<std::string> many(5'000, std::string(50, 'x'));
  EXPECT_EQ(to_json(many).size(), 5'000u * 53 + 1);
}

TEST(JsonReader, ReadsWhatTheWriterWrites) {
  Everything e{};
  e.flag = true;
  e.count = 42;
  e.ratio = 1.0 / 3;
  e.name = "na\xC3\xAFve \"x\"";
  e.price = price("-1234567.8901");
  e.date = core::parse_date("2024-02-29").value();
  e.time = core::parse_instant("2014-06-05T13:35:00.125Z").value();
  e.maybe = 0.0;
  e.list = {5};
  e.map = {{"k", {9, 1e-300}}};
  const auto back = parse_json<Everything>(to_json(e));
  ASSERT_TRUE(back.has_value()) << back.error().front().path << back.error().front().message;
  EXPECT_EQ(to_json(*back), to_json(e));
}

TEST(JsonReader, DoublesAreCorrectlyRounded) {
  std::mt19937_64 random{11};
  for (int i = 0; i < 50'000; ++i) {
    const double v =
        std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 120) - 100);
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
    const auto back = parse_json<double>({buffer, static_cast<std::size_t>(end - buffer)});
    ASSERT_TRUE(back.has_value());
    ASSERT_EQ(*back, v);
  }
}

TEST(JsonReader, EveryPriceOfTheStoreReadsBackExactly) {
  std::mt19937_64 random{5};
  for (int i = 0; i < 100'000; ++i) {
    const auto units =
        static_cast<std::int64_t>(random() % 1'000'000'000'000'000) - 500'000'000'000'000;
    const auto p = core::Price::from_units(units);
    const auto back = parse_json<core::Price>(to_json(p));
    ASSERT_TRUE(back.has_value()) << to_json(p);
    ASSERT_EQ(back->units(), units);
  }
}

TEST(JsonReader, ReportsAllProblemsAtOnceWithTheirPaths) {
  const auto parsed = parse_json<Order>(R"({
    "symbol": "", "limit": 900, "colour": "pink", "extra": 1,
    "legs": [{"strike": 10, "quantity": 1}, {"strike": 0, "quantity": "two", "colour": 1},
             {"strike": 1.00005}]
  })");
  EXPECT_EQ(paths_and_codes(parsed),
            (Strings{"body/symbol too_short", "body/symbol pattern", "body/limit too_large",
                     "body/colour not_one_of", "body/extra unknown_field",
                     "body/legs/1/strike too_small", "body/legs/1/quantity wrong_type",
                     "body/legs/1/colour unknown_field", "body/legs/2/strike not_a_price",
                     "body/legs/2/quantity missing", "body/expiry missing"}));
}

TEST(Check, RefusesOfAValueWhatAReaderRefuses) {
  Order order{};
  order.symbol = "SPX";
  order.limit = 100;
  order.legs = {{price("10"), 1}, {price("0.0001"), -1}};
  EXPECT_TRUE(check(order).empty());
  order.symbol = "";
  order.limit = 900;
  order.legs.push_back({price("-1"), 1});
  Strings found;
  for (const auto& p : check(order)) found.push_back(p.path + " " + p.code);
  EXPECT_EQ(found, (Strings{"body/symbol too_short", "body/symbol pattern", "body/limit too_large",
                            "body/legs/2/strike too_small"}));
  for (const double none : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_EQ(check(Inner{1, none}).size(), 1u) << none;
    EXPECT_EQ(check(std::map<std::string, Inner>{{"a", {1, 0.5}}, {"b", {1, none}}}).size(), 1u);
    EXPECT_EQ(check(std::vector{1.0, none}).at(0).path, "body/1");
  }
}

TEST(JsonReader, NullIsAbsenceForOptionalsOnly) {
  const auto ok = parse_json<Inner>(R"({"n": 1, "v": null})");
  ASSERT_TRUE(ok.has_value());
  EXPECT_FALSE(ok->v.has_value());
  EXPECT_TRUE(parse_json<Inner>(R"({"n": 1})").has_value());
  EXPECT_EQ(paths_and_codes(parse_json<Inner>(R"({"n": null})")), Strings{"body/n missing"});
}

TEST(JsonReader, RepeatedFieldsAreRefused) {
  EXPECT_EQ(paths_and_codes(parse_json<Inner>(R"({"n": 1, "n": 2})")), Strings{"body/n duplicate"});
  EXPECT_EQ(paths_and_codes(parse_json<std::map<std::string, int>>(R"({"a": 1, "b": 2, "a": 3})")),
            Strings{"body/a duplicate"});
}

TEST(JsonReader, IntegersDoNotWrap) {
  EXPECT_EQ(paths_and_codes(parse_json<int>("2147483648")), Strings{"body too_large"});
  EXPECT_EQ(paths_and_codes(parse_json<int>("-2147483649")), Strings{"body too_small"});
  EXPECT_EQ(paths_and_codes(parse_json<std::int64_t>("18446744073709551615")),
            Strings{"body too_large"});
  EXPECT_EQ(paths_and_codes(parse_json<int>("1.5")), Strings{"body wrong_type"});
}

TEST(JsonReader, GarbageIsAProblemAndNotACrash) {
  for (const std::string_view text : {"", " ", "{", "nul", "{\"n\":1}}", "[1,2", "{\"n\":01}",
                                      "\xFF\xFE", "{\"n\":1e999}", "\"\\ud800\""}) {
    const auto parsed = parse_json<Inner>(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().front().code, "bad_json") << text;
  }
  EXPECT_EQ(paths_and_codes(parse_json<std::string>("\"a\\u0000b\"")), Strings{"body bad_text"});
}

TEST(JsonReader, DeepNestingIsRefused) {
  std::string deep(100'000, '[');
  EXPECT_FALSE(parse_json<Inner>(deep).has_value());
  deep.append(100'000, ']');
  EXPECT_EQ(paths_and_codes(parse_json<Inner>(deep)), Strings{"body too_deep"});
}

TEST(JsonReader, AFloodOfProblemsIsCutOff) {
  std::string text = "{";
  for (int i = 0; i < 10'000; ++i) text += "\"x" + std::to_string(i) + "\":1,";
  text += "\"n\":1}";
  const auto parsed = parse_json<Inner>(text);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_LE(parsed.error().size(), 100u);
}

Strings read(const std::vector<Parameter>& path, const std::vector<Parameter>& query,
             shapes::Query* into) {
  Strings all;
  for (const auto& p : read_parameters(path, query, type_of<shapes::Query>(), into)) {
    all.push_back(p.path + " " + p.code);
  }
  return all;
}

TEST(Parameters, ComeFromThePathAndTheQuery) {
  shapes::Query q;
  EXPECT_EQ(read({{"symbol", "BRK B"}},
                 {{"expiry", "2021-01-04"},
                  {"strike", "3700.5"},
                  {"right", "put"},
                  {"limit", "3"},
                  {"at", "2021-01-04T15:00:00Z"},
                  {"deep", "true"},
                  {"tags", "a"},
                  {"tags", "b"}},
                 &q),
            Strings{});
  EXPECT_EQ(q.symbol, "BRK B");
  EXPECT_EQ(core::to_iso_date(q.expiry), "2021-01-04");
  EXPECT_EQ(q.strike, price("3700.5"));
  EXPECT_EQ(q.right, core::Right::put);
  EXPECT_EQ(q.limit, 3);
  EXPECT_EQ(q.deep, true);
  EXPECT_EQ(q.tags, (Strings{"a", "b"}));
  EXPECT_FALSE(q.min_pop.has_value());
}

TEST(Parameters, ReportAllProblemsAtOnce) {
  shapes::Query q;
  EXPECT_EQ(read({{"symbol", "'; DROP TABLE"}},
                 {{"expiry", "2021-02-30"},
                  {"right", "straddle"},
                  {"limit", "0"},
                  {"min_pop", "nan"},
                  {"limt", "3"},
                  {"symbol", "SPX"},
                  {"at", "now"},
                  {"at", "then"},
                  {"deep", "1"}},
                 &q),
            (Strings{"path/symbol too_long", "path/symbol pattern", "query/expiry not_a_date",
                     "query/strike missing", "query/right not_one_of", "query/limit too_small",
                     "query/min_pop wrong_type", "query/at duplicate", "query/deep wrong_type",
                     "query/limt unknown_parameter", "query/symbol unknown_parameter"}));
}

TEST(Parameters, AnEmptyValueIsNotAnAbsentOne) {
  shapes::Query q;
  EXPECT_EQ(read({{"symbol", "SPX"}},
                 {{"expiry", ""}, {"strike", ""}, {"right", ""}, {"min_pop", ""}}, &q),
            (Strings{"query/expiry not_a_date", "query/strike not_a_price",
                     "query/right not_one_of", "query/min_pop wrong_type"}));
}

}  // namespace
}  // namespace bifrost::net
