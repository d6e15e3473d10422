// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bifrost/core/config.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/database.hpp"
#include "bifrost/store/private_cluster.hpp"

namespace bifrost {

/// What becomes of a private cluster that is not there yet: nothing is made by a verb that only
/// reads.
enum class WhereAbsent { make, refuse };

inline constexpr std::string_view ways_to_history =
    "hint: `bifrost import FILE` puts option files into the history, DATABASE_URL names the "
    "database of a collector; find, fit and analyze take an option file as it is: --chain FILE";

/// The server that the operator's tool works on: DATABASE_URL or, where that is not set, a private
/// cluster in the data folder, started for the purpose. not_found where that one is absent and is
/// not to be made.
struct Server {
  core::Config config;
  std::optional<store::PrivateCluster> cluster;
  std::string url;
};
core::Result<Server> open_server(const std::string& env_file, WhereAbsent absent);

/// A database to work on, and the private cluster behind it if it is one.
struct Workplace {
  core::Config config;
  std::optional<store::PrivateCluster> cluster;
  std::optional<store::Database> database;  // after the cluster: closed before it stops
};
core::Result<Workplace> open_workplace(const std::string& env_file, WhereAbsent absent);

}  // namespace bifrost
