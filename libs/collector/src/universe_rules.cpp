// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/universe_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <tuple>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/contract.hpp"

namespace bifrost::collector {

using core::Date;
using core::Errc;
using core::fail;
using core::Result;
using std::chrono::days;
namespace chr = std::chrono;

namespace {

constexpr int most_days = 4000;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

Result<ExpiryRule> parse_dates(std::string_view value) {
  if (value == "all") return ExpiryRule{};
  const auto dash = value.find('-');
  const auto wrong = [&] {
    return fail(Errc::invalid_input,
                fmt::format("expiries '{}' are not all, FROM-TO or FROM- in days up to {}", value,
                            most_days));
  };
  if (dash == std::string_view::npos) return wrong();
  const auto from = number<int>(value.substr(0, dash));
  if (!from || *from < 0 || *from > most_days) return wrong();
  ExpiryRule rule{.from_days = *from, .to_days = {}, .count = {}};
  if (dash + 1 < value.size()) {
    rule.to_days = number<int>(value.substr(dash + 1));
    if (!rule.to_days || *rule.to_days < *from || *rule.to_days > most_days) return wrong();
  }
  return rule;
}

Result<StrikeRule> parse_strikes(std::string_view value) {
  if (value == "all") return StrikeRule{};
  struct Kind {
    std::string_view name;
    StrikeRule::By by;
    double most;
  };
  constexpr std::array kinds{Kind{"percent:", StrikeRule::By::percent, 1000},
                             Kind{"sigma:", StrikeRule::By::sigma, 20},
                             Kind{"delta:", StrikeRule::By::delta, 0.499}};
  for (const auto& kind : kinds) {
    if (!value.starts_with(kind.name)) continue;
    const auto width = number<double>(value.substr(kind.name.size()));
    if (!width || !(*width > 0) || !(*width <= kind.most)) {
      return fail(Errc::invalid_input, fmt::format("strikes '{}': the number must be above 0 and "
                                                   "at most {}",
                                                   value, kind.most));
    }
    return StrikeRule{kind.by, *width};
  }
  return fail(Errc::invalid_input,
              fmt::format("strikes '{}' are not all, percent:N, sigma:N or delta:N", value));
}

Date third_friday(chr::year_month month) {
  return Date{month / chr::Friday[3]};
}

std::string to_string(const StrikeRule& rule) {
  switch (rule.by) {
    case StrikeRule::By::all:
      return "all";
    case StrikeRule::By::percent:
      return fmt::format("percent:{}", rule.width);
    case StrikeRule::By::sigma:
      return fmt::format("sigma:{}", rule.width);
    case StrikeRule::By::delta:
      return fmt::format("delta:{}", rule.width);
  }
  core::panic("a strike rule of no kind");
}

}  // namespace

std::string to_string(const UniverseRule& rule) {
  const auto& dates = rule.expiries;
  std::string text = "expiries=";
  if (dates.from_days == 0 && !dates.to_days) {
    text += "all";
  } else {
    text += fmt::format("{}-{}", dates.from_days,
                        dates.to_days ? std::to_string(*dates.to_days) : std::string{});
  }
  if (dates.count) text += fmt::format(" count={}", *dates.count);
  if (dates.only == ExpiryRule::Only::monthlies) text += " only=monthlies";
  if (dates.only == ExpiryRule::Only::weeklies) text += " only=weeklies";
  return text +
         fmt::format(" strikes={} hours={}", to_string(rule.strikes), core::to_string(rule.hours));
}

Result<UniverseRules::Line> UniverseRules::parse_line(std::string_view rest) {
  Line line;
  std::set<std::string_view> seen;
  while (!rest.empty()) {
    const auto blank = rest.find_first_of(" \t");
    const auto word = rest.substr(0, blank);
    rest = blank == std::string_view::npos ? std::string_view{} : trim(rest.substr(blank));
    const auto equals = word.find('=');
    if (equals == std::string_view::npos)
      return fail(Errc::invalid_input, fmt::format("'{}' is not key=value", word));
    const auto key = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    if (!seen.insert(key).second)
      return fail(Errc::invalid_input, fmt::format("'{}' is said twice", key));
    if (key == "expiries") {
      BF_TRY(line.dates, parse_dates(value));
    } else if (key == "count") {
      line.count = value == "all" ? 0 : number<int>(value).value_or(-1);
      if ((*line.count < 1 && value != "all") || *line.count > most_days) {
        return fail(
            Errc::invalid_input,
            fmt::format("count '{}' is not all or a number from 1 to {}", value, most_days));
      }
    } else if (key == "only") {
      if (value == "monthlies") {
        line.only = ExpiryRule::Only::monthlies;
      } else if (value == "weeklies") {
        line.only = ExpiryRule::Only::weeklies;
      } else if (value == "all") {
        line.only = ExpiryRule::Only::all;
      } else {
        return fail(Errc::invalid_input,
                    fmt::format("only '{}' is not monthlies, weeklies or all", value));
      }
    } else if (key == "strikes") {
      BF_TRY(line.strikes, parse_strikes(value));
    } else if (key == "hours") {
      auto hours = core::parse_product_hours(value);
      if (!hours) return fail(Errc::invalid_input, "hours " + hours.error().message);
      line.hours = *hours;
    } else {
      return fail(
          Errc::invalid_input,
          fmt::format("unknown word '{}'; known are expiries, count, only, strikes, hours", key));
    }
  }
  return line;
}

Result<UniverseRules> UniverseRules::parse(std::string_view text, std::string_view file_name,
                                           int expiry_days, double strike_window) {
  UniverseRules rules;
  rules.defaults_.dates = ExpiryRule{};
  if (expiry_days > 0) rules.defaults_.dates->to_days = expiry_days;
  if (strike_window > 0) rules.fallback_ = {StrikeRule::By::percent, 100 * strike_window};
  rules.defaults_.strikes = rules.fallback_;
  bool has_default = false;
  int line_number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto wrong = [&](std::string_view what) {
      return fail(Errc::invalid_input, fmt::format("{} line {}: {}", file_name, line_number, what));
    };
    // A symbol may hold a blank ("BRK B"), so symbols end where the first key begins.
    auto keys = line.find('=');
    keys = keys == std::string_view::npos ? line.size() : keys;
    auto symbols = line.substr(0, keys);
    if (keys < line.size()) {
      const auto begin = symbols.find_last_of(" \t");
      if (begin == std::string_view::npos) return wrong("begins with no symbol");
      symbols = symbols.substr(0, begin);
    }
    auto parsed = parse_line(trim(line.substr(symbols.size())));
    if (!parsed) return wrong(parsed.error().message);
    if (trim(symbols) == "*") {
      if (has_default) return wrong("a second line for *");
      has_default = true;
      auto& defaults = rules.defaults_;
      if (parsed->dates) defaults.dates = parsed->dates;
      if (parsed->strikes) defaults.strikes = parsed->strikes;
      defaults.count = parsed->count;
      defaults.only = parsed->only;
      defaults.hours = parsed->hours;
      continue;
    }
    for (bool more = true; more;) {
      const auto comma = symbols.find(',');
      const auto symbol = trim(symbols.substr(0, comma));
      more = comma != std::string_view::npos;
      if (more) symbols.remove_prefix(comma + 1);
      if (!core::is_symbol(symbol))
        return wrong(fmt::format("'{}' is not a symbol such as SPX, nor *", symbol));
      if (!rules.lines_.emplace(symbol, *parsed).second)
        return wrong(fmt::format("a second line for {}", symbol));
      rules.named_.emplace_back(symbol);
    }
  }
  const auto& strikes = *rules.defaults_.strikes;
  if (strikes.by == StrikeRule::By::percent || strikes.by == StrikeRule::By::all)
    rules.fallback_ = strikes;
  return rules;
}

UniverseRule UniverseRules::of(std::string_view underlying) const {
  static const Line none;
  const auto found = lines_.find(underlying);
  const Line& own = found == lines_.end() ? none : found->second;
  UniverseRule rule;
  rule.expiries = own.dates ? *own.dates : *defaults_.dates;
  rule.expiries.count = own.count ? own.count : defaults_.count;
  if (rule.expiries.count == 0) rule.expiries.count.reset();
  rule.expiries.only = own.only ? *own.only : defaults_.only.value_or(ExpiryRule::Only::all);
  rule.strikes = own.strikes ? *own.strikes : *defaults_.strikes;
  rule.fallback = fallback_;
  if (own.hours) {
    rule.hours = *own.hours;
  } else {
    rule.hours = defaults_.hours ? *defaults_.hours : core::hours_of(underlying);
  }
  return rule;
}

bool is_monthly(std::string_view trading_class, Date filed) {
  const chr::year_month_day date{filed};
  const chr::year_month month{date.year(), date.month()};
  Date standard = third_friday(month);
  if (trading_class == "VIX" || trading_class == "VIXW") {
    const Date after = third_friday(month + chr::months{1});
    standard = after - days{30};
    if (!core::is_trading_day(standard) || !core::is_trading_day(after))
      standard = core::previous_trading_day(standard);
  }
  const Date last = core::last_trading_day(standard);
  if (filed == standard || filed == last) return true;
  if (core::is_morning_settled(trading_class) && filed == core::previous_trading_day(last))
    return true;
  // US monthlies were dated on Saturdays before February 2015.
  return filed == standard + days{1} && chr::weekday{filed} == chr::Saturday;
}

std::vector<Series> choose_series(const ExpiryRule& rule, std::vector<Series> offered, Date day) {
  std::erase_if(offered, [&](const Series& series) {
    const auto ahead = (series.filed - day).count();
    if (ahead < rule.from_days || (rule.to_days && ahead > *rule.to_days)) return true;
    if (rule.only == ExpiryRule::Only::all) return false;
    return is_monthly(series.trading_class, series.filed) !=
           (rule.only == ExpiryRule::Only::monthlies);
  });
  std::ranges::sort(offered, [](const Series& a, const Series& b) {
    return std::tie(a.filed, a.trading_class) < std::tie(b.filed, b.trading_class);
  });
  const auto repeated = std::ranges::unique(offered);
  offered.erase(repeated.begin(), repeated.end());
  if (rule.count) {
    std::set<Date> dates;
    std::erase_if(offered, [&](const Series& series) {
      dates.insert(series.filed);
      return static_cast<int>(dates.size()) > *rule.count;
    });
  }
  return offered;
}

}  // namespace bifrost::collector
