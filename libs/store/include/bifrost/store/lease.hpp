// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bifrost/store/database.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::store {

struct LeaseOptions {
  std::string name = "collector";
  std::string holder;    // as another one that waits shall see it: program, host, process
  std::string instance;  // the same for every process of one installation, of which the caller
                         // lets only one live at a time; empty: none
  // The token that this installation is known to have held last: while it is still the newest one,
  // the lease is ours without waiting.
  std::optional<std::int64_t> last_token = std::nullopt;
  std::string last_history;  // LeaseView::history_id of then: a token says nothing in another
  std::chrono::milliseconds renew_every{2'000};
  std::chrono::milliseconds expires_after{10'000};  // by the database's clock
};

enum class LeaseState : std::uint8_t {
  unknown,   // the database has not been reached yet
  held,      // renewed at the last attempt
  presumed,  // held when the database was last reached, which is away now
  waiting,   // somebody else holds it
};
std::string_view to_string(LeaseState state);

struct LeaseView {
  LeaseState state = LeaseState::unknown;
  std::int64_t token = 0;  // ours: held or presumed
  std::string other;       // the holder we wait for
  std::string problem;     // why the database could not be reached at the last attempt; else empty
  std::string history_id;  // of the database last reached; empty: none yet

  bool reached() const { return problem.empty() && state != LeaseState::unknown; }
  friend bool operator==(const LeaseView&, const LeaseView&) = default;
};

/// The right to write collected cycles, held by one process at a time: a row with a token that
/// rises with every change of hands. A thread of its own takes it, renews it and takes it again;
/// it has a connection of its own, so that its view also tells whether the database answers.
///
/// A holder whose connection ended is followed at once, one that is silent (stopped, cut off) once
/// `expires_after` has passed; after a restart of the server its last holder has that long to come
/// back first. A process of the same `instance` follows its predecessor at once. None of this needs
/// clocks to agree: what protects the history is the token, which History::append compares inside
/// its transaction. A holder that was paused and has lost the lease still believes in it until
/// then.
class WriterLease {
 public:
  static std::unique_ptr<WriterLease> start(Database& database, LeaseOptions options);
  /// Gives the lease back.
  ~WriterLease();
  WriterLease(const WriterLease&) = delete;
  WriterLease& operator=(const WriterLease&) = delete;

  LeaseView view() const;
  /// Held or presumed: what to hand to History::append.
  std::optional<Fence> fence() const;
  /// Looks at once instead of at the next renewal, and returns with what was found, or at the
  /// deadline with what is known.
  LeaseView refresh(core::Deadline deadline);

 private:
  struct Impl;
  explicit WriterLease(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A folder name for what is kept about the database at `url`: its name and a number made of host,
/// port and name, not of user or password.
core::Result<std::string> database_label(const std::string& url);

}  // namespace bifrost::store
