// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "bifrost/api/markets.hpp"
#include "bifrost/api/types.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/session_hours.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/listings.hpp"

namespace bifrost::api {

/// Answers the questions of the API. Every call gives up within seconds. Safe to call from any
/// thread; what it is given must outlive it.
class Service {
 public:
  /// When an underlying is collected.
  using HoursOf = std::function<core::ProductHours(std::string_view underlying)>;

  /// With `listings`, what the collector was told of a day is not asked for again. `client` may be
  /// without a link, now or later: chains then come from the history, and say so.
  Service(store::History& history, ib::Client& client, const core::Clock& clock,
          std::chrono::seconds collection_interval, HoursOf hours = core::hours_of,
          store::Listings* listings = nullptr);
  ~Service();

  /// Never fails: what is wrong is in the answer.
  Health health();
  core::Result<Underlyings> underlyings();
  core::Result<Expirations> expirations(const SymbolQuery& query);
  /// invalid_input: the date lists two classes and none was named. not_found: nothing known of it.
  core::Result<Chain> chain(const ChainQuery& query);
  core::Result<History> history(const HistoryQuery& query);
  /// As read_market_conditions() and read_changes().
  core::Result<MarketConditions> market_conditions(const MarketConditionsQuery& query);
  core::Result<Changes> changes(const ChangesQuery& query);
  /// unavailable: the quotes of this expiry pin down no forward or no volatility.
  core::Result<Strategies> strategies(const StrategiesQuery& query);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::api
