// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/analysis/margin.hpp"

// How a book divides into the offsets that cost least together. What an offset costs is the
// caller's to say.

namespace bifrost::analysis {

/// All the lots of one series on one side, or all the stock.
struct BookItem {
  LegKind kind;
  bool bought;
  std::int64_t lots;
  std::int64_t shares;  // per lot
  std::int64_t strike;  // all amounts in price units, per share
  std::optional<core::Date> expiry;
  std::string trading_class;
  std::int64_t mark;

  bool is(LegKind of_kind, bool on_the_bought_side) const {
    return kind == of_kind && bought == on_the_bought_side;
  }
};

/// Empty for classes whose deliverable was not adjusted.
std::string_view adjusted_class(std::string_view trading_class);
bool same_deliverable(const BookItem& a, const BookItem& b);
bool expire_together(const BookItem& a, const BookItem& b);
bool protects(const BookItem& bought, const BookItem& sold);

struct Holding {
  const BookItem* item;
  std::int64_t lots;
};

class OffsetCharges {
 public:
  virtual ~OffsetCharges() = default;
  /// Of one offset, in units. `legs`: stock first, the bought option of a spread or a hedge before
  /// the sold one, the call of a straddle or strangle before the put. Nothing: it is not
  /// recognised, which an item alone always is.
  virtual std::optional<std::int64_t> cost(OffsetKind kind,
                                           std::span<const Holding> legs) const = 0;
  virtual SpreadGroups groups() const = 0;
  virtual AccountType account() const = 0;
};

struct PairedOffset {
  OffsetKind kind;
  std::int64_t count;
  std::int64_t cost;          // of one
  std::vector<Holding> legs;  // of one
};

struct CheapestPairing {
  std::vector<PairedOffset> offsets;  // together exactly the items
  std::int64_t cost;
  std::int64_t lower_bound;  // no other pairing costs less; equals cost where that is proven
};

/// Stock, if any, is the last of `items`, and what a contract delivers is whole lots of it. The
/// result points into `items`.
CheapestPairing cheapest_pairing(std::span<const BookItem> items, const OffsetCharges& charges);

/// What an item is that is paired with none.
OffsetKind kind_alone(const BookItem& item, AccountType account);

}  // namespace bifrost::analysis
