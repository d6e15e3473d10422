// SPDX-License-Identifier: Apache-2.0
//
// Requests as the encoders of other clients write them (tws-protocol.md 4 and 12, captured): the
// same question in every spelling gets the same answer, and none is called unreadable (320).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/sim/gateway.hpp"
#include "gateway_client.hpp"
#include "test_market.hpp"

namespace bifrost::sim {
namespace {

class Variants : public testing::Test {
 protected:
  void SetUp() override {
    gateway_ = *Gateway::start(market_, clock_, {.port = 0, .max_messages_per_second = 0});
    twin_.advance_to(clock_.now());
    odin_ = underlying(twin_, "ODIN").con_id;
    for (const auto& o : twin_.options(odin_)) {
      if (o.contract.right == core::Right::call && o.contract.strike.value() > 60) {
        option_ = o;
        break;
      }
    }
    last_day_ = core::to_compact_date(option_.last_trade_date);
    strike_ = std::to_string(static_cast<int>(option_.contract.strike.value()));
    ASSERT_EQ(option_.contract.strike.value(), std::stod(strike_)) << "a whole strike is wanted";
  }

  /// Under an id of its own: that of one just gone may not be free yet.
  GatewayClient client(int version) {
    return GatewayClient::ready(gateway_->port(), ++last_id_, version);
  }

  /// What the gateway says to one message, its fields ended by |, until it has told the time.
  static std::vector<std::string> answer(GatewayClient& c, std::string message) {
    std::ranges::replace(message, '|', '\0');
    c.send_bytes(wire::frame(message));
    c.send(wire::CurrentTimeRequest{});
    std::vector<std::string> out;
    for (auto& p : c.until(wire::Reply::current_time)) out.push_back(GatewayClient::printable(p));
    out.pop_back();
    return out;
  }

  core::ManualClock clock_{instant("2026-03-02T17:00:00Z")};
  SyntheticMarket market_{7, date("2025-06-02"), only({"ODIN"})};
  SyntheticMarket twin_{7, date("2025-06-02"), only({"ODIN"})};
  int last_id_ = 0;
  std::unique_ptr<Gateway> gateway_;
  ListedOption option_;
  int odin_ = 0;
  std::string last_day_;
  std::string strike_;
};

TEST_F(Variants, AContractIsTheSameInEverySpelling) {
  auto c = client(178);
  const auto wanted = answer(c, "9|8|5|" + std::to_string(option_.con_id) + "||||||||||||0||||");
  ASSERT_EQ(wanted.size(), 2U);
  for (const auto& id : {"0", ""}) {
    for (const auto& strike : {strike_, strike_ + ".0"}) {
      for (const auto* right : {"C", "CALL"}) {
        for (const auto* multiplier : {"100", ""}) {
          const auto got =
              answer(c, std::string{"9|8|5|"} + id + "|ODIN|OPT|" + last_day_ + "|" + strike + "|" +
                            right + "|" + multiplier + "|SMART||USD||ODIN|0||||");
          EXPECT_EQ(got, wanted) << id << " " << strike << " " << right << " " << multiplier;
        }
      }
    }
  }
  // A share by the official client ("0.0", no right) and by others ("?", empty, 0).
  const auto share = answer(c, "9|8|6|0|ODIN|STK||0.0|||SMART|ARCA|USD|||0||||");
  ASSERT_EQ(share.size(), 2U);
  for (const auto* spelling : {"||?|", "|0|0|", "||||", "|0.0|?|"}) {
    const std::string strike_right_multiplier{spelling};
    EXPECT_EQ(answer(c, "9|8|6||ODIN|STK|" + strike_right_multiplier + "|SMART||USD|||0||||"),
              share)
        << spelling;
  }
}

TEST_F(Variants, ContractRequestsOfOlderVersionsHaveNoIssuer) {
  auto c = client(175);
  EXPECT_EQ(answer(c, "9|8|6|0|ODIN|STK||0.0|||SMART|ARCA|USD|||0|||").size(), 2U);
}

TEST_F(Variants, BothCancelsAndBothCalculators) {
  auto c = client(178);
  const auto id = std::to_string(option_.con_id);
  const auto quote = [&](int req) {
    return "1|11|" + std::to_string(req) + "|" + id + "|ODIN|OPT|" + last_day_ + "|" + strike_ +
           "|C|100|SMART||USD||ODIN|0|100,101,104,105,106,165,221,233,236|0|0||";
  };
  for (const auto* version : {"1", "2"}) {
    EXPECT_GT(answer(c, quote(7)).size(), 5U);
    EXPECT_TRUE(answer(c, std::string{"2|"} + version + "|7|").empty());
  }
  EXPECT_THAT(answer(c, "2|2|7|"), testing::ElementsAre(testing::StartsWith("4|2|7|300|")));

  const auto contract = "|0|ODIN|OPT|" + last_day_ + "|" + strike_ + ".0|C|100|SMART||USD||ODIN|";
  const auto wanted = answer(c, "54|3|8" + contract + "4.58|66|0||");
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_THAT(wanted[0], testing::StartsWith("21|8|53|"));
  EXPECT_EQ(answer(c, "54|2|8" + contract + "4.58|66||"), wanted);
  EXPECT_TRUE(answer(c, "56|1|8|").empty());
  // What is not given is "not computed", in each spelling of it.
  for (const auto* unset : {"", "1.7976931348623157E308", "1.7976931348623157e+308"}) {
    const auto got = answer(c, "55|2|9" + contract + unset + "|66||");
    EXPECT_THAT(got, testing::ElementsAre("21|9|53|1|-1|-2|-1|-1|-2|-2|-2|-1|")) << unset;
  }
}

TEST_F(Variants, HistoryAndSummariesAsOthersAskForThem) {
  auto c = client(178);
  EXPECT_THAT(answer(c,
                     "20|6|0|ODIN|STK||0.0|||SMART|ARCA|USD|||0||1 day|30 D|1|"
                     "OPTION_IMPLIED_VOLATILITY|1|0||"),
              testing::ElementsAre(testing::StartsWith("17|6|")));
  EXPECT_EQ(answer(c, "62|1|9|All|NetLiquidation,BuyingPower|").size(), 3U);
  EXPECT_EQ(answer(c, "61|1|").size(), 3U);
  EXPECT_EQ(answer(c, "7|3|4|0|||||||"), std::vector<std::string>{"55|1|4|"});
  auto newest = GatewayClient::ready(gateway_->port(), 2, 200);
  EXPECT_EQ(answer(newest, "7|3|4|0|||||||2147483647|0|"), std::vector<std::string>{"55|1|4|"});
}

TEST_F(Variants, TheMarginQuestionOfAnotherClient) {
  auto c = client(178);
  const auto& all = twin_.options(odin_);
  const auto low = std::to_string(all[0].con_id);
  const auto high = std::to_string(all[2].con_id);
  // ib_async at 178, with legs of this market.
  const std::string head = "3|13|0|ODIN|BAG||0.0|||SMART||USD|||||BUY|1|LMT|2.35|";
  const std::string legs = "||||O|0||1|0|0|0|0|0|0|0|2|" + low + "|1|BUY|SMART|0|0||-1|" + high +
                           "|1|SELL|SMART|0|0||-1|0|1|NonGuaranteed|1||0.0|||||||0||-1|0|||0|||0|"
                           "0||0||||||0|||||0|||||||||||0|||0|0|||1||0|0|0|0|||||||0|||||||||0|0|0|"
                           "0|||0|||";
  EXPECT_THAT(answer(c, head + legs), testing::ElementsAre(testing::StartsWith("5|13|")));
  // Official encoders print what is unset.
  EXPECT_THAT(answer(c, head + "1.7976931348623157e+308" + legs),
              testing::ElementsAre(testing::StartsWith("5|13|")));
}

TEST_F(Variants, NonsenseIsAnsweredAndTheSessionGoesOn) {
  auto c = client(178);
  std::uint64_t state = 7;
  const auto draw = [&](std::size_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state >> 33U) % below;
  };
  const std::vector<std::string> words = {"",    "0",        "-1",           "1",
                                          "nan", "1e400",    "ODIN",         "OPT",
                                          "BAG", "\x80\xff", "999999999999", "2147483647"};
  for (int i = 0; i < 400; ++i) {
    std::string message = std::to_string(1 + draw(110)) + '\0';
    if (message.starts_with("71")) continue;
    for (std::size_t n = draw(30); n > 0; --n) message += words[draw(words.size())] + '\0';
    c.send_bytes(wire::frame(message));
  }
  c.send(wire::UserInfoRequest{.req_id = 424'242});
  for (;;) {
    const auto payload = c.next();
    ASSERT_TRUE(payload.has_value()) << "the session was given up";
    const wire::Fields f{*payload};
    if (f.id() == static_cast<int>(wire::Reply::user_info) && f[1] == "424242") break;
  }
}

}  // namespace
}  // namespace bifrost::sim
