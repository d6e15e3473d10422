// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/finds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "bifrost/analysis/certificate.hpp"
#include "bifrost/analysis/density.hpp"
#include "bifrost/analysis/finder.hpp"
#include "bifrost/analysis/smile.hpp"
#include "bifrost/core/calendar.hpp"
#include "structures.hpp"

namespace bifrost::api {
namespace {

using core::Errc;
using core::Result;

constexpr std::size_t default_limit = 20;
constexpr double default_min_pop = 0.6;

/// Whether losing and winning end somewhere. A price ends at zero, so only the underlying's rise
/// can be without end.
struct Bounded {
  bool loss;
  bool profit;
};
Bounded bounds_of(const analysis::StrategyShape& shape) {
  int calls_and_shares = 0;
  for (const auto& leg : shape.legs) {
    if (leg.kind != analysis::LegKind::put) calls_and_shares += leg.quantity;
  }
  return {calls_and_shares >= 0, calls_and_shares <= 0};
}

/// What the options pay if all expire with the underlying at `spot` and the strikes are 1, 2, ...
int options_pay(const analysis::StrategyShape& shape, int spot) {
  int total = 0;
  for (const auto& leg : shape.legs) {
    if (leg.kind == analysis::LegKind::stock) continue;
    const int inside = (leg.kind == analysis::LegKind::call ? 1 : -1) * (spot - (leg.rung + 1));
    total += leg.quantity * std::max(inside, 0);
  }
  return total;
}

/// A put bought without a share or a put sold against it: the profit grows until the underlying is
/// worth nothing.
bool gains_down_to_nothing(const analysis::StrategyShape& shape) {
  int puts_less_shares = 0;
  for (const auto& leg : shape.legs) {
    if (leg.kind == analysis::LegKind::put) puts_less_shares += leg.quantity;
    if (leg.kind == analysis::LegKind::stock) puts_less_shares -= leg.quantity;
  }
  return puts_less_shares > 0;
}

/// What to rank by when nobody says. Returns are those of lottery tickets, unless among what has a
/// fair chance.
struct Default {
  std::string_view objective;
  double min_pop;
};
bool is_priced(const std::optional<Price>& underlying) {
  return underlying && *underlying > Price{};
}

/// `priced`: the chain says the underlying's price, without which there are no margins.
Default default_of(const analysis::StrategyShape& shape, bool priced) {
  const auto bounded = bounds_of(shape);
  if (!bounded.profit || (bounded.loss && gains_down_to_nothing(shape))) {
    return {"expected_profit_on_max_loss", 0.0};
  }
  if (bounded.loss) return {"return_on_risk", default_min_pop};
  // Where more than the premium can be made, the most is made where hardly anybody looks for the
  // underlying: worth nothing, or on a strike that is sold far away.
  if (options_pay(shape, 0) > 0) {
    return {priced ? "expected_profit_on_margin" : "expected_profit", 0.0};
  }
  for (int strike = 1; strike <= analysis::rung_count(shape); ++strike) {
    if (options_pay(shape, strike) > 0) return {"credit", default_min_pop};
  }
  return {priced ? "return_on_margin" : "credit", default_min_pop};
}

std::string objective_of(const FindQuery& query, const analysis::StrategyShape& shape,
                         bool priced) {
  return query.objective.value_or(std::string{default_of(shape, priced).objective});
}

/// Of a call and a put sold at one strike one is in the money.
bool sells_both_at_one_strike(const analysis::StrategyShape& shape) {
  const auto sold_at = [&](analysis::LegKind kind, int rung) {
    return std::ranges::any_of(shape.legs, [&](const analysis::LegShape& leg) {
      return leg.kind == kind && leg.rung == rung && leg.quantity < 0;
    });
  };
  for (int rung = 0; rung < analysis::rung_count(shape); ++rung) {
    if (sold_at(analysis::LegKind::call, rung) && sold_at(analysis::LegKind::put, rung))
      return true;
  }
  return false;
}

ShortStrikes short_strikes_of(const FindQuery& query, const analysis::StrategyShape& shape) {
  return query.short_strikes.value_or(
      sells_both_at_one_strike(shape) ? ShortStrikes::any : ShortStrikes::out_of_the_money);
}

double min_pop_of(const FindQuery& query, const analysis::StrategyShape& shape) {
  return query.min_pop.value_or(query.objective ? 0.0 : default_of(shape, true).min_pop);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<analysis::WeightedObjective>> parse_objectives(std::string_view text) {
  std::vector<analysis::WeightedObjective> objectives;
  for (const auto part : split(text, ',')) {
    const auto colon = part.find(':');
    const auto objective = analysis::parse_objective(part.substr(0, colon));
    if (!objective) {
      return core::fail(Errc::invalid_input, fmt::format("objective: '{}' is none of the finder's",
                                                         part.substr(0, colon)));
    }
    double weight = 1.0;
    if (colon != std::string_view::npos) {
      const auto number = part.substr(colon + 1);
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), weight);
      if (error != std::errc{} || end != number.data() + number.size()) {
        return core::fail(Errc::invalid_input,
                          fmt::format("objective: weight '{}' is not a number", number));
      }
    }
    objectives.push_back({*objective, weight});
  }
  return objectives;
}

/// Strikes as they were typed, ascending.
Result<std::vector<Price>> parse_strikes(std::string_view text) {
  std::vector<Price> strikes;
  for (const auto part : split(text, ',')) {
    const auto strike = Price::parse(part);
    if (!strike) {
      return core::fail(Errc::invalid_input, fmt::format("why_not: '{}' is no strike", part));
    }
    if (!strikes.empty() && *strike <= strikes.back()) {
      return core::fail(Errc::invalid_input, "why_not: strikes must ascend");
    }
    strikes.push_back(*strike);
  }
  return strikes;
}

std::optional<analysis::Window> window(std::optional<double> low, std::optional<double> high,
                                       double lowest, double highest) {
  if (!low && !high) return std::nullopt;
  return analysis::Window{low.value_or(lowest), high.value_or(highest)};
}

/// Sold at one strike, a call and a put are meant to be near the money: elsewhere most of what they
/// bring is what one of them is in the money by.
std::optional<analysis::Window> short_delta_of(const FindQuery& query,
                                               const analysis::StrategyShape& shape) {
  const auto asked = window(query.min_short_delta, query.max_short_delta, 0.0, 1.0);
  if (asked || query.short_strikes || !sells_both_at_one_strike(shape)) return asked;
  return analysis::Window{0.35, 0.65};
}

Result<analysis::SearchRequest> to_request(const FindQuery& query,
                                           const analysis::StrategyShape& shape, bool priced) {
  analysis::SearchRequest request{.strategy = shape};
  BF_TRY(request.objective, parse_objectives(objective_of(query, shape, priced)));
  auto& limits = request.constraints;
  limits.short_delta = short_delta_of(query, shape);
  limits.long_delta = window(query.min_long_delta, query.max_long_delta, 0.0, 1.0);
  limits.sell_out_of_the_money = short_strikes_of(query, shape) == ShortStrikes::out_of_the_money;
  limits.max_spread_share = query.max_spread_share;
  if (query.min_open_interest) limits.min_open_interest = *query.min_open_interest;
  if (query.min_size) limits.min_size = *query.min_size;
  constexpr double widest = 1e9;
  if (const auto width = window(query.min_width, query.max_width, 0.0, widest)) {
    const auto gaps = analysis::wing_gaps(shape);
    if (gaps.empty()) {
      return core::fail(Errc::invalid_input,
                        fmt::format("{} has no wing to limit the width of", shape.name));
    }
    for (const int gap : gaps) limits.widths.push_back({gap, *width});
  }
  if (query.min_credit) {
    limits.min_credit = Price::from_double(*query.min_credit);
    if (!limits.min_credit) return core::fail(Errc::invalid_input, "min_credit is no price");
  }
  limits.max_loss = query.max_loss;
  if (query.breakeven_percent && query.breakeven_sigmas) {
    return core::fail(Errc::invalid_input, "give breakeven_percent or breakeven_sigmas, not both");
  }
  using Distance = analysis::BreakevenDistance;
  if (query.breakeven_percent) {
    limits.breakevens = Distance{*query.breakeven_percent, Distance::Unit::percent};
  } else if (query.breakeven_sigmas) {
    limits.breakevens = Distance{*query.breakeven_sigmas, Distance::Unit::sigmas};
  }
  limits.min_pop = min_pop_of(query, shape);
  limits.min_days_to_expiry = query.min_days;
  limits.max_days_to_expiry = query.max_days;
  request.fill = {query.fill_position.value_or(1.0)};
  BF_TRY(request.fee_per_contract, fee_of(query.fee_per_contract));
  request.keep = query.limit ? static_cast<std::size_t>(*query.limit) : default_limit;
  request.exhaustive = query.exhaustive.value_or(false);
  request.certificate = query.certificate.value_or(false);
  return request;
}

// ---- which expiries take part

bool wanted(const FindQuery& query, const analysis::StrategyShape& shape,
            const analysis::ListedExpiry& listed, int days) {
  if (query.min_days && days < *query.min_days) return false;
  if (query.max_days && days > *query.max_days) return false;
  const bool front = !query.expiry || listed.expiry == *query.expiry;
  const bool of_class = !query.trading_class || listed.trading_class == *query.trading_class;
  if (analysis::expiry_count(shape) == 1) return front && of_class;
  if (!query.expiry && !query.later_expiry) return of_class;
  const bool back =
      query.later_expiry ? listed.expiry == *query.later_expiry : listed.expiry > *query.expiry;
  return (front && of_class && (!query.later_expiry || listed.expiry < *query.later_expiry)) ||
         back;
}

/// What the search needs of an expiry, kept alive while it runs.
struct Searched {
  MarketOfExpiry market;
  int days;
};

CertificateSummary judge(const analysis::SearchRequest& request,
                         std::span<const analysis::SearchExpiry> expiries,
                         const analysis::FinderResult& found) {
  const auto& certificate = *found.certificate;
  CertificateSummary summary{certificate.threshold,
                             certificate.combinations,
                             certificate.visited,
                             certificate.pruned,
                             static_cast<std::int64_t>(certificate.classes.size()),
                             true,
                             std::nullopt};
  if (const auto verdict = analysis::verify_certificate(request, expiries, found); !verdict) {
    summary.verified = false;
    summary.objection =
        fmt::format("{}: {}", analysis::to_string(verdict.error().flaw), verdict.error().what);
  }
  return summary;
}

Result<Standing> standing_of(const analysis::SearchRequest& request,
                             std::span<const analysis::SearchExpiry> expiries,
                             std::string_view strikes,
                             std::span<const MarketOfExpiry* const> markets,
                             const analysis::OnProgress& on_progress) {
  analysis::NamedCombination named;
  BF_TRY(named.strikes, parse_strikes(strikes));
  for (std::size_t i = 0; i < static_cast<std::size_t>(analysis::expiry_count(request.strategy));
       ++i)
    named.expiries.push_back(i);
  BF_TRY(const auto found, analysis::why_not(request, expiries, named, on_progress));
  Standing standing{};
  if (found.unusable) {
    standing.unusable_leg = fmt::format("leg {}: {}", found.unusable->leg + 1,
                                        analysis::to_string(found.unusable->why));
  }
  if (found.unfit) standing.broken_constraint = std::string{analysis::to_string(*found.unfit)};
  if (found.candidate) {
    standing.candidate =
        to_candidate(*found.candidate, static_cast<int>(found.rank.value_or(0)), markets);
  }
  standing.rank = found.rank;
  standing.score_without_costs = found.score_without_costs;
  standing.threshold = found.threshold;
  return standing;
}

/// Which of the markets are searched together, each a list of places. Where the dates of two
/// expiries are named, each pair of that first and that later date is a search of its own.
std::vector<std::vector<std::size_t>> searches_of(const FindQuery& query,
                                                  const analysis::StrategyShape& shape,
                                                  const std::vector<Searched>& markets) {
  std::vector<std::vector<std::size_t>> searches;
  if (analysis::expiry_count(shape) == 1 || (!query.expiry && !query.later_expiry)) {
    auto& all = searches.emplace_back();
    for (std::size_t i = 0; i < markets.size(); ++i) all.push_back(i);
    return searches;
  }
  for (std::size_t front = 0; front < markets.size(); ++front) {
    const auto& first = markets[front].market.listed;
    if (query.expiry && first.expiry != *query.expiry) continue;
    if (query.trading_class && first.trading_class != *query.trading_class) continue;
    for (std::size_t back = front + 1; back < markets.size(); ++back) {
      const Date later = markets[back].market.listed.expiry;
      if (later == first.expiry || (query.later_expiry && later != *query.later_expiry)) continue;
      searches.push_back({front, back});
    }
  }
  return searches;
}

void add(std::optional<analysis::Census>& total, const analysis::Census& more) {
  if (!total) total.emplace();
  total->combinations += more.combinations;
  total->qualified += more.qualified;
  for (std::size_t i = 0; i < total->unfit.size(); ++i) total->unfit[i] += more.unfit[i];
}

Result<Found> search(const FindQuery& query, const analysis::StrategyShape& shape,
                     const std::vector<Searched>& markets, Found reply, const OnSearch& on_search,
                     const Told& told) {
  BF_TRY(auto request, to_request(query, shape, is_priced(reply.underlying_price)));
  request.underlying_kind = margin_class_of(reply.symbol, told).kind;
  const auto searches = searches_of(query, shape, markets);
  if (searches.empty()) {
    return core::fail(Errc::not_found, "the chain has no such pair of expiries");
  }
  if (searches.size() > 1 && (request.certificate || query.why_not)) {
    return core::fail(
        Errc::invalid_input,
        "a certificate or why_not of two expiries needs one pair of them: name expiry, "
        "later_expiry and, where a date lists two classes, trading_class");
  }
  std::vector<analysis::Candidate> best;
  std::optional<analysis::Census> census;
  for (std::size_t n = 0; n < searches.size(); ++n) {
    const auto& places = searches[n];
    std::vector<analysis::SearchExpiry> expiries;
    for (const auto at : places) {
      expiries.push_back(
          {&markets[at].market.priced, markets[at].market.density.get(), markets[at].days});
    }
    const auto on_progress = [&](const analysis::SearchProgress& progress) {
      return !on_search || on_search((static_cast<double>(n) + progress.share) /
                                     static_cast<double>(searches.size()));
    };
    BF_TRY(auto found, analysis::find_best(request, expiries, on_progress));
    reply.combinations += found.combinations;
    reply.visited += found.visited;
    reply.pruned += found.pruned;
    if (found.census) add(census, *found.census);
    if (found.certificate) reply.certificate = judge(request, expiries, found);
    if (query.why_not) {
      std::vector<const MarketOfExpiry*> of;
      for (const auto at : places) of.push_back(&markets[at].market);
      BF_TRY(reply.why_not, standing_of(request, expiries, *query.why_not, of, on_progress));
    }
    for (auto& candidate : found.candidates) {
      for (auto& expiry : candidate.expiries) expiry = places[expiry];
      best.push_back(std::move(candidate));
    }
  }
  std::ranges::stable_sort(best, [](const auto& a, const auto& b) {
    return std::pair{-a.score, -a.pop} < std::pair{-b.score, -b.pop};
  });
  if (best.size() > request.keep) best.resize(request.keep);

  std::vector<const MarketOfExpiry*> of;
  for (const auto& each : markets) of.push_back(&each.market);
  for (const auto& candidate : best) {
    reply.candidates.push_back(
        to_candidate(candidate, static_cast<int>(reply.candidates.size()) + 1, of));
  }
  if (census) {
    reply.qualified = census->qualified;
    for (std::size_t i = 0; i < census->unfit.size(); ++i) {
      if (census->unfit[i] == 0) continue;
      reply.unfit.push_back(
          {std::string{to_string(static_cast<analysis::Unfit>(i))}, census->unfit[i]});
    }
  }
  return reply;
}

}  // namespace

Catalogue catalogue() {
  Catalogue all;
  for (const auto& shape : analysis::catalogue) {
    CatalogueEntry entry{};
    entry.name = shape.name;
    entry.strikes = analysis::rung_count(shape);
    entry.expiries = analysis::expiry_count(shape);
    for (const auto& leg : shape.legs) {
      const bool stock = leg.kind == analysis::LegKind::stock;
      entry.legs.push_back({to_leg_kind(leg.kind), leg.quantity,
                            stock ? std::nullopt : std::optional{leg.rung}, leg.expiry_rung});
    }
    const auto bounded = bounds_of(shape);
    entry.loss_is_bounded = bounded.loss;
    entry.profit_is_bounded = bounded.profit;
    entry.default_objective = default_of(shape, true).objective;
    all.strategies.push_back(std::move(entry));
  }
  return all;
}

Result<void> check(const FindQuery& query, std::string_view underlying, const Told& told) {
  const auto shape = analysis::find_strategy(query.strategy);
  if (!shape) {
    return core::fail(Errc::not_found, fmt::format("no strategy is called '{}'; /api/catalogue and "
                                                   "`bifrost find --list` have all names",
                                                   query.strategy));
  }
  if (analysis::has_stock(*shape)) BF_CHECK(refuse_shares_of_index(underlying, told));
  if (query.later_expiry && analysis::expiry_count(*shape) == 1) {
    return core::fail(Errc::invalid_input, fmt::format("{} has no later expiry", query.strategy));
  }
  if (query.later_expiry && query.expiry && *query.later_expiry <= *query.expiry) {
    return core::fail(Errc::invalid_input, "later_expiry does not lie after expiry");
  }
  const auto exceeds = [](const auto& low, const auto& high) {
    return low && high && *low > *high;
  };
  for (const auto& [empty, what] :
       {std::pair{exceeds(query.min_days, query.max_days), "days"},
        {exceeds(query.min_width, query.max_width), "width"},
        {exceeds(query.min_short_delta, query.max_short_delta), "short_delta"},
        {exceeds(query.min_long_delta, query.max_long_delta), "long_delta"}}) {
    if (empty) {
      return core::fail(Errc::invalid_input, fmt::format("min_{0} exceeds max_{0}", what));
    }
  }
  if (query.why_not && !query.expiry) {
    return core::fail(Errc::invalid_input, "why_not needs the expiry of the structure");
  }
  if (query.why_not) BF_CHECK(parse_strikes(*query.why_not));
  BF_CHECK(to_request(query, *shape, true));
  return {};
}

Result<Found> find_in(const core::ChainSnapshot& snapshot, const FindQuery& query,
                      const OnSearch& on_search, const Told& told) {
  BF_CHECK(check(query, snapshot.underlying, told));
  const auto shape = analysis::find_strategy(query.strategy);
  const bool two_expiries = analysis::expiry_count(*shape) > 1;
  Found reply{};
  reply.symbol = snapshot.underlying;
  reply.strategy = query.strategy;
  reply.objective = objective_of(query, *shape, is_priced(snapshot.underlying_price));
  reply.min_pop = min_pop_of(query, *shape);
  reply.as_of = snapshot.as_of;
  reply.source = snapshot.source;
  reply.underlying_price = snapshot.underlying_price;
  reply.style = query.style.value_or(exercise_style_of(snapshot.underlying, told));
  reply.fill_position = query.fill_position.value_or(1.0);
  reply.fee_per_contract = query.fee_per_contract.value_or(0.0);
  reply.short_strikes = short_strikes_of(query, *shape);
  if (const auto window = short_delta_of(query, *shape)) {
    reply.min_short_delta = window->low;
    reply.max_short_delta = window->high;
  }

  BF_TRY(const auto objectives, parse_objectives(reply.objective));
  const bool by_margin = std::ranges::any_of(
      objectives, [](const auto& part) { return analysis::is_on_margin(part.objective); });
  bool listed_at_all = false;
  bool all_settled = true;
  const auto kind = query.density.value_or(DensityKind::market_implied);
  std::vector<Searched> markets;
  for (auto& market : markets_of(snapshot, reply.style, query.rate, kind, [&](const auto& listed) {
         const bool take =
             wanted(query, *shape, listed, days_between(snapshot.as_of, listed.expiry));
         listed_at_all = listed_at_all || take;
         return take;
       })) {
    all_settled = all_settled && market.settled;
    if (!market.market) {
      reply.left_out.push_back(
          {market.listed.expiry, market.listed.trading_class, market.market.error()});
      continue;
    }
    if (by_margin && analysis::is_adjusted_class(market.listed.trading_class)) {
      reply.left_out.push_back({market.listed.expiry, market.listed.trading_class,
                                "options with adjusted deliverables have no margin here"});
      continue;
    }
    const int days = days_between(snapshot.as_of, market.listed.expiry);
    reply.expiries.push_back(describe(*market.market, days));
    markets.push_back({*std::move(market.market), days});
  }
  if (!listed_at_all) {
    return core::fail(Errc::not_found,
                      fmt::format("{} lists no such expiry{} as of {}", snapshot.underlying,
                                  query.trading_class ? " of class " + *query.trading_class : "",
                                  core::to_iso(snapshot.as_of)));
  }
  if (query.expiry && !query.trading_class && !two_expiries && markets.size() > 1) {
    return core::fail(
        Errc::invalid_input,
        fmt::format("{} lists several classes on {}; name one with trading_class: {}, {}",
                    snapshot.underlying, core::to_iso_date(*query.expiry),
                    reply.expiries[0].trading_class, reply.expiries[1].trading_class));
  }
  if (markets.size() < static_cast<std::size_t>(analysis::expiry_count(*shape))) {
    if (all_settled) {
      return core::fail(Errc::not_found,
                        fmt::format("the expiries had settled when the chain was taken, {}",
                                    core::to_iso(snapshot.as_of)));
    }
    if (reply.left_out.empty()) {
      return core::fail(Errc::not_found,
                        fmt::format("{} needs two expiries, and there is no later one among those "
                                    "that were asked for",
                                    query.strategy));
    }
    // One that could have taken part, if there is one.
    auto example = std::ranges::find_if(reply.left_out, [](const LeftOutExpiry& out) {
      return out.reason != analysis::to_string(analysis::NoSmile::no_time);
    });
    if (example == reply.left_out.end()) example = reply.left_out.begin();
    return core::fail(Errc::unavailable,
                      fmt::format("too few expiries can take part: {} {}",
                                  core::to_iso_date(example->expiry), in_words(example->reason)));
  }
  return search(query, *shape, markets, std::move(reply), on_search, told);
}

}  // namespace bifrost::api
