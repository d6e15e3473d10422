// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "bifrost/collector/spool.hpp"
#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "ok.hpp"
#include "temporary_folder.hpp"

namespace bifrost::collector::testing {

inline core::Deadline soon() {
  return core::after(std::chrono::seconds{60});
}

inline core::Instant at(const std::string& iso) {
  return ok(core::parse_instant(iso));
}

/// A migrated database on a server of its own that can be stopped and started.
class Server {
 public:
  Server() {
    start();
    auto database = ok(store::Database::open(url(), soon()));
    ok(database.migrate(soon()));
  }
  void start() {
    server_.emplace(ok(
        store::PrivateCluster::start(folder_.path() / "pg", soon(), {.die_with_starter = true})));
  }
  void stop() { ok(server_->stop(soon())); }
  const std::string& url() const { return server_->url(); }
  pid_t pid() const { return server_->server_pid(); }
  /// A further, migrated database.
  std::string make_database(const std::string& name) {
    auto made = ok(server_->create_database(name, soon()));
    auto database = ok(store::Database::open(made, soon()));
    ok(database.migrate(soon()));
    return made;
  }

 private:
  TemporaryFolder folder_;
  std::optional<store::PrivateCluster> server_;
};

/// The server that tests share which leave it running.
inline Server& shared_server() {
  static Server server;
  return server;
}

/// A cycle whose numbers follow from its own and the contract's, each kind of field present
/// somewhere and missing somewhere.
FinishedCycle cycle(const std::string& underlying, core::Instant as_of, int number,
                    int contracts = 3);

}  // namespace bifrost::collector::testing
