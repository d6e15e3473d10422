// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/log.hpp"
#include "catalogue.hpp"

namespace bifrost::sim {
namespace {

namespace wire = ib::wire;
namespace log = core::log;
using namespace std::chrono_literals;

constexpr std::size_t max_summaries = 2;
// Breaches of the message rate within a minute of each other that end the connection.
constexpr int tolerated_breaches = 3;

constexpr std::string_view no_definition = "No security definition has been found for the request";

struct AccountLine {
  std::string_view tag;
  std::string_view value;
  std::string_view currency;
};
constexpr AccountLine account_lines[] = {
    {"AccountType", "INDIVIDUAL", ""},        {"Cushion", "1", ""},
    {"NetLiquidation", "1000000.00", "USD"},  {"TotalCashValue", "1000000.00", "USD"},
    {"BuyingPower", "4000000.00", "USD"},     {"InitMarginReq", "0.00", "USD"},
    {"MaintMarginReq", "0.00", "USD"},        {"AvailableFunds", "1000000.00", "USD"},
    {"ExcessLiquidity", "1000000.00", "USD"}, {"GrossPositionValue", "0.00", "USD"},
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<int> parse_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

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

std::optional<double> per_point(const std::optional<double>& vega) {
  return vega ? std::optional{analysis::vega_per_point(*vega)} : std::nullopt;
}

bool market_open(core::Instant t) {
  const auto session = core::session(core::exchange_time(t).date);
  return session && t >= session->open && t < session->close;
}

}  // namespace

MessageRate::Verdict MessageRate::count(SteadyTime now) {
  if (limit_ == 0) return Verdict::fine;
  while (!recent_.empty() && now - recent_.front() >= 1s) recent_.pop_front();
  recent_.push_back(now);
  const auto count = static_cast<int>(recent_.size());
  if (count > limit_) return Verdict::over_limit;
  // The documented warning comes at 44 of 50.
  return count == limit_ * 44 / 50 && count > 1 ? Verdict::near_limit : Verdict::fine;
}

Session::~Session() {
  floor_.lines -= static_cast<int>(lines_.size());
  if (client_id_) floor_.client_ids.erase(*client_id_);
}

bool Session::receive(std::string_view bytes, SteadyTime now) {
  frames_.feed(bytes);
  for (;;) {
    const auto payload = frames_.next();
    if (!payload) {
      log::info("client {}: {}", client_id_.value_or(-1), payload.error().message);
      return false;
    }
    if (!*payload) return true;
    if (stage_ == Stage::hello) {
      if (!hello(**payload)) return false;
      continue;
    }
    const wire::Fields fields{**payload};
    if (!(stage_ == Stage::start ? start(fields) : dispatch(fields, now))) return false;
  }
}

bool Session::hello(std::string_view payload) {
  const auto offered = wire::decode_hello(payload);
  if (!offered) {
    log::info("refused a client: {}", offered.error().message);
    return false;
  }
  version_ = std::min(offered->max, floor_.options.max_version);
  if (version_ < offered->min || version_ < floor_.options.min_version) {
    log::info("refused a client that speaks versions {} to {}", offered->min, offered->max);
    return false;
  }
  output_ += wire::encode(wire::HelloReply{.server_version = version_,
                                           .connection_time = gateway_time(floor_.market.now())});
  stage_ = Stage::start;
  return true;
}

bool Session::start(const wire::Fields& fields) {
  // A real gateway loses what comes before START_API.
  if (fields.id() != static_cast<int>(wire::Request::start_api)) return true;
  const auto request = wire::decode<wire::StartApi>(fields, version_);
  if (!request) return false;
  if (!floor_.client_ids.insert(request->client_id).second) {
    send_error(
        std::nullopt, 326,
        "Unable to connect as the client id is already in use. Retry with a unique client id.");
    return false;
  }
  client_id_ = request->client_id;
  stage_ = Stage::ready;
  send(wire::ManagedAccounts{.accounts = {floor_.options.account}});
  send(wire::NextValidId{.order_id = 1});
  send_error(std::nullopt, 2104, "Market data farm connection is OK:simfarm");
  send_error(std::nullopt, 2104, "Market data farm connection is OK:simopt");
  send_error(std::nullopt, 2106, "HMDS data farm connection is OK:simhmds");
  send_error(std::nullopt, 2158, "Sec-def data farm connection is OK:simsecdef");
  return true;
}

bool Session::dispatch(const wire::Fields& fields, SteadyTime now) {
  switch (floor_.rate.count(now)) {
    case MessageRate::Verdict::fine:
      break;
    case MessageRate::Verdict::near_limit:
      send_error(std::nullopt, 0,
                 fmt::format("Warning: Approaching max rate of {} messages per second ({})",
                             floor_.options.max_messages_per_second,
                             floor_.options.max_messages_per_second * 44 / 50));
      break;
    case MessageRate::Verdict::over_limit:
      if (last_breach_ && now - *last_breach_ < 1s) return true;
      breaches_ = last_breach_ && now - *last_breach_ < 1min ? breaches_ + 1 : 1;
      last_breach_ = now;
      send_error(std::nullopt, 100,
                 fmt::format("Max rate of messages per second has been exceeded: max={}",
                             floor_.options.max_messages_per_second));
      return breaches_ <= tolerated_breaches;
  }
  const auto id = fields.id();
  if (!id) {
    send_error(std::nullopt, 320, "Error reading request. Unable to parse the message id");
    return true;
  }
  if (*id == static_cast<int>(wire::Request::family_codes)) {
    // Peers differ in whether a message version follows, and there is nothing else to read.
    send(wire::FamilyCodes{.codes = {{.account = floor_.options.account, .code = {}}}});
    return true;
  }
  return dispatch_to(wire::Requests{}, fields, *id);
}

template <class... M>
bool Session::dispatch_to(wire::MessageList<M...>, const wire::Fields& fields, int id) {
  const auto attempt = [&]<class Message>(Message*) {
    if (static_cast<int>(Message::id) != id) return false;
    auto message = wire::decode<Message>(fields, version_);
    if (message) {
      on(*message);
    } else {
      send_error(std::nullopt, 320,
                 fmt::format("Error reading request. {}", message.error().message));
    }
    return true;
  };
  if ((attempt(static_cast<M*>(nullptr)) || ...)) return true;

  const bool order = id == static_cast<int>(wire::Request::place_order) ||
                     id == static_cast<int>(wire::Request::cancel_order);
  if (order || id == static_cast<int>(wire::Request::global_cancel)) {
    // The cancel of older versions has a message version in front of the order id.
    const bool versioned = id == static_cast<int>(wire::Request::cancel_order) && version_ < 192;
    const std::size_t at = versioned ? 2 : 1;
    const auto order_id = order && fields.size() > at ? parse_int(fields[at]) : std::nullopt;
    send_error(order_id, 321,
               "Error validating request.-'b' : cause - The API interface is currently in "
               "Read-Only mode.");
    return true;
  }
  log::debug("client {}: no answer to message {}", client_id_.value_or(-1), id);
  return true;
}

void Session::send_error(std::optional<int> req_id, int code, std::string text) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.market.now());
  send(wire::ErrorMessage{.req_id = req_id,
                          .code = code,
                          .text = std::move(text),
                          .reject_json = {},
                          .time_millis = now.time_since_epoch().count()});
}

// ---- time, ids, catalogue

void Session::on(const wire::CurrentTimeRequest&) {
  const auto now = std::chrono::floor<std::chrono::seconds>(floor_.market.now());
  send(wire::CurrentTime{.epoch_seconds = now.time_since_epoch().count()});
}

void Session::on(const wire::CurrentTimeMillisRequest&) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(floor_.market.now());
  send(wire::CurrentTimeMillis{.epoch_millis = now.time_since_epoch().count()});
}

void Session::on(const wire::IdsRequest&) {
  send(wire::NextValidId{.order_id = 1});
}

void Session::on(const wire::ManagedAccountsRequest&) {
  send(wire::ManagedAccounts{.accounts = {floor_.options.account}});
}

void Session::on(const wire::ContractDataRequest& m) {
  const auto found = find_instruments(floor_.market, m.contract);
  if (found.empty()) return send_error(m.req_id, 200, std::string{no_definition});
  for (const auto& instrument : found) {
    auto data = describe_instrument(floor_.market, instrument);
    data.req_id = m.req_id;
    send(data);
  }
  send(wire::ContractDataEnd{.req_id = m.req_id});
}

void Session::on(const wire::OptionParametersRequest& m) {
  const auto* underlying = find_underlying(floor_.market, static_cast<int>(m.underlying_con_id));
  if (!underlying || underlying->symbol != m.underlying_symbol) {
    return send_error(m.req_id, 200, std::string{no_definition});
  }
  struct Class {
    std::set<std::string> expirations;
    std::set<double> strikes;
    int multiplier = 100;
  };
  std::map<std::string, Class> classes;
  for (const auto& option : floor_.market.options(underlying->con_id)) {
    auto& c = classes[option.contract.trading_class];
    c.expirations.insert(core::to_compact_date(option.last_trade_date));
    c.strikes.insert(option.contract.strike.value());
    c.multiplier = option.contract.multiplier;
  }
  for (const auto* exchange : {"SMART", "CBOE"}) {
    for (const auto& [name, c] : classes) {
      send(wire::OptionParameters{.req_id = m.req_id,
                                  .exchange = exchange,
                                  .underlying_con_id = underlying->con_id,
                                  .trading_class = name,
                                  .multiplier = std::to_string(c.multiplier),
                                  .expirations = {c.expirations.begin(), c.expirations.end()},
                                  .strikes = {c.strikes.begin(), c.strikes.end()}});
    }
  }
  send(wire::OptionParametersEnd{.req_id = m.req_id});
}

void Session::on(const wire::MatchingSymbolsRequest& m) {
  wire::SymbolSamples out{.req_id = m.req_id, .samples = {}};
  std::string pattern = m.pattern;
  std::ranges::transform(pattern, pattern.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  for (const auto& u : floor_.market.underlyings()) {
    if (u.symbol.find(pattern) == std::string::npos && u.name.find(pattern) == std::string::npos) {
      continue;
    }
    out.samples.push_back({.con_id = u.con_id,
                           .symbol = u.symbol,
                           .sec_type = std::string{security_type(u)},
                           .primary_exchange = u.exchange,
                           .currency = "USD",
                           .derivative_sec_types = {"OPT"},
                           .description = u.name,
                           .issuer_id = {}});
  }
  send(out);
}

void Session::on(const wire::MarketRuleRequest& m) {
  if (m.rule_id == penny_rule) {
    send(wire::MarketRule{.rule_id = m.rule_id, .increments = {{0, 0.01}}});
  } else if (m.rule_id == nickel_rule) {
    send(wire::MarketRule{.rule_id = m.rule_id, .increments = {{0, 0.01}, {3, 0.05}}});
  } else {
    send_error(
        std::nullopt, 321,
        fmt::format("Error validating request.-'b' : cause - Unknown market rule {}", m.rule_id));
  }
}

void Session::on(const wire::SoftDollarTiersRequest& m) {
  send(wire::SoftDollarTiers{.req_id = m.req_id, .tiers = {}});
}
void Session::on(const wire::SmartComponentsRequest& m) {
  send(wire::SmartComponents{.req_id = m.req_id,
                             .components = {{.bit = 0, .exchange = "AMEX", .letter = "A"},
                                            {.bit = 1, .exchange = "CBOE", .letter = "C"}}});
}
void Session::on(const wire::UserInfoRequest& m) {
  send(wire::UserInfo{.req_id = m.req_id, .white_branding_id = {}});
}

// ---- market data

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
  if (floor_.options.max_lines > 0 && floor_.lines >= floor_.options.max_lines) {
    return send_error(m.req_id, 101, "Max number of tickers has been reached");
  }

  Line line;
  if (const auto* const* option = std::get_if<const ListedOption*>(&found.front())) {
    line.con_id = (*option)->con_id;
    line.option = true;
  } else {
    line.con_id = std::get<const Underlying*>(found.front())->con_id;
  }
  for (const auto text : split(m.generic_ticks, ',')) {
    if (const auto generic = parse_int(text)) line.generics.insert(*generic);
  }
  const auto now = floor_.market.now();
  if (m.snapshot) line.snapshot_ends = now + floor_.options.snapshot_wait;

  const bool frozen = (market_data_type_ == 2 || market_data_type_ == 4) && !market_open(now);
  send(wire::MarketDataType{.req_id = m.req_id, .type = frozen ? 2 : 1});
  send(wire::TickRequestParameters{
      .req_id = m.req_id, .min_tick = 0.01, .bbo_exchange = "9c0001", .snapshot_permissions = 3});
  ++floor_.lines;
  const auto at = lines_.emplace(m.req_id, std::move(line)).first;
  tell(m.req_id, at->second);
  if (m.snapshot && *at->second.snapshot_ends <= now) {
    send(wire::TickSnapshotEnd{.req_id = m.req_id});
    drop(at);
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
  const auto now = floor_.market.now();
  for (auto at = lines_.begin(); at != lines_.end();) {
    const auto line = at++;
    tell(line->first, line->second);
    if (line->second.snapshot_ends && *line->second.snapshot_ends <= now) {
      send(wire::TickSnapshotEnd{.req_id = line->first});
      drop(line);
    }
  }
}

void Session::tell(int req_id, Line& line) {
  if (!line.option) {
    const auto state = floor_.market.underlying_state(line.con_id);
    tell_underlying(req_id, line, state);
    line.underlying_told = state;
    return;
  }
  // An expired contract falls silent, as on the real wire.
  if (line.option_told && !floor_.market.find_option(line.con_id)) return;
  const auto state = floor_.market.option_state(line.con_id);
  tell_option(req_id, line, state);
  line.option_told = state;
}

void Session::tell_price(int req_id, int price_tick, int size_tick,
                         const std::optional<core::Price>& price,
                         const std::optional<std::int64_t>& size) {
  wire::TickPrice out{.req_id = req_id, .tick_type = price_tick, .price = {}, .size = {}};
  if (price) {
    out.price = price->value();
    if (size) out.size = static_cast<double>(*size);
    out.attributes = price_tick == wire::tick::last ? 0 : 1;
  }
  send(out);
  if (!price) {
    send(wire::TickSize{.req_id = req_id, .tick_type = size_tick, .size = 0});
  } else if (size) {
    send(wire::TickSize{.req_id = req_id, .tick_type = size_tick, .size = *out.size});
  }
}

void Session::tell_computation(int req_id, int tick_type, const std::optional<Computation>& value) {
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
  send(out);
}

void Session::tell_option(int req_id, const Line& line, const OptionState& state) {
  const auto* told = line.option_told ? &*line.option_told : nullptr;
  const auto& q = state.quote;
  const auto side = [&](int price_tick, int size_tick, auto price, auto size) {
    if (!told || told->quote.*price != q.*price) {
      tell_price(req_id, price_tick, size_tick, q.*price, q.*size);
    } else if (q.*size && told->quote.*size != q.*size) {
      send(wire::TickSize{
          .req_id = req_id, .tick_type = size_tick, .size = static_cast<double>(*(q.*size))});
    }
  };
  const auto size = [&](int tick_type, auto field) {
    if (!(q.*field) || (told && told->quote.*field == q.*field)) return;
    send(wire::TickSize{
        .req_id = req_id, .tick_type = tick_type, .size = static_cast<double>(*(q.*field))});
  };
  side(wire::tick::bid, wire::tick::bid_size, &core::Quote::bid, &core::Quote::bid_size);
  side(wire::tick::ask, wire::tick::ask_size, &core::Quote::ask, &core::Quote::ask_size);
  if (q.last && (!told || told->quote.last != q.last)) {
    tell_price(req_id, wire::tick::last, wire::tick::last_size, q.last, std::nullopt);
  }
  size(wire::tick::volume, &core::Quote::volume);
  if (line.generics.contains(101)) {
    const auto* option = floor_.market.find_option(line.con_id);
    const bool call = option && option->contract.right == core::Right::call;
    size(call ? wire::tick::call_open_interest : wire::tick::put_open_interest,
         &core::Quote::open_interest);
  }
  // The model's computation comes last: clients take it for the end of the first burst.
  if (!told || told->bid != state.bid) {
    tell_computation(req_id, wire::tick::bid_computation, state.bid);
  }
  if (!told || told->ask != state.ask) {
    tell_computation(req_id, wire::tick::ask_computation, state.ask);
  }
  if (!told || told->model != state.model) {
    tell_computation(req_id, wire::tick::model_computation, state.model);
  }
}

void Session::tell_underlying(int req_id, const Line& line, const UnderlyingState& state) {
  const auto* told = line.underlying_told ? &*line.underlying_told : nullptr;
  const auto side = [&](int price_tick, int size_tick, auto price, auto size) {
    if (state.*price && (!told || told->*price != state.*price)) {
      tell_price(req_id, price_tick, size_tick, state.*price, state.*size);
    } else if (state.*size && told && told->*size != state.*size) {
      send(wire::TickSize{
          .req_id = req_id, .tick_type = size_tick, .size = static_cast<double>(*(state.*size))});
    }
  };
  const auto price = [&](int tick_type, auto field) {
    if (!(state.*field) || (told && told->*field == state.*field)) return;
    send(wire::TickPrice{
        .req_id = req_id, .tick_type = tick_type, .price = (*(state.*field)).value(), .size = 0});
  };
  const auto generic = [&](int wanted, int tick_type, auto field) {
    if (!line.generics.contains(wanted) || !(state.*field)) return;
    if (told && told->*field == state.*field) return;
    send(wire::TickGeneric{.req_id = req_id, .tick_type = tick_type, .value = state.*field});
  };
  constexpr int historical_vol_tick = 23;
  constexpr int implied_vol_tick = 24;
  using U = UnderlyingState;
  side(wire::tick::bid, wire::tick::bid_size, &U::bid, &U::bid_size);
  side(wire::tick::ask, wire::tick::ask_size, &U::ask, &U::ask_size);
  side(wire::tick::last, wire::tick::last_size, &U::last, &U::last_size);
  if (state.volume && (!told || told->volume != state.volume)) {
    send(wire::TickSize{.req_id = req_id,
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

// ---- history and calculators

void Session::on(const wire::HistoricalDataRequest& m) {
  const auto refuse = [&](int code, std::string_view why) {
    send_error(m.req_id, code, std::string{why});
  };
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
  tell_computation(m.req_id, wire::tick::custom_computation, result);
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
  tell_computation(m.req_id, wire::tick::custom_computation, result);
}

// ---- account: one million in cash, no positions, no orders

void Session::on(const wire::AccountSummaryRequest& m) {
  if (!summaries_.contains(m.req_id) && summaries_.size() >= max_summaries) {
    return send_error(m.req_id, 322,
                      "Error processing request.-'b' : cause - Maximum number of account summary "
                      "requests exceeded");
  }
  summaries_.insert(m.req_id);
  for (const auto tag : split(m.tags, ',')) {
    const auto line = std::ranges::find(account_lines, tag, &AccountLine::tag);
    if (line == std::end(account_lines)) continue;
    send(wire::AccountSummary{.req_id = m.req_id,
                              .account = floor_.options.account,
                              .tag = std::string{line->tag},
                              .value = std::string{line->value},
                              .currency = std::string{line->currency}});
  }
  send(wire::AccountSummaryEnd{.req_id = m.req_id});
}

void Session::on(const wire::CancelAccountSummary& m) {
  summaries_.erase(m.req_id);
}
void Session::on(const wire::PositionsRequest&) {
  send(wire::PositionEnd{});
}
void Session::on(const wire::PositionsMultiRequest& m) {
  send(wire::PositionMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::AccountUpdatesRequest& m) {
  if (!m.subscribe) return;
  for (const auto& line : account_lines) {
    send(wire::AccountValue{.key = std::string{line.tag},
                            .value = std::string{line.value},
                            .currency = std::string{line.currency},
                            .account = floor_.options.account});
  }
  const auto text = gateway_time(floor_.market.now());
  send(wire::AccountUpdateTime{.time = text.substr(9, 5)});
  send(wire::AccountDownloadEnd{.account = floor_.options.account});
}

void Session::on(const wire::AccountUpdatesMultiRequest& m) {
  for (const auto& line : account_lines) {
    send(wire::AccountUpdateMulti{.req_id = m.req_id,
                                  .account = floor_.options.account,
                                  .model = m.model,
                                  .key = std::string{line.tag},
                                  .value = std::string{line.value},
                                  .currency = std::string{line.currency}});
  }
  send(wire::AccountUpdateMultiEnd{.req_id = m.req_id});
}

void Session::on(const wire::PnlRequest& m) {
  send(wire::Pnl{.req_id = m.req_id, .daily = 0, .unrealized = 0, .realized = 0});
}

void Session::on(const wire::OpenOrdersRequest&) {
  send(wire::OpenOrderEnd{});
}
void Session::on(const wire::AllOpenOrdersRequest&) {
  send(wire::OpenOrderEnd{});
}
void Session::on(const wire::CompletedOrdersRequest&) {
  send(wire::CompletedOrdersEnd{});
}
void Session::on(const wire::ExecutionsRequest& m) {
  send(wire::ExecutionDataEnd{.req_id = m.req_id});
}

}  // namespace bifrost::sim
