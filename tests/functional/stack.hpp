// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libpq-fe.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/process.hpp"
#include "bifrost/store/private_cluster.hpp"

namespace bifrost::test {

/// A result as text, NULL as nothing: what a person with psql would see.
using SqlRow = std::vector<std::optional<std::string>>;

/// A plain connection for checks that must not go through the code under test.
class Sql {
 public:
  explicit Sql(const std::string& url);
  std::vector<SqlRow> operator()(const std::string& statement);
  std::string one(const std::string& statement);  // a single value, "" for NULL

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

/// The cluster of this test program, started on first use.
store::PrivateCluster& cluster();
/// Folder of this test run: logs, clusters. Removed when every test passed.
const std::filesystem::path& scratch();
/// A new, migrated database.
std::string make_database(std::string_view name);

/// Runs one of our programs to its end.
struct Ran {
  int status;
  std::string output;
};
Ran run(std::string_view program, std::vector<std::string> arguments,
        const std::string& database_url);

/// The simulated gateway replaying files, its clock in our hand.
class ReplayGateway {
 public:
  explicit ReplayGateway(const std::vector<std::filesystem::path>& files);
  std::uint16_t port() const { return port_; }
  /// Moves the market to `t`; back only once the gateway shows it.
  void set_time(core::Instant t);
  core::Process& process() { return process_; }

 private:
  core::Process process_;
  std::uint16_t port_ = 0;
};

struct CollectorSettings {
  std::string database_url;
  std::uint16_t gateway_port;
  std::string underlying;
  int interval_seconds;
  std::string spool = "spool";  // folder under scratch()
};
core::Process start_collector(const CollectorSettings& settings);

struct ApiSettings {
  std::string database_url;
  std::uint16_t gateway_port;
  int interval_seconds = 300;
  std::filesystem::path web_root{};
};
struct RunningApi {
  core::Process process;
  std::uint16_t port;
};
/// Back once it listens.
RunningApi start_api(const ApiSettings& settings);

/// An HTTP exchange as raw as it gets. The reply as it came, status line first; empty when the
/// connection was closed.
std::string send_raw(std::uint16_t port, std::string_view request);
std::string get(std::uint16_t port, std::string_view target);

/// Waits until `done` says so, looking again every 20 ms.
bool wait_until(std::chrono::seconds limit, const std::function<bool()>& done);

/// One line of an option file, cut at its commas by a reader that shares nothing with ours.
struct FileRow {
  std::string trading_class;
  std::string expiry;
  std::string strike;  // thousandths
  std::string right;
  std::string underlying_price;                    // ten-thousandths, "" unknown
  std::vector<std::optional<std::string>> values;  // bid to delta, as the history's integers
  std::string quote_ts;
};
using FileRows = std::map<core::Instant, std::vector<FileRow>>;
FileRows read_file(const std::filesystem::path& file);

/// Compares one stored snapshot with the file's rows of that instant, field by field, through plain
/// SQL. Nothing when equal, else the first difference.
std::optional<std::string> difference(Sql& sql, std::string_view underlying, core::Instant as_of,
                                      const std::vector<FileRow>& rows);

}  // namespace bifrost::test
