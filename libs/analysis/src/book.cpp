// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/book.hpp"

#include <algorithm>
#include <cmath>

#include "leg_model.hpp"

namespace bifrost::analysis {
namespace {

core::Result<std::vector<LegModel>> models_at(std::span<const BookLeg> book,
                                              std::span<const LegMarket> markets, double spot_now,
                                              double days_forward, double vol_shift,
                                              LegModel::Want want) {
  if (!std::isfinite(days_forward) || days_forward < 0.0 || !std::isfinite(vol_shift)) {
    return core::fail(core::Errc::invalid_input, "a date in the past, or a shift not finite");
  }
  std::vector<LegModel> models;
  const auto then = markets_after(book, markets, spot_now, days_forward);
  for (std::size_t i = 0; i < book.size(); ++i) {
    BF_TRY(auto model, LegModel::make(book[i].leg, then[i], spot_now, vol_shift, want));
    models.push_back(std::move(model));
  }
  return models;
}

core::Result<void> check_spot(double spot) {
  if (std::isfinite(spot) && spot >= 0.0) return {};
  return core::fail(core::Errc::invalid_input, "a price of the underlying below zero");
}

BookValue sum(const std::vector<LegModel>& models, double spot) {
  BookValue total{};
  for (const auto& model : models) model.add_to(total, spot);
  return total;
}

}  // namespace

std::vector<Leg> legs_of(std::span<const BookLeg> book) {
  std::vector<Leg> legs;
  for (const auto& at : book) legs.push_back(at.leg);
  return legs;
}

std::vector<core::Date> expiries_of(std::span<const BookLeg> book) {
  std::vector<core::Date> expiries;
  for (const auto& at : book) {
    if (at.expiry) expiries.push_back(*at.expiry);
  }
  std::ranges::sort(expiries);
  expiries.erase(std::unique(expiries.begin(), expiries.end()), expiries.end());
  return expiries;
}

core::Result<BookValue> value_book(std::span<const BookLeg> book,
                                   std::span<const LegMarket> markets, double spot,
                                   const BookShift& shift) {
  BF_CHECK(check_book(book, markets, spot));
  BF_CHECK(check_spot(shift.spot));
  BF_TRY(const auto models, models_at(book, markets, spot, shift.days_forward, shift.vol_shift,
                                      LegModel::Want::greeks));
  return sum(models, shift.spot);
}

core::Result<BookTable> value_table(std::span<const BookLeg> book,
                                    std::span<const LegMarket> markets, double spot,
                                    std::span<const double> days_forward,
                                    std::span<const double> spots, double vol_shift) {
  BF_CHECK(check_book(book, markets, spot));
  for (const double at : spots) BF_CHECK(check_spot(at));
  BookTable table{.days_forward = {days_forward.begin(), days_forward.end()},
                  .spots = {spots.begin(), spots.end()},
                  .cells = {}};
  table.cells.reserve(days_forward.size() * spots.size());
  for (const double days : days_forward) {
    BF_TRY(const auto models,
           models_at(book, markets, spot, days, vol_shift, LegModel::Want::greeks));
    for (const double at : spots) table.cells.push_back(sum(models, at));
  }
  return table;
}

core::Result<std::vector<double>> profit_table(std::span<const BookLeg> book,
                                               std::span<const LegMarket> markets, double spot,
                                               std::span<const double> days_forward,
                                               std::span<const double> spots, double vol_shift) {
  BF_CHECK(check_book(book, markets, spot));
  for (const double at : spots) BF_CHECK(check_spot(at));
  double cost = 0.0;
  for (const auto& at : book) cost += size_of(at.leg) * at.leg.entry_price.value();
  std::vector<double> profits;
  profits.reserve(days_forward.size() * spots.size());
  for (const double days : days_forward) {
    BF_TRY(const auto models,
           models_at(book, markets, spot, days, vol_shift, LegModel::Want::value));
    for (const double at : spots) {
      double profit = -cost;
      for (const auto& model : models) profit += model.value(at);
      profits.push_back(profit);
    }
  }
  return profits;
}

std::optional<double> days_to_front_expiry(std::span<const BookLeg> book,
                                           std::span<const LegMarket> markets) {
  std::optional<double> days;
  for (std::size_t i = 0; i < book.size() && i < markets.size(); ++i) {
    if (book[i].leg.kind == LegKind::stock) continue;
    const double at = 365.0 * markets[i].years_to_expiry;
    if (!days || at < *days) days = at;
  }
  return days;
}

}  // namespace bifrost::analysis
