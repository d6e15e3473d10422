// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

/// The folder of real market data beside the project (BIFROST_SHARED_DATA, else ../shared/data
/// upwards), if it is there.
inline std::optional<std::filesystem::path> shared_data(const std::string& file) {
  namespace fs = std::filesystem;
  if (const char* set = std::getenv("BIFROST_SHARED_DATA"); set != nullptr) {
    const auto path = fs::path{set} / file;
    return fs::exists(path) ? std::optional{path} : std::nullopt;
  }
  for (fs::path at = fs::current_path();; at = at.parent_path()) {
    if (const auto path = at / "shared" / "data" / file; fs::exists(path)) return path;
    if (at == at.parent_path()) return std::nullopt;
  }
}
