// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "bifrost/api/fits.hpp"
#include "bifrost/api/types.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"

// The finder as the API and the command line ask it, and what it answers.
namespace bifrost::api {

enum class LegKind { call, put, stock };
BF_DESCRIBE_ENUM(LegKind, call, put, stock)

struct CatalogueLeg {
  LegKind kind;
  int quantity;
  std::optional<int> rung;
  int expiry_rung;
};
BF_DESCRIBE(CatalogueLeg, "A leg before a market is known.", (kind),
            (quantity,
             .doc = "per unit; negative is sold; of stock in lots of a contract's shares"),
            (rung, .doc = "legs on one rung share a strike, a higher rung is a higher strike; null "
                          "for stock"),
            (expiry_rung, .doc = "0 expires first"))

struct CatalogueEntry {
  std::string name;
  std::vector<CatalogueLeg> legs;
  int strikes;
  int expiries;
  bool loss_is_bounded;
  bool profit_is_bounded;
  std::string default_objective;
};
BF_DESCRIBE(CatalogueEntry, "A strategy that has a name here.", (name), (legs),
            (strikes, .doc = "how many different ones"),
            (expiries, .doc = "how many different ones"),
            (loss_is_bounded, .doc = "false: objectives on max loss are refused"),
            (profit_is_bounded, .doc = "false: return_on_risk and return_on_margin are refused"),
            (default_objective, .doc = "what /api/find ranks it by when nobody says"))

struct Catalogue {
  std::vector<CatalogueEntry> strategies;
};
BF_DESCRIBE(Catalogue, "Every strategy that the finder knows.", (strategies))

enum class DensityKind { market_implied, lognormal };
BF_DESCRIBE_ENUM(DensityKind, market_implied, lognormal)

enum class ShortStrikes { out_of_the_money, any };
BF_DESCRIBE_ENUM(ShortStrikes, out_of_the_money, any)

struct FindQuery {
  std::string symbol;
  std::string strategy;
  std::optional<Date> expiry;
  std::optional<std::string> trading_class;
  std::optional<Date> later_expiry;
  std::optional<Instant> at;
  std::optional<ExerciseStyle> style;
  std::optional<std::string> objective;
  std::optional<DensityKind> density;
  std::optional<double> fill_position;
  std::optional<double> fee_per_contract;
  std::optional<ShortStrikes> short_strikes;
  std::optional<double> min_pop;
  std::optional<double> max_loss;
  std::optional<double> min_credit;
  std::optional<double> min_short_delta;
  std::optional<double> max_short_delta;
  std::optional<double> min_long_delta;
  std::optional<double> max_long_delta;
  std::optional<double> min_width;
  std::optional<double> max_width;
  std::optional<double> max_spread_share;
  std::optional<int> min_open_interest;
  std::optional<int> min_size;
  std::optional<double> breakeven_percent;
  std::optional<double> breakeven_sigmas;
  std::optional<int> min_days;
  std::optional<int> max_days;
  std::optional<int> limit;
  std::optional<bool> exhaustive;
  std::optional<bool> certificate;
  std::optional<std::string> why_not;
  std::optional<double> rate;
};
BF_DESCRIBE(
    FindQuery, "What to look for. Money is in currency for one unit of the strategy.",
    (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
    (strategy, .doc = "a name of /api/catalogue", .min_length = 1, .max_length = 40,
     .pattern = "[a-z_]+"),
    (expiry, .doc = "of the first leg to expire; default: every expiry"),
    (trading_class, .doc = "of the first leg to expire; of all legs where no date is named",
     .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
    (later_expiry, .doc = "of the later legs of calendars and diagonals; default: every one"),
    (at, .doc = "the chain as it was known then; default: the newest snapshot"),
    (style, .doc = "when the options may be exercised; default: by the underlying"),
    (rate, .doc = rate_doc, .min = -0.5, .max = 1.0),
    (objective,
     .doc =
         "what to rank by: expected_profit, expected_profit_on_max_loss, "
         "expected_profit_on_margin, credit, return_on_risk, return_on_margin, pop, "
         "theta_on_max_loss; or a weighted sum such as return_on_risk:0.5,pop:2. Default: "
         "default_objective of /api/catalogue, that is return_on_risk with min_pop 0.6; where loss "
         "has no bound, with the same, return_on_margin, or credit where options bought can win "
         "too; expected_profit_on_max_loss where profit has no bound or grows until the underlying "
         "is worth nothing; expected_profit_on_margin where it does and loss has no bound. Where "
         "the chain does not price the underlying, credit and expected_profit instead of those on "
         "margin",
     .min_length = 1, .max_length = 200, .pattern = "[a-z_]+(:-?[0-9.]+)?(,[a-z_]+(:-?[0-9.]+)?)*"),
    (density, .doc = "where the underlying may settle: as the fitted smile prices it (default), or "
                     "lognormal at the at-the-money volatility"),
    (fill_position,
     .doc = "where each leg fills: 0 in the middle, 1 (default) at the side that fills "
            "at once",
     .min = -1.0, .max = 1.0),
    (fee_per_contract, .doc = "currency, on entry; default 0", .min = 0.0, .max = 100.0),
    (short_strikes,
     .doc = "where options may be sold: out of the money by the forward (default), or anywhere; "
            "where a call and a put are sold at one strike the default is anywhere with deltas of "
            "0.35 to 0.65"),
    (min_pop,
     .doc = "probability of profit at least; default 0, or 0.6 with the default objective where "
            "that is a return or the credit",
     .min = 0.0, .max = 1.0),
    (max_loss, .doc = "largest loss accepted", .above = 0.0),
    (min_credit, .doc = "per share; negative: a debit of at most that"),
    (min_short_delta, .doc = "of each option sold, without its sign", .min = 0.0, .max = 1.0),
    (max_short_delta, .min = 0.0, .max = 1.0),
    (min_long_delta, .doc = "of each option bought, without its sign", .min = 0.0, .max = 1.0),
    (max_long_delta, .min = 0.0, .max = 1.0),
    (min_width, .doc = "of each wing, currency per share", .min = 0.0),
    (max_width, .doc = "of each wing, currency per share", .above = 0.0),
    (max_spread_share, .doc = "(ask - bid) / middle of each option", .min = 0.0),
    (min_open_interest, .doc = "of each option", .min = 0),
    (min_size, .doc = "contracts shown on either side of each option", .min = 0),
    (breakeven_percent, .doc = "no breakeven nearer to the underlying price, in percent of it",
     .min = 0.0),
    (breakeven_sigmas, .doc = "the same in at-the-money deviations until expiry", .min = 0.0),
    (min_days, .doc = "calendar days to every expiry", .min = 0),
    (max_days, .doc = "calendar days to every expiry", .min = 0),
    (limit, .doc = "candidates at most; default 20", .min = 1, .max = 500),
    (exhaustive, .doc = "look at every combination instead of passing over those that cannot win"),
    (certificate, .doc = "return the proof that nothing better was passed over, checked"),
    (why_not,
     .doc = "strikes of a structure, ascending, such as 4790,4840,5155,5205: where it stands, and "
            "what keeps it off the list; needs expiry",
     .min_length = 1, .max_length = 100, .pattern = "[0-9.]+(,[0-9.]+)*"))

struct DensityLabel {
  std::string kind;
  std::string method;
  std::string anchor;
  std::string day_count;
  double years_to_expiry;
  double mean;
  std::optional<int> observations;
  std::optional<int> independent_observations;
  std::optional<double> mass_outside_quotes;
};
BF_DESCRIBE(DensityLabel, "What a probability was computed from. No two are comparable without it.",
            (kind, .doc = "market_implied, lognormal, history or forecast"),
            (method, .doc = "how it was made, tails included"),
            (anchor, .doc = "what its mean was taken from"), (day_count), (years_to_expiry), (mean),
            (observations, .doc = "history: returns that overlap"),
            (independent_observations, .doc = "history: returns that do not"),
            (mass_outside_quotes, .doc = "market_implied: probability beyond the quoted strikes"))

struct SearchedExpiry {
  Date expiry;
  std::string trading_class;
  int days_to_expiry;
  double forward;
  double discount_factor;
  std::string discount_source;
  std::optional<double> atm_implied_vol;
  DensityLabel density;
};
BF_DESCRIBE(SearchedExpiry, "An expiry that took part.", (expiry), (trading_class),
            (days_to_expiry), (forward), (discount_factor),
            (discount_source,
             .doc = "given, fitted to put-call parity, carry (of shares, for American options), or "
                    "assumed_zero"),
            (atm_implied_vol), (density))

struct LeftOutExpiry {
  Date expiry;
  std::string trading_class;
  std::string reason;
};
BF_DESCRIBE(LeftOutExpiry, "An expiry that could not take part.", (expiry), (trading_class),
            (reason))

struct StrategyLeg {
  LegKind kind;
  std::int64_t quantity;
  std::optional<Date> expiry;
  std::optional<std::string> trading_class;
  std::optional<Price> strike;
  Price entry_price;
  std::optional<double> implied_vol;
  std::optional<double> delta;
};
BF_DESCRIBE(StrategyLeg, "One leg of a structure.", (kind),
            (quantity, .doc = "negative is sold; options in contracts, stock in shares"),
            (expiry, .doc = "null for stock"), (trading_class, .doc = "null for stock"),
            (strike, .doc = "null for stock"),
            (entry_price, .doc = "per share, at the fill asked for"),
            (implied_vol,
             .doc = "of the middle of its quote, else of the other right's on its strike; where "
                    "neither has one, of the smile, beyond the quoted strikes an assumption"),
            (delta, .doc = "at implied_vol, of one share of the option, unsigned by the quantity"))

struct PayoffPoint {
  double spot;
  double profit;
};
BF_DESCRIBE(PayoffPoint, "A corner of the profit line at the first expiry.", (spot),
            (profit, .doc = "currency per unit"))

struct StrategyCandidate {
  int rank;
  double score;
  std::vector<StrategyLeg> legs;
  double credit;
  double fees;
  bool model_dependent;
  std::optional<double> max_profit;
  std::optional<double> max_loss;
  std::vector<double> breakevens;
  std::optional<double> delta;
  std::optional<double> gamma;
  std::optional<double> theta;
  std::optional<double> vega;
  double pop;
  double expected_profit;
  std::optional<double> return_on_risk;
  std::optional<double> margin;
  std::optional<double> return_on_margin;
  std::optional<double> annualised_return;
  std::vector<PayoffPoint> payoff;
};
BF_DESCRIBE(
    StrategyCandidate,
    "One structure, with everything that follows from its legs. Money and greeks are per "
    "unit, fees included.",
    (rank), (score, .doc = "by the objective"), (legs),
    (credit, .doc = "of the options, per share; negative is a debit"), (fees),
    (model_dependent, .doc = "legs outlive the first expiry and are repriced there by a model"),
    (max_profit, .doc = "null: unlimited"),
    (max_loss,
     .doc = "positive amount; null: unlimited. Model-dependent ones are judged up to twice the "
            "highest strike that their expiries list, or the highest likely price beyond"),
    (breakevens),
    (delta, .doc = "at the implied_vol of the legs; null: the model has none for a leg"), (gamma),
    (theta, .doc = "currency per calendar day"), (vega),
    (pop, .doc = "probability of profit at the first expiry, under its density"),
    (expected_profit,
     .doc =
         "under the same density, in today's money; of one expiry, under the market's own, it is "
         "minus what entering costs; what the rights to exercise early are worth counts"),
    (return_on_risk, .doc = "max_profit / max_loss; null: one of them has no bound"),
    (margin,
     .doc = "what it ties up: Regulation T's initial requirement (for cash-secured puts the cash), "
            "plus what the options cost if that is a debit; more rule sets are in /api/analyze; "
            "null: adjusted contracts, or no price of the underlying where it takes one"),
    (return_on_margin,
     .doc = "max_profit / margin; null: profit has no bound, or there is no margin"),
    (annualised_return,
     .doc = "return_on_risk * 365 / days_to_expiry, not compounded; null on the last day"),
    (payoff, .doc = "at the first expiry; straight lines between the points"))

struct CertificateSummary {
  std::optional<double> threshold;
  std::int64_t combinations;
  std::int64_t visited;
  std::int64_t pruned;
  std::int64_t classes;
  bool verified;
  std::optional<std::string> objection;
};
BF_DESCRIBE(CertificateSummary,
            "The proof that nothing better was passed over, as an independent verifier judged it.",
            (threshold, .doc = "score of the last candidate; null: fewer qualified than asked for"),
            (combinations), (visited, .doc = "combinations that the proof looks at one by one"),
            (pruned, .doc = "combinations in classes whose bound lies below the threshold"),
            (classes), (verified),
            (objection, .doc = "what the verifier objects to; null: nothing"))

struct Standing {
  std::optional<std::string> unusable_leg;
  std::optional<std::string> broken_constraint;
  std::optional<StrategyCandidate> candidate;
  std::optional<std::int64_t> rank;
  std::optional<double> score_without_costs;
  std::optional<double> threshold;
};
BF_DESCRIBE(
    Standing, "Where a structure stands, and what keeps it off the list.",
    (unusable_leg, .doc = "which leg cannot be used, and why; nothing else is known then"),
    (broken_constraint, .doc = "the first constraint that it breaks"), (candidate),
    (rank,
     .doc =
         "among all that fulfil the constraints, 1 is the best; of one that breaks a constraint, "
         "where it would stand"),
    (score_without_costs,
     .doc = "its score in the middle of the spreads and without fees; above the threshold, "
            "costs keep it off"),
    (threshold, .doc = "what the last on the list scores; null: the list is not full"))

struct UnfitCount {
  std::string reason;
  std::int64_t combinations;
};
BF_DESCRIBE(UnfitCount, "Combinations that are no candidates, under the first reason that applies.",
            (reason), (combinations))

struct Found {
  std::string symbol;
  std::string strategy;
  std::string objective;
  Instant as_of;
  std::optional<std::int64_t> age_seconds;
  Source source;
  std::optional<Price> underlying_price;
  ExerciseStyle style;
  double fill_position;
  double fee_per_contract;
  ShortStrikes short_strikes;
  std::optional<double> min_short_delta;
  std::optional<double> max_short_delta;
  double min_pop;
  std::vector<SearchedExpiry> expiries;
  std::vector<LeftOutExpiry> left_out;
  std::int64_t combinations;
  std::int64_t visited;
  std::int64_t pruned;
  std::vector<StrategyCandidate> candidates;
  std::optional<std::int64_t> qualified;
  std::vector<UnfitCount> unfit;
  std::optional<CertificateSummary> certificate;
  std::optional<Standing> why_not;
};
BF_DESCRIBE(Found, "The best structures out of every combination of listed strikes and expiries.",
            (symbol), (strategy), (objective), (as_of),
            (age_seconds, .doc = "of the snapshot by the market's clock"), (source),
            (underlying_price), (style), (fill_position), (fee_per_contract), (short_strikes),
            (min_short_delta, .doc = "of each option sold, without its sign; null: any"),
            (max_short_delta), (min_pop), (expiries),
            (left_out, .doc = "expiries that could not take part, and why"),
            (combinations, .doc = "ascending choices of strikes all of whose legs may be used"),
            (visited, .doc = "of these, looked at one by one"),
            (pruned, .doc = "of these, passed over in classes that cannot hold a better one"),
            (candidates),
            (qualified, .doc = "fulfil every constraint; known only after an exhaustive search"),
            (unfit, .doc = "the rest, after an exhaustive search"), (certificate), (why_not))

/// Share of the search done, 0 to 1. False stops it.
using OnSearch = std::function<bool(double share)>;

Catalogue catalogue();

/// What can be said of a query before its chain is there, as find_in says it; `underlying` is empty
/// where that is not known yet. not_found: no such strategy; invalid_input.
core::Result<void> check(const FindQuery& query, std::string_view underlying,
                         const Told& told = {});

/// query.symbol and query.at are not looked at: the chain is the snapshot. Exact over what the
/// reply says it searched. not_found: no such strategy or expiry, or all of them settled;
/// invalid_input: an objective that the strategy has no value for, a strategy with stock on an
/// index, or a query that contradicts itself; unavailable: no expiry could take part; cancelled.
core::Result<Found> find_in(const core::ChainSnapshot& snapshot, const FindQuery& query,
                            const OnSearch& on_search = {}, const Told& told = {});

}  // namespace bifrost::api
