// SPDX-License-Identifier: Apache-2.0
// What the services' mains have in common: arguments, settings, the first connection to the
// database.
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "bifrost/core/config.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "bifrost/store/database.hpp"
#include "gateway_link.hpp"

namespace bifrost {

/// A database that is not up yet, or does not answer, is waited for; a wrong URL or schema is an
/// error. cancelled: asked to stop meanwhile.
inline core::Result<store::Database> open_database(const core::Config& config,
                                                   const store::DatabaseOptions& options,
                                                   const core::StopSignal& stop) {
  using namespace std::chrono_literals;
  if (config.database_url.empty()) {
    return core::fail(core::Errc::invalid_input,
                      "DATABASE_URL is not set; hint: a service never makes a database by itself");
  }
  for (;;) {
    auto database = store::Database::open(config.database_url, options, core::after(10s));
    core::Result<void> problem;
    if (database) {
      problem = database->check_schema(core::after(10s));
      if (problem) return database;
      // A schema that is not ours does not become so by waiting.
      if (problem.error().code != core::Errc::timeout) return tl::unexpected{problem.error()};
    } else {
      problem = tl::unexpected{database.error()};
      if (problem.error().code != core::Errc::unavailable &&
          problem.error().code != core::Errc::timeout)
        return tl::unexpected{problem.error()};
    }
    core::log::warning("waiting for the database: {}", problem.error().message);
    if (stop.wait_for(1s))
      return core::fail(core::Errc::cancelled, "stopped while waiting for the database");
  }
}

/// `work(config, stop)` with the settings of `--env FILE` (default .env, may be absent) and the
/// environment; `--record DIR` wins over both. The exit status: 0 done or asked to stop, 1 failed,
/// 2 wrong usage.
template <class Work>
int run_service(std::string_view program, std::string_view help, int argc, char** argv, Work work) {
  std::string_view env_file = ".env";
  std::string_view record;
  bool named = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument{argv[i]};
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", help);
      return 0;
    }
    if ((argument != "--env" && argument != "--record") || i + 1 == argc) {
      fmt::print(stderr, "{}: unknown or incomplete argument '{}'\n\n{}", program, argument, help);
      return 2;
    }
    ++i;
    if (argument == "--record") {
      record = argv[i];
      continue;
    }
    env_file = argv[i];
    named = true;
  }
  const core::StopSignal stop;
  const auto failed = [&](const core::Error& error) {
    fmt::print(stderr, "{}: {}\n", program, error.message);
    return error.code == core::Errc::cancelled ? 0 : 1;
  };
  auto config = core::Config::load(env_file, named);
  if (!config) return failed(config.error());
  if (!record.empty()) config->ib_record = record;
  core::set_extra_closures(config->extra_closures);
  core::log::start(program, core::log::parse_level(config->log_level));
  if (const core::Result<void> done = work(*config, stop); !done) return failed(done.error());
  core::log::info("stopped");
  return 0;
}

}  // namespace bifrost
