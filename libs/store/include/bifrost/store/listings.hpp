// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/store/database.hpp"

namespace bifrost::store {

/// An underlying as the broker knows it. Handles of a simulated gateway mean nothing to the broker
/// and the other way round: whoever is connected to one must not use those of the other.
struct BrokerUnderlying {
  bool simulated = false;
  std::int64_t con_id = 0;
  std::string sec_type;
  std::string exchange;
  std::string currency;
  std::string long_name;
  std::optional<double> min_tick = std::nullopt;

  friend bool operator==(const BrokerUnderlying&, const BrokerUnderlying&) = default;
};

/// A contract with the broker's handle.
struct ListedContract {
  core::OptionContract contract;
  std::int64_t con_id = 0;
  std::string exchange;
  std::string currency;
  std::string last_trade_date;
  core::Instant first_seen{};                           // as load() gives it; save ignores it
  std::optional<core::Date> unknown_on = std::nullopt;  // likewise

  friend bool operator==(const ListedContract&, const ListedContract&) = default;
};

/// A trading class and the date the broker files it under.
struct ListedSeries {
  std::string trading_class;
  core::Date filed{};
  std::optional<core::Date> listed_on = std::nullopt;  // trading day; none: offered, never listed
  std::int64_t strikes_hash = 0;                       // when it was listed
  std::vector<ListedContract> contracts = {};          // by expiry, strike, call before put

  friend bool operator==(const ListedSeries&, const ListedSeries&) = default;
};

struct StoredListings {
  BrokerUnderlying underlying;
  core::Date offered_on{};
  core::Instant offered_at{};
  std::vector<ListedSeries> series;  // of the newest offer, by date, then class
};

/// What was collected of an underlying from a cycle on.
struct UniverseVersion {
  core::Date day{};
  int version = 0;  // given by the store
  core::Instant as_of{};
  std::string rule;
  std::int64_t listed = 0;
  std::int64_t chosen = 0;
  std::int64_t added = 0;
  std::int64_t removed = 0;
  bool fell_back = false;

  friend bool operator==(const UniverseVersion&, const UniverseVersion&) = default;
};

/// The broker's listings, kept so that they need not be asked for again. Safe to use from any
/// thread; must not outlive its Database.
class Listings {
 public:
  explicit Listings(Database& database);
  Listings(Listings&&) noexcept;
  Listings& operator=(Listings&&) noexcept;
  ~Listings();

  /// Everything that is filed under `from` or later; nothing for an underlying never saved.
  core::Result<std::optional<StoredListings>> load(std::string_view underlying, core::Date from,
                                                   core::Deadline deadline);

  /// What the broker says each underlying is: STK, IND. Only those that it was asked about.
  core::Result<std::map<std::string, std::string, std::less<>>> sec_types(core::Deadline deadline);

  /// What the broker offers on a trading day. Series that are no longer offered are removed, new
  /// ones are there without contracts. If the handles are of the other kind of gateway (simulated
  /// or not), everything known is forgotten first. `contracts` and the like of the series are
  /// ignored.
  core::Result<void> save_offer(std::string_view underlying, const BrokerUnderlying& as,
                                core::Date day, core::Instant at,
                                std::span<const ListedSeries> offered, core::Deadline deadline);
  /// The contracts of a series: these, and no others, are listed from now on. `listed_on` is set.
  /// not_found: the series is not in the newest offer. invalid_input: a contract twice, or of
  /// another underlying or class, or a strike that the history cannot keep.
  core::Result<void> save_series(std::string_view underlying, const ListedSeries& series,
                                 core::Instant at, core::Deadline deadline);
  /// The broker knows none of these, as of that trading day.
  core::Result<void> save_unknown(std::string_view underlying, core::Date day,
                                  std::span<const std::int64_t> con_ids, core::Deadline deadline);

  /// Gives the version's number: one more than the newest of that day.
  core::Result<int> add_version(std::string_view underlying, const UniverseVersion& version,
                                core::Deadline deadline);
  /// Of first <= day <= last, oldest first.
  core::Result<std::vector<UniverseVersion>> versions(std::string_view underlying, core::Date first,
                                                      core::Date last, core::Deadline deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::store
