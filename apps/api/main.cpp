// SPDX-License-Identifier: Apache-2.0
// REST, WebSocket and the page, on APP_PORT.
#include <fmt/core.h>

#include <cstdio>
#include <string_view>
#include <thread>

#include "../service_main.hpp"
#include "../universe_rules.hpp"
#include "bifrost/api/live.hpp"
#include "bifrost/api/routes.hpp"
#include "bifrost/api/service.hpp"
#include "bifrost/net/server.hpp"
#include "bifrost/store/listen.hpp"

namespace {

using namespace bifrost;
using namespace std::chrono_literals;

constexpr std::string_view help =
    "bifrost-api: REST, WebSocket and the page, on APP_HOST:APP_PORT.\n"
    "\n"
    "usage: bifrost-api [--env FILE] [--record DIR] | --openapi\n"
    "\n"
    "Reads its settings from FILE (default .env, may be absent) and the environment, which wins:\n"
    "IB_HOST IB_PORT IB_CLIENT_ID DATABASE_URL APP_HOST APP_PORT BIFROST_WEB_ROOT and more; "
    "`bifrost config` lists every key. --record keeps every frame of the gateway link in DIR, as\n"
    "BIFROST_IB_RECORD does.\n"
    "Prints 'listening on HOST:PORT' once it does. --openapi prints the description of the API and "
    "ends.\n"
    "Stops on SIGTERM and Ctrl-C. Exit: 0 stopped, 1 failed, 2 usage.\n";

core::Result<void> serve(const core::Config& config, const core::StopSignal& stop) {
  BF_TRY(const auto rules, universe_rules(config));
  BF_TRY(auto database, open_database(config, {.connections = 6, .program = "bifrost-api"}, stop));
  store::History history{database};
  BF_TRY(auto listener, store::Listener::open(config.database_url, core::after(10s)));
  BF_TRY(auto link, link_options(config, "api"));
  BF_TRY(const auto client, ib::Client::start(std::move(link)));
  const core::SystemClock system_clock;
  const ib::GatewayClock gateway_clock{*client};
  const core::Clock& clock =
      config.clock_from_gateway ? static_cast<const core::Clock&>(gateway_clock) : system_clock;

  store::Listings listings{database};
  store::Daily daily{database};
  api::Service service{history,
                       *client,
                       clock,
                       config.collection_interval,
                       [rules](std::string_view underlying) { return rules.of(underlying).hours; },
                       &listings,
                       &daily};
  api::LiveChains live{service};
  net::Router router = api::make_router(&service);
  if (!config.docs_root.empty()) BF_CHECK(api::add_docs(router, config.docs_root));
  if (!config.web_root.empty()) {
    BF_TRY(auto page, net::Files::open({.root = config.web_root}));
    router.add_files(std::move(page));
  }
  BF_TRY(auto server,
         net::Server::start(
             {.host = config.app_host, .port = config.app_port},
             [&](const net::Request& request) { return router.handle(request); }, &live.hub()));
  const std::jthread pusher{[&](std::stop_token ended) { live.run(listener, ended); }};
  fmt::print("listening on {}:{}\n", config.app_host, server.port());
  std::fflush(stdout);
  stop.wait();
  listener.stop();
  server.stop();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "--openapi") {
    fmt::print("{}", api::make_router(nullptr).openapi_json());
    return 0;
  }
  return run_service("bifrost-api", help, argc, argv, serve);
}
