// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "bifrost/core/quote.hpp"

namespace bifrost::core {

/// One line of an option file, our import and replay format: CSV (gzip or plain) with the header
/// `quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,gamma,theta,vega,
/// bid_size,ask_size,root,mid`. An empty field is unknown, 0 is a quoted zero. The file's vega is
/// per volatility point and becomes the Quote's per 1.00; its theta is per calendar day as there.
struct ChainFileRow {
  std::size_t line = 0;  // 1 is the header
  Instant quote_ts{};
  std::optional<Price> underlying_price;
  OptionContract contract;  // multiplier is 100: the format has no column for it
  Quote quote;              // observed_at = quote_ts
  std::optional<double> mid;
};

/// A line that could not be taken, and why, in words for the person who owns the file.
struct ChainFileReject {
  std::size_t line = 0;
  std::string reason;
};

/// Streams an option file of any size in constant memory.
class ChainFileReader {
 public:
  /// Fails when the file cannot be opened or its header lacks a required column (named in the
  /// message).
  static Result<ChainFileReader> open(const std::filesystem::path& path);
  /// Uncompressed text held in memory.
  static Result<ChainFileReader> from_text(std::string text);

  ChainFileReader(ChainFileReader&&) noexcept;
  ChainFileReader& operator=(ChainFileReader&&) noexcept;
  ~ChainFileReader();

  /// The next line, good or rejected; nothing at the end. An error means the file itself is damaged
  /// (truncated or corrupt gzip) and nothing further can be read.
  Result<std::optional<std::variant<ChainFileRow, ChainFileReject>>> next();

  /// Share of the file consumed, 0 to 1, by compressed bytes.
  double progress() const;

 private:
  struct Impl;
  explicit ChainFileReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::core
