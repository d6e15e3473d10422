// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

/// Sessions that a duration ("30 D", "2 W", "3 M", "1 Y") spans; nothing for anything else.
std::optional<std::size_t> sessions_in(std::string_view duration) {
  const auto parts = split(duration, ' ');
  if (parts.size() != 2 || parts[1].size() != 1) return std::nullopt;
  const auto count = parse_int(parts[0]);
  if (!count || *count <= 0 || *count > 10'000) return std::nullopt;
  constexpr std::pair<char, std::size_t> units[] = {{'D', 1}, {'W', 5}, {'M', 21}, {'Y', 252}};
  for (const auto& [unit, sessions] : units) {
    if (parts[1][0] == unit) return static_cast<std::size_t>(*count) * sessions;
  }
  return std::nullopt;
}

}  // namespace

void Session::on(const wire::HistoricalDataRequest& m) {
  const auto refuse = [&](int code, std::string_view why) {
    send_error(m.req_id, code, std::string{why});
  };
  wake(Farm::history);
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return refuse(200, no_definition);
  std::optional<BarKind> kind;
  if (m.what_to_show == "TRADES" || m.what_to_show == "MIDPOINT" ||
      m.what_to_show == "ADJUSTED_LAST") {
    kind = BarKind::trades;
  } else if (m.what_to_show == "OPTION_IMPLIED_VOLATILITY") {
    kind = BarKind::implied_volatility;
  } else if (m.what_to_show == "HISTORICAL_VOLATILITY") {
    kind = BarKind::historical_volatility;
  }
  if (!kind || m.bar_size != "1 day") {
    return refuse(321,
                  "Error validating request.-'b' : cause - the simulated gateway has daily bars of "
                  "TRADES, OPTION_IMPLIED_VOLATILITY and HISTORICAL_VOLATILITY only");
  }
  const auto wanted = sessions_in(m.duration);
  if (!wanted) {
    return refuse(321,
                  "Error validating request.-'b' : cause - Historical data request: invalid "
                  "duration");
  }
  auto end = floor_.market.now();
  if (!m.end.empty()) {
    const auto date = core::parse_compact_date(std::string_view{m.end}.substr(0, 8));
    if (!date) return refuse(10314, "End Date/Time: The date, time, or time-zone is invalid.");
    const auto session = core::session(core::last_trading_day(*date));
    end = std::min(end, session->close);
  }

  std::vector<DailyBar> bars;
  if (const auto* const* underlying = std::get_if<const Underlying*>(&found.front())) {
    const auto last = core::exchange_time(end).date;
    const auto days_back = static_cast<std::size_t>(
        std::max<std::int64_t>(0, (core::exchange_time(floor_.market.now()).date - last).count()));
    bars = floor_.market.daily_bars((*underlying)->con_id, *kind, *wanted + days_back);
    std::erase_if(bars, [&](const DailyBar& bar) { return bar.date > last; });
    if (bars.size() > *wanted) {
      bars.erase(bars.begin(), bars.end() - static_cast<std::ptrdiff_t>(*wanted));
    }
  }
  if (bars.empty()) {
    return refuse(162, fmt::format("Historical Market Data Service error message:HMDS query "
                                   "returned no data: {} {}",
                                   m.contract.symbol, m.what_to_show));
  }
  const auto start_text = gateway_time(core::session(bars.front().date)->open);
  const auto end_text = gateway_time(end);
  wire::HistoricalData out{.req_id = m.req_id, .start = start_text, .end = end_text, .bars = {}};
  for (const auto& bar : bars) {
    wire::Bar b{.date = core::to_compact_date(bar.date),
                .open = bar.open,
                .high = bar.high,
                .low = bar.low,
                .close = bar.close,
                .volume = {},
                .wap = {},
                .count = {}};
    if (*kind == BarKind::trades) b.volume = static_cast<double>(bar.volume);
    out.bars.push_back(std::move(b));
  }
  send(out);
  if (version_ >= 196) {
    send(wire::HistoricalDataEnd{.req_id = m.req_id, .start = start_text, .end = end_text});
  }
}

void Session::on(const wire::CancelHistoricalData& m) {
  // Every history is answered at once, so there is never one left to cancel.
  send_error(m.req_id, 366,
             fmt::format("No historical data query found for ticker id:{}", m.req_id));
}

namespace {

struct Terms {
  core::OptionContract contract;
  Carry carry;
  double years;
};

/// What a calculation needs besides the two numbers given; nothing where the market cannot say.
std::optional<Terms> terms_of(const Market& market, const std::vector<Instrument>& found) {
  const auto* const* option = std::get_if<const ListedOption*>(&found.front());
  if (!option) return std::nullopt;
  const auto carry = market.carry((*option)->underlying_con_id);
  if (!carry) return std::nullopt;
  const auto& contract = (*option)->contract;
  const double years = core::years_act365f(market.now(), core::settlement_instant(contract));
  if (years <= 0) return std::nullopt;
  return Terms{.contract = contract, .carry = *carry, .years = years};
}

Computation compute(const Terms& terms, double spot, double vol) {
  const auto value = analysis::black_scholes(
      terms.contract.right, analysis::SpotInputs{.spot = spot,
                                                 .strike = terms.contract.strike.value(),
                                                 .years_to_expiry = terms.years,
                                                 .rate = terms.carry.rate,
                                                 .dividend_yield = terms.carry.dividend_yield,
                                                 .vol = vol});
  return {.implied_vol = vol,
          .price = value.price,
          .delta = value.delta,
          .gamma = value.gamma,
          .theta = value.theta,
          .vega = value.vega,
          .underlying_price = spot};
}

}  // namespace

void Session::on(const wire::ImpliedVolRequest& m) {
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return send_error(m.req_id, 200, std::string{no_definition});
  std::optional<Computation> result;
  const auto terms = terms_of(floor_.market, found);
  if (terms && m.option_price && m.underlying_price && *m.underlying_price > 0) {
    const double spot = *m.underlying_price;
    const auto& carry = terms->carry;
    const auto vol = analysis::implied_vol(
        terms->contract.right,
        {.price = *m.option_price,
         .forward = spot * std::exp((carry.rate - carry.dividend_yield) * terms->years),
         .strike = terms->contract.strike.value(),
         .years_to_expiry = terms->years,
         .discount_factor = std::exp(-carry.rate * terms->years)});
    if (vol) {
      result = compute(*terms, spot, *vol);
      result->price = *m.option_price;
    }
  }
  send(computation(m.req_id, wire::tick::custom_computation, result));
}

void Session::on(const wire::OptionPriceRequest& m) {
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.size() != 1) return send_error(m.req_id, 200, std::string{no_definition});
  std::optional<Computation> result;
  const auto terms = terms_of(floor_.market, found);
  if (terms && m.volatility && *m.volatility >= 0 && m.underlying_price &&
      *m.underlying_price > 0) {
    result = compute(*terms, *m.underlying_price, *m.volatility);
  }
  send(computation(m.req_id, wire::tick::custom_computation, result));
}

}  // namespace bifrost::sim
