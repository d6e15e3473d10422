// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/private_cluster.hpp"

namespace bifrost::store::testing {

/// Far enough for a slow, busy machine.
inline core::Deadline soon() {
  return core::after(std::chrono::seconds{60});
}

/// A folder under the temporary directory, removed at the end. Its name holds the process id.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The server that the tests of this program share; started by the first that asks.
PrivateCluster& cluster();

/// A database nobody has used: on the server of BIFROST_TEST_DATABASE_URL (keywords without dbname,
/// "host=/run/x user=me"; the databases made stay there), else on cluster().
std::string fresh_database();

/// A fresh, migrated database.
Database migrated();

core::Instant at(const std::string& iso);
core::Date day(const std::string& iso);
core::Price price(const std::string& text);

/// The value, or a failed test that says why.
template <class T>
T ok(core::Result<T> result, std::source_location where = std::source_location::current()) {
  if (!result) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << result.error().message;
    throw std::runtime_error(result.error().message);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace bifrost::store::testing
