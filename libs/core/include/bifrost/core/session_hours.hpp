// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/result.hpp"

namespace bifrost::core {

/// When the options of one product are quoted on an ordinary day, in New York wall time. On a
/// shortened day a product that trades past the shares' close does so by as much as ever (13:15 for
/// 16:15), and one that closes earlier ends at the shares' close at the latest.
struct ProductHours {
  std::chrono::minutes open{9 * 60 + 30};
  std::chrono::minutes close{16 * 60};
  // When a contract's own last day ends: cash-settled index options stop with the shares then.
  std::chrono::minutes expiring_close{16 * 60};

  friend bool operator==(const ProductHours&, const ProductHours&) = default;
};

/// Options on shares and most funds: 09:30 to 16:00.
inline constexpr ProductHours equity_hours{};
/// Options on broad funds that are quoted until 16:15, on their last day, too.
inline constexpr ProductHours late_fund_hours{.close = std::chrono::minutes{16 * 60 + 15},
                                              .expiring_close = std::chrono::minutes{16 * 60 + 15}};
/// Cash-settled index options: until 16:15, on their last day until 16:00.
inline constexpr ProductHours index_hours{.close = std::chrono::minutes{16 * 60 + 15}};

/// What the table in session_hours.cpp says of an underlying; equity_hours for one not in it.
const ProductHours& hours_of(std::string_view underlying);

/// index, fund, equity or HH:MM-HH:MM.
Result<ProductHours> parse_product_hours(std::string_view text);
/// As parse_product_hours reads it.
std::string to_string(const ProductHours& hours);

/// The session of a product; nothing on a day without one.
std::optional<Session> session(Date day, const ProductHours& hours);

/// The last instant at which a contract is quoted: the close of its last trading day, which for
/// morning-settled classes is the day before the settlement.
Instant last_quoted(const OptionContract& contract, const ProductHours& hours);

/// The payoff is fixed at the open of the last trading day, not at its close.
bool is_morning_settled(std::string_view trading_class);

}  // namespace bifrost::core
