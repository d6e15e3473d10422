// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

enum class ExportFormat : std::uint8_t { csv, csv_gz, binary };
std::optional<ExportFormat> parse_export_format(std::string_view text);  // csv, csv.gz, binary

struct ExportRequest {
  std::string underlying;
  core::Instant from = core::Instant::min();
  core::Instant to = core::Instant::max();
  std::optional<core::Date> expiry = std::nullopt;
  std::optional<std::string> trading_class = std::nullopt;
  std::optional<core::Instant> known_at = std::nullopt;  // see Queries; not with `daily`
  ExportFormat format = ExportFormat::csv;
  bool daily = false;  // roll-ups of contracts (option_daily) instead of quotes
  /// For the next piece of the server's answer; the whole may take as long as it likes.
  std::chrono::seconds patience{120};
};

struct ExportReport {
  std::int64_t rows = 0;
  std::int64_t cycles = 0;          // that have rows in the export
  std::int64_t cycles_partial = 0;  // of these
  std::int64_t cycles_missed = 0;   // in the ledger: gaps of what was exported
  /// Whose ledger row promises more rows than there are: retention has dropped them, those that a
  /// correction moved aside too. In an export narrowed to an expiry or a trading class only what
  /// retention has emptied counts.
  std::int64_t cycles_short = 0;
  std::int64_t bytes = 0;
  std::optional<core::Instant> first = std::nullopt;
  std::optional<core::Instant> last = std::nullopt;
};

struct ExportProgress {
  std::int64_t rows = 0;
  double share = 0;  // of the cycles, 0 to 1
};

/// Takes the export piece by piece; an error ends it. Called by one thread at a time, which need
/// not be that of the caller.
using ExportSink = std::function<core::Result<void>(std::string_view)>;

/// The history of an underlying as a stream, from one state of the database, in memory that does
/// not grow with its length.
///
/// csv and csv_gz are the option file format of core::ChainFileReader, sorted by time, expiry,
/// strike, right, trading class: importing them into an empty history gives the same facts. Two
/// columns are added where the format would lose something: `multiplier` when a contract's is not
/// 100, `observed_at` when a cycle was not imported from such a file. binary is a binary COPY
/// stream whose rows stand for themselves; docs/import-layouts.md has its columns.
///
/// `progress` is called a few times a second at most; returning false ends the export with
/// `cancelled`. `not_found`: nobody knows this underlying. An export without rows is no error.
core::Result<ExportReport> export_chains(
    Database& database, const ExportRequest& request, const ExportSink& sink,
    const std::function<bool(const ExportProgress&)>& progress = {});

/// Into a file that is whole or not there.
core::Result<ExportReport> export_chains(
    Database& database, const ExportRequest& request, const std::filesystem::path& file,
    const std::function<bool(const ExportProgress&)>& progress = {});

}  // namespace bifrost::store
