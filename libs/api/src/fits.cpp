// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/fits.hpp"

#include "bifrost/analysis/density.hpp"
#include "bifrost/core/index_symbols.hpp"
#include "structures.hpp"

namespace bifrost::api {
namespace {

void describe(ExpiryFit& out, const analysis::Smile& smile) {
  out.forward = smile.forward();
  out.discount_factor = smile.discount_factor();
  out.atm_implied_vol = smile.vol(smile.forward());
  for (const auto& part : smile.components()) {
    if (part.weight > 0.0)
      out.parameters.push_back({part.weight, part.log_mean_over_forward, part.deviation});
  }
  const auto& q = smile.quality();
  out.quality = FitQuality{q.quotes,        q.dropped,        q.rmse_vol,
                           q.rmse_spreads,  q.worst_vol,      q.within_spread,
                           q.lowest_quoted, q.highest_quoted, q.mass_outside_quotes,
                           q.least_g,       q.butterfly_free, q.calendar_free};
  const auto density = analysis::implied_density(smile);
  if (!density) {
    out.refusal = std::string{analysis::to_string(density.error())};
    return;
  }
  out.quantiles = quantiles_of(**density);
}

}  // namespace

Told told_by(std::string_view sec_type) {
  if (sec_type == "IND") return {.index = true};
  if (sec_type == "STK") return {.index = false};
  return {};
}

bool is_index(std::string_view underlying, const Told& told) {
  return told.index.value_or(core::is_index_symbol(underlying));
}

ExerciseStyle exercise_style_of(std::string_view underlying, const Told& told) {
  // The one index whose options may be exercised early.
  if (underlying == "OEX") return ExerciseStyle::american;
  return is_index(underlying, told) ? ExerciseStyle::european : ExerciseStyle::american;
}

analysis::ExerciseStyle to_analysis(ExerciseStyle style) {
  return style == ExerciseStyle::european ? analysis::ExerciseStyle::european
                                          : analysis::ExerciseStyle::american;
}

Fit fit_chain(const core::ChainSnapshot& snapshot, const FitTerms& terms) {
  Fit fit{};
  fit.symbol = snapshot.underlying;
  fit.as_of = snapshot.as_of;
  fit.source = snapshot.source;
  fit.underlying_price = snapshot.underlying_price;
  fit.style = terms.style.value_or(exercise_style_of(snapshot.underlying, terms.told));
  const auto surface = analysis::fit_surface(snapshot, {to_analysis(fit.style), terms.rate});
  for (const auto& fitted : surface.expiries) {
    ExpiryFit out{};
    out.expiry = fitted.which.expiry;
    out.trading_class = fitted.which.trading_class;
    out.days_to_expiry =
        static_cast<int>((fitted.which.expiry - core::exchange_time(snapshot.as_of).date).count());
    out.years_to_expiry = fitted.years_to_expiry;
    if (fitted.smile) {
      describe(out, *fitted.smile);
    } else {
      out.refusal = std::string{analysis::to_string(fitted.smile.error())};
    }
    fit.expiries.push_back(std::move(out));
  }
  return fit;
}

}  // namespace bifrost::api
