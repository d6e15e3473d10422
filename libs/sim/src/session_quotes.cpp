// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "catalogue.hpp"
#include "session.hpp"
#include "spoil.hpp"
#include "wording.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

namespace {

const Spoils absent{Spoil::no_quote};

std::optional<double> per_point(const std::optional<double>& vega) {
  return vega ? std::optional{analysis::vega_per_point(*vega)} : std::nullopt;
}

// Delayed data is this old.
constexpr auto delay = std::chrono::minutes{15};

// What may be asked for on delayed data.
constexpr int generics_of_delayed[] = {101, 106, 165, 221, 232, 236, 258};

/// The delayed twin of a tick type; the type itself where it has none.
constexpr int delayed_twin(int type) {
  using namespace wire::tick;
  constexpr std::pair<int, int> twins[] = {
      {bid, delayed_bid},
      {ask, delayed_ask},
      {last, delayed_last},
      {bid_size, delayed_bid_size},
      {ask_size, delayed_ask_size},
      {last_size, delayed_last_size},
      {high, delayed_high},
      {low, delayed_low},
      {volume, delayed_volume},
      {close, delayed_close},
      {open, delayed_open},
      {bid_computation, delayed_bid_computation},
      {ask_computation, delayed_ask_computation},
      {last_computation, delayed_last_computation},
      {model_computation, delayed_model_computation},
      {last_timestamp, 88},
      {halted, 90},
  };
  for (const auto& [live, delayed] : twins) {
    if (live == type) return delayed;
  }
  return type;
}

bool market_open(core::Instant t) {
  const auto session = core::session(core::exchange_time(t).date);
  return session && t >= session->open && t < session->close;
}

}  // namespace

void Session::on(const wire::MarketDataTypeRequest& m) {
  market_data_type_ = m.type;
}

void Session::on(const wire::MarketDataRequest& m) {
  if (lines_.contains(m.req_id)) {
    return send_error(m.req_id, 322, "Error processing request.-'b' : cause - Duplicate ticker id");
  }
  if (m.snapshot && !m.generic_ticks.empty()) {
    return send_error(m.req_id, 321,
                      "Error validating request.-'b' : cause - 414 Snapshot market data "
                      "subscription is not applicable to generic ticks");
  }
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.empty()) return send_error(m.req_id, 200, std::string{no_definition});
  if (found.size() > 1) {
    return send_error(m.req_id, 200, "The contract description specified is ambiguous");
  }
  if (floor_.weather.competing()) {
    return send_error(m.req_id, 10197, std::string{usual_text(10197)});
  }
  if (floor_.max_lines() > 0 && floor_.lines >= floor_.max_lines()) {
    return send_error(m.req_id, 101, "Max number of tickers has been reached");
  }

  Line line;
  if (const auto* const* option = std::get_if<const ListedOption*>(&found.front())) {
    line.con_id = (*option)->con_id;
    line.option = true;
    line.subject = Subject::of(**option);
  } else {
    const auto& underlying = *std::get<const Underlying*>(found.front());
    line.con_id = underlying.con_id;
    line.subject = Subject::of(underlying);
  }
  wake(line.option ? Farm::options : Farm::quotes);
  if (!entitled(m, line)) return;
  for (const auto text : split(m.generic_ticks, ',')) {
    const auto generic = parse_int(text);
    if (!generic) continue;
    if (line.delayed &&
        std::ranges::find(generics_of_delayed, *generic) == std::end(generics_of_delayed)) {
      send_error(m.req_id, 2187,
                 fmt::format("Generic tick {} is not available on delayed data", *generic));
      continue;
    }
    line.generics.insert(*generic);
  }
  const auto now = floor_.market.now();
  if (m.snapshot) line.snapshot_ends = now + floor_.options.snapshot_wait;

  const bool frozen = (market_data_type_ == 2 || market_data_type_ == 4) && !market_open(now);
  send(wire::MarketDataType{.req_id = m.req_id, .type = (frozen ? 2 : 1) + (line.delayed ? 2 : 0)});
  send(wire::TickRequestParameters{
      .req_id = m.req_id, .min_tick = 0.01, .bbo_exchange = "9c0001", .snapshot_permissions = 3});
  ++floor_.lines;
  const auto at = lines_.emplace(m.req_id, std::move(line)).first;
  tell(m.req_id, at->second);
  if (m.snapshot && *at->second.snapshot_ends <= now && !silent(at->second)) {
    send(wire::TickSnapshotEnd{.req_id = m.req_id});
    drop(at);
  }
}

bool Session::entitled(const wire::MarketDataRequest& m, Line& line) {
  const auto right = floor_.weather.entitlement(line.subject);
  if (right == "live") return true;
  const bool asks_for_delayed = market_data_type_ >= 3;
  const int code = right == "delayed" ? (asks_for_delayed ? 10167 : 354) : *parse_int(right);
  send_error(m.req_id, code, std::string{usual_text(code)});
  switch (code) {
    case 10167:
    case 2186:
      line.delayed = true;
      return true;
    case 10090:
      line.computations = false;
      return true;
    case 10089:
    case 10091:
      // With delayed data the request goes on; without, the line stands and nothing ever comes.
      line.delayed = asks_for_delayed;
      line.dead = !asks_for_delayed;
      return true;
    default:
      return false;
  }
}

void Session::on(const wire::CancelMarketData& m) {
  const auto line = lines_.find(m.req_id);
  if (line == lines_.end()) {
    return send_error(m.req_id, 300, fmt::format("Can't find EId with tickerId:{}", m.req_id));
  }
  drop(line);
}

void Session::drop(std::map<int, Line>::iterator line) {
  lines_.erase(line);
  --floor_.lines;
}

void Session::market_moved() {
  if (stalled()) return;
  const auto now = floor_.market.now();
  for (auto at = lines_.begin(); at != lines_.end();) {
    const auto line = at++;
    tell(line->first, line->second);
    if (line->second.snapshot_ends && *line->second.snapshot_ends <= now && !silent(line->second)) {
      send(wire::TickSnapshotEnd{.req_id = line->first});
      drop(line);
    }
  }
  bars_moved();
  account_moved();
}

bool Session::quotes_absent() const {
  const bool frozen = market_data_type_ == 2 || market_data_type_ == 4;
  return !frozen && floor_.weather.quotes_absent_after_hours() && !market_open(floor_.market.now());
}

bool Session::silent(const Line& line) const {
  const auto& weather = floor_.weather;
  return line.dead || weather.upstream_down() ||
         weather.broken(line.option ? Farm::options : Farm::quotes);
}

void Session::tell(int req_id, Line& line) {
  if (silent(line)) return;
  const auto& weather = floor_.weather;
  if (line.quiet_until && !line.quiet_until->reached(floor_.now)) return;
  line.quiet_until.reset();
  const auto spoils = weather.spoils(line.subject);
  if (spoils.has(Spoil::silent)) return;
  if (spoils != line.spoils) {
    // Some faults are in how a value is written: then the same value is to be told again.
    line.option_told.reset();
    line.underlying_told.reset();
    line.spoils = spoils;
  }
  const auto now = floor_.market.now();
  if (line.delayed) floor_.market.advance_to(now - delay);
  if (line.option) {
    // An expired contract falls silent, as on the real wire.
    if (!line.option_told || floor_.market.find_option(line.con_id)) {
      auto state = floor_.market.option_state(line.con_id);
      spoil(state, spoils, line.stale_model);
      if (quotes_absent()) spoil(state, absent, line.stale_model);
      tell_option(req_id, line, state);
      line.option_told = std::move(state);
    }
  } else {
    auto state = floor_.market.underlying_state(line.con_id);
    spoil(state, spoils);
    if (quotes_absent()) spoil(state, absent);
    tell_underlying(req_id, line, state);
    line.underlying_told = std::move(state);
  }
  if (line.delayed) floor_.market.advance_to(now);
}

template <class M>
void Session::send_tick(const Line& line, M message) {
  if (line.delayed) message.tick_type = delayed_twin(message.tick_type);
  emit(static_cast<int>(M::id), spoil_frame(wire::encode(message, version_), line.spoils));
}

void Session::tell_price(int req_id, const Line& line, int price_tick, int size_tick,
                         const std::optional<core::Price>& price,
                         const std::optional<std::int64_t>& size) {
  wire::TickPrice out{.req_id = req_id, .tick_type = price_tick, .price = {}, .size = {}};
  if (price) {
    out.price = price->value();
    if (size) out.size = static_cast<double>(*size);
    out.attributes = price_tick == wire::tick::last ? 0 : 1;
  }
  send_tick(line, out);
  if (!price) {
    send_tick(line, wire::TickSize{.req_id = req_id, .tick_type = size_tick, .size = 0});
  } else if (size) {
    send_tick(line, wire::TickSize{.req_id = req_id, .tick_type = size_tick, .size = *out.size});
  }
}

wire::OptionComputation Session::computation(int req_id, int tick_type,
                                             const std::optional<Computation>& value) const {
  wire::OptionComputation out;
  out.req_id = req_id;
  out.tick_type = tick_type;
  out.attribute = tick_type == wire::tick::model_computation ? 0 : 1;
  if (value) {
    out.implied_vol = value->implied_vol;
    out.delta = value->delta;
    out.option_price = value->price;
    if (value->price) out.pv_dividend = 0;
    out.gamma = value->gamma;
    out.vega = per_point(value->vega);
    out.theta = value->theta;
    out.underlying_price = value->underlying_price;
  }
  return out;
}

void Session::tell_trading(int req_id, const Line& line, bool first, bool traded) {
  if (traded) {
    const auto now = std::chrono::floor<std::chrono::seconds>(floor_.market.now());
    send_tick(line, wire::TickString{.req_id = req_id,
                                     .tick_type = wire::tick::last_timestamp,
                                     .value = std::to_string(now.time_since_epoch().count())});
  }
  if (first) {
    send_tick(line,
              wire::TickGeneric{.req_id = req_id, .tick_type = wire::tick::halted, .value = 0});
  }
}

void Session::tell_option(int req_id, const Line& line, const OptionState& state) {
  const auto* told = line.option_told ? &*line.option_told : nullptr;
  const auto& q = state.quote;
  const auto side = [&](int price_tick, int size_tick, auto price, auto size) {
    if (!told || told->quote.*price != q.*price) {
      tell_price(req_id, line, price_tick, size_tick, q.*price, q.*size);
    } else if (q.*size && told->quote.*size != q.*size) {
      send_tick(line, wire::TickSize{.req_id = req_id,
                                     .tick_type = size_tick,
                                     .size = static_cast<double>(*(q.*size))});
    }
  };
  const auto size = [&](int tick_type, auto field) {
    if (!(q.*field) || (told && told->quote.*field == q.*field)) return;
    send_tick(line, wire::TickSize{.req_id = req_id,
                                   .tick_type = tick_type,
                                   .size = static_cast<double>(*(q.*field))});
  };
  side(wire::tick::bid, wire::tick::bid_size, &core::Quote::bid, &core::Quote::bid_size);
  side(wire::tick::ask, wire::tick::ask_size, &core::Quote::ask, &core::Quote::ask_size);
  if (q.last && (!told || told->quote.last != q.last)) {
    tell_price(req_id, line, wire::tick::last, wire::tick::last_size, q.last, std::nullopt);
  }
  tell_trading(req_id, line, !told, q.last && (!told || told->quote.last != q.last));
  size(wire::tick::volume, &core::Quote::volume);
  if (line.generics.contains(101)) {
    const auto* option = floor_.market.find_option(line.con_id);
    const bool call = option && option->contract.right == core::Right::call;
    size(call ? wire::tick::call_open_interest : wire::tick::put_open_interest,
         &core::Quote::open_interest);
  }
  if (!line.computations) return;
  const auto computed = [&](int tick_type, auto side_of) {
    if (told && told->*side_of == state.*side_of) return;
    send_tick(line, computation(req_id, tick_type, state.*side_of));
  };
  // The model's computation comes last: clients take it for the end of the first burst.
  computed(wire::tick::bid_computation, &OptionState::bid);
  computed(wire::tick::ask_computation, &OptionState::ask);
  if (!line.spoils.has(Spoil::no_model)) {
    computed(wire::tick::model_computation, &OptionState::model);
  }
}

void Session::tell_underlying(int req_id, const Line& line, const UnderlyingState& state) {
  const auto* told = line.underlying_told ? &*line.underlying_told : nullptr;
  const auto side = [&](int price_tick, int size_tick, auto price, auto size) {
    // Only a gateway that has no quotes after hours says so; an index has none at any time.
    const bool shown = state.*price || quotes_absent() || line.spoils.has(Spoil::no_quote);
    if (shown && (!told || told->*price != state.*price)) {
      tell_price(req_id, line, price_tick, size_tick, state.*price, state.*size);
    } else if (state.*size && told && told->*size != state.*size) {
      send_tick(line, wire::TickSize{.req_id = req_id,
                                     .tick_type = size_tick,
                                     .size = static_cast<double>(*(state.*size))});
    }
  };
  const auto price = [&](int tick_type, auto field) {
    if (!(state.*field) || (told && told->*field == state.*field)) return;
    send_tick(line, wire::TickPrice{.req_id = req_id,
                                    .tick_type = tick_type,
                                    .price = (*(state.*field)).value(),
                                    .size = 0});
  };
  const auto generic = [&](int wanted, int tick_type, auto field) {
    if (!line.generics.contains(wanted) || !(state.*field)) return;
    if (told && told->*field == state.*field) return;
    send_tick(line,
              wire::TickGeneric{.req_id = req_id, .tick_type = tick_type, .value = state.*field});
  };
  constexpr int historical_vol_tick = 23;
  constexpr int implied_vol_tick = 24;
  using U = UnderlyingState;
  side(wire::tick::bid, wire::tick::bid_size, &U::bid, &U::bid_size);
  side(wire::tick::ask, wire::tick::ask_size, &U::ask, &U::ask_size);
  side(wire::tick::last, wire::tick::last_size, &U::last, &U::last_size);
  tell_trading(req_id, line, !told, state.last && (!told || told->last != state.last));
  if (state.volume && (!told || told->volume != state.volume)) {
    send_tick(line, wire::TickSize{.req_id = req_id,
                                   .tick_type = wire::tick::volume,
                                   .size = static_cast<double>(*state.volume)});
  }
  price(wire::tick::open, &U::open);
  price(wire::tick::high, &U::high);
  price(wire::tick::low, &U::low);
  price(wire::tick::close, &U::previous_close);
  generic(104, historical_vol_tick, &U::historical_vol);
  generic(106, implied_vol_tick, &U::implied_vol);
}

}  // namespace bifrost::sim
