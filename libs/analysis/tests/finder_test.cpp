// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/finder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "bifrost/analysis/certificate.hpp"
#include "bifrost/analysis/chain_pricing.hpp"
#include "bifrost/analysis/metrics.hpp"
#include "finder_naive.hpp"

namespace bifrost::analysis {
namespace {

using naive::at;
using naive::damaged_market;
using naive::Market;
using naive::market;
using naive::strikes_of;

SearchRequest ask(const StrategyShape& strategy, Objective objective = Objective::return_on_risk,
                  std::size_t keep = 25) {
  SearchRequest request{.strategy = strategy};
  request.objective = {{objective, 1.0}};
  request.keep = keep;
  return request;
}

core::Result<FinderResult> find(const SearchRequest& request, const Market& in) {
  const SearchExpiry expiry = in.expiry();
  return find_best(request, {&expiry, 1});
}

// Scores of whole amounts are equal or not. Sums of doubles that ought to be equal are so but for
// their last bits, in which the naive way adds up otherwise: there the order may differ.
bool of_whole_amounts(const SearchRequest& request) {
  const auto& first = request.objective.front();
  return request.objective.size() == 1 &&
         (first.objective == Objective::return_on_risk ||
          first.objective == Objective::return_on_margin || first.objective == Objective::credit);
}

void expect_candidates(const SearchRequest& request, const FinderResult& found,
                       const naive::Result& naive) {
  ASSERT_EQ(found.candidates.size(), std::min(request.keep, naive.qualified.size()));
  std::set<std::pair<std::size_t, std::vector<Price>>> seen;
  for (std::size_t i = 0; i < found.candidates.size(); ++i) {
    const auto& ours = found.candidates[i];
    const auto& theirs = naive.qualified[i];
    const double tolerance = 1e-11 * std::max(1.0, std::abs(theirs.score));
    EXPECT_NEAR(ours.score, theirs.score, tolerance);
    const auto strikes = strikes_of(request.strategy, ours);
    EXPECT_TRUE(seen.emplace(ours.expiries.at(0), strikes).second) << "twice";
    if (strikes == theirs.strikes && ours.expiries.at(0) == theirs.expiry) {
      EXPECT_EQ(ours.pop, theirs.pop);
      continue;
    }
    EXPECT_FALSE(of_whole_amounts(request)) << "rank " << i;
    EXPECT_TRUE(std::ranges::any_of(naive.qualified,
                                    [&](const naive::Choice& other) {
                                      return other.strikes == strikes &&
                                             other.expiry == ours.expiries[0] &&
                                             std::abs(other.score - theirs.score) <= tolerance;
                                    }))
        << "rank " << i;
  }
}

// Both ways, and what they say they did.
void expect_same(SearchRequest request, std::span<const SearchExpiry> expiries) {
  const auto naive = naive::search(request, expiries);
  request.exhaustive = false;
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->combinations, naive.census.combinations);
  EXPECT_EQ(found->visited + found->pruned, naive.census.combinations);
  expect_candidates(request, *found, naive);

  request.exhaustive = true;
  const auto scanned = find_best(request, expiries);
  ASSERT_TRUE(scanned) << scanned.error().message;
  ASSERT_TRUE(scanned->census);
  EXPECT_EQ(scanned->visited, naive.census.combinations);
  EXPECT_EQ(scanned->census->combinations, naive.census.combinations);
  EXPECT_EQ(scanned->census->unfit, naive.census.unfit);
  EXPECT_EQ(scanned->census->qualified, naive.census.qualified);
  expect_candidates(request, *scanned, naive);
}

void expect_same(const SearchRequest& request, const Market& in) {
  const SearchExpiry expiry = in.expiry();
  expect_same(request, {&expiry, 1});
}

// T7: at fair prices, under the density that made them, nothing is to be expected of any structure,
// whatever it ties up for a year, whatever dividends its shares pay meanwhile and whenever it may
// be exercised.
class FairPrices : public testing::TestWithParam<ExerciseStyle> {};

TEST_P(FairPrices, PromiseNothing) {
  constexpr double rate = 0.05;
  constexpr double yield = 0.03;
  constexpr double vol = 0.25;
  constexpr double spot = 100.0;
  const auto priced_at = [&](double years) {
    ExpiryChain chain{.underlying = "FAIR",
                      .trading_class = "FAIR",
                      .expiry = core::Date{std::chrono::days{20'000 + std::lround(365 * years)}},
                      .multiplier = 100,
                      .underlying_price = Price::from_double(spot),
                      .rows = {}};
    for (double strike = 70; strike <= 130; strike += 10) {
      const auto side = [&](Right right) {
        const SpotInputs in{spot, strike, years, rate, yield, vol};
        const double fair = GetParam() == ExerciseStyle::american
                                ? american_price(right, in).value()
                                : black_scholes_price(right, in);
        const auto price = Price::from_double(std::round(1e4 * fair) / 1e4);
        return OptionSide{
            .bid = price, .ask = price, .bid_size = {}, .ask_size = {}, .open_interest = {}};
      };
      chain.rows.push_back({*Price::from_double(strike), side(Right::call), side(Right::put)});
    }
    const ForwardDiscount parity{.forward = spot * std::exp((rate - yield) * years),
                                 .discount_factor = std::exp(-rate * years),
                                 .discount_source = DiscountSource::given,
                                 .pairs = 5,
                                 .deviation = 0.0};
    if (GetParam() == ExerciseStyle::european) return *refresh(chain, years, rate);
    return refresh_american(chain, parity, *AmericanSurfaces::build({spot, years, rate, yield}));
  };
  const auto near = priced_at(1.0);
  const auto far = priced_at(1.5);
  ASSERT_NEAR(near.parity.forward, spot * std::exp(rate - yield), 1e-3);
  const auto density =
      lognormal_density({.forward = near.parity.forward, .vol = vol, .years_to_expiry = 1.0});
  const auto later =
      lognormal_density({.forward = far.parity.forward, .vol = vol, .years_to_expiry = 1.5});
  const SearchExpiry expiries[] = {{&near, density.get(), 365}, {&far, later.get(), 548}};
  int structures = 0;
  for (const auto& shape : catalogue) {
    auto request = ask(shape, Objective::expected_profit, 500);
    request.fill = Fill::mid;
    const bool one = expiry_count(shape) == 1;
    const auto found = find_best(request, std::span{expiries}.first(one ? 1 : 2));
    ASSERT_TRUE(found) << shape.name << ": " << found.error().message;
    for (const auto& candidate : found->candidates) {
      // Prices on a ten-thousandth, vols of them.
      EXPECT_NEAR(candidate.expected_profit, 0.0, 0.1) << shape.name;
      EXPECT_NEAR(candidate.score, candidate.expected_profit, 1e-6) << shape.name;
      ++structures;
    }
  }
  EXPECT_GT(structures, 1000);
}
INSTANTIATE_TEST_SUITE_P(Finder, FairPrices,
                         testing::Values(ExerciseStyle::european, ExerciseStyle::american),
                         [](const auto& style) {
                           return style.param == ExerciseStyle::american ? "American" : "European";
                         });

// A dividend in cash is no yield. What its calls are worth is in their quotes, so that nobody who
// crosses the spread expects a profit of them, or who sells them under shares.
TEST(Finder, ExpectsNoProfitOfCallsBeforeADividendInCash) {
  constexpr double years = 60.0 / 365;
  const CashDividend dividend{50.0 / 365, 1.5};
  ExpiryChain chain{.underlying = "TEST",
                    .trading_class = "TEST",
                    .expiry = core::Date{std::chrono::days{20'000}},
                    .multiplier = 100,
                    .underlying_price = at(100),
                    .rows = {}};
  for (double strike = 60; strike <= 120; strike += 2.5) {
    const auto side = [&](Right right) {
      const double fair =
          american_tree(right, {100.0, strike, years, 0.01, 0.0, 0.22}, {&dividend, 1}, 400)
              .value()
              .price;
      return OptionSide{at(std::floor((fair - 0.03) * 100) / 100),
                        at(std::ceil((fair + 0.03) * 100) / 100),
                        {},
                        {},
                        {}};
    };
    chain.rows.push_back({at(strike), side(Right::call), side(Right::put)});
  }
  const auto parity = forward_and_discount(chain, years, 0.01, ExerciseStyle::american);
  ASSERT_TRUE(parity);
  const auto surfaces = AmericanSurfaces::build(american_terms(*parity, 100.0, years));
  ASSERT_TRUE(surfaces);
  const Market market(refresh_american(chain, *parity, *surfaces));
  double most = 0.0;
  for (const auto& row : market.priced.rows) most = std::max(most, row.exercise->call);
  EXPECT_GT(most, 0.8);
  for (const auto& shape :
       {strategies::short_call, strategies::long_call, strategies::covered_call}) {
    SCOPED_TRACE(shape.name);
    const auto found = find(ask(shape, Objective::expected_profit, 50), market);
    ASSERT_TRUE(found);
    ASSERT_GT(found->candidates.size(), 15u);
    for (const auto& candidate : found->candidates) {
      // Out of the money the flat vol of the density is an opinion of its own.
      const Price strike = candidate.legs.back().leg.strike;
      if (strike > at(95)) continue;
      EXPECT_LT(candidate.expected_profit, 1.0) << strike.to_string();
    }
  }
}

// `find` and `analyze` tell one theta of one option, be its spot of this moment or not.
TEST(Finder, DecaysAsTheBookModelDoes) {
  int compared = 0;
  for (const double days : {4.0, 40.0}) {
    for (const double forward : {99.0, 100.1, 101.0}) {
      for (const auto style : {ExerciseStyle::european, ExerciseStyle::american}) {
        SyntheticMarket made;
        made.forward = forward;
        made.rate = 0.03;
        made.years = days / 365;
        auto chain = made.chain(95, 105, 2);
        const ForwardDiscount parity{forward, made.discount(), DiscountSource::given, 5, 0.0};
        const auto surfaces = AmericanSurfaces::build(american_terms(parity, 100.0, made.years));
        const auto priced = style == ExerciseStyle::european
                                ? refresh(chain, made.years, made.rate).value()
                                : refresh_american(chain, parity, surfaces.value());
        for (const auto& row : priced.rows) {
          for (const auto kind : {LegKind::call, LegKind::put}) {
            const auto& option = kind == LegKind::call ? row.call : row.put;
            if (!option || !option->implied_vol) continue;
            const BookLeg leg{{kind, 1, row.strike, {}, 1}, chain.expiry, "TEST"};
            const LegMarket market{priced.years_to_expiry, priced.parity.forward,
                                   priced.parity.discount_factor, *option->implied_vol, style};
            const auto value = value_book({&leg, 1}, {&market, 1}, 100.0, {.spot = 100.0});
            ASSERT_TRUE(value);
            ++compared;
            EXPECT_NEAR(option->greeks->theta, value->greeks.theta, 2e-3)
                << days << " days, forward " << forward << ", strike " << row.strike.value();
          }
        }
      }
    }
  }
  EXPECT_GT(compared, 80);
}

// The right to exercise counts in the rank, for every objective that expected profit is part of.
TEST(Finder, RanksAmericanStrategiesOfOneExpiryAsBruteForceDoes) {
  std::mt19937 random(51);
  const auto markets = naive::american_term_structure(random, 2, 88, 113, 2.5);
  const std::vector expiries{markets[0].expiry(), markets[1].expiry()};
  for (const auto& shape :
       {strategies::short_put, strategies::covered_call, strategies::short_strangle,
        strategies::bull_put_spread, strategies::iron_condor, strategies::long_straddle}) {
    SCOPED_TRACE(shape.name);
    auto request = ask(shape, Objective::expected_profit, 40);
    request.fill = Fill{0.5};
    request.fee_per_contract = at(0.65);
    expect_same(request, expiries);
    request.objective = {{Objective::expected_profit_on_margin, 1.0}};
    expect_same(request, expiries);
  }
}

std::vector<Objective> objectives_of(const StrategyShape& shape) {
  std::int64_t right = 0;
  for (const auto& leg : shape.legs) right += leg.kind == LegKind::put ? 0 : leg.quantity;
  std::vector<Objective> usable{Objective::expected_profit, Objective::expected_profit_on_margin,
                                Objective::credit, Objective::pop};
  if (right >= 0) {
    usable.push_back(Objective::expected_profit_on_max_loss);
    usable.push_back(Objective::theta_on_max_loss);
  }
  if (right <= 0) usable.push_back(Objective::return_on_margin);
  if (right == 0) usable.push_back(Objective::return_on_risk);
  return usable;
}

TEST(Finder, ReturnsWhatTheNaiveSearchReturns) {
  std::mt19937 random(42);
  for (int round = 0; round < 6; ++round) {
    const auto in = damaged_market(random);
    for (const Fill fill : {Fill::mid, Fill::natural}) {
      for (const auto& shape : {covered_call, iron_condor}) {
        auto request = ask(shape);
        request.fill = fill;
        expect_same(request, in);
        request.constraints.min_pop = 0.6;
        expect_same(request, in);
        request.constraints.min_pop = 0.73;
        request.constraints.max_loss = 310.0;
        request.keep = 7;
        expect_same(request, in);
        request.constraints.min_pop = 0.5;
        request.constraints.max_loss = 9'700.0;
        request.keep = 3;
        expect_same(request, in);
        request = ask(shape);
        request.fill = fill;
        request.constraints.min_pop = 0.4;
        request.constraints.sell_out_of_the_money = true;
        expect_same(request, in);
      }
    }
  }
}

TEST(Finder, RanksEveryStrategyOfOneExpiryByEveryObjectiveItHas) {
  std::mt19937 random(7);
  int searched = 0;
  for (const auto& shape : catalogue) {
    if (expiry_count(shape) > 1) continue;
    const auto in = damaged_market(random, 90, 110, 2.0);
    for (const auto objective : objectives_of(shape)) {
      for (const Fill fill : {Fill::mid, Fill::natural}) {
        SCOPED_TRACE(std::string{shape.name} + " by " + std::string{to_string(objective)});
        auto request = ask(shape, objective, 12);
        request.fill = fill;
        request.fee_per_contract = at(0.65);
        expect_same(request, in);
        ++searched;
      }
    }
  }
  EXPECT_GT(searched, 300);
}

TEST(Finder, KeepsEveryConstraint) {
  std::mt19937 random(11);
  const auto with = [](auto set) {
    Constraints constraints;
    set(constraints);
    return constraints;
  };
  const Constraints sets[] = {
      with([](auto& c) { c.short_delta = {0.1, 0.35}; }),
      with([](auto& c) { c.long_delta = {0.02, 0.2}; }),
      with([](auto& c) { c.max_spread_share = 0.25; }),
      with([](auto& c) { c.min_open_interest = 120; }),
      with([](auto& c) { c.min_size = 11; }),
      with([](auto& c) { c.widths = {{0, {3.0, 6.0}}, {2, {0.0, 4.5}}}; }),
      with([](auto& c) { c.widths = {{1, {6.00001, 9.00004}}}; }),
      with([](auto& c) {
        c.widths = {{0, {2.99999, 6.0}}, {1, {-1.0, 1e12}}};
        c.min_pop = 0.3;
      }),
      with([](auto& c) { c.min_credit = at(0.8); }),
      with([](auto& c) { c.min_credit = at(-0.4); }),
      with([](auto& c) { c.max_loss = 250.0; }),
      with([](auto& c) { c.breakevens = {3.0, BreakevenDistance::Unit::percent}; }),
      with([](auto& c) { c.breakevens = {0.7, BreakevenDistance::Unit::sigmas}; }),
      with([](auto& c) { c.min_pop = 0.66; }),
      with([](auto& c) {
        c.min_pop = 0.5;
        c.min_credit = at(0.3);
        c.max_loss = 420.0;
        c.sell_out_of_the_money = true;
        c.breakevens = {2.0, BreakevenDistance::Unit::percent};
      }),
  };
  int qualified = 0;
  for (int round = 0; round < 2; ++round) {
    const auto in = damaged_market(random);
    for (const auto& constraints : sets) {
      for (const auto objective : {Objective::return_on_risk, Objective::return_on_margin,
                                   Objective::expected_profit_on_max_loss, Objective::credit}) {
        auto request = ask(iron_condor, objective, 15);
        request.constraints = constraints;
        request.fill = Fill::mid;
        expect_same(request, in);
        const auto found = find(request, in);
        qualified += found && !found->candidates.empty() ? 1 : 0;
      }
    }
  }
  EXPECT_GT(qualified, 60);  // nearly all of them leave something to compare
}

TEST(Finder, FindsNothingInWindowsThatNothingFits) {
  const auto in = market(90, 110, 2);
  const double inf = std::numeric_limits<double>::infinity();
  for (const Window window :
       {Window{1e300, 1e301}, Window{-1e301, -1e300}, Window{inf, inf}, Window{-inf, -inf}}) {
    auto request = ask(iron_condor);
    request.fill = Fill::mid;
    request.constraints.widths = {{0, window}};
    expect_same(request, in);
    EXPECT_TRUE(find(request, in)->candidates.empty());
  }
}

TEST(Finder, AddsObjectivesWithTheirWeights) {
  std::mt19937 random(19);
  using enum Objective;
  const std::vector<WeightedObjective> sums[] = {
      {{return_on_risk, 0.4}, {pop, 1.0}},
      {{expected_profit_on_max_loss, 3.0}, {theta_on_max_loss, 20.0}, {credit, 0.1}},
      {{expected_profit_on_margin, 1.0}, {return_on_risk, -0.05}},
      {{expected_profit, 0.01}, {pop, -1.0}},
      {{expected_profit_on_max_loss, 2.0}, {return_on_risk, 0.2}, {pop, 0.5}},
      {{credit, 2.0}},
      {{return_on_risk, -1.0}},
      {{return_on_margin, 1.0}, {expected_profit_on_margin, 2.0}, {pop, 0.3}},
      {{return_on_margin, -0.5}, {return_on_risk, 0.2}},
      {{pop, 1.0}, {pop, 0.5}},
  };
  for (int round = 0; round < 2; ++round) {
    const auto in = damaged_market(random);
    for (const auto& sum : sums) {
      auto request = ask(iron_condor);
      request.objective = sum;
      request.fill = round == 0 ? Fill::mid : Fill{0.4};
      expect_same(request, in);
      request.constraints.min_pop = 0.55;
      expect_same(request, in);
    }
  }
}

TEST(Finder, SearchesSeveralExpiriesAsOneBoard) {
  std::mt19937 random(23);
  std::vector<Market> markets;
  for (int i = 0; i < 4; ++i) {
    SyntheticMarket made;
    made.years = (20.0 + 15 * i) / 365;
    made.forward = 100.0 + 0.3 * i;
    auto chain = made.chain(88 + i, 112, 2);
    chain.expiry = core::Date{std::chrono::days{20'000 + 15 * i}};
    markets.emplace_back(*refresh(chain, made.years, made.rate));
    markets.back().days = 20 + 15 * i;
  }
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  for (const auto objective : {Objective::expected_profit_on_max_loss, Objective::return_on_risk}) {
    auto request = ask(iron_condor, objective, 40);
    expect_same(request, expiries);
    request.constraints.min_days_to_expiry = 30;
    request.constraints.max_days_to_expiry = 50;
    expect_same(request, expiries);
  }
  std::swap(expiries[0], expiries[1]);
  EXPECT_EQ(find_best(ask(iron_condor), expiries).error().code, core::Errc::invalid_input);
}

std::vector<Market> term_structure(std::mt19937& random, int expiries, double lowest,
                                   double highest, double step) {
  std::vector<Market> markets;
  for (int i = 0; i < expiries; ++i) {
    SyntheticMarket made;
    made.years = (20.0 + 25 * i) / 365;
    made.forward = 100.0 + 0.3 * i;
    made.half_spread = 0.01;
    auto chain = made.chain(lowest + (i % 2), highest, step);
    chain.expiry = core::Date{std::chrono::days{20'000 + 25 * i}};
    for (auto& row : chain.rows) {
      for (auto* side : {&row.call, &row.put}) {
        if (std::uniform_int_distribution<int>(0, 9)(random) == 0) side->reset();
      }
    }
    markets.emplace_back(*refresh(chain, made.years, made.rate));
    markets.back().days = 20 + 25 * i;
  }
  return markets;
}

// Both searches against the naive one. How many candidates were compared.
int expect_same_of_two(const StrategyShape& shape, const std::vector<Market>& markets,
                       double tolerance) {
  int compared = 0;
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  for (const auto objective : objectives_of(shape)) {
    for (const double min_pop : {0.0, 0.4}) {
      SCOPED_TRACE(std::string{shape.name} + " by " + std::string{to_string(objective)});
      auto request = ask(shape, objective, 15);
      request.fill = min_pop > 0.0 ? Fill::natural : Fill::mid;
      request.fee_per_contract = at(0.65);
      request.constraints.min_pop = min_pop;
      if (min_pop > 0.0) request.constraints.max_loss = 500.0;
      std::vector<std::pair<std::size_t, std::size_t>> pairs;
      const auto naive = naive::search_pairs(request, expiries, pairs);
      for (const bool exhaustive : {false, true}) {
        request.exhaustive = exhaustive;
        const auto found = find_best(request, expiries);
        if (!found) {
          ADD_FAILURE() << found.error().message;
          continue;
        }
        EXPECT_EQ(found->combinations, naive.census.combinations);
        EXPECT_EQ(found->visited + found->pruned, naive.census.combinations);
        if (exhaustive) {
          EXPECT_EQ(found->census->unfit, naive.census.unfit);
          EXPECT_EQ(found->census->qualified, naive.census.qualified);
        }
        EXPECT_EQ(found->candidates.size(), std::min(request.keep, naive.qualified.size()));
        for (std::size_t i = 0; i < std::min(found->candidates.size(), naive.qualified.size());
             ++i) {
          const auto& ours = found->candidates[i];
          EXPECT_TRUE(ours.model_dependent);
          EXPECT_FALSE(ours.payoff);
          const double of_score = tolerance * std::max(1.0, std::abs(naive.qualified[i].score));
          EXPECT_NEAR(ours.score, naive.qualified[i].score, of_score) << "rank " << i;
          EXPECT_TRUE(std::ranges::any_of(
              naive.qualified,
              [&](const naive::Choice& other) {
                return other.strikes == strikes_of(shape, ours) &&
                       pairs[other.expiry] == std::pair{ours.expiries.at(0), ours.expiries.at(1)} &&
                       std::abs(other.score - ours.score) <= of_score &&
                       std::abs(other.pop - ours.pop) <= tolerance;
              }))
              << "rank " << i;
          ++compared;
        }
      }
    }
  }
  return compared;
}

TEST(Finder, RanksStrategiesOfTwoExpiriesUnderTheirModel) {
  std::mt19937 random(37);
  int compared = 0;
  for (const auto& shape : catalogue) {
    if (expiry_count(shape) == 1) continue;
    const bool four = rung_count(shape) > 2;
    compared +=
        expect_same_of_two(shape, term_structure(random, 3, 94, 107, four ? 1.5 : 1.0), 1e-7);
  }
  EXPECT_GT(compared, 1'000);
}

// Early exercise is worth something, and two vols lie where the table of premiums does not reach.
TEST(Finder, RanksAmericanStrategiesOfTwoExpiriesUnderTheirModel) {
  std::mt19937 random(38);
  int compared = 0;
  for (const bool four : {false, true}) {
    auto markets = naive::american_term_structure(random, 2, 94, 107, four ? 2.0 : 1.0);
    int moved = 0;
    for (auto& row : markets[1].priced.rows) {
      for (auto* option : {&row.call, &row.put}) {
        if (!*option || !(*option)->implied_vol || moved == 2) continue;
        (*option)->implied_vol = moved++ == 0 ? 0.04 : 2.8;
      }
    }
    for (const auto& shape : catalogue) {
      if (expiry_count(shape) == 1 || (rung_count(shape) > 2) != four) continue;
      compared += expect_same_of_two(shape, markets, 1e-4);
    }
  }
  EXPECT_GT(compared, 500);
}

struct Analysed {
  Metrics metrics;
  DensityMetrics under;
};
// The candidate's legs as a position that somebody enters by hand.
Analysed analysed(const Candidate& candidate, std::span<const SearchExpiry> expiries,
                  std::optional<ExerciseStyle> style = std::nullopt, bool as_far = true) {
  std::vector<BookLeg> book;
  std::vector<LegMarket> values;
  std::vector<Price> listed;
  const auto& front = expiries[candidate.expiries.front()];
  for (const auto& leg : candidate.legs) {
    const auto& of =
        *expiries[candidate.expiries[static_cast<std::size_t>(leg.expiry_rung)]].priced;
    const auto at_strike = std::ranges::find(of.rows, leg.leg.strike, &StrikeAnalytics::strike);
    std::optional<LegMarket::Exercise> exercise;
    if (const auto& right = at_strike->exercise) {
      exercise = {right->vol, leg.leg.kind == LegKind::call ? right->call : right->put};
    }
    book.push_back({leg.leg, of.chain.expiry, of.chain.trading_class});
    values.push_back({of.years_to_expiry, of.parity.forward, of.parity.discount_factor,
                      leg.implied_vol.value_or(0.2), style.value_or(of.style), exercise});
    for (const auto& row : of.chain.rows) listed.push_back(row.strike);
  }
  MetricsRequest asked;
  asked.book = book;
  asked.spot = front.priced->chain.underlying_price->value();
  asked.markets = values;
  asked.densities = {&front.density, 1};
  asked.fees.per_contract = at(0.65);
  if (as_far) asked.highest_spot = highest_front_spot(*front.density, listed);
  const auto metrics = analyse(asked);
  EXPECT_TRUE(metrics) << metrics.error().message;
  return {*metrics, metrics->densities.front()};
}

// `find` and `analyze` tell one story of one structure: to what the straight lines between the
// finder's spots are worth, strikes being 1 % apart.
TEST(Finder, TellsOfAmericanCalendarsWhatTheBookModelTells) {
  std::mt19937 random(39);
  const auto markets = naive::american_term_structure(random, 3, 80, 120, 1.0);
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  int compared = 0;
  int likelier = 0;   // to profit than under European exercise
  int exercised = 0;  // the right to do so early is worth something
  for (const auto& shape : {strategies::long_put_calendar, strategies::long_put_diagonal,
                            strategies::long_call_calendar, strategies::double_calendar}) {
    SCOPED_TRACE(shape.name);
    auto request = ask(shape, Objective::expected_profit_on_max_loss, 60);
    request.fill = Fill::natural;
    request.fee_per_contract = at(0.65);
    const auto found = find_best(request, expiries);
    ASSERT_TRUE(found);
    ASSERT_FALSE(found->candidates.empty());
    for (const auto& candidate : found->candidates) {
      const auto [metrics, under] = analysed(candidate, expiries);
      const auto [european, under_european] =
          analysed(candidate, expiries, ExerciseStyle::european);
      ASSERT_TRUE(metrics.model_dependent);
      ASSERT_TRUE(candidate.max_loss && candidate.max_profit);
      // What a table of premiums may be off by, of two contracts.
      EXPECT_NEAR(candidate.max_loss->value(), *metrics.max_loss, 1e-6 * 240 * 100 * 2);
      EXPECT_NEAR(candidate.max_profit->value(), *metrics.max_profit, 1e-6 * 240 * 100 * 2);
      EXPECT_NEAR(candidate.pop, under.pop, 2e-3);
      EXPECT_NEAR(candidate.expected_profit, under.expected_profit, 0.1);
      ASSERT_EQ(candidate.breakevens.size(), metrics.breakevens.size());
      for (std::size_t i = 0; i < candidate.breakevens.size(); ++i) {
        // Above the last strike the line is nearly level, and the spots lie 9 % apart.
        EXPECT_NEAR(candidate.breakevens[i], metrics.breakevens[i],
                    candidate.breakevens[i] < 120.0 ? 0.05 : 12.0);
      }
      if (shape.name != strategies::long_call_calendar.name) {
        EXPECT_GT(*european.max_loss, candidate.max_loss->value() + 30.0);
        if (under_european.pop < candidate.pop - 0.015 &&
            european.breakevens.front() > candidate.breakevens.front() + 0.3) {
          ++likelier;
        }
        exercised += std::abs(metrics.early_exercise) > 5.0 ? 1 : 0;
      }
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
  EXPECT_GT(likelier, 70);
  EXPECT_GT(exercised, 25);
}

// Below the lowest strike nobody quotes, and a curve still bends.
TEST(Finder, FindsTheBreakevensBelowTheLowestStrike) {
  std::mt19937 random(39);
  const auto markets = naive::american_term_structure(random, 3, 80, 120, 1.0);
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  auto request = ask(strategies::long_call_calendar, Objective::return_on_risk, 60);
  request.fee_per_contract = at(0.65);
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found);
  int below = 0;
  for (const auto& candidate : found->candidates) {
    const auto told = analysed(candidate, expiries).metrics;
    ASSERT_EQ(candidate.breakevens.size(), told.breakevens.size());
    if (candidate.breakevens.empty() || told.breakevens[0] > 80.0) continue;
    EXPECT_NEAR(candidate.breakevens[0], told.breakevens[0], 0.5);
    ++below;
  }
  EXPECT_GT(below, 0);
}

// A European call in the money loses its yield, the more the higher the spot: a calendar's max loss
// is as deep as one looks.
TEST(Finder, LooksAsFarUpAsTheBookModel) {
  std::vector<Market> markets;
  for (int i = 0; i < 2; ++i) {
    SyntheticMarket made;
    made.years = (30.0 + 60 * i) / 365;
    made.forward = 100.0 * std::exp((made.rate - 0.07) * made.years);
    auto chain = made.chain(80, 120, 2);
    chain.expiry = core::Date{std::chrono::days{20'000 + 60 * i}};
    markets.emplace_back(*refresh(chain, made.years, made.rate));
    markets.back().days = 30 + 60 * i;
  }
  const std::vector expiries{markets[0].expiry(), markets[1].expiry()};
  auto request = ask(strategies::long_call_calendar, Objective::expected_profit, 20);
  request.fee_per_contract = at(0.65);
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found);
  ASSERT_GT(found->candidates.size(), 10u);
  for (const auto& candidate : found->candidates) {
    const auto near = analysed(candidate, expiries).metrics;
    const auto far = analysed(candidate, expiries, std::nullopt, false).metrics;
    EXPECT_NEAR(candidate.max_loss->value(), *near.max_loss, 1e-4);
    EXPECT_NEAR(near.front->highest_spot, 240.0, 1e-9);
    EXPECT_GT(*far.max_loss, *near.max_loss + 10.0);
  }
}

// A negative rate above the yield: a put is exercised inside a band, for which there is no price.
// What two American chains say of the rate between them is a difference of guesses. Here it would
// leave puts between two exercise boundaries, so the growth of the forward is read instead: as a
// rate of its own, without a yield.
TEST(Finder, ReadsTheGrowthOfForwardsWhereTheirRatesLeaveNoBoundary) {
  std::mt19937 random(40);
  auto markets = naive::american_term_structure(random, 2, 90, 110, 1.0);
  auto& parity = markets[1].priced.parity;
  const auto& front = markets[0].priced.parity;
  parity.forward = front.forward * 1.01;
  const std::vector expiries{markets[0].expiry(), markets[1].expiry()};
  const auto search = [&](double discount) {
    parity.discount_factor = front.discount_factor * discount;
    auto request = ask(strategies::long_put_calendar, Objective::return_on_risk, 50);
    request.certificate = true;
    auto found = find_best(request, expiries);
    EXPECT_TRUE(found && verify_certificate(request, expiries, *found));
    return found;
  };
  const auto untenable = search(1.002);
  const auto of_growth = search(1.0 / 1.01);
  ASSERT_GT(of_growth->candidates.size(), 5u);
  ASSERT_EQ(untenable->candidates.size(), of_growth->candidates.size());
  for (std::size_t i = 0; i < of_growth->candidates.size(); ++i) {
    EXPECT_EQ(untenable->candidates[i].legs[0].leg, of_growth->candidates[i].legs[0].leg);
    EXPECT_NEAR(untenable->candidates[i].score, of_growth->candidates[i].score, 1e-9);
    parity.discount_factor = front.discount_factor * 1.002;
    const auto told = analysed(untenable->candidates[i], expiries);
    // It pays fees.
    EXPECT_NEAR(untenable->candidates[i].expected_profit - 1.30, told.under.expected_profit, 0.5);
  }
}

// A European put calendar for nothing: no width, no debit. It loses the interest on its strike all
// the same, so that it has a loss to divide by, and no margin.
TEST(Finder, PassesOverWhatHasNoMarginToDivideBy) {
  std::mt19937 random(44);
  auto markets = term_structure(random, 2, 90, 110, 1.0);
  for (auto& market : markets) {
    for (auto& row : market.priced.chain.rows) {
      if (!row.put || row.strike > at(96)) continue;
      row.put->bid = at(0.05);
      row.put->ask = at(0.10);
    }
  }
  const std::vector expiries{markets[0].expiry(), markets[1].expiry()};
  for (const auto objective : {Objective::expected_profit_on_margin, Objective::return_on_margin}) {
    auto request = ask(strategies::long_put_calendar, objective, 5);
    request.fill = Fill::mid;
    request.certificate = true;
    const auto found = find_best(request, expiries);
    ASSERT_TRUE(found);
    ASSERT_FALSE(found->candidates.empty());
    for (const auto& candidate : found->candidates) {
      EXPECT_TRUE(std::isfinite(candidate.score));
      EXPECT_GT(candidate.margin.value(), Money{});
    }
    EXPECT_TRUE(verify_certificate(request, expiries, *found));
    request.exhaustive = true;
    const auto scanned = find_best(request, expiries);
    ASSERT_TRUE(scanned);
    ASSERT_EQ(scanned->candidates.size(), found->candidates.size());
    for (std::size_t i = 0; i < found->candidates.size(); ++i) {
      EXPECT_EQ(scanned->candidates[i].score, found->candidates[i].score);
    }
    EXPECT_GT(scanned->census->of(Unfit::no_risk), 0);
  }
}

// 3.1 million condors: the scan stands in for the naive search, with which it agrees above.
TEST(Finder, FindsTheSameAsTheScanOfSixtyStrikesASide) {
  std::mt19937 random(29);
  for (int round = 0; round < 2; ++round) {
    const auto in = damaged_market(random, 70.5, 130, 0.5, 150);
    const SearchExpiry expiry = in.expiry();
    for (const auto objective : objectives_of(iron_condor)) {
      for (const double min_pop : {0.0, 0.65}) {
        SCOPED_TRACE(to_string(objective));
        auto request = ask(iron_condor, objective, 100);
        request.fill = round == 0 ? Fill::natural : Fill{0.3};
        request.constraints.sell_out_of_the_money = true;
        request.constraints.min_pop = min_pop;
        const auto found = find_best(request, {&expiry, 1});
        request.exhaustive = true;
        const auto scanned = find_best(request, {&expiry, 1});
        ASSERT_TRUE(found && scanned);
        EXPECT_GT(found->combinations, 700'000);
        EXPECT_LT(found->visited, found->combinations / 2);
        ASSERT_EQ(found->candidates.size(), scanned->candidates.size());
        for (std::size_t i = 0; i < found->candidates.size(); ++i) {
          EXPECT_EQ(found->candidates[i].score, scanned->candidates[i].score);
          EXPECT_EQ(strikes_of(iron_condor, found->candidates[i]),
                    strikes_of(iron_condor, scanned->candidates[i]));
        }
      }
    }
  }
}

TEST(Finder, AgreesWithItselfOnEveryProcessor) {
  std::mt19937 random(31);
  const auto in = damaged_market(random);
  auto request = ask(iron_condor, Objective::expected_profit_on_max_loss, 50);
  request.exhaustive = true;
  const auto expected = find(request, in);
  ASSERT_TRUE(expected);
  for (const auto kernels : available_chain_kernels()) {
    use_chain_kernels(kernels);
    for (const bool exhaustive : {true, false}) {
      request.exhaustive = exhaustive;
      const auto found = find(request, in);
      ASSERT_TRUE(found);
      ASSERT_EQ(found->candidates.size(), expected->candidates.size());
      for (std::size_t i = 0; i < found->candidates.size(); ++i) {
        EXPECT_EQ(found->candidates[i].score, expected->candidates[i].score) << kernels;
      }
      if (exhaustive) {
        EXPECT_EQ(found->census->unfit, expected->census->unfit) << kernels;
      }
    }
  }
  use_chain_kernels({});
}

// Coarse ticks make many combinations score the same.
TEST(Finder, BreaksTiesAlikeHoweverManyAreKept) {
  SyntheticMarket made;
  made.tick = 0.5;
  const Market in(*refresh(made.chain(90, 112, 1), made.years, made.rate));
  auto request = ask(iron_condor);
  request.fill = Fill::mid;
  request.constraints.min_pop = 0.7;
  const SearchExpiry expiry = in.expiry();
  const auto naive = naive::search(request, {&expiry, 1});
  for (request.keep = 1; request.keep < 60; request.keep += 3) {
    for (const bool exhaustive : {false, true}) {
      request.exhaustive = exhaustive;
      const auto found = find(request, in);
      ASSERT_TRUE(found);
      expect_candidates(request, *found, naive);
    }
  }
}

TEST(Finder, TakesALossOfExactlyTheLimit) {
  SyntheticMarket made;
  made.multiplier = 10;  // so that losses have cents, which doubles do not hold exactly
  const Market in(*refresh(made.chain(92, 110, 1.5), made.years, made.rate));
  auto request = ask(iron_condor, Objective::return_on_risk, 200);
  request.fill = Fill::mid;
  const auto all = find(request, in);
  ASSERT_TRUE(all);
  ASSERT_FALSE(all->candidates.empty());
  for (const auto& candidate : all->candidates) {
    const auto within = [&](double limit) {
      auto limited = request;
      limited.constraints.max_loss = limit;
      const auto found = find(limited, in);
      return found && std::ranges::any_of(found->candidates, [&](const Candidate& other) {
               return strikes_of(iron_condor, other) == strikes_of(iron_condor, candidate);
             });
    };
    EXPECT_TRUE(within(candidate.max_loss->value()));
    EXPECT_FALSE(within(candidate.max_loss->value() - 0.001));
  }
}

TEST(Finder, TakesALimitBeyondAllMoneyAsNone) {
  const auto in = market(92, 110, 3);
  auto request = ask(iron_condor);
  request.fill = Fill::mid;
  request.exhaustive = true;
  const auto all = find(request, in);
  ASSERT_TRUE(all);
  ASSERT_GT(all->census->qualified, 0);
  for (const double limit : {1e13, 1e15, 1e300}) {
    request.constraints.max_loss = limit;
    const auto found = find(request, in);
    ASSERT_TRUE(found) << limit;
    EXPECT_EQ(found->census->qualified, all->census->qualified) << limit;
  }
  for (const double limit : {std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), 0.0, -1.0}) {
    request.constraints.max_loss = limit;
    const auto found = find(request, in);
    ASSERT_FALSE(found) << limit;
    EXPECT_EQ(found.error().code, core::Errc::invalid_input) << limit;
  }
}

// A strategy the catalogue does not hold, with a payoff that crosses zero in steeper places.
TEST(Finder, SearchesAnyStrategy) {
  static constexpr std::array butterfly_legs{LegShape{LegKind::call, +1, 0},
                                             LegShape{LegKind::call, -3, 1},
                                             LegShape{LegKind::call, +2, 2}};
  // Crooked in every segment, with stock, and with slope between the halves.
  static constexpr std::array crooked_legs{
      LegShape{LegKind::stock, +1, no_rung}, LegShape{LegKind::put, +2, 0},
      LegShape{LegKind::put, -1, 1},         LegShape{LegKind::call, -1, 1},
      LegShape{LegKind::call, +2, 2},        LegShape{LegKind::call, -2, 3}};
  std::mt19937 random(3);
  const auto in = damaged_market(random);
  auto request = ask({"ratio_butterfly", butterfly_legs}, Objective::return_on_risk, 40);
  request.fill = Fill::mid;
  request.constraints.min_pop = 0.35;
  expect_same(request, in);
  for (const auto objective : objectives_of({"crooked", crooked_legs})) {
    if (is_on_margin(objective)) continue;  // the formula is for strategies that have a name
    request = ask({"crooked", crooked_legs}, objective, 40);
    request.fill = Fill::mid;
    expect_same(request, in);
    request.constraints.min_pop = 0.45;
    expect_same(request, in);
  }
}

TEST(Finder, RefusesObjectivesThatAStrategyHasNoValueFor) {
  const auto in = market(90, 110, 2);
  const auto refused = [&](const StrategyShape& shape, Objective objective) {
    const auto found = find(ask(shape, objective), in);
    return !found && found.error().code == core::Errc::invalid_input;
  };
  for (const auto objective : {Objective::return_on_risk, Objective::expected_profit_on_max_loss,
                               Objective::theta_on_max_loss}) {
    EXPECT_TRUE(refused(strategies::short_strangle, objective)) << to_string(objective);
  }
  EXPECT_TRUE(refused(strategies::long_strangle, Objective::return_on_risk));
  EXPECT_TRUE(refused(strategies::long_strangle, Objective::return_on_margin));
  EXPECT_FALSE(refused(strategies::short_strangle, Objective::return_on_margin));
  EXPECT_FALSE(refused(strategies::long_strangle, Objective::expected_profit_on_max_loss));
  EXPECT_FALSE(refused(strategies::short_strangle, Objective::credit));
  EXPECT_FALSE(refused(strategies::short_strangle, Objective::expected_profit_on_margin));
  auto request = ask(strategies::short_strangle, Objective::credit);
  request.constraints.max_loss = 500.0;
  EXPECT_EQ(find(request, in).error().code, core::Errc::invalid_input);
}

TEST(Finder, CountsEveryCombinationOfListedStrikes) {
  const auto in = market(90, 111, 1);
  auto request = ask(iron_condor);
  request.fill = Fill::mid;
  const auto condors = find(request, in);
  ASSERT_TRUE(condors);
  EXPECT_EQ(condors->combinations, 22 * 21 * 20 * 19 / 24);
  request.strategy = covered_call;
  const auto calls = find(request, in);
  ASSERT_TRUE(calls);
  EXPECT_EQ(calls->combinations, 22);
}

TEST(Finder, SellsOnBothSidesOfTheMarketWhenAsked) {
  const auto in = market(90, 111, 1);
  auto request = ask(iron_condor, Objective::return_on_risk, 500);
  request.constraints.sell_out_of_the_money = true;
  const auto found = find(request, in);
  ASSERT_TRUE(found);
  ASSERT_FALSE(found->candidates.empty());
  for (const auto& candidate : found->candidates) {
    EXPECT_LE(candidate.legs[1].leg.strike.value(), in.priced.parity.forward);
    EXPECT_GE(candidate.legs[2].leg.strike.value(), in.priced.parity.forward);
  }
}

TEST(Finder, DescribesACoveredCallCompletely) {
  const auto in = market(95, 110, 5);
  auto request = ask(covered_call, Objective::return_on_risk, 1);
  request.fee_per_contract = at(0.65);
  const auto found = find(request, in);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->candidates.size(), 1u);
  const auto& best = found->candidates[0];
  const auto& row = in.priced.chain.rows.back();
  const Price bid = *row.call->bid;
  EXPECT_EQ(best.credit, bid);
  EXPECT_EQ(best.fees, at(0.65));
  EXPECT_EQ(best.max_profit, (at(110) - at(100) + bid) * 100 - at(0.65));
  EXPECT_EQ(best.max_loss, (at(100) - bid) * 100 + at(0.65));
  // Half of the shares; the call is not in the money, and its credit is no debit.
  EXPECT_EQ(best.margin, at(5'000));
  EXPECT_DOUBLE_EQ(*best.return_on_margin, best.max_profit->value() / 5'000);
  EXPECT_EQ(best.breakevens, std::vector<double>{(at(100) - bid + at(0.0065)).value()});
  EXPECT_DOUBLE_EQ(best.score, *best.return_on_risk);
  EXPECT_DOUBLE_EQ(*best.annualised_return_simple, *best.return_on_risk * 365 / 60);
  ASSERT_TRUE(best.greeks);
  EXPECT_DOUBLE_EQ(best.greeks->delta, 1.0 - in.priced.rows.back().call->greeks->delta);
  EXPECT_DOUBLE_EQ(best.greeks->vega, -in.priced.rows.back().call->greeks->vega);
  EXPECT_EQ(best.legs[0].leg.quantity, 100);
  EXPECT_NEAR(best.pop, 1 - in.density->cdf(best.breakevens[0]), 1e-15);
}

// T2's widths: what two spreads need is never less than the worst of them.
TEST(Finder, TiesUpTheWiderWingOfACondorAndTheDebitOfASpread) {
  const auto in = market(90, 111, 1);
  const auto condors = find(ask(iron_condor, Objective::expected_profit_on_margin, 60), in);
  ASSERT_TRUE(condors);
  for (const auto& candidate : condors->candidates) {
    const auto strikes = strikes_of(iron_condor, candidate);
    EXPECT_EQ(candidate.margin, std::max(strikes[1] - strikes[0], strikes[3] - strikes[2]) * 100);
    EXPECT_NEAR(candidate.score, candidate.expected_profit / candidate.margin->value(), 1e-12);
  }
  const auto spreads =
      find(ask(strategies::bull_call_spread, Objective::expected_profit_on_margin, 60), in);
  ASSERT_TRUE(spreads);
  for (const auto& candidate : spreads->candidates) {
    EXPECT_EQ(candidate.margin, -candidate.credit * 100);
    EXPECT_EQ(candidate.margin, candidate.max_loss);
  }
}

TEST(Finder, RanksStranglesOnWhatRegulationTAsks) {
  const auto in = market(80, 120, 2);
  for (const auto kind : {UnderlyingKind::equity, UnderlyingKind::broad_index}) {
    auto request = ask(strategies::short_strangle, Objective::expected_profit_on_margin, 400);
    request.underlying_kind = kind;
    const auto found = find(request, in);
    ASSERT_TRUE(found);
    ASSERT_GT(found->candidates.size(), 50u);
    for (const auto& candidate : found->candidates) {
      const auto strikes = strikes_of(strategies::short_strangle, candidate);
      const double share = kind == UnderlyingKind::equity ? 20.0 : 15.0;  // of a spot of 100
      const double put =
          std::max(share - std::max(100.0 - strikes[0].value(), 0.0), 0.1 * strikes[0].value());
      const double call = std::max(share - std::max(strikes[1].value() - 100.0, 0.0), 10.0);
      double put_mark = 0.0;
      double call_mark = 0.0;
      for (const auto& row : in.priced.chain.rows) {
        if (row.strike == strikes[0]) put_mark = row.put->mid()->value();
        if (row.strike == strikes[1]) call_mark = row.call->mid()->value();
      }
      // The dearer side, and the price of the other.
      const double dearer = put + put_mark > call + call_mark + 1e-9 ? put : call;
      ASSERT_TRUE(candidate.margin);
      EXPECT_NEAR(candidate.margin->value(), 100.0 * (dearer + put_mark + call_mark), 1e-6);
      EXPECT_NEAR(candidate.score, candidate.expected_profit / candidate.margin->value(), 1e-12);
      EXPECT_NEAR(*candidate.return_on_margin,
                  100.0 * candidate.credit.value() / candidate.margin->value(), 1e-12);
    }
  }
}

TEST(Finder, RanksStranglesByPremiumOnMargin) {
  const auto in = market(80, 120, 2);
  auto request = ask(strategies::short_strangle, Objective::return_on_margin, 400);
  request.constraints.min_pop = 0.6;
  const auto found = find(request, in);
  ASSERT_TRUE(found);
  ASSERT_GT(found->candidates.size(), 50u);
  for (std::size_t i = 0; i < found->candidates.size(); ++i) {
    const auto& candidate = found->candidates[i];
    EXPECT_FALSE(candidate.max_loss);
    EXPECT_FALSE(candidate.return_on_risk);
    EXPECT_GE(candidate.pop, 0.6);
    EXPECT_DOUBLE_EQ(candidate.score, *candidate.return_on_margin);
    EXPECT_DOUBLE_EQ(candidate.score, candidate.max_profit->value() / candidate.margin->value());
    EXPECT_LE(candidate.score, found->candidates[i - (i > 0 ? 1 : 0)].score);
  }
}

TEST(Finder, KnowsNoMarginOfAdjustedContracts) {
  auto in = market(90, 110, 2);
  in.priced.chain.trading_class = "XYZ1";
  const auto by_margin =
      find(ask(strategies::short_strangle, Objective::expected_profit_on_margin), in);
  ASSERT_FALSE(by_margin);
  EXPECT_EQ(by_margin.error().code, core::Errc::unavailable);
  const auto by_credit = find(ask(strategies::short_strangle, Objective::credit, 1), in);
  ASSERT_TRUE(by_credit);
  EXPECT_FALSE(by_credit->candidates.at(0).margin);
  EXPECT_FALSE(by_credit->candidates.at(0).return_on_margin);
}

TEST(Finder, HasNoAnnualReturnOnTheLastDay) {
  auto in = market(95, 110, 5);
  in.days = 0;
  const auto found = find(ask(covered_call), in);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->candidates.at(0).annualised_return_simple);
}

TEST(Finder, LeavesGreeksOutWhereALegHasNone) {
  auto in = market(95, 110, 5);
  in.priced.rows.back().call->greeks.reset();
  const auto found = find(ask(covered_call, Objective::return_on_risk, 1), in);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->candidates.at(0).greeks);
}

TEST(Finder, SaysWhatIsMissing) {
  auto in = market(95, 110, 5);
  in.priced.chain.underlying_price.reset();
  EXPECT_EQ(find(ask(covered_call), in).error().code, core::Errc::unavailable);
  EXPECT_TRUE(find(ask(iron_condor), in));
  auto request = ask(iron_condor);
  request.constraints.breakevens = {1.0, BreakevenDistance::Unit::percent};
  EXPECT_EQ(find(request, in).error().code, core::Errc::unavailable);
  in.priced.atm_implied_vol.reset();
  EXPECT_FALSE(atm_density(in.priced));
}

TEST(Finder, RefusesRequestsOutOfRange) {
  const auto in = market(95, 110, 5);
  const auto refused = [&](auto change) {
    auto request = ask(iron_condor);
    change(request);
    const auto found = find(request, in);
    return !found && found.error().code == core::Errc::invalid_input;
  };
  EXPECT_TRUE(refused([](auto& r) { r.constraints.min_pop = 60; }));
  EXPECT_TRUE(refused([](auto& r) { r.constraints.max_loss = -1; }));
  EXPECT_TRUE(refused([](auto& r) { r.constraints.widths = {{3, {0, 1}}}; }));
  EXPECT_TRUE(refused([](auto& r) { r.constraints.widths = {{0, {2, 1}}}; }));
  EXPECT_TRUE(refused([](auto& r) { r.constraints.short_delta = {0.3, 0.1}; }));
  EXPECT_TRUE(refused([](auto& r) { r.constraints.max_spread_share = -0.1; }));
  EXPECT_TRUE(refused([](auto& r) { r.objective.clear(); }));
  EXPECT_TRUE(refused([](auto& r) { r.objective[0].weight = std::nan(""); }));
  EXPECT_TRUE(refused([](auto& r) { r.fill = Fill{1.5}; }));
  EXPECT_TRUE(refused([](auto& r) { r.fee_per_contract = at(-1); }));
  EXPECT_TRUE(refused([](auto& r) { r.keep = 0; }));
  EXPECT_FALSE(refused([](auto&) {}));
}

TEST(Finder, RefusesPricesBeyondExactMoneyAndFindsNothingInAnEmptyChain) {
  auto in = market(95, 110, 5);
  auto absurd = in.priced;
  std::swap(absurd, in.priced);
  in.priced.chain.rows.back().strike = at(9e11);
  EXPECT_EQ(find(ask(iron_condor), in).error().code, core::Errc::invalid_input);
  in.priced = absurd;
  in.priced.chain.multiplier = 0;
  EXPECT_EQ(find(ask(iron_condor), in).error().code, core::Errc::invalid_input);
  in.priced = absurd;
  in.priced.chain.rows.clear();
  in.priced.rows.clear();
  for (const bool exhaustive : {false, true}) {
    auto request = ask(iron_condor);
    request.exhaustive = exhaustive;
    const auto found = find(request, in);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->combinations, 0);
    EXPECT_TRUE(found->candidates.empty());
  }
}

TEST(Finder, TellsHowFarItIsAndStopsWhenTold) {
  const auto in = market(80, 120, 0.5);
  const SearchExpiry expiry = in.expiry();
  auto request = ask(iron_condor);
  for (const bool exhaustive : {false, true}) {
    request.exhaustive = exhaustive;
    double last = 0.0;
    int calls = 0;
    const auto found = find_best(request, {&expiry, 1}, [&](const SearchProgress& progress) {
      EXPECT_GE(progress.share, last);
      EXPECT_LE(progress.share, 1.0);
      last = progress.share;
      ++calls;
      return true;
    });
    ASSERT_TRUE(found);
    EXPECT_GT(calls, 0) << exhaustive;
    const auto stopped =
        find_best(request, {&expiry, 1}, [](const SearchProgress&) { return false; });
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, core::Errc::cancelled);
  }
}

// From the profiles of the first expiries on, wherever a search of two expiries spends its time.
TEST(Finder, StopsAStrategyOfTwoExpiriesAtAnyCall) {
  std::mt19937 random(41);
  const auto markets = term_structure(random, 3, 70, 130, 1);
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  for (const bool exhaustive : {false, true}) {
    auto request = ask(strategies::double_diagonal, Objective::expected_profit_on_max_loss);
    request.exhaustive = exhaustive;
    request.constraints.sell_out_of_the_money = true;
    request.constraints.min_pop = 0.3;
    // A scan looks at all: of fewer.
    if (exhaustive) request.constraints.short_delta = {0.2, 0.4};
    if (exhaustive) request.constraints.long_delta = {0.1, 0.3};
    double last = 0.0;
    int calls = 0;
    int before_the_count = 0;
    const auto all = find_best(request, expiries, [&](const SearchProgress& progress) {
      EXPECT_GE(progress.share, last);
      EXPECT_LE(progress.share, 1.0);
      last = progress.share;
      if (progress.share < 0.5) ++before_the_count;
      ++calls;
      return true;
    });
    ASSERT_TRUE(all);
    EXPECT_GT(calls, 20) << exhaustive;
    // With few strikes nothing is worth asking about before the count.
    if (!exhaustive) {
      EXPECT_GT(before_the_count, 3);
    }
    for (int stop = 1; stop <= calls; stop += std::max(calls / 12, 1)) {
      int asked = 0;
      const auto stopped =
          find_best(request, expiries, [&](const SearchProgress&) { return ++asked < stop; });
      ASSERT_FALSE(stopped) << stop << " of " << calls;
      EXPECT_EQ(stopped.error().code, core::Errc::cancelled);
      EXPECT_EQ(asked, stop) << "asked again when told to stop";
    }
  }
}

TEST(Finder, TellsHowFarWhyNotIsAndStopsAtAnyCall) {
  std::mt19937 random(43);
  const auto markets = term_structure(random, 3, 80, 120, 2);
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  const auto request = ask(strategies::double_diagonal, Objective::expected_profit_on_max_loss);
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found);
  ASSERT_FALSE(found->candidates.empty());
  const auto& best = found->candidates.front();
  const NamedCombination named{best.expiries, strikes_of(request.strategy, best)};
  double last = 0.0;
  int calls = 0;
  const auto all = why_not(request, expiries, named, [&](const SearchProgress& progress) {
    EXPECT_GE(progress.share, last);
    EXPECT_LE(progress.share, 1.0);
    last = progress.share;
    ++calls;
    return true;
  });
  ASSERT_TRUE(all);
  EXPECT_EQ(all->rank, 1);
  EXPECT_GT(calls, 10);
  for (int stop = 1; stop <= calls; stop += std::max(calls / 12, 1)) {
    int asked = 0;
    const auto stopped =
        why_not(request, expiries, named, [&](const SearchProgress&) { return ++asked < stop; });
    ASSERT_FALSE(stopped) << stop << " of " << calls;
    EXPECT_EQ(stopped.error().code, core::Errc::cancelled);
  }
}

TEST(Finder, NamesTheWingsOfAStrategy) {
  EXPECT_EQ(wing_gaps(iron_condor), (std::vector{0, 2}));
  EXPECT_EQ(wing_gaps(strategies::long_call_butterfly), (std::vector{0, 1}));
  EXPECT_EQ(wing_gaps(strategies::iron_butterfly), (std::vector{0, 1}));
  EXPECT_EQ(wing_gaps(strategies::jade_lizard), (std::vector{1}));
  EXPECT_TRUE(wing_gaps(strategies::short_strangle).empty());
}

TEST(Finder, ReadsBackTheNamesOfObjectives) {
  for (const auto objective : objectives_of(iron_condor)) {
    EXPECT_EQ(parse_objective(to_string(objective)), objective);
  }
  EXPECT_EQ(parse_objective("luck"), std::nullopt);
}

}  // namespace
}  // namespace bifrost::analysis
