// SPDX-License-Identifier: Apache-2.0
#include "fault_stage.hpp"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

namespace bifrost::test {

namespace fs = std::filesystem;
using core::Instant;
using namespace std::chrono_literals;

namespace {

/// The table, printed whole at the end of the program: its lines lie far apart in the output.
class Table final : public ::testing::Environment {
 public:
  void TearDown() override {
    fmt::print("\nFault table, seed {}\n", fault_seed());
    for (const auto& [fault, line] : lines) fmt::print("{}\n", line);
  }
  std::multimap<int, std::string> lines;
};

Table* table() {
  static auto* instance = static_cast<Table*>(::testing::AddGlobalTestEnvironment(new Table));
  return instance;
}
[[maybe_unused]] const auto* registered = table();

}  // namespace

std::uint64_t fault_seed() {
  const char* given = std::getenv("FAULT_SEED");
  return given == nullptr ? 42 : std::stoull(given);
}

void tell(std::string_view fault, std::string_view what) {
  const auto line = fmt::format("{:<4} {}", fault, what);
  fmt::print("{}\n", line);
  std::fflush(stdout);
  table()->lines.emplace(std::stoi(std::string{fault.substr(1)}), line);
}

std::string Stopwatch::text() const {
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began_;
  return fmt::format("{:.1f} s", spent.count());
}

sim::GatewayOptions StagedGateway::quick() {
  sim::GatewayOptions options;
  options.port = 0;
  options.max_lines = 0;
  options.max_messages_per_second = 0;
  options.snapshot_wait = 0s;
  return options;
}

StagedGateway::StagedGateway(MarketShape shape, Instant start, sim::GatewayOptions options)
    : market_(std::move(shape)), clock_(start), options_(std::move(options)) {
  gateway_ = sim::Gateway::start(market_, clock_, options_).value();
  options_.port = gateway_->port();
}

void StagedGateway::set_time(Instant t) {
  clock_.set(t);
  gateway_->step();
}

void StagedGateway::restart() {
  gateway_->stop();
  gateway_ = sim::Gateway::start(market_, clock_, options_).value();
}

std::string socket_of(const std::string& url) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(url.c_str(), &problem), PQconninfoFree};
  if (problem != nullptr) PQfreemem(problem);
  for (auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (std::string_view{option->keyword} == "host" && option->val != nullptr) {
      return fmt::format("{}/.s.PGSQL.5432", option->val);
    }
  }
  throw std::runtime_error("a database URL without a host");
}

std::string through(const std::string& url, std::uint16_t port) {
  const auto name_at = url.find("///") + 3;
  const auto name = url.substr(name_at, url.find('?') - name_at);
  return fmt::format("postgresql://bifrost@127.0.0.1:{}/{}?sslmode=disable&gssencmode=disable",
                     port, name);
}

core::Process start_faulted_collector(const std::string& database_url, std::uint16_t gateway_port,
                                      const std::string& log,
                                      std::map<std::string, std::string> settings) {
  settings.insert({{"DATABASE_URL", database_url},
                   {"IB_PORT", std::to_string(gateway_port)},
                   {"IB_CLIENT_ID", "2"},
                   {"COLLECTION_INTERVAL", "300"},
                   {"BIFROST_UNDERLYINGS", "FLT"},
                   {"BIFROST_EXPIRY_DAYS", "0"},
                   {"BIFROST_STRIKE_WINDOW", "0"},
                   {"BIFROST_SPOOL_DIR", (scratch() / "spool").string()},
                   {"BIFROST_CLOCK", "gateway"},
                   {"BIFROST_IB_MESSAGES_PER_SECOND", "0"}});
  auto process = core::Process::start(
      fs::path{BIFROST_BIN} / "bifrost-collector",
      {.arguments = {"--env", "/dev/null"}, .environment = settings, .error_log = scratch() / log});
  if (!process) throw std::runtime_error(process.error().message);
  return *std::move(process);
}

Acknowledged::Acknowledged(std::string url) : url_(std::move(url)), thread_([this] { run(); }) {}

Acknowledged::~Acknowledged() {
  stop_ = true;
  thread_.join();
}

std::vector<Ack> Acknowledged::all() const {
  const std::lock_guard guard(mutex_);
  return acks_;
}

void Acknowledged::run() {
  using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
  Connection connection{nullptr, PQfinish};
  std::optional<Sql> sql;
  static const std::regex notice{R"re("underlying":"([^"]+)".*"as_of":"([^"]+)")re"};
  while (!stop_) {
    if (!connection || PQstatus(connection.get()) != CONNECTION_OK) {
      sql.reset();
      connection.reset(PQconnectdb(url_.c_str()));
      if (PQstatus(connection.get()) != CONNECTION_OK) {
        ::poll(nullptr, 0, 50);
        continue;
      }
      PQclear(PQexec(connection.get(), "LISTEN bifrost_snapshot"));
    }
    pollfd ready{PQsocket(connection.get()), POLLIN, 0};
    ::poll(&ready, 1, 50);
    PQconsumeInput(connection.get());
    while (auto* heard = PQnotifies(connection.get())) {
      const std::string payload{heard->extra};
      PQfreemem(heard);
      std::smatch parts;
      if (!std::regex_search(payload, parts, notice)) continue;
      try {
        if (!sql) sql.emplace(url_);
        const auto as_of = core::parse_instant(parts[2].str()).value();
        Ack ack{parts[1].str(), as_of, digest_of(*sql, parts[1].str(), as_of)};
        const std::lock_guard guard(mutex_);
        acks_.push_back(std::move(ack));
      } catch (const std::runtime_error&) {
        sql.reset();  // the server has gone between notice and look: the log bears witness to it
      }
    }
  }
}

std::map<Instant, std::int64_t> logged_cycles(const std::string& log, const std::string& symbol) {
  std::map<Instant, std::int64_t> cycles;
  const std::regex stored{symbol + R"( (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ): (\d+) of \d+ contracts)"};
  std::ifstream in{scratch() / log};
  for (std::string line; std::getline(in, line);) {
    std::smatch parts;
    if (!std::regex_search(line, parts, stored)) continue;
    cycles[core::parse_instant(parts[1].str()).value()] = std::stoll(parts[2].str());
  }
  return cycles;
}

Usage usage(pid_t pid) {
  Usage found{0, 0, 0};
  std::ifstream status{fmt::format("/proc/{}/status", pid)};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) found.resident_kib = std::stoll(line.substr(6));
    if (line.starts_with("RssAnon:")) found.own_kib = std::stoll(line.substr(8));
  }
  std::error_code problem;
  for (auto it = fs::directory_iterator(fmt::format("/proc/{}/fd", pid), problem);
       !problem && it != fs::directory_iterator(); it.increment(problem)) {
    ++found.descriptors;
  }
  return found;
}

Instant at(std::string_view iso) {
  return core::parse_instant(iso).value();
}

}  // namespace bifrost::test
