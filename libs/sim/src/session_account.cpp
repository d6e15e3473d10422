// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

constexpr std::size_t max_summaries = 2;

struct AccountLine {
  std::string_view tag;
  std::string_view value;
  std::string_view currency;
};
constexpr AccountLine account_lines[] = {
    {"AccountType", "INDIVIDUAL", ""},        {"Cushion", "1", ""},
    {"NetLiquidation", "1000000.00", "USD"},  {"TotalCashValue", "1000000.00", "USD"},
    {"BuyingPower", "4000000.00", "USD"},     {"InitMarginReq", "0.00", "USD"},
    {"MaintMarginReq", "0.00", "USD"},        {"AvailableFunds", "1000000.00", "USD"},
    {"ExcessLiquidity", "1000000.00", "USD"}, {"GrossPositionValue", "0.00", "USD"},
};

}  // namespace

void Session::on(const wire::AccountSummaryRequest& m) {
  if (!summaries_.contains(m.req_id) && summaries_.size() >= max_summaries) {
    return send_error(m.req_id, 322,
                      "Error processing request.-'b' : cause - Maximum number of account summary "
                      "requests exceeded");
  }
  summaries_.insert(m.req_id);
  for (const auto tag : split(m.tags, ',')) {
    const auto line = std::ranges::find(account_lines, tag, &AccountLine::tag);
    if (line == std::end(account_lines)) continue;
    send(wire::AccountSummary{.req_id = m.req_id,
                              .account = floor_.options.account,
                              .tag = std::string{line->tag},
                              .value = std::string{line->value},
                              .currency = std::string{line->currency}});
  }
  send(wire::AccountSummaryEnd{.req_id = m.req_id});
}

void Session::on(const wire::CancelAccountSummary& m) {
  summaries_.erase(m.req_id);
}
void Session::on(const wire::PositionsRequest&) {
  send(wire::PositionEnd{});
}
void Session::on(const wire::PositionsMultiRequest& m) {
  send(wire::PositionMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::AccountUpdatesRequest& m) {
  if (!m.subscribe) return;
  for (const auto& line : account_lines) {
    send(wire::AccountValue{.key = std::string{line.tag},
                            .value = std::string{line.value},
                            .currency = std::string{line.currency},
                            .account = floor_.options.account});
  }
  const auto text = gateway_time(floor_.market.now());
  send(wire::AccountUpdateTime{.time = text.substr(9, 5)});
  send(wire::AccountDownloadEnd{.account = floor_.options.account});
}

void Session::on(const wire::AccountUpdatesMultiRequest& m) {
  for (const auto& line : account_lines) {
    send(wire::AccountUpdateMulti{.req_id = m.req_id,
                                  .account = floor_.options.account,
                                  .model = m.model,
                                  .key = std::string{line.tag},
                                  .value = std::string{line.value},
                                  .currency = std::string{line.currency}});
  }
  send(wire::AccountUpdateMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::PnlRequest& m) {
  send(wire::Pnl{.req_id = m.req_id, .daily = 0, .unrealized = 0, .realized = 0});
}

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
