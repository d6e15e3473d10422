// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::sim {

enum class SecurityType { stock, index };

struct Underlying {
  int con_id = 0;
  std::string symbol;
  SecurityType type = SecurityType::stock;
  std::string name;
  std::string exchange;  // primary listing: "NYSE", "CBOE"
  core::Price min_tick;
  bool penny_options = false;  // options tick in 0.01 at every price
};

/// An option that can be traded now. `con_id` follows from the contract alone, so it survives a
/// restart of the simulator.
struct ListedOption {
  int con_id = 0;
  int underlying_con_id = 0;
  core::OptionContract contract;
  core::Date last_trade_date{};  // differs from the expiry for morning-settled and Saturday-dated
};

/// Volatility and greeks implied by one price of an option. Units as in core::Quote: vega per 1.00
/// of volatility, theta per calendar day.
struct Computation {
  std::optional<double> implied_vol;
  std::optional<double> price;
  std::optional<double> delta;
  std::optional<double> gamma;
  std::optional<double> theta;
  std::optional<double> vega;
  std::optional<double> underlying_price;

  friend bool operator==(const Computation&, const Computation&) = default;
};

struct OptionState {
  core::Quote quote;  // greeks are those of `model`; observed_at is the market's instant of change
  std::optional<Computation> bid;
  std::optional<Computation> ask;
  std::optional<Computation> model;
};

struct UnderlyingState {
  std::optional<core::Price> bid;  // none for an index
  std::optional<core::Price> ask;
  std::optional<std::int64_t> bid_size;
  std::optional<std::int64_t> ask_size;
  std::optional<core::Price> last;
  std::optional<std::int64_t> last_size;
  std::optional<std::int64_t> volume;  // none for an index
  std::optional<core::Price> open;
  std::optional<core::Price> high;
  std::optional<core::Price> low;
  std::optional<core::Price> previous_close;
  std::optional<double> historical_vol;  // 30 days, annual
  std::optional<double> implied_vol;     // 30 days, annual
};

struct DailyBar {
  core::Date date{};
  double open = 0;
  double high = 0;
  double low = 0;
  double close = 0;
  std::int64_t volume = 0;  // 0 for volatilities and indices

  friend bool operator==(const DailyBar&, const DailyBar&) = default;
};

/// A bar of part of a session.
struct IntradayBar {
  core::Instant start{};
  double open = 0;
  double high = 0;
  double low = 0;
  double close = 0;
  std::int64_t volume = 0;  // 0 for indices
};

/// What holding the underlying costs and pays, annual and continuously compounded.
struct Carry {
  double rate;
  double dividend_yield;
};

enum class BarKind { trades, implied_volatility, historical_volatility };

/// A market as it stands at one instant. Not thread-safe: the gateway serialises its calls. What a
/// market shows depends on the instant alone, never on the instants visited before.
class Market {
 public:
  virtual ~Market() = default;

  /// Moves the market to `t`, forwards or back. Spans and pointers handed out before are void.
  virtual void advance_to(core::Instant t) = 0;
  virtual core::Instant now() const = 0;

  /// Differs from an earlier value when any state may have changed in between.
  virtual std::uint64_t revision() const = 0;

  virtual std::span<const Underlying> underlyings() const = 0;
  /// The options listed today on an underlying, sorted by trading class, expiry, strike, right.
  /// Empty for an unknown id.
  virtual std::span<const ListedOption> options(int underlying_con_id) const = 0;
  /// nullptr: not listed now.
  virtual const ListedOption* find_option(int con_id) const = 0;

  /// Everything absent for an unknown id.
  virtual OptionState option_state(int con_id) const = 0;
  virtual UnderlyingState underlying_state(int con_id) const = 0;

  /// Nothing where the market does not know.
  virtual std::optional<Carry> carry(int underlying_con_id) const = 0;

  /// Bars of the last `count` finished sessions and the one under way, oldest first; fewer, or
  /// none, where the market has no such past.
  virtual std::vector<DailyBar> daily_bars(int underlying_con_id, BarKind kind,
                                           std::size_t count) const = 0;

  /// Bars of trades that began at or after `from` and before `until`, oldest first, counted from
  /// the opening of each session, the one under way included. `length` is in whole minutes. None
  /// where the market has no such detail.
  virtual std::vector<IntradayBar> intraday_bars(int /*underlying_con_id*/,
                                                 std::chrono::seconds /*length*/,
                                                 core::Instant /*from*/,
                                                 core::Instant /*until*/) const {
    return {};
  }
};

/// The last day on which the contract trades: a day before the expiry for morning-settled classes.
core::Date last_trade_date(const core::OptionContract& contract);

/// Contract ids for a set of options: a hash of each contract, moved on where two collide or where
/// one is `taken`. `options` must be sorted; con_id is filled in.
void assign_con_ids(std::span<ListedOption> options, std::span<const int> taken);
/// The same for an underlying.
int underlying_con_id(std::string_view symbol);

}  // namespace bifrost::sim
