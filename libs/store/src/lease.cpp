// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/lease.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "pool.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Result;
using namespace std::chrono_literals;

constexpr auto patience = 5s;
constexpr auto farewell = 2s;
// Class of the session locks by which others see that a holder's connection lives; the second
// number is the token.
constexpr auto try_session_lock = "SELECT pg_try_advisory_lock(1651859714, $1)";
constexpr auto session_is_gone = "SELECT pg_try_advisory_xact_lock(1651859714, $1)";

/// Session locks are numbered by 32 bits; two tokens of one number are 4 billion holders apart.
std::int32_t lock_number(std::int64_t token) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(token));
}

}  // namespace

std::string_view to_string(LeaseState state) {
  switch (state) {
    case LeaseState::unknown:
      return "unknown";
    case LeaseState::held:
      return "held";
    case LeaseState::presumed:
      return "presumed";
    case LeaseState::waiting:
      return "waiting";
  }
  core::panic("a lease state outside its enumeration");
}

struct WriterLease::Impl {
  Impl(Pool& pool_of_database, LeaseOptions wanted)
      : pool(pool_of_database),
        options(std::move(wanted)),
        own(options.last_token),
        history_id(options.last_history) {
    if (own) {
      view.state = LeaseState::presumed;
      view.token = *own;
      view.problem = "the database has not been reached yet";
    }
  }

  void work(std::stop_token stop);
  LeaseView look(Deadline deadline);
  Result<LeaseView> try_look(Deadline deadline);
  Result<bool> may_follow(const pg::Rows& row, Deadline deadline);

  Pool& pool;
  const LeaseOptions options;
  // Of the thread alone.
  std::optional<pg::Connection> connection;
  std::optional<std::int64_t> own;     // newest token known to be ours
  std::optional<std::int64_t> locked;  // token whose session lock this connection holds
  std::string history_id;

  std::mutex mutex;
  std::condition_variable_any changed;
  LeaseView view;
  std::uint64_t asked = 0;   // looks asked for
  std::uint64_t looked = 0;  // the newest of them that has been answered
  std::jthread thread;
};

/// Whether the lease of somebody else may be taken. Columns as try_look selects them.
Result<bool> WriterLease::Impl::may_follow(const pg::Rows& row, Deadline deadline) {
  if (row.boolean(0, 3)) return true;
  if (!options.instance.empty() && row.text(0, 2) == options.instance) return true;
  if (row.integer(0, 4) > options.expires_after.count()) return true;
  // Sessions of before a restart of the server say nothing: all of them ended.
  if (!row.boolean(0, 5)) return false;
  BF_TRY(const auto gone,
         connection->query(session_is_gone, pg::Params{}.add(lock_number(row.integer(0, 0))),
                           deadline));
  return gone.boolean(0, 0);
}

Result<LeaseView> WriterLease::Impl::try_look(Deadline deadline) {
  if (!connection) {
    locked.reset();
    BF_TRY(connection, pg::Connection::connect(pool.url(), pool.options().program + " lease",
                                               pool.options().statement_timeout, deadline));
    BF_TRY(const auto identity,
           connection->query("SELECT history_id::text FROM history_identity", deadline));
    std::string found{identity.size() > 0 ? identity.text(0, 0) : std::string_view{}};
    if (!history_id.empty() && found != history_id) own.reset();
    history_id = std::move(found);
  }
  const std::string_view name = options.name;
  if (own && locked == own) {
    BF_TRY(const auto renewed, connection->query("UPDATE leases SET renewed_at = clock_timestamp()"
                                                 " WHERE name = $1 AND token = $2 AND NOT released",
                                                 pg::Params{}.add(name).add(*own), deadline));
    if (renewed.affected() == 1) return LeaseView{LeaseState::held, *own, {}, {}, history_id};
  }
  // Waits neither for a writer in mid-transaction nor for another candidate longer than this.
  BF_CHECK(connection->run(
      "BEGIN; SET LOCAL lock_timeout = 2000; SET LOCAL idle_in_transaction_session_timeout = 10000",
      deadline));
  BF_CHECK(connection->query(
      "INSERT INTO leases (name, token, holder, instance, released, acquired_at, renewed_at)"
      " VALUES ($1, 0, '', '', true, now(), now()) ON CONFLICT DO NOTHING",
      pg::Params{}.add(name), deadline));
  BF_TRY(const auto row,
         connection->query(
             "SELECT token, holder, instance, released,"
             " (extract(epoch FROM clock_timestamp()"
             "   - greatest(renewed_at, pg_postmaster_start_time())) * 1000)::int8,"
             " renewed_at >= pg_postmaster_start_time() FROM leases WHERE name = $1 FOR UPDATE",
             pg::Params{}.add(name), deadline));
  const std::int64_t newest = row.integer(0, 0);
  const bool ours = own == newest && !row.boolean(0, 3);
  if (!ours) {
    BF_TRY(const bool free, may_follow(row, deadline));
    if (!free) {
      own.reset();
      LeaseView waiting{LeaseState::waiting, 0, std::string(row.text(0, 1)), {}, history_id};
      BF_CHECK(connection->run("ROLLBACK", deadline));
      return waiting;
    }
  }
  // A token goes on only together with its session lock; an old connection of ours that the server
  // has not buried yet still has that, so that a new token is needed.
  std::int64_t token = ours ? newest : newest + 1;
  for (;;) {
    BF_TRY(const auto taken,
           connection->query(try_session_lock, pg::Params{}.add(lock_number(token)), deadline));
    if (taken.boolean(0, 0)) break;
    ++token;
  }
  BF_CHECK(connection->query(
      "UPDATE leases SET acquired_at = CASE WHEN token = $2 THEN acquired_at"
      "  ELSE clock_timestamp() END, token = $2, holder = $3, instance = $4, released = false,"
      " renewed_at = clock_timestamp() WHERE name = $1",
      pg::Params{}
          .add(name)
          .add(token)
          .add(std::string_view(options.holder))
          .add(std::string_view(options.instance)),
      deadline));
  BF_CHECK(connection->run("COMMIT", deadline));
  own = locked = token;
  return LeaseView{LeaseState::held, token, {}, {}, history_id};
}

LeaseView WriterLease::Impl::look(Deadline deadline) {
  const bool had_connection = connection.has_value();
  auto seen = try_look(deadline);
  if (!seen && had_connection && connection && connection->broken()) {
    // An old connection that ended says nothing about the database as it is now.
    connection.reset();
    seen = try_look(deadline);
  }
  if (seen) return *std::move(seen);
  connection.reset();
  LeaseView before;
  {
    const std::lock_guard lock(mutex);
    before = view;
  }
  before.problem = seen.error().message;
  if (before.state == LeaseState::held) before.state = LeaseState::presumed;
  // The token may have been found outdated just before the connection ended.
  if (before.state == LeaseState::presumed && !own) before.state = LeaseState::waiting;
  return before;
}

void WriterLease::Impl::work(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::uint64_t answering;
    {
      const std::lock_guard lock(mutex);
      answering = asked;
    }
    auto seen = look(core::after(patience));
    std::unique_lock lock(mutex);
    view = std::move(seen);
    looked = answering;
    changed.notify_all();
    const auto wait = view.problem.empty()
                          ? options.renew_every
                          : std::min<std::chrono::milliseconds>(options.renew_every, 1s);
    changed.wait_for(lock, stop, wait, [&] { return asked != looked; });
  }
  if (!own || locked != own || !connection) return;
  // Not given back, it expires by itself.
  static_cast<void>(connection->query(
      "UPDATE leases SET released = true WHERE name = $1 AND token = $2",
      pg::Params{}.add(std::string_view(options.name)).add(*own), core::after(farewell)));
}

Result<std::string> database_label(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(url.c_str(), nullptr), PQconninfoFree};
  if (!options) return core::fail(core::Errc::invalid_input, "DATABASE_URL cannot be understood");
  std::string address;
  std::string name;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword{option->keyword};
    const std::string_view value{option->val != nullptr ? option->val : ""};
    if (keyword == "host" || keyword == "hostaddr" || keyword == "port" || keyword == "dbname")
      address.append(value).push_back('\n');
    if (keyword == "dbname") name = value;
  }
  for (char& c : name) {
    if (std::string_view{"abcdefghijklmnopqrstuvwxyz0123456789_-"}.find(c) ==
        std::string_view::npos)
      c = '_';
  }
  // FNV-1a (Fowler, Noll, Vo 1991): the same on every machine and for ever.
  std::uint32_t hash = 2166136261U;
  for (const char c : address) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return fmt::format("{}-{:08x}", name.empty() ? "default" : name, hash);
}

WriterLease::WriterLease(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

WriterLease::~WriterLease() = default;

std::unique_ptr<WriterLease> WriterLease::start(Database& database, LeaseOptions options) {
  auto impl = std::make_unique<Impl>(database.pool(), std::move(options));
  impl->thread = std::jthread{[at = impl.get()](std::stop_token stop) { at->work(stop); }};
  return std::unique_ptr<WriterLease>(new WriterLease(std::move(impl)));
}

LeaseView WriterLease::view() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->view;
}

std::optional<Fence> WriterLease::fence() const {
  const std::lock_guard lock(impl_->mutex);
  const auto& view = impl_->view;
  if (view.state != LeaseState::held && view.state != LeaseState::presumed) return std::nullopt;
  return Fence{impl_->options.name, view.token};
}

LeaseView WriterLease::refresh(Deadline deadline) {
  std::unique_lock lock(impl_->mutex);
  const auto mine = ++impl_->asked;
  impl_->changed.notify_all();
  impl_->changed.wait_until(lock, deadline, [&] { return impl_->looked >= mine; });
  return impl_->view;
}

}  // namespace bifrost::store
