// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

using namespace std::chrono_literals;
namespace chr = std::chrono;

constexpr std::size_t max_bars = 5'000;
constexpr std::string_view time_zone = "US/Eastern";
constexpr std::string_view invalid_duration =
    "Error validating request.-'b' : cause - Historical data request: invalid duration";

struct BarSize {
  std::string_view name;
  chr::seconds length;
};
constexpr BarSize bar_sizes[] = {
    {"1 secs", 1s},     {"5 secs", 5s},     {"10 secs", 10s},   {"15 secs", 15s},
    {"30 secs", 30s},   {"1 min", 1min},    {"2 mins", 2min},   {"3 mins", 3min},
    {"5 mins", 5min},   {"10 mins", 10min}, {"15 mins", 15min}, {"20 mins", 20min},
    {"30 mins", 30min}, {"1 hour", 1h},     {"2 hours", 2h},    {"3 hours", 3h},
    {"4 hours", 4h},    {"8 hours", 8h},    {"1 day", 24h},     {"1 week", 168h},
    {"1 month", 5040h},
};

/// Sessions that a duration ("30 D", "2 W", "3 M", "1 Y", "7200 S") spans; nothing for anything
/// else.
std::optional<std::size_t> sessions_in(std::string_view duration) {
  const auto parts = split(duration, ' ');
  if (parts.size() != 2 || parts[1].size() != 1) return std::nullopt;
  const auto count = parse_int(parts[0]);
  if (!count || *count <= 0 || *count > 100'000) return std::nullopt;
  if (parts[1][0] == 'S') return static_cast<std::size_t>(1 + *count / 23'400);
  constexpr std::pair<char, std::size_t> units[] = {{'D', 1}, {'W', 5}, {'M', 21}, {'Y', 252}};
  for (const auto& [unit, sessions] : units) {
    if (parts[1][0] == unit) return static_cast<std::size_t>(*count) * sessions;
  }
  return std::nullopt;
}

std::optional<BarKind> kind_of_bars(std::string_view what) {
  if (what == "TRADES" || what == "MIDPOINT" || what == "ADJUSTED_LAST") return BarKind::trades;
  if (what == "OPTION_IMPLIED_VOLATILITY") return BarKind::implied_volatility;
  if (what == "HISTORICAL_VOLATILITY") return BarKind::historical_volatility;
  return std::nullopt;
}

struct EndTime {
  core::Instant at{};
  bool zone_missing = false;
};

/// "20251121-21:00:00" is UTC; "20251121 16:00:00 US/Eastern" and, with a warning, without its zone
/// are New York's.
std::optional<EndTime> parse_end(std::string_view text) {
  if (text.size() < 17 || (text[8] != '-' && text[8] != ' ')) return std::nullopt;
  const auto date = core::parse_compact_date(text.substr(0, 8));
  const auto part = [&](std::size_t at) { return parse_int(text.substr(at, 2)); };
  const auto h = part(9);
  const auto m = part(12);
  const auto s = part(15);
  if (!date || !h || !m || !s || text[11] != ':' || text[14] != ':' || *h > 23 || *m > 59 ||
      *s > 59 || *h < 0 || *m < 0 || *s < 0) {
    return std::nullopt;
  }
  const auto clock = chr::hours{*h} + chr::minutes{*m} + chr::seconds{*s};
  if (text[8] == '-') {
    if (text.size() != 17) return std::nullopt;
    return EndTime{.at = core::Instant{*date} + clock};
  }
  const auto zone = text.substr(17);
  if (!zone.empty() && zone != " US/Eastern" && zone != " America/New_York") return std::nullopt;
  return EndTime{.at = core::from_exchange_time(*date, clock), .zone_missing = zone.empty()};
}

wire::Bar daily(const DailyBar& bar, BarKind kind) {
  wire::Bar b{.date = core::to_compact_date(bar.date),
              .open = bar.open,
              .high = bar.high,
              .low = bar.low,
              .close = bar.close,
              .volume = {},
              .wap = {},
              .count = {}};
  if (kind == BarKind::trades) b.volume = static_cast<double>(bar.volume);
  return b;
}

}  // namespace

void Session::on(const wire::HistoricalDataRequest& m) {
  const auto refuse = [&](int code, std::string_view why) {
    send_error(m.req_id, code, std::string{why});
  };
  constexpr std::string_view service = "Historical Market Data Service error message:";
  if (live_bars_.contains(m.req_id)) {
    return refuse(322, "Error processing request.-'b' : cause - Duplicate ticker id");
  }
  wake(Farm::history);
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return refuse(200, no_definition);
  const auto size = std::ranges::find(bar_sizes, m.bar_size, &BarSize::name);
  if (size == std::end(bar_sizes)) return refuse(162, fmt::format("{}invalid step", service));
  if (size->length <= 30s) {
    const auto contract = fmt::format("{} {} {} {} {}", m.contract.con_id, m.contract.symbol,
                                      m.contract.local_symbol, m.contract.exchange, m.what_to_show);
    const auto request =
        fmt::format("{} {} {} {} {}", contract, m.bar_size, m.duration, m.end, m.regular_hours);
    if (floor_.pacing.violates(contract, request, m.what_to_show == "BID_ASK", floor_.now.real)) {
      return refuse(162, fmt::format("{}Historical data request pacing violation", service));
    }
  }
  if (floor_.open_histories >= HistoryPacing::max_open) {
    return refuse(162, fmt::format("{}Max number of simultaneous historical data requests ({}) "
                                   "has been reached",
                                   service, HistoryPacing::max_open));
  }
  const auto sessions = sessions_in(m.duration);
  if (!sessions) return refuse(321, invalid_duration);
  auto end = floor_.market.now();
  if (!m.end.empty()) {
    const auto wanted = parse_end(m.end);
    if (!wanted) return refuse(10314, "End Date/Time: The date, time, or time-zone is invalid.");
    if (wanted->zone_missing) {
      refuse(
          2174,
          "Warning: You submitted request with date-time attributes without explicit time zone.");
    }
    end = std::min(end, wanted->at);
  }

  const auto* const* underlying = std::get_if<const Underlying*>(&found.front());
  const int con_id = underlying ? (*underlying)->con_id : 0;
  wire::HistoricalData out{.req_id = m.req_id, .start = {}, .end = gateway_time(end), .bars = {}};
  const auto kind = kind_of_bars(m.what_to_show);
  if (m.what_to_show == "SCHEDULE") {
    if (size->length != 24h) return refuse(162, fmt::format("{}invalid step", service));
    return send_schedule(m.req_id, end, *sessions);
  }
  if (!kind || size->length > 24h || (size->length < 24h && *kind != BarKind::trades)) {
    return refuse(321,
                  "Error validating request.-'b' : cause - the simulated gateway has daily bars of "
                  "TRADES, OPTION_IMPLIED_VOLATILITY and HISTORICAL_VOLATILITY, shorter ones of "
                  "TRADES, and SCHEDULE");
  }
  if (con_id != 0 && size->length == 24h) {
    for (const auto& bar : bars_until(con_id, *kind, end, *sessions)) {
      out.bars.push_back(daily(bar, *kind));
    }
    if (!out.bars.empty()) {
      const auto first = core::parse_compact_date(out.bars.front().date);
      out.start = gateway_time(core::session(*first)->open);
    }
  } else if (con_id != 0 && size->length >= 1min) {
    auto from = core::session(core::last_trading_day(core::exchange_time(end).date))->open;
    for (std::size_t i = 1; i < *sessions; ++i) {
      from = core::session(core::previous_trading_day(core::exchange_time(from).date))->open;
    }
    const auto parts = split(m.duration, ' ');
    if (parts[1] == "S") from = std::max(from, end - chr::seconds{*parse_int(parts[0])});
    auto bars = floor_.market.intraday_bars(con_id, size->length, from, end);
    if (bars.size() > max_bars) {
      bars.erase(bars.begin(), bars.end() - static_cast<std::ptrdiff_t>(max_bars));
    }
    for (const auto& bar : bars) {
      const auto seconds = chr::duration_cast<chr::seconds>(bar.start.time_since_epoch()).count();
      out.bars.push_back(
          {.date = m.format_date == 2 ? std::to_string(seconds) : gateway_time(bar.start),
           .open = bar.open,
           .high = bar.high,
           .low = bar.low,
           .close = bar.close,
           .volume = static_cast<double>(bar.volume),
           .wap = {},
           .count = {}});
    }
    out.start = gateway_time(from);
  }
  if (out.bars.empty()) {
    return refuse(162, fmt::format("{}HMDS query returned no data: {} {}", service,
                                   m.contract.symbol, m.what_to_show));
  }
  send(out);
  if (version_ >= 196) {
    send(wire::HistoricalDataEnd{.req_id = m.req_id, .start = out.start, .end = out.end});
  }
  if (m.keep_up_to_date && size->length == 24h) {
    live_bars_.emplace(m.req_id, LiveBar{.con_id = con_id, .kind = *kind, .told = {}});
    ++floor_.open_histories;
  }
}

std::vector<DailyBar> Session::bars_until(int con_id, BarKind kind, core::Instant end,
                                          std::size_t count) const {
  const auto last = core::exchange_time(end).date;
  const auto days_back = static_cast<std::size_t>(
      std::max<std::int64_t>(0, (core::exchange_time(floor_.market.now()).date - last).count()));
  auto bars = floor_.market.daily_bars(con_id, kind, count + days_back);
  std::erase_if(bars, [&](const DailyBar& bar) { return bar.date > last; });
  if (bars.size() > count) {
    bars.erase(bars.begin(), bars.end() - static_cast<std::ptrdiff_t>(count));
  }
  return bars;
}

void Session::send_schedule(int req_id, core::Instant end, std::size_t sessions) {
  wire::HistoricalSchedule out{.req_id = req_id,
                               .start = {},
                               .end = {},
                               .time_zone = std::string{time_zone},
                               .sessions = {}};
  auto day = core::last_trading_day(core::exchange_time(end).date);
  const auto text = [](core::Instant t) {
    auto s = gateway_time(t).substr(0, 17);
    s[8] = '-';
    return s;
  };
  for (std::size_t i = 0; i < std::min(sessions, max_bars); ++i) {
    const auto session = core::session(day);
    out.sessions.push_back({.start = text(session->open),
                            .end = text(session->close),
                            .reference_date = core::to_compact_date(day)});
    day = core::previous_trading_day(day);
  }
  std::ranges::reverse(out.sessions);
  out.start = out.sessions.front().start;
  out.end = out.sessions.back().end;
  send(out);
}

void Session::bars_moved() {
  for (auto& [req_id, live] : live_bars_) {
    if (floor_.weather.upstream_down() || floor_.weather.broken(Farm::history)) return;
    const auto bars = floor_.market.daily_bars(live.con_id, live.kind, 0);
    if (bars.empty() || live.told == bars.back()) continue;
    live.told = bars.back();
    send(wire::HistoricalDataUpdate{.req_id = req_id, .bar = daily(bars.back(), live.kind)});
  }
}

void Session::on(const wire::CancelHistoricalData& m) {
  if (live_bars_.erase(m.req_id) > 0) {
    --floor_.open_histories;
    return;
  }
  // Every other history is answered at once, so there is none left to cancel.
  send_error(m.req_id, 366,
             fmt::format("No historical data query found for ticker id:{}", m.req_id));
}

}  // namespace bifrost::sim
