// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "bifrost/analysis/chain.hpp"
#include "bifrost/analysis/finder.hpp"
#include "bifrost/core/calendar.hpp"

namespace bifrost::api {

using core::Errc;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto history_patience = 5s;
constexpr auto listings_patience = 2s;
constexpr auto search_patience = 20s;
constexpr auto gateway_patience = 8s;
constexpr auto turn_patience = 1s;  // a waiting request holds a worker
constexpr auto shared_for = 2s;

/// Calendar days in New York from a moment to an expiry.
int days_to(Date expiry, Instant from) {
  return static_cast<int>((expiry - core::exchange_time(from).date).count());
}

double years_to_settlement(const core::ChainSnapshot& snapshot, const std::string& trading_class,
                           Date expiry) {
  const core::OptionContract any{snapshot.underlying, trading_class, expiry, {}, Right::call};
  return core::years_act365f(snapshot.as_of, core::settlement_instant(any));
}

ChainSide to_side(const core::Quote& quote) {
  ChainSide side{quote.bid,      quote.ask,        quote.last,          quote.bid_size,
                 quote.ask_size, quote.volume,     quote.open_interest, quote.implied_vol,
                 quote.delta,    quote.gamma,      quote.theta,         quote.vega,
                 std::nullopt,   quote.observed_at};
  if (quote.implied_vol || quote.delta) side.greeks_from = GreeksFrom::gateway;
  return side;
}

/// Fills in what the broker's model did not say, from the middle of bid and ask.
void add_computed(std::optional<ChainSide>& side,
                  const std::optional<analysis::OptionAnalytics>& priced) {
  if (!side || side->greeks_from || !priced) return;
  if (priced->implied_vol) side->implied_vol = *priced->implied_vol;
  if (priced->greeks) {
    side->delta = priced->greeks->delta;
    side->gamma = priced->greeks->gamma;
    side->theta = priced->greeks->theta;
    side->vega = priced->greeks->vega;
  }
  if (side->implied_vol || side->delta) side->greeks_from = GreeksFrom::computed;
}

/// The rows of one expiry, with greeks where they can be had.
std::vector<ChainRow> to_rows(const core::ChainSnapshot& snapshot, const std::string& trading_class,
                              Date expiry) {
  std::map<Price, ChainRow> rows;
  for (const auto& option : snapshot.quotes) {
    if (option.contract.expiry != expiry || option.contract.trading_class != trading_class)
      continue;
    auto& row = rows[option.contract.strike];
    row.strike = option.contract.strike;
    (option.contract.right == Right::call ? row.call : row.put) = to_side(option.quote);
  }
  const double years = years_to_settlement(snapshot, trading_class, expiry);
  if (auto chain = analysis::select_expiry(snapshot, {expiry, trading_class}); chain && years > 0) {
    if (const auto priced = analysis::refresh(std::move(*chain), years, std::nullopt)) {
      for (const auto& strike : priced->rows) {
        if (const auto found = rows.find(strike.strike); found != rows.end()) {
          add_computed(found->second.call, strike.call);
          add_computed(found->second.put, strike.put);
        }
      }
    }
  }
  std::vector<ChainRow> ordered;
  ordered.reserve(rows.size());
  for (auto& [strike, row] : rows) ordered.push_back(std::move(row));
  return ordered;
}

/// The class meant: the one named, or the only one there is.
Result<std::string> pick_class(const std::set<std::string>& classes,
                               const std::optional<std::string>& named, std::string_view symbol,
                               Date expiry) {
  if (named) {
    if (classes.contains(*named)) return *named;
  } else if (classes.size() == 1) {
    return *classes.begin();
  } else if (classes.size() > 1) {
    return core::fail(
        Errc::invalid_input,
        fmt::format("{} lists {} classes on {}; name one with trading_class: {}", symbol,
                    classes.size(), core::to_iso_date(expiry), fmt::join(classes, ", ")));
  }
  return core::fail(Errc::not_found,
                    fmt::format("no {} options of {} expire on {}", symbol,
                                named.value_or("any class"), core::to_iso_date(expiry)));
}

Result<std::string> pick_class(const core::ChainSnapshot& snapshot,
                               const std::optional<std::string>& named, Date expiry) {
  std::set<std::string> classes;
  for (const auto& option : snapshot.quotes) {
    if (option.contract.expiry == expiry) classes.insert(option.contract.trading_class);
  }
  return pick_class(classes, named, snapshot.underlying, expiry);
}

/// Contracts that a split or merger left with another deliverable share class, date and strike with
/// the standard ones and are worth something else. They never share a row: only the standard
/// deliverable is shown. The number left out.
std::size_t drop_adjusted(core::ChainSnapshot& snapshot, const std::string& trading_class,
                          Date expiry) {
  constexpr int standard = 100;
  const auto of_this_chain = [&](const core::OptionQuote& option) {
    return option.contract.expiry == expiry && option.contract.trading_class == trading_class;
  };
  const bool has_standard = std::ranges::any_of(snapshot.quotes, [&](const auto& option) {
    return of_this_chain(option) && option.contract.multiplier == standard;
  });
  if (!has_standard) return 0;
  return std::erase_if(snapshot.quotes, [&](const auto& option) {
    return of_this_chain(option) && option.contract.multiplier != standard;
  });
}

std::string adjusted_notice(std::size_t left_out) {
  return fmt::format("{} contracts with an adjusted deliverable are left out", left_out);
}

}  // namespace

struct Service::Impl {
  store::History& history;
  ib::Client& client;
  const core::Clock& clock;
  std::chrono::seconds interval;
  HoursOf hours;
  store::Listings* listings;
  store::Daily* daily;

  // One live chain is fetched at a time: the gateway's lines are few. Who asks for the same one
  // meanwhile, or just after, is given that.
  struct Fetched {
    Chain chain;
    std::chrono::steady_clock::time_point at;
  };
  std::mutex gateway_mutex{};
  std::condition_variable gateway_free{};
  bool gateway_busy = false;
  std::map<std::string, Fetched> fetched{};  // by symbol, expiry and the class asked for

  // Only by whoever holds gateway_busy.
  std::map<std::string, ib::Underlying> underlyings{};
  struct Listing {
    Date day;
    std::set<std::pair<std::string, Date>> classes;  // trading class, date it is filed under
    std::map<std::pair<std::string, Date>, std::vector<ib::ListedOption>> options;
  };
  std::map<std::string, Listing> known_listings{};

  std::int64_t age_of(Instant as_of) const {
    return std::max<std::int64_t>(
        0, std::chrono::floor<std::chrono::seconds>(clock.now() - as_of).count());
  }

  Result<core::ChainSnapshot> whole_chain(const std::string& symbol, std::optional<Instant> at) {
    BF_TRY(auto stored,
           history.chain(symbol, {at, std::nullopt, std::nullopt}, core::after(history_patience)));
    return std::move(stored.snapshot);
  }

  Result<std::map<std::string, std::string, std::less<>>> sec_types() {
    if (listings == nullptr) return {};
    return listings->sec_types(core::after(listings_patience));
  }

  Result<Told> told_of(std::string_view symbol) {
    BF_TRY(const auto types, sec_types());
    const auto found = types.find(symbol);
    return found == types.end() ? Told{} : told_by(found->second);
  }

  /// The closes of five years before the snapshot's day, of the origin that has more of them:
  /// simulated ones beside simulated snapshots alone.
  Result<std::vector<double>> closes_before(const core::ChainSnapshot& snapshot) {
    const Date day = core::exchange_time(snapshot.as_of).date;
    const bool simulated = snapshot.source == Source::simulated;
    std::vector<double> most;
    if (daily == nullptr) return most;
    for (const auto origin : {store::DailyOrigin::broker, store::DailyOrigin::snapshots}) {
      BF_TRY(const auto days,
             daily->underlying_days(snapshot.underlying, origin, day - std::chrono::days{5 * 365},
                                    day - std::chrono::days{1}, core::after(history_patience)));
      std::vector<double> closes;
      for (const auto& past : days) {
        if (past.close && (past.source == "simulated") == simulated)
          closes.push_back(past.close->value());
      }
      if (closes.size() > most.size()) most = std::move(closes);
    }
    return most;
  }

  Result<Chain> stored(const ChainQuery& query) {
    const store::ChainFilter filter{query.at, query.expiry, query.trading_class};
    BF_TRY(auto found, history.chain(query.symbol, filter, core::after(history_patience)));
    BF_TRY(const auto trading_class, pick_class(found.snapshot, query.trading_class, query.expiry));
    const auto adjusted = drop_adjusted(found.snapshot, trading_class, query.expiry);
    Chain chain = to_chain(found.snapshot, trading_class, query.expiry);
    if (adjusted > 0) chain.notice = adjusted_notice(adjusted);
    chain.served_from = ServedFrom::history;
    chain.complete = found.run.status == store::RunStatus::complete;
    return chain;
  }

  Chain to_chain(const core::ChainSnapshot& snapshot, const std::string& trading_class,
                 Date expiry) const {
    Chain chain{};
    chain.symbol = snapshot.underlying;
    chain.trading_class = trading_class;
    chain.expiry = expiry;
    chain.days_to_expiry = days_to(expiry, snapshot.as_of);
    chain.as_of = snapshot.as_of;
    chain.age_seconds = age_of(snapshot.as_of);
    chain.source = snapshot.source;
    chain.underlying_price = snapshot.underlying_price;
    chain.rows = to_rows(snapshot, trading_class, expiry);
    return chain;
  }

  Result<Chain> live(const ChainQuery& query) {
    const auto key = fmt::format("{}|{}|{}", query.symbol, core::to_iso_date(query.expiry),
                                 query.trading_class.value_or(""));
    std::unique_lock lock{gateway_mutex};
    if (!gateway_free.wait_for(lock, turn_patience, [&] { return !gateway_busy; })) {
      return core::fail(Errc::timeout, "other live chains are being fetched");
    }
    if (const auto recent = fetched.find(key);
        recent != fetched.end() &&
        std::chrono::steady_clock::now() - recent->second.at < shared_for) {
      return recent->second.chain;
    }
    gateway_busy = true;
    lock.unlock();
    auto chain = fetch(query);
    lock.lock();
    gateway_busy = false;
    gateway_free.notify_all();
    std::erase_if(fetched, [&](const auto& entry) {
      return std::chrono::steady_clock::now() - entry.second.at >= shared_for;
    });
    if (chain) fetched.insert_or_assign(key, Fetched{*chain, std::chrono::steady_clock::now()});
    return chain;
  }

  Result<Chain> fetch(const ChainQuery& query) {
    const core::Deadline deadline = core::after(gateway_patience);
    if (!client.wait_ready(core::after(500ms))) {
      const auto problem = client.link().last_problem;
      return core::fail(Errc::unavailable, fmt::format("gateway not available{}{}",
                                                       problem.empty() ? "" : ": ", problem));
    }
    auto known = underlyings.find(query.symbol);
    if (known == underlyings.end()) {
      BF_TRY(auto found, client.underlying(query.symbol, deadline));
      known = underlyings.emplace(query.symbol, std::move(found)).first;
    }
    core::ChainSnapshot snapshot;
    snapshot.underlying = query.symbol;
    snapshot.as_of = std::chrono::floor<std::chrono::seconds>(clock.now());
    BF_TRY(const auto options,
           listed(known->second, query, core::exchange_time(snapshot.as_of).date, deadline));
    bool delayed = false;
    if (const auto spot = client.underlying_quote(known->second, {}, clock,
                                                  std::min(deadline, core::after(2s)))) {
      if (spot->from != ib::PriceFrom::close) snapshot.underlying_price = spot->price;
      delayed = spot->delayed;
    }
    BF_TRY(const auto report, client.quotes(*options, {}, clock, deadline));
    for (const auto& collected : report.quotes) {
      if (collected.completeness == ib::Completeness::complete ||
          collected.completeness == ib::Completeness::partial) {
        snapshot.quotes.push_back(collected.option);
        delayed = delayed || collected.delayed;
      }
    }
    if (snapshot.quotes.empty()) {
      return core::fail(
          Errc::unavailable,
          fmt::format("the gateway answered for none of {} contracts{}{}", options->size(),
                      report.stopped ? ": " : "", report.stopped.value_or("")));
    }
    snapshot.source = client.link().simulated ? Source::simulated
                      : delayed               ? Source::delayed
                                              : Source::live;
    const std::string trading_class = snapshot.quotes.front().contract.trading_class;
    const auto adjusted = drop_adjusted(snapshot, trading_class, query.expiry);
    Chain chain = to_chain(snapshot, trading_class, query.expiry);
    if (adjusted > 0) chain.notice = adjusted_notice(adjusted);
    chain.served_from = ServedFrom::gateway;
    chain.complete = report.complete == options->size();
    return chain;
  }

  /// What the collector was told of the same day by the same kind of gateway; empty when it was
  /// told nothing.
  Listing kept_listing(const std::string& symbol, Date day) {
    Listing listing{day, {}, {}};
    if (listings == nullptr) return listing;
    const auto stored = listings->load(symbol, day, core::after(listings_patience));
    if (!stored || !*stored || (*stored)->offered_on != day ||
        (*stored)->underlying.simulated != client.link().simulated) {
      return listing;
    }
    for (const auto& series : (*stored)->series) {
      listing.classes.emplace(series.trading_class, series.filed);
      if (series.listed_on != day) continue;
      for (const auto& kept : series.contracts) {
        if (kept.unknown_on == day) continue;
        listing.options[{series.trading_class, kept.contract.expiry}].push_back(
            {.contract = kept.contract,
             .con_id = kept.con_id,
             .exchange = kept.exchange,
             .currency = kept.currency,
             .last_trade_date = kept.last_trade_date});
      }
    }
    return listing;
  }

  /// The contracts of one expiry and class, asked for once a day. The broker files them under their
  /// last trading day, which lies before the expiry for morning-settled classes and dates on a
  /// Saturday.
  Result<const std::vector<ib::ListedOption>*> listed(const ib::Underlying& underlying,
                                                      const ChainQuery& query, Date day,
                                                      core::Deadline deadline) {
    auto& listing = known_listings[query.symbol];
    if (listing.day != day || listing.classes.empty()) listing = kept_listing(query.symbol, day);
    if (listing.classes.empty()) {
      BF_TRY(const auto parameters, client.option_parameters(underlying, deadline));
      listing = {day, {}, {}};
      for (const auto& offered : parameters) {
        for (const Date filed : offered.expiries)
          listing.classes.emplace(offered.trading_class, filed);
      }
    }
    const Date last = core::last_trading_day(query.expiry);
    std::set<std::string> classes;
    for (const Date filed : {query.expiry, last, core::previous_trading_day(last)}) {
      for (const auto& [trading_class, date] : listing.classes) {
        if (date != filed || query.trading_class.value_or(trading_class) != trading_class) continue;
        auto& options = listing.options[{trading_class, query.expiry}];
        if (options.empty()) {
          BF_TRY(options, client.listed_options(underlying, trading_class, filed, deadline));
          std::erase_if(options,
                        [&](const auto& option) { return option.contract.expiry != query.expiry; });
        }
        if (!options.empty()) classes.insert(trading_class);
      }
    }
    BF_TRY(const auto trading_class,
           pick_class(classes, query.trading_class, query.symbol, query.expiry));
    return &listing.options[{trading_class, query.expiry}];
  }
};

Service::Service(store::History& history, ib::Client& client, const core::Clock& clock,
                 std::chrono::seconds collection_interval, HoursOf hours, store::Listings* listings,
                 store::Daily* daily)
    : impl_(new Impl{history, client, clock, collection_interval, std::move(hours), listings,
                     daily}) {}
Service::~Service() = default;

Health Service::health() {
  Health health{};
  health.version = BIFROST_VERSION;
  health.now = impl_->clock.now();
  const core::Date today = core::exchange_time(health.now).date;
  const auto link = impl_->client.link();
  health.simulated = link.simulated;

  // Products end at different hours; the market is open while one of them is.
  auto widest = core::session(today);
  const auto within = [&](const std::optional<core::Session>& session) {
    return session && health.now >= session->open && health.now <= session->close;
  };
  // Nothing is due before the session's first cycle: yesterday's close is not late in the morning.
  const auto late = [&](std::optional<Instant> newest,
                        const std::optional<core::Session>& session) {
    if (!within(session)) return false;
    const Instant since = newest ? std::max(*newest, session->open) : session->open;
    return health.now - since > 2 * impl_->interval;
  };
  DependencyHealth database{"database", true, "answers"};
  const auto summaries = impl_->history.underlyings(core::after(history_patience));
  std::optional<Instant> newest_collected;
  if (summaries) {
    for (const auto& summary : *summaries) {
      const Instant as_of = summary.last.as_of;
      const auto session = core::session(today, impl_->hours(summary.symbol));
      if (session && widest) {
        widest->open = std::min(widest->open, session->open);
        widest->close = std::max(widest->close, session->close);
      }
      health.underlyings.push_back(
          {summary.symbol, as_of, impl_->age_of(as_of), late(as_of, session)});
      if (summary.last.source && *summary.last.source != Source::imported) {
        newest_collected = std::max(newest_collected.value_or(as_of), as_of);
      }
    }
  } else {
    database = {"database", false, std::string{core::to_string(summaries.error().code)}};
  }
  health.market_open = within(widest);
  health.dependencies.push_back(std::move(database));
  health.dependencies.push_back(
      {"gateway", link.connected && link.upstream_ok && link.alert.empty(),
       link.connected ? fmt::format("protocol version {}{}{}{}", link.server_version,
                                    link.upstream_ok ? "" : ", broker not reachable",
                                    link.alert.empty() ? "" : ", ", link.alert)
                      : fmt::format("not connected{}{}", link.last_problem.empty() ? "" : ": ",
                                    link.last_problem)});
  const bool collecting = summaries && !late(newest_collected, widest);
  health.dependencies.push_back({"collector", collecting,
                                 !summaries ? "unknown while the database is away"
                                 : !collecting
                                     ? "no snapshot for two intervals while the market is open"
                                 : health.market_open ? "on time"
                                                      : "the market is closed"});
  const bool all = std::ranges::all_of(health.dependencies, &DependencyHealth::healthy);
  health.status = all ? "ok" : "degraded";
  return health;
}

Result<Underlyings> Service::underlyings() {
  BF_TRY(const auto summaries, impl_->history.underlyings(core::after(history_patience)));
  BF_TRY(const auto types, impl_->sec_types());
  Underlyings reply;
  for (const auto& summary : summaries) {
    const auto type = types.find(summary.symbol);
    const Told told = type == types.end() ? Told{} : told_by(type->second);
    reply.underlyings.push_back({summary.symbol, summary.last.underlying_price, summary.last.as_of,
                                 summary.last.source.value_or(Source::imported),
                                 is_index(summary.symbol, told)});
  }
  return reply;
}

Result<Expirations> Service::expirations(const SymbolQuery& query) {
  BF_TRY(const auto stored,
         impl_->history.expirations(query.symbol, std::nullopt, core::after(history_patience)));
  Expirations reply{query.symbol, stored.run.as_of, {}};
  for (const auto& listed : stored.expirations) {
    reply.expirations.push_back({listed.expiry, listed.trading_class,
                                 days_to(listed.expiry, stored.run.as_of), listed.contracts});
  }
  return reply;
}

Result<Chain> Service::chain(const ChainQuery& query) {
  const auto from = query.at ? ChainFrom::history : query.from.value_or(ChainFrom::any);
  if (query.at && query.from == ChainFrom::gateway) {
    return core::fail(Errc::invalid_input,
                      "the gateway knows no past: leave out either 'at' or 'from'");
  }
  if (from == ChainFrom::history) return impl_->stored(query);
  auto live = impl_->live(query);
  if (live || from == ChainFrom::gateway || live.error().code == Errc::invalid_input) return live;
  auto stored = impl_->stored(query);
  if (stored) stored->notice = live.error().message;
  return stored;
}

Result<History> Service::history(const HistoryQuery& query) {
  const Instant end = query.end.value_or(impl_->clock.now());
  const Instant start = query.start.value_or(end - std::chrono::days{30});
  if (start > end) return core::fail(Errc::invalid_input, "start lies after end");
  const core::OptionContract contract{query.symbol, query.trading_class, query.expiry, query.strike,
                                      query.right};
  BF_TRY(const auto points,
         impl_->history.contract_history(contract, start, end, core::after(history_patience)));
  History reply{query.symbol, query.trading_class,  query.expiry, query.strike, query.right,
                {},           points.emptied_before};
  for (const auto& point : points) {
    reply.points.push_back({point.as_of, point.underlying_price, to_side(point.quote)});
  }
  return reply;
}

Result<MarketConditions> Service::market_conditions(const MarketConditionsQuery& query) {
  return read_market_conditions(impl_->history, impl_->clock, query);
}

Result<Changes> Service::changes(const ChangesQuery& query) {
  return read_changes(impl_->history, impl_->clock, query);
}

Result<Found> Service::find(const FindQuery& query) {
  BF_TRY(const auto snapshot, impl_->whole_chain(query.symbol, query.at));
  BF_TRY(const auto told, impl_->told_of(query.symbol));
  const auto until = core::after(search_patience);
  auto found = find_in(
      snapshot, query, [&](double) { return std::chrono::steady_clock::now() < until; }, told);
  if (!found && found.error().code == Errc::cancelled) {
    return core::fail(Errc::timeout,
                      "the search takes too long here; narrow it, or use `bifrost find`");
  }
  if (found) found->age_seconds = impl_->age_of(snapshot.as_of);
  return found;
}

Result<Fit> Service::fit(const FitQuery& query) {
  BF_TRY(const auto snapshot, impl_->whole_chain(query.symbol, query.at));
  BF_TRY(const auto told, impl_->told_of(query.symbol));
  return fit_chain(snapshot, {query.style, query.rate, told});
}

Result<Densities> Service::densities(const DensityQuery& query) {
  BF_TRY(const auto snapshot, impl_->whole_chain(query.symbol, query.at));
  BF_TRY(const auto closes, impl_->closes_before(snapshot));
  BF_TRY(const auto told, impl_->told_of(query.symbol));
  BF_TRY(auto densities, densities_in(snapshot, query, closes, told));
  densities.age_seconds = impl_->age_of(snapshot.as_of);
  return densities;
}

tl::expected<Position, net::Refusal> Service::analyse(const PositionQuery& query,
                                                      const PositionRequest& request) {
  BF_TRY(const auto snapshot, impl_->whole_chain(query.symbol, query.at));
  BF_TRY(const auto told, impl_->told_of(query.symbol));
  BF_TRY(auto position, analyse_position(snapshot, request, told));
  position.age_seconds = impl_->age_of(snapshot.as_of);
  return position;
}

}  // namespace bifrost::api
