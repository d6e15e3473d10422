// SPDX-License-Identifier: Apache-2.0
#include "margin_formula.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

namespace bifrost::analysis {
namespace {

using Sum = MarginFormula::Sum;
using What = MarginFormula::What;

/// One way to cover the short options of one right: single contracts, by leg.
struct Cover {
  std::vector<std::size_t> naked;
  std::vector<std::pair<std::size_t, std::size_t>> wide;  // short, long: spreads that ask a width
};

std::vector<std::size_t> contracts(const StrategyShape& shape, LegKind kind, bool bought) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < shape.legs.size(); ++i) {
    const auto& leg = shape.legs[i];
    if (leg.kind != kind || (leg.quantity > 0) != bought) continue;
    out.insert(out.end(), static_cast<std::size_t>(std::abs(leg.quantity)), i);
  }
  return out;
}

/// Whether what is bought there protects no worse than a strike away.
bool asks_a_width(const StrategyShape& shape, std::size_t sold, std::size_t bought) {
  const int up = shape.legs[bought].rung - shape.legs[sold].rung;
  return shape.legs[sold].kind == LegKind::call ? up > 0 : up < 0;
}

/// All ways, of those that are never dearer than another.
std::vector<Cover> covers(const StrategyShape& shape, LegKind kind, std::vector<std::size_t> sold,
                          bool later_covers) {
  const auto bought = contracts(shape, kind, true);
  std::vector<Cover> found;
  const auto extend = [&](const auto& self, std::size_t at, std::vector<bool>& used,
                          const Cover& so_far) -> void {
    if (at == sold.size()) {
      found.push_back(so_far);
      std::ranges::sort(found.back().naked);
      std::ranges::sort(found.back().wide);
      return;
    }
    auto alone = so_far;
    alone.naked.push_back(sold[at]);
    self(self, at + 1, used, alone);
    const int expires = shape.legs[sold[at]].expiry_rung;
    for (std::size_t b = 0; b < bought.size(); ++b) {
      const int later = shape.legs[bought[b]].expiry_rung - expires;
      if (used[b] || later < 0 || (later > 0 && !later_covers)) continue;
      auto spread = so_far;
      if (asks_a_width(shape, sold[at], bought[b])) spread.wide.emplace_back(sold[at], bought[b]);
      used[b] = true;
      self(self, at + 1, used, spread);
      used[b] = false;
    }
  };
  std::vector<bool> used(bought.size(), false);
  extend(extend, 0, used, {});
  const auto no_dearer = [](const Cover& a, const Cover& b) {
    return std::ranges::includes(b.naked, a.naked) && std::ranges::includes(b.wide, a.wide);
  };
  std::vector<Cover> kept;
  for (std::size_t i = 0; i < found.size(); ++i) {
    bool needless = false;
    for (std::size_t j = 0; j < found.size() && !needless; ++j) {
      needless =
          i != j && no_dearer(found[j], found[i]) && (j < i || !no_dearer(found[i], found[j]));
    }
    if (!needless) kept.push_back(found[i]);
  }
  return kept;
}

bool all_covered(const std::vector<Cover>& ways) {
  return std::ranges::any_of(ways, [](const Cover& way) { return way.naked.empty(); });
}

void add_widths(Sum& sum, const StrategyShape& shape, const Cover& cover) {
  for (const auto& [sold, bought] : cover.wide) {
    const int sign = shape.legs[sold].kind == LegKind::call ? 1 : -1;
    sum.terms.push_back({What::strike, bought, sign});
    sum.terms.push_back({What::strike, sold, -sign});
  }
}

class Builder {
 public:
  void way(std::vector<Sum> sums, std::vector<Sum> alone = {}) {
    auto& made = formula_.ways.emplace_back();
    for (auto& sum : sums) made.sums.push_back(index_of(std::move(sum)));
    for (auto& sum : alone) made.alone.push_back(index_of(std::move(sum)));
  }

  MarginFormula done() {
    if (formula_.sums.size() > MarginFormula::most_sums) core::panic("a margin of too many sums");
    // The least over ways of the largest of each is the largest, over every choice of one of each
    // way, of the least of the choice.
    formula_.at_least = formula_.at_most = {{}};
    for (const auto& way : formula_.ways) {
      MarginFormula::Clauses singly;
      for (const auto sum : way.sums) singly.push_back({sum});
      choose(formula_.at_least, way.alone.empty() ? singly : MarginFormula::Clauses{way.sums});
      choose(formula_.at_most, singly);
    }
    for (const auto& sum : formula_.sums) {
      const bool by_price = std::ranges::any_of(sum.terms, [](const auto& term) {
        return term.what == What::naked || term.what == What::in_the_money;
      });
      formula_.uses_underlying_price =
          formula_.uses_underlying_price || by_price || sum.stock_lots != 0;
      formula_.asks_cash =
          formula_.asks_cash ||
          std::ranges::any_of(sum.terms, [](const auto& term) { return term.what == What::cash; });
    }
    return std::move(formula_);
  }

 private:
  std::size_t index_of(Sum sum) {
    const auto known = std::ranges::find(formula_.sums, sum);
    const auto index = static_cast<std::size_t>(known - formula_.sums.begin());
    if (known == formula_.sums.end()) formula_.sums.push_back(std::move(sum));
    return index;
  }

  static void choose(MarginFormula::Clauses& clauses, const MarginFormula::Clauses& from) {
    MarginFormula::Clauses longer;
    for (const auto& clause : clauses) {
      for (const auto& sums : from) {
        longer.push_back(clause);
        longer.back().insert(longer.back().end(), sums.begin(), sums.end());
      }
    }
    clauses = std::move(longer);
  }

  MarginFormula formula_;
};

}  // namespace

MarginFormula margin_formula(const StrategyShape& shape, bool later_covers) {
  auto calls = contracts(shape, LegKind::call, false);
  auto puts = contracts(shape, LegKind::put, false);
  Builder builder;
  Sum stock;
  for (const auto& leg : shape.legs) {
    if (leg.kind == LegKind::stock) stock.stock_lots += leg.quantity;
  }
  // Shares cover: what is short then asks what it is in the money.
  auto& sold = stock.stock_lots > 0 ? calls : puts;
  const auto lots = static_cast<std::size_t>(std::abs(stock.stock_lots));
  for (std::size_t i = std::min(lots, sold.size()); i-- > 0;) {
    stock.terms.push_back({What::in_the_money, sold[i], 1});
    sold.erase(sold.begin() + static_cast<std::ptrdiff_t>(i));
  }
  const auto call_ways = covers(shape, LegKind::call, calls, later_covers);
  const auto put_ways = covers(shape, LegKind::put, puts, later_covers);

  if (stock.stock_lots == 0 && all_covered(call_ways) && all_covered(put_ways)) {
    if (expiry_count(shape) == 1) {
      MarginFormula formula;
      formula.worst_loss = true;
      return formula;
    }
    // Only one side can lose.
    std::vector<Sum> sides;
    for (const auto* ways : {&call_ways, &put_ways}) {
      const auto covered =
          std::ranges::find_if(*ways, [](const Cover& way) { return way.naked.empty(); });
      add_widths(sides.emplace_back(), shape, *covered);
    }
    builder.way(std::move(sides));
    return builder.done();
  }
  for (const auto& call_way : call_ways) {
    for (const auto& put_way : put_ways) {
      Sum base = stock;
      add_widths(base, shape, call_way);
      add_widths(base, shape, put_way);
      const auto& calls_alone = call_way.naked;
      const auto& puts_alone = put_way.naked;
      const auto with = [](Sum sum, const std::vector<std::size_t>& legs,
                           std::initializer_list<What> terms) {
        for (const auto leg : legs) {
          for (const auto what : terms) sum.terms.push_back({what, leg, 1});
        }
        return sum;
      };
      const auto naked = {What::naked, What::mark};
      if (shape.cash_secured) {
        builder.way({with(with(base, calls_alone, naked), puts_alone, {What::cash})});
      } else if (calls_alone.size() == 1 && puts_alone.size() == 1) {
        builder.way({with(with(base, calls_alone, naked), puts_alone, {What::mark}),
                     with(with(base, puts_alone, naked), calls_alone, {What::mark})},
                    {with({}, calls_alone, naked), with({}, puts_alone, naked)});
      } else {
        builder.way({with(with(base, calls_alone, naked), puts_alone, naked)});
      }
    }
  }
  return builder.done();
}

double MarginFormula::required(std::span<const double> values) const {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& way : ways) {
    double asked = 0.0;
    if (way.alone.empty()) {
      for (const auto sum : way.sums) asked = std::max(asked, values[sum]);
    } else {
      std::size_t dearer = 0;
      for (std::size_t i = 1; i < way.alone.size(); ++i) {
        if (values[way.alone[i]] > values[way.alone[dearer]]) dearer = i;
      }
      asked = values[way.sums[dearer]];
    }
    least = std::min(least, asked);
  }
  return least;
}

bool MarginFormula::is_exact() const {
  return std::ranges::all_of(ways, [](const Way& way) { return way.alone.empty(); });
}

std::int64_t margin_term(MarginFormula::What what, LegKind kind, Price strike, Price mark,
                         const MarginUnderlying& underlying) {
  switch (what) {
    case What::naked:
      return naked_requirement(kind, strike, underlying, regulation_t()).units();
    case What::mark:
      return mark.units();
    case What::in_the_money:
      return std::max<std::int64_t>(kind == LegKind::call ? (underlying.price - strike).units()
                                                          : (strike - underlying.price).units(),
                                    0);
    case What::strike:
    case What::cash:
      return strike.units();
  }
  core::panic("a term of no kind");
}

const MarginRules& regulation_t() {
  static const MarginRules rules = [] {
    using namespace std::chrono;
    auto found = margin_rules("reg_t", core::Date{year{2012} / October / 26});
    if (!found) core::panic("no Regulation T: " + found.error().message);
    return *std::move(found);
  }();
  return rules;
}

}  // namespace bifrost::analysis
