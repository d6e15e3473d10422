// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bifrost/analysis/payoff.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::analysis {

/// One position of a book on one underlying, whatever its expiry.
struct BookLeg {
  Leg leg;
  std::optional<core::Date> expiry;  // nothing for stock
  std::string trading_class;         // "SPXW"; unused for stock
};

enum class ExerciseStyle : std::uint8_t { european, american };

/// The market that values one option of a book.
struct LegMarket {
  double years_to_expiry;
  double forward;
  double discount_factor;
  double implied_vol;  // annual, decimal
  ExerciseStyle style = ExerciseStyle::european;
};

}  // namespace bifrost::analysis
