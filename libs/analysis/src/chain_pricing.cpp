// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/chain_pricing.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>

#include "bifrost/core/result.hpp"
#include "kernels/dispatch.hpp"

namespace bifrost::analysis {
namespace {

std::vector<const kernels::Set*> usable() {
  std::vector<const kernels::Set*> sets;
#ifdef BIFROST_X86_KERNELS
  __builtin_cpu_init();
  const bool fma = __builtin_cpu_supports("fma") != 0;
  if (fma && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0) {
    sets.push_back(&kernels::avx512);
  }
  if (fma && __builtin_cpu_supports("avx2") != 0) sets.push_back(&kernels::avx2);
#endif
  sets.push_back(&kernels::baseline);
  return sets;
}

std::atomic<const kernels::Set*>& chosen() {
  static std::atomic<const kernels::Set*> set{usable().front()};
  return set;
}

/// The node of ln(|x| / b + 1) = `column` and ln(root / b) = `row`, where b is the price of an
/// option at x in units of sqrt(F K) and root = exp(-|x| / 2) its bound.
double log_ratio_at(double column, double row) {
  double distance = 0.0;
  if (column > 0.0) {
    // |x| = (e^column - 1) b and b = exp(-|x|/2 - row): Newton's method in ln |x|, which is convex.
    const double target = std::log(std::expm1(column)) - row;
    double log_distance = std::min(target, 0.0);
    for (int i = 0; i < 60; ++i) {
      const double half = 0.5 * std::exp(log_distance);
      const double step = (log_distance + half - target) / (1.0 + half);
      log_distance -= step;
      if (std::abs(step) < 1e-15) break;
    }
    distance = std::exp(log_distance);
  }
  const double b = std::exp(-0.5 * distance - row);
  const auto s = implied_vol(Right::call, {.price = b * std::exp(0.5 * distance),
                                           .forward = 1.0,
                                           .strike = std::exp(distance),
                                           .years_to_expiry = 1.0,
                                           .discount_factor = 1.0});
  if (!s) core::panic("the start table asks for a price that no vol has");
  return std::log(*s / b);
}

const kernels::StartTable& start_table() {
  static const auto table = [] {
    using Table = kernels::StartTable;
    auto made = std::make_unique<Table>();
    for (int r = 0; r < Table::rows; ++r) {
      for (int c = 0; c < Table::columns; ++c) {
        made->log_ratio[r * Table::columns + c] =
            log_ratio_at(Table::column_end * c / (Table::columns - 1),
                         std::lerp(Table::row_begin, Table::row_end,
                                   static_cast<double>(r) / (Table::rows - 1)));
      }
    }
    return made;
  }();
  return *table;
}

kernels::Terms prepared(const ExpiryTerms& terms) {
  return {.forward = terms.forward,
          .log_forward = std::log(terms.forward),
          .root_forward = std::sqrt(terms.forward),
          .discount_factor = terms.discount_factor,
          .root_years = std::sqrt(terms.years_to_expiry),
          .years = terms.years_to_expiry,
          .rate = terms.years_to_expiry > 0.0
                      ? -std::log(terms.discount_factor) / terms.years_to_expiry
                      : 0.0};
}

}  // namespace

const kernels::Set& kernels::current() {
  return *chosen().load();
}

ContractColumns::ContractColumns(std::span<const double> strikes, std::span<const Right> rights)
    : strike_(strikes.begin(), strikes.end()) {
  if (strikes.size() != rights.size()) core::panic("strikes and rights are not parallel");
  const std::size_t n = strikes.size();
  log_strike_.resize(n);
  root_strike_.resize(n);
  sign_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    // In chains a call and a put of one strike are neighbours.
    const bool again = i > 0 && strikes[i] == strikes[i - 1];
    log_strike_[i] = again ? log_strike_[i - 1] : std::log(strikes[i]);
    root_strike_[i] = again ? root_strike_[i - 1] : std::sqrt(strikes[i]);
    sign_[i] = rights[i] == Right::call ? 1.0 : -1.0;
  }
}

ContractColumns::ContractColumns(std::span<const double> strikes, Right right)
    : ContractColumns(strikes, std::vector<Right>(strikes.size(), right)) {}

ContractColumns ContractColumns::some(std::span<const std::size_t> places) const {
  ContractColumns picked;
  const auto pick = [&](const std::vector<double>& from, std::vector<double>& to) {
    to.reserve(places.size());
    for (const std::size_t place : places) to.push_back(from[place]);
  };
  pick(strike_, picked.strike_);
  pick(log_strike_, picked.log_strike_);
  pick(root_strike_, picked.root_strike_);
  pick(sign_, picked.sign_);
  return picked;
}

void ValuationColumns::resize(std::size_t n) {
  for (auto* column : {&price, &delta, &gamma, &theta, &vega, &rho}) column->resize(n);
}

Valuation ValuationColumns::operator[](std::size_t i) const {
  return {.price = price[i],
          .delta = delta[i],
          .gamma = gamma[i],
          .theta = theta[i],
          .vega = vega[i],
          .rho = rho[i]};
}

void price_chain(const ContractColumns& contracts, const ExpiryTerms& terms,
                 std::span<const double> vol, ValuationColumns& out) {
  if (vol.size() != contracts.size()) core::panic("contracts and vols are not parallel");
  out.resize(contracts.size());
  kernels::current().price_all(prepared(terms), ChainKernels::of(contracts), vol.data(),
                               {.price = out.price.data(),
                                .delta = out.delta.data(),
                                .gamma = out.gamma.data(),
                                .theta = out.theta.data(),
                                .vega = out.vega.data(),
                                .rho = out.rho.data()});
}

void higher_greeks_chain(const ContractColumns& contracts, const ExpiryTerms& terms,
                         std::span<const double> vol, const ValuationColumns& valued,
                         HigherGreeksColumns& out) {
  const std::size_t n = contracts.size();
  if (vol.size() != n || valued.delta.size() != n || valued.vega.size() != n) {
    core::panic("contracts, vols and valuations are not parallel");
  }
  for (auto* column : {&out.vanna, &out.volga, &out.charm}) column->resize(n);
  kernels::current().higher_all(
      prepared(terms), ChainKernels::of(contracts), vol.data(), valued.delta.data(),
      valued.vega.data(),
      {.vanna = out.vanna.data(), .volga = out.volga.data(), .charm = out.charm.data()});
}

void implied_vols(const ContractColumns& contracts, const ExpiryTerms& terms,
                  std::span<const double> price, ImpliedVolColumns& out) {
  if (price.size() != contracts.size()) core::panic("contracts and prices are not parallel");
  out.vol.resize(contracts.size());
  out.refusal.assign(contracts.size(), std::nullopt);
  kernels::current().solve_all(prepared(terms), ChainKernels::of(contracts), start_table(),
                               price.data(), out.vol.data());
  for (std::size_t i = 0; i < contracts.size(); ++i) {
    if (std::isfinite(out.vol[i]) && terms.years_to_expiry > 0.0) continue;
    const auto careful =
        implied_vol(contracts.right(i), {.price = price[i],
                                         .forward = terms.forward,
                                         .strike = contracts.strike(i),
                                         .years_to_expiry = terms.years_to_expiry,
                                         .discount_factor = terms.discount_factor});
    out.vol[i] = careful.value_or(std::numeric_limits<double>::quiet_NaN());
    if (!careful) out.refusal[i] = careful.error();
  }
}

std::string_view chain_kernels() {
  return kernels::current().name;
}

std::vector<std::string_view> available_chain_kernels() {
  std::vector<std::string_view> names;
  for (const auto* set : usable()) names.emplace_back(set->name);
  return names;
}

void use_chain_kernels(std::string_view name) {
  const auto sets = usable();
  const auto found = std::ranges::find_if(
      sets, [&](const auto* set) { return name.empty() || set->name == name; });
  if (found == sets.end()) core::panic("no such chain kernels on this machine");
  chosen() = *found;
}

}  // namespace bifrost::analysis
