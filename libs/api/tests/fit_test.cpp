// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "api_fixture.hpp"

namespace bifrost::api {
namespace {

using namespace testing;

TEST_F(Api, FitsEveryExpiryToTheVolatilityItWasMadeOf) {
  const auto fit = get_as<Fit>("/api/fit/XSP");
  EXPECT_EQ(fit.as_of, second);
  EXPECT_EQ(fit.style, ExerciseStyle::european);
  ASSERT_EQ(fit.expiries.size(), 2u);
  for (const auto& expiry : fit.expiries) {
    ASSERT_EQ(expiry.refusal, std::nullopt);
    EXPECT_NEAR(*expiry.forward, forward, 0.05);
    EXPECT_NEAR(*expiry.atm_implied_vol, vol, 0.002);
    ASSERT_TRUE(expiry.quality);
    EXPECT_TRUE(expiry.quality->butterfly_free);
    EXPECT_TRUE(expiry.quality->calendar_free);
    // Pennies and nothing else: every spread holds the smile's price.
    EXPECT_GT(expiry.quality->within_spread, 0.99);
    double mass = 0.0;
    double mean_over_forward = 0.0;
    for (const auto& component : expiry.parameters) {
      mass += component.weight;
      mean_over_forward += component.weight * std::exp(component.log_mean_over_forward);
    }
    EXPECT_NEAR(mass, 1.0, 1e-9);
    EXPECT_NEAR(mean_over_forward, 1.0, 1e-6) << "the forward is the mean";
    // The quantiles of the lognormal of 20 %, in closed form.
    const double width = vol * std::sqrt(expiry.years_to_expiry);
    for (const auto& quantile : expiry.quantiles) {
      const double z = quantile.p == 0.16   ? -0.994458
                       : quantile.p == 0.50 ? 0.0
                       : quantile.p == 0.84 ? 0.994458
                                            : std::nan("");
      if (std::isnan(z)) continue;
      EXPECT_NEAR(quantile.spot, forward * std::exp(-width * width / 2 + z * width), 0.15)
          << quantile.p;
    }
  }
  EXPECT_EQ(get("/api/fit/NONE").status, 404);
  EXPECT_EQ(get("/api/fit/XSP?rate=7").status, 422);
}

TEST_F(Api, TellsTheDensitiesOfAnExpiryBesideEachOther) {
  const auto densities = get_as<Densities>("/api/density/XSP?expiry=2026-04-02&points=161");
  EXPECT_EQ(densities.age_seconds, 90);
  ASSERT_EQ(densities.curves.size(), 2u);
  EXPECT_EQ(densities.curves[0].label.kind, "market_implied");
  EXPECT_EQ(densities.curves[1].label.kind, "lognormal");
  for (const auto& curve : densities.curves) {
    ASSERT_EQ(curve.points.size(), 161u);
    EXPECT_NEAR(curve.label.mean, forward, 0.05);
    double mass = 0.0;
    double mean = 0.0;
    for (std::size_t i = 0; i < curve.points.size(); ++i) {
      const auto& point = curve.points[i];
      const double step = curve.points[1].spot - curve.points[0].spot;
      mass += point.density * step;
      mean += point.density * step * point.spot;
      if (i > 0) {
        EXPECT_GE(point.cdf, curve.points[i - 1].cdf);
      }
    }
    EXPECT_NEAR(mass, 0.999, 0.002);
    EXPECT_NEAR(mean / mass, forward, 0.1);
  }
  // On a flat smile the two agree.
  for (std::size_t q = 0; q < densities.curves[0].quantiles.size(); ++q) {
    EXPECT_NEAR(densities.curves[0].quantiles[q].spot, densities.curves[1].quantiles[q].spot, 0.5);
  }
  // This service keeps no daily closes.
  ASSERT_EQ(densities.missing.size(), 1u);
  EXPECT_EQ(densities.missing[0].kind, "history");
  EXPECT_EQ(get("/api/density/SPX?expiry=2026-06-19").status, 400);
  EXPECT_EQ(get("/api/density/XSP?expiry=2026-05-15").status, 404);
  EXPECT_EQ(get("/api/density/XSP").status, 422);
}

}  // namespace
}  // namespace bifrost::api
