// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>

#include "account.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

constexpr std::size_t max_summaries = 2;
// Simulated time between two reports of what is subscribed.
constexpr auto account_interval = std::chrono::minutes{3};

/// Lines that a summary's tag asks for: itself, or what `$LEDGER` stands for.
std::vector<AccountLine> lines_of(std::string_view tag, const Statement& statement) {
  if (tag.starts_with("$LEDGER")) {
    const auto options = statement.net_liquidation - statement.cash;
    return {{"CashBalance", fmt::format("{:.2f}", statement.cash), "USD"},
            {"OptionMarketValue", fmt::format("{:.2f}", options), "USD"},
            {"NetLiquidationByCurrency", fmt::format("{:.2f}", statement.net_liquidation), "USD"},
            {"UnrealizedPnL", fmt::format("{:.2f}", statement.unrealized), "USD"}};
  }
  auto all = account_lines(statement);
  std::erase_if(all, [&](const AccountLine& line) { return line.tag != tag; });
  return all;
}

}  // namespace

void Session::on(const wire::AccountSummaryRequest& m) {
  if (!summaries_.contains(m.req_id) && summaries_.size() >= max_summaries) {
    return send_error(m.req_id, 322,
                      "Error processing request.-'b' : cause - Maximum number of account summary "
                      "requests exceeded");
  }
  const auto at =
      summaries_
          .insert_or_assign(
              m.req_id,
              Summary{.tags = m.tags, .next = floor_.market.now() + account_interval, .told = {}})
          .first;
  tell_summary(m.req_id, at->second);
  send(wire::AccountSummaryEnd{.req_id = m.req_id});
}

void Session::tell_summary(int req_id, Summary& summary) {
  const auto statement = state_account(floor_.account, floor_.market);
  for (const auto tag : split(summary.tags, ',')) {
    for (auto& line : lines_of(tag, statement)) {
      auto& told = summary.told[line.tag];
      if (told == line.value) continue;
      told = line.value;
      send(wire::AccountSummary{.req_id = req_id,
                                .account = floor_.options.account,
                                .tag = std::move(line.tag),
                                .value = std::move(line.value),
                                .currency = std::move(line.currency)});
    }
  }
}

void Session::on(const wire::CancelAccountSummary& m) {
  summaries_.erase(m.req_id);
}

void Session::on(const wire::PositionsRequest&) {
  for (auto& p : state_account(floor_.account, floor_.market).positions) {
    send(wire::Position{.account = floor_.options.account,
                        .contract = std::move(p.contract),
                        .position = p.quantity,
                        .average_cost = p.average_cost});
  }
  send(wire::PositionEnd{});
}

void Session::on(const wire::PositionsMultiRequest& m) {
  for (auto& p : state_account(floor_.account, floor_.market).positions) {
    send(wire::PositionMulti{.req_id = m.req_id,
                             .account = floor_.options.account,
                             .contract = std::move(p.contract),
                             .position = p.quantity,
                             .average_cost = p.average_cost,
                             .model = m.model});
  }
  send(wire::PositionMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::AccountUpdatesRequest& m) {
  if (!m.subscribe) {
    account_updates_.reset();
    if (floor_.account_subscriber == this) floor_.account_subscriber = nullptr;
    return;
  }
  // One account is told to one client at a time: the newest.
  floor_.account_subscriber = this;
  account_updates_ = floor_.market.now() + account_interval;
  tell_account();
  send(wire::AccountDownloadEnd{.account = floor_.options.account});
}

void Session::tell_account() {
  const auto statement = state_account(floor_.account, floor_.market);
  for (auto& line : account_lines(statement)) {
    send(wire::AccountValue{.key = std::move(line.tag),
                            .value = std::move(line.value),
                            .currency = std::move(line.currency),
                            .account = floor_.options.account});
  }
  for (const auto& p : statement.positions) {
    send(wire::PortfolioValue{.contract = p.contract,
                              .position = p.quantity,
                              .market_price = p.market_price,
                              .market_value = p.market_value(),
                              .average_cost = p.average_cost,
                              .unrealized_pnl = p.unrealized(),
                              .realized_pnl = 0,
                              .account = floor_.options.account});
  }
  send(wire::AccountUpdateTime{.time = gateway_time(floor_.told_time()).substr(9, 5)});
}

void Session::account_moved() {
  const auto now = floor_.market.now();
  for (auto& [req_id, summary] : summaries_) {
    if (now < summary.next) continue;
    summary.next = now + account_interval;
    tell_summary(req_id, summary);
  }
  if (!account_updates_) return;
  if (floor_.account_subscriber != this) {
    account_updates_.reset();
    send_error(std::nullopt, 2100,
               "New account data requested from TWS.  API client has been unsubscribed from "
               "account data.");
  } else if (now >= *account_updates_) {
    account_updates_ = now + account_interval;
    tell_account();
  }
}

void Session::on(const wire::AccountUpdatesMultiRequest& m) {
  for (auto& line : account_lines(state_account(floor_.account, floor_.market))) {
    send(wire::AccountUpdateMulti{.req_id = m.req_id,
                                  .account = floor_.options.account,
                                  .model = m.model,
                                  .key = std::move(line.tag),
                                  .value = std::move(line.value),
                                  .currency = std::move(line.currency)});
  }
  send(wire::AccountUpdateMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::PnlRequest& m) {
  const auto unrealized = state_account(floor_.account, floor_.market).unrealized;
  send(wire::Pnl{.req_id = m.req_id, .daily = 0, .unrealized = unrealized, .realized = 0});
}

}  // namespace bifrost::sim
