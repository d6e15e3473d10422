// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

/// A new folder, gone with its owner: under TMPDIR when that is set, in memory where there is
/// plenty (a database cluster waits for the disk), else in the usual place. The user that a
/// database server runs as can enter it, and read nothing.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (place() / "bifrost-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
    std::filesystem::permissions(path_, std::filesystem::perms{0711});
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::filesystem::path place() {
    constexpr std::uintmax_t plenty = 2ULL << 30;
    std::error_code problem;
    const auto memory = std::filesystem::space("/dev/shm", problem);
    const bool in_memory =
        std::getenv("TMPDIR") == nullptr && !problem && memory.available >= plenty;
    return in_memory ? std::filesystem::path{"/dev/shm"} : std::filesystem::temp_directory_path();
  }

  std::filesystem::path path_;
};
