// SPDX-License-Identifier: Apache-2.0
#include "catalogue.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "bifrost/core/session_hours.hpp"

namespace bifrost::sim {
namespace {

constexpr std::string_view time_zone = "US/Eastern";

bool fits(std::string_view wanted, std::string_view value) {
  return wanted.empty() || wanted == value;
}

bool option_fits(const ib::wire::Contract& wanted, const ListedOption& option) {
  const auto& c = option.contract;
  // A month alone ("202512") names every expiry in it.
  if (!core::to_compact_date(option.last_trade_date).starts_with(wanted.last_trade_date)) {
    return false;
  }
  if (wanted.strike && *wanted.strike != 0 && std::abs(*wanted.strike - c.strike.value()) > 1e-6) {
    return false;
  }
  return (!wanted.right || *wanted.right == c.right) &&
         fits(wanted.trading_class, c.trading_class) &&
         fits(wanted.multiplier, std::to_string(c.multiplier)) &&
         (wanted.local_symbol.empty() || wanted.local_symbol == local_symbol(c));
}

std::string clock_text(core::Instant t) {
  const std::chrono::hh_mm_ss time{core::exchange_time(t).since_midnight};
  return fmt::format("{:02}{:02}", time.hours().count(), time.minutes().count());
}

/// The week from today: "20251121:0930-20251121:1600;20251122:CLOSED".
std::string trading_hours(core::Date today, const core::ProductHours& hours) {
  std::string out;
  for (auto day = today; day < today + std::chrono::days{6}; day += std::chrono::days{1}) {
    const auto date = core::to_compact_date(day);
    if (!out.empty()) out += ';';
    const auto session = core::session(day, hours);
    out += session ? fmt::format("{}:{}-{}:{}", date, clock_text(session->open), date,
                                 clock_text(session->close))
                   : fmt::format("{}:CLOSED", date);
  }
  return out;
}

}  // namespace

const Underlying* find_underlying(const Market& market, int con_id) {
  const auto all = market.underlyings();
  const auto it = std::ranges::find(all, con_id, &Underlying::con_id);
  return it == all.end() ? nullptr : &*it;
}

std::vector<Instrument> find_instruments(const Market& market, const ib::wire::Contract& wanted) {
  std::vector<Instrument> found;
  if (wanted.con_id != 0) {
    const int id = static_cast<int>(wanted.con_id);
    if (const auto* underlying = find_underlying(market, id)) {
      found.emplace_back(underlying);
    } else if (const auto* option = market.find_option(id)) {
      found.emplace_back(option);
    }
    return found;
  }
  if (!fits(wanted.currency, "USD")) return found;
  for (const auto& underlying : market.underlyings()) {
    if (wanted.sec_type == "OPT") {
      if (wanted.local_symbol.empty() ? wanted.symbol != underlying.symbol
                                      : !fits(wanted.symbol, underlying.symbol)) {
        continue;
      }
      for (const auto& option : market.options(underlying.con_id)) {
        if (option_fits(wanted, option)) found.emplace_back(&option);
      }
    } else if (wanted.sec_type == security_type(underlying) &&
               (wanted.symbol == underlying.symbol ||
                (wanted.symbol.empty() && wanted.local_symbol == underlying.symbol))) {
      found.emplace_back(&underlying);
    }
  }
  return found;
}

ib::wire::ContractData describe_instrument(const Market& market, const Instrument& instrument) {
  const auto today = core::exchange_time(market.now()).date;
  ib::wire::ContractData out;
  auto& c = out.contract;
  c.currency = "USD";
  out.time_zone = time_zone;
  out.ev_multiplier = "0";
  out.min_size = 1;
  out.size_increment = 1;
  out.suggested_size_increment = 1;
  out.size_min_tick = 1;
  if (const auto* const* option = std::get_if<const ListedOption*>(&instrument)) {
    const auto& o = **option;
    const auto& underlying = *find_underlying(market, o.underlying_con_id);
    const int rule = underlying.penny_options ? penny_rule : nickel_rule;
    out.trading_hours = trading_hours(today, core::hours_of(underlying.symbol));
    out.liquid_hours = out.trading_hours;
    c.con_id = o.con_id;
    c.symbol = o.contract.underlying;
    c.sec_type = "OPT";
    c.last_trade_date = core::to_compact_date(o.last_trade_date);
    c.strike = o.contract.strike.value();
    c.right = o.contract.right;
    c.multiplier = std::to_string(o.contract.multiplier);
    c.exchange = "SMART";
    c.local_symbol = local_symbol(o.contract);
    c.trading_class = o.contract.trading_class;
    out.last_trade_date_only = c.last_trade_date;
    out.market_name = c.trading_class;
    out.min_tick = 0.01;
    out.order_types = "ACTIVETIM,ADJUST,ALERT,LMT,MKT,WHATIF";
    out.valid_exchanges = "SMART,AMEX,CBOE";
    out.market_rule_ids = fmt::format("{},{},{}", rule, rule, rule);
    out.under_con_id = underlying.con_id;
    out.long_name = underlying.name;
    out.contract_month = core::to_compact_date(o.contract.expiry).substr(0, 6);
    out.agg_group = 2;
    out.under_symbol = underlying.symbol;
    out.under_sec_type = security_type(underlying);
    out.real_expiration_date = core::to_compact_date(o.contract.expiry);
    return out;
  }
  const auto& u = *std::get<const Underlying*>(instrument);
  const bool index = u.type == SecurityType::index;
  out.trading_hours = trading_hours(today, core::equity_hours);
  out.liquid_hours = out.trading_hours;
  c.con_id = u.con_id;
  c.symbol = u.symbol;
  c.sec_type = security_type(u);
  c.exchange = index ? u.exchange : "SMART";
  c.primary_exchange = index ? "" : u.exchange;
  c.local_symbol = u.symbol;
  c.trading_class = index ? u.symbol : "NMS";
  out.market_name = c.trading_class;
  out.min_tick = u.min_tick.value();
  out.order_types = index ? "ALERT" : "ACTIVETIM,ADJUST,ALERT,LMT,MKT,WHATIF";
  out.valid_exchanges = index ? u.exchange : fmt::format("SMART,{}", u.exchange);
  out.market_rule_ids =
      index ? std::to_string(penny_rule) : fmt::format("{},{}", penny_rule, penny_rule);
  out.long_name = u.name;
  out.agg_group = 1;
  out.stock_type = index ? "" : "COMMON";
  return out;
}

std::string local_symbol(const core::OptionContract& contract) {
  return fmt::format(
      "{:<6}{}{}{:08}", contract.trading_class, core::to_compact_date(contract.expiry).substr(2),
      core::to_char(contract.right), contract.strike.units() / (core::Price::units_per_one / 1000));
}

std::string_view security_type(const Underlying& underlying) {
  return underlying.type == SecurityType::index ? "IND" : "STK";
}

std::string gateway_time(core::Instant t) {
  const auto local = core::exchange_time(t);
  const std::chrono::hh_mm_ss time{
      std::chrono::duration_cast<std::chrono::seconds>(local.since_midnight)};
  return fmt::format("{} {:02}:{:02}:{:02} {}", core::to_compact_date(local.date),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time_zone);
}

}  // namespace bifrost::sim
