// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace bifrost::analysis {

/// When the holder may exercise: at expiry only, or on any day until then.
enum class ExerciseStyle : std::uint8_t { european, american };

constexpr std::string_view to_string(ExerciseStyle style) {
  return style == ExerciseStyle::european ? "european" : "american";
}

}  // namespace bifrost::analysis
