// SPDX-License-Identifier: Apache-2.0
#include "synthetic_path.hpp"

#include <algorithm>
#include <cmath>

#include "hash.hpp"

namespace bifrost::sim {
namespace {

// A share of each trading day's variance falls into the night before it.
constexpr double days_a_year = 252;
constexpr double overnight_share = 0.2;
constexpr double minutes_a_day = 390;
constexpr double minute_years = (1 - overnight_share) / (days_a_year * minutes_a_day);
constexpr double night_years = overnight_share / days_a_year;

constexpr std::uint64_t market_stream = 0x6d61726b6574ULL;

std::uint64_t date_bits(core::Date date) {
  return static_cast<std::uint64_t>(date.time_since_epoch().count());
}

// One step of spot and variance, moved by the common factor and the symbol's own two draws.
class Stepper {
 public:
  Stepper(std::uint64_t seed, std::uint64_t day_key, core::Date date, const SyntheticSymbol& symbol)
      : market_(mix(seed ^ market_stream) ^ mix(date_bits(date))),
        own_(day_key),
        symbol_(symbol),
        beta_(symbol.market_correlation),
        rest_(std::sqrt(1 - beta_ * beta_)),
        rho_(symbol.spot_vol_correlation),
        rho_rest_(std::sqrt(1 - rho_ * rho_)) {}

  void step(double& log_spot, double& variance, double years) {
    const double z = beta_ * market_.next() + rest_ * own_.next();
    const double z_variance = rho_ * z + rho_rest_ * own_.next();
    const double held = std::max(variance, 0.0);
    const double diffusion = std::sqrt(held * years);
    log_spot += (synthetic_rate - symbol_.dividend_yield - held / 2) * years + diffusion * z;
    variance += symbol_.reversion * (symbol_.vol * symbol_.vol - held) * years +
                symbol_.vol_of_vol * diffusion * z_variance;
  }

 private:
  NormalStream market_;
  NormalStream own_;
  const SyntheticSymbol& symbol_;
  double beta_, rest_, rho_, rho_rest_;
};

std::size_t minute_count(const core::Session& session) {
  return static_cast<std::size_t>((session.close - session.open) / std::chrono::minutes{1});
}

}  // namespace

SyntheticPath::SyntheticPath(std::uint64_t seed, core::Date epoch, const SyntheticSymbol& symbol)
    : seed_(seed), symbol_(symbol), key_(mix(seed) ^ hash_text(symbol.symbol)) {
  const auto first = core::is_trading_day(epoch) ? epoch : core::next_trading_day(epoch);
  append(first, std::log(symbol.spot), symbol.vol * symbol.vol);
}

void SyntheticPath::extend_to(core::Date date) {
  while (days_.back().date < date) {
    const auto next = core::next_trading_day(days_.back().date);
    if (next > date) return;
    double log_spot = days_.back().end_log;
    double variance = days_.back().end_variance;
    Stepper night(mix(seed_), mix(day_key(next)), next, symbol_);
    night.step(log_spot, variance, night_years);
    append(next, log_spot, variance);
  }
}

void SyntheticPath::append(core::Date date, double start_log, double start_variance) {
  PathDay day;
  day.date = date;
  day.session = *core::session(date);
  day.start_log = start_log;
  day.start_variance = start_variance;
  const auto path = minutes(day);
  const auto [low, high] = std::ranges::minmax(path.log_spot);
  day.open = spot(path.log_spot.front());
  day.low = spot(low);
  day.high = spot(high);
  day.close = spot(path.log_spot.back());
  day.end_log = path.log_spot.back();
  day.end_variance = path.variance.back();
  days_.push_back(day);
}

MinutePath SyntheticPath::minutes(const PathDay& day) const {
  MinutePath path;
  const auto count = minute_count(day.session);
  path.log_spot.reserve(count + 1);
  path.variance.reserve(count + 1);
  double log_spot = day.start_log;
  double variance = day.start_variance;
  path.log_spot.push_back(log_spot);
  path.variance.push_back(variance);
  Stepper stepper(seed_, day_key(day.date), day.date, symbol_);
  for (std::size_t i = 0; i < count; ++i) {
    stepper.step(log_spot, variance, minute_years);
    path.log_spot.push_back(log_spot);
    path.variance.push_back(variance);
  }
  return path;
}

std::vector<double> SyntheticPath::steps(const PathDay& day, const MinutePath& path,
                                         std::size_t minute) const {
  const double from = path.log_spot[minute];
  const double to = path.log_spot[minute + 1];
  const double sd =
      std::sqrt(std::max(path.variance[minute], 0.0) * minute_years / steps_per_minute);
  NormalStream noise(mix(day_key(day.date) + minute + 1));
  std::vector<double> out;
  out.reserve(steps_per_minute);
  double x = from;
  for (int i = 0; i < steps_per_minute; ++i) {
    out.push_back(std::clamp(x, std::min(from, to), std::max(from, to)));
    const double left = steps_per_minute - i;
    x += (to - x) / left + sd * std::sqrt((left - 1) / left) * noise.next();
  }
  return out;
}

double SyntheticPath::spot(double log_spot) {
  return std::round(std::exp(log_spot) * 100) / 100;
}

std::uint64_t SyntheticPath::day_key(core::Date date) const {
  return mix(key_ ^ mix(date_bits(date)));
}

}  // namespace bifrost::sim
