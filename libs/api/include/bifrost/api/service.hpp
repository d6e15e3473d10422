// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "bifrost/api/densities.hpp"
#include "bifrost/api/finds.hpp"
#include "bifrost/api/fits.hpp"
#include "bifrost/api/markets.hpp"
#include "bifrost/api/positions.hpp"
#include "bifrost/api/types.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/session_hours.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/daily.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/listings.hpp"

namespace bifrost::api {

/// Answers the questions of the API. Every call gives up within seconds. Safe to call from any
/// thread; what it is given must outlive it.
class Service {
 public:
  /// When an underlying is collected.
  using HoursOf = std::function<core::ProductHours(std::string_view underlying)>;

  /// With `listings`, what the collector was told of a day is not asked for again; without `daily`
  /// there are no densities of past returns. `client` may be
  /// without a link, now or later: chains then come from the history, and say so.
  Service(store::History& history, ib::Client& client, const core::Clock& clock,
          std::chrono::seconds collection_interval, HoursOf hours = core::hours_of,
          store::Listings* listings = nullptr, store::Daily* daily = nullptr);
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
  /// As find_in(), fit_chain(), densities_in() and analyse_position(), on the history's snapshot.
  /// An exhaustive search is given `search_patience`; timeout after that.
  core::Result<Found> find(const FindQuery& query);
  core::Result<Fit> fit(const FitQuery& query);
  core::Result<Densities> densities(const DensityQuery& query);
  tl::expected<Position, net::Refusal> analyse(const PositionQuery& query,
                                               const PositionRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::api
