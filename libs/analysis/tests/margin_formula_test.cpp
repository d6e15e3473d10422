// SPDX-License-Identifier: Apache-2.0
#include "margin_formula.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace bifrost::analysis {
namespace {

constexpr core::Date near = std::chrono::year{2026} / std::chrono::January / 16;
constexpr core::Date far = std::chrono::year{2026} / std::chrono::March / 20;

struct Placed {
  std::vector<BookLeg> book;
  std::vector<std::optional<Price>> marks;
};

// One unit on given strikes; marks are what the options would be worth now, and some time value.
Placed place(const StrategyShape& shape, const std::vector<Price>& strikes, Price spot,
             std::mt19937& random) {
  Placed out;
  for (const auto& leg : shape.legs) {
    if (leg.kind == LegKind::stock) {
      out.book.push_back({{leg.kind, 100 * leg.quantity, {}, spot, 1}, std::nullopt, {}});
      out.marks.push_back(std::nullopt);
      continue;
    }
    const Price strike = strikes[static_cast<std::size_t>(leg.rung)];
    const Price worth =
        std::max(leg.kind == LegKind::call ? spot - strike : strike - spot, Price{});
    const Price mark = worth + Price::from_units(static_cast<std::int64_t>(random() % 60'000));
    out.book.push_back({{leg.kind, leg.quantity, strike, mark, 100},
                        leg.expiry_rung == 0 ? near : far,
                        leg.expiry_rung == 0 ? "XYZ" : "XYZW"});
    out.marks.push_back(mark);
  }
  return out;
}

double by_formula(const MarginFormula& formula, const StrategyShape& shape, const Placed& placed,
                  const MarginUnderlying& underlying) {
  std::vector<double> sums;
  for (const auto& sum : formula.sums) {
    double total = 100.0 * std::abs(sum.stock_lots) * 0.5 * underlying.price.value();
    for (const auto& term : sum.terms) {
      const auto& leg = placed.book[term.leg].leg;
      total += Price::from_units(margin_term(term.what, shape.legs[term.leg].kind, leg.strike,
                                             *placed.marks[term.leg], underlying) *
                                 term.weight * 100)
                   .value();
    }
    sums.push_back(total);
  }
  const double required = formula.required(sums);
  const auto largest_of_least = [&](const MarginFormula::Clauses& clauses) {
    double largest = 0.0;
    for (const auto& clause : clauses) {
      double least = sums[clause[0]];
      for (const auto s : clause) least = std::min(least, sums[s]);
      largest = std::max(largest, least);
    }
    return largest;
  };
  EXPECT_LE(largest_of_least(formula.at_least), required);
  EXPECT_GE(largest_of_least(formula.at_most), required);
  EXPECT_TRUE(!formula.is_exact() || largest_of_least(formula.at_least) == required);
  return required;
}

TEST(MarginFormula, IsWhatTheEngineForBooksAsksOfEveryStrategy) {
  std::mt19937 random(41);
  int compared = 0;
  for (const auto& shape : catalogue) {
    SCOPED_TRACE(shape.name);
    const auto formula = margin_formula(shape);
    for (int round = 0; round < 200; ++round) {
      const Price spot = Price::from_units(static_cast<std::int64_t>(80 + random() % 40) * 10'000);
      std::vector<Price> strikes;
      while (strikes.size() < static_cast<std::size_t>(rung_count(shape))) {
        const auto strike =
            Price::from_units(static_cast<std::int64_t>(40 + random() % 120) * 10'000);
        if (std::ranges::find(strikes, strike) == strikes.end()) strikes.push_back(strike);
      }
      std::ranges::sort(strikes);
      const auto placed = place(shape, strikes, spot, random);
      for (const auto kind : {UnderlyingKind::equity, UnderlyingKind::broad_index}) {
        const MarginUnderlying underlying{spot, kind, true};
        const auto asked =
            rule_requirement(placed.book, placed.marks, underlying,
                             *margin_rules(shape.cash_secured ? "cash" : "reg_t", near));
        ASSERT_TRUE(asked) << asked.error().message;
        const double required = formula.worst_loss
                                    ? asked->worst_expiry_loss.loss.value_or(Money{}).value()
                                    : by_formula(formula, shape, placed, underlying);
        EXPECT_TRUE(!formula.worst_loss || asked->worst_expiry_loss.defined_risk);
        EXPECT_NEAR(required, asked->initial_required.value(), 1e-6);
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, static_cast<int>(400 * catalogue.size()));
}

// A strangle of 90 and 110 with the underlying at 100, marks 2 and 3: the put asks 2 + max(20 - 10,
// 9), the call 3 + max(20 - 10, 10); the greater and the other's mark. Cboe Margin Manual (2000),
// "Short Put and Short Call".
TEST(MarginFormula, AsksTheGreaterSideOfAStrangleAndTheOthersMark) {
  const auto formula = margin_formula(strategies::short_strangle);
  const MarginUnderlying underlying{*Price::from_double(100), UnderlyingKind::equity, false};
  Placed placed;
  placed.book = {{{LegKind::put, -1, *Price::from_double(90), {}, 100}, near, "XYZ"},
                 {{LegKind::call, -1, *Price::from_double(110), {}, 100}, near, "XYZ"}};
  placed.marks = {*Price::from_double(2), *Price::from_double(3)};
  EXPECT_DOUBLE_EQ(by_formula(formula, strategies::short_strangle, placed, underlying), 1'500.0);
}

TEST(MarginFormula, TakesNoCoverFromAnotherClassOfTheSameDay) {
  const auto covered = margin_formula(strategies::long_call_calendar);
  EXPECT_FALSE(covered.uses_underlying_price);
  const auto naked = margin_formula(strategies::long_call_calendar, false);
  EXPECT_TRUE(naked.uses_underlying_price);
}

}  // namespace
}  // namespace bifrost::analysis
