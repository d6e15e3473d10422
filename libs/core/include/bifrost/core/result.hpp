// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace bifrost::core {

/// What a caller can do about a failure. Detail goes into the message, never into a new code.
enum class Errc {
  invalid_input,  // the caller's value is wrong; asking again with the same value fails again
  not_found,
  conflict,  // it is there already, or somebody else holds it
  unauthorized,
  unavailable,   // a dependency is away; the same call may work later
  timeout,       // the deadline passed
  cancelled,     // we were told to stop
  corrupt_data,  // bytes that should be ours, or should follow a format, do not
};

std::string_view to_string(Errc code) noexcept;

struct [[nodiscard]] Error {
  Errc code;
  std::string
      message;  // for an operator: what was attempted, on what; then "hint: ..." if there is one
  std::source_location where;
};

/// The only way a failure that a caller may act on leaves a function.
template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Errc code, std::string message,
                                  std::source_location where = std::source_location::current()) {
  return tl::unexpected<Error>{Error{code, std::move(message), where}};
}

/// Broken invariant: logs where and aborts. For states that only a defect of ours can produce.
[[noreturn]] void panic(std::string_view what,
                        std::source_location where = std::source_location::current());

}  // namespace bifrost::core

#define BF_CONCAT_(a, b) a##b
#define BF_CONCAT(a, b) BF_CONCAT_(a, b)
#define BF_TRY_(tmp, decl, expr)                           \
  auto tmp = (expr);                                       \
  if (!tmp) return tl::unexpected{std::move(tmp).error()}; \
  decl = *std::move(tmp)

/// `BF_TRY(auto rows, load(x));` declares `rows`, or returns the error of `load` from this
/// function.
#define BF_TRY(decl, expr) BF_TRY_(BF_CONCAT(bf_try_, __LINE__), decl, expr)

/// The same for Result<void>.
#define BF_CHECK(expr)                                                                            \
  do {                                                                                            \
    if (auto bf_check_ = (expr); !bf_check_) return tl::unexpected{std::move(bf_check_).error()}; \
  } while (false)
