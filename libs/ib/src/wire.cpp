// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "layouts.hpp"

namespace bifrost::ib::wire {
namespace {

using core::Errc;
using core::fail;

constexpr std::string_view prefix{"API\0", 4};
constexpr double unset_double = std::numeric_limits<double>::max();
constexpr int unset_int = std::numeric_limits<int>::max();
constexpr std::int64_t unset_long = std::numeric_limits<std::int64_t>::max();

template <class Int>
bool parse_whole(std::string_view text, Int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Decimal or Java exponent form. Unset marks, infinities and NaN give a value without content.
bool parse_number(std::string_view text, std::optional<double>& value) {
  value.reset();
  if (text.empty() || text == "Infinity" || text == "Infinite" || text == "-Infinity" ||
      text == "NaN")
    return true;
  if (text.front() == '+') text.remove_prefix(1);
  double number = 0;
  if (!parse_whole(text, number)) return false;
  if (std::isfinite(number) && number < unset_double) value = number;
  return true;
}

std::string number_text(double value) {
  std::array<char, 400>
      text;  // the longest shortest-form double without exponent has 345 characters
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{}) core::panic("a double did not fit its text");
  return {text.data(), end};
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

constexpr std::uint32_t replacement = 0xFFFD;

std::optional<std::uint32_t> escape_at(std::string_view text, std::size_t i) {
  if (text.size() - i < 6 || text[i] != '\\' || text[i + 1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  const auto* digits = text.data() + i + 2;
  const auto [end, error] = std::from_chars(digits, digits + 4, unit, 16);
  if (error != std::errc{} || end != digits + 4) return std::nullopt;
  return unit;
}

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto unit = escape_at(text, i);
    if (!unit) {
      out.push_back(text[i++]);
      continue;
    }
    i += 6;
    if (*unit < 0xD800 || *unit > 0xDFFF) {
      append_utf8(out, *unit == 0 ? replacement : *unit);
      continue;
    }
    const auto low = i < text.size() ? escape_at(text, i) : std::nullopt;
    if (*unit < 0xDC00 && low && *low >= 0xDC00 && *low <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
      i += 6;
    } else {
      append_utf8(out, replacement);
    }
  }
  return out;
}

/// Reads one code point of UTF-8; bytes that are none give the replacement character, one at a
/// time.
std::uint32_t next_code_point(std::string_view text, std::size_t& i) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(i);
  const int extra = lead < 0x80       ? 0
                    : lead >> 5 == 6  ? 1
                    : lead >> 4 == 14 ? 2
                    : lead >> 3 == 30 ? 3
                                      : -1;
  if (extra < 0 || text.size() - i <= static_cast<std::size_t>(extra)) return ++i, replacement;
  std::uint32_t code = extra == 0 ? lead : lead & (0x3Fu >> extra);
  for (int k = 1; k <= extra; ++k) {
    const unsigned char next = byte(i + static_cast<std::size_t>(k));
    if (next >> 6 != 2) return ++i, replacement;
    code = code << 6 | (next & 0x3F);
  }
  constexpr std::array<std::uint32_t, 4> least{0, 0x80, 0x800, 0x10000};
  if (code < least[static_cast<std::size_t>(extra)]) return ++i, replacement;
  i += static_cast<std::size_t>(extra) + 1;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return surrogate || code > 0x10FFFF ? replacement : code;
}

/// Whatever a peer sends: what it becomes part of (a reason, a log line, a row) is UTF-8.
std::string utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) append_utf8(out, next_code_point(text, i));
  return out;
}

/// Non-ASCII as \uXXXX; '&' too, because real gateways do ("S\u0026P").
std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto code = next_code_point(text, i);
    if (code < 0x80 && code != '&') {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                         0xDC00 + ((code - 0x10000) & 0x3FF));
    }
  }
  return out;
}

class Writer {
 public:
  explicit Writer(int id) : bytes_(4, '\0') { put_int(id); }

  std::string finish() {
    const std::size_t size = bytes_.size() - 4;
    if (size > max_payload) core::panic("a message of ours exceeds the largest frame");
    for (std::size_t i = 0; i < 4; ++i) bytes_[i] = static_cast<char>(size >> (24 - 8 * i) & 0xFF);
    return std::move(bytes_);
  }

  template <class... T>
  void operator()(const T&... fields) {
    (put(fields), ...);
  }
  void version(int n) { put_int(n); }
  std::size_t remaining() const { return 0; }

  void strike(const std::optional<double>& v) { put_text(v ? number_text(*v) : "0.0"); }
  void decimal(const std::optional<double>& v) { put(v); }
  void unset_as(int mark, const std::optional<double>& v) { v ? put(*v) : put_int(mark); }
  void unset_as_minus_one(const std::optional<int>& v) { put_int(v.value_or(-1)); }
  void unset_as_max(const std::optional<int>& v) { put_int(v.value_or(unset_int)); }
  void price_and_size(const std::optional<double>& price, const std::optional<double>& size) {
    if (price) {
      put(*price);
      put(size);
    } else {
      put_int(-1);
      put_int(0);
    }
  }
  void escaped(const std::string& v) { put_text(escape(v)); }
  void comma_list(const std::vector<std::string>& items) {
    put_text(fmt::format("{}", fmt::join(items, ",")));
  }
  template <class T, class F>
  void list(std::vector<T>& items, F each) {
    put_int(static_cast<std::int64_t>(items.size()));
    for (auto& item : items) each(item);
  }

 private:
  // A NUL inside a field would shift every field behind it.
  void put_text(std::string_view text) {
    for (const char c : text) {
      if (c != '\0') bytes_.push_back(c);
    }
    bytes_.push_back('\0');
  }
  void put_int(std::int64_t v) {
    std::array<char, 24> text;
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), v);
    put_text({text.data(), end});
  }
  void put(int v) { put_int(v); }
  void put(std::int64_t v) { put_int(v); }
  void put(bool v) { put_int(v ? 1 : 0); }
  void put(double v) { put_text(std::isfinite(v) ? number_text(v) : std::string{}); }
  void put(const std::string& v) { put_text(v); }
  void put(const std::optional<double>& v) { v ? put(*v) : put_text({}); }
  void put(const std::optional<int>& v) { v ? put_int(*v) : put_text({}); }
  void put(const std::optional<std::int64_t>& v) { v ? put_int(*v) : put_text({}); }
  void put(const std::optional<core::Right>& v) {
    const char right = v ? core::to_char(*v) : '\0';
    put_text({&right, v ? 1u : 0u});
  }

  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(const Fields& fields) : fields_(fields) {}

  /// The field that could not be read, counted from the message id.
  std::optional<std::size_t> bad() const { return bad_; }

  template <class... T>
  void operator()(T&... fields) {
    (take(fields), ...);
  }
  void version(int) { next(); }
  std::size_t remaining() const { return fields_.size() - next_; }

  void strike(std::optional<double>& v) {
    take(v);
    if (v == 0.0) v.reset();
  }
  void decimal(std::optional<double>& v) {
    std::string text{next()};
    std::erase(text, ',');
    if (text == "2147483647" || text == "9223372036854775807" || !parse_number(text, v)) v.reset();
  }
  void unset_as(int mark, std::optional<double>& v) {
    take(v);
    // An implied volatility or a price of another negative size would be as meaningless, but that
    // is for the reader of the value to say: here only the mark is a mark.
    if (v == static_cast<double>(mark)) v.reset();
  }
  void unset_as_minus_one(std::optional<int>& v) {
    take(v);
    if (v == -1) v.reset();
  }
  void unset_as_max(std::optional<int>& v) { take(v); }
  void price_and_size(std::optional<double>& price, std::optional<double>& size) {
    take(price);
    decimal(size);
    if (price == -1.0 && size.value_or(0) == 0) price.reset();
    if (!price) size.reset();
  }
  void escaped(std::string& v) { v = unescape(utf8(next())); }
  void comma_list(std::vector<std::string>& items) {
    items.clear();
    std::string_view text = next();
    while (!text.empty()) {
      const auto comma = std::min(text.find(','), text.size());
      if (comma > 0) items.push_back(utf8(text.substr(0, comma)));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
  }
  template <class T, class F>
  void list(std::vector<T>& items, F each) {
    int count = 0;
    take(count);
    // Every item has at least one field: a larger count is a lie, and never an allocation.
    if (count < 0 || static_cast<std::size_t>(count) > remaining()) return reject();
    items.clear();
    for (int i = 0; i < count && !bad_; ++i) each(items.emplace_back());
  }

 private:
  std::string_view next() {
    if (bad_) return {};
    if (next_ >= fields_.size()) {
      bad_ = fields_.size();
      return {};
    }
    return fields_[next_++];
  }
  void reject() {
    if (!bad_) bad_ = next_ - 1;
  }

  template <class Int>
  void take_int(Int& v) {
    v = 0;
    const auto text = next();
    if (!text.empty() && !parse_whole(text, v)) reject();
  }
  template <class Int>
  void take_optional_int(std::optional<Int>& v, Int unset) {
    v.reset();
    const auto text = next();
    if (text.empty()) return;
    Int number = 0;
    if (!parse_whole(text, number)) return reject();
    if (number != unset) v = number;
  }
  void take(int& v) { take_int(v); }
  void take(std::int64_t& v) { take_int(v); }
  void take(bool& v) {
    const auto text = next();
    v = text == "1" || text == "true";
    if (!v && !text.empty() && text != "0" && text != "false") reject();
  }
  void take(double& v) {
    std::optional<double> number;
    const auto text = next();
    if (!parse_number(text, number) || (!number && !text.empty())) return reject();
    v = number.value_or(0);
  }
  void take(std::string& v) { v = utf8(next()); }
  void take(std::optional<double>& v) {
    if (!parse_number(next(), v)) reject();
  }
  void take(std::optional<int>& v) { take_optional_int(v, unset_int); }
  void take(std::optional<std::int64_t>& v) { take_optional_int(v, unset_long); }
  void take(std::optional<core::Right>& v) {
    const auto text = next();
    v.reset();
    if (text == "C" || text == "CALL") {
      v = core::Right::call;
    } else if (text == "P" || text == "PUT") {
      v = core::Right::put;
    } else if (!text.empty() && text != "?" && text != "0") {
      reject();
    }
  }

  const Fields& fields_;
  std::size_t next_ = 1;
  std::optional<std::size_t> bad_;
};

}  // namespace

void FrameReader::feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  if (problem_ == FrameProblem::none) buffer_.append(bytes);
}

core::Result<std::optional<std::string_view>> FrameReader::next() {
  const auto stop = [&](FrameProblem problem) {
    problem_ = problem;
    switch (problem) {
      case FrameProblem::bad_prefix:
        return fail(Errc::corrupt_data, "the peer does not begin as a TWS client");
      case FrameProblem::empty_frame:
        return fail(Errc::corrupt_data, "the peer sent a frame of length 0");
      default:
        return fail(Errc::corrupt_data, "the peer announced a frame beyond 16 MiB");
    }
  };
  if (problem_ != FrameProblem::none) return stop(problem_);
  const auto held = std::string_view{buffer_}.substr(taken_);
  if (prefix_pending_) {
    if (!prefix.starts_with(held.substr(0, prefix.size()))) return stop(FrameProblem::bad_prefix);
    if (held.size() < prefix.size()) return std::nullopt;
    taken_ += prefix.size();
    prefix_pending_ = false;
    return next();
  }
  if (held.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(held[i]);
  if (length == 0) return stop(FrameProblem::empty_frame);
  if (length > max_payload) return stop(FrameProblem::oversized_frame);
  if (held.size() < 4 + length) return std::nullopt;
  taken_ += 4 + length;
  return held.substr(4, length);
}

std::string frame(std::string_view payload) {
  if (payload.empty() || payload.size() > max_payload) core::panic("no frame holds such a payload");
  std::string bytes;
  bytes.reserve(payload.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
  return bytes.append(payload);
}

void Fields::assign(std::string_view payload) {
  fields_.clear();
  while (!payload.empty()) {
    const auto end = std::min(payload.find('\0'), payload.size());
    fields_.push_back(payload.substr(0, end));
    payload.remove_prefix(std::min(end + 1, payload.size()));
  }
}

std::optional<int> Fields::id() const {
  int id = 0;
  if (fields_.empty() || !parse_whole(fields_.front(), id)) return std::nullopt;
  return id;
}

std::string encode_hello(VersionRange range, std::string_view connect_options) {
  return std::string{prefix} +
         frame(fmt::format("v{}..{}{}{}", range.min, range.max, connect_options.empty() ? "" : " ",
                           connect_options));
}

core::Result<VersionRange> decode_hello(std::string_view payload) {
  const auto refuse = [] {
    return fail(Errc::corrupt_data, "the client announced no version range");
  };
  auto text = payload.substr(0, payload.find_first_of(std::string_view{" \0", 2}));
  if (!text.starts_with('v')) return refuse();
  text.remove_prefix(1);
  const auto dots = text.find("..");
  VersionRange range;
  if (!parse_whole(text.substr(0, dots), range.min)) return refuse();
  range.max = range.min;
  if (dots != text.npos && !parse_whole(text.substr(dots + 2), range.max)) return refuse();
  if (range.min < 0 || range.min > range.max) return refuse();
  return range;
}

std::string encode(const HelloReply& reply) {
  std::string payload = fmt::format("{}", reply.server_version);
  payload.push_back('\0');
  for (const char c : reply.connection_time) {
    if (c != '\0') payload.push_back(c);
  }
  payload.push_back('\0');
  return frame(payload);
}

core::Result<HelloReply> decode_hello_reply(const Fields& fields) {
  const auto version = fields.id();
  if (fields.size() != 2 || !version) {
    return fail(Errc::corrupt_data, "the gateway's first message is not version and time");
  }
  return HelloReply{*version, utf8(fields[1])};
}

template <class M>
std::string encode(const M& message, int server_version) {
  Writer writer{static_cast<int>(M::id)};
  // One layout serves both directions, so it takes the message mutable; the writer never changes
  // it.
  layout(writer, const_cast<M&>(message), server_version);
  return writer.finish();
}

template <class M>
core::Result<M> decode(const Fields& fields, int server_version) {
  if (fields.id() != static_cast<int>(M::id)) {
    return fail(Errc::invalid_input,
                fmt::format("read as message {}, but it is another", static_cast<int>(M::id)));
  }
  M message;
  Reader reader{fields};
  layout(reader, message, server_version);
  if (const auto bad = reader.bad()) {
    return fail(Errc::corrupt_data,
                fmt::format("message {} at version {}: {} of {} fields", static_cast<int>(M::id),
                            server_version,
                            *bad >= fields.size() ? "more is expected than the"
                                                  : fmt::format("cannot read number {}", *bad),
                            fields.size()));
  }
  return message;
}

#define BF_MESSAGE(M)                            \
  template std::string encode<M>(const M&, int); \
  template core::Result<M> decode<M>(const Fields&, int);
BF_MESSAGE(StartApi)
BF_MESSAGE(CurrentTimeRequest)
BF_MESSAGE(CurrentTimeMillisRequest)
BF_MESSAGE(IdsRequest)
BF_MESSAGE(ManagedAccountsRequest)
BF_MESSAGE(ServerLogLevel)
BF_MESSAGE(ContractDataRequest)
BF_MESSAGE(OptionParametersRequest)
BF_MESSAGE(MarketDataRequest)
BF_MESSAGE(CancelMarketData)
BF_MESSAGE(MarketDataTypeRequest)
BF_MESSAGE(HistoricalDataRequest)
BF_MESSAGE(CancelHistoricalData)
BF_MESSAGE(ImpliedVolRequest)
BF_MESSAGE(OptionPriceRequest)
BF_MESSAGE(CancelImpliedVol)
BF_MESSAGE(CancelOptionPrice)
BF_MESSAGE(AccountSummaryRequest)
BF_MESSAGE(CancelAccountSummary)
BF_MESSAGE(PositionsRequest)
BF_MESSAGE(CancelPositions)
BF_MESSAGE(PositionsMultiRequest)
BF_MESSAGE(CancelPositionsMulti)
BF_MESSAGE(AccountUpdatesRequest)
BF_MESSAGE(AccountUpdatesMultiRequest)
BF_MESSAGE(CancelAccountUpdatesMulti)
BF_MESSAGE(PnlRequest)
BF_MESSAGE(CancelPnl)
BF_MESSAGE(OpenOrdersRequest)
BF_MESSAGE(AllOpenOrdersRequest)
BF_MESSAGE(AutoOpenOrdersRequest)
BF_MESSAGE(CompletedOrdersRequest)
BF_MESSAGE(ExecutionsRequest)
BF_MESSAGE(MatchingSymbolsRequest)
BF_MESSAGE(MarketRuleRequest)
BF_MESSAGE(FamilyCodesRequest)
BF_MESSAGE(SoftDollarTiersRequest)
BF_MESSAGE(SmartComponentsRequest)
BF_MESSAGE(UserInfoRequest)
BF_MESSAGE(NextValidId)
BF_MESSAGE(ManagedAccounts)
BF_MESSAGE(CurrentTime)
BF_MESSAGE(CurrentTimeMillis)
BF_MESSAGE(ErrorMessage)
BF_MESSAGE(ContractData)
BF_MESSAGE(ContractDataEnd)
BF_MESSAGE(OptionParameters)
BF_MESSAGE(OptionParametersEnd)
BF_MESSAGE(MarketDataType)
BF_MESSAGE(TickRequestParameters)
BF_MESSAGE(TickPrice)
BF_MESSAGE(TickSize)
BF_MESSAGE(TickGeneric)
BF_MESSAGE(TickString)
BF_MESSAGE(OptionComputation)
BF_MESSAGE(TickSnapshotEnd)
BF_MESSAGE(HistoricalData)
BF_MESSAGE(HistoricalDataEnd)
BF_MESSAGE(HistoricalDataUpdate)
BF_MESSAGE(HistoricalSchedule)
BF_MESSAGE(AccountSummary)
BF_MESSAGE(AccountSummaryEnd)
BF_MESSAGE(Position)
BF_MESSAGE(PositionEnd)
BF_MESSAGE(PositionMulti)
BF_MESSAGE(PositionMultiEnd)
BF_MESSAGE(AccountValue)
BF_MESSAGE(PortfolioValue)
BF_MESSAGE(AccountUpdateTime)
BF_MESSAGE(AccountDownloadEnd)
BF_MESSAGE(AccountUpdateMulti)
BF_MESSAGE(AccountUpdateMultiEnd)
BF_MESSAGE(Pnl)
BF_MESSAGE(OpenOrderEnd)
BF_MESSAGE(CompletedOrdersEnd)
BF_MESSAGE(ExecutionDataEnd)
BF_MESSAGE(SymbolSamples)
BF_MESSAGE(MarketRule)
BF_MESSAGE(FamilyCodes)
BF_MESSAGE(SoftDollarTiers)
BF_MESSAGE(SmartComponents)
BF_MESSAGE(UserInfo)
#undef BF_MESSAGE

}  // namespace bifrost::ib::wire
