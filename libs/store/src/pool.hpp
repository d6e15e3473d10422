// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "bifrost/store/database.hpp"
#include "pg.hpp"

namespace bifrost::store {

class Pool;

/// One connection, ours until the end of the scope. A transaction still open then is rolled back.
class Lease {
 public:
  Lease(Pool& pool, std::unique_ptr<pg::Connection> connection)
      : pool_(&pool), connection_(std::move(connection)) {}
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease();
  pg::Connection& operator*() const { return *connection_; }
  pg::Connection* operator->() const { return connection_.get(); }

 private:
  Pool* pool_;
  std::unique_ptr<pg::Connection> connection_;
};

class Pool {
 public:
  Pool(std::string url, DatabaseOptions options)
      : url_(std::move(url)), options_(std::move(options)) {}

  core::Result<Lease> lease(core::Deadline deadline);
  const std::string& url() const { return url_; }
  const DatabaseOptions& options() const { return options_; }

  /// Counts lost connections. Whoever caches what a database holds must forget it when this
  /// changes: another database may be behind the URL now.
  std::uint64_t generation() const;

  /// Makes the native partitions that facts of these days need. Cheap when it has been done before.
  core::Result<void> ensure_partitions(std::span<const core::Date> days, core::Deadline deadline);

 private:
  friend class Lease;
  void give_back(std::unique_ptr<pg::Connection> connection);

  const std::string url_;
  const DatabaseOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<pg::Connection>> idle_;
  int open_ = 0;
  std::uint64_t generation_ = 0;
  std::chrono::milliseconds back_off_{0};
  core::Deadline next_attempt_{};
  std::string last_refusal_;

  std::set<core::Date> ensured_;  // days
  std::uint64_t ensured_generation_ = 0;
};

}  // namespace bifrost::store
