// SPDX-License-Identifier: Apache-2.0
#include "structures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "bifrost/analysis/american_chain.hpp"
#include "bifrost/analysis/book.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/index_symbols.hpp"

namespace bifrost::api {
namespace {

constexpr int standard_multiplier = 100;

/// Without contracts of another deliverable that share class, date and strike with standard ones.
core::ChainSnapshot without_adjusted(const core::ChainSnapshot& snapshot) {
  std::map<analysis::ListedExpiry, bool> has_standard;
  for (const auto& option : snapshot.quotes) {
    auto& standard = has_standard[{option.contract.expiry, option.contract.trading_class}];
    standard = standard || option.contract.multiplier == standard_multiplier;
  }
  core::ChainSnapshot kept = snapshot;
  std::erase_if(kept.quotes, [&](const core::OptionQuote& option) {
    return option.contract.multiplier != standard_multiplier &&
           has_standard[{option.contract.expiry, option.contract.trading_class}];
  });
  return kept;
}

/// Vols and greeks under the style of exercise; or why there are none.
tl::expected<analysis::PricedChain, std::string> priced_chain(analysis::ExpiryChain chain,
                                                              double years_to_expiry,
                                                              analysis::ExerciseStyle style,
                                                              std::optional<double> rate) {
  const auto refused = [](std::string_view why) { return tl::unexpected{std::string{why}}; };
  if (style == analysis::ExerciseStyle::european) {
    auto priced = analysis::refresh(std::move(chain), years_to_expiry, rate);
    if (!priced) return refused(analysis::to_string(priced.error()));
    return *std::move(priced);
  }
  const auto parity = analysis::forward_and_discount(chain, years_to_expiry, rate, style);
  if (!parity) return refused(analysis::to_string(parity.error()));
  const auto terms =
      analysis::american_terms(*parity, chain.underlying_price->value(), years_to_expiry);
  const auto surfaces = analysis::AmericanSurfaces::build(terms);
  if (!surfaces) return refused(analysis::to_string(surfaces.error()));
  return analysis::refresh_american(std::move(chain), *parity, *surfaces);
}

tl::expected<MarketOfExpiry, std::string> market_of(const core::ChainSnapshot& snapshot,
                                                    const analysis::FittedExpiry& fitted,
                                                    analysis::ExerciseStyle style,
                                                    std::optional<double> rate, DensityKind kind) {
  const auto refused = [](std::string_view why) { return tl::unexpected{std::string{why}}; };
  if (fitted.years_to_expiry <= 0.0) return refused(to_string(analysis::NoSmile::no_time));
  auto chain = analysis::select_expiry(snapshot, fitted.which);
  if (!chain) return refused("inconsistent_chain");
  BF_TRY(auto priced, priced_chain(*std::move(chain), fitted.years_to_expiry, style, rate));
  MarketOfExpiry market{fitted.which, style, std::move(priced), std::nullopt, nullptr};
  if (fitted.smile) market.smile = *fitted.smile;
  if (kind == DensityKind::market_implied) {
    if (!fitted.smile) return refused(analysis::to_string(fitted.smile.error()));
    auto density = analysis::implied_density(*market.smile);
    if (!density) return refused(analysis::to_string(density.error()));
    market.density = *std::move(density);
  } else {
    const auto flat = analysis::atm_density(market.priced);
    if (!flat) return refused("no_atm_vol");
    market.density = analysis::lognormal_density(*flat);
  }
  return market;
}

/// Greeks per share as PricedChain has them; of an option whose quote has no middle, at the vol
/// that values it elsewhere. Nothing where the model has no number.
std::optional<analysis::Valuation> greeks_of(const MarketOfExpiry& market, Price strike,
                                             analysis::LegKind kind) {
  if (const auto* row = market.at(strike)) {
    const auto& option = kind == analysis::LegKind::call ? row->call : row->put;
    if (option && option->greeks) return option->greeks;
  }
  const auto at = leg_market(market, strike, kind);
  const auto& price = market.priced.chain.underlying_price;
  const double spot = price && *price > Price{} ? price->value() : at.forward;
  const analysis::BookLeg one{
      {.kind = kind, .quantity = 1, .strike = strike, .entry_price = {}, .multiplier = 1},
      market.listed.expiry,
      market.listed.trading_class};
  const auto value =
      analysis::value_book(std::span{&one, 1}, std::span{&at, 1}, spot, {.spot = spot});
  if (!value) return std::nullopt;
  return analysis::Valuation{.price = value->value,
                             .delta = value->greeks.delta,
                             .gamma = value->greeks.gamma,
                             .theta = value->greeks.theta,
                             .vega = value->greeks.vega,
                             .rho = value->greeks.rho};
}

/// The profit line of a structure whose later legs outlive the first expiry.
std::vector<PayoffPoint> front_curve(const analysis::Candidate& found,
                                     std::span<const MarketOfExpiry* const> markets) {
  const auto& front = *markets[found.expiries.front()];
  if (!front.priced.chain.underlying_price) return {};
  std::vector<analysis::BookLeg> book;
  std::vector<analysis::LegMarket> values;
  for (const auto& leg : found.legs) {
    const auto& of = *markets[found.expiries[static_cast<std::size_t>(leg.expiry_rung)]];
    const bool stock = leg.leg.kind == analysis::LegKind::stock;
    book.push_back({leg.leg, stock ? std::nullopt : std::optional{of.listed.expiry},
                    stock ? std::string{} : of.listed.trading_class});
    values.push_back(leg_market(of, leg.leg.strike, leg.leg.kind));
  }
  std::vector<const MarketOfExpiry*> of;
  for (const auto expiry : found.expiries) of.push_back(markets[expiry]);
  const auto payoff =
      analysis::payoff_at_front_expiry(book, values, front.priced.chain.underlying_price->value(),
                                       0.0, found.fees, highest_spot_of(of, *front.density));
  std::vector<PayoffPoint> points;
  if (payoff) {
    for (const auto& point : payoff->curve) points.push_back({point.spot, point.profit});
  }
  return points;
}

}  // namespace

std::string in_words(std::string_view reason) {
  static constexpr std::pair<std::string_view, std::string_view> words[]{
      {"no_time", "it had settled"},
      {"too_few_pairs", "fewer than two strikes have call and put quoted on both sides"},
      {"not_positive", "its quotes imply a forward that is not above zero"},
      {"no_forward", "put-call parity names none"},
      {"no_spot", "the chain does not say the underlying's price"},
      {"inconsistent_chain", "a contract comes twice, or multipliers differ"},
      {"too_few_quotes", "fewer than five usable out-of-the-money quotes, or none on one side"},
      {"no_arbitrage_free_fit", "no density comes near its quotes"},
      {"no_atm_vol", "no quotes at the money"}};
  const auto found =
      std::ranges::find(words, reason, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(words) ? std::string{reason}
                                  : fmt::format("{} ({})", reason, found->second);
}

const analysis::StrikeAnalytics* MarketOfExpiry::at(Price strike) const {
  const auto row =
      std::ranges::lower_bound(priced.rows, strike, {}, &analysis::StrikeAnalytics::strike);
  return row != priced.rows.end() && row->strike == strike ? &*row : nullptr;
}

double MarketOfExpiry::vol(Price strike, analysis::LegKind kind) const {
  if (const auto* row = at(strike)) {
    const bool call = kind == analysis::LegKind::call;
    for (const auto* option : {call ? &row->call : &row->put, call ? &row->put : &row->call}) {
      if (*option && (*option)->implied_vol) return *(*option)->implied_vol;
    }
  }
  return smile ? smile->vol(strike.value()) : *priced.atm_implied_vol;
}

analysis::LegMarket leg_market(const MarketOfExpiry& market, Price strike, analysis::LegKind kind) {
  std::optional<analysis::LegMarket::Exercise> exercise;
  if (const auto* row = market.at(strike); row != nullptr && row->exercise) {
    const auto& right = *row->exercise;
    exercise = {right.vol, kind == analysis::LegKind::call ? right.call : right.put};
  }
  return {.years_to_expiry = market.priced.years_to_expiry,
          .forward = market.priced.parity.forward,
          .discount_factor = market.priced.parity.discount_factor,
          .implied_vol = market.vol(strike, kind),
          .style = market.style,
          .exercise = exercise};
}

double highest_spot_of(std::span<const MarketOfExpiry* const> markets,
                       const analysis::Density& front) {
  std::vector<Price> strikes;
  for (const auto* market : markets) {
    for (const auto& row : market->priced.chain.rows) strikes.push_back(row.strike);
  }
  return analysis::highest_front_spot(front, strikes);
}

core::Result<analysis::Money> fee_of(std::optional<double> fee_per_contract) {
  const double fee = fee_per_contract.value_or(0.0);
  const auto money = analysis::Money::from_double(fee);
  if (!money || fee < 0.0) {
    return core::fail(core::Errc::invalid_input, "fee_per_contract is no amount of money");
  }
  return *money;
}

core::Result<void> refuse_shares_of_index(std::string_view underlying, const Told& told) {
  if (!is_index(underlying, told)) return {};
  return core::fail(core::Errc::invalid_input,
                    fmt::format("{} is an index, and nobody can hold shares of it; "
                                "hint: leave the stock out, or take a fund on the index",
                                underlying));
}

std::vector<ListedMarket> markets_of(
    const core::ChainSnapshot& snapshot, ExerciseStyle style, std::optional<double> rate,
    DensityKind kind, const std::function<bool(const analysis::ListedExpiry&)>& take) {
  const auto kept = without_adjusted(snapshot);
  const auto surface = analysis::fit_surface(kept, {to_analysis(style), rate});
  std::vector<ListedMarket> markets;
  for (const auto& fitted : surface.expiries) {
    if (!take(fitted.which)) continue;
    markets.push_back({fitted.which, market_of(kept, fitted, to_analysis(style), rate, kind),
                       fitted.years_to_expiry <= 0.0});
  }
  return markets;
}

int days_between(Instant from, Date to) {
  return static_cast<int>((to - core::exchange_time(from).date).count());
}

MarginClass margin_class_of(std::string_view underlying, const Told& told) {
  using analysis::UnderlyingKind;
  constexpr std::array volatility{std::string_view{"VIX"}, std::string_view{"RVX"},
                                  std::string_view{"V2TX"}};
  constexpr std::array high_cap{std::string_view{"SPX"}, std::string_view{"XSP"},
                                std::string_view{"OEX"}, std::string_view{"XEO"},
                                std::string_view{"DJX"}};
  if (!is_index(underlying, told)) return {UnderlyingKind::equity, false, "equity"};
  // Narrow ones, which any that is not in the table may be, count as shares do.
  if (!core::is_index_symbol(underlying)) return {UnderlyingKind::equity, true, "equity"};
  if (std::ranges::find(volatility, underlying) != volatility.end()) {
    return {UnderlyingKind::equity, true, ""};
  }
  const bool high = std::ranges::find(high_cap, underlying) != high_cap.end();
  return {UnderlyingKind::broad_index, true, high ? "high_cap_broad_index" : "broad_index"};
}

LegKind to_leg_kind(analysis::LegKind kind) {
  switch (kind) {
    case analysis::LegKind::call:
      return LegKind::call;
    case analysis::LegKind::put:
      return LegKind::put;
    case analysis::LegKind::stock:
      return LegKind::stock;
  }
  return LegKind::stock;
}

DensityLabel describe(const analysis::Density& density) {
  const auto& label = density.label();
  return {std::string{analysis::to_string(label.kind)},
          label.method,
          std::string{analysis::to_string(label.anchor)},
          std::string{analysis::to_string(label.day_count)},
          label.years_to_expiry,
          density.mean(),
          label.observations,
          label.independent_observations,
          label.mass_outside_quotes};
}

SearchedExpiry describe(const MarketOfExpiry& market, int days) {
  const auto& parity = market.priced.parity;
  return {market.listed.expiry,
          market.listed.trading_class,
          days,
          parity.forward,
          parity.discount_factor,
          std::string{analysis::to_string(parity.discount_source)},
          market.priced.atm_implied_vol,
          describe(*market.density)};
}

StrategyCandidate to_candidate(const analysis::Candidate& found, int rank,
                               std::span<const MarketOfExpiry* const> markets) {
  StrategyCandidate candidate{};
  candidate.rank = rank;
  candidate.score = found.score;
  std::optional<analysis::NetGreeks> net{std::in_place};
  for (const auto& leg : found.legs) {
    const bool stock = leg.leg.kind == analysis::LegKind::stock;
    const auto& market = *markets[found.expiries[static_cast<std::size_t>(leg.expiry_rung)]];
    const auto& listed = market.listed;
    std::optional<analysis::Valuation> each;
    if (stock) {
      each.emplace().delta = 1.0;
    } else {
      each = greeks_of(market, leg.leg.strike, leg.leg.kind);
    }
    if (each && net) {
      const double shares = static_cast<double>(leg.leg.quantity) * leg.leg.multiplier;
      net->delta += shares * each->delta;
      net->gamma += shares * each->gamma;
      net->theta += shares * each->theta;
      net->vega += shares * each->vega;
    } else {
      net.reset();
    }
    StrategyLeg told{to_leg_kind(leg.leg.kind),
                     leg.leg.quantity,
                     stock ? std::nullopt : std::optional{listed.expiry},
                     stock ? std::nullopt : std::optional{listed.trading_class},
                     stock ? std::nullopt : std::optional{leg.leg.strike},
                     leg.leg.entry_price,
                     leg.implied_vol,
                     leg.delta};
    if (!stock && !told.implied_vol) told.implied_vol = market.vol(leg.leg.strike, leg.leg.kind);
    if (!told.delta && each) told.delta = each->delta;
    candidate.legs.push_back(std::move(told));
  }
  candidate.credit = found.credit.value();
  candidate.fees = found.fees.value();
  candidate.model_dependent = found.model_dependent;
  if (found.max_profit) candidate.max_profit = found.max_profit->value();
  if (found.max_loss) candidate.max_loss = found.max_loss->value();
  candidate.breakevens = found.breakevens;
  if (net) {
    candidate.delta = net->delta;
    candidate.gamma = net->gamma;
    candidate.theta = net->theta;
    candidate.vega = net->vega;
  }
  candidate.pop = found.pop;
  candidate.expected_profit = found.expected_profit;
  candidate.return_on_risk = found.return_on_risk;
  if (found.margin) candidate.margin = found.margin->value();
  candidate.return_on_margin = found.return_on_margin;
  candidate.annualised_return = found.annualised_return_simple;
  if (found.payoff) {
    for (const auto& point : analysis::drawing_points(*found.payoff))
      candidate.payoff.push_back({point.spot, point.profit});
  } else {
    candidate.payoff = front_curve(found, markets);
  }
  return candidate;
}

}  // namespace bifrost::api
