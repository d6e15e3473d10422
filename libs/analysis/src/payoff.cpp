// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/payoff.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bifrost::analysis {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::int64_t shares(const Leg& leg) {
  return leg.kind == LegKind::stock ? leg.quantity : leg.quantity * leg.multiplier;
}

std::int64_t value_units(const Leg& leg, std::int64_t spot) {
  switch (leg.kind) {
    case LegKind::call:
      return std::max<std::int64_t>(spot - leg.strike.units(), 0);
    case LegKind::put:
      return std::max<std::int64_t>(leg.strike.units() - spot, 0);
    case LegKind::stock:
      return spot;
  }
  core::panic("a leg that is neither call, put nor stock");
}

core::Result<void> check(std::span<const Leg> legs, Money costs) {
  if (legs.empty()) return core::fail(core::Errc::invalid_input, "payoff of no legs at all");
  // Every profit at a kink is a sum of (value - entry) * shares, each value at most the highest
  // strike.
  double highest = 0.0;
  for (const auto& leg : legs) {
    if (leg.kind == LegKind::stock) continue;
    if (leg.strike < Price{}) {
      return core::fail(core::Errc::invalid_input, "payoff of a leg with a negative strike");
    }
    if (leg.multiplier <= 0) {
      return core::fail(core::Errc::invalid_input, "payoff of a leg with no multiplier");
    }
    highest = std::max(highest, static_cast<double>(leg.strike.units()));
  }
  double bound = std::abs(static_cast<double>(costs.units()));
  for (const auto& leg : legs) {
    const double size = std::abs(static_cast<double>(leg.quantity)) *
                        (leg.kind == LegKind::stock ? 1.0 : leg.multiplier);
    bound += size * (highest + std::abs(static_cast<double>(leg.entry_price.units())) + 1.0);
  }
  if (bound > 4e18) {
    return core::fail(core::Errc::invalid_input, "payoff of a book too large for exact money");
  }
  return {};
}

void append(std::vector<double>& breakevens, double spot) {
  if (breakevens.empty() || breakevens.back() < spot) breakevens.push_back(spot);
}

// Where the line through a kink is zero. One division of exact integers, so that a root on a tick
// is that tick.
double root(const Kink& kink) {
  const auto units = kink.profit.units();
  const double distance = units % kink.slope == 0
                              ? static_cast<double>(-(units / kink.slope))
                              : -static_cast<double>(units) / static_cast<double>(kink.slope);
  return (static_cast<double>(kink.spot.units()) + distance) / Price::units_per_one;
}

// Stretches over which profit equals `level`, an extreme that some kink attains.
std::vector<SpotRange> stretches_at(const std::vector<Kink>& kinks, Money level) {
  std::vector<SpotRange> found;
  for (std::size_t i = 0; i < kinks.size(); ++i) {
    if (kinks[i].profit != level) continue;
    const Price low = kinks[i].spot;
    while (kinks[i].slope == 0 && i + 1 < kinks.size()) ++i;
    found.push_back({low, kinks[i].slope == 0 ? std::nullopt : std::optional{kinks[i].spot}});
  }
  return found;
}

}  // namespace

std::string_view to_string(LegKind kind) {
  switch (kind) {
    case LegKind::call:
      return "call";
    case LegKind::put:
      return "put";
    case LegKind::stock:
      return "stock";
  }
  return "unknown";
}

Money profit_at_expiry(std::span<const Leg> legs, Price spot) {
  Money total;
  for (const auto& leg : legs) {
    total = total + Money::from_units((value_units(leg, spot.units()) - leg.entry_price.units()) *
                                      shares(leg));
  }
  return total;
}

double profit_at_expiry(std::span<const Leg> legs, double spot) {
  double total = 0.0;
  for (const auto& leg : legs) {
    double value = spot;
    if (leg.kind == LegKind::call) value = std::max(spot - leg.strike.value(), 0.0);
    if (leg.kind == LegKind::put) value = std::max(leg.strike.value() - spot, 0.0);
    total += (value - leg.entry_price.value()) * static_cast<double>(shares(leg));
  }
  return total;
}

core::Result<Payoff> payoff_at_expiry(std::span<const Leg> legs, Money costs) {
  BF_CHECK(check(legs, costs));

  // Each option bends the line by its shares at its strike: a call adds slope above it, a put takes
  // its slope away there.
  std::vector<Kink> kinks{{Price{}, profit_at_expiry(legs, Price{}) - costs, 0}};
  for (const auto& leg : legs) {
    if (leg.kind == LegKind::put) kinks[0].slope -= shares(leg);
    if (leg.kind == LegKind::stock) kinks[0].slope += shares(leg);
    if (leg.kind != LegKind::stock) kinks.push_back({leg.strike, {}, shares(leg)});
  }
  std::sort(kinks.begin() + 1, kinks.end(),
            [](const Kink& a, const Kink& b) { return a.spot < b.spot; });
  std::vector<Kink> line{kinks[0]};
  for (std::size_t i = 1; i < kinks.size();) {
    const Price spot = kinks[i].spot;
    std::int64_t bend = 0;
    for (; i < kinks.size() && kinks[i].spot == spot; ++i) bend += kinks[i].slope;
    if (bend == 0) continue;
    const Kink& last = line.back();
    if (spot == last.spot) {
      line.back().slope += bend;
      continue;
    }
    line.push_back({spot, last.profit + (spot - last.spot) * last.slope, last.slope + bend});
  }

  Payoff payoff;
  const std::int64_t right_slope = line.back().slope;
  const auto by_profit = [](const Kink& a, const Kink& b) { return a.profit < b.profit; };
  const Money best = std::max_element(line.begin(), line.end(), by_profit)->profit;
  const Money worst = std::min_element(line.begin(), line.end(), by_profit)->profit;
  if (right_slope <= 0) {
    payoff.max_profit = best;
    payoff.max_profit_at = stretches_at(line, best);
  }
  if (right_slope >= 0) {
    payoff.max_loss = -worst;
    payoff.max_loss_at = stretches_at(line, worst);
  }

  bool inside = line[0].profit > Money{};
  double entered = 0.0;
  const auto cross = [&](double spot, bool profitable_after) {
    append(payoff.breakevens, spot);
    if (inside && spot > entered) payoff.profitable.push_back({entered, spot});
    inside = profitable_after;
    entered = spot;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const Kink& kink = line[i];
    const bool last = i + 1 == line.size();
    if (kink.profit == Money{}) {
      cross(kink.spot.value(), kink.slope > 0);
      continue;
    }
    if (kink.slope == 0) continue;
    const bool falls_through = kink.profit > Money{} && kink.slope < 0;
    const bool rises_through = kink.profit < Money{} && kink.slope > 0;
    const bool crosses = (falls_through && (last || line[i + 1].profit < Money{})) ||
                         (rises_through && (last || line[i + 1].profit > Money{}));
    if (crosses) cross(root(kink), rises_through);
  }
  if (inside) payoff.profitable.push_back({entered, infinity});
  payoff.kinks = std::move(line);
  return payoff;
}

std::vector<PayoffPoint> drawing_points(const Payoff& payoff) {
  if (payoff.kinks.empty()) return {};
  std::vector<double> spots = payoff.breakevens;
  for (const auto& kink : payoff.kinks) {
    if (kink.spot > Price{}) spots.push_back(kink.spot.value());
  }
  std::sort(spots.begin(), spots.end());
  const double lowest = spots.empty() ? 0.0 : spots.front();
  const double highest = spots.empty() ? 1.0 : spots.back();
  const double margin = std::max(0.5 * (highest - lowest), 0.1 * highest);
  spots.push_back(std::max(lowest - margin, 0.0));
  spots.push_back(highest + margin);
  std::sort(spots.begin(), spots.end());
  spots.erase(std::unique(spots.begin(), spots.end()), spots.end());

  std::vector<PayoffPoint> points;
  for (const double spot : spots) {
    const auto after =
        std::upper_bound(payoff.kinks.begin(), payoff.kinks.end(), spot,
                         [](double at, const Kink& kink) { return at < kink.spot.value(); });
    const Kink& kink = *std::prev(after);
    const bool zero = std::binary_search(payoff.breakevens.begin(), payoff.breakevens.end(), spot);
    const double profit =
        kink.profit.value() + static_cast<double>(kink.slope) * (spot - kink.spot.value());
    points.push_back({spot, zero ? 0.0 : profit});
  }
  return points;
}

}  // namespace bifrost::analysis
