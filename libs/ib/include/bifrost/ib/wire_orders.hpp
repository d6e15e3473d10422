// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/ib/wire.hpp"

// What the protocol says about orders, cut down to what a program needs that never sends one: the
// margin question ("what if"), its answer, and what a gateway volunteers about the orders of other
// programs. encode() and decode() of wire.hpp serve these messages too.
namespace bifrost::ib::wire {

/// PLACE_ORDER as a question: what would this combination cost in margin? There is no field for
/// "what if": it is 1 whenever this is written, and a message in which it is not 1 cannot be read
/// as this one (corrupt_data). A real order has no type here.
struct WhatIfOrder {
  static constexpr Request id = Request::place_order;
  int order_id = 0;
  Contract contract{};           // sec_type BAG with legs, or one option
  std::vector<ComboLeg> legs{};  // only of a BAG
  std::string action{};          // BUY, SELL
  std::optional<double> quantity{};
  std::string order_type{};  // LMT
  std::optional<double> limit_price{};
  std::optional<double> aux_price{};
  std::string time_in_force{};
  std::string account{};
  std::vector<TagValue> combo_parameters{};  // NonGuaranteed=1; only of a BAG
};

/// CANCEL_ORDER, for the side that must read it.
struct CancelOrder {
  static constexpr Request id = Request::cancel_order;
  int order_id = 0;
  std::string manual_time{};  // from 169
};

/// OPEN_ORDER: the answer to a WhatIfOrder (what_if), or an order that another program has placed.
/// Amounts are in the currency named, absent where the broker does not say.
struct OpenOrder {
  static constexpr Reply id = Reply::open_order;
  int order_id = 0;
  Contract contract{};  // no primary exchange
  std::string action{};
  std::optional<double> quantity{};
  std::string order_type{};
  std::optional<double> limit_price{};
  std::optional<double> aux_price{};
  std::string time_in_force{};
  std::string account{};
  int client_id = 0;
  std::int64_t perm_id = 0;
  std::string combo_description{};
  std::vector<ComboLeg> legs{};
  std::vector<TagValue> combo_parameters{};

  bool what_if = false;
  std::string status{};  // PreSubmitted
  std::optional<double> initial_margin_before{};
  std::optional<double> maintenance_margin_before{};
  std::optional<double> equity_with_loan_before{};
  std::optional<double> initial_margin_change{};
  std::optional<double> maintenance_margin_change{};
  std::optional<double> equity_with_loan_change{};
  std::optional<double> initial_margin_after{};
  std::optional<double> maintenance_margin_after{};
  std::optional<double> equity_with_loan_after{};
  std::optional<double> commission{};
  std::optional<double> min_commission{};
  std::optional<double> max_commission{};
  std::string commission_currency{};
  std::string margin_currency{};  // from 195
  std::string reject_reason{};    // from 195
  std::string warning{};
};

struct OrderStatus {
  static constexpr Reply id = Reply::order_status;
  int order_id = 0;
  std::string status{};
  std::optional<double> filled{};
  std::optional<double> remaining{};
  std::optional<double> average_price{};
  std::int64_t perm_id = 0;
  int parent_id = 0;
  std::optional<double> last_price{};
  int client_id = 0;
  std::string why_held{};
  std::optional<double> market_cap_price{};
};

struct ExecutionData {
  static constexpr Reply id = Reply::execution_data;
  int req_id = -1;
  int order_id = 0;
  Contract contract{};  // no primary exchange
  std::string execution_id{};
  std::string time{};
  std::string account{};
  std::string exchange{};  // where it was executed
  std::string side{};      // BOT, SLD
  std::optional<double> shares{};
  std::optional<double> price{};
  std::int64_t perm_id = 0;
  int client_id = 0;
  int liquidation = 0;
  std::optional<double> cumulative_quantity{};
  std::optional<double> average_price{};
  std::string order_reference{};
  std::string ev_rule{};
  std::optional<double> ev_multiplier{};
  std::string model{};
  int last_liquidity = 0;
  bool pending_price_revision = false;  // from 178
  std::string submitter{};              // from 198
};

struct CommissionReport {
  static constexpr Reply id = Reply::commission_report;
  std::string execution_id{};
  std::optional<double> commission{};
  std::string currency{};
  std::optional<double> realized_pnl{};
  std::optional<double> yield{};
  std::string yield_redemption_date{};
};

using OrderRequests = MessageList<WhatIfOrder, CancelOrder>;
using OrderReplies = MessageList<OpenOrder, OrderStatus, ExecutionData, CommissionReport>;

}  // namespace bifrost::ib::wire
