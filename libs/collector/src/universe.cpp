// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/universe.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::Date;
using core::Instant;
using core::OptionContract;
using core::Price;

auto order_of(const OptionContract& c) {
  return std::tie(c.expiry, c.trading_class, c.strike, c.right, c.multiplier);
}

bool before(const Universe::Member& member, const OptionContract& contract) {
  return order_of(member.option.contract) < order_of(contract);
}

}  // namespace

void VolView::learn(const core::ChainSnapshot& snapshot) {
  if (!snapshot.underlying_price) return;
  const Price spot = *snapshot.underlying_price;
  std::map<Date, double> nearest;  // distance of the strike that gave the vol
  for (const auto& option : snapshot.quotes) {
    const auto vol = option.quote.implied_vol;
    if (!vol || !(*vol > 0)) continue;
    const auto& contract = option.contract;
    const bool out =
        contract.right == core::Right::call ? contract.strike >= spot : contract.strike < spot;
    if (!out) continue;
    by_strike_.insert_or_assign({contract.expiry, contract.strike}, *vol);
    const double distance = std::abs(contract.strike.value() - spot.value());
    const auto [at, first] = nearest.try_emplace(contract.expiry, distance);
    if (first || distance < at->second) {
      at->second = distance;
      at_the_money_.insert_or_assign(contract.expiry, *vol);
    }
  }
}

void VolView::forget_before(Date day) {
  at_the_money_.erase(at_the_money_.begin(), at_the_money_.lower_bound(day));
  by_strike_.erase(by_strike_.begin(), by_strike_.lower_bound({day, Price{}}));
}

std::optional<double> VolView::at_the_money(Date expiry) const {
  if (at_the_money_.empty()) return implied_vol_30d_;
  const auto after = at_the_money_.lower_bound(expiry);
  if (after == at_the_money_.begin()) return after->second;
  const auto earlier = std::prev(after);
  if (after == at_the_money_.end()) return earlier->second;
  return after->first - expiry <= expiry - earlier->first ? after->second : earlier->second;
}

std::optional<double> VolView::at(Date expiry, Price strike) const {
  const auto own = by_strike_.find({expiry, strike});
  return own != by_strike_.end() ? std::optional{own->second} : at_the_money(expiry);
}

StrikeWindow::StrikeWindow(const UniverseRule& rule, std::optional<Price> spot, const VolView& vols,
                           Date expiry, double years_to_expiry)
    : rule_(rule.strikes),
      vols_(&vols),
      expiry_(expiry),
      years_(std::max(years_to_expiry, 1 / 365.0)) {
  if (spot && spot->value() > 0) spot_ = spot->value();
  const bool by_vol = rule_.by == StrikeRule::By::sigma || rule_.by == StrikeRule::By::delta;
  if (by_vol && !vols.at_the_money(expiry)) {
    rule_ = rule.fallback;
    fell_back_ = true;
  }
}

bool StrikeWindow::contains(Price strike) const {
  if (!spot_) return true;
  switch (rule_.by) {
    case StrikeRule::By::all:
      return true;
    case StrikeRule::By::percent:
      return std::abs(strike.value() / *spot_ - 1) * 100 <= rule_.width;
    case StrikeRule::By::sigma: {
      if (strike.value() <= 0) return false;
      const double deviation = *vols_->at_the_money(expiry_) * std::sqrt(years_);
      return std::abs(std::log(strike.value() / *spot_)) <= rule_.width * deviation;
    }
    case StrikeRule::By::delta: {
      if (strike.value() <= 0) return false;
      // Rates are left out: this chooses contracts, it does not price them.
      const double deviation = *vols_->at(expiry_, strike) * std::sqrt(years_);
      const double d1 = std::log(*spot_ / strike.value()) / deviation + deviation / 2;
      const double call = analysis::normal_cdf(d1);
      return std::min(call, 1 - call) >= rule_.width;
    }
  }
  core::panic("a strike rule of no kind");
}

std::vector<Universe::Member>::iterator Universe::find(const OptionContract& contract) {
  const auto at = std::lower_bound(members_.begin(), members_.end(), contract, before);
  return at != members_.end() && at->option.contract == contract ? at : members_.end();
}

void Universe::begin_day(Date day) {
  if (day == day_) return;
  day_ = day;
  version_ = 0;
  delisted_ = 0;
  std::erase_if(members_, [&](const Member& member) {
    return core::last_trading_day(member.option.contract.expiry) < day;
  });
  for (auto& member : members_) {
    member.chosen_yesterday = member.chosen;
    member.chosen = false;
    member.withdrawn = false;
  }
}

void Universe::list(const Series& series, std::span<const ib::ListedOption> options) {
  std::vector<Member> listed;
  listed.reserve(options.size());
  for (const auto& option : options) {
    Member member{.option = option, .series = series};
    if (const auto known = find(option.contract); known != members_.end()) {
      member.last_asked = known->last_asked;
      member.chosen = known->chosen;
      member.chosen_yesterday = known->chosen_yesterday;
      // Its definition is back, or has a new handle.
      member.withdrawn = false;
    }
    listed.push_back(std::move(member));
  }
  const auto by_contract = [](const Member& a, const Member& b) {
    return before(a, b.option.contract);
  };
  std::ranges::sort(listed, by_contract);
  for (const auto& member : members_) {
    if (member.series != series || !member.chosen) continue;
    delisted_ += !std::binary_search(listed.begin(), listed.end(), member, by_contract);
  }
  std::erase_if(members_, [&](const Member& member) {
    return member.series == series ||
           std::binary_search(listed.begin(), listed.end(), member, by_contract);
  });
  const auto middle = static_cast<std::ptrdiff_t>(members_.size());
  std::ranges::move(listed, std::back_inserter(members_));
  std::inplace_merge(members_.begin(), members_.begin() + middle, members_.end(), by_contract);
}

Universe::Choice Universe::choose(const UniverseRule& rule, const Circumstances& now) {
  Choice choice;
  choice.removed = std::exchange(delisted_, 0);
  const double spot = now.spot ? now.spot->value() : 0;
  const Instant waits_from = now.cycle - now.interval;
  std::optional<StrikeWindow> window;
  std::optional<Instant> end;
  const OptionContract* series = nullptr;
  double months = 0;
  bool held_only = false;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    auto& member = members_[i];
    const auto& contract = member.option.contract;
    if (series == nullptr || series->expiry != contract.expiry ||
        series->trading_class != contract.trading_class) {
      series = &contract;
      end = core::last_quoted(contract, rule.hours);
      window.emplace(rule, now.spot, now.vols, contract.expiry,
                     core::years_act365f(now.cycle, core::settlement_instant(contract)));
      choice.fell_back = choice.fell_back || window->fell_back();
      held_only = std::ranges::find(now.held_only, member.series) != now.held_only.end();
      // A month counts as much as a tenth of the price.
      months = static_cast<double>((contract.expiry - day_).count()) / 30.0;
    }
    if (*end < now.cycle || member.withdrawn) {
      choice.removed += member.chosen;
      member.chosen = false;
      continue;
    }
    const bool held = !now.held.empty() && now.held.contains(member.option.con_id);
    if (!member.chosen) {
      if (!held && (held_only || !window->contains(contract.strike))) continue;
      member.chosen = true;
      ++choice.added;
      if (!member.chosen_yesterday || member.last_asked == Instant{})
        member.last_asked = std::max(member.last_asked, waits_from);
    }
    const double moneyness = spot > 0 ? std::abs(contract.strike.value() / spot - 1) : 0;
    choice.candidates.push_back({.member = i,
                                 .rank = moneyness + 0.1 * months,
                                 .last_asked = member.last_asked,
                                 .held = held});
  }
  std::ranges::stable_sort(choice.candidates, {}, &Candidate::rank);
  choice.changed = version_ == 0 || choice.added > 0 || choice.removed > 0;
  if (choice.changed) ++version_;
  choice.version = version_;
  return choice;
}

void Universe::keep(const OptionContract& contract) {
  if (const auto at = find(contract); at != members_.end()) at->chosen = true;
}

void Universe::withdraw(const OptionContract& contract) {
  if (const auto at = find(contract); at != members_.end()) at->withdrawn = true;
}

}  // namespace bifrost::collector
