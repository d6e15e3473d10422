// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/wire_orders.hpp"

#include "codec.hpp"

// Layouts as in layouts.hpp. Most fields of an order have no meaning for a margin question: they
// are written neutral and skipped when read. Where such a field makes others follow, those are
// skipped too.
namespace bifrost::ib::wire {
namespace {

template <class Io>
void order_contract(Io& io, Contract& m, bool with_primary) {
  io(m.con_id, m.symbol, m.sec_type, m.last_trade_date);
  io.strike(m.strike);
  if (with_primary) {
    io(m.right, m.multiplier, m.exchange, m.primary_exchange);
  } else {
    io.right_or_question(m.right);
    io(m.multiplier, m.exchange);
  }
  io(m.currency, m.local_symbol, m.trading_class);
}

template <class Io>
void order_legs(Io& io, std::vector<ComboLeg>& legs, std::vector<TagValue>& parameters) {
  io.list(legs, [&](ComboLeg& leg) {
    io(leg.con_id, leg.ratio, leg.action, leg.exchange);
    io.fixed("0", "0", "", "-1");  // open/close, short-sale slot, location, exempt code
  });
  for (int left = io.telling_count(); left > 0; --left) io.fixed("");  // prices of the legs
  io.list(parameters, [&](TagValue& t) { io(t.tag, t.value); });
}

template <class Io>
void delta_neutral_order(Io& io, std::string_view neutral) {
  // Servers say "None", which is a type like another: its fields follow.
  if (io.telling(neutral).empty()) {
    io.fixed("");
    return;
  }
  io.fixed("", "0", "", "", "", "?", "0", "0", "");
}

template <class Io>
void scale_and_hedge(Io& io, bool with_table) {
  io.fixed("", "");  // initial and subsequent size
  std::optional<double> increment;
  if (parse_number(io.telling(""), increment) && increment.value_or(0) > 0) {
    io.fixed("", "", "", "", "", "", "");
  }
  if (with_table) io.fixed("", "", "");  // table, start, stop
  if (!io.telling("").empty()) io.fixed("");
}

template <class Io>
void contract_and_algorithm(Io& io) {
  if (const auto there = io.telling("0"); there == "1" || there == "true") io.fixed("", "", "");
  if (!io.telling("").empty()) {
    for (int left = io.telling_count(); left > 0; --left) io.fixed("", "");
  }
}

template <class Io>
void conditions(Io& io) {
  int left = io.telling_count();
  if (left == 0) return;
  for (; left > 0; --left) {
    const auto kind = io.telling("1");
    io.fixed("");  // and, or
    if (kind == "1") {
      io.fixed("", "", "", "", "");  // price: more, price, contract, exchange, method
    } else if (kind == "3" || kind == "4") {
      io.fixed("", "");  // time, margin: more, value
    } else if (kind == "5") {
      io.fixed("", "", "");  // execution: type, exchange, symbol
    } else {
      io.fixed("", "", "", "");  // volume, percent change: more, value, contract, exchange
    }
  }
  io.fixed("", "");  // outside regular hours, cancel instead
}

bool pegged_to_benchmark(std::string_view order_type) {
  return order_type == "PEG BENCH" || order_type == "PEGBENCH";
}

}  // namespace

template <class Io>
void layout(Io& io, WhatIfOrder& m, int v) {
  io(m.order_id);
  order_contract(io, m.contract, true);
  io.fixed("", "");  // security id
  io(m.action);
  io.decimal(m.quantity);
  io(m.order_type, m.limit_price, m.aux_price, m.time_in_force);
  io.fixed("");  // OCA group
  io(m.account);
  // open/close, origin, reference, transmit, parent, block, sweep, display size, trigger, outside
  // hours, hidden. A question that is not transmitted is refused (413).
  io.fixed("O", "0", "", "1", "0", "0", "0", "0", "0", "0", "0");
  if (m.contract.sec_type == "BAG") order_legs(io, m.legs, m.combo_parameters);
  io.fixed("", "0.0", "", "", "", "",
           "");               // shares, discretionary, dates, group, method, percentage
  if (v < 177) io.fixed("");  // profile
  io.fixed("", "0", "", "-1", "0", "", "");  // model, short sale, location, exempt, OCA, 80A, firm
  io.fixed("0", "", "", "0", "0", "");       // all or none, minimum, offset, e-trade, firm, cap
  io.fixed("0", "", "", "", "", "", "0");    // auction, reference prices, override
  io.fixed("", "");                          // volatility and its type
  delta_neutral_order(io, "");
  io.fixed("0", "", "", "");  // continuous update, reference price, trail stop and percent
  scale_and_hedge(io, true);
  io.fixed("0", "", "", "0");  // smart routing, clearing account and intent, not held
  contract_and_algorithm(io);
  io.fixed("");                 // algorithm id
  io.always();                  // what if
  io.fixed("", "0", "0", "0");  // options, solicited, randomize size and price
  if (pegged_to_benchmark(m.order_type)) io.fixed("0", "0", "", "", "");
  conditions(io);
  io.fixed("", "", "", "", "", "", "0");  // adjusted order
  io.fixed("", "", "", "");               // operator, soft dollars, cash
  io.fixed("", "", "", "");               // MiFID
  io.fixed("0", "0", "0", "0");           // hedge price, OMS, discretionary limit, price management
  io.fixed("", "", "0");                  // duration, post to ATS, cancel with parent
  if (v >= 166) io.fixed("");             // error override
  if (v >= 169) io.fixed("");             // manual time
  if (v >= 170) {
    if (m.contract.exchange == "IBKRATS") io.fixed("");
    bool at_midpoint = m.order_type == "PEG MID";
    if (m.order_type == "PEG BEST") {
      io.fixed("");
      at_midpoint = io.telling("").starts_with("Infinit");
    }
    if (at_midpoint) io.fixed("", "");
  }
  if (v >= 183) io.fixed("");   // customer account
  if (v >= 184) io.fixed("0");  // professional
  if (v >= 187 && v < 190) io.fixed("", "2147483647");
  if (v >= 189) io.fixed("0");  // overnight
  if (v >= 192) io.fixed("");   // manual indicator
  if (v >= 199) io.fixed("0");  // imbalance only
}

template <class Io>
void layout(Io& io, CancelOrder& m, int v) {
  if (v < 192) io.version(1);
  io(m.order_id);
  if (v >= 169) io(m.manual_time);
  if (v >= 187 && v < 190) io.fixed("", "", "2147483647");
  if (v >= 192) io.fixed("", "");  // operator, manual indicator
}

template <class Io>
void layout(Io& io, OpenOrder& m, int v) {
  io(m.order_id);
  order_contract(io, m.contract, false);
  io(m.action);
  io.decimal(m.quantity);
  io(m.order_type);
  io.money(m.limit_price);
  io.money(m.aux_price);
  io(m.time_in_force);
  io.fixed("");  // OCA group
  io(m.account);
  io.fixed("O", "0", "");  // open/close, origin, reference
  io(m.client_id, m.perm_id);
  io.fixed("0", "0", "0.0", "", "", "", "", "");  // hours, hidden, discretionary, date, shares, FA
  if (v < 177) io.fixed("");                      // profile
  io.fixed("", "", "", "", "", "0", "", "-1");    // model ... exempt code
  io.fixed("0", "", "", "", "", "", "");          // auction ... display size
  io.fixed("0", "0", "0", "", "3", "0", "0", "", "0", "0");  // block ... trigger method
  io.fixed("", "0");                                         // volatility and its type
  delta_neutral_order(io, "None");
  io.fixed("0", "0", "", "", "", "");  // continuous update ... basis points
  io(m.combo_description);
  order_legs(io, m.legs, m.combo_parameters);
  scale_and_hedge(io, false);
  io.fixed("0", "", "IB", "0");  // smart routing, clearing account and intent, not held
  contract_and_algorithm(io);
  io.fixed("0");  // solicited
  io(m.what_if, m.status);
  io.money(m.initial_margin_before);
  io.money(m.maintenance_margin_before);
  io.money(m.equity_with_loan_before);
  io.money(m.initial_margin_change);
  io.money(m.maintenance_margin_change);
  io.money(m.equity_with_loan_change);
  io.money(m.initial_margin_after);
  io.money(m.maintenance_margin_after);
  io.money(m.equity_with_loan_after);
  io.money(m.commission);
  io.money(m.min_commission);
  io.money(m.max_commission);
  io(m.commission_currency);
  if (v >= 195) {
    io(m.margin_currency);
    io.fixed("", "", "", "", "", "", "", "", "");  // margins outside regular hours
    io.fixed("");                                  // suggested size
    io.escaped(m.reject_reason);
    for (int left = io.telling_count(); left > 0; --left) io.fixed("", "", "", "", "", "", "");
  }
  io.escaped(m.warning);
  io.fixed("0", "0");  // randomize size and price
  if (pegged_to_benchmark(m.order_type)) io.fixed("0", "0", "", "", "");
  conditions(io);
  io.fixed("None", "", "", "", "", "", "", "0");  // adjusted order
  io.fixed("", "", "", "0");                      // soft dollars, cash
  io.fixed("0", "0", "0", "0");  // hedge price, OMS, discretionary limit, price management
  io.fixed("", "", "0");         // duration, post to ATS, cancel with parent
  if (v >= 170) io.fixed("", "", "", "", "");
  if (v >= 183) io.fixed("");      // customer account
  if (v >= 184) io.fixed("0");     // professional
  if (v >= 185) io.fixed("0");     // accrued interest
  if (v >= 189) io.fixed("0");     // overnight
  if (v >= 193) io.fixed("", "");  // operator, manual indicator
  if (v >= 198) io.fixed("");      // submitter
  if (v >= 199) io.fixed("0");     // imbalance only
}

template <class Io>
void layout(Io& io, OrderStatus& m, int) {
  io(m.order_id, m.status);
  io.decimal(m.filled);
  io.decimal(m.remaining);
  io(m.average_price, m.perm_id, m.parent_id, m.last_price, m.client_id, m.why_held,
     m.market_cap_price);
}

template <class Io>
void layout(Io& io, ExecutionData& m, int v) {
  io(m.req_id, m.order_id);
  order_contract(io, m.contract, false);
  io(m.execution_id, m.time, m.account, m.exchange, m.side);
  io.decimal(m.shares);
  io(m.price, m.perm_id, m.client_id, m.liquidation);
  io.decimal(m.cumulative_quantity);
  io(m.average_price, m.order_reference, m.ev_rule, m.ev_multiplier, m.model, m.last_liquidity);
  if (v >= 178) io(m.pending_price_revision);
  if (v >= 198) io(m.submitter);
}

template <class Io>
void layout(Io& io, CommissionReport& m, int) {
  io.version(1);
  io(m.execution_id, m.commission, m.currency, m.realized_pnl, m.yield, m.yield_redemption_date);
}

BF_MESSAGE(WhatIfOrder)
BF_MESSAGE(CancelOrder)
BF_MESSAGE(OpenOrder)
BF_MESSAGE(OrderStatus)
BF_MESSAGE(ExecutionData)
BF_MESSAGE(CommissionReport)

}  // namespace bifrost::ib::wire
