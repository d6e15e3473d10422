// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/bars.hpp"

#include <cmath>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/log.hpp"

namespace bifrost::collector {

using core::Date;
using core::Deadline;
using core::Errc;
using core::Result;
using std::chrono::days;
using namespace std::chrono_literals;

namespace {

constexpr int sessions = 260;  // 252 before the newest, and a few for days without a bar
constexpr auto again_after = 15min;

std::optional<core::Price> as_price(std::optional<double> value) {
  if (!value || !(*value > 0)) return std::nullopt;
  return core::Price::from_double(*value);
}

std::optional<double> as_vol(std::optional<double> value) {
  if (!value || !(*value > 0) || !std::isfinite(*value)) return std::nullopt;
  return value;
}

}  // namespace

std::vector<store::UnderlyingDay> days_of_bars(std::span<const ib::DailyBar> trades,
                                               std::span<const ib::DailyBar> implied,
                                               std::span<const ib::DailyBar> historical, Date today,
                                               bool simulated) {
  std::map<Date, store::UnderlyingDay> by_day;
  const auto day_of = [&](const ib::DailyBar& bar) -> store::UnderlyingDay* {
    if (bar.date >= today) return nullptr;
    auto& day = by_day[bar.date];
    day.day = bar.date;
    day.origin = store::DailyOrigin::broker;
    day.source = core::to_string(simulated ? core::Source::simulated : core::Source::live);
    return &day;
  };
  for (const auto& bar : trades) {
    if (auto* day = day_of(bar)) {
      day->open = as_price(bar.open);
      day->high = as_price(bar.high);
      day->low = as_price(bar.low);
      day->close = as_price(bar.close);
    }
  }
  for (const auto& bar : implied) {
    if (auto* day = day_of(bar)) {
      day->implied_vol_30d_open = as_vol(bar.open);
      day->implied_vol_30d_high = as_vol(bar.high);
      day->implied_vol_30d_low = as_vol(bar.low);
      day->implied_vol_30d_close = as_vol(bar.close);
    }
  }
  for (const auto& bar : historical) {
    if (auto* day = day_of(bar)) day->historical_vol_30d = as_vol(bar.close);
  }
  std::vector<store::UnderlyingDay> result;
  for (auto& [date, day] : by_day) result.push_back(std::move(day));
  return result;
}

BarKeeper::BarKeeper(ib::Client& client, store::Database& database)
    : client_(client), daily_(database) {}

bool BarKeeper::due(const std::string& symbol, Date today) const {
  const auto tried = tried_.find(symbol);
  if (tried == tried_.end() || tried->second.day != today) return true;
  return std::chrono::steady_clock::now() >= tried->second.again;
}

Result<void> BarKeeper::refresh(const ib::Underlying& underlying, Date today, Deadline deadline) {
  auto& tried = tried_[underlying.symbol];
  tried = {today, core::after(again_after)};
  BF_TRY(const auto last, daily_.last_underlying_day(underlying.symbol, store::DailyOrigin::broker,
                                                     today - days{1}, deadline));
  const Date newest = core::previous_trading_day(today);
  if (last && last->day >= newest && last->close && last->implied_vol_30d_close) {
    tried.again = Deadline::max();
    return {};
  }

  std::vector<std::vector<ib::DailyBar>> bars;
  std::string refused;
  for (const auto kind : {ib::BarKind::trades, ib::BarKind::option_implied_volatility,
                          ib::BarKind::historical_volatility}) {
    auto answer = client_.daily_bars(underlying, kind, sessions, deadline);
    if (answer) {
      bars.push_back(*std::move(answer));
      continue;
    }
    const auto code = answer.error().code;
    if (code == Errc::unavailable || code == Errc::timeout || code == Errc::cancelled)
      return tl::unexpected{std::move(answer).error()};
    refused = answer.error().message;
    bars.emplace_back();
  }
  const auto kept = days_of_bars(bars[0], bars[1], bars[2], today, client_.link().simulated);
  BF_CHECK(daily_.upsert(underlying.symbol, kept, deadline));
  tried.again = Deadline::max();
  core::log::info("{}: {} days of the broker's bars{}{}", underlying.symbol, kept.size(),
                  refused.empty() ? "" : "; not all kinds: ", refused);
  return {};
}

}  // namespace bifrost::collector
