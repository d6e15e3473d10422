// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/store/history.hpp"
#include "catalogue.hpp"

namespace bifrost::store {

struct History::Impl {
  explicit Impl(Pool& pool_of_database) : pool(pool_of_database), catalogue(pool_of_database) {}

  Pool& pool;
  Catalogue catalogue;
};

}  // namespace bifrost::store
