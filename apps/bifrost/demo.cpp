// SPDX-License-Identifier: Apache-2.0
#include "demo.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "bifrost/collector/schedule.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/chain_file.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/data_folder.hpp"
#include "bifrost/core/extra_closures.hpp"
#include "bifrost/core/process.hpp"
#include "bifrost/net/connection.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "demo_history.hpp"
#include "progress.hpp"

namespace bifrost {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::Result;
using namespace std::chrono_literals;

const std::vector<std::string> demo_symbols{"BFX", "NRTH", "VALK"};
constexpr int synthetic_interval = 300;

/// Every recording has a folder of its own: two markets never share a history.
fs::path folder_of(const DemoOptions& options) {
  if (!options.data.empty()) return options.data;
  if (options.replay.empty()) return core::data_folder() / "demo";
  std::string paths;
  for (const auto& file : options.replay)
    paths += fs::absolute(file).lexically_normal().string() + '\n';
  return core::data_folder() /
         fmt::format("replay-{}-{:08x}", options.replay.front().filename().string(),
                     static_cast<std::uint32_t>(std::hash<std::string>{}(paths)));
}

/// What the gateway shows and the collector asks for.
struct Market {
  std::vector<std::string> sim_arguments;
  std::vector<std::string> underlyings;
  int interval_seconds = synthetic_interval;
  std::string expiry_days = "0";
  std::string strike_window = "0";
  std::optional<core::Instant> begins;  // none: with the recording
};

/// Underlyings and spacing of recorded chains, from the files themselves.
Result<Market> recorded_market(const DemoOptions& options) {
  Market market;
  std::optional<core::Instant> first;
  std::optional<core::Instant> before;
  std::chrono::microseconds closest = 24h;
  for (const auto& file : options.replay) {
    BF_TRY(auto reader, core::ChainFileReader::open(file));
    for (;;) {
      BF_TRY(const auto next, reader.next());
      if (!next) break;
      const auto* row = std::get_if<core::ChainFileRow>(&*next);
      if (row == nullptr) continue;
      if (std::ranges::find(market.underlyings, row->contract.underlying) ==
          market.underlyings.end()) {
        market.underlyings.push_back(row->contract.underlying);
      }
      if (before && row->quote_ts > *before)
        closest = std::min(closest, std::chrono::microseconds{row->quote_ts - *before});
      if (!first || row->quote_ts < *first) first = row->quote_ts;
      before = row->quote_ts;
    }
    market.sim_arguments.insert(market.sim_arguments.end(), {"--replay", file.string()});
  }
  if (market.underlyings.empty()) {
    return core::fail(Errc::invalid_input,
                      fmt::format("{}: no option row in it; see README for the format",
                                  options.replay.front().string()));
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(closest).count();
  market.interval_seconds = static_cast<int>(std::clamp<std::int64_t>(seconds, 60, 21600));
  while (86400 % market.interval_seconds != 0) --market.interval_seconds;
  const auto interval = std::chrono::seconds{market.interval_seconds};
  if (collector::current_cycle(*first, interval, core::hours_of(market.underlyings.front())) !=
      first) {
    return core::fail(Errc::invalid_input,
                      fmt::format("{}: its first snapshot ({}) is not on a cycle of a trading "
                                  "session, so there is nothing to collect; hint: "
                                  "`bifrost import` reads it into the history",
                                  options.replay.front().string(), core::to_iso(*first)));
  }
  return market;
}

/// The first day collected is fixed when the demo is first started and kept beside the data, so
/// that history and gateway show one market for ever.
Result<DemoMarket> synthetic_market(const DemoOptions& options, const fs::path& folder) {
  const auto file = folder / "market";
  DemoMarket market;
  market.symbols = demo_symbols;
  std::string epoch;
  std::string live_day;
  if (std::ifstream in{file}; in >> market.seed >> epoch >> live_day) {
    BF_TRY(market.epoch, core::parse_date(epoch));
    BF_TRY(market.live_day, core::parse_date(live_day));
    market.first_day = market.epoch;
    if (std::string first_day; in >> first_day) {
      BF_TRY(market.first_day, core::parse_date(first_day));
    }
    return market;
  }
  market.seed = options.seed;
  const core::Date today = core::exchange_time(core::SystemClock{}.now()).date;
  market.live_day = core::is_trading_day(today) ? today : core::previous_trading_day(today);
  market.first_day = market.live_day;
  for (int i = 0; i < options.history_days; ++i)
    market.first_day = core::previous_trading_day(market.first_day);
  market.epoch = market.first_day - std::chrono::days{370};
  std::ofstream{file} << market.seed << ' ' << core::to_iso_date(market.epoch) << ' '
                      << core::to_iso_date(market.live_day) << ' '
                      << core::to_iso_date(market.first_day) << '\n';
  return market;
}

/// The latest moment up to which every underlying has been collected; nothing when one has none
/// yet.
Result<std::optional<core::Instant>> collected_until(store::History& history,
                                                     const std::vector<std::string>& underlyings) {
  std::optional<core::Instant> until;
  for (const auto& underlying : underlyings) {
    BF_TRY(const auto last, history.last_run(underlying, core::after(10s)));
    if (!last) return std::nullopt;
    until = until ? std::min(*until, last->as_of) : last->as_of;
  }
  return until;
}

/// One of our programs, started again when it dies.
class Service {
 public:
  Service(fs::path program, core::Process::Options options, bool says_when_ready)
      : program_(std::move(program)),
        options_(std::move(options)),
        says_when_ready_(says_when_ready) {}

  /// Arguments of the next start, where they are not those of the first.
  void on_restart(std::function<std::vector<std::string>()> arguments) {
    restart_arguments_ = std::move(arguments);
  }

  /// Starts it; with `says_when_ready`, back once it has printed its first line, which is returned.
  Result<std::string> start() {
    BF_TRY(process_, core::Process::start(program_, options_));
    started_ = std::chrono::steady_clock::now();
    if (!says_when_ready_) return std::string{};
    auto line = process_->read_line(core::after(30s));
    if (!line) {
      return core::fail(Errc::unavailable,
                        fmt::format("{} did not come up; hint: see {}",
                                    program_.filename().string(), options_.error_log.string()));
    }
    return line;
  }

  /// Starts it again if it has died; at most once a second, then rarer.
  void keep_alive() {
    if (!process_ || process_->running()) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_start_) return;
    backoff_ = now - started_ > 60s ? std::chrono::seconds{1}
                                    : std::min(backoff_ * 2, std::chrono::seconds{30});
    next_start_ = now + backoff_;
    fmt::print(stderr, "  ! {} ended with status {}; starting it again\n",
               program_.filename().string(), process_->wait(now).value_or(-1));
    if (restart_arguments_) options_.arguments = restart_arguments_();
    if (const auto again = start(); !again) fmt::print(stderr, "  ! {}\n", again.error().message);
  }

  void stop() {
    if (process_) process_->stop(core::after(10s));
    process_.reset();
  }

 private:
  fs::path program_;
  core::Process::Options options_;
  bool says_when_ready_;
  std::function<std::vector<std::string>()> restart_arguments_;
  std::optional<core::Process> process_;
  std::chrono::steady_clock::time_point started_{};
  std::chrono::steady_clock::time_point next_start_{};
  std::chrono::seconds backoff_{1};
};

/// "listening on 127.0.0.1:7497" -> 7497
std::string port_in(std::string_view line) {
  return std::string{line.substr(line.rfind(':') + 1)};
}

/// Removes what a demo made, and nothing else: the folder is the user's to name.
Result<void> forget(const fs::path& folder) {
  if (!fs::exists(folder / "db")) {
    fmt::print(stderr, "Nothing to forget: no demo has run in {}.\n", folder.string());
    return {};
  }
  BF_TRY(const auto lock, core::FolderLock::take(folder, "a demo"));
  std::error_code error;
  for (const auto* made :
       {"db", "market", "history-made", "spool", "sim.log", "collector.log", "api.log", "lock"}) {
    fs::remove_all(folder / made, error);
    if (error) {
      return core::fail(Errc::unauthorized, fmt::format("cannot remove {}: {}",
                                                        (folder / made).string(), error.message()));
    }
  }
  fs::remove(folder, error);  // stays if it holds anything else
  fmt::print(stderr, "Forgotten: {}\n", folder.string());
  return {};
}

}  // namespace

Result<void> run_demo(const DemoOptions& options, const core::StopSignal& stop) {
  const auto folder = folder_of(options);
  if (options.reset) return forget(folder);
  BF_CHECK(core::set_extra_closures_from_environment());

  std::uint16_t port = options.port;
  {
    // Known at once, not after a minute of preparations.
    const auto free = net::Listener::bind(options.host, options.port);
    if (!free) {
      return core::fail(
          free.error().code,
          fmt::format("{}, as in: make demo DEMO_ARGS='--port 8010'", free.error().message));
    }
    port = free->port();
  }
  Market market;
  if (!options.replay.empty()) {
    BF_TRY(market, recorded_market(options));
  }
  BF_TRY(const auto lock, core::FolderLock::take(folder, "a demo"));
  // A database server that an earlier, killed demo left behind is taken over.
  std::optional<store::PrivateCluster> cluster;
  const auto start_database = [&]() -> Result<void> {
    cluster.reset();
    BF_TRY(cluster, store::PrivateCluster::start(folder / "db", core::after(60s),
                                                 {.die_with_starter = true}));
    return {};
  };
  {
    Progress step{"start the private database"};
    BF_CHECK(start_database());
    step.done();
  }
  BF_TRY(auto database, store::Database::open(cluster->url(), core::after(30s)));
  {
    Progress step{"bring the schema up to date"};
    BF_TRY(const int applied, database.migrate(core::after(60s)));
    step.done(applied == 0 ? "it is" : fmt::format("{} steps", applied));
  }
  store::History history{database};

  if (options.replay.empty()) {
    BF_TRY(const auto synthetic, synthetic_market(options, folder));
    market.underlyings = synthetic.symbols;
    market.expiry_days = std::to_string(synthetic.expiry_days);
    market.strike_window = fmt::format("{}", synthetic.strike_window);
    // Appending what is there already changes nothing, so an interrupted generation is simply done
    // again.
    if (!fs::exists(folder / "history-made")) {
      Progress step{fmt::format("make {} trading days of history", options.history_days)};
      BF_TRY(const auto rows, generate_history(synthetic, history, stop.token(),
                                               [&](double share) { step.update(share, ""); }));
      std::ofstream{folder / "history-made"} << rows << '\n';
      step.done(fmt::format("{} quotes", rows));
    }
    market.sim_arguments.insert(
        market.sim_arguments.end(),
        {"--seed", std::to_string(synthetic.seed), "--epoch", core::to_iso_date(synthetic.epoch),
         "--symbols", fmt::format("{}", fmt::join(synthetic.symbols, ","))});
    market.begins = core::session(synthetic.live_day)->open + 4min;
  }

  // Simulated time goes on where the collecting ended, so that a pause of the demo is none of the
  // market.
  const auto gateway_arguments = [&](std::string_view on_port) {
    auto arguments = market.sim_arguments;
    arguments.insert(arguments.end(),
                     {"--port", std::string{on_port}, "--speed", fmt::format("{}", options.speed),
                      "--skip-closed", "--max-messages-per-second", "0"});
    const auto until = collected_until(history, market.underlyings);
    auto start = market.begins;
    if (until && *until && (!start || **until > *start)) start = **until;
    if (start) arguments.insert(arguments.end(), {"--start", core::to_iso(*start)});
    return arguments;
  };
  Service gateway{
      options.programs / "bifrost-sim",
      {.arguments = gateway_arguments("0"), .environment = {}, .error_log = folder / "sim.log"},
      true};
  std::string gateway_port;
  {
    Progress step{"start the simulated gateway"};
    BF_TRY(const auto line, gateway.start());
    gateway_port = port_in(line);
    step.done("port " + gateway_port);
  }
  gateway.on_restart([&] { return gateway_arguments(gateway_port); });
  std::map<std::string, std::string> environment{
      {"DATABASE_URL", cluster->url()},
      {"IB_HOST", "127.0.0.1"},
      {"IB_PORT", gateway_port},
      {"COLLECTION_INTERVAL", std::to_string(market.interval_seconds)},
      {"BIFROST_UNDERLYINGS", fmt::format("{}", fmt::join(market.underlyings, ","))},
      {"BIFROST_EXPIRY_DAYS", market.expiry_days},
      {"BIFROST_STRIKE_WINDOW", market.strike_window},
      {"BIFROST_CLOCK", "gateway"},
      {"BIFROST_SPOOL_DIR", (folder / "spool").string()},
      {"BIFROST_IB_MESSAGES_PER_SECOND", "0"},
      {"BIFROST_IB_MAX_SERVER_VERSION", "200"},  // the gateway's clock in milliseconds
      {"APP_HOST", options.host},
      {"APP_PORT", std::to_string(port)},
      {"BIFROST_WEB_ROOT", options.web_root.string()},
      {"BIFROST_DOCS_ROOT", options.docs_root.string()}};
  const auto with = [&](std::map<std::string, std::string> more) {
    more.insert(environment.begin(), environment.end());
    return more;
  };
  Service collector{options.programs / "bifrost-collector",
                    {.arguments = {"--env", "/dev/null"},
                     .environment = with({{"IB_CLIENT_ID", "2"}, {"BIFROST_IB_LINES", "80"}}),
                     .error_log = folder / "collector.log"},
                    false};
  Service api{options.programs / "bifrost-api",
              {.arguments = {"--env", "/dev/null"},
               .environment = with({{"IB_CLIENT_ID", "1"}, {"BIFROST_IB_LINES", "15"}}),
               .error_log = folder / "api.log"},
              true};
  {
    Progress step{"start the collector"};
    BF_CHECK(collector.start());
    step.done();
  }
  std::string url;
  {
    Progress step{"start the API and the page"};
    BF_TRY(const auto line, api.start());
    url = fmt::format("http://{}:{}/", options.host == "0.0.0.0" ? "127.0.0.1" : options.host,
                      port_in(line));
    step.done();
  }
  fmt::print(stderr, "\n");
  fmt::print("{}\n", url);
  std::fflush(stdout);
  if (!options.url_file.empty()) std::ofstream{options.url_file} << url << '\n';
  if (options.replay.empty()) {
    fmt::print(stderr,
               "\n  A simulated market: every number is made up. Time runs {:g} times faster than "
               "life; a snapshot comes every {:.0f}\n"
               "  seconds and nights are skipped. Look at\n"
               "    - the chain of BFX: the light beside it tells source and age\n"
               "    - the ranked iron condors beside it; pick one to see its payoff\n",
               options.speed, market.interval_seconds / options.speed);
    if (!options.docs_root.empty()) fmt::print(stderr, "    - {}docs for the API\n", url);
  } else {
    fmt::print(stderr, "\n  Replaying {} at {:g} times the speed of life: {}.\n",
               options.replay.front().filename().string(), options.speed,
               fmt::join(market.underlyings, ", "));
  }
  fmt::print(stderr,
             "\n  Data and logs: {}\n  Ctrl-C stops everything; what was collected is kept (make "
             "demo-reset "
             "{}forgets it).\n",
             folder.string(),
             !options.data.empty() ? fmt::format("DEMO_ARGS='--data {}' ", options.data.string())
             : !options.replay.empty() ? fmt::format("REPLAY={} ", options.replay.front().string())
                                       : "");

  while (!stop.wait_for(500ms)) {
    if (!cluster->running()) {
      fmt::print(stderr, "  ! the database server ended; starting it again\n");
      if (const auto again = start_database(); !again)
        fmt::print(stderr, "  ! {}\n", again.error().message);
    }
    gateway.keep_alive();
    collector.keep_alive();
    api.keep_alive();
  }
  Progress step{"stop"};
  api.stop();
  collector.stop();
  gateway.stop();
  BF_CHECK(cluster->stop(core::after(20s)));
  step.done();
  return {};
}

}  // namespace bifrost
