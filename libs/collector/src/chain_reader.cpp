// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/chain_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "bifrost/core/log.hpp"

namespace bifrost::collector {

using core::Date;
using core::Deadline;
using core::Errc;
using core::Instant;
using core::Result;
using core::to_iso;
using core::to_iso_date;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
namespace log = core::log;

namespace {

constexpr auto price_patience = 10s;
constexpr auto positions_patience = 10s;

core::Source source_of(bool simulated, bool delayed) {
  if (simulated) return core::Source::simulated;
  return delayed ? core::Source::delayed : core::Source::live;
}

milliseconds until(Deadline end) {
  return std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
}

}  // namespace

struct ChainReader::Asked {
  std::size_t attempted = 0;
  std::size_t in_part = 0;
  std::string refusal;
  std::string stopped;  // why it ended before the time did
  bool delayed = false;
  std::size_t frozen = 0;  // of a closed market, whatever was asked for
};

ChainReader::ChainReader(ReaderOptions options, ib::Client& client, store::Listings& listings,
                         const core::Clock& clock)
    : options_(std::move(options)), client_(client), listings_(listings), clock_(clock) {}

const ib::Underlying* ChainReader::find(std::string_view underlying) const {
  const auto state = states_.find(underlying);
  return state != states_.end() && state->second.underlying ? &*state->second.underlying : nullptr;
}

core::ProductHours ChainReader::hours(std::string_view underlying) const {
  return options_.rules.of(underlying).hours;
}

void ChainReader::remember(const core::ChainSnapshot& snapshot) {
  auto& state = states_[snapshot.underlying];
  state.vols.learn(snapshot);
  if (snapshot.underlying_price) state.last_price = snapshot.underlying_price;
  if (state.universe.day() != Date{}) return;
  state.resume_day = core::exchange_time(snapshot.as_of).date;
  state.resume.clear();
  for (const auto& quote : snapshot.quotes) state.resume.push_back(quote.contract);
}

std::vector<std::size_t> ChainReader::turn_order(std::span<const std::string> underlyings) const {
  std::vector<std::optional<milliseconds>> needs;
  for (const auto& underlying : underlyings) {
    const auto state = states_.find(underlying);
    needs.push_back(state == states_.end() ? std::nullopt : state->second.need);
  }
  return collector::turn_order(needs);
}

bool ChainReader::over(Instant cycle, Deadline end) const {
  return std::chrono::steady_clock::now() >= end ||
         core::floor_to(clock_.now(), options_.interval) != cycle;
}

Pace ChainReader::pace_of(const State& state) const {
  const auto link = client_.link();
  return {.lines = link.lines_budget,
          .messages_per_second = link.messages_per_second,
          .dwell_p50 = state.dwell.p50(),
          .dwell_p95 = state.dwell.p95()};
}

void ChainReader::learn_positions(Instant cycle, Deadline end) {
  if (!options_.positions || held_in_ == cycle) return;
  held_in_ = cycle;
  const auto positions =
      client_.positions({.options_only = true}, std::min(core::after(positions_patience), end));
  if (!positions) {
    log::warning("positions not known, those of before are used: {}", positions.error().message);
    return;
  }
  held_.clear();
  held_series_.clear();
  for (const auto& position : *positions) {
    if (!position.option) continue;
    held_.insert(position.con_id);
    held_series_[position.symbol].insert({position.option->trading_class, position.option->expiry});
  }
}

store::CycleRecord ChainReader::read(const std::string& underlying, Instant cycle, Deadline end,
                                     std::stop_token stop) {
  store::CycleRecord record;
  record.snapshot.underlying = underlying;
  record.snapshot.as_of = cycle;
  record.interval = options_.interval;
  record.started_at = clock_.now();

  while (!client_.wait_ready(std::min(core::after(500ms), end))) {
    if (stop.stop_requested() || over(cycle, end)) {
      record.reason = fmt::format("gateway_unavailable: {}", client_.link().last_problem);
      return record;
    }
  }
  learn_positions(cycle, end);
  auto& state = states_[underlying];
  const Date day = core::exchange_time(cycle).date;
  if (const auto prepared = prepare(state, underlying, day, end, stop); !prepared) {
    record.reason = fmt::format("contracts_not_listed: {}", prepared.error().message);
    return record;
  }
  const auto rule = options_.rules.of(underlying);
  const auto needs_vol =
      rule.strikes.by == StrikeRule::By::sigma || rule.strikes.by == StrikeRule::By::delta;
  const auto spot =
      client_.underlying_quote(*state.underlying, {.volatilities = needs_vol && state.vols.empty()},
                               clock_, std::min(core::after(price_patience), end));
  bool delayed = false;
  if (spot) {
    state.last_price = spot->price;
    delayed = spot->delayed;
    // Yesterday's close serves to choose strikes; as the price of this moment it would be a lie.
    if (spot->from != ib::PriceFrom::close) record.snapshot.underlying_price = spot->price;
    if (spot->implied_vol_30d) state.vols.set_implied_vol_30d(spot->implied_vol_30d);
  } else {
    log::warning("{} {}: no price of the underlying: {}", underlying, to_iso(cycle),
                 spot.error().message);
  }

  const auto all = wanted(state, underlying, day);
  const auto by_rule = choose_series(rule.expiries, state.offered, day);
  std::vector<Series> held_only;
  std::ranges::copy_if(all, std::back_inserter(held_only), [&](const Series& series) {
    return std::ranges::find(by_rule, series) == by_rule.end();
  });
  const auto choice = state.universe.choose(rule, {.cycle = cycle,
                                                   .interval = options_.interval,
                                                   .spot = state.last_price,
                                                   .vols = state.vols,
                                                   .held = held_,
                                                   .held_only = held_only});
  record.expected = static_cast<std::int64_t>(choice.candidates.size());
  if (choice.changed) {
    if (choice.fell_back) {
      log::warning("{} {}: no volatility known, so strikes are chosen by the default window",
                   underlying, to_iso(cycle));
    }
    state.versions.push_back({.day = day,
                              .as_of = cycle,
                              .rule = to_string(rule),
                              .listed = static_cast<std::int64_t>(state.universe.size()),
                              .chosen = record.expected,
                              .added = static_cast<std::int64_t>(choice.added),
                              .removed = static_cast<std::int64_t>(choice.removed),
                              .fell_back = choice.fell_back});
  }
  const auto pace = pace_of(state);
  const auto plan = plan_cycle(choice.candidates, pace, until(end));
  state.need.reset();
  if (const auto rate = contracts_per_second(pace)) {
    state.need = milliseconds{static_cast<milliseconds::rep>(
        1000.0 * static_cast<double>(choice.candidates.size()) / *rate)};
  }
  const auto statement = fmt::format(
      "{} {}: asks for {} of {} contracts{}, {} s left{}", underlying, to_iso(cycle), plan.planned,
      choice.candidates.size(),
      plan.expected
          ? fmt::format(" in {:.1f} s", std::chrono::duration<double>(*plan.expected).count())
          : std::string{},
      until(end).count() / 1000,
      plan.every > 1 ? fmt::format("; each at least every {} cycles", plan.every) : std::string{});
  if (plan.every > 1 || choice.changed) {
    log::info("{}", statement);
  } else {
    log::debug("{}", statement);
  }

  const auto asked = ask(state, choice, plan, cycle, end, stop, record);
  record.snapshot.source = source_of(client_.link().simulated, delayed || asked.delayed);

  std::vector<std::string> reasons;
  const auto unlisted = std::ranges::count_if(
      all, [&](const Series& series) { return !state.known.contains(series); });
  if (choice.candidates.empty() && unlisted == 0)
    reasons.emplace_back("no_contracts: no contract is listed inside the limits");
  if (unlisted > 0)
    reasons.push_back(fmt::format("expiries_not_listed: {} expiries not listed yet", unlisted));
  const auto left = choice.candidates.size() - asked.attempted;
  if (!asked.stopped.empty()) reasons.push_back(fmt::format("stopped: {}", asked.stopped));
  if (left > 0 && asked.stopped.empty())
    reasons.push_back(out_of_budget(left, choice.candidates.size(), plan.every));
  const auto received = static_cast<std::int64_t>(record.snapshot.quotes.size());
  if (received + record.refused + static_cast<std::int64_t>(left) < record.expected ||
      (left > 0 && !asked.stopped.empty())) {
    reasons.push_back(
        fmt::format("answers_missing: {} of {} contracts answered", received, record.expected));
  }
  if (asked.in_part > 0)
    reasons.push_back(fmt::format("answered_in_part: {} answered only in part", asked.in_part));
  if (asked.frozen > 0)
    reasons.push_back(fmt::format("frozen: {} quotes of a closed market", asked.frozen));
  if (record.refused > 0)
    reasons.push_back(fmt::format("refused: {} refused: {}", record.refused, asked.refusal));
  record.reason = fmt::format("{}", fmt::join(reasons, "; "));
  if (!reasons.empty()) record.status = store::RunStatus::partial;
  return record;
}

ChainReader::Asked ChainReader::ask(State& state, const Universe::Choice& choice, const Plan& plan,
                                    Instant cycle, Deadline end, std::stop_token stop,
                                    store::CycleRecord& record) {
  Asked asked;
  const auto total = choice.candidates.size();
  const auto chunk = static_cast<std::size_t>(options_.chunk);
  std::mutex mutex;      // of all that follows, while there are two lanes
  std::size_t next = 0;  // into plan.order
  bool ended = false;

  const auto take = [&](std::span<const std::size_t> members,
                        std::span<const ib::ListedOption> batch, const ib::CollectReport& report,
                        bool cut) {
    state.dwell.add(report.dwell_p50, report.dwell_p95);
    asked.in_part += report.partial;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto& collected = report.quotes[i];
      const bool reached = collected.completeness != ib::Completeness::not_reached;
      // Where nothing was cut short, even one that stayed silent has had its turn.
      if (reached || !cut) {
        ++asked.attempted;
        state.universe.asked(members[i], cycle);
      }
      if (collected.completeness == ib::Completeness::refused) {
        ++record.refused;
        if (collected.refusal && collected.refusal->code == Errc::not_found) {
          state.universe.withdraw(members[i]);
          state.unknown.push_back(batch[i].con_id);
        }
        if (asked.refusal.empty() && collected.refusal) asked.refusal = collected.refusal->reason;
      } else if (reached) {
        record.snapshot.quotes.push_back(collected.option);
        asked.delayed = asked.delayed || collected.delayed;
        if (collected.frozen) ++asked.frozen;
      }
    }
    if (report.stopped && asked.stopped.empty()) asked.stopped = *report.stopped;
  };
  // Beyond what was planned, too, while time lasts: the plan is an estimate.
  const auto lane = [&] {
    std::vector<ib::ListedOption> batch;
    for (;;) {
      std::span<const std::size_t> members;
      {
        const std::lock_guard lock{mutex};
        if (ended || next >= total) return;
        members = std::span{plan.order}.subspan(next, std::min(chunk, total - next));
        next += members.size();
        batch.clear();
        for (const auto member : members) batch.push_back(state.universe.member(member).option);
      }
      const auto report = client_.quotes(batch, {}, clock_, end);
      const std::lock_guard lock{mutex};
      if (report) {
        take(members, batch, *report, report->stopped || std::chrono::steady_clock::now() >= end);
      } else if (asked.stopped.empty()) {
        asked.stopped = report.error().message;
      }
      if (stop.stop_requested() && asked.stopped.empty())
        asked.stopped = "the collector was stopped";
      ended = ended || !asked.stopped.empty() || over(cycle, end);
    }
  };
  // Two at a time, so that lines and messages are not left idle while the last contracts of a chunk
  // take their time.
  {
    std::optional<std::jthread> second;
    if (total > chunk) second.emplace(lane);
    lane();
  }
  std::ranges::sort(record.snapshot.quotes, {}, &core::OptionQuote::contract);
  return asked;
}

void ChainReader::tend(std::span<const std::string> underlyings, Instant cycle, Deadline end,
                       std::stop_token stop) {
  const Date day = core::exchange_time(cycle).date;
  for (const auto& underlying : underlyings) {
    const auto state = states_.find(underlying);
    if (state != states_.end() && !save(state->second, underlying)) return;
  }
  for (bool more = true; more;) {
    more = false;
    for (const auto& underlying : underlyings) {
      if (stop.stop_requested() || over(cycle, end) || !client_.wait_ready(core::after(0ms)))
        return;
      more = tend_once(underlying, day, end) || more;
    }
  }
}

}  // namespace bifrost::collector
