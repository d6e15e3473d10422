// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "bifrost/net/describe.hpp"

namespace bifrost::net {

/// One thing wrong with what a client sent.
struct Problem {
  std::string path;     // "body/legs/1/strike", "query/expiry", "path/symbol"
  std::string message;  // for people
  std::string code;     // for programs, stable: missing, unknown_field, wrong_type, too_small, ...

  friend bool operator==(const Problem&, const Problem&) = default;
};
using Problems = std::vector<Problem>;

/// Either the value, or everything that is wrong with the input at once, in the order of the
/// members.
template <class T>
using Parsed = tl::expected<T, Problems>;

std::string write_json(const TypeInfo& type, const void* value);
Problems read_json(std::string_view text, std::string_view root, const TypeInfo& type, void* into);
Problems check_value(std::string_view root, const TypeInfo& type, const void* value);

/// Compact JSON. Numbers are the shortest that read back as the same double, NaN and infinities are
/// null, a Price is its exact decimal, Instant and Date are ISO texts, enums are their names, an
/// absent optional is null. Bytes that are not UTF-8 become U+FFFD. The same value always gives the
/// same bytes.
template <class T>
std::string to_json(const T& value) {
  return write_json(type_of<T>(), &value);
}

/// Reads one JSON document (at most 64 levels deep) into a described struct. Doubles are correctly
/// rounded, a Price must be a multiple of 0.0001, whole numbers end at 64 bits, unknown and
/// repeated fields are errors, an optional may be null or absent.
template <class T>
Parsed<T> parse_json(std::string_view text, std::string_view root = "body") {
  T value{};
  if (auto problems = read_json(text, root, type_of<T>(), &value); !problems.empty()) {
    return tl::unexpected{std::move(problems)};
  }
  return value;
}

/// Everything that the readers would refuse of a value made otherwise, on a command line for one:
/// what lies outside its declared limits, and numbers that are none.
template <class T>
Problems check(const T& value, std::string_view root = "body") {
  return check_value(root, type_of<T>(), &value);
}

/// A name and its text, percent-decoded, as it stood in a path or a query string.
struct Parameter {
  std::string name;
  std::string value;
};

/// Reads text parameters into a described struct: members named in `path` come from there, the
/// others from `query`. Lists are repeated parameters; unknown or repeated names are errors.
Problems read_parameters(const std::vector<Parameter>& path, const std::vector<Parameter>& query,
                         const TypeInfo& type, void* into);

/// Writes `text` as a JSON string, quotes included.
void append_json_text(std::string& out, std::string_view text);

}  // namespace bifrost::net
