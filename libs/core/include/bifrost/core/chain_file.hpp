// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "bifrost/core/quote.hpp"

namespace bifrost::core {

/// Whose columns an option file has. docs/import-layouts.md describes each.
enum class ChainLayout : std::uint8_t {
  bifrost,    // ours, see ChainFileRow
  optionsdx,  // OptionsDX end of day
  orats,      // ORATS near end of day (SMV strikes)
  cboe_eod,   // Cboe DataShop EOD summary, the end-of-day quotes
  cboe_1545,  // the same file, its quotes and calculations of 15:45; never detected, only named
  ib          // collected from Interactive Brokers by a program of one's own
};
std::string_view to_string(ChainLayout layout);
std::optional<ChainLayout> parse_chain_layout(std::string_view text);

struct ChainFileOptions {
  std::optional<ChainLayout> layout = std::nullopt;  // none: by the header
  std::string underlying = {};     // of files that do not say it; empty: OptionsDX by their name
  std::string trading_class = {};  // of every row of another's file; empty: as the file says
};

/// One line of an option file, our import and replay format: CSV (gzip or plain) with the header
/// `quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,gamma,theta,vega,
/// bid_size,ask_size,root,mid`, and where a file needs them `multiplier` (else 100) and
/// `observed_at` (else quote_ts). An empty field is unknown, 0 is a quoted zero. The file's vega is
/// per volatility point and becomes the Quote's per 1.00; its theta is per calendar day as there.
struct ChainFileRow {
  std::size_t line = 0;  // 1 is the header
  Instant quote_ts{};
  std::optional<Price> underlying_price;
  OptionContract contract;
  Quote quote;
  std::optional<double> mid;
};

/// A line that could not be taken, and why, in words for the person who owns the file.
struct ChainFileReject {
  std::size_t line = 0;
  std::string reason;
};

/// Streams an option file of any size, of any layout, in constant memory.
class ChainFileReader {
 public:
  /// Fails when the file cannot be opened or its header lacks a required column (named in the
  /// message). A pipe can be read, too, once.
  static Result<ChainFileReader> open(const std::filesystem::path& path,
                                      const ChainFileOptions& options);
  static Result<ChainFileReader> open(const std::filesystem::path& path) {
    return open(path, ChainFileOptions{});
  }
  /// Uncompressed text held in memory; `name` stands for the file's.
  static Result<ChainFileReader> from_text(std::string text, const ChainFileOptions& options = {},
                                           std::string_view name = "text");

  ChainFileReader(ChainFileReader&&) noexcept;
  ChainFileReader& operator=(ChainFileReader&&) noexcept;
  ~ChainFileReader();

  ChainLayout layout() const;
  /// Whether the rows say themselves when they were observed.
  bool tells_observed_at() const;

  /// The next row, good or rejected; nothing at the end. Where a line holds a call and a put it
  /// makes two. An error means the file itself is damaged
  /// (truncated or corrupt gzip) and nothing further can be read.
  Result<std::optional<std::variant<ChainFileRow, ChainFileReject>>> next();

  /// Share of the file consumed, 0 to 1, by compressed bytes; of a pipe 0 until its end.
  double progress() const;

 private:
  struct Impl;
  explicit ChainFileReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::core
