// SPDX-License-Identifier: Apache-2.0
#include "finder_later.hpp"

#include <algorithm>
#include <cmath>

namespace bifrost::analysis::finder {
namespace {

constexpr double table_work = 1e6;     // to build it
constexpr double boundary_work = 1e5;  // to solve one

bool covered(double vol) {
  return vol >= AmericanSurface::lowest_vol && vol <= AmericanSurface::highest_vol;
}

ExpiryTerms terms_of(const PricedChain& priced) {
  return {.forward = priced.parity.forward,
          .discount_factor = priced.parity.discount_factor,
          .years_to_expiry = priced.years_to_expiry};
}

}  // namespace

LaterOptions::LaterOptions(const PricedChain& front, const PricedChain& back, Right right)
    : right_(right),
      style_(back.style),
      years_(back.years_to_expiry - front.years_to_expiry),
      discount_(back.parity.discount_factor / front.parity.discount_factor),
      growth_(back.parity.forward / front.parity.forward),
      front_(terms_of(front)),
      back_(terms_of(back)),
      no_price_(back.rows.size(), false) {
  for (const auto& row : back.rows) {
    const auto& option = right == Right::call ? row.call : row.put;
    const auto vol =
        option && option->implied_vol ? std::optional{*option->implied_vol} : std::nullopt;
    strike_.push_back(row.strike.value());
    own_.vol.push_back(vol);
    const auto exercise = style_ == ExerciseStyle::american ? row.exercise : std::nullopt;
    exercise_.vol.push_back(vol && exercise ? exercise->vol : vol);
    premium_.push_back(!exercise ? 0.0 : right == Right::call ? exercise->call : exercise->put);
  }
  if (style_ == ExerciseStyle::european) return;
  discount_ = american_discount(right, growth_, discount_, years_);
  rate_ = -std::log(discount_) / years_;
  yield_ = rate_ - std::log(growth_) / years_;
  VolRange spanned{AmericanSurface::highest_vol, AmericanSurface::lowest_vol};
  for (const auto* vols : {&own_.vol, &exercise_.vol}) {
    for (std::size_t row = 0; row < vols->size(); ++row) {
      const auto& vol = (*vols)[row];
      if (!vol || strike_[row] <= 0.0 || !covered(*vol)) continue;
      spanned = {std::min(spanned.lowest, *vol), std::max(spanned.highest, *vol)};
    }
  }
  auto table = AmericanSurface::build(right,
                                      {.spot = front.parity.forward,
                                       .years_to_expiry = years_,
                                       .rate = rate_,
                                       .dividend_yield = yield_},
                                      AmericanSurface::Rho::unwanted, spanned);
  work_ += table_work;
  if (table) table_ = *std::move(table);
  solve_alone(own_);
  solve_alone(exercise_);
}

void LaterOptions::solve_alone(Vols& vols) {
  vols.alone.resize(strike_.size());
  for (std::size_t row = 0; row < strike_.size(); ++row) {
    const auto& vol = vols.vol[row];
    if (!vol || strike_[row] <= 0.0 || (table_ && covered(*vol))) continue;
    auto curve = OptionCurve::make({.right = right_,
                                    .strike = strike_[row],
                                    .years = years_,
                                    .rate = rate_,
                                    .yield = yield_,
                                    .vol = *vol,
                                    .style = style_});
    work_ += boundary_work;
    if (curve) {
      vols.alone[row] = *std::move(curve);
    } else {
      no_price_[row] = true;
    }
  }
}

/// Some rows at vols of theirs.
class LaterOptions::Some {
 public:
  Some(const LaterOptions& of, const Vols& at, std::span<const std::size_t> rows) : of_(&of) {
    std::vector<double> strikes;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t row = rows[i];
      strikes_.push_back(of.strike_[row]);
      if (of.style_ == ExerciseStyle::american && at.alone[row]) {
        alone_.emplace_back(i, &*at.alone[row]);
        continue;
      }
      in_columns_.push_back(i);
      strikes.push_back(of.strike_[row]);
      vols_.push_back(*at.vol[row]);
    }
    columns_.emplace(strikes, of.right_);
    column_prices_.resize(strikes.size());
  }

  std::size_t size() const { return strikes_.size(); }

  /// Rough nanoseconds a spot.
  double work() const {
    const bool american = of_->style_ == ExerciseStyle::american;
    return (american ? 2e3 : 0.0) +
           (american ? 100.0 : 50.0) * static_cast<double>(in_columns_.size()) +
           1e3 * static_cast<double>(alone_.size());
  }

  /// Per share, parallel to the rows; `spot` may be 0.
  void prices(double spot, std::span<double> out) {
    if (strikes_.empty()) return;
    const bool american = of_->style_ == ExerciseStyle::american;
    if (!(spot > 0.0)) {
      // A put is worth its strike: at once, if it may be exercised, or when it can be.
      const double paid = american ? std::max(of_->discount_, 1.0) : of_->discount_;
      for (std::size_t i = 0; i < strikes_.size(); ++i) {
        out[i] = of_->right_ == Right::call ? 0.0 : paid * strikes_[i];
      }
      return;
    }
    if (american && of_->table_) {
      of_->table_->at_spot(spot).prices(*columns_, vols_, column_prices_);
    } else if (!american) {
      price_chain(*columns_,
                  {.forward = spot * of_->growth_,
                   .discount_factor = of_->discount_,
                   .years_to_expiry = of_->years_},
                  vols_, european_);
      column_prices_ = european_.price;
    }
    for (std::size_t i = 0; i < in_columns_.size(); ++i) out[in_columns_[i]] = column_prices_[i];
    for (const auto& [place, curve] : alone_) out[place] = curve->price(spot);
  }

 private:
  const LaterOptions* of_;
  std::vector<double> strikes_;
  std::vector<std::size_t> in_columns_;  // places, priced all at once
  std::vector<double> vols_;
  std::optional<ContractColumns> columns_;
  ValuationColumns european_;
  std::vector<double> column_prices_;
  std::vector<std::pair<std::size_t, const OptionCurve*>> alone_;  // places, and the rest
};

core::Result<LaterOptions::Curves> LaterOptions::curves(std::span<const std::size_t> rows,
                                                        std::span<const double> spots,
                                                        Progress& progress) const {
  const std::size_t count = spots.size();
  // Where exercise is valued at another vol, the curve at that vol is needed as well.
  std::vector<std::size_t> places;
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (exercise_.vol[rows[i]] == own_.vol[rows[i]]) continue;
    places.push_back(i);
    others.push_back(rows[i]);
  }
  Curves made{.worth = std::vector<double>(rows.size() * count),
              .beyond = std::vector<double>(rows.size())};
  std::vector<double> of_others(others.size() * count);
  Some own(*this, own_, rows);
  Some other(*this, exercise_, others);
  std::vector<double> at_spot(rows.size());
  for (std::size_t g = 0; g < count; ++g) {
    own.prices(spots[g], at_spot);
    for (std::size_t i = 0; i < rows.size(); ++i) made.worth[i * count + g] = at_spot[i];
    other.prices(spots[g], at_spot);
    for (std::size_t i = 0; i < others.size(); ++i) of_others[i * count + g] = at_spot[i];
    if (!progress.spend(own.work() + other.work())) return stopped();
  }

  const ContractColumns calls(spots.subspan(1), Right::call);
  std::vector<double> vols(calls.size());
  ValuationColumns priced;
  std::size_t next_other = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_other = next_other < places.size() && places[next_other] == i;
    const double* curve = is_other ? &of_others[next_other++ * count] : &made.worth[i * count];
    const double vol = *exercise_.vol[rows[i]];
    std::ranges::fill(vols, vol);
    price_chain(calls, front_, vols, priced);
    // Discounted as the calls are: the value at spot 0, and a call for every bend.
    double mean = front_.discount_factor * curve[0];
    double slope = 0.0;
    for (std::size_t g = 0; g < count; ++g) {
      const double next = g + 1 < count ? (curve[g + 1] - curve[g]) / (spots[g + 1] - spots[g])
                          : right_ == Right::call ? 1.0
                                                  : 0.0;
      const double call = g == 0 ? front_.discount_factor * front_.forward : priced.price[g - 1];
      mean += (next - slope) * call;
      slope = next;
    }
    const double now =
        premium_[rows[i]] +
        black_scholes_price(right_, ForwardInputs{.forward = back_.forward,
                                                  .strike = strike_[rows[i]],
                                                  .years_to_expiry = back_.years_to_expiry,
                                                  .discount_factor = back_.discount_factor,
                                                  .vol = vol});
    made.beyond[i] = now - mean;
    if (!progress.spend(20.0 * static_cast<double>(count))) return stopped();
  }
  return made;
}

}  // namespace bifrost::analysis::finder
