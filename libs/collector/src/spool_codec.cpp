// SPDX-License-Identifier: Apache-2.0
#include "spool_codec.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <type_traits>

namespace bifrost::collector {
namespace {

using core::Instant;

constexpr std::string_view mark = "BFS1";
constexpr std::uint8_t payload_version = 1;
constexpr std::uint8_t kind_cycle = 1;
constexpr std::uint8_t kind_missed = 2;

template <class T, class U>
concept is = std::same_as<std::remove_const_t<T>, U>;

// One list of fields for both directions. The structured bindings are the guard: a field added to
// one of these types stops the build here until it is written to disk, too (a released format then
// needs a new payload_version that the reader tells apart).
template <class Io, is<core::OptionContract> T>
void fields(Io& io, T& value) {
  auto& [underlying, trading_class, expiry, strike, right, multiplier] = value;
  io(underlying, trading_class, expiry, strike, right, multiplier);
}
template <class Io, is<core::Quote> T>
void fields(Io& io, T& value) {
  auto& [bid, ask, last, bid_size, ask_size, volume, open_interest, implied_vol, delta, gamma,
         theta, vega, observed_at] = value;
  io(bid, ask, last, bid_size, ask_size, volume, open_interest, implied_vol, delta, gamma, theta,
     vega, observed_at);
}
template <class Io, is<core::OptionQuote> T>
void fields(Io& io, T& value) {
  auto& [contract, quote] = value;
  io(contract, quote);
}
template <class Io, is<core::ChainSnapshot> T>
void fields(Io& io, T& value) {
  auto& [underlying, as_of, underlying_price, source, quotes] = value;
  io(underlying, as_of, underlying_price, source, quotes);
}
template <class Io, is<store::Change> T>
void fields(Io& io, T& value) {
  auto& [contract, kind, previous, current, score, false_alarm_rate, refers_to, confirmed] = value;
  io(contract, kind, previous, current, score, false_alarm_rate, refers_to, confirmed);
}
template <class Io, is<store::MarketConditions> T>
void fields(Io& io, T& value) {
  auto& [implied_vol_30d, implied_vol_60d, historical_vol_20d, historical_vol_30d,
         historical_vol_source, skew_25_delta, term_slope, put_volume, call_volume,
         put_open_interest, call_open_interest, put_call_volume_ratio, put_call_open_interest_ratio,
         breadth, regime, iv_rank, iv_percentile, iv_rank_n, iv_rank_source, iv_rank_of,
         iv_rank_day] = value;
  io(implied_vol_30d, implied_vol_60d, historical_vol_20d, historical_vol_30d,
     historical_vol_source, skew_25_delta, term_slope, put_volume, call_volume, put_open_interest,
     call_open_interest, put_call_volume_ratio, put_call_open_interest_ratio, breadth, regime,
     iv_rank, iv_percentile, iv_rank_n, iv_rank_source, iv_rank_of, iv_rank_day);
}
template <class Io, is<store::CycleRecord> T>
void fields(Io& io, T& value) {
  auto& [snapshot, status, reason, expected, refused, interval, started_at, finished_at, changes,
         market_conditions] = value;
  io(snapshot, status, reason, expected, refused, interval, started_at, finished_at, changes,
     market_conditions);
}
template <class Io, is<FinishedCycle> T>
void fields(Io& io, T& value) {
  auto& [record, undescribed] = value;
  io(record, undescribed);
}
template <class Io, is<MissedCycles> T>
void fields(Io& io, T& value) {
  auto& [underlying, as_of, reason, interval] = value;
  io(underlying, as_of, reason, interval);
}

class Encoder {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  void byte(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  std::string take() { return std::move(bytes_); }

 private:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
    byte(static_cast<std::uint8_t>(value));
  }
  void put(bool value) { byte(value ? 1 : 0); }
  template <std::signed_integral T>
  void put(T value) {  // small magnitudes of either sign are short
    const auto wide = static_cast<std::int64_t>(value);
    number((static_cast<std::uint64_t>(wide) << 1) ^ static_cast<std::uint64_t>(wide >> 63));
  }
  template <class T>
    requires std::is_enum_v<T>
  void put(T value) {
    byte(static_cast<std::uint8_t>(value));
  }
  void put(double value) {
    auto bits = std::bit_cast<std::uint64_t>(value);
    for (int i = 0; i < 8; ++i, bits >>= 8) byte(static_cast<std::uint8_t>(bits));
  }
  void put(const std::string& value) {
    number(value.size());
    bytes_ += value;
  }
  void put(core::Price value) { put(value.units()); }
  void put(Instant value) { put(std::int64_t{value.time_since_epoch().count()}); }
  void put(core::Date value) { put(std::int64_t{value.time_since_epoch().count()}); }
  void put(std::chrono::seconds value) { put(std::int64_t{value.count()}); }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    number(values.size());
    for (const auto& value : values) put(value);
  }
  template <class T>
    requires requires(Encoder& io, const T& value) { fields(io, value); }
  void put(const T& value) {
    fields(*this, value);
  }

  std::string bytes_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  template <class... T>
  void operator()(T&... values) {
    (take(values), ...);
  }
  std::uint8_t byte() {
    if (rest_.empty()) {
      good_ = false;
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  bool ended_well() const { return good_ && rest_.empty(); }

 private:
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto part = byte();
      if (shift == 63 && part > 1) good_ = false;
      value |= static_cast<std::uint64_t>(part & 0x7F) << shift;
      if (part < 0x80) return value;
    }
    good_ = false;
    return 0;
  }
  std::int64_t integer() {
    const auto value = number();
    return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  void take(bool& value) {
    const auto part = byte();
    good_ = good_ && part <= 1;
    value = part == 1;
  }
  template <std::signed_integral T>
  void take(T& value) {
    const auto wide = integer();
    value = static_cast<T>(wide);
    good_ = good_ && value == wide;
  }
  template <class T>
  void enumerator(T& value, std::uint8_t low, std::uint8_t high) {
    const auto part = byte();
    good_ = good_ && part >= low && part <= high;
    value = static_cast<T>(good_ ? part : low);
  }
  void take(core::Right& value) { enumerator(value, 0, 1); }
  void take(core::Source& value) { enumerator(value, 0, 3); }
  void take(store::RunStatus& value) { enumerator(value, 1, 3); }
  // Which kinds there are, the history checks.
  void take(store::ChangeKind& value) { enumerator(value, 0, 255); }
  void take(double& value) {
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits |= static_cast<std::uint64_t>(byte()) << (8 * i);
    value = std::bit_cast<double>(bits);
  }
  void take(std::string& value) {
    const auto size = number();
    if (size > rest_.size()) {
      good_ = false;
      return;
    }
    value = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  void take(core::Price& value) { value = core::Price::from_units(integer()); }
  void take(Instant& value) { value = Instant{std::chrono::microseconds{integer()}}; }
  void take(core::Date& value) {
    const auto days = integer();
    value = core::Date{std::chrono::days{static_cast<int>(days)}};
    good_ = good_ && value.time_since_epoch().count() == days;
  }
  void take(std::chrono::seconds& value) { value = std::chrono::seconds{integer()}; }
  template <class T>
  void take(std::optional<T>& value) {
    bool there = false;
    take(there);
    if (!there || !good_) return;
    value.emplace();
    take(*value);
  }
  template <class T>
  void take(std::vector<T>& values) {
    const auto size = number();
    // Every element takes a byte at least: a wrong count cannot ask for the world's memory.
    if (size > rest_.size()) good_ = false;
    for (std::uint64_t i = 0; good_ && i < size; ++i) take(values.emplace_back());
  }
  template <class T>
    requires requires(Decoder& io, T& value) { fields(io, value); }
  void take(T& value) {
    fields(*this, value);
  }

  std::string_view rest_;
  bool good_ = true;
};

std::uint32_t read32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])) << (8 * i);
  return value;
}

void append32(std::string& bytes, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint32_t checksum(std::string_view length, std::string_view payload) {
  const auto add = [](uLong sum, std::string_view bytes) {
    return crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  };
  return static_cast<std::uint32_t>(add(add(0, length), payload));
}

/// The length of the whole frame that begins here; 0: there is none.
std::size_t whole_frame(std::string_view bytes) {
  if (bytes.size() < frame_header || !bytes.starts_with(mark)) return 0;
  const std::size_t length = read32(bytes.substr(4));
  if (length > longest_payload || length > bytes.size() - frame_header) return 0;
  const auto sum = checksum(bytes.substr(4, 4), bytes.substr(frame_header, length));
  return sum == read32(bytes.substr(8)) ? frame_header + length : 0;
}

/// A frame that was being written when the process ended: the beginning of one, and no more.
bool is_torn(std::string_view bytes) {
  if (bytes.find_first_not_of('\0') == std::string_view::npos) return true;
  if (bytes.size() < frame_header) return bytes.substr(0, 4) == mark.substr(0, bytes.size());
  if (!bytes.starts_with(mark)) return false;
  const std::size_t length = read32(bytes.substr(4));
  return length <= longest_payload && length > bytes.size() - frame_header;
}

}  // namespace

std::string encode_payload(const SpoolEntry& entry) {
  Encoder out;
  out.byte(payload_version);
  if (const auto* cycle = std::get_if<FinishedCycle>(&entry)) {
    out.byte(kind_cycle);
    fields(out, *cycle);
  } else {
    out.byte(kind_missed);
    fields(out, std::get<MissedCycles>(entry));
  }
  return out.take();
}

std::optional<SpoolEntry> decode_payload(std::string_view payload) {
  Decoder in{payload};
  if (in.byte() != payload_version) return std::nullopt;
  const auto kind = in.byte();
  if (kind == kind_cycle) {
    FinishedCycle cycle;
    fields(in, cycle);
    if (in.ended_well()) return SpoolEntry{std::move(cycle)};
  } else if (kind == kind_missed) {
    MissedCycles missed;
    fields(in, missed);
    if (in.ended_well()) return SpoolEntry{std::move(missed)};
  }
  return std::nullopt;
}

std::string to_frame(std::string_view payload) {
  std::string length;
  append32(length, static_cast<std::uint32_t>(payload.size()));
  std::string frame{mark};
  frame += length;
  append32(frame, checksum(length, payload));
  frame += payload;
  return frame;
}

Found find_frame(std::string_view bytes) {
  if (const auto length = whole_frame(bytes); length > 0) return {Found::What::entry, length};
  for (auto at = bytes.find(mark, 1); at != std::string_view::npos; at = bytes.find(mark, at + 1)) {
    if (whole_frame(bytes.substr(at)) > 0) return {Found::What::damage, at};
  }
  return {is_torn(bytes) ? Found::What::torn : Found::What::damage, bytes.size()};
}

}  // namespace bifrost::collector
