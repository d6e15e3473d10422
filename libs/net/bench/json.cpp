// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/json.hpp"

#include <benchmark/benchmark.h>

#include <boost/json/src.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

// A chain of 200 strikes, calls and puts, as the API sends it, against the same document through
// Boost.JSON's tree. Error beside speed: how many of its numbers read back as other doubles than
// they were.
namespace bench {

using bifrost::core::Date;
using bifrost::core::Instant;
using bifrost::core::Price;

struct Side {
  std::optional<Price> bid, ask, last;
  std::optional<std::int64_t> bid_size, ask_size, volume, open_interest;
  std::optional<double> implied_vol, delta, gamma, theta, vega;
  std::optional<Instant> observed_at;
};
BOOST_DESCRIBE_STRUCT(Side, (),
                      (bid, ask, last, bid_size, ask_size, volume, open_interest, implied_vol,
                       delta, gamma, theta, vega, observed_at))

struct Row {
  Price strike;
  std::optional<Side> call;
  std::optional<Side> put;
};
BOOST_DESCRIBE_STRUCT(Row, (), (strike, call, put))

struct Chain {
  std::string symbol;
  Date expiry;
  Instant as_of;
  std::vector<Row> rows;
};
BOOST_DESCRIBE_STRUCT(Chain, (), (symbol, expiry, as_of, rows))

// `decimals` of the greeks: four as most feeds send them, or as computed.
Side make_side(int i, std::optional<int> decimals) {
  const auto greek = [&](double v) {
    if (!decimals) return v;
    const double scale = std::pow(10.0, *decimals);
    return std::round(v * scale) / scale;
  };
  const double x = i / 200.0;
  Side side;
  side.bid = Price::from_units(100'500 + i * 500);
  side.ask = Price::from_units(101'500 + i * 500);
  if (i % 3 == 0) side.last = Price::from_units(101'000 + i * 500);
  side.bid_size = 10 + i;
  side.ask_size = 12 + i;
  side.volume = i * 7;
  side.open_interest = i * 31;
  side.implied_vol = greek(0.2 + 0.1 * std::sin(x * 3));
  side.delta = greek(1 / (1 + std::exp(4 * x - 2)));
  side.gamma = greek(0.01 * std::exp(-x * x));
  side.theta = greek(-0.05 * std::exp(-x));
  side.vega = greek(12.5 * std::exp(-x * x));
  side.observed_at =
      bifrost::core::parse_instant("2021-01-04T15:00:00Z").value() + std::chrono::seconds{i};
  return side;
}

Chain make_chain(std::optional<int> decimals) {
  Chain chain{"SPX",
              bifrost::core::parse_date("2021-01-15").value(),
              bifrost::core::parse_instant("2021-01-04T15:00:00Z").value(),
              {}};
  for (int i = 0; i < 200; ++i) {
    chain.rows.push_back({Price::from_units(30'000'000 + i * 50'000), make_side(i, decimals),
                          make_side(i + 1, decimals)});
  }
  return chain;
}

namespace bj = boost::json;

bj::value tree(const std::optional<Side>& side) {
  if (!side) return nullptr;
  const auto or_null = [](const auto& v) -> bj::value {
    if (!v) return nullptr;
    if constexpr (requires { v->value(); }) {
      return v->value();
    } else {
      return *v;
    }
  };
  return {{"bid", or_null(side->bid)},
          {"ask", or_null(side->ask)},
          {"last", or_null(side->last)},
          {"bid_size", or_null(side->bid_size)},
          {"ask_size", or_null(side->ask_size)},
          {"volume", or_null(side->volume)},
          {"open_interest", or_null(side->open_interest)},
          {"implied_vol", or_null(side->implied_vol)},
          {"delta", or_null(side->delta)},
          {"gamma", or_null(side->gamma)},
          {"theta", or_null(side->theta)},
          {"vega", or_null(side->vega)},
          {"observed_at", side->observed_at ? bj::value(bifrost::core::to_iso(*side->observed_at))
                                            : bj::value(nullptr)}};
}

std::string with_boost(const Chain& chain) {
  bj::array rows;
  rows.reserve(chain.rows.size());
  for (const Row& row : chain.rows) {
    rows.push_back(
        {{"strike", row.strike.value()}, {"call", tree(row.call)}, {"put", tree(row.put)}});
  }
  return bj::serialize(bj::value{{"symbol", chain.symbol},
                                 {"expiry", bifrost::core::to_iso_date(chain.expiry)},
                                 {"as_of", bifrost::core::to_iso(chain.as_of)},
                                 {"rows", std::move(rows)}});
}

std::optional<int> decimals_of(const benchmark::State& state) {
  return state.range(0) == 0 ? std::nullopt : std::optional<int>{static_cast<int>(state.range(0))};
}

// Doubles of `chain` that `text`, read exactly, gives back differently.
double wrong_numbers(const Chain& chain, const std::string& text) {
  const auto back = bifrost::net::parse_json<Chain>(text);
  if (!back) return -1;
  double wrong = 0;
  for (std::size_t i = 0; i < chain.rows.size(); ++i) {
    const auto& was = *chain.rows[i].call;
    const auto& is = *back->rows[i].call;
    wrong += (was.bid != is.bid) + (was.implied_vol != is.implied_vol) + (was.delta != is.delta) +
             (was.gamma != is.gamma) + (was.theta != is.theta) + (was.vega != is.vega);
  }
  return wrong;
}

void write_chain(benchmark::State& state) {
  const auto chain = make_chain(decimals_of(state));
  std::string text;
  for (auto _ : state) {
    text = bifrost::net::to_json(chain);
    benchmark::DoNotOptimize(text.data());
  }
  state.counters["bytes"] = static_cast<double>(text.size());
  state.counters["wrong"] = wrong_numbers(chain, text);
}

void write_chain_boost_json(benchmark::State& state) {
  const auto chain = make_chain(decimals_of(state));
  std::string text;
  for (auto _ : state) {
    text = with_boost(chain);
    benchmark::DoNotOptimize(text.data());
  }
  state.counters["bytes"] = static_cast<double>(text.size());
  state.counters["wrong"] = wrong_numbers(chain, text);
}

void read_chain(benchmark::State& state) {
  const auto text = bifrost::net::to_json(make_chain(decimals_of(state)));
  for (auto _ : state) {
    auto chain = bifrost::net::parse_json<Chain>(text);
    benchmark::DoNotOptimize(chain->rows.data());
  }
}

BENCHMARK(write_chain)->ArgName("greek_decimals")->Arg(4)->Arg(0)->Unit(benchmark::kMicrosecond);
BENCHMARK(write_chain_boost_json)
    ->ArgName("greek_decimals")
    ->Arg(4)
    ->Arg(0)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(read_chain)->ArgName("greek_decimals")->Arg(4)->Unit(benchmark::kMicrosecond);

}  // namespace bench

BENCHMARK_MAIN();
