// SPDX-License-Identifier: Apache-2.0
// The reference positions of shared/data/README.md, from imported history through our payoff
// engine, to the cent.
#include <gtest/gtest.h>

#include "bifrost/analysis/payoff.hpp"
#include "bifrost/store/history.hpp"
#include "shared_data.hpp"
#include "stack.hpp"

namespace bifrost::test {
namespace {

using analysis::Leg;
using analysis::LegKind;
using core::Price;
using namespace std::chrono_literals;

struct Part {
  LegKind kind;
  int quantity;
  int strike;
};

struct Position {
  const char* name;
  std::vector<Part> parts;
  double credit_mid;
  double credit_natural;
  double profit_mid;
  double profit_natural;
};

TEST(ReferencePositions, ComeOutToTheCentFromImportedHistory) {
  const auto file = shared_data("b_upstream_unstated/spxw_2018_01_eod.csv.gz");
  if (!file) GTEST_SKIP() << "shared/data/b_upstream_unstated/spxw_2018_01_eod.csv.gz is not here";
  const auto url = make_database("reference");
  ASSERT_EQ(run("bifrost", {"import", file->string()}, url).status, 0);
  auto database = store::Database::open(url, core::after(30s)).value();
  store::History history{database};
  const auto day = [&](std::string_view at) {
    return history
        .chain("SPX", {.at = core::parse_instant(at).value(), .expiry = {}, .trading_class = {}},
               core::after(30s))
        .value();
  };
  const auto opened = day("2018-01-02T23:00:00Z").snapshot;
  const auto settled = day("2018-01-31T23:00:00Z").snapshot.underlying_price.value();
  ASSERT_EQ(settled.to_string(), "2823.89");

  const Position positions[] = {
      {"iron condor",
       {{LegKind::put, -1, 2635},
        {LegKind::put, 1, 2510},
        {LegKind::call, -1, 2735},
        {LegKind::call, 1, 2765}},
       9.575,
       9.15,
       -2042.50,
       -2085.00},
      {"bull put 0.30/0.10",
       {{LegKind::put, -1, 2665}, {LegKind::put, 1, 2580}},
       8.20,
       7.90,
       820,
       790},
      {"short straddle",
       {{LegKind::put, -1, 2695}, {LegKind::call, -1, 2695}},
       42.25,
       41.60,
       -8664,
       -8729},
      {"long call 0.30", {{LegKind::call, 1, 2720}}, -8.75, -8.90, 9514, 9499},
  };
  for (const auto& position : positions) {
    for (const bool natural : {false, true}) {
      std::vector<Leg> legs;
      Price credit;
      for (const auto& part : position.parts) {
        const auto strike = Price::from_units(part.strike * Price::units_per_one);
        const auto right = part.kind == LegKind::call ? core::Right::call : core::Right::put;
        for (const auto& option : opened.quotes) {
          if (option.contract.strike != strike || option.contract.right != right) continue;
          const Price bid = option.quote.bid.value();
          const Price ask = option.quote.ask.value();
          const Price middle = Price::from_units((bid.units() + ask.units()) / 2);
          const Price entry = !natural ? middle : part.quantity < 0 ? bid : ask;
          legs.push_back({part.kind, part.quantity, strike, entry, 100});
          credit = credit - entry * part.quantity;
        }
      }
      ASSERT_EQ(legs.size(), position.parts.size()) << position.name;
      EXPECT_EQ(credit, Price::from_double(natural ? position.credit_natural : position.credit_mid))
          << position.name;
      EXPECT_EQ(analysis::profit_at_expiry(legs, settled),
                Price::from_double(natural ? position.profit_natural : position.profit_mid))
          << position.name << (natural ? " at natural" : " at mid");
    }
  }
}

}  // namespace
}  // namespace bifrost::test
