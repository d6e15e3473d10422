// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace bifrost::ib {

inline constexpr std::string_view recording_greeting = "bifrost-frames 1\n";
inline constexpr std::string_view recording_prefix = "frames-";
inline constexpr std::string_view recording_suffix = ".bfr.gz";

}  // namespace bifrost::ib
