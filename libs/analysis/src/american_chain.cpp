// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/american_chain.hpp"

#include <algorithm>
#include <cmath>

#include "bifrost/core/result.hpp"
#include "chain_rows.hpp"
#include "early_exercise.hpp"

namespace bifrost::analysis {
namespace {

/// The options of one right, in the order of the rows.
struct Side {
  explicit Side(const AmericanSurface& from) : surface(from) {}

  void add(const StrikeAnalytics& row, const OptionAnalytics& option, std::size_t place) {
    strikes.push_back(row.strike.value());
    middles.push_back(option.mid);
    places.push_back(place);
  }
  void solve(ImpliedVolColumns& into) {
    contracts.emplace(strikes, surface.right());
    ImpliedVolColumns solved;
    surface.implied_vols(*contracts, middles, solved);
    for (std::size_t i = 0; i < places.size(); ++i) {
      into.vol[places[i]] = solved.vol[i];
      into.refusal[places[i]] = solved.refusal[i];
    }
  }
  void value(const ImpliedVolColumns& solved) {
    std::vector<double> vols;
    vols.reserve(places.size());
    for (const std::size_t place : places) {
      // Without a vol on either side nobody reads the greeks; any vol that the table covers will
      // do.
      vols.push_back(solved.vol[place] > 0.0 ? solved.vol[place] : 0.5);
    }
    surface.valuations(*contracts, vols, valued);
  }

  const AmericanSurface& surface;
  std::vector<double> strikes;
  std::vector<double> middles;
  std::vector<std::size_t> places;  // among all options, a strike's call before its put
  std::optional<ContractColumns> contracts;
  AmericanSurface::Columns valued;
};

std::optional<double> own_vol(const std::optional<OptionAnalytics>& option) {
  if (!option || !option->implied_vol) return std::nullopt;
  return *option->implied_vol;
}

/// Row by row the vol of ExerciseRight; nothing where no option has one.
std::vector<double> exercise_vols(std::span<const StrikeAnalytics> rows, double forward) {
  std::vector<std::optional<double>> known;
  known.reserve(rows.size());
  for (const auto& row : rows) {
    known.push_back(own_vol(row.strike.value() >= forward ? row.call : row.put));
  }
  const auto has_value = [](const auto& vol) { return vol.has_value(); };
  if (std::ranges::none_of(known, has_value)) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      known[i] = own_vol(rows[i].call);
      if (!known[i]) known[i] = own_vol(rows[i].put);
    }
  }
  if (std::ranges::none_of(known, has_value)) return {};
  std::vector<double> vols;
  vols.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::optional<double> vol = known[i];
    for (std::size_t away = 1; !vol; ++away) {
      // Towards the money first: what is quoted there is surer.
      const bool below = rows[i].strike.value() < forward;
      for (const bool up : {below, !below}) {
        if (!vol && up && i + away < rows.size()) vol = known[i + away];
        if (!vol && !up && away <= i) vol = known[i - away];
      }
    }
    vols.push_back(std::clamp(*vol, AmericanSurface::lowest_vol, AmericanSurface::highest_vol));
  }
  return vols;
}

/// What the right to exercise is worth: as the model says, unless the quote says more or less.
double exercise_right(double american, double european, const std::optional<OptionSide>& quote) {
  double right = american - european;
  if (quote) {
    const auto& bid = quote->bid;
    const auto& ask = quote->ask;
    const bool crossed = bid && ask && *bid > *ask;
    if (!crossed && ask && *ask > Price{}) right = std::min(right, ask->value() - european);
    if (!crossed && bid && *bid > Price{}) right = std::max(right, bid->value() - european);
  }
  return std::max(right, 0.0);
}

void value_exercise_rights(PricedChain& priced, const AmericanSurfaces& surfaces) {
  auto& rows = priced.rows;
  const auto first = static_cast<std::size_t>(
      std::ranges::count_if(rows, [](const auto& row) { return row.strike <= Price{}; }));
  const auto listed = std::span(rows).subspan(first);
  const auto vols = exercise_vols(listed, priced.parity.forward);
  if (vols.empty()) return;
  std::vector<double> strikes;
  strikes.reserve(listed.size());
  for (const auto& row : listed) strikes.push_back(row.strike.value());
  const ExpiryTerms terms{priced.parity.forward, priced.parity.discount_factor,
                          priced.years_to_expiry};
  std::vector<double> american(listed.size());
  ValuationColumns european;
  const auto rights = [&](const AmericanSurface& surface) {
    const ContractColumns contracts(strikes, surface.right());
    surface.prices(contracts, vols, american);
    price_chain(contracts, terms, vols, european);
    std::vector<double> of(listed.size());
    for (std::size_t i = 0; i < of.size(); ++i) {
      const auto& quotes = priced.chain.rows[first + i];
      of[i] = exercise_right(american[i], european.price[i],
                             surface.right() == Right::call ? quotes.call : quotes.put);
    }
    return of;
  };
  const auto calls = rights(surfaces.calls);
  const auto puts = rights(surfaces.puts);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    listed[i].exercise = ExerciseRight{.vol = vols[i], .call = calls[i], .put = puts[i]};
  }
}

}  // namespace

AmericanTerms american_terms(const ForwardDiscount& parity, double spot, double years_to_expiry) {
  const double rate = -std::log(parity.discount_factor) / years_to_expiry;
  return {.spot = spot,
          .years_to_expiry = years_to_expiry,
          .rate = rate,
          .dividend_yield = rate - std::log(parity.forward / spot) / years_to_expiry};
}

tl::expected<AmericanSurfaces, NoAmericanPrice> AmericanSurfaces::build(
    const AmericanTerms& terms) {
  auto calls = AmericanSurface::build(Right::call, terms);
  if (!calls) return tl::unexpected{calls.error()};
  auto puts = AmericanSurface::build(Right::put, terms);
  if (!puts) return tl::unexpected{puts.error()};
  return AmericanSurfaces{std::move(*calls), std::move(*puts)};
}

AmericanSurfaces AmericanSurfaces::at_spot(double spot) const {
  return {calls.at_spot(spot), puts.at_spot(spot)};
}

PricedChain refresh_american(ExpiryChain chain, const ForwardDiscount& parity,
                             const AmericanSurfaces& surfaces) {
  if (surfaces.calls.right() != Right::call || surfaces.puts.right() != Right::put ||
      surfaces.calls.terms() != surfaces.puts.terms()) {
    core::panic("the two surfaces are not of one expiry");
  }
  PricedChain priced{.chain = std::move(chain),
                     .parity = parity,
                     .years_to_expiry = surfaces.calls.terms().years_to_expiry,
                     .rows = {},
                     .atm_implied_vol = std::nullopt,
                     .style = ExerciseStyle::american};
  priced.rows = with_middles(priced.chain);
  Side calls(surfaces.calls);
  Side puts(surfaces.puts);
  std::size_t options = 0;
  for (const auto& row : priced.rows) {
    if (row.call) calls.add(row, *row.call, options++);
    if (row.put) puts.add(row, *row.put, options++);
  }
  ImpliedVolColumns solved;
  solved.vol.resize(options);
  solved.refusal.resize(options);
  calls.solve(solved);
  puts.solve(solved);
  lend_vols(priced.rows, solved);
  calls.value(solved);
  puts.value(solved);
  const auto& terms = surfaces.calls.terms();
  const double carry = terms.rate - terms.dividend_yield;
  const double unbelieved = carry - believable_carry(carry, terms.years_to_expiry);
  std::size_t call = 0;
  std::size_t put = 0;
  for (auto& row : priced.rows) {
    const auto fill = [&](std::optional<OptionAnalytics>& option, const Side& side,
                          std::size_t& next) {
      if (!option) return;
      const std::size_t i = next++;
      if (!has_vol(row)) return;
      auto& greeks = option->greeks.emplace();
      greeks.price = side.valued.price[i];
      greeks.delta = side.valued.delta[i];
      greeks.gamma = side.valued.gamma[i];
      greeks.theta = side.valued.theta[i];
      // An option that is exercised at once has none.
      if (greeks.theta != 0.0) greeks.theta += unbelieved * terms.spot * greeks.delta / 365.0;
      greeks.vega = side.valued.vega[i];
      greeks.rho = side.valued.rho[i];
    };
    fill(row.call, calls, call);
    fill(row.put, puts, put);
  }
  value_exercise_rights(priced, surfaces);
  priced.atm_implied_vol = atm_implied_vol(priced.rows, parity.forward);
  return priced;
}

}  // namespace bifrost::analysis
