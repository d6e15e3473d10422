// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::store {

/// A cycle has been stored and can be read.
struct Notice {
  std::string underlying;
  core::Instant as_of{};

  friend bool operator==(const Notice&, const Notice&) = default;
};

/// The connection was lost and is there again: cycles stored meanwhile were not announced. Read the
/// newest snapshots.
struct Gap {};

/// Hears of every stored cycle, over a connection of its own. wait() belongs to one thread; stop()
/// may be called from any.
class Listener {
 public:
  /// Listens from here on: read the newest snapshots after this, and nothing falls between.
  static core::Result<Listener> open(std::string url, core::Deadline deadline);

  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  /// The next event, in the order of the commits; nothing when the deadline came first. While the
  /// server is away it keeps trying, with back-off, and fails with `unavailable` at the deadline;
  /// call it again. `cancelled` after stop().
  core::Result<std::optional<std::variant<Notice, Gap>>> wait(core::Deadline deadline);

  /// Ends the wait under way and every later one.
  void stop();

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
