// SPDX-License-Identifier: Apache-2.0
#include "pool.hpp"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <utility>

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

/// Tables cut by time and the days in one of their native partitions.
struct Timeseries {
  const char* table;
  int days;
  const char* zone;  // what a bound needs behind its day: facts are cut by instants
};
constexpr Timeseries timeseries[] = {
    {"option_snapshots", 1, "+00"}, {"option_changes", 7, "+00"}, {"option_daily", 30, ""}};

core::Date partition_start(core::Date day, int days) {
  constexpr core::Date monday{std::chrono::year{2000} / 1 / 3};
  const auto n = (day - monday).count();
  return monday + std::chrono::days{(n >= 0 ? n / days : (n - days + 1) / days) * days};
}

/// Asked of the catalogue itself: to_regclass answers from a cache that need not know yet what
/// another session has just committed.
Result<bool> has_relation(pg::Connection& connection, std::string_view name, Deadline deadline) {
  BF_TRY(const auto rows, connection.query("SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1"
                                           " AND relnamespace = current_schema()::regnamespace)",
                                           pg::Params{}.add(name), deadline));
  return rows.boolean(0, 0);
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
  BF_TRY(const auto connection, lease(deadline));
  for (const auto& [table, width, zone] : timeseries) {
    BF_TRY(const auto kind,
           connection->query("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass($1)",
                             pg::Params{}.add(std::string_view(table)), deadline));
    if (kind.size() == 0)
      return fail(Errc::unavailable, "the database has no schema yet; hint: bifrost migrate");
    if (!kind.boolean(0, 0)) continue;  // a hypertable makes its own
    std::set<core::Date> starts;
    for (const auto day : wanted) starts.insert(partition_start(day, width));
    for (const auto start : starts) {
      const auto name = fmt::format("{}_{}", table, core::to_compact_date(start));
      BF_TRY(const bool there, has_relation(*connection, name, deadline));
      if (there) continue;
      // Made beside the table and attached: readers of other days are not kept waiting. Writers of
      // one new day take turns, and the second finds it there.
      BF_CHECK(connection->run("BEGIN", deadline));
      BF_CHECK(connection->query("SELECT pg_advisory_xact_lock(1651859712, 1)", deadline));
      BF_TRY(const bool there_now, has_relation(*connection, name, deadline));
      if (!there_now) {
        // A table's name cannot be a parameter; this one is ours, made of a constant and digits.
        BF_CHECK(connection->run(
            fmt::format(
                "CREATE TABLE {0} (LIKE {1} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING "
                "INDEXES);"
                "ALTER TABLE {1} ATTACH PARTITION {0} FOR VALUES FROM ('{2}{4}') TO ('{3}{4}')",
                name, table, core::to_iso_date(start),
                core::to_iso_date(start + std::chrono::days{width}), zone),
            deadline));
      }
      BF_CHECK(connection->run("COMMIT", deadline));
    }
  }
  const std::lock_guard lock(mutex_);
  if (ensured_generation_ == generation) ensured_.merge(wanted);
  return {};
}

}  // namespace bifrost::store
