// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "bifrost/api/finds.hpp"

// Where the underlying may settle on one expiry, told three ways beside each other: as the options
// price it, flat lognormal, and what history did over as long a time.
namespace bifrost::api {

struct DensityQuery {
  std::string symbol;
  Date expiry;
  std::optional<std::string> trading_class;
  std::optional<Instant> at;
  std::optional<ExerciseStyle> style;
  std::optional<int> points;
  std::optional<double> rate;
};
BF_DESCRIBE(DensityQuery, "The densities of one expiry.",
            (symbol, .min_length = 1, .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (expiry),
            (trading_class, .doc = "needed only where one date lists two classes", .min_length = 1,
             .max_length = 12, .pattern = "[A-Z0-9][A-Z0-9. -]*"),
            (at, .doc = "as it was known then; default: the newest snapshot"),
            (style, .doc = "when the options may be exercised; default: by the underlying"),
            (rate, .doc = rate_doc, .min = -0.5, .max = 1.0),
            (points, .doc = "of each curve; default 81", .min = 11, .max = 500))

struct DensityPoint {
  double spot;
  double cdf;
  double density;
};
BF_DESCRIBE(DensityPoint, "One point of a density.", (spot),
            (cdf, .doc = "probability of settling at or below"),
            (density, .doc = "probability per 1.00 of the underlying"))

struct DensityCurve {
  DensityLabel label;
  std::vector<DensityQuantile> quantiles;
  std::vector<DensityPoint> points;
};
BF_DESCRIBE(DensityCurve, "One density.", (label), (quantiles), (points))

struct NoDensityReason {
  std::string kind;
  std::string reason;
};
BF_DESCRIBE(NoDensityReason, "A density that there is not, and why.", (kind), (reason))

struct Densities {
  std::string symbol;
  Date expiry;
  std::string trading_class;
  Instant as_of;
  std::optional<std::int64_t> age_seconds;
  Source source;
  std::optional<Price> underlying_price;
  std::vector<DensityCurve> curves;
  std::vector<NoDensityReason> missing;
};
BF_DESCRIBE(Densities, "The densities of one expiry, each with its name.", (symbol), (expiry),
            (trading_class), (as_of), (age_seconds, .doc = "of the snapshot by the market's clock"),
            (source), (underlying_price), (curves), (missing))

/// query.symbol and query.at are not looked at. `closes` are daily closes of the underlying, oldest
/// first, before the snapshot's own day, all of one origin. not_found: no such expiry;
/// invalid_input: several classes and none named.
core::Result<Densities> densities_in(const core::ChainSnapshot& snapshot, const DensityQuery& query,
                                     std::span<const double> closes, const Told& told = {});

}  // namespace bifrost::api
