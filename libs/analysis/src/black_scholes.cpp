// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/black_scholes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace bifrost::analysis {
namespace {

constexpr double days_per_year = 365.0;
constexpr double inv_sqrt_2pi = 0.398942280401432677939946059934;
constexpr double log_inv_sqrt_2pi = -0.918938533204672741780329736406;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double epsilon = std::numeric_limits<double>::epsilon();

double log_ratio(double a, double b) {
  const double gap = (a - b) / b;
  return std::abs(gap) < 0.1 ? std::log1p(gap) : std::log(a / b);
}

// The out-of-the-money option in units of sqrt(forward * strike), as a function of x = -|ln(F/K)|
// and the total deviation s = vol * sqrt(T). Following Jaeckel (2015), h = x/s, t = s/2:
//   price = slope * [Y(h + t) - Y(h - t)],  slope = d price / ds = n(sqrt(h^2 + t^2)),  Y = N/n,
// and exp(x/2) N(h + t) = slope * Y(h + t), exp(-x/2) N(h - t) = slope * Y(h - t).
struct Normalised {
  double log_slope;
  double slope;
  double over_slope;  // price / slope
  double price;
  double near_cdf;  // N(h + t)
  double far_cdf;   // N(h - t)
};

// `root` is exp(x/2).
Normalised normalised_otm(double x, double root, double s) {
  const double h = x / s;
  const double t = 0.5 * s;
  const double log_slope = log_inv_sqrt_2pi - 0.5 * (h * h + t * t);
  const double slope = std::exp(log_slope);
  if (t < 0.1 && h * t > -0.5) {
    // The difference of two nearly equal values of Y, by Taylor's series about h:
    // Y' = 1 + h Y, and each further derivative from the two before it.
    const double y = cdf_over_density(h);
    double before = y;
    double now = 1.0 + h * y;
    double odd_terms = 0.0;
    double even_terms = y;
    double power = t;
    for (int n = 1; n <= 13; n += 2) {
      odd_terms += power * now;
      const double even = n * before + h * now;
      even_terms += power * t / (n + 1) * even;
      const double odd = (n + 1) * now + h * even;
      before = even;
      now = odd;
      power *= t * t / ((n + 1) * (n + 2));
    }
    return {.log_slope = log_slope,
            .slope = slope,
            .over_slope = 2.0 * odd_terms,
            .price = slope * 2.0 * odd_terms,
            .near_cdf = slope * (even_terms + odd_terms) / root,
            .far_cdf = slope * (even_terms - odd_terms) * root};
  }
  if (h + t < -4.0) {
    const double near = cdf_over_density(h + t);
    const double far = cdf_over_density(h - t);
    return {.log_slope = log_slope,
            .slope = slope,
            .over_slope = near - far,
            .price = slope * (near - far),
            .near_cdf = slope * near / root,
            .far_cdf = slope * far * root};
  }
  const double near_cdf = normal_cdf(h + t);
  const bool far_tail = h - t < -4.0;
  const double far_y = far_tail ? cdf_over_density(h - t) : 0.0;
  const double far_cdf = far_tail ? slope * far_y * root : normal_cdf(h - t);
  const double loss = far_tail ? slope * far_y : far_cdf / root;
  const double price = std::max(root * near_cdf - loss, 0.0);
  return {.log_slope = log_slope,
          .slope = slope,
          .over_slope = price / slope,
          .price = price,
          .near_cdf = near_cdf,
          .far_cdf = far_cdf};
}

// exp(x/2) - price, the distance to the upper bound, without cancellation.
double normalised_room(double x, double root, double s) {
  const double h = x / s;
  const double t = 0.5 * s;
  const double slope = std::exp(log_inv_sqrt_2pi - 0.5 * (h * h + t * t));
  const double loss = h - t < -4.0 ? slope * cdf_over_density(h - t) : normal_cdf(h - t) / root;
  return root * normal_cdf(-h - t) + loss;
}

double intrinsic_value(Right right, double forward, double strike) {
  return std::max(right == Right::call ? forward - strike : strike - forward, 0.0);
}

// Moneyness as the solver and the prices need it.
struct Moneyness {
  Moneyness(double forward, double strike)
      : x(-std::abs(log_ratio(forward, strike))),
        root(std::sqrt(std::min(forward, strike) / std::max(forward, strike))),
        unit(std::max(forward, strike) * root) {}
  double x;     // -|ln(F/K)|
  double root;  // exp(x/2), also the upper bound of the normalised price
  double unit;  // sqrt(F * K)
};

// One equation for s, in the form that is closest to a straight line where the solution lies:
// log price below the inflection point of the price, price itself around it, log of the room left
// to the bound above.
class DeviationEquation {
 public:
  DeviationEquation(double x, double root, double price)
      : x_(x), root_(root), price_(price), room_(root - price) {
    inflection_ = std::sqrt(2.0 * std::abs(x));
    if (inflection_ > 0.0) {
      const auto at = normalised_otm(x, root, inflection_);
      price_at_inflection_ = at.price;
      slope_at_inflection_ = at.slope;
    } else {
      price_at_inflection_ = 0.0;
      slope_at_inflection_ = inv_sqrt_2pi;
    }
    if (price < price_at_inflection_) {
      form_ = Form::log_price;
    } else if (price < 0.5 * (price_at_inflection_ + root)) {
      form_ = Form::price;
    } else {
      form_ = Form::log_room;
    }
  }

  double start() const {
    if (form_ == Form::log_room) {
      const double p = room_ / (2.0 * std::cosh(0.5 * x_));
      return std::max(inflection_, -2.0 * normal_quantile(std::min(p, 0.5)));
    }
    const double tangent = inflection_ + (price_ - price_at_inflection_) / slope_at_inflection_;
    if (form_ == Form::price || tangent > 0.5 * inflection_) return tangent;
    // Jaeckel's lower map, (2 pi |x| / 3 sqrt 3) N(x / (sqrt 3 s))^3, inverted.
    const double p =
        std::numbers::sqrt3 * std::cbrt(price_ / (2.0 * std::numbers::pi * std::abs(x_)));
    const double q = normal_quantile(std::clamp(p, 1e-300, 0.499));
    return std::min(std::abs(x_) / (std::numbers::sqrt3 * -q), inflection_);
  }

  struct Step {
    double value;  // same sign as s - solution
    double next;   // Householder's third-order step from s
  };
  Step step(double s) const {
    const double b2 = x_ * x_ / (s * s * s) - 0.25 * s;
    const double b3 = b2 * b2 - 3.0 * x_ * x_ / (s * s * s * s) - 0.25;
    double value = 0.0;
    double d1 = 0.0;
    double g2 = 0.0;
    double g3 = 0.0;
    if (form_ == Form::log_price) {
      const auto at = normalised_otm(x_, root_, s);
      const double r = 1.0 / at.over_slope;
      value = at.log_slope + std::log(at.over_slope) - std::log(price_);
      d1 = r;
      g2 = b2 - r;
      g3 = b3 - 3.0 * r * b2 + 2.0 * r * r;
    } else if (form_ == Form::price) {
      const auto at = normalised_otm(x_, root_, s);
      value = at.price - price_;
      d1 = at.slope;
      g2 = b2;
      g3 = b3;
    } else {
      const double room = normalised_room(x_, root_, s);
      const double h = x_ / s;
      const double q = std::exp(log_inv_sqrt_2pi - 0.5 * h * h - 0.125 * s * s) / room;
      value = std::log(room_ / room);
      d1 = q;
      g2 = b2 + q;
      g3 = b3 + 3.0 * q * b2 + 2.0 * q * q;
    }
    const double newton = -value / d1;
    const double top = 1.0 + 0.5 * g2 * newton;
    const double bottom = 1.0 + newton * (g2 + g3 * newton / 6.0);
    const double factor = top > 0.0 && bottom > 0.0 ? top / bottom : 1.0;
    return {value, s + newton * factor};
  }

 private:
  enum class Form { log_price, price, log_room };
  double x_;
  double root_;
  double price_;
  double room_;
  double inflection_;
  double price_at_inflection_;
  double slope_at_inflection_;
  Form form_;
};

double solve_deviation(double x, double root, double price) {
  const DeviationEquation equation(x, root, price);
  double low = 0.0;
  double high = infinity;
  double s = equation.start();
  if (!(s > 0.0)) s = 1e-3;
  for (int i = 0; i < 100; ++i) {
    const auto [value, proposal] = equation.step(s);
    if (value == 0.0) return s;
    (value < 0.0 ? low : high) = s;
    double next = proposal;
    if (!(next > low && next < high)) {
      next = high == infinity ? 2.0 * s : 0.5 * (low + high);
    }
    const double moved = std::abs(next - s);
    s = next;
    if (moved <= 2.0 * epsilon * s) break;
  }
  return s;
}

bool positive(double value) {
  return std::isfinite(value) && value > 0.0;
}

}  // namespace

double normal_density(double x) {
  return inv_sqrt_2pi * std::exp(-0.5 * x * x);
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

// Below -4 by Laplace's continued fraction, where erfc would lose digits and then underflow.
double cdf_over_density(double z) {
  if (z >= -4.0) {
    return 0.5 * std::erfc(-z / std::numbers::sqrt2) * std::exp(0.5 * z * z) / inv_sqrt_2pi;
  }
  const double a = -z;
  double tail = a;
  for (int n = z < -10.0 ? 20 : 80; n > 0; --n) tail = a + n / tail;
  return 1.0 / tail;
}

double normal_quantile(double p) {
  if (p <= 0.0) return -infinity;
  if (p >= 1.0) return infinity;
  if (p > 0.5) return -normal_quantile(1.0 - p);
  // Acklam's rational approximation (relative error 1.2e-9), polished by one Halley step.
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                          6.680131188771972e+01, -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                          3.754408661907416e+00};
  double x = 0.0;
  if (p < 0.02425) {
    const double q = std::sqrt(-2.0 * std::log(p));
    x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
        ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1.0);
  } else {
    const double q = p - 0.5;
    const double r = q * q;
    x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
        (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1.0);
  }
  if (x > -37.4) {
    const double u = (normal_cdf(x) - p) / normal_density(x);
    x -= u / (1.0 + 0.5 * x * u);
  }
  return x;
}

double black_scholes_price(Right right, const ForwardInputs& in) {
  const double intrinsic = intrinsic_value(right, in.forward, in.strike);
  const double s = in.vol * std::sqrt(in.years_to_expiry);
  if (s <= 0.0) return in.discount_factor * intrinsic;
  const Moneyness at(in.forward, in.strike);
  return in.discount_factor * (intrinsic + at.unit * normalised_otm(at.x, at.root, s).price);
}

double black_scholes_price(Right right, const SpotInputs& in) {
  const double t = in.years_to_expiry;
  return black_scholes_price(right,
                             {.forward = in.spot * std::exp((in.rate - in.dividend_yield) * t),
                              .strike = in.strike,
                              .years_to_expiry = t,
                              .discount_factor = std::exp(-in.rate * t),
                              .vol = in.vol});
}

Valuation black_scholes(Right right, const ForwardInputs& in) {
  const double root_t = std::sqrt(in.years_to_expiry);
  const double s = in.vol * root_t;
  const double rate =
      in.years_to_expiry > 0.0 ? -std::log(in.discount_factor) / in.years_to_expiry : 0.0;
  double undiscounted = intrinsic_value(right, in.forward, in.strike);
  double call_delta = 0.5;  // N(d1)
  double put_delta = -0.5;  // -N(-d1)
  double density = 0.0;     // forward * n(d1)
  if (s > 0.0) {
    const Moneyness at(in.forward, in.strike);
    const auto otm = normalised_otm(at.x, at.root, s);
    undiscounted += at.unit * otm.price;
    call_delta = in.forward <= in.strike ? otm.near_cdf : 1.0 - otm.far_cdf;
    put_delta = in.forward <= in.strike ? otm.near_cdf - 1.0 : -otm.far_cdf;
    density = at.unit * otm.slope;
  } else if (in.forward != in.strike) {
    call_delta = in.forward > in.strike ? 1.0 : 0.0;
    put_delta = call_delta - 1.0;
  } else {
    density = in.forward * inv_sqrt_2pi;
  }
  const double price = in.discount_factor * undiscounted;
  const double decay = s > 0.0 ? -0.5 * in.discount_factor * density * in.vol / root_t : 0.0;
  return {
      .price = price,
      .delta = in.discount_factor * (right == Right::call ? call_delta : put_delta),
      .gamma = s > 0.0 ? in.discount_factor * density / (in.forward * in.forward * s) : 0.0,
      .theta = (decay + rate * price) / days_per_year,
      .vega = in.discount_factor * density * root_t,
      .rho = -in.years_to_expiry * price,
  };
}

Valuation black_scholes(Right right, const SpotInputs& in) {
  const double t = in.years_to_expiry;
  const double growth = std::exp((in.rate - in.dividend_yield) * t);
  const auto at_forward = black_scholes(right, {.forward = in.spot * growth,
                                                .strike = in.strike,
                                                .years_to_expiry = t,
                                                .discount_factor = std::exp(-in.rate * t),
                                                .vol = in.vol});
  const double carry = (in.rate - in.dividend_yield) * in.spot * growth * at_forward.delta;
  return {
      .price = at_forward.price,
      .delta = at_forward.delta * growth,
      .gamma = at_forward.gamma * growth * growth,
      // The forward shrinks towards spot as time passes. The discount rate is taken from `rate`,
      // which at_forward cannot recover at expiry.
      .theta = at_forward.theta - carry / days_per_year +
               (t > 0.0 ? 0.0 : in.rate * at_forward.price / days_per_year),
      .vega = at_forward.vega,
      .rho = at_forward.rho + t * in.spot * growth * at_forward.delta,
  };
}

std::string_view to_string(NoImpliedVol why) {
  switch (why) {
    case NoImpliedVol::below_intrinsic:
      return "below_intrinsic";
    case NoImpliedVol::no_time_value:
      return "no_time_value";
    case NoImpliedVol::above_bound:
      return "above_bound";
    case NoImpliedVol::expired:
      return "expired";
    case NoImpliedVol::not_finite:
      return "not_finite";
  }
  return "unknown";
}

tl::expected<double, NoImpliedVol> implied_vol(Right right, const ImpliedVolInputs& in) {
  if (!std::isfinite(in.price) || !std::isfinite(in.years_to_expiry) || !positive(in.forward) ||
      !positive(in.strike) || !positive(in.discount_factor)) {
    return tl::unexpected{NoImpliedVol::not_finite};
  }
  if (in.years_to_expiry <= 0.0) return tl::unexpected{NoImpliedVol::expired};

  const double intrinsic = intrinsic_value(right, in.forward, in.strike);
  const double time_value = in.price / in.discount_factor - intrinsic;
  // Above intrinsic value the price was rounded at its own size: less than that is noise.
  const double noise = intrinsic > 0.0 ? 8.0 * epsilon * std::max(in.forward, in.strike) : 0.0;
  if (time_value < -noise) return tl::unexpected{NoImpliedVol::below_intrinsic};
  if (time_value <= noise) return tl::unexpected{NoImpliedVol::no_time_value};

  const Moneyness at(in.forward, in.strike);
  const double price = time_value / at.unit;
  if (price >= at.root) return tl::unexpected{NoImpliedVol::above_bound};
  return solve_deviation(at.x, at.root, price) / std::sqrt(in.years_to_expiry);
}

}  // namespace bifrost::analysis
