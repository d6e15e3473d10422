// SPDX-License-Identifier: Apache-2.0
#include "database_commands.hpp"

#include <fmt/format.h>

#include "progress.hpp"
#include "workplace.hpp"

namespace bifrost {

using core::Result;
using namespace std::chrono_literals;

Result<void> migrate_database(const std::string& env_file) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::make));
  Progress step{"bring the schema up to date"};
  BF_TRY(const int applied, place.database->migrate(core::after(300s)));
  step.done();
  fmt::print("{}\n", applied == 0 ? "the schema is up to date"
                                  : fmt::format("{} schema steps applied", applied));
  return {};
}

}  // namespace bifrost
