// SPDX-License-Identifier: Apache-2.0
// Pulls option chains from the gateway cycle by cycle and writes them to the history.
#include <algorithm>
#include <string_view>
#include <thread>

#include "../service_main.hpp"
#include "../universe_rules.hpp"
#include "bifrost/collector/bars.hpp"
#include "bifrost/collector/collector.hpp"
#include "bifrost/collector/radar.hpp"
#include "bifrost/collector/upkeep.hpp"
#include "bifrost/store/history.hpp"

namespace {

using namespace bifrost;

constexpr std::string_view help =
    "bifrost-collector: collects option chains every COLLECTION_INTERVAL seconds of the session "
    "into the history.\n"
    "\n"
    "usage: bifrost-collector [--env FILE] [--record DIR]\n"
    "\n"
    "Reads its settings from FILE (default .env, may be absent) and the environment, which wins:\n"
    "IB_HOST IB_PORT IB_CLIENT_ID (2 by custom) DATABASE_URL COLLECTION_INTERVAL "
    "BIFROST_UNDERLYINGS and more;\n"
    "`bifrost config` lists every key. --record keeps every frame of the gateway link in DIR, as\n"
    "BIFROST_IB_RECORD does. Stops on SIGTERM and Ctrl-C. Exit: 0 stopped, 1 failed, 2 "
    "usage.\n";

core::Result<void> collect(const core::Config& config, const core::StopSignal& stop) {
  BF_TRY(const auto rules, universe_rules(config));
  auto underlyings = config.underlyings;
  for (const auto& named : rules.named()) {
    if (std::ranges::find(underlyings, named) == underlyings.end()) underlyings.push_back(named);
  }
  if (underlyings.empty()) {
    return core::fail(core::Errc::invalid_input,
                      "neither BIFROST_UNDERLYINGS nor BIFROST_UNIVERSE names a symbol; hint: "
                      "BIFROST_UNDERLYINGS=SPY,QQQ");
  }
  BF_TRY(auto database,
         open_database(config, {.connections = 2, .program = "bifrost-collector"}, stop));
  store::History history{database};
  BF_TRY(auto link, link_options(config, "collector"));
  BF_TRY(const auto client, ib::Client::start(std::move(link)));
  const core::SystemClock system_clock;
  const ib::GatewayClock gateway_clock{*client};
  const core::Clock& clock =
      config.clock_from_gateway ? static_cast<const core::Clock&>(gateway_clock) : system_clock;

  store::Listings listings{database};
  collector::ReaderOptions reading;
  reading.interval = config.collection_interval;
  reading.rules = rules;
  reading.chunk = 4 * config.ib_lines;
  reading.positions = config.collect_positions;
  collector::ChainReader reader{reading, *client, listings, clock};

  collector::Options options;
  options.underlyings = underlyings;
  options.interval = config.collection_interval;
  options.simulated_clock = config.clock_from_gateway;
  collector::RadarOptions radar_options;
  radar_options.interval = config.collection_interval;
  radar_options.alerts_per_day = config.alerts_per_day;
  collector::Radar radar{radar_options, database, history};
  // Upkeep has a connection and a thread of its own: collecting never waits for it.
  BF_TRY(auto kept, open_database(config, {.connections = 1, .program = "bifrost-upkeep"}, stop));
  collector::Upkeep upkeep{
      kept, {.retention_days = config.retention_days}, clock, [&client, &config] {
        return !config.clock_from_gateway || client->link().sessions > 0;
      }};
  const std::jthread keeper{[&upkeep](std::stop_token asked) { upkeep.run(std::move(asked)); }};

  collector::BarKeeper bars{*client, database};
  collector::Collector collector{options, *client, reader, history, radar, bars, clock};
  collector.run(stop.token());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return run_service("bifrost-collector", help, argc, argv, collect);
}
