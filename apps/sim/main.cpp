// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/extra_closures.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/sim/clock.hpp"
#include "bifrost/sim/gateway.hpp"
#include "bifrost/sim/replay_market.hpp"
#include "bifrost/sim/synthetic_market.hpp"

namespace {

using namespace bifrost;
using namespace std::chrono_literals;
namespace chr = std::chrono;

constexpr int failed = 1;
constexpr int wrong_usage = 2;

struct Settings {
  sim::GatewayOptions gateway;
  std::uint64_t seed = 1;
  std::string start;
  std::string epoch;
  sim::Pace pace;
  std::string clock = "real";
  std::vector<std::string> replay;
  std::vector<std::string> symbols;
  int snapshot_seconds = -1;  // not given
  std::string script;
  std::string account;
  std::string frames;
};

int usage_error(std::string_view what) {
  fmt::print(stderr, "bifrost-sim: {}\nhint: bifrost-sim --help\n", what);
  return wrong_usage;
}

int failure(const core::Error& error) {
  fmt::print(stderr, "bifrost-sim: {}\n", error.message);
  return failed;
}

/// Restarts within one calendar year continue one and the same market, with at least a year of
/// past.
core::Date default_epoch(core::Instant start) {
  constexpr auto usual = chr::year{2025} / chr::January / 2;
  const chr::year_month_day date{core::exchange_time(start).date};
  if (date.year() > usual.year()) return usual;
  return (date.year() - chr::years{1}) / chr::January / 2;
}

core::Result<std::vector<sim::SyntheticSymbol>> choose(const std::vector<std::string>& wanted) {
  auto all = sim::default_universe();
  if (wanted.empty()) return all;
  std::vector<sim::SyntheticSymbol> chosen;
  for (const auto& symbol : wanted) {
    const auto it = std::ranges::find(all, symbol, &sim::SyntheticSymbol::symbol);
    if (it == all.end()) {
      std::string known;
      for (const auto& s : all) known += " " + s.symbol;
      return core::fail(core::Errc::invalid_input,
                        fmt::format("--symbols: there is no {}; known are{}", symbol, known));
    }
    chosen.push_back(*it);
  }
  return chosen;
}

core::Result<std::string> read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return core::fail(core::Errc::unavailable, fmt::format("cannot read {}", name));
  return text;
}

/// Signals that end the program, as something poll() can wait for.
int termination_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

/// True when a signal to end came within the wait.
bool told_to_stop(int signals, chr::milliseconds wait) {
  pollfd fd{.fd = signals, .events = POLLIN, .revents = 0};
  return poll(&fd, 1, static_cast<int>(wait.count())) > 0;
}

void run_paced(sim::Gateway& gateway, const sim::Pace& pace, int signals) {
  const auto simulated_second = chr::duration<double>(1.0 / pace.speed);
  const auto interval =
      std::clamp(chr::duration_cast<chr::milliseconds>(simulated_second), 20ms, 200ms);
  while (!told_to_stop(signals, interval)) gateway.step();
}

void obey(sim::Gateway& gateway, core::ManualClock& clock, const std::string& line) {
  const auto t = core::parse_instant(line);
  if (t) {
    clock.set(*t);
    gateway.step();
    fmt::print("now {}\n", core::to_iso(*t));
  } else {
    fmt::print("error {}\n", t.error().message);
  }
  std::fflush(stdout);
}

void run_by_lines(sim::Gateway& gateway, core::ManualClock& clock, int signals) {
  std::string pending;
  std::array<char, 4096> buffer;
  for (;;) {
    std::array<pollfd, 2> fds{pollfd{.fd = signals, .events = POLLIN, .revents = 0},
                              pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    if (fds[1].revents == 0) continue;
    const auto got = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got <= 0) break;
    pending.append(buffer.data(), static_cast<std::size_t>(got));
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      obey(gateway, clock, pending.substr(0, end));
      pending.erase(0, end + 1);
    }
  }
  // Nobody sets the time any more, but clients may still ask.
  while (!told_to_stop(signals, 1h)) {
  }
}

int run(Settings& settings) {
  if (const auto known = core::set_extra_closures_from_environment(); !known)
    return failure(known.error());
  const bool manual = settings.clock == "manual";
  std::optional<core::Instant> start;
  if (!settings.start.empty()) {
    const auto parsed = core::parse_instant(settings.start);
    if (!parsed) return usage_error("--start: " + parsed.error().message);
    start = *parsed;
  }

  if (!settings.frames.empty()) {
    if (!settings.replay.empty() || !settings.script.empty() || !settings.account.empty()) {
      return usage_error("--frames has its own market, account and faults");
    }
    const auto span = sim::Gateway::recorded_span(settings.frames);
    if (!span) return failure(span.error());
    if (!start) start = span->first;
  }

  std::unique_ptr<sim::Market> market;
  auto end = core::Instant::max();
  if (!settings.frames.empty()) {
    // Nothing is asked of a market.
  } else if (!settings.replay.empty()) {
    if (!settings.symbols.empty() || !settings.epoch.empty()) {
      return usage_error("--symbols and --epoch belong to the made-up market, not to --replay");
    }
    const std::vector<std::filesystem::path> files(settings.replay.begin(), settings.replay.end());
    auto replay = sim::ReplayMarket::open(files);
    if (!replay) return failure(replay.error());
    if ((*replay)->rejected_lines() > 0) {
      core::log::warning("left out {} lines that cannot be read", (*replay)->rejected_lines());
    }
    core::log::info("replaying {} to {}", core::to_iso((*replay)->first()),
                    core::to_iso((*replay)->last()));
    if (!start) start = (*replay)->first();
    end = (*replay)->last();
    market = std::move(*replay);
  } else {
    auto universe = choose(settings.symbols);
    if (!universe) return usage_error(universe.error().message);
    if (!start) start = core::SystemClock{}.now();
    auto epoch = default_epoch(*start);
    if (!settings.epoch.empty()) {
      const auto parsed = core::parse_date(settings.epoch);
      if (!parsed) return usage_error("--epoch: " + parsed.error().message);
      epoch = *parsed;
    }
    market = std::make_unique<sim::SyntheticMarket>(settings.seed, epoch, std::move(*universe));
  }

  if (settings.snapshot_seconds >= 0) {
    settings.gateway.snapshot_wait = chr::seconds{settings.snapshot_seconds};
  } else if (manual) {
    settings.gateway.snapshot_wait = 0s;
  }

  if (!settings.account.empty()) {
    auto text = read_file(settings.account);
    if (!text) return failure(text.error());
    settings.gateway.account_file = *std::move(text);
    settings.gateway.account_file_name = settings.account;
  }
  if (!settings.script.empty()) {
    auto text = read_file(settings.script);
    if (!text) return failure(text.error());
    settings.gateway.fault_script = *std::move(text);
    settings.gateway.fault_script_name = settings.script;
  }

  // Before the first thread, which inherits the mask.
  const int signals = termination_signals();
  std::signal(SIGPIPE, SIG_IGN);
  core::ManualClock standing{*start};
  const sim::PacedClock running{*start, settings.pace, end};
  const core::Clock& clock = manual ? static_cast<const core::Clock&>(standing) : running;
  auto gateway = market ? sim::Gateway::start(*market, clock, settings.gateway)
                        : sim::Gateway::play(settings.frames, clock, settings.gateway);
  if (!gateway) return failure(gateway.error());
  fmt::print("listening on {}:{}\n", settings.gateway.host, (*gateway)->port());
  std::fflush(stdout);
  if (manual) {
    run_by_lines(**gateway, standing, signals);
  } else {
    run_paced(**gateway, settings.pace, signals);
  }
  (*gateway)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  core::log::start("bifrost-sim");
  Settings s;
  CLI::App app{
      "A simulated IB Gateway: speaks the TWS wire protocol (server versions 163 to 200) over a "
      "made-up\n"
      "market, recorded option chains or a recorded session. Nothing it serves is real; orders "
      "are\n"
      "refused, margin questions answered.\n"
      "Prints `listening on HOST:PORT` when ready. SIGTERM or SIGINT ends it.",
      "bifrost-sim"};
  app.add_option("--host", s.gateway.host, "Address to listen on")->capture_default_str();
  app.add_option("--port", s.gateway.port, "Port to listen on; 0 takes any free one")
      ->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of the made-up market")->capture_default_str();
  app.add_option("--start", s.start,
                 "Simulated time to begin at, as 2026-03-02T14:30:00Z; default now, or the first "
                 "instant of the replay");
  app.add_option("--epoch", s.epoch,
                 "First day of the made-up market; its prices on a day follow from seed and epoch. "
                 "Default 2025-01-02");
  app.add_option("--speed", s.pace.speed, "Simulated seconds per real second")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 100'000.0));
  app.add_flag("--skip-closed", s.pace.skip_closed,
               "Run 400 times faster still while the market is closed");
  app.add_option("--clock", s.clock,
                 "real: time runs. manual: time stands still; each line on stdin is an instant to "
                 "move to, answered by `now INSTANT`")
      ->capture_default_str()
      ->check(CLI::IsMember({"real", "manual"}));
  app.add_option(
         "--replay", s.replay,
         "Option files to replay instead of a made-up market; time stands still at their end")
      ->check(CLI::ExistingFile);
  app.add_option("--symbols", s.symbols,
                 "Underlyings of the made-up market, default all of BFX,"
                 "NRTH,VALK,ODIN,FRYA")
      ->delimiter(',');
  app.add_option("--min-version", s.gateway.min_version, "Lowest server version spoken")
      ->capture_default_str()
      ->check(CLI::Range(163, 200));
  app.add_option("--max-version", s.gateway.max_version, "Highest server version spoken")
      ->capture_default_str()
      ->check(CLI::Range(163, 200));
  app.add_option("--max-lines", s.gateway.max_lines,
                 "Market-data lines of all clients together; 0 is no limit")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--max-messages-per-second", s.gateway.max_messages_per_second,
                 "Messages of all clients together; 0 is no limit")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--snapshot-seconds", s.snapshot_seconds,
                 "Simulated seconds until a snapshot ends; default 11, with a manual clock 0")
      ->check(CLI::NonNegativeNumber);
  app.add_option(
         "--account", s.account,
         "What the account holds: lines `cash AMOUNT`, `stock SYMBOL QUANTITY PRICE`, "
         "`option SYMBOL CLASS EXPIRY STRIKE C|P QUANTITY PRICE`; default a million and two "
         "option positions")
      ->check(CLI::ExistingFile);
  app.add_flag("!--refuse-what-if", s.gateway.allow_what_if,
               "Refuse margin questions as well, as a gateway set to read-only does");
  app.add_option("--frames", s.frames,
                 "Play back a recording of a real session (a folder that --record wrote): each "
                 "request is answered as it was then, --speed times as fast")
      ->check(CLI::ExistingPath);
  app.add_option("--script", s.script,
                 "Fault script: what is to go wrong, one rule a line, `WHEN: ACTION; ACTION`")
      ->check(CLI::ExistingFile);
  app.add_option("--fault-seed", s.gateway.fault_seed, "Seed of what the script leaves to chance")
      ->capture_default_str();
  app.footer(sim::fault_script_help());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : wrong_usage;
  }
  if (s.gateway.min_version > s.gateway.max_version) {
    return usage_error("--min-version is above --max-version");
  }
  return run(s);
}
