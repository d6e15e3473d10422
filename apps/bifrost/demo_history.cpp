// SPDX-License-Identifier: Apache-2.0
#include "demo_history.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "bifrost/core/session_hours.hpp"
#include "bifrost/sim/synthetic_market.hpp"

namespace bifrost {
namespace {

using namespace std::chrono_literals;

constexpr auto snapshot_every = 30min;

std::vector<sim::SyntheticSymbol> universe_of(const std::vector<std::string>& symbols) {
  std::vector<sim::SyntheticSymbol> universe;
  for (auto& symbol : sim::default_universe()) {
    if (std::ranges::find(symbols, symbol.symbol) != symbols.end())
      universe.push_back(std::move(symbol));
  }
  return universe;
}

store::CycleRecord look(const sim::Market& market, const sim::Underlying& underlying,
                        core::Instant as_of, const DemoMarket& limits) {
  store::CycleRecord record;
  record.snapshot.underlying = underlying.symbol;
  record.snapshot.as_of = as_of;
  record.snapshot.source = core::Source::simulated;
  record.snapshot.underlying_price = market.underlying_state(underlying.con_id).last;
  record.interval = snapshot_every;
  record.started_at = as_of;
  record.finished_at = as_of;
  const core::Date day = core::exchange_time(as_of).date;
  const double spot =
      record.snapshot.underlying_price ? record.snapshot.underlying_price->value() : 0;
  for (const auto& option : market.options(underlying.con_id)) {
    const bool soon = (option.contract.expiry - day).count() <= limits.expiry_days;
    const bool near =
        spot <= 0 || std::abs(option.contract.strike.value() / spot - 1) <= limits.strike_window;
    if (soon && near)
      record.snapshot.quotes.push_back({option.contract, market.option_state(option.con_id).quote});
  }
  record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
  return record;
}

}  // namespace

core::Result<std::int64_t> generate_history(const DemoMarket& settings, store::History& history,
                                            std::stop_token stop,
                                            const std::function<void(double)>& progress) {
  sim::SyntheticMarket market{settings.seed, settings.epoch, universe_of(settings.symbols)};
  std::int64_t rows = 0;
  const auto days_in_all = static_cast<double>((settings.live_day - settings.first_day).count());
  for (core::Date day = settings.first_day; day < settings.live_day;
       day = core::next_trading_day(day)) {
    // Each product is looked at within its own hours.
    std::optional<core::Instant> open;
    core::Instant close{};
    std::map<std::string, core::Session> hours;
    for (const auto& underlying : market.underlyings()) {
      const auto own = core::session(day, core::hours_of(underlying.symbol));
      if (!own) continue;
      hours.emplace(underlying.symbol, *own);
      open = open ? std::min(*open, own->open) : own->open;
      close = std::max(close, own->close);
    }
    if (!open) continue;
    std::vector<store::CycleRecord> records;
    for (core::Instant at = *open + snapshot_every; at <= close; at += snapshot_every) {
      if (stop.stop_requested())
        return core::fail(core::Errc::cancelled, "stopped while making the history");
      market.advance_to(at);
      for (const auto& underlying : market.underlyings()) {
        const auto own = hours.find(underlying.symbol);
        if (own == hours.end() || at <= own->second.open || at > own->second.close) continue;
        records.push_back(look(market, underlying, at, settings));
      }
    }
    BF_TRY(const auto appended, history.append(records, core::after(60s)));
    for (const auto& result : appended) rows += result.rows;
    progress(static_cast<double>((day - settings.first_day).count() + 1) / days_in_all);
  }
  return rows;
}

}  // namespace bifrost
