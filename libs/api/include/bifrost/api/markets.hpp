// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/api/types.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/history.hpp"

// What the collector's radar found, as the API says it.
namespace bifrost::api {

struct MarketConditionsQuery {
  std::string symbol;
  std::optional<Instant> at;
};
BF_DESCRIBE(MarketConditionsQuery, "The state of an underlying's market.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (at, .doc = "the newest snapshot at or before then; default: the newest"))

struct MarketConditions {
  std::string symbol;
  Instant as_of;
  std::int64_t age_seconds;
  Source source;
  std::optional<Price> underlying_price;
  std::optional<double> implied_vol_30d;
  std::optional<double> implied_vol_60d;
  std::optional<double> term_slope;
  std::optional<double> skew_25_delta;
  std::optional<double> historical_vol_20d;
  std::optional<double> historical_vol_30d;
  std::optional<std::string> historical_vol_source;
  std::optional<std::int64_t> put_volume;
  std::optional<std::int64_t> call_volume;
  std::optional<double> put_call_volume_ratio;
  std::optional<std::int64_t> put_open_interest;
  std::optional<std::int64_t> call_open_interest;
  std::optional<double> put_call_open_interest_ratio;
  std::optional<double> iv_rank;
  std::optional<double> iv_percentile;
  std::optional<std::int64_t> iv_rank_n;
  std::optional<std::string> iv_rank_source;
  std::optional<double> iv_rank_of;
  std::optional<Date> iv_rank_day;
};
BF_DESCRIBE(
    MarketConditions,
    "The state of an underlying's market in one snapshot. Vols annual and decimal; null is "
    "unknown.",
    (symbol), (as_of), (age_seconds), (source), (underlying_price),
    (implied_vol_30d,
     .doc = "at the money, constant 30 days, linear in total variance between expiries"),
    (implied_vol_60d), (term_slope, .doc = "implied_vol_60d minus implied_vol_30d"),
    (skew_25_delta, .doc = "vol of the 25-delta put minus that of the 25-delta call, 30 days"),
    (historical_vol_20d,
     .doc = "of 20 close-to-close returns up to the session before, zero mean, times 252"),
    (historical_vol_30d),
    (historical_vol_source,
     .doc = "whose closes: broker (adjusted for splits) or snapshots (ours)"),
    (put_volume, .doc = "of the contracts in the snapshot, so far that day"), (call_volume),
    (put_call_volume_ratio), (put_open_interest), (call_open_interest),
    (put_call_open_interest_ratio),
    (iv_rank,
     .doc =
         "where iv_rank_of stands between the lowest and the highest of itself and the iv_rank_n "
         "daily closes before it, 0 to 1; hostage to one spike, so read it with the percentile"),
    (iv_percentile, .doc = "share of these closes strictly below, 0 to 1"),
    (iv_rank_n, .doc = "daily closes it rests on, at most 252"),
    (iv_rank_source,
     .doc = "snapshots: this snapshot's implied_vol_30d among our own closes; broker: the broker's "
            "newest daily close among its own. Never mixed"),
    (iv_rank_of, .doc = "the vol that is ranked"), (iv_rank_day, .doc = "the day it is of"))

enum class ChangeKind {
  price_move,
  iv_move,
  volume,
  open_interest,
  spread,
  new_contract,
  expired,
  delta_move,
  gamma_move,
  theta_move,
  vega_move,
  vanished,
  oi_confirmation,
  suspect_quote,
  suspect_greeks
};
BF_DESCRIBE_ENUM(ChangeKind, price_move, iv_move, volume, open_interest, spread, new_contract,
                 expired, delta_move, gamma_move, theta_move, vega_move, vanished, oi_confirmation,
                 suspect_quote, suspect_greeks)

enum class ChangesShown { all, alerts };
BF_DESCRIBE_ENUM(ChangesShown, all, alerts)

struct ChangesQuery {
  std::string symbol;
  std::optional<ChangeKind> kind;
  std::optional<ChangesShown> show;
  std::optional<Instant> start;
  std::optional<Instant> end;
  std::optional<int> limit;
};
BF_DESCRIBE(ChangesQuery, "What changed between snapshots of an underlying.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (kind, .doc = "default: every kind"),
            (show, .doc = "alerts: only what is rarer than its false-alarm rate; default: all"),
            (start, .doc = "default: a day before the end"), (end, .doc = "default: now"),
            (limit, .doc = "default: 200", .min = 1, .max = 1000))

struct ChangeItem {
  Instant as_of;
  ChangeKind kind;
  std::string trading_class;
  Date expiry;
  Price strike;
  Right right;
  std::optional<double> previous;
  std::optional<double> current;
  std::optional<double> score;
  std::optional<double> false_alarm_rate;
  bool alert;
  std::optional<Instant> refers_to;
  std::optional<bool> confirmed;
};
BF_DESCRIBE(
    ChangeItem, "A change of one contract since the snapshot before.", (as_of), (kind),
    (trading_class), (expiry), (strike), (right),
    (previous, .doc = "in the unit of the kind: currency per share, vol, contracts, greek"),
    (current),
    (score, .doc = "share of comparable moves of the last ten days that were at least as large; "
                   "null: too little history"),
    (false_alarm_rate, .doc = "how often such a test would raise an alert by chance"),
    (alert, .doc = "score at or below false_alarm_rate"),
    (refers_to, .doc = "oi_confirmation: the snapshot of the volume alert it answers"),
    (confirmed,
     .doc =
         "oi_confirmation: open interest grew by a quarter of the volume or more; null: unknown"))

struct Changes {
  std::string symbol;
  std::vector<ChangeItem> changes;
  std::optional<Instant> emptied_before;
};
BF_DESCRIBE(Changes, "Changes, newest first.", (symbol), (changes),
            (emptied_before,
             .doc = "of the range, retention has dropped what was before this; null: none"))

/// not_found: no snapshot, or one without conditions, as imported ones are.
core::Result<MarketConditions> read_market_conditions(store::History& history,
                                                      const core::Clock& clock,
                                                      const MarketConditionsQuery& query);
core::Result<Changes> read_changes(store::History& history, const core::Clock& clock,
                                   const ChangesQuery& query);

}  // namespace bifrost::api
