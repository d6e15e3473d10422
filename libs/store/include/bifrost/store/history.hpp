// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

enum class RunStatus : std::uint8_t { complete = 1, partial, missed };
std::string_view to_string(RunStatus status);

/// One row of the ledger: what became of one scheduled cycle of one underlying.
struct Run {
  std::string underlying;
  core::Instant as_of{};
  RunStatus status = RunStatus::complete;
  std::string reason;                                 // empty only when complete
  std::optional<core::Source> source = std::nullopt;  // none: missed
  std::optional<std::chrono::seconds> interval = std::nullopt;
  std::optional<core::Instant> started_at = std::nullopt;
  std::optional<core::Instant> finished_at = std::nullopt;
  std::optional<std::int64_t> expected =
      std::nullopt;           // contracts asked for; none: the cycle never came that far
  std::int64_t received = 0;  // rows stored
  std::int64_t refused = 0;   // contracts answered with an error, or rows that could not be taken
  std::optional<core::Price> underlying_price = std::nullopt;
  core::Instant stored_at{};

  friend bool operator==(const Run&, const Run&) = default;
};

enum class ChangeKind : std::uint8_t {
  price_move = 1,  // mid, currency per share
  iv_move,         // annual, decimal
  volume,          // contracts
  open_interest,   // contracts
  spread,          // currency per share
  new_contract,    // neither value
  expired,         // neither value
  delta_move,
  gamma_move,
  theta_move,
  vega_move,
  vanished,         // neither value: gone before its last trading day
  oi_confirmation,  // open interest of the alert's session and of the one after
  suspect_quote,    // spread when crossed, else the negative price; previous: none
  suspect_greeks    // what our own model says, and what the quote says
};
std::string_view to_string(ChangeKind kind);
std::optional<ChangeKind> parse_change_kind(std::string_view text);

/// Something that moved by more than the collector's threshold, or more than chance explains, since
/// the cycle before.
struct Change {
  core::OptionContract contract;
  ChangeKind kind = ChangeKind::price_move;
  std::optional<double> previous = std::nullopt;
  std::optional<double> current = std::nullopt;
  /// The probability of a move at least this large under the baseline of that day; none: there was
  /// no baseline to judge by.
  std::optional<double> score = std::nullopt;
  /// The score at or below which this kind of test, at this time of day, raises an alert.
  std::optional<double> false_alarm_rate = std::nullopt;
  /// oi_confirmation: the cycle of the volume alert (the contract's first of its session), and
  /// whether open interest bears it out; none: it cannot be told.
  std::optional<core::Instant> refers_to = std::nullopt;
  std::optional<bool> confirmed = std::nullopt;

  bool alert() const { return score && false_alarm_rate && *score <= *false_alarm_rate; }

  friend bool operator==(const Change&, const Change&) = default;
};

/// The state of an underlying's market in one cycle. Vols annual and decimal.
struct MarketConditions {
  std::optional<double> implied_vol_30d = std::nullopt;
  std::optional<double> implied_vol_60d = std::nullopt;
  /// Of the 20 and 30 daily close-to-close returns up to the session before, zero mean, times 252;
  /// all closes from one origin, named by historical_vol_source ("snapshots" or "broker").
  std::optional<double> historical_vol_20d = std::nullopt;
  std::optional<double> historical_vol_30d = std::nullopt;
  std::optional<std::string> historical_vol_source = std::nullopt;
  std::optional<double> skew_25_delta = std::nullopt;  // put minus call vol, 30 days
  std::optional<double> term_slope = std::nullopt;     // implied_vol_60d minus implied_vol_30d
  /// Sums over the contracts of the snapshot that have the number.
  std::optional<std::int64_t> put_volume = std::nullopt;
  std::optional<std::int64_t> call_volume = std::nullopt;
  std::optional<std::int64_t> put_open_interest = std::nullopt;
  std::optional<std::int64_t> call_open_interest = std::nullopt;
  std::optional<double> put_call_volume_ratio = std::nullopt;
  std::optional<double> put_call_open_interest_ratio = std::nullopt;
  std::optional<double> breadth = std::nullopt;
  std::optional<int> regime = std::nullopt;
  /// Where iv_rank_of, a 30-day vol of iv_rank_day, stands in the range of itself and the iv_rank_n
  /// daily closes before it (at most 252 sessions), and the share of these strictly below; 0 to 1.
  /// All of one origin, iv_rank_source: "snapshots" ranks this cycle's implied_vol_30d, "broker"
  /// the broker's newest daily close.
  std::optional<double> iv_rank = std::nullopt;
  std::optional<double> iv_percentile = std::nullopt;
  std::optional<std::int64_t> iv_rank_n = std::nullopt;
  std::optional<std::string> iv_rank_source = std::nullopt;
  std::optional<double> iv_rank_of = std::nullopt;
  std::optional<core::Date> iv_rank_day = std::nullopt;

  friend bool operator==(const MarketConditions&, const MarketConditions&) = default;
};

/// All that one cycle of one underlying leaves behind. The ledger's `received` is the number of
/// quotes.
struct CycleRecord {
  core::ChainSnapshot snapshot;
  RunStatus status = RunStatus::complete;  // complete or partial
  std::string reason;                      // needed when partial
  std::int64_t expected = 0;
  std::int64_t refused = 0;
  std::optional<std::chrono::seconds> interval = std::nullopt;
  std::optional<core::Instant> started_at = std::nullopt;
  std::optional<core::Instant> finished_at = std::nullopt;
  std::vector<Change> changes;
  std::optional<MarketConditions> market_conditions = std::nullopt;
};

/// The right to write, as WriterLease (lease.hpp) hands it out: writes that name one fail with
/// `conflict`, and write nothing, once a newer token of that lease has been given.
struct Fence {
  std::string lease;
  std::int64_t token = 0;

  friend bool operator==(const Fence&, const Fence&) = default;
};

struct Appended {
  bool stored = false;    // false: the ledger had this cycle already and nothing was written
  std::int64_t rows = 0;  // quotes written
  std::int64_t dropped =
      0;  // values beyond the range of their column (or not finite), kept as missing
};

/// A snapshot as it was stored, and its ledger row. Quotes are in the order expiry, trading class,
/// strike, call, put.
struct StoredChain {
  Run run;
  core::ChainSnapshot snapshot;
};

struct ChainFilter {
  std::optional<core::Instant> at =
      std::nullopt;  // the newest snapshot at or before; none: the newest
  std::optional<core::Date> expiry = std::nullopt;
  std::optional<std::string> trading_class = std::nullopt;
};

struct UnderlyingSummary {
  std::string symbol;
  Run last;  // complete or partial
};

struct ListedExpiry {
  core::Date expiry;
  std::string trading_class;
  int contracts;

  friend bool operator==(const ListedExpiry&, const ListedExpiry&) = default;
};

struct StoredExpirations {
  Run run;
  std::vector<ListedExpiry> expirations;  // by expiry, then trading class
};

struct ContractPoint {
  core::Instant as_of;
  std::optional<core::Price> underlying_price;
  core::Quote quote;
};

struct StoredChange {
  core::Instant as_of;
  Change change;
};

struct StoredConditions {
  core::Instant as_of;
  MarketConditions conditions;
};

/// What a range of the history still holds, and that it once held more: a range that retention has
/// emptied is not one in which nothing happened.
template <class Row>
struct Kept : std::vector<Row> {
  /// Quotes and changes from before this moment are no longer held, and the range that was asked
  /// for had snapshots there; none: whatever the range ever had is here.
  std::optional<core::Instant> emptied_before = std::nullopt;
};

/// The history of option chains. Safe to use from any thread; must not outlive its Database.
///
/// Facts are immutable: a cycle is written once, in one transaction, together with its ledger row,
/// and writing it again does nothing. Readers see only cycles whose ledger row says complete or
/// partial.
///
/// What is stored exactly: prices (to 1e-4), strikes (to 1e-3), sizes and counts up to 2^31,
/// observed_at to the millisecond (the nearest before) within 24 days of as_of. What is rounded to
/// the nearest step: implied_vol, delta and theta 1e-6, gamma 1e-8, vega 1e-5. A value outside its
/// column (an implied vol over 2147, a gamma over 21, a vega over 21474, a price over 214748) is
/// kept as missing and counted in Appended::dropped. Missing stays missing and zero stays zero.
class History {
 public:
  explicit History(Database& database);
  History(History&&) noexcept;
  History& operator=(History&&) noexcept;
  ~History();

  /// Stores a cycle, announces it to every Listener and returns once it is on disk. A cycle that
  /// the ledger holds as complete or partial is left alone, whoever wrote it; one held as missed is
  /// replaced, because real quotes of that cycle are worth more than the note that there were none.
  /// After `unavailable` or `timeout` the cycle may or may not have been stored: append it again.
  /// `invalid_input`: a contract twice, a change twice, a symbol that is none, a strike finer than
  /// 0.001, a contract of another underlying, a partial cycle without a reason. A collector names
  /// its fence; an import needs none.
  core::Result<Appended> append(const CycleRecord& cycle, core::Deadline deadline,
                                const std::optional<Fence>& fence = std::nullopt);
  /// Many cycles, all or none. The results are in the order of the cycles; two of one key are
  /// `invalid_input`.
  core::Result<std::vector<Appended>> append(std::span<const CycleRecord> cycles,
                                             core::Deadline deadline,
                                             const std::optional<Fence>& fence = std::nullopt);

  /// Replaces what is known of a stored cycle by something better (a vendor's corrected file). What
  /// it replaces moves aside and stays readable as it was known before (Queries); changes and
  /// market conditions stay as they were found at the time. `not_found`: there is no snapshot of
  /// that cycle. A repeat replaces the correction by itself.
  core::Result<Appended> correct(const CycleRecord& cycle, core::Deadline deadline);

  /// Enters cycles that brought nothing; gives the number entered. Cycles with a ledger row keep
  /// it.
  core::Result<std::int64_t> mark_missed(std::string_view underlying,
                                         std::span<const core::Instant> as_of,
                                         std::string_view reason,
                                         std::optional<std::chrono::seconds> interval,
                                         core::Deadline deadline,
                                         const std::optional<Fence>& fence = std::nullopt);

  /// The newest ledger row, missed ones included.
  core::Result<std::optional<Run>> last_run(std::string_view underlying, core::Deadline deadline);
  /// The newest snapshot's ledger row at or before `at`.
  core::Result<std::optional<Run>> last_snapshot(std::string_view underlying,
                                                 std::optional<core::Instant> at,
                                                 core::Deadline deadline);
  /// Ledger rows with from <= as_of <= to, oldest first, missed ones included.
  core::Result<std::vector<Run>> runs(std::string_view underlying, core::Instant from,
                                      core::Instant to, core::Deadline deadline);

  /// Underlyings with at least one snapshot, by symbol.
  core::Result<std::vector<UnderlyingSummary>> underlyings(core::Deadline deadline);
  /// `not_found` when there is no snapshot at or before `at`; so below.
  core::Result<StoredExpirations> expirations(std::string_view underlying,
                                              std::optional<core::Instant> at,
                                              core::Deadline deadline);
  core::Result<StoredChain> chain(std::string_view underlying, const ChainFilter& filter,
                                  core::Deadline deadline);

  /// from <= as_of <= to, oldest first; empty when the contract was never seen.
  core::Result<Kept<ContractPoint>> contract_history(const core::OptionContract& contract,
                                                     core::Instant from, core::Instant to,
                                                     core::Deadline deadline);
  /// from <= as_of <= to, newest first, at most `limit`.
  core::Result<Kept<StoredChange>> changes(std::string_view underlying, core::Instant from,
                                           core::Instant to, std::optional<ChangeKind> kind,
                                           int limit, core::Deadline deadline);
  /// from <= as_of <= to, oldest first.
  core::Result<std::vector<StoredConditions>> market_conditions(std::string_view underlying,
                                                                core::Instant from,
                                                                core::Instant to,
                                                                core::Deadline deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
