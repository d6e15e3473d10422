// SPDX-License-Identifier: Apache-2.0
// The part of ChainReader that knows what the broker lists, and keeps it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bifrost/collector/chain_reader.hpp"
#include "bifrost/core/log.hpp"

namespace bifrost::collector {

using core::Date;
using core::Deadline;
using core::Errc;
using core::Result;
using core::to_iso_date;
using namespace std::chrono_literals;
namespace log = core::log;

namespace {

constexpr auto discovery_patience = 60s;
constexpr auto store_patience = 5s;
constexpr std::size_t versions_kept = 200;  // while the history is away

/// The same for the same strikes on every machine (FNV-1a).
std::int64_t hash_of(std::span<const core::Price> strikes) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const auto strike : strikes) {
    auto units = static_cast<std::uint64_t>(strike.units());
    for (int byte = 0; byte < 8; ++byte, units >>= 8U) {
      hash ^= units & 0xffU;
      hash *= 1099511628211ULL;
    }
  }
  return static_cast<std::int64_t>(hash);
}

Deadline limited(Deadline end) {
  return std::min(core::after(discovery_patience), end);
}

}  // namespace

/// The day's contracts as far as they are known; what time did not suffice for is listed in a later
/// cycle.
Result<void> ChainReader::prepare(State& state, const std::string& underlying, Date day,
                                  Deadline end, std::stop_token stop) {
  begin_day(state, underlying, day);
  if (!state.loaded && state.offered_on == Date{}) load(state, underlying, day, end);
  if (!state.underlying) {
    BF_TRY(state.underlying, client_.underlying(underlying, limited(end)));
  }
  if (state.offered_on != day) {
    if (const auto looked = look_at_offer(state, day, end); !looked) {
      if (state.known.empty()) return looked;
      log::warning("{}: the offer of {} is not known yet, yesterday's is used: {}", underlying,
                   to_iso_date(day), looked.error().message);
    }
  }
  const auto all = wanted(state, underlying, day);
  std::erase_if(state.known, [&](const auto& entry) {
    if (std::ranges::binary_search(all, entry.first, [](const Series& a, const Series& b) {
          return std::tie(a.filed, a.trading_class) < std::tie(b.filed, b.trading_class);
        })) {
      return false;
    }
    state.universe.remove(entry.first);
    return true;
  });
  // Half of the time belongs to the quotes, once there is something to quote.
  const auto now = std::chrono::steady_clock::now();
  const Deadline half = now + (end - now) / 2;
  for (const auto& series : to_list(state, all)) {
    const auto limit = state.universe.size() > 0 ? half : end;
    if (stop.stop_requested() || std::chrono::steady_clock::now() >= limit) break;
    if (const auto listed = list(state, underlying, series, day, limit); !listed) {
      log::warning("{}: {} of {} not listed: {}", underlying, series.trading_class,
                   to_iso_date(series.filed), listed.error().message);
      break;
    }
  }
  for (const auto& contract : std::exchange(state.resume, {})) {
    if (state.resume_day == day) state.universe.keep(contract);
  }
  if (state.universe.size() == 0 && !all.empty()) {
    return core::fail(Errc::unavailable,
                      fmt::format("none of {} expiries could be listed yet", all.size()));
  }
  return {};
}

void ChainReader::begin_day(State& state, const std::string& underlying, Date day) {
  if (state.universe.day() == day) return;
  state.universe.begin_day(day);
  state.vols.forget_before(day);
  log::debug("{}: {} begins with {} contracts known", underlying, to_iso_date(day),
             state.universe.size());
}

void ChainReader::load(State& state, const std::string& underlying, Date day, Deadline end) {
  auto stored = listings_.load(underlying, day, std::min(core::after(store_patience), end));
  if (!stored) {
    log::warning("{}: the listings kept are not known: {}", underlying, stored.error().message);
    return;
  }
  state.loaded = true;
  if (!*stored || (*stored)->underlying.simulated != client_.link().simulated) return;
  const auto& kept = (*stored)->underlying;
  state.underlying = ib::Underlying{.symbol = underlying,
                                    .sec_type = kept.sec_type,
                                    .exchange = kept.exchange,
                                    .currency = kept.currency,
                                    .long_name = kept.long_name,
                                    .con_id = kept.con_id,
                                    .min_tick = kept.min_tick};
  state.offered_on = (*stored)->offered_on;
  state.offered_at = (*stored)->offered_at;
  for (const auto& series : (*stored)->series)
    state.offered.push_back({series.trading_class, series.filed});
  const auto all = wanted(state, underlying, day);
  std::size_t contracts = 0;
  for (const auto& series : (*stored)->series) {
    const Series name{series.trading_class, series.filed};
    if (!series.listed_on || std::ranges::find(all, name) == all.end()) continue;
    std::vector<ib::ListedOption> options;
    for (const auto& listed : series.contracts) {
      options.push_back({.contract = listed.contract,
                         .con_id = listed.con_id,
                         .exchange = listed.exchange,
                         .currency = listed.currency,
                         .last_trade_date = listed.last_trade_date});
    }
    state.universe.list(name, options);
    for (const auto& listed : series.contracts) {
      if (listed.unknown_on == day) state.universe.withdraw(listed.contract);
    }
    state.known[name] = {*series.listed_on, {}, series.strikes_hash, true};
    contracts += series.contracts.size();
  }
  log::info("{}: {} contracts known from before, offered on {}", underlying, contracts,
            to_iso_date(state.offered_on));
}

Result<void> ChainReader::look_at_offer(State& state, Date day, Deadline end) {
  BF_TRY(const auto parameters, client_.option_parameters(*state.underlying, limited(end)));
  // One class is listed on many exchanges with the same contracts; SMART stands for all where it is
  // offered.
  const bool smart =
      std::ranges::any_of(parameters, [](const auto& p) { return p.exchange == "SMART"; });
  std::set<Series> offered;
  std::map<std::string, std::set<core::Price>> strikes;
  for (const auto& one : parameters) {
    if (smart && one.exchange != "SMART") continue;
    for (const Date filed : one.expiries) {
      if (filed >= day) offered.insert({one.trading_class, filed});
    }
    strikes[one.trading_class].insert(one.strikes.begin(), one.strikes.end());
  }
  state.offered.assign(offered.begin(), offered.end());
  state.strikes_hash.clear();
  for (const auto& [trading_class, all] : strikes)
    state.strikes_hash[trading_class] = hash_of(std::vector<core::Price>(all.begin(), all.end()));
  state.offered_on = day;
  state.offered_at = clock_.now();
  state.offer_saved = false;
  return {};
}

std::vector<Series> ChainReader::wanted(const State& state, const std::string& underlying,
                                        Date day) const {
  auto all = choose_series(options_.rules.of(underlying).expiries, state.offered, day);
  const auto held = held_series_.find(underlying);
  if (held == held_series_.end()) return all;
  for (const auto& series : held->second) {
    if (std::ranges::find(state.offered, series) != state.offered.end() && series.filed >= day)
      all.push_back(series);
  }
  return choose_series({.to_days = {}, .count = {}}, std::move(all), day);
}

/// Those never listed, then those whose class has other strikes than when they were; each nearest
/// first.
std::vector<Series> ChainReader::to_list(const State& state, std::span<const Series> wanted) const {
  std::vector<Series> order;
  for (const auto& series : wanted) {
    if (!state.known.contains(series)) order.push_back(series);
  }
  for (const auto& series : wanted) {
    const auto known = state.known.find(series);
    const auto hash = state.strikes_hash.find(series.trading_class);
    if (known != state.known.end() && hash != state.strikes_hash.end() &&
        known->second.strikes_hash != hash->second) {
      order.push_back(series);
    }
  }
  return order;
}

Result<void> ChainReader::list(State& state, const std::string& underlying, const Series& series,
                               Date day, Deadline end) {
  BF_TRY(const auto options, client_.listed_options(*state.underlying, series.trading_class,
                                                    series.filed, limited(end)));
  if (options.empty() && state.known.contains(series)) {
    log::warning("{}: the broker lists no contract of {} {} any more", underlying,
                 series.trading_class, to_iso_date(series.filed));
  }
  state.universe.list(series, options);
  const auto hash = state.strikes_hash.find(series.trading_class);
  state.known[series] = {day, clock_.now(), hash == state.strikes_hash.end() ? 0 : hash->second,
                         false};
  return {};
}

/// One request, if there is one to make.
bool ChainReader::tend_once(const std::string& underlying, Date day, Deadline end) {
  const auto found = states_.find(underlying);
  if (found == states_.end()) return false;
  auto& state = found->second;
  if (!state.underlying || state.universe.day() != day) return false;
  const auto all = wanted(state, underlying, day);
  auto order = to_list(state, all);
  if (order.empty()) {
    if (clock_.now() - state.offered_at >= options_.offer_every) {
      if (const auto looked = look_at_offer(state, day, end); !looked) {
        log::warning("{}: the offer could not be looked at: {}", underlying,
                     looked.error().message);
        return false;
      }
      return save(state, underlying);
    }
    for (const auto& series : all) {
      if (const auto known = state.known.find(series);
          known != state.known.end() && known->second.listed_on != day) {
        order.push_back(series);
        break;
      }
    }
  }
  if (order.empty()) return false;
  const auto& series = order.front();
  if (const auto listed = list(state, underlying, series, day, end); !listed) {
    log::warning("{}: {} of {} not listed: {}", underlying, series.trading_class,
                 to_iso_date(series.filed), listed.error().message);
    return false;
  }
  return save(state, underlying);
}

/// What could not be saved is tried again the next time; false then.
bool ChainReader::save(State& state, const std::string& underlying) {
  if (!state.underlying) return true;
  const auto failed = [&](const core::Error& error) {
    log::warning("{}: listings not saved yet: {}", underlying, error.message);
    return false;
  };
  if (!state.offer_saved) {
    const auto& u = *state.underlying;
    std::vector<store::ListedSeries> offered;
    for (const auto& series : state.offered)
      offered.push_back({series.trading_class, series.filed});
    const auto saved = listings_.save_offer(underlying,
                                            {client_.link().simulated, u.con_id, u.sec_type,
                                             u.exchange, u.currency, u.long_name, u.min_tick},
                                            state.offered_on, state.offered_at, offered,
                                            core::after(store_patience));
    if (!saved) return failed(saved.error());
    state.offer_saved = true;
  }
  for (auto& [series, known] : state.known) {
    if (known.saved) continue;
    store::ListedSeries listed{series.trading_class, series.filed, known.listed_on,
                               known.strikes_hash};
    for (std::size_t i = 0; i < state.universe.size(); ++i) {
      const auto& member = state.universe.member(i);
      if (member.series != series) continue;
      const auto& option = member.option;
      listed.contracts.push_back({.contract = option.contract,
                                  .con_id = option.con_id,
                                  .exchange = option.exchange,
                                  .currency = option.currency,
                                  .last_trade_date = option.last_trade_date});
    }
    const auto saved =
        listings_.save_series(underlying, listed, known.listed_at, core::after(store_patience));
    if (!saved && saved.error().code != Errc::not_found) return failed(saved.error());
    // Not in the newest offer any more: the next one that names it lists it anew.
    known.saved = true;
  }
  if (!state.unknown.empty()) {
    const auto saved = listings_.save_unknown(underlying, state.universe.day(), state.unknown,
                                              core::after(store_patience));
    if (!saved) return failed(saved.error());
    log::warning("{}: {} contracts that the broker does not know are not asked for again today",
                 underlying, state.unknown.size());
    state.unknown.clear();
  }
  while (!state.versions.empty()) {
    const auto added =
        listings_.add_version(underlying, state.versions.front(), core::after(store_patience));
    if (!added) {
      if (state.versions.size() > versions_kept) state.versions.erase(state.versions.begin());
      return failed(added.error());
    }
    state.versions.erase(state.versions.begin());
  }
  return true;
}

}  // namespace bifrost::collector
