// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/net/describe.hpp"

// Structs of every shape that a description allows.
namespace shapes {

using bifrost::core::Date;
using bifrost::core::Instant;
using bifrost::core::Price;
using bifrost::core::Right;
using bifrost::core::Source;

enum class Colour { red, green };
BF_DESCRIBE_ENUM(Colour, red, green)

struct Inner {
  int n;
  std::optional<double> v;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (n, v))

struct Everything {
  bool flag;
  int count;
  std::int64_t big;
  double ratio;
  std::string name;
  Price price;
  Date date;
  Instant time;
  Right right;
  Source source;
  Colour colour;
  std::optional<double> maybe;
  std::vector<int> list;
  std::map<std::string, Inner> map;
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (flag, count, big, ratio, name, price, date, time, right, source, colour,
                       maybe, list, map))

struct Leg {
  Price strike;
  int quantity;
};
BF_DESCRIBE(Leg, "One leg of an order.", (strike, .doc = "per share", .above = 0),
            (quantity, .doc = "negative is sold"))

struct Order {
  std::string symbol;
  Date expiry;
  std::optional<int> limit;
  std::optional<Colour> colour;
  std::vector<Leg> legs;
};
BF_DESCRIBE(Order, "An order.",
            (symbol, .doc = "underlying", .min_length = 1, .max_length = 12,
             .pattern = "[A-Z0-9. -]+"),
            (expiry), (limit, .min = 1, .max = 500), (colour),
            (legs, .doc = "lowest strike first", .min_length = 1, .max_length = 8))

struct Query {
  std::string symbol;
  Date expiry;
  Price strike;
  Right right;
  std::optional<int> limit;
  std::optional<double> min_pop;
  std::optional<Instant> at;
  std::optional<bool> deep;
  std::vector<std::string> tags;
};
BF_DESCRIBE(Query, "What to look for.",
            (symbol, .doc = "underlying", .min_length = 1, .max_length = 12,
             .pattern = "[A-Z0-9. -]+"),
            (expiry, .doc = "as listed"), (strike, .min = 0), (right),
            (limit, .min = 1, .max = 500), (min_pop, .min = 0, .max = 1), (at), (deep),
            (tags, .max_length = 3))

}  // namespace shapes
