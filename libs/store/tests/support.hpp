// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "ok.hpp"
#include "temporary_folder.hpp"

namespace bifrost::store::testing {

/// Far enough for a slow, busy machine.
inline core::Deadline soon() {
  return core::after(std::chrono::seconds{60});
}

/// The server that the tests of this program share; started by the first that asks.
PrivateCluster& cluster();

/// A database nobody has used: on the server of BIFROST_TEST_DATABASE_URL (keywords without dbname,
/// "host=/run/x user=me"; the databases made stay there), else on cluster().
std::string fresh_database();

/// A fresh, migrated database.
Database migrated();

void run(Database& database, const std::string& sql);
/// The first value of the first row.
std::int64_t number(Database& database, const std::string& sql);

core::Instant at(const std::string& iso);
core::Date day(const std::string& iso);
core::Price price(const std::string& text);

}  // namespace bifrost::store::testing
