// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "pool.hpp"

namespace bifrost::store::testing {

PrivateCluster& cluster() {
  struct Shared {
    ~Shared() { static_cast<void>(server.stop(soon())); }  // before the folder goes
    TemporaryFolder folder;
    PrivateCluster server =
        ok(PrivateCluster::start(folder.path() / "cluster", soon(), {.die_with_starter = true}));
  };
  static Shared shared;
  return shared.server;
}

std::string fresh_database() {
  static std::atomic<int> last{0};
  const auto number = std::to_string(++last);
  if (const char* server = std::getenv("BIFROST_TEST_DATABASE_URL")) {
    const auto name = "bifrost_test_" + std::to_string(getpid()) + "_" + number;
    auto admin = ok(Database::open(std::string(server) + " dbname=postgres", soon()));
    ok(ok(admin.pool().lease(soon()))->run("CREATE DATABASE " + name, soon()));
    return std::string(server) + " dbname=" + name;
  }
  return ok(cluster().create_database("test_" + number, soon()));
}

Database migrated() {
  auto database = ok(Database::open(fresh_database(), soon()));
  ok(database.migrate(soon()));
  return database;
}

void run(Database& database, const std::string& sql) {
  const auto connection = ok(database.pool().lease(soon()));
  ok(connection->run(sql, soon()));
}

std::int64_t number(Database& database, const std::string& sql) {
  const auto connection = ok(database.pool().lease(soon()));
  return ok(connection->query(sql.c_str(), soon())).integer(0, 0);
}

core::Instant at(const std::string& iso) {
  return ok(core::parse_instant(iso));
}
core::Date day(const std::string& iso) {
  return ok(core::parse_date(iso));
}

core::Price price(const std::string& text) {
  const auto parsed = core::Price::parse(text);
  if (!parsed) throw std::runtime_error("not a price: " + text);
  return *parsed;
}

}  // namespace bifrost::store::testing
