// SPDX-License-Identifier: Apache-2.0
#include "fit_command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "bifrost/api/fits.hpp"
#include "bifrost/net/json.hpp"
#include "usage.hpp"

namespace bifrost {
namespace {

using core::Result;

constexpr const char* help_text =
    R"(Every expiry gets a density free of arbitrage, a mixture of lognormals, or the reason why
there is none. Columns: days to expiry, forward (put-call parity), volatility at the forward in
percent, root mean square error in volatility points and in spreads, share of quotes hit within
their spread, probability beyond the quoted strikes, and the 5, 50 and 95 % quantiles of the
settlement. --json has all parameters; volatilities there are decimal, years ACT/365F. Of each
component: weight (its probability), log_mean_over_forward (logarithm of its mean over the forward)
and deviation (of the settlement's logarithm).

  zcat spx.csv.gz | bifrost fit --chain - --json | jq '.expiries[] | {expiry, forward, quality}')";

double quantile(const api::ExpiryFit& fit, double p) {
  const auto found = std::ranges::find(fit.quantiles, p, &api::DensityQuantile::p);
  return found->spot;
}

void print_table(const api::Fit& fit) {
  fmt::print("{} as of {}, {} exercise\n", fit.symbol, core::to_iso(fit.as_of),
             fit.style == api::ExerciseStyle::european ? "european" : "american");
  fmt::print("{:<10} {:<6} {:>5} {:>10} {:>7} {:>7} {:>8} {:>7} {:>8} {:>10} {:>10} {:>10}\n",
             "expiry", "class", "days", "forward", "IV %", "err pt", "err spr", "hit %", "beyond %",
             "5 %", "50 %", "95 %");
  std::vector<std::pair<core::Date, double>> tails;
  for (const auto& expiry : fit.expiries) {
    fmt::print("{:<10} {:<6} {:>5} ", core::to_iso_date(expiry.expiry), expiry.trading_class,
               expiry.days_to_expiry);
    if (expiry.refusal) {
      fmt::print("no fit: {}\n", *expiry.refusal);
      continue;
    }
    const auto& quality = *expiry.quality;
    fmt::print(
        "{:>10.2f} {:>7.2f} {:>7.3f} {:>8.3f} {:>7.0f} {:>8.2f} {:>10.2f} {:>10.2f} {:>10.2f}\n",
        *expiry.forward, 100 * *expiry.atm_implied_vol, 100 * quality.rmse_vol,
        quality.rmse_spreads, 100 * quality.within_spread, 100 * quality.mass_outside_quotes,
        quantile(expiry, 0.05), quantile(expiry, 0.5), quantile(expiry, 0.95));
    tails.emplace_back(expiry.expiry, quality.mass_outside_quotes);
  }
  fmt::print("{}", tails_note(tails));
}

constexpr OptionName names[]{{"symbol", "--symbol", symbol_form}, {"rate", "--rate"}};

Result<void> fit(const std::string& env_file, const FitOptions& options,
                 const core::StopSignal& stop) {
  BF_TRY(const auto chain, load_chain(env_file, options.source, stop));
  const api::FitTerms terms{.style = options.style, .rate = options.rate, .told = chain.told};
  const auto fitted = api::fit_chain(chain.snapshot, terms);
  if (options.json) {
    fmt::print("{}\n", net::to_json(fitted));
  } else {
    print_table(fitted);
  }
  if (std::ranges::all_of(fitted.expiries, [](const auto& at) { return at.refusal.has_value(); })) {
    return core::fail(core::Errc::invalid_input, "no expiry of this chain could be fitted");
  }
  return {};
}

}  // namespace

void add_fit_command(CLI::App& app, const std::string& env_file, FitOptions& options,
                     const core::StopSignal& stop, std::function<Result<void>()>& work) {
  auto* verb = app.add_subcommand(
      "fit", "forward, smile, its quality and the implied density of every expiry of a chain");
  verb->footer(help_text);
  add_chain_options(*verb, options.source);
  add_style_option(*verb, options.style);
  add_rate_option(*verb, options.rate);
  verb->add_flag("--json", options.json, "one JSON document on stdout");
  verb->callback([&] {
    check_chain_options(options.source);
    api::FitQuery query{};
    query.symbol = options.source.symbol.empty() ? any_symbol : options.source.symbol;
    query.rate = options.rate;
    check_limits(net::check(query), names);
    work = [&] { return fit(env_file, options, stop); };
  });
}

}  // namespace bifrost
