// SPDX-License-Identifier: Apache-2.0
#include "leg_model.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bifrost/analysis/american.hpp"
#include "early_exercise.hpp"

namespace bifrost::analysis {
namespace {

// Neither so narrow that a premium, good to about a ten-millionth of the strike, shows its noise,
// nor so wide that its curvature near the exercise boundary does.
constexpr double vol_step = 2e-3;
constexpr double rate_step = 5e-4;

}  // namespace

core::Result<OptionCurve> OptionCurve::make(const Terms& terms) {
  OptionCurve curve(terms);
  if (terms.style == ExerciseStyle::european || terms.years <= 0.0) return curve;
  // Whether there is a price at all depends on rate and yield alone; at expiry it is told for
  // nothing.
  auto at_expiry = curve.inputs(terms.strike);
  at_expiry.years_to_expiry = 0.0;
  if (const auto price = american_price(terms.right, at_expiry); !price) {
    return core::fail(core::Errc::unavailable,
                      "no American price: " + std::string{to_string(price.error())});
  }
  // A call is a put with spot and strike, rate and yield exchanged.
  const bool put = terms.right == Right::put;
  const double rate = put ? terms.rate : terms.yield;
  const double yield = put ? terms.yield : terms.rate;
  if (rate > 0.0 && terms.vol * std::sqrt(terms.years) >= 1e-8) {
    curve.boundary_.emplace(terms.years, rate, yield, terms.vol);
    if (!curve.boundary_->solved()) {
      return core::fail(core::Errc::unavailable, "no exercise boundary: inputs beyond any market");
    }
  }
  return curve;
}

// Where spot is nothing, so close to nothing that no digit of a price tells.
double OptionCurve::positive(double spot) const {
  return std::max(spot, 1e-12 * terms_.strike);
}

double OptionCurve::intrinsic(double spot) const {
  return std::max(terms_.right == Right::call ? spot - terms_.strike : terms_.strike - spot, 0.0);
}

SpotInputs OptionCurve::inputs(double spot) const {
  return {spot, terms_.strike, terms_.years, terms_.rate, terms_.yield, terms_.vol};
}

double OptionCurve::price(double spot) const {
  if (terms_.years <= 0.0) return intrinsic(spot);
  const double european = black_scholes_price(terms_.right, inputs(positive(spot)));
  return terms_.style == ExerciseStyle::european ? european : european + premium(spot);
}

double OptionCurve::premium(double spot) const {
  if (terms_.style == ExerciseStyle::european || terms_.years <= 0.0) return 0.0;
  const double at = positive(spot);
  const double least = intrinsic(at) - black_scholes_price(terms_.right, inputs(at));
  if (!boundary_) return std::max(least, 0.0);
  const bool put = terms_.right == Right::put;
  const double unit = put ? terms_.strike : at;
  const double moneyness = (put ? at : terms_.strike) / unit;
  if (moneyness <= boundary_->at_start()) return least;
  return std::max({unit * boundary_->premium(moneyness), least, 0.0});
}

Valuation OptionCurve::valuation(double spot) const {
  const double at = positive(spot);
  Valuation out = black_scholes(terms_.right, inputs(at));
  if (terms_.years <= 0.0) out.price = intrinsic(spot);
  const double carry = terms_.rate - terms_.yield;
  const double believed = believable_carry(carry, terms_.years);
  if (terms_.style == ExerciseStyle::european || terms_.years <= 0.0) {
    out.theta += (carry - believed) * at * out.delta / 365.0;
    return out;
  }
  const double here = premium(at);
  // The premium is smooth on the scale of the deviation, and good to about a ten-millionth of the
  // strike, which the step must not blow up.
  const double step = at * std::clamp(0.05 * terms_.vol * std::sqrt(terms_.years), 1e-3, 1e-2);
  const double up = premium(at + step);
  const double down = premium(at - step);
  out.price += here;
  out.delta += (up - down) / (2.0 * step);
  out.gamma += (up - 2.0 * here + down) / (step * step);
  if (out.price <= intrinsic(at)) {
    // Exercised at once.
    out = {.price = intrinsic(at),
           .delta = terms_.right == Right::call ? 1.0 : -1.0,
           .gamma = 0.0,
           .theta = 0.0,
           .vega = 0.0,
           .rho = 0.0};
    return out;
  }
  // By the Black-Scholes equation, which holds wherever the option is kept.
  out.theta = (terms_.rate * out.price - believed * at * out.delta -
               0.5 * terms_.vol * terms_.vol * at * at * out.gamma) /
              365.0;
  return out;
}

LegModel::LegModel(const Leg& leg) : leg_(&leg), size_(size_of(leg)) {}

core::Result<LegModel> LegModel::make(const Leg& leg, const LegMarket& market, double spot_now,
                                      double vol_shift, Want want) {
  LegModel model(leg);
  if (leg.kind == LegKind::stock) return model;
  double left = market.years_to_expiry;
  if (left < -same_moment) {
    return core::fail(core::Errc::invalid_input,
                      "a book cannot be valued after one of its options has expired");
  }
  if (left < same_moment) left = 0.0;
  OptionCurve::Terms terms{.right = leg.kind == LegKind::call ? Right::call : Right::put,
                           .strike = leg.strike.value(),
                           .years = left,
                           .rate = 0.0,
                           .yield = 0.0,
                           .vol = market.implied_vol + vol_shift,
                           .style = market.style};
  if (!(terms.vol >= 0.0)) {
    return core::fail(core::Errc::invalid_input, "a shift of vol leaves a vol below zero");
  }
  if (left > 0.0) {
    terms.rate = -std::log(market.discount_factor) / market.years_to_expiry;
    terms.yield = terms.rate - std::log(market.forward / spot_now) / market.years_to_expiry;
  }
  BF_TRY(auto curve, OptionCurve::make(terms));
  model.curve_ = std::move(curve);
  if (want == Want::greeks && market.style == ExerciseStyle::american && left > 0.0) {
    for (const auto& [vol, rate] : {std::pair{-std::min(vol_step, terms.vol), 0.0},
                                    {vol_step, 0.0},
                                    {0.0, -rate_step},
                                    {0.0, rate_step}}) {
      auto moved = terms;
      moved.vol += vol;
      moved.rate += rate;
      auto other = OptionCurve::make(moved);
      // A rate may lie at the edge of those that have a price: the slope is then one-sided.
      if (!other && rate != 0.0) other = OptionCurve::make(terms);
      if (!other) return tl::unexpected{other.error()};
      model.moved_.push_back(*std::move(other));
    }
  }
  return model;
}

double LegModel::value(double spot) const {
  return size_ * (curve_ ? curve_->price(spot) : spot);
}

void LegModel::add_to(BookValue& total, double spot) const {
  Valuation at{.price = spot, .delta = 1.0, .gamma = 0.0, .theta = 0.0, .vega = 0.0, .rho = 0.0};
  if (curve_) {
    at = curve_->valuation(spot);
    if (!moved_.empty() && at.theta != 0.0) {
      const auto slope = [&](std::size_t low, double width) {
        return (moved_[low + 1].premium(spot) - moved_[low].premium(spot)) / width;
      };
      at.vega += slope(0, moved_[1].terms().vol - moved_[0].terms().vol);
      if (const double width = moved_[3].terms().rate - moved_[2].terms().rate; width > 0.0) {
        at.rho += slope(2, width);
      }
    }
  }
  total.value += size_ * at.price;
  total.profit += size_ * (at.price - leg_->entry_price.value());
  total.greeks.delta += size_ * at.delta;
  total.greeks.gamma += size_ * at.gamma;
  total.greeks.theta += size_ * at.theta;
  total.greeks.vega += size_ * at.vega;
  total.greeks.rho += size_ * at.rho;
}

std::vector<LegMarket> markets_after(std::span<const BookLeg> book,
                                     std::span<const LegMarket> markets, double spot_now,
                                     double days_forward) {
  std::vector<LegMarket> later(markets.begin(), markets.end());
  const LegMarket* front = nullptr;
  for (std::size_t i = 0; i < book.size(); ++i) {
    if (book[i].leg.kind == LegKind::stock || markets[i].years_to_expiry <= 0.0) continue;
    if (front == nullptr || markets[i].years_to_expiry < front->years_to_expiry)
      front = &markets[i];
  }
  const double elapsed = days_forward / 365.0;
  for (auto& market : later) market.years_to_expiry -= elapsed;
  if (front == nullptr || elapsed == 0.0) return later;
  const double share = elapsed / front->years_to_expiry;
  for (std::size_t i = 0; i < later.size(); ++i) {
    auto& market = later[i];
    market.forward *= std::pow(spot_now / front->forward, share);
    market.discount_factor *= std::pow(front->discount_factor, -share);
    if (market.style == ExerciseStyle::american && book[i].leg.kind != LegKind::stock) {
      market.discount_factor = american_discount(
          book[i].leg.kind == LegKind::call ? Right::call : Right::put, market.forward / spot_now,
          market.discount_factor, market.years_to_expiry);
    }
  }
  return later;
}

double american_discount(Right right, double growth, double discount_factor, double years) {
  if (!(years > same_moment)) return discount_factor;
  const double rate = -std::log(discount_factor) / years;
  // At expiry whether there is a price is told for nothing.
  const SpotInputs at_expiry{1.0, 1.0, 0.0, rate, rate - std::log(growth) / years, 0.2};
  const auto price = american_price(right, at_expiry);
  const bool two_boundaries = !price && price.error() == NoAmericanPrice::two_boundaries;
  return two_boundaries ? std::min(1.0, 1.0 / growth) : discount_factor;
}

core::Result<double> early_exercise_value(const Leg& leg, const LegMarket& market,
                                          const LegMarket& front, double spot_now) {
  if (leg.kind == LegKind::stock || market.style == ExerciseStyle::european ||
      market.years_to_expiry < same_moment) {
    return 0.0;
  }
  const double left = market.years_to_expiry - front.years_to_expiry;
  if (left < same_moment && market.exercise) return market.exercise->right;
  const double vol = market.exercise ? market.exercise->vol : market.implied_vol;
  const auto terms_of = [&](double years, double discount_factor, double growth) {
    const double rate = -std::log(discount_factor) / years;
    return OptionCurve::Terms{.right = leg.kind == LegKind::call ? Right::call : Right::put,
                              .strike = leg.strike.value(),
                              .years = years,
                              .rate = rate,
                              .yield = rate - std::log(growth) / years,
                              .vol = vol,
                              .style = market.style};
  };
  BF_TRY(const auto now, OptionCurve::make(terms_of(market.years_to_expiry, market.discount_factor,
                                                    market.forward / spot_now)));
  const double right_now = market.exercise ? market.exercise->right : now.premium(spot_now);
  if (left < same_moment) return right_now;

  const double growth = market.forward / front.forward;
  const double discount = american_discount(now.terms().right, growth,
                                            market.discount_factor / front.discount_factor, left);
  BF_TRY(const auto later, OptionCurve::make(terms_of(left, discount, growth)));
  const auto european = [&](double discount_factor) {
    return black_scholes_price(now.terms().right,
                               ForwardInputs{.forward = market.forward,
                                             .strike = now.terms().strike,
                                             .years_to_expiry = market.years_to_expiry,
                                             .discount_factor = discount_factor,
                                             .vol = vol});
  };
  // The trapezoidal rule on a normal: a premium bends, but has no corner.
  constexpr double most_deviations = 8.0;
  constexpr int nodes = 129;
  constexpr double step = 2.0 * most_deviations / (nodes - 1);
  const double deviation = vol * std::sqrt(front.years_to_expiry);
  double mean = 0.0;
  for (int i = 0; i < nodes; ++i) {
    const double z = -most_deviations + i * step;
    const double spot = front.forward * std::exp(deviation * (z - 0.5 * deviation));
    mean += std::exp(-0.5 * z * z) * later.premium(spot);
  }
  mean *= step * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return right_now - front.discount_factor * mean + european(market.discount_factor) -
         european(front.discount_factor * discount);
}

core::Result<void> check_book(std::span<const BookLeg> book, std::span<const LegMarket> markets,
                              double spot) {
  const auto refuse = [](const char* what) { return core::fail(core::Errc::invalid_input, what); };
  const auto positive = [](double value) { return std::isfinite(value) && value > 0.0; };
  if (book.empty()) return refuse("the value of no legs at all");
  if (book.size() != markets.size()) return refuse("legs and their markets differ in number");
  if (!positive(spot)) return refuse("the price of the underlying is not positive");
  for (std::size_t i = 0; i < book.size(); ++i) {
    const Leg& leg = book[i].leg;
    if (leg.kind == LegKind::stock) continue;
    const auto& market = markets[i];
    if (leg.strike <= Price{}) return refuse("an option with a strike that is not positive");
    if (leg.multiplier <= 0) return refuse("an option with no multiplier");
    if (!std::isfinite(market.years_to_expiry) || market.years_to_expiry < 0.0) {
      return refuse("an option that has expired");
    }
    if (!positive(market.forward) || !positive(market.discount_factor)) {
      return refuse("a forward or a discount factor that is not positive");
    }
    if (!std::isfinite(market.implied_vol) || market.implied_vol < 0.0 ||
        (market.exercise && !positive(market.exercise->vol))) {
      return refuse("a vol that is negative or not finite");
    }
    if (market.exercise && !(market.exercise->right >= 0.0)) {
      return refuse("a right to exercise that is worth less than nothing");
    }
  }
  return {};
}

}  // namespace bifrost::analysis
