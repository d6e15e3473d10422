// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bifrost/analysis/exercise.hpp"
#include "bifrost/analysis/payoff.hpp"
#include "bifrost/core/time.hpp"

// What any book is worth before its last day: stock and options of several expiries, by a model,
// at any date, price and shift of vol. What needs no model is in payoff.hpp.
namespace bifrost::analysis {

/// One position of a book that may hold several expiries.
struct BookLeg {
  Leg leg;
  std::optional<core::Date> expiry;  // nothing for stock
  std::string trading_class;         // "SPXW"; means nothing for stock

  friend bool operator==(const BookLeg&, const BookLeg&) = default;
};

/// The legs without their expiries, for what happens at one expiry.
std::vector<Leg> legs_of(std::span<const BookLeg> book);

/// Every expiry in the book, ascending, each once.
std::vector<core::Date> expiries_of(std::span<const BookLeg> book);

/// What values one option leg now. Parity ties them together: the forward grows from spot at rate
/// minus yield, the discount factor gives the rate. For stock it means nothing.
struct LegMarket {
  double years_to_expiry;  // ACT/365F, from now
  double forward;
  double discount_factor;
  double implied_vol;  // annual, decimal
  ExerciseStyle style;
  /// The leg's part of its ExerciseRight; nothing: what the model says at implied_vol.
  struct Exercise {
    double vol;
    double right;  // currency per share
  };
  std::optional<Exercise> exercise = std::nullopt;
};

/// A moment at which to look at the book. Rates and yields stay, so forwards move in proportion to
/// spot; vols stay with the strike (sticky strike).
struct BookShift {
  double spot;                // at that moment; not negative
  double days_forward = 0.0;  // calendar days from now, a day being a 365th of a year
  double vol_shift = 0.0;     // added to the vol of every leg: 0.01 is one point
};

/// Of the whole book, quantities and multipliers included. Slopes in spot, forwards moving along.
struct BookGreeks {
  double delta;  // shares
  double gamma;  // shares per 1.00 of spot
  double theta;  // currency per calendar day, spot and vols still; see OptionAnalytics::greeks
  double vega;   // currency per 1.00 of vol of every leg alike
  double rho;    // currency per 1.00 of rate, spot and yield still
};

struct BookValue {
  double value;   // what the model pays for the book
  double profit;  // value minus what the legs cost to enter; no fees, interest or dividends
  BookGreeks greeks;
};

/// `markets` runs parallel to `book`; `spot` is the underlying now, to which the forwards belong.
/// A leg at its expiry is worth its intrinsic value. invalid_input: spans that differ in length, an
/// empty book, a date after the first expiry (what that leg left behind depends on the path),
/// inputs that are not finite or of the wrong sign, vols that a shift makes negative. unavailable:
/// an American leg under a yield below a negative rate (see NoAmericanPrice), or whose exercise
/// boundary cannot be solved (a vol of a few tenths of a percent, the last seconds).
core::Result<BookValue> value_book(std::span<const BookLeg> book,
                                   std::span<const LegMarket> markets, double spot,
                                   const BookShift& shift);

/// Calendar days until the first option expires; nothing without options.
std::optional<double> days_to_front_expiry(std::span<const BookLeg> book,
                                           std::span<const LegMarket> markets);

/// The book over dates and prices. cells[d * spots.size() + s] is date d at spot s.
struct BookTable {
  std::vector<double> days_forward;
  std::vector<double> spots;
  std::vector<BookValue> cells;

  const BookValue& at(std::size_t day, std::size_t spot) const {
    return cells[day * spots.size() + spot];
  }
};

/// value_book() in every cell. Errors as there. European legs take half a microsecond each; for
/// American ones five exercise boundaries are solved a leg and date, so that 4 legs over 20 dates
/// and 60 spots take some tenths of a second.
core::Result<BookTable> value_table(std::span<const BookLeg> book,
                                    std::span<const LegMarket> markets, double spot,
                                    std::span<const double> days_forward,
                                    std::span<const double> spots, double vol_shift = 0.0);

/// The profits of value_table() alone, laid out like its cells: for American legs at a sixth of the
/// cost.
core::Result<std::vector<double>> profit_table(std::span<const BookLeg> book,
                                               std::span<const LegMarket> markets, double spot,
                                               std::span<const double> days_forward,
                                               std::span<const double> spots,
                                               double vol_shift = 0.0);

/// Profit of the book when its first expiry settles. With one expiry it is payoff_at_expiry(), read
/// off exactly. With more, the later legs are repriced by the model, and there is no closed form:
/// extremes and breakevens are found numerically.
struct FrontPayoff {
  bool model_dependent;  // later legs were repriced
  double years_to_front;
  /// Spots looked at, from 0; everything below holds inside.
  double highest_spot;
  /// Ascending in spot, from 0 to highest_spot, corners and extremes included; lines between
  /// neighbours stay within `profit_tolerance` of the curve.
  std::vector<PayoffPoint> curve;
  /// None: unlimited, judged by the number of calls and shares, bought minus sold. Where they
  /// cancel, carry may still bend the curve beyond highest_spot.
  std::optional<double> max_profit;
  std::optional<double> max_loss;  // positive is lost, as in Payoff
  /// Where, one spot each (the lowest); nothing for an unlimited side.
  std::optional<double> max_profit_at;
  std::optional<double> max_loss_at;
  std::vector<double> breakevens;
  std::vector<SpotInterval> profitable;  // the last one's high is infinite if it ends so
  double spot_tolerance;                 // of breakevens, in currency per share
  double profit_tolerance;               // of extremes, in currency
};

/// Errors as value_book() and payoff_at_expiry(), and invalid_input for a book without options.
/// `costs`, such as fees, are taken from every profit. `highest_spot` is for several expiries: how
/// far to look (not less than spot and strikes), as highest_front_spot() says for who compares with
/// the finder; nothing: as far as a later leg's price bends, four times the highest strike at
/// least. A last breakeven may still lie beyond where calls and shares do not cancel.
core::Result<FrontPayoff> payoff_at_front_expiry(std::span<const BookLeg> book,
                                                 std::span<const LegMarket> markets, double spot,
                                                 double vol_shift = 0.0, Money costs = {},
                                                 std::optional<double> highest_spot = std::nullopt);

}  // namespace bifrost::analysis
