// SPDX-License-Identifier: Apache-2.0
#include "pool.hpp"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "partitions.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;
using namespace std::chrono_literals;

constexpr auto first_back_off = 100ms;
constexpr auto longest_back_off = 5'000ms;

/// Whether an idle connection can be used: a server that went away has closed it meanwhile.
bool alive(const pg::Connection& connection) {
  if (connection.broken()) return false;
  pollfd watched{.fd = connection.socket(), .events = POLLIN, .revents = 0};
  return poll(&watched, 1, 0) == 0;
}

}  // namespace

Lease::~Lease() {
  if (!connection_) return;
  // Without this an error return in the middle of a transaction would leave its locks with the
  // pool.
  if (connection_->in_transaction() && !connection_->broken()) {
    static_cast<void>(connection_->run("ROLLBACK", core::after(1s)));
  }
  pool_->give_back(std::move(connection_));
}

Result<Lease> Pool::lease(Deadline deadline) {
  // A server that is quicker than our look at the clock must not make a late call succeed.
  if (std::chrono::steady_clock::now() >= deadline)
    return fail(Errc::timeout, "the deadline had passed before the database was asked");
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (alive(*connection)) return Lease(*this, std::move(connection));
      --open_;
      ++generation_;
    }
    if (open_ < options_.connections) break;
    if (freed_.wait_until(lock, deadline) == std::cv_status::timeout && idle_.empty() &&
        open_ >= options_.connections) {
      return fail(
          Errc::timeout,
          fmt::format("no database connection became free before the deadline; all {} are busy",
                      options_.connections));
    }
  }
  if (std::chrono::steady_clock::now() < next_attempt_) {
    return fail(Errc::unavailable, last_refusal_);
  }
  ++open_;
  lock.unlock();
  auto made = pg::Connection::connect(url_, options_.program, options_.statement_timeout, deadline);
  lock.lock();
  if (!made) {
    --open_;
    freed_.notify_one();
    back_off_ =
        std::clamp<std::chrono::milliseconds>(back_off_ * 2, first_back_off, longest_back_off);
    next_attempt_ = core::after(back_off_);
    last_refusal_ = made.error().message;
    return tl::unexpected{std::move(made).error()};
  }
  back_off_ = 0ms;
  return Lease(*this, std::make_unique<pg::Connection>(*std::move(made)));
}

void Pool::give_back(std::unique_ptr<pg::Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->broken() || connection->in_transaction()) {
    --open_;
    ++generation_;
  } else {
    idle_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

std::uint64_t Pool::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

Result<void> Pool::ensure_partitions(std::span<const core::Date> days, Deadline deadline) {
  std::set<core::Date> wanted(days.begin(), days.end());
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    if (ensured_generation_ != generation_) ensured_.clear();
    ensured_generation_ = generation = generation_;
    std::erase_if(wanted, [&](core::Date day) { return ensured_.contains(day); });
  }
  if (wanted.empty()) return {};
  const std::vector<core::Date> list(wanted.begin(), wanted.end());
  BF_TRY(const auto connection, lease(deadline));
  if (const auto made = make_partitions(*connection, list, deadline); !made) {
    // Somebody reads the default partition, a dump say. It takes the rows, and upkeep moves them.
    if (connection->last_sqlstate() == "55P03" && !connection->broken()) return {};
    return tl::unexpected{made.error()};
  }
  const std::lock_guard lock(mutex_);
  if (ensured_generation_ == generation) ensured_.merge(wanted);
  return {};
}

}  // namespace bifrost::store
