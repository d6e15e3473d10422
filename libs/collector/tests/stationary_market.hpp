// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bifrost/core/quote.hpp"

namespace bifrost::collector {

/// A market whose contracts move each in its own measure, more at the open than at noon, with fat
/// tails, and from day to day alike.
class StationaryMarket {
 public:
  explicit StationaryMarket(int contracts, unsigned seed) : random_(seed) {
    std::uniform_real_distribution<double> scale(0.5, 8);
    for (int i = 0; i < contracts; ++i) {
      Contract c;
      c.id = {"SIM",
              "SIM",
              core::Date{std::chrono::year{2026} / 12 / 18} + std::chrono::days{7 * (i % 3)},
              core::Price::from_units(800'000 + 10'000LL * (i / 6)),
              (i / 3) % 2 == 0 ? core::Right::call : core::Right::put,
              100};
      c.scale = scale(random_);
      c.mid = 20 + 10 * c.scale;
      contracts_.push_back(c);
    }
  }

  core::ChainSnapshot snapshot(core::Instant as_of, bool first_of_day, double busy) {
    core::ChainSnapshot s;
    s.underlying = "SIM";
    s.as_of = as_of;
    s.source = core::Source::simulated;
    s.underlying_price = core::Price::from_units(1'000'000);
    std::student_t_distribution<double> fat(4);
    std::normal_distribution<double> normal;
    for (auto& c : contracts_) {
      // A step that returns to the middle: prices never run away over the days.
      c.mid += 0.05 * c.scale * busy * fat(random_);
      c.mid = std::max(5.0, c.mid + 0.02 * (20 + 10 * c.scale - c.mid));
      c.vol = 0.3 + 0.9 * (c.vol - 0.3) + 0.001 * c.scale * busy * normal(random_);
      if (first_of_day) c.volume = 0;
      std::poisson_distribution<std::int64_t> trades(2 * c.scale * busy);
      c.volume += trades(random_);
      if (first_of_day)
        c.open_interest += std::poisson_distribution<std::int64_t>(5 * c.scale)(random_);
      core::Quote q;
      const double half = 0.05 * (1 + 0.5 * std::abs(normal(random_)));
      q.bid = core::Price::from_double(c.mid - half);
      q.ask = core::Price::from_double(c.mid + half);
      q.volume = c.volume;
      q.open_interest = c.open_interest;
      q.implied_vol = c.vol;
      s.quotes.push_back({c.id, q});
    }
    return s;
  }

 private:
  struct Contract {
    core::OptionContract id;
    double scale = 1;
    double mid = 1;
    double vol = 0.3;
    std::int64_t volume = 0;
    std::int64_t open_interest = 100;
  };
  std::mt19937 random_;
  std::vector<Contract> contracts_;
};

}  // namespace bifrost::collector
