// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bifrost/store/listen.hpp"

namespace bifrost::store {

/// {"underlying":"SPX","as_of":"2021-01-04T14:35:00Z"}. A symbol needs no escaping.
std::string notice_payload(const Notice& notice);
/// Only what notice_payload writes; anybody may NOTIFY anything.
std::optional<Notice> parse_notice(std::string_view payload);

}  // namespace bifrost::store
