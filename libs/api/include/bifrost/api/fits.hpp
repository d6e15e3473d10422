// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/analysis/exercise.hpp"
#include "bifrost/analysis/smile.hpp"
#include "bifrost/api/types.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"

// A chain's quotes turned into what they say together: forward, smile and density of every expiry.
// The same document from the API and from `bifrost fit`.
namespace bifrost::api {

enum class ExerciseStyle { european, american };
BF_DESCRIBE_ENUM(ExerciseStyle, european, american)

/// Of a rate that a request may give.
inline constexpr std::string_view rate_doc =
    "continuously compounded, annual, decimal; default: as put-call parity says, and for options "
    "that may be exercised early, which do not tell it, as if no dividend were paid";

struct FitQuery {
  std::string symbol;
  std::optional<Instant> at;
  std::optional<ExerciseStyle> style;
  std::optional<double> rate;
};
BF_DESCRIBE(FitQuery, "The smile of every expiry of a chain in the history.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (at, .doc = "as it was known then; default: the newest snapshot"),
            (style, .doc = "when the options may be exercised; default: european for indices (the "
                           "broker says which are; where it was not asked, a table) but OEX, "
                           "american for all else"),
            (rate, .doc = rate_doc, .min = -0.5, .max = 1.0))

struct SmileComponent {
  double weight;
  double log_mean_over_forward;
  double deviation;
};
BF_DESCRIBE(SmileComponent, "One lognormal of the mixture that is the smile.",
            (weight, .doc = "probability"),
            (log_mean_over_forward, .doc = "logarithm of its mean over the forward"),
            (deviation, .doc = "of the logarithm of the settlement, until expiry"))

struct FitQuality {
  int quotes;
  int dropped;
  double rmse_vol;
  double rmse_spreads;
  double worst_vol;
  double within_spread;
  double lowest_quoted;
  double highest_quoted;
  double mass_outside_quotes;
  double least_g;
  bool butterfly_free;
  bool calendar_free;
};
BF_DESCRIBE(FitQuality, "How well a smile tells what was quoted.",
            (quotes, .doc = "out-of-the-money, two-sided quotes that were fitted"),
            (dropped, .doc = "out-of-the-money quotes that were zero, crossed, one-sided or "
                             "without a volatility"),
            (rmse_vol, .doc = "of the volatility, decimal, quotes weighted by vega"),
            (rmse_spreads, .doc = "of the price, in spreads (ask - bid)"),
            (worst_vol, .doc = "largest error of a volatility, decimal"),
            (within_spread, .doc = "share of quotes whose spread holds the price of the smile"),
            (lowest_quoted, .doc = "strike"), (highest_quoted, .doc = "strike"),
            (mass_outside_quotes,
             .doc = "probability beyond the quoted strikes: assumption, not market"),
            (least_g,
             .doc = "least value of Gatheral's g; negative would be a butterfly arbitrage"),
            (butterfly_free), (calendar_free, .doc = "against the expiry before it"))

struct DensityQuantile {
  double p;
  double spot;
};
BF_DESCRIBE(DensityQuantile, "The settlement that is not exceeded with this probability.",
            (p, .doc = "probability"), (spot))

struct ExpiryFit {
  Date expiry;
  std::string trading_class;
  int days_to_expiry;
  double years_to_expiry;
  std::optional<std::string> refusal;
  std::optional<double> forward;
  std::optional<double> discount_factor;
  std::optional<double> atm_implied_vol;
  std::vector<SmileComponent> parameters;
  std::optional<FitQuality> quality;
  std::vector<DensityQuantile> quantiles;
};
BF_DESCRIBE(ExpiryFit,
            "One expiry: its forward, its smile as a mixture of lognormals, and where the market "
            "expects the settlement.",
            (expiry), (trading_class), (days_to_expiry, .doc = "calendar days in New York"),
            (years_to_expiry, .doc = "ACT/365F until the settlement"),
            (refusal, .doc = "why there is no fit: no_time, no_forward, no_spot, "
                             "inconsistent_chain, too_few_quotes, no_arbitrage_free_fit; null: "
                             "fitted"),
            (forward, .doc = "from put-call parity"), (discount_factor),
            (atm_implied_vol, .doc = "of the smile at the forward, annual, decimal"), (parameters),
            (quality), (quantiles, .doc = "of the market-implied density"))

struct Fit {
  std::string symbol;
  Instant as_of;
  Source source;
  std::optional<Price> underlying_price;
  ExerciseStyle style;
  std::vector<ExpiryFit> expiries;
};
BF_DESCRIBE(Fit, "Every expiry of a chain, in order of settlement.", (symbol), (as_of), (source),
            (underlying_price), (style), (expiries))

/// What the broker says of an underlying; nothing where it was not asked.
struct Told {
  std::optional<bool> index = std::nullopt;
};

struct FitTerms {
  std::optional<ExerciseStyle> style = std::nullopt;
  std::optional<double> rate = std::nullopt;
  Told told = {};
};

/// "IND" and "STK" tell; what else there may be does not.
Told told_by(std::string_view sec_type);
/// Nobody holds shares of one. Where the broker does not say, core::is_index_symbol decides.
bool is_index(std::string_view underlying, const Told& told = {});
/// When options on an underlying may be exercised: at expiry alone for indices but OEX.
ExerciseStyle exercise_style_of(std::string_view underlying, const Told& told = {});
analysis::ExerciseStyle to_analysis(ExerciseStyle style);

/// Every expiry that the snapshot lists, fitted or with the reason why not.
Fit fit_chain(const core::ChainSnapshot& snapshot, const FitTerms& terms);

}  // namespace bifrost::api
