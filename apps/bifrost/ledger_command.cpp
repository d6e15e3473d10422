// SPDX-License-Identifier: Apache-2.0
#include "ledger_command.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <vector>

#include "bifrost/collector/ledger.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/contract.hpp"
#include "bifrost/net/json.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

using core::Errc;
using core::Instant;
using core::Result;
using namespace std::chrono_literals;

struct ReasonCount {
  std::string reason;
  std::int64_t cycles;
};
BF_DESCRIBE(ReasonCount, "How many cycles have this reason code.", (reason), (cycles))

struct LedgerOfUnderlying {
  std::string underlying;
  std::int64_t scheduled;
  std::int64_t complete;
  std::int64_t partial;
  std::int64_t missed;
  std::int64_t open;
  std::int64_t unaccounted;
  std::int64_t unscheduled;
  std::vector<ReasonCount> partial_by_reason;
  std::vector<ReasonCount> missed_by_reason;
  std::vector<Instant> unaccounted_cycles;
};
BF_DESCRIBE(LedgerOfUnderlying,
            "What became of the scheduled cycles: scheduled is the sum of complete, partial, "
            "missed, open (its time is not over) and unaccounted.",
            (underlying), (scheduled), (complete), (partial), (missed), (open), (unaccounted),
            (unscheduled), (partial_by_reason), (missed_by_reason), (unaccounted_cycles))

struct Ledger {
  std::vector<LedgerOfUnderlying> underlyings;
};
BF_DESCRIBE(Ledger, "The ledger of every underlying asked for.", (underlyings))

/// A New York day, or an instant.
Result<std::optional<Instant>> parse_moment(const std::string& text, const char* option,
                                            std::chrono::days behind) {
  if (text.empty()) return std::nullopt;
  if (const auto day = core::parse_date(text)) return core::from_exchange_time(*day + behind, 0s);
  if (const auto instant = core::parse_instant(text)) return *instant;
  return core::fail(Errc::invalid_input,
                    fmt::format("{} {}: neither a day (2026-11-24) nor an instant "
                                "(2026-11-24T14:35:00Z)",
                                option, text));
}

std::vector<ReasonCount> counts(const std::map<std::string, std::int64_t, std::less<>>& by_reason) {
  std::vector<ReasonCount> found;
  for (const auto& [reason, cycles] : by_reason) found.push_back({reason, cycles});
  return found;
}

void print(const LedgerOfUnderlying& ledger) {
  fmt::print("{}: {} scheduled = {} complete + {} partial + {} missed", ledger.underlying,
             ledger.scheduled, ledger.complete, ledger.partial, ledger.missed);
  if (ledger.open > 0) fmt::print(" + {} open", ledger.open);
  fmt::print(" + {} unaccounted\n", ledger.unaccounted);
  for (const auto& [reason, cycles] : ledger.partial_by_reason)
    fmt::print("  partial {:>8}  {}\n", cycles, reason);
  for (const auto& [reason, cycles] : ledger.missed_by_reason)
    fmt::print("  missed  {:>8}  {}\n", cycles, reason);
  for (const auto cycle : ledger.unaccounted_cycles)
    fmt::print("  unaccounted      {}\n", core::to_iso(cycle));
  if (ledger.unscheduled > 0) {
    fmt::print("  beside these {} snapshots that nothing scheduled (imports, demonstrations)\n",
               ledger.unscheduled);
  }
}

}  // namespace

Result<void> show_ledger(const std::string& env_file, const LedgerOptions& options) {
  BF_TRY(const auto from, parse_moment(options.from, "--from", std::chrono::days{0}));
  BF_TRY(const auto to, parse_moment(options.to, "--to", std::chrono::days{1}));
  if (!options.symbol.empty() && !core::is_symbol(options.symbol))
    return core::fail(Errc::invalid_input, "--symbol: not a symbol");
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  BF_CHECK(place.database->check_schema(core::after(30s)));
  store::History history{*place.database};
  std::vector<std::string> symbols{options.symbol};
  if (options.symbol.empty()) {
    BF_TRY(symbols, store::scheduled_ever(*place.database, core::after(30s)));
  }
  const auto now = core::SystemClock{}.now();
  Ledger ledger;
  std::int64_t unaccounted = 0;
  for (const auto& symbol : symbols) {
    BF_TRY(const auto found, collector::load_ledger(*place.database, history, symbol, from, to, now,
                                                    core::after(120s)));
    unaccounted += found.unaccounted;
    ledger.underlyings.push_back({symbol, found.scheduled, found.complete, found.partial,
                                  found.missed, found.open, found.unaccounted, found.unscheduled,
                                  counts(found.partial_by_reason), counts(found.missed_by_reason),
                                  found.unaccounted_cycles});
  }
  if (options.json) {
    fmt::print("{}\n", net::to_json(ledger));
  } else {
    for (const auto& each : ledger.underlyings) print(each);
    if (ledger.underlyings.empty()) fmt::print("nothing was ever scheduled\n");
  }
  if (unaccounted == 0) return {};
  return core::fail(Errc::corrupt_data,
                    fmt::format("{} cycles are unaccounted for; hint: a collector that runs enters "
                                "them, and cycles in a spool count once they are written",
                                unaccounted));
}

}  // namespace bifrost
