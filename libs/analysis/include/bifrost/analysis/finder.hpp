// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/fill.hpp"
#include "bifrost/analysis/margin.hpp"
#include "bifrost/analysis/payoff.hpp"
#include "bifrost/analysis/strategy.hpp"

// The best combinations of listed strikes and expiries, exactly, with a certificate that nothing
// better was passed over. All money is for one unit of the strategy, multiplier and fees included,
// unless it says per share.
namespace bifrost::analysis {

/// What atm_density() is, for whoever reads a probability.
inline constexpr std::string_view atm_density_method = "lognormal_atm_forward";

/// The lognormal density of a priced chain: parity forward, at-the-money vol. Nothing without that
/// vol or without time.
std::optional<LognormalDensity> atm_density(const PricedChain& priced);

/// What to rank by; more is better. Ratios on max loss need a loss that has a bound, returns a
/// profit that has one: invalid_input otherwise.
enum class Objective : std::uint8_t {
  expected_profit,              // under the density of the front expiry, in today's money; currency
  expected_profit_on_max_loss,  // the same / max loss
  expected_profit_on_margin,    // the same / margin, as in Candidate
  credit,                       // per share, options only; a debit is negative
  return_on_risk,               // max profit / max loss
  return_on_margin,             // max profit / margin
  pop,                          // probability of profit: monotone in tail risk, so constrain it
  theta_on_max_loss,            // decay of one calendar day / max loss
};
constexpr bool is_on_margin(Objective objective) {
  return objective == Objective::expected_profit_on_margin ||
         objective == Objective::return_on_margin;
}
std::string_view to_string(Objective objective);
std::optional<Objective> parse_objective(std::string_view text);

struct WeightedObjective {
  Objective objective;
  double weight = 1.0;  // finite; of sums, each in its own units
};

/// Both ends included.
struct Window {
  double low;
  double high;

  bool holds(double value) const { return value >= low && value <= high; }
};

/// The distance between rung `gap` and the next, per share.
struct GapWidth {
  int gap;
  Window width;
};

/// The gaps of a strategy that are wings: neighbouring rungs with options of one right and expiry,
/// one side bought, the other sold.
std::vector<int> wing_gaps(const StrategyShape& shape);

/// No breakeven lies nearer to the underlying price.
struct BreakevenDistance {
  enum class Unit : std::uint8_t {
    percent,  // of the underlying price
    sigmas,   // of the underlying price times at-the-money vol times the root of years to the front
  };
  double distance;  // not negative
  Unit unit;
};

/// All of them must hold. What is unknown does not fulfil a constraint on it.
struct Constraints {
  /// Of each option sold (bought): delta per share as if bought, without its sign, 0 to 1.
  std::optional<Window> short_delta = std::nullopt;
  std::optional<Window> long_delta = std::nullopt;
  /// Options are sold only where they are not in the money by the forward of their expiry.
  bool sell_out_of_the_money = false;
  /// (ask - bid) / middle of each option leg.
  std::optional<double> max_spread_share = std::nullopt;
  std::optional<std::int64_t> min_open_interest = std::nullopt;  // of each option leg
  std::optional<std::int64_t> min_size = std::nullopt;           // contracts on either side of each
  std::vector<GapWidth> widths = {};
  std::optional<Price> min_credit = std::nullopt;  // per share; negative: a debit of at most that
  /// Positive and finite. What no combination can lose limits nothing.
  std::optional<double> max_loss = std::nullopt;
  std::optional<BreakevenDistance> breakevens = std::nullopt;
  double min_pop = 0.0;                                  // 0 to 1
  std::optional<int> min_days_to_expiry = std::nullopt;  // of every expiry of the strategy
  std::optional<int> max_days_to_expiry = std::nullopt;
};

struct SearchRequest {
  StrategyShape strategy;
  std::vector<WeightedObjective> objective = {{Objective::return_on_risk, 1.0}};
  Constraints constraints = {};
  /// Of every option leg. Stock trades at the underlying price, since a chain holds no quote of it.
  Fill fill = Fill::natural;
  Money fee_per_contract = {};  // currency, on entry, of every option contract; not negative
  UnderlyingKind underlying_kind = UnderlyingKind::equity;  // for margins
  std::size_t keep = 20;
  /// Looks at every combination instead of passing over classes that cannot hold a better one. The
  /// same candidates, and a census.
  bool exhaustive = false;
  bool certificate = false;
};

// Strategies of two expiries are judged when the first one settles. Later legs are then worth what
// Black-Scholes says at their own vol of today (sticky strike), for the time left, with forward and
// discount factor grown from the first expiry's by the ratios of today's chains; or, where their
// chain was priced as American (PricedChain::style), what an American option is worth on the same
// terms. That at the spots of front_model_spots(), and on straight lines between them. What is said
// about such a strategy, max loss and expected profit included, is exact under this model and
// nothing without it (model_dependent).
//
// Expected profit counts what no expiry shows: the right to exercise until the first one settles.
// Of a leg of the first expiry that is its ExerciseRight; of a later leg, what it is worth now less
// the discounted mean of its curve under the lognormal density of its own vol (American: of its
// ExerciseRight's). As the same straight lines make that mean and the expected profit, what they
// are too high by drops out.
//
// payoff_at_front_expiry() follows the same model without the straight lines, and up to the same
// highest spot if it is told highest_front_spot(). At each of the spots both agree to 1e-6 of the
// larger of spot and strike per share of an American later leg, which is what a table of premiums
// is off by, and to rounding for European ones. Max loss and the peaks, which lie on strikes, agree
// likewise; between spots the curve of a later leg sags below its line by at most an eighth of
// gamma times the gap squared, so that breakevens, probabilities and expected profit differ by what
// that is worth: the finer the strikes the less.

/// Up to where the model looks, currency per share: twice the highest of `strikes`, which are those
/// that either expiry lists, or the last of pop_cell_edges() of the first expiry's density where
/// that lies beyond.
double highest_front_spot(const Density& front, std::span<const Price> strikes);

/// The spots of that model, currency per share, ascending: 0, `strikes`, pop_cell_edges() of the
/// first expiry's density and, between its 2 and 98 %, three more in each cell, 24 steps of one
/// ratio from the last of these to highest_front_spot() and as many from the lowest strike to half
/// of it, and the ends of the stretch without breakevens if there is one, which alone may lie
/// beyond. After the last one a position moves by its calls and shares.
std::vector<double> front_model_spots(const Density& front, std::span<const Price> strikes,
                                      std::optional<std::pair<Price, Price>> no_breakevens);

/// A profit of that model, in currency, that is smaller is none: half a cent. Rounding, and what is
/// left out of an exercise premium, make such of the exact zeros that two options have together
/// where both are exercised. Of a stretch of them the ends are breakevens.
inline constexpr double front_least_profit = 5e-3;

/// At whose quantiles, and at the first and the last spot, the finder samples profits under that
/// model to bound losses from below.
inline constexpr std::array<double, 6> front_sample_levels{0.001, 0.05, 0.3, 0.7, 0.95, 0.999};

/// One listed expiry. Both are used, not copied, while find_best() or its like runs.
struct SearchExpiry {
  const PricedChain* priced;
  const Density* density;  // of the settlement at this expiry
  int days_to_expiry;      // calendar days
};

struct SearchProgress {
  /// 0 to 1, never less than before: of all combinations, those accounted for; with several choices
  /// of expiries preparing these is the first half.
  double share;
  std::size_t found;
};
/// Called now and then. False: stop, which is Errc::cancelled.
using OnProgress = std::function<bool(const SearchProgress&)>;

struct CandidateLeg {
  Leg leg;
  int expiry_rung;
  std::optional<double> implied_vol;  // of its own middle
  std::optional<double> delta;        // per share of the leg, as if bought
};

/// Per share of the underlying for one unit of the strategy; units as in Valuation.
struct NetGreeks {
  double delta;
  double gamma;
  double theta;
  double vega;
};

struct Candidate {
  double score;
  std::vector<std::size_t> expiries;  // one per expiry rung, into what was searched
  std::vector<CandidateLeg> legs;     // in the order of the strategy's shape
  Price credit;                       // per share, options only, without fees; negative is a debit
  Money fees;
  /// At the first expiry, fees included. With several expiries the later legs are repriced (see
  /// front_model_spots) and there is no payoff, only what follows.
  std::optional<Payoff> payoff;
  bool model_dependent;
  std::optional<Money> max_profit;  // nothing: unlimited
  std::optional<Money> max_loss;    // positive is lost; nothing: unlimited
  std::vector<double> breakevens;
  std::optional<NetGreeks> greeks;  // nothing where a leg has none
  double pop;
  /// in_todays_money() of the chain's discount, dividends and rights to exercise early.
  double expected_profit;
  std::optional<double> return_on_risk;  // nothing where profit or loss has no bound
  /// What the position ties up: the initial requirement of Regulation T (margin.hpp; since
  /// 2012-10-26, whatever the day of the chain; for cash-secured puts the cash), plus what the
  /// options cost, if that is a debit, fees included. Nothing for adjusted deliverables, and where
  /// it takes the underlying's price and the chain has none.
  std::optional<Money> margin;
  std::optional<double> return_on_margin;  // nothing where profit has no bound or margin is none
  /// return_on_risk * 365 / days to expiry, not compounded; nothing on the last day.
  std::optional<double> annualised_return_simple;
};

/// Why a combination is no candidate. In the order in which it is looked for.
enum class Unfit : std::uint8_t {
  wings,      // strikes break the strategy's rule on wings
  width,      // a gap is too narrow or too wide
  no_profit,  // the best outcome is no gain: a condor for no credit
  no_risk,    // the worst outcome is no loss: a quote is wrong; or no margin to divide by
  credit,
  max_loss,
  breakevens,
  pop,
};
std::string_view to_string(Unfit why);

/// Every combination, once: `unfit` counts each under the first reason that applies, the rest are
/// qualified.
struct Census {
  std::int64_t combinations = 0;
  std::array<std::int64_t, 8> unfit = {};  // by Unfit
  std::int64_t qualified = 0;

  std::int64_t of(Unfit why) const { return unfit[static_cast<std::size_t>(why)]; }
};

/// An interval of listed strikes, both ends included.
struct StrikeInterval {
  Price low;
  Price high;

  friend bool operator==(const StrikeInterval&, const StrikeInterval&) = default;
};

/// Combinations that were settled together: rung by rung a strike out of an interval, ascending.
struct CertificateClass {
  enum class End : std::uint8_t {
    visited,  // each combination was looked at by itself
    bounded,  // none scores as high as the threshold
    unfit,    // none fulfils the constraint `why`
  };
  std::size_t board;
  std::array<StrikeInterval, 4> strikes;  // as many as the strategy has rungs
  std::int64_t combinations;
  End end;
  std::optional<Unfit> why;  // of `unfit`
  /// bounded: no score exceeds it; it lies below the threshold. unfit by pop: no probability
  /// exceeds it. unfit otherwise: no combination comes closer to fulfilling the constraint,
  /// negative, in the constraint's own unit. visited: 0.
  double bound;

  friend bool operator==(const CertificateClass&, const CertificateClass&) = default;
};

/// One choice of expiries.
struct CertificateBoard {
  std::vector<std::size_t> expiries;  // one per expiry rung
  std::int64_t combinations;
};

/// The claim that the candidates are the best: the classes of each board hold every combination of
/// usable strikes exactly once, and none outside the list belongs on it. How each bound is computed
/// is written in certificate.hpp, whose verify_certificate() does so again, without the finder.
struct Certificate {
  /// The score of the last candidate; nothing when fewer than `keep` qualified.
  std::optional<double> threshold;
  std::vector<CertificateBoard> boards;
  std::vector<CertificateClass> classes;  // of one board together, boards in order
  std::int64_t combinations = 0;
  std::int64_t visited = 0;
  std::int64_t pruned = 0;
};

struct FinderResult {
  /// Ascending choices of strikes all of whose legs may be used: they have a price, and what else
  /// the constraints ask of single legs. Each was visited or pruned with its class.
  std::int64_t combinations = 0;
  std::int64_t visited = 0;  // by the search; the certificate counts its own, fewer
  std::int64_t pruned = 0;
  std::vector<Candidate> candidates;  // best first
  std::optional<Census> census;       // exhaustive alone
  std::optional<Certificate> certificate;
};

/// The `keep` combinations with the highest score over every expiry given and every listed strike;
/// equals by higher pop, then by earlier expiries, then by lower strikes. No combination that is
/// not returned comes before one that is. invalid_input for values out of range, an objective that
/// the strategy has no value for, more than four strikes, expiries not ascending, a chain without a
/// multiplier or with prices beyond exact money (9e11 in currency, all legs together); unavailable
/// when strategies with stock, a constraint on breakevens or a margin lack an underlying price, and
/// for the margin of adjusted deliverables; cancelled.
core::Result<FinderResult> find_best(const SearchRequest& request,
                                     std::span<const SearchExpiry> expiries,
                                     const OnProgress& on_progress = {});

/// A combination that somebody has in mind.
struct NamedCombination {
  std::vector<std::size_t> expiries;  // one per expiry rung, into what is searched
  std::vector<Price> strikes;         // one per rung, ascending
};

/// Why a leg cannot be used at all. In the order in which it is looked for.
enum class UnusableLeg : std::uint8_t {
  days_to_expiry,  // its expiry is outside the window
  not_listed,      // no such strike, or not of that right
  no_price,        // its quotes give none at this fill
  in_the_money,    // sold in the money
  no_delta,        // there is a window, and no delta
  delta,           // outside the window
  spread,
  open_interest,
  size,
  no_theta,           // the objective needs one
  no_vol,             // it outlives the first expiry, and is repriced there
  no_american_price,  // likewise; see NoAmericanPrice
};
std::string_view to_string(UnusableLeg why);

struct WhyNot {
  /// The first leg that cannot be used, if there is one; nothing else is known then.
  struct Leg {
    std::size_t leg;  // in the strategy's shape
    UnusableLeg why;
  };
  std::optional<Leg> unusable;
  std::optional<Unfit> unfit;          // the first constraint it breaks
  std::optional<Candidate> candidate;  // itself, whether it fits or not, if its payoff has a score
  /// 1 is the best. Of those that fulfil the constraints so many less one come before it; counted
  /// by looking at all. Also for one that breaks a constraint: where it would stand.
  std::optional<std::int64_t> rank;
  /// Its score in the middle of the spreads and without fees; above `threshold` it is the costs
  /// that keep it off.
  std::optional<double> score_without_costs;
  /// What the last on the list scores; nothing when the list is not full.
  std::optional<double> threshold;
};

/// Where a combination stands, and what keeps it off the list. Errors as find_best(), and
/// invalid_input for expiries or strikes that are not as many as the strategy has, or not
/// ascending.
core::Result<WhyNot> why_not(const SearchRequest& request, std::span<const SearchExpiry> expiries,
                             const NamedCombination& combination,
                             const OnProgress& on_progress = {});

}  // namespace bifrost::analysis
