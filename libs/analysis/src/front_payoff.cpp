// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "bifrost/analysis/book.hpp"
#include "leg_model.hpp"

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// A later leg's line bends within some deviations of its strike, and of where carry puts that; in
// log spot. Further than a thousandfold it is not looked for: profits are differences of such
// prices and would be rounding alone.
constexpr double deviations = 8.0;
constexpr double farthest = 7.0;

struct Bend {
  double deviation;
  double growth;

  double reach() const { return std::min(deviations * deviation + std::abs(growth), farthest); }
};
Bend bend_of(const LegMarket& market, double left, double spot, double vol_shift) {
  return {std::max((market.implied_vol + vol_shift) * std::sqrt(left), 1e-4),
          std::log(market.forward / spot)};
}

void drop_repeats(std::vector<double>& spots) {
  std::ranges::sort(spots);
  spots.erase(std::unique(spots.begin(), spots.end()), spots.end());
}

FrontPayoff read_off(const Payoff& payoff, double years, double highest) {
  FrontPayoff out{.model_dependent = false,
                  .years_to_front = years,
                  .highest_spot = highest,
                  .curve = {},
                  .max_profit = std::nullopt,
                  .max_loss = std::nullopt,
                  .max_profit_at = std::nullopt,
                  .max_loss_at = std::nullopt,
                  .breakevens = payoff.breakevens,
                  .profitable = payoff.profitable,
                  .spot_tolerance = 0.0,
                  .profit_tolerance = 0.0};
  if (!payoff.breakevens.empty()) {
    out.highest_spot = std::max(highest, 2.0 * payoff.breakevens.back());
  }
  for (const auto& kink : payoff.kinks) {
    out.curve.push_back({kink.spot.value(), kink.profit.value()});
  }
  const Kink& last = payoff.kinks.back();
  out.curve.push_back(
      {out.highest_spot, last.profit.value() + static_cast<double>(last.slope) *
                                                   (out.highest_spot - last.spot.value())});
  if (payoff.max_profit) {
    out.max_profit = payoff.max_profit->value();
    out.max_profit_at = payoff.max_profit_at.front().low.value();
  }
  if (payoff.max_loss) {
    out.max_loss = payoff.max_loss->value();
    out.max_loss_at = payoff.max_loss_at.front().low.value();
  }
  return out;
}

// Profit at the front expiry as a function of spot, with all that a numerical look at it needs.
class Curve {
 public:
  Curve(std::vector<LegModel> models, double cost, double spot_scale, double profit_scale)
      : models_(std::move(models)),
        cost_(cost),
        spot_scale_(spot_scale),
        profit_scale_(profit_scale) {}

  double profit(double spot) const {
    double total = -cost_;
    for (const auto& model : models_) total += model.value(spot);
    return total;
  }

  double spot_tolerance() const { return 1e-9 * spot_scale_; }
  double profit_tolerance() const { return 1e-5 * profit_scale_; }

  // -1, 0 or +1; a profit that rounding could have made is none.
  int sign(double profit) const {
    const double noise = 1e-11 * profit_scale_;
    return profit > noise ? 1 : profit < -noise ? -1 : 0;
  }

  std::vector<PayoffPoint> sampled(std::vector<double> spots) const {
    drop_repeats(spots);
    std::vector<PayoffPoint> points;
    for (const double spot : spots) {
      const PayoffPoint next{spot, profit(spot)};
      if (!points.empty()) refine(points, next, 0);
      points.push_back(next);
    }
    return points;
  }

  // The spots of all extremes between samples, corners excepted, which are samples.
  std::vector<double> extremes(const std::vector<PayoffPoint>& points) const {
    std::vector<double> spots;
    for (std::size_t i = 1; i + 1 < points.size(); ++i) {
      const double left = points[i].profit - points[i - 1].profit;
      const double right = points[i].profit - points[i + 1].profit;
      const int to_left = sign(left);
      const int to_right = sign(right);
      if (to_left == 0 || to_left != to_right) continue;
      spots.push_back(climb(points[i - 1].spot, points[i + 1].spot, to_left));
    }
    return spots;
  }

  double root(const PayoffPoint& from, const PayoffPoint& to) const {
    double low = from.spot;
    double high = to.spot;
    const int before = sign(from.profit);
    while (high - low > spot_tolerance()) {
      const double middle = 0.5 * (low + high);
      if (middle <= low || middle >= high) break;
      (sign(profit(middle)) == before ? low : high) = middle;
    }
    return 0.5 * (low + high);
  }

 private:
  // Golden section: the highest (or, for -1, the lowest) point between two spots.
  double climb(double low, double high, int direction) const {
    constexpr double share = 0.6180339887498949;
    double left = high - share * (high - low);
    double right = low + share * (high - low);
    double at_left = direction * profit(left);
    double at_right = direction * profit(right);
    while (high - low > std::max(spot_tolerance(), 1e-12 * high)) {
      if (at_left >= at_right) {
        high = right;
        right = left;
        at_right = at_left;
        left = high - share * (high - low);
        at_left = direction * profit(left);
      } else {
        low = left;
        left = right;
        at_left = at_right;
        right = low + share * (high - low);
        at_right = direction * profit(right);
      }
    }
    return at_left >= at_right ? left : right;
  }

  void refine(std::vector<PayoffPoint>& points, const PayoffPoint& to, int depth) const {
    constexpr int deepest = 12;
    const PayoffPoint from = points.back();
    const double spot = 0.5 * (from.spot + to.spot);
    if (depth == deepest || to.spot - from.spot <= spot_tolerance()) return;
    const PayoffPoint middle{spot, profit(spot)};
    if (std::abs(middle.profit - 0.5 * (from.profit + to.profit)) <= 0.5 * profit_tolerance()) {
      return;
    }
    refine(points, middle, depth + 1);
    points.push_back(middle);
    refine(points, to, depth + 1);
  }

  std::vector<LegModel> models_;
  double cost_;
  double spot_scale_;
  double profit_scale_;
};

void find_breakevens(const Curve& curve, FrontPayoff& out, bool open_above) {
  const auto& points = out.curve;
  bool inside = false;
  double entered = 0.0;
  const auto cross = [&](double spot, bool profitable_after) {
    if (inside && spot > entered) out.profitable.push_back({entered, spot});
    inside = profitable_after;
    entered = spot;
  };
  const auto breakeven = [&](double spot) {
    if (out.breakevens.empty() || out.breakevens.back() < spot) out.breakevens.push_back(spot);
  };
  int before = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const int now = curve.sign(points[i].profit);
    if (i == 0) {
      if (now > 0) cross(0.0, true);
      if (now == 0) breakeven(points[i].spot);
    } else if (before != 0 && now == -before) {
      const double spot = curve.root(points[i - 1], points[i]);
      breakeven(spot);
      cross(spot, now > 0);
    } else if (before != now) {
      // Into a stretch of zeros, or out of it.
      const double spot = points[now == 0 ? i : i - 1].spot;
      breakeven(spot);
      cross(spot, now > 0);
    }
    before = now;
  }
  if (before == 0) breakeven(points.back().spot);
  if (inside) out.profitable.push_back({entered, open_above ? infinity : out.highest_spot});
}

}  // namespace

core::Result<FrontPayoff> payoff_at_front_expiry(std::span<const BookLeg> book,
                                                 std::span<const LegMarket> markets, double spot,
                                                 double vol_shift, Money costs,
                                                 std::optional<double> highest_spot) {
  BF_CHECK(check_book(book, markets, spot));
  const auto days = days_to_front_expiry(book, markets);
  if (!days) return core::fail(core::Errc::invalid_input, "a book without options never expires");
  const double years = *days / 365.0;
  const auto then = markets_after(book, markets, spot, *days);
  double highest = spot;
  double widest = 0.0;
  bool one_expiry = true;
  for (std::size_t i = 0; i < book.size(); ++i) {
    if (book[i].leg.kind == LegKind::stock) continue;
    highest = std::max(highest, book[i].leg.strike.value());
    const double left = markets[i].years_to_expiry - years;
    if (left < same_moment) continue;
    one_expiry = false;
    widest = std::max(widest, bend_of(then[i], left, spot, vol_shift).reach());
  }
  const bool asked = highest_spot && *highest_spot > 0.0 && !one_expiry;
  highest = asked ? std::max(highest, *highest_spot) : highest * std::max(4.0, std::exp(widest));
  const auto legs = legs_of(book);
  // The bounds of exact money are asked for here too.
  BF_TRY(const auto exact, payoff_at_expiry(legs, costs));
  if (one_expiry) return read_off(exact, years, highest);

  std::vector<LegModel> models;
  std::vector<double> spots{0.0, spot};
  double cost = costs.value();
  double profit_scale = 0.0;
  double right_shares = 0.0;  // whole numbers, far below where a double would round them
  for (std::size_t i = 0; i < book.size(); ++i) {
    const Leg& leg = legs[i];
    const double size = size_of(leg);
    cost += size * leg.entry_price.value();
    if (leg.kind != LegKind::put) right_shares += size;
    BF_TRY(auto model,
           LegModel::make(book[i].leg, then[i], spot, vol_shift, LegModel::Want::value));
    models.push_back(std::move(model));
    if (leg.kind == LegKind::stock) {
      profit_scale += std::abs(size) * spot;
      continue;
    }
    const double strike = leg.strike.value();
    profit_scale += std::abs(size) * std::max(strike, spot);
    spots.push_back(strike);
    const double left = markets[i].years_to_expiry - years;
    if (left < same_moment) continue;
    const auto bend = bend_of(then[i], left, spot, vol_shift);
    for (const double middle : {0.0, -bend.growth}) {
      for (double x = -deviations; x <= deviations; x += 0.25) {
        const double at = std::clamp(middle + x * bend.deviation, -farthest, farthest);
        spots.push_back(strike * std::exp(at));
      }
    }
  }
  const Curve curve(std::move(models), cost, spot, profit_scale);
  // Where more calls and shares are bought than sold, or the other way round, the last breakeven
  // may lie far out.
  const int side = right_shares > 0.0 ? 1 : right_shares < 0.0 ? -1 : 0;
  for (int i = 0; i < 40 && side != 0 && curve.sign(curve.profit(highest)) != side; ++i) {
    highest *= 2.0;
  }
  std::erase_if(spots, [&](double at) { return at > highest; });
  spots.push_back(highest);

  FrontPayoff out{.model_dependent = true,
                  .years_to_front = years,
                  .highest_spot = highest,
                  .curve = curve.sampled(spots),
                  .max_profit = std::nullopt,
                  .max_loss = std::nullopt,
                  .max_profit_at = std::nullopt,
                  .max_loss_at = std::nullopt,
                  .breakevens = {},
                  .profitable = {},
                  .spot_tolerance = curve.spot_tolerance(),
                  .profit_tolerance = curve.profit_tolerance()};
  for (const double at : curve.extremes(out.curve)) out.curve.push_back({at, curve.profit(at)});
  const auto by_spot = [](const PayoffPoint& a, const PayoffPoint& b) { return a.spot < b.spot; };
  const auto by_profit = [](const PayoffPoint& a, const PayoffPoint& b) {
    return a.profit < b.profit;
  };
  std::ranges::sort(out.curve, by_spot);
  if (side <= 0) {
    const auto best = std::ranges::max_element(out.curve, by_profit);
    out.max_profit = best->profit;
    out.max_profit_at = best->spot;
  }
  if (side >= 0) {
    const auto worst = std::ranges::min_element(out.curve, by_profit);
    out.max_loss = -worst->profit;
    out.max_loss_at = worst->spot;
  }
  find_breakevens(curve, out, side >= 0);
  return out;
}

}  // namespace bifrost::analysis
