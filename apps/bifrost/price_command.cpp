// SPDX-License-Identifier: Apache-2.0
#include "price_command.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>

#include "bifrost/analysis/american.hpp"
#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/net/json.hpp"
#include "progress.hpp"

namespace bifrost {
namespace {

using analysis::Right;
using core::Errc;
using core::Result;

// What a row holds, in the order that a file without a header has.
enum Column : std::size_t { style, right, spot, strike, years, rate, yield, vol, price, columns };
struct ColumnNames {
  std::string_view name;
  std::string_view also;
};
constexpr std::array<ColumnNames, columns> names{{{"style", "exercise_style"},
                                                  {"right", "type"},
                                                  {"spot", "underlying_price"},
                                                  {"strike", "k"},
                                                  {"years_to_expiry", "years"},
                                                  {"rate", "r"},
                                                  {"dividend_yield", "yield"},
                                                  {"implied_vol", "vol"},
                                                  {"price", "premium"}}};

constexpr std::string_view help_text = R"(Reads CSV, one option a line:
  style            european or american (e, a)
  right            C or P
  spot             price of the underlying
  strike           same currency
  years_to_expiry  actual/365 fixed, not negative
  rate             continuously compounded, annual, decimal (0.05 is 5 %)
  dividend_yield   the same
  implied_vol      annual, decimal (0.25 is 25 %); empty: solve it from
  price            per share; empty: price it from implied_vol
A header line may name the columns in any order; without one they come in this order, and
price may be left off.

Writes one line for each line read:
  line             of the input, from 1
  price            per share
  implied_vol      annual, decimal
  delta            per share
  gamma            change of delta per 1.00 of spot
  theta            per share and calendar day
  vega             per share and 1.00 of volatility
  rho              per share and 1.00 of rate
  refusal          why there is no number: below_intrinsic, no_time_value, above_bound,
                   expired, not_finite, not_solved, two_boundaries, or bad_input (told
                   on stderr)
European by Black, Scholes and Merton; American by the exercise boundary (Andersen, Lake and
Offengenden 2016). Many American options of one spot, expiry and rate in a row are quickest.

  echo american,P,100,105,0.5,0.04,0,0.25 | bifrost price)";

struct Row {
  std::int64_t line;
  bool american;
  Right right;
  analysis::SpotInputs in;
  std::optional<double> price;  // to solve the vol from
};

struct Priced {
  std::int64_t line = 0;
  std::optional<double> price{};
  std::optional<double> implied_vol{};
  std::optional<double> delta{};
  std::optional<double> gamma{};
  std::optional<double> theta{};
  std::optional<double> vega{};
  std::optional<double> rho{};
  std::optional<std::string> refusal{};
};
BF_DESCRIBE(Priced, "One option, priced.", (line), (price), (implied_vol), (delta), (gamma),
            (theta), (vega), (rho), (refusal))

void take(Priced& out, const analysis::Valuation& at) {
  out.price = at.price;
  out.delta = at.delta;
  out.gamma = at.gamma;
  out.theta = at.theta;
  out.vega = at.vega;
  out.rho = at.rho;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const auto comma = line.find(',');
    fields.push_back(trim(line.substr(0, comma)));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c;
  });
  return out;
}

/// Where each column stands on a line.
class Layout {
 public:
  Layout() {
    for (std::size_t i = 0; i < columns; ++i) place_[i] = i;
  }

  /// A first line that is a header; nothing when it is an option already.
  static Result<std::optional<Layout>> from_header(const std::vector<std::string_view>& fields) {
    const auto first = lower(fields.front());
    if (first == "european" || first == "american" || first == "e" || first == "a") {
      return std::nullopt;
    }
    Layout layout;
    layout.place_.fill(absent);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto name = lower(fields[i]);
      const auto column = std::ranges::find_if(
          names, [&](const ColumnNames& at) { return name == at.name || name == at.also; });
      if (column == names.end()) continue;
      layout.place_[static_cast<std::size_t>(column - names.begin())] = i;
    }
    for (std::size_t i = 0; i < vol; ++i) {
      if (layout.place_[i] == absent) {
        return core::fail(Errc::invalid_input,
                          fmt::format("line 1 is neither an option (it would begin with european "
                                      "or american) nor a header with a column '{}'",
                                      names[i].name));
      }
    }
    return layout;
  }

  Result<Row> read(const std::vector<std::string_view>& fields, std::int64_t line) const {
    const auto field = [&](Column column) {
      const auto at = place_[column];
      return at < fields.size() ? fields[at] : std::string_view{};
    };
    const auto bad = [&](Column column, std::string_view wanted) {
      return core::fail(Errc::invalid_input,
                        fmt::format("line {}: {} '{}' is not {}", line, names[column].name,
                                    field(column), wanted));
    };
    Row row{.line = line, .american = false, .right = Right::call, .in = {}, .price = {}};
    const auto how = lower(field(style));
    if (how != "european" && how != "american" && how != "e" && how != "a") {
      return bad(style, "european or american");
    }
    row.american = how.front() == 'a';
    const auto which = lower(field(right));
    if (which != "c" && which != "p" && which != "call" && which != "put") {
      return bad(right, "C or P");
    }
    row.right = which.front() == 'c' ? Right::call : Right::put;
    struct Number {
      Column column;
      double* into;
      bool positive;
    };
    for (const auto& number :
         {Number{spot, &row.in.spot, true}, Number{strike, &row.in.strike, true},
          Number{years, &row.in.years_to_expiry, false}, Number{rate, &row.in.rate, false},
          Number{yield, &row.in.dividend_yield, false}}) {
      const auto value = to_number(field(number.column));
      if (!value) return bad(number.column, "a number");
      if (number.positive && *value <= 0.0) return bad(number.column, "above zero");
      *number.into = *value;
    }
    if (row.in.years_to_expiry < 0.0) return bad(years, "zero or more");
    const bool has_vol = !field(vol).empty();
    if (has_vol == !field(price).empty()) {
      return core::fail(Errc::invalid_input,
                        fmt::format("line {}: give either implied_vol or price", line));
    }
    const auto given = to_number(field(has_vol ? vol : price));
    if (!given) return bad(has_vol ? vol : price, "a number");
    if (*given < 0.0) return bad(has_vol ? vol : price, "zero or more");
    if (has_vol) {
      row.in.vol = *given;
    } else {
      row.price = given;
    }
    return row;
  }

 private:
  static constexpr std::size_t absent = static_cast<std::size_t>(-1);

  static std::optional<double> to_number(std::string_view text) {
    double value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
      return std::nullopt;
    }
    return value;
  }

  std::array<std::size_t, columns> place_{};
};

Priced price_european(const Row& row) {
  Priced out{.line = row.line};
  auto in = row.in;
  if (row.price) {
    const double growth = std::exp((in.rate - in.dividend_yield) * in.years_to_expiry);
    const auto solved = analysis::implied_vol(
        row.right, {.price = *row.price,
                    .forward = in.spot * growth,
                    .strike = in.strike,
                    .years_to_expiry = in.years_to_expiry,
                    .discount_factor = std::exp(-in.rate * in.years_to_expiry)});
    if (!solved) {
      out.price = row.price;
      out.refusal = std::string{to_string(solved.error())};
      return out;
    }
    in.vol = *solved;
  }
  take(out, analysis::black_scholes(row.right, in));
  if (row.price) out.price = row.price;
  out.implied_vol = in.vol;
  return out;
}

Priced price_american(const Row& row) {
  Priced out{.line = row.line};
  auto in = row.in;
  if (row.price) {
    out.price = row.price;
    const auto solved = analysis::american_implied_vol(row.right, *row.price, in);
    if (!solved) {
      out.refusal = std::string{to_string(solved.error())};
      return out;
    }
    in.vol = *solved;
  }
  const auto at = analysis::american_valuation(row.right, in);
  if (!at) {
    out.refusal = std::string{to_string(at.error())};
    return out;
  }
  take(out, *at);
  if (row.price) out.price = row.price;
  out.implied_vol = in.vol;
  return out;
}

/// Prices what a file brings, a thousand lines at a time: American options that share their terms
/// go through one table.
class Pricer {
 public:
  std::vector<Priced> price(const std::vector<Row>& rows) {
    std::vector<Priced> out(rows.size());
    std::map<Terms, std::vector<std::size_t>> american;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].american) {
        american[terms_of(rows[i])].push_back(i);
      } else {
        out[i] = price_european(rows[i]);
      }
    }
    for (const auto& [terms, members] : american) {
      const auto* table = table_for(terms, members.size());
      for (const auto i : members) {
        if (table == nullptr) out[i] = price_american(rows[i]);
      }
      if (table != nullptr) price_by_table(*table, rows, members, out);
    }
    return out;
  }

 private:
  using Terms = std::tuple<Right, double, double, double, double>;

  // Building a table costs as much as this many options one by one.
  static constexpr std::size_t worth_a_table = 20;
  static constexpr std::size_t most_tables = 64;

  static Terms terms_of(const Row& row) {
    return {row.right, row.in.spot, row.in.years_to_expiry, row.in.rate, row.in.dividend_yield};
  }

  const analysis::AmericanSurface* table_for(const Terms& terms, std::size_t members) {
    if (const auto known = tables_.find(terms); known != tables_.end()) return &known->second;
    if (members < worth_a_table) return nullptr;
    const auto& [of, at, t, r, q] = terms;
    auto built = analysis::AmericanSurface::build(of, {at, t, r, q});
    if (!built) return nullptr;
    if (tables_.size() >= most_tables) tables_.clear();
    return &tables_.emplace(terms, *std::move(built)).first->second;
  }

  static void price_by_table(const analysis::AmericanSurface& table, const std::vector<Row>& rows,
                             const std::vector<std::size_t>& members, std::vector<Priced>& out) {
    std::vector<double> strikes;
    std::vector<double> prices;
    for (const auto i : members) {
      strikes.push_back(rows[i].in.strike);
      prices.push_back(rows[i].price.value_or(0.0));
    }
    const analysis::ContractColumns contracts{strikes, table.right()};
    analysis::ImpliedVolColumns solved;
    table.implied_vols(contracts, prices, solved);
    std::vector<double> vols;
    for (std::size_t k = 0; k < members.size(); ++k) {
      const auto& row = rows[members[k]];
      vols.push_back(!row.price ? row.in.vol : solved.refusal[k] ? 0.0 : solved.vol[k]);
    }
    analysis::AmericanSurface::Columns valued;
    table.valuations(contracts, vols, valued);
    for (std::size_t k = 0; k < members.size(); ++k) {
      const auto& row = rows[members[k]];
      auto& priced = out[members[k]];
      priced.line = row.line;
      if (row.price) priced.price = row.price;
      if (row.price && solved.refusal[k]) {
        priced.refusal = std::string{to_string(*solved.refusal[k])};
        continue;
      }
      if (!row.price) priced.price = valued.price[k];
      priced.implied_vol = vols[k];
      priced.delta = valued.delta[k];
      priced.gamma = valued.gamma[k];
      priced.theta = valued.theta[k];
      priced.vega = valued.vega[k];
      priced.rho = valued.rho[k];
    }
  }

  std::map<Terms, analysis::AmericanSurface> tables_;
};

class Output {
 public:
  explicit Output(bool json) : json_(json) {
    if (!json_) text_ = "line,price,implied_vol,delta,gamma,theta,vega,rho,refusal\n";
  }

  void add(Priced priced) {
    // What is no number is none, and says so.
    for (auto* number : {&priced.price, &priced.implied_vol, &priced.delta, &priced.gamma,
                         &priced.theta, &priced.vega, &priced.rho}) {
      if (!*number || std::isfinite(**number)) continue;
      number->reset();
      if (!priced.refusal) priced.refusal = "not_finite";
    }
    if (json_) {
      text_ += net::to_json(priced);
      text_ += '\n';
      return;
    }
    auto at = std::back_inserter(text_);
    fmt::format_to(at, "{}", priced.line);
    for (const auto* number : {&priced.price, &priced.implied_vol, &priced.delta, &priced.gamma,
                               &priced.theta, &priced.vega, &priced.rho}) {
      if (*number) {
        fmt::format_to(at, ",{}", **number);
      } else {
        text_ += ',';
      }
    }
    fmt::format_to(at, ",{}\n", priced.refusal.value_or(""));
  }

  Result<void> flush() {
    const bool taken = std::fwrite(text_.data(), 1, text_.size(), stdout) == text_.size() &&
                       std::fflush(stdout) == 0;
    text_.clear();
    if (taken) return {};
    return core::fail(Errc::unavailable, "standard output takes no more");
  }

 private:
  bool json_;
  std::string text_;
};

Result<void> price_rows(const PriceOptions& options, const core::StopSignal& stop) {
  std::ifstream file;
  if (!options.file.empty() && options.file != "-") {
    file.open(options.file);
    if (!file) {
      return core::fail(Errc::not_found, fmt::format("cannot open {}", options.file.string()));
    }
  }
  std::istream& in = file.is_open() ? file : std::cin;
  std::ios::sync_with_stdio(false);

  constexpr std::size_t most_told = 20;
  constexpr std::size_t batch = 1024;
  Layout layout;
  Pricer pricer;
  Output output{options.json};
  Progress step{"price"};
  std::vector<Row> rows;
  std::vector<std::int64_t> bad_lines;  // of this batch
  std::int64_t line_number = 0;
  std::size_t priced_rows = 0;
  std::size_t rejected = 0;

  const auto finish_batch = [&]() -> Result<void> {
    auto priced = pricer.price(rows);
    for (const auto line : bad_lines) {
      priced.push_back({.line = line, .refusal = "bad_input"});
    }
    std::ranges::sort(priced, {}, &Priced::line);
    for (const auto& each : priced) output.add(each);
    priced_rows += rows.size();
    rows.clear();
    bad_lines.clear();
    return output.flush();
  };

  std::string line;
  // A reader that waits for a person must still hear Ctrl-C.
  const auto stopped_before_input = [&] {
    if (file.is_open() || in.rdbuf()->in_avail() > 0) return stop.token().stop_requested();
    pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    while (!stop.token().stop_requested()) {
      if (::poll(&waiting, 1, 100) != 0) return false;
    }
    return true;
  };
  for (;;) {
    if (stopped_before_input()) return core::fail(Errc::cancelled, "interrupted");
    if (!std::getline(in, line)) break;
    ++line_number;
    if (line_number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (trim(line).empty()) continue;
    const auto fields = split(line);
    if (line_number == 1) {
      BF_TRY(const auto named, Layout::from_header(fields));
      if (named) {
        layout = *named;
        continue;
      }
    }
    auto row = layout.read(fields, line_number);
    if (row) {
      rows.push_back(*row);
    } else {
      if (++rejected <= most_told) fmt::print(stderr, "bifrost: {}\n", row.error().message);
      bad_lines.push_back(line_number);
    }
    if (rows.size() + bad_lines.size() >= batch || in.rdbuf()->in_avail() == 0) {
      BF_CHECK(finish_batch());
      step.update(0.0, fmt::format("{} options", priced_rows));
    }
  }
  if (in.bad()) return core::fail(Errc::unavailable, "the input cannot be read");
  BF_CHECK(finish_batch());
  step.done(fmt::format("{} options", priced_rows));
  if (rejected == 0) return {};
  return core::fail(Errc::invalid_input,
                    fmt::format("{} of {} lines hold no option", rejected, priced_rows + rejected));
}

}  // namespace

void add_price_command(CLI::App& app, PriceOptions& options, const core::StopSignal& stop,
                       std::function<Result<void>()>& work) {
  auto* price_verb = app.add_subcommand(
      "price", "price options given as rows of CSV, or solve their implied vols");
  price_verb->footer(std::string{help_text});
  price_verb->add_option("file", options.file, "CSV file; else standard input");
  price_verb->add_flag("--json", options.json, "one JSON document a line instead of CSV");
  price_verb->callback([&] { work = [&] { return price_rows(options, stop); }; });
}

}  // namespace bifrost
