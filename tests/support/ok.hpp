// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "bifrost/core/result.hpp"

/// The value, or a failed test that says why.
template <class T>
T ok(bifrost::core::Result<T> result,
     std::source_location where = std::source_location::current()) {
  if (!result) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << result.error().message;
    throw std::runtime_error(result.error().message);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}
