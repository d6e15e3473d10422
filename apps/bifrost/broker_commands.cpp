// SPDX-License-Identifier: Apache-2.0
#include "broker_commands.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "../gateway_link.hpp"
#include "bifrost/core/config.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/net/json.hpp"

namespace bifrost {

// What is printed with --json; absent is null.
struct ShownTime {
  core::Instant gateway_time{};
  int server_version = 0;
  bool simulated = false;
};
BF_DESCRIBE(ShownTime, "The gateway's clock.", (gateway_time), (server_version), (simulated))

struct ShownAccount {
  std::string account;
  std::string account_type;
  std::string currency;
  std::optional<double> net_liquidation;
  std::optional<double> total_cash;
  std::optional<double> buying_power;
  std::optional<double> initial_margin;
  std::optional<double> maintenance_margin;
  std::optional<double> available_funds;
  std::optional<double> excess_liquidity;
  std::optional<double> gross_position_value;
  std::optional<double> cushion;
};
BF_DESCRIBE(ShownAccount, "An account as the broker computes it.", (account), (account_type),
            (currency), (net_liquidation), (total_cash), (buying_power), (initial_margin),
            (maintenance_margin), (available_funds), (excess_liquidity), (gross_position_value),
            (cushion))
struct ShownAccounts {
  std::vector<ShownAccount> accounts;
};
BF_DESCRIBE(ShownAccounts, "Every account of the user.", (accounts))

struct ShownPosition {
  std::string account;
  std::int64_t con_id = 0;
  std::string symbol;
  std::string sec_type;
  std::optional<std::string> trading_class;
  std::optional<core::Date> expiry;
  std::optional<core::Price> strike;
  std::optional<std::string> right;
  int multiplier = 1;
  double quantity = 0;
  std::optional<double> average_price;
  std::string currency;
};
BF_DESCRIBE(ShownPosition, "What is held of one contract.", (account), (con_id), (symbol),
            (sec_type), (trading_class), (expiry), (strike), (right), (multiplier), (quantity),
            (average_price), (currency))
struct ShownPositions {
  std::vector<ShownPosition> positions;
};
BF_DESCRIBE(ShownPositions, "What is held.", (positions))

struct ShownBar {
  core::Date date{};
  std::optional<double> open;
  std::optional<double> high;
  std::optional<double> low;
  std::optional<double> close;
  std::optional<double> volume;
};
BF_DESCRIBE(ShownBar, "One trading day.", (date), (open), (high), (low), (close), (volume))
struct ShownBars {
  std::string symbol;
  std::string of;
  std::vector<ShownBar> bars;
};
BF_DESCRIBE(ShownBars, "Daily bars, oldest first.", (symbol), (of), (bars))

struct ShownQuote {
  std::string symbol;
  core::Price price;
  std::string from;
  std::optional<core::Price> bid;
  std::optional<core::Price> ask;
  std::optional<double> implied_vol_30d;
  std::optional<double> historical_vol_30d;
  core::Source source = core::Source::live;
  core::Instant observed_at{};
};
BF_DESCRIBE(ShownQuote, "The price of an underlying.", (symbol), (price), (from), (bid), (ask),
            (implied_vol_30d), (historical_vol_30d), (source), (observed_at))

struct ShownMargin {
  std::string currency;
  std::optional<double> initial_before;
  std::optional<double> initial_change;
  std::optional<double> initial_after;
  std::optional<double> maintenance_before;
  std::optional<double> maintenance_change;
  std::optional<double> maintenance_after;
  std::optional<double> equity_before;
  std::optional<double> equity_change;
  std::optional<double> equity_after;
  std::optional<double> commission;
  std::optional<double> min_commission;
  std::optional<double> max_commission;
  std::string commission_currency;
  std::string warning;
};
BF_DESCRIBE(ShownMargin, "What the broker would ask for a combination.", (currency),
            (initial_before), (initial_change), (initial_after), (maintenance_before),
            (maintenance_change), (maintenance_after), (equity_before), (equity_change),
            (equity_after), (commission), (min_commission), (max_commission), (commission_currency),
            (warning))

namespace {

using core::Errc;
using core::fail;
using core::Result;

struct Desk {
  std::unique_ptr<ib::Client> client;
  core::Deadline deadline;
};

Result<Desk> connect(const std::string& env_file, const BrokerOptions& options) {
  BF_TRY(auto config, core::Config::load(env_file, env_file != ".env"));
  config.ib_client_id = options.client_id;
  if (!options.market_data.empty()) config.market_data = options.market_data;
  if (!options.record.empty()) config.ib_record = options.record;
  BF_TRY(auto link, link_options(config, "broker"));
  Desk desk{nullptr, core::after(std::chrono::seconds{options.patience_s})};
  BF_TRY(desk.client, ib::Client::connect(std::move(link), desk.deadline));
  return desk;
}

std::string amount(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}
std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:g}", *value) : "-";
}

Result<void> show_time(const std::string& env_file, const BrokerOptions& options) {
  BF_TRY(const auto desk, connect(env_file, options));
  BF_TRY(const auto time, desk.client->current_time(desk.deadline));
  const auto link = desk.client->link();
  if (options.json) {
    fmt::print("{}\n", net::to_json(ShownTime{time, link.server_version, link.simulated}));
  } else {
    fmt::print("{} (version {}{})\n", core::to_iso(time), link.server_version,
               link.simulated ? ", a simulator" : "");
  }
  return {};
}

Result<void> show_account(const std::string& env_file, const BrokerOptions& options) {
  BF_TRY(const auto desk, connect(env_file, options));
  BF_TRY(const auto accounts, desk.client->account_summary(desk.deadline));
  if (options.json) {
    ShownAccounts shown;
    for (const auto& a : accounts) {
      shown.accounts.push_back({a.account, a.account_type, a.currency, a.net_liquidation,
                                a.total_cash, a.buying_power, a.initial_margin,
                                a.maintenance_margin, a.available_funds, a.excess_liquidity,
                                a.gross_position_value, a.cushion});
    }
    fmt::print("{}\n", net::to_json(shown));
    return {};
  }
  for (const auto& a : accounts) {
    fmt::print("{} {} ({})\n", a.account, a.account_type, a.currency);
    const std::pair<const char*, std::optional<double>> lines[] = {
        {"net liquidation", a.net_liquidation},
        {"total cash", a.total_cash},
        {"buying power", a.buying_power},
        {"initial margin", a.initial_margin},
        {"maintenance margin", a.maintenance_margin},
        {"available funds", a.available_funds},
        {"excess liquidity", a.excess_liquidity},
        {"gross position value", a.gross_position_value},
    };
    for (const auto& [name, value] : lines) fmt::print("  {:<22}{:>16}\n", name, amount(value));
    fmt::print("  {:<22}{:>16}\n", "cushion", number(a.cushion));
  }
  return {};
}

Result<void> show_positions(const std::string& env_file, const BrokerOptions& options) {
  BF_TRY(const auto desk, connect(env_file, options));
  BF_TRY(const auto positions,
         desk.client->positions({.account = options.account, .symbol = options.symbol},
                                desk.deadline));
  if (options.json) {
    ShownPositions shown;
    for (const auto& p : positions) {
      ShownPosition row{.account = p.account,
                        .con_id = p.con_id,
                        .symbol = p.symbol,
                        .sec_type = p.sec_type,
                        .trading_class = std::nullopt,
                        .expiry = std::nullopt,
                        .strike = std::nullopt,
                        .right = std::nullopt,
                        .multiplier = p.multiplier,
                        .quantity = p.quantity,
                        .average_price = p.average_price,
                        .currency = p.currency};
      if (p.option) {
        row.trading_class = p.option->trading_class;
        row.expiry = p.option->expiry;
        row.strike = p.option->strike;
        row.right = std::string{core::to_char(p.option->right)};
      }
      shown.positions.push_back(std::move(row));
    }
    fmt::print("{}\n", net::to_json(shown));
    return {};
  }
  if (positions.empty()) fmt::print("nothing is held\n");
  for (const auto& p : positions) {
    fmt::print("{:<12} {:>10g}  {:<32} at {:<10} {} (contract {})\n", p.account, p.quantity,
               p.option ? core::describe(*p.option) : fmt::format("{} {}", p.symbol, p.sec_type),
               number(p.average_price), p.currency, p.con_id);
  }
  return {};
}

Result<void> show_bars(const std::string& env_file, const BrokerOptions& options) {
  const auto kind = options.bars_of == "implied-vol"      ? ib::BarKind::option_implied_volatility
                    : options.bars_of == "historical-vol" ? ib::BarKind::historical_volatility
                                                          : ib::BarKind::trades;
  BF_TRY(const auto desk, connect(env_file, options));
  BF_TRY(const auto underlying, desk.client->underlying(options.symbol, desk.deadline));
  BF_TRY(const auto bars, desk.client->daily_bars(underlying, kind, options.days, desk.deadline));
  if (options.json) {
    ShownBars shown{options.symbol, options.bars_of, {}};
    for (const auto& b : bars) {
      shown.bars.push_back({b.date, b.open, b.high, b.low, b.close, b.volume});
    }
    fmt::print("{}\n", net::to_json(shown));
    return {};
  }
  if (bars.empty()) fmt::print("the broker has none\n");
  for (const auto& b : bars) {
    fmt::print("{}  {:>10} {:>10} {:>10} {:>10}  {}\n", core::to_iso_date(b.date), number(b.open),
               number(b.high), number(b.low), number(b.close), number(b.volume));
  }
  return {};
}

Result<void> show_quote(const std::string& env_file, const BrokerOptions& options) {
  BF_TRY(const auto desk, connect(env_file, options));
  BF_TRY(const auto underlying, desk.client->underlying(options.symbol, desk.deadline));
  const ib::GatewayClock clock{*desk.client};
  BF_TRY(const auto quote,
         desk.client->underlying_quote(underlying, {.volatilities = true}, clock, desk.deadline));
  const auto from = quote.from == ib::PriceFrom::last  ? "last"
                    : quote.from == ib::PriceFrom::mid ? "mid"
                                                       : "close";
  const auto source = desk.client->link().simulated ? core::Source::simulated
                      : quote.delayed               ? core::Source::delayed
                                                    : core::Source::live;
  if (options.json) {
    fmt::print("{}\n",
               net::to_json(ShownQuote{options.symbol, quote.price, from, quote.bid, quote.ask,
                                       quote.implied_vol_30d, quote.historical_vol_30d, source,
                                       quote.observed_at}));
    return {};
  }
  const auto price = [](const std::optional<core::Price>& p) { return p ? p->to_string() : "-"; };
  fmt::print("{} {} ({}), bid {}, ask {}, implied vol {}, historical vol {}, {}, {}\n",
             options.symbol, quote.price.to_string(), from, price(quote.bid), price(quote.ask),
             number(quote.implied_vol_30d), number(quote.historical_vol_30d),
             core::to_string(source), core::to_iso(quote.observed_at));
  return {};
}

// ---- what-if

struct Leg {
  int ratio = 1;
  std::int64_t con_id = 0;  // or the three below
  std::optional<core::Date> expiry;
  core::Price strike;
  core::Right right = core::Right::call;
};

template <class Int>
std::optional<Int> whole(std::string_view text) {
  Int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

/// "buy:2026-01-16:600C", "sell:2:2026-01-16:610C", "buy:700000600".
Result<Leg> parse_leg(const std::string& text) {
  const auto refuse = [&](std::string_view why) {
    return fail(Errc::invalid_input,
                fmt::format("leg \"{}\": {}; hint: buy:2026-01-16:600C, sell:2:2026-01-16:610P or "
                            "buy:CONTRACT-ID",
                            text, why));
  };
  std::vector<std::string_view> parts;
  for (std::string_view rest = text;;) {
    const auto colon = rest.find(':');
    parts.push_back(rest.substr(0, colon));
    if (colon == rest.npos) break;
    rest.remove_prefix(colon + 1);
  }
  Leg leg;
  if (parts[0] != "buy" && parts[0] != "sell") return refuse("it begins with neither buy nor sell");
  const int sign = parts[0] == "buy" ? 1 : -1;
  parts.erase(parts.begin());
  if (parts.size() == 3 || (parts.size() == 2 && parts[1].find_first_of("CP") == parts[1].npos)) {
    const auto ratio = whole<int>(parts[0]);
    if (!ratio) return refuse("the count is no whole number");
    leg.ratio = *ratio;
    parts.erase(parts.begin());
  }
  leg.ratio *= sign;
  if (parts.size() == 1) {
    const auto id = whole<std::int64_t>(parts[0]);
    if (!id) return refuse("no contract id");
    leg.con_id = *id;
    return leg;
  }
  if (parts.size() != 2 || parts[1].size() < 2) return refuse("no expiry and strike");
  const auto date = core::parse_date(parts[0]);
  const auto strike = core::Price::parse(parts[1].substr(0, parts[1].size() - 1));
  const char right = parts[1].back();
  if (!date || !strike || (right != 'C' && right != 'P')) return refuse("no expiry and strike");
  leg.expiry = *date;
  leg.strike = *strike;
  leg.right = right == 'C' ? core::Right::call : core::Right::put;
  return leg;
}

/// The broker's id of every leg that was described.
Result<void> look_up(std::vector<Leg>& legs, const Desk& desk, const BrokerOptions& options) {
  const auto& trading_class =
      options.trading_class.empty() ? options.symbol : options.trading_class;
  std::optional<ib::Underlying> underlying;
  std::map<core::Date, std::vector<ib::ListedOption>> listed;
  for (auto& leg : legs) {
    if (!leg.expiry) continue;
    if (!underlying) {
      BF_TRY(underlying, desk.client->underlying(options.symbol, desk.deadline));
    }
    auto known = listed.find(*leg.expiry);
    if (known == listed.end()) {
      BF_TRY(auto options_there,
             desk.client->listed_options(*underlying, trading_class, *leg.expiry, desk.deadline));
      known = listed.emplace(*leg.expiry, std::move(options_there)).first;
    }
    const auto& there = known->second;
    const auto found = std::find_if(there.begin(), there.end(), [&](const auto& option) {
      return option.contract.strike == leg.strike && option.contract.right == leg.right;
    });
    if (found == there.end()) {
      return fail(Errc::not_found, fmt::format("{} {} {} {} is not listed", trading_class,
                                               core::to_iso_date(*leg.expiry),
                                               leg.strike.to_string(), core::to_char(leg.right)));
    }
    leg.con_id = found->con_id;
  }
  return {};
}

Result<void> show_margin(const std::string& env_file, const BrokerOptions& options) {
  std::vector<Leg> legs;
  for (const auto& text : options.legs) {
    BF_TRY(legs.emplace_back(), parse_leg(text));
  }
  BF_TRY(const auto desk, connect(env_file, options));
  BF_CHECK(look_up(legs, desk, options));
  ib::MarginQuestion question{.symbol = options.symbol,
                              .quantity = options.quantity,
                              .limit_price = options.limit_price,
                              .account = options.account};
  for (const auto& leg : legs) question.legs.push_back({.con_id = leg.con_id, .ratio = leg.ratio});
  BF_TRY(const auto m, desk.client->what_if_margin(question, desk.deadline));
  if (options.json) {
    fmt::print("{}\n", net::to_json(ShownMargin{
                           m.currency, m.initial_before, m.initial_change, m.initial_after,
                           m.maintenance_before, m.maintenance_change, m.maintenance_after,
                           m.equity_before, m.equity_change, m.equity_after, m.commission,
                           m.min_commission, m.max_commission, m.commission_currency, m.warning}));
    return {};
  }
  fmt::print("{:<14}{:>14}{:>14}{:>14}  {}\n", "", "before", "change", "after", m.currency);
  fmt::print("{:<14}{:>14}{:>14}{:>14}\n", "initial", amount(m.initial_before),
             amount(m.initial_change), amount(m.initial_after));
  fmt::print("{:<14}{:>14}{:>14}{:>14}\n", "maintenance", amount(m.maintenance_before),
             amount(m.maintenance_change), amount(m.maintenance_after));
  fmt::print("{:<14}{:>14}{:>14}{:>14}\n", "equity", amount(m.equity_before),
             amount(m.equity_change), amount(m.equity_after));
  fmt::print("commission {}, from {} to {} {}\n", amount(m.commission), amount(m.min_commission),
             amount(m.max_commission), m.commission_currency);
  if (!m.warning.empty()) fmt::print("the broker warns: {}\n", m.warning);
  fmt::print("nothing was ordered\n");
  return {};
}

}  // namespace

void add_broker_commands(CLI::App& app, const std::string& env_file, BrokerOptions& options,
                         std::function<Result<void>()>& work) {
  auto* broker = app.add_subcommand(
      "broker", "ask the gateway at IB_HOST:IB_PORT something; nothing is ever ordered");
  broker->require_subcommand(1);
  broker->add_option("--client-id", options.client_id, "towards the gateway")
      ->check(CLI::Range(0, 2'000'000'000))
      ->capture_default_str();
  broker->add_option("--patience", options.patience_s, "seconds to wait for the answer")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  broker->add_option("--market-data", options.market_data, "instead of BIFROST_MARKET_DATA")
      ->check(CLI::IsMember({"live", "frozen", "delayed", "delayed_frozen"}));
  broker->add_option("--record", options.record, "keep every frame in this folder");
  const auto question = [&](const char* name, const char* what, auto ask) {
    auto* command = broker->add_subcommand(name, what);
    command->fallthrough();  // options of the broker are taken after the question too
    command->add_flag("--json", options.json, "one JSON document on stdout");
    command->callback([&, ask] { work = [&, ask] { return ask(env_file, options); }; });
    return command;
  };
  question("time", "the gateway's clock", show_time);
  question("account", "what the accounts are worth, and their margins", show_account);
  auto* positions = question("positions", "what is held", show_positions);
  positions->add_option("--symbol", options.symbol, "of this underlying only");
  positions->add_option("--account", options.account, "in this account only");
  auto* bars = question("bars", "daily bars of an underlying", show_bars);
  bars->add_option("symbol", options.symbol, "SPY, SPX, ...")->required();
  bars->add_option("--of", options.bars_of, "trades, implied-vol or historical-vol (30 days)")
      ->check(CLI::IsMember({"trades", "implied-vol", "historical-vol"}))
      ->capture_default_str();
  bars->add_option("--days", options.days, "trading days")
      ->check(CLI::Range(1, 5'000))
      ->capture_default_str();
  auto* quote = question("quote", "the price of an underlying, and its volatilities", show_quote);
  quote->add_option("symbol", options.symbol, "SPY, SPX, ...")->required();
  auto* what_if =
      question("what-if", "the margin that the broker would ask for a combination; orders nothing",
               show_margin);
  what_if->add_option("symbol", options.symbol, "the underlying")->required();
  what_if
      ->add_option("legs", options.legs,
                   "buy:EXPIRY:STRIKE, sell:2:EXPIRY:STRIKE, buy:CONTRACT-ID; as in "
                   "buy:2026-01-16:600C")
      ->required();
  what_if->add_option("--class", options.trading_class, "trading class of the legs; as the symbol");
  what_if->add_option("--quantity", options.quantity, "combinations")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  what_if->add_option("--limit", options.limit_price, "price of one combination per share");
  what_if->add_option("--account", options.account, "if there are several");
}

}  // namespace bifrost
