// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/session_hours.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "clock_text.hpp"

namespace bifrost::core {
namespace {

using std::chrono::minutes;

constexpr minutes shares_open{9 * 60 + 30};
constexpr minutes shares_close{16 * 60};

// Cash-settled index options of Cboe and Nasdaq. Sorted.
constexpr std::array<std::string_view, 12> indices{"DJX", "MNX", "MRUT", "NDX", "OEX", "RUT",
                                                   "RVX", "SPX", "VIX",  "XEO", "XND", "XSP"};

// Funds whose options are quoted until 16:15; docs/calendar.md names the source. Sorted.
constexpr std::array<std::string_view, 40> late_funds{
    "DBA", "DBB", "DBC",  "DBO", "DIA", "EEM", "EFA",  "FXI",  "IWM",  "IWN",
    "IWO", "IWV", "IYR",  "KBE", "KRE", "LQD", "MDY",  "MOO",  "OEF",  "QQQ",
    "SLX", "SPY", "SVXY", "TLT", "UNG", "UUP", "UVXY", "VIXM", "VIXY", "VXX",
    "VXZ", "XHB", "XLB",  "XLE", "XLF", "XLI", "XLK",  "XLP",  "XLU",  "XLV"};
constexpr std::array<std::string_view, 3> more_late_funds{"XLY", "XME", "XRT"};

static_assert(std::ranges::is_sorted(indices) && std::ranges::is_sorted(late_funds) &&
              std::ranges::is_sorted(more_late_funds));

/// Where a close that is `usual` on an ordinary day lies on a day on which the shares end at
/// `shares`.
Instant close_on(Date day, Instant shares, minutes usual) {
  if (usual >= shares_close) return shares + (usual - shares_close);
  return std::min(shares, from_exchange_time(day, usual));
}

}  // namespace

const ProductHours& hours_of(std::string_view underlying) {
  if (std::ranges::binary_search(indices, underlying)) return index_hours;
  if (std::ranges::binary_search(late_funds, underlying) ||
      std::ranges::binary_search(more_late_funds, underlying)) {
    return late_fund_hours;
  }
  return equity_hours;
}

Result<ProductHours> parse_product_hours(std::string_view text) {
  if (text == "equity") return equity_hours;
  if (text == "fund") return late_fund_hours;
  if (text == "index") return index_hours;
  const auto open = parse_clock(text.substr(0, 5));
  const auto close =
      text.size() == 11 && text[5] == '-' ? parse_clock(text.substr(6)) : std::nullopt;
  if (!open || !close || *open >= *close) {
    return fail(Errc::invalid_input,
                fmt::format("'{}' is not index, fund, equity or HH:MM-HH:MM", text));
  }
  return ProductHours{*open, *close, *close};
}

std::string to_string(const ProductHours& hours) {
  if (hours == equity_hours) return "equity";
  if (hours == late_fund_hours) return "fund";
  if (hours == index_hours) return "index";
  const auto clock = [](minutes t) {
    return fmt::format("{:02}:{:02}", t.count() / 60, t.count() % 60);
  };
  return clock(hours.open) + "-" + clock(hours.close);
}

std::optional<Session> session(Date day, const ProductHours& hours) {
  const auto shares = session(day);
  if (!shares) return std::nullopt;
  const Session found{
      hours.open == shares_open ? shares->open : from_exchange_time(day, hours.open),
      close_on(day, shares->close, hours.close)};
  if (found.open >= found.close) return std::nullopt;
  return found;
}

Instant last_quoted(const OptionContract& contract, const ProductHours& hours) {
  const Date last = last_trading_day(contract.expiry);
  if (is_morning_settled(contract.trading_class)) {
    const Date before = previous_trading_day(last);
    return close_on(before, session(before)->close, hours.close);
  }
  return close_on(last, session(last)->close, hours.expiring_close);
}

}  // namespace bifrost::core
