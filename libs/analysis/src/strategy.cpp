// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/strategy.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace bifrost::analysis {
namespace {

// A leg of a shape in an order that any two equal sets of legs share.
using Key = std::tuple<int, int, LegKind>;  // expiry rung, rung, kind
std::map<Key, std::int64_t> by_key(std::span<const LegShape> legs) {
  std::map<Key, std::int64_t> quantities;
  for (const auto& leg : legs) quantities[{leg.expiry_rung, leg.rung, leg.kind}] += leg.quantity;
  return quantities;
}

template <class T>
int rung_of(const std::vector<T>& ascending, const T& value) {
  return static_cast<int>(std::ranges::lower_bound(ascending, value) - ascending.begin());
}

template <class T>
void sort_unique(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

bool strikes_fit(const StrategyShape& shape, std::span<const Price> strikes) {
  if (strikes.size() != static_cast<std::size_t>(rung_count(shape))) return false;
  for (std::size_t i = 1; i < strikes.size(); ++i) {
    if (strikes[i] <= strikes[i - 1]) return false;
  }
  if (shape.wings == Wings::any) return true;
  if (strikes.size() < 3) core::panic("a rule on wings for a strategy that has none");
  const bool equal =
      strikes[1] - strikes[0] == strikes[strikes.size() - 1] - strikes[strikes.size() - 2];
  return equal == (shape.wings == Wings::equal);
}

std::optional<StrategyShape> find_strategy(std::string_view name) {
  for (const auto& shape : catalogue) {
    if (shape.name == name) return shape;
  }
  return std::nullopt;
}

std::optional<std::vector<Leg>> make_legs(const StrategyShape& shape,
                                          std::span<const Price> strikes, int multiplier,
                                          const EntryPrice& entry_price) {
  if (strikes.size() != static_cast<std::size_t>(rung_count(shape))) {
    core::panic("a strategy laid on the wrong number of strikes");
  }
  std::vector<Leg> legs;
  for (const auto& leg : shape.legs) {
    const bool stock = leg.kind == LegKind::stock;
    const Price strike = stock ? Price{} : strikes[static_cast<std::size_t>(leg.rung)];
    const auto price = entry_price(leg, strike);
    if (!price) return std::nullopt;
    legs.push_back({.kind = leg.kind,
                    .quantity = stock ? std::int64_t{leg.quantity} * multiplier : leg.quantity,
                    .strike = strike,
                    .entry_price = *price,
                    .multiplier = stock ? 1 : multiplier});
  }
  return legs;
}

std::optional<std::vector<BookLeg>> make_book(const StrategyShape& shape,
                                              const Placement& placement,
                                              std::span<const std::string_view> trading_classes,
                                              const EntryPrice& entry_price) {
  const auto expiries = static_cast<std::size_t>(expiry_count(shape));
  if (placement.expiries.size() != expiries || trading_classes.size() != expiries) {
    core::panic("a strategy laid on the wrong number of expiries");
  }
  auto legs = make_legs(shape, placement.strikes, placement.multiplier, entry_price);
  if (!legs) return std::nullopt;
  std::vector<BookLeg> book;
  for (std::size_t i = 0; i < legs->size(); ++i) {
    Leg& leg = (*legs)[i];
    leg.quantity *= placement.units;
    const auto at = static_cast<std::size_t>(shape.legs[i].expiry_rung);
    if (leg.kind == LegKind::stock) {
      book.push_back({leg, std::nullopt, {}});
    } else {
      book.push_back({leg, placement.expiries[at], std::string{trading_classes[at]}});
    }
  }
  return book;
}

std::optional<Recognised> recognise(std::span<const BookLeg> book) {
  // Lots of one contract together, closed ones gone.
  std::map<std::tuple<core::Date, std::string_view, Price, LegKind, int>, std::int64_t> contracts;
  std::int64_t shares = 0;
  for (const auto& [leg, expiry, trading_class] : book) {
    if (leg.kind == LegKind::stock) {
      shares += leg.quantity;
    } else if (expiry) {
      contracts[{*expiry, trading_class, leg.strike, leg.kind, leg.multiplier}] += leg.quantity;
    } else {
      return std::nullopt;
    }
  }
  std::erase_if(contracts, [](const auto& contract) { return contract.second == 0; });
  if (contracts.empty()) return std::nullopt;

  Placement at;
  at.multiplier = std::get<int>(contracts.begin()->first);
  std::map<core::Date, std::string_view> classes;
  std::int64_t units = 0;
  for (const auto& [contract, quantity] : contracts) {
    const auto& [expiry, trading_class, strike, kind, multiplier] = contract;
    const auto [known, is_new] = classes.emplace(expiry, trading_class);
    if (multiplier != at.multiplier || (!is_new && known->second != trading_class)) {
      return std::nullopt;
    }
    at.strikes.push_back(strike);
    at.expiries.push_back(expiry);
    units = std::gcd(units, quantity);
  }
  if (at.multiplier <= 0 || shares % at.multiplier != 0) return std::nullopt;
  const std::int64_t lots = shares / at.multiplier;
  units = std::gcd(units, lots);
  at.units = units;
  sort_unique(at.strikes);
  sort_unique(at.expiries);

  std::map<Key, std::int64_t> legs;
  for (const auto& [contract, quantity] : contracts) {
    const auto& [expiry, trading_class, strike, kind, multiplier] = contract;
    legs[{rung_of(at.expiries, expiry), rung_of(at.strikes, strike), kind}] = quantity / units;
  }
  if (lots != 0) legs[{0, no_rung, LegKind::stock}] = lots / units;

  for (const auto& shape : catalogue) {
    if (shape.recognised_as.empty() && by_key(shape.legs) == legs &&
        strikes_fit(shape, at.strikes)) {
      return Recognised{shape, std::move(at)};
    }
  }
  return std::nullopt;
}

}  // namespace bifrost::analysis
