// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/quote.hpp"

// One expiry of a chain, from quotes to vols. The forward knows American exercise; vols and greeks
// here are European: exact for index options, an approximation for American ones, whose
// early-exercise premium is read as vol. It is small out of the money and without dividends, and
// not small for deep puts and around ex-dates.
namespace bifrost::analysis {

using core::Price;

struct OptionSide {
  std::optional<Price> bid;
  std::optional<Price> ask;
  std::optional<std::int64_t> bid_size;
  std::optional<std::int64_t> ask_size;
  std::optional<std::int64_t> open_interest;

  /// Bid above zero and not above the ask: both sides there, and somebody pays something.
  bool two_sided() const;
  /// The middle per share, where both sides are quoted and not crossed; a zero bid counts as
  /// quoted. On an odd number of price units the half unit is dropped.
  std::optional<Price> mid() const;
};

struct StrikeRow {
  Price strike;
  std::optional<OptionSide> call;
  std::optional<OptionSide> put;
};

/// Rows ascend in strike, one per strike.
struct ExpiryChain {
  std::string underlying;
  std::string trading_class;
  core::Date expiry{};
  int multiplier = 100;
  std::optional<Price> underlying_price;
  std::vector<StrikeRow> rows;
};

/// What one chain snapshot lists: each expiry with each of its trading classes, ascending.
struct ListedExpiry {
  core::Date expiry;
  std::string trading_class;

  friend auto operator<=>(const ListedExpiry&, const ListedExpiry&) = default;
};
std::vector<ListedExpiry> listed_expiries(const core::ChainSnapshot& snapshot);

/// not_found when the snapshot lists no such contract; conflict when one contract comes twice or
/// multipliers differ.
core::Result<ExpiryChain> select_expiry(const core::ChainSnapshot& snapshot,
                                        const ListedExpiry& which);

enum class NoForward : std::uint8_t {
  too_few_pairs,      // fewer than two strikes have both call and put quoted on both sides
  not_positive,       // the quotes imply a forward that is zero or negative
  no_spot,            // American options, and the chain does not say the underlying's price
  no_american_price,  // American options between two exercise boundaries: rates below zero
};
std::string_view to_string(NoForward why);

/// Where the discount factor came from.
enum class DiscountSource : std::uint8_t {
  given,         // the caller's rate
  fitted,        // the slope of put-call parity, where the quotes pin the rate to a quarter point
  assumed_zero,  // neither: rate 0
  carry,         // American options only: that the forward exceeds spot is all read as interest
};
std::string_view to_string(DiscountSource source);

struct ForwardDiscount {
  double forward;
  double discount_factor;
  DiscountSource discount_source;
  int pairs;         // strikes that took part in the forward
  double deviation;  // median distance of their single forwards from the result, currency per share
};

/// Forward and discount from put-call parity, call - put = discount * (forward - strike), on
/// middles of two-sided quotes that do not cross. The forward is the spread-weighted median over
/// the strikes nearest to it (at most 11), so that stale quotes, as long as they are fewer, cannot
/// move it; an error of the rate matters little there. `rate` is continuously compounded; without
/// one the slope is used if it is stable, else 0. years_to_expiry is not negative.
///
/// American options obey parity only as bounds (spot - dividends - strike <= call - put <= spot -
/// discounted strike), so what early exercise adds to either is taken off first, at the carry that
/// the forward implies; their slope says nothing about the rate and is not used.
tl::expected<ForwardDiscount, NoForward> forward_and_discount(
    const ExpiryChain& chain, double years_to_expiry, std::optional<double> rate,
    ExerciseStyle style = ExerciseStyle::european);

/// What holding the underlying until expiry pays, as a forward and a rate imply it.
struct ImpliedCarry {
  double rate;            // continuously compounded, that of the discount factor
  double dividend_yield;  // dividends and borrow fee together, continuous; negative where spot lags
  double dividends;       // the same as present value, currency per share
};
/// spot and years_to_expiry are positive.
ImpliedCarry implied_carry(const ForwardDiscount& parity, double spot, double years_to_expiry);

/// One option, priced.
struct OptionAnalytics {
  double mid;
  tl::expected<double, NoImpliedVol> implied_vol;
  /// Greeks at its own vol or, where its middle has none (deep in the money, most often), at that
  /// of the other right on the same strike, which parity says is the same. They are
  /// slopes in the underlying, theta and rho with it and its yield still, or, where the chain has
  /// no price of it, the same of the forward; units as in Valuation. Theta holds the forward still
  /// where it lies too far from spot for a yield: within a week of expiry, by 20 % a year.
  std::optional<Valuation> greeks;
};

/// What the right to exercise before expiry adds to the European prices of one strike, currency per
/// share, quoted or not. By the model, at the vol of the strike's option out of the money, whose
/// price hardly knows of early exercise: near the exercise value a tick of the price is worth many
/// points of vol. Where that has none, at the one of the nearest strike (in the money only where no
/// strike has it); kept between AmericanSurface::lowest_vol and highest_vol. But no more than the
/// ask leaves above the European price, and no less than the bid does: dividends paid in cash, or a
/// spot of another moment, are in the quotes and in no yield.
struct ExerciseRight {
  double vol;
  double call;
  double put;
};

struct StrikeAnalytics {
  Price strike;
  std::optional<OptionAnalytics> call;  // nothing: not two-sided, so there is no middle to believe
  std::optional<OptionAnalytics> put;
  /// Nothing under European exercise, and where no option of the chain has a vol.
  std::optional<ExerciseRight> exercise = std::nullopt;
};

/// A chain with all that follows from its quotes. `rows` run parallel to `chain.rows`.
struct PricedChain {
  ExpiryChain chain;
  ForwardDiscount parity;
  double years_to_expiry;
  std::vector<StrikeAnalytics> rows;
  /// Nothing when the forward does not lie between two strikes that have a vol.
  std::optional<double> atm_implied_vol;
  /// Under which vols and greeks are those of the quotes.
  ExerciseStyle style = ExerciseStyle::european;
};

/// Forward, discount, vol and greeks of every two-sided option.
tl::expected<PricedChain, NoForward> refresh(ExpiryChain chain, double years_to_expiry,
                                             std::optional<double> rate);

/// The vol at the forward: linear in log strike and total variance between the two neighbouring
/// strikes, each strike the mean of its call's and put's vol.
std::optional<double> atm_implied_vol(const std::vector<StrikeAnalytics>& rows, double forward);

}  // namespace bifrost::analysis
