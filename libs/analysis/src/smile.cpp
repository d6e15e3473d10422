// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/smile.hpp"

#include <algorithm>
#include <cmath>

#include "bifrost/core/calendar.hpp"
#include "mixture.hpp"

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
    case NoSmile::no_american_price:
      return "no_american_price";
    case NoSmile::inconsistent_chain:
      return "inconsistent_chain";
    case NoSmile::too_few_quotes:
      return "too_few_quotes";
    case NoSmile::no_arbitrage_free_fit:
      return "no_arbitrage_free_fit";
  }
  return "unknown";
}

double Smile::call(double strike) const {
  return forward_ * option_on_mixture(Right::call, components_, strike / forward_);
}

double Smile::put(double strike) const {
  return forward_ * option_on_mixture(Right::put, components_, strike / forward_);
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
  return g_of_mixture(components_, k, std::sqrt(total_variance(k)));
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

namespace {

NoSmile reason_of(NoForward why) {
  switch (why) {
    case NoForward::too_few_pairs:
    case NoForward::not_positive:
      return NoSmile::no_forward;
    case NoForward::no_spot:
      return NoSmile::no_spot;
    case NoForward::no_american_price:
      return NoSmile::no_american_price;
  }
  return NoSmile::no_forward;
}

}  // namespace

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
      const auto parity = forward_and_discount(*chain, years, terms.rate, terms.style);
      if (!parity) return tl::unexpected{reason_of(parity.error())};
      return fit_smile(*chain, *parity, {years, terms.style}, earlier);
    };
    surface.expiries.push_back({which, years, fitted()});
    if (surface.expiries.back().smile) earlier = &*surface.expiries.back().smile;
  }
  return surface;
}

}  // namespace bifrost::analysis
