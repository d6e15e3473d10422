// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::core {

/// A closure that this build does not know: the whole day, or from a moment in New York on.
struct ExtraClosure {
  Date day{};
  std::optional<std::chrono::minutes> close;  // of the shares; nothing: no session at all

  friend bool operator==(const ExtraClosure&, const ExtraClosure&) = default;
};

/// "2027-01-09,2027-03-03:13:00": days without a session, and days that end early. A close lies
/// between 09:31 and 16:00; a day occurs once.
Result<std::vector<ExtraClosure>> parse_extra_closures(std::string_view text);

/// From now on session() and all that follows from it honour these closures, and only these beside
/// the table. For the whole process: to be called once, at start, before other threads exist.
void set_extra_closures(std::vector<ExtraClosure> closures);

/// set_extra_closures() with what BIFROST_EXTRA_CLOSURES in the environment says, for programs that
/// read no settings file.
Result<void> set_extra_closures_from_environment();

/// Those in force; for session().
const std::vector<ExtraClosure>& extra_closures();

}  // namespace bifrost::core
