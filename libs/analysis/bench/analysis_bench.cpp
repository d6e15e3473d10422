// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bifrost/analysis/american_chain.hpp"
#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/chain_pricing.hpp"

// Each of our numbers stands beside a plain scalar baseline of the same run, with the largest error
// beside the speed: `each` is seconds per option, `max_error` in units of what the line computes
// (prices on a spot of 100, or vol). The set is that of performance.md 2.1: strikes 75 to 130 on
// 100, 3 to 730 days, vol 10 to 60 %. "peer (stored)" are that document's figures, measured on
// another day on a machine of the same kind. Best run with
// --benchmark_repetitions=5 --benchmark_report_aggregates_only.
namespace bifrost::analysis {
namespace {

struct Option {
  Right right;
  ForwardInputs in;
  double price;
};

const std::vector<Option>& options() {
  static const std::vector<Option> set = [] {
    std::mt19937_64 random(1);
    const auto in = [&](double low, double high) {
      return std::uniform_real_distribution<double>(low, high)(random);
    };
    std::vector<Option> made;
    while (made.size() < 20'000) {
      const double years = in(3, 730) / 365;
      const double rate = in(0.01, 0.06);
      Option option{made.size() % 2 == 0 ? Right::call : Right::put,
                    {100 * std::exp((rate - in(0.0, 0.03)) * years), in(75, 130), years,
                     std::exp(-rate * years), in(0.10, 0.60)},
                    0.0};
      option.price = black_scholes_price(option.right, option.in);
      const double time_value =
          option.price -
          option.in.discount_factor * std::max(option.right == Right::call
                                                   ? option.in.forward - option.in.strike
                                                   : option.in.strike - option.in.forward,
                                               0.0);
      if (time_value > 1e-6) made.push_back(option);
    }
    return made;
  }();
  return set;
}

// The textbook formula, as anybody writes it.
template <class Real>
Real textbook_price(const Option& option, Real vol) {
  const Real f = static_cast<Real>(option.in.forward);
  const Real k = static_cast<Real>(option.in.strike);
  const Real s = vol * std::sqrt(static_cast<Real>(option.in.years_to_expiry));
  const Real d1 = std::log(f / k) / s + s / 2;
  const Real d2 = d1 - s;
  const Real sign = option.right == Right::call ? 1 : -1;
  const auto cdf = [](Real x) { return std::erfc(-x / std::sqrt(static_cast<Real>(2))) / 2; };
  return static_cast<Real>(option.in.discount_factor) * sign *
         (f * cdf(sign * d1) - k * cdf(sign * d2));
}

Valuation textbook(const Option& option) {
  const auto& in = option.in;
  const double root_t = std::sqrt(in.years_to_expiry);
  const double s = in.vol * root_t;
  const double d1 = std::log(in.forward / in.strike) / s + s / 2;
  const double sign = option.right == Right::call ? 1 : -1;
  const double density = std::exp(-d1 * d1 / 2) / std::sqrt(2 * M_PI);
  const double rate = -std::log(in.discount_factor) / in.years_to_expiry;
  const double price = textbook_price(option, in.vol);
  return {
      .price = price,
      .delta = sign * in.discount_factor * std::erfc(-sign * d1 / std::sqrt(2.0)) / 2,
      .gamma = in.discount_factor * density / (in.forward * s),
      .theta =
          (-in.discount_factor * in.forward * density * in.vol / (2 * root_t) + rate * price) / 365,
      .vega = in.discount_factor * in.forward * density * root_t,
      .rho = -in.years_to_expiry * price};
}

double textbook_vol(const Option& option) {
  double low = 1e-4;
  double high = 10;
  while (high - low > 1e-14 * high) {
    const double middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    (textbook_price(option, middle) < option.price ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Sections 1a and 1b of performance.md.
constexpr auto european_peers =
    "peer (stored): QuantLib 4485 ns, its BlackCalculator 194; py_vollib 21400, vectorized 1485";
constexpr auto implied_vol_peers =
    "peer (stored): Jaeckel's C++ 174-222 ns; QuantLib 21374, LiRS 554 (error 3.5e-4); "
    "py_vollib_vectorized 684 (61 NaN of 100k)";

/// So many options in each iteration.
void count_options(benchmark::State& state, std::size_t options) {
  state.counters["each"] = benchmark::Counter(
      static_cast<double>(options),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class F>
void run_over(benchmark::State& state, F f) {
  for (auto _ : state) {
    for (const auto& option : options()) benchmark::DoNotOptimize(f(option));
  }
  count_options(state, options().size());
}

template <class F>
void price_error(benchmark::State& state, F price) {
  double worst = 0;
  for (const auto& option : options()) {
    const long double exact =
        textbook_price<long double>(option, static_cast<long double>(option.in.vol));
    worst = std::max(worst, std::abs(static_cast<double>(price(option) - exact)));
  }
  state.counters["max_error"] = worst;
}

template <class F>
void vol_error(benchmark::State& state, F vol) {
  double worst = 0;
  for (const auto& option : options())
    worst = std::max(worst, std::abs(vol(option) - option.in.vol));
  state.counters["max_error"] = worst;
}

void price_and_greeks(benchmark::State& state) {
  state.SetLabel(european_peers);
  const auto f = [](const Option& o) { return black_scholes(o.right, o.in); };
  run_over(state, f);
  price_error(state, [&](const Option& o) { return static_cast<long double>(f(o).price); });
}
BENCHMARK(price_and_greeks);

void price_and_greeks_textbook(benchmark::State& state) {
  run_over(state, textbook);
  price_error(state, [](const Option& o) { return static_cast<long double>(textbook(o).price); });
}
BENCHMARK(price_and_greeks_textbook);

void implied_vol_ours(benchmark::State& state) {
  state.SetLabel(implied_vol_peers);
  const auto f = [](const Option& o) {
    return implied_vol(o.right, {o.price, o.in.forward, o.in.strike, o.in.years_to_expiry,
                                 o.in.discount_factor})
        .value_or(0.0);
  };
  run_over(state, f);
  vol_error(state, f);
}
BENCHMARK(implied_vol_ours);

void implied_vol_bisection(benchmark::State& state) {
  run_over(state, textbook_vol);
  vol_error(state, textbook_vol);
}
BENCHMARK(implied_vol_bisection);

/// The same set as one expiry: 30 days, as a chain comes. Time value above a millionth of spot.
struct OneExpiry {
  ExpiryTerms terms{100.4, 0.996, 30.0 / 365};
  std::vector<double> strikes;
  std::vector<Right> rights;
  std::vector<double> vols;
  std::vector<double> prices;
};
const OneExpiry& one_expiry() {
  static const OneExpiry set = [] {
    OneExpiry made;
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> strike(75, 130);
    std::uniform_real_distribution<double> vol(0.10, 0.60);
    while (made.strikes.size() < 2'000) {
      const Right right = made.strikes.size() % 2 == 0 ? Right::call : Right::put;
      const ForwardInputs in{made.terms.forward, strike(random), made.terms.years_to_expiry,
                             made.terms.discount_factor, vol(random)};
      const double price = black_scholes_price(right, in);
      const double intrinsic =
          std::max(right == Right::call ? in.forward - in.strike : in.strike - in.forward, 0.0);
      if (price / in.discount_factor - intrinsic <= 1e-4) continue;
      made.strikes.push_back(in.strike);
      made.rights.push_back(right);
      made.vols.push_back(in.vol);
      made.prices.push_back(price);
    }
    return made;
  }();
  return set;
}

void price_and_greeks_chain(benchmark::State& state, std::string_view kernels) {
  state.SetLabel(european_peers);
  use_chain_kernels(kernels);
  const auto& set = one_expiry();
  const ContractColumns contracts{set.strikes, set.rights};
  ValuationColumns out;
  for (auto _ : state) {
    price_chain(contracts, set.terms, set.vols, out);
    benchmark::DoNotOptimize(out.price.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < set.vols.size(); ++i) {
    const Option option{set.rights[i],
                        {set.terms.forward, set.strikes[i], set.terms.years_to_expiry,
                         set.terms.discount_factor, set.vols[i]},
                        0};
    const auto exact = textbook_price<long double>(option, static_cast<long double>(set.vols[i]));
    worst = std::max(worst, std::abs(static_cast<double>(out.price[i] - exact)));
  }
  state.counters["max_error"] = worst;
  count_options(state, set.vols.size());
  use_chain_kernels("");
}

void implied_vol_chain(benchmark::State& state, std::string_view kernels) {
  state.SetLabel(implied_vol_peers);
  use_chain_kernels(kernels);
  const auto& set = one_expiry();
  const ContractColumns contracts{set.strikes, set.rights};
  ImpliedVolColumns out;
  for (auto _ : state) {
    implied_vols(contracts, set.terms, set.prices, out);
    benchmark::DoNotOptimize(out.vol.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < set.vols.size(); ++i)
    worst = std::max(worst, std::abs(out.vol[i] - set.vols[i]));
  state.counters["max_error"] = worst;
  count_options(state, set.vols.size());
  use_chain_kernels("");
}

void higher_greeks_chain_on(benchmark::State& state, std::string_view kernels) {
  use_chain_kernels(kernels);
  const auto& set = one_expiry();
  const ContractColumns contracts{set.strikes, set.rights};
  ValuationColumns valued;
  price_chain(contracts, set.terms, set.vols, valued);
  HigherGreeksColumns out;
  for (auto _ : state) {
    higher_greeks_chain(contracts, set.terms, set.vols, valued, out);
    benchmark::DoNotOptimize(out.vanna.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < set.vols.size(); ++i) {
    const auto scalar = higher_greeks(
        set.rights[i], ForwardInputs{set.terms.forward, set.strikes[i], set.terms.years_to_expiry,
                                     set.terms.discount_factor, set.vols[i]});
    worst = std::max(worst, std::abs(out.vanna[i] - scalar.vanna));
  }
  state.counters["max_error"] = worst;
  count_options(state, set.vols.size());
  use_chain_kernels("");
}

[[maybe_unused]] const bool chain_benchmarks = [] {
  for (const auto kernels : available_chain_kernels()) {
    const std::string name{kernels};
    benchmark::RegisterBenchmark(("price_and_greeks_chain/" + name).c_str(), price_and_greeks_chain,
                                 kernels);
    benchmark::RegisterBenchmark(("higher_greeks_chain/" + name).c_str(), higher_greeks_chain_on,
                                 kernels);
    benchmark::RegisterBenchmark(("implied_vol_chain/" + name).c_str(), implied_vol_chain, kernels);
  }
  return true;
}();

// ---- American exercise

/// Sections 1c to 1f of performance.md.
constexpr auto american_peers =
    "peer (stored): QuantLib QdFp fast 22902 ns (error 1.2e-3), accurate 212774 (1.9e-5), high "
    "precision 38.6 ms; Barone-Adesi-Whaley 4539 (0.19)";

constexpr AmericanTerms american_terms_of(int days) {
  return {.spot = 100, .years_to_expiry = days / 365.0, .rate = 0.045, .dividend_yield = 0.015};
}

/// 2,000 options of one right and expiry.
struct AmericanExpiry {
  AmericanTerms terms;
  Right right;
  std::vector<double> strikes;
  std::vector<double> vols;
  AmericanExpiry(int days, Right of) : terms(american_terms_of(days)), right(of) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> strike(75, 130);
    std::uniform_real_distribution<double> vol(0.10, 0.60);
    for (int i = 0; i < 2000; ++i) {
      strikes.push_back(strike(random));
      vols.push_back(vol(random));
    }
  }
  double converged(std::size_t i) const {
    return *american_price(right, {terms.spot, strikes[i], terms.years_to_expiry, terms.rate,
                                   terms.dividend_yield, vols[i]});
  }
};

// Against the converged price, which agrees with QuantLib's high precision to 2e-5 (the tests).
void american_prices_chain(benchmark::State& state) {
  state.SetLabel(american_peers);
  const AmericanExpiry set(static_cast<int>(state.range(0)),
                           state.range(1) == 0 ? Right::call : Right::put);
  const auto surface = AmericanSurface::build(set.right, set.terms);
  const ContractColumns contracts{set.strikes, set.right};
  std::vector<double> out(set.vols.size());
  for (auto _ : state) {
    surface->prices(contracts, set.vols, out);
    benchmark::DoNotOptimize(out.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < out.size(); i += 5) {
    worst = std::max(worst, std::abs(out[i] - set.converged(i)));
  }
  state.counters["max_error"] = worst;
  count_options(state, out.size());
}
BENCHMARK(american_prices_chain)
    ->ArgNames({"days", "put"})
    ->ArgsProduct({{7, 30, 180, 730}, {0, 1}});

void american_greeks_chain(benchmark::State& state) {
  const AmericanExpiry set(180, Right::put);
  const auto surface = AmericanSurface::build(set.right, set.terms);
  const ContractColumns contracts{set.strikes, set.right};
  AmericanSurface::Columns out;
  for (auto _ : state) {
    surface->valuations(contracts, set.vols, out);
    benchmark::DoNotOptimize(out.price.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < out.price.size(); i += 5) {
    worst = std::max(worst, std::abs(out.price[i] - set.converged(i)));
  }
  state.counters["max_error"] = worst;
  count_options(state, out.price.size());
}
BENCHMARK(american_greeks_chain);

void american_implied_vol_chain(benchmark::State& state) {
  state.SetLabel("peer (stored): QuantLib impliedVolatility 7.70 ms");
  const AmericanExpiry set(180, Right::put);
  const auto surface = AmericanSurface::build(set.right, set.terms);
  const ContractColumns contracts{set.strikes, set.right};
  AmericanSurface::Columns priced;
  surface->valuations(contracts, set.vols, priced);
  ImpliedVolColumns out;
  for (auto _ : state) {
    surface->implied_vols(contracts, priced.price, out);
    benchmark::DoNotOptimize(out.vol.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < out.vol.size(); ++i) {
    if (priced.vega[i] > 1.0) worst = std::max(worst, std::abs(out.vol[i] - set.vols[i]));
  }
  state.counters["max_error"] = worst;
  count_options(state, out.vol.size());
}
BENCHMARK(american_implied_vol_chain);

// With the tables for rho. Amortised over all strikes and ticks of an expiry.
void american_surface_build(benchmark::State& state) {
  const AmericanExpiry set(static_cast<int>(state.range(0)), Right::put);
  for (auto _ : state) benchmark::DoNotOptimize(AmericanSurface::build(set.right, set.terms));
}
BENCHMARK(american_surface_build)->Arg(30)->Arg(730)->Unit(benchmark::kMillisecond);

// The baselines: one option from first principles, and one by a tree.
void american_price_alone(benchmark::State& state) {
  state.SetLabel(american_peers);
  const AmericanExpiry set(180, Right::put);
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(set.converged(i++ % 50));
}
BENCHMARK(american_price_alone)->Unit(benchmark::kMicrosecond);

void american_tree_200(benchmark::State& state) {
  state.SetLabel(
      "with all greeks, twelve trees; peer (stored): QuantLib CRR 200 244 us, price alone");
  const AmericanExpiry set(180, Right::put);
  const auto priced = [&](std::size_t i) {
    return american_tree(set.right,
                         {set.terms.spot, set.strikes[i], set.terms.years_to_expiry, set.terms.rate,
                          set.terms.dividend_yield, set.vols[i]},
                         {}, 200)
        ->price;
  };
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(priced(i++ % 50));
  double worst = 0;
  for (i = 0; i < 50; ++i) worst = std::max(worst, std::abs(priced(i) - set.converged(i)));
  state.counters["max_error"] = worst;
}
BENCHMARK(american_tree_200)->Unit(benchmark::kMicrosecond);

ExpiryChain market(int strikes) {
  ExpiryChain chain{.underlying = "BENCH",
                    .trading_class = "BENCH",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = Price::from_double(5000),
                    .rows = {}};
  for (int i = 0; i < strikes; ++i) {
    const double strike = 5000 + 1000.0 * (i - strikes / 2) / strikes;
    const double k = std::log(strike / 5010);
    const ForwardInputs in{5010, strike, 30.0 / 365, 0.996, 0.15 - 0.4 * k + 2 * k * k};
    const auto side = [&](Right right) {
      const double fair = black_scholes_price(right, in);
      return OptionSide{Price::from_double(std::floor(fair * 20) / 20),
                        Price::from_double(std::ceil(fair * 20 + 1) / 20),
                        {},
                        {},
                        {}};
    };
    chain.rows.push_back({*Price::from_double(strike), side(Right::call), side(Right::put)});
  }
  return chain;
}

// max_error: vols against the scalar solver on the same middles.
void refresh_2000_contracts(benchmark::State& state) {
  state.SetLabel("peer (stored): QuantLib 52 ms; py_vollib_vectorized 3.7 ms");
  auto chain = market(1000);
  for (auto _ : state) {
    auto priced = refresh(std::move(chain), 30.0 / 365, 0.05);
    benchmark::DoNotOptimize(priced->rows.data());
    chain = std::move(priced->chain);  // as a live chain does: new quotes, the same rows
  }
  const auto priced = refresh(chain, 30.0 / 365, 0.05);
  double worst = 0;
  for (const auto& row : priced->rows) {
    if (!row.call || !row.call->implied_vol) continue;
    const auto alone =
        implied_vol(Right::call, {row.call->mid, priced->parity.forward, row.strike.value(),
                                  priced->years_to_expiry, priced->parity.discount_factor});
    worst = std::max(worst, std::abs(*row.call->implied_vol - *alone));
  }
  state.counters["max_error"] = worst;
  count_options(state, 2000);
}
BENCHMARK(refresh_2000_contracts)->Unit(benchmark::kMicrosecond);

void refresh_2000_contracts_textbook(benchmark::State& state) {
  const auto chain = market(1000);
  for (auto _ : state) {
    const auto parity = forward_and_discount(chain, 30.0 / 365, 0.05);
    for (const auto& row : chain.rows) {
      for (const Right right : {Right::call, Right::put}) {
        const auto& side = right == Right::call ? row.call : row.put;
        Option option{right,
                      {parity->forward, row.strike.value(), 30.0 / 365, parity->discount_factor, 0},
                      0.5 * (side->bid->value() + side->ask->value())};
        option.in.vol = textbook_vol(option);
        benchmark::DoNotOptimize(textbook(option));
      }
    }
  }
  count_options(state, 2000);
}
BENCHMARK(refresh_2000_contracts_textbook)->Unit(benchmark::kMicrosecond);

// The surfaces stand ready (see american_surface_build, twice); max_error: vols against those that
// made the quotes, which are fair prices to a ten-thousandth, where vega exceeds 1.
void refresh_2000_contracts_american(benchmark::State& state) {
  state.SetLabel("surfaces built before; peer (stored): QuantLib 15 s");
  const auto terms = american_terms_of(30);
  const auto vol_of = [](double strike) {
    const double k = std::log(strike / 100);
    return 0.25 - 0.3 * k + 1.5 * k * k;
  };
  const auto surfaces = *AmericanSurfaces::build(terms);
  ExpiryChain chain{.underlying = "BENCH",
                    .trading_class = "BENCH",
                    .expiry = {},
                    .multiplier = 100,
                    .underlying_price = Price::from_double(100),
                    .rows = {}};
  for (int i = 0; i < 1000; ++i) {
    const double strike = 80 + 0.04 * i;
    const auto side = [&](const AmericanSurface& surface) {
      double fair = 0;
      surface.prices({std::vector{strike}, surface.right()}, std::vector{vol_of(strike)},
                     {&fair, 1});
      return OptionSide{Price::from_double(std::floor(fair * 1e4 - 50) / 1e4),
                        Price::from_double(std::floor(fair * 1e4 + 50) / 1e4),
                        {},
                        {},
                        {}};
    };
    chain.rows.push_back({*Price::from_double(strike), side(surfaces.calls), side(surfaces.puts)});
  }
  const ForwardDiscount parity{
      .forward = 100 * std::exp((terms.rate - terms.dividend_yield) * terms.years_to_expiry),
      .discount_factor = std::exp(-terms.rate * terms.years_to_expiry),
      .discount_source = DiscountSource::given,
      .pairs = 11,
      .deviation = 0.0};
  for (auto _ : state) {
    auto priced = refresh_american(std::move(chain), parity, surfaces);
    benchmark::DoNotOptimize(priced.rows.data());
    chain = std::move(priced.chain);
  }
  const auto priced = refresh_american(chain, parity, surfaces);
  double worst = 0;
  int without = 0;
  for (const auto& row : priced.rows) {
    for (const auto* option : {&row.call, &row.put}) {
      if (!*option || !(*option)->implied_vol) {
        ++without;
      } else if ((*option)->greeks->vega > 1.0) {
        worst = std::max(worst, std::abs(*(*option)->implied_vol - vol_of(row.strike.value())));
      }
    }
  }
  state.counters["max_error"] = worst;
  state.counters["without_vol"] = without;
  count_options(state, 2000);
}
BENCHMARK(refresh_2000_contracts_american)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bifrost::analysis

BENCHMARK_MAIN();
