// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/metrics.hpp"

#include <algorithm>
#include <cmath>

#include "leg_model.hpp"

namespace bifrost::analysis {
namespace {

constexpr double likely_tail = 0.005;

// Profit over spot as straight lines between points, the last one going on with `right_slope`.
struct Line {
  std::vector<PayoffPoint> points;
  double right_slope;

  double at(double spot) const {
    const auto after =
        std::ranges::upper_bound(points, spot, std::less<>{}, [](const auto& p) { return p.spot; });
    const auto& from = *std::prev(after);
    if (after == points.end()) return from.profit + right_slope * (spot - from.spot);
    return from.profit +
           (after->profit - from.profit) / (after->spot - from.spot) * (spot - from.spot);
  }
  double lowest_between(double low, double high) const {
    double lowest = std::min(at(low), at(high));
    for (const auto& point : points) {
      if (point.spot > low && point.spot < high) lowest = std::min(lowest, point.profit);
    }
    return lowest;
  }
};

Line line_of(const Payoff& payoff) {
  Line line{{}, static_cast<double>(payoff.kinks.back().slope)};
  for (const auto& kink : payoff.kinks) {
    line.points.push_back({kink.spot.value(), kink.profit.value()});
  }
  return line;
}

Line line_of(const FrontPayoff& payoff) {
  Line line{payoff.curve, 0.0};
  const auto& last = payoff.curve.back();
  const auto& before = payoff.curve[payoff.curve.size() - 2];
  line.right_slope = (last.profit - before.profit) / (last.spot - before.spot);
  return line;
}

/// Of the option that expires first; nothing without options.
const LegMarket* front_market(const MetricsRequest& request) {
  const LegMarket* front = nullptr;
  for (std::size_t i = 0; i < request.book.size(); ++i) {
    if (request.book[i].leg.kind == LegKind::stock) continue;
    const auto& market = request.markets[i];
    if (front == nullptr || market.years_to_expiry < front->years_to_expiry) front = &market;
  }
  return front;
}

/// What holding the book until its first expiry costs or brings besides its profit there.
core::Result<Carry> carry_of(const MetricsRequest& request, Money fees) {
  Carry carry{.entry_cost = fees.value()};
  for (const auto& at : request.book) {
    carry.entry_cost +=
        static_cast<double>(at.leg.quantity) * at.leg.multiplier * at.leg.entry_price.value();
    if (at.leg.kind == LegKind::stock) carry.shares += static_cast<double>(at.leg.quantity);
  }
  const LegMarket* front = front_market(request);
  if (front == nullptr) return Carry{};
  for (std::size_t i = 0; i < request.book.size(); ++i) {
    const auto& leg = request.book[i].leg;
    BF_TRY(const double exercise,
           early_exercise_value(leg, request.markets[i], *front, *request.spot));
    carry.early_exercise += size_of(leg) * exercise;
  }
  carry.discount_factor = front->discount_factor;
  carry.dividends_per_share = *request.spot - front->discount_factor * front->forward;
  return carry;
}

/// What the straight lines between the points of a front payoff are off by, today's money: the
/// options that go on are priced once by them and once without, each under the lognormal density of
/// its own vol. Under a density of about that vol it is the same.
core::Result<double> off_the_lines(const MetricsRequest& request, const FrontPayoff& payoff) {
  const auto& points = payoff.curve;
  const auto later =
      markets_after(request.book, request.markets, *request.spot, 365.0 * payoff.years_to_front);
  const LegMarket* front = front_market(request);
  double off = 0.0;
  for (std::size_t i = 0; i < request.book.size(); ++i) {
    const auto& leg = request.book[i].leg;
    auto market = request.markets[i];
    if (leg.kind == LegKind::stock || later[i].years_to_expiry < same_moment) continue;
    market.exercise.reset();
    BF_TRY(const auto now, LegModel::make(leg, market, *request.spot, 0.0, LegModel::Want::value));
    BF_TRY(const auto then,
           LegModel::make(leg, later[i], *request.spot, 0.0, LegModel::Want::value));
    BF_TRY(const double exercise, early_exercise_value(leg, market, *front, *request.spot));
    const auto call = [&](double spot) {
      if (spot <= 0.0) return front->discount_factor * front->forward;
      return black_scholes_price(Right::call,
                                 ForwardInputs{.forward = front->forward,
                                               .strike = spot,
                                               .years_to_expiry = front->years_to_expiry,
                                               .discount_factor = front->discount_factor,
                                               .vol = market.implied_vol});
    };
    double before = then.value(points.front().spot);
    double on_lines = front->discount_factor * before;
    double slope = 0.0;
    for (std::size_t p = 0; p + 1 < points.size(); ++p) {
      const double width = points[p + 1].spot - points[p].spot;
      if (width <= 0.0) continue;
      const double after = then.value(points[p + 1].spot);
      const double next = (after - before) / width;
      on_lines += (next - slope) * call(points[p].spot);
      slope = next;
      before = after;
    }
    off += now.value(*request.spot) - size_of(leg) * exercise - on_lines;
  }
  return off;
}

template <class P>
DensityMetrics by_density(const P& payoff, const Line& line, const Density& density,
                          const Carry& carry, double off_the_lines = 0.0) {
  const double low = density.quantile(likely_tail);
  const double high = density.quantile(1.0 - likely_tail);
  return {
      .label = density.label(),
      .pop = probability_of_profit(payoff, density),
      .expected_profit = in_todays_money(expected_profit(payoff, density), carry) + off_the_lines,
      .low_spot = low,
      .high_spot = high,
      .worst_likely_profit = line.lowest_between(low, high)};
}

// Two classes of one date may settle at two moments of it.
bool settles_at_once(std::span<const BookLeg> book) {
  const BookLeg* first = nullptr;
  for (const auto& at : book) {
    if (at.leg.kind == LegKind::stock) continue;
    if (!first) first = &at;
    if (at.expiry != first->expiry || at.trading_class != first->trading_class) return false;
  }
  return true;
}

core::Result<void> check(const MetricsRequest& request) {
  const auto refuse = [](const char* what) { return core::fail(core::Errc::invalid_input, what); };
  const auto positive = [](const std::optional<double>& value) {
    return !value || (std::isfinite(*value) && *value > 0.0);
  };
  if (!request.markets.empty() && request.markets.size() != request.book.size()) {
    return refuse("legs and their markets differ in number");
  }
  if (!request.quotes.empty() && request.quotes.size() != request.book.size()) {
    return refuse("legs and their quotes differ in number");
  }
  if (!request.markets.empty() && !request.spot) {
    return refuse("markets of legs without the price of the underlying");
  }
  if (!positive(request.spot) || !positive(request.margin) || !positive(request.cash)) {
    return refuse("spot, margin and cash are positive amounts");
  }
  if (request.days_to_expiry &&
      !(std::isfinite(*request.days_to_expiry) && *request.days_to_expiry >= 0.0)) {
    return refuse("days to expiry below zero");
  }
  if (!settles_at_once(request.book) && request.markets.empty()) {
    return refuse("a book of several expiries needs the market of every leg");
  }
  if (const auto days = days_to_front_expiry(request.book, request.markets)) {
    for (const Density* density : request.densities) {
      const auto& label = density->label();
      if (label.day_count != DayCount::act_365f) continue;
      if (std::abs(365.0 * label.years_to_expiry - *days) > 1.0) {
        return refuse("a density of another day than the first expiry of the book");
      }
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(Denominator denominator) {
  switch (denominator) {
    case Denominator::max_loss:
      return "max_loss";
    case Denominator::margin:
      return "margin";
    case Denominator::cash:
      return "cash";
  }
  return "unknown";
}

Money fees_of(std::span<const BookLeg> book, const FeeSchedule& schedule, FeesPaid paid) {
  Money total;
  for (const auto& [leg, expiry, trading_class] : book) {
    const Money each = leg.kind == LegKind::stock ? schedule.per_share : schedule.per_contract;
    total = total + each * (leg.quantity < 0 ? -leg.quantity : leg.quantity);
  }
  return paid == FeesPaid::round_trip ? total * 2 : total;
}

std::optional<std::vector<BookLeg>> entered_at(std::span<const BookLeg> book, LegQuotes quotes,
                                               Fill fill) {
  if (quotes.size() != book.size()) core::panic("legs and their quotes differ in number");
  std::vector<BookLeg> entered(book.begin(), book.end());
  for (std::size_t i = 0; i < entered.size(); ++i) {
    Leg& leg = entered[i].leg;
    if (leg.kind == LegKind::stock) continue;
    if (!quotes[i]) return std::nullopt;
    const auto price = entry_price(*quotes[i], leg.quantity > 0, fill);
    if (!price) return std::nullopt;
    leg.entry_price = *price;
  }
  return entered;
}

Money option_cost(std::span<const BookLeg> book) {
  Money total;
  for (const auto& at : book) {
    if (at.leg.kind != LegKind::stock)
      total = total + at.leg.entry_price * at.leg.quantity * at.leg.multiplier;
  }
  return total;
}

Liquidity liquidity_of(std::span<const BookLeg> book, LegQuotes quotes) {
  if (quotes.size() != book.size()) core::panic("legs and their quotes differ in number");
  Liquidity out{0.0, 0.0, std::nullopt, std::nullopt};
  bool sizes = true;
  bool interests = true;
  for (std::size_t i = 0; i < book.size(); ++i) {
    const Leg& leg = book[i].leg;
    if (leg.kind == LegKind::stock || leg.quantity == 0) continue;
    const auto& quote = quotes[i];
    if (!quote || !quote->two_sided()) {
      out.spread_cost.reset();
      out.widest_spread.reset();
    } else {
      const double width = (*quote->ask - *quote->bid).value();
      const double middle = 0.5 * (*quote->ask + *quote->bid).value();
      if (out.spread_cost) {
        *out.spread_cost += 0.5 * width * std::abs(size_of(leg));
        *out.widest_spread = std::max(*out.widest_spread, width / middle);
      }
    }
    const auto size = quote ? (leg.quantity > 0 ? quote->ask_size : quote->bid_size) : std::nullopt;
    const auto interest = quote ? quote->open_interest : std::nullopt;
    sizes = sizes && size;
    interests = interests && interest;
    const auto lower = [](std::optional<std::int64_t>& least, std::int64_t value) {
      least = least ? std::min(*least, value) : value;
    };
    if (size) lower(out.units_at_touch, *size / std::abs(leg.quantity));
    if (interest) lower(out.least_open_interest, *interest);
  }
  if (!sizes) out.units_at_touch.reset();
  if (!interests) out.least_open_interest.reset();
  return out;
}

double probability_of_profit(const FrontPayoff& payoff, const Density& density) {
  double total = 0.0;
  for (const auto& interval : payoff.profitable) total += density.mass(interval);
  return total;
}

// A line is its value at 0, its first slope times spot, and a call for every bend.
double expected_profit(const FrontPayoff& payoff, const Density& density) {
  const auto& points = payoff.curve;
  double total = points.front().profit;
  double slope = 0.0;
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const double width = points[i + 1].spot - points[i].spot;
    if (width <= 0.0) continue;
    const double next = (points[i + 1].profit - points[i].profit) / width;
    total += (next - slope) * density.call(points[i].spot);
    slope = next;
  }
  return total;
}

core::Result<Metrics> analyse(const MetricsRequest& request) {
  BF_CHECK(check(request));
  const auto book = request.book;
  Metrics out{};
  out.recognised = recognise(book);
  // Once the payoff is exact money, so are its parts; fees are asked for before.
  double most_fees = 0.0;
  for (const auto& at : book) {
    const Money each =
        at.leg.kind == LegKind::stock ? request.fees.per_share : request.fees.per_contract;
    most_fees +=
        2.0 * std::abs(static_cast<double>(at.leg.quantity) * static_cast<double>(each.units()));
  }
  if (most_fees > 4e18) {
    return core::fail(core::Errc::invalid_input, "fees too large for exact money");
  }
  out.fees = fees_of(book, request.fees, request.fees_paid);
  if (!settles_at_once(book)) {
    BF_TRY(auto front, payoff_at_front_expiry(book, request.markets, *request.spot, 0.0, out.fees,
                                              request.highest_spot));
    if (front.model_dependent) out.front = std::move(front);
  }
  Carry carry;
  if (!request.markets.empty()) {
    BF_TRY(out.now, value_book(book, request.markets, *request.spot, {.spot = *request.spot}));
    BF_TRY(carry, carry_of(request, out.fees));
    out.early_exercise = carry.early_exercise;
  }
  Line line;
  if (out.front) {
    const auto& payoff = *out.front;
    out.model_dependent = true;
    out.max_profit = payoff.max_profit;
    out.max_loss = payoff.max_loss;
    out.breakevens = payoff.breakevens;
    out.profitable = payoff.profitable;
    out.curve = payoff.curve;
    line = line_of(payoff);
    BF_TRY(const double off, off_the_lines(request, payoff));
    for (const Density* density : request.densities) {
      out.densities.push_back(by_density(payoff, line, *density, carry, off));
    }
  } else {
    BF_TRY(out.exact, payoff_at_expiry(legs_of(book), out.fees));
    const auto& payoff = *out.exact;
    if (payoff.max_profit) out.max_profit = payoff.max_profit->value();
    if (payoff.max_loss) out.max_loss = payoff.max_loss->value();
    out.breakevens = payoff.breakevens;
    out.profitable = payoff.profitable;
    out.curve = drawing_points(payoff);
    line = line_of(payoff);
    for (const Density* density : request.densities) {
      out.densities.push_back(by_density(payoff, line, *density, carry));
    }
  }
  out.option_cost = option_cost(book);
  if (!request.quotes.empty()) {
    for (const Fill fill : request.fills) {
      const auto entered = entered_at(book, request.quotes, fill);
      out.entry_costs.push_back(
          {fill, entered ? std::optional{option_cost(*entered)} : std::nullopt});
    }
    out.liquidity = liquidity_of(book, request.quotes);
  }

  const auto add_returns = [&](Denominator denominator, const std::optional<double>& amount) {
    if (!amount || *amount <= 0.0) return;
    const auto on_amount = [&](const std::optional<double>& profit) {
      Return result{};
      if (!profit) return result;
      result.simple = *profit / *amount;
      if (request.days_to_expiry && *request.days_to_expiry > 0.0) {
        result.annualised_simple = *result.simple * 365.0 / *request.days_to_expiry;
      }
      return result;
    };
    out.returns.push_back(
        {.denominator = denominator,
         .amount = *amount,
         .at_best = on_amount(out.max_profit),
         .if_unchanged =
             on_amount(request.spot ? std::optional{line.at(*request.spot)} : std::nullopt)});
  };
  add_returns(Denominator::max_loss, out.max_loss);
  add_returns(Denominator::margin, request.margin);
  add_returns(Denominator::cash, request.cash);
  return out;
}

}  // namespace bifrost::analysis
