// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/strategy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <string>

namespace bifrost::analysis {
namespace {

Price at(double value) {
  return *Price::from_double(value);
}

constexpr std::nullopt_t unlimited = std::nullopt;

// One line per strategy: closed forms by hand, as in numbers.md 6.1, per share. Prices run parallel
// to the legs of the shape. Of a strategy of several expiries the later legs count at intrinsic
// value, as without any vol and carry.
struct ClosedForm {
  const char* name;
  std::vector<double> strikes;
  std::vector<double> prices;
  std::optional<double> max_profit;
  std::optional<double> max_loss;
  std::vector<double> breakevens;
};

std::vector<ClosedForm> closed_forms() {
  return {
      {"long_call", {100}, {3}, unlimited, 3, {103}},
      {"short_call", {100}, {3}, 3, unlimited, {103}},
      {"long_put", {100}, {3}, 97, 3, {97}},
      {"short_put", {100}, {3}, 3, 97, {97}},
      {"cash_secured_put", {95}, {1.75}, 1.75, 93.25, {93.25}},
      {"covered_call", {105}, {100, 2.5}, 7.5, 97.5, {97.5}},
      {"protective_put", {95}, {100, 2}, unlimited, 7, {102}},
      {"collar", {95, 108}, {100, 2, 1.5}, 7.5, 5.5, {100.5}},
      {"covered_put", {95}, {100, 2}, 7, unlimited, {102}},
      {"conversion", {100}, {100.2, 3, 3.5}, 0.3, -0.3, {}},
      {"reversal", {100}, {100.2, 3, 3.5}, -0.3, 0.3, {}},
      {"bull_call_spread", {100, 110}, {4, 1.25}, 7.25, 2.75, {102.75}},
      {"bear_call_spread", {105, 110}, {3, 1.8}, 1.2, 3.8, {106.2}},
      {"bull_put_spread", {90, 95}, {1.8, 3}, 1.2, 3.8, {93.8}},
      {"bear_put_spread", {90, 100}, {1.25, 4}, 7.25, 2.75, {97.25}},
      {"call_front_ratio", {100, 105}, {3, 2}, 6, unlimited, {111}},
      {"call_back_ratio", {100, 105}, {5, 2}, unlimited, 4, {101, 109}},
      {"put_front_ratio", {95, 100}, {2, 3}, 6, 89, {89}},
      {"put_back_ratio", {95, 100}, {2, 5}, 91, 4, {91, 99}},
      {"long_straddle", {100}, {3.5, 4}, unlimited, 7.5, {92.5, 107.5}},
      {"short_straddle", {100}, {3.5, 4}, 7.5, unlimited, {92.5, 107.5}},
      {"long_strangle", {90, 110}, {1.5, 1}, unlimited, 2.5, {87.5, 112.5}},
      {"short_strangle", {90, 110}, {1.5, 1}, 2.5, unlimited, {87.5, 112.5}},
      {"bullish_risk_reversal", {95, 105}, {2, 1.5}, unlimited, 94.5, {94.5}},
      {"bearish_risk_reversal", {95, 105}, {2, 1.5}, 94.5, unlimited, {94.5}},
      {"synthetic_long_stock", {100}, {3, 3.5}, unlimited, 100.5, {100.5}},
      {"synthetic_short_stock", {100}, {3, 3.5}, 100.5, unlimited, {100.5}},
      {"long_call_butterfly", {95, 100, 105}, {7, 4, 2}, 4, 1, {96, 104}},
      {"short_call_butterfly", {95, 100, 105}, {7, 4, 2}, 1, 4, {96, 104}},
      {"long_put_butterfly", {95, 100, 105}, {2, 4, 7}, 4, 1, {96, 104}},
      {"short_put_butterfly", {95, 100, 105}, {2, 4, 7}, 1, 4, {96, 104}},
      {"long_broken_wing_call_butterfly", {95, 100, 108}, {7, 4, 1.5}, 4.5, 3.5, {95.5, 104.5}},
      {"short_broken_wing_call_butterfly", {95, 100, 108}, {7, 4, 1.5}, 3.5, 4.5, {95.5, 104.5}},
      {"long_broken_wing_put_butterfly", {92, 100, 105}, {1.5, 4, 7}, 4.5, 3.5, {95.5, 104.5}},
      {"short_broken_wing_put_butterfly", {92, 100, 105}, {1.5, 4, 7}, 3.5, 4.5, {95.5, 104.5}},
      {"iron_butterfly", {90, 100, 110}, {1, 4, 4.5, 1.2}, 6.3, 3.7, {93.7, 106.3}},
      {"reverse_iron_butterfly", {90, 100, 110}, {1, 4, 4.5, 1.2}, 3.7, 6.3, {93.7, 106.3}},
      {"jade_lizard", {90, 105, 110}, {1, 2, 0.9}, 2.1, 87.9, {87.9, 107.1}},
      {"reverse_jade_lizard", {90, 95, 110}, {0.9, 2, 1}, 2.1, unlimited, {92.9, 112.1}},
      {"bull_call_ladder", {100, 105, 110}, {5, 3, 1.5}, 4.5, unlimited, {100.5, 114.5}},
      {"bear_call_ladder", {100, 105, 110}, {5, 3, 1.5}, unlimited, 4.5, {100.5, 114.5}},
      {"bull_put_ladder", {90, 95, 100}, {1.5, 3, 5}, 85.5, 4.5, {85.5, 99.5}},
      {"bear_put_ladder", {90, 95, 100}, {1.5, 3, 5}, 4.5, 85.5, {85.5, 99.5}},
      {"iron_condor", {90, 95, 105, 110}, {0.5, 1.5, 1.4, 0.4}, 2, 3, {93, 107}},
      {"reverse_iron_condor", {90, 95, 105, 110}, {0.5, 1.5, 1.4, 0.4}, 3, 2, {93, 107}},
      {"long_call_condor", {90, 95, 105, 110}, {11, 7, 2, 0.8}, 2.2, 2.8, {92.8, 107.2}},
      {"short_call_condor", {90, 95, 105, 110}, {11, 7, 2, 0.8}, 2.8, 2.2, {92.8, 107.2}},
      {"long_put_condor", {90, 95, 105, 110}, {0.8, 2, 7, 11}, 2.2, 2.8, {92.8, 107.2}},
      {"short_put_condor", {90, 95, 105, 110}, {0.8, 2, 7, 11}, 2.8, 2.2, {92.8, 107.2}},
      {"long_box", {95, 105}, {7, 1.5, 1.5, 5.7}, 0.3, -0.3, {}},
      {"short_box", {95, 105}, {7, 1.5, 1.5, 5.7}, -0.3, 0.3, {}},
      {"long_call_calendar", {100}, {2, 3}, -1, 1, {}},
      {"short_call_calendar", {100}, {2, 3}, 1, -1, {}},
      {"long_put_calendar", {100}, {2, 3}, -1, 1, {}},
      {"short_put_calendar", {100}, {2, 3}, 1, -1, {}},
      {"poor_mans_covered_call", {90, 105}, {12, 1.5}, 4.5, 10.5, {100.5}},
      {"poor_mans_covered_put", {95, 110}, {1.5, 12}, 4.5, 10.5, {99.5}},
      {"long_call_diagonal", {100, 105}, {2, 1.5}, 0.5, 4.5, {100.5}},
      {"short_call_diagonal", {100, 105}, {2, 1.5}, 4.5, 0.5, {100.5}},
      {"long_put_diagonal", {95, 100}, {1.5, 2}, 0.5, 4.5, {99.5}},
      {"short_put_diagonal", {95, 100}, {1.5, 2}, 4.5, 0.5, {99.5}},
      {"double_calendar", {95, 105}, {1, 2, 1, 2}, -2, 2, {}},
      {"double_diagonal", {90, 95, 105, 110}, {1, 1.2, 1.1, 0.9}, 0.4, 4.6, {94.6, 105.4}},
      {"long_jelly_roll", {100}, {2, 1.9, 3, 2.8}, -0.1, 0.1, {}},
      {"short_jelly_roll", {100}, {2, 1.9, 3, 2.8}, 0.1, -0.1, {}},
      // Variants of the same: unequal wings, sides that cannot lose, debits.
      {"iron_condor", {85, 95, 105, 110}, {0.4, 1.5, 1.4, 0.4}, 2.1, 7.9, {92.9, 107.1}},
      {"iron_condor", {85, 95, 105, 108}, {0.4, 4.5, 2.0, 0.4}, 5.7, 4.3, {89.3}},
      {"jade_lizard", {90, 105, 108}, {2, 2, 0.9}, 3.1, 86.9, {86.9}},
      {"call_back_ratio", {100, 105}, {5, 3}, unlimited, 6, {111}},
  };
}

constexpr core::Date first_expiry = core::Date{std::chrono::days{18'000}};
constexpr core::Date second_expiry = core::Date{std::chrono::days{18'035}};

Placement placement_of(const StrategyShape& shape, const std::vector<double>& strikes) {
  Placement placement;
  for (const double strike : strikes) placement.strikes.push_back(at(strike));
  placement.expiries = {first_expiry};
  if (expiry_count(shape) == 2) placement.expiries.push_back(second_expiry);
  return placement;
}

std::vector<BookLeg> book_of(const StrategyShape& shape, const Placement& placement,
                             const EntryPrice& price) {
  const std::vector<std::string_view> classes(placement.expiries.size(), "XYZ");
  auto book = make_book(shape, placement, classes, price);
  EXPECT_TRUE(book) << shape.name;
  return book.value_or(std::vector<BookLeg>{});
}

std::vector<BookLeg> book_of(const ClosedForm& row) {
  const auto shape = find_strategy(row.name);
  EXPECT_TRUE(shape) << row.name;
  std::size_t next = 0;
  return book_of(*shape, placement_of(*shape, row.strikes),
                 [&](const LegShape&, Price) { return std::optional{at(row.prices[next++])}; });
}

std::string_view recognised_name(const StrategyShape& shape) {
  return shape.recognised_as.empty() ? shape.name : shape.recognised_as;
}

TEST(Catalogue, AgreesWithTheClosedForms) {
  for (const auto& row : closed_forms()) {
    const auto payoff = payoff_at_expiry(legs_of(book_of(row)));
    ASSERT_TRUE(payoff) << row.name;
    const auto money = [](std::optional<double> per_share) {
      return per_share ? std::optional{at(*per_share * 100)} : std::nullopt;
    };
    EXPECT_EQ(payoff->max_profit, money(row.max_profit)) << row.name;
    EXPECT_EQ(payoff->max_loss, money(row.max_loss)) << row.name;
    EXPECT_EQ(payoff->breakevens, row.breakevens) << row.name;
  }
}

// The numerical engine, where the answer is known: without vol and carry a later option is worth
// its intrinsic value.
TEST(Catalogue, AgreesWithTheClosedFormsWhereLaterLegsHaveNoTimeValue) {
  for (const auto& row : closed_forms()) {
    const auto book = book_of(row);
    const double spot = 100.0;
    std::vector<LegMarket> markets;
    for (const auto& leg : book) {
      const double years = leg.expiry == second_expiry ? 0.2 : 0.1;
      markets.push_back({years, spot, 1.0, 0.0, ExerciseStyle::european});
    }
    const auto payoff = payoff_at_front_expiry(book, markets, spot);
    ASSERT_TRUE(payoff) << row.name << payoff.error().message;
    EXPECT_EQ(payoff->model_dependent, expiries_of(book).size() > 1) << row.name;
    ASSERT_EQ(payoff->max_profit.has_value(), row.max_profit.has_value()) << row.name;
    ASSERT_EQ(payoff->max_loss.has_value(), row.max_loss.has_value()) << row.name;
    if (row.max_profit) {
      EXPECT_NEAR(*payoff->max_profit, *row.max_profit * 100, 1e-6) << row.name;
    }
    if (row.max_loss) {
      EXPECT_NEAR(*payoff->max_loss, *row.max_loss * 100, 1e-6) << row.name;
    }
    ASSERT_EQ(payoff->breakevens.size(), row.breakevens.size()) << row.name;
    for (std::size_t i = 0; i < row.breakevens.size(); ++i) {
      EXPECT_NEAR(payoff->breakevens[i], row.breakevens[i], 1e-6) << row.name;
    }
  }
}

TEST(Catalogue, HasAClosedFormForEveryStrategy) {
  std::set<std::string_view> tested;
  const auto rows = closed_forms();
  for (const auto& row : rows) tested.insert(row.name);
  std::set<std::string_view> names;
  for (const auto& shape : catalogue) {
    EXPECT_TRUE(names.insert(shape.name).second) << shape.name << " comes twice";
    EXPECT_TRUE(tested.contains(shape.name)) << shape.name;
  }
}

TEST(Catalogue, IsWrittenInOneForm) {
  for (const auto& shape : catalogue) {
    int units = 0;
    int last = no_rung;
    std::set<int> rungs;
    std::set<int> expiries;
    std::set<std::tuple<LegKind, int, int>> contracts;
    for (const auto& leg : shape.legs) {
      units = std::gcd(units, leg.quantity);
      EXPECT_GE(leg.rung, last) << shape.name << ": lowest strike first";
      last = leg.rung;
      EXPECT_EQ(leg.kind == LegKind::stock, leg.rung == no_rung) << shape.name;
      if (leg.kind != LegKind::stock) {
        rungs.insert(leg.rung);
        expiries.insert(leg.expiry_rung);
      }
      EXPECT_TRUE(contracts.emplace(leg.kind, leg.rung, leg.expiry_rung).second) << shape.name;
    }
    EXPECT_EQ(units, 1) << shape.name << ": the smallest lots";
    EXPECT_EQ(static_cast<int>(rungs.size()), rung_count(shape)) << shape.name;
    EXPECT_EQ(static_cast<int>(expiries.size()), expiry_count(shape)) << shape.name;
    if (!shape.recognised_as.empty()) {
      const auto other = find_strategy(shape.recognised_as);
      ASSERT_TRUE(other) << shape.name;
      EXPECT_TRUE(std::ranges::equal(shape.legs, other->legs)) << shape.name;
    }
  }
}

struct RandomPlacements {
  std::mt19937 random;

  int in(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  Placement of(const StrategyShape& shape) {
    Placement placement;
    do {
      std::set<Price> strikes;
      while (strikes.size() < static_cast<std::size_t>(rung_count(shape))) {
        strikes.insert(at(80 + 2.5 * in(0, 16)));
      }
      placement.strikes.assign(strikes.begin(), strikes.end());
    } while (!strikes_fit(shape, placement.strikes));
    placement.expiries = {core::Date{std::chrono::days{18'000 + in(0, 40)}}};
    if (expiry_count(shape) > 1) {
      placement.expiries.push_back(placement.expiries[0] + std::chrono::days{in(1, 400)});
    }
    placement.units = in(1, 12);
    placement.multiplier = in(0, 3) == 0 ? 10 : 100;
    return placement;
  }
  std::vector<BookLeg> book(const StrategyShape& shape, const Placement& placement) {
    return book_of(shape, placement,
                   [&](const LegShape&, Price) { return std::optional{at(0.05 * in(1, 200))}; });
  }
};

TEST(Recognition, FindsEveryStrategyInItsOwnLegs) {
  RandomPlacements some{std::mt19937{2024}};
  for (const auto& shape : catalogue) {
    for (int round = 0; round < 40; ++round) {
      const auto placement = some.of(shape);
      const auto found = recognise(some.book(shape, placement));
      ASSERT_TRUE(found) << shape.name;
      EXPECT_EQ(found->shape.name, recognised_name(shape));
      EXPECT_EQ(found->placement, placement) << shape.name;
    }
  }
}

TEST(Recognition, DoesNotMindOrderSplitLotsOrClosedOnes) {
  RandomPlacements some{std::mt19937{2025}};
  for (const auto& shape : catalogue) {
    for (int round = 0; round < 20; ++round) {
      const auto placement = some.of(shape);
      auto book = some.book(shape, placement);
      // A part of each lot traded apart and at another price, more of it opened and closed again.
      const auto whole = book;
      for (const auto& leg : whole) {
        const int part = some.in(-3, 3);
        book[static_cast<std::size_t>(&leg - whole.data())].leg.quantity -= part;
        book.push_back(leg);
        book.back().leg.quantity = part;
        book.back().leg.entry_price = at(7.77);
      }
      auto closed = book.back();
      closed.leg.kind = LegKind::call;
      closed.leg.strike = at(500);
      closed.expiry = first_expiry;
      closed.leg.quantity = 4;
      book.push_back(closed);
      closed.leg.quantity = -4;
      book.push_back(closed);
      std::shuffle(book.begin(), book.end(), some.random);
      const auto found = recognise(book);
      ASSERT_TRUE(found) << shape.name;
      EXPECT_EQ(found->shape.name, recognised_name(shape));
      EXPECT_EQ(found->placement, placement) << shape.name;
    }
  }
}

// T12: there is no argument of a preset that could be anything else: sign, ratio, right, strike and
// expiry of each leg matter to what the book is called and to what it pays.
TEST(Catalogue, ChangesWithEveryArgument) {
  const double spot = 97.0;
  const auto pays = [&](const std::vector<BookLeg>& book) {
    std::vector<LegMarket> markets;
    for (const auto& leg : book) {
      const auto days = leg.expiry ? (*leg.expiry - first_expiry).count() : 0;
      markets.push_back(
          {0.1 + static_cast<double>(days) / 365, 97.3, 0.99, 0.3, ExerciseStyle::european});
    }
    std::vector<double> profits;
    for (const double at_spot : {0.0, 60.0, 90.0, 96.0, 101.0, 104.0, 150.0}) {
      const auto value = value_book(book, markets, spot, {.spot = at_spot, .days_forward = 36.5});
      EXPECT_TRUE(value) << value.error().message;
      profits.push_back(value ? value->profit : 0.0);
    }
    return profits;
  };
  for (const auto& row : closed_forms()) {
    const auto shape = *find_strategy(row.name);
    const auto book = book_of(row);
    const auto before = pays(book);
    const auto name = recognised_name(shape);
    const auto placement = placement_of(shape, row.strikes);
    const auto expect_changed = [&](std::size_t i, const char* what, const auto& change) {
      auto mutant = book;
      change(mutant[i]);
      const auto found = recognise(mutant);
      EXPECT_FALSE(found && found->shape.name == name && found->placement == placement)
          << row.name << " leg " << i << ": " << what;
      const auto after = pays(mutant);
      double difference = 0.0;
      for (std::size_t s = 0; s < before.size(); ++s) {
        difference = std::max(difference, std::abs(after[s] - before[s]));
      }
      EXPECT_GT(difference, 0.01) << row.name << " leg " << i << ": " << what;
    };
    for (std::size_t i = 0; i < book.size(); ++i) {
      expect_changed(i, "sign", [](BookLeg& at) { at.leg.quantity = -at.leg.quantity; });
      expect_changed(i, "ratio", [](BookLeg& at) { at.leg.quantity *= 3; });
      if (book[i].leg.kind == LegKind::stock) continue;
      expect_changed(i, "right", [](BookLeg& at) {
        at.leg.kind = at.leg.kind == LegKind::call ? LegKind::put : LegKind::call;
      });
      expect_changed(i, "strike", [](BookLeg& leg) { leg.leg.strike = leg.leg.strike + at(1); });
      expect_changed(i, "expiry", [](BookLeg& leg) { *leg.expiry += std::chrono::days{7}; });
    }
  }
}

TEST(Recognition, DecidesAmbiguousLegsByTheStatedRules) {
  const auto option = [](LegKind kind, std::int64_t quantity, double strike, core::Date expiry) {
    return BookLeg{{kind, quantity, at(strike), at(1)}, expiry, "XYZ"};
  };
  using enum LegKind;
  const auto name = [](const std::vector<BookLeg>& book) -> std::string_view {
    const auto found = recognise(book);
    return found ? found->shape.name : "";
  };
  // The later call with the lower strike stands in for the stock; otherwise it is a diagonal.
  EXPECT_EQ(name({option(call, 1, 90, second_expiry), option(call, -1, 105, first_expiry)}),
            "poor_mans_covered_call");
  EXPECT_EQ(name({option(call, 1, 110, second_expiry), option(call, -1, 105, first_expiry)}),
            "long_call_diagonal");
  EXPECT_EQ(name({option(put, 1, 110, second_expiry), option(put, -1, 95, first_expiry)}),
            "poor_mans_covered_put");
  // Cash is not in the legs.
  EXPECT_EQ(name({option(put, -2, 95, first_expiry)}), "short_put");
  // Wings decide between a butterfly and a broken wing.
  const auto fly = [&](double highest) {
    return name({option(call, 2, 95, first_expiry), option(call, -4, 100, first_expiry),
                 option(call, 2, highest, first_expiry)});
  };
  EXPECT_EQ(fly(105), "long_call_butterfly");
  EXPECT_EQ(fly(105.5), "long_broken_wing_call_butterfly");
}

TEST(Recognition, LeavesCustomBooksUnnamed) {
  const auto option = [](LegKind kind, std::int64_t quantity, double strike,
                         core::Date expiry = first_expiry, std::string trading_class = "XYZ") {
    return BookLeg{{kind, quantity, at(strike), at(1)}, expiry, std::move(trading_class)};
  };
  const BookLeg shares{{LegKind::stock, 150, {}, at(100), 1}, std::nullopt, ""};
  using enum LegKind;
  EXPECT_FALSE(recognise({}));
  EXPECT_FALSE(recognise(std::vector{shares}));
  EXPECT_FALSE(recognise(std::vector{shares, option(call, -1, 100)})) << "150 shares, one call";
  const BookLeg three_lots{{LegKind::stock, 300, {}, at(100), 1}, std::nullopt, ""};
  EXPECT_FALSE(recognise(std::vector{three_lots, option(call, -2, 100)})) << "one lot uncovered";
  EXPECT_FALSE(recognise(std::vector{option(call, 2, 100), option(call, -3, 110)}));
  EXPECT_FALSE(recognise(std::vector{option(call, 1, 100), option(call, -1, 100)})) << "closed";
  // SPX and SPXW of one date settle at different hours, and their names do not say which is first.
  EXPECT_FALSE(recognise(std::vector{option(call, 1, 100, first_expiry, "SPX"),
                                     option(call, -1, 110, first_expiry, "SPXW")}));
  EXPECT_TRUE(recognise(std::vector{option(call, -1, 100, first_expiry, "SPX"),
                                    option(call, 1, 100, second_expiry, "SPXW")}));
  auto mini = option(call, -1, 110);
  mini.leg.multiplier = 10;
  EXPECT_FALSE(recognise(std::vector{option(call, 1, 100), mini}));
}

TEST(Strategy, IsLaidOnStrikes) {
  const std::vector<Price> strikes{at(90), at(95), at(105), at(110)};
  const auto legs = make_legs(iron_condor, strikes, 10, [](const LegShape& leg, Price strike) {
    return std::optional{leg.quantity > 0 ? at(1) : strike};
  });
  ASSERT_TRUE(legs);
  ASSERT_EQ(legs->size(), 4u);
  EXPECT_EQ((*legs)[0].strike, at(90));
  EXPECT_EQ((*legs)[1].quantity, -1);
  EXPECT_EQ((*legs)[1].entry_price, at(95));
  EXPECT_EQ((*legs)[3].multiplier, 10);
  EXPECT_FALSE(make_legs(iron_condor, strikes, 10, [](const LegShape& leg, Price) {
    return leg.rung == 2 ? std::nullopt : std::optional{at(1)};
  }));
}

TEST(Strategy, WithStockHoldsTheSharesOfItsContracts) {
  const auto legs = make_legs(covered_call, std::vector{at(50)}, 100,
                              [](const LegShape&, Price) { return std::optional{at(2)}; });
  ASSERT_TRUE(legs);
  EXPECT_EQ((*legs)[0].quantity, 100);
  EXPECT_EQ((*legs)[1].quantity, -1);
}

TEST(Strategy, IsFoundByItsName) {
  EXPECT_EQ(find_strategy("iron_condor")->legs.size(), 4u);
  EXPECT_EQ(rung_count(*find_strategy("covered_call")), 1);
  EXPECT_FALSE(find_strategy("iron condor"));
}

}  // namespace
}  // namespace bifrost::analysis
