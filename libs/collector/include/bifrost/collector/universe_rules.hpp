// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/session_hours.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// Which dates of an underlying are collected. Days are calendar days from the trading day to the
/// date the broker files a series under, which for morning-settled classes is their last trading
/// day.
struct ExpiryRule {
  enum class Only : std::uint8_t { all, monthlies, weeklies };

  int from_days = 0;
  std::optional<int> to_days;  // nothing: no limit
  std::optional<int> count;    // the nearest so many of them
  Only only = Only::all;

  friend bool operator==(const ExpiryRule&, const ExpiryRule&) = default;
};

/// Which strikes around the underlying's price are collected.
struct StrikeRule {
  enum class By : std::uint8_t { all, percent, sigma, delta };

  By by = By::all;
  // percent: of the price to either side. sigma: standard deviations of the price at the expiry.
  // delta: strikes whose call and put both have an absolute delta of at least this.
  double width = 0;

  friend bool operator==(const StrikeRule&, const StrikeRule&) = default;
};

struct UniverseRule {
  ExpiryRule expiries;
  StrikeRule strikes;
  // Instead of `strikes` by sigma or delta where no volatility is known; by percent or all.
  StrikeRule fallback;
  core::ProductHours hours;

  friend bool operator==(const UniverseRule&, const UniverseRule&) = default;
};

/// A rule as a line of a universe file has it, without the symbol.
std::string to_string(const UniverseRule& rule);

/// What to collect of each underlying. A file is lines of `SYMBOL[,SYMBOL] key=value ...`; the
/// symbol * holds for underlyings without a line and for keys that a line leaves out. The format is
/// described in docs/universe.md.
class UniverseRules {
 public:
  /// `expiry_days` and `strike_window` (a share) as in the configuration, 0 meaning all: what holds
  /// where the file says nothing. invalid_input names `file_name` and the line.
  static core::Result<UniverseRules> parse(std::string_view text, std::string_view file_name,
                                           int expiry_days, double strike_window);

  UniverseRule of(std::string_view underlying) const;

  /// Underlyings with a line of their own, in the order of the file.
  const std::vector<std::string>& named() const { return named_; }

 private:
  struct Line {
    std::optional<ExpiryRule> dates;  // expiries=, without count and only
    std::optional<int> count;         // 0: no limit
    std::optional<ExpiryRule::Only> only;
    std::optional<StrikeRule> strikes;
    std::optional<core::ProductHours> hours;
  };
  static core::Result<Line> parse_line(std::string_view rest);

  Line defaults_;  // expiries and strikes always set
  StrikeRule fallback_;
  std::map<std::string, Line, std::less<>> lines_;
  std::vector<std::string> named_;
};

/// A standard (monthly) date: the third Friday, the Saturday after it before 2015, the day before
/// when it is a holiday; for morning-settled classes also the last trading day before it, under
/// which the broker files them. VIX: the Wednesday 30 days before the next month's third Friday.
bool is_monthly(std::string_view trading_class, core::Date filed);

/// The series that a rule takes on a day.
struct Series {
  std::string trading_class;
  core::Date filed{};  // as the broker files it and must be asked for it

  friend auto operator<=>(const Series&, const Series&) = default;
};
/// By date, then class.
std::vector<Series> choose_series(const ExpiryRule& rule, std::vector<Series> offered,
                                  core::Date day);

}  // namespace bifrost::collector
