// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/data_folder.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace bifrost::core {

std::filesystem::path data_folder() {
  if (::geteuid() == 0) return "/var/lib/bifrost";
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != 0) {
    return std::filesystem::path{data} / "bifrost";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path{home != nullptr ? home : "/tmp"} / ".local/share/bifrost";
}

std::filesystem::path state_folder() {
  // Several are separated by colons; the first is the unit's own.
  if (const char* state = std::getenv("STATE_DIRECTORY"); state != nullptr && *state != 0) {
    const std::string_view all{state};
    return std::filesystem::path{all.substr(0, all.find(':'))};
  }
  return data_folder();
}

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder, std::string_view who) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(Errc::unauthorized,
                fmt::format("cannot make the folder {}: {}; hint: choose another one",
                            folder.string(), error.message()));
  }
  const auto path = folder / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return fail(Errc::unauthorized, fmt::format("cannot write {}: {}; hint: choose another folder",
                                                path.string(), std::strerror(errno)));
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fail(Errc::conflict,
                fmt::format("{} already runs on {}; hint: stop it, or choose another folder", who,
                            folder.string()));
  }
  return FolderLock{fd};
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace bifrost::core
