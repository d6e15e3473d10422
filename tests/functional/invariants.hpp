// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fault_market.hpp"
#include "stack.hpp"

namespace bifrost::test {

/// A cycle that somebody was told is stored, and a digest of its rows as first read.
struct Ack {
  std::string underlying;
  core::Instant as_of;
  std::string digest;
};

/// Digest of all that the history holds of one cycle, through plain SQL.
std::string digest_of(Sql& sql, std::string_view underlying, core::Instant as_of);

/// What the history owes.
struct Owed {
  std::string underlying;
  std::chrono::seconds interval{300};
  core::Instant from{};  // the first and the last cycle that must be in the ledger
  core::Instant to{};
  const FaultMarket* market = nullptr;  // every row is compared with what it showed
  std::size_t compare_every = 1;        // ... of every n-th cycle
  const std::vector<Ack>* acks = nullptr;
  const std::map<core::Instant, std::int64_t>* logged = nullptr;
  bool prices_differ = false;  // the gateway was told to send other numbers than the market's
  bool fields_may_lack =
      false;                   // ... or to spoil some: a field is what the market says, or nothing
  bool listing_moves = false;  // a complete cycle may have less than what was listed just then
};

/// The verdict of the checker.
struct Verdict {
  std::vector<std::string> broken;  // "I1: ..." for everything found wrong
  std::int64_t scheduled = 0;
  std::int64_t complete = 0;
  std::int64_t partial = 0;
  std::int64_t missed = 0;
  std::int64_t rows = 0;
  std::int64_t lost = 0;       // acknowledged and not there, or not the same any more
  std::int64_t duplicate = 0;  // rows of one contract and cycle beyond the first
  std::int64_t compared = 0;   // rows compared with the market, field by field
  std::int64_t lacking = 0;    // fields that the market had and the history has not

  bool good() const { return broken.empty(); }
  void add(const Verdict& other);
  std::string why() const;
  /// "12 scheduled = 10 complete + 1 partial + 1 missed, 0 lost, 0 duplicate".
  std::string text() const;
};

/// Checks I1 to I7 as far as they can be seen in the database. Plain SQL throughout; the schedule
/// is computed by PostgreSQL from its own time zones and a list of closures of its own.
Verdict check_invariants(Sql& sql, const Owed& owed);

/// I6: the changes of every `every`-th stored cycle, computed again from the snapshots alone,
/// against those that are stored. What differs is added to `wrong`; gives the number of changes
/// compared.
std::int64_t check_changes(const std::string& url, const std::string& underlying,
                           std::chrono::seconds interval, std::size_t every,
                           std::vector<std::string>& wrong);

/// I7: every roll-up of a contract's day against the raw rows, in plain SQL with the exchange's
/// time zone. Gives the number of contract days compared.
std::int64_t check_rollups(Sql& sql, std::vector<std::string>& wrong);

/// The cycles owed between two instants, inclusive, by the checker's own reckoning.
std::vector<core::Instant> owed_cycles(Sql& sql, core::Instant from, core::Instant to,
                                       std::chrono::seconds interval);

}  // namespace bifrost::test
