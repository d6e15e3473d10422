// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// E[max(S - K, 0)] of a lognormal S with this mean.
double lognormal_call(double mean, double strike, double deviation) {
  return black_scholes_price(Right::call, ForwardInputs{mean, strike, 1.0, 1.0, deviation});
}

class Lognormal final : public Density {
 public:
  explicit Lognormal(const LognormalDensity& of)
      : Density({.kind = DensityKind::lognormal,
                 .anchor = of.anchor,
                 .day_count = of.day_count,
                 .years_to_expiry = of.years_to_expiry,
                 .method = "lognormal, flat vol"}),
        of_(of) {}

  double cdf(double spot) const override { return of_.cdf(spot); }
  double mean() const override { return of_.forward; }
  double quantile(double p) const override { return of_.quantile(p); }
  double call(double strike) const override {
    if (strike <= 0.0) return of_.forward - strike;
    return lognormal_call(of_.forward, strike, of_.vol * std::sqrt(of_.years_to_expiry));
  }

 private:
  LognormalDensity of_;
};

class Implied final : public Density {
 public:
  Implied(SmileCurve smile, DensityLabel label)
      : Density(std::move(label)), smile_(std::move(smile)) {}

  double cdf(double spot) const override {
    if (spot <= 0.0) return 0.0;
    if (spot == infinity) return 1.0;
    // The verified smile leaves rounding alone to be cut off.
    return std::clamp(below(std::log(spot / smile_.forward)), 0.0, 1.0);
  }
  double mean() const override { return smile_.forward; }
  double call(double strike) const override {
    if (strike <= 0.0) return smile_.forward - strike;
    const double variance = smile_.total_variance(std::log(strike / smile_.forward));
    return lognormal_call(smile_.forward, strike, std::sqrt(variance));
  }

  /// P(settlement <= forward * exp(k)), whatever the smile gives.
  double below(double k) const {
    const double s = std::sqrt(smile_.total_variance(k));
    const double minus_d2 = k / s + 0.5 * s;
    return normal_cdf(minus_d2) +
           normal_density(minus_d2) * smile_.total_variance_slope(k) / (2.0 * s);
  }

  std::optional<NoDensity> what_is_wrong() const;

 private:
  SmileCurve smile_;
};

std::optional<NoDensity> Implied::what_is_wrong() const {
  constexpr double rest = 1e-10;      // probability, or share of the forward, left beyond the grid
  constexpr double rounding = 1e-13;  // of a probability
  constexpr double farthest = 700.0;  // where exp() ends
  constexpr double per_deviation = 200.0;
  const double at_the_money = smile_.total_variance(0.0);
  if (!(smile_.years_to_expiry > 0.0) || !(at_the_money > 0.0)) return NoDensity::no_time;
  const double finest = std::sqrt(at_the_money) / per_deviation;
  for (const double side : {-1.0, 1.0}) {
    double last = below(0.0);
    double k = 0.0;
    for (;;) {
      k += side * std::max(finest, std::abs(k) / per_deviation);
      if (std::abs(k) > farthest) return NoDensity::mass_escapes;
      const double here = below(k);
      if (!(side * (here - last) >= -rounding)) return NoDensity::negative_density;
      if (here < -rounding || here > 1.0 + rounding) return NoDensity::negative_density;
      last = here;
      const double beyond = side < 0.0 ? here : 1.0 - here;
      const double value = side < 0.0 ? 0.0 : call(smile_.forward * std::exp(k)) / smile_.forward;
      if (beyond < rest && value < rest) break;
    }
  }
  return std::nullopt;
}

class Fitted final : public Density {
 public:
  Fitted(const Smile& smile, DensityLabel label) : Density(std::move(label)), smile_(smile) {}

  double cdf(double spot) const override {
    if (spot == infinity) return 1.0;
    // Weights sum to 1 but for rounding.
    return std::min(smile_.probability_below(spot), 1.0);
  }
  double mean() const override { return smile_.forward(); }
  double call(double strike) const override {
    return strike <= 0.0 ? smile_.forward() - strike : smile_.call(strike);
  }

 private:
  Smile smile_;
};

// The log price is a broken line over the normal score of its probability: pieces of lognormals.
class PiecewiseLognormal final : public Density {
 public:
  struct Knot {
    double log_spot;
    double score;  // normal_cdf(score) = P(settlement <= spot)
  };

  /// Knots ascend in both members, at least two. With a mean all prices are scaled to it.
  PiecewiseLognormal(DensityLabel label, std::vector<Knot> knots, std::optional<double> mean)
      : Density(std::move(label)), knots_(std::move(knots)) {
    tabulate();
    if (mean) {
      const double shift = std::log(*mean / mean_);
      for (auto& knot : knots_) knot.log_spot += shift;
      tabulate();
      mean_ = *mean;
    }
  }

  double cdf(double spot) const override {
    return spot <= 0.0 ? 0.0 : normal_cdf(score(std::log(spot)));
  }
  double mean() const override { return mean_; }
  double quantile(double p) const override {
    const double z = normal_quantile(p);
    const std::size_t i = piece(z, &Knot::score);
    return std::exp(knots_[i].log_spot + (z - knots_[i].score) * scale(i));
  }
  double call(double strike) const override {
    if (strike <= 0.0) return mean_ - strike;
    const double x = std::log(strike);
    const std::size_t i = piece(x, &Knot::log_spot);
    const double z = score(x);
    const double end = last(i) ? infinity : knots_[i + 1].score;
    const double above = value(i, z, end) + (last(i) ? 0.0 : value_above_[i + 1]);
    return std::max(above - strike * normal_cdf(-z), 0.0);
  }

 private:
  bool last(std::size_t piece) const { return piece + 2 == knots_.size(); }

  /// The piece an abscissa lies on; the outermost go on for ever.
  std::size_t piece(double at, double Knot::* member) const {
    const auto after =
        std::upper_bound(knots_.begin() + 1, knots_.end() - 1, at,
                         [member](double value, const Knot& knot) { return value < knot.*member; });
    return static_cast<std::size_t>(after - knots_.begin()) - 1;
  }

  /// The deviation of the lognormal that piece i is cut from.
  double scale(std::size_t i) const {
    return (knots_[i + 1].log_spot - knots_[i].log_spot) / (knots_[i + 1].score - knots_[i].score);
  }

  double score(double log_spot) const {
    const std::size_t i = piece(log_spot, &Knot::log_spot);
    return knots_[i].score + (log_spot - knots_[i].log_spot) / scale(i);
  }

  /// E[settlement where its score lies between a and b] on the line of piece i; either may be
  /// infinite.
  double value(std::size_t i, double a, double b) const {
    const double c = scale(i);
    // exp(x) N(a - c) about a score a, as the price there times n(a) N/n(a - c): both factors
    // stay finite however wide the piece is.
    const auto part = [&](double z) {
      if (z == -infinity) return 0.0;
      const double log_spot = knots_[i].log_spot + (z - knots_[i].score) * c;
      if (z - c < 0.0) return std::exp(log_spot) * normal_density(z) * cdf_over_density(z - c);
      return std::exp(log_spot - z * c + 0.5 * c * c) * normal_cdf(z - c);
    };
    if (b < infinity) return part(b) - part(a);
    // The upper tail, from above.
    const double log_spot = knots_[i].log_spot + (a - knots_[i].score) * c;
    if (c - a < 0.0) return std::exp(log_spot) * normal_density(a) * cdf_over_density(c - a);
    return std::exp(log_spot - a * c + 0.5 * c * c) * normal_cdf(c - a);
  }

  void tabulate() {
    const std::size_t pieces = knots_.size() - 1;
    value_above_.assign(pieces, 0.0);
    double above = 0.0;
    for (std::size_t i = pieces; i-- > 0;) {
      const double from = i == 0 ? -infinity : knots_[i].score;
      const double to = last(i) ? infinity : knots_[i + 1].score;
      if (i == 0 && last(i)) {
        above =
            std::exp(knots_[0].log_spot - knots_[0].score * scale(0) + 0.5 * scale(0) * scale(0));
      } else {
        above += value(i, from, to);
      }
      value_above_[i] = above;
    }
    mean_ = above;
  }

  std::vector<Knot> knots_;
  std::vector<double> value_above_;  // E[settlement above the low end of piece i]
  double mean_ = 0.0;
};

struct Moments {
  double mean;
  double deviation;
};

Moments moments(const std::vector<double>& sample) {
  const auto n = static_cast<double>(sample.size());
  double sum = 0.0;
  for (const double x : sample) sum += x;
  const double mean = sum / n;
  double squares = 0.0;
  for (const double x : sample) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / (n - 1.0))};
}

/// Log returns that start on the closes that count, ascending, and how many of them fit beside one
/// another.
struct Returns {
  std::vector<double> ascending;
  int independent = 0;
};

Returns overlapping_returns(const HistoryInputs& in) {
  const auto horizon = static_cast<std::size_t>(in.horizon_trading_days);
  Returns returns;
  std::size_t free_from = 0;
  for (std::size_t i = 0; i + horizon < in.closes.size(); ++i) {
    if (in.counts && !in.counts(i)) continue;
    returns.ascending.push_back(std::log(in.closes[i + horizon]) - std::log(in.closes[i]));
    if (i < free_from) continue;
    ++returns.independent;
    free_from = i + horizon;
  }
  std::sort(returns.ascending.begin(), returns.ascending.end());
  return returns;
}

// Scores of the smoothed distribution on an even grid of log returns.
std::vector<PiecewiseLognormal::Knot> smoothed(const std::vector<double>& returns, double width) {
  constexpr int cells = 256;
  constexpr double rest = 1e-7;  // probability beyond the outermost knots, from which the tails go
  const double low = returns.front() - 5.0 * width;
  const double high = returns.back() + 5.0 * width;
  const auto n = static_cast<double>(returns.size());
  std::vector<PiecewiseLognormal::Knot> knots;
  for (int i = 0; i <= cells; ++i) {
    const double x = low + (high - low) * i / cells;
    // Farther away than this a return lies below or above, whole, to 1e-15.
    const auto from = std::lower_bound(returns.begin(), returns.end(), x - 8.0 * width);
    const auto to = std::upper_bound(from, returns.end(), x + 8.0 * width);
    auto below = static_cast<double>(from - returns.begin());
    auto above = static_cast<double>(returns.end() - to);
    for (auto center = from; center != to; ++center) {
      const double tail = normal_cdf(-std::abs(x - *center) / width);
      below += x < *center ? tail : 1.0 - tail;
      above += x < *center ? 1.0 - tail : tail;
    }
    below /= n;
    above /= n;
    if (below < rest || above < rest) continue;
    knots.push_back({x, below < above ? normal_quantile(below) : -normal_quantile(above)});
  }
  return knots;
}

}  // namespace

std::string_view to_string(DensityKind kind) {
  switch (kind) {
    case DensityKind::lognormal:
      return "lognormal";
    case DensityKind::market_implied:
      return "market_implied";
    case DensityKind::history:
      return "history";
    case DensityKind::forecast:
      return "forecast";
  }
  return "unknown";
}

double Density::mass(SpotInterval interval) const {
  const double above = interval.high == infinity ? 1.0 : cdf(interval.high);
  return interval.low <= 0.0 ? above : above - cdf(interval.low);
}

double Density::quantile(double p) const {
  // The normal score of the probability is nearly a straight line over the log price: false
  // position (Illinois) on it, and every third time the middle, for where it is not.
  constexpr double rounding = 4e-16;
  const double wanted = normal_quantile(p);
  const auto excess = [&](double x) { return normal_quantile(cdf(std::exp(x))) - wanted; };
  double low = std::log(mean());
  double high = low;
  double at_low = excess(low);
  double at_high = at_low;
  while (at_low > 0.0) at_low = excess(low -= 0.5);
  while (at_high < 0.0) at_high = excess(high += 0.5);
  bool last_was_low = false;
  for (int i = 1; i < 200 && at_low < 0.0 && at_high > 0.0; ++i) {
    double x = 0.5 * (low + high);
    if (i % 3 != 0 && at_high - at_low < infinity) {
      x = std::lerp(low, high, at_low / (at_low - at_high));
    }
    if (x <= low || x >= high) break;
    const double here = excess(x);
    if (std::abs(here) < rounding) return std::exp(x);
    const bool is_low = here < 0.0;
    (is_low ? low : high) = x;
    (is_low ? at_low : at_high) = here;
    if (i > 1 && is_low == last_was_low) (is_low ? at_high : at_low) *= 0.5;
    last_was_low = is_low;
  }
  return std::exp(at_high > -at_low ? low : high);
}

DensityPtr lognormal_density(const LognormalDensity& density) {
  return std::make_unique<Lognormal>(density);
}

double probability_of_profit(const Payoff& payoff, const Density& density) {
  double total = 0.0;
  for (const auto& interval : payoff.profitable) total += density.mass(interval);
  return total;
}

double expected_profit(const Payoff& payoff, const Density& density) {
  // The first kink lies at spot 0, where a call is the underlying.
  double total = payoff.kinks.front().profit.value();
  std::int64_t slope = 0;
  for (const auto& kink : payoff.kinks) {
    total += static_cast<double>(kink.slope - slope) * density.call(kink.spot.value());
    slope = kink.slope;
  }
  return total;
}

double in_todays_money(double expected_profit, const Carry& carry) {
  return carry.discount_factor * (expected_profit + carry.entry_cost) - carry.entry_cost +
         carry.shares * carry.dividends_per_share + carry.early_exercise;
}

std::string_view to_string(NoDensity why) {
  switch (why) {
    case NoDensity::no_time:
      return "no_time";
    case NoDensity::negative_density:
      return "negative_density";
    case NoDensity::mass_escapes:
      return "mass_escapes";
  }
  return "unknown";
}

tl::expected<DensityPtr, NoDensity> implied_density(const SmileCurve& smile) {
  DensityLabel label{.kind = DensityKind::market_implied,
                     .anchor = Anchor::put_call_parity_forward,
                     .day_count = DayCount::act_365f,
                     .years_to_expiry = smile.years_to_expiry,
                     .method = smile.method + ", Breeden-Litzenberger"};
  auto density = std::make_unique<Implied>(smile, label);
  if (const auto wrong = density->what_is_wrong()) return tl::unexpected{*wrong};
  if (smile.lowest_quoted && smile.highest_quoted) {
    label.mass_outside_quotes =
        density->cdf(*smile.lowest_quoted) + 1.0 - density->cdf(*smile.highest_quoted);
    density = std::make_unique<Implied>(smile, std::move(label));
  }
  return density;
}

tl::expected<DensityPtr, NoDensity> implied_density(const Smile& smile) {
  constexpr double rounding = 1e-9;
  if (!(smile.years_to_expiry() > 0.0)) return tl::unexpected{NoDensity::no_time};
  double mass = 0.0;
  double mean = 0.0;
  for (const auto& component : smile.components()) {
    if (!(component.weight >= 0.0)) return tl::unexpected{NoDensity::negative_density};
    if (!(component.deviation > 0.0)) return tl::unexpected{NoDensity::no_time};
    mass += component.weight;
    mean += component.weight * component.mean;
  }
  if (!(std::abs(mass - 1.0) < rounding && std::abs(mean - 1.0) < rounding)) {
    return tl::unexpected{NoDensity::mass_escapes};
  }
  return std::make_unique<Fitted>(
      smile, DensityLabel{.kind = DensityKind::market_implied,
                          .anchor = Anchor::put_call_parity_forward,
                          .day_count = DayCount::act_365f,
                          .years_to_expiry = smile.years_to_expiry(),
                          .method = "mixture of lognormals fitted to the quotes, tails included",
                          .mass_outside_quotes = smile.quality().mass_outside_quotes});
}

core::Result<DensityPtr> history_density(const HistoryInputs& in) {
  using core::Errc;
  if (in.horizon_trading_days < 1) {
    return core::fail(Errc::invalid_input, "a density of past returns over no days");
  }
  const auto positive = [](double x) { return std::isfinite(x) && x > 0.0; };
  if (!positive(in.anchor_price) || (in.deviation && !positive(*in.deviation)) ||
      !std::all_of(in.closes.begin(), in.closes.end(), positive)) {
    return core::fail(Errc::invalid_input,
                      "a density of past returns from a price or a deviation that is not positive");
  }
  const auto sample = overlapping_returns(in);
  if (sample.independent < fewest_independent_returns) {
    return core::fail(Errc::not_found,
                      "a density of past returns: " + std::to_string(sample.independent) +
                          " that do not overlap, needs " +
                          std::to_string(fewest_independent_returns));
  }
  auto returns = sample.ascending;
  const auto [mean, deviation] = moments(returns);
  const auto at = [&](double p) {
    return returns[static_cast<std::size_t>(p * static_cast<double>(returns.size() - 1))];
  };
  const double quartiles = (at(0.75) - at(0.25)) / 1.34;
  if (!(deviation > 0.0) || !(quartiles > 0.0)) {
    return core::fail(Errc::invalid_input, "a density of past returns that hardly move");
  }
  double growth = 0.0;
  for (const double r : returns) growth += std::exp(r);
  growth /= static_cast<double>(returns.size());

  const double width = 0.9 * std::min(deviation, quartiles) * std::pow(sample.independent, -0.2);
  const double keep_variance = std::sqrt(1.0 - width * width / (deviation * deviation));
  const double stretch = in.deviation ? *in.deviation / deviation : 1.0;
  for (double& r : returns) r = (r - mean) * keep_variance * stretch;
  const bool observed = in.mean == HistoryMean::observed;
  std::string method = "overlapping returns of " + std::to_string(in.horizon_trading_days) +
                       " trading days, Gaussian kernel of Silverman's width";
  if (in.counts) method += ", of chosen days";
  if (in.deviation) method += ", stretched to a given vol";
  return std::make_unique<PiecewiseLognormal>(
      DensityLabel{
          .kind = DensityKind::history,
          .anchor = observed ? Anchor::history : Anchor::put_call_parity_forward,
          .day_count = DayCount::business_252,
          .years_to_expiry = in.horizon_trading_days / 252.0,
          .method = std::move(method),
          .observations = static_cast<int>(returns.size()),
          .independent_observations = sample.independent,
      },
      smoothed(returns, width * stretch), in.anchor_price * (observed ? growth : 1.0));
}

core::Result<DensityPtr> forecast_density(const ForecastInputs& in) {
  using core::Errc;
  std::vector<PiecewiseLognormal::Knot> knots;
  for (const auto& [p, spot] : in.quantiles) {
    const bool fits = p > 0.0 && p < 1.0 && spot > 0.0 && std::isfinite(spot);
    if (!fits) {
      return core::fail(Errc::invalid_input, "a forecast quantile that is no probability or price");
    }
    knots.push_back({std::log(spot), normal_quantile(p)});
  }
  if (knots.size() < 2)
    return core::fail(Errc::invalid_input, "a forecast of fewer than two quantiles");
  for (std::size_t i = 1; i < knots.size(); ++i) {
    if (!(knots[i].score > knots[i - 1].score && knots[i].log_spot > knots[i - 1].log_spot)) {
      return core::fail(Errc::invalid_input, "forecast quantiles that do not ascend");
    }
  }
  if (!std::isfinite(in.years_to_expiry) || in.years_to_expiry <= 0.0 ||
      (in.forward && !(std::isfinite(*in.forward) && *in.forward > 0.0))) {
    return core::fail(Errc::invalid_input, "a forecast for no time or no forward");
  }
  auto density = std::make_unique<PiecewiseLognormal>(
      DensityLabel{
          .kind = DensityKind::forecast,
          .anchor = in.forward ? Anchor::put_call_parity_forward : Anchor::forecast,
          .day_count = in.day_count,
          .years_to_expiry = in.years_to_expiry,
          .method = in.model + ", lognormal between quantiles and beyond",
      },
      std::move(knots), in.forward);
  if (!std::isfinite(density->mean()) || density->mean() <= 0.0) {
    return core::fail(Errc::invalid_input, "a forecast whose tail has no mean");
  }
  return density;
}

ExpectedMove expected_move(const Density& density) {
  return {density.quantile(0.16), density.quantile(0.50), density.quantile(0.84)};
}

}  // namespace bifrost::analysis
