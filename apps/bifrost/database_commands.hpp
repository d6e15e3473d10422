// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bifrost/core/result.hpp"

namespace bifrost {

/// Works on the database that workplace.hpp finds.
core::Result<void> migrate_database(const std::string& env_file);

}  // namespace bifrost
