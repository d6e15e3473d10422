// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/time.hpp"

// What the API takes and gives, one struct per request and reply. JSON keys are the member names;
// openapi.json and web/src/api/schema.d.ts are generated from the descriptions in types.cpp. Prices
// are per share in currency units, volatilities annual and decimal, probabilities 0 to 1; money
// amounts (max_profit, max_loss, profit) are in currency for one unit of the strategy, multiplier
// included.
namespace bifrost::api {

using core::Date;
using core::Instant;
using core::Price;
using core::Right;
using core::Source;

/// Whether the numbers came from the gateway just now, or out of the history.
enum class ServedFrom { gateway, history };

struct DependencyHealth {
  std::string name;  // database, gateway, collector
  bool healthy;
  std::string detail;  // what is wrong, or a short fact
};

struct UnderlyingHealth {
  std::string symbol;
  std::optional<Instant> as_of;  // last complete or partial snapshot
  std::optional<std::int64_t> age_seconds;
  bool stale;  // older than two collection intervals inside the session
};

/// GET /api/health
struct Health {
  std::string status;  // ok, degraded
  std::string version;
  Instant now;     // the market's clock
  bool simulated;  // the gateway is a simulator
  bool market_open;
  std::vector<DependencyHealth> dependencies;
  std::vector<UnderlyingHealth> underlyings;
};

/// GET /api/underlyings
struct UnderlyingItem {
  std::string symbol;
  std::optional<Price> underlying_price;
  std::optional<Instant> as_of;
  Source source;
};
struct Underlyings {
  std::vector<UnderlyingItem> underlyings;
};

/// GET /api/expirations/{symbol}
struct ExpirationsQuery {
  std::string symbol;
};
struct Expiration {
  Date expiry;
  std::string trading_class;
  int days_to_expiry;
  int contracts;
};
struct Expirations {
  std::string symbol;
  Instant as_of;
  std::vector<Expiration> expirations;
};

/// How a chain may be served: the gateway with the history as fallback, or one of them alone.
enum class ChainFrom { any, gateway, history };

/// GET /api/chain/{symbol}?expiry=&trading_class=&from=&at=
struct ChainQuery {
  std::string symbol;
  Date expiry;
  std::optional<std::string> trading_class;  // needed only where one date lists two classes
  std::optional<ChainFrom> from;             // default history
  std::optional<Instant> at;                 // the chain as it was known then; history only
};
/// Who computed implied_vol and the greeks: the broker's model, or we from the middle of bid and ask.
enum class GreeksFrom { gateway, computed };
struct ChainSide {
  std::optional<Price> bid;
  std::optional<Price> ask;
  std::optional<Price> last;
  std::optional<std::int64_t> bid_size;
  std::optional<std::int64_t> ask_size;
  std::optional<std::int64_t> volume;
  std::optional<std::int64_t> open_interest;
  std::optional<double> implied_vol;
  std::optional<double> delta;
  std::optional<double> gamma;
  std::optional<double> theta;
  std::optional<double> vega;
  std::optional<GreeksFrom> greeks_from;  // none: there are none
  std::optional<Instant> observed_at;
};
struct ChainRow {
  Price strike;
  std::optional<ChainSide> call;
  std::optional<ChainSide> put;
};
struct Chain {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  int days_to_expiry;
  Instant as_of;
  std::int64_t age_seconds;
  Source source;
  ServedFrom served_from;
  std::optional<std::string> notice;  // why the gateway was not used, when it was asked for
  bool complete;                      // false: the cycle could not reach every contract
  std::optional<Price> underlying_price;
  std::vector<ChainRow> rows;
};

/// GET /api/history/{symbol}?trading_class=&expiry=&strike=&right=&start=&end=
struct HistoryQuery {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  Price strike;
  Right right;
  std::optional<Instant> start;
  std::optional<Instant> end;
};
struct HistoryPoint {
  Instant as_of;
  std::optional<Price> underlying_price;
  ChainSide quote;
};
struct History {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  Price strike;
  Right right;
  std::vector<HistoryPoint> points;
};

enum class StrategyName { covered_call, iron_condor };
/// Entry price of every leg: the middle, or the side that fills at once.
enum class Fill { mid, natural };

/// GET /api/strategies/{symbol}?expiry=&strategy=&fill=&min_pop=&max_loss=&limit=
struct StrategiesQuery {
  std::string symbol;
  Date expiry;
  StrategyName strategy;
  std::optional<std::string> trading_class;
  std::optional<Fill> fill;        // default natural
  std::optional<double> min_pop;   // default 0.6
  std::optional<double> max_loss;  // currency per unit
  std::optional<int> limit;        // default 20
};
enum class LegKind { call, put, stock };
struct StrategyLeg {
  LegKind kind;
  std::int64_t quantity;        // negative is sold; options in contracts, stock in shares
  std::optional<Price> strike;  // none for stock
  Price entry_price;            // per share, at the fill asked for
  std::optional<double> implied_vol;
  std::optional<double> delta;
};
struct PayoffPoint {
  double spot;
  double profit;
};
struct StrategyCandidate {
  int rank;
  std::vector<StrategyLeg> legs;
  double credit;                     // per share, options only; negative is a debit
  std::optional<double> max_profit;  // none: unlimited
  std::optional<double> max_loss;    // positive amount; none: unlimited
  std::vector<double> breakevens;
  double delta;
  double gamma;
  double theta;
  double vega;
  double pop;
  double return_on_risk;            // max profit / max loss
  double annualised_return;         // return_on_risk * 365 / days_to_expiry
  std::vector<PayoffPoint> payoff;  // at expiry; straight lines between the points
};
/// The assumptions behind every probability of a reply.
struct Density {
  std::string method;     // lognormal_atm_forward
  std::string anchor;     // put_call_parity_forward
  std::string day_count;  // ACT/365F
  double forward;
  double discount_factor;
  double implied_vol;
  double years_to_expiry;
};
struct Strategies {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  int days_to_expiry;
  StrategyName strategy;
  Instant as_of;
  std::int64_t age_seconds;
  Source source;
  std::optional<Price> underlying_price;
  Fill fill;
  std::string ranked_by;
  Density density;
  std::int64_t examined;   // combinations scored
  std::int64_t qualified;  // of these, inside the limits asked for
  std::vector<StrategyCandidate> candidates;
};

/// Client to server on /api/ws: {"subscribe": {...}} or {"unsubscribe": {...}}.
struct ChainTopic {
  std::string symbol;
  Date expiry;
  std::string trading_class;
};
/// Server to client on /api/ws, after each collection cycle of a subscribed chain.
struct SnapshotEvent {
  std::string type;  // snapshot
  std::int64_t sequence;
  Chain chain;
};

}  // namespace bifrost::api
