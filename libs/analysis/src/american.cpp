// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/american.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "bifrost/analysis/chain_pricing.hpp"
#include "bifrost/core/result.hpp"
#include "exercise_boundary.hpp"
#include "kernels/dispatch.hpp"

namespace bifrost::analysis {
namespace {

using kernels::PremiumTable;

bool positive(double value) {
  return std::isfinite(value) && value > 0.0;
}

/// A call seen as a put: spot and strike, rate and yield change places.
struct AsPut {
  double rate;
  double yield;
};
AsPut as_put(Right right, double rate, double yield) {
  return right == Right::put ? AsPut{rate, yield} : AsPut{yield, rate};
}

enum class Exercise { never_early, below_a_boundary };
tl::expected<Exercise, NoAmericanPrice> exercise_of(const AsPut& put) {
  // What early exercise earns is interest on the strike: of this little, no digit shows.
  constexpr double nothing = 1e-10;
  if (std::abs(put.rate) <= nothing && put.yield >= 0.0) return Exercise::never_early;
  if (put.rate > 0.0) return Exercise::below_a_boundary;
  // Without interest on the strike nothing is gained by having it sooner.
  if (put.yield >= put.rate) return Exercise::never_early;
  return tl::unexpected{NoAmericanPrice::two_boundaries};
}

double intrinsic_value(Right right, double spot, double strike) {
  return std::max(right == Right::call ? spot - strike : strike - spot, 0.0);
}

/// By the Black-Scholes equation, which holds wherever the option is kept. Per calendar day.
double theta_while_kept(const Valuation& at, const SpotInputs& in) {
  const double s = in.spot;
  return (in.rate * at.price - (in.rate - in.dividend_yield) * s * at.delta -
          0.5 * in.vol * in.vol * s * s * at.gamma) /
         365.0;
}

/// The boundaries at the vols of a table's nodes.
using Boundaries = std::vector<ExerciseBoundary>;

/// Nodes in ln vol that leave no more to see than those of the widest table do.
int nodes_along(double half_width) {
  return std::min(PremiumTable::along, static_cast<int>(std::ceil(5.0 + 9.5 * half_width)));
}

/// `nearby`: the boundaries of a table whose rate is nearly the same, or nothing.
Boundaries fill(PremiumTable& table, Right right, const AmericanTerms& terms, const VolRange& vols,
                const Boundaries& nearby) {
  constexpr int across = PremiumTable::across;
  table = {};
  table.root_years = std::sqrt(terms.years_to_expiry);
  table.sign = right == Right::put ? -1.0 : 1.0;
  table.middle = 0.5 * (std::log(vols.lowest) + std::log(vols.highest));
  // Of no width it has no slope in vol.
  table.half_width = std::max(0.5 * (std::log(vols.highest) - std::log(vols.lowest)), 0.05);
  const int along = nodes_along(table.half_width);
  const auto put = as_put(right, terms.rate, terms.dividend_yield);
  const auto angle = [](int i, int n) { return std::numbers::pi * (i + 0.5) / n; };
  Boundaries boundaries;
  boundaries.reserve(static_cast<std::size_t>(along));
  std::array<double, PremiumTable::along> log_boundary{};
  std::array<double, static_cast<std::size_t>(across * PremiumTable::along)> values{};
  for (int a = 0; a < along; ++a) {
    const double vol = std::exp(table.middle + table.half_width * std::cos(angle(a, along)));
    const double years = terms.years_to_expiry;
    if (!nearby.empty()) {
      boundaries.emplace_back(years, put.rate, put.yield, vol,
                              std::span(nearby).subspan(static_cast<std::size_t>(a), 1));
    } else if (a > 0) {
      const std::span<const ExerciseBoundary> before(boundaries);
      boundaries.emplace_back(years, put.rate, put.yield, vol,
                              before.last(static_cast<std::size_t>(std::min(a, 4))));
    } else {
      boundaries.emplace_back(years, put.rate, put.yield, vol);
    }
    auto& boundary = boundaries.back();
    // Others may be a bad start.
    if (!boundary.solved()) boundary = ExerciseBoundary(years, put.rate, put.yield, vol);
    if (!boundary.solved()) return boundaries;
    const double start = boundary.at_start();
    log_boundary[static_cast<std::size_t>(a)] = std::log(start);
    std::array<double, across> spots{};
    std::array<double, across> premiums{};
    std::size_t near = 0;  // beyond the rest there is no premium
    for (int x = across; x-- > 0;) {
      const double y = std::cos(angle(x, across));
      const double xi = PremiumTable::scale * (1.0 + y) / (1.0 - y);
      if (xi <= 40.0) spots[near++] = start * std::exp(xi * vol * table.root_years);
    }
    boundary.premiums(std::span(spots).first(near), premiums);
    for (int x = 0; x < across; ++x) {
      values[static_cast<std::size_t>(x * along + a)] =
          premiums[static_cast<std::size_t>(across - 1 - x)];
    }
  }
  for (int k = 0; k < along; ++k) {
    double sum = 0.0;
    for (int a = 0; a < along; ++a) {
      sum += log_boundary[static_cast<std::size_t>(a)] * std::cos(k * angle(a, along));
    }
    table.log_boundary[k] = sum * (k == 0 ? 1.0 : 2.0) / along;
  }
  // One direction after the other.
  std::array<double, static_cast<std::size_t>(across * PremiumTable::along)> half{};
  for (int j = 0; j < across; ++j) {
    for (int x = 0; x < across; ++x) {
      const double weight = std::cos(j * angle(x, across)) * (j == 0 ? 1.0 : 2.0) / across;
      for (int a = 0; a < along; ++a) {
        half[static_cast<std::size_t>(j * along + a)] +=
            weight * values[static_cast<std::size_t>(x * along + a)];
      }
    }
  }
  for (int k = 0; k < along; ++k) {
    for (int a = 0; a < along; ++a) {
      const double weight = std::cos(k * angle(a, along)) * (k == 0 ? 1.0 : 2.0) / along;
      for (int j = 0; j < across; ++j) {
        table.premium[k * across + j] += weight * half[static_cast<std::size_t>(j * along + a)];
      }
    }
  }
  // Most of the series has died out long before its last terms: what is left out of a column sums
  // to less than a 500 millionth of the strike, or of a premium that is small itself.
  double largest = 0.0;
  for (const double c : table.premium) largest = std::max(largest, std::abs(c));
  const double negligible = 2e-9 * std::min(1.0, 1e3 * largest);
  for (int part = 0; part < PremiumTable::parts; ++part) table.used[part] = 1;
  for (int j = 0; j < across; ++j) {
    int used = along;
    double left_out = 0.0;
    while (used > 1) {
      left_out += std::abs(table.premium[(used - 1) * across + j]);
      if (left_out > negligible) break;
      --used;
    }
    int& of_part = table.used[j / (across / PremiumTable::parts)];
    of_part = std::max(of_part, used);
  }
  return boundaries;
}

}  // namespace

std::string_view to_string(NoAmericanPrice why) {
  switch (why) {
    case NoAmericanPrice::two_boundaries:
      return "two_boundaries";
    case NoAmericanPrice::not_finite:
      return "not_finite";
    case NoAmericanPrice::not_solved:
      return "not_solved";
  }
  return "unknown";
}

tl::expected<double, NoAmericanPrice> american_price(Right right, const SpotInputs& in) {
  if (!positive(in.spot) || !positive(in.strike) || !std::isfinite(in.years_to_expiry) ||
      !std::isfinite(in.rate) || !std::isfinite(in.dividend_yield) || !std::isfinite(in.vol) ||
      in.years_to_expiry < 0.0 || in.vol < 0.0) {
    return tl::unexpected{NoAmericanPrice::not_finite};
  }
  const auto put = as_put(right, in.rate, in.dividend_yield);
  const auto exercise = exercise_of(put);
  if (!exercise) return tl::unexpected{exercise.error()};
  const double now = intrinsic_value(right, in.spot, in.strike);
  const double european = black_scholes_price(right, in);
  const double deviation = in.vol * std::sqrt(in.years_to_expiry);
  // A million years of growth are no number.
  if (!std::isfinite(european)) return tl::unexpected{NoAmericanPrice::not_finite};
  if (*exercise == Exercise::never_early || deviation < 1e-8) return std::max(european, now);
  const ExerciseBoundary boundary(in.years_to_expiry, put.rate, put.yield, in.vol);
  if (!boundary.solved()) return tl::unexpected{NoAmericanPrice::not_solved};
  const bool is_put = right == Right::put;
  const double unit = is_put ? in.strike : in.spot;
  const double spot = (is_put ? in.spot : in.strike) / unit;
  if (spot <= boundary.at_start()) return now;
  const double premium = boundary.premium(spot);
  if (!std::isfinite(premium)) return tl::unexpected{NoAmericanPrice::not_solved};
  return std::max(european + unit * premium, now);
}

tl::expected<double, NoAmericanPrice> american_rho(Right right, const SpotInputs& in) {
  const double step = 1e-4;
  const auto at = [&](double rate) {
    SpotInputs moved = in;
    moved.rate = rate;
    return american_price(right, moved);
  };
  const auto dear = at(in.rate + step);
  // At rate zero the lower rate may be one that has two boundaries.
  const auto cheap = at(in.rate - step);
  const auto low = cheap ? cheap : at(in.rate);
  if (!dear || !low) return tl::unexpected{NoAmericanPrice::two_boundaries};
  return (*dear - *low) / (cheap ? 2.0 * step : step);
}

tl::expected<Valuation, NoAmericanPrice> american_valuation(Right right, const SpotInputs& in) {
  const auto mid = american_price(right, in);
  if (!mid) return tl::unexpected{mid.error()};
  const auto price = [&](double SpotInputs::* input, double value) {
    SpotInputs moved = in;
    moved.*input = value;
    return american_price(right, moved);
  };
  const double ds = 1e-3 * in.spot;
  const double dv = 1e-3 * std::max(in.vol, 0.1);
  const double low_vol = std::max(in.vol - dv, 0.0);
  const auto up = price(&SpotInputs::spot, in.spot + ds);
  const auto down = price(&SpotInputs::spot, in.spot - ds);
  const auto more = price(&SpotInputs::vol, in.vol + dv);
  const auto less = price(&SpotInputs::vol, low_vol);
  const auto rho = american_rho(right, in);
  for (const auto* each : {&up, &down, &more, &less, &rho}) {
    if (!*each) return tl::unexpected{each->error()};
  }
  Valuation at{.price = *mid,
               .delta = (*up - *down) / (2.0 * ds),
               .gamma = (*up - 2.0 * *mid + *down) / (ds * ds),
               .theta = 0.0,
               .vega = (*more - *less) / (in.vol + dv - low_vol),
               .rho = *rho};
  if (at.price > intrinsic_value(right, in.spot, in.strike)) at.theta = theta_while_kept(at, in);
  return at;
}

tl::expected<double, NoImpliedVol> american_implied_vol(Right right, double price, SpotInputs in) {
  in.vol = 0.0;
  const auto still = american_price(right, in);
  if (!still || !std::isfinite(price)) return tl::unexpected{NoImpliedVol::not_finite};
  if (in.years_to_expiry == 0.0) return tl::unexpected{NoImpliedVol::expired};
  const double noise = 8.0 * std::numeric_limits<double>::epsilon() * std::max(in.spot, in.strike);
  if (price < *still - noise) return tl::unexpected{NoImpliedVol::below_intrinsic};
  if (price <= *still + noise) return tl::unexpected{NoImpliedVol::no_time_value};
  if (price >= (right == Right::call ? in.spot : in.strike)) {
    return tl::unexpected{NoImpliedVol::above_bound};
  }
  double low = 0.0;
  double high = std::numeric_limits<double>::infinity();
  const auto gap_at = [&](double vol) {
    in.vol = vol;
    return american_price(right, in).value_or(std::numeric_limits<double>::quiet_NaN()) - price;
  };
  double vol = 0.3;
  // Halving alone would take sixty rounds.
  for (int round = 0; round < 100; ++round) {
    const double gap = gap_at(vol);
    if (!std::isfinite(gap)) return tl::unexpected{NoImpliedVol::not_finite};
    if (gap == 0.0) return vol;
    (gap < 0.0 ? low : high) = vol;
    const double step = 1e-4 * vol;
    double next = vol - gap * step / (gap_at(vol + step) - gap);
    if (!(next > low && next < high)) next = std::isinf(high) ? 2.0 * vol : 0.5 * (low + high);
    const double moved = std::abs(next - vol);
    vol = next;
    if (moved <= 1e-9 * next) break;
  }
  return vol;
}

bool assignment_is_likely(double dividend, double time_value) {
  return dividend > time_value;
}

std::string_view to_string(NoExercise why) {
  switch (why) {
    case NoExercise::before_expiry:
      return "before_expiry";
    case NoExercise::worthless:
      return "worthless";
  }
  return "unknown";
}

tl::expected<double, NoExercise> exercise_value(ExerciseStyle style, Right right, double spot,
                                                double strike, double years_to_expiry) {
  if (style == ExerciseStyle::european && years_to_expiry > 0.0) {
    return tl::unexpected{NoExercise::before_expiry};
  }
  const double value = intrinsic_value(right, spot, strike);
  if (!(value > 0.0)) return tl::unexpected{NoExercise::worthless};
  return value;
}

tl::expected<AssignmentRisk, NoExercise> assignment_risk(ExerciseStyle style, const ShortCall& call,
                                                         double dividend) {
  const auto value =
      exercise_value(style, Right::call, call.spot, call.strike, call.years_to_expiry);
  if (!value) return tl::unexpected{value.error()};
  const double time_value = call.price - *value;
  return AssignmentRisk{.time_value = time_value,
                        .gain = dividend - time_value,
                        .likely = assignment_is_likely(dividend, time_value)};
}

// ---- the table

struct AmericanSurface::Impl {
  AmericanTerms terms;
  Right right;
  Exercise exercise;
  VolRange covered;
  // Rates a little lower and higher, for rho.
  double lower_rate;
  double higher_rate;
  bool has_rho;
  struct Tables {
    PremiumTable mid;
    PremiumTable lower;
    PremiumTable higher;
  };
  std::shared_ptr<const Tables> tables;  // none where nothing is exercised early

  /// What 1 stands for in the table, whose put is on a strike of 1.
  double unit(double strike) const { return right == Right::put ? strike : terms.spot; }
  ExpiryTerms european() const { return european(terms.rate); }
  ExpiryTerms european(double rate) const {
    const double t = terms.years_to_expiry;
    return {terms.spot * std::exp((rate - terms.dividend_yield) * t), std::exp(-rate * t), t};
  }
  kernels::Spot spot() const { return {terms.spot, std::log(terms.spot)}; }
  /// False: a boundary was not found.
  bool fill();
  void rhos(const ContractColumns& contracts, std::span<const double> vols,
            std::vector<double>& out) const;
  /// All but rho.
  void value(const ContractColumns& contracts, std::span<const double> vols, Columns& out) const;
  void check(const ContractColumns& contracts, std::size_t others) const {
    if (contracts.size() != others) core::panic("contracts and columns are not parallel");
    for (std::size_t i = 0; i < contracts.size(); ++i) {
      if (contracts.right(i) != right) core::panic("a contract of the other right");
    }
  }
  /// Beyond the table.
  Valuation careful(double strike, double vol) const {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    return american_valuation(right, {terms.spot, strike, terms.years_to_expiry, terms.rate,
                                      terms.dividend_yield, vol})
        .value_or(Valuation{none, none, none, none, none, none});
  }
  bool covers(double vol) const {
    return exercise == Exercise::never_early || (vol >= covered.lowest && vol <= covered.highest);
  }
};

bool AmericanSurface::Impl::fill() {
  const auto solved = [](const Boundaries& boundaries) { return boundaries.back().solved(); };
  const auto made = std::make_shared<Tables>();
  const auto boundaries = analysis::fill(made->mid, right, terms, covered, {});
  if (!solved(boundaries)) return false;
  tables = made;
  if (!has_rho) return true;
  AmericanTerms other = terms;
  other.rate = higher_rate;
  if (!solved(analysis::fill(made->higher, right, other, covered, boundaries))) return false;
  other.rate = lower_rate;
  return solved(analysis::fill(made->lower, right, other, covered, boundaries));
}

void AmericanSurface::Impl::rhos(const ContractColumns& contracts, std::span<const double> vols,
                                 std::vector<double>& out) const {
  ValuationColumns low;
  ValuationColumns high;
  price_chain(contracts, european(lower_rate), vols, low);
  price_chain(contracts, european(higher_rate), vols, high);
  if (exercise == Exercise::below_a_boundary) {
    const auto columns = ChainKernels::of(contracts);
    kernels::current().exercise_all(tables->lower, spot(), columns, vols.data(), low.price.data());
    kernels::current().exercise_all(tables->higher, spot(), columns, vols.data(),
                                    high.price.data());
  }
  out.resize(contracts.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = (high.price[i] - low.price[i]) / (higher_rate - lower_rate);
  }
}

AmericanSurface::AmericanSurface(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AmericanSurface::AmericanSurface(AmericanSurface&&) noexcept = default;
AmericanSurface& AmericanSurface::operator=(AmericanSurface&&) noexcept = default;
AmericanSurface::~AmericanSurface() = default;

tl::expected<AmericanSurface, NoAmericanPrice> AmericanSurface::build(Right right,
                                                                      const AmericanTerms& terms,
                                                                      Rho rho,
                                                                      const VolRange& vols) {
  if (!positive(terms.spot) || !positive(terms.years_to_expiry) || !std::isfinite(terms.rate) ||
      !std::isfinite(terms.dividend_yield) || !positive(vols.lowest) || !positive(vols.highest) ||
      vols.lowest > vols.highest) {
    return tl::unexpected{NoAmericanPrice::not_finite};
  }
  const auto exercise = exercise_of(as_put(right, terms.rate, terms.dividend_yield));
  if (!exercise) return tl::unexpected{exercise.error()};
  // A put's rate stays positive.
  const double rate_step =
      right == Right::put && terms.rate > 0.0 ? std::min(1e-3, 0.5 * terms.rate) : 1e-3;
  auto impl =
      std::make_unique<Impl>(Impl{.terms = terms,
                                  .right = right,
                                  .exercise = *exercise,
                                  .covered = {std::clamp(vols.lowest, lowest_vol, highest_vol),
                                              std::clamp(vols.highest, lowest_vol, highest_vol)},
                                  .lower_rate = terms.rate - rate_step,
                                  .higher_rate = terms.rate + rate_step,
                                  .has_rho = rho == Rho::wanted,
                                  .tables = nullptr});
  if (*exercise == Exercise::below_a_boundary && !impl->fill()) {
    return tl::unexpected{NoAmericanPrice::not_solved};
  }
  return AmericanSurface{std::move(impl)};
}

AmericanSurface AmericanSurface::at_spot(double spot) const {
  if (!positive(spot)) core::panic("a surface needs a positive spot");
  auto moved = std::make_unique<Impl>(*impl_);
  moved->terms.spot = spot;
  return AmericanSurface{std::move(moved)};
}

const AmericanTerms& AmericanSurface::terms() const {
  return impl_->terms;
}
Right AmericanSurface::right() const {
  return impl_->right;
}

void AmericanSurface::prices(const ContractColumns& contracts, std::span<const double> vols,
                             std::span<double> out) const {
  impl_->check(contracts, vols.size());
  impl_->check(contracts, out.size());
  ValuationColumns valued;
  price_chain(contracts, impl_->european(), vols, valued);
  if (impl_->exercise == Exercise::below_a_boundary) {
    kernels::current().exercise_all(impl_->tables->mid, impl_->spot(), ChainKernels::of(contracts),
                                    vols.data(), valued.price.data());
  }
  for (std::size_t i = 0; i < contracts.size(); ++i) {
    const double strike = contracts.strike(i);
    if (impl_->exercise == Exercise::never_early) {
      out[i] = std::max(valued.price[i], intrinsic_value(impl_->right, impl_->terms.spot, strike));
    } else {
      out[i] = impl_->covers(vols[i]) ? valued.price[i] : impl_->careful(strike, vols[i]).price;
    }
  }
}

void AmericanSurface::Impl::value(const ContractColumns& contracts, std::span<const double> vols,
                                  Columns& out) const {
  const std::size_t n = contracts.size();
  ValuationColumns european;
  price_chain(contracts, this->european(), vols, european);
  std::vector<double> premium(n, 0.0);
  std::vector<double> slope(n, 0.0);
  std::vector<double> bend(n, 0.0);
  std::vector<double> vol_slope(n, 0.0);
  if (exercise == Exercise::below_a_boundary) {
    kernels::current().premium_all(tables->mid, spot(), ChainKernels::of(contracts), vols.data(),
                                   {premium.data(), slope.data(), bend.data(), vol_slope.data()});
  }
  for (auto* column : {&out.price, &out.delta, &out.gamma, &out.theta, &out.vega})
    column->resize(n);
  const double growth = std::exp((terms.rate - terms.dividend_yield) * terms.years_to_expiry);
  const double s = terms.spot;
  for (std::size_t i = 0; i < n; ++i) {
    const double strike = contracts.strike(i);
    const double now = intrinsic_value(right, s, strike);
    const double unit = this->unit(strike);
    Valuation at{
        .price = european.price[i] + unit * premium[i],
        .delta = european.delta[i] * growth,
        .gamma = european.gamma[i] * growth * growth + unit * (bend[i] - slope[i]) / (s * s),
        .theta = 0.0,
        .vega = european.vega[i] + unit * vol_slope[i],
        .rho = 0.0};
    at.delta += right == Right::put ? unit * slope[i] / s : premium[i] - slope[i];
    at.theta = theta_while_kept(
        at, {s, strike, terms.years_to_expiry, terms.rate, terms.dividend_yield, vols[i]});
    if (!covers(vols[i])) {
      at = careful(strike, vols[i]);
    } else if (premium[i] < 0.0 || (at.price <= now && now > 0.0)) {
      at = {.price = now,
            .delta = right == Right::call ? 1.0 : -1.0,
            .gamma = 0.0,
            .theta = 0.0,
            .vega = 0.0,
            .rho = 0.0};
    }
    out.price[i] = at.price;
    out.delta[i] = at.delta;
    out.gamma[i] = at.gamma;
    out.theta[i] = at.theta;
    out.vega[i] = at.vega;
  }
}

void AmericanSurface::valuations(const ContractColumns& contracts, std::span<const double> vols,
                                 Columns& out) const {
  impl_->check(contracts, vols.size());
  if (!impl_->has_rho) core::panic("a surface that was built without rho");
  impl_->value(contracts, vols, out);
  impl_->rhos(contracts, vols, out.rho);
  for (std::size_t i = 0; i < contracts.size(); ++i) {
    if (!impl_->covers(vols[i])) {
      out.rho[i] = impl_->careful(contracts.strike(i), vols[i]).rho;
    } else if (out.vega[i] == 0.0) {
      out.rho[i] = 0.0;  // exercised
    }
  }
}

void AmericanSurface::implied_vols(const ContractColumns& contracts, std::span<const double> price,
                                   ImpliedVolColumns& out) const {
  impl_->check(contracts, price.size());
  const std::size_t n = contracts.size();
  const double s = impl_->terms.spot;
  const auto terms = impl_->european();
  // The European vol is where the search begins: too high by the premium, and never far.
  analysis::implied_vols(contracts, terms, price, out);
  struct Search {
    std::size_t index;
    double low;
    double high;
    double vol;
  };
  std::vector<Search> searches;
  for (std::size_t i = 0; i < n; ++i) {
    const double strike = contracts.strike(i);
    const double start = out.vol[i];
    out.vol[i] = std::numeric_limits<double>::quiet_NaN();
    // What it is worth without any vol: exercised now, or kept to the end.
    const double still =
        std::max(intrinsic_value(impl_->right, s, strike),
                 terms.discount_factor * intrinsic_value(impl_->right, terms.forward, strike));
    const double noise = 8.0 * std::numeric_limits<double>::epsilon() * std::max(s, strike);
    out.refusal[i].reset();
    if (!std::isfinite(price[i])) {
      out.refusal[i] = NoImpliedVol::not_finite;
    } else if (price[i] < still - noise) {
      out.refusal[i] = NoImpliedVol::below_intrinsic;
    } else if (price[i] <= still + noise) {
      out.refusal[i] = NoImpliedVol::no_time_value;
    } else if (price[i] >= (impl_->right == Right::call ? s : strike)) {
      out.refusal[i] = NoImpliedVol::above_bound;
    } else {
      searches.push_back({i, 0.0, std::numeric_limits<double>::infinity(),
                          std::clamp(std::isfinite(start) ? start : 0.3, lowest_vol, highest_vol)});
    }
  }
  Columns valued;
  std::vector<std::size_t> left;
  std::vector<double> vols;
  for (int round = 0; round < 100 && !searches.empty(); ++round) {
    left.clear();
    vols.clear();
    for (const auto& search : searches) {
      left.push_back(search.index);
      vols.push_back(search.vol);
    }
    impl_->value(contracts.some(left), vols, valued);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < vols.size(); ++i) {
      auto search = searches[i];
      const double gap = valued.price[i] - price[search.index];
      if (!std::isfinite(gap)) {
        out.refusal[search.index] = NoImpliedVol::not_finite;
        continue;
      }
      (gap < 0.0 ? search.low : search.high) = search.vol;
      double next = search.vol - gap / valued.vega[i];
      if (!(next > search.low && next < search.high)) {
        next = std::isinf(search.high) ? 2.0 * search.vol : 0.5 * (search.low + search.high);
      }
      const double moved = std::abs(next - search.vol);
      search.vol = next;
      // Newton's method: after a step of 1e-6 the next one would be noise, and so is a gap that the
      // price was rounded by.
      const double noise = 2.0 * std::numeric_limits<double>::epsilon() *
                           std::max(s, contracts.strike(search.index));
      if (std::abs(gap) <= noise || moved <= 1e-6 * next) {
        out.vol[search.index] = std::abs(gap) <= noise ? vols[i] : next;
      } else {
        searches[kept++] = search;
      }
    }
    searches.resize(kept);
  }
  // What still wavers does so in its last digits.
  for (const auto& search : searches) out.vol[search.index] = search.vol;
}

}  // namespace bifrost::analysis
