// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/backup.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "bifrost/core/process.hpp"
#include "bifrost/core/whole_file.hpp"
#include "client_program.hpp"
#include "digest.hpp"
#include "migrations.hpp"
#include "pool.hpp"
#include "sha256.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;
using namespace std::chrono_literals;

// A backup ends with the lines of its contents and a footer of fixed size: this word, the number of
// bytes of the lines, and the SHA-256 of everything before the footer.
constexpr std::string_view footer_word = "BIFROST1";
constexpr std::size_t footer_bytes = 8 + 16 + 64;

/// More than the leases that anybody can have taken between a backup and its return.
constexpr std::int64_t tokens_skipped = 1'000'000;

std::string lines_of(const BackupContents& contents) {
  std::string out =
      fmt::format("bifrost-backup 1\ntaken_at {}\nschema_revision {}\nserver_version {}\ntier {}\n",
                  core::to_iso(contents.taken_at), contents.schema_revision,
                  contents.server_version, to_string(contents.tier));
  if (contents.timescaledb_version) out += "timescaledb " + *contents.timescaledb_version + "\n";
  for (const auto& [day, cycles, rows, hash] : contents.days) {
    out += fmt::format("day {} {} {} {:016x}\n", core::to_iso_date(day), cycles, rows, hash);
  }
  for (const auto& [name, rows, hash] : contents.tables) {
    out += fmt::format("table {} {} {:016x}\n", name, rows, hash);
  }
  return out;
}

std::optional<BackupContents> parse_lines(const std::string& text) {
  BackupContents contents;
  std::istringstream in(text);
  std::string line;
  if (!std::getline(in, line) || line != "bifrost-backup 1") return std::nullopt;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string key;
    std::string first;
    words >> key >> first;
    if (key == "taken_at") {
      const auto at = core::parse_instant(first);
      if (!at) return std::nullopt;
      contents.taken_at = *at;
    } else if (key == "schema_revision") {
      contents.schema_revision = std::atoi(first.c_str());
    } else if (key == "server_version") {
      contents.server_version = line.substr(key.size() + 1);
    } else if (key == "tier") {
      const std::array tiers{Tier::stock, Tier::apache, Tier::community};
      const auto* const found =
          std::ranges::find(tiers, first, [](Tier t) { return to_string(t); });
      if (found == tiers.end()) return std::nullopt;
      contents.tier = *found;
    } else if (key == "timescaledb") {
      contents.timescaledb_version = first;
    } else if (key == "day") {
      DayDigest digest;
      const auto day = core::parse_date(first);
      if (!day || !(words >> digest.cycles >> digest.rows >> std::hex >> digest.hash)) {
        return std::nullopt;
      }
      digest.day = *day;
      contents.days.push_back(digest);
    } else if (key == "table") {
      TableDigest digest;
      digest.name = first;
      if (!(words >> digest.rows >> std::hex >> digest.hash)) return std::nullopt;
      contents.tables.push_back(std::move(digest));
    } else {
      return std::nullopt;
    }
  }
  return contents;
}

/// SHA-256 of the first `bytes` of a file.
Result<std::string> checksum(const fs::path& file, std::uintmax_t bytes) {
  std::ifstream in(file, std::ios::binary);
  Sha256 sum;
  std::vector<char> buffer(1 << 20);
  while (bytes > 0) {
    const auto wanted = std::min<std::uintmax_t>(bytes, buffer.size());
    if (!in.read(buffer.data(), static_cast<std::streamsize>(wanted))) {
      return fail(Errc::unavailable, fmt::format("{} cannot be read", file.string()));
    }
    sum.add({buffer.data(), wanted});
    bytes -= wanted;
  }
  return sum.finish();
}

std::string end_of(const fs::path& log) {
  std::ifstream in(log);
  std::string all;
  for (std::string line; std::getline(in, line);) all += (all.empty() ? "" : " | ") + line;
  constexpr std::size_t enough = 600;
  return all.size() > enough ? "..." + all.substr(all.size() - enough) : all;
}

/// A file for the words of a child process, removed at the end. Without a path if none can be made.
class Log {
 public:
  Log() {
    std::error_code missing;
    const auto folder = fs::temp_directory_path(missing);
    if (missing) return;
    std::string pattern = (folder / "bifrost-log-XXXXXX").string();
    const int fd = mkstemp(pattern.data());
    if (fd < 0) return;
    close(fd);
    path_ = pattern;
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Client {
  std::string name;
  fs::path program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
};

/// Runs a client program to its end, calling `meanwhile` often.
Result<void> run_client(const Client& client, const std::function<Result<void>()>& at_start,
                        const std::function<Result<void>()>& meanwhile, Deadline deadline) {
  const Log log;
  if (log.path().empty()) {
    return fail(Errc::unavailable, "no temporary file can be made; TMPDIR names a folder for it");
  }
  BF_TRY(auto process, core::Process::start(client.program, {.arguments = client.arguments,
                                                             .environment = client.environment,
                                                             .error_log = log.path()}));
  // The destructor ends the program wherever we leave.
  BF_CHECK(at_start());
  for (;;) {
    const auto step = std::min(deadline, core::after(200ms));
    auto status = process.wait(step);
    if (status && *status == 0) return {};
    if (status) {
      return fail(Errc::unavailable, fmt::format("{} failed: {}", client.name, end_of(log.path())));
    }
    if (status.error().code != Errc::timeout) return tl::unexpected{std::move(status).error()};
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(Errc::timeout, fmt::format("{} was not ready before the deadline", client.name));
    }
    BF_CHECK(meanwhile());
  }
}

std::string file_name(Instant at) {
  auto text = core::to_iso(std::chrono::floor<std::chrono::seconds>(at));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return "bifrost-" + text + ".dump";
}

Result<bool> has_rows(pg::Connection& connection, const char* table, Deadline deadline) {
  const auto sql = fmt::format("SELECT EXISTS (SELECT FROM {})", table);
  BF_TRY(const auto rows, connection.query(sql.c_str(), deadline));
  return rows.boolean(0, 0);
}

enum class Found { nothing, empty_history, history };

Result<Found> look_at(pg::Connection& connection, Deadline deadline) {
  BF_TRY(const auto rows,
         connection.query("SELECT count(*), count(*) FILTER (WHERE relname = 'collection_runs')"
                          " FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
                          " AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')",
                          deadline));
  if (rows.integer(0, 0) == 0) return Found::nothing;
  if (rows.integer(0, 1) == 0) return Found::history;  // somebody's tables; not ours to replace
  BF_TRY(const bool runs, has_rows(connection, "collection_runs", deadline));
  return runs ? Found::history : Found::empty_history;
}

/// Tables of ours that are filled without anything having been collected.
constexpr std::array<std::string_view, 5> bookkeeping{
    "schema_migrations", "leases", "history_identity", "db_info", "maintenance_runs"};

std::string identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

/// Whether nothing is lost with a database, whatever schema it would be in.
Result<bool> only_bookkeeping(const std::string& url, Deadline deadline) {
  BF_TRY(auto connection, pg::Connection::connect(url, "bifrost restore", 300s, deadline));
  BF_TRY(const auto tables,
         connection.query(
             "SELECT n.nspname::text, c.relname::text, n.nspname = current_schema()"
             " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
             " WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition"
             " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
             " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
             "  AND d.objid = c.oid AND d.deptype = 'e')",
             deadline));
  for (int i = 0; i < tables.size(); ++i) {
    if (tables.boolean(i, 2) &&
        std::ranges::find(bookkeeping, tables.text(i, 1)) != bookkeeping.end())
      continue;
    const auto name = identifier(tables.text(i, 0)) + "." + identifier(tables.text(i, 1));
    BF_TRY(const bool some, has_rows(connection, name.c_str(), deadline));
    if (some) return false;
  }
  return true;
}

Result<void> compare(const BackupContents& wanted, const BackupContents& got) {
  const auto differs = [](std::string_view what) {
    return fail(Errc::corrupt_data,
                fmt::format("what was restored is not what the backup holds: {}", what));
  };
  for (std::size_t i = 0; i < std::max(wanted.tables.size(), got.tables.size()); ++i) {
    if (i >= wanted.tables.size()) return differs(got.tables[i].name);
    if (i >= got.tables.size() || wanted.tables[i] != got.tables[i]) {
      return differs(wanted.tables[i].name);
    }
  }
  for (std::size_t i = 0; i < std::max(wanted.days.size(), got.days.size()); ++i) {
    if (i >= wanted.days.size()) return differs(core::to_iso_date(got.days[i].day));
    if (i >= got.days.size() || wanted.days[i] != got.days[i]) {
      return differs("quotes of " + core::to_iso_date(wanted.days[i].day));
    }
  }
  return {};
}

/// Has TimescaleDB take what is read in as it is. Of pg_restore's session only: a database that is
/// told to (timescaledb_pre_restore) stays so when a restore is killed, and makes no chunks then.
constexpr std::string_view as_it_is = "timescaledb.restoring=on";

tl::unexpected<core::Error> refuse_timescaledb(const BackupContents& contents,
                                               std::string_view why) {
  return fail(Errc::invalid_input,
              fmt::format("the backup is of a history with TimescaleDB {}, which cannot come back "
                          "here: {}",
                          contents.timescaledb_version.value_or(""), why));
}

/// Makes the extension in the version of the backup, unless it is there. Says whether it did.
Result<bool> make_timescaledb(pg::Connection& connection, const BackupContents& contents,
                              Deadline deadline) {
  const auto version = contents.timescaledb_version.value_or("");
  BF_TRY(
      const auto server,
      connection.query("SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
                       " EXISTS (SELECT FROM pg_available_extension_versions"
                       "  WHERE name = 'timescaledb' AND version = $1),"
                       " EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load'),"
                       " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)",
                       pg::Params{}.add(std::string_view(version)), deadline));
  if (!server.missing(0, 0) && server.text(0, 0) != version)
    return refuse_timescaledb(contents, fmt::format("this database has {}", server.text(0, 0)));
  if (server.missing(0, 0) && !server.boolean(0, 1))
    return refuse_timescaledb(contents, "this server does not have it");
  if (!server.boolean(0, 2)) {
    // Making the extension would end the session.
    return refuse_timescaledb(contents,
                              "this server has not loaded it; hint: shared_preload_libraries = "
                              "'timescaledb' and a restart of the server");
  }
  if (!server.boolean(0, 3)) {
    return refuse_timescaledb(contents,
                              "its catalogue is filled by superusers only; hint: ALTER ROLE ... "
                              "SUPERUSER for as long as the restore runs");
  }
  if (!server.missing(0, 0)) return false;
  BF_CHECK(connection.run("CREATE EXTENSION timescaledb VERSION " + identifier(version), deadline));
  return true;
}

/// Whether a session of this URL, as pg_restore's will be, has what the extension must know.
Result<void> check_timescaledb(const std::string& url, const BackupContents& contents,
                               Deadline deadline) {
  BF_TRY(auto connection, pg::Connection::connect(url, "bifrost restore", 60s, deadline));
  BF_TRY(const auto settings,
         connection.query("SELECT coalesce(current_setting('timescaledb.license', true), ''),"
                          " coalesce(current_setting('timescaledb.restoring', true), '')",
                          deadline));
  if (contents.tier == Tier::community && settings.text(0, 0) != "timescale") {
    return refuse_timescaledb(contents,
                              "its compressed chunks need the community licence; hint: "
                              "timescaledb.license");
  }
  if (settings.text(0, 1) != "on") {
    return refuse_timescaledb(contents,
                              "the setting timescaledb.restoring does not reach the server; hint: "
                              "connect to it without a pooler");
  }
  return {};
}

/// Takes back an extension that we made, where nothing came.
Result<void> drop_timescaledb(const std::string& url, Deadline deadline) {
  BF_TRY(auto connection, pg::Connection::connect(url, "bifrost restore", 60s, deadline));
  BF_TRY(const auto found, look_at(connection, deadline));
  if (found != Found::nothing) return fail(Errc::conflict, "the database has tables");
  return connection.run("DROP EXTENSION timescaledb", deadline);
}

/// pg_restore into a database without tables, in one transaction.
Result<void> read_in(const std::string& url, const Backup& backup, const BackupProgress& progress,
                     Deadline deadline) {
  const bool timescaledb = backup.contents.tier != Tier::stock;
  Result<fs::path> program;
  bool made = false;
  {
    BF_TRY(auto connection, pg::Connection::connect(url, "bifrost restore", 300s, deadline));
    program = client_program("pg_restore", connection.server_version() / 10'000);
    if (!program) {
      // One as old as the dump reads it, and may write into a newer server.
      const auto& of = backup.contents.server_version;
      int dumped = 0;
      std::from_chars(of.data(), of.data() + of.size(), dumped);
      if (dumped > 0 && dumped < connection.server_version() / 10'000)
        program = client_program("pg_restore", dumped);
    }
    if (!program) return tl::unexpected{std::move(program).error()};
    if (timescaledb) {
      BF_TRY(made, make_timescaledb(connection, backup.contents, deadline));
    }
  }
  const auto run = [&]() -> Result<void> {
    auto its_url = url;
    if (timescaledb) {
      BF_TRY(its_url, url_with_setting(url, as_it_is));
      BF_CHECK(check_timescaledb(its_url, backup.contents, deadline));
    }
    BF_TRY(auto settings, client_settings(its_url));
    const Client client{
        "pg_restore",
        *program,
        {"--dbname=" + settings.conninfo, "--no-owner", "--no-privileges", "--no-password",
         "--exit-on-error", "--single-transaction", backup.file.string()},
        std::move(settings.environment)};
    return run_client(
        client, [] { return Result<void>{}; },
        [&] { return say(progress, "reading the backup in"); }, deadline);
  };
  auto came = run();
  if (came || !made) return came;
  // What was stopped has a little time for it.
  const auto gone = drop_timescaledb(url, core::after(60s));
  if (gone) return came;
  return fail(came.error().code,
              fmt::format("{} (and the extension timescaledb is left in the database: {})",
                          came.error().code == Errc::cancelled ? "stopped" : came.error().message,
                          gone.error().message));
}

/// TimescaleDB stops its scheduler in a database that changes its name, and leaves it so.
void start_workers(const std::string& url, Deadline deadline) {
  auto connection = pg::Connection::connect(url, "bifrost restore", 10s, deadline);
  if (!connection) return;
  const auto there =
      connection->query("SELECT FROM pg_extension WHERE extname = 'timescaledb'", deadline);
  // May be refused to who is no superuser; nothing of ours rests on the scheduler.
  if (there && there->size() > 0) {
    static_cast<void>(
        connection->query("SELECT _timescaledb_functions.start_background_workers()", deadline));
  }
}

/// The proof that all came. Whoever held a token after the backup was taken shall not meet it
/// again.
Result<void> prove(const std::string& url, const Backup& backup, const BackupProgress& progress,
                   Deadline deadline) {
  BF_TRY(auto connection,
         pg::Connection::connect(url, "bifrost restore", std::chrono::milliseconds{0}, deadline));
  // Statistics are not part of a dump; without them the first queries would be slow.
  BF_CHECK(say(progress, "gathering statistics"));
  BF_CHECK(connection.run("ANALYZE", deadline));
  BF_CHECK(begin_long_read(connection, deadline));
  BF_TRY(const auto got, digest(connection, progress, deadline));
  BF_CHECK(connection.query("COMMIT", deadline));
  BF_CHECK(compare(backup.contents, got));
  BF_TRY(const auto leases, connection.query("SELECT to_regclass('leases') IS NOT NULL", deadline));
  if (!leases.boolean(0, 0)) return {};  // of an older schema
  BF_CHECK(connection.query("UPDATE leases SET token = token + $1",
                            pg::Params{}.add(tokens_skipped), deadline));
  return {};
}

}  // namespace

Result<Backup> back_up(Database& database, const fs::path& file_or_folder,
                       const BackupProgress& progress, Deadline deadline) {
  auto& pool = database.pool();
  BF_TRY(const auto connection, pool.lease(deadline));
  BF_TRY(const auto program, client_program("pg_dump", connection->server_version() / 10'000));
  BF_TRY(auto settings, client_settings(pool.url()));
  // An older schema may be backed up, before it is migrated; one that is not ours may not.
  if (const auto schema = verify_schema(*connection, migrations(), deadline);
      !schema && schema.error().code != Errc::unavailable) {
    return tl::unexpected{schema.error()};
  }
  // One state for the dump and for what is said of it.
  BF_CHECK(begin_long_read(*connection, deadline));
  BF_TRY(const auto exported,
         connection->query("SELECT pg_export_snapshot(), transaction_timestamp()", deadline));
  Backup backup;
  std::error_code problem;
  backup.file = fs::is_directory(file_or_folder, problem)
                    ? file_or_folder / file_name(exported.instant(0, 1))
                    : file_or_folder;
  if (fs::exists(backup.file, problem)) {
    return fail(Errc::conflict,
                fmt::format("{} is there already; a backup never takes another's place",
                            backup.file.string()));
  }
  BF_TRY(auto whole, core::WholeFile::create(backup.file));
  const Client client{
      "pg_dump",
      program,
      {"--dbname=" + settings.conninfo, "--format=custom", "--compress=1", "--no-owner",
       "--no-privileges", "--no-password", "--snapshot=" + std::string(exported.text(0, 0)),
       "--file=" + whole.part().string()},
      std::move(settings.environment)};
  BF_CHECK(run_client(
      client,
      [&]() -> Result<void> {
        BF_TRY(backup.contents, digest(*connection, progress, deadline));
        return {};
      },
      [&] {
        std::error_code ignored;
        const auto size = fs::file_size(whole.part(), ignored);
        return say(progress, fmt::format("{} MB written", ignored ? 0 : size / 1'000'000));
      },
      deadline));
  BF_CHECK(connection->query("COMMIT", deadline));
  BF_CHECK(say(progress, "sealing"));
  const auto lines = lines_of(backup.contents);
  BF_CHECK(whole.write(lines));
  const auto size = fs::file_size(whole.part(), problem);
  if (problem) return fail(Errc::unavailable, "the backup cannot be read back");
  BF_TRY(const auto sum, checksum(whole.part(), size));
  BF_CHECK(whole.write(fmt::format("{}{:016x}{}", footer_word, lines.size(), sum)));
  BF_CHECK(whole.commit());
  backup.bytes = static_cast<std::int64_t>(size + footer_bytes);
  return backup;
}

Result<Backup> read_backup(const fs::path& file) {
  std::error_code problem;
  const auto size = fs::file_size(file, problem);
  if (problem)
    return fail(Errc::not_found, fmt::format("{}: {}", file.string(), problem.message()));
  const auto damaged = [&](std::string_view how) {
    return fail(Errc::corrupt_data, fmt::format("{}: {}", file.string(), how));
  };
  std::ifstream in(file, std::ios::binary);
  std::string footer(footer_bytes, '\0');
  if (size < footer_bytes || !in.seekg(static_cast<std::streamoff>(size - footer_bytes)) ||
      !in.read(footer.data(), static_cast<std::streamsize>(footer.size())) ||
      !footer.starts_with(footer_word)) {
    return damaged("no backup of ours, or its end is missing");
  }
  std::uint64_t length = 0;
  const auto* const digits = footer.data() + footer_word.size();
  const auto [end, error] = std::from_chars(digits, digits + 16, length, 16);
  if (error != std::errc{} || end != digits + 16 || length > size - footer_bytes) {
    return damaged("its end is damaged");
  }
  BF_TRY(const auto sum, checksum(file, size - footer_bytes));
  if (footer.substr(footer_word.size() + 16) != sum) {
    return damaged("the checksum is another: the file is damaged");
  }
  std::string lines(length, '\0');
  in.seekg(static_cast<std::streamoff>(size - footer_bytes - length));
  if (!in.read(lines.data(), static_cast<std::streamsize>(length))) {
    return damaged("it cannot be read");
  }
  auto contents = parse_lines(lines);
  if (!contents) return damaged("made by another version of this program");
  return Backup{file, static_cast<std::int64_t>(size), *std::move(contents)};
}

Result<Restored> restore(const std::string& url, const fs::path& file, bool replace,
                         const BackupProgress& progress, Deadline deadline) {
  BF_CHECK(say(progress, "checking the file"));
  BF_TRY(auto backup, read_backup(file));
  if (backup.contents.schema_revision > migrations().back().revision) {
    return fail(
        Errc::conflict,
        fmt::format("{} is at schema revision {}, this program knows {}; hint: install the "
                    "newer program",
                    file.string(), backup.contents.schema_revision, migrations().back().revision));
  }
  Found found{};
  {
    BF_TRY(auto connection, pg::Connection::connect(url, "bifrost restore", 60s, deadline));
    BF_TRY(found, look_at(connection, deadline));
  }
  if (found == Found::nothing) {
    BF_CHECK(read_in(url, backup, progress, deadline));
    if (auto proved = prove(url, backup, progress, deadline); !proved) {
      return fail(
          proved.error().code,
          fmt::format("{} (what came is in the database all the same, and is not proved; "
                      "hint: drop the database, or restore again with --replace)",
                      proved.error().code == Errc::cancelled ? "stopped" : proved.error().message));
    }
    return Restored{std::move(backup), std::nullopt};
  }
  if (found == Found::history && !replace) {
    return fail(Errc::conflict,
                "the database holds a history already; nothing was changed; hint: --replace puts "
                "the backup in its place and keeps the old one beside it");
  }
  // Beside the old one first: whatever goes wrong, that is still there.
  BF_TRY(const auto name, database_of(url));
  if (name.empty()) return fail(Errc::invalid_input, "the database URL names no database");
  auto stamp = core::to_iso(std::chrono::floor<std::chrono::seconds>(
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now())));
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  const auto fresh = fmt::format("{}_restored_{}", name, stamp);
  const auto old = fmt::format("{}_before_{}", name, stamp);
  BF_TRY(const auto maintenance_url, url_of_database(url, "postgres"));
  BF_TRY(auto maintenance,
         pg::Connection::connect(maintenance_url, "bifrost restore", 300s, deadline));
  // A database's name cannot be a parameter; it is quoted.
  BF_CHECK(maintenance.run(
      fmt::format("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", identifier(fresh)),
      deadline));
  bool stranded = false;  // the old one could not have its name back
  const auto swap = [&]() -> Result<void> {
    BF_TRY(const auto fresh_url, url_of_database(url, fresh));
    BF_CHECK(read_in(fresh_url, backup, progress, deadline));
    BF_CHECK(prove(fresh_url, backup, progress, deadline));
    BF_CHECK(say(progress, "changing names"));
    const auto rename = [&](std::string_view from, std::string_view to) {
      return maintenance.run(
          fmt::format("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to)),
          deadline);
    };
    if (auto renamed = rename(name, old); !renamed) {
      return fail(Errc::conflict,
                  fmt::format("{}; hint: stop collector and API and whoever else uses the database",
                              renamed.error().message));
    }
    if (auto renamed = rename(fresh, name); !renamed) {
      auto back = rename(old, name);
      if (back) return renamed;
      stranded = true;
      return fail(
          Errc::conflict,
          fmt::format("{}; nor could the name be given back: {}; the history that was there "
                      "is the database {}, the backup, proved, is {}; hint: ALTER DATABASE "
                      "... RENAME TO {}",
                      renamed.error().message, back.error().message, old, fresh, identifier(name)));
    }
    return {};
  };
  auto swapped = swap();
  start_workers(url, core::after(10s));  // whichever has the name now
  if (!swapped) {
    if (stranded) return tl::unexpected{std::move(swapped).error()};
    // What was begun is of no use; the old database has its name.
    auto dropped = maintenance.run("DROP DATABASE IF EXISTS " + identifier(fresh), deadline);
    if (!dropped) {
      return fail(swapped.error().code,
                  fmt::format("{} (and the database {} could not be removed: {})",
                              swapped.error().message, fresh, dropped.error().message));
    }
    return tl::unexpected{std::move(swapped).error()};
  }
  if (found == Found::empty_history) {
    // Restoring may have taken long: only what is still of no worth goes. Nobody can have come by
    // the new name.
    BF_TRY(const auto old_url, url_of_database(url, old));
    const auto worthless = only_bookkeeping(old_url, deadline);
    if (worthless && *worthless && maintenance.run("DROP DATABASE " + identifier(old), deadline)) {
      return Restored{std::move(backup), std::nullopt};
    }
  }
  return Restored{std::move(backup), old};
}

}  // namespace bifrost::store
