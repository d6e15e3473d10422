// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/analysis/book.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

// What a book must be backed with, four ways that are never mixed: its worst loss at expiry, what a
// rule set asks, what falling and rising markets would cost, and (elsewhere) the broker's what-if.
// A book is the legs on ONE underlying. The order of legs, a leg split in two, a long and a short
// of one series: none of it matters. The rules and where each comes from: docs/margin-rules.md.

namespace bifrost::analysis {

/// The most a book can lose, option premium left out (it is in the cash already), stock counted
/// from `underlying_price`. Positive is lost; 0: beyond the premium nothing can be.
struct WorstExpiryLoss {
  std::optional<Money> loss;  // none: unlimited
  bool unlimited_up = false;  // a short call or short stock that nothing covers: the only such side
  /// False: short options expire on several dates, and `loss` is a bound from above, each date
  /// taking its own worst price.
  bool exact = true;
  /// No stock, and every short option is covered: a spread of some shape.
  bool defined_risk = false;
};

/// A long option protects a short one of its kind if it expires on the same day or later; it is
/// then worth its intrinsic value or more at the short one's expiry (a European option deep in the
/// money can be worth a little less: not counted). On one day, another trading class does not
/// protect: morning settlement comes before afternoon settlement. Classes that end in a digit
/// (adjusted deliverables) protect only themselves.
/// invalid_input: an empty book, an option without expiry, a bad multiplier or strike, an
/// underlying price that is not positive, amounts beyond 5e10 in currency.
core::Result<WorstExpiryLoss> worst_expiry_loss(std::span<const BookLeg> book,
                                                Price underlying_price);

enum class UnderlyingKind : std::uint8_t { equity, broad_index };

struct MarginUnderlying {
  Price price;
  UnderlyingKind kind = UnderlyingKind::equity;
  bool european_cash_settled = false;  // of every option in the book: what a cash account asks
};

enum class AccountType : std::uint8_t { margin, cash };

/// Which pairs of spreads are recognised as one position.
enum class SpreadGroups : std::uint8_t {
  butterflies,      // long butterflies of equal intervals, and boxes
  equal_intervals,  // these, condors and iron condors, if both wings are equally wide
  maximum_loss,     // any two spreads whose short legs expire together, at their worst joint loss;
                    // and all options of the book as one, if long and short are equal in number
};

/// One dated set of rules. Rates are shares of the underlying's price unless said otherwise.
struct MarginRules {
  std::string_view name;  // "reg_t", "ibkr", "cash"
  core::Date valid_from;
  std::string_view source;
  AccountType account = AccountType::margin;
  SpreadGroups groups = SpreadGroups::equal_intervals;

  // A short option alone: its price + max(rate - out of the money, minimum, floor).
  double naked_equity = 0.20;
  double naked_broad_index = 0.15;
  double naked_minimum = 0.10;
  bool put_minimum_of_strike = true;  // else of the underlying
  Money naked_floor_per_contract{};

  double stock_initial = 0.50;  // long and short
  double stock_maintenance = 0.25;
  double short_stock_maintenance = 0.30;

  double hedged_strike = 0.10;       // protective options, collars, conversions: of the strike
  double collar_call_strike = 0.25;  // collars: of the call's strike
  bool covered_call_asks_call_value = false;
  bool covered_put_keeps_initial = false;
  double short_box_cost_multiple = 0.0;  // a short box: at least this multiple of the cost to close
};

/// Every rule set, by name and then date.
std::span<const MarginRules> margin_rule_table();
/// The set of that name in force on a day. not_found: no such name, or none as early as that.
core::Result<MarginRules> margin_rules(std::string_view name, core::Date on);

enum class OffsetKind : std::uint8_t {
  long_option,
  naked_call,
  naked_put,
  cash_secured_put,
  long_stock,
  short_stock,
  vertical,
  calendar,
  diagonal,
  short_straddle,
  short_strangle,
  covered_call,
  covered_put,
  protective_put,
  protective_call,
  collar,
  conversion,
  reverse_conversion,
  butterfly,
  condor,
  iron_butterfly,
  iron_condor,
  short_box,
  spread_group,      // two spreads of another shape
  universal_spread,  // all options of the book
};
std::string_view to_string(OffsetKind kind);

/// Classes that end in a digit: what their options deliver was adjusted.
bool is_adjusted_class(std::string_view trading_class);

/// What the rules ask of a short option that nothing covers, per share, beyond its own price. The
/// floor per contract is left out.
Price naked_requirement(LegKind kind, Price strike, const MarginUnderlying& underlying,
                        const MarginRules& rules);

/// One kind of position that the pairing found, `count` times.
struct Offset {
  OffsetKind kind;
  std::int64_t count;
  std::vector<BookLeg> legs;  // of one; entry prices are left out
  Money requirement;          // of all `count`
};

struct Pairing {
  Money requirement;
  std::vector<Offset> offsets;  // together exactly the book
  /// No other way to pair the book costs less: checked in whole numbers, not in floating point.
  /// False only where the search reached its bound (large books); `requirement` then is an upper
  /// bound, and nothing costs less than `lower_bound`.
  bool proven_minimal = false;
  Money lower_bound;
};

struct RuleRequirement {
  /// Beyond the premium: what long options cost is paid, what short ones bring is in the cash.
  Pairing initial;
  Pairing maintenance;
  WorstExpiryLoss worst_expiry_loss;
  /// The pairings' requirements; for a book of defined risk at least its worst expiry loss. (A
  /// wide spread is cheaper by rule when its short leg is taken alone; a floor is a floor.)
  Money initial_required;
  Money maintenance_required;
  /// 102 % of the worst expiry loss less the net credit at the marks: what Interactive Brokers may
  /// ask of a "universal" spread. Nothing for a book that is none. Not part of the figures above.
  std::optional<Money> universal_spread;
};

/// `marks[i]` is what book[i] trades at per share; it matters for options alone, where a missing
/// one is invalid_input, as are two marks for one series. Exact and deterministic. A cash account
/// refuses, as invalid_input, what it may not hold.
core::Result<RuleRequirement> rule_requirement(std::span<const BookLeg> book,
                                               std::span<const std::optional<Price>> marks,
                                               const MarginUnderlying& underlying,
                                               const MarginRules& rules);

/// A range of prices to survive. `down` and `up` are shares of the price, both positive.
struct StressRules {
  std::string_view name;
  core::Date valid_from;
  std::string_view source;
  double down;
  double up;
  int points_each_side;
  double minimum_per_share;  // per option, times its multiplier; a long one's value at most
};

/// "equity", "high_cap_broad_index", "broad_index".
std::span<const StressRules> stress_rule_table();

struct StressPoint {
  double shift;   // share of the price
  double profit;  // of the whole book, from its model value now
};

/// An estimate: options revalued by Black's formula with their own vols unchanged and the forward
/// moving with the price, time standing still. No house margin, no concentration, no vol shock.
struct StressRequirement {
  double requirement;  // the greater of worst loss and minimum, never below 0
  double worst_loss;
  double minimum;
  double worst_shift;
  std::vector<StressPoint> points;  // ascending in shift, 0 included
};

/// `markets[i]` values book[i]; that of stock is not read. invalid_input for unequal lengths, an
/// empty book, an underlying price that is not positive, a market that is not finite.
core::Result<StressRequirement> stress_requirement(std::span<const BookLeg> book,
                                                   std::span<const LegMarket> markets,
                                                   Price underlying_price,
                                                   const StressRules& rules);

}  // namespace bifrost::analysis
