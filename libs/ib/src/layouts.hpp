// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/ib/wire.hpp"

// One layout per message, run by the reader and the writer alike (wire.cpp). `v` is the negotiated
// server version, the gates are those of the protocol text. The message id in front is not part of
// a layout; `io.version(n)` is the message version field: written as n, skipped when read, since
// peers differ in it and nobody's layout depends on it.
namespace bifrost::ib::wire {

template <class Io>
void layout(Io& io, ComboLeg& m) {
  io(m.con_id, m.ratio, m.action, m.exchange);
}

template <class Io>
void contract12(Io& io, Contract& m) {
  io(m.con_id, m.symbol, m.sec_type, m.last_trade_date);
  io.strike(m.strike);
  io(m.right, m.multiplier, m.exchange, m.primary_exchange, m.currency, m.local_symbol,
     m.trading_class);
}

// As positions and the portfolio carry it: one of the two exchanges is missing.
template <class Io>
void contract11(Io& io, Contract& m, std::string& exchange) {
  io(m.con_id, m.symbol, m.sec_type, m.last_trade_date);
  io.strike(m.strike);
  io(m.right, m.multiplier, exchange, m.currency, m.local_symbol, m.trading_class);
}

template <class Io>
void layout(Io& io, StartApi& m, int) {
  io.version(2);
  io(m.client_id, m.capabilities);
}
template <class Io>
void layout(Io& io, CurrentTimeRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io&, CurrentTimeMillisRequest&, int) {}
template <class Io>
void layout(Io& io, IdsRequest&, int) {
  io.version(1);
  io.version(1);  // how many ids; gateways ignore it
}
template <class Io>
void layout(Io& io, ManagedAccountsRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, ServerLogLevel& m, int) {
  io.version(1);
  io(m.level);
}
template <class Io>
void layout(Io& io, ContractDataRequest& m, int v) {
  io.version(8);
  io(m.req_id);
  contract12(io, m.contract);
  io(m.include_expired, m.sec_id_type, m.sec_id);
  if (v >= 176) io(m.issuer_id);
}
template <class Io>
void layout(Io& io, OptionParametersRequest& m, int) {
  io(m.req_id, m.underlying_symbol, m.fut_fop_exchange, m.underlying_sec_type, m.underlying_con_id);
}
template <class Io>
void layout(Io& io, MarketDataRequest& m, int) {
  io.version(11);
  io(m.req_id);
  contract12(io, m.contract);
  if (m.contract.sec_type == "BAG") io.list(m.legs, [&](ComboLeg& leg) { layout(io, leg); });
  bool delta_neutral = m.delta_neutral.has_value();
  io(delta_neutral);
  if (delta_neutral) {
    if (!m.delta_neutral) m.delta_neutral.emplace();
    io(m.delta_neutral->con_id, m.delta_neutral->delta, m.delta_neutral->price);
  }
  io(m.generic_ticks, m.snapshot, m.regulatory_snapshot, m.options);
}
template <class Io>
void layout(Io& io, CancelMarketData& m, int) {
  io.version(2);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, MarketDataTypeRequest& m, int) {
  io.version(1);
  io(m.type);
}
template <class Io>
void layout(Io& io, HistoricalDataRequest& m, int) {
  io(m.req_id);
  contract12(io, m.contract);
  io(m.include_expired, m.end, m.bar_size, m.duration, m.regular_hours, m.what_to_show,
     m.format_date);
  if (m.contract.sec_type == "BAG") io.list(m.legs, [&](ComboLeg& leg) { layout(io, leg); });
  io(m.keep_up_to_date, m.options);
}
template <class Io>
void layout(Io& io, CancelHistoricalData& m, int) {
  io.version(1);
  io(m.req_id);
}
// Some peers write the number of options before the options.
template <class Io>
void calculator_options(Io& io, std::string& options) {
  if (io.remaining() > 1) io.version(0);
  io(options);
}
template <class Io>
void layout(Io& io, ImpliedVolRequest& m, int) {
  io.version(2);
  io(m.req_id);
  contract12(io, m.contract);
  io(m.option_price, m.underlying_price);
  calculator_options(io, m.options);
}
template <class Io>
void layout(Io& io, OptionPriceRequest& m, int) {
  io.version(2);
  io(m.req_id);
  contract12(io, m.contract);
  io(m.volatility, m.underlying_price);
  calculator_options(io, m.options);
}
template <class Io>
void layout(Io& io, CancelImpliedVol& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, CancelOptionPrice& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, AccountSummaryRequest& m, int) {
  io.version(1);
  io(m.req_id, m.group, m.tags);
}
template <class Io>
void layout(Io& io, CancelAccountSummary& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, PositionsRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, CancelPositions&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, PositionsMultiRequest& m, int) {
  io.version(1);
  io(m.req_id, m.account, m.model);
}
template <class Io>
void layout(Io& io, CancelPositionsMulti& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, AccountUpdatesRequest& m, int) {
  io.version(2);
  io(m.subscribe, m.account);
}
template <class Io>
void layout(Io& io, AccountUpdatesMultiRequest& m, int) {
  io.version(1);
  io(m.req_id, m.account, m.model, m.ledger_and_nlv);
}
template <class Io>
void layout(Io& io, CancelAccountUpdatesMulti& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, PnlRequest& m, int) {
  io(m.req_id, m.account, m.model);
}
template <class Io>
void layout(Io& io, CancelPnl& m, int) {
  io(m.req_id);
}
template <class Io>
void layout(Io& io, OpenOrdersRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, AllOpenOrdersRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, AutoOpenOrdersRequest& m, int) {
  io.version(1);
  io(m.auto_bind);
}
template <class Io>
void layout(Io& io, CompletedOrdersRequest& m, int) {
  io(m.api_only);
}
template <class Io>
void layout(Io& io, ExecutionsRequest& m, int v) {
  io.version(3);
  io(m.req_id, m.client_id, m.account, m.time, m.symbol, m.sec_type, m.exchange, m.side);
  if (v >= 200) {
    io.unset_as_max(m.last_days);
    io.list(m.dates, [&](std::string& date) { io(date); });
  }
}
template <class Io>
void layout(Io& io, MatchingSymbolsRequest& m, int) {
  io(m.req_id, m.pattern);
}
template <class Io>
void layout(Io& io, MarketRuleRequest& m, int) {
  io(m.rule_id);
}
template <class Io>
void layout(Io& io, FamilyCodesRequest&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, SoftDollarTiersRequest& m, int) {
  io(m.req_id);
}
template <class Io>
void layout(Io& io, SmartComponentsRequest& m, int) {
  io(m.req_id, m.bbo_exchange);
}
template <class Io>
void layout(Io& io, UserInfoRequest& m, int) {
  io(m.req_id);
}

template <class Io>
void layout(Io& io, NextValidId& m, int) {
  io.version(1);
  io(m.order_id);
}
template <class Io>
void layout(Io& io, ManagedAccounts& m, int) {
  io.version(1);
  io.comma_list(m.accounts);
}
template <class Io>
void layout(Io& io, CurrentTime& m, int) {
  io.version(1);
  io(m.epoch_seconds);
}
template <class Io>
void layout(Io& io, CurrentTimeMillis& m, int) {
  io(m.epoch_millis);
}
template <class Io>
void layout(Io& io, ErrorMessage& m, int v) {
  if (v < 194) io.version(2);
  io.unset_as_minus_one(m.req_id);
  io(m.code);
  io.escaped(m.text);
  if (v >= 166) io.escaped(m.reject_json);
  if (v >= 194) io(m.time_millis);
}
template <class Io>
void layout(Io& io, ContractData& m, int v) {
  auto& c = m.contract;
  if (v < 164) io.version(8);
  io(m.req_id, c.symbol, c.sec_type, c.last_trade_date);
  if (v >= 182) io(m.last_trade_date_only);
  io.strike(c.strike);
  io(c.right, c.exchange, c.currency, c.local_symbol, m.market_name, c.trading_class, c.con_id,
     m.min_tick);
  if (v < 164) io(m.md_size_multiplier);
  io(c.multiplier, m.order_types, m.valid_exchanges, m.price_magnifier, m.under_con_id);
  io.escaped(m.long_name);
  io(c.primary_exchange, m.contract_month, m.industry, m.category, m.subcategory, m.time_zone,
     m.trading_hours, m.liquid_hours, m.ev_rule, m.ev_multiplier);
  io.list(m.sec_ids, [&](TagValue& t) { io(t.tag, t.value); });
  io(m.agg_group, m.under_symbol, m.under_sec_type, m.market_rule_ids, m.real_expiration_date,
     m.stock_type);
  if (v < 164) io.decimal(m.size_min_tick);
  if (v >= 164) {
    io.decimal(m.min_size);
    io.decimal(m.size_increment);
    io.decimal(m.suggested_size_increment);
  }
  if (v >= 179 && c.sec_type == "FUND") {
    m.fund.text.resize(17);
    for (auto& text : m.fund.text) io(text);
  }
  if (v >= 186) {
    io.list(m.ineligibility, [&](Ineligibility& i) { io(i.reason, i.description); });
  }
}
template <class Io>
void layout(Io& io, ContractDataEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, OptionParameters& m, int) {
  io(m.req_id, m.exchange, m.underlying_con_id, m.trading_class, m.multiplier);
  io.list(m.expirations, [&](std::string& e) { io(e); });
  io.list(m.strikes, [&](double& strike) { io(strike); });
}
template <class Io>
void layout(Io& io, OptionParametersEnd& m, int) {
  io(m.req_id);
}
template <class Io>
void layout(Io& io, MarketDataType& m, int) {
  io.version(1);
  io(m.req_id, m.type);
}
template <class Io>
void layout(Io& io, TickRequestParameters& m, int) {
  io(m.req_id, m.min_tick, m.bbo_exchange, m.snapshot_permissions);
}
template <class Io>
void layout(Io& io, TickPrice& m, int) {
  io.version(6);
  io(m.req_id, m.tick_type);
  io.price_and_size(m.price, m.size);
  io(m.attributes);
}
template <class Io>
void layout(Io& io, TickSize& m, int) {
  io.version(6);
  io(m.req_id, m.tick_type);
  io.decimal(m.size);
}
template <class Io>
void layout(Io& io, TickGeneric& m, int) {
  io.version(6);
  io(m.req_id, m.tick_type, m.value);
}
template <class Io>
void layout(Io& io, TickString& m, int) {
  io.version(6);
  io(m.req_id, m.tick_type, m.value);
}
template <class Io>
void layout(Io& io, OptionComputation& m, int) {
  io(m.req_id, m.tick_type, m.attribute);
  io.unset_as(-1, m.implied_vol);
  io.unset_as(-2, m.delta);
  io.unset_as(-1, m.option_price);
  io.unset_as(-1, m.pv_dividend);
  io.unset_as(-2, m.gamma);
  io.unset_as(-2, m.vega);
  io.unset_as(-2, m.theta);
  io.unset_as(-1, m.underlying_price);
}
template <class Io>
void layout(Io& io, TickSnapshotEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, HistoricalData& m, int v) {
  io(m.req_id);
  if (v < 196) io(m.start, m.end);
  io.list(m.bars, [&](Bar& b) {
    io(b.date, b.open, b.high, b.low, b.close);
    io.unset_as(-1, b.volume);
    io.unset_as(-1, b.wap);
    io.unset_as(-1, b.count);
  });
}
template <class Io>
void layout(Io& io, HistoricalDataEnd& m, int) {
  io(m.req_id, m.start, m.end);
}
template <class Io>
void layout(Io& io, HistoricalDataUpdate& m, int) {
  auto& b = m.bar;
  io(m.req_id);
  io.unset_as(-1, b.count);
  io(b.date, b.open, b.close, b.high, b.low);
  io.unset_as(-1, b.wap);
  io.unset_as(-1, b.volume);
}
template <class Io>
void layout(Io& io, HistoricalSchedule& m, int) {
  io(m.req_id, m.start, m.end, m.time_zone);
  io.list(m.sessions, [&](ScheduleSession& s) { io(s.start, s.end, s.reference_date); });
}
template <class Io>
void layout(Io& io, AccountSummary& m, int) {
  io.version(1);
  io(m.req_id, m.account, m.tag, m.value, m.currency);
}
template <class Io>
void layout(Io& io, AccountSummaryEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, Position& m, int) {
  io.version(3);
  io(m.account);
  contract11(io, m.contract, m.contract.exchange);
  io.decimal(m.position);
  io(m.average_cost);
}
template <class Io>
void layout(Io& io, PositionEnd&, int) {
  io.version(1);
}
template <class Io>
void layout(Io& io, PositionMulti& m, int) {
  io.version(1);
  io(m.req_id, m.account);
  contract11(io, m.contract, m.contract.exchange);
  io.decimal(m.position);
  io(m.average_cost, m.model);
}
template <class Io>
void layout(Io& io, PositionMultiEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, AccountValue& m, int) {
  io.version(2);
  io(m.key, m.value, m.currency, m.account);
}
template <class Io>
void layout(Io& io, PortfolioValue& m, int) {
  io.version(8);
  contract11(io, m.contract, m.contract.primary_exchange);
  io.decimal(m.position);
  io(m.market_price, m.market_value, m.average_cost, m.unrealized_pnl, m.realized_pnl, m.account);
}
template <class Io>
void layout(Io& io, AccountUpdateTime& m, int) {
  io.version(1);
  io(m.time);
}
template <class Io>
void layout(Io& io, AccountDownloadEnd& m, int) {
  io.version(1);
  io(m.account);
}
template <class Io>
void layout(Io& io, AccountUpdateMulti& m, int) {
  io.version(1);
  io(m.req_id, m.account, m.model, m.key, m.value, m.currency);
}
template <class Io>
void layout(Io& io, AccountUpdateMultiEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, Pnl& m, int) {
  io(m.req_id, m.daily, m.unrealized, m.realized);
}
template <class Io>
void layout(Io& io, OpenOrderEnd&, int) {
  io.version(1);
}
template <class Io>
void layout(Io&, CompletedOrdersEnd&, int) {}
template <class Io>
void layout(Io& io, ExecutionDataEnd& m, int) {
  io.version(1);
  io(m.req_id);
}
template <class Io>
void layout(Io& io, SymbolSamples& m, int v) {
  io(m.req_id);
  io.list(m.samples, [&](SymbolSample& s) {
    io(s.con_id, s.symbol, s.sec_type, s.primary_exchange, s.currency);
    io.list(s.derivative_sec_types, [&](std::string& type) { io(type); });
    if (v >= 176) io(s.description, s.issuer_id);
  });
}
template <class Io>
void layout(Io& io, MarketRule& m, int) {
  io(m.rule_id);
  io.list(m.increments, [&](PriceIncrement& p) { io(p.low_edge, p.increment); });
}
template <class Io>
void layout(Io& io, FamilyCodes& m, int) {
  io.list(m.codes, [&](FamilyCode& f) { io(f.account, f.code); });
}
template <class Io>
void layout(Io& io, SoftDollarTiers& m, int) {
  io(m.req_id);
  io.list(m.tiers, [&](SoftDollarTier& t) { io(t.name, t.value, t.display_name); });
}
template <class Io>
void layout(Io& io, SmartComponents& m, int) {
  io(m.req_id);
  io.list(m.components, [&](SmartComponent& c) { io(c.bit, c.exchange, c.letter); });
}
template <class Io>
void layout(Io& io, UserInfo& m, int) {
  io(m.req_id, m.white_branding_id);
}

}  // namespace bifrost::ib::wire
