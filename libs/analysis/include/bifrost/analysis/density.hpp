// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "bifrost/analysis/payoff.hpp"
#include "bifrost/analysis/probability.hpp"
#include "bifrost/analysis/smile.hpp"
#include "bifrost/core/result.hpp"

// Where the underlying may settle, told in four ways that one never mixes: flat lognormal, the
// market's own smile, what history did, what somebody forecasts. Prices are per share,
// undiscounted.
namespace bifrost::analysis {

enum class DensityKind : std::uint8_t { lognormal, market_implied, history, forecast };
std::string_view to_string(DensityKind kind);

/// What a probability must say about itself. Every number below that comes from a density is only
/// that density's, so its label goes wherever the number goes.
struct DensityLabel {
  DensityKind kind;
  Anchor anchor;  // where the mean was taken from
  DayCount day_count;
  double years_to_expiry;
  std::string method;  // how it was made, smoothing and tails included
  /// History: returns that overlap, and how many of them do not.
  std::optional<int> observations = std::nullopt;
  std::optional<int> independent_observations = std::nullopt;
  /// Market-implied: the probability of settling outside the quoted strikes, which is assumption.
  std::optional<double> mass_outside_quotes = std::nullopt;
};

/// The distribution of the settlement price. Immutable; may be shared between threads.
class Density {
 public:
  virtual ~Density() = default;

  const DensityLabel& label() const { return label_; }

  /// P(settlement <= spot). Never decreases, from 0 to 1; 0 below 0.
  virtual double cdf(double spot) const = 0;
  /// E[max(settlement - strike, 0)]; the mean for strikes of 0 and below, less the strike.
  virtual double call(double strike) const = 0;
  virtual double mean() const = 0;
  /// The spot with cdf(spot) = p, 0 < p < 1.
  virtual double quantile(double p) const;

  /// P(low < settlement < high); `low` 0 includes the origin, `high` may be infinite.
  double mass(SpotInterval interval) const;

 protected:
  explicit Density(DensityLabel label) : label_(std::move(label)) {}
  Density(const Density&) = default;
  Density& operator=(const Density&) = default;

 private:
  DensityLabel label_;
};

using DensityPtr = std::unique_ptr<const Density>;

DensityPtr lognormal_density(const LognormalDensity& density);

/// The mass of the regions in which the book makes money at expiry, exactly. Monotone in tail risk:
/// never rank on it alone.
double probability_of_profit(const Payoff& payoff, const Density& density);

/// The mean of the profit at expiry, in currency, exactly: the line is a sum of calls. Under the
/// market-implied density and in_todays_money() this is minus the costs, whatever the book: an
/// identity to check, not a ranking.
double expected_profit(const Payoff& payoff, const Density& density);

/// What turns a mean at expiry into today's money: what is paid now could earn interest until then,
/// and who holds shares is paid their dividends.
struct Carry {
  double discount_factor = 1.0;    // until expiry
  double entry_cost = 0.0;         // currency, of options, shares and fees; received is negative
  double shares = 0.0;             // held until expiry
  double dividends_per_share = 0;  // today's value of all until expiry: spot - discount * forward
  /// Today's value of all rights to exercise before that expiry, those of sold options negative:
  /// prices of American options hold it, and what they pay at expiry does not.
  double early_exercise = 0.0;
};
/// expected_profit() as of today. Under the market-implied density and at fair prices it is zero,
/// for books with shares and for American options, too.
double in_todays_money(double expected_profit, const Carry& carry);

/// The quantiles at 16, 50 and 84 %: what one deviation to either side is for a normal, without
/// being one.
struct ExpectedMove {
  double low;
  double median;
  double high;
};
ExpectedMove expected_move(const Density& density);

/// Any smile of one expiry as functions of k = ln(strike / forward): those that others publish.
struct SmileCurve {
  double forward;
  double years_to_expiry;
  std::function<double(double)> total_variance;        // vol^2 * years, positive
  std::function<double(double)> total_variance_slope;  // its derivative in k
  std::string method;                                  // the model, tails included
  std::optional<double> lowest_quoted = std::nullopt;  // strikes
  std::optional<double> highest_quoted = std::nullopt;
};

/// Why a smile is no density.
enum class NoDensity : std::uint8_t {
  no_time,           // no time or no variance is left
  negative_density,  // the probability of settling below some strike falls with the strike
  mass_escapes,      // the wings leave probability, or value, at zero or infinity
};
std::string_view to_string(NoDensity why);

/// The density that the smile prices with: the slope of the undiscounted call (Breeden and
/// Litzenberger, 1978), in closed form, N(-d2) + n(d2) w'(k) / (2 sqrt(w)). Its mean is the
/// forward. Refused if it is none: the probability is compared on a fine grid of strikes out to
/// where less than 1e-10 of it is left.
tl::expected<DensityPtr, NoDensity> implied_density(const SmileCurve& smile);

/// That of our own fit, a mixture of lognormals, whose probabilities need no slope. The same
/// reasons for refusal: components that are no distribution, or whose mean is not the forward to
/// 1e-9 of it.
tl::expected<DensityPtr, NoDensity> implied_density(const Smile& smile);

/// Which mean a density of past returns gets.
enum class HistoryMean : std::uint8_t {
  at_anchor,  // the forward: history gives the shape alone
  observed,   // history's own drift from today's spot
};

struct HistoryInputs {
  /// One a trading day, oldest first, positive; splits (and dividends, if they shall count)
  /// adjusted by the caller.
  std::span<const double> closes;
  int horizon_trading_days;
  /// The forward for at_anchor, today's spot for observed.
  double anchor_price;
  HistoryMean mean = HistoryMean::at_anchor;
  /// Stretches the returns about their mean to this deviation over the whole horizon (vol *
  /// sqrt(years), in whatever day count the vol has): the shape of history at today's vol.
  std::optional<double> deviation = std::nullopt;
  /// Whether a return that starts on close number i counts (days like today, for instance). None:
  /// all count.
  std::function<bool(std::size_t)> counts = nullptr;
};

/// Fewer returns that do not overlap than this give no density.
inline constexpr int fewest_independent_returns = 20;

/// The overlapping log returns over the horizon, smoothed by a Gaussian kernel of Silverman's width
/// (1986, eq. 3.31) for the number of returns that do not overlap, their variance kept as it was
/// (Silverman and Young, 1987). The label counts both; day count BUS/252. invalid_input for values
/// out of range, not_found with fewer returns than fewest_independent_returns.
core::Result<DensityPtr> history_density(const HistoryInputs& in);

struct QuantilePoint {
  double p;     // 0 < p < 1
  double spot;  // positive
};

struct ForecastInputs {
  std::span<const QuantilePoint> quantiles;  // at least two, both members strictly ascending
  double years_to_expiry;
  DayCount day_count = DayCount::act_365f;
  std::string model;  // who forecasts, for the label
  /// Scales all quantiles so that the mean is this price. None: the forecast's own mean.
  std::optional<double> forward = std::nullopt;
};

/// Between the quantiles the log price is linear in the normal score of its probability, so each
/// piece is a piece of a lognormal; the outermost two pieces go on for ever, which is the tail.
/// invalid_input for anything that is no distribution.
core::Result<DensityPtr> forecast_density(const ForecastInputs& in);

}  // namespace bifrost::analysis
