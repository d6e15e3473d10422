// SPDX-License-Identifier: Apache-2.0
#include "stack.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <zlib.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "bifrost/net/connection.hpp"

namespace bifrost::test {

namespace fs = std::filesystem;
using core::Instant;
using core::Process;
using namespace std::chrono_literals;

namespace {

/// Failing to build the stage is no verdict on the play: it stops the test at once.
template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

std::string port_in(const std::string& line) {
  return line.substr(line.rfind(':') + 1);
}

class Scratch final : public ::testing::Environment {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "bifrost-functional-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder = name;
    // The database server's own user must be able to pass.
    fs::permissions(folder, fs::perms{0755});
  }
  void TearDown() override {
    const bool passed = ::testing::UnitTest::GetInstance()->Passed();
    // What goes with the folder need not be brought to a slow disk first.
    if (passed && cluster && cluster->running()) ::kill(cluster->server_pid(), SIGQUIT);
    cluster.reset();
    if (passed) {
      fs::remove_all(folder);
    } else {
      fmt::print("logs are in {}\n", folder.string());
    }
  }

  fs::path folder;
  std::optional<store::PrivateCluster> cluster;
};

Scratch* stage() {
  static auto* instance = static_cast<Scratch*>(::testing::AddGlobalTestEnvironment(new Scratch));
  return instance;
}
[[maybe_unused]] const auto* registered = stage();

fs::path program(std::string_view name) {
  return fs::path{BIFROST_BIN} / name;
}

}  // namespace

Sql::Sql(const std::string& url) : connection_(PQconnectdb(url.c_str()), PQfinish) {
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection_.get()));
}

std::vector<SqlRow> Sql::operator()(const std::string& statement) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result{
      PQexec(connection_.get(), statement.c_str()), PQclear};
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  std::vector<SqlRow> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (int c = 0; c < PQnfields(result.get()); ++c) {
      const int row = static_cast<int>(r);
      rows[r].push_back(PQgetisnull(result.get(), row, c) != 0
                            ? std::nullopt
                            : std::optional<std::string>{PQgetvalue(result.get(), row, c)});
    }
  }
  return rows;
}

std::string Sql::one(const std::string& statement) {
  return (*this)(statement).at(0).at(0).value_or("");
}

store::PrivateCluster& cluster() {
  auto& kept = stage()->cluster;
  if (!kept) {
    kept = must(store::PrivateCluster::start(stage()->folder / "db", core::after(60s),
                                             {.die_with_starter = true}));
  }
  return *kept;
}

const fs::path& scratch() {
  return stage()->folder;
}

std::string make_database(std::string_view name) {
  auto url = must(cluster().create_database(name, core::after(30s)));
  const auto migrated = run("bifrost", {"migrate"}, url);
  if (migrated.status != 0) throw std::runtime_error("migrate failed");
  return url;
}

Ran run(std::string_view name, std::vector<std::string> arguments,
        const std::string& database_url) {
  arguments.insert(arguments.begin(), {"--env", "/dev/null"});
  auto process =
      must(Process::start(program(name), {.arguments = std::move(arguments),
                                          .environment = {{"DATABASE_URL", database_url}},
                                          .error_log = scratch() / (std::string{name} + ".log")}));
  Ran ran{0, {}};
  while (const auto line = process.read_line(core::after(300s))) ran.output += *line + "\n";
  ran.status = must(process.wait(core::after(10s)));
  return ran;
}

namespace {

Process start_sim(const std::vector<fs::path>& files) {
  std::vector<std::string> arguments{
      "--port", "0", "--clock", "manual", "--max-messages-per-second", "0"};
  for (const auto& file : files) arguments.insert(arguments.end(), {"--replay", file.string()});
  return must(Process::start(
      program("bifrost-sim"),
      {.arguments = arguments, .environment = {}, .error_log = scratch() / "sim.log"}));
}

}  // namespace

ReplayGateway::ReplayGateway(const std::vector<fs::path>& files) : process_(start_sim(files)) {
  port_ =
      static_cast<std::uint16_t>(std::stoi(port_in(must(process_.read_line(core::after(60s))))));
}

void ReplayGateway::set_time(Instant t) {
  const auto text = core::to_iso(t);
  if (!process_.write_line(text)) throw std::runtime_error("the simulator is gone");
  const auto answer = must(process_.read_line(core::after(60s)));
  if (answer != "now " + text) throw std::runtime_error("the simulator says: " + answer);
}

Process start_collector(const CollectorSettings& settings) {
  return must(Process::start(
      program("bifrost-collector"),
      {.arguments = {"--env", "/dev/null"},
       .environment = {{"DATABASE_URL", settings.database_url},
                       {"IB_PORT", std::to_string(settings.gateway_port)},
                       {"IB_CLIENT_ID", "2"},
                       {"COLLECTION_INTERVAL", std::to_string(settings.interval_seconds)},
                       {"BIFROST_UNDERLYINGS", settings.underlying},
                       {"BIFROST_EXPIRY_DAYS", "0"},
                       {"BIFROST_STRIKE_WINDOW", "0"},
                       {"BIFROST_SPOOL_DIR", (scratch() / settings.spool).string()},
                       {"BIFROST_CLOCK", "gateway"},
                       {"BIFROST_IB_MESSAGES_PER_SECOND", "0"}},
       .error_log = scratch() / "collector.log"}));
}

RunningApi start_api(const ApiSettings& settings) {
  auto process = must(Process::start(
      program("bifrost-api"),
      {.arguments = {"--env", "/dev/null"},
       .environment = {{"DATABASE_URL", settings.database_url},
                       {"IB_PORT", std::to_string(settings.gateway_port)},
                       {"IB_CLIENT_ID", "1"},
                       {"APP_PORT", "0"},
                       {"COLLECTION_INTERVAL", std::to_string(settings.interval_seconds)},
                       {"BIFROST_CLOCK", "gateway"},
                       {"BIFROST_IB_LINES", "15"},
                       {"BIFROST_WEB_ROOT", settings.web_root.string()},
                       {"BIFROST_IB_MESSAGES_PER_SECOND", "0"}},
       .error_log = scratch() / "api.log"}));
  const auto line = must(process.read_line(core::after(60s)));
  return {std::move(process), static_cast<std::uint16_t>(std::stoi(port_in(line)))};
}

std::string send_raw(std::uint16_t port, std::string_view request) {
  auto connection = must(net::Connection::connect("127.0.0.1", port, core::after(10s)));
  std::string reply;
  if (!connection.write_all(request, core::after(30s))) return reply;
  std::array<char, 65536> chunk;
  for (;;) {
    const auto got = connection.read_some(chunk, core::after(30s));
    if (!got || *got == 0) return reply;
    reply.append(chunk.data(), *got);
  }
}

std::string get(std::uint16_t port, std::string_view target) {
  return send_raw(
      port, fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target));
}

bool wait_until(std::chrono::seconds limit, const std::function<bool()>& done) {
  const auto deadline = core::after(limit);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 20);
  }
  return true;
}

namespace {

using Field = std::optional<std::string>;

/// Decimal text times a power of ten, as an integer; empty is unknown.
Field scaled(const std::string& text, double per_one) {
  if (text.empty()) return std::nullopt;
  return std::to_string(std::llround(std::stod(text) * per_one));
}

}  // namespace

FileRows read_file(const fs::path& file) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> in{gzopen(file.c_str(), "rb"), gzclose};
  if (in == nullptr) throw std::runtime_error("cannot read " + file.string());
  FileRows rows;
  std::array<char, 4096> line;
  gzgets(in.get(), line.data(),
         static_cast<int>(line.size()));  // the header: its order is fixed by the data's README
  while (gzgets(in.get(), line.data(), static_cast<int>(line.size())) != nullptr) {
    std::vector<std::string> f(1);
    for (const char* c = line.data(); *c != '\0' && *c != '\n'; ++c) {
      if (*c == ',') {
        f.emplace_back();
      } else {
        f.back() += *c;
      }
    }
    if (f.size() != 20)
      throw std::runtime_error("a line of " + std::to_string(f.size()) + " fields");
    FileRow row{f[18], f[3], *scaled(f[4], 1e3), f[5], scaled(f[2], 1e4).value_or(""), {}, f[0]};
    row.values = {scaled(f[6], 1e4), scaled(f[7], 1e4),  scaled(f[8], 1e4),
                  scaled(f[16], 1),  scaled(f[17], 1),   scaled(f[9], 1),
                  scaled(f[10], 1),  scaled(f[11], 1e6), scaled(f[12], 1e6)};
    rows[must(core::parse_instant(f[0]))].push_back(std::move(row));
  }
  return rows;
}

std::optional<std::string> difference(Sql& sql, std::string_view underlying, Instant as_of,
                                      const std::vector<FileRow>& rows) {
  using Key = std::array<std::string, 4>;
  std::map<Key, SqlRow> expected;
  for (const auto& row : rows) {
    const Key key{row.trading_class, row.expiry, row.strike, row.right};
    if (!expected.emplace(key, row.values).second)
      return fmt::format("{} {} is twice in the file", key[0], key[2]);
  }
  const auto stored = sql(fmt::format(
      R"(SELECT c.trading_class, c.expiry::text, c.strike, c."right", s.bid, s.ask, s.last, s.bid_size, s.ask_size, s.volume,
                s.open_interest, s.implied_vol, s.delta
         FROM option_snapshots s JOIN contracts c USING (contract_id) JOIN underlyings u ON u.underlying_id = s.underlying_id
         WHERE u.symbol = '{}' AND s.as_of = '{}')",
      underlying, core::to_iso(as_of)));
  std::map<Key, SqlRow> found;
  for (const auto& row : stored) {
    const Key key{*row[0], *row[1], *row[2], *row[3]};
    if (!found.emplace(key, SqlRow(row.begin() + 4, row.end())).second)
      return fmt::format("{} {} twice", key[0], key[2]);
  }
  const auto name = [&](const Key& key) {
    return fmt::format("{}: {} {} {} {}", core::to_iso(as_of), key[0], key[1], key[2], key[3]);
  };
  constexpr std::array fields{"bid",    "ask",           "last",        "bid_size", "ask_size",
                              "volume", "open_interest", "implied_vol", "delta"};
  for (const auto& [key, want] : expected) {
    const auto at = found.find(key);
    if (at == found.end()) return name(key) + " is missing";
    for (std::size_t f = 0; f < want.size(); ++f) {
      if (want[f] != at->second[f]) {
        return fmt::format("{}: {} is {} and should be {}", name(key), fields[f],
                           at->second[f].value_or("NULL"), want[f].value_or("NULL"));
      }
    }
  }
  for (const auto& [key, row] : found) {
    if (!expected.contains(key)) return name(key) + " is not in the file";
  }
  const auto price =
      sql.one(fmt::format("SELECT underlying_price FROM collection_runs r JOIN underlyings u USING "
                          "(underlying_id) WHERE symbol = '{}' AND as_of = '{}'",
                          underlying, core::to_iso(as_of)));
  if (price != rows.front().underlying_price) {
    return fmt::format("{}: underlying price {}", core::to_iso(as_of), price);
  }
  return std::nullopt;
}

}  // namespace bifrost::test
