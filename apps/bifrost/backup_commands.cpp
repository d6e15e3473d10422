// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <numeric>

#include "bifrost/net/json.hpp"
#include "bifrost/store/backup.hpp"
#include "history_commands.hpp"
#include "progress.hpp"
#include "workplace.hpp"

namespace bifrost {
namespace {

namespace fs = std::filesystem;
using core::Result;
using namespace std::chrono_literals;

// Of one such errand as a whole; a history of years takes its time.
constexpr auto patience = 24h;

struct Day {
  std::string day;
  std::int64_t cycles;
  std::int64_t rows;
  std::string hash;
};
BF_DESCRIBE(Day, "The quotes of one UTC day; the hash changes with any of them.", (day), (cycles),
            (rows), (hash))

struct BackupSummary {
  std::string file;
  std::int64_t bytes;
  core::Instant taken_at;
  int schema_revision;
  std::string server_version;
  std::string tier;
  std::int64_t rows;
  std::vector<Day> days;
  double seconds;
  std::optional<std::string> kept_as;
};
BF_DESCRIBE(BackupSummary, "A backup and what it holds.", (file), (bytes), (taken_at),
            (schema_revision), (server_version), (tier), (rows), (days), (seconds), (kept_as))

struct Problem {
  std::string underlying;
  std::optional<core::Instant> as_of;
  std::string what;
};
BF_DESCRIBE(Problem, "Something that is not as it should be.", (underlying), (as_of), (what))

struct VerifySummary {
  std::int64_t cycles;
  std::int64_t rows;
  std::int64_t cycles_dropped;
  std::int64_t problems;
  std::vector<Problem> findings;
  std::vector<Day> days;
};
BF_DESCRIBE(VerifySummary, "What a look through the whole history found.", (cycles), (rows),
            (cycles_dropped), (problems), (findings), (days))

std::vector<Day> days_of(const std::vector<store::DayDigest>& days) {
  std::vector<Day> shown;
  for (const auto& [day, cycles, rows, hash] : days) {
    shown.push_back({core::to_iso_date(day), cycles, rows, fmt::format("{:016x}", hash)});
  }
  return shown;
}

std::int64_t rows_of(const store::BackupContents& contents) {
  return std::accumulate(contents.days.begin(), contents.days.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& day) { return sum + day.rows; });
}

double megabytes(const store::Backup& backup) {
  return static_cast<double>(backup.bytes) / 1e6;
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  }

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

void print_json(const store::Backup& backup, double seconds,
                const std::optional<std::string>& kept_as) {
  const auto& contents = backup.contents;
  fmt::print("{}\n",
             net::to_json(BackupSummary{
                 backup.file.string(), backup.bytes, contents.taken_at, contents.schema_revision,
                 contents.server_version, std::string{store::to_string(contents.tier)},
                 rows_of(contents), days_of(contents.days), seconds, kept_as}));
}

/// Shows each new word of a long errand, and ends it when asked to.
auto shown_by(Progress& step, const core::StopSignal& stop) {
  return [&step, &stop](std::string_view what) {
    step.update(0, what);
    return !stop.token().stop_requested();
  };
}

Result<void> report(const store::Verification& verified, bool json) {
  if (json) {
    VerifySummary summary{
        verified.cycles,       verified.rows, verified.cycles_dropped, verified.problems, {},
        days_of(verified.days)};
    for (const auto& [underlying, as_of, what] : verified.findings) {
      summary.findings.push_back(
          {underlying, underlying.empty() ? std::nullopt : std::optional{as_of}, what});
    }
    fmt::print("{}\n", net::to_json(summary));
  } else {
    for (const auto& [underlying, as_of, what] : verified.findings) {
      fmt::print("{}{}\n",
                 underlying.empty() ? "" : fmt::format("{} {}: ", underlying, core::to_iso(as_of)),
                 what);
    }
    fmt::print("{} snapshots with {} rows on {} days: {}\n", verified.cycles, verified.rows,
               verified.days.size(),
               verified.problems == 0 ? "all as the ledger says"
                                      : fmt::format("{} problems", verified.problems));
    if (verified.cycles_dropped > 0) {
      fmt::print("{} older snapshots have only their ledger row: retention\n",
                 verified.cycles_dropped);
    }
  }
  if (verified.problems == 0) return {};
  return core::fail(core::Errc::corrupt_data,
                    fmt::format("the history has {} problems", verified.problems));
}

}  // namespace

Result<void> back_up_database(const std::string& env_file, const fs::path& target, bool json,
                              const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  const Stopwatch watch;
  Progress step{"back up"};
  BF_TRY(const auto backup,
         store::back_up(*place.database, target, shown_by(step, stop), core::after(patience)));
  step.done();
  if (json) {
    print_json(backup, watch.seconds(), std::nullopt);
  } else {
    fmt::print("{}: {} rows, {:.1f} MB, as of {}\n", backup.file.string(), rows_of(backup.contents),
               megabytes(backup), core::to_iso(backup.contents.taken_at));
  }
  return {};
}

Result<void> restore_database(const std::string& env_file, const fs::path& file, bool replace,
                              bool json, const core::StopSignal& stop) {
  BF_TRY(auto server, open_server(env_file, WhereAbsent::make));
  const Stopwatch watch;
  Progress step{"restore"};
  BF_TRY(const auto restored,
         store::restore(server.url, file, replace, shown_by(step, stop), core::after(patience)));
  step.done();
  if (json) {
    print_json(restored.backup, watch.seconds(), restored.kept_as);
  } else {
    fmt::print("{} rows, equal to the backup of {}\n", rows_of(restored.backup.contents),
               core::to_iso(restored.backup.contents.taken_at));
    if (restored.kept_as) {
      fmt::print("the history that was there is now the database {}\n", *restored.kept_as);
    }
  }
  BF_TRY(auto database, store::Database::open(server.url, core::after(30s)));
  if (const auto schema = database.check_schema(core::after(30s)); !schema) {
    fmt::print(stderr, "{}\n", schema.error().message);
  }
  return {};
}

Result<void> verify_database(const std::string& env_file, bool json, const core::StopSignal& stop) {
  BF_TRY(auto place, open_workplace(env_file, WhereAbsent::refuse));
  Progress step{"verify"};
  BF_TRY(const auto verified,
         store::verify(*place.database, shown_by(step, stop), core::after(patience)));
  step.done();
  return report(verified, json);
}

Result<void> verify_backup(const fs::path& file, bool deep, bool json,
                           const core::StopSignal& stop) {
  const Stopwatch watch;
  Progress step{"verify the backup"};
  BF_TRY(const auto backup, store::read_backup(file));
  if (!deep) {
    step.done();
    if (json) {
      print_json(backup, watch.seconds(), std::nullopt);
    } else {
      fmt::print("{} is whole: {} rows, {:.1f} MB, as of {}\n", file.string(),
                 rows_of(backup.contents), megabytes(backup),
                 core::to_iso(backup.contents.taken_at));
    }
    return {};
  }
  struct Folder {
    fs::path path;
    ~Folder() {
      std::error_code ignored;
      if (!path.empty()) fs::remove_all(path, ignored);
    }
  } folder;
  std::error_code missing;
  std::string pattern = (fs::temp_directory_path(missing) / "bifrost-verify-XXXXXX").string();
  if (missing || ::mkdtemp(pattern.data()) == nullptr) {
    return core::fail(core::Errc::unavailable,
                      "no temporary folder can be made; TMPDIR names where");
  }
  folder.path = pattern;
  // The server's own user must be able to enter it; the cluster's folder inside is closed.
  fs::permissions(folder.path,
                  fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  BF_TRY(auto cluster, store::PrivateCluster::start(folder.path / "cluster", core::after(60s)));
  BF_CHECK(store::restore(cluster.url(), file, false, shown_by(step, stop), core::after(patience)));
  BF_TRY(auto database, store::Database::open(cluster.url(), core::after(30s)));
  BF_TRY(const auto verified, store::verify(database, shown_by(step, stop), core::after(patience)));
  step.done(fmt::format("brought back and looked through in {:.0f} s", watch.seconds()));
  return report(verified, json);
}

}  // namespace bifrost
