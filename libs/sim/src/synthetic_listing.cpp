// SPDX-License-Identifier: Apache-2.0
#include "synthetic_listing.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "bifrost/core/calendar.hpp"

namespace bifrost::sim {
namespace {

namespace chr = std::chrono;
using core::Date;
using core::Price;

constexpr std::size_t weekly_expiries = 8;
constexpr int monthly_expiries = 6;

Date trading_day_for(Date day) {
  return core::is_trading_day(day) ? day : core::previous_trading_day(day);
}

Date third_friday(chr::year_month month) {
  return chr::sys_days{month / chr::Friday[3]};
}

double nice_step(double target) {
  constexpr double steps[] = {0.5, 1, 2.5, 5, 10, 25, 50, 100, 250};
  return *std::ranges::min_element(steps, {},
                                   [&](double step) { return std::abs(std::log(step / target)); });
}

struct Band {
  Date from;  // first day in the list
  double width;
  double step_share;
};

void add_strikes(const SyntheticSymbol& s, std::span<const PathDay> days, Date today,
                 const Band& band, std::set<Price>& into, std::size_t& listed_on) {
  const auto first = static_cast<std::size_t>(
      std::ranges::lower_bound(days, band.from, {}, &PathDay::date) - days.begin());
  const auto close_before = [&](std::size_t day) {
    return day == 0 ? s.spot : days[std::min(day, days.size()) - 1].close;
  };
  const double step = nice_step(band.step_share * close_before(first));
  double low = close_before(first);
  double high = low;
  for (auto day = first; day < days.size() && days[day].date <= today; ++day) {
    low = std::min(low, close_before(day));
    high = std::max(high, close_before(day));
  }
  for (double k = std::ceil(low * (1 - band.width) / step) * step; k <= high * (1 + band.width);
       k += step) {
    into.insert(*Price::from_double(k));
  }
  listed_on = std::min(listed_on, first);
}

}  // namespace

double usual_volume(const SyntheticSymbol& s, const core::OptionContract& contract, double spot,
                    double years) {
  const double width = 1.2 * s.vol * std::sqrt(years) + 0.01;
  const double distance = std::log(contract.strike.value() / spot) / width;
  return s.daily_contracts * std::exp(-0.5 * distance * distance) * std::exp(-1.5 * years);
}

SyntheticListing list_day(const SyntheticSymbol& s, std::span<const PathDay> days, int con_id,
                          Date today) {
  struct Expiry {
    std::set<Price> strikes;
    std::size_t listed_on = SIZE_MAX;
  };
  std::map<std::pair<std::string, Date>, Expiry> expiries;
  const auto add = [&](const std::string& trading_class, Date expiry, const Band& band) {
    auto& e = expiries[{trading_class, expiry}];
    add_strikes(s, days, today, band, e.strikes, e.listed_on);
  };
  const auto last_day = [&](const std::string& trading_class, Date expiry) {
    return last_trade_date({.underlying = s.symbol,
                            .trading_class = trading_class,
                            .expiry = expiry,
                            .strike = Price{}});
  };

  auto friday = today + (chr::Friday - chr::weekday{today});
  for (std::size_t found = 0; found < weekly_expiries; friday += chr::weeks{1}) {
    const auto expiry = trading_day_for(friday);
    if (expiry < today) continue;
    ++found;
    const auto replaced = friday - chr::weeks{weekly_expiries};
    add(s.weekly_class, expiry,
        {.from = trading_day_for(replaced) + chr::days{1}, .width = 0.20, .step_share = 0.0125});
  }
  const chr::year_month_day ymd{today};
  auto month = ymd.year() / ymd.month();
  for (int found = 0; found < monthly_expiries; month += chr::months{1}) {
    const auto expiry = trading_day_for(third_friday(month));
    if (last_day(s.monthly_class, expiry) < today) continue;
    ++found;
    const auto replaced = trading_day_for(third_friday(month - chr::months{monthly_expiries}));
    add(s.monthly_class, expiry,
        {.from = last_day(s.monthly_class, replaced) + chr::days{1},
         .width = 0.30,
         .step_share = 0.025});
  }

  SyntheticListing listing;
  for (const auto& [id, expiry] : expiries) {
    for (const auto strike : expiry.strikes) {
      for (const auto right : {core::Right::call, core::Right::put}) {
        ListedOption option;
        option.underlying_con_id = con_id;
        option.contract = {.underlying = s.symbol,
                           .trading_class = id.first,
                           .expiry = id.second,
                           .strike = strike,
                           .right = right};
        option.last_trade_date = last_trade_date(option.contract);
        ListedDetail detail;
        detail.settlement = core::settlement_instant(option.contract);
        detail.listed_on = expiry.listed_on;
        const double level = expiry.listed_on == 0
                                 ? s.spot
                                 : days[std::min(expiry.listed_on, days.size()) - 1].close;
        detail.open_interest_base = 12 * usual_volume(s, option.contract, level, 0.15);
        listing.options.push_back(std::move(option));
        listing.details.push_back(detail);
      }
    }
  }
  return listing;
}

}  // namespace bifrost::sim
