// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/api/finds.hpp"
#include "bifrost/net/refusal.hpp"

// Everything about one position: what it can make and lose, how likely, what it ties up, and what
// it is worth on any day at any price. The same document from the API and from `bifrost analyze`.
namespace bifrost::api {

struct PositionLeg {
  LegKind kind;
  std::int64_t quantity;
  std::optional<Date> expiry;
  std::optional<std::string> trading_class;
  std::optional<Price> strike;
  std::optional<Price> entry_price;
};
BF_DESCRIBE(
    PositionLeg, "One leg that is held, or would be.", (kind),
    (quantity, .doc = "negative is sold; options in contracts, stock in shares; not 0", .min = -1e9,
     .max = 1e9),
    (expiry, .doc = "of options"),
    (trading_class, .doc = "needed only where one date lists two classes", .min_length = 1,
     .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
    (strike, .doc = "of options", .above = 0.0),
    (entry_price,
     .doc = "per share, as traded; default: by the chain's quotes at fill_position, stock at "
            "the underlying price",
     .min = 0.0))

struct TableSpec {
  std::vector<double> days_forward;
  std::vector<double> spots;
  std::optional<double> vol_shift;
};
BF_DESCRIBE(TableSpec, "Which cells of profit over dates and prices to compute.",
            (days_forward, .doc = "calendar days from the snapshot", .max_length = 40),
            (spots, .doc = "prices of the underlying", .max_length = 200),
            (vol_shift, .doc = "added to every volatility: 0.01 is a point", .min = -1.0,
             .max = 5.0))

struct PositionQuery {
  std::string symbol;
  std::optional<Instant> at;
};
BF_DESCRIBE(PositionQuery, "The chain that a position is analysed on.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (at, .doc = "as it was known then; default: the newest snapshot"))

struct PositionRequest {
  std::vector<PositionLeg> legs;
  std::optional<ExerciseStyle> style;
  std::optional<double> fill_position;
  std::optional<double> fee_per_contract;
  std::optional<double> profit_target;
  std::optional<double> loss_limit;
  std::optional<TableSpec> table;
  std::optional<double> rate;
  std::optional<bool> cash_secured;
};
BF_DESCRIBE(PositionRequest, "What to analyse.", (legs, .min_length = 1, .max_length = 40),
            (style, .doc = "when the options may be exercised; default: by the underlying"),
            (rate, .doc = rate_doc, .min = -0.5, .max = 1.0),
            (cash_secured,
             .doc = "the strike of a put sold alone lies ready in cash: it is then a "
                    "cash_secured_put, with returns on that cash; default: a short_put"),
            (fill_position,
             .doc = "where a leg without entry_price fills: 0 in the middle, 1 "
                    "(default) at the side that fills at once",
             .min = -1.0, .max = 1.0),
            (fee_per_contract, .doc = "currency, on entry; default 0", .min = 0.0, .max = 100.0),
            (profit_target,
             .doc = "currency: how likely it is reached before loss_limit; positions "
                    "of one expiry",
             .above = 0.0),
            (loss_limit, .doc = "currency, positive", .above = 0.0),
            (table, .doc = "default: up to seven dates until the first expiry, 25 prices"))

struct EntryCost {
  double fill_position;
  std::optional<double> cost;
};
BF_DESCRIBE(EntryCost, "What the options cost at a position in the spread.", (fill_position),
            (cost, .doc = "currency, negative is received; null: a leg has no such price"))

struct SpotRange {
  double low;
  std::optional<double> high;
};
BF_DESCRIBE(SpotRange, "An open stretch of prices.", (low), (high, .doc = "null: without end"))

struct DensityVerdict {
  DensityLabel density;
  double pop;
  double expected_profit;
  double low_spot;
  double high_spot;
  double worst_likely_profit;
};
BF_DESCRIBE(DensityVerdict, "What one density says of the position at its first expiry.", (density),
            (pop, .doc = "probability of profit"),
            (expected_profit,
             .doc = "currency, fees included, in today's money; with early_exercise"),
            (low_spot, .doc = "not undercut with 99.5 %"),
            (high_spot, .doc = "not exceeded with 99.5 %"),
            (worst_likely_profit, .doc = "the lowest profit between these two"))

struct PositionLiquidity {
  std::optional<double> spread_cost;
  std::optional<double> widest_spread;
  std::optional<std::int64_t> units_at_touch;
  std::optional<std::int64_t> least_open_interest;
};
BF_DESCRIBE(PositionLiquidity, "How the position can be entered.",
            (spread_cost, .doc = "currency from the middle to the side that fills, one way"),
            (widest_spread, .doc = "of a leg, over its middle"),
            (units_at_touch, .doc = "how many times it fills from the sizes shown"),
            (least_open_interest))

struct PositionReturn {
  std::string denominator;
  std::optional<std::string> rules;
  double amount;
  std::optional<double> at_best;
  std::optional<double> at_best_annualised;
  std::optional<double> if_unchanged;
  std::optional<double> if_unchanged_annualised;
};
BF_DESCRIBE(PositionReturn,
            "Profit over what is named, decimal; annual ones simple, times 365 / days.",
            (denominator, .doc = "max_loss, margin or cash"),
            (rules, .doc = "margin: the rule set whose initial figure the amount is"),
            (amount, .doc = "currency"), (at_best, .doc = "of the highest profit"),
            (at_best_annualised),
            (if_unchanged, .doc = "of the profit at today's price on the first expiry"),
            (if_unchanged_annualised))

struct MarginOffset {
  std::string kind;
  std::int64_t count;
  double requirement;
};
BF_DESCRIBE(MarginOffset, "Legs that the rules take together.", (kind), (count),
            (requirement, .doc = "currency, of all of them"))

struct RuleMargin {
  std::string rules;
  Date valid_from;
  std::string source;
  double initial;
  double maintenance;
  bool proven_minimal;
  std::vector<MarginOffset> offsets;
};
BF_DESCRIBE(RuleMargin, "What one rule set asks for, beyond the premium.", (rules), (valid_from),
            (source), (initial, .doc = "currency"), (maintenance, .doc = "currency"),
            (proven_minimal, .doc = "no other way to pair the legs asks for less"),
            (offsets, .doc = "the pairing behind the maintenance figure"))

struct PositionMargin {
  std::optional<double> worst_loss;
  bool unlimited_up;
  bool defined_risk;
  std::vector<RuleMargin> rules;
  std::optional<double> stress;
  std::optional<std::string> stress_rules;
  std::optional<double> stress_worst_shift;
};
BF_DESCRIBE(PositionMargin,
            "What the position ties up, four ways that are never mixed. The broker's own figure is "
            "`bifrost broker what-if`.",
            (worst_loss, .doc = "at expiry, premium left out; null: unlimited"), (unlimited_up),
            (defined_risk), (rules),
            (stress, .doc = "estimate: worst loss over a range of prices, volatilities unchanged"),
            (stress_rules), (stress_worst_shift, .doc = "share of the price"))

struct ExitOdds {
  double target_first;
  double stop_first;
  double neither;
  std::string path_model;
  double numerical_error;
  DensityLabel density;
};
BF_DESCRIBE(ExitOdds,
            "Whether the profit target or the loss limit is reached first, before expiry.",
            (target_first), (stop_first), (neither), (path_model), (numerical_error), (density))

struct ProfitTable {
  std::vector<double> days_forward;
  std::vector<double> spots;
  double vol_shift;
  std::vector<std::vector<double>> profit;
};
BF_DESCRIBE(ProfitTable, "Profit by the model, profit[date][price], fees included.", (days_forward),
            (spots), (vol_shift), (profit, .doc = "currency"))

struct Position {
  std::string symbol;
  Instant as_of;
  std::optional<std::int64_t> age_seconds;
  Source source;
  Price underlying_price;
  ExerciseStyle style;
  std::optional<std::string> strategy;
  std::optional<std::int64_t> units;
  std::vector<StrategyLeg> legs;
  bool model_dependent;
  double option_cost;
  double fees;
  double early_exercise;
  std::vector<EntryCost> entry_costs;
  std::optional<double> max_profit;
  std::optional<double> max_loss;
  std::vector<double> breakevens;
  std::vector<SpotRange> profitable;
  std::vector<PayoffPoint> payoff;
  std::vector<DensityVerdict> densities;
  double value;
  double delta;
  double gamma;
  double theta;
  double vega;
  double rho;
  std::optional<PositionLiquidity> liquidity;
  std::vector<PositionReturn> returns;
  PositionMargin margin;
  std::optional<ExitOdds> exit;
  ProfitTable table;
};
BF_DESCRIBE(Position, "One position, analysed. Money and greeks are of all of it.", (symbol),
            (as_of), (age_seconds, .doc = "of the snapshot by the market's clock"), (source),
            (underlying_price), (style), (strategy, .doc = "its name in the catalogue; null: none"),
            (units, .doc = "how many of that strategy"), (legs),
            (model_dependent,
             .doc = "legs outlive the first expiry and are repriced there by a model"),
            (option_cost, .doc = "of the options as entered; negative is received"), (fees),
            (early_exercise,
             .doc = "what the rights to exercise before the first expiry are worth now, those of "
                    "sold options negative; part of every expected_profit"),
            (entry_costs), (max_profit, .doc = "null: unlimited"),
            (max_loss, .doc = "positive amount; null: unlimited"), (breakevens), (profitable),
            (payoff, .doc = "at the first expiry; straight lines between the points"), (densities),
            (value, .doc = "by the model, now"), (delta, .doc = "shares"),
            (gamma, .doc = "shares per 1.00 of the underlying"),
            (theta, .doc = "currency per calendar day"),
            (vega, .doc = "currency per 1.00 of volatility"),
            (rho, .doc = "currency per 1.00 of rate"),
            (liquidity, .doc = "null: a leg has no quote"), (returns), (margin),
            (exit, .doc = "null: neither profit_target nor loss_limit was asked for"), (table))

/// not_found: the snapshot lists no such contract, or its quotes give legs no price (their fields
/// are named), or it is of after an expiry; invalid_input: a leg that is none (named by its place),
/// or shares of an index, or cash_secured of what is no put sold alone; unavailable: an expiry
/// without a smile, or no underlying price.
tl::expected<Position, net::Refusal> analyse_position(const core::ChainSnapshot& snapshot,
                                                      const PositionRequest& request,
                                                      const Told& told = {});

}  // namespace bifrost::api
