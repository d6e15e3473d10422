// SPDX-License-Identifier: Apache-2.0
// The operator's tool: `bifrost VERB`.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include "analyze_command.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/config.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "broker_commands.hpp"
#include "database_commands.hpp"
#include "demo.hpp"
#include "find_command.hpp"
#include "fit_command.hpp"
#include "history_commands.hpp"
#include "ledger_command.hpp"
#include "price_command.hpp"
#include "status_commands.hpp"

namespace {

using namespace bifrost;

constexpr int ok = 0;
constexpr int failed = 1;
constexpr int usage = 2;
constexpr int interrupted = 130;  // as a shell says it of Ctrl-C

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

struct ExportTexts {
  std::string from;
  std::string to;
  std::string expiry;
  std::string trading_class;
  std::string known_at;
  std::string format;
};

/// Turns what was typed into a request; what cannot be one is wrong usage.
void complete(ExportOptions& exporting, const ExportTexts& texts) {
  const auto take = [](const char* option, auto parsed) {
    if (!parsed) throw CLI::ValidationError(option, parsed.error().message);
    return *parsed;
  };
  auto& request = exporting.request;
  if (!texts.from.empty()) request.from = take("--from", parse_moment(texts.from, false));
  if (!texts.to.empty()) request.to = take("--to", parse_moment(texts.to, true));
  if (!texts.expiry.empty()) request.expiry = take("--expiry", core::parse_date(texts.expiry));
  if (!texts.trading_class.empty()) request.trading_class = texts.trading_class;
  if (!texts.known_at.empty())
    request.known_at = take("--known-at", parse_moment(texts.known_at, false));
  const auto name = exporting.file.string();
  request.format =
      store::parse_export_format(texts.format)
          .value_or(name.ends_with(".gz") ? store::ExportFormat::csv_gz : store::ExportFormat::csv);
  if (exporting.json && exporting.file.empty()) {
    throw CLI::ValidationError("--json", "needs -o: standard output holds the export");
  }
}

/// Runs the verb. Output that could not be written is a failure like any other.
core::Result<void> run_checked(const std::function<core::Result<void>()>& work) {
  constexpr const char* lost = "standard output takes no more";
  try {
    auto done = work();
    if (done && std::fflush(stdout) != 0) return core::fail(core::Errc::unavailable, lost);
    return done;
  } catch (const std::filesystem::filesystem_error& error) {
    return core::fail(core::Errc::unavailable, error.what());
  } catch (const std::system_error&) {
    return core::fail(core::Errc::unavailable, lost);
  }
}

int report(const core::Result<void>& result) {
  if (result) return ok;
  fmt::print(stderr, "bifrost: {}\n", result.error().message);
  return result.error().code == core::Errc::cancelled ? interrupted : failed;
}

/// Wrong usage in one line, and where the right one is told: the whole help would hide it.
std::string usage_message(const CLI::App* app, const CLI::Error& error) {
  std::string verb = "bifrost";
  const auto* innermost = app;
  for (auto parsed = app->get_subcommands(); !parsed.empty();
       parsed = innermost->get_subcommands()) {
    innermost = parsed.front();
    verb += ' ' + innermost->get_name();
  }
  // CLI11 misses the verb where there is one that it does not know.
  const auto unknown = app->remaining(true);
  const bool takes_verb = !innermost->get_subcommands({}).empty();
  const bool of_verb = takes_verb && error.get_name() == "RequiredError" && !unknown.empty();
  return fmt::format("{}: {}\n  hint: {} --help\n", verb,
                     of_verb ? fmt::format("there is no '{}' here", unknown.front()) : error.what(),
                     verb);
}

}  // namespace

int main(int argc, char** argv) {
  const core::StopSignal stop;
  core::log::start("bifrost", core::log::Level::warning);

  CLI::App app{"Bifrost Trader: the operator's tool."};
  app.require_subcommand(1);
  app.footer("Exit: 0 done, 1 failed, 2 usage, 130 interrupted.");
  app.failure_message(usage_message);
  std::string env_file = ".env";
  app.add_option("--env", env_file, "settings file; the environment wins over it")
      ->capture_default_str();
  std::function<core::Result<void>()> work;

  auto* migrate =
      app.add_subcommand("migrate", "bring the database schema up to this program's revision");
  migrate->callback([&] { work = [&] { return migrate_database(env_file); }; });

  ImportOptions importing;
  std::string layout;
  auto* import = app.add_subcommand(
      "import", "read option files, ours or a vendor's, into the history; safe to repeat");
  import->add_option("files", importing.files, "option files")->required();
  import->add_option("--layout", layout, "whose columns the files have; else the header tells")
      ->check(CLI::IsMember({"bifrost", "optionsdx", "orats", "cboe-eod", "cboe-1545", "ib"}));
  import->add_option("--symbol", importing.symbol, "the underlying, where the files do not say it");
  import->add_option("--class", importing.trading_class,
                     "the trading class of every row, where a vendor's files do not say it");
  import->add_flag("--json", importing.json, "one JSON document on stdout");
  import->callback([&] {
    importing.layout = core::parse_chain_layout(layout);
    work = [&] { return import_files(env_file, importing, stop); };
  });

  ExportOptions exporting;
  ExportTexts texts;
  auto* exports = app.add_subcommand(
      "export", "write the history of an underlying as option file or binary COPY stream");
  exports->add_option("--symbol", exporting.request.underlying, "the underlying")->required();
  exports->add_option("--from", texts.from, "day (New York) or instant (UTC)");
  exports->add_option("--to", texts.to, "day or instant, included");
  exports->add_option("--expiry", texts.expiry, "only this expiry");
  exports->add_option("--class", texts.trading_class, "only this trading class");
  exports->add_option("--known-at", texts.known_at, "as it was known then");
  exports->add_option("--format", texts.format, "csv, csv.gz or binary; else by the file's name")
      ->check(CLI::IsMember({"csv", "csv.gz", "binary"}));
  exports->add_flag("--daily", exporting.request.daily, "roll-ups of the days instead of quotes");
  exports->add_option("-o,--output", exporting.file, "file; else standard output");
  exports->add_flag("--json", exporting.json, "one JSON document on stdout; needs -o");
  exports->callback([&] {
    complete(exporting, texts);
    work = [&] { return export_history(env_file, exporting, stop); };
  });

  FindOptions finding;
  add_find_command(app, env_file, finding, stop, work);
  AnalyzeOptions analysing;
  add_analyze_command(app, env_file, analysing, stop, work);
  FitOptions fitting;
  add_fit_command(app, env_file, fitting, stop, work);
  PriceOptions pricing;
  add_price_command(app, pricing, stop, work);

  bool json = false;
  auto* db = app.add_subcommand("db", "look after the database");
  db->require_subcommand(1);
  auto* status =
      db->add_subcommand("status", "server, schema, sizes, partitions, snapshots, upkeep");
  status->add_flag("--json", json, "one JSON document on stdout");
  status->callback([&] { work = [&] { return show_database_status(env_file, json); }; });

  BrokerOptions broker;
  add_broker_commands(app, env_file, broker, work);
  std::filesystem::path backup;
  auto* back_up = db->add_subcommand("backup", "write all of it into one file; writers go on");
  back_up->add_option("target", backup, "file, or folder for a file named by the time")->required();
  back_up->add_flag("--json", json, "one JSON document on stdout");
  back_up->callback([&] { work = [&] { return back_up_database(env_file, backup, json, stop); }; });
  bool replace = false;
  auto* restore =
      db->add_subcommand("restore", "bring a backup back and prove that all of it came");
  restore->add_option("file", backup, "made by db backup")->required();
  restore->add_flag("--replace", replace, "in place of a history, which is kept beside it");
  restore->add_flag("--json", json, "one JSON document on stdout");
  restore->callback(
      [&] { work = [&] { return restore_database(env_file, backup, replace, json, stop); }; });
  bool deep = false;
  auto* verify = db->add_subcommand(
      "verify", "look through the whole history (every row against the ledger), or a backup");
  auto* verified = verify->add_option("file", backup, "a backup instead of the database");
  verify->add_flag("--deep", deep, "bring the backup into a server of its own and look there")
      ->needs(verified);
  verify->add_flag("--json", json, "one JSON document on stdout");
  verify->callback([&] {
    work = [&] {
      return backup.empty() ? verify_database(env_file, json, stop)
                            : verify_backup(backup, deep, json, stop);
    };
  });
  bool everything = false;
  auto* maintain = db->add_subcommand(
      "maintain", "do what the collector does after the close: partitions, roll-ups, checks, ...");
  maintain->add_flag("--json", json, "one JSON document on stdout");
  maintain->add_flag("--all", everything, "look through the whole ledger and check every day");
  maintain->callback(
      [&] { work = [&] { return maintain_database(env_file, json, everything, stop); }; });
  LedgerOptions ledger_options;
  auto* ledger = db->add_subcommand(
      "ledger", "prove that every scheduled cycle is complete, partial or missed");
  ledger->add_option("--symbol", ledger_options.symbol, "one underlying; unset: all");
  ledger->add_option("--from", ledger_options.from, "day (2026-11-24) or instant");
  ledger->add_option("--to", ledger_options.to, "day, all of it, or instant, not included");
  ledger->add_flag("--json", ledger_options.json, "one JSON document on stdout");
  ledger->callback([&] { work = [&] { return show_ledger(env_file, ledger_options); }; });

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
  demo_command->callback([&] {
    work = [&]() -> core::Result<void> {
      auto ended = run_demo(demo, stop);
      // Ctrl-C is how a demonstration ends.
      if (!ended && ended.error().code == core::Errc::cancelled) return {};
      return ended;
    };
  });

  try {
    app.parse(argc, argv);
    return report(run_checked(work));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ok : usage;
  }
}
