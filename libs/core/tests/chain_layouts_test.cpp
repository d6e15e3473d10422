// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "bifrost/core/chain_file.hpp"

namespace bifrost::core {
namespace {

using ::testing::HasSubstr;

Instant at(const std::string& iso) {
  return *parse_instant(iso);
}
Price price(const std::string& text) {
  return *Price::parse(text);
}

struct Read {
  ChainLayout layout{};
  std::vector<ChainFileRow> rows;
  std::vector<ChainFileReject> rejects;
};

Read read(const std::string& text, const ChainFileOptions& options = {},
          std::string_view name = "text") {
  auto reader = ChainFileReader::from_text(text, options, name);
  if (!reader) {
    ADD_FAILURE() << reader.error().message;
    return {};
  }
  Read read{reader->layout(), {}, {}};
  for (;;) {
    auto next = reader->next();
    EXPECT_TRUE(next);
    if (!next || !*next) return read;
    if (auto* row = std::get_if<ChainFileRow>(&**next)) {
      read.rows.push_back(*row);
    } else {
      read.rejects.push_back(std::get<ChainFileReject>(**next));
    }
  }
}

// The header as OptionsDX writes it: brackets, a blank after every comma.
const std::string optionsdx =
    "[QUOTE_UNIXTIME], [QUOTE_READTIME], [QUOTE_DATE], [QUOTE_TIME_HOURS], [UNDERLYING_LAST], "
    "[EXPIRE_DATE], [EXPIRE_UNIX], [DTE], [C_DELTA], [C_GAMMA], [C_VEGA], [C_THETA], [C_RHO], "
    "[C_IV], [C_VOLUME], [C_LAST], [C_SIZE], [C_BID], [C_ASK], [STRIKE], [P_BID], [P_ASK], "
    "[P_SIZE], [P_LAST], [P_DELTA], [P_GAMMA], [P_VEGA], [P_THETA], [P_RHO], [P_IV], [P_VOLUME], "
    "[STRIKE_DISTANCE], [STRIKE_DISTANCE_PCT]\n";
const std::string optionsdx_line =
    "1638392400, 2021-12-01 16:00, 2021-12-01, 16.000000, 450.440000, 2021-12-31, 1640984400, "
    "30.000000, 0.610000, 0.014500, 0.480000, -0.165000, 0.200000, 0.251470, 12.000000, 14.870000, "
    "300 x 200, 14.610000, 14.900000, 445.000000, 0.000000, 9.100000, 0 x 25, 0.000000, -0.390000, "
    "0.014500, 0.480000, -0.160000, -0.150000, , , 5.400000, 0.012000\n";

TEST(ChainLayouts, OptionsDxHasTheCallAndThePutInOneLine) {
  const auto found = read(optionsdx + optionsdx_line, {}, "/data/spy_eod_202112.txt");
  EXPECT_EQ(found.layout, ChainLayout::optionsdx);
  EXPECT_TRUE(found.rejects.empty());
  ASSERT_EQ(found.rows.size(), 2U);
  const auto& call = found.rows[0];
  EXPECT_EQ(call.quote_ts, at("2021-12-01T21:00:00Z"));
  EXPECT_EQ(call.contract.underlying, "SPY") << "from the file's name";
  EXPECT_EQ(call.contract.trading_class, "SPY");
  EXPECT_EQ(call.contract.expiry, *parse_date("2021-12-31"));
  EXPECT_EQ(call.contract.strike, price("445"));
  EXPECT_EQ(call.contract.right, Right::call);
  EXPECT_EQ(call.underlying_price, price("450.44"));
  EXPECT_EQ(call.quote.bid, price("14.61"));
  EXPECT_EQ(call.quote.ask, price("14.9"));
  EXPECT_EQ(call.quote.last, price("14.87"));
  EXPECT_EQ(call.quote.bid_size, 300);
  EXPECT_EQ(call.quote.ask_size, 200);
  EXPECT_EQ(call.quote.volume, 12);
  EXPECT_EQ(call.quote.open_interest, std::nullopt) << "the layout has none";
  EXPECT_EQ(call.quote.implied_vol, 0.25147);
  EXPECT_EQ(call.quote.delta, 0.61);
  EXPECT_EQ(call.quote.theta, -0.165);
  EXPECT_EQ(call.quote.vega, 48.0) << "per 1.00 of volatility; the file's is per point";
  const auto& put = found.rows[1];
  EXPECT_EQ(put.contract.right, Right::put);
  EXPECT_EQ(put.line, 2U);
  EXPECT_EQ(put.quote.bid, price("0")) << "zero bid under an offer is a quote";
  EXPECT_EQ(put.quote.ask, price("9.1"));
  EXPECT_EQ(put.quote.last, std::nullopt) << "no trade";
  EXPECT_EQ(put.quote.volume, std::nullopt);
  EXPECT_EQ(put.quote.implied_vol, std::nullopt);
  EXPECT_EQ(put.quote.delta, -0.39);
}

TEST(ChainLayouts, OptionsDxNeedsToKnowItsUnderlying) {
  EXPECT_EQ(ChainFileReader::from_text(optionsdx, {}, "/data/__.txt").error().code,
            Errc::invalid_input);
  const auto named = read(optionsdx + optionsdx_line, {.underlying = "QQQ"}, "/data/__.txt");
  EXPECT_EQ(named.rows.at(0).contract.underlying, "QQQ");
}

TEST(ChainLayouts, AnIndexWithTwoClassesIsNotGuessedAt) {
  // 2021-12-17 is a third Friday: SPX in the morning and SPXW in the afternoon.
  auto third = optionsdx_line;
  third.replace(third.find("2021-12-31"), 10, "2021-12-17");
  const auto found = read(optionsdx + optionsdx_line + third, {}, "spx_eod_202112.txt");
  ASSERT_EQ(found.rows.size(), 2U);
  EXPECT_EQ(found.rows[0].contract.trading_class, "SPXW");
  ASSERT_EQ(found.rejects.size(), 2U);
  EXPECT_EQ(found.rejects[0].line, 3U);
  EXPECT_THAT(found.rejects[0].reason, HasSubstr("--class"));
  const auto told = read(optionsdx + third, {.trading_class = "SPX"}, "spx_eod_202112.txt");
  ASSERT_EQ(told.rows.size(), 2U);
  EXPECT_EQ(told.rows[0].contract.trading_class, "SPX");
}

const std::string orats =
    "ticker,cOpra,pOpra,stkPx,expirDate,yte,strike,cVolu,cOi,pVolu,pOi,cBidPx,cValue,cAskPx,pBidPx,"
    "pValue,pAskPx,cBidIv,cMidIv,cAskIv,smoothSmvVol,pBidIv,pMidIv,pAskIv,iRate,divRate,"
    "residualRateData,delta,gamma,theta,vega,rho,phi,driftlessTheta,extVol,extCTheo,extPTheo,"
    "spot_px,trade_date\n";

TEST(ChainLayouts, OratsNearTheEndOfTheDay) {
  const auto found = read(
      orats +
      "SPX,SPXW240119C04700000,SPXW240119P04700000,4708.93,1/19/2024,0.04384,4700,10,20,30,40,"
      "45.10,45.2,45.40,36.2,36.3,36.5,0.11,0.1128,0.115,0.112,0.11,0.1130,0.115,0.0555,0,0,"
      "0.53,0.0032,-1.2,3.9,1,1,-1,0.1,45,36,,1/3/2024\n"
      "BRK_B,BRKB240119C00360000,BRKB240119P00360000,362.5,1/19/2024,0.04384,360,0,0,0,0,0,1,0,"
      "0,1,0.05,0,0,0,0.15,0,0,0,0.0555,0,0,0,0,0,0,0,0,0,0,0,0,,1/3/2024\n");
  EXPECT_EQ(found.layout, ChainLayout::orats);
  EXPECT_TRUE(found.rejects.empty());
  ASSERT_EQ(found.rows.size(), 4U);
  const auto& call = found.rows[0];
  EXPECT_EQ(call.quote_ts, at("2024-01-03T21:00:00Z")) << "the end of the session";
  EXPECT_EQ(call.quote.observed_at, at("2024-01-03T20:46:00Z")) << "14 minutes before";
  EXPECT_EQ(call.contract.underlying, "SPX");
  EXPECT_EQ(call.contract.trading_class, "SPXW") << "from the OCC symbol";
  EXPECT_EQ(call.contract.expiry, *parse_date("2024-01-19"));
  EXPECT_EQ(call.quote.bid, price("45.1"));
  EXPECT_EQ(call.quote.open_interest, 20);
  EXPECT_EQ(call.quote.implied_vol, 0.1128);
  EXPECT_EQ(call.quote.delta, 0.53);
  EXPECT_EQ(call.quote.vega, 390.0);
  const auto& put = found.rows[1];
  EXPECT_EQ(put.quote.volume, 30);
  EXPECT_EQ(put.quote.implied_vol, 0.113);
  EXPECT_EQ(put.quote.delta, std::nullopt) << "the file's delta is the call's";
  EXPECT_EQ(put.quote.theta, std::nullopt);
  EXPECT_EQ(put.quote.gamma, 0.0032);
  const auto& unquoted = found.rows[2];
  EXPECT_EQ(unquoted.contract.underlying, "BRK B");
  EXPECT_EQ(unquoted.contract.trading_class, "BRKB");
  EXPECT_EQ(unquoted.quote.bid, std::nullopt) << "0 and 0 is no market";
  EXPECT_EQ(unquoted.quote.ask, std::nullopt);
  EXPECT_EQ(unquoted.quote.volume, 0);
  EXPECT_EQ(unquoted.quote.implied_vol, std::nullopt) << "no volatility is ever zero";
  EXPECT_EQ(unquoted.quote.gamma, std::nullopt);
}

const std::string cboe =
    "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,"
    "trade_volume,bid_size_1545,bid_1545,ask_size_1545,ask_1545,underlying_bid_1545,"
    "underlying_ask_1545,implied_underlying_price_1545,active_underlying_price_1545,"
    "implied_volatility_1545,delta_1545,gamma_1545,theta_1545,vega_1545,rho_1545,bid_size_eod,"
    "bid_eod,ask_size_eod,ask_eod,underlying_bid_eod,underlying_ask_eod,vwap,open_interest,"
    "delivery_code\n";
const std::string cboe_line =
    "^SPX,2020-11-27,SPXW,2020-12-31,3600.000,P,0.0000,0.0000,0.0000,70.5000,155,10,71.10,20,71.90,"
    "3637.10,3637.20,3636.5,3637.1500,0.181200,-0.431,0.0019,-1.1,4.2500,-1,30,72.00,40,73.00,"
    "3638.20,3638.40,70.1,1234,\n";

TEST(ChainLayouts, CboeEndOfDaySummaryAtTheEndOfTheDay) {
  const auto found = read(cboe + cboe_line);
  EXPECT_EQ(found.layout, ChainLayout::cboe_eod);
  ASSERT_EQ(found.rows.size(), 1U);
  const auto& row = found.rows[0];
  EXPECT_EQ(row.quote_ts, at("2020-11-27T18:00:00Z")) << "a shortened day ends at 13:00";
  EXPECT_EQ(row.contract.underlying, "SPX");
  EXPECT_EQ(row.contract.trading_class, "SPXW");
  EXPECT_EQ(row.contract.right, Right::put);
  EXPECT_EQ(row.underlying_price, price("3638.3")) << "the middle of its bid and ask";
  EXPECT_EQ(row.quote.bid, price("72"));
  EXPECT_EQ(row.quote.ask_size, 40);
  EXPECT_EQ(row.quote.last, price("70.5"));
  EXPECT_EQ(row.quote.volume, 155);
  EXPECT_EQ(row.quote.open_interest, 1234);
  EXPECT_EQ(row.quote.implied_vol, std::nullopt) << "the calculations are of 15:45";
  EXPECT_EQ(row.quote.delta, std::nullopt);
}

TEST(ChainLayouts, CboeEndOfDaySummaryAtItsEarlierSnapshot) {
  auto full_day = cboe_line;
  full_day.replace(full_day.find("2020-11-27"), 10, "2020-11-30");
  const auto found = read(cboe + cboe_line + full_day, {.layout = ChainLayout::cboe_1545});
  ASSERT_EQ(found.rows.size(), 2U);
  EXPECT_EQ(found.rows[0].quote_ts, at("2020-11-27T17:45:00Z")) << "12:45 on a shortened day";
  EXPECT_EQ(found.rows[1].quote_ts, at("2020-11-30T20:45:00Z"));
  EXPECT_EQ(found.rows[1].underlying_price, price("3637.15"));
  EXPECT_EQ(found.rows[1].quote.bid, price("71.1"));
  EXPECT_EQ(found.rows[1].quote.implied_vol, 0.1812);
  EXPECT_EQ(found.rows[1].quote.vega, 425.0);
  EXPECT_EQ(found.rows[1].quote.last, std::nullopt) << "not known at 15:45";
  EXPECT_EQ(found.rows[1].quote.volume, std::nullopt);
  // Before 2020-02-05 the quotes of 15:45 of a shortened day came after its close.
  auto old = cboe_line;
  old.replace(old.find("2020-11-27"), 10, "2019-11-29");
  const auto refused = read(cboe + old, {.layout = ChainLayout::cboe_1545});
  ASSERT_EQ(refused.rejects.size(), 1U);
  EXPECT_THAT(refused.rejects[0].reason, HasSubstr("shortened"));
}

TEST(ChainLayouts, CollectedFromInteractiveBrokers) {
  const auto found = read(
      "time,symbol,secType,lastTradeDateOrContractMonth,strike,right,multiplier,tradingClass,bid,"
      "bidSize,ask,askSize,last,volume,impliedVol,delta,gamma,theta,vega,undPrice,"
      "callOpenInterest,putOpenInterest\n"
      "2023-01-03 15:44:20,SPX,OPT,20230120,3800,C,100,SPX,-1,-1,60.5,12,nan,-1.0,0.22,0.55,0.002,"
      "-1.5,4.1,3824.14,111,222\n"
      "2023-01-03T20:45:00.5Z,SPX,OPT,20230120,3800,PUT,100,SPX,40.1,3,40.9,4,40.5,17,"
      "1.7976931348623157e+308,-2.0,,,,3824.14,111,222\n"
      "2023-01-03 15:44:20-05:00,\"SPX\",OPT,\"20230120\",3900,C,10,XSP,1,3,2,4,,,,,,,,,,\n"
      "2023-01-03 15:44:20,AAPL,STK,,0,,1,,125,1,126,1,,,,,,,,,,\n");
  EXPECT_EQ(found.layout, ChainLayout::ib);
  ASSERT_EQ(found.rows.size(), 3U);
  const auto& call = found.rows[0];
  EXPECT_EQ(call.quote_ts, at("2023-01-03T20:45:00Z")) << "New York, to the end of the minute";
  EXPECT_EQ(call.quote.observed_at, at("2023-01-03T20:44:20Z"));
  EXPECT_EQ(call.contract.trading_class, "SPX");
  EXPECT_EQ(call.quote.bid, std::nullopt) << "-1 is the broker's word for none";
  EXPECT_EQ(call.quote.bid_size, std::nullopt);
  EXPECT_EQ(call.quote.last, std::nullopt);
  EXPECT_EQ(call.quote.volume, std::nullopt);
  EXPECT_EQ(call.quote.open_interest, 111);
  EXPECT_EQ(call.quote.vega, 410.0);
  const auto& put = found.rows[1];
  EXPECT_EQ(put.quote_ts, at("2023-01-03T20:46:00Z")) << "never before it was seen";
  EXPECT_EQ(put.contract.right, Right::put);
  EXPECT_EQ(put.quote.open_interest, 222);
  EXPECT_EQ(put.quote.implied_vol, std::nullopt) << "unset";
  EXPECT_EQ(put.quote.delta, std::nullopt) << "-2 is not computed";
  EXPECT_EQ(found.rows[2].contract.multiplier, 10);
  EXPECT_EQ(found.rows[2].quote_ts, at("2023-01-03T20:45:00Z"));
  ASSERT_EQ(found.rejects.size(), 1U);
  EXPECT_THAT(found.rejects[0].reason, HasSubstr("no option"));
}

TEST(ChainLayouts, OursIsKnownByItsHeaderAndAddsMultiplierAndObservedAt) {
  const std::string header =
      "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
      "delta,gamma,theta,vega,bid_size,ask_size,root,mid,multiplier,observed_at\n";
  const std::string key = "2021-01-04T15:00:00Z,SPX,3700,2021-01-15,3700,C,1,2,,,,,,,,,,,SPX,,";
  const auto found = read(header + key + "10,2021-01-04T14:59:58.5Z\n" + key + ",\n" + key +
                          "0,2021-01-04T14:59:58Z\n" + key + "100,yesterday\n");
  EXPECT_EQ(found.layout, ChainLayout::bifrost);
  ASSERT_EQ(found.rows.size(), 2U);
  EXPECT_EQ(found.rows[0].contract.multiplier, 10);
  EXPECT_EQ(found.rows[0].quote.observed_at, at("2021-01-04T14:59:58.5Z"));
  EXPECT_EQ(found.rows[1].contract.multiplier, 100);
  EXPECT_EQ(found.rows[1].quote.observed_at, std::nullopt);
  ASSERT_EQ(found.rejects.size(), 2U);
  EXPECT_THAT(found.rejects[0].reason, HasSubstr("multiplier"));
  EXPECT_THAT(found.rejects[1].reason, HasSubstr("observed_at"));
}

TEST(ChainLayouts, WhatIsWrongIsNamedWithLineAndColumn) {
  const auto found = read(cboe + "^SPX,2020-11-28,SPXW" + cboe_line.substr(20) +  // a Saturday
                          "^SPX,2020-11-30,SPXW,2020-12-31,3600.000,X" + cboe_line.substr(42) +
                          "^SPX,2020-11-30\n" + "^SPX,2020-11-30,SPXW,soon" + cboe_line.substr(31));
  EXPECT_TRUE(found.rows.empty());
  ASSERT_EQ(found.rejects.size(), 4U);
  EXPECT_THAT(found.rejects[0].reason, HasSubstr("not a trading day"));
  EXPECT_THAT(found.rejects[1].reason, HasSubstr("option_type 'X'"));
  EXPECT_THAT(found.rejects[2].reason, HasSubstr("2 fields"));
  EXPECT_EQ(found.rejects[2].line, 4U);
  EXPECT_THAT(found.rejects[3].reason, HasSubstr("expiration 'soon'"));
}

TEST(ChainLayouts, ALayoutThatIsNamedMustHaveItsColumns) {
  const auto refused =
      ChainFileReader::from_text(cboe, ChainFileOptions{.layout = ChainLayout::orats});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("'ticker'"));
  EXPECT_EQ(ChainFileReader::from_text("PK\x03\x04zip\n").error().code, Errc::invalid_input);
  EXPECT_EQ(ChainFileReader::from_text("a,b,c\n").error().code, Errc::invalid_input);
  for (const auto* name : {"bifrost", "optionsdx", "orats", "cboe-eod", "cboe-1545", "ib"}) {
    EXPECT_EQ(to_string(parse_chain_layout(name).value()), name);
  }
  EXPECT_EQ(parse_chain_layout("excel"), std::nullopt);
}

TEST(ChainLayouts, NoLineBringsAReaderDown) {
  for (const auto& header : {optionsdx, orats, cboe}) {
    auto line = header == optionsdx ? optionsdx_line : cboe_line;
    for (std::size_t i = 0; i < line.size(); ++i) {
      for (const char c : {'"', ',', '\0', '9', 'x', '-'}) {
        auto broken = line;
        broken[i] = c;
        const auto found = read(header + broken, {.underlying = "SPY"});
        EXPECT_LE(found.rows.size() + found.rejects.size(), 2U);
        EXPECT_GE(found.rows.size() + found.rejects.size(), 1U);
      }
    }
  }
}

}  // namespace
}  // namespace bifrost::core
