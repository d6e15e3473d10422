// SPDX-License-Identifier: Apache-2.0
#include "analyze_command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "bifrost/net/json.hpp"
#include "usage.hpp"

namespace bifrost {
namespace {

using core::Errc;
using core::Result;

constexpr const char* help_text =
    R"(A leg is buy or sell, a count (else 1), expiry, strike and right, and @PRICE per share where it
was traded; without one it is priced from the chain at --fill. Stock counts in shares. An expiry that
lists two trading classes takes one behind it, 2019-06-21/SPXW, or from --class.

  bifrost analyze --chain spx.csv.gz --legs sell:2019-06-21:2750P buy:2019-06-21:2700P
  bifrost analyze --symbol AAPL --legs buy:100:stock@190.5 sell:2026-12-18:200C --json

Money is in currency and of the whole position, fees included: greeks delta in shares, theta per
calendar day, vega per 1.00 of volatility. Every probability names its density. Margin is told four
ways that are never mixed: worst loss, Reg T, IBKR's rules, a stress of prices; what the broker asks
is `bifrost broker what-if`. Payoff and probabilities take American options as held to expiry;
expected profit counts what the right to exercise before it is worth, to who holds it and against who
sold it. Nobody holds shares of an index such as SPX, so a leg of stock is refused there. A put sold
alone is a short_put; with --cash, its strike lying ready in cash, a cash_secured_put, with returns
on that cash. The table is profit by the model over dates and prices; volatilities
stay with their strikes, moved by --vol-shift (0.01 is a point).)";

core::Date first_expiry(const api::Position& position) {
  auto first = core::Date::max();
  for (const auto& leg : position.legs) first = std::min(first, leg.expiry.value_or(first));
  return first;
}

void print_position(const api::Position& position) {
  fmt::print("{} as of {}, underlying {}, {}\n", position.symbol, core::to_iso(position.as_of),
             position.underlying_price.to_string(),
             position.strategy
                 ? fmt::format("{} x {}", position.units.value_or(1), *position.strategy)
                 : "a custom position");
  for (const auto& leg : position.legs) {
    fmt::print("  {:+} {}{} at {}{}\n", leg.quantity,
               leg.kind == api::LegKind::stock  ? "shares"
               : leg.kind == api::LegKind::call ? "call "
                                                : "put ",
               leg.strike ? fmt::format("{} {} {}", leg.strike->to_string(), *leg.trading_class,
                                        core::to_iso_date(*leg.expiry))
                          : "",
               leg.entry_price.to_string(),
               leg.implied_vol ? fmt::format(", IV {:.2f} %", 100 * *leg.implied_vol) : "");
  }
  fmt::print("\n{:<22}{}\n{:<22}{}\n{:<22}{:.2f}\n", "max profit", money(position.max_profit),
             "max loss", money(position.max_loss), "cost of options", position.option_cost);
  for (const auto& cost : position.entry_costs) {
    fmt::print("  {:<20}{}\n", fmt::format("at {:+.2f} of spread", cost.fill_position),
               cost.cost ? fmt::format("{:.2f}", *cost.cost) : "no price");
  }
  fmt::print("{:<22}{:.2f}\n{:<22}", "fees", position.fees, "breakevens");
  for (const double at : position.breakevens) fmt::print("{:.2f} ", at);
  if (position.model_dependent) fmt::print("\n  later legs are repriced by the model");
  fmt::print("\n");
  if (std::abs(position.early_exercise) >= 0.005) {
    fmt::print("{:<22}{:.2f} (part of expected profit)\n", "early exercise",
               position.early_exercise);
  }
  for (const auto& each : position.densities) {
    fmt::print(
        "{:<22}POP {:.1f} %, expected profit {:.2f}, 99 % within {:.2f} .. {:.2f} ({:.2f} at "
        "worst)\n",
        each.density.kind, 100 * each.pop, each.expected_profit, each.low_spot, each.high_spot,
        each.worst_likely_profit);
  }
  std::vector<std::pair<core::Date, double>> tails;
  for (const auto& each : position.densities) {
    if (each.density.mass_outside_quotes)
      tails.emplace_back(first_expiry(position), *each.density.mass_outside_quotes);
  }
  if (const auto note = tails_note(tails); !note.empty()) fmt::print("  {}", note);
  if (position.exit) {
    fmt::print("{:<22}target first {:.1f} %, stop first {:.1f} %, neither {:.1f} % ({})\n", "exit",
               100 * position.exit->target_first, 100 * position.exit->stop_first,
               100 * position.exit->neither, position.exit->path_model);
  }
  fmt::print("{:<22}delta {:.2f}, gamma {:.4f}, theta {:.2f}, vega {:.1f}, rho {:.1f}\n", "greeks",
             position.delta, position.gamma, position.theta, position.vega, position.rho);
  fmt::print("{:<22}worst loss {}", "margin", money(position.margin.worst_loss));
  for (const auto& rule : position.margin.rules) {
    fmt::print("; {} ({}) initial {:.2f}, maintenance {:.2f}{}", rule.rules,
               core::to_iso_date(rule.valid_from), rule.initial, rule.maintenance,
               rule.proven_minimal ? "" : " (not proven minimal)");
  }
  if (position.margin.stress) {
    fmt::print("; stress {:.2f} at {:+.0f} %", *position.margin.stress,
               100 * *position.margin.stress_worst_shift);
  }
  fmt::print("\n");
  for (const auto& each : position.returns) {
    if (!each.at_best) continue;
    fmt::print("{:<22}{:.2f} % at best{}{}\n", "return on " + each.denominator, 100 * *each.at_best,
               each.at_best_annualised
                   ? fmt::format(", {:.1f} % a year (simple)", 100 * *each.at_best_annualised)
                   : "",
               each.rules ? fmt::format(", of {} initial", *each.rules) : "");
  }
  if (position.liquidity && position.liquidity->spread_cost) {
    fmt::print("{:<22}{:.2f} from middle to market\n", "spread cost",
               *position.liquidity->spread_cost);
  }
  const auto& table = position.table;
  fmt::print("\n{:>12}", "price \\ days");
  for (const double days : table.days_forward) fmt::print("{:>12.1f}", days);
  fmt::print("\n");
  for (std::size_t at = 0; at < table.spots.size(); ++at) {
    fmt::print("{:>12.2f}", table.spots[at]);
    for (const auto& day : table.profit) fmt::print("{:>12.2f}", day[at]);
    fmt::print("\n");
  }
}

constexpr OptionName names[]{{"symbol", "--symbol", symbol_form},
                             {"legs", "--legs"},
                             {"rate", "--rate"},
                             {"trading_class", "--class"},
                             {"entry_price", "@PRICE"},
                             {"fill_position", "--fill"},
                             {"fee_per_contract", "--fee"},
                             {"profit_target", "--target"},
                             {"loss_limit", "--stop"},
                             {"days_forward", "--days"},
                             {"spots", "--spots"},
                             {"vol_shift", "--vol-shift"},
                             {"cash_secured", "--cash"}};
constexpr OptionName leg_names[]{{"quantity", "the count"},
                                 {"strike", "the strike"},
                                 {"entry_price", "the price after @"},
                                 {"trading_class", "--class", symbol_form}};

/// The request that was typed; wrong usage where it is none.
api::PositionRequest to_request(const AnalyzeOptions& options) {
  check_chain_options(options.source);
  auto request = options.request;
  for (const auto& text : options.legs) {
    auto leg = parse_position_leg(text);
    if (!leg) refuse("--legs", leg.error().message);
    if (!options.trading_class.empty() && leg->expiry && !leg->trading_class) {
      leg->trading_class = options.trading_class;
    }
    check_limits(net::check(*leg), leg_names, "--legs " + text);
    request.legs.push_back(*std::move(leg));
  }
  if (!options.days.empty() || !options.spots.empty() || options.vol_shift != 0.0) {
    request.table = api::TableSpec{options.days, options.spots, options.vol_shift};
  }
  check_limits(net::check(request), names);
  const bool symbol = !options.source.symbol.empty();
  check_limits(net::check(api::PositionQuery{symbol ? options.source.symbol : any_symbol, {}}),
               names);
  // The description has no limits for the items of a list.
  const auto negative = [](double value) { return value < 0.0; };
  if (std::ranges::any_of(options.days, negative)) refuse("--days", "must be zero or more");
  if (std::ranges::any_of(options.spots, negative)) refuse("--spots", "must be zero or more");
  return request;
}

Result<void> analyze(const std::string& env_file, const AnalyzeOptions& options,
                     const api::PositionRequest& request, const core::StopSignal& stop) {
  BF_TRY(const auto chain, load_chain(env_file, options.source, stop));
  Result<api::Position> answer = api::analyse_position(chain.snapshot, request, chain.told);
  BF_TRY(const auto position, answer_of(std::move(answer), names));
  if (options.json) {
    fmt::print("{}\n", net::to_json(position));
  } else {
    print_position(position);
  }
  return {};
}

}  // namespace

Result<api::PositionLeg> parse_position_leg(const std::string& text) {
  const auto bad = [&](std::string_view why) {
    return core::fail(
        Errc::invalid_input,
        fmt::format("'{}': {}; hint: buy:2026-01-16:600C, sell:2:2026-01-16:610P@1.25 "
                    "or buy:100:stock@590",
                    text, why));
  };
  api::PositionLeg leg{};
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != rest.npos) {
    const auto price = core::Price::parse(rest.substr(at + 1));
    if (!price) return bad("what follows @ is no price");
    leg.entry_price = *price;
    rest = rest.substr(0, at);
  }
  std::vector<std::string_view> parts;
  for (;;) {
    const auto colon = rest.find(':');
    parts.push_back(rest.substr(0, colon));
    if (colon == rest.npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (parts[0] != "buy" && parts[0] != "sell") return bad("it begins with neither buy nor sell");
  leg.quantity = parts[0] == "buy" ? 1 : -1;
  parts.erase(parts.begin());
  const bool stock = !parts.empty() && parts.back() == "stock";
  if (parts.size() == (stock ? 2u : 3u)) {
    std::int64_t count{};
    const auto [end, error] =
        std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), count);
    if (error != std::errc{} || end != parts[0].data() + parts[0].size() || count <= 0) {
      return bad("the count is no positive whole number");
    }
    leg.quantity *= count;
    parts.erase(parts.begin());
  }
  if (stock) {
    if (parts.size() != 1) return bad("stock has neither expiry nor strike");
    leg.kind = api::LegKind::stock;
    return leg;
  }
  if (parts.size() > 2) return bad("it has too many parts; legs are separated by blanks");
  if (parts.size() != 2 || parts[1].size() < 2) return bad("it has no expiry and strike");
  if (const auto slash = parts[0].find('/'); slash != parts[0].npos) {
    leg.trading_class = std::string{parts[0].substr(slash + 1)};
    parts[0] = parts[0].substr(0, slash);
  }
  const auto date = core::parse_date(parts[0]);
  const auto strike = core::Price::parse(parts[1].substr(0, parts[1].size() - 1));
  const char right = parts[1].back();
  if (!date) return bad(fmt::format("'{}' is no date", parts[0]));
  if (right != 'C' && right != 'P') return bad("the strike ends in neither C nor P");
  if (!strike)
    return bad(fmt::format("'{}' is no strike", parts[1].substr(0, parts[1].size() - 1)));
  leg.kind = right == 'C' ? api::LegKind::call : api::LegKind::put;
  leg.expiry = *date;
  leg.strike = *strike;
  return leg;
}

void add_analyze_command(CLI::App& app, const std::string& env_file, AnalyzeOptions& options,
                         const core::StopSignal& stop, std::function<Result<void>()>& work) {
  auto* verb = app.add_subcommand(
      "analyze", "one position: payoff, probabilities, margin, profit over dates and prices");
  verb->footer(help_text);
  add_chain_options(*verb, options.source);
  verb->add_option("--legs", options.legs, "sell:2019-06-21:2750P buy:100:stock@2859 ...")
      ->required();
  verb->add_option("--class", options.trading_class,
                   "trading class of the options, where a leg names none");
  verb->add_option("--fill", options.request.fill_position,
                   "0 in the middle of each spread, 1 (default) across it");
  verb->add_option("--fee", options.request.fee_per_contract,
                   "currency per contract, on entry; else 0");
  verb->add_flag("--cash", options.request.cash_secured,
                 "the strike of the put sold lies ready in cash");
  verb->add_option("--target", options.request.profit_target,
                   "how likely this profit comes before --stop, currency");
  verb->add_option("--stop", options.request.loss_limit, "loss limit, currency, positive");
  add_style_option(*verb, options.request.style);
  add_rate_option(*verb, options.request.rate);
  verb->add_option("--days", options.days, "dates of the table, calendar days from the snapshot");
  verb->add_option("--spots", options.spots, "prices of the table");
  verb->add_option("--vol-shift", options.vol_shift, "added to every volatility of the table");
  verb->add_flag("--json", options.json, "one JSON document on stdout");
  verb->callback([&] {
    work = [&, request = to_request(options)] { return analyze(env_file, options, request, stop); };
  });
}

}  // namespace bifrost
