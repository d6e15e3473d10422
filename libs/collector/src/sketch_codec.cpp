// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "bifrost/collector/baseline.hpp"

// The bytes of a sketch: one byte of version, then numbers in groups of seven bits, low first;
// floating-point numbers as they are in memory, low byte first.
namespace bifrost::collector {
namespace {

constexpr unsigned char version = 1;

class Writer {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  void fixed(std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// After the first thing that cannot be, everything reads as zero and `good` is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
      const auto byte = static_cast<unsigned char>(next());
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    good_ = false;
    return 0;
  }
  std::uint64_t number_up_to(std::uint64_t limit) {
    const auto value = number();
    if (value > limit) good_ = false;
    return good_ ? value : 0;
  }
  std::string text() {
    const auto size = number_up_to(bytes_.size());
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  std::uint64_t fixed(int width) {
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(next())) << (8 * i);
    }
    return value;
  }
  bool good() const { return good_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  char next() {
    if (bytes_.empty()) good_ = false;
    if (!good_) return 0;
    const char byte = bytes_.front();
    bytes_.remove_prefix(1);
    return byte;
  }
  std::string_view bytes_;
  bool good_ = true;
};

// Dates and strikes are never negative here, but a file need not be ours.
constexpr std::int64_t day_offset = 1 << 20;

}  // namespace

std::string DaySketch::encode() const {
  Writer out;
  out.fixed(version, 1);
  out.fixed(simulated ? 1 : 0, 1);
  std::vector<std::string_view> classes;
  for (const auto& [contract, sizes] : contracts) {
    if (classes.empty() || classes.back() != contract.trading_class) {
      classes.push_back(contract.trading_class);  // ascending, so each comes once
    }
  }
  out.number(classes.size());
  for (const auto name : classes) out.text(name);
  out.number(contracts.size());
  std::size_t which = 0;
  for (const auto& [contract, sizes] : contracts) {
    while (classes[which] != contract.trading_class) ++which;
    out.number(which);
    out.number(static_cast<std::uint64_t>(contract.expiry.time_since_epoch().count() + day_offset));
    out.number(static_cast<std::uint64_t>(contract.strike.units()));
    out.number(contract.right == core::Right::put ? 1 : 0);
    out.number(static_cast<std::uint64_t>(contract.multiplier));
    for (std::size_t k = 0; k < kinds; ++k) {
      out.number(sizes.n[k]);
      if (sizes.n[k] > 0) out.fixed(std::bit_cast<std::uint32_t>(sizes.roots[k]), 4);
    }
  }
  for (const auto& bucket : by_bucket) {
    for (std::size_t k = 0; k < kinds; ++k) {
      out.number(bucket.n[k]);
      if (bucket.n[k] > 0) out.fixed(std::bit_cast<std::uint64_t>(bucket.roots[k]), 8);
    }
  }
  out.number(tails.size());
  for (const auto& tail : tails) {
    std::size_t skipped = 0;
    for (std::size_t bin = 0; bin < Tail::bins; ++bin) {
      if (tail.counts()[bin] == 0) {
        ++skipped;
        continue;
      }
      out.number(skipped + 1);
      out.number(tail.counts()[bin]);
      skipped = 0;
    }
    out.number(0);
  }
  return out.take();
}

core::Result<DaySketch> DaySketch::decode(std::string_view bytes, const std::string& underlying) {
  const auto corrupt = [] {
    return core::fail(core::Errc::corrupt_data, "a stored sketch of changes cannot be read");
  };
  Reader in{bytes};
  if (in.fixed(1) != version) return corrupt();
  DaySketch sketch;
  sketch.simulated = in.fixed(1) == 1;
  std::vector<std::string> classes(in.number_up_to(bytes.size()));
  for (auto& name : classes) name = in.text();
  sketch.contracts.resize(in.number_up_to(bytes.size()));
  for (auto& [contract, sizes] : sketch.contracts) {
    const auto which = in.number();
    if (!in.good() || which >= classes.size()) return corrupt();
    contract.underlying = underlying;
    contract.trading_class = classes[which];
    contract.expiry = core::Date{std::chrono::days{
        static_cast<int>(static_cast<std::int64_t>(in.number_up_to(2 * day_offset)) - day_offset)}};
    contract.strike =
        core::Price::from_units(static_cast<std::int64_t>(in.number_up_to(1ULL << 62)));
    contract.right = in.number() == 1 ? core::Right::put : core::Right::call;
    contract.multiplier = static_cast<int>(in.number_up_to(0x7fffffff));
    for (std::size_t k = 0; k < kinds; ++k) {
      sizes.n[k] = static_cast<std::uint16_t>(in.number_up_to(0xffff));
      if (sizes.n[k] > 0) {
        sizes.roots[k] = std::bit_cast<float>(static_cast<std::uint32_t>(in.fixed(4)));
      }
    }
  }
  for (auto& bucket : sketch.by_bucket) {
    for (std::size_t k = 0; k < kinds; ++k) {
      bucket.n[k] = static_cast<std::uint32_t>(in.number_up_to(0xffffffff));
      if (bucket.n[k] > 0) bucket.roots[k] = std::bit_cast<double>(in.fixed(8));
    }
  }
  const auto count = in.number();
  if (!in.good() || (count != 0 && count != slots * kinds)) return corrupt();
  sketch.tails.resize(count);
  for (auto& tail : sketch.tails) {
    std::size_t bin = 0;
    for (auto step = in.number(); in.good() && step != 0; step = in.number()) {
      bin += step;
      if (step > Tail::bins || bin > Tail::bins) return corrupt();
      tail.add(bin - 1, static_cast<std::uint32_t>(in.number_up_to(0xffffffff)));
    }
  }
  if (!in.good() || !in.at_end()) return corrupt();
  return sketch;
}

}  // namespace bifrost::collector
