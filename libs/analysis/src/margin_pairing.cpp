// SPDX-License-Identifier: Apache-2.0
#include "margin_pairing.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "cheapest_partition.hpp"

namespace bifrost::analysis {
namespace {

// Bounds of the exact search, about half a second. Books of two dozen series stay far below them.
constexpr std::size_t highest_piece_count = 100'000;
constexpr std::size_t highest_pair_count = 2'000'000;
constexpr std::int64_t work_limit = 100'000'000;

/// Every offset that some lots of the items could form, with its cost.
class Enumeration {
 public:
  Enumeration(std::span<const BookItem> items, const OffsetCharges& charges)
      : items_(items), charges_(charges) {
    alone();
    spreads();
    if (charges.account() == AccountType::margin) straddles();
    stock();
    const std::size_t without_pairs = pieces_.size();
    if (!pairs_of_spreads(charges.groups())) {
      complete_ = false;
      pieces_.resize(without_pairs);
      kinds_.resize(without_pairs);
      if (!pairs_of_spreads(SpreadGroups::butterflies)) {
        pieces_.resize(without_pairs);
        kinds_.resize(without_pairs);
      }
    }
  }

  std::span<const Piece> pieces() const { return pieces_; }
  OffsetKind kind(std::size_t piece) const { return kinds_[piece]; }
  /// False: there were more pairs of spreads than the bound allows, and most are left out.
  bool complete() const { return complete_; }

 private:
  struct Spread {
    int bought;
    int sold;
    std::int64_t cost;
  };

  // Legs of one offset: which item, how many lots.
  using Legs = std::initializer_list<Piece::Use>;

  const BookItem& item(int at) const { return items_[static_cast<std::size_t>(at)]; }

  std::optional<std::int64_t> price(OffsetKind kind, std::span<const Piece::Use> legs) const {
    std::array<Holding, 4> held;
    for (std::size_t i = 0; i < legs.size(); ++i) held[i] = {&item(legs[i].item), legs[i].lots};
    return charges_.cost(kind, std::span{held}.first(legs.size()));
  }

  void add(OffsetKind kind, Legs legs) {
    if (const auto cost = price(kind, std::span{legs.begin(), legs.size()}))
      push(kind, legs, *cost);
  }

  void push(OffsetKind kind, std::span<const Piece::Use> legs, std::int64_t cost) {
    Piece piece{{}, static_cast<int>(legs.size()), cost};
    std::copy(legs.begin(), legs.end(), piece.uses.begin());
    pieces_.push_back(piece);
    kinds_.push_back(kind);
  }

  void alone() {
    for (int i = 0; i < count(); ++i) add(kind_alone(item(i), charges_.account()), {{i, 1}});
  }

  void spreads() {
    for (int b = 0; b < count(); ++b) {
      for (int s = 0; s < count(); ++s) {
        const BookItem& bought = item(b);
        const BookItem& sold = item(s);
        if (!bought.bought || sold.bought || bought.kind != sold.kind) continue;
        if (bought.kind == LegKind::stock || !protects(bought, sold)) continue;
        const OffsetKind kind = expire_together(bought, sold)  ? OffsetKind::vertical
                                : bought.strike == sold.strike ? OffsetKind::calendar
                                                               : OffsetKind::diagonal;
        const std::array<Piece::Use, 2> legs{{{b, 1}, {s, 1}}};
        const auto cost = price(kind, legs);
        if (!cost) continue;
        push(kind, legs, *cost);
        spreads_.push_back({b, s, *cost});
      }
    }
  }

  void straddles() {
    for (int c = 0; c < count(); ++c) {
      for (int p = 0; p < count(); ++p) {
        if (!item(c).is(LegKind::call, false) || !item(p).is(LegKind::put, false)) continue;
        if (!same_deliverable(item(c), item(p))) continue;
        add(item(c).strike == item(p).strike ? OffsetKind::short_straddle
                                             : OffsetKind::short_strangle,
            {{c, 1}, {p, 1}});
      }
    }
  }

  // Stock with one option, and with two that expire together.
  void stock() {
    if (items_.empty() || items_.back().kind != LegKind::stock) return;
    const int at = count() - 1;
    const bool bought = items_.back().bought;
    const bool cash = charges_.account() == AccountType::cash;
    for (int o = 0; o < at; ++o) {
      if (!adjusted_class(item(o).trading_class).empty()) continue;
      const std::int64_t lots = item(o).shares / item(at).shares;
      const bool call = item(o).kind == LegKind::call;
      if (!item(o).bought && call == bought) {
        if (!cash || call) {
          add(call ? OffsetKind::covered_call : OffsetKind::covered_put, {{at, lots}, {o, 1}});
        }
      } else if (item(o).bought && call != bought && !cash) {
        add(call ? OffsetKind::protective_call : OffsetKind::protective_put, {{at, lots}, {o, 1}});
      }
    }
    if (cash) return;
    // Long stock, long put, short call; or short stock, long call, short put.
    const LegKind long_kind = bought ? LegKind::put : LegKind::call;
    const LegKind short_kind = bought ? LegKind::call : LegKind::put;
    for (int b = 0; b < at; ++b) {
      for (int s = 0; s < at; ++s) {
        const BookItem& hedge = item(b);
        const BookItem& sold = item(s);
        if (!hedge.is(long_kind, true) || !sold.is(short_kind, false)) continue;
        if (!expire_together(hedge, sold) || !same_deliverable(hedge, sold)) continue;
        if (!adjusted_class(hedge.trading_class).empty()) continue;
        const std::int64_t lots = hedge.shares / item(at).shares;
        if (hedge.strike == sold.strike) {
          add(bought ? OffsetKind::conversion : OffsetKind::reverse_conversion,
              {{at, lots}, {b, 1}, {s, 1}});
        } else if (bought && hedge.strike < sold.strike) {
          add(OffsetKind::collar, {{at, lots}, {b, 1}, {s, 1}});
        }
      }
    }
  }

  struct Shape {
    OffsetKind kind;
    bool equal_intervals;
  };

  Shape shape_of(const Spread& a, const Spread& b) const {
    const Shape other{OffsetKind::spread_group, false};
    if (!expire_together(item(a.bought), item(a.sold)) ||
        !expire_together(item(b.bought), item(b.sold))) {
      return other;
    }
    if (item(a.sold).kind == item(b.sold).kind) {
      const auto [low, high] = std::minmax(item(a.bought).strike, item(b.bought).strike);
      const auto [inner_low, inner_high] = std::minmax(item(a.sold).strike, item(b.sold).strike);
      if (!(low < inner_low && inner_high < high)) return other;
      return {inner_low == inner_high ? OffsetKind::butterfly : OffsetKind::condor,
              inner_low - low == high - inner_high};
    }
    const bool a_is_put = item(a.sold).kind == LegKind::put;
    const Spread& puts = a_is_put ? a : b;
    const Spread& calls = a_is_put ? b : a;
    const std::int64_t low = item(puts.bought).strike;
    const std::int64_t put = item(puts.sold).strike;
    const std::int64_t call = item(calls.sold).strike;
    const std::int64_t high = item(calls.bought).strike;
    if (low == call && put == high && low < high) return {OffsetKind::short_box, true};
    if (!(low < put && put <= call && call < high)) return other;
    return {put == call ? OffsetKind::iron_butterfly : OffsetKind::iron_condor,
            put - low == high - call};
  }

  static bool recognised(const Shape& shape, SpreadGroups groups) {
    switch (groups) {
      case SpreadGroups::maximum_loss:
        return true;
      case SpreadGroups::equal_intervals:
        return shape.equal_intervals;
      case SpreadGroups::butterflies:
        return shape.equal_intervals &&
               (shape.kind == OffsetKind::butterfly || shape.kind == OffsetKind::short_box);
    }
    core::panic("spread groups of no kind");
  }

  // False: more than the bound allows.
  bool pairs_of_spreads(SpreadGroups groups) {
    std::size_t looked_at = 0;
    for (std::size_t i = 0; i < spreads_.size(); ++i) {
      for (std::size_t j = i + 1; j < spreads_.size(); ++j) {
        const Spread& a = spreads_[i];
        const Spread& b = spreads_[j];
        if (a.cost == 0 && b.cost == 0) continue;
        if (++looked_at > highest_pair_count || pieces_.size() >= highest_piece_count) return false;
        if (!same_deliverable(item(a.sold), item(b.sold)) ||
            !expire_together(item(a.sold), item(b.sold))) {
          continue;
        }
        const Shape shape = shape_of(a, b);
        if (!recognised(shape, groups)) continue;
        std::array<Piece::Use, 4> legs{};
        std::size_t used = 0;
        for (const int leg : {a.bought, a.sold, b.sold, b.bought}) {
          const auto same = std::find_if(legs.begin(), legs.begin() + static_cast<long>(used),
                                         [leg](const Piece::Use& use) { return use.item == leg; });
          if (same != legs.begin() + static_cast<long>(used)) {
            ++same->lots;
          } else {
            legs[used++] = {leg, 1};
          }
        }
        const auto cost = price(shape.kind, std::span{legs}.first(used));
        if (cost && *cost < a.cost + b.cost) push(shape.kind, std::span{legs}.first(used), *cost);
      }
    }
    return true;
  }

  int count() const { return static_cast<int>(items_.size()); }

  std::span<const BookItem> items_;
  const OffsetCharges& charges_;
  std::vector<Piece> pieces_;
  std::vector<OffsetKind> kinds_;
  std::vector<Spread> spreads_;
  bool complete_ = true;
};

std::vector<std::int64_t> lots_of(std::span<const BookItem> items) {
  std::vector<std::int64_t> lots;
  lots.reserve(items.size());
  for (const auto& item : items) lots.push_back(item.lots);
  return lots;
}

}  // namespace

std::string_view adjusted_class(std::string_view trading_class) {
  return is_adjusted_class(trading_class) ? trading_class : std::string_view{};
}

bool same_deliverable(const BookItem& a, const BookItem& b) {
  return a.shares == b.shares && adjusted_class(a.trading_class) == adjusted_class(b.trading_class);
}

bool expire_together(const BookItem& a, const BookItem& b) {
  return a.expiry == b.expiry && a.trading_class == b.trading_class;
}

bool protects(const BookItem& bought, const BookItem& sold) {
  return same_deliverable(bought, sold) &&
         (bought.expiry > sold.expiry || expire_together(bought, sold));
}

OffsetKind kind_alone(const BookItem& item, AccountType account) {
  if (item.kind == LegKind::stock) {
    return item.bought ? OffsetKind::long_stock : OffsetKind::short_stock;
  }
  if (item.bought) return OffsetKind::long_option;
  if (item.kind == LegKind::call) return OffsetKind::naked_call;
  return account == AccountType::cash ? OffsetKind::cash_secured_put : OffsetKind::naked_put;
}

CheapestPairing cheapest_pairing(std::span<const BookItem> items, const OffsetCharges& charges) {
  const Enumeration candidates{items, charges};
  const auto pieces = candidates.pieces();
  const auto partition = cheapest_partition(lots_of(items), pieces, work_limit);
  CheapestPairing pairing{{}, partition.cost, candidates.complete() ? partition.lower_bound : 0};
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    if (partition.counts[p] == 0) continue;
    PairedOffset offset{candidates.kind(p), partition.counts[p], pieces[p].cost, {}};
    for (int u = 0; u < pieces[p].use_count; ++u) {
      const auto& use = pieces[p].uses[static_cast<std::size_t>(u)];
      offset.legs.push_back({&items[static_cast<std::size_t>(use.item)], use.lots});
    }
    pairing.offsets.push_back(std::move(offset));
  }
  return pairing;
}

}  // namespace bifrost::analysis
