// SPDX-License-Identifier: Apache-2.0
// What choosing and planning cost before anything is asked: a cycle's worth for many underlyings,
// by sigma (no volatility lookup a strike) and by delta (a normal distribution a strike). Beside it
// the share of a five-minute cycle, which is what it takes away from the asking.
#include "planning.hpp"

#include <fmt/core.h>

#include <chrono>
#include <set>
#include <vector>

#include "bifrost/collector/universe.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int expiries = 20;

/// `contracts` listed on `day`: 20 dates, call and put, strikes around 100.
Universe universe_of(const std::string& symbol, core::Date day, int contracts) {
  Universe universe;
  universe.begin_day(day);
  for (int e = 0; e < expiries; ++e) {
    const Series series{symbol, day + std::chrono::days{1 + 3 * e}};
    std::vector<ib::ListedOption> options;
    const int strikes = contracts / expiries / 2;
    for (int i = 0; i < strikes; ++i) {
      for (const auto right : {core::Right::call, core::Right::put}) {
        ib::ListedOption option;
        option.contract = {
            symbol,       symbol,
            series.filed, core::Price::from_units(10'000LL * (100 - strikes / 2 + i)),
            right,        100};
        option.con_id =
            static_cast<std::int64_t>(e) * 1'000'000 + 2 * i + (right == core::Right::put);
        options.push_back(std::move(option));
      }
    }
    universe.list(series, options);
  }
  return universe;
}

}  // namespace

void bench_planning(int underlyings, int contracts) {
  auto day = core::parse_date("2026-11-16").value();
  std::vector<Universe> universes;
  VolView vols;
  core::ChainSnapshot snapshot;
  snapshot.underlying_price = core::Price::from_units(1'000'000);
  for (int i = 0; i < underlyings; ++i)
    universes.push_back(universe_of(fmt::format("S{}", i), day, contracts));
  for (std::size_t i = 0; i < universes[0].size(); ++i) {
    core::OptionQuote quote;
    quote.contract = universes[0].member(i).option.contract;
    quote.quote.implied_vol = 0.3;
    snapshot.quotes.push_back(quote);
  }
  vols.learn(snapshot);
  const Pace pace{.lines = 90, .messages_per_second = 40, .dwell_p50 = 700ms, .dwell_p95 = 2500ms};
  const auto share = 295'000ms / underlyings;
  const std::set<std::int64_t> held{1, 5, 1'000'003};
  for (const auto* strikes : {"percent:100", "sigma:20", "delta:0.000001"}) {
    const auto rule =
        UniverseRules::parse(fmt::format("* strikes={}", strikes), "bench", 0, 0).value().of("S0");
    std::size_t chosen = 0;
    std::size_t planned = 0;
    // A day of its own for each rule: what is chosen stays chosen for the day.
    day = core::next_trading_day(day);
    for (auto& universe : universes) universe.begin_day(day);
    auto cycle = core::session(day)->open + 300s;
    const auto one_cycle = [&] {
      chosen = 0;
      planned = 0;
      for (auto& universe : universes) {
        const auto choice = universe.choose(rule, {.cycle = cycle,
                                                   .interval = 300s,
                                                   .spot = snapshot.underlying_price,
                                                   .vols = vols,
                                                   .held = held});
        const auto plan = plan_cycle(choice.candidates, pace, share);
        chosen += choice.candidates.size();
        planned += plan.planned;
        for (std::size_t i = 0; i < plan.planned; ++i) universe.asked(plan.order[i], cycle);
      }
      cycle += 300s;
    };
    auto begin = Clock::now();
    one_cycle();  // the first of a day chooses, the ones after keep
    const double opening = std::chrono::duration<double>(Clock::now() - begin).count();
    begin = Clock::now();
    constexpr int cycles = 3;
    for (int i = 0; i < cycles; ++i) one_cycle();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count() / cycles;
    fmt::print(
        "choose and plan   {} x {} by {:<15} {:7.3f} s a cycle, {:.3f} us a contract, {:.2f} % of "
        "300 s; first of a day {:.3f} s ({} chosen, {} planned)\n",
        underlyings, contracts, strikes, seconds,
        1e6 * seconds / (static_cast<double>(underlyings) * contracts), seconds / 3, opening,
        chosen, planned);
  }
}

}  // namespace bifrost::collector
