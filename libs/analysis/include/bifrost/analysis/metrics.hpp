// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/analysis/book.hpp"
#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/fill.hpp"
#include "bifrost/analysis/strategy.hpp"

// What a trader asks about one book: what it can make and lose, how likely, what it costs to enter,
// and what that is a return on.
namespace bifrost::analysis {

/// Commissions, each time something changes hands.
struct FeeSchedule {
  Money per_contract;
  Money per_share;
};
/// Held until it settles, a book pays on the way in alone; closed before, on both ways.
enum class FeesPaid : std::uint8_t { on_entry, round_trip };

/// Exact; never negative for fees that are not.
Money fees_of(std::span<const BookLeg> book, const FeeSchedule& schedule, FeesPaid paid);

/// The quotes of a book's legs, parallel to it; nothing for stock and for what has no quote.
using LegQuotes = std::span<const std::optional<OptionSide>>;

/// The book as it is entered at a position in the spread: stock as it stands, every option at
/// entry_price(). Nothing when one of them has no such price.
std::optional<std::vector<BookLeg>> entered_at(std::span<const BookLeg> book, LegQuotes quotes,
                                               Fill fill);

/// What the options cost as entered, multipliers included: positive is paid, negative received.
/// Stock is not in it.
Money option_cost(std::span<const BookLeg> book);

struct EntryCost {
  Fill fill;
  std::optional<Money> cost;  // option_cost() at this fill; nothing when a leg has no price there
};

/// Each member is there only if every option leg has what it is made of.
struct Liquidity {
  std::optional<double> spread_cost;    // currency from mid to natural, one way
  std::optional<double> widest_spread;  // of a leg, over its middle
  /// How many times the book fills at natural from the sizes shown.
  std::optional<std::int64_t> units_at_touch;
  std::optional<std::int64_t> least_open_interest;
};
Liquidity liquidity_of(std::span<const BookLeg> book, LegQuotes quotes);

/// What a return is a return on. Never the premium: a credit of 0.05 on a wing of 5 is no 100 %.
enum class Denominator : std::uint8_t {
  max_loss,  // defined risk
  margin,    // what rule or broker asks for
  cash,      // what is set aside to take delivery
};
std::string_view to_string(Denominator denominator);

/// Decimal: 0.05 is 5 %. Annual ones are simple, times 365 over the days to the first expiry, not
/// compounded; there only if some time is left.
struct Return {
  std::optional<double> simple;
  std::optional<double> annualised_simple;
};
struct NamedReturns {
  Denominator denominator;
  double amount;        // currency
  Return at_best;       // of the highest profit; nothing where that is unlimited
  Return if_unchanged;  // of the profit at today's spot on the first expiry; nothing without spot
};

/// All that one density says of the book at its first expiry.
struct DensityMetrics {
  DensityLabel label;
  double pop;              // 0 to 1
  double expected_profit;  // currency, in_todays_money() where there are markets
  /// The lowest profit between the spots that the density puts at 0.5 and 99.5 %: what an unlimited
  /// side may cost on a bad day, where max_loss has no number.
  double low_spot;
  double high_spot;
  double worst_likely_profit;
};

struct MetricsRequest {
  std::span<const BookLeg> book;
  std::optional<double> spot = std::nullopt;
  /// Parallel to the book, or empty. Several expiries, value and greeks need them, and spot.
  std::span<const LegMarket> markets = {};
  LegQuotes quotes = {};  // parallel to the book, or empty
  /// Of the settlement at the first expiry. None of them may be null.
  std::span<const Density* const> densities = {};
  FeeSchedule fees = {};
  FeesPaid fees_paid = FeesPaid::on_entry;
  /// Of several expiries: see payoff_at_front_expiry().
  std::optional<double> highest_spot = std::nullopt;
  std::optional<double> margin = std::nullopt;          // currency, positive
  std::optional<double> cash = std::nullopt;            // currency, positive
  std::optional<double> days_to_expiry = std::nullopt;  // calendar days, to the first expiry
  std::vector<Fill> fills = {Fill::mid, Fill::natural};
};

/// Profits are of the whole book at its first expiry, in currency, after fees.
struct Metrics {
  std::optional<Recognised> recognised;
  bool model_dependent;  // options outlive the first expiry, where a model reprices them
  Money fees;
  std::optional<double> max_profit;  // none: unlimited
  std::optional<double> max_loss;    // positive is lost; none: unlimited
  std::vector<double> breakevens;
  std::vector<SpotInterval> profitable;
  std::vector<PayoffPoint> curve;    // to draw with straight lines
  std::optional<Payoff> exact;       // kinks and all; nothing when model-dependent
  std::optional<FrontPayoff> front;  // with its tolerances; nothing when exact
  std::vector<DensityMetrics> densities;
  std::optional<BookValue> now;  // by the model, before fees; nothing without markets
  /// Of all legs, until the first expiry, currency: in expected_profit; see Carry. 0 without
  /// markets and under European exercise.
  double early_exercise;
  Money option_cost;                   // as entered
  std::vector<EntryCost> entry_costs;  // of each fill asked for; empty without quotes
  std::optional<Liquidity> liquidity;  // nothing without quotes
  std::vector<NamedReturns> returns;   // on each denominator that is known
};

/// Errors as payoff_at_expiry() and value_book(), and invalid_input for spans of different length,
/// several expiries (or classes, which may settle at different hours) without markets, amounts or
/// days that are not positive, and a density (ACT/365F) whose horizon is more than a day off the
/// first expiry of `markets`.
core::Result<Metrics> analyse(const MetricsRequest& request);

/// density.hpp's for a curve that is not a line, chord by chord: off by at most its
/// profit_tolerance. DensityMetrics takes off what that is under the lognormal density of each vol.
double probability_of_profit(const FrontPayoff& payoff, const Density& density);
double expected_profit(const FrontPayoff& payoff, const Density& density);

}  // namespace bifrost::analysis
