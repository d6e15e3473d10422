// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/chain.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>

#include "bifrost/analysis/chain_pricing.hpp"
#include "chain_rows.hpp"
#include "early_exercise.hpp"

namespace bifrost::analysis {
namespace {

constexpr std::size_t most_pairs = 11;

struct Pair {
  double strike;
  double call;
  double put;
  double difference;  // call - put
  double spread;      // of both together
};

/// The value below which half of the weight lies; between two values, their middle.
double weighted_median(std::vector<std::pair<double, double>> value_weight) {
  double total = 0.0;
  for (const auto& [value, weight] : value_weight) total += weight;
  const auto by_value = [](const auto& a, const auto& b) { return a.first < b.first; };
  // Halves the range that holds the median until it is one value.
  auto first = value_weight.begin();
  auto last = value_weight.end();
  double below = 0.0;
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, by_value);
    double left = 0.0;
    for (auto at = first; at != middle; ++at) left += at->second;
    if (below + left > 0.5 * total) {
      last = middle;
    } else {
      below += left;
      first = middle;
    }
  }
  if (below == 0.5 * total && first != value_weight.begin()) {
    const auto before = std::max_element(value_weight.begin(), first, by_value);
    return 0.5 * (before->first + first->first);
  }
  return first->first;
}

std::vector<Pair> usable_pairs(const ExpiryChain& chain) {
  std::vector<Pair> pairs;
  for (const auto& row : chain.rows) {
    if (!row.call || !row.put || !row.call->two_sided() || !row.put->two_sided()) continue;
    const Price spread = (*row.call->ask - *row.call->bid) + (*row.put->ask - *row.put->bid);
    // Mids from the sums, so that a half unit survives.
    const Price twice = (*row.call->ask + *row.call->bid) - (*row.put->ask + *row.put->bid);
    pairs.push_back({.strike = row.strike.value(),
                     .call = 0.5 * (*row.call->ask + *row.call->bid).value(),
                     .put = 0.5 * (*row.put->ask + *row.put->bid).value(),
                     .difference = 0.5 * twice.value(),
                     .spread = spread.value()});
  }
  return pairs;
}

// A locked market is not infinitely good: nothing counts for more than a spread of one cent.
double weight_of(const Pair& pair) {
  return 1.0 / std::max(pair.spread, 0.01);
}

double middle(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The pairs that lie within their spread of a line through the medians, which stale ones cannot
// tilt: slopes from each strike to the one half the chain further on.
std::vector<Pair> on_one_line(const std::vector<Pair>& pairs) {
  const std::size_t half = pairs.size() / 2;
  std::vector<double> slopes;
  for (std::size_t i = 0; i + half < pairs.size(); ++i) {
    slopes.push_back((pairs[i + half].difference - pairs[i].difference) /
                     (pairs[i + half].strike - pairs[i].strike));
  }
  const double slope = middle(std::move(slopes));
  std::vector<double> levels;
  for (const auto& pair : pairs) levels.push_back(pair.difference - slope * pair.strike);
  const double level = middle(std::move(levels));
  std::vector<Pair> kept;
  for (const auto& pair : pairs) {
    const double off = std::abs(pair.difference - slope * pair.strike - level);
    if (off <= std::max(pair.spread, 0.02)) kept.push_back(pair);
  }
  return kept;
}

struct Line {
  double slope;
  double slope_error;
};

// Weighted least squares of call - put on strike, then once more without the pairs that lie off the
// line.
std::optional<Line> parity_line(std::vector<Pair> pairs) {
  if (pairs.size() < 8) return std::nullopt;
  pairs = on_one_line(pairs);
  std::optional<Line> line;
  for (int round = 0; round < 2; ++round) {
    if (pairs.size() < 8) return std::nullopt;
    double w = 0.0;
    double mean_k = 0.0;
    double mean_d = 0.0;
    for (const auto& pair : pairs) {
      const double weight = weight_of(pair) * weight_of(pair);
      w += weight;
      mean_k += weight * pair.strike;
      mean_d += weight * pair.difference;
    }
    mean_k /= w;
    mean_d /= w;
    double kk = 0.0;
    double kd = 0.0;
    for (const auto& pair : pairs) {
      const double weight = weight_of(pair) * weight_of(pair);
      kk += weight * (pair.strike - mean_k) * (pair.strike - mean_k);
      kd += weight * (pair.strike - mean_k) * (pair.difference - mean_d);
    }
    if (kk <= 0.0) return std::nullopt;
    const double slope = kd / kk;
    const auto residual = [&](const Pair& pair) {
      return pair.difference - mean_d - slope * (pair.strike - mean_k);
    };
    double chi2 = 0.0;
    for (const auto& pair : pairs) {
      chi2 += weight_of(pair) * weight_of(pair) * residual(pair) * residual(pair);
    }
    line = Line{slope, std::sqrt(chi2 / (static_cast<double>(pairs.size()) - 2.0) / kk)};
    std::erase_if(pairs, [&](const Pair& pair) {
      return std::abs(residual(pair)) > std::max(0.5 * pair.spread, 0.01);
    });
  }
  return line;
}

std::optional<double> fitted_discount(const std::vector<Pair>& pairs, double years) {
  if (years <= 0.0) return std::nullopt;
  const auto line = parity_line(pairs);
  if (!line || line->slope >= 0.0) return std::nullopt;
  const double discount = -line->slope;
  const double rate = -std::log(discount) / years;
  const double rate_error = line->slope_error / (discount * years);
  // Rates outside are American exercise or bad quotes read as a rate.
  if (rate_error > 0.0025 || rate < -0.02 || rate > 0.20) return std::nullopt;
  return discount;
}

/// Takes out of call - put what early exercise adds to the one and to the other, at the vol that
/// the pairs say together. False: there is no American price (two exercise boundaries).
bool take_early_exercise_off(std::vector<Pair>& pairs, const std::vector<Pair>& quoted,
                             const AmericanTerms& terms, double forward) {
  const double discount = std::exp(-terms.rate * terms.years_to_expiry);
  std::vector<double> vols;
  for (const auto& pair : quoted) {
    const Right right = pair.strike < forward ? Right::put : Right::call;
    const auto vol = implied_vol(right, {.price = right == Right::put ? pair.put : pair.call,
                                         .forward = forward,
                                         .strike = pair.strike,
                                         .years_to_expiry = terms.years_to_expiry,
                                         .discount_factor = discount});
    if (vol) vols.push_back(*vol);
  }
  if (vols.empty()) return true;
  const double vol = middle(std::move(vols));
  const auto calls = EarlyExercise::create(Right::call, terms, vol, vol);
  const auto puts = EarlyExercise::create(Right::put, terms, vol, vol);
  if (!calls || !puts) return false;
  const auto added = [&](Right right, const EarlyExercise& exercise, double strike) {
    return exercise.share(strike, vol) *
           black_scholes_price(right, SpotInputs{terms.spot, strike, terms.years_to_expiry,
                                                 terms.rate, terms.dividend_yield, vol});
  };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].difference = quoted[i].difference - added(Right::call, *calls, quoted[i].strike) +
                          added(Right::put, *puts, quoted[i].strike);
  }
  return true;
}

/// The columns of some rows, kept from one lot to the next.
struct Columns {
  std::vector<double> strikes;
  std::vector<Right> rights;
  std::vector<double> prices;
  ImpliedVolColumns solved;
  ValuationColumns valued;
};

/// Vols and greeks of all options in `rows` at once.
void analyse(std::span<StrikeAnalytics> rows, const ExpiryTerms& terms,
             std::optional<double> underlying, Columns& columns) {
  auto& [strikes, rights, prices, solved, valued] = columns;
  strikes.clear();
  rights.clear();
  prices.clear();
  for (const auto& row : rows) {
    const auto add = [&](Right right, const std::optional<OptionAnalytics>& option) {
      if (!option) return;
      strikes.push_back(row.strike.value());
      rights.push_back(right);
      prices.push_back(option->mid);
    };
    add(Right::call, row.call);
    add(Right::put, row.put);
  }
  const ContractColumns contracts{strikes, rights};
  implied_vols(contracts, terms, prices, solved);
  lend_vols(rows, solved);
  price_chain(contracts, terms, solved.vol, valued);
  // From slopes that hold the forward still to such that hold spot and yield.
  const double years = terms.years_to_expiry;
  const double ratio = underlying ? terms.forward / *underlying : 1.0;
  const double carry = years > 0.0 ? believable_carry(std::log(ratio) / years, years) : 0.0;
  std::size_t i = 0;
  for (auto& row : rows) {
    for (auto* option : {&row.call, &row.put}) {
      if (!*option) continue;
      if (has_vol(row)) {
        const double held = terms.forward * valued.delta[i];
        auto& greeks = (*option)->greeks.emplace();
        greeks.price = valued.price[i];
        greeks.delta = valued.delta[i] * ratio;
        greeks.gamma = valued.gamma[i] * ratio * ratio;
        greeks.theta = valued.theta[i] - carry * held / 365.0;
        greeks.vega = valued.vega[i];
        greeks.rho = valued.rho[i] + (underlying ? years * held : 0.0);
      }
      ++i;
    }
  }
}

}  // namespace

bool OptionSide::two_sided() const {
  return bid && ask && *bid > Price{} && *bid <= *ask;
}

std::optional<Price> OptionSide::mid() const {
  if (!bid || !ask || *bid < Price{} || *ask <= Price{} || *bid > *ask) return std::nullopt;
  return Price::from_units((bid->units() + ask->units()) / 2);
}

std::vector<ListedExpiry> listed_expiries(const core::ChainSnapshot& snapshot) {
  std::set<ListedExpiry> listed;
  for (const auto& quote : snapshot.quotes) {
    listed.insert({quote.contract.expiry, quote.contract.trading_class});
  }
  return {listed.begin(), listed.end()};
}

core::Result<ExpiryChain> select_expiry(const core::ChainSnapshot& snapshot,
                                        const ListedExpiry& which) {
  ExpiryChain chain{.underlying = snapshot.underlying,
                    .trading_class = which.trading_class,
                    .expiry = which.expiry,
                    .multiplier = 0,
                    .underlying_price = snapshot.underlying_price,
                    .rows = {}};
  std::map<Price, StrikeRow> rows;
  for (const auto& [contract, quote] : snapshot.quotes) {
    if (contract.expiry != which.expiry || contract.trading_class != which.trading_class) continue;
    if (contract.multiplier <= 0) {
      return core::fail(core::Errc::corrupt_data,
                        "a contract without a multiplier: " + core::describe(contract));
    }
    if (chain.multiplier == 0) chain.multiplier = contract.multiplier;
    if (chain.multiplier != contract.multiplier) {
      return core::fail(core::Errc::conflict,
                        "one expiry with two multipliers: " + core::describe(contract));
    }
    auto& row = rows[contract.strike];
    row.strike = contract.strike;
    auto& side = contract.right == Right::call ? row.call : row.put;
    if (side) {
      return core::fail(core::Errc::conflict,
                        "a contract twice in one chain: " + core::describe(contract));
    }
    side = OptionSide{quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.open_interest};
  }
  if (rows.empty()) {
    return core::fail(core::Errc::not_found, "no " + which.trading_class + " options expiring " +
                                                 core::to_iso_date(which.expiry) + " in the chain");
  }
  for (auto& [strike, row] : rows) chain.rows.push_back(row);
  return chain;
}

std::string_view to_string(NoForward why) {
  switch (why) {
    case NoForward::too_few_pairs:
      return "too_few_pairs";
    case NoForward::not_positive:
      return "not_positive";
    case NoForward::no_spot:
      return "no_spot";
    case NoForward::no_american_price:
      return "no_american_price";
  }
  return "unknown";
}

std::string_view to_string(DiscountSource source) {
  switch (source) {
    case DiscountSource::given:
      return "given";
    case DiscountSource::fitted:
      return "fitted";
    case DiscountSource::assumed_zero:
      return "assumed_zero";
    case DiscountSource::carry:
      return "carry";
  }
  return "unknown";
}

tl::expected<ForwardDiscount, NoForward> forward_and_discount(const ExpiryChain& chain,
                                                              double years_to_expiry,
                                                              std::optional<double> rate,
                                                              ExerciseStyle style) {
  auto pairs = usable_pairs(chain);
  if (pairs.size() < 2) return tl::unexpected{NoForward::too_few_pairs};

  ForwardDiscount result{.forward = 0.0,
                         .discount_factor = 1.0,
                         .discount_source = DiscountSource::assumed_zero,
                         .pairs = 0,
                         .deviation = 0.0};
  if (rate) {
    result.discount_factor = std::exp(-*rate * years_to_expiry);
    result.discount_source = DiscountSource::given;
  } else if (const auto fitted = style == ExerciseStyle::european
                                     ? fitted_discount(pairs, years_to_expiry)
                                     : std::nullopt) {
    result.discount_factor = *fitted;
    result.discount_source = DiscountSource::fitted;
  }

  const auto single_forward = [&](const Pair& pair) {
    return pair.strike + pair.difference / result.discount_factor;
  };
  const auto median_forward = [&](const std::vector<Pair>& some) {
    std::vector<std::pair<double, double>> forwards;
    for (const auto& pair : some) forwards.emplace_back(single_forward(pair), weight_of(pair));
    return weighted_median(std::move(forwards));
  };
  // All pairs say roughly where the forward is; those nearest to it say it best.
  const double about = median_forward(pairs);
  const std::size_t taken = std::min(pairs.size(), most_pairs);
  // They ascend in strike, so the nearest are neighbours; of two as near, the lower.
  auto begin = std::lower_bound(pairs.begin(), pairs.end(), about,
                                [](const Pair& pair, double at) { return pair.strike < at; });
  auto end = begin;
  while (static_cast<std::size_t>(end - begin) < taken) {
    const bool lower = end == pairs.end() || (begin != pairs.begin() &&
                                              about - (begin - 1)->strike <= end->strike - about);
    lower ? --begin : ++end;
  }
  pairs = std::vector<Pair>(begin, end);
  result.forward = median_forward(pairs);
  result.pairs = static_cast<int>(taken);
  if (!(result.forward > 0.0)) return tl::unexpected{NoForward::not_positive};
  if (style == ExerciseStyle::american && years_to_expiry > 0.0) {
    if (!chain.underlying_price || *chain.underlying_price <= Price{}) {
      return tl::unexpected{NoForward::no_spot};
    }
    const double spot = chain.underlying_price->value();
    const auto quoted = pairs;
    // Each round takes off what the last forward says.
    for (int round = 0; round < 3; ++round) {
      if (!rate && result.forward > spot) {
        result.discount_factor = spot / result.forward;
        result.discount_source = DiscountSource::carry;
      } else if (!rate) {
        result.discount_factor = 1.0;
        result.discount_source = DiscountSource::assumed_zero;
      }
      const auto terms =
          exercise_terms(spot, years_to_expiry, result.forward, result.discount_factor);
      if (!take_early_exercise_off(pairs, quoted, terms, result.forward)) {
        return tl::unexpected{NoForward::no_american_price};
      }
      result.forward = median_forward(pairs);
      if (!(result.forward > 0.0)) return tl::unexpected{NoForward::not_positive};
    }
  }
  std::vector<std::pair<double, double>> distances;
  for (const auto& pair : pairs) {
    distances.emplace_back(std::abs(single_forward(pair) - result.forward), 1.0);
  }
  result.deviation = weighted_median(std::move(distances));
  return result;
}

ImpliedCarry implied_carry(const ForwardDiscount& parity, double spot, double years_to_expiry) {
  const double rate = -std::log(parity.discount_factor) / years_to_expiry;
  return {.rate = rate,
          .dividend_yield = rate - std::log(parity.forward / spot) / years_to_expiry,
          .dividends = spot - parity.forward * parity.discount_factor};
}

std::optional<double> atm_implied_vol(const std::vector<StrikeAnalytics>& rows, double forward) {
  struct Point {
    double strike;
    double variance;
  };
  std::optional<Point> below;
  for (const auto& row : rows) {
    double sum = 0.0;
    int count = 0;
    for (const auto* option : {&row.call, &row.put}) {
      if (*option && (*option)->implied_vol) {
        sum += *(*option)->implied_vol;
        ++count;
      }
    }
    if (count == 0) continue;
    const double vol = sum / count;
    const Point here{row.strike.value(), vol * vol};
    if (here.strike < forward) {
      below = here;
      continue;
    }
    if (here.strike == forward) return vol;
    if (!below) return std::nullopt;
    const double share = std::log(forward / below->strike) / std::log(here.strike / below->strike);
    return std::sqrt(below->variance + share * (here.variance - below->variance));
  }
  return std::nullopt;
}

tl::expected<PricedChain, NoForward> refresh(ExpiryChain chain, double years_to_expiry,
                                             std::optional<double> rate) {
  const auto parity = forward_and_discount(chain, years_to_expiry, rate);
  if (!parity) return tl::unexpected{parity.error()};
  std::optional<double> spot;
  if (chain.underlying_price && *chain.underlying_price > Price{}) {
    spot = chain.underlying_price->value();
  }
  PricedChain priced{.chain = std::move(chain),
                     .parity = *parity,
                     .years_to_expiry = years_to_expiry,
                     .rows = {},
                     .atm_implied_vol = std::nullopt};
  priced.rows = with_middles(priced.chain);
  // In lots whose columns stay in the cache.
  constexpr std::size_t lot = 256;
  Columns columns;
  const ExpiryTerms terms{parity->forward, parity->discount_factor, years_to_expiry};
  for (std::size_t first = 0; first < priced.rows.size(); first += lot) {
    const std::size_t count = std::min(lot, priced.rows.size() - first);
    analyse(std::span{priced.rows}.subspan(first, count), terms, spot, columns);
  }
  priced.atm_implied_vol = atm_implied_vol(priced.rows, parity->forward);
  return priced;
}

}  // namespace bifrost::analysis
