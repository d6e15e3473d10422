// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/margin.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <tuple>

#include "margin_pairing.hpp"

namespace bifrost::analysis {
namespace {

std::int64_t intrinsic(const BookItem& item, std::int64_t spot) {
  switch (item.kind) {
    case LegKind::call:
      return std::max<std::int64_t>(spot - item.strike, 0);
    case LegKind::put:
      return std::max<std::int64_t>(item.strike - spot, 0);
    case LegKind::stock:
      return spot;
  }
  core::panic("an item that is neither call, put nor stock");
}

// The worst that these can lose together when all are settled at one price, in units. Nothing:
// there is no limit.
std::optional<std::int64_t> joint_loss(std::span<const Holding> held, std::int64_t spot) {
  std::int64_t right_slope = 0;
  std::int64_t stock = 0;
  for (const auto& [item, lots] : held) {
    const std::int64_t shares = lots * item->shares * (item->bought ? 1 : -1);
    if (item->kind != LegKind::put) right_slope += shares;
    if (item->kind == LegKind::stock) stock += shares;
  }
  if (right_slope < 0) return std::nullopt;
  const auto value_at = [&](std::int64_t price) {
    std::int64_t value = -stock * spot;
    for (const auto& [item, lots] : held) {
      value += intrinsic(*item, price) * lots * item->shares * (item->bought ? 1 : -1);
    }
    return value;
  };
  std::int64_t worst = std::min<std::int64_t>(0, value_at(0));
  for (const auto& [item, lots] : held) {
    if (item->kind != LegKind::stock) worst = std::min(worst, value_at(item->strike));
  }
  return -worst;
}

/// The book without order, doublets and legs that cancel, and the bound of its amounts.
struct Inventory {
  std::vector<BookItem> items;
  std::int64_t most;  // no offsets of this book can cost more in total
};

core::Result<Inventory> take_stock(std::span<const BookLeg> book,
                                   std::span<const std::optional<Price>> marks, bool need_marks,
                                   Price spot) {
  const auto refuse = [](std::string why) {
    return core::fail(core::Errc::invalid_input, "margin of a book: " + std::move(why));
  };
  if (book.empty()) return refuse("it has no legs");
  if (spot <= Price{}) return refuse("the underlying's price is not positive");
  if (need_marks && marks.size() != book.size()) return refuse("not one mark for each leg");

  struct Net {
    std::int64_t quantity = 0;
    std::optional<Price> mark;
  };
  std::map<std::tuple<LegKind, core::Date, std::string, int, Price>, Net> options;
  std::int64_t stock = 0;
  double shares = 0.0;
  double most = 0.0;
  std::int64_t stock_lot = 0;
  for (std::size_t i = 0; i < book.size(); ++i) {
    const auto& [leg, expiry, trading_class] = book[i];
    if (leg.kind == LegKind::stock) {
      shares += std::abs(static_cast<double>(leg.quantity));
      most += std::abs(static_cast<double>(leg.quantity)) * 2.0 * static_cast<double>(spot.units());
      if (shares > 1e9) return refuse("more than a thousand million shares");
      stock += leg.quantity;
      continue;
    }
    const std::string name = std::string{to_string(leg.kind)} + " " + leg.strike.to_string();
    if (!expiry) return refuse(name + " has no expiry");
    if (leg.strike < Price{}) return refuse(name + " has a negative strike");
    if (leg.multiplier <= 0) return refuse(name + " has no multiplier");
    if (need_marks && (!marks[i] || *marks[i] < Price{})) return refuse(name + " has no mark");
    const double size = std::abs(static_cast<double>(leg.quantity)) * leg.multiplier;
    shares += size;
    if (shares > 1e9) return refuse("more than a thousand million shares");
    const std::int64_t highest =
        2 * (std::max(leg.strike, spot).units() + (need_marks ? marks[i]->units() : 0)) +
        250 * Price::units_per_one;
    most += size * static_cast<double>(highest);
    stock_lot = std::gcd(stock_lot, leg.multiplier);
    Net& net = options[{leg.kind, *expiry, trading_class, leg.multiplier, leg.strike}];
    if (need_marks && net.mark && *net.mark != *marks[i]) return refuse(name + " has two marks");
    net.quantity += leg.quantity;
    if (need_marks) net.mark = marks[i];
  }

  Inventory inventory;
  for (const auto& [series, net] : options) {
    if (net.quantity == 0) continue;
    const auto& [kind, expiry, trading_class, multiplier, strike] = series;
    inventory.items.push_back({kind, net.quantity > 0, std::abs(net.quantity), multiplier,
                               strike.units(), expiry, trading_class,
                               net.mark ? net.mark->units() : 0});
  }
  if (stock != 0) {
    const std::int64_t lot = std::gcd(stock_lot, stock);
    inventory.items.push_back(
        {LegKind::stock, stock > 0, std::abs(stock) / lot, lot, 0, std::nullopt, "", spot.units()});
  }
  double lots = 1.0;
  for (const auto& item : inventory.items) lots += static_cast<double>(item.lots);
  if (most > 5e14 || most * lots > 4e18) return refuse("it is too large");
  inventory.most = static_cast<std::int64_t>(most) + 1;
  return inventory;
}

std::int64_t share(double rate, std::int64_t units) {
  return std::llround(rate * static_cast<double>(units));
}

/// Charges every offset its own worst loss: what finds out which long covers which short.
class LossCharges final : public OffsetCharges {
 public:
  /// `groups`: with one settlement alone it does not matter which long covers which short, and
  /// looking at fewer shapes takes less time.
  LossCharges(std::int64_t spot, std::int64_t unlimited, SpreadGroups groups)
      : spot_(spot), unlimited_(unlimited), groups_(groups) {}

  std::optional<std::int64_t> cost(OffsetKind, std::span<const Holding> legs) const override {
    const auto loss = joint_loss(legs, spot_);
    if (loss || legs.size() > 1) return loss;
    return unlimited_;
  }
  SpreadGroups groups() const override { return groups_; }
  AccountType account() const override { return AccountType::margin; }

 private:
  std::int64_t spot_;
  std::int64_t unlimited_;
  SpreadGroups groups_;
};

class RuleCharges final : public OffsetCharges {
 public:
  RuleCharges(const MarginUnderlying& underlying, const MarginRules& rules, bool initial,
              std::int64_t forbidden)
      : underlying_(underlying), rules_(rules), initial_(initial), forbidden_(forbidden) {}

  SpreadGroups groups() const override { return rules_.groups; }
  AccountType account() const override { return rules_.account; }

  std::optional<std::int64_t> cost(OffsetKind kind, std::span<const Holding> legs) const override {
    const BookItem& first = *legs[0].item;
    const std::int64_t contract = first.shares;  // of a single stock lot: its shares
    const bool cash = rules_.account == AccountType::cash;
    switch (kind) {
      case OffsetKind::long_option:
        return 0;
      case OffsetKind::naked_call:
        return cash ? forbidden_ : naked(first);
      case OffsetKind::naked_put:
        return naked(first);
      case OffsetKind::cash_secured_put:
        return first.strike * contract;
      case OffsetKind::long_stock:
        return long_stock(spot()) * contract;
      case OffsetKind::short_stock:
        return cash ? forbidden_ : short_stock() * contract;
      case OffsetKind::vertical:
      case OffsetKind::calendar:
      case OffsetKind::diagonal:
        if (cash && !(underlying_.european_cash_settled && kind == OffsetKind::vertical)) {
          return std::nullopt;
        }
        return joint_loss(legs, spot());
      case OffsetKind::short_straddle:
      case OffsetKind::short_strangle: {
        const BookItem& put = *legs[1].item;
        const std::int64_t call_alone = naked(first);
        const std::int64_t put_alone = naked(put);
        return put_alone > call_alone ? put_alone + first.mark * contract
                                      : call_alone + put.mark * contract;
      }
      case OffsetKind::covered_call: {
        const BookItem& call = *legs[1].item;
        if (cash) return spot() * call.shares;
        return covered_call(call) * call.shares;
      }
      case OffsetKind::covered_put: {
        const BookItem& put = *legs[1].item;
        const bool as_initial = initial_ || rules_.covered_put_keeps_initial;
        const std::int64_t stock = as_initial ? share(rules_.stock_initial, spot()) : short_stock();
        return (stock + intrinsic(put, spot())) * put.shares;
      }
      case OffsetKind::protective_put: {
        const BookItem& put = *legs[1].item;
        const std::int64_t alone = long_stock(spot());
        if (initial_) return alone * put.shares;
        return std::min(alone, share(rules_.hedged_strike, put.strike) + out_of_the_money(put)) *
               put.shares;
      }
      case OffsetKind::protective_call: {
        const BookItem& call = *legs[1].item;
        const std::int64_t alone = short_stock();
        if (initial_) return alone * call.shares;
        return std::min(alone, share(rules_.hedged_strike, call.strike) + out_of_the_money(call)) *
               call.shares;
      }
      case OffsetKind::collar: {
        const BookItem& put = *legs[1].item;
        const BookItem& call = *legs[2].item;
        if (initial_) return (long_stock(spot()) + intrinsic(call, spot())) * call.shares;
        return std::min(share(rules_.hedged_strike, put.strike) + out_of_the_money(put),
                        share(rules_.collar_call_strike, call.strike)) *
               call.shares;
      }
      case OffsetKind::conversion:
      case OffsetKind::reverse_conversion: {
        const BookItem& sold = *legs[2].item;
        const std::int64_t base = !initial_ ? share(rules_.hedged_strike, sold.strike)
                                            : share(rules_.stock_initial, spot());
        return (base + intrinsic(sold, spot())) * sold.shares;
      }
      case OffsetKind::short_box: {
        std::int64_t to_close = 0;
        for (const auto& [item, lots] : legs) {
          to_close += item->mark * item->shares * lots * (item->bought ? -1 : 1);
        }
        return std::max(*joint_loss(legs, spot()),
                        to_close > 0 ? share(rules_.short_box_cost_multiple, to_close) : 0);
      }
      case OffsetKind::butterfly:
      case OffsetKind::condor:
      case OffsetKind::iron_butterfly:
      case OffsetKind::iron_condor:
      case OffsetKind::spread_group:
      case OffsetKind::universal_spread:
        return joint_loss(legs, spot());
    }
    core::panic("an offset of no kind");
  }

 private:
  std::int64_t spot() const { return underlying_.price.units(); }
  std::int64_t out_of_the_money(const BookItem& option) const {
    return std::max<std::int64_t>(
        option.kind == LegKind::call ? option.strike - spot() : spot() - option.strike, 0);
  }

  std::int64_t naked(const BookItem& option) const {
    const std::int64_t beyond_its_price =
        naked_requirement(option.kind, Price::from_units(option.strike), underlying_, rules_)
            .units();
    return option.mark * option.shares +
           std::max(beyond_its_price * option.shares, rules_.naked_floor_per_contract.units());
  }

  // Of one share, at a price that may differ from the market's.
  std::int64_t long_stock(std::int64_t price) const {
    return share(initial_ ? rules_.stock_initial : rules_.stock_maintenance, price);
  }
  // Beyond the proceeds of the sale. FINRA Rule 4210(c)(2) and (3): cheap stock asks more.
  std::int64_t short_stock() const {
    constexpr std::int64_t one = Price::units_per_one;
    const std::int64_t maintenance =
        spot() < 5 * one ? std::max(5 * one / 2, spot())
                         : std::max(5 * one, share(rules_.short_stock_maintenance, spot()));
    return initial_ ? std::max(share(rules_.stock_initial, spot()), maintenance) : maintenance;
  }

  std::int64_t covered_call(const BookItem& call) const {
    const std::int64_t in_the_money = intrinsic(call, spot());
    const std::int64_t stock = long_stock(spot());
    if (!rules_.covered_call_asks_call_value) {
      return in_the_money + (initial_ ? stock : long_stock(std::min(spot(), call.strike)));
    }
    if (initial_) return std::max(call.mark, stock);
    return std::max(in_the_money + long_stock(std::min(spot(), call.strike)),
                    std::min(spot(), std::max(call.mark, stock)));
  }

  const MarginUnderlying& underlying_;
  const MarginRules& rules_;
  bool initial_;
  std::int64_t forbidden_;
};

WorstExpiryLoss worst_loss(const Inventory& inventory, std::int64_t spot) {
  const auto& items = inventory.items;
  // A date and class on which short options settle; adjusted classes have their own.
  struct Settlement {
    const BookItem* sold;
    std::vector<std::int64_t> lots;
  };
  std::vector<Settlement> settlements;
  for (const auto& item : items) {
    if (item.bought || item.kind == LegKind::stock) continue;
    const bool known = std::any_of(settlements.begin(), settlements.end(), [&](const auto& s) {
      return expire_together(*s.sold, item) && s.sold->shares == item.shares;
    });
    if (!known) settlements.push_back({&item, std::vector<std::int64_t>(items.size(), 0)});
  }
  std::sort(settlements.begin(), settlements.end(),
            [](const auto& a, const auto& b) { return a.sold->expiry < b.sold->expiry; });

  const LossCharges charges{
      spot, inventory.most,
      settlements.size() > 1 ? SpreadGroups::maximum_loss : SpreadGroups::butterflies};
  const auto pairing = cheapest_pairing(items, charges);

  WorstExpiryLoss worst;
  worst.exact = settlements.size() <= 1;
  worst.defined_risk = std::none_of(
      items.begin(), items.end(), [](const BookItem& item) { return item.kind == LegKind::stock; });
  std::vector<std::int64_t> free_lots(items.size(), 0);
  for (const auto& offset : pairing.offsets) {
    const BookItem* sold = nullptr;
    for (const auto& [item, lots] : offset.legs) {
      if (!item->bought && item->kind != LegKind::stock) sold = item;
    }
    if (sold && offset.legs.size() == 1) worst.defined_risk = false;
    for (const auto& [item, lots] : offset.legs) {
      const auto at = static_cast<std::size_t>(item - items.data());
      if (!sold) {
        free_lots[at] += lots * offset.count;
        continue;
      }
      for (auto& settlement : settlements) {
        if (!expire_together(*settlement.sold, *sold) || settlement.sold->shares != sold->shares) {
          continue;
        }
        settlement.lots[at] += lots * offset.count;
      }
    }
  }
  // What covers no short option helps at the last settlement that it outlives; stock at the first.
  std::vector<Holding> unsettled;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (free_lots[i] == 0) continue;
    const BookItem& item = items[i];
    Settlement* at = nullptr;
    for (auto& settlement : settlements) {
      if (item.kind == LegKind::stock
              ? !at && adjusted_class(settlement.sold->trading_class).empty()
              : protects(item, *settlement.sold)) {
        at = &settlement;
      }
    }
    if (at) {
      at->lots[i] += free_lots[i];
    } else {
      unsettled.push_back({&item, free_lots[i]});
    }
  }
  std::int64_t total = 0;
  const auto settle = [&](std::span<const Holding> held) {
    const auto loss = joint_loss(held, spot);
    if (!loss) worst.unlimited_up = true;
    total += loss.value_or(0);
  };
  // Options that outlive every short one, or meet none, are all alive at the earliest expiry.
  std::erase_if(unsettled, [&](const Holding& holding) {
    return !settlements.empty() && holding.item->kind != LegKind::stock;
  });
  settle(unsettled);
  for (const auto& settlement : settlements) {
    std::vector<Holding> held;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (settlement.lots[i] > 0) held.push_back({&items[i], settlement.lots[i]});
    }
    settle(held);
  }
  if (!worst.unlimited_up) worst.loss = Money::from_units(total);
  if (worst.unlimited_up) worst.defined_risk = false;
  return worst;
}

BookLeg shown(const BookItem& item, std::int64_t lots) {
  const bool stock = item.kind == LegKind::stock;
  const std::int64_t quantity = (stock ? lots * item.shares : lots) * (item.bought ? 1 : -1);
  return {{item.kind, quantity, Price::from_units(item.strike), Price{},
           stock ? 1 : static_cast<int>(item.shares)},
          item.expiry,
          item.trading_class};
}

// All options of the book as one spread: as many sold as bought, of calls and of puts, the bought
// ones protecting every sold one, which all settle together.
std::optional<std::vector<Holding>> universal_spread(std::span<const BookItem> items) {
  std::vector<Holding> held;
  std::int64_t calls = 0;
  std::int64_t puts = 0;
  const BookItem* sold = nullptr;
  for (const auto& item : items) {
    if (item.kind == LegKind::stock) continue;
    held.push_back({&item, item.lots});
    (item.kind == LegKind::call ? calls : puts) += item.bought ? item.lots : -item.lots;
    if (!item.bought) sold = &item;
  }
  if (!sold || calls != 0 || puts != 0) return std::nullopt;
  for (const auto& [item, lots] : held) {
    if (item->bought ? !protects(*item, *sold)
                     : !expire_together(*item, *sold) || !same_deliverable(*item, *sold)) {
      return std::nullopt;
    }
  }
  return held;
}

core::Result<Pairing> pair_off(const Inventory& inventory, const MarginUnderlying& underlying,
                               const MarginRules& rules, bool initial) {
  const auto& items = inventory.items;
  const RuleCharges charges{underlying, rules, initial, inventory.most};
  const auto cheapest = cheapest_pairing(items, charges);

  Pairing pairing;
  for (const auto& [kind, count, cost, legs] : cheapest.offsets) {
    if (rules.account == AccountType::cash &&
        (kind == OffsetKind::naked_call || kind == OffsetKind::short_stock)) {
      return core::fail(
          core::Errc::invalid_input,
          "margin of a book: a cash account may not hold a " + std::string{to_string(kind)});
    }
    Offset offset{kind, count, {}, Money::from_units(count * cost)};
    for (const auto& [item, lots] : legs) offset.legs.push_back(shown(*item, lots));
    pairing.offsets.push_back(std::move(offset));
  }
  std::int64_t total = cheapest.cost;
  std::int64_t bound = cheapest.lower_bound;

  // The rule of maximum loss knows no bound on the number of legs: all options as one spread.
  if (rules.groups == SpreadGroups::maximum_loss) {
    if (const auto held = universal_spread(items)) {
      const std::int64_t spread = *joint_loss(*held, underlying.price.units());
      std::int64_t whole = spread;
      std::vector<Offset> offsets{{OffsetKind::universal_spread, 1, {}, Money::from_units(spread)}};
      for (const auto& [item, lots] : *held) offsets[0].legs.push_back(shown(*item, lots));
      for (const auto& item : items) {
        if (item.kind != LegKind::stock) continue;
        const OffsetKind kind = kind_alone(item, rules.account);
        const Holding one{&item, 1};
        const std::int64_t stock = item.lots * *charges.cost(kind, {&one, 1});
        offsets.push_back({kind, item.lots, {shown(item, 1)}, Money::from_units(stock)});
        whole += stock;
      }
      bound = std::min(bound, whole);
      if (whole < total) {
        total = whole;
        pairing.offsets = std::move(offsets);
      }
    }
  }
  pairing.requirement = Money::from_units(total);
  pairing.lower_bound = Money::from_units(bound);
  pairing.proven_minimal = bound == total;
  return pairing;
}

}  // namespace

bool is_adjusted_class(std::string_view trading_class) {
  return !trading_class.empty() && trading_class.back() >= '0' && trading_class.back() <= '9';
}

Price naked_requirement(LegKind kind, Price strike, const MarginUnderlying& underlying,
                        const MarginRules& rules) {
  const double rate =
      underlying.kind == UnderlyingKind::broad_index ? rules.naked_broad_index : rules.naked_equity;
  const std::int64_t spot = underlying.price.units();
  const std::int64_t out_of_the_money = std::max<std::int64_t>(
      kind == LegKind::call ? strike.units() - spot : spot - strike.units(), 0);
  const bool of_strike = kind == LegKind::put && rules.put_minimum_of_strike;
  return Price::from_units(std::max(share(rate, spot) - out_of_the_money,
                                    share(rules.naked_minimum, of_strike ? strike.units() : spot)));
}

std::string_view to_string(OffsetKind kind) {
  switch (kind) {
    case OffsetKind::long_option:
      return "long_option";
    case OffsetKind::naked_call:
      return "naked_call";
    case OffsetKind::naked_put:
      return "naked_put";
    case OffsetKind::cash_secured_put:
      return "cash_secured_put";
    case OffsetKind::long_stock:
      return "long_stock";
    case OffsetKind::short_stock:
      return "short_stock";
    case OffsetKind::vertical:
      return "vertical";
    case OffsetKind::calendar:
      return "calendar";
    case OffsetKind::diagonal:
      return "diagonal";
    case OffsetKind::short_straddle:
      return "short_straddle";
    case OffsetKind::short_strangle:
      return "short_strangle";
    case OffsetKind::covered_call:
      return "covered_call";
    case OffsetKind::covered_put:
      return "covered_put";
    case OffsetKind::protective_put:
      return "protective_put";
    case OffsetKind::protective_call:
      return "protective_call";
    case OffsetKind::collar:
      return "collar";
    case OffsetKind::conversion:
      return "conversion";
    case OffsetKind::reverse_conversion:
      return "reverse_conversion";
    case OffsetKind::butterfly:
      return "butterfly";
    case OffsetKind::condor:
      return "condor";
    case OffsetKind::iron_butterfly:
      return "iron_butterfly";
    case OffsetKind::iron_condor:
      return "iron_condor";
    case OffsetKind::short_box:
      return "short_box";
    case OffsetKind::spread_group:
      return "spread_group";
    case OffsetKind::universal_spread:
      return "universal_spread";
  }
  return "unknown";
}

core::Result<WorstExpiryLoss> worst_expiry_loss(std::span<const BookLeg> book,
                                                Price underlying_price) {
  BF_TRY(const auto inventory, take_stock(book, {}, false, underlying_price));
  return worst_loss(inventory, underlying_price.units());
}

core::Result<RuleRequirement> rule_requirement(std::span<const BookLeg> book,
                                               std::span<const std::optional<Price>> marks,
                                               const MarginUnderlying& underlying,
                                               const MarginRules& rules) {
  BF_TRY(const auto inventory, take_stock(book, marks, true, underlying.price));
  RuleRequirement requirement;
  BF_TRY(requirement.initial, pair_off(inventory, underlying, rules, true));
  BF_TRY(requirement.maintenance, pair_off(inventory, underlying, rules, false));
  requirement.worst_expiry_loss = worst_loss(inventory, underlying.price.units());
  requirement.initial_required = requirement.initial.requirement;
  requirement.maintenance_required = requirement.maintenance.requirement;
  if (requirement.worst_expiry_loss.defined_risk) {
    const Money floor = *requirement.worst_expiry_loss.loss;
    requirement.initial_required = std::max(requirement.initial_required, floor);
    requirement.maintenance_required = std::max(requirement.maintenance_required, floor);
  }
  if (const auto held = universal_spread(inventory.items)) {
    std::int64_t net_loss = *joint_loss(*held, underlying.price.units());
    for (const auto& [item, lots] : *held) {
      net_loss += item->mark * item->shares * lots * (item->bought ? 1 : -1);
    }
    requirement.universal_spread =
        Money::from_units(net_loss > 0 ? std::llround(1.02 * static_cast<double>(net_loss)) : 0);
  }
  return requirement;
}

}  // namespace bifrost::analysis
