// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

/// Who measured a day: our own snapshots of it, or the broker's historical bars.
enum class DailyOrigin : std::uint8_t { snapshots = 1, broker };
std::string_view to_string(DailyOrigin origin);
std::optional<DailyOrigin> parse_daily_origin(std::string_view text);

/// A day of an underlying, as one origin tells it. Vols annual and decimal. A day is a calendar day
/// in New York.
struct UnderlyingDay {
  core::Date day{};
  DailyOrigin origin = DailyOrigin::snapshots;
  /// Where the numbers first came from, as core::to_string(Source) spells it; a day rolled up from
  /// cycles of several sources names them all ("delayed,live"). "simulated" is only ever alone.
  std::string source = "live";
  std::optional<core::Price> open = std::nullopt;
  std::optional<core::Price> high = std::nullopt;
  std::optional<core::Price> low = std::nullopt;
  std::optional<core::Price> close = std::nullopt;
  std::optional<core::Instant> close_as_of = std::nullopt;  // own: the cycle of `close`
  std::optional<double> implied_vol_30d_open = std::nullopt;
  std::optional<double> implied_vol_30d_high = std::nullopt;
  std::optional<double> implied_vol_30d_low = std::nullopt;
  std::optional<double> implied_vol_30d_close = std::nullopt;
  std::optional<core::Instant> implied_vol_30d_close_as_of = std::nullopt;
  std::optional<double> historical_vol_20d = std::nullopt;
  std::optional<double> historical_vol_30d = std::nullopt;
  /// Of implied_vol_30d_close among the iv_rank_n closes of the same origin in the 365 days before:
  /// (close - lowest) / (highest - lowest), the day itself included, and the share of earlier days
  /// strictly below. 0 to 1. The store computes them; what a caller gives is ignored.
  std::optional<double> iv_rank = std::nullopt;
  std::optional<double> iv_percentile = std::nullopt;
  std::int64_t iv_rank_n = 0;
  /// Own: sums over the contracts that were collected.
  std::optional<std::int64_t> put_volume = std::nullopt;
  std::optional<std::int64_t> call_volume = std::nullopt;
  std::optional<std::int64_t> put_open_interest = std::nullopt;
  std::optional<std::int64_t> call_open_interest = std::nullopt;
  std::optional<double> skew_25_delta = std::nullopt;
  std::optional<double> term_slope = std::nullopt;
  std::int64_t n = 0;  // own: cycles with a snapshot; the broker's: 0

  friend bool operator==(const UnderlyingDay&, const UnderlyingDay&) = default;
};

/// A day of a contract, rolled up from our snapshots.
struct OptionDay {
  core::Date day{};
  core::OptionContract contract;
  /// Middle of bid and ask over the n cycles with a market: both sides there, ask positive, not
  /// crossed. Currency per share.
  std::optional<double> mid_open = std::nullopt;
  std::optional<double> mid_high = std::nullopt;
  std::optional<double> mid_low = std::nullopt;
  std::optional<double> mid_close = std::nullopt;
  std::optional<double> average_spread = std::nullopt;
  std::int64_t n = 0;
  core::Instant close_as_of{};  // the last cycle with a market, or the last if none had one
  std::optional<double> implied_vol_close = std::nullopt;  // of close_as_of
  std::optional<std::int64_t> volume = std::nullopt;
  std::optional<std::int64_t> open_interest = std::nullopt;
  /// Against the trading day before; missing when that day has none.
  std::optional<std::int64_t> open_interest_change = std::nullopt;

  friend bool operator==(const OptionDay&, const OptionDay&) = default;
};

/// Daily values, kept for ever. Safe to use from any thread; must not outlive its Database.
class Daily {
 public:
  explicit Daily(Database& database);
  Daily(Daily&&) noexcept;
  Daily& operator=(Daily&&) noexcept;
  ~Daily();

  /// Enters days of one underlying, each under its own origin, so that the broker's never touch
  /// ours. A day that is there already takes the values that are given and keeps those that are
  /// missing here (prices, implied and historical vol come in bars of their own); one of another
  /// `source` is replaced whole. Ranks of these days and of the year after are computed again.
  /// Gives the number of days entered. `invalid_input`: a day twice, a value that is not finite, a
  /// price finer than the underlying's scale.
  core::Result<std::int64_t> upsert(std::string_view underlying,
                                    std::span<const UnderlyingDay> days, core::Deadline deadline);

  /// first <= day <= last, oldest first, of one origin; empty for an underlying nobody knows.
  core::Result<std::vector<UnderlyingDay>> underlying_days(std::string_view underlying,
                                                           DailyOrigin origin, core::Date first,
                                                           core::Date last,
                                                           core::Deadline deadline);
  /// The newest day of an origin at or before `last`.
  core::Result<std::optional<UnderlyingDay>> last_underlying_day(std::string_view underlying,
                                                                 DailyOrigin origin,
                                                                 core::Date last,
                                                                 core::Deadline deadline);

  /// first <= day <= last, oldest first.
  core::Result<std::vector<OptionDay>> option_days(const core::OptionContract& contract,
                                                   core::Date first, core::Date last,
                                                   core::Deadline deadline);
  /// Every contract of an underlying that was collected on that day, in the order expiry, trading
  /// class, strike, call, put.
  core::Result<std::vector<OptionDay>> option_days(std::string_view underlying, core::Date day,
                                                   core::Deadline deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
