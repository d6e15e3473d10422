// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/certificate.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "finder_naive.hpp"

namespace bifrost::analysis {
namespace {

using naive::at;
using naive::damaged_market;
using naive::Market;

SearchRequest ask(const StrategyShape& strategy, Objective objective, std::size_t keep = 20) {
  SearchRequest request{.strategy = strategy};
  request.objective = {{objective, 1.0}};
  request.keep = keep;
  request.certificate = true;
  request.fill = Fill::mid;
  return request;
}

void expect_proven(const SearchRequest& request, std::span<const SearchExpiry> expiries) {
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(found->certificate);
  const auto& certificate = *found->certificate;
  EXPECT_EQ(certificate.visited + certificate.pruned, found->combinations);
  const auto check = verify_certificate(request, expiries, *found);
  ASSERT_TRUE(check) << to_string(check.error().flaw) << ": " << check.error().what << " at "
                     << check.error().place.value_or(999'999);
  EXPECT_EQ(check->combinations, found->combinations);
  EXPECT_EQ(check->judged, certificate.visited);
}

TEST(Certificate, HoldsForEveryStrategyAndObjective) {
  std::mt19937 random(5);
  int proven = 0;
  for (const auto& shape : catalogue) {
    if (expiry_count(shape) > 1) continue;
    const auto in = damaged_market(random, 88, 112, 2.0);
    const SearchExpiry expiry = in.expiry();
    for (const auto objective :
         {Objective::expected_profit, Objective::expected_profit_on_max_loss,
          Objective::expected_profit_on_margin, Objective::credit, Objective::return_on_risk,
          Objective::return_on_margin, Objective::pop, Objective::theta_on_max_loss}) {
      auto request = ask(shape, objective, 6);
      if (!find_best(request, {&expiry, 1})) continue;
      SCOPED_TRACE(std::string{shape.name} + " by " + std::string{to_string(objective)});
      expect_proven(request, {&expiry, 1});
      request.constraints.min_pop = 0.5;
      request.fee_per_contract = at(0.65);
      expect_proven(request, {&expiry, 1});
      ++proven;
    }
  }
  EXPECT_GT(proven, 150);
}

TEST(Certificate, HoldsUnderConstraintsAndForSums) {
  std::mt19937 random(6);
  for (int round = 0; round < 4; ++round) {
    const auto in = damaged_market(random, 84, 116, 1.0);
    const SearchExpiry expiry = in.expiry();
    auto request = ask(iron_condor, Objective::expected_profit_on_max_loss);
    request.constraints.sell_out_of_the_money = true;
    request.constraints.min_credit = at(0.5);
    request.constraints.max_loss = 400.0;
    request.constraints.min_pop = 0.6;
    request.constraints.widths = {{0, {1.0, 6.0}}, {2, {2.0, 8.0}}};
    request.constraints.breakevens = {1.5, BreakevenDistance::Unit::percent};
    expect_proven(request, {&expiry, 1});
    request.constraints = {};
    request.constraints.short_delta = {0.05, 0.4};
    request.constraints.max_spread_share = 0.5;
    request.constraints.min_size = 3;
    request.constraints.min_open_interest = 20;
    request.fill = Fill::natural;
    expect_proven(request, {&expiry, 1});
    request.objective = {{Objective::return_on_risk, 0.3},
                         {Objective::pop, 1.0},
                         {Objective::expected_profit_on_margin, 2.0},
                         {Objective::credit, -0.05}};
    expect_proven(request, {&expiry, 1});
    request.objective = {{Objective::return_on_margin, 2.0},
                         {Objective::expected_profit_on_margin, 1.0},
                         {Objective::return_on_risk, -0.1}};
    expect_proven(request, {&expiry, 1});
    // Nothing reaches this: no threshold, and every class is visited or unfit.
    request.constraints.min_pop = 0.999;
    expect_proven(request, {&expiry, 1});
  }
}

TEST(Certificate, PrunesNearlyEverythingOfAWideChain) {
  std::mt19937 random(8);
  const auto in = damaged_market(random, 60.5, 140, 0.5, 400);
  const SearchExpiry expiry = in.expiry();
  auto request = ask(iron_condor, Objective::expected_profit_on_max_loss, 100);
  request.constraints.sell_out_of_the_money = true;
  expect_proven(request, {&expiry, 1});
  const auto found = find_best(request, {&expiry, 1});
  EXPECT_GT(found->combinations, 5'000'000);
  EXPECT_LT(found->certificate->visited, found->combinations / 50);
}

TEST(Certificate, HoldsForSeveralExpiries) {
  std::mt19937 random(9);
  std::vector<Market> markets;
  for (int i = 0; i < 3; ++i) {
    auto in = damaged_market(random, 86, 114, 1.0);
    in.priced.chain.expiry = core::Date{std::chrono::days{20'000 + i}};
    in.days = 60 + i;
    markets.push_back(std::move(in));
  }
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  auto request = ask(iron_condor, Objective::return_on_risk);
  expect_proven(request, expiries);
  request.constraints.min_days_to_expiry = 61;
  expect_proven(request, expiries);
}

TEST(Certificate, HoldsForStrategiesOfTwoExpiries) {
  std::mt19937 random(10);
  static constexpr std::array covered_diagonal_legs{LegShape{LegKind::stock, +1, no_rung},
                                                    LegShape{LegKind::put, +1, 0, 1},
                                                    LegShape{LegKind::call, -1, 1}};
  std::vector<StrategyShape> shapes(catalogue.begin(), catalogue.end());
  shapes.push_back({"covered_diagonal", covered_diagonal_legs});
  int proven = 0;
  for (const auto& shape : shapes) {
    if (expiry_count(shape) == 1) continue;
    std::vector<Market> markets;
    for (int i = 0; i < 3; ++i) {
      SyntheticMarket made;
      made.years = (20.0 + 25 * i) / 365;
      made.forward = 100.0 + 0.3 * i;
      made.half_spread = 0.01;
      auto chain = made.chain(92.0 + i, 109, 1);
      chain.expiry = core::Date{std::chrono::days{20'000 + 25 * i}};
      markets.emplace_back(*refresh(chain, made.years, made.rate));
      markets.back().days = 20 + 25 * i;
    }
    std::vector<SearchExpiry> expiries;
    for (const auto& in : markets) expiries.push_back(in.expiry());
    for (const auto objective :
         {Objective::expected_profit, Objective::expected_profit_on_max_loss,
          Objective::expected_profit_on_margin, Objective::credit, Objective::return_on_risk,
          Objective::return_on_margin, Objective::pop, Objective::theta_on_max_loss}) {
      auto request = ask(shape, objective, 8);
      if (!find_best(request, expiries)) continue;
      SCOPED_TRACE(std::string{shape.name} + " by " + std::string{to_string(objective)});
      expect_proven(request, expiries);
      request.constraints.min_pop = 0.45;
      request.constraints.min_credit = at(-6);
      request.fee_per_contract = at(0.65);
      request.constraints.breakevens = {0.5, BreakevenDistance::Unit::percent};
      expect_proven(request, expiries);
      ++proven;
    }
  }
  EXPECT_GT(proven, 60);
}

TEST(Certificate, HoldsForAmericanStrategiesOfTwoExpiries) {
  std::mt19937 random(11);
  auto markets = naive::american_term_structure(random, 2, 92, 110, 2.0);
  // Beyond the table of premiums.
  for (auto& row : markets[1].priced.rows) {
    if (row.put && row.put->implied_vol && row.strike > at(105)) row.put->implied_vol = 2.6;
  }
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  int proven = 0;
  for (const auto& shape : catalogue) {
    if (expiry_count(shape) == 1) continue;
    for (const auto objective :
         {Objective::expected_profit_on_max_loss, Objective::return_on_margin, Objective::pop}) {
      auto request = ask(shape, objective, 8);
      if (!find_best(request, expiries)) continue;
      SCOPED_TRACE(std::string{shape.name} + " by " + std::string{to_string(objective)});
      expect_proven(request, expiries);
      request.constraints.min_pop = 0.4;
      request.constraints.breakevens = {0.5, BreakevenDistance::Unit::percent};
      expect_proven(request, expiries);
      ++proven;
    }
  }
  EXPECT_GT(proven, 15);

  const auto request = ask(strategies::long_put_calendar, Objective::expected_profit, 8);
  const auto found = *find_best(request, expiries);
  ASSERT_EQ(found.candidates.size(), 8u);
  const auto verdict = [&](const auto& tamper) -> std::optional<CertificateFlaw> {
    auto told = found;
    tamper(told.candidates[1]);
    const auto check = verify_certificate(request, expiries, told);
    return check ? std::nullopt : std::optional{check.error().flaw};
  };
  EXPECT_EQ(verdict([](Candidate&) {}), std::nullopt);
  EXPECT_EQ(verdict([](Candidate& c) { c.max_loss = *c.max_loss - at(0.01); }),
            CertificateFlaw::candidate_numbers);
  EXPECT_EQ(verdict([](Candidate& c) { c.expected_profit += 1e-4; }),
            CertificateFlaw::candidate_numbers);
  EXPECT_EQ(verdict([](Candidate& c) { c.breakevens[0] += 1e-4; }),
            CertificateFlaw::candidate_numbers);
  EXPECT_EQ(verdict([](Candidate& c) { c.pop += 1e-5; }), CertificateFlaw::candidate_numbers);
  // What was found for American options is not true of European ones.
  for (auto& in : markets) in.priced.style = ExerciseStyle::european;
  EXPECT_EQ(verdict([](Candidate&) {}), CertificateFlaw::candidate_numbers);
}

// Every lie that changes what is claimed is found.
class TamperedCertificate : public ::testing::Test {
 protected:
  TamperedCertificate() : random_(12), in_(damaged_market(random_, 84, 116, 1.0)) {
    // What earns most loses most, so that the constraint settles classes too.
    request_ = ask(iron_condor, Objective::credit);
    request_.constraints.sell_out_of_the_money = true;
    request_.constraints.max_loss = 250.0;
    request_.constraints.min_pop = 0.5;
    expiry_ = in_.expiry();
    result_ = *find_best(request_, {&expiry_, 1});
  }

  std::optional<CertificateFlaw> verdict(const FinderResult& result) const {
    const auto check = verify_certificate(request_, {&expiry_, 1}, result);
    return check ? std::nullopt : std::optional{check.error().flaw};
  }
  std::optional<CertificateFlaw> after(const std::function<void(FinderResult&)>& tamper) const {
    auto result = result_;
    tamper(result);
    return verdict(result);
  }
  static std::size_t first_of(const FinderResult& result, CertificateClass::End end) {
    const auto& classes = result.certificate->classes;
    const auto found = std::ranges::find(classes, end, &CertificateClass::end);
    EXPECT_NE(found, classes.end());
    return static_cast<std::size_t>(found - classes.begin());
  }

  std::mt19937 random_;
  Market in_;
  SearchRequest request_{.strategy = iron_condor};
  SearchExpiry expiry_{};
  FinderResult result_;
};

TEST_F(TamperedCertificate, IsGoodBeforeItIsTamperedWith) {
  EXPECT_EQ(verdict(result_), std::nullopt);
  for (const auto end : {CertificateClass::End::visited, CertificateClass::End::bounded,
                         CertificateClass::End::unfit}) {
    first_of(result_, end);
  }
}

TEST_F(TamperedCertificate, LacksAClass) {
  for (std::size_t k = 0; k < result_.certificate->classes.size(); k += 97) {
    EXPECT_EQ(after([k](FinderResult& r) {
                r.certificate->classes.erase(r.certificate->classes.begin() +
                                             static_cast<std::ptrdiff_t>(k));
              }).has_value(),
              true);
  }
  EXPECT_EQ(after([](FinderResult& r) {
              auto& classes = r.certificate->classes;
              const auto k = first_of(r, CertificateClass::End::bounded);
              r.certificate->pruned -= classes[k].combinations;
              r.certificate->combinations -= classes[k].combinations;
              r.combinations -= classes[k].combinations;
              r.certificate->boards[0].combinations -= classes[k].combinations;
              classes.erase(classes.begin() + static_cast<std::ptrdiff_t>(k));
            }),
            CertificateFlaw::total_count);
}

TEST_F(TamperedCertificate, CountsAClassTwiceInPlaceOfAnother) {
  EXPECT_EQ(after([](FinderResult& r) {
              auto& classes = r.certificate->classes;
              for (std::size_t a = 0; a < classes.size(); ++a) {
                for (std::size_t b = a + 1; b < classes.size(); ++b) {
                  if (classes[a].combinations == classes[b].combinations &&
                      classes[a].end == classes[b].end) {
                    classes[b] = classes[a];
                    return;
                  }
                }
              }
              ADD_FAILURE() << "no two classes of one size";
            }),
            CertificateFlaw::classes_overlap);
}

TEST_F(TamperedCertificate, HasAWrongBound) {
  for (const auto end : {CertificateClass::End::bounded, CertificateClass::End::unfit}) {
    const auto change = [&](double by) {
      return after([&](FinderResult& r) { r.certificate->classes[first_of(r, end)].bound += by; });
    };
    EXPECT_EQ(change(-0.01), CertificateFlaw::class_bound);
    EXPECT_EQ(change(1e6), CertificateFlaw::class_bound);
    EXPECT_EQ(change(std::nan("")), CertificateFlaw::class_bound);
  }
}

TEST_F(TamperedCertificate, ClosesAClassThatHoldsACandidate) {
  const auto holding = [](const FinderResult& r) {
    const auto strikes = naive::strikes_of(iron_condor, r.candidates.at(0));
    for (std::size_t k = 0; k < r.certificate->classes.size(); ++k) {
      const auto& claim = r.certificate->classes[k];
      bool inside = true;
      for (std::size_t rung = 0; rung < 4; ++rung) {
        inside = inside && claim.strikes[rung].low <= strikes[rung] &&
                 strikes[rung] <= claim.strikes[rung].high;
      }
      if (inside) return k;
    }
    return r.certificate->classes.size();
  };
  for (const auto why :
       {std::optional<Unfit>{}, std::optional{Unfit::max_loss}, std::optional{Unfit::pop}}) {
    EXPECT_EQ(after([&](FinderResult& r) {
                auto& claim = r.certificate->classes.at(holding(r));
                EXPECT_EQ(claim.end, CertificateClass::End::visited);
                claim.end = why ? CertificateClass::End::unfit : CertificateClass::End::bounded;
                claim.why = why;
                claim.bound = why ? -0.01 : *r.certificate->threshold - 0.001;
                r.certificate->visited -= claim.combinations;
                r.certificate->pruned += claim.combinations;
              }),
              CertificateFlaw::class_bound);
  }
}

TEST_F(TamperedCertificate, NamesAConstraintNobodyAskedFor) {
  EXPECT_EQ(after([](FinderResult& r) {
              r.certificate->classes[first_of(r, CertificateClass::End::unfit)].why = Unfit::width;
            }),
            CertificateFlaw::class_end);
}

TEST_F(TamperedCertificate, SwapsCandidates) {
  EXPECT_EQ(after([](FinderResult& r) { std::swap(r.candidates[2], r.candidates[7]); }),
            CertificateFlaw::candidate_order);
}

TEST_F(TamperedCertificate, PutsALesserCandidateInPlaceOfABetterOne) {
  auto longer = request_;
  longer.keep = 60;
  const auto more = find_best(longer, {&expiry_, 1});
  ASSERT_TRUE(more);
  ASSERT_EQ(more->candidates.size(), 60u);
  EXPECT_EQ(after([&](FinderResult& r) {
              r.candidates.erase(r.candidates.begin() + 4);
              r.candidates.push_back(more->candidates[40]);
              r.certificate->threshold = r.candidates.back().score;
            }).has_value(),
            true);
  // With a search of its own for a lower threshold: only the missing one gives it away.
  auto shorter = request_;
  shorter.keep = 21;
  const auto longer_by_one = *find_best(shorter, {&expiry_, 1});
  auto tampered = longer_by_one;
  tampered.candidates.erase(tampered.candidates.begin() + 4);
  EXPECT_EQ(verdict(tampered), CertificateFlaw::candidate_missing);
}

TEST_F(TamperedCertificate, FlattersACandidate) {
  EXPECT_EQ(after([](FinderResult& r) { r.candidates[0].score *= 1.001; }),
            CertificateFlaw::candidate_numbers);
  EXPECT_EQ(after([](FinderResult& r) { r.candidates[3].pop += 0.01; }),
            CertificateFlaw::candidate_numbers);
  const auto after_one = [&](auto change) {
    return after([&](FinderResult& r) { change(r.candidates[2]); });
  };
  const Money cent = at(0.01);
  for (const auto verdict : {
           after_one([&](Candidate& c) { c.credit = c.credit + cent; }),
           after_one([&](Candidate& c) { c.fees = c.fees + cent; }),
           after_one([&](Candidate& c) { c.max_loss = *c.max_loss - cent; }),
           after_one([&](Candidate& c) { c.max_profit.reset(); }),
           after_one([&](Candidate& c) { c.expected_profit += 0.01; }),
           after_one([&](Candidate& c) { c.breakevens.pop_back(); }),
           after_one([&](Candidate& c) { c.breakevens[0] -= 0.01; }),
           after_one([&](Candidate& c) { c.legs[1].leg.quantity *= 2; }),
           after_one(
               [&](Candidate& c) { c.legs[3].leg.entry_price = c.legs[3].leg.entry_price - cent; }),
       }) {
    EXPECT_EQ(verdict, CertificateFlaw::candidate_numbers);
  }
}

TEST_F(TamperedCertificate, MovesTheThreshold) {
  EXPECT_EQ(after([](FinderResult& r) { *r.certificate->threshold += 0.01; }),
            CertificateFlaw::threshold);
  EXPECT_EQ(after([](FinderResult& r) { r.certificate->threshold.reset(); }),
            CertificateFlaw::threshold);
  EXPECT_EQ(after([](FinderResult& r) { r.candidates.pop_back(); }), CertificateFlaw::threshold);
}

TEST_F(TamperedCertificate, MisreportsItsSums) {
  EXPECT_EQ(after([](FinderResult& r) {
              ++r.certificate->visited;
              --r.certificate->pruned;
            }),
            CertificateFlaw::total_count);
  EXPECT_EQ(after([](FinderResult& r) { r.certificate->boards.clear(); }), CertificateFlaw::boards);
  EXPECT_EQ(after([](FinderResult& r) { r.certificate.reset(); }), CertificateFlaw::none_given);
  EXPECT_EQ(after([](FinderResult& r) { ++r.certificate->classes[3].combinations; }),
            CertificateFlaw::class_count);
}

TEST_F(TamperedCertificate, BelongsToAnotherChain) {
  auto other = in_.priced;
  auto& quote = *other.chain.rows[other.chain.rows.size() / 2 + 4].call;
  if (quote.bid && quote.ask) {
    quote.bid = *quote.bid + at(0.5);
    quote.ask = *quote.ask + at(0.5);
  } else {
    quote.bid = at(2);
    quote.ask = at(2.5);
  }
  const SearchExpiry expiry{&other, in_.density.get(), in_.days};
  EXPECT_FALSE(verify_certificate(request_, {&expiry, 1}, result_));
}

// ---- why not ----

TEST(WhyNot, RanksEveryCombinationWhereTheNaiveSearchDoes) {
  std::mt19937 random(14);
  const auto in = damaged_market(random, 90, 112, 2.0);
  const SearchExpiry expiry = in.expiry();
  for (const double min_pop : {0.0, 0.4}) {
    for (const auto objective :
         {Objective::return_on_risk, Objective::credit, Objective::expected_profit_on_margin,
          Objective::return_on_margin, Objective::pop}) {
      auto request = ask(iron_condor, objective, 10);
      request.constraints.min_pop = min_pop;
      request.constraints.max_loss = 900.0;
      const auto naive = naive::search(request, {&expiry, 1});
      ASSERT_GT(naive.qualified.size(), 30u);
      for (std::size_t i = 0; i < naive.qualified.size(); i += 7) {
        // Sums of doubles may tie but for their last bits; then there is no telling.
        const auto near = [&](std::size_t other) {
          return objective != Objective::return_on_risk &&
                 objective != Objective::return_on_margin && objective != Objective::credit &&
                 other < naive.qualified.size() &&
                 std::abs(naive.qualified[other].score - naive.qualified[i].score) < 1e-11;
        };
        if (near(i - 1) || near(i + 1)) continue;
        const auto answer = why_not(request, {&expiry, 1}, {{0}, naive.qualified[i].strikes});
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_FALSE(answer->unusable);
        EXPECT_FALSE(answer->unfit);
        EXPECT_EQ(answer->rank, static_cast<std::int64_t>(i) + 1) << to_string(objective);
        ASSERT_TRUE(answer->candidate);
        EXPECT_NEAR(answer->candidate->score, naive.qualified[i].score, 1e-11);
        EXPECT_NEAR(*answer->threshold, naive.qualified[9].score, 1e-11);
      }
    }
  }
}

// Sums only bound the margin of a short call with a short put; of what cannot win the return is
// negative, and everything that fits comes before it.
TEST(WhyNot, RanksWhatIsSoldNakedByItsReturnOnMargin) {
  std::mt19937 random(15);
  const auto in = damaged_market(random, 90, 112, 2.0);
  const SearchExpiry expiry = in.expiry();
  for (const auto& shape :
       {strategies::short_strangle, strategies::jade_lizard, strategies::call_front_ratio}) {
    SCOPED_TRACE(shape.name);
    auto request = ask(shape, Objective::return_on_margin, 5);
    request.fee_per_contract = at(0.65);
    request.fill = Fill::natural;
    const auto naive = naive::search(request, {&expiry, 1});
    const auto& all = naive.qualified;
    ASSERT_GT(all.size(), 20u);
    for (std::size_t i = 0; i < all.size(); i += 3) {
      const auto answer = why_not(request, {&expiry, 1}, {{0}, all[i].strikes});
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->rank, static_cast<std::int64_t>(i) + 1);
      EXPECT_NEAR(answer->candidate->score, all[i].score, 1e-11);
      // A quote of one side has no middle.
      EXPECT_GT(answer->score_without_costs.value_or(1e9), all[i].score);
    }
    request.fee_per_contract = at(5'000);
    const auto worthless = naive::search(request, {&expiry, 1});
    EXPECT_EQ(worthless.census.of(Unfit::no_profit), worthless.census.combinations);
    const auto answer = why_not(request, {&expiry, 1}, {{0}, all[0].strikes});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->unfit, Unfit::no_profit);
    EXPECT_LT(answer->candidate->score, 0.0);
    EXPECT_EQ(answer->rank, 1);
  }
}

TEST(WhyNot, NamesTheFirstConstraintOrLegThatStandsInTheWay) {
  auto in = naive::market(90, 110, 1);
  in.priced.chain.rows[3].put.reset();           // 93
  in.priced.chain.rows[18].call->bid = Price{};  // 108
  const SearchExpiry expiry = in.expiry();
  auto request = ask(iron_condor, Objective::return_on_risk, 5);
  request.fill = Fill::natural;
  const auto answer = [&](std::vector<Price> strikes) {
    return *why_not(request, {&expiry, 1}, {{0}, std::move(strikes)});
  };
  EXPECT_EQ(answer({at(93), at(95), at(104), at(106)}).unusable->why, UnusableLeg::not_listed);
  EXPECT_EQ(answer({at(93), at(95), at(104), at(106)}).unusable->leg, 0u);
  EXPECT_EQ(answer({at(92), at(95.5), at(104), at(106)}).unusable->why, UnusableLeg::not_listed);
  EXPECT_EQ(answer({at(92), at(95), at(108), at(110)}).unusable->why, UnusableLeg::no_price);
  EXPECT_EQ(answer({at(92), at(95), at(108), at(110)}).unusable->leg, 2u);
  request.constraints.sell_out_of_the_money = true;
  EXPECT_EQ(answer({at(92), at(103), at(104), at(106)}).unusable->why, UnusableLeg::in_the_money);
  request.constraints.min_size = 11;
  EXPECT_EQ(answer({at(92), at(95), at(104), at(106)}).unusable->why, UnusableLeg::size);
  request.constraints = {};
  request.constraints.min_pop = 0.95;
  const auto unlikely = answer({at(92), at(97), at(104), at(109)});
  EXPECT_EQ(unlikely.unfit, Unfit::pop);
  ASSERT_TRUE(unlikely.candidate);
  EXPECT_LT(unlikely.candidate->pop, 0.95);
  EXPECT_TRUE(unlikely.rank);
  request.constraints = {};
  request.constraints.max_loss = 100.0;
  EXPECT_EQ(answer({at(92), at(97), at(104), at(109)}).unfit, Unfit::max_loss);
  request.constraints = {};
  request.constraints.min_days_to_expiry = 90;
  EXPECT_EQ(answer({at(92), at(97), at(104), at(109)}).unusable->why, UnusableLeg::days_to_expiry);
}

TEST(WhyNot, ShowsWhenItIsTheCosts) {
  const auto in = naive::market(90, 110, 1);
  const SearchExpiry expiry = in.expiry();
  auto request = ask(iron_condor, Objective::return_on_risk, 20);
  const auto free = find_best(request, {&expiry, 1});
  ASSERT_TRUE(free);
  request.fill = Fill::natural;
  request.fee_per_contract = at(1.0);
  const auto strikes = naive::strikes_of(iron_condor, free->candidates[0]);
  const auto answer = why_not(request, {&expiry, 1}, {{0}, strikes});
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->score_without_costs);
  EXPECT_DOUBLE_EQ(*answer->score_without_costs, free->candidates[0].score);
  if (answer->candidate) {
    EXPECT_LT(answer->candidate->score, *answer->score_without_costs);
  }
}

TEST(WhyNot, RanksAPairOfExpiries) {
  std::vector<Market> markets;
  for (int i = 0; i < 3; ++i) {
    SyntheticMarket made;
    made.years = (20.0 + 25 * i) / 365;
    auto chain = made.chain(94, 107, 1);
    chain.expiry = core::Date{std::chrono::days{20'000 + 25 * i}};
    markets.emplace_back(*refresh(chain, made.years, made.rate));
    markets.back().days = 20 + 25 * i;
  }
  std::vector<SearchExpiry> expiries;
  for (const auto& in : markets) expiries.push_back(in.expiry());
  const auto request =
      ask(strategies::long_call_diagonal, Objective::expected_profit_on_max_loss, 30);
  const auto found = find_best(request, expiries);
  ASSERT_TRUE(found);
  for (std::size_t i = 0; i < found->candidates.size(); i += 6) {
    const auto& listed = found->candidates[i];
    const auto answer =
        why_not(request, expiries, {listed.expiries, naive::strikes_of(request.strategy, listed)});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rank, static_cast<std::int64_t>(i) + 1);
    EXPECT_DOUBLE_EQ(answer->candidate->score, listed.score);
  }
}

TEST(WhyNot, TellsHowFarItIsAndStopsWhenTold) {
  const auto in = naive::market(80, 120, 0.5);
  const SearchExpiry expiry = in.expiry();
  const auto request = ask(iron_condor, Objective::return_on_risk, 5);
  const NamedCombination combination{{0}, {at(92), at(95), at(104), at(106)}};
  double last = 0.0;
  const auto answer = why_not(request, {&expiry, 1}, combination, [&](const SearchProgress& p) {
    EXPECT_GE(p.share, last);
    EXPECT_LE(p.share, 1.0);
    last = p.share;
    return true;
  });
  ASSERT_TRUE(answer);
  EXPECT_GT(last, 0.0);
  const auto stopped =
      why_not(request, {&expiry, 1}, combination, [](const SearchProgress&) { return false; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, core::Errc::cancelled);
}

TEST(WhyNot, RefusesWhatIsNoCombination) {
  const auto in = naive::market(90, 110, 1);
  const SearchExpiry expiry = in.expiry();
  const auto request = ask(iron_condor, Objective::return_on_risk, 5);
  const auto refused = [&](NamedCombination combination) {
    const auto answer = why_not(request, {&expiry, 1}, combination);
    return !answer && answer.error().code == core::Errc::invalid_input;
  };
  EXPECT_TRUE(refused({{0}, {at(92), at(95), at(104)}}));
  EXPECT_TRUE(refused({{0}, {at(95), at(92), at(104), at(106)}}));
  EXPECT_TRUE(refused({{1}, {at(92), at(95), at(104), at(106)}}));
  EXPECT_TRUE(refused({{}, {at(92), at(95), at(104), at(106)}}));
}

}  // namespace
}  // namespace bifrost::analysis
