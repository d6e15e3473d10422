// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/net/describe.hpp"

// What the API takes and gives: one struct per request and reply, described once. Reading,
// validation, JSON, the OpenAPI document and the page's TypeScript types all follow from here.
// Prices are per share in currency units, volatilities annual and decimal, probabilities 0 to 1;
// money amounts are in currency for one unit of the strategy, multiplier included.
namespace bifrost::api {

using core::Date;
using core::Instant;
using core::Price;
using core::Right;
using core::Source;

struct DependencyHealth {
  std::string name;
  bool healthy;
  std::string detail;
};
BF_DESCRIBE(DependencyHealth, "One thing the API depends on.",
            (name, .doc = "database, gateway or collector"), (healthy),
            (detail, .doc = "what is wrong, or a short fact"))

struct UnderlyingHealth {
  std::string symbol;
  std::optional<Instant> as_of;
  std::optional<std::int64_t> age_seconds;
  bool stale;
};
BF_DESCRIBE(UnderlyingHealth, "How fresh the history of an underlying is.", (symbol),
            (as_of, .doc = "the last snapshot"),
            (age_seconds, .doc = "age of the last snapshot by the market's clock"),
            (stale,
             .doc = "the market is open and no snapshot has come for two collection intervals"))

struct Health {
  std::string status;
  std::string version;
  Instant now;
  bool simulated;
  bool market_open;
  std::vector<DependencyHealth> dependencies;
  std::vector<UnderlyingHealth> underlyings;
};
BF_DESCRIBE(Health, "State of the service and of everything it depends on.",
            (status, .doc = "ok or degraded"), (version),
            (now, .doc = "the market's clock; a simulated gateway has its own"),
            (simulated, .doc = "the gateway is a simulator: no number here is real"), (market_open),
            (dependencies), (underlyings))

struct UnderlyingItem {
  std::string symbol;
  std::optional<Price> underlying_price;
  Instant as_of;
  Source source;
  bool is_index;
};
BF_DESCRIBE(UnderlyingItem, "An underlying with history.", (symbol), (underlying_price),
            (as_of, .doc = "the last snapshot"), (source, .doc = "where its quotes came from"),
            (is_index, .doc = "nobody can hold shares of it: "
                              "strategies with stock are refused"))

struct Underlyings {
  std::vector<UnderlyingItem> underlyings;
};
BF_DESCRIBE(Underlyings, "Every underlying with history, by symbol.", (underlyings))

struct SymbolQuery {
  std::string symbol;
};
BF_DESCRIBE(SymbolQuery, "An underlying.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"))

struct Expiration {
  Date expiry;
  std::string trading_class;
  int days_to_expiry;
  int contracts;
};
BF_DESCRIBE(Expiration, "One expiry of one trading class: SPX and SPXW may share a date.", (expiry),
            (trading_class), (days_to_expiry, .doc = "calendar days in New York"),
            (contracts, .doc = "contracts in the last snapshot"))

struct Expirations {
  std::string symbol;
  Instant as_of;
  std::vector<Expiration> expirations;
};
BF_DESCRIBE(Expirations, "The expiries in the last snapshot, nearest first.", (symbol), (as_of),
            (expirations))

enum class ChainFrom { any, gateway, history };
BF_DESCRIBE_ENUM(ChainFrom, any, gateway, history)

struct ChainQuery {
  std::string symbol;
  Date expiry;
  std::optional<std::string> trading_class;
  std::optional<ChainFrom> from;
  std::optional<Instant> at;
};
BF_DESCRIBE(ChainQuery, "One expiry of a chain.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (expiry),
            (trading_class, .doc = "needed only where one date lists two classes", .min_length = 1,
             .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (from, .doc = "gateway asks the broker now, history reads the last snapshot, any "
                          "(default) asks the broker "
                          "and falls back to history"),
            (at, .doc = "the chain as it was known then; served from history"))

enum class GreeksFrom { gateway, computed };
BF_DESCRIBE_ENUM(GreeksFrom, gateway, computed)

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
  std::optional<GreeksFrom> greeks_from;
  std::optional<Instant> observed_at;
};
BF_DESCRIBE(
    ChainSide, "One option. Null is unknown, 0 was quoted as zero.", (bid), (ask), (last),
    (bid_size, .doc = "contracts"), (ask_size, .doc = "contracts"),
    (volume, .doc = "contracts so far that day"),
    (open_interest, .doc = "as published that morning"), (implied_vol, .doc = "annual, decimal"),
    (delta, .doc = "per share"), (gamma, .doc = "per share and 1.00 of underlying"),
    (theta, .doc = "per share and calendar day"), (vega, .doc = "per share and 1.00 of volatility"),
    (greeks_from,
     .doc = "the broker's model, or computed here from the middle of bid and ask; null: none"),
    (observed_at, .doc = "when the quote reached us"))

struct ChainRow {
  Price strike;
  std::optional<ChainSide> call;
  std::optional<ChainSide> put;
};
BF_DESCRIBE(ChainRow, "The call and the put of one strike.", (strike), (call), (put))

enum class ServedFrom { gateway, history };
BF_DESCRIBE_ENUM(ServedFrom, gateway, history)

struct Chain {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  int days_to_expiry;
  Instant as_of;
  std::int64_t age_seconds;
  Source source;
  ServedFrom served_from;
  std::optional<std::string> notice;
  bool complete;
  std::optional<Price> underlying_price;
  std::vector<ChainRow> rows;
};
BF_DESCRIBE(Chain, "One expiry of a chain at one moment, lowest strike first.", (symbol),
            (trading_class), (expiry), (days_to_expiry),
            (as_of, .doc = "the moment the chain stands for"),
            (age_seconds, .doc = "now minus as_of, by the market's clock"),
            (source, .doc = "where the quotes came from"), (served_from),
            (notice, .doc = "what the reader must know of it: why the gateway was not used "
                            "although it was asked for, what was left out"),
            (complete, .doc = "false: not every contract could be reached"), (underlying_price),
            (rows))

struct HistoryQuery {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  Price strike;
  Right right;
  std::optional<Instant> start;
  std::optional<Instant> end;
};
BF_DESCRIBE(HistoryQuery, "One contract over time.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (trading_class, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (expiry), (strike, .above = 0.0), (right),
            (start, .doc = "default: 30 days before the end"), (end, .doc = "default: now"))

struct HistoryPoint {
  Instant as_of;
  std::optional<Price> underlying_price;
  ChainSide quote;
};
BF_DESCRIBE(HistoryPoint, "The contract in one snapshot.", (as_of), (underlying_price), (quote))

struct History {
  std::string symbol;
  std::string trading_class;
  Date expiry;
  Price strike;
  Right right;
  std::vector<HistoryPoint> points;
  std::optional<Instant> emptied_before;
};
BF_DESCRIBE(
    History,
    "A contract in every snapshot that has it, oldest first. A snapshot without it is a gap.",
    (symbol), (trading_class), (expiry), (strike), (right), (points),
    (emptied_before,
     .doc = "of the range, retention has dropped the quotes before this; null: none"))

struct ChainTopic {
  std::string symbol;
  Date expiry;
  std::string trading_class;
};
BF_DESCRIBE(ChainTopic, "A chain to be told about.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (expiry),
            (trading_class, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"))

struct ClientMessage {
  std::optional<ChainTopic> subscribe;
  std::optional<ChainTopic> unsubscribe;
};
BF_DESCRIBE(ClientMessage, "Client to server on /api/ws: exactly one of the two.", (subscribe),
            (unsubscribe))

struct SnapshotEvent {
  std::string type;
  std::int64_t sequence;
  Chain chain;
};
BF_DESCRIBE(
    SnapshotEvent,
    "Server to client on /api/ws: at once after subscribing, then after every collection cycle.",
    (type, .doc = "snapshot"),
    (sequence, .doc = "rises by one per event of this chain; a gap means that some were left out"),
    (chain))

}  // namespace bifrost::api
