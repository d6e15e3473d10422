// SPDX-License-Identifier: Apache-2.0
// Preloaded into a PostgreSQL server: while the file that FAULT_FSYNC names exists, the
// next fsync or fdatasync of a file whose path holds that file's first line fails once with EIO,
// and the order is taken away.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

bool strikes(int fd) {
  const char* order = std::getenv("FAULT_FSYNC");
  if (order == nullptr || access(order, R_OK) != 0) return false;
  std::array<char, 256> wanted{};
  std::FILE* file = std::fopen(order, "r");
  if (file == nullptr) return false;
  const bool read = std::fgets(wanted.data(), wanted.size(), file) != nullptr;
  std::fclose(file);
  if (!read) return false;
  wanted[std::strcspn(wanted.data(), "\n")] = '\0';
  std::array<char, 64> link{};
  std::array<char, 4096> path{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  const auto length = readlink(link.data(), path.data(), path.size() - 1);
  if (length < 0) return false;
  return std::string_view{path.data()}.find(wanted.data()) != std::string_view::npos &&
         unlink(order) == 0;
}

int sync_with(const char* name, int fd) {
  if (strikes(fd)) {
    errno = EIO;
    return -1;
  }
  using Call = int (*)(int);
  return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" {
int fsync(int fd) {
  return sync_with("fsync", fd);
}
int fdatasync(int fd) {
  return sync_with("fdatasync", fd);
}
}
