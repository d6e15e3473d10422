// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/chain_pricing.hpp"

// Each of our numbers stands beside a plain scalar baseline of the same run, with the largest error
// beside the speed. The set is that of performance.md 2.1: strikes 75 to 130 on 100, 3 to 730 days,
// vol 10 to 60 %.
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

template <class F>
void run_over(benchmark::State& state, F f) {
  for (auto _ : state) {
    for (const auto& option : options()) benchmark::DoNotOptimize(f(option));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(options().size()));
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
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(set.vols.size()));
  use_chain_kernels("");
}

void implied_vol_chain(benchmark::State& state, std::string_view kernels) {
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
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(set.vols.size()));
  use_chain_kernels("");
}

[[maybe_unused]] const bool chain_benchmarks = [] {
  for (const auto kernels : available_chain_kernels()) {
    const std::string name{kernels};
    benchmark::RegisterBenchmark(("price_and_greeks_chain/" + name).c_str(), price_and_greeks_chain,
                                 kernels);
    benchmark::RegisterBenchmark(("implied_vol_chain/" + name).c_str(), implied_vol_chain, kernels);
  }
  return true;
}();

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

void refresh_2000_contracts(benchmark::State& state) {
  const auto chain = market(1000);
  for (auto _ : state) benchmark::DoNotOptimize(refresh(chain, 30.0 / 365, 0.05));
  state.SetItemsProcessed(state.iterations() * 2000);
}
BENCHMARK(refresh_2000_contracts)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace bifrost::analysis

BENCHMARK_MAIN();
