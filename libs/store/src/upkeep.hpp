// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/store/maintenance.hpp"

namespace bifrost::store {

/// As maintain(), taking the server for one of this tier; so that what happens on a tier can be
/// tested where the server is of another.
core::Result<MaintenanceReport> maintain_as(
    Database& database, std::optional<Tier> tier, core::Instant now,
    const MaintenanceOptions& options,
    const std::function<void(const MaintenanceProgress&)>& on_progress, std::stop_token stop,
    core::Deadline deadline);

}  // namespace bifrost::store
