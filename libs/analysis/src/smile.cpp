// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/smile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "bifrost/analysis/chain_pricing.hpp"
#include "bifrost/core/calendar.hpp"
#include "exercise_boundary.hpp"
#include "quadratic_program.hpp"

namespace bifrost::analysis {

double SviParameters::total_variance(double k) const {
  return a + b * (rho * (k - m) + std::hypot(k - m, sigma));
}

double SviParameters::g(double k) const {
  const double root = std::hypot(k - m, sigma);
  const double w = total_variance(k);
  const double slope = b * (rho + (k - m) / root);
  const double curvature = b * sigma * sigma / (root * root * root);
  const double first = 1.0 - 0.5 * k * slope / w;
  return first * first - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * curvature;
}

std::string_view to_string(NoSmile why) {
  switch (why) {
    case NoSmile::no_time:
      return "no_time";
    case NoSmile::no_forward:
      return "no_forward";
    case NoSmile::no_spot:
      return "no_spot";
    case NoSmile::inconsistent_chain:
      return "inconsistent_chain";
    case NoSmile::too_few_quotes:
      return "too_few_quotes";
    case NoSmile::no_arbitrage_free_fit:
      return "no_arbitrage_free_fit";
  }
  return "unknown";
}

namespace {

double option_on_component(Right right, const LognormalComponent& component, double moneyness) {
  return black_scholes_price(right, ForwardInputs{.forward = component.mean,
                                                  .strike = moneyness,
                                                  .years_to_expiry = 1.0,
                                                  .discount_factor = 1.0,
                                                  .vol = component.deviation});
}

/// In standard deviations of its logarithm, how far `k` lies above a component's median.
double above_median(const LognormalComponent& component, double k) {
  return (k - std::log(component.mean)) / component.deviation + 0.5 * component.deviation;
}

}  // namespace

double Smile::call(double strike) const {
  double sum = 0.0;
  for (const auto& component : components_) {
    sum += component.weight * option_on_component(Right::call, component, strike / forward_);
  }
  return forward_ * sum;
}

double Smile::put(double strike) const {
  double sum = 0.0;
  for (const auto& component : components_) {
    sum += component.weight * option_on_component(Right::put, component, strike / forward_);
  }
  return forward_ * sum;
}

double Smile::probability_below(double strike) const {
  if (strike <= 0.0) return 0.0;
  const double k = std::log(strike / forward_);
  double sum = 0.0;
  for (const auto& component : components_) {
    sum += component.weight * normal_cdf(above_median(component, k));
  }
  return sum;
}

double Smile::probability_above(double strike) const {
  if (strike <= 0.0) return 1.0;
  const double k = std::log(strike / forward_);
  double sum = 0.0;
  for (const auto& component : components_) {
    sum += component.weight * normal_cdf(-above_median(component, k));
  }
  return sum;
}

double Smile::density(double strike) const {
  if (strike <= 0.0) return 0.0;
  const double k = std::log(strike / forward_);
  double sum = 0.0;
  for (const auto& component : components_) {
    sum += component.weight / component.deviation * normal_density(above_median(component, k));
  }
  return sum / strike;
}

double Smile::total_variance(double k) const {
  const Right right = k < 0.0 ? Right::put : Right::call;
  const double strike = forward_ * std::exp(k);
  const auto deviation =
      implied_vol(right, {.price = (right == Right::put ? put(strike) : call(strike)) / forward_,
                          .forward = 1.0,
                          .strike = strike / forward_,
                          .years_to_expiry = 1.0,
                          .discount_factor = 1.0});
  if (deviation) return *deviation * *deviation;
  double largest = 0.0;
  for (const auto& component : components_) largest = std::max(largest, component.deviation);
  return largest * largest;
}

double Smile::vol(double strike) const {
  return std::sqrt(total_variance(std::log(strike / forward_)) / years_);
}

double Smile::vol_slope(double strike) const {
  const double k = std::log(strike / forward_);
  const double deviation = std::sqrt(total_variance(k));
  const double d2 = -k / deviation - 0.5 * deviation;
  const double vega = strike * normal_density(d2) * std::sqrt(years_);
  // What the probability differs by from that of the vol alone, on the side where both are small.
  const double difference = k < 0.0 ? probability_below(strike) - normal_cdf(-d2)
                                    : normal_cdf(d2) - probability_above(strike);
  return difference / vega;
}

double Smile::g(double k) const {
  const double w = total_variance(k);
  const double deviation = std::sqrt(w);
  const double d2 = -k / deviation - 0.5 * deviation;
  double sum = 0.0;
  for (const auto& component : components_) {
    const double z = above_median(component, k);
    sum += component.weight * deviation / component.deviation * std::exp(0.5 * (d2 * d2 - z * z));
  }
  return sum;
}

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
  double tolerance;  // what an error of one unit is
};

constexpr std::size_t fewest_quotes = 5;

}  // namespace

class SmileFit {
 public:
  SmileFit(const ExpiryChain& chain, const ForwardDiscount& parity, const SmileTerms& terms,
           const Smile* earlier)
      : chain_(chain), parity_(parity), terms_(terms), earlier_(earlier) {}

  tl::expected<Smile, NoSmile> run() {
    if (!(terms_.years_to_expiry > 0.0)) return tl::unexpected{NoSmile::no_time};
    collect();
    if (terms_.style == ExerciseStyle::american) {
      if (!chain_.underlying_price || *chain_.underlying_price <= Price{}) {
        return tl::unexpected{NoSmile::no_spot};
      }
      take_early_exercise_off();
    }
    drop_without_vol();
    const auto first_call = std::ranges::find(quotes_, Right::call, &FitQuote::right);
    if (quotes_.size() < fewest_quotes || first_call == quotes_.begin() ||
        first_call == quotes_.end()) {
      return tl::unexpected{NoSmile::too_few_quotes};
    }
    guess();
    place_components();
    price_components();
    smile_.forward_ = parity_.forward;
    smile_.discount_factor_ = parity_.discount_factor;
    smile_.years_ = terms_.years_to_expiry;
    if (!fit_weights()) return tl::unexpected{NoSmile::no_arbitrage_free_fit};
    judge();
    return std::move(smile_);
  }

 private:
  void collect() {
    const double unit = parity_.forward * parity_.discount_factor;
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
      quotes_.push_back({.right = right,
                         .strike = strike,
                         .k = std::log(strike / parity_.forward),
                         .price = 0.5 * (*side->bid + *side->ask).value() / unit,
                         .spread = (*side->ask - *side->bid).value() / unit,
                         .deviation = 0.0,
                         .vega = 0.0,
                         .tolerance = 0.0});
    }
  }

  void take_early_exercise_off() {}

  void drop_without_vol() {
    const std::size_t before = quotes_.size();
    std::erase_if(quotes_, [](FitQuote& quote) {
      const auto deviation = implied_vol(quote.right, {.price = quote.price,
                                                       .forward = 1.0,
                                                       .strike = std::exp(quote.k),
                                                       .years_to_expiry = 1.0,
                                                       .discount_factor = 1.0});
      if (!deviation) return true;
      quote.deviation = *deviation;
      const double d1 = -quote.k / *deviation + 0.5 * *deviation;
      quote.vega = normal_density(d1);
      quote.tolerance = std::max(0.5 * quote.spread, 1e-4 * quote.vega);
      return false;
    });
    dropped_ += static_cast<int>(before - quotes_.size());
  }

  // ---- a rough smile, which says where components are needed and how heavy about

  struct Rough {
    double variance;
    double slope;
  };

  double smoothed(double k) const {
    const double width = 0.5 * scale_ * (1.0 + 0.25 * std::abs(k) / scale_);
    double sum = 0.0;
    double total = 0.0;
    for (const auto& quote : quotes_) {
      const double z = (quote.k - k) / width;
      const double error = quote.tolerance / quote.vega / quote.deviation;
      const double weight =
          (std::exp(-0.5 * z * z) + 1e-9 / (1.0 + z * z)) / (error * error + 1e-4);
      sum += weight * quote.deviation * quote.deviation;
      total += weight;
    }
    return sum / total;
  }

  void guess() {
    const auto nearest = std::ranges::min_element(
        quotes_, {}, [](const FitQuote& quote) { return std::abs(quote.k); });
    scale_ = nearest->deviation;
    scale_ = std::sqrt(smoothed(0.0));
    lowest_ = quotes_.front().k;
    highest_ = quotes_.back().k;
    const double below = scale_ + 0.25 * std::abs(lowest_);
    const double above = scale_ + 0.25 * std::abs(highest_);
    low_edge_ = smoothed(lowest_);
    low_slope_ = std::clamp((low_edge_ - smoothed(lowest_ + below)) / below, 0.0, 1.0);
    high_edge_ = smoothed(highest_);
    high_slope_ = std::clamp((high_edge_ - smoothed(highest_ - above)) / above, 0.0, 1.0);
  }

  double rough_variance(double k) const {
    double w = 0.0;
    if (k < lowest_) {
      w = low_edge_ + low_slope_ * (lowest_ - k);
    } else if (k > highest_) {
      w = high_edge_ + high_slope_ * (k - highest_);
    } else {
      w = smoothed(k);
    }
    return w;
  }

  /// Density in k that the rough vol alone would give.
  double rough_density(double k) const {
    const double deviation = std::sqrt(rough_variance(k));
    return normal_density(k / deviation + 0.5 * deviation) / deviation;
  }

  // ---- components

  void place_components() {
    const auto outward = [&](double sign, double quoted) {
      std::vector<LognormalComponent> placed;
      double k = 0.0;
      for (int i = 0; i < 60; ++i) {
        const double step = spacing * (scale_ + growth * std::abs(k));
        k += sign * step;
        const double density = rough_density(k) * scale_;
        if (sign * (k - quoted) > 2.0 * step && density < 1e-9) break;
        placed.push_back({.weight = std::max(density, 1e-12) * step / scale_,
                          .mean = std::exp(k),
                          .deviation = step});
      }
      return placed;
    };
    auto below = outward(-1.0, lowest_);
    const auto above = outward(1.0, highest_);
    std::ranges::reverse(below);
    components_ = std::move(below);
    components_.push_back({rough_density(0.0) * spacing * scale_, 1.0, spacing * scale_});
    components_.insert(components_.end(), above.begin(), above.end());
    double total = 0.0;
    for (const auto& component : components_) total += component.weight;
    for (auto& component : components_) component.weight /= total;
  }

  void price_components() {
    std::vector<double> moneyness;
    std::vector<Right> rights;
    for (const auto& quote : quotes_) {
      moneyness.push_back(std::exp(quote.k));
      rights.push_back(quote.right);
    }
    const ContractColumns contracts{moneyness, rights};
    // One row a component: its prices of the quotes, in units of each quote's tolerance, at its
    // rough weight.
    prices_ = {quotes_.size(), {}};
    prices_.values.reserve(components_.size() * quotes_.size());
    ValuationColumns out;
    std::vector<double> vols(quotes_.size());
    for (const auto& component : components_) {
      std::ranges::fill(vols, component.deviation);
      price_chain(contracts, {component.mean, 1.0, 1.0}, vols, out);
      for (std::size_t i = 0; i < quotes_.size(); ++i) {
        prices_.values.push_back(component.weight * out.price[i] / quotes_[i].tolerance);
      }
    }
  }

  QuadraticProgram program(std::span<const double> quote_weights) const {
    const std::size_t n = components_.size();
    QuadraticProgram qp;
    qp.g = {n, std::vector<double>(n * n, 0.0)};
    qp.a.assign(n, 0.0);
    std::vector<double> weighted(quotes_.size());
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t q = 0; q < quotes_.size(); ++q) {
        weighted[q] = prices_[i][q] * quote_weights[q];
        qp.a[i] += weighted[q] * quotes_[q].price / quotes_[q].tolerance;
      }
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0.0;
        for (std::size_t q = 0; q < quotes_.size(); ++q) sum += weighted[q] * prices_[j][q];
        qp.g[i][j] += sum;
      }
    }
    for (std::size_t i = 0; i + 2 < n; ++i) {
      const double second[3] = {1.0, -2.0, 1.0};
      for (std::size_t x = 0; x < 3; ++x) {
        for (std::size_t y = 0; y <= x; ++y) {
          qp.g[i + x][i + y] += smoothness * second[x] * second[y];
        }
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      qp.g[i][i] += anchor;
      qp.a[i] += anchor;
      for (std::size_t j = 0; j < i; ++j) qp.g[j][i] = qp.g[i][j];
    }
    qp.equalities = {n, {}};
    for (const auto& component : components_) qp.equalities.values.push_back(component.weight);
    for (const auto& component : components_) {
      qp.equalities.values.push_back(component.weight * (component.mean - 1.0));
    }
    qp.targets = {1.0, 0.0};
    return qp;
  }

  bool fit_weights() {
    std::vector<double> quote_weights(quotes_.size(), 1.0);
    for (int round = 0; round < 2; ++round) {
      auto qp = program(quote_weights);
      if (earlier_) add_calendar_rows(qp);
      auto solution = solve(qp);
      steps_ += solution.steps;
      if (solution.outcome != QuadraticOutcome::solved) return false;
      smile_.components_.clear();
      for (std::size_t i = 0; i < components_.size(); ++i) {
        if (solution.x[i] <= 0.0) continue;
        smile_.components_.push_back(components_[i]);
        smile_.components_.back().weight *= solution.x[i];
      }
      for (std::size_t q = 0; q < quotes_.size(); ++q) {
        double price = 0.0;
        for (std::size_t i = 0; i < components_.size(); ++i) price += prices_[i][q] * solution.x[i];
        const double error = std::abs(price - quotes_[q].price / quotes_[q].tolerance);
        quote_weights[q] = error > 3.0 ? 3.0 / error : 1.0;
      }
    }
    return true;
  }

  void add_calendar_rows(QuadraticProgram& qp) const {
    qp.inequalities = {components_.size(), {}};
    for (const double k : calendar_points()) {
      const Right right = k < 0.0 ? Right::put : Right::call;
      const double strike = earlier_->forward() * std::exp(k);
      const double floor = (right == Right::put ? earlier_->put(strike) : earlier_->call(strike)) /
                           earlier_->forward();
      if (floor < 1e-9) continue;
      for (const auto& component : components_) {
        qp.inequalities.values.push_back(
            component.weight * option_on_component(right, component, std::exp(k)) / floor);
      }
      qp.floors.push_back(1.0 + 1e-7);
    }
  }

  std::vector<double> calendar_points() const {
    std::vector<double> points;
    for (const auto& component : components_) {
      const double k = std::log(component.mean);
      points.push_back(k);
      points.push_back(k + 0.5 * component.deviation);
    }
    return points;
  }

  // ---- quality

  void judge() {
    SmileQuality& quality = smile_.quality_;
    quality.quotes = static_cast<int>(quotes_.size());
    quality.dropped = dropped_;
    double vol_errors = 0.0;
    double spread_errors = 0.0;
    double total = 0.0;
    int within = 0;
    const double root_years = std::sqrt(terms_.years_to_expiry);
    for (const auto& quote : quotes_) {
      const double price =
          (quote.right == Right::put ? smile_.put(quote.strike) : smile_.call(quote.strike)) /
          parity_.forward;
      const double deviation = std::sqrt(smile_.total_variance(quote.k));
      const double vol_error = (deviation - quote.deviation) / root_years;
      const double error = price - quote.price;
      vol_errors += quote.vega * vol_error * vol_error;
      total += quote.vega;
      const double spread = 2.0 * quote.tolerance;
      spread_errors += error * error / (spread * spread);
      within += std::abs(error) <= quote.tolerance ? 1 : 0;
      quality.worst_vol = std::max(quality.worst_vol, std::abs(vol_error));
    }
    quality.rmse_vol = std::sqrt(vol_errors / total);
    quality.rmse_spreads = std::sqrt(spread_errors / quality.quotes);
    quality.within_spread = static_cast<double>(within) / quality.quotes;
    quality.lowest_quoted = quotes_.front().strike;
    quality.highest_quoted = quotes_.back().strike;
    quality.mass_outside_quotes = smile_.probability_below(quality.lowest_quoted) +
                                  smile_.probability_above(quality.highest_quoted);
    quality.least_g = std::numeric_limits<double>::infinity();
    const double from = std::log(components_.front().mean) - 2.0 * components_.front().deviation;
    const double to = std::log(components_.back().mean) + 2.0 * components_.back().deviation;
    constexpr int points = 200;
    for (int i = 0; i <= points; ++i) {
      const double k = from + (to - from) * i / points;
      quality.least_g = std::min(quality.least_g, smile_.g(k));
    }
    quality.butterfly_free = quality.least_g >= 0.0;
    quality.calendar_free = true;
    if (!earlier_) return;
    for (int i = 0; i <= points; ++i) {
      const double k = from + (to - from) * i / points;
      if (smile_.total_variance(k) < earlier_->total_variance(k) * (1.0 - 1e-9)) {
        quality.calendar_free = false;
      }
    }
  }

  static constexpr double spacing = 0.25;
  static constexpr double growth = 0.25;
  static constexpr double smoothness = 1e-1;
  static constexpr double anchor = 1e-4;

  const ExpiryChain& chain_;
  const ForwardDiscount& parity_;
  const SmileTerms& terms_;
  const Smile* earlier_;
  std::vector<FitQuote> quotes_;
  int dropped_ = 0;
  int steps_ = 0;
  double scale_ = 0.0;  // the deviation at the forward
  double lowest_ = 0.0;
  double highest_ = 0.0;
  double low_edge_ = 0.0;
  double low_slope_ = 0.0;
  double high_edge_ = 0.0;
  double high_slope_ = 0.0;
  std::vector<LognormalComponent> components_;  // weights: the rough ones
  DenseRows prices_;
  Smile smile_;
};

tl::expected<Smile, NoSmile> fit_smile(const ExpiryChain& chain, const ForwardDiscount& parity,
                                       const SmileTerms& terms, const Smile* earlier) {
  return SmileFit{chain, parity, terms, earlier}.run();
}

std::optional<double> Surface::total_variance(double k, double years) const {
  const Smile* before = nullptr;
  for (const auto& expiry : expiries) {
    if (!expiry.smile) continue;
    const Smile& after = *expiry.smile;
    if (after.years_to_expiry() < years) {
      before = &after;
      continue;
    }
    if (!(years > 0.0)) return std::nullopt;
    const double later = after.total_variance(k);
    if (!before) return later * years / after.years_to_expiry();
    const double sooner = before->total_variance(k);
    const double share =
        (years - before->years_to_expiry()) / (after.years_to_expiry() - before->years_to_expiry());
    return sooner + share * (later - sooner);
  }
  return std::nullopt;
}

Surface fit_surface(const core::ChainSnapshot& snapshot, const SurfaceTerms& terms) {
  struct Timed {
    ListedExpiry which;
    double years;
  };
  std::vector<Timed> listed;
  for (auto& which : listed_expiries(snapshot)) {
    const core::OptionContract contract{
        snapshot.underlying, which.trading_class, which.expiry, Price{}, Right::call, 100};
    listed.push_back(
        {which, core::years_act365f(snapshot.as_of, core::settlement_instant(contract))});
  }
  std::ranges::stable_sort(listed, {}, &Timed::years);
  Surface surface;
  surface.expiries.reserve(listed.size());
  const Smile* earlier = nullptr;
  for (auto& [which, years] : listed) {
    const auto fitted = [&]() -> tl::expected<Smile, NoSmile> {
      if (!(years > 0.0)) return tl::unexpected{NoSmile::no_time};
      const auto chain = select_expiry(snapshot, which);
      if (!chain) return tl::unexpected{NoSmile::inconsistent_chain};
      const auto parity = forward_and_discount(*chain, years, terms.rate);
      if (!parity) return tl::unexpected{NoSmile::no_forward};
      return fit_smile(*chain, *parity, {years, terms.style}, earlier);
    };
    surface.expiries.push_back({which, years, fitted()});
    if (surface.expiries.back().smile) earlier = &*surface.expiries.back().smile;
  }
  return surface;
}

}  // namespace bifrost::analysis
