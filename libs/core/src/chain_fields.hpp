// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/chain_file.hpp"

/// What the readers of option files share: the meanings that a column can have, and one line of a
/// file seen through them.
namespace bifrost::core::chain_fields {

enum Column : std::size_t {
  quote_ts,
  underlying,
  und_price,
  expiry,
  strike,
  right,
  bid,
  ask,
  last,
  volume,
  open_interest,
  iv,
  delta,
  gamma,
  theta,
  vega,
  bid_size,
  ask_size,
  root,
  mid,
  multiplier,
  observed_at,
  column_count
};

inline constexpr std::array<std::string_view, column_count> column_names{
    "quote_ts", "underlying", "und_price",  "expiry",     "strike",        "right",
    "bid",      "ask",        "last",       "volume",     "open_interest", "iv",
    "delta",    "gamma",      "theta",      "vega",       "bid_size",      "ask_size",
    "root",     "mid",        "multiplier", "observed_at"};

/// Index of each column in a line; -1: not there.
using Where = std::array<int, column_count>;

/// Cuts at commas. A field in double quotes loses them and may hold commas.
void split(std::string_view line, std::vector<std::string_view>& fields);

/// Reads the fields of one line; the first thing wrong becomes the reason. `names` are the file's
/// own, for the reason; where there are none, ours.
class FieldReader {
 public:
  FieldReader(const std::vector<std::string_view>& fields, const Where& where,
              const std::vector<std::string>& names)
      : fields_(fields), where_(where), names_(names) {}

  std::string_view text(Column column) const {
    const int at = where_[column];
    return at < 0 ? std::string_view{} : fields_[static_cast<std::size_t>(at)];
  }

  std::optional<Price> price(Column column, bool may_be_negative = false);
  std::optional<std::int64_t> count(Column column);
  std::optional<double> number(Column column);
  /// A hundred times the number, as the decimal text has it: shifted before it is rounded to a
  /// double, so that 0.25147 gives 25.147.
  std::optional<double> hundredfold(Column column);

  void wrong(Column column, std::string_view why);
  void refuse(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
  }
  const std::string& reason() const { return reason_; }

 private:
  const std::vector<std::string_view>& fields_;
  const Where& where_;
  const std::vector<std::string>& names_;
  std::string reason_;
};

using Item = std::variant<ChainFileRow, ChainFileReject>;

/// Turns the lines of a vendor's file into rows: one or, where call and put share a line, two.
class LayoutReader {
 public:
  virtual ~LayoutReader() = default;
  virtual void read(std::string_view line, std::size_t number, std::vector<Item>& out) = 0;
};

/// Header names as they are compared: lower case, without brackets, quotes and blanks.
std::vector<std::string> header_names(std::string_view header);
/// Which layout has these names; nothing for an unknown one (and for ours).
std::optional<ChainLayout> detect(const std::vector<std::string>& names);
/// `invalid_input` names the column that is missing.
Result<std::unique_ptr<LayoutReader>> make_reader(ChainLayout layout, std::string_view header,
                                                  const ChainFileOptions& options,
                                                  std::string_view file);

}  // namespace bifrost::core::chain_fields
