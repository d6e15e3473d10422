// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/positions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "bifrost/analysis/margin.hpp"
#include "bifrost/analysis/metrics.hpp"
#include "bifrost/analysis/path.hpp"
#include "structures.hpp"

namespace bifrost::api {
namespace {

using core::Errc;
using core::Result;

/// A position with the market around it.
struct Placed {
  std::vector<analysis::BookLeg> book;
  std::vector<const MarketOfExpiry*> of;  // nullptr for stock
  std::vector<analysis::LegMarket> markets;
  std::vector<std::optional<analysis::OptionSide>> quotes;
};

std::string where_of(std::size_t leg) {
  static constexpr const char* ordinal[] = {"first", "second", "third", "fourth", "fifth", "sixth"};
  if (leg < std::size(ordinal)) return ordinal[leg];
  const auto n = leg + 1;
  const char* ending = n / 10 % 10 == 1 ? "th"
                       : n % 10 == 1    ? "st"
                       : n % 10 == 2    ? "nd"
                       : n % 10 == 3    ? "rd"
                                        : "th";
  return fmt::format("{}{}", n, ending);
}

/// The market of a leg's expiry.
Result<const MarketOfExpiry*> market_for(const PositionLeg& leg, std::size_t place,
                                         const std::vector<ListedMarket>& markets, Instant as_of) {
  if (!leg.expiry || !leg.strike) {
    return core::fail(Errc::invalid_input,
                      fmt::format("the {} leg needs expiry and strike", where_of(place)));
  }
  const ListedMarket* found = nullptr;
  for (const auto& market : markets) {
    if (market.listed.expiry != *leg.expiry) continue;
    if (leg.trading_class && market.listed.trading_class != *leg.trading_class) continue;
    if (found != nullptr) {
      return core::fail(Errc::invalid_input,
                        fmt::format("the {} leg: {} lists {} and {}; name one with trading_class",
                                    where_of(place), core::to_iso_date(*leg.expiry),
                                    found->listed.trading_class, market.listed.trading_class));
    }
    found = &market;
  }
  if (found == nullptr) {
    return core::fail(Errc::not_found,
                      fmt::format("the {} leg: nothing of the chain expires on {}{}",
                                  where_of(place), core::to_iso_date(*leg.expiry),
                                  leg.trading_class ? " as " + *leg.trading_class : ""));
  }
  if (found->settled) {
    return core::fail(
        Errc::not_found,
        fmt::format("the {} leg: {} had settled when the chain was taken, {}", where_of(place),
                    core::to_iso_date(*leg.expiry), core::to_iso(as_of)));
  }
  if (!found->market) {
    return core::fail(Errc::unavailable,
                      fmt::format("the {} leg: no smile of {}: {}", where_of(place),
                                  core::to_iso_date(*leg.expiry), in_words(found->market.error())));
  }
  return &*found->market;
}

/// The quote of a leg, nothing where it is not listed.
std::optional<analysis::OptionSide> quote_of(const MarketOfExpiry& market, const PositionLeg& leg) {
  const auto& rows = market.priced.chain.rows;
  const auto row = std::ranges::lower_bound(rows, *leg.strike, {}, &analysis::StrikeRow::strike);
  if (row == rows.end() || row->strike != *leg.strike) return std::nullopt;
  return leg.kind == LegKind::call ? row->call : row->put;
}

tl::expected<Placed, net::Refusal> place(const PositionRequest& request,
                                         const std::vector<ListedMarket>& markets,
                                         Price underlying_price, Instant as_of) {
  Placed placed;
  net::Problems unpriced;
  std::string first;
  const analysis::Fill fill{request.fill_position.value_or(1.0)};
  for (std::size_t i = 0; i < request.legs.size(); ++i) {
    const auto& leg = request.legs[i];
    if (leg.quantity == 0) {
      return core::fail(Errc::invalid_input, fmt::format("the {} leg is of none", where_of(i)));
    }
    if (leg.kind == LegKind::stock) {
      if (leg.expiry || leg.strike) {
        return core::fail(
            Errc::invalid_input,
            fmt::format("the {} leg is stock, which has no expiry and no strike", where_of(i)));
      }
      placed.book.push_back({{.kind = analysis::LegKind::stock,
                              .quantity = leg.quantity,
                              .strike = {},
                              .entry_price = leg.entry_price.value_or(underlying_price),
                              .multiplier = 1},
                             std::nullopt,
                             {}});
      placed.of.push_back(nullptr);
      placed.markets.push_back({});
      placed.quotes.push_back(std::nullopt);
      continue;
    }
    BF_TRY(const auto* market, market_for(leg, i, markets, as_of));
    const auto quote = quote_of(*market, leg);
    if (!quote && !leg.entry_price) {
      return core::fail(Errc::not_found,
                        fmt::format("the {} leg: {} lists no such strike; give its entry_price",
                                    where_of(i), core::to_iso_date(*leg.expiry)));
    }
    auto price = leg.entry_price;
    if (!price) price = analysis::entry_price(*quote, leg.quantity > 0, fill);
    if (!price) {
      const auto lacks = fmt::format("the quote gives no price to {} at this fill",
                                     leg.quantity > 0 ? "buy" : "sell");
      if (unpriced.empty())
        first = fmt::format("the {} leg: {}; give its entry_price", where_of(i), lacks);
      unpriced.push_back(
          {fmt::format("body/legs/{}/entry_price", i), "must be given: " + lacks, "missing"});
      continue;
    }
    placed.book.push_back(
        {{.kind = leg.kind == LegKind::call ? analysis::LegKind::call : analysis::LegKind::put,
          .quantity = leg.quantity,
          .strike = *leg.strike,
          .entry_price = *price,
          .multiplier = market->priced.chain.multiplier},
         market->listed.expiry,
         market->listed.trading_class});
    placed.of.push_back(market);
    placed.markets.push_back(leg_market(*market, *leg.strike, placed.book.back().leg.kind));
    placed.quotes.push_back(quote);
  }
  if (unpriced.empty()) return placed;
  return tl::unexpected{
      net::Refusal{core::fail(Errc::not_found, std::move(first)).value(), std::move(unpriced)}};
}

/// More than that the margin rules cannot count.
Result<void> check_size(const Placed& placed) {
  constexpr double most_shares = 1e9;
  double shares = 0.0;
  for (const auto& [leg, expiry, trading_class] : placed.book)
    shares += std::abs(static_cast<double>(leg.quantity)) * leg.multiplier;
  if (shares <= most_shares) return {};
  return core::fail(Errc::invalid_input, "legs: together of more than a thousand million shares");
}

/// The strategy that a book is if the strikes of its short puts lie ready in cash.
Result<const analysis::StrategyShape*> secured_form_of(
    const std::optional<analysis::Recognised>& recognised) {
  for (const auto& shape : analysis::catalogue) {
    if (recognised && shape.cash_secured && shape.recognised_as == recognised->shape.name)
      return &shape;
  }
  return core::fail(
      Errc::invalid_input,
      fmt::format("cash_secured: is for puts of one strike sold alone, and this is {}",
                  recognised ? recognised->shape.name : "a custom position"));
}

Result<PositionMargin> margin_of(const Placed& placed, Price underlying_price,
                                 const MarginClass& margin_class, ExerciseStyle style, Date on) {
  PositionMargin margin{};
  BF_TRY(const auto worst, analysis::worst_expiry_loss(placed.book, underlying_price));
  if (worst.loss) margin.worst_loss = worst.loss->value();
  margin.unlimited_up = worst.unlimited_up;
  margin.defined_risk = worst.defined_risk;

  std::vector<std::optional<Price>> marks;
  bool marked = true;
  for (std::size_t i = 0; i < placed.book.size(); ++i) {
    const bool stock = placed.of[i] == nullptr;
    auto mark = placed.quotes[i] ? placed.quotes[i]->mid() : std::nullopt;
    if (!mark && !stock) mark = placed.book[i].leg.entry_price;
    marked = marked && (stock || mark);
    marks.push_back(mark);
  }
  const analysis::MarginUnderlying underlying{
      .price = underlying_price,
      .kind = margin_class.kind,
      .european_cash_settled = margin_class.cash_settled && style == ExerciseStyle::european};
  for (const std::string_view name : {"reg_t", "ibkr"}) {
    const auto rules = analysis::margin_rules(name, on);
    if (!rules || !marked) continue;
    BF_TRY(const auto asked, analysis::rule_requirement(placed.book, marks, underlying, *rules));
    RuleMargin out{std::string{name},
                   rules->valid_from,
                   std::string{rules->source},
                   asked.initial_required.value(),
                   asked.maintenance_required.value(),
                   asked.initial.proven_minimal && asked.maintenance.proven_minimal,
                   {}};
    for (const auto& offset : asked.maintenance.offsets) {
      out.offsets.push_back({std::string{analysis::to_string(offset.kind)}, offset.count,
                             offset.requirement.value()});
    }
    margin.rules.push_back(std::move(out));
  }
  for (const auto& rules : analysis::stress_rule_table()) {
    if (rules.name != margin_class.stress || rules.valid_from > on) continue;
    const auto stress =
        analysis::stress_requirement(placed.book, placed.markets, underlying_price, rules);
    if (!stress) continue;
    margin.stress = stress->requirement;
    margin.stress_rules = std::string{rules.name};
    margin.stress_worst_shift = stress->worst_shift;
  }
  return margin;
}

/// Some seven moments: whole days while there are several, so that each has a date of its own.
std::vector<double> default_days(double days_to_front) {
  constexpr int intervals = 6;
  const double even = days_to_front / intervals;
  const double step = days_to_front >= 3.0 ? std::ceil(even) : even;
  std::vector<double> days;
  for (int i = 0; i * step < days_to_front - step / 2; ++i) days.push_back(i * step);
  days.push_back(days_to_front);
  return days;
}

/// From the 0.5 % to the 99.5 % quantile of the density, and every strike in sight.
std::vector<double> default_spots(const analysis::Density& density, double spot) {
  constexpr int prices = 25;
  const double low = std::min(density.quantile(0.005), 0.97 * spot);
  const double high = std::max(density.quantile(0.995), 1.03 * spot);
  std::vector<double> spots;
  for (int i = 0; i < prices; ++i) spots.push_back(low + (high - low) * i / (prices - 1));
  return spots;
}

/// Prices far from the market are no question about it, and their numbers soon no numbers.
Result<void> check_spots(const std::vector<double>& spots, double spot) {
  constexpr double most_times = 1000.0;
  for (const double at : spots) {
    if (at >= 0.0 && at <= most_times * spot) continue;
    return core::fail(Errc::invalid_input,
                      fmt::format("spots: {:g} is not from 0 to {:.2f}, {:g} times the underlying",
                                  at, most_times * spot, most_times));
  }
  return {};
}

Result<ProfitTable> table_of(const Placed& placed, const std::optional<TableSpec>& spec,
                             const analysis::Density& density, double spot, double days_to_front,
                             double fees) {
  ProfitTable table{};
  if (spec) {
    table.days_forward = spec->days_forward;
    table.spots = spec->spots;
    table.vol_shift = spec->vol_shift.value_or(0.0);
  }
  if (table.days_forward.empty()) table.days_forward = default_days(days_to_front);
  if (table.spots.empty()) table.spots = default_spots(density, spot);
  if (std::ranges::max(table.days_forward) > days_to_front) {
    return core::fail(
        Errc::invalid_input,
        fmt::format("days_forward goes beyond the first expiry, {:.2f} days on", days_to_front));
  }
  BF_CHECK(check_spots(table.spots, spot));
  BF_TRY(const auto cells, analysis::value_table(placed.book, placed.markets, spot,
                                                 table.days_forward, table.spots, table.vol_shift));
  for (std::size_t day = 0; day < table.days_forward.size(); ++day) {
    auto& row = table.profit.emplace_back();
    for (std::size_t at = 0; at < table.spots.size(); ++at) {
      const double profit = cells.at(day, at).profit - fees;
      if (!std::isfinite(profit)) {
        return core::fail(Errc::invalid_input,
                          fmt::format("the position has no profit at {:g} in {:g} days",
                                      table.spots[at], table.days_forward[day]));
      }
      row.push_back(profit);
    }
  }
  return table;
}

/// `rules`: whose margin the metrics were given.
void describe(Position& out, const analysis::Metrics& metrics,
              const std::optional<std::string>& rules) {
  if (metrics.recognised) {
    out.strategy = std::string{metrics.recognised->shape.name};
    out.units = metrics.recognised->placement.units;
  }
  out.model_dependent = metrics.model_dependent;
  out.option_cost = metrics.option_cost.value();
  out.fees = metrics.fees.value();
  out.early_exercise = metrics.early_exercise;
  for (const auto& cost : metrics.entry_costs) {
    out.entry_costs.push_back(
        {cost.fill.position, cost.cost ? std::optional{cost.cost->value()} : std::nullopt});
  }
  out.max_profit = metrics.max_profit;
  out.max_loss = metrics.max_loss;
  out.breakevens = metrics.breakevens;
  for (const auto& range : metrics.profitable) {
    out.profitable.push_back(
        {range.low, std::isfinite(range.high) ? std::optional{range.high} : std::nullopt});
  }
  for (const auto& point : metrics.curve) out.payoff.push_back({point.spot, point.profit});
  if (metrics.now) {
    out.value = metrics.now->value;
    out.delta = metrics.now->greeks.delta;
    out.gamma = metrics.now->greeks.gamma;
    out.theta = metrics.now->greeks.theta;
    out.vega = metrics.now->greeks.vega;
    out.rho = metrics.now->greeks.rho;
  }
  if (metrics.liquidity) {
    out.liquidity = PositionLiquidity{
        metrics.liquidity->spread_cost, metrics.liquidity->widest_spread,
        metrics.liquidity->units_at_touch, metrics.liquidity->least_open_interest};
  }
  for (const auto& each : metrics.returns) {
    const bool on_margin = each.denominator == analysis::Denominator::margin;
    out.returns.push_back({std::string{analysis::to_string(each.denominator)},
                           on_margin ? rules : std::nullopt, each.amount, each.at_best.simple,
                           each.at_best.annualised_simple, each.if_unchanged.simple,
                           each.if_unchanged.annualised_simple});
  }
}

}  // namespace

tl::expected<Position, net::Refusal> analyse_position(const core::ChainSnapshot& snapshot,
                                                      const PositionRequest& request,
                                                      const Told& told) {
  if (snapshot.underlying_price.value_or(Price{}) <= Price{}) {
    return core::fail(Errc::unavailable, "the chain has no price of the underlying");
  }
  const bool holds_stock = std::ranges::any_of(
      request.legs, [](const PositionLeg& leg) { return leg.kind == LegKind::stock; });
  if (holds_stock) BF_CHECK(refuse_shares_of_index(snapshot.underlying, told));
  BF_TRY(const auto fee, fee_of(request.fee_per_contract));
  Position out{};
  out.symbol = snapshot.underlying;
  out.as_of = snapshot.as_of;
  out.source = snapshot.source;
  out.underlying_price = *snapshot.underlying_price;
  out.style = request.style.value_or(exercise_style_of(snapshot.underlying, told));
  const double spot = out.underlying_price.value();

  const auto markets = markets_of(
      snapshot, out.style, request.rate, DensityKind::market_implied,
      [&](const analysis::ListedExpiry& listed) {
        return std::ranges::any_of(
            request.legs, [&](const PositionLeg& leg) { return leg.expiry == listed.expiry; });
      });
  BF_TRY(const auto placed, place(request, markets, out.underlying_price, snapshot.as_of));
  BF_CHECK(check_size(placed));
  const auto days_to_front = analysis::days_to_front_expiry(placed.book, placed.markets);
  if (!days_to_front) {
    return core::fail(Errc::invalid_input, "legs: of stock alone, which has no expiry to look at");
  }
  const MarketOfExpiry* front = nullptr;
  std::vector<const MarketOfExpiry*> used;
  for (const auto* market : placed.of) {
    if (market == nullptr) continue;
    used.push_back(market);
    if (front == nullptr || market->priced.years_to_expiry < front->priced.years_to_expiry)
      front = market;
  }
  const auto flat = analysis::atm_density(front->priced);
  const auto lognormal = flat ? analysis::lognormal_density(*flat) : nullptr;
  std::vector<const analysis::Density*> densities{front->density.get()};
  if (lognormal) densities.push_back(lognormal.get());

  BF_TRY(out.margin, margin_of(placed, out.underlying_price, margin_class_of(out.symbol, told),
                               out.style, core::exchange_time(snapshot.as_of).date));
  analysis::MetricsRequest asked;
  asked.book = placed.book;
  asked.spot = spot;
  asked.markets = placed.markets;
  asked.quotes = placed.quotes;
  asked.densities = densities;
  asked.highest_spot = highest_spot_of(used, *front->density);
  asked.fees.per_contract = fee;
  std::optional<std::string> rules;
  const analysis::StrategyShape* secured = nullptr;
  if (request.cash_secured.value_or(false)) {
    BF_TRY(secured, secured_form_of(analysis::recognise(placed.book)));
    double cash = 0.0;
    for (const auto& [leg, expiry, trading_class] : placed.book)
      cash -= static_cast<double>(leg.quantity) * leg.multiplier * leg.strike.value();
    asked.cash = cash;
  } else if (!out.margin.rules.empty() && out.margin.rules.back().initial > 0.0) {
    asked.margin = out.margin.rules.back().initial;
    rules = out.margin.rules.back().rules;
  }
  // Of the calendar, as the finder counts them.
  if (const int days = days_between(snapshot.as_of, front->listed.expiry); days > 0) {
    asked.days_to_expiry = days;
  }
  asked.fills = {analysis::Fill::mid, analysis::Fill::natural};
  if (const double position = request.fill_position.value_or(1.0);
      position != 0.0 && position != 1.0) {
    asked.fills.push_back({position});
  }
  BF_TRY(auto metrics, analysis::analyse(asked));
  if (secured != nullptr) metrics.recognised->shape = *secured;
  describe(out, metrics, rules);
  for (std::size_t i = 0; i < metrics.densities.size(); ++i) {
    const auto& verdict = metrics.densities[i];
    out.densities.push_back({describe(*densities[i]), verdict.pop, verdict.expected_profit,
                             verdict.low_spot, verdict.high_spot, verdict.worst_likely_profit});
  }
  for (std::size_t i = 0; i < placed.book.size(); ++i) {
    const auto& leg = placed.book[i];
    const bool stock = placed.of[i] == nullptr;
    StrategyLeg described{to_leg_kind(leg.leg.kind),
                          leg.leg.quantity,
                          leg.expiry,
                          stock ? std::nullopt : std::optional{leg.trading_class},
                          stock ? std::nullopt : std::optional{leg.leg.strike},
                          leg.leg.entry_price,
                          std::nullopt,
                          std::nullopt};
    if (!stock) described.implied_vol = placed.markets[i].implied_vol;
    auto one = leg;
    one.leg.quantity = 1;
    one.leg.multiplier = 1;
    if (const auto value = analysis::value_book(
            std::span{&one, 1}, std::span{&placed.markets[i], 1}, spot, {.spot = spot})) {
      described.delta = value->greeks.delta;
    }
    out.legs.push_back(std::move(described));
  }
  if (request.profit_target || request.loss_limit) {
    if (metrics.model_dependent) {
      return core::fail(Errc::invalid_input,
                        "profit_target and loss_limit need a position of one expiry");
    }
    const auto legs = analysis::legs_of(placed.book);
    BF_TRY(const auto odds,
           analysis::exit_probabilities(
               legs, *front->density, *front->density, {request.profit_target, request.loss_limit},
               {.discount_factor = front->priced.parity.discount_factor,
                .dividends_per_share =
                    spot - front->priced.parity.discount_factor * front->priced.parity.forward,
                .fees = out.fees}));
    out.exit = ExitOdds{odds.target_first,    odds.stop_first,
                        odds.neither,         std::string{analysis::path_model},
                        odds.numerical_error, describe(*front->density)};
  }
  BF_TRY(out.table,
         table_of(placed, request.table, *front->density, spot, *days_to_front, out.fees));
  return out;
}

}  // namespace bifrost::api
