// SPDX-License-Identifier: Apache-2.0
#include "catalogue.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "stored_rows.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

using Contracts = std::span<const core::OptionContract* const>;

/// $1 the underlying, $2 to $6 the columns of the contracts at these places.
Result<pg::Params> contract_columns(std::int32_t underlying_id, Contracts contracts,
                                    std::span<const std::size_t> places) {
  std::vector<std::string> classes;
  std::vector<core::Date> expiries;
  std::vector<std::int32_t> strikes;
  std::vector<std::string> rights;
  std::vector<std::int32_t> multipliers;
  for (const auto i : places) {
    const auto& contract = *contracts[i];
    const auto strike = units::encode_strike(contract.strike);
    if (!strike) {
      return fail(Errc::invalid_input,
                  fmt::format("the strike of {} is negative, too large or finer than 0.001",
                              core::describe(contract)));
    }
    classes.push_back(contract.trading_class);
    expiries.push_back(contract.expiry);
    strikes.push_back(*strike);
    rights.emplace_back(1, core::to_char(contract.right));
    multipliers.push_back(contract.multiplier);
  }
  pg::Params params;
  params.add(underlying_id)
      .add(std::span<const std::string>(classes))
      .add(std::span<const core::Date>(expiries))
      .add(std::span<const std::int32_t>(strikes))
      .add(std::span<const std::string>(rights))
      .add(std::span<const std::int32_t>(multipliers));
  return params;
}

#define BIFROST_CONTRACT_COLUMNS                                                           \
  "unnest($2::text[], $3::date[], $4::int4[], $5::text[], $6::int4[]) WITH ORDINALITY AS " \
  "k(trading_class, expiry, strike, \"right\", multiplier, ordinality)"

/// Gives those that the database has their id.
Result<void> find_contracts(pg::Connection& connection, std::int32_t underlying_id,
                            Contracts contracts, std::span<const std::size_t> places,
                            std::vector<std::int32_t>& ids, Deadline deadline) {
  BF_TRY(const auto params, contract_columns(underlying_id, contracts, places));
  BF_TRY(const auto rows,
         connection.query("SELECT k.ordinality::int4, c.contract_id FROM " BIFROST_CONTRACT_COLUMNS
                          " JOIN contracts c ON c.underlying_id = $1 AND c.expiry = k.expiry"
                          " AND c.strike = k.strike AND c.\"right\" = k.\"right\"::\"char\""
                          " AND c.trading_class = k.trading_class AND c.multiplier = k.multiplier",
                          params, deadline));
  for (int row = 0; row < rows.size(); ++row) {
    const auto place = places[static_cast<std::size_t>(rows.integer(row, 0)) - 1];
    ids[place] = static_cast<std::int32_t>(rows.integer(row, 1));
  }
  return {};
}

/// Adds contracts, in their order, and gives them their id; not those that are there.
Result<void> add_contracts(pg::Connection& connection, std::int32_t underlying_id,
                           Contracts contracts, std::span<const std::size_t> places,
                           std::vector<std::int32_t>& ids, Deadline deadline) {
  BF_TRY(const auto params, contract_columns(underlying_id, contracts, places));
  BF_TRY(const auto rows,
         connection.query("INSERT INTO contracts (underlying_id, trading_class, expiry, strike,"
                          " \"right\", multiplier) SELECT $1, k.trading_class, k.expiry, k.strike,"
                          " k.\"right\"::\"char\", k.multiplier FROM " BIFROST_CONTRACT_COLUMNS
                          " ORDER BY k.ordinality ON CONFLICT DO NOTHING RETURNING contract_id,"
                          " trading_class, expiry, strike, \"right\", multiplier",
                          params, deadline));
  std::unordered_map<core::OptionContract, std::int32_t, Catalogue::ContractHash> added;
  for (int row = 0; row < rows.size(); ++row) {
    added.emplace(rows::read_contract(rows, row, 1, contracts[places.front()]->underlying),
                  static_cast<std::int32_t>(rows.integer(row, 0)));
  }
  for (const auto place : places) {
    if (const auto at = added.find(*contracts[place]); at != added.end()) ids[place] = at->second;
  }
  return {};
}

#undef BIFROST_CONTRACT_COLUMNS

}  // namespace

std::size_t Catalogue::ContractHash::operator()(const core::OptionContract& contract) const {
  const auto mix = [](std::size_t seed, std::size_t value) {
    return (seed ^ value) * 0x9e3779b97f4a7c15ULL;
  };
  auto hash = std::hash<std::string>{}(contract.trading_class);
  hash = mix(hash, static_cast<std::size_t>(contract.expiry.time_since_epoch().count()));
  hash = mix(hash, static_cast<std::size_t>(contract.strike.units()));
  hash = mix(hash, static_cast<std::size_t>(contract.right));
  hash = mix(hash, static_cast<std::size_t>(contract.multiplier));
  return hash ^ (hash >> 32);
}

void Catalogue::forget_if_reconnected() {
  const auto now = pool_.generation();
  if (now == generation_) return;
  generation_ = now;
  underlyings_.clear();
  contracts_.clear();
  by_id_.clear();
}

Result<std::optional<Underlying>> Catalogue::find_underlying(pg::Connection& connection,
                                                             std::string_view symbol,
                                                             Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    forget_if_reconnected();
    if (const auto at = underlyings_.find(symbol); at != underlyings_.end()) return at->second;
  }
  BF_TRY(const auto rows,
         connection.query("SELECT underlying_id, price_scale FROM underlyings WHERE symbol = $1",
                          pg::Params{}.add(symbol), deadline));
  if (rows.size() == 0) return std::nullopt;
  const Underlying found{static_cast<std::int32_t>(rows.integer(0, 0)), rows.integer(0, 1)};
  const std::lock_guard lock(mutex_);
  underlyings_.emplace(symbol, found);
  return found;
}

Result<Underlying> Catalogue::ensure_underlying(pg::Connection& connection, std::string_view symbol,
                                                Deadline deadline) {
  BF_TRY(const auto found, find_underlying(connection, symbol, deadline));
  if (found) return *found;
  BF_CHECK(connection.query("INSERT INTO underlyings (symbol) VALUES ($1) ON CONFLICT DO NOTHING",
                            pg::Params{}.add(symbol), deadline));
  BF_TRY(const auto made, find_underlying(connection, symbol, deadline));
  if (!made)
    return fail(Errc::conflict,
                fmt::format("underlying {} was removed while it was added", symbol));
  return *made;
}

Result<std::vector<std::int32_t>> Catalogue::ensure_contracts(
    pg::Connection& connection, std::int32_t underlying_id,
    std::span<const core::OptionContract* const> contracts, Ids& fresh, Deadline deadline) {
  std::vector<std::int32_t> ids(contracts.size(), 0);
  std::vector<std::size_t> unknown;
  {
    const std::lock_guard lock(mutex_);
    forget_if_reconnected();
    const auto& known = contracts_[underlying_id];
    for (std::size_t i = 0; i < contracts.size(); ++i) {
      if (const auto at = known.find(*contracts[i]); at != known.end()) {
        ids[i] = at->second;
      } else if (const auto young = fresh.find(*contracts[i]); young != fresh.end()) {
        ids[i] = young->second;
      } else {
        unknown.push_back(i);
      }
    }
  }
  if (unknown.empty()) return ids;

  BF_CHECK(find_contracts(connection, underlying_id, contracts, unknown, ids, deadline));
  const auto is_known = [&](std::size_t i) { return ids[i] != 0; };
  auto missing = unknown;
  std::erase_if(missing, is_known);
  if (!missing.empty()) {
    BF_CHECK(add_contracts(connection, underlying_id, contracts, missing, ids, deadline));
    std::erase_if(missing, is_known);
    // Somebody else has added these meanwhile.
    if (!missing.empty())
      BF_CHECK(find_contracts(connection, underlying_id, contracts, missing, ids, deadline));
    if (!std::ranges::all_of(unknown, is_known))
      return fail(Errc::conflict, "contracts were removed while they were added");
  }
  for (const auto i : unknown) fresh.emplace(*contracts[i], ids[i]);
  return ids;
}

void Catalogue::remember(std::int32_t underlying_id, const Ids& fresh) {
  const std::lock_guard lock(mutex_);
  forget_if_reconnected();
  contracts_[underlying_id].insert(fresh.begin(), fresh.end());
}

Result<std::vector<std::shared_ptr<const core::OptionContract>>> Catalogue::contracts(
    pg::Connection& connection, std::string_view underlying, std::span<const std::int32_t> ids,
    Deadline deadline) {
  std::vector<std::shared_ptr<const core::OptionContract>> found(ids.size());
  std::vector<std::int32_t> unknown;
  {
    const std::lock_guard lock(mutex_);
    forget_if_reconnected();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto at = by_id_.find(ids[i]);
      if (at == by_id_.end()) {
        unknown.push_back(ids[i]);
      } else {
        found[i] = at->second;
      }
    }
  }
  if (unknown.empty()) return found;
  BF_TRY(const auto rows,
         connection.query("SELECT contract_id, trading_class, expiry, strike, \"right\", multiplier"
                          " FROM contracts WHERE contract_id = ANY($1)",
                          pg::Params{}.add(std::span<const std::int32_t>(unknown)), deadline));
  // The answer is made of these rows: what is remembered may be forgotten at any moment, when
  // another connection of the pool breaks.
  std::unordered_map<std::int32_t, std::shared_ptr<const core::OptionContract>> read;
  for (int row = 0; row < rows.size(); ++row) {
    read.emplace(static_cast<std::int32_t>(rows.integer(row, 0)),
                 std::make_shared<const core::OptionContract>(
                     rows::read_contract(rows, row, 1, underlying)));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (found[i]) continue;
    const auto at = read.find(ids[i]);
    if (at == read.end()) {
      return fail(Errc::corrupt_data,
                  fmt::format("the history of {} has quotes of contract {}, which it does not "
                              "know; hint: bifrost db verify",
                              underlying, ids[i]));
    }
    found[i] = at->second;
  }
  const std::lock_guard lock(mutex_);
  for (auto& [id, contract] : read) by_id_.insert_or_assign(id, std::move(contract));
  return found;
}

Result<std::optional<std::int32_t>> find_contract(pg::Connection& connection,
                                                  std::int32_t underlying_id,
                                                  const core::OptionContract& contract,
                                                  Deadline deadline) {
  const auto strike = units::encode_strike(contract.strike);
  if (!strike) return std::nullopt;
  const char right = core::to_char(contract.right);
  BF_TRY(const auto ids,
         connection.query("SELECT contract_id FROM contracts WHERE underlying_id = $1"
                          " AND expiry = $2 AND strike = $3 AND \"right\" = $4::\"char\""
                          " AND trading_class = $5 AND multiplier = $6",
                          pg::Params{}
                              .add(underlying_id)
                              .add(contract.expiry)
                              .add(*strike)
                              .add(std::string_view(&right, 1))
                              .add(std::string_view(contract.trading_class))
                              .add(static_cast<std::int32_t>(contract.multiplier)),
                          deadline));
  if (ids.size() == 0) return std::nullopt;
  return static_cast<std::int32_t>(ids.integer(0, 0));
}

}  // namespace bifrost::store
