// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bifrost/analysis/margin.hpp"
#include "bifrost/analysis/strategy.hpp"

namespace bifrost::analysis {

/// What rule_requirement() asks of one unit of a strategy at entry, as a formula in its strikes and
/// marks, so that a search need not pair every book anew. Of the rules regulation_t() alone.
struct MarginFormula {
  enum class What : std::uint8_t {
    naked,         // naked_requirement() of a short option
    mark,          // of an option
    in_the_money,  // of an option, by the underlying's price
    strike,
    cash,  // the strike, held in cash
  };
  struct Term {
    What what;
    std::size_t leg;  // of the shape
    int weight;       // contracts

    friend bool operator==(const Term&, const Term&) = default;
  };
  struct Sum {
    std::vector<Term> terms;
    int stock_lots = 0;  // of shares, bought or sold, at the initial rate

    friend bool operator==(const Sum&, const Sum&) = default;
  };
  /// One way to pair the legs. It asks the largest of `sums`; or, of a short call and a short put,
  /// that one of them whose side is dearer alone, the call's on a tie.
  struct Way {
    std::vector<std::size_t> sums;
    std::vector<std::size_t> alone;  // empty, or parallel to `sums`
  };
  /// Every option is covered by others that expire with it: the requirement is the worst loss at
  /// expiry beyond the premium, and there are no sums.
  bool worst_loss = false;
  bool uses_underlying_price = false;
  bool asks_cash = false;
  std::vector<Sum> sums;
  std::vector<Way> ways;  // the cheapest counts

  /// The largest over clauses of the least sum of a clause: bounds of the requirement, equal where
  /// no way has `alone`.
  using Clauses = std::vector<std::vector<std::size_t>>;
  Clauses at_least;
  Clauses at_most;

  /// `values` of the sums, none negative. Not for worst_loss.
  double required(std::span<const double> values) const;
  bool is_exact() const;  // the bounds are equal
  /// Spreads covered at no width ask nothing. Then there is one way, the largest of all sums.
  bool may_be_nothing() const { return !worst_loss && !uses_underlying_price && !asks_cash; }

  static constexpr std::size_t most_sums = 5;
};

/// Of a strategy of the catalogue, while no mark lies so far below what exercise would pay that the
/// engine would rather not let shares cover it. `later_covers`: whether an option of the later
/// expiry covers one of the earlier; two classes of one day do not. Shares are those that the
/// options deliver.
MarginFormula margin_formula(const StrategyShape& shape, bool later_covers = true);

/// Per share, in units.
std::int64_t margin_term(MarginFormula::What what, LegKind kind, Price strike, Price mark,
                         const MarginUnderlying& underlying);

/// The rules of the formula: Regulation T and FINRA Rule 4210 as they stand since 2012-10-26.
const MarginRules& regulation_t();

}  // namespace bifrost::analysis
