// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::core {

/// Where quotes first came from. Kept with every snapshot for ever: simulated numbers never pass
/// for real ones.
enum class Source : std::uint8_t { live, delayed, imported, simulated };

std::string_view to_string(Source source);
std::optional<Source> parse_source(std::string_view text);

/// One look at one option. Missing is missing: an absent field was never quoted or never computed,
/// a zero was quoted as zero.
struct Quote {
  std::optional<Price> bid;
  std::optional<Price> ask;
  std::optional<Price> last;
  std::optional<std::int64_t> bid_size;       // contracts
  std::optional<std::int64_t> ask_size;       // contracts
  std::optional<std::int64_t> volume;         // contracts so far that day
  std::optional<std::int64_t> open_interest;  // as published that morning
  std::optional<double> implied_vol;          // annual, decimal: 0.25 is 25 %
  std::optional<double> delta;                // per share
  std::optional<double> gamma;                // per share and 1.00 of underlying
  std::optional<double> theta;                // per share and calendar day
  std::optional<double> vega;                 // per share and 1.00 of volatility (100 points)
  std::optional<Instant> observed_at;         // when the last change of the quote reached us

  friend bool operator==(const Quote&, const Quote&) = default;
};

struct OptionQuote {
  OptionContract contract;
  Quote quote;

  friend bool operator==(const OptionQuote&, const OptionQuote&) = default;
};

/// A chain as it stood at one moment.
struct ChainSnapshot {
  std::string underlying;
  Instant as_of{};  // the scheduled cycle boundary, never "now"
  std::optional<Price> underlying_price;
  Source source = Source::live;
  std::vector<OptionQuote> quotes;
};

}  // namespace bifrost::core
