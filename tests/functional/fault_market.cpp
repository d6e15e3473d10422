// SPDX-License-Identifier: Apache-2.0
#include "fault_market.hpp"

#include <algorithm>
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::test {

using core::Date;
using core::Instant;
using std::chrono::days;
using std::chrono::minutes;

namespace {

constexpr std::int64_t price_unit = core::Price::units_per_one;

std::uint64_t mixed(std::uint64_t h) {  // splitmix64, Steele, Lea, Flood 2014
  h += 0x9e3779b97f4a7c15;
  h = (h ^ (h >> 30U)) * 0xbf58476d1ce4e5b9;
  h = (h ^ (h >> 27U)) * 0x94d049bb133111eb;
  return h ^ (h >> 31U);
}

std::uint64_t minute_of(Instant t) {
  return static_cast<std::uint64_t>(std::chrono::floor<minutes>(t).time_since_epoch().count());
}

std::optional<core::Price> price(std::optional<std::int64_t> units) {
  if (!units) return std::nullopt;
  return core::Price::from_units(*units);
}

std::optional<double> real(std::optional<std::int64_t> steps, double per_one) {
  if (!steps) return std::nullopt;
  return static_cast<double>(*steps) / per_one;
}

std::optional<std::string> text(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return std::to_string(*value);
}

}  // namespace

/// In the steps of the history's columns.
struct FaultMarket::Quoted {
  using Number = std::optional<std::int64_t>;
  Number bid, ask, last, bid_size, ask_size, volume, open_interest;
  Number implied_vol, delta, gamma, theta, vega;
};

FaultMarket::FaultMarket(MarketShape shape) : shape_(std::move(shape)) {
  underlyings_.push_back({.con_id = sim::underlying_con_id(shape_.symbol),
                          .symbol = shape_.symbol,
                          .type = sim::SecurityType::stock,
                          .name = shape_.symbol + " (FAULTS)",
                          .exchange = "NYSE",
                          .min_tick = core::Price::from_units(price_unit / 100)});
  Date friday = shape_.first;
  while (std::chrono::weekday{friday} != std::chrono::Friday) friday += days{1};
  for (int week = 0; week < shape_.fridays; ++week, friday += days{7}) {
    for (int strike = shape_.lowest_strike; strike <= shape_.highest_strike; ++strike) {
      for (const auto right : {core::Right::call, core::Right::put}) {
        all_.push_back({.underlying_con_id = underlyings_.front().con_id,
                        .contract = {shape_.symbol, shape_.symbol, friday,
                                     core::Price::from_units(strike * price_unit), right, 100},
                        .last_trade_date = sim::last_trade_date(
                            {shape_.symbol, shape_.symbol, friday,
                             core::Price::from_units(strike * price_unit), right, 100})});
      }
    }
  }
  std::ranges::sort(all_, {}, &sim::ListedOption::contract);
  const std::array taken{underlyings_.front().con_id};
  sim::assign_con_ids(all_, taken);
  for (std::size_t i = 0; i < all_.size(); ++i) by_con_id_.emplace(all_[i].con_id, i);
}

FaultMarket::Listing FaultMarket::listing(Instant t) const {
  const Date day = core::exchange_time(t).date;
  Date friday = day;
  while (std::chrono::weekday{friday} != std::chrono::Friday) friday += days{1};
  return {t, day, friday + days{7 * (shape_.listed - 1)}};
}

bool FaultMarket::is_listed(const sim::ListedOption& option, const Listing& at) const {
  const auto& contract = option.contract;
  if (option.last_trade_date < at.day || contract.expiry > at.last) return false;
  const auto strike = contract.strike.units() / price_unit;
  if (shape_.listed_later && at.t < *shape_.listed_later && strike == shape_.highest_strike) {
    return false;
  }
  return !shape_.gone || at.t < *shape_.gone || strike != shape_.lowest_strike;
}

FaultMarket::Quoted FaultMarket::quoted(const sim::ListedOption& option, Instant t) const {
  const auto of_contract = mixed(shape_.seed ^ (static_cast<std::uint64_t>(option.con_id) << 20U));
  const auto day =
      static_cast<std::uint64_t>(core::exchange_time(t).date.time_since_epoch().count());
  const auto of_day = mixed(of_contract ^ day);
  const auto of_minute = mixed(of_contract ^ (minute_of(t) << 1U));
  const auto pick = [](std::uint64_t h, unsigned shift, std::uint64_t n) {
    return static_cast<std::int64_t>((h >> shift) % n);
  };

  Quoted q;
  // Most quotes stir by less than what counts as a change; every seventh jumps.
  std::int64_t bid = 10'000 + 100 * pick(of_day, 0, 300) + 100 * pick(of_minute, 0, 5);
  if (pick(of_minute, 8, 7) == 0) bid += 5'000;
  std::int64_t ask = bid + 100 * (1 + pick(of_minute, 16, 4));
  if (shape_.dirty) {
    switch (pick(of_minute, 24, 6)) {
      case 0:
        std::swap(bid, ask);  // crossed
        break;
      case 1:
        ask = bid;  // locked
        break;
      case 2:
        bid = 0;
        break;
      case 3:
        bid = -2'500;  // a credit: combinations quote so; -1 alone means that there is none
        break;
      default:
        break;
    }
  }
  if (pick(of_minute, 32, 17) != 0) {
    q.bid = bid;
    q.bid_size = 1 + pick(of_minute, 36, 200);
  }
  if (pick(of_minute, 40, 19) != 0) {
    q.ask = ask;
    q.ask_size = 1 + pick(of_minute, 44, 200);
  }
  if (pick(of_day, 12, 5) != 0) {
    q.last = bid > 0 ? bid : 100;
    q.volume = 1 + pick(of_day, 16, 50) + static_cast<std::int64_t>(minute_of(t) % 1440) / 10;
  }
  if (pick(of_day, 24, 9) != 0) q.open_interest = pick(of_day, 28, 5'000);
  if (pick(of_minute, 48, 13) != 0) {
    q.implied_vol = 150'000 + pick(of_day, 36, 200'000) + pick(of_minute, 50, 9'000);
    const bool call = option.contract.right == core::Right::call;
    q.delta = (call ? 1 : -1) * (1 + pick(of_minute, 52, 900'000));
    q.gamma = 1 + pick(of_minute, 20, 9'000'000);
    q.theta = -(1 + pick(of_minute, 28, 400'000));
    q.vega = 1'000 * (1 + pick(of_minute, 30, 9'000));
    if (shape_.dirty && pick(of_minute, 34, 3) == 0) {
      q.gamma = std::nullopt;
      q.theta = std::nullopt;
    }
  }
  if (shape_.plausible) {
    const auto& contract = option.contract;
    const double vol = 0.2 + 0.0001 * static_cast<double>(pick(of_minute, 0, 100));
    const auto value = analysis::black_scholes(
        contract.right,
        analysis::SpotInputs{
            .spot = static_cast<double>(std::stoll(expected_underlying_price(t))) / price_unit,
            .strike = contract.strike.value(),
            .years_to_expiry = core::years_act365f(t, core::settlement_instant(contract)),
            .rate = 0,
            .dividend_yield = 0,
            .vol = vol});
    const auto cents = std::llround(value.price * 100) * 100;
    q.bid = std::max<std::int64_t>(cents - 100, 0);
    q.ask = cents + 100;
    q.bid_size = 10;
    q.ask_size = 10;
    q.implied_vol = std::llround(vol * 1e6);
    q.delta = std::llround(value.delta * 1e6);
    q.gamma = std::llround(value.gamma * 1e8);
    q.theta = std::llround(value.theta * 1e6);
    q.vega = std::llround(value.vega * 1e5);
  }
  return q;
}

std::map<FaultMarket::Key, SqlRow> FaultMarket::expected(Instant t) const {
  std::map<Key, SqlRow> rows;
  const auto at = listing(t);
  for (const auto& option : all_) {
    if (!is_listed(option, at)) continue;
    const auto q = quoted(option, t);
    const auto& c = option.contract;
    rows.emplace(Key{c.trading_class, core::to_iso_date(c.expiry),
                     std::to_string(c.strike.units() / (price_unit / 1000)),
                     std::string{core::to_char(c.right)}},
                 SqlRow{text(q.bid), text(q.ask), text(q.last), text(q.bid_size), text(q.ask_size),
                        text(q.volume), text(q.open_interest), text(q.implied_vol), text(q.delta),
                        text(q.gamma), text(q.theta), text(q.vega)});
  }
  return rows;
}

std::string FaultMarket::expected_underlying_price(Instant t) const {
  const auto h = mixed(shape_.seed ^ minute_of(t));
  return std::to_string(100 * price_unit + 100 * static_cast<std::int64_t>(h % 200) - price_unit);
}

void FaultMarket::advance_to(Instant t) {
  if (t == now_) return;
  if (minute_of(t) != minute_of(now_)) ++revision_;
  now_ = t;
  listed_.clear();
  std::ranges::copy_if(all_, std::back_inserter(listed_),
                       [&, at = listing(t)](const auto& option) { return is_listed(option, at); });
}

std::span<const sim::ListedOption> FaultMarket::options(int underlying_con_id) const {
  if (underlying_con_id != underlyings_.front().con_id) return {};
  return listed_;
}

const sim::ListedOption* FaultMarket::find_option(int con_id) const {
  const auto at = by_con_id_.find(con_id);
  if (at == by_con_id_.end()) return nullptr;
  const auto found = std::ranges::lower_bound(listed_, all_[at->second].contract, {},
                                              &sim::ListedOption::contract);
  return found != listed_.end() && found->con_id == con_id ? &*found : nullptr;
}

sim::OptionState FaultMarket::option_state(int con_id) const {
  const auto at = by_con_id_.find(con_id);
  if (at == by_con_id_.end()) return {};
  const auto q = quoted(all_[at->second], now_);
  sim::OptionState state;
  auto& quote = state.quote;
  quote.bid = price(q.bid);
  quote.ask = price(q.ask);
  quote.last = price(q.last);
  quote.bid_size = q.bid_size;
  quote.ask_size = q.ask_size;
  quote.volume = q.volume;
  quote.open_interest = q.open_interest;
  quote.observed_at = now_;
  if (q.implied_vol) {
    state.model = sim::Computation{.implied_vol = real(q.implied_vol, 1e6),
                                   .price = std::nullopt,
                                   .delta = real(q.delta, 1e6),
                                   .gamma = real(q.gamma, 1e8),
                                   .theta = real(q.theta, 1e6),
                                   .vega = real(q.vega, 1e5),
                                   .underlying_price = std::nullopt};
  }
  return state;
}

sim::UnderlyingState FaultMarket::underlying_state(int con_id) const {
  sim::UnderlyingState state;
  if (con_id == underlyings_.front().con_id) {
    state.last = core::Price::from_units(std::stoll(expected_underlying_price(now_)));
  }
  return state;
}

std::vector<sim::DailyBar> FaultMarket::daily_bars(int, sim::BarKind, std::size_t) const {
  return {};
}

}  // namespace bifrost::test
