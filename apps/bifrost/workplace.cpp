// SPDX-License-Identifier: Apache-2.0
#include "workplace.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "bifrost/core/data_folder.hpp"
#include "bifrost/core/extra_closures.hpp"

namespace bifrost {

using core::Result;
using namespace std::chrono_literals;

namespace {

/// A folder that cannot be looked into may hold one: its own start says what is wrong there.
bool holds_cluster(const std::filesystem::path& folder) {
  std::error_code unreadable;
  return std::filesystem::exists(folder / "data", unreadable) || unreadable;
}

}  // namespace

Result<Server> open_server(const std::string& env_file, WhereAbsent absent) {
  BF_TRY(auto config, core::Config::load(env_file, env_file != ".env"));
  core::set_extra_closures(config.extra_closures);
  Server server{std::move(config), std::nullopt, {}};
  server.url = server.config.database_url;
  if (server.url.empty()) {
    const auto folder = core::data_folder() / "db";
    if (absent == WhereAbsent::refuse && !holds_cluster(folder)) {
      return core::fail(core::Errc::not_found,
                        fmt::format("there is no history on this machine ({}); {}", folder.string(),
                                    ways_to_history));
    }
    fmt::print(stderr, "DATABASE_URL is not set: using the private database in {}\n",
               folder.string());
    BF_TRY(server.cluster, store::PrivateCluster::start(folder, core::after(60s)));
    server.url = server.cluster->url();
  }
  return server;
}

Result<Workplace> open_workplace(const std::string& env_file, WhereAbsent absent) {
  BF_TRY(auto server, open_server(env_file, absent));
  Workplace place{std::move(server.config), std::nullopt, std::nullopt};
  BF_TRY(place.database, store::Database::open(server.url, core::after(30s)));
  place.cluster = std::move(server.cluster);
  return place;
}

}  // namespace bifrost
