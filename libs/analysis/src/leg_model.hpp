// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/analysis/book.hpp"
#include "exercise_boundary.hpp"

namespace bifrost::analysis {

/// In shares; negative is sold.
inline double size_of(const Leg& leg) {
  return static_cast<double>(leg.quantity) * (leg.kind == LegKind::stock ? 1.0 : leg.multiplier);
}

/// One option at one moment, as a function of spot. An exercise boundary is solved once and serves
/// every spot.
class OptionCurve {
 public:
  struct Terms {
    Right right;
    double strike;
    double years;  // that are left
    double rate;
    double yield;
    double vol;
    ExerciseStyle style;
  };
  static core::Result<OptionCurve> make(const Terms& terms);

  const Terms& terms() const { return terms_; }
  /// Per share; `spot` may be 0.
  double price(double spot) const;
  /// Price, and all greeks but those of the exercise premium in vol and rate.
  Valuation valuation(double spot) const;
  /// What the exercise premium adds to the European price.
  double premium(double spot) const;

 private:
  explicit OptionCurve(const Terms& terms) : terms_(terms) {}
  double positive(double spot) const;
  double intrinsic(double spot) const;
  SpotInputs inputs(double spot) const;

  Terms terms_;
  std::optional<ExerciseBoundary> boundary_;
};

/// One leg at the moment of its market: what all of it is worth, and its greeks.
class LegModel {
 public:
  enum class Want { value, greeks };
  /// `leg` must outlive it.
  static core::Result<LegModel> make(const Leg& leg, const LegMarket& market, double spot_now,
                                     double vol_shift, Want want);

  double value(double spot) const;
  void add_to(BookValue& total, double spot) const;

 private:
  explicit LegModel(const Leg& leg);

  const Leg* leg_;
  double size_;  // shares
  std::optional<OptionCurve> curve_;
  // The same option with vol and rate moved down and up, for premiums that have no closed greeks.
  std::vector<OptionCurve> moved_;
};

/// A book's markets as they stand `days_forward` later, spot being the same. Until the first expiry
/// the underlying grows as that expiry's forward says, so that later forwards keep their ratio to
/// it; likewise discounts, those of American legs by american_discount(). Fewer than no years: that
/// leg has expired meanwhile.
std::vector<LegMarket> markets_after(std::span<const BookLeg> book,
                                     std::span<const LegMarket> markets, double spot_now,
                                     double days_forward);

/// The discount factor that prices American options over `years` in which the forward grows by
/// `growth`: the one given, unless rate and yield then leave exercise between two boundaries. What
/// two American chains say of the rate between them is a difference of two guesses (see
/// estimate_forward()); where that happens the guess is made anew of `growth` itself.
double american_discount(Right right, double growth, double discount_factor, double years);

/// What the right to exercise an option until the first expiry of its book is worth now, per share:
/// its price (European plus LegMarket::Exercise::right) less the discounted mean of what it is
/// worth that day, unexercised, the underlying being lognormal at the vol that exercise is valued
/// at. For an option that expires then that is the right itself; nothing for stock and European
/// options. `leg` is an option or stock, its market that of check_book(); errors as
/// LegModel::make().
core::Result<double> early_exercise_value(const Leg& leg, const LegMarket& market,
                                          const LegMarket& front, double spot_now);

/// Refuses what value_book() says that it refuses.
core::Result<void> check_book(std::span<const BookLeg> book, std::span<const LegMarket> markets,
                              double spot);

/// Options that expire this close to each other, in years, expire together: clocks are not kept to
/// fractions of a second.
inline constexpr double same_moment = 1e-8;

}  // namespace bifrost::analysis
