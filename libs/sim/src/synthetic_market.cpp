// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/synthetic_market.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "hash.hpp"
#include "synthetic_listing.hpp"
#include "synthetic_path.hpp"
#include "synthetic_pricing.hpp"

namespace bifrost::sim {
namespace {

namespace chr = std::chrono;
using core::Date;
using core::Instant;
using core::Price;

constexpr double month_years = 30.0 / 365;
// An option an instant before its settlement still needs a positive life to be priced.
constexpr double shortest_life_years = 30.0 / (365.0 * 86400.0);

Price to_price(double value) {
  return *Price::from_double(value);
}

/// Share of a day's volume done after the share `u` of the session: busiest at both ends.
double volume_share(double u) {
  return u + 0.4 * std::sin(2 * std::numbers::pi * u) / (2 * std::numbers::pi);
}

struct Series {
  Series(std::uint64_t seed, Date epoch, SyntheticSymbol symbol)
      : spec(std::move(symbol)), path(seed, epoch, spec) {}
  Series(const Series&) = delete;

  SyntheticSymbol spec;
  Underlying info;
  SyntheticPath path;
  MinutePath minutes;         // of the day of the slot
  std::vector<double> steps;  // of the minute of the slot
  SyntheticListing listing;   // of the day it was asked for
};

/// Where the market stands: which session, which minute and which five seconds of it.
struct Slot {
  std::size_t day = 0;
  std::size_t minute = 0;
  std::size_t step = 0;
  bool traded = false;  // the session of `day` has begun

  friend bool operator==(const Slot&, const Slot&) = default;
};

/// What a price of an option depends on besides the contract.
struct Conditions {
  Instant at;
  double spot;
  double variance;
};

struct Priced {
  double years;
  double vol;
  analysis::Valuation value;
  Spread spread;
};

}  // namespace

struct SyntheticMarket::Impl {
  std::uint64_t seed;
  Instant now{};
  std::uint64_t revision = 0;
  Slot slot;
  std::optional<Date> listed_for;
  std::vector<std::unique_ptr<Series>> series;
  std::vector<Underlying> underlyings;
  std::unordered_map<int, std::pair<std::size_t, std::size_t>> by_con_id;  // series, option

  const Series* find_series(int con_id) const {
    const auto it = std::ranges::find(series, con_id, [](const auto& s) { return s->info.con_id; });
    return it == series.end() ? nullptr : it->get();
  }

  Slot slot_at(Instant t) const {
    const auto& days = series.front()->path.days();
    auto next = std::ranges::upper_bound(days, t, {}, [](const auto& d) { return d.session.open; });
    if (next == days.begin()) return {};
    const auto& day = *std::prev(next);
    Slot out;
    out.traded = true;
    out.day = static_cast<std::size_t>(std::prev(next) - days.begin());
    const auto into = std::min(t, day.session.close) - day.session.open;
    out.minute = static_cast<std::size_t>(into / chr::minutes{1});
    if (t < day.session.close) {
      out.step = static_cast<std::size_t>((into % chr::minutes{1}) / SyntheticPath::step_length);
    }
    return out;
  }

  void move_to(Instant t) {
    now = t;
    const auto date = core::exchange_time(t).date;
    for (auto& s : series) s->path.extend_to(date);
    const auto next = slot_at(t);
    const bool first = revision == 0;
    const bool new_day = first || next.day != slot.day;
    if (first || next != slot) {
      ++revision;
      const bool new_minute = new_day || next.minute != slot.minute;
      slot = next;
      for (auto& s : series) {
        const auto& day = s->path.days()[slot.day];
        if (new_day) s->minutes = s->path.minutes(day);
        if (new_minute) {
          s->steps = slot.minute + 1 < s->minutes.log_spot.size()
                         ? s->path.steps(day, s->minutes, slot.minute)
                         : std::vector<double>{s->minutes.log_spot.back()};
        }
      }
    }
    if (listed_for != date) list_options(date);
  }

  Conditions conditions(const Series& s) const {
    const auto& day = s.path.days()[slot.day];
    return {
        .at = day.session.open + chr::minutes{slot.minute} + SyntheticPath::step_length * slot.step,
        .spot = SyntheticPath::spot(s.steps[slot.step]),
        .variance = s.minutes.variance[slot.minute]};
  }

  Conditions conditions_at_minute(const Series& s, std::size_t minute) const {
    const auto& day = s.path.days()[slot.day];
    return {.at = day.session.open + chr::minutes{minute},
            .spot = SyntheticPath::spot(s.minutes.log_spot[minute]),
            .variance = s.minutes.variance[minute]};
  }

  static Priced price(const Series& s, const ListedOption& option, const ListedDetail& detail,
                      const Conditions& at) {
    Priced out{};
    out.years = std::max(core::years_act365f(at.at, detail.settlement), shortest_life_years);
    const double strike = option.contract.strike.value();
    const double carry = (synthetic_rate - s.spec.dividend_yield) * out.years;
    out.vol = smile_vol(s.spec, at.variance, out.years, std::log(strike / at.spot) - carry);
    out.value = analysis::black_scholes(
        option.contract.right, analysis::SpotInputs{.spot = at.spot,
                                                    .strike = strike,
                                                    .years_to_expiry = out.years,
                                                    .rate = synthetic_rate,
                                                    .dividend_yield = s.spec.dividend_yield,
                                                    .vol = out.vol});
    out.spread = spread_around(out.value.price, out.years, s.spec);
    return out;
  }

  /// What the volatility of one side's price says; nothing where the price has none.
  static std::optional<Computation> side(const Series& s, const ListedOption& option,
                                         const Conditions& at, double years, double price) {
    const double growth = std::exp((synthetic_rate - s.spec.dividend_yield) * years);
    const double strike = option.contract.strike.value();
    const auto vol = analysis::implied_vol(option.contract.right,
                                           {.price = price,
                                            .forward = at.spot * growth,
                                            .strike = strike,
                                            .years_to_expiry = years,
                                            .discount_factor = std::exp(-synthetic_rate * years)});
    if (!vol) return std::nullopt;
    const auto value = analysis::black_scholes(
        option.contract.right, analysis::SpotInputs{.spot = at.spot,
                                                    .strike = strike,
                                                    .years_to_expiry = years,
                                                    .rate = synthetic_rate,
                                                    .dividend_yield = s.spec.dividend_yield,
                                                    .vol = *vol});
    return computation(*vol, price, value, at.spot);
  }

  static Computation computation(double vol, double price, const analysis::Valuation& value,
                                 double spot) {
    return {.implied_vol = vol,
            .price = price,
            .delta = value.delta,
            .gamma = value.gamma,
            .theta = value.theta,
            .vega = value.vega,
            .underlying_price = spot};
  }

  /// Contracts traded by each minute of the day of the slot.
  double day_volume(const Series& s, const ListedOption& option, const ListedDetail& detail) const {
    const auto& day = s.path.days()[slot.day];
    const double years =
        std::max(core::years_act365f(day.session.open, detail.settlement), shortest_life_years);
    NormalStream luck(key(option.con_id, day.date));
    return usual_volume(s.spec, option.contract, day.open, years) * std::exp(0.6 * luck.next());
  }

  std::int64_t volume_by(double whole_day, const Series& s, std::size_t minute) const {
    const auto last = s.minutes.log_spot.size() - 1;
    return static_cast<std::int64_t>(
        whole_day * volume_share(static_cast<double>(minute) / static_cast<double>(last)));
  }

  std::uint64_t key(int con_id, Date date) const {
    return mix(seed ^ mix(static_cast<std::uint64_t>(con_id))) ^
           mix(static_cast<std::uint64_t>(date.time_since_epoch().count()));
  }

  void list_options(Date today) {
    listed_for = today;
    ++revision;
    by_con_id.clear();
    std::vector<int> taken;
    for (std::size_t i = 0; i < series.size(); ++i) {
      auto& listing = series[i]->listing;
      listing = list_day(series[i]->spec, series[i]->path.days(), series[i]->info.con_id, today);
      assign_con_ids(listing.options, taken);
      for (std::size_t j = 0; j < listing.options.size(); ++j) {
        const int id = listing.options[j].con_id;
        taken.push_back(id);
        by_con_id.emplace(id, std::pair{i, j});
      }
    }
  }
};

SyntheticMarket::SyntheticMarket(std::uint64_t seed, Date epoch,
                                 std::vector<SyntheticSymbol> universe)
    : impl_(std::make_unique<Impl>()) {
  if (universe.empty()) core::panic("a synthetic market needs at least one symbol");
  impl_->seed = seed;
  for (auto& symbol : universe) {
    auto s = std::make_unique<Series>(seed, epoch, std::move(symbol));
    s->info = {.con_id = underlying_con_id(s->spec.symbol),
               .symbol = s->spec.symbol,
               .type = s->spec.type,
               .name = s->spec.name,
               .exchange = s->spec.exchange,
               .min_tick = Price::from_units(Price::units_per_one / 100),
               .penny_options = s->spec.penny_options};
    impl_->underlyings.push_back(s->info);
    impl_->series.push_back(std::move(s));
  }
  impl_->move_to(impl_->series.front()->path.days().front().session.open);
}

SyntheticMarket::~SyntheticMarket() = default;

void SyntheticMarket::advance_to(Instant t) {
  impl_->move_to(t);
}
Instant SyntheticMarket::now() const {
  return impl_->now;
}
std::uint64_t SyntheticMarket::revision() const {
  return impl_->revision;
}
std::span<const Underlying> SyntheticMarket::underlyings() const {
  return impl_->underlyings;
}

std::span<const ListedOption> SyntheticMarket::options(int underlying) const {
  const auto* s = impl_->find_series(underlying);
  return s ? std::span<const ListedOption>{s->listing.options} : std::span<const ListedOption>{};
}

const ListedOption* SyntheticMarket::find_option(int con_id) const {
  const auto it = impl_->by_con_id.find(con_id);
  if (it == impl_->by_con_id.end()) return nullptr;
  return &impl_->series[it->second.first]->listing.options[it->second.second];
}

OptionState SyntheticMarket::option_state(int con_id) const {
  const auto it = impl_->by_con_id.find(con_id);
  if (it == impl_->by_con_id.end()) return {};
  const auto& s = *impl_->series[it->second.first];
  const auto& option = s.listing.options[it->second.second];
  const auto& detail = s.listing.details[it->second.second];
  const auto at = impl_->conditions(s);
  const auto priced = Impl::price(s, option, detail, at);

  OptionState state;
  auto& quote = state.quote;
  quote.bid = to_price(priced.spread.bid);
  quote.ask = to_price(priced.spread.ask);
  const auto moment = static_cast<std::uint64_t>(at.at.time_since_epoch().count());
  const auto noise = mix(impl_->key(con_id, s.path.days()[impl_->slot.day].date) ^ moment);
  quote.bid_size = priced.spread.bid > 0 ? 1 + static_cast<std::int64_t>(noise % 60) : 0;
  quote.ask_size = 1 + static_cast<std::int64_t>((noise >> 32U) % 60);

  const auto whole_day = impl_->day_volume(s, option, detail);
  quote.volume = impl_->slot.traded ? impl_->volume_by(whole_day, s, impl_->slot.minute) : 0;
  if (*quote.volume > 0) {
    std::size_t low = 0;
    std::size_t high = impl_->slot.minute;
    while (low < high) {
      const auto middle = std::midpoint(low, high);
      if (impl_->volume_by(whole_day, s, middle) < *quote.volume) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const auto then = Impl::price(s, option, detail, impl_->conditions_at_minute(s, low));
    const bool sold = then.spread.bid > 0 && (mix(noise ^ low) & 1U) == 0;
    quote.last = to_price(sold ? then.spread.bid : then.spread.ask);
  }

  const auto& days = s.path.days();
  const auto mornings = static_cast<std::size_t>(
      std::ranges::lower_bound(days, *impl_->listed_for, {}, &PathDay::date) - days.begin());
  const auto listed_days =
      static_cast<double>(mornings + 1 - std::min(mornings + 1, detail.listed_on));
  NormalStream wobble(mix(impl_->key(con_id, *impl_->listed_for)));
  quote.open_interest =
      static_cast<std::int64_t>(detail.open_interest_base * (1 - std::exp(-listed_days / 15)) *
                                std::exp(0.03 * wobble.next()));
  quote.implied_vol = priced.vol;
  quote.delta = priced.value.delta;
  quote.gamma = priced.value.gamma;
  quote.theta = priced.value.theta;
  quote.vega = priced.value.vega;
  quote.observed_at = at.at;
  state.model = Impl::computation(priced.vol, priced.value.price, priced.value, at.spot);
  if (priced.spread.bid > 0) {
    state.bid = Impl::side(s, option, at, priced.years, priced.spread.bid);
  }
  state.ask = Impl::side(s, option, at, priced.years, priced.spread.ask);
  return state;
}

UnderlyingState SyntheticMarket::underlying_state(int con_id) const {
  const auto* found = impl_->find_series(con_id);
  if (!found) return {};
  const auto& s = *found;
  const auto& slot = impl_->slot;
  const auto& day = s.path.days()[slot.day];
  const auto at = impl_->conditions(s);
  UnderlyingState state;
  state.last = to_price(at.spot);
  const double year_to_month = mean_variance(s.spec, at.variance, month_years);
  state.implied_vol = std::sqrt(year_to_month);
  if (const auto vols = daily_bars(con_id, BarKind::historical_volatility, 1); !vols.empty()) {
    state.historical_vol = vols.back().close;
  }
  if (slot.day > 0) state.previous_close = to_price(s.path.days()[slot.day - 1].close);
  if (slot.traded) {
    const auto bar = daily_bars(con_id, BarKind::trades, 0).back();
    state.open = to_price(bar.open);
    state.high = to_price(bar.high);
    state.low = to_price(bar.low);
    if (s.info.type == SecurityType::stock) state.volume = bar.volume;
  }
  if (s.info.type == SecurityType::stock) {
    const double half = at.spot < 100 ? 0.01 : 0.02;
    state.bid = to_price(at.spot - half);
    state.ask = to_price(at.spot + half);
    const auto noise = mix(impl_->key(con_id, day.date) ^
                           static_cast<std::uint64_t>(at.at.time_since_epoch().count()));
    state.bid_size = 100 * (1 + static_cast<std::int64_t>(noise % 20));
    state.ask_size = 100 * (1 + static_cast<std::int64_t>((noise >> 32U) % 20));
    state.last_size = 100 * (1 + static_cast<std::int64_t>((noise >> 16U) % 5));
  }
  return state;
}

std::optional<Carry> SyntheticMarket::carry(int con_id) const {
  const auto* s = impl_->find_series(con_id);
  if (!s) return std::nullopt;
  return Carry{.rate = synthetic_rate, .dividend_yield = s->spec.dividend_yield};
}

std::vector<DailyBar> SyntheticMarket::daily_bars(int con_id, BarKind kind,
                                                  std::size_t count) const {
  constexpr std::size_t returns = 21;
  const auto* found = impl_->find_series(con_id);
  if (!found || !impl_->slot.traded) return {};
  const auto& s = *found;
  const auto& days = s.path.days();
  const auto today = impl_->slot.day;
  std::vector<DailyBar> bars;
  for (auto i = today - std::min(today, count); i <= today; ++i) {
    const auto& day = days[i];
    const bool running = i == today;
    DailyBar bar;
    bar.date = day.date;
    if (kind == BarKind::historical_volatility) {
      if (i < returns) continue;
      double sum = 0;
      double squares = 0;
      for (auto j = i - returns + 1; j <= i; ++j) {
        const double to = running && j == i ? impl_->conditions(s).spot : days[j].close;
        const double r = std::log(to / days[j - 1].close);
        sum += r;
        squares += r * r;
      }
      const double n = returns;
      bar.close = std::sqrt((squares - sum * sum / n) / (n - 1) * 252);
      bar.open = bar.high = bar.low = bar.close;
    } else if (kind == BarKind::implied_volatility) {
      const auto path = running ? s.minutes : s.path.minutes(day);
      const auto end = running ? impl_->slot.minute + 1 : path.variance.size();
      const auto vol = [&](double v) { return std::sqrt(mean_variance(s.spec, v, month_years)); };
      const std::span seen{path.variance.data(), end};
      const auto [low, high] = std::ranges::minmax(seen);
      bar.open = vol(seen.front());
      bar.low = vol(low);
      bar.high = vol(high);
      bar.close = vol(seen.back());
    } else {
      bar.open = day.open;
      bar.high = day.high;
      bar.low = day.low;
      bar.close = day.close;
      double share = 1;
      if (running) {
        const auto reached = impl_->slot.minute;
        const std::span seen{s.minutes.log_spot.data(), reached + 1};
        const std::span now{s.steps.data(), impl_->slot.step + 1};
        bar.low = SyntheticPath::spot(std::min(std::ranges::min(seen), std::ranges::min(now)));
        bar.high = SyntheticPath::spot(std::max(std::ranges::max(seen), std::ranges::max(now)));
        bar.close = impl_->conditions(s).spot;
        share = volume_share(static_cast<double>(reached) /
                             static_cast<double>(s.minutes.log_spot.size() - 1));
      }
      if (s.info.type == SecurityType::stock) {
        NormalStream luck(impl_->key(con_id, day.date));
        bar.volume = static_cast<std::int64_t>(2500 * s.spec.daily_contracts *
                                               std::exp(0.3 * luck.next()) * share);
      }
    }
    bars.push_back(bar);
  }
  return bars;
}

std::vector<IntradayBar> SyntheticMarket::intraday_bars(int con_id, std::chrono::seconds length,
                                                        Instant from, Instant until) const {
  const auto* found = impl_->find_series(con_id);
  const auto minutes = static_cast<std::size_t>(length / chr::minutes{1});
  if (!found || !impl_->slot.traded || minutes == 0) return {};
  const auto& s = *found;
  const auto& days = s.path.days();
  const auto first = std::ranges::lower_bound(days, from, {},
                                              [](const PathDay& day) { return day.session.close; });
  std::vector<IntradayBar> bars;
  for (auto i = static_cast<std::size_t>(first - days.begin()); i <= impl_->slot.day; ++i) {
    const auto& day = days[i];
    const bool running = i == impl_->slot.day;
    const auto path = running ? s.minutes : s.path.minutes(day);
    const auto last = path.log_spot.size() - 1;
    const auto reached = running ? impl_->slot.minute : last;
    double whole_day = 0;
    if (s.info.type == SecurityType::stock) {
      NormalStream luck(impl_->key(con_id, day.date));
      whole_day = 2500 * s.spec.daily_contracts * std::exp(0.3 * luck.next());
    }
    const auto volume_by = [&](std::size_t minute) {
      const auto share = static_cast<double>(minute) / static_cast<double>(last);
      return static_cast<std::int64_t>(whole_day * volume_share(share));
    };
    // The bar that has just begun is there too: the gateway shows it.
    for (std::size_t at = 0; at < reached || (running && at == reached && at < last);
         at += minutes) {
      const auto start = day.session.open + chr::minutes{at};
      if (start < from || start >= until) continue;
      const auto end = std::min(at + minutes, reached);
      IntradayBar bar;
      bar.start = start;
      const std::span seen{path.log_spot.data() + at, end - at + 1};
      const auto [low, high] = std::ranges::minmax(seen);
      bar.open = SyntheticPath::spot(seen.front());
      bar.low = SyntheticPath::spot(low);
      bar.high = SyntheticPath::spot(high);
      bar.close = SyntheticPath::spot(seen.back());
      bar.volume = volume_by(end) - volume_by(at);
      bars.push_back(bar);
    }
  }
  return bars;
}

}  // namespace bifrost::sim
