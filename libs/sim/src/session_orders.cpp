// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cmath>

#include "account.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

// Orders: none is ever taken. What a combination would cost in margin is answered, by the rule of
// margin_of().
namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

constexpr double commission_per_contract = 0.65;
constexpr double commission_per_share = 0.005;
constexpr std::string_view read_only =
    "Error validating request.-'b' : cause - The API interface is currently in Read-Only mode.";

struct Priced {
  analysis::Leg leg;
  int underlying = 0;
};

/// What one leg adds; nothing for a contract nobody knows.
std::optional<Priced> price_leg(const Market& market, const Instrument& instrument,
                                std::int64_t quantity) {
  if (const auto* const* option = std::get_if<const ListedOption*>(&instrument)) {
    const auto& c = (*option)->contract;
    return Priced{.leg = {.kind = c.right == core::Right::call ? analysis::LegKind::call
                                                               : analysis::LegKind::put,
                          .quantity = quantity,
                          .strike = c.strike,
                          .entry_price = market_price(market.option_state((*option)->con_id)),
                          .multiplier = c.multiplier},
                  .underlying = (*option)->underlying_con_id};
  }
  const auto& u = *std::get<const Underlying*>(instrument);
  if (u.type == SecurityType::index) return std::nullopt;
  return Priced{.leg = {.kind = analysis::LegKind::stock,
                        .quantity = quantity,
                        .strike = {},
                        .entry_price = market_price(market.underlying_state(u.con_id)),
                        .multiplier = 1},
                .underlying = u.con_id};
}

}  // namespace

void Session::refuse_order(const wire::Fields& fields, int id) {
  const bool global = id == static_cast<int>(wire::Request::global_cancel);
  // The cancel of older versions has a message version in front of the order id.
  const bool versioned = id == static_cast<int>(wire::Request::cancel_order) && version_ < 192;
  const std::size_t at = versioned ? 2 : 1;
  const auto order_id = !global && fields.size() > at ? parse_int(fields[at]) : std::nullopt;
  send_error(order_id, 321, std::string{read_only});
}

void Session::on_order(const wire::Fields& fields) {
  // What is not a question cannot be read as one, and is refused whatever it is.
  const auto order = wire::decode<wire::WhatIfOrder>(fields, version_);
  if (!order || !floor_.options.allow_what_if) {
    return refuse_order(fields, static_cast<int>(wire::Request::place_order));
  }
  on(*order);
}

void Session::on(const wire::WhatIfOrder& m) {
  const auto refuse = [&](int code, std::string_view why) {
    send_error(m.order_id, code, std::string{why});
  };
  constexpr std::string_view invalid = "Error validating request.-'b' : cause - ";
  if (m.action != "BUY" && m.action != "SELL") {
    return refuse(321, fmt::format("{}Invalid order action", invalid));
  }
  if (!m.quantity || !(*m.quantity >= 1) || *m.quantity > 1e6 ||
      *m.quantity != std::floor(*m.quantity)) {
    return refuse(321, fmt::format("{}The size value should be a whole number from 1", invalid));
  }
  if (!m.account.empty() && m.account != floor_.options.account) {
    return refuse(321, fmt::format("{}Invalid account code '{}'", invalid, m.account));
  }
  struct Part {
    wire::Contract contract;
    std::int64_t quantity;
  };
  const auto side = [](std::string_view action) { return action == "SELL" ? -1 : 1; };
  const auto sign = side(m.action) * static_cast<std::int64_t>(*m.quantity);
  std::vector<Part> parts;
  std::string description;
  for (const auto& leg : m.legs) {
    wire::Contract contract;
    contract.con_id = leg.con_id;
    const auto ratio = static_cast<std::int64_t>(side(leg.action)) * leg.ratio;
    description += fmt::format("{}{}|{}", description.empty() ? "" : ",", leg.con_id, ratio);
    parts.push_back({std::move(contract), sign * ratio});
  }
  if (m.contract.sec_type != "BAG") parts.push_back({m.contract, sign});
  if (parts.empty()) return refuse(321, fmt::format("{}A combination needs legs", invalid));

  std::vector<analysis::Leg> legs;
  int underlying = 0;
  double commission = 0;
  for (const auto& part : parts) {
    const auto found = find_instruments(floor_.market, part.contract);
    if (found.size() != 1) return refuse(200, no_definition);
    const auto priced = price_leg(floor_.market, found.front(), part.quantity);
    if (!priced) return refuse(201, "Order rejected - reason:No trading permissions.");
    if (underlying != 0 && priced->underlying != underlying) {
      return refuse(201, "Order rejected - reason:Invalid combination, legs of two underlyings.");
    }
    underlying = priced->underlying;
    legs.push_back(priced->leg);
    commission += static_cast<double>(std::abs(part.quantity)) *
                  (priced->leg.kind == analysis::LegKind::stock ? commission_per_share
                                                                : commission_per_contract);
  }

  const double spot = market_price(floor_.market.underlying_state(underlying)).value();
  const auto before = state_account(floor_.account, floor_.market);
  const double change = margin_of(legs, spot);
  wire::OpenOrder out;
  out.order_id = m.order_id;
  out.contract = m.contract;
  if (m.contract.sec_type == "BAG") {
    out.contract.local_symbol = m.contract.symbol;
    out.contract.trading_class = "COMB";
  }
  out.action = m.action;
  out.quantity = m.quantity;
  out.order_type = m.order_type;
  out.limit_price = m.limit_price.value_or(0);
  out.aux_price = m.aux_price.value_or(0);
  out.time_in_force = m.time_in_force.empty() ? "DAY" : m.time_in_force;
  out.account = floor_.options.account;
  out.client_id = client_id_.value_or(0);
  out.perm_id = 1'000'000'000 + m.order_id;
  out.combo_description = description;
  out.legs = m.legs;
  out.combo_parameters = m.combo_parameters;
  out.what_if = true;
  out.status = "PreSubmitted";
  out.initial_margin_before = before.margin;
  out.maintenance_margin_before = before.margin;
  out.equity_with_loan_before = before.net_liquidation;
  out.initial_margin_change = change;
  out.maintenance_margin_change = change;
  out.equity_with_loan_change = -commission;
  out.initial_margin_after = before.margin + change;
  out.maintenance_margin_after = before.margin + change;
  out.equity_with_loan_after = before.net_liquidation - commission;
  // As often with a real gateway: the range is told, the commission itself is not.
  out.min_commission = commission;
  out.max_commission = std::round(commission * 150) / 100;
  out.commission_currency = "USD";
  out.margin_currency = "USD";
  if (before.net_liquidation - before.margin < change) {
    out.warning = "Your order would exceed the funds available.";
  }
  send(out);
}

// Nothing was ever ordered, so every list of orders is empty.

void Session::on(const wire::OpenOrdersRequest&) {
  send(wire::OpenOrderEnd{});
}
void Session::on(const wire::AllOpenOrdersRequest&) {
  send(wire::OpenOrderEnd{});
}
void Session::on(const wire::CompletedOrdersRequest&) {
  send(wire::CompletedOrdersEnd{});
}
void Session::on(const wire::ExecutionsRequest& m) {
  send(wire::ExecutionDataEnd{.req_id = m.req_id});
}

}  // namespace bifrost::sim
