// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/book.hpp"
#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/finder.hpp"
#include "bifrost/analysis/margin.hpp"
#include "bifrost/analysis/smile.hpp"
#include "bifrost/api/finds.hpp"

// What `finds.cpp` and `positions.cpp` share: a snapshot's expiries made ready for analysis, and
// results as the API says them.
namespace bifrost::api {

/// One expiry with all that values a structure on it.
struct MarketOfExpiry {
  analysis::ListedExpiry listed;
  analysis::ExerciseStyle style;
  analysis::PricedChain priced;
  std::optional<analysis::Smile> smile;  // nothing where only a flat vol was asked for
  analysis::DensityPtr density;

  /// Nothing where the chain does not list the strike.
  const analysis::StrikeAnalytics* at(Price strike) const;
  /// The vol of an option: that of its own middle, else of the other right's on the same strike
  /// (parity says it is the same), else the smile's, else at the money.
  double vol(Price strike, analysis::LegKind kind) const;
};
struct ListedMarket {
  analysis::ListedExpiry listed;
  tl::expected<MarketOfExpiry, std::string> market;  // or why it cannot take part
  bool settled;                                      // before the snapshot
};
/// "too_few_pairs", why an expiry cannot take part, with what that means.
std::string in_words(std::string_view reason);
/// The expiries that `take` wants, in order of settlement. Contracts with an adjusted deliverable
/// beside standard ones are left out.
std::vector<ListedMarket> markets_of(
    const core::ChainSnapshot& snapshot, ExerciseStyle style, std::optional<double> rate,
    DensityKind kind, const std::function<bool(const analysis::ListedExpiry&)>& take);

/// What values an option of that strike.
analysis::LegMarket leg_market(const MarketOfExpiry& market, Price strike, analysis::LegKind kind);

/// Who the margin rules take an underlying for. Indices that only the broker calls one, which may
/// be narrow, count as shares; so do volatility indices, which have no stress range here.
struct MarginClass {
  analysis::UnderlyingKind kind;
  bool cash_settled;
  std::string_view stress;  // empty: none
};
MarginClass margin_class_of(std::string_view underlying, const Told& told);

/// Up to where a structure of these expiries is looked at when the first one settles.
double highest_spot_of(std::span<const MarketOfExpiry* const> markets,
                       const analysis::Density& front);

/// invalid_input for what is no amount of money.
core::Result<analysis::Money> fee_of(std::optional<double> fee_per_contract);

/// invalid_input for the indices of is_index.
core::Result<void> refuse_shares_of_index(std::string_view underlying, const Told& told);

/// Calendar days in New York from a moment to a date.
int days_between(Instant from, Date to);

LegKind to_leg_kind(analysis::LegKind kind);
DensityLabel describe(const analysis::Density& density);
std::vector<DensityQuantile> quantiles_of(const analysis::Density& density);
SearchedExpiry describe(const MarketOfExpiry& market, int days);
StrategyCandidate to_candidate(const analysis::Candidate& found, int rank,
                               std::span<const MarketOfExpiry* const> markets);

}  // namespace bifrost::api
