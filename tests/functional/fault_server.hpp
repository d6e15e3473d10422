// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/process.hpp"
#include "stack.hpp"

namespace bifrost::test {

/// A PostgreSQL server that a fault needs to itself, with an environment and settings of its own. A
/// private cluster makes its folder; then it is run as that cluster's user from here.
class FaultServer {
 public:
  struct Plan {
    std::map<std::string, std::string> environment{};
    std::vector<std::string> settings{};         // "name=value"
    std::optional<std::filesystem::path> wal{};  // where the write-ahead log lies instead
    std::filesystem::path log{};                 // of the server; empty: beside the folder
  };
  FaultServer(std::filesystem::path folder, Plan plan);
  ~FaultServer();

  /// Back once it takes connections.
  void start();
  void stop();
  /// SIGKILL of the postmaster alone, as the OOM killer would.
  void kill();
  const std::string& url() const { return url_; }
  const std::filesystem::path& log() const { return log_; }
  bool log_says(std::string_view text) const;

 private:
  std::filesystem::path folder_;
  Plan plan_;
  std::string url_;
  std::filesystem::path log_;
  std::optional<core::Process> process_;
};

/// The server's user may write there.
void give_to_server_user(const std::filesystem::path& path);

/// A folder in memory where there is one, for servers of which only processes are killed: that
/// loses nothing of what the system has, whatever the medium. Gone with this object.
class QuickFolder {
 public:
  explicit QuickFolder(const std::string& name);
  ~QuickFolder();
  QuickFolder(const QuickFolder&) = delete;
  QuickFolder& operator=(const QuickFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path parent_;
  std::filesystem::path path_;
};

/// A small file system of its own, for being full. Nothing without the right to mount.
class SmallDisk {
 public:
  static std::optional<SmallDisk> mount(const std::filesystem::path& at, int mebibytes);
  SmallDisk(SmallDisk&& other) noexcept : at_(std::exchange(other.at_, {})) {}
  SmallDisk& operator=(SmallDisk&&) = delete;
  ~SmallDisk();
  const std::filesystem::path& path() const { return at_; }
  /// Takes all the space that is left, or gives it back.
  void fill();
  void empty();

 private:
  explicit SmallDisk(std::filesystem::path at) : at_(std::move(at)) {}
  std::filesystem::path at_;
};

}  // namespace bifrost::test
