// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "pool.hpp"

namespace bifrost::store {

struct Underlying {
  std::int32_t id;
  std::int64_t price_scale;
};

/// What the database calls underlyings and contracts, remembered. Ids never change, so only the
/// loss of a connection, after which another database may answer, empties the memory. Safe from any
/// thread.
class Catalogue {
 public:
  struct ContractHash {
    std::size_t operator()(const core::OptionContract& contract) const;
  };
  using Ids = std::unordered_map<core::OptionContract, std::int32_t, ContractHash>;

  explicit Catalogue(Pool& pool) : pool_(pool) {}

  core::Result<std::optional<Underlying>> find_underlying(pg::Connection& connection,
                                                          std::string_view symbol,
                                                          core::Deadline deadline);
  /// Made if it is not there.
  core::Result<Underlying> ensure_underlying(pg::Connection& connection, std::string_view symbol,
                                             core::Deadline deadline);

  /// Ids of contracts of one underlying, in their order, made if they are not there. `fresh` takes
  /// the new ones, for remember(): they exist for others only once the caller's transaction is
  /// committed.
  core::Result<std::vector<std::int32_t>> ensure_contracts(
      pg::Connection& connection, std::int32_t underlying_id,
      std::span<const core::OptionContract* const> contracts, Ids& fresh, core::Deadline deadline);
  void remember(std::int32_t underlying_id, const Ids& fresh);

  /// The contracts that have these ids, in their order; those not yet known are read. A reader that
  /// knows them needs no join, which costs thirty times what reading the facts of a snapshot does.
  core::Result<std::vector<std::shared_ptr<const core::OptionContract>>> contracts(
      pg::Connection& connection, std::string_view underlying, std::span<const std::int32_t> ids,
      core::Deadline deadline);

 private:
  void forget_if_reconnected();  // with the mutex held

  Pool& pool_;
  std::mutex mutex_;
  std::uint64_t generation_ = 0;
  std::map<std::string, Underlying, std::less<>> underlyings_;
  std::map<std::int32_t, Ids> contracts_;
  std::unordered_map<std::int32_t, std::shared_ptr<const core::OptionContract>> by_id_;
};

/// Nothing: the database does not know the contract.
core::Result<std::optional<std::int32_t>> find_contract(pg::Connection& connection,
                                                        std::int32_t underlying_id,
                                                        const core::OptionContract& contract,
                                                        core::Deadline deadline);

}  // namespace bifrost::store
