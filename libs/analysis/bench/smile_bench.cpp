// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "bifrost/analysis/smile.hpp"
#include "bifrost/core/calendar.hpp"

// The fit of a chain like that of a large index: forty expiries from two days to two years, 130
// strikes each, quoted a dime wide. Beside the speed: the largest error of a vol against the smile
// that was quoted, between the deltas of 2 and 98 %, and how many expiries came out free of
// arbitrage.
namespace bifrost::analysis {
namespace {

constexpr double forward = 5000.0;

double quoted_variance(double k, double years) {
  // The index smile of numbers.md 6.2, stretched with the root of time.
  constexpr SviParameters month{0.00035, 0.0155, -0.62, 0.012, 0.045};
  const double stretch = years * 365 / 30;
  return stretch * month.total_variance(k / std::sqrt(stretch));
}

core::ChainSnapshot index_chain() {
  core::ChainSnapshot snapshot{.underlying = "SPX",
                               .as_of = *core::parse_instant("2024-03-04T21:00:00Z"),
                               .underlying_price = core::Price::from_double(forward),
                               .source = core::Source::simulated,
                               .quotes = {}};
  const core::Date today = std::chrono::floor<std::chrono::days>(snapshot.as_of);
  int days = 2;
  for (int i = 0; i < 40; ++i) {
    const core::Date expiry = today + std::chrono::days{days};
    const core::OptionContract any{"SPX", "SPXW", expiry, core::Price{}, Right::call, 100};
    const double years = core::years_act365f(snapshot.as_of, core::settlement_instant(any));
    const double width = 0.12 * std::sqrt(years);
    double last_strike = 0.0;
    for (int s = 0; s < 130; ++s) {
      const double strike = 5.0 * std::round(forward * std::exp(width * (-6.0 + s / 14.0)) / 5.0);
      if (strike == last_strike) continue;
      last_strike = strike;
      const double vol = std::sqrt(quoted_variance(std::log(strike / forward), years) / years);
      for (const Right right : {Right::call, Right::put}) {
        const double fair =
            black_scholes_price(right, ForwardInputs{forward, strike, years, 1.0, vol});
        const double bid = 0.05 * std::floor(fair / 0.05);
        core::OptionQuote quote{
            {"SPX", "SPXW", expiry, *core::Price::from_double(strike), right, 100}, {}};
        quote.quote.bid = core::Price::from_double(bid);
        quote.quote.ask = core::Price::from_double(bid + 0.10);
        snapshot.quotes.push_back(std::move(quote));
      }
    }
    days += 1 + days / 10;
  }
  return snapshot;
}

void fit_a_chain_of_forty_expiries(benchmark::State& state) {
  const auto snapshot = index_chain();
  Surface surface;
  for (auto _ : state) {
    surface = fit_surface(snapshot, {});
    benchmark::DoNotOptimize(surface);
  }
  double worst = 0.0;
  double free = 0.0;
  for (const auto& expiry : surface.expiries) {
    if (!expiry.smile) continue;
    const Smile& smile = *expiry.smile;
    free += smile.quality().butterfly_free && smile.quality().calendar_free ? 1.0 : 0.0;
    for (double z = -2.0; z <= 2.0; z += 0.1) {
      const double k = z * smile.vol(forward) * std::sqrt(expiry.years_to_expiry);
      const double vol =
          std::sqrt(quoted_variance(k, expiry.years_to_expiry) / expiry.years_to_expiry);
      worst = std::max(worst, std::abs(smile.vol(smile.forward() * std::exp(k)) - vol));
    }
  }
  state.counters["expiries"] = static_cast<double>(surface.expiries.size());
  state.counters["free_of_arbitrage"] = free;
  state.counters["largest_vol_error"] = worst;
}
BENCHMARK(fit_a_chain_of_forty_expiries)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bifrost::analysis
