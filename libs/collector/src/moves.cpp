// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/moves.hpp"

#include <algorithm>
#include <cmath>

#include "bifrost/analysis/black_scholes.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::Quote;
using namespace std::chrono_literals;

constexpr double delta_tolerance = 0.25;

/// Minutes after the open at which a new time of day begins.
constexpr std::array<std::chrono::minutes, slots - 2> slot_starts{30min,  60min,  120min,
                                                                  240min, 330min, 360min};

std::optional<std::size_t> slot_of(core::Instant from, core::Instant to, bool same_day,
                                   std::chrono::seconds interval) {
  const core::Date day = core::exchange_time(to).date;
  if (!same_day) {
    return core::exchange_time(from).date == core::previous_trading_day(day)
               ? std::optional{overnight}
               : std::nullopt;
  }
  const auto hours = core::session(day);
  if (!hours || to - from != interval) return std::nullopt;
  const auto later = std::ranges::upper_bound(slot_starts, to - hours->open, std::less_equal<>{});
  return 1 + static_cast<std::size_t>(later - slot_starts.begin());
}

std::optional<double> middle(const Quote& quote) {
  if (!has_market(quote)) return std::nullopt;
  return (quote.bid->value() + quote.ask->value()) / 2;
}

std::optional<double> spread(const Quote& quote) {
  if (!has_market(quote)) return std::nullopt;
  return (*quote.ask - *quote.bid).value();
}

std::optional<double> as_double(std::optional<std::int64_t> count) {
  return count && *count >= 0 ? std::optional{static_cast<double>(*count)} : std::nullopt;
}

std::optional<Move> move(std::optional<double> previous, std::optional<double> current) {
  if (!previous || !current) return std::nullopt;
  return Move{*previous, *current, std::abs(*current - *previous)};
}

}  // namespace

Step step_between(const core::ChainSnapshot& before, const core::ChainSnapshot& now,
                  std::chrono::seconds interval) {
  Step step{before.as_of, now.as_of, false, std::nullopt, std::nullopt, std::nullopt};
  step.same_day = core::exchange_time(before.as_of).date == core::exchange_time(now.as_of).date;
  const bool one_market =
      (before.source == core::Source::simulated) == (now.source == core::Source::simulated);
  if (one_market) step.slot = slot_of(before.as_of, now.as_of, step.same_day, interval);
  if (before.underlying_price && before.underlying_price->units() > 0) {
    step.spot = before.underlying_price->value();
    if (now.underlying_price && now.underlying_price->units() > 0) {
      step.spot_move = (*now.underlying_price - *before.underlying_price).value();
    }
  }
  return step;
}

bool has_market(const Quote& quote) {
  return quote.bid && quote.ask && quote.bid->units() > 0 && *quote.bid <= *quote.ask;
}

double YearsToExpiry::operator()(const core::OptionContract& contract) {
  if (!years_ || contract.expiry != expiry_ || contract.trading_class != trading_class_) {
    expiry_ = contract.expiry;
    trading_class_ = contract.trading_class;
    years_ = core::years_act365f(as_of_, core::settlement_instant(contract));
  }
  return *years_;
}

Suspicion suspect(const core::OptionQuote& option, double years_to_expiry,
                  std::optional<double> spot) {
  Suspicion found;
  const auto& quote = option.quote;
  for (const auto* price : {&quote.bid, &quote.ask, &quote.last}) {
    if (*price && (*price)->units() < 0 && !found.quote) found.quote = (*price)->value();
  }
  if (!found.quote && quote.bid && quote.ask && *quote.bid > *quote.ask) {
    found.quote = (*quote.ask - *quote.bid).value();
  }

  if (!quote.delta && !quote.gamma && !quote.vega && !quote.implied_vol) return found;
  if (quote.implied_vol && *quote.implied_vol < 0) {
    found.greeks = {0, *quote.implied_vol};
    return found;
  }
  // Our own, where there is enough to compute them from: on the spot itself, without rates.
  std::optional<analysis::Valuation> ours;
  if (spot && quote.implied_vol && *quote.implied_vol > 0 && years_to_expiry > 0 &&
      years_to_expiry <= 1 && option.contract.strike.units() > 0) {
    ours = analysis::black_scholes(
        option.contract.right, analysis::ForwardInputs{*spot, option.contract.strike.value(),
                                                       years_to_expiry, 1.0, *quote.implied_vol});
  }
  const bool call = option.contract.right == core::Right::call;
  const auto outside = [](double value, double low, double high) {
    return value < low || value > high;
  };
  if (quote.delta) {
    const double delta = *quote.delta;
    // A whisker beyond 1 is a model's rounding.
    const bool sign = call ? outside(delta, -0.01, 1.01) : outside(delta, -1.01, 0.01);
    if (sign || (ours && std::abs(delta - ours->delta) > delta_tolerance)) {
      found.greeks = {ours ? ours->delta : 0, delta};
      return found;
    }
  }
  if (quote.gamma && *quote.gamma < 0) found.greeks = {ours ? ours->gamma : 0, *quote.gamma};
  if (quote.vega && *quote.vega < 0) found.greeks = {ours ? ours->vega : 0, *quote.vega};
  return found;
}

Moves moves_between(const Quote& before, const Suspicion& about_before, const Quote& now,
                    const Suspicion& about_now, const Step& step) {
  Moves moves;
  if (!about_before.quote && !about_now.quote) {
    moves[0] = move(middle(before), middle(now));
    moves[7] = move(spread(before), spread(now));
  }
  if (!about_before.greeks && !about_now.greeks) {
    if (moves[0] && before.delta && step.spot_move) {
      auto& price = *moves[0];
      price.size = std::abs(price.current - price.previous - *before.delta * *step.spot_move);
    }
    moves[1] = move(before.implied_vol, now.implied_vol);
    moves[2] = move(before.delta, now.delta);
    moves[3] = move(before.gamma, now.gamma);
    moves[4] = move(before.theta, now.theta);
    moves[5] = move(before.vega, now.vega);
  }
  // Volume starts again each morning.
  if (step.same_day) moves[6] = move(as_double(before.volume), as_double(now.volume));
  // A correction downwards is nobody's trade.
  if (moves[6] && moves[6]->current < moves[6]->previous) moves[6].reset();
  moves[8] = move(as_double(before.open_interest), as_double(now.open_interest));
  return moves;
}

std::vector<const core::OptionQuote*> by_contract(const core::ChainSnapshot& snapshot) {
  std::vector<const core::OptionQuote*> quotes;
  quotes.reserve(snapshot.quotes.size());
  for (const auto& quote : snapshot.quotes) quotes.push_back(&quote);
  const auto less = [](const core::OptionQuote* a, const core::OptionQuote* b) {
    return a->contract < b->contract;
  };
  if (!std::ranges::is_sorted(quotes, less)) std::ranges::sort(quotes, less);
  return quotes;
}

}  // namespace bifrost::collector
