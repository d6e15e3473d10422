// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "bifrost/core/result.hpp"

namespace bifrost::core {

/// Where this user's databases live when nothing else is said: /var/lib/bifrost for root (the
/// database server's own unprivileged user must reach it), else $XDG_DATA_HOME/bifrost or
/// ~/.local/share/bifrost.
std::filesystem::path data_folder();

/// $STATE_DIRECTORY where systemd names one (StateDirectory=), else data_folder(): for what a
/// service keeps.
std::filesystem::path state_folder();

/// A file lock, so that two programs do not run on one folder. Held while the object lives, and let
/// go by any kind of death.
class FolderLock {
 public:
  /// Makes the folder. conflict: another process holds it; the message begins with `who`, "a demo".
  static Result<FolderLock> take(const std::filesystem::path& folder, std::string_view who);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace bifrost::core
