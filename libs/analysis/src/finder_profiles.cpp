// SPDX-License-Identifier: Apache-2.0
#include "finder_board.hpp"

#include <algorithm>
#include <cmath>

namespace bifrost::analysis::finder {
namespace {

constexpr double units_per_one = Price::units_per_one;

}  // namespace

core::Result<void> Board::make_profiles(const LaterByRight& later, Progress& progress) {
  Profiles made;
  std::vector<Price> strikes;
  for (const auto& row : rows_) strikes.push_back(row.strike);
  const auto spots = front_model_spots(
      density(), strikes,
      limits_.no_breakevens
          ? std::optional{std::pair{Price::from_units(limits_.no_breakevens->first),
                                    Price::from_units(limits_.no_breakevens->second)}}
          : std::nullopt);
  for (const double spot : spots) {
    made.spots.push_back(spot * units_per_one);
    made.calls.push_back(density().call(spot) * units_per_one);
    if (!progress.spend(2e3)) return stopped();
  }
  const std::size_t count = spots.size();
  const auto index_of = [&](double spot) {
    const auto at = std::ranges::lower_bound(spots, spot);
    return std::min(static_cast<std::size_t>(at - spots.begin()), count - 1);
  };
  static_assert(samples == front_sample_levels.size() + 2);
  made.sampled[0] = 0;
  for (std::size_t k = 0; k < front_sample_levels.size(); ++k) {
    made.sampled[k + 1] = index_of(density().quantile(front_sample_levels[k]));
  }
  made.sampled[samples - 1] = count - 1;
  if (limits_.no_breakevens) {
    made.at_low = index_of(Price::from_units(limits_.no_breakevens->first).value());
    made.at_high = index_of(Price::from_units(limits_.no_breakevens->second).value());
  }

  for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
    auto& profiles = made.of_rung[rung];
    profiles.assign(places_[rung].size() * count, 0.0);
    std::vector<double> beyond(places_[rung].size(), 0.0);  // what curves do not tell; money units
    for (const auto& leg : task_->request.strategy.legs) {
      if (leg.rung != static_cast<int>(rung)) continue;
      const double shares = static_cast<double>(leg.quantity) * multiplier() * units_per_one;
      if (leg.expiry_rung == 0) {
        for (std::size_t p = 0; p < places_[rung].size(); ++p) {
          const auto row = static_cast<std::size_t>(places_[rung][p].row);
          const double strike = rows_[row].strike.value();
          beyond[p] += shares * early_exercise_of(leg, row);
          for (std::size_t g = 0; g < count; ++g) {
            profiles[p * count + g] +=
                shares *
                std::max(leg.kind == LegKind::call ? spots[g] - strike : strike - spots[g], 0.0);
          }
          if (!progress.spend(2.0 * static_cast<double>(count))) return stopped();
        }
        continue;
      }
      std::vector<std::size_t> in_chain;
      for (const auto& place : places_[rung]) {
        in_chain.push_back(
            static_cast<std::size_t>(rows_[static_cast<std::size_t>(place.row)].row[1]));
      }
      BF_TRY(const auto curves, later[right_of(leg)]->curves(in_chain, spots, progress));
      for (std::size_t i = 0; i < profiles.size(); ++i) profiles[i] += shares * curves.worth[i];
      for (std::size_t p = 0; p < in_chain.size(); ++p) beyond[p] += shares * curves.beyond[p];
    }
    // What the places lacked: means of curves, which the density sees as straight between the
    // spots.
    for (std::size_t p = 0; p < places_[rung].size(); ++p) {
      Place& place = places_[rung][p];
      const std::span<const double> curve(profiles.data() + p * count, count);
      double lots = 0.0;  // beyond the last spot
      for (const auto& leg : task_->request.strategy.legs) {
        if (leg.rung == static_cast<int>(rung) && leg.kind == LegKind::call) lots += leg.quantity;
      }
      double slope = 0.0;
      double mean = curve[0];
      for (std::size_t g = 0; g < count; ++g) {
        const double next = g + 1 < count
                                ? (curve[g + 1] - curve[g]) / (made.spots[g + 1] - made.spots[g])
                                : lots * multiplier();
        mean += (next - slope) * made.calls[g];
        slope = next;
      }
      place.expected = discount() * mean + beyond[p] - static_cast<double>(place.cost);
      place.at_low = curve[made.at_low];
      place.at_high = curve[made.at_high];
      if (!progress.spend(4.0 * static_cast<double>(count))) return stopped();
    }
  }
  profiles_ = std::move(made);
  return {};
}

void Board::add_profile(bool lower, const Half& half, int member, std::span<double> to) const {
  const auto m = static_cast<std::size_t>(member);
  for (std::size_t r = 0; r < half.rungs; ++r) {
    const std::size_t rung = (lower ? 0 : task_->lower_rungs) + r;
    const std::size_t at = place_index(rung, r == 0 ? half.first[m] : half.last[m]);
    const auto curve = profiles_->of(rung, at);
    const auto paid = static_cast<double>(places_[rung][at].cost);
    for (std::size_t g = 0; g < to.size(); ++g) to[g] += curve[g] - paid;
  }
  if (lower && task_->stock_lots != 0) {
    const double shares = static_cast<double>(task_->stock_lots * multiplier());
    for (std::size_t g = 0; g < to.size(); ++g) {
      to[g] += shares * (profiles_->spots[g] - static_cast<double>(stock_price_));
    }
  }
}

std::vector<double> Board::profile(const Rows& rows) const {
  std::vector<double> total(profiles_->spots.size(), 0.0);
  for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
    const std::size_t at = place_index(rung, rows[rung]);
    const auto curve = profiles_->of(rung, at);
    const auto paid = static_cast<double>(places_[rung][at].cost);
    for (std::size_t g = 0; g < total.size(); ++g) total[g] += curve[g] - paid;
  }
  if (task_->stock_lots != 0) {
    const double shares = static_cast<double>(task_->stock_lots * multiplier());
    for (std::size_t g = 0; g < total.size(); ++g) {
      total[g] += shares * (profiles_->spots[g] - static_cast<double>(stock_price_));
    }
  }
  for (double& profit : total) {
    if (std::abs(profit) < front_least_profit * units_per_one) profit = 0.0;
  }
  return total;
}

std::vector<double> Board::profile_breakevens(std::span<const double> profile) const {
  const auto& spots = profiles_->spots;
  std::vector<double> found;
  for (std::size_t g = 0; g < profile.size(); ++g) {
    const bool inside =
        g > 0 && g + 1 < profile.size() && profile[g - 1] == 0.0 && profile[g + 1] == 0.0;
    if (profile[g] == 0.0 && !inside) found.push_back(spots[g] / units_per_one);
    if (g + 1 < profile.size() && profile[g] * profile[g + 1] < 0.0) {
      const double share = profile[g] / (profile[g] - profile[g + 1]);
      found.push_back((spots[g] + share * (spots[g + 1] - spots[g])) / units_per_one);
    }
  }
  const double tail = static_cast<double>(task_->slopes[task_->rungs] * multiplier());
  if (profile.back() * tail < 0.0) {
    found.push_back((spots.back() - profile.back() / tail) / units_per_one);
  }
  return found;
}

double Board::profile_pop(std::span<const double> profile) const {
  double total = 0.0;
  double entered = 0.0;
  bool inside = profile.front() > 0.0;
  const auto breakevens = profile_breakevens(profile);
  const auto& spots = profiles_->spots;
  // The sign between two breakevens is that of any spot there.
  std::size_t g = 0;
  for (const double at : breakevens) {
    while (g < spots.size() && spots[g] / units_per_one <= at) ++g;
    const bool now = g < spots.size() ? profile[g] > 0.0 : task_->slopes[task_->rungs] > 0;
    if (now == inside) continue;
    const double cdf = density().cdf(at);
    if (now) {
      entered = cdf;
    } else {
      total += cdf - entered;
    }
    inside = now;
  }
  return inside ? total + (1.0 - entered) : total;
}

}  // namespace bifrost::analysis::finder
