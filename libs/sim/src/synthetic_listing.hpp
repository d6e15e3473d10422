// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "synthetic_path.hpp"

// Which options the made-up market lists on a day, and how much they usually trade.
namespace bifrost::sim {

struct ListedDetail {
  core::Instant settlement;
  double open_interest_base = 0;
  std::size_t listed_on = 0;  // index of the day
};

/// `details` beside `options`, one for one; contract ids are not given out yet.
struct SyntheticListing {
  std::vector<ListedOption> options;
  std::vector<ListedDetail> details;
};

/// The listing of a day of the underlying with this id. It follows from the closes before that day
/// alone; `days` holds it.
SyntheticListing list_day(const SyntheticSymbol& symbol, std::span<const PathDay> days, int con_id,
                          core::Date today);

/// Volume a contract would do on a whole day like any other, before the luck of the day.
double usual_volume(const SyntheticSymbol& symbol, const core::OptionContract& contract,
                    double spot, double years);

}  // namespace bifrost::sim
