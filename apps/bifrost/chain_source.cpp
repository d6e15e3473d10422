// SPDX-License-Identifier: Apache-2.0
#include "chain_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "bifrost/core/chain_file.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/listings.hpp"
#include "history_commands.hpp"
#include "progress.hpp"
#include "usage.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

using core::Errc;
using core::Result;
using namespace std::chrono_literals;

/// One pass over the file, in which only the newest snapshot that qualifies is kept.
Result<core::ChainSnapshot> read_file(const ChainSource& source, std::optional<core::Instant> until,
                                      const core::StopSignal& stop) {
  core::ChainFileOptions how;
  how.underlying = source.symbol;
  const auto file = source.file == "-" ? std::filesystem::path{"/dev/stdin"} : source.file;
  BF_TRY(auto reader, core::ChainFileReader::open(file, how));
  Progress step{fmt::format("read {}", file.filename().string())};
  std::set<std::string> symbols;
  std::optional<core::ChainSnapshot> found;
  std::size_t locked = 0;
  bool prices_differ = false;  // each expiry with its own future's, for instance
  std::size_t rejected = 0;
  std::string first_reject;
  for (std::size_t rows = 0;; ++rows) {
    if (rows % 4096 == 0) {
      if (stop.token().stop_requested()) return core::fail(Errc::cancelled, "interrupted");
      step.update(reader.progress(), fmt::format("{} rows", rows));
    }
    BF_TRY(auto item, reader.next());
    if (!item) break;
    if (const auto* reject = std::get_if<core::ChainFileReject>(&*item)) {
      if (++rejected == 1) first_reject = fmt::format("line {}: {}", reject->line, reject->reason);
      continue;
    }
    auto& row = std::get<core::ChainFileRow>(*item);
    symbols.insert(row.contract.underlying);
    if (!source.symbol.empty() && row.contract.underlying != source.symbol) continue;
    if (until && row.quote_ts > *until) continue;
    if (!found || row.quote_ts > found->as_of) {
      found.emplace();
      found->underlying = row.contract.underlying;
      found->as_of = row.quote_ts;
      found->source = core::Source::imported;
      locked = 0;
      prices_differ = false;
    }
    if (row.quote_ts < found->as_of) continue;
    if (found->quotes.empty()) {
      found->underlying_price = row.underlying_price;
    } else if (row.underlying_price != found->underlying_price) {
      prices_differ = true;
    }
    core::OptionQuote option{std::move(row.contract), row.quote};
    if (row.mid && !option.quote.bid && !option.quote.ask) {
      option.quote.bid = core::Price::from_double(*row.mid);
      option.quote.ask = option.quote.bid;
      ++locked;
    }
    found->quotes.push_back(std::move(option));
  }
  if (source.symbol.empty() && symbols.size() > 1) {
    refuse("--symbol", fmt::format("must name one of the underlyings in {}: {}", file.string(),
                                   fmt::join(symbols, ", ")));
  }
  const auto rejects = rejected == 0
                           ? std::string{}
                           : fmt::format("{} lines were not taken; {}", rejected, first_reject);
  if (!found) {
    return core::fail(Errc::not_found,
                      fmt::format("{} holds no snapshot{}{}{}{}", file.string(),
                                  source.symbol.empty() ? "" : " of " + source.symbol,
                                  until ? " up to " + core::to_iso(*until) : "",
                                  rejects.empty() ? "" : ": ", rejects));
  }
  step.done(fmt::format("{} contracts of {} as of {}", found->quotes.size(), found->underlying,
                        core::to_iso(found->as_of)));
  if (prices_differ) {
    found->underlying_price.reset();
    fmt::print(
        stderr,
        "  the rows name several prices of the underlying, so none is used; options that may "
        "be exercised early need one (--style european otherwise)\n");
  }
  if (!rejects.empty()) fmt::print(stderr, "  {}\n", rejects);
  if (locked > 0) {
    fmt::print(stderr, "  {} contracts have one price only, taken as both bid and ask\n", locked);
  }
  return *std::move(found);
}

}  // namespace

void add_rate_option(CLI::App& verb, std::optional<double>& rate) {
  verb.add_option(
      "--rate", rate,
      "annual, continuously compounded, as 0.045; else as put-call parity says, and for "
      "options that may be exercised early as if no dividend were paid");
}

void add_style_option(CLI::App& verb, std::optional<api::ExerciseStyle>& style) {
  verb.add_option_function<std::string>(
          "--style",
          [&style](const std::string& text) {
            style =
                text == "european" ? api::ExerciseStyle::european : api::ExerciseStyle::american;
          },
          "exercise; else by the underlying")
      ->check(CLI::IsMember({"european", "american"}));
}

std::string tails_note(const std::vector<std::pair<core::Date, double>>& mass_outside_quotes) {
  constexpr double worth_a_note = 0.1;
  std::vector<std::string> named;
  for (const auto& [expiry, mass] : mass_outside_quotes) {
    if (mass > worth_a_note)
      named.push_back(fmt::format("{}: {:.0f} %", core::to_iso_date(expiry), 100 * mass));
  }
  if (named.empty()) return {};
  return fmt::format("much of the probability lies beyond the quoted strikes, assumed ({})\n",
                     fmt::join(named, ", "));
}

std::string money(std::optional<double> amount) {
  return amount ? fmt::format("{:.2f}", *amount) : "unlimited";
}

void add_chain_options(CLI::App& verb, ChainSource& source) {
  verb.add_option(
      "--chain", source.file,
      "option file (CSV or CSV.GZ, any layout that import reads); - for standard input");
  verb.add_option("--symbol", source.symbol,
                  "underlying: of the history, or which one of a file that holds several");
  verb.add_option("--at", source.at,
                  "the chain as it stood on this day (New York) or instant (UTC); else the newest");
}

void check_chain_options(const ChainSource& source) {
  if (source.file.empty() && source.symbol.empty()) {
    throw CLI::RequiredError("--chain FILE or --symbol S");
  }
  if (source.at.empty()) return;
  if (const auto until = parse_moment(source.at, true); !until) {
    refuse("--at", until.error().message);
  }
}

Result<LoadedChain> load_chain(const std::string& env_file, const ChainSource& source,
                               const core::StopSignal& stop) {
  std::optional<core::Instant> until;
  if (!source.at.empty()) {
    BF_TRY(until, parse_moment(source.at, true));
  }
  if (!source.file.empty()) {
    BF_TRY(auto read, read_file(source, until, stop));
    return LoadedChain{std::move(read)};
  }
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  BF_CHECK(place.database->check_schema(core::after(30s)));
  store::History history{*place.database};
  auto found = history.chain(source.symbol, {until, std::nullopt, std::nullopt}, core::after(30s));
  if (!found && found.error().code == Errc::not_found) {
    return core::fail(Errc::not_found,
                      fmt::format("{}; {}", found.error().message, ways_to_history));
  }
  BF_TRY(auto stored, std::move(found));
  if (stored.run.status != store::RunStatus::complete) {
    fmt::print(stderr, "  the snapshot of {} is {}: {}\n", core::to_iso(stored.snapshot.as_of),
               store::to_string(stored.run.status), stored.run.reason);
  }
  BF_TRY(const auto types, store::Listings{*place.database}.sec_types(core::after(30s)));
  const auto type = types.find(source.symbol);
  return LoadedChain{std::move(stored.snapshot),
                     type == types.end() ? api::Told{} : api::told_by(type->second)};
}

}  // namespace bifrost
