// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>

#include "bifrost/analysis/margin.hpp"

// The table that docs/margin-rules.md explains row by row. A change of rules is a new row with its
// date; rows in force once are never edited.

namespace bifrost::analysis {
namespace {

constexpr core::Date day(int year, unsigned month, unsigned of_month) {
  return std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{of_month};
}

constexpr std::array rule_sets{
    MarginRules{.name = "cash",
                .valid_from = day(2000, 4, 1),
                .source = "Cboe Margin Manual (April 2000), cash account; Regulation T 220.8",
                .account = AccountType::cash,
                .groups = SpreadGroups::butterflies,
                .stock_initial = 1.0,
                .stock_maintenance = 1.0},
    MarginRules{.name = "cash",
                .valid_from = day(2012, 10, 26),
                .source = "FINRA Rule 4210(f)(2)(M); Regulation T 220.8",
                .account = AccountType::cash,
                .groups = SpreadGroups::equal_intervals,
                .stock_initial = 1.0,
                .stock_maintenance = 1.0},
    MarginRules{.name = "ibkr",
                .valid_from = day(2001, 9, 28),
                .source = "Interactive Brokers, Option Margin Requirements (retail account), "
                          "interactivebrokers.ca/html/retailAccount/optionMarginReq.html",
                .groups = SpreadGroups::equal_intervals,
                .naked_equity = 0.25,
                .put_minimum_of_strike = false,
                .naked_floor_per_contract = Money::from_units(250 * Money::units_per_one),
                .covered_call_asks_call_value = true,
                .covered_put_keeps_initial = true,
                .short_box_cost_multiple = 1.02},
    MarginRules{.name = "ibkr",
                .valid_from = day(2012, 10, 26),
                .source = "Interactive Brokers, US Options Margin (as republished by Place Trade); "
                          "knowledge base node 600 (iron condors)",
                .groups = SpreadGroups::equal_intervals,
                .covered_call_asks_call_value = true,
                .covered_put_keeps_initial = true,
                .short_box_cost_multiple = 1.02},
    MarginRules{.name = "reg_t",
                .valid_from = day(2000, 4, 1),
                .source = "Cboe Margin Manual (April 2000); Regulation T 220.12",
                .groups = SpreadGroups::butterflies},
    MarginRules{.name = "reg_t",
                .valid_from = day(2012, 10, 26),
                .source = "FINRA Rule 4210(f)(2) as amended by Regulatory Notice 12-44; "
                          "Regulation T 220.12",
                .groups = SpreadGroups::maximum_loss},
};

constexpr std::array stress_sets{
    StressRules{"equity", day(2007, 4, 2), "FINRA Rule 4210(g), OCC TIMS: equities, narrow indices",
                0.15, 0.15, 5, 0.375},
    StressRules{"high_cap_broad_index", day(2007, 4, 2),
                "FINRA Rule 4210(g), OCC TIMS: high-capitalization broad-based indices", 0.08, 0.06,
                5, 0.375},
    StressRules{"broad_index", day(2007, 4, 2),
                "FINRA Rule 4210(g), OCC TIMS: other broad-based indices", 0.10, 0.10, 5, 0.375},
};

}  // namespace

std::span<const MarginRules> margin_rule_table() {
  return rule_sets;
}

core::Result<MarginRules> margin_rules(std::string_view name, core::Date on) {
  const MarginRules* found = nullptr;
  bool known = false;
  for (const auto& rules : rule_sets) {
    if (rules.name != name) continue;
    known = true;
    if (rules.valid_from <= on) found = &rules;
  }
  if (found) return *found;
  return core::fail(core::Errc::not_found,
                    "margin rules \"" + std::string{name} + "\"" +
                        (known ? " do not reach back to " + core::to_iso_date(on) : ""));
}

std::span<const StressRules> stress_rule_table() {
  return stress_sets;
}

}  // namespace bifrost::analysis
