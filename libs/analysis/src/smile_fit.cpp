// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "bifrost/analysis/chain_pricing.hpp"
#include "bifrost/analysis/smile.hpp"
#include "early_exercise.hpp"
#include "mixture.hpp"
#include "quadratic_program.hpp"

namespace bifrost::analysis {
namespace {

// A quote that takes part: out of the money, two-sided, with a vol. Prices are undiscounted and in
// units of the forward.
struct FitQuote {
  Right right;
  double strike;
  double k;
  double price;
  double spread;
  double deviation;  // implied vol times the root of time
  double vega;       // per 1.00 of deviation
  double tolerance;  // an error that costs one unit
};

constexpr std::size_t fewest_quotes = 5;
constexpr double component_spacing = 0.3;  // of components, and their width, in local deviations

/// Options out of the money on a forward of 1, ascending in strike.
struct Options {
  std::vector<double> k;
  std::vector<double> moneyness;

  explicit Options(std::vector<double> log_moneyness) : k(std::move(log_moneyness)) {
    for (const double at : k) moneyness.push_back(std::exp(at));
  }
  std::size_t size() const { return k.size(); }
  Right right(std::size_t i) const { return k[i] < 0.0 ? Right::put : Right::call; }
};

/// One row a component: its prices of the options. More than eight deviations away they are worth
/// their intrinsic value to a double's precision.
DenseRows component_prices(std::span<const LognormalComponent> components, const Options& options) {
  DenseRows rows{options.size(), std::vector<double>(components.size() * options.size(), 0.0)};
  std::vector<Right> rights(options.size());
  for (std::size_t i = 0; i < options.size(); ++i) rights[i] = options.right(i);
  std::vector<double> deviations;
  ValuationColumns out;
  for (std::size_t c = 0; c < components.size(); ++c) {
    const auto& component = components[c];
    const double reach = 8.0 * component.deviation + component.deviation * component.deviation;
    const auto row = rows[c];
    const auto position = [&](double k) {
      return static_cast<std::size_t>(std::ranges::lower_bound(options.k, k) - options.k.begin());
    };
    const std::size_t first = position(component.log_mean_over_forward - reach);
    const std::size_t last = position(component.log_mean_over_forward + reach);
    const auto intrinsic = [&](std::size_t i) {
      const double sign = rights[i] == Right::put ? -1.0 : 1.0;
      row[i] = std::max(sign * (component.mean - options.moneyness[i]), 0.0);
    };
    for (std::size_t i = 0; i < first; ++i) intrinsic(i);
    for (std::size_t i = last; i < options.size(); ++i) intrinsic(i);
    if (first == last) continue;
    const std::size_t near = last - first;
    deviations.assign(near, component.deviation);
    price_chain(
        {std::span{options.moneyness}.subspan(first, near), std::span{rights}.subspan(first, near)},
        {component.mean, 1.0, 1.0}, deviations, out);
    std::ranges::copy(out.price, row.begin() + static_cast<std::ptrdiff_t>(first));
  }
  return rows;
}

/// Options at which calendar arbitrage is looked for.
struct Lookout {
  Options options;
  DenseRows prices;             // one row a component
  std::vector<double> earlier;  // what the expiry before asks for them at least; empty: none before
};

Lookout look_at(std::vector<double> k, std::span<const LognormalComponent> components,
                std::span<const LognormalComponent> earlier) {
  Lookout made{Options{std::move(k)}, {}, {}};
  made.prices = component_prices(components, made.options);
  if (earlier.empty()) return made;
  const auto before = component_prices(earlier, made.options);
  made.earlier.assign(made.options.size(), 0.0);
  for (std::size_t i = 0; i < earlier.size(); ++i) {
    for (std::size_t p = 0; p < made.options.size(); ++p) {
      made.earlier[p] += earlier[i].weight * before[i][p];
    }
  }
  return made;
}

/// The total variance of a fitted smile, about, as the widths of its components tell it.
double variance_by_width(std::span<const LognormalComponent> components, double k) {
  const auto variance_at = [](const LognormalComponent& component) {
    const double deviation = component.deviation / component_spacing;
    return deviation * deviation;
  };
  const auto after =
      std::ranges::lower_bound(components, k, {}, &LognormalComponent::log_mean_over_forward);
  if (after == components.begin()) return variance_at(components.front());
  if (after == components.end()) return variance_at(components.back());
  const auto before = std::prev(after);
  const double share = (k - before->log_mean_over_forward) /
                       (after->log_mean_over_forward - before->log_mean_over_forward);
  return std::lerp(variance_at(*before), variance_at(*after), share);
}

/// The quotes' total variance, smoothed: where components are needed, and how heavy about.
class RoughSmile {
 public:
  RoughSmile(std::span<const FitQuote> quotes, std::span<const LognormalComponent> earlier)
      : earlier_(earlier) {
    lowest_ = quotes.front().k;
    highest_ = quotes.back().k;
    for (const auto& quote : quotes) {
      const double error = quote.tolerance / quote.vega / quote.deviation;
      const Knot one{quote.k, quote.deviation * quote.deviation, 1.0 / (error * error + 1e-4)};
      if (!knots_.empty() && quote.k - knots_.back().k < 0.2 * quote.deviation) {
        auto& last = knots_.back();
        const double share = one.weight / (one.weight + last.weight);
        last.k += share * (one.k - last.k);
        last.variance += share * (one.variance - last.variance);
        last.weight += one.weight;
      } else {
        knots_.push_back(one);
      }
    }
    const auto nearest =
        std::ranges::min_element(knots_, {}, [](const Knot& knot) { return std::abs(knot.k); });
    scale_ = std::sqrt(nearest->variance);
    scale_ = std::sqrt(smoothed(0.0).variance);
    const auto low = smoothed(lowest_);
    const auto high = smoothed(highest_);
    low_edge_ = low.variance;
    low_slope_ = std::clamp(-low.slope, 0.0, 1.0);
    high_edge_ = high.variance;
    high_slope_ = std::clamp(high.slope, 0.0, 1.0);
  }

  double scale() const { return scale_; }  // the deviation at the forward

  /// Beyond the quotes it goes on as steeply as it came, and not below the expiry before.
  double variance(double k) const {
    if (k >= lowest_ && k <= highest_) return smoothed(k).variance;
    const double w = k < lowest_ ? low_edge_ + low_slope_ * (lowest_ - k)
                                 : high_edge_ + high_slope_ * (k - highest_);
    return earlier_.empty() ? w : std::max(w, variance_by_width(earlier_, k));
  }

 private:
  struct Knot {
    double k;
    double variance;
    double weight;
  };

  struct Local {
    double variance;
    double slope;
  };
  /// A straight line through the knots around: it is not bent at the last ones.
  Local smoothed(double k) const {
    const double width = 0.5 * scale_ + 0.125 * std::abs(k);
    double total = 0.0;
    double mean_k = 0.0;
    double mean_w = 0.0;
    double kk = 0.0;
    double kw = 0.0;
    for (const auto& knot : knots_) {
      const double z = (knot.k - k) / width;
      const double weight = knot.weight * (std::exp(-0.5 * z * z) + 1e-9 / (1.0 + z * z));
      total += weight;
      mean_k += weight * z;
      mean_w += weight * knot.variance;
      kk += weight * z * z;
      kw += weight * z * knot.variance;
    }
    mean_k /= total;
    mean_w /= total;
    const double spread = kk / total - mean_k * mean_k;
    const double slope = spread > 1e-6 ? (kw / total - mean_k * mean_w) / spread : 0.0;
    return {std::max(mean_w - slope * mean_k, 0.1 * mean_w), slope / width};
  }

  std::span<const LognormalComponent> earlier_;
  std::vector<Knot> knots_;
  double scale_ = 0.0;
  double lowest_ = 0.0;
  double highest_ = 0.0;
  double low_edge_ = 0.0;
  double low_slope_ = 0.0;
  double high_edge_ = 0.0;
  double high_slope_ = 0.0;
};

}  // namespace

class SmileFit {
 public:
  SmileFit(const ExpiryChain& chain, const ForwardDiscount& parity, const SmileTerms& terms,
           const Smile* earlier)
      : chain_(chain), parity_(parity), terms_(terms), earlier_(earlier) {}

  static void admit_disorder(Smile& smile) { smile.quality_.calendar_free = false; }

  tl::expected<Smile, NoSmile> run() {
    if (!(terms_.years_to_expiry > 0.0)) return tl::unexpected{NoSmile::no_time};
    collect();
    solve_vols();
    if (terms_.style == ExerciseStyle::american) {
      if (!chain_.underlying_price || *chain_.underlying_price <= Price{}) {
        return tl::unexpected{NoSmile::no_spot};
      }
      if (!take_early_exercise_off()) return tl::unexpected{NoSmile::no_american_price};
    }
    if (quotes_.size() < fewest_quotes || quotes_.front().right != Right::put ||
        quotes_.back().right != Right::call) {
      return tl::unexpected{NoSmile::too_few_quotes};
    }
    place_components();
    price_everything();
    smile_.forward_ = parity_.forward;
    smile_.discount_factor_ = parity_.discount_factor;
    smile_.years_ = terms_.years_to_expiry;
    if (!fit()) return tl::unexpected{NoSmile::no_arbitrage_free_fit};
    judge();
    if (middle_error() > worst_middle_error) {
      return tl::unexpected{NoSmile::no_arbitrage_free_fit};
    }
    return std::move(smile_);
  }

 private:
  // ---- quotes

  void collect() {
    const double unit = parity_.forward * parity_.discount_factor;
    std::int64_t tick = 0;  // the largest that all prices are multiples of
    for (const auto& row : chain_.rows) {
      if (row.strike <= Price{}) continue;
      const double strike = row.strike.value();
      const Right right = strike < parity_.forward ? Right::put : Right::call;
      const auto& side = right == Right::put ? row.put : row.call;
      if (!side) continue;
      if (!side->two_sided()) {
        ++dropped_;
        continue;
      }
      tick = std::gcd(tick, std::gcd(side->bid->units(), side->ask->units()));
      quotes_.push_back({.right = right,
                         .strike = strike,
                         .k = std::log(strike / parity_.forward),
                         .price = 0.5 * (*side->bid + *side->ask).value() / unit,
                         .spread = (*side->ask - *side->bid).value() / unit,
                         .deviation = 0.0,
                         .vega = 0.0,
                         .tolerance = 0.0});
    }
    tick_ = Price::from_units(tick).value() / unit;
  }

  void solve_vols() {
    std::vector<double> prices;
    for (const auto& quote : quotes_) prices.push_back(quote.price);
    ImpliedVolColumns solved;
    implied_vols(contracts(), {1.0, 1.0, 1.0}, prices, solved);
    for (std::size_t i = 0; i < quotes_.size(); ++i) {
      FitQuote& quote = quotes_[i];
      quote.deviation = solved.refusal[i] ? 0.0 : solved.vol[i];
      if (quote.deviation <= 0.0) continue;
      quote.vega = normal_density(-quote.k / quote.deviation + 0.5 * quote.deviation);
      // A locked market is not infinitely good: half a tick, or a hundredth of a vol point.
      quote.tolerance = std::max(
          {0.5 * quote.spread, 0.5 * tick_, 1e-4 * std::sqrt(terms_.years_to_expiry) * quote.vega});
    }
    const auto before = quotes_.size();
    std::erase_if(quotes_, [](const FitQuote& quote) { return quote.deviation <= 0.0; });
    dropped_ += static_cast<int>(before - quotes_.size());
  }

  /// The vol at which the American price is the quoted one, and its European price instead. False:
  /// there are none (two exercise boundaries).
  bool take_early_exercise_off() {
    if (quotes_.empty()) return true;
    const double years = terms_.years_to_expiry;
    const double spot = chain_.underlying_price->value();
    const auto exercise_at = exercise_terms(spot, years, parity_.forward, parity_.discount_factor);
    const auto [lowest, highest] = std::ranges::minmax(quotes_, {}, &FitQuote::deviation);
    std::optional<EarlyExercise> exercise[2];
    for (const Right right : {Right::call, Right::put}) {
      exercise[static_cast<int>(right)] =
          EarlyExercise::create(right, exercise_at, 0.8 * lowest.deviation / std::sqrt(years),
                                highest.deviation / std::sqrt(years));
      if (!exercise[static_cast<int>(right)]) return false;
    }
    const auto quoted = quotes_;
    for (int round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < quotes_.size(); ++i) {
        auto& quote = quotes_[i];
        const double share = exercise[static_cast<int>(quote.right)]->share(
            quote.strike, quote.deviation / std::sqrt(years));
        quote.price = quoted[i].price / (1.0 + share);
        quote.spread = quoted[i].spread / (1.0 + share);
        const auto deviation = implied_vol(quote.right, {.price = quote.price,
                                                         .forward = 1.0,
                                                         .strike = std::exp(quote.k),
                                                         .years_to_expiry = 1.0,
                                                         .discount_factor = 1.0});
        if (deviation) quote.deviation = *deviation;
      }
    }
    solve_vols();
    return true;
  }

  ContractColumns contracts() const {
    std::vector<double> moneyness;
    std::vector<Right> rights;
    for (const auto& quote : quotes_) {
      moneyness.push_back(std::exp(quote.k));
      rights.push_back(quote.right);
    }
    return {moneyness, rights};
  }

  // ---- components

  /// Outward from the forward, a share of the local deviation apart and as wide as that, each with
  /// the weight that the rough smile's density has there (Gatheral's formula).
  void place_components() {
    const RoughSmile rough(
        quotes_, earlier_ ? earlier_->components() : std::span<const LognormalComponent>{});
    struct Node {
      double k;
      double variance;
    };
    const auto outward = [&](double sign, double quoted) {
      std::vector<Node> nodes;
      Node at{0.0, rough.variance(0.0)};
      for (int i = 0; i < 80; ++i) {
        const double step = component_spacing * std::sqrt(at.variance);
        at.k += sign * step;
        at.variance = rough.variance(at.k);
        nodes.push_back(at);
        const double d2 = at.k / std::sqrt(at.variance) + 0.5 * std::sqrt(at.variance);
        if (sign * (at.k - quoted) > 2.0 * step && d2 * d2 > 36.0) break;
      }
      return nodes;
    };
    auto nodes = outward(-1.0, quotes_.front().k);
    std::ranges::reverse(nodes);
    nodes.push_back({0.0, rough.variance(0.0)});
    const auto above = outward(1.0, quotes_.back().k);
    nodes.insert(nodes.end(), above.begin(), above.end());

    double total = 0.0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto [k, w] = nodes[i];
      const double deviation = std::sqrt(w);
      double g = 1.0;
      if (i > 0 && i + 1 < nodes.size()) {
        const double down = nodes[i].k - nodes[i - 1].k;
        const double up = nodes[i + 1].k - nodes[i].k;
        const double left = (w - nodes[i - 1].variance) / down;
        const double right = (nodes[i + 1].variance - w) / up;
        const double slope = (left * up + right * down) / (up + down);
        const double first = 1.0 - 0.5 * k * slope / w;
        g = first * first - 0.25 * slope * slope * (1.0 / w + 0.25) + (right - left) / (up + down);
      }
      const double width = component_spacing * deviation;
      const double weight = std::clamp(g, 0.1, 4.0) * component_spacing *
                            std::max(normal_density(k / deviation + 0.5 * deviation), 1e-12);
      components_.push_back(
          {.weight = weight, .mean = std::exp(k), .log_mean_over_forward = k, .deviation = width});
      total += weight;
    }
    for (auto& component : components_) component.weight /= total;
  }

  /// Prices of all components: of the quotes, and of options all along the axis on which arbitrage
  /// is looked for.
  void price_everything() {
    std::vector<double> quoted;
    for (const auto& quote : quotes_) quoted.push_back(quote.k);
    quote_prices_ = component_prices(components_, Options{std::move(quoted)});
    std::vector<double> k{components_.front().log_mean_over_forward};
    for (std::size_t i = 1; i < components_.size(); ++i) {
      const double from = components_[i - 1].log_mean_over_forward;
      const double to = components_[i].log_mean_over_forward;
      k.push_back(0.5 * (from + to));
      k.push_back(to);
    }
    lookouts_.push_back(look_at(std::move(k), components_, earlier_components()));
  }

  std::span<const LognormalComponent> earlier_components() const {
    return earlier_ ? earlier_->components() : std::span<const LognormalComponent>{};
  }

  // ---- the program: weights as multiples u of the rough ones

  std::optional<QuadraticProgram> program(std::span<const double> quote_weights) const {
    const std::size_t n = components_.size();
    DenseRows scaled{quotes_.size(), std::vector<double>(n * quotes_.size())};
    std::vector<double> target(quotes_.size());
    for (std::size_t q = 0; q < quotes_.size(); ++q) {
      target[q] = std::sqrt(quote_weights[q]) * quotes_[q].price / quotes_[q].tolerance;
    }
    // Far from a component the quotes are worth nothing on it.
    std::vector<std::pair<std::size_t, std::size_t>> touched(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t q = 0; q < quotes_.size(); ++q) {
        scaled[i][q] = components_[i].weight * quote_prices_[i][q] * std::sqrt(quote_weights[q]) /
                       quotes_[q].tolerance;
      }
      std::size_t first = 0;
      std::size_t last = quotes_.size();
      while (first < last && scaled[i][first] < negligible) ++first;
      while (first < last && scaled[i][last - 1] < negligible) --last;
      touched[i] = {first, last};
    }
    DenseRows g{n, std::vector<double>(n * n, 0.0)};
    std::vector<double> a(n);
    for (std::size_t i = 0; i < n; ++i) {
      a[i] = dot(scaled[i], target) + anchor;
      for (std::size_t j = 0; j <= i; ++j) {
        const auto first = std::max(touched[i].first, touched[j].first);
        const auto last = std::min(touched[i].second, touched[j].second);
        if (first < last) {
          g[i][j] =
              dot(scaled[i].subspan(first, last - first), scaled[j].subspan(first, last - first));
        }
      }
      g[i][i] += anchor;
    }
    for (std::size_t i = 0; i + 2 < n; ++i) {
      constexpr double second[3] = {1.0, -2.0, 1.0};
      for (std::size_t x = 0; x < 3; ++x) {
        for (std::size_t y = 0; y <= x; ++y) {
          g[i + x][i + y] += smoothness * second[x] * second[y];
        }
      }
    }
    for (std::size_t i = 0; i + 1 < n; ++i) {
      const double k =
          0.5 * (components_[i].log_mean_over_forward + components_[i + 1].log_mean_over_forward);
      const bool quoted = k > quotes_.front().k && k < quotes_.back().k;
      const double stiffness = quoted ? 0.1 * smoothness : 10.0 * smoothness;
      g[i][i] += stiffness;
      g[i + 1][i + 1] += stiffness;
      g[i + 1][i] -= stiffness;
    }
    auto created = QuadraticProgram::create(std::move(g), a);
    if (!created) return std::nullopt;
    std::vector<double> mass(n);
    std::vector<double> shift(n);
    for (std::size_t i = 0; i < n; ++i) {
      mass[i] = components_[i].weight;
      shift[i] = components_[i].weight * (components_[i].mean - 1.0);
    }
    if (!created->require(mass, 1.0) || !created->require(shift, 0.0)) return std::nullopt;
    return created;
  }

  bool fit() {
    std::vector<double> quote_weights(quotes_.size(), 1.0);
    for (int round = 0; round < 4; ++round) {
      auto qp = program(quote_weights);
      if (!qp || !solve_in_time_order(*qp)) return false;
      u_.assign(qp->x().begin(), qp->x().end());
      model_prices_ = combined(quote_prices_);
      bool again = false;
      for (std::size_t q = 0; q < quotes_.size(); ++q) {
        const double error = std::abs(model_prices_[q] - quotes_[q].price) / quotes_[q].tolerance;
        const double weight = error > far_off ? far_off / error : 1.0;
        again |= std::abs(weight - quote_weights[q]) > 0.1;
        quote_weights[q] = weight;
      }
      if (round < 2 && std::ranges::max(u_) > far_from_rough) {
        take_as_rough();
        again = true;
      }
      if (!again) break;
    }
    for (std::size_t i = 0; i < components_.size(); ++i) {
      if (u_[i] <= 0.0) continue;
      smile_.components_.push_back(components_[i]);
      smile_.components_.back().weight *= u_[i];
    }
    return true;
  }

  /// What was found, smoothed, becomes what the next solution is kept near to: smoothness asks for
  /// small changes of u, which are small changes of the density only where u is near 1.
  void take_as_rough() {
    double total = 0.0;
    for (std::size_t i = 0; i < components_.size(); ++i) {
      const double below = u_[i == 0 ? 0 : i - 1];
      const double above = u_[i + 1 == u_.size() ? i : i + 1];
      components_[i].weight *= std::max(0.25 * below + 0.5 * u_[i] + 0.25 * above, 0.1);
      total += components_[i].weight;
    }
    for (auto& component : components_) component.weight /= total;
  }

  /// Calendar arbitrage is looked for after each solution, and forbidden where it is; last between
  /// the points where the two expiries touch.
  bool solve_in_time_order(QuadraticProgram& qp) {
    for (int round = 0; round < 20; ++round) {
      if (qp.solve() != QuadraticOutcome::solved) return false;
      if (!earlier_) return true;
      u_.assign(qp.x().begin(), qp.x().end());
      bool violated = false;
      for (const auto& lookout : lookouts_) violated |= forbid_disorder(qp, lookout);
      if (violated) continue;
      if (lookouts_.size() > 1) return true;
      auto between = touching();
      if (between.empty()) return true;
      lookouts_.push_back(look_at(std::move(between), components_, earlier_components()));
      if (!forbid_disorder(qp, lookouts_.back())) return true;
    }
    return true;
  }

  /// The margin covers the sag between two points that are looked at. An option's price follows
  /// total variance about as the power that stands here.
  double margin_at(double k) const {
    return calendar_margin * (0.5 + 0.5 * k * k / variance_by_width(earlier_components(), k));
  }

  bool forbid_disorder(QuadraticProgram& qp, const Lookout& lookout) const {
    const auto prices = combined(lookout.prices);
    std::vector<double> row(components_.size());
    bool violated = false;
    for (std::size_t p = 0; p < prices.size(); ++p) {
      const double floor = lookout.earlier[p];
      if (floor < worthless || prices[p] >= floor) continue;
      for (std::size_t i = 0; i < row.size(); ++i) {
        row[i] = components_[i].weight * lookout.prices[i][p] / floor;
      }
      qp.limit(row, 1.0 + margin_at(lookout.options.k[p]));
      violated = true;
    }
    return violated;
  }

  std::vector<double> touching() const {
    const auto& [options, component_rows, earlier] = lookouts_.front();
    const auto prices = combined(component_rows);
    std::vector<double> between;
    for (std::size_t p = 1; p < prices.size(); ++p) {
      const auto near = [&](std::size_t i) {
        return earlier[i] >= worthless && prices[i] < earlier[i] * (1.0 + 0.005);
      };
      if (near(p - 1) || near(p)) between.push_back(0.5 * (options.k[p - 1] + options.k[p]));
    }
    return between;
  }

  std::vector<double> combined(const DenseRows& prices) const {
    std::vector<double> sum(prices.columns, 0.0);
    for (std::size_t i = 0; i < components_.size(); ++i) {
      const double weight = components_[i].weight * u_[i];
      for (std::size_t p = 0; p < sum.size(); ++p) sum[p] += weight * prices[i][p];
    }
    return sum;
  }

  // ---- quality

  /// In spreads.
  double middle_error() const {
    std::vector<double> errors;
    for (std::size_t q = 0; q < quotes_.size(); ++q) {
      errors.push_back(0.5 * std::abs(model_prices_[q] - quotes_[q].price) / quotes_[q].tolerance);
    }
    const auto at = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
    std::nth_element(errors.begin(), at, errors.end());
    return *at;
  }

  void judge() {
    SmileQuality& quality = smile_.quality_;
    quality.quotes = static_cast<int>(quotes_.size());
    quality.dropped = dropped_;
    ImpliedVolColumns model;
    implied_vols(contracts(), {1.0, 1.0, 1.0}, model_prices_, model);
    double vol_errors = 0.0;
    double spread_errors = 0.0;
    double vegas = 0.0;
    int within = 0;
    const double root_years = std::sqrt(terms_.years_to_expiry);
    for (std::size_t q = 0; q < quotes_.size(); ++q) {
      const auto& quote = quotes_[q];
      const double error = std::abs(model_prices_[q] - quote.price);
      const double vol_error =
          std::abs(model.refusal[q] ? error / quote.vega : model.vol[q] - quote.deviation) /
          root_years;
      vol_errors += quote.vega * vol_error * vol_error;
      vegas += quote.vega;
      spread_errors += 0.25 * error * error / (quote.tolerance * quote.tolerance);
      within += error <= quote.tolerance ? 1 : 0;
      quality.worst_vol = std::max(quality.worst_vol, vol_error);
    }
    quality.rmse_vol = std::sqrt(vol_errors / vegas);
    quality.rmse_spreads = std::sqrt(spread_errors / quality.quotes);
    quality.within_spread = static_cast<double>(within) / quality.quotes;
    quality.lowest_quoted = quotes_.front().strike;
    quality.highest_quoted = quotes_.back().strike;
    quality.mass_outside_quotes = smile_.probability_below(quality.lowest_quoted) +
                                  smile_.probability_above(quality.highest_quoted);
    quality.least_g = std::numeric_limits<double>::infinity();
    const auto& along = lookouts_.front();
    const auto prices = combined(along.prices);
    for (std::size_t p = 0; p < prices.size(); p += 2) {
      const double k = along.options.k[p];
      // The columns' prices are exact to some 1e-15 of the forward.
      tl::expected<double, NoImpliedVol> solved = tl::unexpected{NoImpliedVol::no_time_value};
      if (prices[p] > 1e-11) {
        solved = implied_vol(along.options.right(p), {.price = prices[p],
                                                      .forward = 1.0,
                                                      .strike = along.options.moneyness[p],
                                                      .years_to_expiry = 1.0,
                                                      .discount_factor = 1.0});
      }
      const double deviation = solved ? *solved : std::sqrt(smile_.total_variance(k));
      quality.least_g = std::min(quality.least_g, g_of_mixture(smile_.components_, k, deviation));
    }
    quality.butterfly_free = quality.least_g >= 0.0;
    quality.calendar_free = true;
    if (!earlier_) return;
    for (const auto& lookout : lookouts_) {
      const auto ours = combined(lookout.prices);
      for (std::size_t p = 0; p < ours.size(); ++p) {
        if (lookout.earlier[p] >= worthless && ours[p] < lookout.earlier[p]) {
          quality.calendar_free = false;
        }
      }
    }
  }

  // What unrest of u costs, against quotes that are half a spread off: a change of slope, and a
  // tenth of it for a slope (ten times as much beyond the quotes, which say nothing there). From a
  // tenth to three times this the median rmse of an index chain's vols went from 0.018 to 0.029
  // points.
  static constexpr double smoothness = 0.3;
  static constexpr double anchor = 1e-4;  // what it costs u to leave 1: makes the program strict
  static constexpr double negligible = 1e-9;     // tolerances
  static constexpr double far_from_rough = 3.5;  // u, from where on the rough weights were wrong
  static constexpr double far_off = 3.0;         // tolerances, from where on a quote counts less
  static constexpr double worst_middle_error = 2.0;  // spreads
  static constexpr double worthless = 1e-10;         // of the forward
  static constexpr double calendar_margin = 1e-3;    // of total variance

  const ExpiryChain& chain_;
  const ForwardDiscount& parity_;
  const SmileTerms& terms_;
  const Smile* earlier_;
  std::vector<FitQuote> quotes_;
  double tick_ = 0.0;
  int dropped_ = 0;
  std::vector<LognormalComponent> components_;  // weights: the rough ones
  DenseRows quote_prices_;
  std::vector<Lookout> lookouts_;  // the first all along the axis
  std::vector<double> u_;
  std::vector<double> model_prices_;
  Smile smile_;
};

tl::expected<Smile, NoSmile> fit_smile(const ExpiryChain& chain, const ForwardDiscount& parity,
                                       const SmileTerms& terms, const Smile* earlier) {
  auto fitted = SmileFit{chain, parity, terms, earlier}.run();
  if (earlier && !fitted && fitted.error() == NoSmile::no_arbitrage_free_fit) {
    fitted = SmileFit{chain, parity, terms, nullptr}.run();
    if (fitted) SmileFit::admit_disorder(*fitted);
  }
  return fitted;
}

}  // namespace bifrost::analysis
