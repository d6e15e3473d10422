// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>

#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

void Session::on(const wire::CurrentTimeRequest&) {
  const auto now = std::chrono::floor<std::chrono::seconds>(floor_.told_time());
  send(wire::CurrentTime{.epoch_seconds = now.time_since_epoch().count()});
}

void Session::on(const wire::CurrentTimeMillisRequest&) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.told_time());
  send(wire::CurrentTimeMillis{.epoch_millis = now.time_since_epoch().count()});
}

void Session::on(const wire::IdsRequest&) {
  send(wire::NextValidId{.order_id = 1});
}

void Session::on(const wire::ManagedAccountsRequest&) {
  send(wire::ManagedAccounts{.accounts = {floor_.options.account}});
}

void Session::on(const wire::ContractDataRequest& m) {
  wake(Farm::definitions);
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.empty()) return send_error(m.req_id, 200, std::string{no_definition});
  for (const auto& instrument : found) {
    auto data = describe_instrument(floor_.market, instrument);
    data.req_id = m.req_id;
    send(data);
  }
  send(wire::ContractDataEnd{.req_id = m.req_id});
}

void Session::on(const wire::OptionParametersRequest& m) {
  const auto* underlying = find_underlying(floor_.market, static_cast<int>(m.underlying_con_id));
  if (!underlying || underlying->symbol != m.underlying_symbol) {
    return send_error(m.req_id, 200, std::string{no_definition});
  }
  struct Class {
    std::set<std::string> expirations;
    std::set<double> strikes;
    int multiplier = 100;
  };
  std::map<std::string, Class> classes;
  for (const auto& option : floor_.market.options(underlying->con_id)) {
    auto& c = classes[option.contract.trading_class];
    c.expirations.insert(core::to_compact_date(option.last_trade_date));
    c.strikes.insert(option.contract.strike.value());
    c.multiplier = option.contract.multiplier;
  }
  for (const auto* exchange : {"SMART", "CBOE"}) {
    for (const auto& [name, c] : classes) {
      send(wire::OptionParameters{.req_id = m.req_id,
                                  .exchange = exchange,
                                  .underlying_con_id = underlying->con_id,
                                  .trading_class = name,
                                  .multiplier = std::to_string(c.multiplier),
                                  .expirations = {c.expirations.begin(), c.expirations.end()},
                                  .strikes = {c.strikes.begin(), c.strikes.end()}});
    }
  }
  send(wire::OptionParametersEnd{.req_id = m.req_id});
}

void Session::on(const wire::MatchingSymbolsRequest& m) {
  wire::SymbolSamples out{.req_id = m.req_id, .samples = {}};
  std::string pattern = m.pattern;
  std::ranges::transform(pattern, pattern.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  for (const auto& u : floor_.market.underlyings()) {
    if (u.symbol.find(pattern) == std::string::npos && u.name.find(pattern) == std::string::npos) {
      continue;
    }
    out.samples.push_back({.con_id = u.con_id,
                           .symbol = u.symbol,
                           .sec_type = std::string{security_type(u)},
                           .primary_exchange = u.exchange,
                           .currency = "USD",
                           .derivative_sec_types = {"OPT"},
                           .description = u.name,
                           .issuer_id = {}});
  }
  send(out);
}

void Session::on(const wire::MarketRuleRequest& m) {
  if (m.rule_id == penny_rule) {
    send(wire::MarketRule{.rule_id = m.rule_id, .increments = {{0, 0.01}}});
  } else if (m.rule_id == nickel_rule) {
    send(wire::MarketRule{.rule_id = m.rule_id, .increments = {{0, 0.01}, {3, 0.05}}});
  } else {
    send_error(
        std::nullopt, 321,
        fmt::format("Error validating request.-'b' : cause - Unknown market rule {}", m.rule_id));
  }
}

void Session::on(const wire::SoftDollarTiersRequest& m) {
  send(wire::SoftDollarTiers{.req_id = m.req_id, .tiers = {}});
}
void Session::on(const wire::SmartComponentsRequest& m) {
  send(wire::SmartComponents{.req_id = m.req_id,
                             .components = {{.bit = 0, .exchange = "AMEX", .letter = "A"},
                                            {.bit = 1, .exchange = "CBOE", .letter = "C"}}});
}
void Session::on(const wire::UserInfoRequest& m) {
  send(wire::UserInfo{.req_id = m.req_id, .white_branding_id = {}});
}

}  // namespace bifrost::sim
