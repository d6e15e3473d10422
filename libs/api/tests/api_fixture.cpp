// SPDX-License-Identifier: Apache-2.0
#include "api_fixture.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/net/connection.hpp"

namespace bifrost::api::testing {

using namespace std::chrono_literals;

namespace {

/// On the one volatility, in pennies, so many to each side of the price.
core::Quote quoted(const core::OptionContract& contract, Instant as_of, int pennies) {
  const double years = core::years_act365f(as_of, core::settlement_instant(contract));
  const double fair =
      analysis::black_scholes_price(contract.right, {.forward = forward,
                                                     .strike = contract.strike.value(),
                                                     .years_to_expiry = years,
                                                     .discount_factor = 1.0,
                                                     .vol = vol});
  core::Quote quote;
  quote.bid = Price::from_double(std::max(0.0, std::round(fair * 100) / 100 - pennies / 100.0));
  quote.ask = *quote.bid + Price::from_units(200 * pennies);
  quote.observed_at = as_of + 2s;
  return quote;
}

}  // namespace

core::ChainSnapshot flat_chain(Instant as_of, bool with_morning_class) {
  core::ChainSnapshot snapshot;
  snapshot.underlying = "SPX";
  snapshot.as_of = as_of;
  snapshot.source = Source::simulated;
  snapshot.underlying_price = Price::from_double(forward);
  const auto add = [&](const std::string& trading_class, Date expiry, int strike, Right right) {
    const core::OptionContract contract{"SPX", trading_class, expiry,
                                        Price::from_units(strike * 10'000), right};
    core::Quote quote = quoted(contract, as_of, 5);
    quote.volume = 0;
    snapshot.quotes.push_back({contract, quote});
  };
  for (int strike = 80; strike <= 120; strike += 5) {
    for (const Right right : {Right::call, Right::put}) {
      add("SPXW", april, strike, right);
      if (with_morning_class) add("SPX", june, strike, right);
      if (with_morning_class) add("SPXW", june, strike, right);
    }
  }
  // Never quoted: a contract with nothing known but its existence.
  snapshot.quotes.push_back(
      {{"SPX", "SPXW", april, Price::from_units(1'300'000), Right::call}, {}});
  return snapshot;
}

core::ChainSnapshot dense_chain(Instant as_of) {
  core::ChainSnapshot snapshot;
  snapshot.underlying = "XSP";
  snapshot.as_of = as_of;
  snapshot.source = Source::simulated;
  snapshot.underlying_price = Price::from_double(forward);
  for (const Date expiry : {april, june}) {
    for (int strike = 70; strike <= 130; strike += 2) {
      for (const Right right : {Right::call, Right::put}) {
        const core::OptionContract contract{"XSP", "XSP", expiry,
                                            Price::from_units(strike * 10'000), right};
        core::Quote quote = quoted(contract, as_of, 1);
        quote.bid_size = quote.ask_size = 10;
        quote.open_interest = 100;
        snapshot.quotes.push_back({contract, quote});
      }
    }
  }
  return snapshot;
}

double profit_at_expiry(const std::vector<StrategyLeg>& legs, double spot) {
  double profit = 0.0;
  for (const auto& leg : legs) {
    const auto quantity = static_cast<double>(leg.quantity);
    if (leg.kind == LegKind::stock) {
      profit += quantity * (spot - leg.entry_price.value());
      continue;
    }
    const double inside =
        leg.kind == LegKind::call ? spot - leg.strike->value() : leg.strike->value() - spot;
    profit += 100.0 * quantity * (std::max(0.0, inside) - leg.entry_price.value());
  }
  return profit;
}

void Api::SetUpTestSuite() {
  folder.emplace();
  cluster = ok(store::PrivateCluster::start(folder->path() / "db", core::after(60s),
                                            {.die_with_starter = true}));
  database = ok(store::Database::open(cluster->url(), core::after(30s)));
  ok(database->migrate(core::after(30s)));
  store::History history{*database};
  for (const Instant as_of : {first, second}) {
    store::CycleRecord record;
    record.snapshot = flat_chain(as_of, as_of == second);
    record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
    record.interval = 300s;
    if (as_of == second) {
      record.market_conditions = store::MarketConditions{.implied_vol_30d = 0.2,
                                                         .skew_25_delta = 0.03,
                                                         .put_volume = 0,
                                                         .iv_rank = 0.5,
                                                         .iv_percentile = 0.8,
                                                         .iv_rank_n = 252,
                                                         .iv_rank_source = "broker",
                                                         .iv_rank_of = 0.19,
                                                         .iv_rank_day = april};
      const auto& contract = record.snapshot.quotes[0].contract;
      record.changes = {
          {contract, store::ChangeKind::price_move, 1.5, 2.5, 1e-6, 1e-5},
          {contract, store::ChangeKind::spread, 0.1, 0.5, 0.3, 1e-5},
          {contract, store::ChangeKind::oi_confirmation, 10, 500, {}, {}, first, true}};
    }
    ok(history.append(record, core::after(30s)));
  }
  store::CycleRecord dense;
  dense.snapshot = dense_chain(second);
  dense.expected = static_cast<std::int64_t>(dense.snapshot.quotes.size());
  dense.interval = 300s;
  ok(history.append(dense, core::after(30s)));
}

void Api::TearDownTestSuite() {
  database.reset();
  cluster.reset();
  folder.reset();
}

Api::Api() {
  // Port 9 (discard) is where nobody listens.
  client = ok(ib::Client::start({.port = 9}));
  service = std::make_unique<Service>(history, *client, clock, 300s);
  router = std::make_unique<net::Router>(make_router(service.get()));
  server = ok(net::Server::start(
      {}, [this](const net::Request& request) { return router->handle(request); }));
}

Api::Reply Api::ask(const std::string& request) {
  auto connection = ok(net::Connection::connect("127.0.0.1", server->port(), core::after(5s)));
  ok(connection.write_all(request, core::after(5s)));
  std::string all;
  std::array<char, 65536> chunk;
  for (;;) {
    const auto got = connection.read_some(chunk, core::after(20s));
    if (!got || *got == 0) break;
    all.append(chunk.data(), *got);
  }
  return {std::stoi(all.substr(9, 3)), all.substr(all.find("\r\n\r\n") + 4)};
}

}  // namespace bifrost::api::testing
