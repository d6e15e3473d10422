// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/analysis/book.hpp"
#include "bifrost/analysis/payoff.hpp"

namespace bifrost::analysis {

/// One leg before a market is known. Legs on one rung share a strike; a higher rung is a higher
/// strike, whichever the expiry. Legs on one expiry rung expire together; a higher one later.
struct LegShape {
  LegKind kind;
  int quantity;  // per unit of strategy: contracts, for stock as many lots of a contract's shares;
                 // negative is sold
  int rung;      // from 0; no_rung for stock
  int expiry_rung = 0;  // from 0, the first to expire; 0 for stock

  friend constexpr bool operator==(const LegShape&, const LegShape&) = default;
};
inline constexpr int no_rung = -1;

/// What the strikes must fulfil beyond their order: whether the lowest and the highest gap between
/// neighbouring strikes are the same.
enum class Wings : std::uint8_t { any, equal, unequal };

/// A strategy is its legs, lowest strike first. Payoff, greeks, margin, search, recognition,
/// ranking and the drawing in the browser are all derived from this; a new strategy is one more
/// declaration in the catalogue below and one test.
struct StrategyShape {
  std::string_view name;
  std::span<const LegShape> legs;
  Wings wings = Wings::any;
  /// Another strategy of the very same legs, under whose name recognise() returns them: what is
  /// different, such as cash held, is not in the legs. Empty: this one's own.
  std::string_view recognised_as = {};
  /// Its short puts are backed by their strikes in cash.
  bool cash_secured = false;
};

/// How many different strikes the strategy has.
constexpr int rung_count(const StrategyShape& shape) {
  int highest = no_rung;
  for (const auto& leg : shape.legs) highest = leg.rung > highest ? leg.rung : highest;
  return highest + 1;
}

/// How many different expiries, at least 1.
constexpr int expiry_count(const StrategyShape& shape) {
  int highest = 0;
  for (const auto& leg : shape.legs) {
    highest = leg.expiry_rung > highest ? leg.expiry_rung : highest;
  }
  return highest + 1;
}

constexpr bool has_stock(const StrategyShape& shape) {
  for (const auto& leg : shape.legs) {
    if (leg.kind == LegKind::stock) return true;
  }
  return false;
}

/// Whether strikes, one per rung, ascend and fulfil the rule on wings.
bool strikes_fit(const StrategyShape& shape, std::span<const Price> strikes);

/// The words the catalogue is written in.
namespace shape_words {
constexpr LegShape call(int quantity, int rung, int expiry_rung = 0) {
  return {LegKind::call, quantity, rung, expiry_rung};
}
constexpr LegShape put(int quantity, int rung, int expiry_rung = 0) {
  return {LegKind::put, quantity, rung, expiry_rung};
}
constexpr LegShape stock(int lots) {
  return {LegKind::stock, lots, no_rung, 0};
}
inline constexpr int later = 1;  // expiry rung
template <LegShape... legs>
inline constexpr std::array<LegShape, sizeof...(legs)> of{legs...};
}  // namespace shape_words

/// Every strategy that has a name here. Two of them never have the same legs unless one says as
/// which it is recognised.
namespace strategies {
using namespace shape_words;
// clang-format off

inline constexpr StrategyShape long_call{"long_call", of<call(+1, 0)>};
inline constexpr StrategyShape short_call{"short_call", of<call(-1, 0)>};
inline constexpr StrategyShape long_put{"long_put", of<put(+1, 0)>};
inline constexpr StrategyShape short_put{"short_put", of<put(-1, 0)>};
// The cash is not a leg.
inline constexpr StrategyShape cash_secured_put{"cash_secured_put", of<put(-1, 0)>, Wings::any, "short_put", true};

// With stock.
inline constexpr StrategyShape covered_call{"covered_call", of<stock(+1), call(-1, 0)>};
inline constexpr StrategyShape protective_put{"protective_put", of<stock(+1), put(+1, 0)>};
inline constexpr StrategyShape collar{"collar", of<stock(+1), put(+1, 0), call(-1, 1)>};
inline constexpr StrategyShape covered_put{"covered_put", of<stock(-1), put(-1, 0)>};
inline constexpr StrategyShape conversion{"conversion", of<stock(+1), put(+1, 0), call(-1, 0)>};
inline constexpr StrategyShape reversal{"reversal", of<stock(-1), put(-1, 0), call(+1, 0)>};

// Two strikes of one right.
inline constexpr StrategyShape bull_call_spread{"bull_call_spread", of<call(+1, 0), call(-1, 1)>};
inline constexpr StrategyShape bear_call_spread{"bear_call_spread", of<call(-1, 0), call(+1, 1)>};
inline constexpr StrategyShape bull_put_spread{"bull_put_spread", of<put(+1, 0), put(-1, 1)>};
inline constexpr StrategyShape bear_put_spread{"bear_put_spread", of<put(-1, 0), put(+1, 1)>};
inline constexpr StrategyShape call_front_ratio{"call_front_ratio", of<call(+1, 0), call(-2, 1)>};
inline constexpr StrategyShape call_back_ratio{"call_back_ratio", of<call(-1, 0), call(+2, 1)>};
inline constexpr StrategyShape put_front_ratio{"put_front_ratio", of<put(-2, 0), put(+1, 1)>};
inline constexpr StrategyShape put_back_ratio{"put_back_ratio", of<put(+2, 0), put(-1, 1)>};

// A call and a put.
inline constexpr StrategyShape long_straddle{"long_straddle", of<put(+1, 0), call(+1, 0)>};
inline constexpr StrategyShape short_straddle{"short_straddle", of<put(-1, 0), call(-1, 0)>};
inline constexpr StrategyShape long_strangle{"long_strangle", of<put(+1, 0), call(+1, 1)>};
inline constexpr StrategyShape short_strangle{"short_strangle", of<put(-1, 0), call(-1, 1)>};
inline constexpr StrategyShape bullish_risk_reversal{"bullish_risk_reversal", of<put(-1, 0), call(+1, 1)>};
inline constexpr StrategyShape bearish_risk_reversal{"bearish_risk_reversal", of<put(+1, 0), call(-1, 1)>};
inline constexpr StrategyShape synthetic_long_stock{"synthetic_long_stock", of<put(-1, 0), call(+1, 0)>};
inline constexpr StrategyShape synthetic_short_stock{"synthetic_short_stock", of<put(+1, 0), call(-1, 0)>};

// Three strikes.
inline constexpr StrategyShape long_call_butterfly{"long_call_butterfly", of<call(+1, 0), call(-2, 1), call(+1, 2)>, Wings::equal};
inline constexpr StrategyShape short_call_butterfly{"short_call_butterfly", of<call(-1, 0), call(+2, 1), call(-1, 2)>, Wings::equal};
inline constexpr StrategyShape long_put_butterfly{"long_put_butterfly", of<put(+1, 0), put(-2, 1), put(+1, 2)>, Wings::equal};
inline constexpr StrategyShape short_put_butterfly{"short_put_butterfly", of<put(-1, 0), put(+2, 1), put(-1, 2)>, Wings::equal};
inline constexpr StrategyShape long_broken_wing_call_butterfly{"long_broken_wing_call_butterfly", of<call(+1, 0), call(-2, 1), call(+1, 2)>, Wings::unequal};
inline constexpr StrategyShape short_broken_wing_call_butterfly{"short_broken_wing_call_butterfly", of<call(-1, 0), call(+2, 1), call(-1, 2)>, Wings::unequal};
inline constexpr StrategyShape long_broken_wing_put_butterfly{"long_broken_wing_put_butterfly", of<put(+1, 0), put(-2, 1), put(+1, 2)>, Wings::unequal};
inline constexpr StrategyShape short_broken_wing_put_butterfly{"short_broken_wing_put_butterfly", of<put(-1, 0), put(+2, 1), put(-1, 2)>, Wings::unequal};
inline constexpr StrategyShape iron_butterfly{"iron_butterfly", of<put(+1, 0), put(-1, 1), call(-1, 1), call(+1, 2)>};
inline constexpr StrategyShape reverse_iron_butterfly{"reverse_iron_butterfly", of<put(-1, 0), put(+1, 1), call(+1, 1), call(-1, 2)>};
inline constexpr StrategyShape jade_lizard{"jade_lizard", of<put(-1, 0), call(-1, 1), call(+1, 2)>};
inline constexpr StrategyShape reverse_jade_lizard{"reverse_jade_lizard", of<put(+1, 0), put(-1, 1), call(-1, 2)>};
inline constexpr StrategyShape bull_call_ladder{"bull_call_ladder", of<call(+1, 0), call(-1, 1), call(-1, 2)>};
inline constexpr StrategyShape bear_call_ladder{"bear_call_ladder", of<call(-1, 0), call(+1, 1), call(+1, 2)>};
inline constexpr StrategyShape bull_put_ladder{"bull_put_ladder", of<put(+1, 0), put(+1, 1), put(-1, 2)>};
inline constexpr StrategyShape bear_put_ladder{"bear_put_ladder", of<put(-1, 0), put(-1, 1), put(+1, 2)>};

// Four strikes, or four legs.
inline constexpr StrategyShape iron_condor{"iron_condor", of<put(+1, 0), put(-1, 1), call(-1, 2), call(+1, 3)>};
inline constexpr StrategyShape reverse_iron_condor{"reverse_iron_condor", of<put(-1, 0), put(+1, 1), call(+1, 2), call(-1, 3)>};
inline constexpr StrategyShape long_call_condor{"long_call_condor", of<call(+1, 0), call(-1, 1), call(-1, 2), call(+1, 3)>};
inline constexpr StrategyShape short_call_condor{"short_call_condor", of<call(-1, 0), call(+1, 1), call(+1, 2), call(-1, 3)>};
inline constexpr StrategyShape long_put_condor{"long_put_condor", of<put(+1, 0), put(-1, 1), put(-1, 2), put(+1, 3)>};
inline constexpr StrategyShape short_put_condor{"short_put_condor", of<put(-1, 0), put(+1, 1), put(+1, 2), put(-1, 3)>};
inline constexpr StrategyShape long_box{"long_box", of<call(+1, 0), put(-1, 0), call(-1, 1), put(+1, 1)>};
inline constexpr StrategyShape short_box{"short_box", of<call(-1, 0), put(+1, 0), call(+1, 1), put(-1, 1)>};

// Two expiries. Long means that the later option is bought. Which diagonal of calls is a poor man's
// covered call is decided by the strikes alone: the one whose later, bought call has the lower
// strike, so that it stands in for the stock. Puts mirror that.
inline constexpr StrategyShape long_call_calendar{"long_call_calendar", of<call(-1, 0), call(+1, 0, later)>};
inline constexpr StrategyShape short_call_calendar{"short_call_calendar", of<call(+1, 0), call(-1, 0, later)>};
inline constexpr StrategyShape long_put_calendar{"long_put_calendar", of<put(-1, 0), put(+1, 0, later)>};
inline constexpr StrategyShape short_put_calendar{"short_put_calendar", of<put(+1, 0), put(-1, 0, later)>};
inline constexpr StrategyShape poor_mans_covered_call{"poor_mans_covered_call", of<call(+1, 0, later), call(-1, 1)>};
inline constexpr StrategyShape poor_mans_covered_put{"poor_mans_covered_put", of<put(-1, 0), put(+1, 1, later)>};
inline constexpr StrategyShape long_call_diagonal{"long_call_diagonal", of<call(-1, 0), call(+1, 1, later)>};
inline constexpr StrategyShape short_call_diagonal{"short_call_diagonal", of<call(+1, 0), call(-1, 1, later)>};
inline constexpr StrategyShape long_put_diagonal{"long_put_diagonal", of<put(+1, 0, later), put(-1, 1)>};
inline constexpr StrategyShape short_put_diagonal{"short_put_diagonal", of<put(-1, 0, later), put(+1, 1)>};
inline constexpr StrategyShape double_calendar{"double_calendar", of<put(-1, 0), put(+1, 0, later), call(-1, 1), call(+1, 1, later)>};
inline constexpr StrategyShape double_diagonal{"double_diagonal", of<put(+1, 0, later), put(-1, 1), call(-1, 2), call(+1, 3, later)>};
// A synthetic short until the first expiry, a synthetic long until the second; and its opposite.
inline constexpr StrategyShape long_jelly_roll{"long_jelly_roll", of<call(-1, 0), put(+1, 0), call(+1, 0, later), put(-1, 0, later)>};
inline constexpr StrategyShape short_jelly_roll{"short_jelly_roll", of<call(+1, 0), put(-1, 0), call(-1, 0, later), put(+1, 0, later)>};

inline constexpr std::array catalogue{
    long_call, short_call, long_put, short_put, cash_secured_put,
    covered_call, protective_put, collar, covered_put, conversion, reversal,
    bull_call_spread, bear_call_spread, bull_put_spread, bear_put_spread,
    call_front_ratio, call_back_ratio, put_front_ratio, put_back_ratio,
    long_straddle, short_straddle, long_strangle, short_strangle,
    bullish_risk_reversal, bearish_risk_reversal, synthetic_long_stock, synthetic_short_stock,
    long_call_butterfly, short_call_butterfly, long_put_butterfly, short_put_butterfly,
    long_broken_wing_call_butterfly, short_broken_wing_call_butterfly,
    long_broken_wing_put_butterfly, short_broken_wing_put_butterfly,
    iron_butterfly, reverse_iron_butterfly, jade_lizard, reverse_jade_lizard,
    bull_call_ladder, bear_call_ladder, bull_put_ladder, bear_put_ladder,
    iron_condor, reverse_iron_condor,
    long_call_condor, short_call_condor, long_put_condor, short_put_condor,
    long_box, short_box,
    long_call_calendar, short_call_calendar, long_put_calendar, short_put_calendar,
    poor_mans_covered_call, poor_mans_covered_put,
    long_call_diagonal, short_call_diagonal, long_put_diagonal, short_put_diagonal,
    double_calendar, double_diagonal, long_jelly_roll, short_jelly_roll,
};
// clang-format on
}  // namespace strategies

using strategies::catalogue;
using strategies::covered_call;
using strategies::iron_condor;

/// Nothing for a name the catalogue does not hold.
std::optional<StrategyShape> find_strategy(std::string_view name);

/// The legs on given strikes, one strike per rung, ascending. `entry_price` says what a leg trades
/// at per share; for stock the strike it is given means nothing. Nothing when a price is missing.
using EntryPrice = std::function<std::optional<Price>(const LegShape&, Price strike)>;
std::optional<std::vector<Leg>> make_legs(const StrategyShape& shape,
                                          std::span<const Price> strikes, int multiplier,
                                          const EntryPrice& entry_price);

/// Where a strategy stands in a market.
struct Placement {
  std::vector<Price> strikes;        // one per rung, ascending
  std::vector<core::Date> expiries;  // one per expiry rung, ascending
  std::int64_t units = 1;            // how many of the strategy
  int multiplier = 100;

  friend bool operator==(const Placement&, const Placement&) = default;
};

/// The same with expiries. `trading_classes` runs parallel to the expiries.
std::optional<std::vector<BookLeg>> make_book(const StrategyShape& shape,
                                              const Placement& placement,
                                              std::span<const std::string_view> trading_classes,
                                              const EntryPrice& entry_price);

struct Recognised {
  StrategyShape shape;
  Placement placement;
};

/// The strategy of the catalogue that a book is, whatever the order of its legs, lots split over
/// several legs, or lots that cancel. Nothing for a book that is none of them, custom ones
/// included: with options of different multipliers, of two trading classes on one date (which of
/// them settles first is not in their names), or with shares that make no whole lots.
std::optional<Recognised> recognise(std::span<const BookLeg> book);

}  // namespace bifrost::analysis
