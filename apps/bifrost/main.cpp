// SPDX-License-Identifier: Apache-2.0
// The operator's tool: `bifrost VERB`.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>

#include "bifrost/core/clock.hpp"
#include "bifrost/core/config.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "broker_commands.hpp"
#include "database_commands.hpp"
#include "demo.hpp"

namespace {

using namespace bifrost;

constexpr int ok = 0;
constexpr int failed = 1;
constexpr int usage = 2;

/// Prints every key with its default and meaning: for people, or as the reference page of the
/// documents.
void print_config(bool markdown) {
  if (markdown) {
    fmt::print(
        "# Configuration\n\nPrinted by `bifrost config --markdown`. A program reads `.env` in its "
        "folder (or `--env FILE`) and the\n"
        "environment, which wins. An unknown key is an error that names its line.\n\n| key | "
        "default | meaning |\n|---|---|---|\n");
    for (const auto& key : core::config_keys())
      fmt::print("| `{}` | {} | {} |\n", key.name, key.fallback, key.meaning);
    return;
  }
  for (const auto& key : core::config_keys()) {
    fmt::print("{:<32} {:<12} {}\n", key.name, key.fallback.empty() ? "-" : key.fallback,
               key.meaning);
  }
}

int report(const core::Result<void>& result) {
  if (result) return ok;
  fmt::print(stderr, "bifrost: {}\n", result.error().message);
  return result.error().code == core::Errc::cancelled ? ok : failed;
}

}  // namespace

int main(int argc, char** argv) {
  const core::StopSignal stop;
  core::log::start("bifrost", core::log::Level::warning);

  CLI::App app{"Bifrost Trader: the operator's tool."};
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  std::string env_file = ".env";
  app.add_option("--env", env_file, "settings file; the environment wins over it")
      ->capture_default_str();
  std::function<core::Result<void>()> work;

  auto* migrate =
      app.add_subcommand("migrate", "bring the database schema up to this program's revision");
  migrate->callback([&] { work = [&] { return migrate_database(env_file); }; });

  ImportOptions importing;
  auto* import = app.add_subcommand(
      "import", "read option files (our gzip CSV format) into the history; safe to repeat");
  import->add_option("files", importing.files, "option files")->required();
  import->add_flag("--json", importing.json, "one JSON document on stdout");
  import->callback([&] { work = [&] { return import_files(env_file, importing, stop); }; });

  bool json = false;
  auto* db = app.add_subcommand("db", "look after the database");
  db->require_subcommand(1);
  auto* status = db->add_subcommand("status", "server, schema, sizes, partitions, snapshots");
  status->add_flag("--json", json, "one JSON document on stdout");
  status->callback([&] { work = [&] { return show_database_status(env_file, json); }; });

  BrokerOptions broker;
  add_broker_commands(app, env_file, broker, work);

  bool markdown = false;
  auto* config = app.add_subcommand("config", "list every configuration key");
  config->add_flag("--markdown", markdown, "as the reference page");
  config->callback([&] {
    work = [&]() -> core::Result<void> {
      print_config(markdown);
      return {};
    };
  });

  DemoOptions demo;
  demo.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  auto* demo_command =
      app.add_subcommand("demo", "run everything on this machine against a simulated gateway");
  demo_command->add_option("--port", demo.port, "port of the page and the API; 0: any free one")
      ->capture_default_str();
  demo_command->add_option("--host", demo.host, "address of the page and the API")
      ->capture_default_str();
  demo_command->add_option("--speed", demo.speed, "simulated seconds per second")
      ->check(CLI::Range(0.01, 100000.0))
      ->capture_default_str();
  demo_command
      ->add_option("--history-days", demo.history_days, "trading days made on the first start")
      ->check(CLI::Range(0, 250))
      ->capture_default_str();
  demo_command->add_option("--seed", demo.seed, "of the synthetic market, on the first start")
      ->capture_default_str();
  demo_command
      ->add_option("--replay", demo.replay, "recorded option files instead of the synthetic market")
      ->check(CLI::ExistingFile);
  demo_command->add_option("--data", demo.data, "folder of database and logs");
  demo_command->add_option("--web-root", demo.web_root, "folder of the built page");
  demo_command->add_option("--docs-root", demo.docs_root, "folder of Swagger UI");
  demo_command->add_option("--url-file", demo.url_file,
                           "write the URL into this file once the page is up");
  demo_command->add_flag("--reset", demo.reset, "forget what was collected");
  demo_command->callback([&] { work = [&] { return run_demo(demo, stop); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ok : usage;
  }
  return report(work());
}
