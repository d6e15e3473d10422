// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "asking.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "client_impl.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;

namespace {

core::Result<wire::WhatIfOrder> to_order(const MarginQuestion& question) {
  const auto refuse = [](std::string why) {
    return fail(Errc::invalid_input, fmt::format("margin of a combination: {}", why));
  };
  if (!core::is_symbol(question.symbol)) {
    return refuse(fmt::format("\"{}\" cannot name an underlying", question.symbol));
  }
  if (question.legs.empty()) return refuse("it has no legs");
  if (question.quantity < 1) return refuse("the quantity must be at least 1");
  std::set<std::int64_t> seen;
  for (const auto& leg : question.legs) {
    if (leg.con_id <= 0 || leg.ratio == 0 || std::abs(leg.ratio) > 1'000) {
      return refuse(fmt::format("leg {} of ratio {} cannot be", leg.con_id, leg.ratio));
    }
    if (!seen.insert(leg.con_id).second) {
      return refuse(fmt::format("contract {} is there twice", leg.con_id));
    }
  }
  wire::WhatIfOrder order{
      .contract = {.symbol = question.symbol,
                   .sec_type = "BAG",
                   .exchange = "SMART",
                   .currency = question.currency},
      .action = "BUY",
      .quantity = question.quantity,
      .order_type = question.limit_price ? "LMT" : "MKT",
      .limit_price = question.limit_price,
      .account = question.account,
  };
  if (question.legs.size() == 1) {
    const auto& leg = question.legs.front();
    order.contract.con_id = leg.con_id;
    order.contract.sec_type = "OPT";
    order.contract.exchange = leg.exchange;
    order.action = leg.ratio > 0 ? "BUY" : "SELL";
    order.quantity = static_cast<double>(question.quantity) * std::abs(leg.ratio);
    return order;
  }
  for (const auto& leg : question.legs) {
    order.legs.push_back({.con_id = leg.con_id,
                          .ratio = std::abs(leg.ratio),
                          .action = leg.ratio > 0 ? "BUY" : "SELL",
                          .exchange = leg.exchange});
  }
  order.combo_parameters = {{"NonGuaranteed", "1"}};
  return order;
}

}  // namespace

core::Result<Margin> Client::what_if_margin(const MarginQuestion& question,
                                            core::Deadline deadline) {
  const auto what = fmt::format("margin of a combination on {}", question.symbol);
  BF_TRY(const auto order, to_order(question));
  std::optional<wire::OpenOrder> answer;
  auto asked = ask(
      impl_->link, order, what, deadline, [] {},
      [&](Event& event) {
        auto* open = std::get_if<std::unique_ptr<wire::OpenOrder>>(&event);
        if (open == nullptr || !(*open)->what_if) return false;
        answer = std::move(**open);
        return true;
      },
      [](const Link::Session&, int) {});
  if (!asked) {
    auto error = std::move(asked).error();
    if (error.code == Errc::unauthorized) {
      error.message +=
          "; hint: the gateway's API is set to read-only, which forbids even the question: untick "
          "\"Read-Only API\" in its settings (ReadOnlyApi=no in IBC), or do without the broker's "
          "margin";
    }
    return tl::unexpected{std::move(error)};
  }
  if (!answer->reject_reason.empty()) {
    return fail(Errc::invalid_input, fmt::format("{}: {}", what, answer->reject_reason));
  }
  return Margin{.currency = answer->margin_currency.empty() ? question.currency
                                                            : std::move(answer->margin_currency),
                .initial_before = answer->initial_margin_before,
                .initial_change = answer->initial_margin_change,
                .initial_after = answer->initial_margin_after,
                .maintenance_before = answer->maintenance_margin_before,
                .maintenance_change = answer->maintenance_margin_change,
                .maintenance_after = answer->maintenance_margin_after,
                .equity_before = answer->equity_with_loan_before,
                .equity_change = answer->equity_with_loan_change,
                .equity_after = answer->equity_with_loan_after,
                .commission = answer->commission,
                .min_commission = answer->min_commission,
                .max_commission = answer->max_commission,
                .commission_currency = std::move(answer->commission_currency),
                .warning = std::move(answer->warning)};
}

}  // namespace bifrost::ib
