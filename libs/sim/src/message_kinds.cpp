// SPDX-License-Identifier: Apache-2.0
#include "message_kinds.hpp"

#include <algorithm>

#include "wording.hpp"

namespace bifrost::sim {
namespace {

constexpr MessageKind requests[] = {
    {.name = "market_data", .id = 1, .req_id = 2, .contract = 3},
    {.name = "cancel_market_data", .id = 2, .req_id = 2},
    {.name = "place_order", .id = 3, .req_id = 1, .contract = 2},
    {.name = "cancel_order", .id = 4, .req_id = 2},
    {.name = "open_orders", .id = 5},
    {.name = "account_updates", .id = 6},
    {.name = "executions", .id = 7, .req_id = 2},
    {.name = "ids", .id = 8},
    {.name = "contract_data", .id = 9, .req_id = 2, .contract = 3},
    {.name = "server_log_level", .id = 14},
    {.name = "auto_open_orders", .id = 15},
    {.name = "all_open_orders", .id = 16},
    {.name = "managed_accounts", .id = 17},
    {.name = "historical_data", .id = 20, .req_id = 1, .contract = 2},
    {.name = "cancel_historical_data", .id = 25, .req_id = 2},
    {.name = "current_time", .id = 49},
    {.name = "calculate_implied_vol", .id = 54, .req_id = 2, .contract = 3},
    {.name = "calculate_option_price", .id = 55, .req_id = 2, .contract = 3},
    {.name = "cancel_calculate_implied_vol", .id = 56, .req_id = 2},
    {.name = "cancel_calculate_option_price", .id = 57, .req_id = 2},
    {.name = "global_cancel", .id = 58},
    {.name = "market_data_type", .id = 59},
    {.name = "positions", .id = 61},
    {.name = "account_summary", .id = 62, .req_id = 2},
    {.name = "cancel_account_summary", .id = 63, .req_id = 2},
    {.name = "cancel_positions", .id = 64},
    {.name = "start_api", .id = 71},
    {.name = "positions_multi", .id = 74, .req_id = 2},
    {.name = "cancel_positions_multi", .id = 75, .req_id = 2},
    {.name = "account_updates_multi", .id = 76, .req_id = 2},
    {.name = "cancel_account_updates_multi", .id = 77, .req_id = 2},
    {.name = "option_parameters", .id = 78, .req_id = 1},
    {.name = "soft_dollar_tiers", .id = 79, .req_id = 1},
    {.name = "family_codes", .id = 80},
    {.name = "matching_symbols", .id = 81, .req_id = 1},
    {.name = "smart_components", .id = 83, .req_id = 1},
    {.name = "market_rule", .id = 91},
    {.name = "pnl", .id = 92, .req_id = 1},
    {.name = "cancel_pnl", .id = 93, .req_id = 1},
    {.name = "completed_orders", .id = 99},
    {.name = "user_info", .id = 104, .req_id = 1},
    {.name = "current_time_millis", .id = 105},
};

constexpr MessageKind replies[] = {
    {.name = "tick_price", .id = 1, .req_id = 2},
    {.name = "tick_size", .id = 2, .req_id = 2},
    {.name = "order_status", .id = 3, .req_id = 1},
    {.name = "error", .id = 4, .req_id = 2},
    {.name = "open_order", .id = 5, .req_id = 1},
    {.name = "account_value", .id = 6},
    {.name = "portfolio_value", .id = 7},
    {.name = "account_update_time", .id = 8},
    {.name = "next_valid_id", .id = 9},
    {.name = "contract_data", .id = 10, .req_id = 1},
    {.name = "execution_data", .id = 11, .req_id = 1},
    {.name = "managed_accounts", .id = 15},
    {.name = "historical_data", .id = 17, .req_id = 1},
    {.name = "option_computation", .id = 21, .req_id = 1},
    {.name = "tick_generic", .id = 45, .req_id = 2},
    {.name = "tick_string", .id = 46, .req_id = 2},
    {.name = "current_time", .id = 49},
    {.name = "contract_data_end", .id = 52, .req_id = 2},
    {.name = "open_order_end", .id = 53},
    {.name = "account_download_end", .id = 54},
    {.name = "execution_data_end", .id = 55, .req_id = 2},
    {.name = "tick_snapshot_end", .id = 57, .req_id = 2},
    {.name = "market_data_type", .id = 58, .req_id = 2},
    {.name = "position", .id = 61},
    {.name = "position_end", .id = 62},
    {.name = "account_summary", .id = 63, .req_id = 2},
    {.name = "account_summary_end", .id = 64, .req_id = 2},
    {.name = "position_multi", .id = 71, .req_id = 2},
    {.name = "position_multi_end", .id = 72, .req_id = 2},
    {.name = "account_update_multi", .id = 73, .req_id = 2},
    {.name = "account_update_multi_end", .id = 74, .req_id = 2},
    {.name = "option_parameters", .id = 75, .req_id = 1},
    {.name = "option_parameters_end", .id = 76, .req_id = 1},
    {.name = "soft_dollar_tiers", .id = 77, .req_id = 1},
    {.name = "family_codes", .id = 78},
    {.name = "symbol_samples", .id = 79, .req_id = 1},
    {.name = "tick_request_parameters", .id = 81, .req_id = 1},
    {.name = "smart_components", .id = 82, .req_id = 1},
    {.name = "historical_data_update", .id = 90, .req_id = 1},
    {.name = "market_rule", .id = 93},
    {.name = "pnl", .id = 94, .req_id = 1},
    {.name = "completed_orders_end", .id = 102},
    {.name = "historical_schedule", .id = 106, .req_id = 1},
    {.name = "user_info", .id = 107, .req_id = 1},
    {.name = "historical_data_end", .id = 108, .req_id = 1},
    {.name = "current_time_millis", .id = 109},
};

}  // namespace

std::span<const MessageKind> request_kinds() {
  return requests;
}
std::span<const MessageKind> reply_kinds() {
  return replies;
}

std::optional<MessageKind> find_kind(std::span<const MessageKind> kinds, std::string_view text) {
  if (const auto id = parse_int(text)) return kind_of(kinds, *id);
  const auto kind = std::ranges::find(kinds, text, &MessageKind::name);
  return kind == kinds.end() ? std::nullopt : std::optional{*kind};
}

MessageKind kind_of(std::span<const MessageKind> kinds, int id) {
  const auto kind = std::ranges::find(kinds, id, &MessageKind::id);
  return kind == kinds.end() ? MessageKind{.name = {}, .id = id} : *kind;
}

std::size_t request_id_field(const MessageKind& request, int version) {
  if (request.id == static_cast<int>(ib::wire::Request::cancel_order) && version >= 192) return 1;
  return static_cast<std::size_t>(request.req_id);
}

std::size_t reply_id_field(const MessageKind& reply, int version) {
  // The versions at which a message version in front of the id came or went.
  if (reply.id == static_cast<int>(ib::wire::Reply::error) && version >= 194) return 1;
  if (reply.id == static_cast<int>(ib::wire::Reply::contract_data) && version < 164) return 2;
  return static_cast<std::size_t>(reply.req_id);
}

std::string with_field(std::string_view frame, std::size_t field, std::string_view text) {
  auto payload = frame.substr(4);
  std::size_t begin = 0;
  for (std::size_t i = 0; i < field; ++i) {
    const auto end = payload.find('\0', begin);
    if (end == payload.npos || end + 1 >= payload.size()) return std::string{frame};
    begin = end + 1;
  }
  const auto end = std::min(payload.find('\0', begin), payload.size());
  std::string changed{payload.substr(0, begin)};
  changed += text;
  changed += payload.substr(end);
  return ib::wire::frame(changed);
}

}  // namespace bifrost::sim
