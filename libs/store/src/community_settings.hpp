// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace bifrost::store {

/// sql/community.sql, embedded at build time.
std::string_view community_settings();

}  // namespace bifrost::store
