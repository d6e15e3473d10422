// SPDX-License-Identifier: Apache-2.0
#include "account.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

using core::Errc;
using core::fail;
using core::Price;
using core::Result;

// Of an uncovered share.
constexpr double uncovered_share = 0.20;

Result<double> amount(std::string_view text, std::string_view what) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(std::abs(value) < 1e12)) {
    return fail(Errc::invalid_input, fmt::format("`{}` is no {}", text, what));
  }
  return value;
}

Result<std::int64_t> quantity_of(std::string_view text) {
  const auto n = parse_int(text);
  if (!n || *n == 0) return fail(Errc::invalid_input, fmt::format("`{}` is no quantity", text));
  return *n;
}

Result<Price> price_of(std::string_view text, std::string_view what) {
  BF_TRY(const auto value, amount(text, what));
  const auto price = Price::from_double(value);
  if (!price || value < 0)
    return fail(Errc::invalid_input, fmt::format("`{}` is no {}", text, what));
  return *price;
}

Result<> read_line(const std::vector<std::string_view>& words, Account& account) {
  const auto wanted = [&](std::size_t count, std::string_view shape) -> Result<> {
    if (words.size() == count) return {};
    return fail(Errc::invalid_input, fmt::format("expected `{}`", shape));
  };
  if (words[0] == "cash") {
    BF_CHECK(wanted(2, "cash AMOUNT"));
    BF_TRY(account.cash, amount(words[1], "amount"));
    return {};
  }
  Holding h;
  if (words[0] == "stock") {
    BF_CHECK(wanted(4, "stock SYMBOL QUANTITY PRICE"));
    h.symbol = words[1];
    BF_TRY(h.quantity, quantity_of(words[2]));
    BF_TRY(h.price, price_of(words[3], "price"));
  } else if (words[0] == "option") {
    BF_CHECK(wanted(8, "option SYMBOL CLASS EXPIRY STRIKE C|P QUANTITY PRICE"));
    h.symbol = words[1];
    core::OptionContract c;
    c.underlying = h.symbol;
    c.trading_class = words[2];
    BF_TRY(c.expiry, core::parse_date(words[3]));
    BF_TRY(c.strike, price_of(words[4], "strike"));
    if (words[5] != "C" && words[5] != "P") {
      return fail(Errc::invalid_input, fmt::format("`{}` is neither C nor P", words[5]));
    }
    c.right = words[5] == "C" ? core::Right::call : core::Right::put;
    BF_TRY(h.quantity, quantity_of(words[6]));
    BF_TRY(h.price, price_of(words[7], "price"));
    h.option = std::move(c);
  } else {
    return fail(Errc::invalid_input,
                fmt::format("`{}` is none of cash, stock and option", words[0]));
  }
  account.holdings.push_back(std::move(h));
  return {};
}

const Underlying* by_symbol(const Market& market, std::string_view symbol) {
  const auto all = market.underlyings();
  const auto it = std::ranges::find(all, symbol, &Underlying::symbol);
  return it == all.end() ? nullptr : &*it;
}

const ListedOption* listed(const Market& market, const Underlying& underlying,
                           const core::OptionContract& contract) {
  const auto all = market.options(underlying.con_id);
  const auto it = std::ranges::find(all, contract, &ListedOption::contract);
  return it == all.end() ? nullptr : &*it;
}

analysis::Leg leg_of(const Holding& h) {
  const auto kind = !h.option                              ? analysis::LegKind::stock
                    : h.option->right == core::Right::call ? analysis::LegKind::call
                                                           : analysis::LegKind::put;
  return {.kind = kind,
          .quantity = h.quantity,
          .strike = h.option ? h.option->strike : Price{},
          .entry_price = h.price,
          .multiplier = h.option ? h.option->multiplier : 1};
}

}  // namespace

core::Result<Account> parse_account(std::string_view text, std::string_view name) {
  Account account;
  std::string wrong;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    std::string plain{line};
    std::ranges::replace_if(plain, [](char c) { return c == '\t' || c == '\r'; }, ' ');
    const auto words = split(plain, ' ');
    if (words.empty()) continue;
    if (const auto read = read_line(words, account); !read) {
      wrong +=
          fmt::format("{}{}:{}: {}", wrong.empty() ? "" : "\n", name, number, read.error().message);
    }
  }
  if (!wrong.empty()) return fail(Errc::invalid_input, wrong);
  return account;
}

Account default_account(const Market& market) {
  Account account;
  const auto underlyings = market.underlyings();
  if (underlyings.empty()) return account;
  const auto& underlying = underlyings.front();
  const auto spot = market_price(market.underlying_state(underlying.con_id)).value();
  // The class is that of the last expiry listed, which is a monthly one; a month or more away.
  const auto all = market.options(underlying.con_id);
  const auto far =
      std::ranges::max_element(all, {}, [](const ListedOption& o) { return o.contract.expiry; });
  if (far == all.end()) return account;
  const auto soonest = core::exchange_time(market.now()).date + std::chrono::days{30};
  const ListedOption* best[2] = {};
  for (const auto& o : all) {
    if (o.contract.trading_class != far->contract.trading_class || o.contract.expiry < soonest) {
      continue;
    }
    auto& held = best[o.contract.right == core::Right::call ? 0 : 1];
    const auto distance = [&](const ListedOption& x) {
      return std::pair{x.contract.expiry, std::abs(x.contract.strike.value() - spot)};
    };
    if (!held || distance(o) < distance(*held)) held = &o;
  }
  for (const auto* option : best) {
    if (!option) continue;
    const auto price = market_price(market.option_state(option->con_id));
    const bool call = option->contract.right == core::Right::call;
    account.holdings.push_back({.symbol = underlying.symbol,
                                .option = option->contract,
                                .quantity = call ? 2 : -1,
                                .price = price});
    account.cash -= (call ? 2 : -1) * option->contract.multiplier * price.value();
  }
  return account;
}

core::Price market_price(const OptionState& state) {
  const auto& q = state.quote;
  if (q.bid && q.ask) return Price::from_units(std::midpoint(q.bid->units(), q.ask->units()));
  if (q.last) return *q.last;
  const auto model = state.model ? state.model->price : std::nullopt;
  return model ? Price::from_double(*model).value_or(Price{}) : Price{};
}

core::Price market_price(const UnderlyingState& state) {
  if (state.last) return *state.last;
  if (state.bid && state.ask) {
    return Price::from_units(std::midpoint(state.bid->units(), state.ask->units()));
  }
  return state.previous_close.value_or(Price{});
}

double margin_of(std::span<const analysis::Leg> legs, double spot) {
  const auto payoff = analysis::payoff_at_expiry(legs);
  if (!payoff) return 0;
  double worst = 0;
  for (const auto& kink : payoff->kinks) worst = std::max(worst, -kink.profit.value());
  const auto slope = payoff->kinks.back().slope;
  if (slope < 0) worst += uncovered_share * spot * -static_cast<double>(slope);
  return worst;
}

Statement state_account(const Account& account, const Market& market) {
  Statement out;
  out.cash = account.cash;
  out.net_liquidation = account.cash;
  std::map<int, std::vector<analysis::Leg>> books;  // by underlying
  for (const auto& h : account.holdings) {
    const auto* underlying = by_symbol(market, h.symbol);
    if (!underlying) continue;
    Position p;
    if (h.option) {
      const auto* option = listed(market, *underlying, *h.option);
      if (!option) continue;
      p.contract = describe_instrument(market, option).contract;
      p.multiplier = h.option->multiplier;
      p.market_price = market_price(market.option_state(option->con_id)).value();
    } else {
      p.contract = describe_instrument(market, underlying).contract;
      p.market_price = market_price(market.underlying_state(underlying->con_id)).value();
    }
    p.contract.exchange.clear();
    p.quantity = static_cast<double>(h.quantity);
    p.average_cost = h.price.value() * p.multiplier;
    out.net_liquidation += p.market_value();
    out.gross_position_value += std::abs(p.market_value());
    out.unrealized += p.unrealized();
    books[underlying->con_id].push_back(leg_of(h));
    out.positions.push_back(std::move(p));
  }
  for (const auto& [con_id, legs] : books) {
    out.margin += margin_of(legs, market_price(market.underlying_state(con_id)).value());
  }
  return out;
}

std::vector<AccountLine> account_lines(const Statement& s) {
  const auto money = [](double value) { return fmt::format("{:.2f}", value); };
  const double excess = s.net_liquidation - s.margin;
  const double cushion = s.net_liquidation > 0 ? excess / s.net_liquidation : 0;
  return {
      {"AccountType", "INDIVIDUAL", ""},
      {"Cushion", fmt::format("{}", std::round(cushion * 1e6) / 1e6), ""},
      {"NetLiquidation", money(s.net_liquidation), "USD"},
      {"TotalCashValue", money(s.cash), "USD"},
      {"BuyingPower", money(4 * std::max(excess, 0.0)), "USD"},
      {"InitMarginReq", money(s.margin), "USD"},
      {"MaintMarginReq", money(s.margin), "USD"},
      {"AvailableFunds", money(excess), "USD"},
      {"ExcessLiquidity", money(excess), "USD"},
      {"GrossPositionValue", money(s.gross_position_value), "USD"},
  };
}

}  // namespace bifrost::sim
