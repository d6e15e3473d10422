// SPDX-License-Identifier: Apache-2.0
#include "finder_later.hpp"

#include <algorithm>
#include <cmath>

namespace bifrost::analysis::finder {
namespace {

constexpr double table_work = 2e7;     // to build it
constexpr double boundary_work = 2e5;  // to solve one

bool covered(double vol) {
  return vol >= AmericanSurface::lowest_vol && vol <= AmericanSurface::highest_vol;
}

}  // namespace

LaterOptions::LaterOptions(const PricedChain& front, const PricedChain& back, Right right)
    : right_(right),
      style_(back.style),
      years_(back.years_to_expiry - front.years_to_expiry),
      discount_(back.parity.discount_factor / front.parity.discount_factor),
      growth_(back.parity.forward / front.parity.forward),
      no_price_(back.rows.size(), false) {
  for (const auto& row : back.rows) {
    const auto& option = right == Right::call ? row.call : row.put;
    strike_.push_back(row.strike.value());
    vol_.push_back(option && option->implied_vol ? std::optional{*option->implied_vol}
                                                 : std::nullopt);
  }
  if (style_ == ExerciseStyle::european) return;
  discount_ = american_discount(right, growth_, discount_, years_);
  const double rate = -std::log(discount_) / years_;
  const double yield = rate - std::log(growth_) / years_;
  auto table = AmericanSurface::build(right,
                                      {.spot = front.parity.forward,
                                       .years_to_expiry = years_,
                                       .rate = rate,
                                       .dividend_yield = yield},
                                      AmericanSurface::Rho::unwanted);
  work_ += table_work;
  if (table) table_ = *std::move(table);
  alone_.resize(back.rows.size());
  for (std::size_t row = 0; row < back.rows.size(); ++row) {
    if (!vol_[row] || strike_[row] <= 0.0 || (table_ && covered(*vol_[row]))) continue;
    auto curve = OptionCurve::make({.right = right,
                                    .strike = strike_[row],
                                    .years = years_,
                                    .rate = rate,
                                    .yield = yield,
                                    .vol = *vol_[row],
                                    .style = style_});
    work_ += boundary_work;
    if (curve) {
      alone_[row] = *std::move(curve);
    } else {
      no_price_[row] = true;
    }
  }
}

LaterOptions::Some::Some(const LaterOptions& of, std::span<const std::size_t> rows) : of_(&of) {
  std::vector<double> strikes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t row = rows[i];
    strikes_.push_back(of.strike_[row]);
    if (of.style_ == ExerciseStyle::american && of.alone_[row]) {
      alone_.emplace_back(i, &*of.alone_[row]);
      continue;
    }
    in_columns_.push_back(i);
    strikes.push_back(of.strike_[row]);
    vols_.push_back(*of.vol_[row]);
  }
  columns_.emplace(strikes, of.right_);
  column_prices_.resize(strikes.size());
}

double LaterOptions::Some::work() const {
  const bool american = of_->style_ == ExerciseStyle::american;
  return (american ? 1e4 : 0.0) +
         (american ? 100.0 : 50.0) * static_cast<double>(in_columns_.size()) +
         3e3 * static_cast<double>(alone_.size());
}

void LaterOptions::Some::prices(double spot, std::span<double> out) {
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

}  // namespace bifrost::analysis::finder
