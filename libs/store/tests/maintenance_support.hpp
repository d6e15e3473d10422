// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/store/daily.hpp"
#include "bifrost/store/maintenance.hpp"
#include "support.hpp"

// What the tests of maintain() share: cycles to write, a run, its results by name, and the roll-ups
// by a second method.

namespace bifrost::store::testing {

inline const auto after_close = at("2021-01-06T22:00:00Z");  // Wednesday, 17:00 in New York

core::OptionContract option(const std::string& strike, core::Right right);
core::OptionQuote quoted(core::OptionContract contract, const std::string& bid,
                         const std::string& ask);
CycleRecord cycle(core::Instant as_of, std::vector<core::OptionQuote> quotes,
                  const std::string& spot = "3700", core::Source source = core::Source::live);
/// Days of random quotes: missing sides, crossed and empty markets, contracts that come and go.
std::vector<CycleRecord> random_days(core::Date first, int days, std::uint32_t seed);

MaintenanceReport keep(Database& database, core::Instant now = after_close,
                       const MaintenanceOptions& options = {},
                       std::optional<Tier> tier = std::nullopt);
const TaskResult& task(const MaintenanceReport& report, std::string_view name);
/// -1: the task counts no such thing.
std::int64_t count(const TaskResult& result, std::string_view name);
/// Whether the server has no TimescaleDB.
bool stock(Database& database);

/// The second method: roll-ups from the cycles as they were written, in plain loops.
struct Recomputed {
  std::map<std::pair<core::Date, core::OptionContract>, OptionDay> options;
  std::map<core::Date, UnderlyingDay> underlyings;
};
Recomputed recompute(std::vector<CycleRecord> cycles);
/// Everything but what sums or divides in another order must be the same bit by bit.
void expect_equal(Database& database, const Recomputed& wanted);

}  // namespace bifrost::store::testing
