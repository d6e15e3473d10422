// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <random>
#include <vector>

#include "bifrost/analysis/american_chain.hpp"
#include "bifrost/analysis/certificate.hpp"
#include "bifrost/analysis/finder.hpp"
#include "finder_later.hpp"

// 200 strikes a side: puts at or below the forward and calls at or above it are sold, so that a
// condor is one of 19,900 put verticals with one of 19,900 call verticals. Each figure says which
// share of the combinations was looked at, and whether the answer is that of the exhaustive scan.
namespace bifrost::analysis {
namespace {

constexpr double forward = 5010.0;

PricedChain board(int strikes, double days) {
  ExpiryChain chain{.underlying = "BENCH",
                    .trading_class = "BENCH",
                    .expiry = core::Date{std::chrono::days{20'000 + static_cast<int>(days)}},
                    .multiplier = 100,
                    .underlying_price = Price::from_double(5000),
                    .rows = {}};
  std::mt19937 random(static_cast<unsigned>(days));
  const double years = days / 365;
  const double step = 5.0;
  for (int i = 0; i < strikes; ++i) {
    const double strike = 5010 + step * (i - strikes / 2) + 2.5;
    const double k = std::log(strike / forward);
    const ForwardInputs in{forward, strike, years, std::exp(-0.045 * years),
                           0.15 - 0.4 * k + 2 * k * k};
    const auto side = [&](Right right) {
      const double fair = black_scholes_price(right, in);
      const double tick = fair < 3.0 ? 0.05 : 0.10;
      // Makers lean: the middle is off by up to a tick, the spread one to three of them.
      const double middle = fair + tick * std::uniform_real_distribution<double>(-0.5, 0.5)(random);
      const double half = tick * std::uniform_real_distribution<double>(0.5, 1.5)(random);
      return OptionSide{
          Price::from_double(std::max(std::floor((middle - half) / tick), 0.0) * tick),
          Price::from_double(std::ceil((middle + half) / tick) * tick), 10, 10, 100};
    };
    chain.rows.push_back({*Price::from_double(strike), side(Right::call), side(Right::put)});
  }
  return *refresh(chain, years, 0.045);
}

struct Market {
  std::vector<PricedChain> chains;
  std::vector<DensityPtr> densities;
  std::vector<SearchExpiry> expiries;
};

Market market(int strikes, int expiries) {
  Market made;
  for (int i = 0; i < expiries; ++i) made.chains.push_back(board(strikes, 30.0 + 15 * i));
  for (const auto& chain : made.chains) {
    made.densities.push_back(lognormal_density(*atm_density(chain)));
    made.expiries.push_back({&chain, made.densities.back().get(),
                             static_cast<int>(std::lround(chain.years_to_expiry * 365))});
  }
  return made;
}

// The same quotes as of an American name.
Market american_market(int strikes, int expiries) {
  Market made;
  for (int i = 0; i < expiries; ++i) {
    const auto european = board(strikes, 30.0 + 15 * i);
    const auto terms = american_terms(european.parity, european.chain.underlying_price->value(),
                                      european.years_to_expiry);
    made.chains.push_back(
        refresh_american(european.chain, european.parity, AmericanSurfaces::build(terms).value()));
  }
  for (const auto& chain : made.chains) {
    made.densities.push_back(lognormal_density(*atm_density(chain)));
    made.expiries.push_back({&chain, made.densities.back().get(),
                             static_cast<int>(std::lround(chain.years_to_expiry * 365))});
  }
  return made;
}

SearchRequest request(Objective objective) {
  return {.strategy = iron_condor,
          .objective = {{objective, 1.0}},
          .constraints = {.sell_out_of_the_money = true},
          .fill = Fill::natural,
          .fee_per_contract = {},
          .keep = 100,
          .exhaustive = false,
          .certificate = false};
}

bool same(const FinderResult& a, const FinderResult& b) {
  return std::ranges::equal(a.candidates, b.candidates, [](const Candidate& x, const Candidate& y) {
    return x.score == y.score && x.expiries == y.expiries &&
           std::ranges::equal(x.legs, y.legs, [](const CandidateLeg& p, const CandidateLeg& q) {
             return p.leg.strike == q.leg.strike;
           });
  });
}

void report(benchmark::State& state, const FinderResult& result) {
  state.counters["combinations"] = static_cast<double>(result.combinations);
  state.counters["visited_share"] =
      static_cast<double>(result.visited) /
      static_cast<double>(std::max<std::int64_t>(result.combinations, 1));
  state.counters["threshold"] = result.candidates.empty() ? 0.0 : result.candidates.back().score;
}

void search(benchmark::State& state, const Market& in, SearchRequest asked, bool compare) {
  FinderResult result;
  for (auto _ : state) result = *find_best(asked, in.expiries);
  report(state, result);
  if (!compare) return;
  asked.exhaustive = true;
  state.counters["equal_to_scan"] = same(result, *find_best(asked, in.expiries)) ? 1 : 0;
}

// Another's check of the certificate of the first figure, in code of its own.
void verify_condors(benchmark::State& state) {
  static const Market in = market(400, 1);
  auto asked = request(Objective::expected_profit_on_max_loss);
  asked.certificate = true;
  const auto found = *find_best(asked, in.expiries);
  bool good = true;
  for (auto _ : state) good = good && verify_certificate(asked, in.expiries, found).has_value();
  state.counters["good"] = good ? 1 : 0;
  state.counters["classes"] = static_cast<double>(found.certificate->classes.size());
}
BENCHMARK(verify_condors)->Unit(benchmark::kMillisecond);

void why_not_condors(benchmark::State& state) {
  static const Market in = market(400, 1);
  const auto asked = request(Objective::expected_profit_on_max_loss);
  const auto strike = [](int row) {
    return in.chains[0].chain.rows[static_cast<std::size_t>(row)].strike;
  };
  for (auto _ : state) {
    const auto answer =
        why_not(asked, in.expiries, {{0}, {strike(150), strike(170), strike(230), strike(250)}});
    state.counters["rank"] = static_cast<double>(answer->rank.value_or(0));
  }
}
BENCHMARK(why_not_condors)->Unit(benchmark::kMillisecond);

[[maybe_unused]] const bool registered = [] {
  const auto add = [](const char* name, int expiries, const SearchRequest& asked, bool compare) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
      static std::map<int, Market> markets;
      if (!markets.contains(expiries)) markets.emplace(expiries, market(400, expiries));
      search(state, markets.at(expiries), asked, compare);
    })->Unit(benchmark::kMillisecond);
  };
  const auto base = request(Objective::expected_profit_on_max_loss);
  add("condors_200_a_side/expected_profit_on_max_loss", 1, base, true);
  auto with = base;
  with.certificate = true;
  add("condors_200_a_side/with_certificate", 1, with, false);
  with = base;
  with.fill = Fill::mid;
  add("condors_200_a_side/at_mid", 1, with, true);
  with = base;
  with.constraints.min_pop = 0.6;
  add("condors_200_a_side/min_pop_60", 1, with, false);
  with.constraints.min_pop = 0.8;
  add("condors_200_a_side/min_pop_80", 1, with, false);
  with = base;
  with.constraints.min_credit = Price::from_double(10);
  add("condors_200_a_side/min_credit_10", 1, with, true);
  with.constraints.min_pop = 0.7;
  add("condors_200_a_side/min_credit_10_min_pop_70", 1, with, false);
  add("condors_200_a_side/return_on_risk", 1, request(Objective::return_on_risk), true);
  add("condors_200_a_side/credit", 1, request(Objective::credit), true);
  add("condors_200_a_side/expected_profit_on_margin", 1,
      request(Objective::expected_profit_on_margin), true);
  with = request(Objective::return_on_risk);
  with.constraints.min_pop = 0.7;
  add("condors_200_a_side/return_on_risk_min_pop_70", 1, with, false);
  add("condors_200_a_side/pop", 1, request(Objective::pop), false);
  with = base;
  with.constraints.sell_out_of_the_money = false;
  add("condors_of_400/anywhere", 1, with, true);
  with = base;
  with.exhaustive = true;
  with.fill = Fill::mid;
  add("condors_200_a_side/exhaustive_at_mid", 1, with, false);
  with.fill = Fill::natural;
  add("condors_200_a_side/exhaustive", 1, with, false);
  with.constraints.min_pop = 0.6;
  add("condors_200_a_side/exhaustive_min_pop_60", 1, with, false);
  add("condors_12_expiries/expected_profit_on_max_loss", 12, base, true);
  with = base;
  with.strategy = strategies::long_call_calendar;
  add("calendars_12_expiries/expected_profit_on_max_loss", 12, with, false);
  with.strategy = strategies::long_call_diagonal;
  add("diagonals_12_expiries/expected_profit_on_max_loss", 12, with, false);
  return true;
}();

// Of one pair of expiries: later legs with early exercise, and what checking them takes.
void put_calendars_of_200(benchmark::State& state, bool american) {
  const Market in = american ? american_market(200, 2) : market(200, 2);
  auto asked = request(Objective::expected_profit_on_max_loss);
  asked.strategy = strategies::long_put_calendar;
  search(state, in, asked, false);
}
BENCHMARK_CAPTURE(put_calendars_of_200, european, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(put_calendars_of_200, american, true)->Unit(benchmark::kMillisecond);

// What the prices of later puts are off by, as a share of the larger of spot and strike, against
// one option alone: every pair of expiries, some strikes, spots far and near.
double worst_later_price(const Market& in) {
  double worst = 0.0;
  for (std::size_t f = 0; f < in.chains.size(); ++f) {
    for (std::size_t b = f + 1; b < in.chains.size(); ++b) {
      const auto& front = in.chains[f];
      const auto& back = in.chains[b];
      const finder::LaterOptions later(front, back, Right::put);
      std::vector<std::size_t> rows;
      for (std::size_t row = (f + b) % 5; row < back.rows.size(); row += 5) {
        if (later.can_price(row)) rows.push_back(row);
      }
      const double years = back.years_to_expiry - front.years_to_expiry;
      const double growth = back.parity.forward / front.parity.forward;
      const double rate = -std::log(american_discount(
                              Right::put, growth,
                              back.parity.discount_factor / front.parity.discount_factor, years)) /
                          years;
      std::vector<double> spots{0.0};
      for (const double share : {0.8, 0.97, 1.0, 1.03, 1.2}) {
        spots.push_back(share * front.parity.forward);
      }
      const OnProgress nobody;
      finder::Progress progress(nobody);
      const auto curves = *later.curves(rows, spots, progress);
      for (std::size_t g = 1; g < spots.size(); ++g) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const auto& row = back.rows[rows[i]];
          const double strike = row.strike.value();
          const double alone =
              american_price(Right::put, {spots[g], strike, years, rate,
                                          rate - std::log(growth) / years, *row.put->implied_vol})
                  .value();
          worst = std::max(worst, std::abs(curves.worth[i * spots.size() + g] - alone) /
                                      std::max(spots[g], strike));
        }
      }
    }
  }
  return worst;
}

// Calendars of every pair of expiries, and how much longer they take than European ones do.
void put_calendars_of_14_expiries(benchmark::State& state) {
  static const Market european = market(100, 14);
  static const Market american = american_market(100, 14);
  auto asked = request(Objective::expected_profit_on_max_loss);
  asked.strategy = strategies::long_put_calendar;
  const auto seconds = [&](const Market& in) {
    const std::clock_t start = std::clock();
    benchmark::DoNotOptimize(find_best(asked, in.expiries));
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  double plain = 0.0;
  double early = 0.0;
  for (auto _ : state) {
    early += seconds(american);
    state.PauseTiming();
    plain += seconds(european);
    state.ResumeTiming();
  }
  state.counters["of_european"] = early / plain;
  state.counters["max_error"] = worst_later_price(american);
}
BENCHMARK(put_calendars_of_14_expiries)->Unit(benchmark::kMillisecond);

// A board of American expiries, as it is loaded.
void refresh_14_american_expiries(benchmark::State& state) {
  std::vector<PricedChain> plain;
  for (int i = 0; i < 14; ++i) plain.push_back(board(100, 30.0 + 15 * i));
  for (auto _ : state) {
    for (const auto& in : plain) {
      const auto terms =
          american_terms(in.parity, in.chain.underlying_price->value(), in.years_to_expiry);
      benchmark::DoNotOptimize(
          refresh_american(in.chain, in.parity, AmericanSurfaces::build(terms).value()));
    }
  }
}
BENCHMARK(refresh_14_american_expiries)->Unit(benchmark::kMillisecond);

void verify_put_calendars_of_200(benchmark::State& state) {
  const Market in = american_market(200, 2);
  auto asked = request(Objective::expected_profit_on_max_loss);
  asked.strategy = strategies::long_put_calendar;
  asked.certificate = true;
  const auto found = *find_best(asked, in.expiries);
  bool good = true;
  for (auto _ : state) good = good && verify_certificate(asked, in.expiries, found).has_value();
  state.counters["good"] = good ? 1 : 0;
}
BENCHMARK(verify_put_calendars_of_200)->Unit(benchmark::kMillisecond);

// The plain way, for scale: a quarter of the condors of 60 strikes, each through the payoff engine
// by itself.
void condors_one_by_one(benchmark::State& state) {
  const auto priced = board(60, 28);
  const auto density = *atm_density(priced);
  const auto& rows = priced.chain.rows;
  std::int64_t examined = 0;
  for (auto _ : state) {
    double best = 0;
    for (std::size_t a = 0; a < rows.size(); ++a) {
      for (std::size_t b = a + 1; b < rows.size(); ++b) {
        for (std::size_t c = b + 1; c < rows.size(); c += 8) {
          for (std::size_t d = c + 1; d < rows.size(); ++d) {
            const Leg legs[] = {{LegKind::put, 1, rows[a].strike, *rows[a].put->ask},
                                {LegKind::put, -1, rows[b].strike, *rows[b].put->bid},
                                {LegKind::call, -1, rows[c].strike, *rows[c].call->bid},
                                {LegKind::call, 1, rows[d].strike, *rows[d].call->ask}};
            const auto payoff = payoff_at_expiry(legs);
            ++examined;
            if (probability_of_profit(payoff->profitable, density) < 0.6) continue;
            best = std::max(best, payoff->max_profit->value() / payoff->max_loss->value());
          }
        }
      }
    }
    benchmark::DoNotOptimize(best);
  }
  state.SetItemsProcessed(examined);
}
BENCHMARK(condors_one_by_one)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bifrost::analysis
