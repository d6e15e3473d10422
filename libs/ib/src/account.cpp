// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/account.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include "asking.hpp"
#include "client_impl.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;

namespace {

struct Tag {
  std::string_view name;
  std::optional<double> AccountSummary::* field;
};
constexpr std::array tags{
    Tag{"NetLiquidation", &AccountSummary::net_liquidation},
    Tag{"TotalCashValue", &AccountSummary::total_cash},
    Tag{"BuyingPower", &AccountSummary::buying_power},
    Tag{"InitMarginReq", &AccountSummary::initial_margin},
    Tag{"MaintMarginReq", &AccountSummary::maintenance_margin},
    Tag{"AvailableFunds", &AccountSummary::available_funds},
    Tag{"ExcessLiquidity", &AccountSummary::excess_liquidity},
    Tag{"GrossPositionValue", &AccountSummary::gross_position_value},
    Tag{"Cushion", &AccountSummary::cushion},
};
constexpr std::string_view type_tag = "AccountType";

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class Mutex>
core::Result<std::unique_lock<Mutex>> wait_turn(Mutex& mutex, std::string_view what,
                                                core::Deadline deadline) {
  std::unique_lock lock{mutex, std::defer_lock};
  if (!lock.try_lock_until(deadline)) {
    return fail(Errc::timeout, fmt::format("{}: another call is still asking", what));
  }
  return lock;
}

Position to_position(const wire::Position& p) {
  const auto& c = p.contract;
  Position out{.account = p.account,
               .con_id = c.con_id,
               .symbol = c.symbol,
               .sec_type = c.sec_type,
               .currency = c.currency,
               .local_symbol = c.local_symbol,
               .option = std::nullopt,
               .quantity = p.position.value_or(0),
               .multiplier = 1,
               .average_price = p.average_cost};
  if (const auto multiplier = number(c.multiplier);
      multiplier && *multiplier >= 1 && *multiplier <= 1e6) {
    out.multiplier = static_cast<int>(*multiplier);
  }
  if (out.average_price) *out.average_price /= out.multiplier;
  if (c.sec_type != "OPT" || !c.right || !c.strike || !core::is_symbol(c.symbol)) return out;
  const auto expiry = core::parse_compact_date(std::string_view{c.last_trade_date}.substr(0, 8));
  const auto strike = core::Price::from_double(*c.strike);
  const auto& trading_class = c.trading_class.empty() ? c.symbol : c.trading_class;
  if (expiry && strike && core::is_symbol(trading_class)) {
    out.option = core::OptionContract{.underlying = c.symbol,
                                      .trading_class = trading_class,
                                      .expiry = *expiry,
                                      .strike = *strike,
                                      .right = *c.right,
                                      .multiplier = out.multiplier};
  }
  return out;
}

}  // namespace

core::Result<std::vector<AccountSummary>> Client::account_summary(core::Deadline deadline) {
  constexpr std::string_view what = "account summary";
  BF_TRY(const auto turn, wait_turn(impl_->summary_turn, what, deadline));
  std::string names{type_tag};
  for (const auto& tag : tags) names += fmt::format(",{}", tag.name);
  auto& link = impl_->link;
  std::vector<wire::AccountSummary> values;
  BF_CHECK(ask(
      link, wire::AccountSummaryRequest{.group = "All", .tags = names}, what, deadline,
      [&] { values.clear(); },
      [&](Event& event) {
        if (auto* value = std::get_if<wire::AccountSummary>(&event)) {
          values.push_back(std::move(*value));
        }
        return std::holds_alternative<wire::AccountSummaryEnd>(event);
      },
      // It would be sent again every three minutes for ever.
      [&](const Link::Session& session, int id) {
        link.take_place();
        (void)link.send(session, wire::CancelAccountSummary{.req_id = id});
      }));
  std::map<std::string, AccountSummary> accounts;
  for (const auto& value : values) {
    auto& account = accounts[value.account];
    account.account = value.account;
    if (value.tag == type_tag) account.account_type = value.value;
    for (const auto& tag : tags) {
      if (tag.name != value.tag) continue;
      account.*tag.field = number(value.value);
      if (!value.currency.empty()) account.currency = value.currency;
    }
  }
  std::vector<AccountSummary> all;
  for (auto& [name, account] : accounts) all.push_back(std::move(account));
  return all;
}

core::Result<std::vector<Position>> Client::positions(const PositionFilter& filter,
                                                      core::Deadline deadline) {
  constexpr std::string_view what = "positions";
  BF_TRY(const auto turn, wait_turn(impl_->positions_turn, what, deadline));
  auto& link = impl_->link;
  const auto ready = link.ready();
  if (ready && ready->number == impl_->positions_spoiled) {
    // The rest of a list that was given up may still come, and its end would cut ours short: what
    // the gateway had to say is said once it has answered something else.
    BF_CHECK(current_time(deadline));
    impl_->positions_spoiled = 0;
  }
  // The last word on each holding counts.
  std::map<std::pair<std::string, std::int64_t>, Position> held;
  bool complete = false;
  BF_CHECK(ask(
      link, wire::PositionsRequest{}, what, deadline, [&] { held.clear(); },
      [&](Event& event) {
        if (const auto* position = std::get_if<wire::Position>(&event)) {
          held.insert_or_assign({position->account, position->contract.con_id},
                                to_position(*position));
        }
        return complete = complete || std::holds_alternative<wire::PositionEnd>(event);
      },
      [&](const Link::Session& session, int) {
        if (!complete) impl_->positions_spoiled = session.number;
        link.take_place();
        (void)link.send(session, wire::CancelPositions{});
      }));
  std::vector<Position> all;
  for (auto& [key, position] : held) {
    if (position.quantity == 0) continue;
    if (!filter.account.empty() && position.account != filter.account) continue;
    if (!filter.symbol.empty() && position.symbol != filter.symbol) continue;
    if (filter.options_only && !position.option) continue;
    all.push_back(std::move(position));
  }
  std::sort(all.begin(), all.end(), [](const Position& a, const Position& b) {
    return std::tie(a.account, a.symbol, a.option, a.con_id) <
           std::tie(b.account, b.symbol, b.option, b.con_id);
  });
  return all;
}

}  // namespace bifrost::ib
