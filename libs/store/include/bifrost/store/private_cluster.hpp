// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::store {

/// A PostgreSQL server of our own in one folder: for development, demonstrations and tests. It
/// listens on a Unix socket in a 0700 folder and nowhere else, needs no configuration and never
/// touches the system's cluster.
///
/// Whoever started the server owns it and stops it in the destructor; a second program on the same
/// folder attaches to it, stops nothing, and loses its connections when the owner goes. If an owner
/// is killed the server outlives it, and the next program on the folder becomes its owner (see
/// Options::die_with_starter). A server killed itself recovers at the next start; everything
/// committed is there.
///
/// PostgreSQL refuses to run as root: under root the server runs as `postgres` (or `nobody`), which
/// then owns the folder.
class PrivateCluster {
 public:
  struct Options {
    /// The server is told to stop when the thread that called start() ends, however it ends: for
    /// tests.
    bool die_with_starter = false;
  };

  /// Initialises the folder on first use (a second or two), starts the server unless it runs, makes
  /// the database `bifrost`. `not_found` when the server's programs are not installed,
  /// `invalid_input` when the folder cannot serve (the server's user cannot reach it, it holds
  /// something else), `unavailable` with the end of the server's log when the server will not
  /// start.
  static core::Result<PrivateCluster> start(const std::filesystem::path& folder,
                                            core::Deadline deadline, Options options);
  static core::Result<PrivateCluster> start(const std::filesystem::path& folder,
                                            core::Deadline deadline) {
    return start(folder, deadline, Options{});
  }

  PrivateCluster(PrivateCluster&&) noexcept;
  PrivateCluster& operator=(PrivateCluster&&) noexcept;
  /// As stop(), waiting at most ten seconds.
  ~PrivateCluster();

  /// For libpq; holds no secret. Names the database `bifrost`.
  const std::string& url() const;
  /// Makes another database unless it exists and gives its URL. Names are lower-case letters,
  /// digits and '_'.
  core::Result<std::string> create_database(std::string_view name, core::Deadline deadline);

  bool owner() const;
  /// Whether the server is alive; false after it was killed, until start() is called again.
  bool running() const;
  pid_t server_pid() const;

  /// Fast shutdown: open transactions are rolled back. Does nothing for a server that is not ours.
  core::Result<void> stop(core::Deadline deadline);

 private:
  struct Impl;
  explicit PrivateCluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
