// SPDX-License-Identifier: Apache-2.0
#include "finder_board.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>

#include "bifrost/analysis/certificate.hpp"

namespace bifrost::analysis::finder {
namespace {

constexpr double units_per_one = Price::units_per_one;
constexpr double most_exact_money = 9e15;  // units: what a double counts without gaps
constexpr int leaf_size = 16;              // members

core::Result<void> check(const Constraints& constraints, const Task& task) {
  const auto bad = [](const char* what) { return core::fail(core::Errc::invalid_input, what); };
  if (!(constraints.min_pop >= 0.0 && constraints.min_pop <= 1.0)) {
    return bad("min_pop is a probability, 0 to 1");
  }
  if (constraints.max_loss) {
    if (!(std::isfinite(*constraints.max_loss) && *constraints.max_loss > 0.0)) {
      return bad("max_loss is a positive, finite amount");
    }
    if (task.unlimited_loss()) {
      return bad("max_loss of a strategy whose loss has no bound");
    }
  }
  for (const auto* window : {&constraints.short_delta, &constraints.long_delta}) {
    if (*window && !((*window)->low <= (*window)->high))
      return bad("a window of delta that is empty");
  }
  for (const auto& [gap, width] : constraints.widths) {
    if (gap < 0 || gap + 1 >= static_cast<int>(task.rungs)) {
      return bad("the width of a gap that the strategy does not have");
    }
    if (!(width.low <= width.high)) return bad("a window of widths that is empty");
  }
  if (constraints.max_spread_share && !(*constraints.max_spread_share >= 0.0)) {
    return bad("max_spread_share is a share, not negative");
  }
  if (constraints.breakevens && !(std::isfinite(constraints.breakevens->distance) &&
                                  constraints.breakevens->distance >= 0.0)) {
    return bad("the distance of breakevens is finite and not negative");
  }
  return {};
}

bool on_max_loss(Objective objective) {
  return objective == Objective::expected_profit_on_max_loss ||
         objective == Objective::return_on_risk || objective == Objective::theta_on_max_loss;
}

const OptionSide* side_of(const StrikeRow& row, LegKind kind) {
  const auto& side = kind == LegKind::call ? row.call : row.put;
  return side ? &*side : nullptr;
}

std::int64_t option_value(LegKind kind, std::int64_t strike, std::int64_t spot) {
  return std::max<std::int64_t>(kind == LegKind::call ? spot - strike : strike - spot, 0);
}

bool exact_money_holds(const Task& task, const ExpiryChain& chain) {
  if (chain.multiplier <= 0) return false;
  double highest = 0.0;
  const auto see = [&](const std::optional<Price>& price) {
    if (price) highest = std::max(highest, std::abs(static_cast<double>(price->units())));
  };
  see(chain.underlying_price);
  for (const auto& row : chain.rows) {
    see(row.strike);
    for (const auto* side : {&row.call, &row.put}) {
      if (*side) {
        see((*side)->bid);
        see((*side)->ask);
      }
    }
  }
  double lots = 0.0;
  for (const auto& leg : task.request.strategy.legs) lots += std::abs(leg.quantity);
  const double fees = lots * static_cast<double>(task.request.fee_per_contract.units());
  return 4.0 * (lots * chain.multiplier * (highest + 1.0) + fees) < most_exact_money;
}

}  // namespace

core::Result<Task> make_task(const SearchRequest& request) {
  const auto bad = [](const char* what) { return core::fail(core::Errc::invalid_input, what); };
  Task task{.request = request,
            .rungs = static_cast<std::size_t>(rung_count(request.strategy)),
            .lower_rungs = 0,
            .slopes = {},
            .stock_lots = 0,
            .plain = std::nullopt,
            .uses_theta = false,
            .uses_pop = false,
            .uses_margin = false,
            .several_expiries = false};
  if (task.rungs == 0) return bad("a strategy without options");
  if (task.rungs > most_rungs) return bad("a strategy of more than four strikes");
  if (expiry_count(request.strategy) > 2) return bad("a strategy of more than two expiries");
  task.several_expiries = expiry_count(request.strategy) > 1;
  task.lower_rungs = task.rungs <= 2 ? 1 : 2;
  for (const auto& leg : request.strategy.legs) {
    if (leg.kind == LegKind::stock) {
      task.stock_lots += leg.quantity;
      task.slopes[0] += leg.quantity;
    }
    if (leg.kind == LegKind::put) task.slopes[0] -= leg.quantity;
  }
  for (std::size_t rung = 0; rung < task.rungs; ++rung) {
    task.slopes[rung + 1] = task.slopes[rung];
    for (const auto& leg : request.strategy.legs) {
      if (leg.rung == static_cast<int>(rung)) task.slopes[rung + 1] += leg.quantity;
    }
  }

  if (request.keep == 0) return bad("a list of no candidates");
  if (request.fee_per_contract < Money{}) return bad("a negative fee");
  if (!(request.fill.position >= -1.0 && request.fill.position <= 1.0)) {
    return bad("a fill outside the spread");
  }
  if (request.objective.empty()) return bad("an objective of nothing");
  for (const auto& [objective, weight] : request.objective) {
    if (!std::isfinite(weight)) return bad("a weight that is not finite");
    if (task.unlimited_loss() && on_max_loss(objective)) {
      return bad("an objective per max loss of a strategy whose loss has no bound");
    }
    if (task.unlimited_gain() &&
        (objective == Objective::return_on_risk || objective == Objective::return_on_margin)) {
      return bad("the return of a strategy whose profit has no bound");
    }
    task.uses_theta = task.uses_theta || objective == Objective::theta_on_max_loss;
    task.uses_pop = task.uses_pop || objective == Objective::pop;
    task.uses_margin = task.uses_margin || is_on_margin(objective);
  }
  const auto& first = request.objective.front();
  if (request.objective.size() == 1 && first.weight == 1.0 && first.objective != Objective::pop) {
    task.plain = first.objective;
  }
  BF_CHECK(check(request.constraints, task));
  return task;
}

CdfTable::CdfTable(const Density& density, std::int64_t highest) {
  while ((highest >> shift_) > 8'192) ++shift_;
  const auto cells = static_cast<std::size_t>(highest >> shift_) + 2;
  edges_.reserve(cells + 1);
  for (std::size_t i = 0; i < cells; ++i) {
    edges_.push_back(
        density.cdf(Price::from_units(static_cast<std::int64_t>(i) << shift_).value()));
  }
  edges_.push_back(1.0);
}

double CdfTable::at_least(std::int64_t units) const {
  return edges_[std::min(static_cast<std::size_t>(units >> shift_), edges_.size() - 2)];
}

double CdfTable::at_most(std::int64_t units) const {
  return edges_[std::min(static_cast<std::size_t>(units >> shift_) + 1, edges_.size() - 1)];
}

core::Result<Board> Board::make(const Task& task, std::span<const SearchExpiry> expiries,
                                std::vector<std::size_t> at, Progress& progress) {
  Board board(task, std::move(at));
  for (std::size_t rung = 0; rung < board.at_.size(); ++rung) {
    board.of_[rung] = &expiries[board.at_[rung]];
  }
  BF_CHECK(board.prepare(progress));
  return board;
}

core::Result<void> Board::prepare(Progress& progress) {
  const auto& constraints = task_->request.constraints;
  for (std::size_t rung = 0; rung < at_.size(); ++rung) {
    if (!exact_money_holds(*task_, of_[rung]->priced->chain)) {
      return core::fail(core::Errc::invalid_input,
                        "prices or multiplier of the chain are too large for exact money");
    }
  }
  const bool with_stock = has_stock(task_->request.strategy);
  if ((with_stock || constraints.breakevens) && !chain().underlying_price) {
    return core::fail(core::Errc::unavailable, "the chain has no price of the underlying");
  }
  if (with_stock) {
    stock_price_ = chain().underlying_price->units();
    // Dividends that the forward leaves out come to who holds the shares.
    stock_expected_ =
        discount() * (density().mean() - of_[0]->priced->parity.forward) * units_per_one;
  }
  if (constraints.min_credit) limits_.credit = constraints.min_credit->units();
  // A limit beyond exact money limits nothing. Below it the guess is a unit off at most.
  if (constraints.max_loss && *constraints.max_loss * units_per_one < most_exact_money) {
    auto units = static_cast<std::int64_t>(*constraints.max_loss * units_per_one);
    while (Money::from_units(units + 1).value() <= *constraints.max_loss) ++units;
    while (Money::from_units(units).value() > *constraints.max_loss) --units;
    limits_.loss = units;
  }
  if (constraints.breakevens) {
    const double spot = chain().underlying_price->value();
    double distance = spot * constraints.breakevens->distance / 100.0;
    if (constraints.breakevens->unit == BreakevenDistance::Unit::sigmas) {
      const auto vol = priced().atm_implied_vol;
      if (!vol) {
        return core::fail(core::Errc::unavailable,
                          "breakevens in sigmas need an at-the-money vol, and there is none");
      }
      distance =
          spot * constraints.breakevens->distance * *vol * std::sqrt(priced().years_to_expiry);
    }
    nearest_breakeven_ = distance;
    const double low = std::max(std::ceil((spot - distance) * units_per_one), 0.0);
    const double high = std::min(std::floor((spot + distance) * units_per_one), 1e15);
    if (low <= high) {
      limits_.no_breakevens = {static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
    }
  }
  BF_CHECK(prepare_margin());
  list_rows();
  if ((constraints.min_pop > 0.0 || task_->uses_pop) && !task_->several_expiries) {
    cdf_.emplace(density(), rows_.empty() ? 0 : 2 * rows_.back().strike.units());
  }
  for (const Column c : {cost, credit, expected}) used_[c] = true;
  if (task_->several_expiries) {
    used_[worst] = used_[best] = true;
    for (std::size_t k = 0; k < samples; ++k) used_[sample_0 + k] = true;
  } else {
    for (const Column c : {loss_1, loss_2, gain_1, gain_2}) used_[c] = true;
  }
  used_[theta] = task_->uses_theta;
  used_[paid] = task_->uses_margin;
  for (std::size_t s = 0; margin_ && s < margin_->sums.size(); ++s) {
    used_[asked_0 + s] = task_->uses_margin;
  }
  used_[wing_difference] = task_->request.strategy.wings != Wings::any;
  for (const auto& [gap, width] : constraints.widths) {
    used_[static_cast<std::size_t>(gap_0 + gap)] = true;
  }
  used_[at_low] = used_[at_high] = limits_.no_breakevens.has_value();
  LaterByRight later;
  for (const auto& leg : task_->request.strategy.legs) {
    if (leg.expiry_rung == 0 || later[right_of(leg)]) continue;
    const auto& options = later[right_of(leg)].emplace(
        priced(0), priced(1), leg.kind == LegKind::call ? Right::call : Right::put);
    auto& can = later_priced_[right_of(leg)];
    for (std::size_t row = 0; row < chain(1).rows.size(); ++row) {
      can.push_back(options.can_price(row));
    }
    if (!progress.spend(options.work())) return stopped();
  }
  for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
    place_of_row_[rung].assign(rows_.size(), -1);
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      const bool usable =
          rows_[row].strike > Price{} &&
          std::ranges::all_of(task_->request.strategy.legs, [&](const LegShape& leg) {
            return leg.rung != static_cast<int>(rung) || !leg_place(leg, row).why;
          });
      if (!usable) continue;
      place_of_row_[rung][row] = static_cast<int>(places_[rung].size());
      places_[rung].push_back(place(rung, row));
    }
  }
  if (task_->several_expiries) BF_CHECK(make_profiles(later, progress));
  // Rows, places, and what of the density was looked up for them.
  progress.spend(3e3 * static_cast<double>(rows_.size()) + (cdf_ ? 5e6 : 0.0));
  if (progress.stopped()) return stopped();
  return {};
}

core::Result<void> Board::prepare_margin() {
  const auto unknown = [&](const char* why) -> core::Result<void> {
    if (!task_->uses_margin) return {};
    return core::fail(core::Errc::unavailable, why);
  };
  if (std::ranges::any_of(of_, [](const SearchExpiry* expiry) {
        return expiry != nullptr && is_adjusted_class(expiry->priced->chain.trading_class);
      })) {
    return unknown("options with adjusted deliverables have no margin here");
  }
  const bool later_covers = at_.size() < 2 || chain(0).expiry < chain(1).expiry;
  auto formula = analysis::margin_formula(task_->request.strategy, later_covers);
  const auto& price = chain().underlying_price;
  if (formula.uses_underlying_price && !(price && *price > Price{})) {
    return unknown("margins need the underlying's price, and the chain has none");
  }
  margin_ = std::move(formula);
  return {};
}

std::int64_t Board::asked_of_stock(const MarginFormula::Sum& sum) const {
  if (sum.stock_lots == 0) return 0;
  const auto price = static_cast<double>(chain().underlying_price->units());
  return std::llround(regulation_t().stock_initial * price) * std::abs(sum.stock_lots) *
         multiplier();
}

double Board::margin(const Features& of, double paid_for_options,
                     std::span<const double> asked) const {
  const double required =
      margin_->worst_loss ? std::max(of.loss - of.cost, 0.0) : margin_->required(asked);
  return required + std::max(paid_for_options, 0.0);
}

void Board::list_rows() {
  if (!task_->several_expiries) {
    for (std::size_t i = 0; i < chain().rows.size(); ++i) {
      rows_.push_back({chain().rows[i].strike, {static_cast<int>(i), -1}});
    }
    return;
  }
  const auto& front = chain(0).rows;
  const auto& back = chain(1).rows;
  for (std::size_t i = 0, j = 0; i < front.size() || j < back.size();) {
    BoardRow row{.strike = {}, .row = {-1, -1}};
    if (j == back.size() || (i < front.size() && front[i].strike <= back[j].strike)) {
      row.strike = front[i].strike;
    } else {
      row.strike = back[j].strike;
    }
    if (i < front.size() && front[i].strike == row.strike) row.row[0] = static_cast<int>(i++);
    if (j < back.size() && back[j].strike == row.strike) row.row[1] = static_cast<int>(j++);
    rows_.push_back(row);
  }
}

LegPlace Board::leg_place(const LegShape& leg, std::size_t row) const {
  const auto& constraints = task_->request.constraints;
  const int in_chain = rows_[row].row[static_cast<std::size_t>(leg.expiry_rung)];
  if (in_chain < 0) return {UnusableLeg::not_listed, std::nullopt};
  const auto& quotes = chain(leg.expiry_rung).rows[static_cast<std::size_t>(in_chain)];
  const OptionSide* side = side_of(quotes, leg.kind);
  if (side == nullptr) return {UnusableLeg::not_listed, std::nullopt};
  const bool sold = leg.quantity < 0;
  const auto price = entry_price(*side, !sold, task_->request.fill);
  if (!price) return {UnusableLeg::no_price, std::nullopt};
  const auto because = [&](UnusableLeg why) { return LegPlace{why, price}; };
  const double strike = quotes.strike.value();
  const double forward = priced(leg.expiry_rung).parity.forward;
  if (constraints.sell_out_of_the_money && sold &&
      (leg.kind == LegKind::call ? strike < forward : strike > forward)) {
    return because(UnusableLeg::in_the_money);
  }
  const OptionAnalytics* option =
      analytics_of(priced(leg.expiry_rung).rows[static_cast<std::size_t>(in_chain)], leg.kind);
  const bool has_greeks = option != nullptr && option->greeks;
  if (const auto& window = sold ? constraints.short_delta : constraints.long_delta) {
    if (!has_greeks) return because(UnusableLeg::no_delta);
    if (!window->holds(std::abs(option->greeks->delta))) return because(UnusableLeg::delta);
  }
  if (constraints.max_spread_share) {
    const auto mid = side->mid();
    if (!mid || *mid <= Price{} ||
        (*side->ask - *side->bid).value() > *constraints.max_spread_share * mid->value()) {
      return because(UnusableLeg::spread);
    }
  }
  if (constraints.min_open_interest &&
      (!side->open_interest || *side->open_interest < *constraints.min_open_interest)) {
    return because(UnusableLeg::open_interest);
  }
  if (constraints.min_size &&
      (!side->bid_size || !side->ask_size ||
       std::min(*side->bid_size, *side->ask_size) < *constraints.min_size)) {
    return because(UnusableLeg::size);
  }
  if (task_->uses_theta && !has_greeks) return because(UnusableLeg::no_theta);
  if (leg.expiry_rung > 0 && (option == nullptr || !option->implied_vol)) {
    return because(UnusableLeg::no_vol);
  }
  if (leg.expiry_rung > 0 && !later_priced_[right_of(leg)][static_cast<std::size_t>(in_chain)]) {
    return because(UnusableLeg::no_american_price);
  }
  return {std::nullopt, price};
}

Price Board::mark_of(const LegShape& leg, std::size_t row) const {
  const auto in_chain =
      static_cast<std::size_t>(rows_[row].row[static_cast<std::size_t>(leg.expiry_rung)]);
  const auto mid = side_of(chain(leg.expiry_rung).rows[in_chain], leg.kind)->mid();
  return mid ? *mid : *leg_place(leg, row).price;
}

double Board::early_exercise_of(const LegShape& leg, std::size_t row) const {
  if (leg.expiry_rung > 0 || priced(0).style == ExerciseStyle::european) return 0.0;
  const auto& right = priced(0).rows[static_cast<std::size_t>(rows_[row].row[0])].exercise;
  if (!right) return 0.0;
  return leg.kind == LegKind::call ? right->call : right->put;
}

Place Board::place(std::size_t rung, std::size_t row) const {
  const std::int64_t strike = rows_[row].strike.units();
  Place place{.row = static_cast<int>(row),
              .strike = strike,
              .cost = 0,
              .credit = 0,
              .at_origin = 0,
              .at_low = 0.0,
              .at_high = 0.0,
              .expected = 0.0,
              .theta = 0.0,
              .asked = {}};
  const double call = density().call(rows_[row].strike.value()) * units_per_one;
  const MarginUnderlying underlying{.price = chain().underlying_price.value_or(Price{}),
                                    .kind = task_->request.underlying_kind};
  for (const auto& leg : task_->request.strategy.legs) {
    if (leg.rung != static_cast<int>(rung)) continue;
    const std::int64_t price = leg_place(leg, row).price->units();
    const std::int64_t shares = std::int64_t{leg.quantity} * multiplier();
    const std::int64_t fee =
        std::abs(std::int64_t{leg.quantity}) * task_->request.fee_per_contract.units();
    place.cost += shares * price + fee;
    place.credit -= leg.quantity * price;
    place.at_origin += shares * option_value(leg.kind, strike, 0);
    if (limits_.no_breakevens) {
      const auto at = [&](std::int64_t spot) {
        return static_cast<double>(shares * option_value(leg.kind, strike, spot));
      };
      place.at_low += at(limits_.no_breakevens->first);
      place.at_high += at(limits_.no_breakevens->second);
    }
    const double worth = leg.kind == LegKind::call ? call
                                                   : call - density().mean() * units_per_one +
                                                         static_cast<double>(strike);
    place.expected += static_cast<double>(shares) *
                          (discount() * worth + early_exercise_of(leg, row) * units_per_one -
                           static_cast<double>(price)) -
                      static_cast<double>(fee);
    const auto index = static_cast<std::size_t>(&leg - task_->request.strategy.legs.data());
    for (std::size_t s = 0; margin_ && s < margin_->sums.size(); ++s) {
      for (const auto& term : margin_->sums[s].terms) {
        if (term.leg != index) continue;
        place.asked[s] += static_cast<double>(
            margin_term(term.what, leg.kind, rows_[row].strike, mark_of(leg, row), underlying) *
            term.weight * multiplier());
      }
    }
    if (task_->uses_theta) {
      place.theta +=
          static_cast<double>(shares) * units_per_one *
          analytics_of(priced(leg.expiry_rung)
                           .rows[static_cast<std::size_t>(
                               rows_[row].row[static_cast<std::size_t>(leg.expiry_rung)])],
                       leg.kind)
              ->greeks->theta;
    }
  }
  return place;
}

std::int64_t Board::combinations() const {
  // Ways to reach each place of a rung, from below.
  std::vector<std::int64_t> ways(rows_.size(), 0);
  for (std::size_t rung = 0; rung < task_->rungs; ++rung) {
    std::vector<std::int64_t> next(ways.size(), 0);
    std::int64_t below = rung == 0 ? 1 : 0;
    for (std::size_t row = 0; row < ways.size(); ++row) {
      if (place_of_row_[rung][row] >= 0) next[row] = below;
      if (rung > 0) below += ways[row];
    }
    ways = std::move(next);
  }
  std::int64_t total = 0;
  for (const auto count : ways) total += count;
  return total;
}

void Board::append(Half& half, std::size_t from, const Place* first, const Place* second,
                   Progress& progress) const {
  if (!progress.spend(200.0 + 4.0 * profile_work())) return;
  const bool lower = from == 0;
  const auto slope = [&](std::size_t i) { return task_->slopes[i] * multiplier(); };
  std::array<double, columns> sum{};
  std::int64_t base = 0;  // profit at spot 0
  const auto stand = [&](const Place& at, std::size_t rung) {
    sum[cost] += static_cast<double>(at.cost);
    sum[credit] += static_cast<double>(at.credit);
    sum[expected] += at.expected;
    sum[theta] += at.theta;
    sum[paid] += static_cast<double>(at.cost);
    for (std::size_t s = 0; s < at.asked.size(); ++s) sum[asked_0 + s] += at.asked[s];
    sum[at_low] += at.at_low - static_cast<double>(at.cost);
    sum[at_high] += at.at_high - static_cast<double>(at.cost);
    base += at.at_origin - at.cost;
    if (rung > 0) sum[gap_0 + rung - 1] += static_cast<double>(at.strike);
    if (rung + 1 < task_->rungs) sum[gap_0 + rung] -= static_cast<double>(at.strike);
  };
  stand(*first, from);
  if (second != nullptr) stand(*second, from + 1);
  for (std::size_t s = 0; lower && margin_ && s < margin_->sums.size(); ++s) {
    sum[asked_0 + s] += static_cast<double>(asked_of_stock(margin_->sums[s]));
  }
  if (lower && task_->stock_lots != 0) {
    const std::int64_t shares = task_->stock_lots * multiplier();
    sum[cost] += static_cast<double>(shares * stock_price_);
    base -= shares * stock_price_;
    sum[expected] += static_cast<double>(shares) * stock_expected_;
    if (limits_.no_breakevens) {
      sum[at_low] += static_cast<double>(shares * (limits_.no_breakevens->first - stock_price_));
      sum[at_high] += static_cast<double>(shares * (limits_.no_breakevens->second - stock_price_));
    }
  }
  // The line, relative to the base: in the lower half from spot 0, in the upper one from the last
  // strike of the lower.
  std::int64_t rise = slope(from) * first->strike;
  std::int64_t highest = rise;
  std::int64_t lowest = rise;
  if (second != nullptr) {
    rise += slope(from + 1) * (second->strike - first->strike);
    highest = std::max(highest, rise);
    lowest = std::min(lowest, rise);
  }
  const auto set = [&](Column c, std::int64_t value) { sum[c] = static_cast<double>(value); };
  if (lower) {
    highest = std::max<std::int64_t>(highest, 0);
    lowest = std::min<std::int64_t>(lowest, 0);
    const Place* last = second != nullptr ? second : first;
    const std::size_t next = task_->lower_rungs;
    const std::int64_t handed_on = next < task_->rungs ? rise - slope(next) * last->strike : rise;
    set(loss_1, -base - lowest);
    set(loss_2, -base - handed_on);
    set(gain_1, base + highest);
    set(gain_2, base + handed_on);
  } else {
    set(loss_1, -base);
    set(loss_2, -base - lowest);
    set(gain_1, base);
    set(gain_2, base + highest);
  }
  // A rung in the middle of three belongs to both gaps; what is twice there is right.
  if (task_->rungs >= 3) sum[wing_difference] = sum[gap_0] - sum[gap_0 + task_->rungs - 2];

  half.lines.push_back({base, {first->strike, second != nullptr ? second->strike : 0}});
  half.first.push_back(first->row);
  half.last.push_back(second != nullptr ? second->row : first->row);
  if (profiles_) {
    std::vector<double> curve(profiles_->spots.size(), 0.0);
    add_profile(lower, half, half.size() - 1, curve);
    const auto [least, most] = std::ranges::minmax_element(curve);
    sum[worst] = -*least;
    sum[best] = *most;
    for (std::size_t k = 0; k < samples; ++k) sum[sample_0 + k] = curve[profiles_->sampled[k]];
  }
  for (std::size_t c = 0; c < columns; ++c) {
    if (used_[c]) half.column[c].push_back(sum[c]);
  }
}

int Board::grow(Half& half, std::size_t from, std::array<int, 4> box, Progress& progress) const {
  const auto& firsts = places_[from];
  const auto& seconds = half.rungs == 2 ? places_[from + 1] : firsts;
  const auto [a, b, c, d] = box;
  if (a >= b || c >= d) return -1;
  const auto at = [](const std::vector<Place>& places, int i) -> const Place& {
    return places[static_cast<std::size_t>(i)];
  };
  if (half.rungs == 2 && at(firsts, a).row >= at(seconds, d - 1).row) return -1;
  const int begin = half.size();
  const int index = static_cast<int>(half.nodes.size());
  half.nodes.push_back({.begin = begin,
                        .end = begin,
                        .left = -1,
                        .right = -1,
                        .rows = {at(firsts, a).row, at(firsts, b - 1).row, at(seconds, c).row,
                                 at(seconds, d - 1).row},
                        .least_first = INT_MAX,
                        .most_first = -1,
                        .least_last = INT_MAX,
                        .most_last = -1});
  if ((b - a) * (half.rungs == 2 ? d - c : 1) <= leaf_size) {
    for (int i = a; i < b; ++i) {
      if (half.rungs == 1) {
        append(half, from, &at(firsts, i), nullptr, progress);
        continue;
      }
      for (int j = c; j < d; ++j) {
        if (at(seconds, j).row > at(firsts, i).row) {
          append(half, from, &at(firsts, i), &at(seconds, j), progress);
        }
      }
    }
  } else {
    auto low = box;
    auto high = box;
    const bool across = half.rungs == 2 && d - c > b - a;
    const std::size_t cut = across ? 2 : 0;
    low[cut + 1] = high[cut] = (box[cut] + box[cut + 1]) / 2;
    const int left = grow(half, from, low, progress);
    const int right = grow(half, from, high, progress);
    half.nodes[static_cast<std::size_t>(index)].left = left >= 0 ? left : right;
    half.nodes[static_cast<std::size_t>(index)].right = left >= 0 ? right : -1;
  }
  Node& node = half.nodes[static_cast<std::size_t>(index)];
  node.end = half.size();
  for (int i = begin; i < node.end; ++i) {
    const auto m = static_cast<std::size_t>(i);
    node.least_first = std::min(node.least_first, half.first[m]);
    node.most_first = std::max(node.most_first, half.first[m]);
    node.least_last = std::min(node.least_last, half.last[m]);
    node.most_last = std::max(node.most_last, half.last[m]);
  }
  return index;
}

Half Board::half(std::size_t from, std::size_t to, bool tree, Progress& progress) const {
  Half half;
  half.rungs = to - from;
  if (half.rungs == 0) {
    half.first.push_back(INT_MAX);
    half.last.push_back(INT_MAX);
    half.lines.push_back({});
    for (auto& column : half.column) column.push_back(0.0);
    if (tree) {
      half.nodes.push_back({.begin = 0,
                            .end = 1,
                            .left = -1,
                            .right = -1,
                            .rows = {},
                            .least_first = INT_MAX,
                            .most_first = INT_MAX,
                            .least_last = INT_MAX,
                            .most_last = INT_MAX});
    }
    return half;
  }
  const auto count = [](const auto& places) { return static_cast<int>(places.size()); };
  const auto& firsts = places_[from];
  const std::size_t members =
      half.rungs == 1 ? firsts.size() : firsts.size() * places_[from + 1].size();
  half.first.reserve(members);
  half.last.reserve(members);
  half.lines.reserve(members);
  for (std::size_t c = 0; c < columns; ++c) {
    if (used_[c]) half.column[c].reserve(members);
  }
  if (tree) {
    // A rung alone is a box one wide in the other direction.
    grow(half, from,
         {0, count(firsts), 0, half.rungs == 2 ? count(places_[from + 1]) : count(firsts)},
         progress);
    return half;
  }
  for (const auto& first : firsts) {
    if (half.rungs == 1) {
      append(half, from, &first, nullptr, progress);
      continue;
    }
    for (const auto& second : places_[from + 1]) {
      if (second.row > first.row) append(half, from, &first, &second, progress);
    }
  }
  return half;
}

Features Board::features(const Half& lower, int i, const Half& upper, int j) const {
  const auto sum = [&](Column c) {
    return lower.column[c][static_cast<std::size_t>(i)] +
           upper.column[c][static_cast<std::size_t>(j)];
  };
  Features of{.cost = sum(cost),
              .credit = sum(credit),
              .expected = sum(expected),
              .theta = used_[theta] ? sum(theta) : 0.0,
              .loss = infinity,
              .gain = infinity,
              .margin = 0.0};
  const auto add_margin = [&] {
    if (!task_->uses_margin) return;
    std::array<double, MarginFormula::most_sums> asked{};
    for (std::size_t s = 0; s < margin_->sums.size(); ++s) {
      asked[s] = sum(static_cast<Column>(asked_0 + s));
    }
    of.margin = margin(of, sum(paid), asked);
  };
  if (profiles_) {
    const auto curve = profile(rows(lower, i, upper, j));
    const auto [least, most] = std::ranges::minmax_element(curve);
    if (!task_->unlimited_loss()) of.loss = -*least;
    if (!task_->unlimited_gain()) of.gain = *most;
    add_margin();
    return of;
  }
  if (!task_->unlimited_loss()) of.loss = std::max(sum(loss_1), sum(loss_2));
  if (!task_->unlimited_gain()) of.gain = std::max(sum(gain_1), sum(gain_2));
  add_margin();
  return of;
}

std::optional<Unfit> Board::unfit(const Features& of, const Half& lower, int i, const Half& upper,
                                  int j) const {
  const auto sum = [&](int c) {
    return lower.column[static_cast<std::size_t>(c)][static_cast<std::size_t>(i)] +
           upper.column[static_cast<std::size_t>(c)][static_cast<std::size_t>(j)];
  };
  const auto wings = task_->request.strategy.wings;
  if (wings != Wings::any && (sum(wing_difference) == 0.0) != (wings == Wings::equal)) {
    return Unfit::wings;
  }
  for (const auto& [gap, width] : task_->request.constraints.widths) {
    if (!width.holds(sum(gap_0 + gap) / units_per_one)) return Unfit::width;
  }
  // Less than the least unit of money is none.
  if (of.gain < 1.0) return Unfit::no_profit;
  if (of.loss < 1.0 || (task_->uses_margin && of.margin < 1.0)) return Unfit::no_risk;
  if (limits_.credit && of.credit < static_cast<double>(*limits_.credit)) return Unfit::credit;
  if (limits_.loss && of.loss > static_cast<double>(*limits_.loss)) return Unfit::max_loss;
  return std::nullopt;
}

bool Board::breakevens_fit(const Rows& rows) const {
  if (!nearest_breakeven_) return true;
  const double spot = chain().underlying_price->value();
  const auto far = [&](const std::vector<double>& breakevens) {
    return std::ranges::none_of(breakevens, [&](double breakeven) {
      return std::abs(breakeven - spot) < *nearest_breakeven_;
    });
  };
  if (profiles_) return far(profile_breakevens(profile(rows)));
  const auto payoff = payoff_at_expiry(legs_at(rows), fees());
  if (!payoff) core::panic("a combination has no payoff: " + payoff.error().message);
  return far(payoff->breakevens);
}

double Board::score(const Features& of, double pop) const {
  const auto value = [&](Objective objective) {
    switch (objective) {
      case Objective::expected_profit:
        return of.expected / units_per_one;
      case Objective::expected_profit_on_max_loss:
        return of.expected / of.loss;
      case Objective::expected_profit_on_margin:
        return of.expected / of.margin;
      case Objective::credit:
        return of.credit / units_per_one;
      case Objective::return_on_risk:
        return of.gain / of.loss;
      case Objective::return_on_margin:
        return of.gain / of.margin;
      case Objective::pop:
        return pop;
      case Objective::theta_on_max_loss:
        return of.theta / of.loss;
    }
    core::panic("an objective that is none");
  };
  if (task_->plain) return value(*task_->plain);
  double total = 0.0;
  for (const auto& [objective, weight] : task_->request.objective) {
    total += weight * value(objective);
  }
  return total;
}

Board::Rows Board::rows(const Half& lower, int i, const Half& upper, int j) const {
  Rows at{};
  const auto l = static_cast<std::size_t>(i);
  const auto u = static_cast<std::size_t>(j);
  std::size_t rung = 0;
  at[rung++] = lower.first[l];
  if (lower.rungs == 2) at[rung++] = lower.last[l];
  if (upper.rungs >= 1) at[rung++] = upper.first[u];
  if (upper.rungs == 2) at[rung++] = upper.last[u];
  return at;
}

Line Board::line(const Half& lower, int i, const Half& upper, int j) const {
  const HalfLine& low = lower.lines[static_cast<std::size_t>(i)];
  const HalfLine& high = upper.lines[static_cast<std::size_t>(j)];
  Line line{.origin = low.origin + high.origin, .strikes = {low.strikes[0], low.strikes[1], 0, 0}};
  line.strikes[lower.rungs] = high.strikes[0];
  if (upper.rungs == 2) line.strikes[lower.rungs + 1] = high.strikes[1];
  return line;
}

template <class Enter, class Leave>
void Board::walk(const Line& on, const Enter& enter, const Leave& leave) const {
  std::int64_t at = 0;
  std::int64_t profit = on.origin;
  bool inside = profit > 0;
  for (std::size_t i = 0; i <= task_->rungs; ++i) {
    const std::int64_t slope = task_->slopes[i] * multiplier();
    const bool last = i == task_->rungs;
    const std::int64_t next = last ? slope : profit + slope * (on.strikes[i] - at);
    if (inside ? slope < 0 && next <= 0 : slope > 0 && next > 0) {
      inside = !inside;
      if (inside) {
        enter(at, profit, slope);
      } else {
        leave(at, profit, slope);
      }
    }
    if (!last) {
      at = on.strikes[i];
      profit = next;
    }
  }
}

double Board::line_pop(const Line& on) const {
  double total = 0.0;
  double entered = 0.0;
  bool inside = on.origin > 0;
  // As the payoff engine divides.
  const auto cdf_at = [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
    const double distance = profit % slope == 0
                                ? static_cast<double>(-(profit / slope))
                                : -static_cast<double>(profit) / static_cast<double>(slope);
    return density().cdf((static_cast<double>(from) + distance) / units_per_one);
  };
  walk(
      on,
      [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
        entered = cdf_at(from, profit, slope);
        inside = true;
      },
      [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
        total += cdf_at(from, profit, slope) - entered;
        inside = false;
      });
  return inside ? total + (1.0 - entered) : total;
}

Bounds Board::pop_bounds(const Half& lower, int i, const Half& upper, int j) const {
  if (profiles_) {
    const double pop = exact_pop(lower, i, upper, j);
    return {pop, pop};
  }
  const Line on = line(lower, i, upper, j);
  Bounds total{-1e-12, 1e-12};
  Bounds entered{0.0, 0.0};
  bool inside = on.origin > 0;
  const auto cdf_at = [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
    const std::int64_t root = from + -profit / slope;
    return Bounds{cdf_->at_least(root), cdf_->at_most(root + 1)};
  };
  walk(
      on,
      [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
        entered = cdf_at(from, profit, slope);
        inside = true;
      },
      [&](std::int64_t from, std::int64_t profit, std::int64_t slope) {
        const Bounds left = cdf_at(from, profit, slope);
        total.low += std::max(left.low - entered.high, 0.0);
        total.high += left.high - entered.low;
        inside = false;
      });
  if (inside) {
    total.low += 1.0 - entered.high;
    total.high += 1.0 - entered.low;
  }
  return total;
}

double Board::exact_pop(const Half& lower, int i, const Half& upper, int j) const {
  return profiles_ ? profile_pop(profile(rows(lower, i, upper, j)))
                   : line_pop(line(lower, i, upper, j));
}

std::array<double, 3> Board::half_slopes(bool lower) const {
  const std::size_t from = lower ? 0 : task_->lower_rungs;
  const std::size_t to = lower ? task_->lower_rungs : task_->rungs;
  std::array<double, 3> slopes{};
  if (lower) slopes[0] = static_cast<double>(task_->stock_lots);
  for (const auto& leg : task_->request.strategy.legs) {
    const auto rung = static_cast<std::size_t>(leg.rung);
    if (leg.kind == LegKind::put && rung >= from && rung < to) slopes[0] -= leg.quantity;
  }
  for (std::size_t rung = from; rung < to; ++rung) {
    // What a rung bends is the same in the half as in the whole.
    slopes[rung - from + 1] =
        slopes[rung - from] + static_cast<double>(task_->slopes[rung + 1] - task_->slopes[rung]);
  }
  for (double& slope : slopes) slope *= multiplier();
  return slopes;
}

}  // namespace bifrost::analysis::finder
