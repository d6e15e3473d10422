// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/wire_orders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "wire_support.hpp"

// Golden frames: shared/reference/tws-protocol.md, Appendix A.
namespace bifrost::ib::wire {
namespace {

constexpr std::string_view golden_question =
    "3|13|0|SPY|BAG||0.0|||SMART||USD|||||BUY|1|LMT|2.35|||||O|0||1|0|0|0|0|0|0|0|2|700000595|1|"
    "BUY|"
    "SMART|0|0||-1|700000600|1|SELL|SMART|0|0||-1|0|1|NonGuaranteed|1||0.0|||||||0||-1|0|||0|||0|0|"
    "|"
    "0||||||0|||||0|||||||||||0|||0|0|||1||0|0|0|0|||||||0|||||||||0|0|0|0|||0|||";

const std::string golden_answer_head =
    "5|1|0|SPY|BAG||0.0|?||SMART|USD|SPY|COMB|BUY|1|LMT|2.35|0.0|DAY||DU1234567|O|0||7|1234567890|"
    "0|"
    "0|0.0|||||||||||0||-1|0|||||||0|0|0||3|0|0||0|0||0|None||0||||?|0|0||0|0|||||700000595|1,"
    "700000600|-1|2|700000595|1|BUY|SMART|0|0||-1|700000600|1|SELL|SMART|0|0||-1|0|1|NonGuaranteed|"
    "1|||||0||IB|0|0||0|1|PreSubmitted|0.0|0.0|1000000.0|2500.0|2500.0|-450.0|2500.0|2500.0|"
    "999550.0||2.1|3.4|USD|";
const std::string golden_answer_tail = "|0|0|0|None|||||||0||||0|0|0|0|0|||0||||||";

WhatIfOrder question() {
  return {.order_id = 13,
          .contract = {.symbol = "SPY", .sec_type = "BAG", .exchange = "SMART", .currency = "USD"},
          .legs = {{700000595, 1, "BUY", "SMART"}, {700000600, 1, "SELL", "SMART"}},
          .action = "BUY",
          .quantity = 1,
          .order_type = "LMT",
          .limit_price = 2.35,
          .combo_parameters = {{"NonGuaranteed", "1"}}};
}

/// Text as the document prints it, with the bars of the combination's description kept.
std::string answer_frame(std::string_view text) {
  constexpr std::string_view description = "700000595|1,700000600|-1";
  auto bytes = framed(text);
  const auto at = text.find(description);
  EXPECT_NE(at, text.npos);
  return bytes.replace(4 + at, description.size(), description);
}

void expect_golden_answer(const std::string& text, int version) {
  const auto bytes = answer_frame(text);
  const auto answer = decode_frame<OpenOrder>(bytes, version);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(visible(encode(*answer, version)), visible(bytes));
  EXPECT_EQ(encode(*answer, version), bytes);
  EXPECT_EQ(answer->order_id, 1);
  EXPECT_EQ(answer->contract.symbol, "SPY");
  EXPECT_EQ(answer->perm_id, 1234567890);
  EXPECT_TRUE(answer->what_if);
  EXPECT_EQ(answer->status, "PreSubmitted");
  EXPECT_EQ(answer->combo_description, "700000595|1,700000600|-1");
  ASSERT_EQ(answer->legs.size(), 2u);
  EXPECT_EQ(answer->legs[1].con_id, 700000600);
  EXPECT_EQ(answer->initial_margin_before, 0);
  EXPECT_EQ(answer->initial_margin_change, 2500);
  EXPECT_EQ(answer->maintenance_margin_after, 2500);
  EXPECT_EQ(answer->equity_with_loan_change, -450);
  EXPECT_FALSE(answer->commission);
  EXPECT_EQ(answer->min_commission, 2.1);
  EXPECT_EQ(answer->max_commission, 3.4);
  EXPECT_EQ(answer->commission_currency, "USD");
  EXPECT_EQ(answer->warning, "");
}

TEST(GoldenOrders, TheQuestionAsCaptured) {
  const auto bytes = framed(golden_question);
  EXPECT_EQ(bytes.size(), 4u + 266u);
  EXPECT_EQ(visible(encode(question(), 178)), visible(bytes));
  EXPECT_EQ(encode(question(), 178), bytes);
  const auto read = decode_frame<WhatIfOrder>(bytes, 178);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode(*read, 178), bytes);
  EXPECT_EQ(read->order_id, 13);
  EXPECT_EQ(read->legs, question().legs);
  EXPECT_EQ(read->combo_parameters, question().combo_parameters);
  EXPECT_EQ(read->limit_price, 2.35);
}

TEST(GoldenOrders, TheAnswerAsCaptured) {
  const auto at_178 = golden_answer_head + golden_answer_tail;
  EXPECT_EQ(answer_frame(at_178).size(), 4u + 429u);
  expect_golden_answer(at_178, 178);
}

TEST(GoldenOrders, TheAnswerAt193) {
  expect_golden_answer(golden_answer_head + golden_answer_tail + "|0|0|0|||", 193);
}

TEST(GoldenOrders, TheAnswerAt200) {
  expect_golden_answer(
      golden_answer_head + "USD||||||||||||0|" + golden_answer_tail + "|0|0|0|||" + "|0|", 200);
}

// ---- there is no way to say a real order

template <class T>
constexpr bool has_what_if = requires(T m) { m.what_if; };
static_assert(!has_what_if<WhatIfOrder>, "a question cannot be anything else");

/// Where the flag stands at 178.
std::size_t flag_position(const std::vector<std::string>& fields) {
  // 178: the question has as many fields behind the flag whatever its legs.
  return fields.size() - 30;
}

TEST(NoRealOrder, TheFlagIsOneInEverythingThatCanBeWritten) {
  const auto golden = fields_of(framed(golden_question));
  ASSERT_EQ(golden[flag_position(golden)], "1");
  auto other = question();
  for (const auto* type : {"LMT", "MKT"}) {
    for (const std::size_t legs : {0u, 1u, 4u}) {
      other.order_type = type;
      other.legs.resize(legs);
      const auto fields = fields_of(encode(other, 178));
      EXPECT_EQ(fields[flag_position(fields)], "1");
    }
  }
  other.contract.sec_type = "OPT";
  const auto fields = fields_of(encode(other, 178));
  EXPECT_EQ(fields[flag_position(fields)], "1");
}

TEST(NoRealOrder, AMessageWhoseFlagIsNotOneCannotBeRead) {
  for (const int version : {163, 178, 200}) {
    const auto bytes = encode(question(), version);
    const auto fields = fields_of(bytes);
    int refused = 0;
    for (std::size_t i = 100; i < fields.size(); ++i) {
      if (fields[i] != "1") continue;
      auto changed = fields;
      changed[i] = "0";
      std::string text;
      for (const auto& field : changed) text += field + "|";
      if (!decode_frame<WhatIfOrder>(framed(text), version)) ++refused;
    }
    EXPECT_EQ(refused, 1) << "at version " << version;
  }
}

// ---- gates

std::size_t count(const auto& message, int version) {
  return fields_of(encode(message, version)).size();
}

TEST(OrderGates, TheQuestionGrowsAndShrinksWhereTheProtocolSaysSo) {
  const auto step = [](int version) {
    return static_cast<int>(count(question(), version)) -
           static_cast<int>(count(question(), version - 1));
  };
  const std::map<int, int> steps{{166, 1}, {169, 1}, {177, -1}, {183, 1}, {184, 1},
                                 {187, 2}, {189, 1}, {190, -2}, {192, 1}, {199, 1}};
  for (int version = 164; version <= 200; ++version) {
    const auto at = steps.find(version);
    EXPECT_EQ(step(version), at == steps.end() ? 0 : at->second) << version;
  }
}

TEST(OrderGates, TheAnswerGrowsAndShrinksWhereTheProtocolSaysSo) {
  const OpenOrder answer{};
  const auto step = [&](int version) {
    return static_cast<int>(count(answer, version)) - static_cast<int>(count(answer, version - 1));
  };
  const std::map<int, int> steps{{170, 5}, {177, -1}, {183, 1},  {184, 1}, {185, 1},
                                 {189, 1}, {193, 2},  {195, 13}, {198, 1}, {199, 1}};
  for (int version = 164; version <= 200; ++version) {
    const auto at = steps.find(version);
    EXPECT_EQ(step(version), at == steps.end() ? 0 : at->second) << version;
  }
}

TEST(OrderGates, ACancellationIsReadInEveryShape) {
  EXPECT_EQ(visible(encode(CancelOrder{.order_id = 7}, 168)), "4|1|7|");
  EXPECT_EQ(visible(encode(CancelOrder{.order_id = 7}, 178)), "4|1|7||");
  EXPECT_EQ(visible(encode(CancelOrder{.order_id = 7}, 188)), "4|1|7||||2147483647|");
  EXPECT_EQ(visible(encode(CancelOrder{.order_id = 7}, 192)), "4|7||||");
}

TEST(OrderGates, ExecutionsAndReports) {
  const auto text =
      "11|-1|1|700000600|SPY|OPT|20251219|600|C|100|SMART|USD|SPY|SPY|0000e0d5.1|20251121 15:00:00|"
      "DU1234567|CBOE|BOT|1|4.55|99|7|0|1|4.55|||||1|";
  EXPECT_TRUE(decode_frame<ExecutionData>(framed(text), 177));
  EXPECT_FALSE(decode_frame<ExecutionData>(framed(text), 178));
  const auto at_198 = decode_frame<ExecutionData>(framed(std::string{text} + "0|me|"), 198);
  ASSERT_TRUE(at_198);
  EXPECT_EQ(at_198->submitter, "me");
  EXPECT_EQ(at_198->contract.strike, 600);
  const auto status = decode_frame<OrderStatus>(framed("3|1|Filled|1|0|4.55|99|0|4.55|7|||"), 178);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->filled, 1);
  EXPECT_EQ(decode_frame<CommissionReport>(framed("59|1|x|1.05|USD|1.7976931348623157E308|||"), 178)
                .value()
                .commission,
            1.05);
}

// ---- orders of other programs, with everything an order can carry

TEST(ForeignOrders, ConditionsScalesAlgorithmsAndPegsAreSteppedOver) {
  // Conditions of every kind, a delta-neutral order, a scale, a hedge and an algorithm.
  auto fields = fields_of(framed(golden_question));
  const auto flag = flag_position(fields);
  fields[flag + 5] = "6";
  const std::vector<std::string> conditions{
      "1",      "a",     "1",   "600",
      "756733", "SMART", "0",                                    // price
      "3",      "o",     "1",   "20251121 15:00:00 US/Eastern",  // time
      "4",      "a",     "0",   "30",                            // margin
      "5",      "a",     "STK", "SMART",
      "SPY",  // execution
      "6",      "a",     "1",   "1000",
      "756733", "SMART",  // volume
      "7",      "n",     "1",   "5",
      "756733", "SMART", "0",   "1"};  // change; then the two flags behind all
  fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(flag) + 6, conditions.begin(),
                conditions.end());
  ASSERT_EQ(fields[flag - 2], "");
  fields[flag - 2] = "Adaptive";
  fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(flag) - 1,
                {"1", "adaptivePriority", "Normal"});
  std::string text;
  for (const auto& field : fields) text += field + "|";
  const auto read = decode_frame<WhatIfOrder>(framed(text), 178);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode(*read, 178), framed(golden_question));
}

}  // namespace
}  // namespace bifrost::ib::wire
