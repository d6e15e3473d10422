// SPDX-License-Identifier: Apache-2.0
// What other people's option files look like. docs/import-layouts.md says the same in words.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <span>

#include "bifrost/core/calendar.hpp"
#include "chain_fields.hpp"

namespace bifrost::core::chain_fields {
namespace {

using namespace std::chrono_literals;

struct Known {
  Column column;
  std::string_view name;
};

/// How a file tells the moment of its quotes.
enum class Moment {
  unix_seconds,  // seconds since 1970
  day_at_close,  // a date: the end of that day's session
  day_1545,      // a date: 15:45 in New York, 12:45 on shortened days
  wall_clock,    // date and time, New York unless a zone is written
};

struct Layout {
  ChainLayout id;
  Moment moment;
  std::span<const Known> both;  // columns of call and put alike
  std::span<const Known> call;  // empty: the line says which right it is
  std::span<const Known> put;
  std::span<const std::string_view> needed;  // what the header must have, and is known by
};

constexpr Known optionsdx_both[] = {{quote_ts, "quote_unixtime"},
                                    {und_price, "underlying_last"},
                                    {expiry, "expire_date"},
                                    {strike, "strike"}};
constexpr Known optionsdx_call[] = {{bid, "c_bid"},       {ask, "c_ask"},     {last, "c_last"},
                                    {volume, "c_volume"}, {iv, "c_iv"},       {delta, "c_delta"},
                                    {gamma, "c_gamma"},   {theta, "c_theta"}, {vega, "c_vega"},
                                    {bid_size, "c_size"}};
constexpr Known optionsdx_put[] = {{bid, "p_bid"},       {ask, "p_ask"},     {last, "p_last"},
                                   {volume, "p_volume"}, {iv, "p_iv"},       {delta, "p_delta"},
                                   {gamma, "p_gamma"},   {theta, "p_theta"}, {vega, "p_vega"},
                                   {bid_size, "p_size"}};
constexpr std::string_view optionsdx_needed[] = {"quote_unixtime", "expire_date", "strike", "c_bid",
                                                 "c_ask",          "p_bid",       "p_ask"};

// delta and theta are those of the call; gamma and vega are one for both.
constexpr Known orats_both[] = {
    {quote_ts, "trade_date"}, {quote_ts, "tradedate"}, {underlying, "ticker"}, {und_price, "stkpx"},
    {expiry, "expirdate"},    {strike, "strike"},      {gamma, "gamma"},       {vega, "vega"}};
constexpr Known orats_call[] = {{bid, "cbidpx"},        {ask, "caskpx"}, {volume, "cvolu"},
                                {open_interest, "coi"}, {iv, "cmidiv"},  {delta, "delta"},
                                {theta, "theta"},       {root, "copra"}};
constexpr Known orats_put[] = {{bid, "pbidpx"},        {ask, "paskpx"}, {volume, "pvolu"},
                               {open_interest, "poi"}, {iv, "pmidiv"},  {root, "popra"}};
constexpr std::string_view orats_needed[] = {"ticker", "expirdate", "strike", "cbidpx",
                                             "caskpx", "pbidpx",    "paskpx"};

constexpr Known cboe_eod_both[] = {{quote_ts, "quote_date"},
                                   {underlying, "underlying_symbol"},
                                   {root, "root"},
                                   {expiry, "expiration"},
                                   {strike, "strike"},
                                   {right, "option_type"},
                                   {bid, "bid_eod"},
                                   {ask, "ask_eod"},
                                   {bid_size, "bid_size_eod"},
                                   {ask_size, "ask_size_eod"},
                                   {last, "close"},
                                   {volume, "trade_volume"},
                                   {open_interest, "open_interest"}};
constexpr std::string_view cboe_eod_needed[] = {"underlying_symbol", "quote_date", "root",
                                                "expiration",        "strike",     "option_type",
                                                "bid_eod",           "ask_eod"};
// Last trade and volume are the whole day's and were not known at 15:45.
constexpr Known cboe_1545_both[] = {{quote_ts, "quote_date"},
                                    {underlying, "underlying_symbol"},
                                    {root, "root"},
                                    {expiry, "expiration"},
                                    {strike, "strike"},
                                    {right, "option_type"},
                                    {bid, "bid_1545"},
                                    {ask, "ask_1545"},
                                    {bid_size, "bid_size_1545"},
                                    {ask_size, "ask_size_1545"},
                                    {und_price, "active_underlying_price_1545"},
                                    {open_interest, "open_interest"},
                                    {iv, "implied_volatility_1545"},
                                    {delta, "delta_1545"},
                                    {gamma, "gamma_1545"},
                                    {theta, "theta_1545"},
                                    {vega, "vega_1545"}};
constexpr std::string_view cboe_1545_needed[] = {"underlying_symbol", "quote_date", "root",
                                                 "expiration",        "strike",     "option_type",
                                                 "bid_1545",          "ask_1545"};

// Of several names for one thing the first that a file has counts.
constexpr Known ib_both[] = {{quote_ts, "time"},
                             {quote_ts, "timestamp"},
                             {quote_ts, "datetime"},
                             {quote_ts, "quote_time"},
                             {quote_ts, "quotetime"},
                             {quote_ts, "collected_at"},
                             {quote_ts, "date"},
                             {underlying, "underlying"},
                             {underlying, "symbol"},
                             {underlying, "ticker"},
                             {und_price, "undprice"},
                             {und_price, "und_price"},
                             {und_price, "underlyingprice"},
                             {und_price, "underlying_price"},
                             {und_price, "spot"},
                             {expiry, "expiry"},
                             {expiry, "expiration"},
                             {expiry, "lasttradedateorcontractmonth"},
                             {expiry, "lasttradedate"},
                             {strike, "strike"},
                             {right, "right"},
                             {right, "option_type"},
                             {right, "optiontype"},
                             {right, "type"},
                             {root, "tradingclass"},
                             {root, "trading_class"},
                             {multiplier, "multiplier"},
                             {bid, "bid"},
                             {ask, "ask"},
                             {last, "last"},
                             {volume, "volume"},
                             {open_interest, "openinterest"},
                             {open_interest, "open_interest"},
                             {open_interest, "oi"},
                             {iv, "impliedvol"},
                             {iv, "impliedvolatility"},
                             {iv, "implied_vol"},
                             {iv, "implied_volatility"},
                             {iv, "iv"},
                             {delta, "delta"},
                             {gamma, "gamma"},
                             {theta, "theta"},
                             {vega, "vega"},
                             {bid_size, "bidsize"},
                             {bid_size, "bid_size"},
                             {ask_size, "asksize"},
                             {ask_size, "ask_size"}};
constexpr std::string_view ib_needed[] = {"strike", "bid", "ask"};

constexpr Layout layouts[] = {
    {ChainLayout::optionsdx, Moment::unix_seconds, optionsdx_both, optionsdx_call, optionsdx_put,
     optionsdx_needed},
    {ChainLayout::orats, Moment::day_at_close, orats_both, orats_call, orats_put, orats_needed},
    {ChainLayout::cboe_eod, Moment::day_at_close, cboe_eod_both, {}, {}, cboe_eod_needed},
    {ChainLayout::cboe_1545, Moment::day_1545, cboe_1545_both, {}, {}, cboe_1545_needed},
    {ChainLayout::ib, Moment::wall_clock, ib_both, {}, {}, ib_needed}};

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

void locate(std::span<const Known> known, const std::vector<std::string>& names, Where& where) {
  for (const auto& [column, name] : known) {
    if (where[column] >= 0) continue;
    const auto at = std::ranges::find(names, name);
    if (at != names.end()) where[column] = static_cast<int>(at - names.begin());
  }
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool take_number(std::string_view& rest, std::size_t least, std::size_t most, int& value) {
  std::size_t digits = 0;
  value = 0;
  while (digits < most && digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
    value = value * 10 + (rest[digits++] - '0');
  }
  rest.remove_prefix(digits);
  return digits >= least;
}

bool take_char(std::string_view& rest, char c) {
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

/// 2023-01-03, 20230103, 1/3/2023.
std::optional<Date> take_day(std::string_view& rest) {
  int a = 0;
  int b = 0;
  int c = 0;
  auto copy = rest;
  std::optional<std::chrono::year_month_day> day;
  if (take_number(copy, 4, 4, a) && take_char(copy, '-') && take_number(copy, 2, 2, b) &&
      take_char(copy, '-') && take_number(copy, 2, 2, c)) {
    day = std::chrono::year{a} / b / c;
  } else if (copy = rest; take_number(copy, 4, 4, a) && take_number(copy, 2, 2, b) &&
                          take_number(copy, 2, 2, c)) {
    day = std::chrono::year{a} / b / c;
  } else if (copy = rest; take_number(copy, 1, 2, b) && take_char(copy, '/') &&
                          take_number(copy, 1, 2, c) && take_char(copy, '/') &&
                          take_number(copy, 4, 4, a)) {
    day = std::chrono::year{a} / b / c;
  }
  if (!day || !day->ok()) return std::nullopt;
  rest = copy;
  return Date{*day};
}

std::optional<Date> whole_day(std::string_view text) {
  const auto day = take_day(text);
  return text.empty() ? day : std::nullopt;
}

std::optional<Instant> unix_seconds(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (seconds < 0 || seconds > 7'258'118'400) return std::nullopt;  // year 2200
  return Instant{std::chrono::seconds{seconds}};
}

/// "2023-01-03 15:45:00", with T or blanks between, with a fraction, with Z, an offset or a zone
/// behind it. Without a zone: New York.
std::optional<Instant> wall_clock(std::string_view text) {
  if (text.size() == 10 && text.find_first_not_of("0123456789") == std::string_view::npos) {
    return unix_seconds(text);
  }
  const auto day = take_day(text);
  if (!day) return std::nullopt;
  if (!take_char(text, 'T') && !take_char(text, ' ')) return std::nullopt;
  text = trimmed(text);
  int h = 0;
  int m = 0;
  int s = 0;
  if (!take_number(text, 1, 2, h) || !take_char(text, ':') || !take_number(text, 2, 2, m)) {
    return std::nullopt;
  }
  if (take_char(text, ':') && !take_number(text, 2, 2, s)) return std::nullopt;
  if (h > 23 || m > 59 || s > 59) return std::nullopt;
  std::chrono::microseconds fraction{0};
  if (take_char(text, '.')) {
    std::int64_t unit = 100'000;
    const auto before = text.size();
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
      fraction += std::chrono::microseconds{(text.front() - '0') * unit};
      unit /= 10;
    }
    if (text.size() == before) return std::nullopt;
  }
  const auto time = std::chrono::hours{h} + std::chrono::minutes{m} + std::chrono::seconds{s};
  const auto zone = trimmed(text);
  if (zone.empty() || zone == "US/Eastern" || zone == "America/New_York" || zone == "ET") {
    return from_exchange_time(*day, time) + fraction;
  }
  if (zone == "Z" || zone == "UTC" || zone == "GMT") return Instant{*day} + time + fraction;
  auto offset = zone;
  const bool west = take_char(offset, '-');
  int oh = 0;
  int om = 0;
  if ((!west && !take_char(offset, '+')) || !take_number(offset, 2, 2, oh)) return std::nullopt;
  take_char(offset, ':');
  if (!offset.empty() && !take_number(offset, 2, 2, om)) return std::nullopt;
  if (!offset.empty() || oh > 14 || om > 59) return std::nullopt;
  const auto ahead = std::chrono::hours{oh} + std::chrono::minutes{om};
  return Instant{*day} + time + fraction - (west ? -ahead : ahead);
}

/// "^SPX" is SPX; BRK_B, BRK.B and BRK/B are what Interactive Brokers calls "BRK B".
std::string symbol_of(std::string_view text) {
  if (!text.empty() && text.front() == '^') text.remove_prefix(1);
  std::string symbol(text);
  for (auto& c : symbol) {
    if (c == '_' || c == '.' || c == '/') c = ' ';
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return symbol;
}

/// The root of an OCC symbol, "SPXW  240119C04700000"; the blanks may be missing.
std::string_view root_of_occ(std::string_view symbol) {
  constexpr std::size_t tail = 15;
  if (symbol.size() <= tail) return {};
  return trimmed(symbol.substr(0, symbol.size() - tail));
}

/// The Friday (or, around a holiday or in the days of Saturday expiries, its neighbour) on which
/// both classes of an index expire, one in the morning and one in the afternoon.
bool third_friday(Date expiry) {
  const std::chrono::weekday day{expiry};
  Date friday = expiry;
  if (day == std::chrono::Saturday) friday -= std::chrono::days{1};
  if (day == std::chrono::Thursday) friday += std::chrono::days{1};
  const auto number = static_cast<unsigned>(std::chrono::year_month_day{friday}.day());
  const bool third =
      std::chrono::weekday{friday} == std::chrono::Friday && number >= 15 && number <= 21;
  return third && (day != std::chrono::Thursday || !is_trading_day(friday));
}

/// The class that settles in the afternoon, of an index whose own name settles in the morning.
std::string_view afternoon_class(std::string_view underlying) {
  if (underlying == "SPX") return "SPXW";
  if (underlying == "NDX") return "NDXP";
  if (underlying == "RUT") return "RUTW";
  return {};
}

class Reader final : public LayoutReader {
 public:
  Reader(const Layout& layout, std::vector<std::string> names, const ChainFileOptions& options,
         std::string underlying_of_file)
      : layout_(layout),
        names_(std::move(names)),
        options_(options),
        underlying_of_file_(std::move(underlying_of_file)) {
    both_.fill(-1);
    locate(layout_.both, names_, both_);
    call_ = put_ = both_;
    locate(layout_.call, names_, call_);
    locate(layout_.put, names_, put_);
    // One open interest for each right, as the market data ticks of Interactive Brokers name them.
    if (layout_.id == ChainLayout::ib) {
      constexpr Known call_interest[] = {{open_interest, "callopeninterest"}};
      constexpr Known put_interest[] = {{open_interest, "putopeninterest"}};
      locate(call_interest, names_, call_);
      locate(put_interest, names_, put_);
    }
    const auto at = std::ranges::find(names_, "sectype");
    security_type_ = at == names_.end() ? -1 : static_cast<int>(at - names_.begin());
    const bool eod = layout_.id == ChainLayout::cboe_eod;
    const bool early = layout_.id == ChainLayout::cboe_1545;
    if (eod || early) {
      underlying_bid_ = index_of(eod ? "underlying_bid_eod" : "underlying_bid_1545");
      underlying_ask_ = index_of(eod ? "underlying_ask_eod" : "underlying_ask_1545");
    }
  }

  /// The column that a layout cannot do without and that this header lacks, in our word for it.
  std::optional<std::string_view> missing() const {
    for (const auto name : layout_.needed) {
      if (!has(names_, name)) return name;
    }
    for (const auto column : {quote_ts, expiry, strike}) {
      if (both_[column] < 0) return column_names[column];
    }
    if (both_[underlying] < 0 && underlying_of_file_.empty() &&
        layout_.id != ChainLayout::optionsdx) {
      return "underlying";
    }
    if (layout_.call.empty() && both_[right] < 0) return "right";
    return std::nullopt;
  }

  void read(std::string_view line, std::size_t number, std::vector<Item>& out) override {
    split(line, fields_);
    if (fields_.size() != names_.size()) {
      out.emplace_back(ChainFileReject{
          number, fmt::format("{} fields where the header has {}", fields_.size(), names_.size())});
      return;
    }
    for (auto& field : fields_) field = trimmed(field);
    if (security_type_ >= 0) {
      const auto type = fields_[static_cast<std::size_t>(security_type_)];
      if (type != "OPT" && !type.empty()) {
        out.emplace_back(ChainFileReject{number, fmt::format("a {} is no option", type)});
        return;
      }
    }
    FieldReader shared{fields_, both_, names_};
    ChainFileRow row;
    row.line = number;
    read_key(shared, row);
    if (!shared.reason().empty()) {
      out.emplace_back(ChainFileReject{number, shared.reason()});
      return;
    }
    if (layout_.call.empty()) {
      const auto text = shared.text(right);
      const char letter =
          text.empty() ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
      if (letter != 'C' && letter != 'P') {
        shared.wrong(right, "is neither a call nor a put");
        out.emplace_back(ChainFileReject{number, shared.reason()});
        return;
      }
      read_side(row, letter == 'C' ? Right::call : Right::put, out);
    } else {
      read_side(row, Right::call, out);
      read_side(row, Right::put, out);
    }
  }

 private:
  int index_of(std::string_view name) const {
    const auto at = std::ranges::find(names_, name);
    return at == names_.end() ? -1 : static_cast<int>(at - names_.begin());
  }

  void read_key(FieldReader& in, ChainFileRow& row) {
    read_moment(in, row);
    row.contract.underlying = in.text(underlying).empty() && !underlying_of_file_.empty()
                                  ? underlying_of_file_
                                  : symbol_of(in.text(underlying));
    if (!is_symbol(row.contract.underlying)) in.wrong(underlying, "is not a symbol");
    if (const auto day = whole_day(in.text(expiry))) {
      row.contract.expiry = *day;
    } else {
      in.wrong(expiry, "is not a date");
    }
    if (const auto at = positive_price(in, strike)) {
      row.contract.strike = *at;
    } else {
      in.wrong(strike, "is not above zero");
    }
    row.underlying_price = positive_price(in, und_price);
    if (!row.underlying_price && underlying_bid_ >= 0 && underlying_ask_ >= 0) {
      // A quote of the underlying: its middle, where both sides are there.
      Where sides{};
      sides.fill(-1);
      sides[bid] = underlying_bid_;
      sides[ask] = underlying_ask_;
      FieldReader quote{fields_, sides, names_};
      const auto low = positive_price(quote, bid);
      const auto high = positive_price(quote, ask);
      if (low && high) row.underlying_price = Price::from_units((*low + *high).units() / 2);
      if (!quote.reason().empty()) in.refuse(quote.reason());
    }
    if (both_[multiplier] >= 0 && !in.text(multiplier).empty()) {
      const auto shares = count_of(in, multiplier);
      if (!shares || *shares < 1 || *shares > 1'000'000) {
        in.wrong(multiplier, "is not a number of shares");
      } else {
        row.contract.multiplier = static_cast<int>(*shares);
      }
    }
  }

  void read_moment(FieldReader& in, ChainFileRow& row) {
    const auto text = in.text(quote_ts);
    switch (layout_.moment) {
      case Moment::unix_seconds:
        if (const auto at = unix_seconds(text)) {
          row.quote_ts = *at;
          row.quote.observed_at = *at;
        } else {
          in.wrong(quote_ts, "is not a time in seconds since 1970");
        }
        return;
      case Moment::wall_clock:
        if (const auto at = wall_clock(text)) {
          // A collector writes one contract after the other. They belong to the minute that has
          // just ended: never to a moment before they were seen.
          const auto minute = std::chrono::ceil<std::chrono::minutes>(*at);
          row.quote_ts = minute;
          row.quote.observed_at = *at;
        } else {
          in.wrong(quote_ts, "is not a date and time such as 2023-01-03 15:45:00");
        }
        return;
      case Moment::day_at_close:
      case Moment::day_1545:
        break;
    }
    const auto day = whole_day(text);
    if (!day) {
      in.wrong(quote_ts, "is not a date");
      return;
    }
    const auto hours = session(*day);
    if (!hours) {
      in.wrong(quote_ts, "is not a trading day");
      return;
    }
    row.quote_ts = hours->close;
    row.quote.observed_at = hours->close;
    // ORATS gathers its quotes 14 minutes before the close.
    if (layout_.id == ChainLayout::orats) row.quote.observed_at = hours->close - 14min;
    if (layout_.moment == Moment::day_1545) {
      const auto at = from_exchange_time(*day, 15h + 45min);
      constexpr Date moved{std::chrono::year{2020} / 2 / 5};  // since then 12:45 on short days
      if (at < hours->close) {
        row.quote_ts = at;
      } else if (*day >= moved) {
        row.quote_ts = from_exchange_time(*day, 12h + 45min);
      } else {
        in.wrong(quote_ts, "was a shortened day: its quotes of 15:45 came after the close");
      }
      row.quote.observed_at = row.quote_ts;
    }
  }

  void read_side(ChainFileRow row, Right side, std::vector<Item>& out) const {
    FieldReader in{fields_, side == Right::call ? call_ : put_, names_};
    row.contract.right = side;
    read_class(in, row.contract);
    // No offer is written as 0; a bid of 0 under an offer is a quote.
    row.quote.ask = positive_price(in, ask);
    row.quote.bid = price_of(in, bid);
    if (row.quote.bid && *row.quote.bid <= Price{} && !row.quote.ask) row.quote.bid = std::nullopt;
    if (row.quote.bid && *row.quote.bid < Price{}) row.quote.bid = std::nullopt;  // -1: none
    row.quote.last = positive_price(in, last);
    row.quote.volume = count_of(in, volume);
    row.quote.open_interest = count_of(in, open_interest);
    if (layout_.id == ChainLayout::optionsdx) {
      read_sizes(in, row.quote);
    } else {
      row.quote.bid_size = count_of(in, bid_size);
      row.quote.ask_size = count_of(in, ask_size);
    }
    const auto vol = number_of(in, iv);
    if (vol && *vol > 0) row.quote.implied_vol = vol;
    const auto greek = [&](Column column) {
      const auto value = number_of(in, column);
      // Without a volatility a zero was never computed.
      return value && (*value != 0 || row.quote.implied_vol) ? value : std::nullopt;
    };
    row.quote.delta = greek(delta);
    if (row.quote.delta && std::abs(*row.quote.delta) > 1.0001) row.quote.delta = std::nullopt;
    row.quote.gamma = greek(gamma);
    row.quote.theta = greek(theta);
    if (greek(vega)) row.quote.vega = in.hundredfold(vega);
    if (in.reason().empty()) {
      out.emplace_back(std::move(row));
    } else {
      out.emplace_back(ChainFileReject{row.line, in.reason()});
    }
  }

  void read_class(FieldReader& in, OptionContract& contract) const {
    if (!options_.trading_class.empty()) {
      contract.trading_class = options_.trading_class;
      return;
    }
    auto given = in.text(root);
    if (layout_.id == ChainLayout::orats) given = root_of_occ(given);
    if (!given.empty()) {
      contract.trading_class = symbol_of(given);
      if (!is_symbol(contract.trading_class)) in.wrong(root, "is not a trading class");
      return;
    }
    contract.trading_class = contract.underlying;
    const auto afternoon = afternoon_class(contract.underlying);
    if (afternoon.empty()) return;
    if (third_friday(contract.expiry)) {
      in.refuse(fmt::format(
          "the file does not say whether this is {} (settled in the morning) or {}; hint: --class",
          contract.underlying, afternoon));
    }
    contract.trading_class = afternoon;
  }

  /// "300 x 200": bid and ask size.
  void read_sizes(FieldReader& in, Quote& quote) const {
    const auto text = in.text(bid_size);
    if (text.empty()) return;
    const auto cross = text.find('x');
    std::int64_t sizes[2] = {-1, -1};
    const std::string_view parts[2] = {
        trimmed(text.substr(0, cross)),
        cross == std::string_view::npos ? std::string_view{} : trimmed(text.substr(cross + 1))};
    for (int i = 0; i < 2; ++i) {
      const auto [end, error] =
          std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), sizes[i]);
      if (error != std::errc{} || end != parts[i].data() + parts[i].size() || sizes[i] < 0 ||
          sizes[i] > 2'147'483'647) {
        in.wrong(bid_size, "is not two sizes such as 300 x 200");
        return;
      }
    }
    quote.bid_size = sizes[0];
    quote.ask_size = sizes[1];
  }

  /// Nothing for what means nothing: blank, NaN, and the largest double that Interactive Brokers
  /// writes for "unset".
  static std::optional<double> number_of(FieldReader& in, Column column) {
    const auto text = in.text(column);
    if (text.empty() || text == "NaN" || text == "nan" || text == "None" || text == "NULL") {
      return std::nullopt;
    }
    const auto value = in.number(column);
    if (value && std::abs(*value) > 1e300) return std::nullopt;
    return value;
  }

  static std::optional<Price> price_of(FieldReader& in, Column column) {
    const auto value = number_of(in, column);
    if (!value) return std::nullopt;
    const auto price = Price::from_double(*value);
    if (!price) in.wrong(column, "is too large for a price");
    return price;
  }

  static std::optional<Price> positive_price(FieldReader& in, Column column) {
    const auto price = price_of(in, column);
    return price && *price > Price{} ? price : std::nullopt;
  }

  /// Whole numbers, also written as 12.0. Below zero is the broker's word for none.
  static std::optional<std::int64_t> count_of(FieldReader& in, Column column) {
    const auto value = number_of(in, column);
    if (!value || *value < 0) return std::nullopt;
    if (*value > 2'147'483'647 || std::floor(*value) != *value) {
      in.wrong(column, "is not a whole number up to 2147483647");
      return std::nullopt;
    }
    return static_cast<std::int64_t>(*value);
  }

  const Layout& layout_;
  const std::vector<std::string> names_;
  const ChainFileOptions options_;
  const std::string underlying_of_file_;
  Where both_{};
  Where call_{};
  Where put_{};
  int security_type_ = -1;
  int underlying_bid_ = -1;
  int underlying_ask_ = -1;
  std::vector<std::string_view> fields_;
};

const Layout& layout_of(ChainLayout id) {
  return *std::ranges::find(layouts, id, &Layout::id);
}

}  // namespace

std::vector<std::string> header_names(std::string_view header) {
  if (header.starts_with("\xEF\xBB\xBF")) header.remove_prefix(3);
  std::vector<std::string_view> fields;
  split(header, fields);
  std::vector<std::string> names;
  for (const auto field : fields) {
    std::string name;
    for (const char c : field) {
      if (c == '[' || c == ']' || c == ' ' || c == '"' || c == '\t') continue;
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    names.push_back(std::move(name));
  }
  return names;
}

std::optional<ChainLayout> detect(const std::vector<std::string>& names) {
  for (const auto& layout : layouts) {
    if (!Reader(layout, names, {}, "").missing()) return layout.id;
  }
  return std::nullopt;
}

Result<std::unique_ptr<LayoutReader>> make_reader(ChainLayout layout, std::string_view header,
                                                  const ChainFileOptions& options,
                                                  std::string_view file) {
  auto underlying_of_file = options.underlying;
  if (layout == ChainLayout::optionsdx && underlying_of_file.empty()) {
    // spy_eod_202301.txt: the name of the file is the only place that says what it is about.
    const auto stem = std::filesystem::path{file}.filename().string();
    underlying_of_file = symbol_of(std::string_view(stem).substr(0, stem.find_first_of("_.- ")));
    if (!is_symbol(underlying_of_file)) {
      return fail(
          Errc::invalid_input,
          fmt::format("{}: neither the file nor its name says which underlying it is about; "
                      "hint: --symbol",
                      file));
    }
  }
  auto reader = std::make_unique<Reader>(layout_of(layout), header_names(header), options,
                                         std::move(underlying_of_file));
  if (const auto missing = reader->missing()) {
    return fail(Errc::invalid_input,
                fmt::format("{}: the header has no column '{}', which the layout {} needs", file,
                            *missing, to_string(layout)));
  }
  return std::unique_ptr<LayoutReader>(std::move(reader));
}

}  // namespace bifrost::core::chain_fields
