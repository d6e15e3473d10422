// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace bifrost::store::testing {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "bifrost-store-XXXXXX").string();
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
    TemporaryFolder folder;
    PrivateCluster server =
        ok(PrivateCluster::start(folder.path() / "cluster", soon(), {.die_with_starter = true}));
  };
  static Shared shared;
  return shared.server;
}

std::string fresh_database() {
  static std::atomic<int> last{0};
  return ok(cluster().create_database("test_" + std::to_string(++last), soon()));
}

Database migrated() {
  auto database = ok(Database::open(fresh_database(), soon()));
  ok(database.migrate(soon()));
  return database;
}

std::optional<fs::path> shared_data() {
  if (const char* set = std::getenv("BIFROST_SHARED_DATA"); set != nullptr) {
    return fs::is_directory(set) ? std::optional{fs::path{set}} : std::nullopt;
  }
  for (auto folder = fs::current_path();; folder = folder.parent_path()) {
    if (fs::is_directory(folder / "shared" / "data")) return folder / "shared" / "data";
    if (folder == folder.parent_path()) return std::nullopt;
  }
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
