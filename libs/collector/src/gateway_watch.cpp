// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/gateway_watch.hpp"

#include <fmt/format.h>

#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/session_hours.hpp"

namespace bifrost::collector {

using core::Instant;
using core::log::Level;
using namespace std::chrono_literals;

namespace {

// A link is made within seconds of the start.
constexpr auto first_patience = 15s;
constexpr auto alert_patience = 60s;
constexpr auto before_open = 15min;
constexpr auto sunday_evening = 18h;

std::string lasting(std::chrono::microseconds time) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(time).count();
  if (minutes < 1)
    return fmt::format("{} s", std::chrono::floor<std::chrono::seconds>(time).count());
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace

bool gateway_is_needed(Instant now) {
  const auto [date, time] = core::exchange_time(now);
  if (const auto session = core::session(date, core::index_hours)) {
    if (now >= session->open - before_open && now <= session->close) return true;
  }
  // From Sunday evening to the week's first session: its login may have expired over the weekend.
  const std::chrono::weekday day{date};
  if (day == std::chrono::Sunday) return time >= sunday_evening;
  const auto sunday = date - (day - std::chrono::Sunday);
  const auto first = core::session(core::next_trading_day(sunday), core::index_hours);
  return first && day != std::chrono::Saturday && now < first->open;
}

std::optional<News> GatewayWatch::look(Instant now, bool up, std::string_view problem) {
  if (up) {
    const auto since = std::exchange(down_since_, std::nullopt);
    const bool said = std::exchange(said_gone_, false);
    alerted_ = false;
    ever_up_ = true;
    if (!since || !said) return std::nullopt;
    return News{Level::info, fmt::format("gateway_back: after {}", lasting(now - *since))};
  }
  if (!down_since_ || *down_since_ > now) down_since_ = now;  // a clock set back begins anew
  const auto away = now - *down_since_;
  if (!alerted_ && away >= alert_patience && gateway_is_needed(now)) {
    alerted_ = said_gone_ = true;
    return News{Level::error,
                fmt::format("gateway_down: no gateway for {}, and it is needed now: {}",
                            lasting(away), problem)};
  }
  if (said_gone_ || (!ever_up_ && away < first_patience)) return std::nullopt;
  said_gone_ = true;
  if (const auto why = absence_is_normal(now))
    return News{Level::info, fmt::format("gateway_gone: {}: {}", *why, problem)};
  return News{Level::warning, fmt::format("gateway_gone: {}", problem)};
}

}  // namespace bifrost::collector
