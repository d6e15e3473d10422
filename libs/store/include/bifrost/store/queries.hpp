// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/store/daily.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::store {

/// A series, and the cycles in its range that a chart must not draw through.
template <class Point>
struct Series {
  std::vector<Point> points;  // oldest first
  std::vector<Run> gaps;      // missed and partial cycles of the underlying, oldest first
  std::optional<core::Instant> emptied_before = std::nullopt;  // as in Kept; never of conditions
};

/// One contract at two instants. Only one side: it came or went between them.
struct ContractDiff {
  core::OptionContract contract;
  std::optional<core::Quote> before;
  std::optional<core::Quote> after;
};

struct ChainDiff {
  Run before;
  Run after;
  std::vector<ContractDiff> contracts;  // that differ, in the order of a chain
  int unchanged = 0;                    // same values, whenever they were observed
};

struct ChangeFilter {
  std::optional<std::string> underlying = std::nullopt;  // none: the whole market
  core::Instant from = core::Instant::min();
  core::Instant to = core::Instant::max();
  std::optional<ChangeKind> kind = std::nullopt;
  double at_least = 0;  // |current - previous|; above 0 leaves out new and expired contracts
  int limit = 100;
};

struct OpenInterestChange {
  core::OptionContract contract;
  core::Instant before_as_of{};  // the snapshot of the earlier day
  core::Instant as_of{};         // the snapshot of the day
  std::int64_t before = 0;
  std::int64_t now = 0;
};

/// See UnderlyingDay, which has the rest of the day.
struct IvRankDay {
  std::size_t underlying = 0;  // index into those that were asked for
  core::Date day{};
  double implied_vol_30d = 0;  // the close
  std::optional<double> rank = std::nullopt;
  std::optional<double> percentile = std::nullopt;
  std::int64_t n = 0;

  friend bool operator==(const IvRankDay&, const IvRankDay&) = default;
};

/// What was known when. Every read has two times: the one it asks about, and `known_at`, the moment
/// whose knowledge it may use: with it, only rows stored by then count, and what a later row
/// replaced (a missed cycle that was delivered after all, a correction) reads as it did. Without
/// it: what is known now.
///
/// An answer as known at a moment never changes afterwards. To make that so, such a read waits for
/// the writers of the underlying that are at work, and refuses a `known_at` that the server's clock
/// has not passed (`invalid_input`); it must ask the server that is written to, not a replica. The
/// promise holds as long as that server's clock is not set back.
///
/// Safe to use from any thread; must not outlive its Database.
class Queries {
 public:
  using Known = std::optional<core::Instant>;

  explicit Queries(Database& database);
  Queries(Queries&&) noexcept;
  Queries& operator=(Queries&&) noexcept;
  ~Queries();

  /// The server's clock: what is stored from here on is not known at this moment.
  core::Result<core::Instant> now(core::Deadline deadline);

  /// The newest snapshot at or before filter.at. `not_found` when there is none.
  core::Result<StoredChain> chain(std::string_view underlying, const ChainFilter& filter,
                                  Known known_at, core::Deadline deadline);
  /// Ledger rows with from <= as_of <= to, oldest first, missed ones included.
  core::Result<std::vector<Run>> runs(std::string_view underlying, core::Instant from,
                                      core::Instant to, Known known_at, core::Deadline deadline);
  /// The two snapshots at or before `before` and `after`, compared. `not_found` as for chain.
  core::Result<ChainDiff> diff(std::string_view underlying, core::Instant before,
                               core::Instant after, Known known_at, core::Deadline deadline);

  /// from <= as_of <= to. No points when the contract was never seen; the gaps are there all the
  /// same.
  core::Result<Series<ContractPoint>> contract_series(const core::OptionContract& contract,
                                                      core::Instant from, core::Instant to,
                                                      Known known_at, core::Deadline deadline);
  core::Result<Series<StoredConditions>> conditions_series(std::string_view underlying,
                                                           core::Instant from, core::Instant to,
                                                           Known known_at, core::Deadline deadline);

  /// The largest first (then the newest); new and expired contracts, which have no size, last.
  core::Result<Kept<StoredChange>> largest_changes(const ChangeFilter& filter, Known known_at,
                                                   core::Deadline deadline);

  /// Over the whole market, between the last snapshot of the New York day and the last of the
  /// earlier day nearest to it (at most open_interest_reach before): the largest first, by size. A
  /// contract without open interest on either side is left out: unknown is no change.
  /// emptied_before is there when one of these snapshots has lost its quotes.
  core::Result<Kept<OpenInterestChange>> top_open_interest_changes(core::Date day, int limit,
                                                                   Known known_at,
                                                                   core::Deadline deadline);

  /// Rank and percentile of the implied vol, day by day, of many underlyings at once, for those who
  /// compare them: first <= day <= last, by underlying in the order given, then by day. Days
  /// without an implied vol are left out, and so is an underlying nobody knows. What is known now.
  core::Result<std::vector<IvRankDay>> iv_rank_history(std::span<const std::string> underlyings,
                                                       DailyOrigin origin, core::Date first,
                                                       core::Date last, core::Deadline deadline);

  static constexpr std::chrono::days open_interest_reach{10};

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What differs between two snapshots of one underlying.
ChainDiff diff_chains(const StoredChain& before, const StoredChain& after);

}  // namespace bifrost::store
