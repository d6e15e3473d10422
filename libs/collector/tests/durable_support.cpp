// SPDX-License-Identifier: Apache-2.0
#include "durable_support.hpp"

namespace bifrost::collector::testing {

using namespace std::chrono_literals;

FinishedCycle cycle(const std::string& underlying, core::Instant as_of, int number, int contracts) {
  FinishedCycle made;
  auto& record = made.record;
  record.snapshot.underlying = underlying;
  record.snapshot.as_of = as_of;
  record.snapshot.source = core::Source::live;
  if (number % 2 == 0) record.snapshot.underlying_price = core::Price::from_units(1'000'000);
  for (int i = 0; i < contracts; ++i) {
    core::OptionQuote quote;
    quote.contract = {underlying,
                      underlying,
                      core::Date{std::chrono::year{2030} / 1 / 18},
                      core::Price::from_units(10'000 * (i + 90)),
                      i % 2 == 0 ? core::Right::call : core::Right::put,
                      100};
    quote.quote.bid = core::Price::from_units(100 * number + i);
    if (i % 3 != 0) quote.quote.ask = core::Price::from_units(100 * number + i + 500);
    if (i % 4 == 1) quote.quote.last = core::Price::from_units(-5);
    quote.quote.bid_size = i;
    if (i % 2 == 0) quote.quote.volume = 1'000'000 + number;
    if (i % 5 != 4) quote.quote.implied_vol = 0.25 + 1e-3 * number;
    quote.quote.delta = i % 2 == 0 ? 0.5 : -0.5;
    quote.quote.theta = -0.01;
    if (i % 3 == 0) quote.quote.observed_at = as_of + std::chrono::milliseconds{i};
    record.snapshot.quotes.push_back(std::move(quote));
  }
  record.expected = contracts;
  record.interval = 300s;
  record.started_at = as_of + 1s;
  record.finished_at = as_of + 2500ms;
  record.market_conditions = store::MarketConditions{};
  record.market_conditions->implied_vol_30d = 0.2 + 1e-3 * number;
  record.market_conditions->regime = -number;
  record.market_conditions->iv_rank_source = "snapshots";
  store::Change change;
  change.contract = record.snapshot.quotes.front().contract;
  change.previous = number - 1;
  change.current = number;
  change.confirmed = false;
  change.refers_to = as_of - 300s;
  if (number > 0) record.changes.push_back(change);
  return made;
}

}  // namespace bifrost::collector::testing
