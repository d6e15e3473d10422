// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "bifrost/core/result.hpp"
#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

/// A market that repeats recorded chains (core::ChainFileReader's format). The rows of one quote_ts
/// are current from that instant until the next one of the same underlying; nothing is interpolated
/// and what a file leaves empty stays absent. Listed are the contracts that have a row on the day
/// of the current rows (New York), so that a new day brings its own strikes.
class ReplayMarket final : public Market {
 public:
  /// Stands at the first quote_ts. Lines the reader rejects are left out and counted. Fails when a
  /// file cannot be read, is damaged, or when no row is left.
  static core::Result<std::unique_ptr<ReplayMarket>> open(
      std::span<const std::filesystem::path> files);

  ~ReplayMarket() override;

  core::Instant first() const;
  core::Instant last() const;
  std::size_t rejected_lines() const;

  void advance_to(core::Instant t) override;
  core::Instant now() const override;
  std::uint64_t revision() const override;
  std::span<const Underlying> underlyings() const override;
  std::span<const ListedOption> options(int underlying_con_id) const override;
  const ListedOption* find_option(int con_id) const override;
  OptionState option_state(int con_id) const override;
  UnderlyingState underlying_state(int con_id) const override;
  std::optional<Carry> carry(int underlying_con_id) const override;
  /// None: option files hold no past of the underlying.
  std::vector<DailyBar> daily_bars(int underlying_con_id, BarKind kind,
                                   std::size_t count) const override;

 private:
  struct Impl;
  explicit ReplayMarket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::sim
