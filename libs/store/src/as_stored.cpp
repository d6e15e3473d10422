// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/as_stored.hpp"

#include "units.hpp"

namespace bifrost::store {
namespace {

void round_real(std::optional<double>& value, double scale) {
  if (!value) return;
  const auto stored = units::encode_real(*value, scale);
  value = stored ? std::optional{units::decode_real(*stored, scale)} : std::nullopt;
}

void fit_count(std::optional<std::int64_t>& value) {
  if (value && !units::encode_count(*value)) value.reset();
}

}  // namespace

void make_as_stored(core::ChainSnapshot& snapshot, std::int64_t price_scale) {
  if (snapshot.underlying_price &&
      !units::encode_wide_price(*snapshot.underlying_price, price_scale)) {
    snapshot.underlying_price.reset();
  }
  for (auto& [contract, quote] : snapshot.quotes) {
    for (auto* price : {&quote.bid, &quote.ask, &quote.last}) {
      if (*price && !units::encode_price(**price, price_scale)) price->reset();
    }
    for (auto* count : {&quote.bid_size, &quote.ask_size, &quote.volume, &quote.open_interest}) {
      fit_count(*count);
    }
    round_real(quote.implied_vol, units::implied_vol);
    round_real(quote.delta, units::delta);
    round_real(quote.gamma, units::gamma);
    round_real(quote.theta, units::theta);
    round_real(quote.vega, units::vega);
    if (quote.observed_at) {
      const auto stored = units::encode_observed_at(*quote.observed_at, snapshot.as_of);
      quote.observed_at =
          stored ? std::optional{units::decode_observed_at(*stored, snapshot.as_of)} : std::nullopt;
    }
  }
}

}  // namespace bifrost::store
