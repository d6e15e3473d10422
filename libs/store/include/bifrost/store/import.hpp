// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bifrost/core/chain_file.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::store {

struct ImportOptions {
  std::size_t rows_per_transaction = 20'000;  // at least one cycle goes into each
  std::size_t rejects_kept = 100;             // beyond that they are only counted
  std::size_t shared_rows = 500'000;          // of instants that several files hold, see below
  /// Of one instant, beyond which an underlying that comes first closes those before it, so that a
  /// whole market's day fits into memory. Files like that are sorted by underlying.
  std::size_t open_rows = 200'000;
  std::chrono::seconds transaction_limit{60};
  core::ChainFileOptions file = {};  // layout, and what the files do not say
};

struct ImportReject {
  std::filesystem::path file;
  std::size_t line = 0;
  std::string reason;
};

struct ImportReport {
  std::int64_t rows_read = 0;  // = imported + already_there + rejected
  std::int64_t rows_imported = 0;
  std::int64_t rows_already_there = 0;
  std::int64_t rows_rejected = 0;
  std::int64_t cycles_imported = 0;
  std::int64_t cycles_already_there = 0;
  std::vector<ImportReject> rejects;
};

struct ImportProgress {
  std::size_t file = 0;  // index into the files
  double share = 0;      // of that file, 0 to 1
  const ImportReport& so_far;
};

/// Brings option files (core::ChainFileReader: ours and the common vendors') into the history: all
/// rows of one underlying and one instant are one cycle with source `imported`. Memory does not
/// grow with the length of the files. What the history has already is left alone, cycle by cycle,
/// so that an import that was interrupted, or killed, is finished by running it again.
///
/// Several files may hold rows of one instant (one file per expiry) if they are imported in one
/// call: a first pass over all files finds such instants, and their rows are kept in memory until
/// the last file that has some. More than `shared_rows` of them are `invalid_input` before
/// anything is written. A row that a second file repeats unchanged counts as already there.
///
/// A row is rejected, with its line and the reason, when the file reader refuses it, when it offers
/// nothing but a mid price, when it repeats a contract of its instant, when its instant had ended
/// earlier in the same file, when a number does not fit the history, or when the history has the
/// snapshot of its instant without its contract: that snapshot stays as it is. A cycle with
/// rejected rows is `partial` and says how many and why, except for rows that the reader refused
/// (their instant is not known) and rows that came after their instant had ended. Where rows of one
/// instant give different prices of the underlying, the cycle keeps none and its ledger row says
/// so.
///
/// `progress` is called after every transaction, at the end of every file and, where there are
/// several, after the first look at each; returning false ends the import with `cancelled`, keeping
/// what is in.
core::Result<ImportReport> import_chain_files(
    History& history, std::span<const std::filesystem::path> files,
    const std::function<bool(const ImportProgress&)>& progress, const ImportOptions& options = {});

}  // namespace bifrost::store
