// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "bifrost/ib/wire.hpp"
#include "wire_text.hpp"

// The two sides of a layout: what writes a message and what reads it. Both offer the same calls, so
// that one function describes both directions.
namespace bifrost::ib::wire {

inline constexpr int unset_int = std::numeric_limits<int>::max();
inline constexpr std::int64_t unset_long = std::numeric_limits<std::int64_t>::max();

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

  /// A field that nobody here uses: written as the protocol's neutral text, skipped when read.
  template <class... T>
  void fixed(T... texts) {
    (put_text(texts), ...);
  }
  /// The same, for a field on which others depend: what stands there.
  std::string_view telling(std::string_view text) {
    put_text(text);
    return text;
  }
  int telling_count() {
    put_int(0);
    return 0;
  }
  /// Must be 1 on the wire; there is nothing to choose.
  void always() { put_int(1); }
  /// A money amount as the gateway prints it ("2500.0"); empty: unknown.
  void money(const std::optional<double>& v) {
    if (!v) return put_text({});
    auto text = number_text(*v);
    if (text.find('.') == text.npos) text += ".0";
    put_text(text);
  }

  void strike(const std::optional<double>& v) { put_text(v ? number_text(*v) : "0.0"); }
  void decimal(const std::optional<double>& v) { put(v); }
  void unset_as(int mark, const std::optional<double>& v) { v ? put(*v) : put_int(mark); }
  /// Orders say "?" for a contract without a right.
  void right_or_question(const std::optional<core::Right>& v) { v ? put(v) : put_text("?"); }
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

  template <class... T>
  void fixed(T... texts) {
    ((void(texts), next()), ...);
  }
  std::string_view telling(std::string_view) { return next(); }
  int telling_count() {
    int count = 0;
    take(count);
    // Every item has at least one field.
    if (count < 0 || static_cast<std::size_t>(count) > remaining()) {
      reject();
      return 0;
    }
    return count;
  }
  void always() {
    const auto text = next();
    if (text != "1" && text != "true") reject();
  }
  void money(std::optional<double>& v) { take(v); }

  void strike(std::optional<double>& v) {
    take(v);
    if (v == 0.0) v.reset();
  }
  void decimal(std::optional<double>& v) {
    std::string text{next()};
    std::erase(text, ',');
    // By value: "+2147483647" and "2147483647.0" are the same mark.
    constexpr double marks[] = {2147483647.0, 9223372036854775807.0};
    if (!parse_number(text, v) || v == marks[0] || v == marks[1]) v.reset();
  }
  void unset_as(int mark, std::optional<double>& v) {
    take(v);
    // An implied volatility or a price of another negative size would be as meaningless, but that
    // is for the reader of the value to say: here only the mark is a mark.
    if (v == static_cast<double>(mark)) v.reset();
  }
  void right_or_question(std::optional<core::Right>& v) { take(v); }
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
    return core::fail(
        core::Errc::invalid_input,
        fmt::format("read as message {}, but it is another", static_cast<int>(M::id)));
  }
  M message;
  Reader reader{fields};
  layout(reader, message, server_version);
  if (const auto bad = reader.bad()) {
    return core::fail(
        core::Errc::corrupt_data,
        fmt::format("message {} at version {}: {} of {} fields", static_cast<int>(M::id),
                    server_version,
                    *bad >= fields.size() ? "more is expected than the"
                                          : fmt::format("cannot read number {}", *bad),
                    fields.size()));
  }
  return message;
}

}  // namespace bifrost::ib::wire

/// Instantiates both directions of a message, once in the program.
#define BF_MESSAGE(M)                            \
  template std::string encode<M>(const M&, int); \
  template core::Result<M> decode<M>(const Fields&, int);
