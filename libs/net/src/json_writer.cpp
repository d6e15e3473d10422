// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>

#include "bifrost/core/result.hpp"
#include "bifrost/net/json.hpp"

namespace bifrost::net {
namespace {

// More than any number, date or key punctuation needs.
constexpr std::size_t scalar_room = 48;

constexpr bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none
// (The Unicode Standard 15.0, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char a = at(0);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (a == 0xE0 && at(1) < 0xA0) return 0;
    if (a == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (a == 0xF0 && at(1) < 0x90) return 0;
    if (a == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// Writes into a string that is kept larger than its contents, so that the hot path only checks room
// once per member.
class Writer {
 public:
  Writer() { text_.resize(1024); }

  std::string take() && {
    text_.resize(used_);
    return std::move(text_);
  }

  void value(const TypeInfo& type, const void* at) {
    room(scalar_room);
    switch (type.kind) {
      case Kind::boolean:
        raw(type.load(at) != 0 ? "true" : "false");
        return;
      case Kind::integer:
        integer(type.load(at));
        return;
      case Kind::number:
        number(*static_cast<const double*>(at));
        return;
      case Kind::text:
        text(*static_cast<const std::string*>(at));
        return;
      case Kind::price:
        price(*static_cast<const core::Price*>(at));
        return;
      case Kind::date:
        date(*static_cast<const core::Date*>(at));
        return;
      case Kind::instant:
        instant(*static_cast<const core::Instant*>(at));
        return;
      case Kind::enumeration:
        enumerator(type, type.load(at));
        return;
      case Kind::optional:
        if (const void* inner = type.peek(at)) {
          value(*type.item, inner);
        } else {
          raw("null");
        }
        return;
      case Kind::list:
        list(type, at);
        return;
      case Kind::map:
        map(type, at);
        return;
      case Kind::object:
        object(type, at);
        return;
    }
  }

  void text(std::string_view s) {
    room(s.size() * 6 + 2);
    put('"');
    for (std::size_t i = 0; i < s.size();) {
      const auto c = static_cast<unsigned char>(s[i]);
      if (is_plain(c)) {
        put(s[i++]);
      } else if (c >= 0x80) {
        const auto n = utf8_length(s.substr(i));
        raw(n == 0 ? std::string_view{"\xEF\xBF\xBD"} : s.substr(i, n));
        i += n == 0 ? 1 : n;
      } else {
        escape(c);
        ++i;
      }
    }
    put('"');
  }

 private:
  void room(std::size_t n) {
    if (text_.size() - used_ < n) text_.resize(std::max(text_.size() * 2, used_ + n));
  }
  void put(char c) { text_[used_++] = c; }
  void raw(std::string_view s) {
    std::memcpy(text_.data() + used_, s.data(), s.size());
    used_ += s.size();
  }
  char* here() { return text_.data() + used_; }
  void advance_to(const char* end) { used_ = static_cast<std::size_t>(end - text_.data()); }

  void escape(unsigned char c) {
    switch (c) {
      case '"':
        raw("\\\"");
        return;
      case '\\':
        raw("\\\\");
        return;
      case '\n':
        raw("\\n");
        return;
      case '\r':
        raw("\\r");
        return;
      case '\t':
        raw("\\t");
        return;
      case 0x7F:
        put(static_cast<char>(c));
        return;
      default: {
        constexpr std::string_view hex = "0123456789abcdef";
        raw("\\u00");
        put(hex[c >> 4]);
        put(hex[c & 15]);
      }
    }
  }

  void integer(std::int64_t n) { advance_to(std::to_chars(here(), here() + scalar_room, n).ptr); }

  // `digits` decimals of a fraction, without the zeros at its end.
  void fraction(std::uint64_t n, int digits) {
    std::array<char, 20> buffer;
    for (int i = digits - 1; i >= 0; --i) {
      buffer[static_cast<std::size_t>(i)] = static_cast<char>('0' + n % 10);
      n /= 10;
    }
    while (buffer[static_cast<std::size_t>(digits - 1)] == '0') --digits;
    put('.');
    raw({buffer.data(), static_cast<std::size_t>(digits)});
  }

  void number(double v) {
    // Most doubles on our wire are short decimals. n / 1e6 is correctly rounded, so equality proves
    // that n millionths read back as v; with at most 15 digits no other decimal that short does, so
    // it is the shortest one too.
    constexpr double million = 1e6;
    const double scaled = v * million;
    if (std::abs(scaled) < 1e15) {
      const auto n = static_cast<std::int64_t>(scaled + (v < 0 ? -0.5 : 0.5));
      if (n != 0 && static_cast<double>(n) / million == v) {
        const auto magnitude = static_cast<std::uint64_t>(n < 0 ? -n : n);
        if (magnitude >= 1000) {  // below, the exponent form is shorter
          if (n < 0) put('-');
          integer(static_cast<std::int64_t>(magnitude / 1'000'000));
          if (const auto rest = magnitude % 1'000'000; rest != 0) fraction(rest, 6);
          return;
        }
      }
    }
    if (!std::isfinite(v)) {
      raw("null");
    } else if (std::abs(v) >= 1e15) {
      // Readers (ours too) take a long row of digits for an integer and run out of bits.
      advance_to(std::to_chars(here(), here() + scalar_room, v, std::chars_format::scientific).ptr);
    } else {
      advance_to(std::to_chars(here(), here() + scalar_room, v).ptr);
    }
  }

  void price(core::Price p) {
    const std::int64_t units = p.units();
    auto magnitude = static_cast<std::uint64_t>(units);
    if (units < 0) {
      put('-');
      magnitude = 0 - magnitude;
    }
    constexpr auto one = static_cast<std::uint64_t>(core::Price::units_per_one);
    integer(static_cast<std::int64_t>(magnitude / one));
    if (const auto rest = magnitude % one; rest != 0) fraction(rest, 4);
  }

  void two_digits(unsigned n) {
    put(static_cast<char>('0' + n / 10));
    put(static_cast<char>('0' + n % 10));
  }

  // False for years that four digits do not hold.
  bool calendar_day(core::Date d) {
    if (d != cached_day_ || !cached_) {
      const std::chrono::year_month_day ymd{d};
      const int year = static_cast<int>(ymd.year());
      if (year < 0 || year > 9999) return false;
      const auto used = used_;
      two_digits(static_cast<unsigned>(year) / 100);
      two_digits(static_cast<unsigned>(year) % 100);
      put('-');
      two_digits(static_cast<unsigned>(ymd.month()));
      put('-');
      two_digits(static_cast<unsigned>(ymd.day()));
      std::memcpy(day_text_.data(), text_.data() + used, day_text_.size());
      cached_day_ = d;
      cached_ = true;
      return true;
    }
    raw({day_text_.data(), day_text_.size()});
    return true;
  }

  void date(core::Date d) {
    put('"');
    if (!calendar_day(d)) raw(core::to_iso_date(d));
    put('"');
  }

  void instant(core::Instant t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const auto since = t - day;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    put('"');
    // A fraction is rare, and its digits are core's business; see core::to_iso.
    if (seconds != since || !calendar_day(day)) {
      raw(core::to_iso(t));
    } else {
      const auto s = static_cast<unsigned>(seconds.count());
      put('T');
      two_digits(s / 3600);
      put(':');
      two_digits(s / 60 % 60);
      put(':');
      two_digits(s % 60);
      put('Z');
    }
    put('"');
  }

  void enumerator(const TypeInfo& type, std::int64_t value) {
    for (const auto& [name, known] : type.enumerators) {
      if (known == value) {
        room(name.size() + 2);
        put('"');
        raw(name);
        put('"');
        return;
      }
    }
    core::panic(type.name + " holds a value that its description does not name");
  }

  void list(const TypeInfo& type, const void* at) {
    put('[');
    const std::size_t n = type.size(at);
    for (std::size_t i = 0; i < n; ++i) {
      if (i > 0) put(',');
      value(*type.item, type.at(at, i));
      room(scalar_room);
    }
    put(']');
  }

  void map(const TypeInfo& type, const void* at) {
    struct Context {
      Writer& writer;
      const TypeInfo& item;
      bool first = true;
    } context{*this, *type.item};
    put('{');
    type.each(at, &context, [](void* state, std::string_view key, const void* item) {
      auto& c = *static_cast<Context*>(state);
      c.writer.room(scalar_room);
      if (!c.first) c.writer.put(',');
      c.first = false;
      c.writer.text(key);
      c.writer.room(scalar_room);
      c.writer.put(':');
      c.writer.value(c.item, item);
    });
    room(scalar_room);
    put('}');
  }

  void object(const TypeInfo& type, const void* at) {
    put('{');
    for (const Member& member : type.members) {
      room(member.key.size());
      raw(member.key);
      value(*member.type, static_cast<const std::byte*>(at) + member.offset);
    }
    room(scalar_room);
    put('}');
  }

  std::string text_;
  std::size_t used_ = 0;
  core::Date cached_day_{};
  bool cached_ = false;
  std::array<char, 10> day_text_{};
};

}  // namespace

std::string write_json(const TypeInfo& type, const void* value) {
  Writer writer;
  writer.value(type, value);
  return std::move(writer).take();
}

void append_json_text(std::string& out, std::string_view text) {
  Writer writer;
  writer.text(text);
  out += std::move(writer).take();
}

}  // namespace bifrost::net
