// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/whole_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace bifrost::core {
namespace {

tl::unexpected<Error> failed(const std::filesystem::path& path, std::string_view what) {
  const int error = errno;
  return fail(error == ENOENT || error == ENOTDIR                   ? Errc::not_found
              : error == EACCES || error == EPERM || error == EROFS ? Errc::unauthorized
                                                                    : Errc::unavailable,
              fmt::format("{} {}: {}", what, path.string(), std::strerror(error)));
}

}  // namespace

Result<WholeFile> WholeFile::create(const std::filesystem::path& path) {
  auto part = path;
  part += ".part";
  const int fd = ::open(part.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return failed(part, "cannot write");
  WholeFile made(path, std::move(part), fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(std::exchange(made.fd_, -1));
    return fail(Errc::conflict,
                fmt::format("another program writes {} just now", made.part_.string()));
  }
  if (::ftruncate(fd, 0) != 0) return failed(made.part_, "cannot write");
  return made;
}

WholeFile::WholeFile(std::filesystem::path path, std::filesystem::path part, int fd)
    : path_(std::move(path)), part_(std::move(part)), fd_(fd) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : path_(std::move(other.path_)),
      part_(std::move(other.part_)),
      fd_(std::exchange(other.fd_, -1)) {}

WholeFile::~WholeFile() {
  if (fd_ < 0) return;
  ::unlink(part_.c_str());
  ::close(fd_);
}

Result<void> WholeFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto taken = ::write(fd_, bytes.data(), bytes.size());
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return failed(part_, "cannot write");
    bytes.remove_prefix(static_cast<std::size_t>(taken));
  }
  return {};
}

Result<void> WholeFile::commit() {
  if (::fsync(fd_) != 0) return failed(part_, "cannot write");
  if (::rename(part_.c_str(), path_.c_str()) != 0) return failed(path_, "cannot make");
  ::close(std::exchange(fd_, -1));
  auto folder = path_.parent_path();
  if (folder.empty()) folder = ".";
  const int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return failed(folder, "cannot open");
  const bool kept = ::fsync(at) == 0;
  const auto error = errno;
  ::close(at);
  errno = error;
  if (!kept) return failed(folder, "cannot write");
  return {};
}

}  // namespace bifrost::core
