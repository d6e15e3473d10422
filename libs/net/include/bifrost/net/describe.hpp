// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/time.hpp"

// How a struct becomes JSON, is read from a request, and appears in the OpenAPI document: declared
// once, after the struct, in the struct's own namespace.
//
//   BF_DESCRIBE(ChainQuery, "One chain of one expiry.",
//               (symbol, .doc = "underlying", .min_length = 1, .max_length = 12),
//               (expiry),
//               (limit, .doc = "rows at most", .min = 1, .max = 500))
//   BF_DESCRIBE_ENUM(Fill, mid, natural)
//
// A plain BOOST_DESCRIBE_STRUCT(T, (), (members)) will do where there is nothing to say about the
// members. Members may be bool, integers, double, std::string, core::Price, Date, Instant,
// described enums and structs, and std::optional, std::vector, std::map<std::string, T> of these. A
// struct must not contain itself.
namespace bifrost::net {

/// What is said about a member beyond its type. Numbers bound numbers and prices (inclusive;
/// `above` is exclusive); lengths bound the bytes of a text or the items of a list or map.
/// `pattern` is an ECMAScript regular expression that the whole text must match; texts beyond 256
/// bytes never do.
struct Field {
  std::string_view doc{};
  std::optional<double> min{};
  std::optional<double> max{};
  std::optional<double> above{};
  std::optional<std::size_t> min_length{};
  std::optional<std::size_t> max_length{};
  std::string_view pattern{};
};

struct NamedField {
  std::string_view name;
  Field field;
};

struct Notes {
  std::string_view doc;
  std::span<const NamedField> fields;
};

enum class Kind : std::uint8_t {
  boolean,
  integer,
  number,
  text,
  price,
  date,
  instant,
  enumeration,
  optional,
  list,
  map,
  object
};

struct TypeInfo;

struct Member {
  std::string_view name;
  std::string key;  // `"name":`, with a comma before all but the first
  const TypeInfo* type;
  std::size_t offset;
  Field field;
};

/// A type as the JSON writer, the readers and the OpenAPI generator see it. Made by type_of<T>();
/// lives as long as the program. Which function pointers are set follows from `kind`.
struct TypeInfo {
  Kind kind{};
  std::string name;  // object, enumeration: the type without its namespace
  std::string_view doc;
  const TypeInfo* item = nullptr;  // optional, list, map

  // boolean, integer, enumeration
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t (*load)(const void*) = nullptr;
  void (*store)(void*, std::int64_t) = nullptr;
  std::vector<std::pair<std::string_view, std::int64_t>> enumerators;

  std::vector<Member> members;

  // optional: the value or nullptr; a fresh value
  const void* (*peek)(const void*) = nullptr;
  void* (*emplace)(void*) = nullptr;

  // list
  std::size_t (*size)(const void*) = nullptr;
  const void* (*at)(const void*, std::size_t) = nullptr;
  void* (*append)(void*) = nullptr;

  // map, in key order
  using Visit = void (*)(void* context, std::string_view key, const void* value);
  void (*each)(const void*, void* context, Visit) = nullptr;
  void* (*insert)(void*, std::string_view key) = nullptr;

  void add_member(std::string_view member_name, const TypeInfo& type, std::size_t offset);
  void add_notes(const Notes& notes);
};

template <class T>
const TypeInfo& type_of();

namespace detail {

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::vector<T>> = true;
template <class T>
constexpr bool is_map = false;
template <class T>
constexpr bool is_map<std::map<std::string, T>> = true;
template <class T>
concept HasNotes = requires(const T* t) {
  { bf_notes(t) } -> std::same_as<Notes>;
};

template <class T>
std::string type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  if (const auto colon = text.rfind(':'); colon != text.npos) text.remove_prefix(colon + 1);
  return std::string{text};
}

template <class T>
void set_integer(TypeInfo& info) {
  info.load = [](const void* at) { return static_cast<std::int64_t>(*static_cast<const T*>(at)); };
  info.store = [](void* at, std::int64_t value) { *static_cast<T*>(at) = static_cast<T>(value); };
}

template <class T>
void set_optional(TypeInfo& info) {
  using Optional = std::optional<T>;
  static_assert(!is_optional<T>, "null can mean only one absence");
  info.item = &type_of<T>();
  info.peek = [](const void* at) -> const void* {
    const auto& value = *static_cast<const Optional*>(at);
    return value ? &*value : nullptr;
  };
  info.emplace = [](void* at) -> void* { return &static_cast<Optional*>(at)->emplace(); };
}

template <class T>
void set_list(TypeInfo& info) {
  using List = std::vector<T>;
  static_assert(!std::same_as<T, bool>, "std::vector<bool> holds no bools");
  info.item = &type_of<T>();
  info.size = [](const void* at) { return static_cast<const List*>(at)->size(); };
  info.at = [](const void* at, std::size_t i) -> const void* {
    return &(*static_cast<const List*>(at))[i];
  };
  info.append = [](void* at) -> void* { return &static_cast<List*>(at)->emplace_back(); };
}

template <class T>
void set_map(TypeInfo& info) {
  using Map = std::map<std::string, T>;
  info.item = &type_of<T>();
  info.size = [](const void* at) { return static_cast<const Map*>(at)->size(); };
  info.each = [](const void* at, void* context, TypeInfo::Visit visit) {
    for (const auto& [key, value] : *static_cast<const Map*>(at)) visit(context, key, &value);
  };
  info.insert = [](void* at, std::string_view key) -> void* {
    return &(*static_cast<Map*>(at))[std::string{key}];
  };
}

template <class T>
void set_enumeration(TypeInfo& info) {
  set_integer<T>(info);
  info.name = type_name<T>();
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
      [&](auto e) { info.enumerators.emplace_back(e.name, static_cast<std::int64_t>(e.value)); });
}

template <class T>
void set_object(TypeInfo& info) {
  info.name = type_name<T>();
  const T sample{};
  const auto* begin = reinterpret_cast<const std::byte*>(&sample);
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto d) {
        const auto& member = sample.*d.pointer;
        info.add_member(
            d.name, type_of<std::remove_cvref_t<decltype(member)>>(),
            static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&member) - begin));
      });
  if constexpr (HasNotes<T>) info.add_notes(bf_notes(static_cast<const T*>(nullptr)));
}

template <class T>
TypeInfo make_type() {
  TypeInfo info;
  if constexpr (std::same_as<T, bool>) {
    info.kind = Kind::boolean;
    set_integer<bool>(info);
  } else if constexpr (std::integral<T>) {
    static_assert(sizeof(T) < 8 || std::signed_integral<T>, "JSON readers lose 64 unsigned bits");
    info.kind = Kind::integer;
    info.least = std::numeric_limits<T>::min();
    info.most = std::numeric_limits<T>::max();
    set_integer<T>(info);
  } else if constexpr (std::same_as<T, double>) {
    info.kind = Kind::number;
  } else if constexpr (std::same_as<T, std::string>) {
    info.kind = Kind::text;
  } else if constexpr (std::same_as<T, core::Price>) {
    info.kind = Kind::price;
  } else if constexpr (std::same_as<T, core::Date>) {
    info.kind = Kind::date;
  } else if constexpr (std::same_as<T, core::Instant>) {
    info.kind = Kind::instant;
  } else if constexpr (std::is_enum_v<T>) {
    info.kind = Kind::enumeration;
    set_enumeration<T>(info);
  } else if constexpr (is_optional<T>) {
    info.kind = Kind::optional;
    set_optional<typename T::value_type>(info);
  } else if constexpr (is_list<T>) {
    info.kind = Kind::list;
    set_list<typename T::value_type>(info);
  } else if constexpr (is_map<T>) {
    info.kind = Kind::map;
    set_map<typename T::mapped_type>(info);
  } else {
    static_assert(boost::describe::has_describe_members<T>::value,
                  "describe the struct with BF_DESCRIBE in its own namespace");
    info.kind = Kind::object;
    set_object<T>(info);
  }
  return info;
}

}  // namespace detail

template <class T>
const TypeInfo& type_of() {
  static const TypeInfo info = detail::make_type<T>();
  return info;
}

/// For routes that take no parameters.
struct None {};
BOOST_DESCRIBE_STRUCT(None, (), ())

}  // namespace bifrost::net

namespace bifrost::core {
BOOST_DESCRIBE_ENUM(Right, call, put)
BOOST_DESCRIBE_ENUM(Source, live, delayed, imported, simulated)
}  // namespace bifrost::core

// The usual recursive map over __VA_ARGS__ (David Mazieres, "Recursive macros with C++20
// __VA_OPT__").
#define BF_PARENS ()
#define BF_EXPAND(...) BF_EXPAND3(BF_EXPAND3(BF_EXPAND3(BF_EXPAND3(__VA_ARGS__))))
#define BF_EXPAND3(...) BF_EXPAND2(BF_EXPAND2(BF_EXPAND2(BF_EXPAND2(__VA_ARGS__))))
#define BF_EXPAND2(...) BF_EXPAND1(BF_EXPAND1(BF_EXPAND1(BF_EXPAND1(__VA_ARGS__))))
#define BF_EXPAND1(...) __VA_ARGS__
#define BF_MAP(macro, ...) __VA_OPT__(BF_EXPAND(BF_MAP_NEXT(macro, __VA_ARGS__)))
#define BF_MAP_NEXT(macro, first, ...) \
  macro first __VA_OPT__(, BF_MAP_AGAIN BF_PARENS(macro, __VA_ARGS__))
#define BF_MAP_AGAIN() BF_MAP_NEXT

#define BF_MEMBER_NAME(name, ...) name
#define BF_MEMBER_NOTE(name, ...)  \
  ::bifrost::net::NamedField {     \
    #name, ::bifrost::net::Field { \
      __VA_ARGS__                  \
    }                              \
  }

/// Describes a struct of at least one member; see the top of this file.
#define BF_DESCRIBE(Struct, text, ...)                                                         \
  BOOST_DESCRIBE_STRUCT(Struct, (), (BF_MAP(BF_MEMBER_NAME, __VA_ARGS__)))                     \
  inline ::bifrost::net::Notes bf_notes(const Struct*) {                                       \
    static constexpr ::bifrost::net::NamedField fields[]{BF_MAP(BF_MEMBER_NOTE, __VA_ARGS__)}; \
    return {text, fields};                                                                     \
  }

#define BF_DESCRIBE_ENUM(Enum, ...) BOOST_DESCRIBE_ENUM(Enum, __VA_ARGS__)
