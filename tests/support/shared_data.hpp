// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

/// A file of the real market data beside the project, or the whole folder for "": where
/// BIFROST_SHARED_DATA says, else shared/data in a folder above the current one. Nothing when it is
/// not on this machine.
inline std::optional<std::filesystem::path> shared_data(const std::string& file = "") {
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
