// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bifrost/api/fits.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"

namespace CLI {
class App;
}

namespace bifrost {

/// Where a verb takes its chain from: an option file, or the history.
struct ChainSource {
  std::filesystem::path file;  // any layout that `bifrost import` reads; "-": standard input
  std::string symbol;          // of the history; of a file that holds several, which
  std::string at;              // day (New York) or instant; empty: the newest
};

/// --chain, --symbol and --at.
void add_chain_options(CLI::App& verb, ChainSource& source);

/// --style: when the options may be exercised; not given: by the underlying.
void add_style_option(CLI::App& verb, std::optional<api::ExerciseStyle>& style);

/// --rate: the riskless one; not given: as the chain says.
void add_rate_option(CLI::App& verb, std::optional<double>& rate);

/// A chain, and what the broker says of its underlying.
struct LoadedChain {
  core::ChainSnapshot snapshot;
  api::Told told = {};
};

/// Of expiries and how much of their density lies beyond the quoted strikes: a line that names
/// those where it is more than a tenth, or nothing. By as much may a probability of profit be off
/// for no other reason than the tails that were assumed.
std::string tails_note(const std::vector<std::pair<core::Date, double>>& mass_outside_quotes);

/// "1234.50", or "unlimited".
std::string money(std::optional<double> amount);

/// Refuses a source that names neither a file nor a symbol, and an --at that is no moment.
void check_chain_options(const ChainSource& source);

/// The newest snapshot that is not newer than `at`, all expiries. What a reader of it must know
/// (lines not taken, prices without a side) is told on stderr. A file of several underlyings
/// without saying which is wrong usage; not_found where there is no such snapshot, or no history on
/// this machine, which is not made.
core::Result<LoadedChain> load_chain(const std::string& env_file, const ChainSource& source,
                                     const core::StopSignal& stop);

}  // namespace bifrost
