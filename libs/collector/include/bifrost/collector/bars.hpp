// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "bifrost/ib/bars.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/daily.hpp"

namespace bifrost::collector {

/// The broker's bars of three kinds as days: prices from trades, the 30-day vols from the two
/// others, all under the origin `broker`. Only days before `today`, whose bars are final; a bar
/// that no market can show (a price or a vol that is not positive) is left out, field by field.
std::vector<store::UnderlyingDay> days_of_bars(std::span<const ib::DailyBar> trades,
                                               std::span<const ib::DailyBar> implied,
                                               std::span<const ib::DailyBar> historical,
                                               core::Date today, bool simulated);

/// Keeps a year of the broker's daily bars in the history, so that an underlying has an IV rank
/// from its first day on. Asks once a day and underlying, and again after a while when the broker
/// was away; what the broker refuses is not asked for again that day. Asking takes the broker
/// seconds and may wait for its pacing: only for quiet moments. One thread; client and database
/// must outlive it.
class BarKeeper {
 public:
  BarKeeper(ib::Client& client, store::Database& database);

  /// Whether refresh() would ask.
  bool due(const std::string& symbol, core::Date today) const;
  core::Result<void> refresh(const ib::Underlying& underlying, core::Date today,
                             core::Deadline deadline);

 private:
  struct Tried {
    core::Date day{};
    core::Deadline again{};
  };

  ib::Client& client_;
  store::Daily daily_;
  std::map<std::string, Tried, std::less<>> tried_;
};

}  // namespace bifrost::collector
