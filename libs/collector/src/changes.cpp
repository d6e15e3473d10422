// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/changes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::Quote;
using store::Change;
using store::ChangeKind;

std::optional<double> middle(const Quote& quote) {
  if (!quote.bid || !quote.ask) return std::nullopt;
  return (quote.bid->value() + quote.ask->value()) / 2;
}

std::optional<double> spread(const Quote& quote) {
  if (!quote.bid || !quote.ask) return std::nullopt;
  return (*quote.ask - *quote.bid).value();
}

/// As the history keeps it, so that what is found here can be found again there.
std::optional<double> stored_vol(const Quote& quote) {
  if (!quote.implied_vol) return std::nullopt;
  return std::round(*quote.implied_vol * 1e6) / 1e6;
}

/// Collects the changes of one contract between two looks at it.
class Comparison {
 public:
  Comparison(const core::OptionContract& contract, std::vector<Change>& changes)
      : contract_(contract), changes_(changes) {}

  template <class Test>
  void when(ChangeKind kind, std::optional<double> previous, std::optional<double> current,
            Test is_large) {
    if (previous && current && is_large(*previous, *current)) {
      changes_.push_back({contract_, kind, previous, current});
    }
  }

 private:
  const core::OptionContract& contract_;
  std::vector<Change>& changes_;
};

std::optional<double> as_double(std::optional<std::int64_t> count) {
  return count ? std::optional{static_cast<double>(*count)} : std::nullopt;
}

void compare(const core::OptionContract& contract, const Quote& before, const Quote& now,
             bool same_day, const ChangeThresholds& limit, std::vector<Change>& changes) {
  Comparison comparison{contract, changes};
  comparison.when(ChangeKind::price_move, middle(before), middle(now), [&](double a, double b) {
    const double move = std::abs(b - a);
    return move >= limit.price_move && move >= limit.price_move_share * std::abs(a);
  });
  comparison.when(ChangeKind::iv_move, stored_vol(before), stored_vol(now),
                  [&](double a, double b) { return std::abs(b - a) >= limit.iv_move; });
  if (same_day) {
    comparison.when(ChangeKind::volume, as_double(before.volume), as_double(now.volume),
                    [&](double a, double b) { return b - a >= static_cast<double>(limit.volume); });
  }
  comparison.when(ChangeKind::open_interest, as_double(before.open_interest),
                  as_double(now.open_interest), [&](double a, double b) {
                    return std::abs(b - a) >= static_cast<double>(limit.open_interest);
                  });
  comparison.when(ChangeKind::spread, spread(before), spread(now), [&](double a, double b) {
    return std::abs(b - a) >= limit.spread &&
           (b >= limit.spread_ratio * a || a >= limit.spread_ratio * b);
  });
}

}  // namespace

std::vector<Change> find_changes(const core::ChainSnapshot& before, bool before_reached_all,
                                 const core::ChainSnapshot& now,
                                 const ChangeThresholds& thresholds) {
  std::map<core::OptionContract, const Quote*> earlier;
  for (const auto& option : before.quotes) earlier.emplace(option.contract, &option.quote);

  std::vector<Change> changes;
  const core::Date today = core::exchange_time(now.as_of).date;
  const bool same_day = core::exchange_time(before.as_of).date == today;
  for (const auto& option : now.quotes) {
    const auto found = earlier.find(option.contract);
    if (found == earlier.end()) {
      if (before_reached_all)
        changes.push_back({option.contract, ChangeKind::new_contract, {}, {}});
      continue;
    }
    compare(option.contract, *found->second, option.quote, same_day, thresholds, changes);
    earlier.erase(found);
  }
  for (const auto& [contract, quote] : earlier) {
    if (core::last_trading_day(contract.expiry) < today) {
      changes.push_back({contract, ChangeKind::expired, {}, {}});
    }
  }
  std::ranges::sort(changes, [](const Change& a, const Change& b) {
    return std::tie(a.contract, a.kind) < std::tie(b.contract, b.kind);
  });
  return changes;
}

}  // namespace bifrost::collector
