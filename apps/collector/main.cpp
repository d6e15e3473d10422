// SPDX-License-Identifier: Apache-2.0
// Pulls option chains from the gateway cycle by cycle and writes them to the history.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>
#include <utility>

#include "../service_main.hpp"
#include "../universe_rules.hpp"
#include "bifrost/collector/bars.hpp"
#include "bifrost/collector/collector.hpp"
#include "bifrost/collector/journal.hpp"
#include "bifrost/collector/radar.hpp"
#include "bifrost/collector/upkeep.hpp"
#include "bifrost/core/data_folder.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/lease.hpp"

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

/// The spool of this database in the configured folder. While another collector has it, that one is
/// waited for. cancelled: asked to stop meanwhile.
core::Result<collector::Spool> open_spool(const core::Config& config,
                                          const core::StopSignal& stop) {
  using namespace std::chrono_literals;
  BF_TRY(const auto label, store::database_label(config.database_url));
  const std::filesystem::path base = config.spool_dir.empty()
                                         ? core::state_folder() / "spool"
                                         : std::filesystem::path{config.spool_dir};
  bool told = false;
  for (;;) {
    auto spool =
        collector::Spool::open({.folder = base / label,
                                .limit = static_cast<std::uintmax_t>(config.spool_limit_mb) << 20});
    if (spool || spool.error().code != core::Errc::conflict) return spool;
    if (!std::exchange(told, true)) core::log::warning("waiting: {}", spool.error().message);
    if (stop.wait_for(500ms))
      return core::fail(core::Errc::cancelled, "stopped while another collector was at work");
  }
}

/// A database that is away is no reason not to collect for whoever held the lease last.
core::Result<store::Database> find_database(const core::Config& config,
                                            const store::DatabaseOptions& options, bool held_lease,
                                            const core::StopSignal& stop) {
  using namespace std::chrono_literals;
  if (!held_lease) return open_database(config, options, stop);
  auto database = store::Database::open(config.database_url, options, core::after(5s));
  if (database) {
    BF_CHECK(database->check_schema(core::after(10s)));
    return database;
  }
  if (database.error().code != core::Errc::unavailable &&
      database.error().code != core::Errc::timeout) {
    return database;
  }
  core::log::warning("starting without the database: {}", database.error().message);
  return store::Database::attach(config.database_url, options);
}

std::string holder_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("bifrost-collector on {} (process {})", host.data(), ::getpid());
}

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
  if (config.database_url.empty()) {
    return core::fail(core::Errc::invalid_input,
                      "DATABASE_URL is not set; hint: a service never makes a database by itself");
  }
  BF_TRY(auto spool, open_spool(config, stop));
  const auto held = spool.last_held();
  BF_TRY(auto database, find_database(config, {.connections = 2, .program = "bifrost-collector"},
                                      held.has_value(), stop));
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

  store::LeaseOptions lease_options;
  lease_options.holder = holder_name();
  lease_options.instance = spool.instance();
  if (held) {
    lease_options.last_token = held->token;
    lease_options.last_history = held->history_id;
  }
  const auto lease = store::WriterLease::start(database, lease_options);
  // Known before the first cycle, if the database answers at all.
  lease->refresh(core::after(std::chrono::seconds{5}));
  collector::RadarOptions radar_options;
  radar_options.interval = config.collection_interval;
  radar_options.alerts_per_day = config.alerts_per_day;
  collector::Radar radar{radar_options, database, history};
  collector::BarKeeper bars{*client, database};
  const auto describe = [&radar](store::CycleRecord& record, const store::StoredChain* before,
                                 core::Deadline deadline) {
    return radar.describe(record, before != nullptr ? &before->snapshot : nullptr,
                          before != nullptr && collector::reached_all(before->run), deadline);
  };
  collector::Journal journal{database, history, *lease, std::move(spool), describe};
  collector::Collector collector{options, *client, reader, journal, radar, bars, clock};
  // Upkeep has a connection and a thread of its own: collecting never waits for it.
  auto kept =
      store::Database::attach(config.database_url, {.connections = 1, .program = "bifrost-upkeep"});
  collector::Upkeep upkeep{kept, {.retention_days = config.retention_days}, clock, [&collector] {
                             return collector.clock_trusted();
                           }};
  const std::jthread keeper{[&upkeep](std::stop_token asked) { upkeep.run(std::move(asked)); }};
  // A gateway that does not answer must not hold up the end.
  const std::stop_callback unblock{stop.token(), [&client] { client->stop(); }};
  collector.run(stop.token());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return run_service("bifrost-collector", help, argc, argv, collect);
}
