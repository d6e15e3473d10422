// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "bifrost/core/config.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/database.hpp"
#include "bifrost/store/private_cluster.hpp"

namespace bifrost {

/// The server that the operator's tool works on: DATABASE_URL or, where that is not set, a private
/// cluster in the data folder, started for the purpose.
struct Server {
  core::Config config;
  std::optional<store::PrivateCluster> cluster;
  std::string url;
};
core::Result<Server> open_server(const std::string& env_file);

/// A database to work on, and the private cluster behind it if it is one.
struct Workplace {
  core::Config config;
  std::optional<store::PrivateCluster> cluster;
  std::optional<store::Database> database;  // after the cluster: closed before it stops
};
core::Result<Workplace> open_workplace(const std::string& env_file);

}  // namespace bifrost
