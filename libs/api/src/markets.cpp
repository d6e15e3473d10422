// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/markets.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bifrost::api {

using core::Errc;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s;
constexpr int searched = 50'000;  // changes looked through for alerts

store::ChangeKind to_stored(ChangeKind kind) {
  return static_cast<store::ChangeKind>(static_cast<int>(kind) + 1);
}
ChangeKind from_stored(store::ChangeKind kind) {
  return static_cast<ChangeKind>(static_cast<int>(kind) - 1);
}
static_assert(static_cast<int>(ChangeKind::price_move) + 1 ==
              static_cast<int>(store::ChangeKind::price_move));
static_assert(static_cast<int>(ChangeKind::suspect_greeks) + 1 ==
              static_cast<int>(store::ChangeKind::suspect_greeks));

}  // namespace

Result<MarketConditions> read_market_conditions(store::History& history, const core::Clock& clock,
                                                const MarketConditionsQuery& query) {
  const auto deadline = core::after(patience);
  BF_TRY(const auto run, history.last_snapshot(query.symbol, query.at, deadline));
  if (!run || !run->source) {
    return core::fail(Errc::not_found, fmt::format("no snapshot of {}", query.symbol));
  }
  BF_TRY(const auto stored,
         history.market_conditions(query.symbol, run->as_of, run->as_of, deadline));
  if (stored.empty()) {
    return core::fail(Errc::not_found, fmt::format("the snapshot of {} at {} has no conditions",
                                                   query.symbol, core::to_iso(run->as_of)));
  }
  const auto& c = stored.front().conditions;
  MarketConditions reply;
  reply.symbol = query.symbol;
  reply.as_of = run->as_of;
  reply.age_seconds = std::max<std::int64_t>(
      0, std::chrono::floor<std::chrono::seconds>(clock.now() - run->as_of).count());
  reply.source = *run->source;
  reply.underlying_price = run->underlying_price;
  reply.implied_vol_30d = c.implied_vol_30d;
  reply.implied_vol_60d = c.implied_vol_60d;
  reply.term_slope = c.term_slope;
  reply.skew_25_delta = c.skew_25_delta;
  reply.historical_vol_20d = c.historical_vol_20d;
  reply.historical_vol_30d = c.historical_vol_30d;
  reply.historical_vol_source = c.historical_vol_source;
  reply.put_volume = c.put_volume;
  reply.call_volume = c.call_volume;
  reply.put_call_volume_ratio = c.put_call_volume_ratio;
  reply.put_open_interest = c.put_open_interest;
  reply.call_open_interest = c.call_open_interest;
  reply.put_call_open_interest_ratio = c.put_call_open_interest_ratio;
  reply.iv_rank = c.iv_rank;
  reply.iv_percentile = c.iv_percentile;
  reply.iv_rank_n = c.iv_rank_n;
  reply.iv_rank_source = c.iv_rank_source;
  reply.iv_rank_of = c.iv_rank_of;
  reply.iv_rank_day = c.iv_rank_day;
  return reply;
}

Result<Changes> read_changes(store::History& history, const core::Clock& clock,
                             const ChangesQuery& query) {
  const Instant end = query.end.value_or(clock.now());
  const Instant start = query.start.value_or(end - std::chrono::days{1});
  if (start > end) return core::fail(Errc::invalid_input, "start lies after end");
  const int limit = query.limit.value_or(200);
  const bool alerts = query.show.value_or(ChangesShown::all) == ChangesShown::alerts;
  std::optional<store::ChangeKind> kind;
  if (query.kind) kind = to_stored(*query.kind);
  BF_TRY(const auto stored, history.changes(query.symbol, start, end, kind,
                                            alerts ? searched : limit, core::after(patience)));
  Changes reply{query.symbol, {}, stored.emptied_before};
  for (const auto& [as_of, change] : stored) {
    if (alerts && !change.alert()) continue;
    if (std::ssize(reply.changes) == limit) break;
    const auto& c = change.contract;
    reply.changes.push_back({as_of, from_stored(change.kind), c.trading_class, c.expiry, c.strike,
                             c.right, change.previous, change.current, change.score,
                             change.false_alarm_rate, change.alert(), change.refers_to,
                             change.confirmed});
  }
  return reply;
}

}  // namespace bifrost::api
