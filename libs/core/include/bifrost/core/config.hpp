// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/extra_closures.hpp"
#include "bifrost/core/result.hpp"

namespace bifrost::core {

/// One key that a `.env` file or the environment may set.
struct ConfigKey {
  std::string_view name;
  std::string_view fallback;  // empty: unset
  std::string_view meaning;
};

/// Every key there is, in the order of the reference page (docs/configuration.md is printed from
/// this).
std::span<const ConfigKey> config_keys();

/// Settings of a program. Read once at start; values are checked here and nowhere else.
struct Config {
  std::string ib_host;
  std::uint16_t ib_port;
  int ib_client_id;
  std::string database_url;  // may hold a password: never log it
  std::string app_host;
  std::uint16_t app_port;
  std::string web_root;   // folder with the built page; empty: none is served
  std::string docs_root;  // folder with Swagger UI; empty: none is served
  std::chrono::seconds collection_interval;
  std::vector<std::string> underlyings;
  int expiry_days;         // collect expiries up to this many calendar days ahead; 0: all
  double strike_window;    // collect strikes within this share of spot; 0: all
  double alerts_per_day;   // false alarms a day and underlying
  std::string universe;    // file of rules per underlying (docs/universe.md); empty: none
  bool collect_positions;  // held contracts first in every cycle
  std::vector<ExtraClosure> extra_closures;  // for set_extra_closures()
  int ib_lines;                              // market-data lines this program may hold
  int ib_messages_per_second;
  int ib_max_server_version;
  std::string market_data;  // live, frozen, delayed, delayed_frozen
  std::string ib_record;    // folder for the frames of the link; empty: they are not kept
  int ib_record_mb;
  std::string spool_dir;  // where cycles wait while the database is away; empty: the usual place
  std::int64_t spool_limit_mb;
  bool clock_from_gateway;            // time is what the gateway says, for simulated markets
  std::optional<int> retention_days;  // of quotes and changes; none: for ever
  std::string log_level;

  /// `file` may be absent (nothing is wrong then) unless `required`. The environment wins over the
  /// file. A line that is not KEY=VALUE, an unknown key in the file, or a value out of range is an
  /// error naming the file, line and key.
  static Result<Config> load(const std::filesystem::path& file, bool required = false);
  /// As load(), from values alone; the seam for tests.
  static Result<Config> from_text(std::string_view env_file, std::string_view file_name,
                                  const std::map<std::string, std::string>& environment);
};

}  // namespace bifrost::core
