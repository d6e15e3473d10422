// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "bifrost/core/result.hpp"
#include "bifrost/net/json.hpp"

namespace bifrost::net {

/// What a handler may answer in place of an Error, where fields of the request cannot be taken for
/// what the handler knows beside it. With fields it is answered as a request that is not valid.
struct Refusal : core::Error {
  Refusal(core::Error error, Problems wrong = {})
      : core::Error(std::move(error)), fields(std::move(wrong)) {}

  Problems fields;
};

}  // namespace bifrost::net
