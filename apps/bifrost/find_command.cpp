// SPDX-License-Identifier: Apache-2.0
#include "find_command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <type_traits>

#include "bifrost/analysis/strategy.hpp"
#include "bifrost/net/json.hpp"
#include "progress.hpp"
#include "usage.hpp"

namespace bifrost {
namespace {

using api::FindQuery;
using core::Errc;
using core::Result;

constexpr const char* help_text =
    R"(The answer is exact: no other combination of listed strikes and expiries scores higher. Money is
in currency for one unit of the strategy, fees included; probabilities are 0 to 1.

Objectives: expected_profit, expected_profit_on_max_loss, expected_profit_on_margin, credit,
return_on_risk, return_on_margin, pop, theta_on_max_loss, or a weighted sum: --objective
return_on_risk:0.5,pop:2. Returns are max profit per max loss or margin.
Without one: return_on_risk among pop>=0.6; expected_profit_on_max_loss where profit has no bound or
only that the underlying is worth nothing (long puts). Where loss has none: return_on_margin among
pop>=0.6; credit among pop>=0.6 where options bought can win too (front ratios, ladders), since the
most is made on a strike far away, and where the chain does not price the underlying; where profit
grows until that is worth nothing (risk reversals), expected_profit_on_margin. The margin is
Regulation T's initial requirement (for cash-secured puts the cash) plus a debit paid.
Expected profit under the market's own density (the default) is minus what entering costs, so it
ranks by cost, and by what the fit of an expiry misses of its quotes (hit % of bifrost fit); --density
lognormal ignores the smile. Structures of two expiries are judged when the first expires, later legs
repriced at the vol of their own quotes under their style of exercise, up to twice the highest strike
listed; they are marked "model". That vol is an opinion: over a weekend or past earnings it is more
than the market expects of the days that are left, and calendars across them look better than they
are. Payoff and probabilities take American options as held to the first expiry; expected profit
counts what the right to exercise before it is worth, to who holds it and against who sold it.

Options are sold where they are not in the money by the forward of their expiry, which with interest
lies above the underlying and with dividends below; a call and a put at one strike (straddles, iron
butterflies) at deltas of 0.35 to 0.65 instead. --any-short-strikes sells all.
With stock, expected profit counts the dividends that the forward implies; max profit, breakevens and
POP do not. Nobody holds shares of an index such as SPX, so strategies with stock are refused there.
Which underlyings are one, the broker says; where it was not asked, a table.

Conditions, each --where 'NAME>=VALUE' or 'NAME<=VALUE':
  pop                probability of profit (>=)
  max_loss           currency (<=)
  credit             per share, negative is a debit (>=)
  short_delta        of each option sold, without its sign
  long_delta         of each option bought, without its sign
  width              of each wing, per share
  spread             (ask - bid) / middle of each option (<=)
  open_interest      of each option (>=)
  size               contracts shown on either side of each option (>=)
  breakeven          distance of every breakeven from the underlying: 5% or 1.5s for deviations (>=)
  days               calendar days to every expiry

  bifrost find --chain spx.csv.gz --strategy iron_condor --expiry 2019-06-21 --class SPXW --where 'pop>=0.7' --prove
  bifrost find --symbol AAPL --strategy covered_call --objective return_on_risk --top 5 --json)";

struct Bound {
  std::optional<double> FindQuery::* low;
  std::optional<double> FindQuery::* high;
};
struct IntegerBound {
  std::optional<int> FindQuery::* low;
  std::optional<int> FindQuery::* high;
};
constexpr std::array numbers{
    std::pair{"pop", Bound{&FindQuery::min_pop, nullptr}},
    std::pair{"max_loss", Bound{nullptr, &FindQuery::max_loss}},
    std::pair{"credit", Bound{&FindQuery::min_credit, nullptr}},
    std::pair{"short_delta", Bound{&FindQuery::min_short_delta, &FindQuery::max_short_delta}},
    std::pair{"long_delta", Bound{&FindQuery::min_long_delta, &FindQuery::max_long_delta}},
    std::pair{"width", Bound{&FindQuery::min_width, &FindQuery::max_width}},
    std::pair{"spread", Bound{nullptr, &FindQuery::max_spread_share}},
};
constexpr std::array integers{
    std::pair{"open_interest", IntegerBound{&FindQuery::min_open_interest, nullptr}},
    std::pair{"size", IntegerBound{&FindQuery::min_size, nullptr}},
    std::pair{"days", IntegerBound{&FindQuery::min_days, &FindQuery::max_days}},
};

constexpr OptionName names[]{
    {"rate", "--rate"},
    {"symbol", "--symbol", symbol_form},
    {"strategy", "--strategy", "a name that `bifrost find --list` shows"},
    {"expiry", "--expiry"},
    {"trading_class", "--class", symbol_form},
    {"later_expiry", "--later-expiry"},
    {"objective", "--objective", "names of --help, as pop or return_on_risk:0.5,pop:2"},
    {"fill_position", "--fill"},
    {"fee_per_contract", "--fee"},
    {"short_strikes", "--any-short-strikes"},
    {"min_pop", "--where 'pop>='"},
    {"max_loss", "--where 'max_loss<='"},
    {"min_credit", "--where 'credit>='"},
    {"min_short_delta", "--where 'short_delta>='"},
    {"max_short_delta", "--where 'short_delta<='"},
    {"min_long_delta", "--where 'long_delta>='"},
    {"max_long_delta", "--where 'long_delta<='"},
    {"min_width", "--where 'width>='"},
    {"max_width", "--where 'width<='"},
    {"max_spread_share", "--where 'spread<='"},
    {"min_open_interest", "--where 'open_interest>='"},
    {"min_size", "--where 'size>='"},
    {"breakeven_percent", "--where 'breakeven>=...%'"},
    {"breakeven_sigmas", "--where 'breakeven>=...s'"},
    {"min_days", "--where 'days>='"},
    {"max_days", "--where 'days<='"},
    {"limit", "--top"},
    {"why_not", "--why-not", "strikes, ascending, such as 4790,4840"}};

/// The message goes on from what was typed.
template <class T>
Result<T> to_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size();
  if (whole && error == std::errc{}) return value;
  if (whole && error == std::errc::result_out_of_range) {
    return core::fail(Errc::invalid_input, "is out of range");
  }
  return core::fail(Errc::invalid_input,
                    std::is_integral_v<T> ? "is not a whole number" : "is not a number");
}

template <class T, class Places>
Result<void> set_bound(FindQuery& query, const std::string& text, const Places& places, bool low,
                       std::string_view value) {
  const auto place = low ? places.low : places.high;
  if (place == nullptr) {
    return core::fail(Errc::invalid_input, fmt::format("'{}' has only the other direction, {}",
                                                       text, low ? "<=" : ">="));
  }
  const auto number = to_number<T>(value);
  if (!number) {
    return core::fail(Errc::invalid_input,
                      fmt::format("'{}': '{}' {}", text, value, number.error().message));
  }
  if (query.*place) {
    return core::fail(Errc::invalid_input,
                      fmt::format("'{}' limits what has a limit already", text));
  }
  query.*place = *number;
  return {};
}

void print_certificate(const api::CertificateSummary& proof) {
  fmt::print(stderr,
             "  certificate: {} classes hold all {} combinations; {} looked at, {} passed over; "
             "verifier: {}\n",
             proof.classes, proof.combinations, proof.visited, proof.pruned,
             proof.verified ? "agrees" : proof.objection.value_or("objects"));
}

std::string legs_text(const api::StrategyCandidate& candidate, bool expiries) {
  std::string text;
  for (const auto& leg : candidate.legs) {
    if (!text.empty()) text += ' ';
    if (leg.kind == api::LegKind::stock) {
      text += fmt::format("{:+}sh", leg.quantity);
      continue;
    }
    text += fmt::format("{:+}{}{}", leg.quantity, leg.kind == api::LegKind::call ? 'C' : 'P',
                        leg.strike->to_string());
    if (expiries) text += fmt::format("@{}/{}", core::to_iso_date(*leg.expiry), *leg.trading_class);
  }
  return text;
}

void print_candidate(const api::StrategyCandidate& candidate, bool expiries) {
  fmt::print("{:>4} {:>12.6g} {:>9.2f} {:>11} {:>11} {:>10} {:>6.1f} {:>10.2f}  {}{}\n",
             candidate.rank, candidate.score, candidate.credit, money(candidate.max_profit),
             money(candidate.max_loss),
             candidate.margin ? fmt::format("{:.2f}", *candidate.margin) : "unknown",
             100 * candidate.pop, candidate.expected_profit, legs_text(candidate, expiries),
             candidate.model_dependent ? " (model)" : "");
}

std::string sold_where(const api::Found& found) {
  const auto shape = analysis::find_strategy(found.strategy);
  const bool sells = shape && std::ranges::any_of(shape->legs, [](const auto& leg) {
                       return leg.kind != analysis::LegKind::stock && leg.quantity < 0;
                     });
  if (!sells) return "";
  if (found.short_strikes != api::ShortStrikes::any) return ", sold out of the money only";
  if (!found.min_short_delta || !found.max_short_delta) return "";
  return fmt::format(", sold at deltas of {:g} to {:g}", *found.min_short_delta,
                     *found.max_short_delta);
}

void print_table(const api::Found& found) {
  fmt::print("{} {} as of {}: {} combinations on {} expir{}, by {}\n", found.symbol, found.strategy,
             core::to_iso(found.as_of), found.combinations, found.expiries.size(),
             found.expiries.size() == 1 ? "y" : "ies", found.objective);
  for (const auto& out : found.left_out) {
    fmt::print("  left out: {} {}: {}\n", core::to_iso_date(out.expiry), out.trading_class,
               out.reason);
  }
  if (!found.expiries.empty()) {
    const auto& of = found.expiries.front().density;
    fmt::print("  density: {}\n",
               of.method.starts_with(of.kind) ? of.method : of.kind + ", " + of.method);
  }
  std::vector<std::pair<core::Date, double>> tails;
  for (const auto& expiry : found.expiries)
    tails.emplace_back(expiry.expiry, expiry.density.mass_outside_quotes.value_or(0.0));
  if (const auto note = tails_note(tails); !note.empty()) fmt::print("  {}", note);
  for (const auto& [source, words] :
       {std::pair{"carry", "read as if no dividend were paid"}, {"assumed_zero", "none assumed"}}) {
    const auto of =
        std::ranges::count(found.expiries, source, &api::SearchedExpiry::discount_source);
    if (of == 0) continue;
    fmt::print("  interest: {} on {} of {} expir{}; --rate says what it is\n", words, of,
               found.expiries.size(), found.expiries.size() == 1 ? "y" : "ies");
  }
  const bool expiries = found.expiries.size() > 1;
  if (found.expiries.size() == 1) {
    const auto& only = found.expiries.front();
    fmt::print("  expiry: {} {}, {} days\n", core::to_iso_date(only.expiry), only.trading_class,
               only.days_to_expiry);
  }
  fmt::print("  underlying {}, fills at {:+.2f} of the spread, fee {:.2f} a contract{}{}\n",
             found.underlying_price ? found.underlying_price->to_string() : "unknown",
             found.fill_position, found.fee_per_contract, sold_where(found),
             found.min_pop > 0.0 ? fmt::format(", among pop>={:g}", found.min_pop) : "");
  if (found.combinations == 0 && found.short_strikes != api::ShortStrikes::any) {
    fmt::print(
        "nothing to look at: what it sells would be in the money by the forward of its expiry, or "
        "has no quote; --any-short-strikes\n");
  } else if (found.combinations == 0 && found.min_short_delta) {
    fmt::print(
        "nothing to look at: no strike has quotes at these deltas; --any-short-strikes, or others "
        "by --where 'short_delta>=...'\n");
  } else if (found.candidates.empty()) {
    fmt::print("none of them qualifies; --exhaustive counts what each fails at{}\n",
               found.min_pop > 0.0 ? ", --where 'pop>=0' takes the least likely, too" : "");
  }
  fmt::print("{:>4} {:>12} {:>9} {:>11} {:>11} {:>10} {:>6} {:>10}  {}\n", "rank", "score",
             "credit/sh", "max profit", "max loss", "margin", "POP %", "exp profit", "legs");
  for (const auto& candidate : found.candidates) print_candidate(candidate, expiries);
  if (found.qualified) {
    fmt::print("{} of {} qualify", *found.qualified, found.combinations);
    for (const auto& unfit : found.unfit) fmt::print("; {}: {}", unfit.reason, unfit.combinations);
    fmt::print("\n");
  }
  if (!found.why_not) return;
  const auto& standing = *found.why_not;
  fmt::print("\nthe structure you named:\n");
  if (standing.unusable_leg) fmt::print("  {}\n", *standing.unusable_leg);
  if (standing.candidate) print_candidate(*standing.candidate, expiries);
  if (standing.broken_constraint) fmt::print("  breaks: {}\n", *standing.broken_constraint);
  if (standing.rank) fmt::print("  rank {}", *standing.rank);
  if (standing.threshold) fmt::print(", the last on the list scores {:.6g}", *standing.threshold);
  if (standing.score_without_costs)
    fmt::print(", without costs it would score {:.6g}", *standing.score_without_costs);
  fmt::print("\n");
}

Result<api::Found> search(const LoadedChain& chain, const FindQuery& query, std::string_view title,
                          const core::StopSignal& stop) {
  Progress step{title};
  auto answer = api::find_in(
      chain.snapshot, query,
      [&](double share) {
        step.update(share, "");
        return !stop.token().stop_requested();
      },
      chain.told);
  BF_TRY(auto found, answer_of(std::move(answer), names));
  step.done(
      fmt::format("{} combinations, {} looked at one by one", found.combinations, found.visited));
  return found;
}

bool same_candidates(const api::Found& a, const api::Found& b) {
  return std::ranges::equal(a.candidates, b.candidates, [](const auto& x, const auto& y) {
    return x.score == y.score && net::to_json(x) == net::to_json(y);
  });
}

/// Refuses conditions that no value can meet together.
template <class Places>
void check_windows(const FindQuery& query, const Places& conditions) {
  for (const auto& [name, places] : conditions) {
    if (places.low == nullptr || places.high == nullptr) continue;
    const auto& low = query.*places.low;
    const auto& high = query.*places.high;
    if (low && high && *low > *high) {
      refuse("--where", fmt::format("no value is both {0}>={1} and {0}<={2}", name, *low, *high));
    }
  }
}

/// Refuses what is wrong whatever the chain, before it is read.
void check_query(const FindOptions& options) {
  auto query = options.query;
  const auto& symbol = options.source.symbol;
  query.symbol = symbol.empty() ? any_symbol : symbol;
  check_limits(net::check(query), names);
  check_windows(query, numbers);
  check_windows(query, integers);
  const auto strategies = api::catalogue().strategies;
  const auto strategy = std::ranges::find(strategies, query.strategy, &api::CatalogueEntry::name);
  if (strategy == strategies.end()) {
    refuse("--strategy", fmt::format("there is no '{}'; hint: `bifrost find --list` has all names",
                                     query.strategy));
  }
  if (query.why_not && !query.expiry) refuse("--why-not", "needs the structure's --expiry");
  if (query.why_not && std::ranges::count(*query.why_not, ',') + 1 != strategy->strikes) {
    refuse("--why-not", fmt::format("must have as many strikes as {}, ascending: {}",
                                    query.strategy, strategy->strikes));
  }
  // Of an underlying in the history the broker may say that it is no index after all.
  if (const auto known = api::check(query, options.source.file.empty() ? "" : symbol); !known) {
    refuse({}, in_options(known.error().message, names));
  }
}

Result<void> find(const std::string& env_file, const FindOptions& options,
                  const core::StopSignal& stop) {
  if (options.list) {
    const auto all = api::catalogue();
    if (options.json) {
      fmt::print("{}\n", net::to_json(all));
    } else {
      for (const auto& entry : all.strategies) {
        fmt::print("{:<34} {} strike{}, {} expir{}{}\n", entry.name, entry.strikes,
                   entry.strikes == 1 ? "" : "s", entry.expiries, entry.expiries == 1 ? "y" : "ies",
                   entry.loss_is_bounded ? "" : ", loss without bound");
      }
    }
    return {};
  }
  auto query = options.query;
  BF_TRY(const auto chain, load_chain(env_file, options.source, stop));
  query.certificate = options.prove || query.certificate.value_or(false);
  BF_TRY(auto found, search(chain, query, "search", stop));
  if (options.prove) {
    auto exhaustive = query;
    exhaustive.exhaustive = true;
    exhaustive.certificate = false;
    BF_TRY(const auto all, search(chain, exhaustive, "look at every combination", stop));
    print_certificate(*found.certificate);
    const bool equal = same_candidates(found, all);
    fmt::print(stderr, "  the exhaustive search {}\n",
               equal ? "found the same candidates" : "found other candidates");
    if (!equal || !found.certificate->verified) {
      return core::fail(Errc::corrupt_data, "the search could not be proved; please report this");
    }
  }
  if (options.json) {
    fmt::print("{}\n", net::to_json(found));
  } else {
    print_table(found);
  }
  return {};
}

}  // namespace

Result<void> add_condition(FindQuery& query, const std::string& text) {
  const auto at = text.find_first_of("<>");
  if (at == std::string::npos || at + 2 > text.size() || text[at + 1] != '=') {
    return core::fail(Errc::invalid_input,
                      fmt::format("'{}' is not NAME>=VALUE or NAME<=VALUE", text));
  }
  const std::string_view name = std::string_view{text}.substr(0, at);
  std::string_view value = std::string_view{text}.substr(at + 2);
  const bool low = text[at] == '>';
  for (const auto& [known, places] : numbers) {
    if (name == known) return set_bound<double>(query, text, places, low, value);
  }
  for (const auto& [known, places] : integers) {
    if (name == known) return set_bound<int>(query, text, places, low, value);
  }
  if (name == "breakeven" && !value.empty()) {
    const char unit = value.back();
    value.remove_suffix(1);
    if (unit == '%') {
      return set_bound<double>(query, text, Bound{&FindQuery::breakeven_percent, nullptr}, low,
                               value);
    }
    if (unit == 's') {
      return set_bound<double>(query, text, Bound{&FindQuery::breakeven_sigmas, nullptr}, low,
                               value);
    }
    return core::fail(Errc::invalid_input, fmt::format("'{}': the distance ends in % or s", text));
  }
  return core::fail(Errc::invalid_input,
                    fmt::format("'{}': there is no condition '{}' (see --help)", text, name));
}

void add_find_command(CLI::App& app, const std::string& env_file, FindOptions& options,
                      const core::StopSignal& stop, std::function<Result<void>()>& work) {
  auto* verb = app.add_subcommand(
      "find", "the best structures of a strategy out of every listed strike and expiry");
  verb->footer(help_text);
  add_chain_options(*verb, options.source);
  auto& query = options.query;
  verb->add_option("--strategy", query.strategy, "which; all names: --list");
  verb->add_flag("--list", options.list, "list every strategy");
  verb->add_option("--objective", query.objective,
                   "what to rank by; else return_on_risk among pop>=0.6, where it exists");
  verb->add_option("--top", query.limit, "how many; else 20");
  verb->add_option("--expiry", options.expiry, "of the first leg to expire; else every expiry");
  verb->add_option("--class", query.trading_class, "trading class, where one date lists two");
  verb->add_option("--later-expiry", options.later_expiry,
                   "of the later legs of calendars, diagonals");
  verb->add_option("--where", options.where, "a condition, NAME>=VALUE or NAME<=VALUE; repeatable");
  verb->add_option("--fill", query.fill_position,
                   "0 in the middle of each spread, 1 (default) across it");
  verb->add_option("--fee", query.fee_per_contract, "currency per contract, on entry; else 0");
  verb->add_option("--density", options.density, "market_implied (default) or lognormal")
      ->check(CLI::IsMember({"market_implied", "lognormal"}));
  add_style_option(*verb, options.query.style);
  add_rate_option(*verb, options.query.rate);
  verb->add_flag("--any-short-strikes", options.any_short_strikes,
                 "options may be sold in the money, too");
  verb->add_option("--why-not", query.why_not,
                   "where a structure stands: its strikes, ascending, as 4790,4840,5155,5205");
  verb->add_flag("--exhaustive", query.exhaustive,
                 "look at every combination, and count what fails");
  verb->add_flag("--prove", options.prove,
                 "check the certificate, search exhaustively too, and compare");
  verb->add_flag("--json", options.json, "one JSON document on stdout");
  verb->callback([&] {
    work = [&] { return find(env_file, options, stop); };
    if (options.list) return;
    if (options.query.strategy.empty()) {
      throw CLI::RequiredError("--strategy (all names: bifrost find --list)");
    }
    check_chain_options(options.source);
    const auto date = [](const char* option, const std::string& text) -> std::optional<core::Date> {
      if (text.empty()) return std::nullopt;
      const auto parsed = core::parse_date(text);
      if (!parsed) throw CLI::ValidationError(option, parsed.error().message);
      return *parsed;
    };
    options.query.expiry = date("--expiry", options.expiry);
    options.query.later_expiry = date("--later-expiry", options.later_expiry);
    for (const auto& condition : options.where) {
      if (const auto added = add_condition(options.query, condition); !added)
        throw CLI::ValidationError("--where", added.error().message);
    }
    if (!options.density.empty()) {
      options.query.density = options.density == "lognormal" ? api::DensityKind::lognormal
                                                             : api::DensityKind::market_implied;
    }
    if (options.any_short_strikes) options.query.short_strikes = api::ShortStrikes::any;
    check_query(options);
  });
}

}  // namespace bifrost
