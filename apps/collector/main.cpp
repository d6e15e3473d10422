// SPDX-License-Identifier: Apache-2.0
// Pulls option chains from the gateway cycle by cycle and writes them to the history.
#include <fmt/core.h>

#include <cstdio>
#include <memory>
#include <string_view>

#include "bifrost/collector/collector.hpp"
#include "bifrost/core/config.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/history.hpp"

namespace {

using namespace bifrost;
using namespace std::chrono_literals;

constexpr std::string_view help =
    "bifrost-collector: collects option chains every COLLECTION_INTERVAL seconds of the session "
    "into the history.\n"
    "\n"
    "usage: bifrost-collector [--env FILE]\n"
    "\n"
    "Reads its settings from FILE (default .env, may be absent) and the environment, which wins:\n"
    "IB_HOST IB_PORT IB_CLIENT_ID (2 by custom) DATABASE_URL COLLECTION_INTERVAL "
    "BIFROST_UNDERLYINGS and more;\n"
    "`bifrost config` lists every key. Stops on SIGTERM and Ctrl-C. Exit: 0 stopped, 1 failed, 2 "
    "usage.\n";

core::Result<void> collect(const core::Config& config, const core::StopSignal& stop) {
  if (config.database_url.empty()) {
    return core::fail(core::Errc::invalid_input,
                      "DATABASE_URL is not set; hint: a service never makes a database by itself");
  }
  if (config.underlyings.empty()) {
    return core::fail(core::Errc::invalid_input,
                      "BIFROST_UNDERLYINGS is not set; hint: BIFROST_UNDERLYINGS=SPY,QQQ");
  }
  // A database that is not up yet is waited for, a wrong schema is not.
  const auto open = [&] {
    return store::Database::open(
        config.database_url, {.connections = 2, .program = "bifrost-collector"}, core::after(10s));
  };
  auto database = open();
  while (!database && database.error().code == core::Errc::unavailable) {
    core::log::warning("waiting for the database: {}", database.error().message);
    if (stop.wait_for(1s)) return {};
    database = open();
  }
  if (!database) return tl::unexpected{database.error()};
  BF_CHECK(database->check_schema(core::after(10s)));
  store::History history{*database};

  ib::ClientOptions link;
  link.host = config.ib_host;
  link.port = config.ib_port;
  link.client_id = config.ib_client_id;
  link.max_server_version = config.ib_max_server_version;
  link.messages_per_second = config.ib_messages_per_second;
  link.lines = config.ib_lines;
  BF_TRY(const auto client, ib::Client::start(link));

  const core::SystemClock system_clock;
  const ib::GatewayClock gateway_clock{*client};
  const core::Clock& clock =
      config.clock_from_gateway ? static_cast<const core::Clock&>(gateway_clock) : system_clock;

  collector::Options options;
  options.underlyings = config.underlyings;
  options.interval = config.collection_interval;
  options.expiry_days = config.expiry_days;
  options.strike_window = config.strike_window;
  options.chunk = 4 * config.ib_lines;
  options.simulated_clock = config.clock_from_gateway;
  collector::Collector collector{options, *client, history, clock};
  collector.run(stop.token());
  core::log::info("stopped");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view env_file = ".env";
  bool named = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument{argv[i]};
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", help);
      return 0;
    }
    if (argument == "--env" && i + 1 < argc) {
      env_file = argv[++i];
      named = true;
      continue;
    }
    fmt::print(stderr, "bifrost-collector: unknown argument '{}'\n\n{}", argument, help);
    return 2;
  }
  const core::StopSignal stop;
  const auto config = core::Config::load(env_file, named);
  if (!config) {
    fmt::print(stderr, "bifrost-collector: {}\n", config.error().message);
    return 1;
  }
  core::log::start("collector", core::log::parse_level(config->log_level));
  if (const auto done = collect(*config, stop); !done) {
    fmt::print(stderr, "bifrost-collector: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
