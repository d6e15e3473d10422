// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "pool.hpp"

namespace bifrost::store::testing {
namespace fs = std::filesystem;

namespace {

/// TMPDIR when it is set, memory where there is plenty (these tests make a dozen clusters, and
/// initdb waits for the disk), else the usual place.
fs::path place_for_folders() {
  constexpr std::uintmax_t plenty = 2ULL << 30;
  std::error_code problem;
  const auto memory = fs::space("/dev/shm", problem);
  if (std::getenv("TMPDIR") == nullptr && !problem && memory.available >= plenty) return "/dev/shm";
  return fs::temp_directory_path();
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (place_for_folders() / "bifrost-store-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
  // The server's user must be able to enter it; the cluster's own folder inside is closed.
  fs::permissions(path_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

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
