// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <mutex>
#include <regex>

#include "bifrost/core/result.hpp"
#include "bifrost/net/json.hpp"

namespace bifrost::net {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t max_levels = 64;
// std::regex recurses once per character, so the text it sees must be short.
constexpr std::size_t max_pattern_text = 256;
// A body of a megabyte could otherwise be answered with a hundred times as much.
constexpr std::size_t max_problems = 100;

bool matches(std::string_view pattern, std::string_view text) {
  static std::mutex mutex;
  static std::map<std::string_view, std::regex> compiled;
  const std::lock_guard lock{mutex};
  auto found = compiled.find(pattern);
  if (found == compiled.end()) {
    found = compiled.emplace(pattern, std::regex{pattern.begin(), pattern.end()}).first;
  }
  return std::regex_match(text.begin(), text.end(), found->second);
}

// Shortest text of a bound: "0.01", "200".
std::string bound_text(double bound) {
  return fmt::format("{}", bound);
}

// Where we are in the input, as a chain on the stack: text is only made for problems.
struct Place {
  const Place* parent;
  std::string_view name;
  std::size_t index = 0;
  bool is_index = false;

  std::string path() const {
    std::string text = parent != nullptr ? parent->path() + '/' : std::string{};
    return is_index ? text + std::to_string(index) : text.append(name);
  }
};

class Collector {
 public:
  void add(const Place& place, std::string_view code, std::string message) {
    if (problems_.size() < max_problems) {
      problems_.push_back({place.path(), std::move(message), std::string{code}});
    }
  }
  bool full() const { return problems_.size() >= max_problems; }
  Problems take() && { return std::move(problems_); }

 private:
  Problems problems_;
};

void check_number(double v, const Field& rules, const Place& place, Collector& to) {
  if (rules.min && v < *rules.min) {
    to.add(place, "too_small", "must be at least " + bound_text(*rules.min));
  } else if (rules.above && v <= *rules.above) {
    to.add(place, "too_small", "must be greater than " + bound_text(*rules.above));
  } else if (rules.max && v > *rules.max) {
    to.add(place, "too_large", "must be at most " + bound_text(*rules.max));
  }
}

void check_length(std::size_t n, std::string_view unit, const Field& rules, const Place& place,
                  Collector& to) {
  if (rules.min_length && n < *rules.min_length) {
    to.add(place, "too_short", fmt::format("must have at least {} {}", *rules.min_length, unit));
  } else if (rules.max_length && n > *rules.max_length) {
    to.add(place, "too_long", fmt::format("must have at most {} {}", *rules.max_length, unit));
  }
}

// The readers below are shared by bodies and parameters.

void check_text(std::string_view text, const Field& rules, const Place& place, Collector& to) {
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    to.add(place, "bad_text", "must be UTF-8");
    return;
  }
  if (text.find('\0') != text.npos) {
    to.add(place, "bad_text", "must not contain the character U+0000");
    return;
  }
  check_length(text.size(), "characters", rules, place, to);
  if (!rules.pattern.empty() && (text.size() > max_pattern_text || !matches(rules.pattern, text))) {
    to.add(place, "pattern", fmt::format("must match {}", rules.pattern));
  }
}

void read_text(std::string_view text, const Field& rules, const Place& place, Collector& to,
               void* into) {
  check_text(text, rules, place, to);
  static_cast<std::string*>(into)->assign(text);
}

void read_integer(std::int64_t n, const TypeInfo& type, const Field& rules, const Place& place,
                  Collector& to, void* into) {
  if (n < type.least) {
    to.add(place, "too_small", fmt::format("must be at least {}", type.least));
  } else if (n > type.most) {
    to.add(place, "too_large", fmt::format("must be at most {}", type.most));
  } else {
    check_number(static_cast<double>(n), rules, place, to);
    type.store(into, n);
  }
}

void read_number(double v, const Field& rules, const Place& place, Collector& to, void* into) {
  check_number(v, rules, place, to);
  *static_cast<double*>(into) = v;
}

void read_price(std::optional<core::Price> price, const Field& rules, const Place& place,
                Collector& to, void* into) {
  if (!price) {
    to.add(place, "not_a_price", "must be a decimal number with at most four fractional digits");
    return;
  }
  check_number(price->value(), rules, place, to);
  *static_cast<core::Price*>(into) = *price;
}

void read_date(std::string_view text, const Place& place, Collector& to, void* into) {
  if (const auto date = core::parse_date(text)) {
    *static_cast<core::Date*>(into) = *date;
  } else {
    to.add(place, "not_a_date", "must be a date such as 2014-06-21");
  }
}

void read_instant(std::string_view text, const Place& place, Collector& to, void* into) {
  if (const auto instant = core::parse_instant(text)) {
    *static_cast<core::Instant*>(into) = *instant;
  } else {
    to.add(place, "not_a_time", "must be a UTC time such as 2014-06-05T13:35:00Z");
  }
}

void read_enumerator(std::string_view text, const TypeInfo& type, const Place& place, Collector& to,
                     void* into) {
  std::string names;
  for (const auto& [name, value] : type.enumerators) {
    if (name == text) {
      type.store(into, value);
      return;
    }
    if (!names.empty()) names += ", ";
    names += name;
  }
  to.add(place, "not_one_of", "must be one of " + names);
}

// A double stands for a price if a multiple of a ten-thousandth is the decimal nearest to it.
std::optional<core::Price> exact_price(double v) {
  constexpr double largest = 1e11;  // beyond, neighbouring ten-thousandths share a double
  if (std::abs(v) > largest) return std::nullopt;
  const auto price = core::Price::from_double(v);
  return price && price->value() == v ? price : std::nullopt;
}

class BodyReader {
 public:
  explicit BodyReader(Collector& to) : to_(to) {}

  void read(const dom::element& json, const TypeInfo& type, const Field& rules, const Place& place,
            void* into) {
    if (to_.full()) return;
    if (type.kind == Kind::optional) {
      if (!json.is_null()) read(json, *type.item, rules, place, type.emplace(into));
      return;
    }
    if (json.is_null()) {
      to_.add(place, "missing", "must not be null");
      return;
    }
    switch (type.kind) {
      case Kind::boolean:
        if (!json.is_bool()) return wrong(place, "true or false");
        type.store(into, json.get_bool().value_unsafe() ? 1 : 0);
        return;
      case Kind::integer:
        if (json.is_uint64() && !json.is_int64()) {
          to_.add(place, "too_large", fmt::format("must be at most {}", type.most));
          return;
        }
        if (!json.is_int64()) return wrong(place, "a whole number");
        read_integer(json.get_int64().value_unsafe(), type, rules, place, to_, into);
        return;
      case Kind::number:
        if (!json.is_number()) return wrong(place, "a number");
        read_number(json.get_double().value_unsafe(), rules, place, to_, into);
        return;
      case Kind::price:
        if (!json.is_number()) return wrong(place, "a number");
        read_price(exact_price(json.get_double().value_unsafe()), rules, place, to_, into);
        return;
      case Kind::text:
        if (!json.is_string()) return wrong(place, "a text");
        read_text(json.get_string().value_unsafe(), rules, place, to_, into);
        return;
      case Kind::date:
        if (!json.is_string()) return wrong(place, "a date such as 2014-06-21");
        read_date(json.get_string().value_unsafe(), place, to_, into);
        return;
      case Kind::instant:
        if (!json.is_string()) return wrong(place, "a UTC time such as 2014-06-05T13:35:00Z");
        read_instant(json.get_string().value_unsafe(), place, to_, into);
        return;
      case Kind::enumeration:
        if (!json.is_string()) return wrong(place, "a text");
        read_enumerator(json.get_string().value_unsafe(), type, place, to_, into);
        return;
      case Kind::list:
        if (!json.is_array()) return wrong(place, "a list");
        read_list(json.get_array().value_unsafe(), type, rules, place, into);
        return;
      case Kind::map:
        if (!json.is_object()) return wrong(place, "an object");
        read_map(json.get_object().value_unsafe(), type, rules, place, into);
        return;
      case Kind::object:
        if (!json.is_object()) return wrong(place, "an object");
        read_object(json.get_object().value_unsafe(), type, place, into);
        return;
      case Kind::optional:
        return;
    }
  }

 private:
  void wrong(const Place& place, std::string_view wanted) {
    to_.add(place, "wrong_type", fmt::format("must be {}", wanted));
  }

  void read_list(const dom::array& json, const TypeInfo& type, const Field& rules,
                 const Place& place, void* into) {
    std::size_t n = 0;
    for (const dom::element item : json) {
      if (to_.full()) return;
      const Place at{&place, {}, n++, true};
      read(item, *type.item, {}, at, type.append(into));
    }
    check_length(n, "items", rules, place, to_);
  }

  void read_map(const dom::object& json, const TypeInfo& type, const Field& rules,
                const Place& place, void* into) {
    std::size_t n = 0;
    for (const auto& [key, item] : json) {
      if (to_.full()) return;
      const Place at{&place, key};
      void* slot = type.insert(into, key);
      if (type.size(into) == n) {
        to_.add(at, "duplicate", "is given twice");
        continue;
      }
      ++n;
      read(item, *type.item, {}, at, slot);
    }
    check_length(n, "items", rules, place, to_);
  }

  void read_object(const dom::object& json, const TypeInfo& type, const Place& place, void* into) {
    std::vector<bool> seen(type.members.size());
    for (const auto& [key, item] : json) {
      const Place at{&place, key};
      const auto member = std::find_if(type.members.begin(), type.members.end(),
                                       [&](const Member& m) { return m.name == key; });
      if (member == type.members.end()) {
        to_.add(at, "unknown_field", "is not a field here");
        continue;
      }
      const auto i = static_cast<std::size_t>(member - type.members.begin());
      if (seen[i]) {
        to_.add(at, "duplicate", "is given twice");
        continue;
      }
      seen[i] = true;
      read(item, *member->type, member->field, at, static_cast<std::byte*>(into) + member->offset);
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (!seen[i] && type.members[i].type->kind != Kind::optional) {
        to_.add(Place{&place, type.members[i].name}, "missing", "is required");
      }
    }
  }

  Collector& to_;
};

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void read_scalar(std::string_view text, const TypeInfo& type, const Field& rules,
                 const Place& place, Collector& to, void* into) {
  switch (type.kind) {
    case Kind::optional:
      read_scalar(text, *type.item, rules, place, to, type.emplace(into));
      return;
    case Kind::boolean:
      if (text != "true" && text != "false") {
        to.add(place, "wrong_type", "must be true or false");
      } else {
        type.store(into, text == "true" ? 1 : 0);
      }
      return;
    case Kind::integer:
      if (const auto n = parse_whole<std::int64_t>(text)) {
        read_integer(*n, type, rules, place, to, into);
      } else {
        to.add(place, "wrong_type", "must be a whole number");
      }
      return;
    case Kind::number:
      if (const auto v = parse_whole<double>(text); v && std::isfinite(*v)) {
        read_number(*v, rules, place, to, into);
      } else {
        to.add(place, "wrong_type", "must be a number");
      }
      return;
    case Kind::text:
      read_text(text, rules, place, to, into);
      return;
    case Kind::price:
      read_price(core::Price::parse(text), rules, place, to, into);
      return;
    case Kind::date:
      read_date(text, place, to, into);
      return;
    case Kind::instant:
      read_instant(text, place, to, into);
      return;
    case Kind::enumeration:
      read_enumerator(text, type, place, to, into);
      return;
    case Kind::list:
    case Kind::map:
    case Kind::object:
      core::panic("a parameter must be a scalar or a list of scalars");
  }
}

}  // namespace

Problems read_json(std::string_view text, std::string_view root, const TypeInfo& type, void* into) {
  Collector to;
  const Place place{nullptr, root};
  dom::parser parser;
  dom::element json;
  if (parser.allocate(text.size(), max_levels) != simdjson::SUCCESS) {
    core::panic("no memory for a JSON parser");
  }
  const auto error = parser.parse(text.data(), text.size()).get(json);
  if (error == simdjson::SUCCESS) {
    BodyReader{to}.read(json, type, {}, place, into);
  } else if (error == simdjson::DEPTH_ERROR) {
    to.add(place, "too_deep", fmt::format("must not be nested deeper than {} levels", max_levels));
  } else {
    to.add(place, "bad_json", fmt::format("is not JSON: {}", simdjson::error_message(error)));
  }
  return std::move(to).take();
}

namespace {

void check_value_at(const void* value, const TypeInfo& type, const Field& rules, const Place& place,
                    Collector& to) {
  switch (type.kind) {
    case Kind::optional:
      if (const void* held = type.peek(value)) check_value_at(held, *type.item, rules, place, to);
      return;
    case Kind::integer:
      return check_number(static_cast<double>(type.load(value)), rules, place, to);
    case Kind::number:
      if (const double v = *static_cast<const double*>(value); std::isfinite(v)) {
        check_number(v, rules, place, to);
      } else {
        to.add(place, "wrong_type", "must be a number");
      }
      return;
    case Kind::price:
      return check_number(static_cast<const core::Price*>(value)->value(), rules, place, to);
    case Kind::text:
      return check_text(*static_cast<const std::string*>(value), rules, place, to);
    case Kind::list:
      for (std::size_t i = 0; i < type.size(value); ++i) {
        check_value_at(type.at(value, i), *type.item, {}, Place{&place, {}, i, true}, to);
      }
      return check_length(type.size(value), "items", rules, place, to);
    case Kind::map: {
      struct Context {
        const TypeInfo& item;
        const Place& place;
        Collector& to;
      } context{*type.item, place, to};
      type.each(value, &context, [](void* at, std::string_view key, const void* item) {
        const auto& [type_of_item, parent, collector] = *static_cast<Context*>(at);
        check_value_at(item, type_of_item, {}, Place{&parent, key}, collector);
      });
      return check_length(type.size(value), "items", rules, place, to);
    }
    case Kind::object:
      for (const Member& member : type.members) {
        check_value_at(static_cast<const std::byte*>(value) + member.offset, *member.type,
                       member.field, Place{&place, member.name}, to);
      }
      return;
    case Kind::boolean:
    case Kind::date:
    case Kind::instant:
    case Kind::enumeration:
      return;
  }
}

}  // namespace

Problems check_value(std::string_view root, const TypeInfo& type, const void* value) {
  Collector to;
  check_value_at(value, type, {}, Place{nullptr, root}, to);
  return std::move(to).take();
}

Problems read_parameters(const std::vector<Parameter>& path, const std::vector<Parameter>& query,
                         const TypeInfo& type, void* into) {
  Collector to;
  const Place path_place{nullptr, "path"};
  const Place query_place{nullptr, "query"};
  for (const Member& member : type.members) {
    void* slot = static_cast<std::byte*>(into) + member.offset;
    const auto named = [&](const Parameter& p) { return p.name == member.name; };
    const auto in_path = std::find_if(path.begin(), path.end(), named);
    if (in_path != path.end()) {
      read_scalar(in_path->value, *member.type, member.field, Place{&path_place, member.name}, to,
                  slot);
      continue;
    }
    const Place place{&query_place, member.name};
    const auto count = std::count_if(query.begin(), query.end(), named);
    if (member.type->kind == Kind::list) {
      for (const Parameter& p : query) {
        if (named(p)) {
          read_scalar(p.value, *member.type->item, {}, place, to, member.type->append(slot));
        }
      }
      check_length(static_cast<std::size_t>(count), "items", member.field, place, to);
    } else if (count > 1) {
      to.add(place, "duplicate", "is given twice");
    } else if (count == 1) {
      const auto found = std::find_if(query.begin(), query.end(), named);
      read_scalar(found->value, *member.type, member.field, place, to, slot);
    } else if (member.type->kind != Kind::optional) {
      to.add(place, "missing", "is required");
    }
  }
  for (const Parameter& p : query) {
    const auto named = [&](const Member& m) {
      return m.name == p.name &&
             std::none_of(path.begin(), path.end(),
                          [&](const Parameter& other) { return other.name == p.name; });
    };
    if (std::none_of(type.members.begin(), type.members.end(), named)) {
      to.add(Place{&query_place, p.name}, "unknown_parameter", "is not a parameter here");
    }
  }
  return std::move(to).take();
}

}  // namespace bifrost::net
