// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <tuple>

#include "asking.hpp"
#include "bifrost/core/log.hpp"
#include "client_impl.hpp"
#include "rotation.hpp"
#include "underlying_quote.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;

namespace {

std::optional<core::Date> leading_date(std::string_view text) {
  const auto date = core::parse_compact_date(text.substr(0, 8));
  return date ? std::optional{*date} : std::nullopt;
}

std::optional<int> whole(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

/// What a history can keep: whole thousandths, counted in 31 bits.
bool is_storable_strike(core::Price strike) {
  constexpr std::int64_t thousandth = core::Price::units_per_one / 1000;
  return strike.units() >= 0 && strike.units() % thousandth == 0 &&
         strike.units() / thousandth <= std::numeric_limits<std::int32_t>::max();
}

/// Nothing where the broker's description is not that of a usable option on `symbol`.
std::optional<ListedOption> to_listed(const wire::ContractData& data, std::string_view symbol) {
  const auto& c = data.contract;
  const auto expiry = data.real_expiration_date.empty() ? leading_date(c.last_trade_date)
                                                        : leading_date(data.real_expiration_date);
  const auto strike = c.strike ? core::Price::from_double(*c.strike) : std::nullopt;
  const auto multiplier = whole(c.multiplier);
  if (c.sec_type != "OPT" || !expiry || !strike || !c.right || !multiplier || c.con_id <= 0) {
    return std::nullopt;
  }
  if (c.symbol != symbol || !core::is_symbol(c.trading_class) || !is_storable_strike(*strike)) {
    return std::nullopt;
  }
  return ListedOption{.contract = {.underlying = c.symbol,
                                   .trading_class = c.trading_class,
                                   .expiry = *expiry,
                                   .strike = *strike,
                                   .right = *c.right,
                                   .multiplier = *multiplier},
                      .con_id = c.con_id,
                      .exchange = c.exchange.empty() ? "SMART" : c.exchange,
                      .currency = c.currency,
                      .last_trade_date = c.last_trade_date.substr(0, 8)};
}

core::Result<> check(const ClientOptions& o) {
  const auto refuse = [](std::string_view what) {
    return fail(Errc::invalid_input, fmt::format("gateway client: {}", what));
  };
  if (o.host.empty() || o.port == 0) return refuse("host and port must be given");
  if (o.client_id < 0 || o.client_ids < 1) return refuse("client ids must not be negative");
  if (o.min_server_version < wire::min_version || o.max_server_version > wire::max_version ||
      o.min_server_version > o.max_server_version) {
    return refuse(fmt::format("server versions must be a range within {} to {}", wire::min_version,
                              wire::max_version));
  }
  if (!(o.messages_per_second >= 0) || o.burst < 1) return refuse("message rate out of range");
  if (o.lines < 1) return refuse("at least one market-data line is needed");
  if (o.stale_after.count() < 0 || o.rate_recovery.count() < 0) return refuse("negative waits");
  return {};
}

}  // namespace

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

core::Result<std::unique_ptr<Client>> Client::start(ClientOptions options) {
  BF_CHECK(check(options));
  return std::unique_ptr<Client>{new Client{std::make_unique<Impl>(std::move(options))}};
}

core::Result<std::unique_ptr<Client>> Client::connect(ClientOptions options,
                                                      core::Deadline deadline) {
  BF_TRY(auto client, start(std::move(options)));
  BF_CHECK(client->impl_->link.await_first(deadline));
  return client;
}

void Client::stop() {
  impl_->link.stop();
  impl_->history.stop();
}

LinkState Client::link() const {
  return impl_->link.state();
}

bool Client::wait_ready(core::Deadline deadline) const {
  return impl_->link.await_ready(deadline).has_value();
}

core::Result<core::Instant> Client::current_time(core::Deadline deadline) {
  auto& link = impl_->link;
  for (;;) {
    Link::Mailbox mailbox{link};
    BF_TRY(const auto session, link.await_ready(deadline));
    BF_CHECK(link.pace(deadline));
    auto ask_at = std::optional{Steady::now()};
    for (bool lost = false; !lost;) {
      if (ask_at) ask_at = link.ask_time(session, mailbox);
      for (const auto& event : mailbox.wait(std::min(deadline, ask_at.value_or(deadline)))) {
        if (const auto* answer = std::get_if<TimeAnswer>(&event)) return answer->time;
        if (const auto* gone = std::get_if<LinkLost>(&event))
          lost = gone->session == session.number;
      }
      if (!lost && link.is_over(deadline)) {
        return fail(Steady::now() < deadline ? Errc::cancelled : Errc::timeout,
                    "ask the gateway for the time");
      }
    }
  }
}

core::Result<Underlying> Client::underlying(const std::string& symbol, core::Deadline deadline) {
  if (!core::is_symbol(symbol)) {
    return fail(Errc::invalid_input, fmt::format("\"{}\" cannot name an underlying", symbol));
  }
  struct Guess {
    const char* sec_type;
    const char* exchange;
  };
  // Most indices with options are CBOE's; NDX and RUT are not.
  constexpr std::array guesses{Guess{"STK", "SMART"}, Guess{"IND", "CBOE"}, Guess{"IND", "NASDAQ"},
                               Guess{"IND", "RUSSELL"}};
  const auto what = fmt::format("look up {}", symbol);
  for (const auto& guess : guesses) {
    const wire::ContractDataRequest request{.contract = {.symbol = symbol,
                                                         .sec_type = guess.sec_type,
                                                         .exchange = guess.exchange,
                                                         .currency = "USD"}};
    const auto found = gather<std::unique_ptr<wire::ContractData>, wire::ContractDataEnd>(
        impl_->link, request, what, deadline);
    if (!found && found.error().code != Errc::not_found) return tl::unexpected{found.error()};
    if (!found || found->empty()) continue;
    const auto& data = *found->front();
    return Underlying{.symbol = symbol,
                      .sec_type = guess.sec_type,
                      .exchange = guess.exchange,
                      .currency = data.contract.currency,
                      .long_name = data.long_name,
                      .con_id = data.contract.con_id,
                      .min_tick = data.min_tick};
  }
  return fail(Errc::not_found, fmt::format("{}: the broker knows no US stock or index", what));
}

core::Result<std::vector<OptionParameters>> Client::option_parameters(const Underlying& underlying,
                                                                      core::Deadline deadline) {
  const wire::OptionParametersRequest request{.underlying_symbol = underlying.symbol,
                                              .underlying_sec_type = underlying.sec_type,
                                              .underlying_con_id = underlying.con_id};
  const auto what = fmt::format("option classes of {}", underlying.symbol);
  BF_TRY(auto found, (gather<wire::OptionParameters, wire::OptionParametersEnd>(
                         impl_->link, request, what, deadline)));
  std::vector<OptionParameters> classes;
  for (auto& item : found) {
    const auto multiplier = whole(item.multiplier);
    if (!multiplier) {
      core::log::warning("{}: class {} has no usable multiplier", what, item.trading_class);
      continue;
    }
    OptionParameters parameters{.exchange = std::move(item.exchange),
                                .trading_class = std::move(item.trading_class),
                                .multiplier = *multiplier,
                                .expiries = {},
                                .strikes = {}};
    for (const auto& text : item.expirations) {
      if (const auto date = leading_date(text)) parameters.expiries.push_back(*date);
    }
    for (const double value : item.strikes) {
      if (const auto strike = core::Price::from_double(value)) {
        parameters.strikes.push_back(*strike);
      }
    }
    std::sort(parameters.expiries.begin(), parameters.expiries.end());
    std::sort(parameters.strikes.begin(), parameters.strikes.end());
    classes.push_back(std::move(parameters));
  }
  if (classes.empty()) return fail(Errc::not_found, fmt::format("{}: there are none", what));
  return classes;
}

core::Result<std::vector<ListedOption>> Client::listed_options(const Underlying& underlying,
                                                               const std::string& trading_class,
                                                               core::Date expiry,
                                                               core::Deadline deadline) {
  const wire::ContractDataRequest request{
      .contract = {.symbol = underlying.symbol,
                   .sec_type = "OPT",
                   .last_trade_date = core::to_compact_date(expiry),
                   .exchange = "SMART",
                   .currency = underlying.currency,
                   .trading_class = trading_class}};
  const auto what = fmt::format("contracts of {} {}", trading_class, core::to_iso_date(expiry));
  auto found = gather<std::unique_ptr<wire::ContractData>, wire::ContractDataEnd>(
      impl_->link, request, what, deadline);
  std::vector<ListedOption> options;
  if (!found && found.error().code == Errc::not_found) return options;
  if (!found) return tl::unexpected{std::move(found).error()};
  std::string example;
  for (const auto& data : *found) {
    const auto& c = data->contract;
    if (auto option = to_listed(*data, underlying.symbol)) {
      options.push_back(std::move(*option));
    } else if (example.empty()) {
      example = fmt::format("{} {} {} (contract {})", c.symbol, c.trading_class,
                            c.strike.value_or(0), c.con_id);
    }
  }
  std::sort(options.begin(), options.end(), [](const auto& a, const auto& b) {
    return std::tie(a.contract, a.con_id) < std::tie(b.contract, b.con_id);
  });
  const auto same = [](const auto& a, const auto& b) { return a.contract == b.contract; };
  const auto twice = std::adjacent_find(options.begin(), options.end(), same);
  if (twice != options.end()) {
    if (example.empty()) example = fmt::format("{}, listed twice", core::describe(twice->contract));
    options.erase(std::unique(twice, options.end(), same), options.end());
  }
  if (const auto left_out = found->size() - options.size(); left_out > 0) {
    core::log::warning("{}: {} of {} cannot be used, such as {}", what, left_out, found->size(),
                       example);
  }
  return options;
}

core::Result<CollectReport> Client::quotes(std::span<const ListedOption> options,
                                           const CollectOptions& how, const core::Clock& clock,
                                           core::Deadline deadline) {
  if (options.empty()) return CollectReport{};
  BF_CHECK(impl_->link.await_ready(deadline));
  return Rotation{impl_->link, options, how, clock}.run(deadline);
}

core::Result<UnderlyingQuote> Client::underlying_quote(const Underlying& underlying,
                                                       const CollectOptions& how,
                                                       const core::Clock& clock,
                                                       core::Deadline deadline) {
  return watch_underlying(impl_->link, underlying, how, clock, deadline);
}

}  // namespace bifrost::ib
