// SPDX-License-Identifier: Apache-2.0
#include "history_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "bifrost/core/clock.hpp"
#include "bifrost/net/json.hpp"
#include "bifrost/store/import.hpp"
#include "progress.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

using core::Result;
using namespace std::chrono_literals;

struct Reject {
  std::string file;
  std::int64_t line;
  std::string reason;
};
BF_DESCRIBE(Reject, "A line that was not taken.", (file), (line), (reason))

struct Imported {
  std::int64_t rows_read;
  std::int64_t rows_imported;
  std::int64_t rows_already_there;
  std::int64_t rows_rejected;
  std::int64_t cycles_imported;
  std::int64_t cycles_already_there;
  std::vector<Reject> rejects;
};
BF_DESCRIBE(Imported, "What an import did.", (rows_read), (rows_imported), (rows_already_there),
            (rows_rejected), (cycles_imported), (cycles_already_there), (rejects))

struct Exported {
  std::string file;
  std::int64_t rows;
  std::int64_t cycles;
  std::int64_t cycles_partial;
  std::int64_t cycles_missed;
  std::int64_t cycles_short;
  std::int64_t bytes;
  std::optional<core::Instant> first;
  std::optional<core::Instant> last;
};
BF_DESCRIBE(Exported, "What an export holds.", (file), (rows), (cycles), (cycles_partial),
            (cycles_missed), (cycles_short), (bytes), (first), (last))

}  // namespace

Result<void> import_files(const std::string& env_file, const ImportOptions& options,
                          const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::make));
  // An empty database becomes a history; one of another revision is for `bifrost migrate` to
  // change, knowingly.
  BF_TRY(const auto status, place.database->status(core::SystemClock{}.now(), core::after(30s)));
  if (status.schema_revision == 0) {
    BF_TRY(const int applied, place.database->migrate(core::after(300s)));
    fmt::print(stderr, "A new history: {} schema steps applied.\n", applied);
  }
  BF_CHECK(place.database->check_schema(core::after(30s)));
  store::History history{*place.database};

  store::ImportOptions how;
  how.file = {options.layout, options.symbol, options.trading_class};
  Progress step{
      fmt::format("import {} file{}", options.files.size(), options.files.size() == 1 ? "" : "s")};
  const auto files = static_cast<double>(options.files.size());
  BF_TRY(const auto report, store::import_chain_files(
                                history, options.files,
                                [&](const store::ImportProgress& progress) {
                                  step.update(
                                      (static_cast<double>(progress.file) + progress.share) / files,
                                      fmt::format("{} rows", progress.so_far.rows_read));
                                  return !stop.token().stop_requested();
                                },
                                how));
  step.done(fmt::format("{} rows", report.rows_read));
  Result<void> outcome;
  if (report.rows_read > 0 && report.rows_imported + report.rows_already_there == 0) {
    outcome = core::fail(core::Errc::invalid_input,
                         fmt::format("none of the {} rows was taken", report.rows_read));
  }
  if (options.json) {
    Imported imported{report.rows_read,
                      report.rows_imported,
                      report.rows_already_there,
                      report.rows_rejected,
                      report.cycles_imported,
                      report.cycles_already_there,
                      {}};
    for (const auto& reject : report.rejects) {
      imported.rejects.push_back(
          {reject.file.string(), static_cast<std::int64_t>(reject.line), reject.reason});
    }
    fmt::print("{}\n", net::to_json(imported));
    return outcome;
  }
  for (const auto& reject : report.rejects) {
    fmt::print("{}:{}: {}\n", reject.file.string(), reject.line, reject.reason);
  }
  if (const auto more = report.rows_rejected - static_cast<std::int64_t>(report.rejects.size());
      more > 0) {
    fmt::print("... and {} more lines rejected\n", more);
  }
  fmt::print("{} rows read: {} imported in {} snapshots, {} there already, {} rejected\n",
             report.rows_read, report.rows_imported, report.cycles_imported,
             report.rows_already_there, report.rows_rejected);
  return outcome;
}

Result<core::Instant> parse_moment(const std::string& text, bool end) {
  if (const auto instant = core::parse_instant(text)) return *instant;
  const auto day = core::parse_date(text);
  if (!day) {
    return core::fail(core::Errc::invalid_input,
                      fmt::format("'{}' is neither a day such as 2021-01-04 nor an instant such as "
                                  "2021-01-04T15:00:00Z",
                                  text));
  }
  if (!end) return core::from_exchange_time(*day, 0s);
  return core::from_exchange_time(*day + std::chrono::days{1}, 0s) - 1us;
}

Result<void> export_history(const std::string& env_file, const ExportOptions& options,
                            const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  BF_CHECK(place.database->check_schema(core::after(30s)));
  Progress step{fmt::format("export {}", options.request.underlying)};
  const auto progress = [&](const store::ExportProgress& so_far) {
    step.update(so_far.share, fmt::format("{} rows", so_far.rows));
    return !stop.token().stop_requested();
  };
  const auto to_stdout = [](std::string_view bytes) -> Result<void> {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return {};
    return core::fail(core::Errc::unavailable, "standard output takes no more");
  };
  BF_TRY(const auto report,
         options.file.empty()
             ? store::export_chains(*place.database, options.request, to_stdout, progress)
             : store::export_chains(*place.database, options.request, options.file, progress));
  if (options.file.empty() && std::fflush(stdout) != 0) {
    return core::fail(core::Errc::unavailable, "standard output takes no more");
  }
  const auto held =
      fmt::format("{} rows of {} snapshots, {} bytes", report.rows, report.cycles, report.bytes);
  step.done(options.file.empty() ? held : std::string{});
  if (report.cycles_short > 0) {
    fmt::print(stderr,
               "{} snapshots have fewer rows than the ledger promises (retention, or: "
               "bifrost db verify)\n",
               report.cycles_short);
  }
  if (report.cycles_missed + report.cycles_partial > 0) {
    fmt::print(stderr, "gaps: {} cycles missed, {} partial\n", report.cycles_missed,
               report.cycles_partial);
  }
  if (options.json) {
    fmt::print("{}\n", net::to_json(Exported{options.file.string(), report.rows, report.cycles,
                                             report.cycles_partial, report.cycles_missed,
                                             report.cycles_short, report.bytes, report.first,
                                             report.last}));
  } else if (!options.file.empty()) {
    fmt::print("{}: {}\n", options.file.string(), held);
  }
  return {};
}

}  // namespace bifrost
