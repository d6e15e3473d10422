// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/config.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include "bifrost/core/contract.hpp"

extern char** environ;

namespace bifrost::core {
namespace {

constexpr std::array keys{
    ConfigKey{"IB_HOST", "127.0.0.1", "Host of IB Gateway or TWS."},
    ConfigKey{"IB_PORT", "7497",
              "API port: IB Gateway listens on 4001 (live) and 4002 (paper) unless told otherwise, "
              "TWS on 7496 and 7497."},
    ConfigKey{"IB_CLIENT_ID", "1",
              "Client id towards the gateway; the API uses 1, the collector 2."},
    ConfigKey{"DATABASE_URL", "",
              "PostgreSQL connection string of the history. May hold a password."},
    ConfigKey{"ML_API_URL", "", "Address of the machine-learning service."},
    ConfigKey{"APP_HOST", "127.0.0.1", "Address the API listens on."},
    ConfigKey{"APP_PORT", "8000", "Port the API listens on."},
    ConfigKey{"COLLECTION_INTERVAL", "300",
              "Seconds between two snapshots of a chain, 1 to 21600; must divide a day."},
    ConfigKey{"ML_API_HOST", "127.0.0.1", "Address the machine-learning service listens on."},
    ConfigKey{"ML_API_PORT", "8001", "Port the machine-learning service listens on."},
    ConfigKey{"GPU_DEVICE", "0", "Index of the GPU to train on."},
    ConfigKey{"MODEL_PATH", "", "Folder of trained models."},
    ConfigKey{"BIFROST_UNDERLYINGS", "", "Symbols to collect, separated by commas: SPY,QQQ,SPX."},
    ConfigKey{"BIFROST_EXPIRY_DAYS", "60",
              "Collect expiries up to this many calendar days ahead; 0 means all."},
    ConfigKey{"BIFROST_STRIKE_WINDOW", "0.25",
              "Collect strikes within this share of the underlying's price; 0 means all."},
    ConfigKey{
        "BIFROST_ALERTS_PER_DAY", "20",
        "How many changes of an underlying may be called an alert by chance on an ordinary day "
        "(7 to 10000). Ten days of history cannot tell fewer apart."},
    ConfigKey{
        "BIFROST_UNIVERSE", "",
        "File of rules that say what to collect per underlying (docs/universe.md); unset: the "
        "three keys above alone."},
    ConfigKey{"BIFROST_COLLECT_POSITIONS", "off",
              "on: the account's option positions are asked for first in every cycle."},
    ConfigKey{"BIFROST_EXTRA_CLOSURES", "",
              "Closures this build does not know: 2027-01-09,2027-03-03:13:00 (docs/calendar.md)."},
    ConfigKey{
        "BIFROST_IB_LINES", "80",
        "Market-data lines this program may hold at once; all clients of a gateway share 100."},
    ConfigKey{"BIFROST_IB_MESSAGES_PER_SECOND", "35",
              "Messages this program may send per second; all clients of a gateway share 50. 0 "
              "means no limit."},
    ConfigKey{"BIFROST_IB_MAX_SERVER_VERSION", "178",
              "Newest protocol version to negotiate, 176 to 200."},
    ConfigKey{
        "BIFROST_MARKET_DATA", "live",
        "live, frozen (the last quotes before the close), delayed (live where the account may, "
        "else 15 to 20 minutes old and marked so) or delayed_frozen."},
    ConfigKey{"BIFROST_IB_RECORD", "",
              "Folder in which every frame of the gateway link is kept, without account numbers; "
              "unset: none. `--record DIR` does the same."},
    ConfigKey{"BIFROST_IB_RECORD_MB", "1024",
              "Most disk one program's recording may take, 16 to 1000000; the oldest files go."},
    ConfigKey{"BIFROST_SPOOL_DIR", "",
              "Folder where finished cycles wait while the database is away; unset: spool in "
              "$STATE_DIRECTORY, else in the data folder."},
    ConfigKey{"BIFROST_SPOOL_LIMIT_MB", "2048",
              "Most megabytes that wait there, 16 to 1000000; beyond that cycles are missed."},
    ConfigKey{"BIFROST_CLOCK", "system",
              "Where time comes from: system, or gateway for simulated and replayed markets."},
    ConfigKey{"BIFROST_WEB_ROOT", "",
              "Folder with the built page that the API serves; unset: none."},
    ConfigKey{"BIFROST_DOCS_ROOT", "", "Folder with Swagger UI, served under /docs; unset: none."},
    ConfigKey{
        "BIFROST_RETENTION_DAYS", "",
        "Days of quotes and changes to keep, 7 to 36500; older ones are dropped for good once "
        "their days are rolled up. Unset: for ever."},
    ConfigKey{"BIFROST_LOG_LEVEL", "info", "debug, info, warning or error."},
};

const ConfigKey* find_key(std::string_view name) {
  for (const auto& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

/// A quoted value is taken as it stands; an unquoted one ends at " #", as the files people write
/// have it
/// (`COLLECTION_INTERVAL=300  # 5 minutes`).
std::string_view unquote(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'')) {
    const auto closing = value.find(value.front(), 1);
    if (closing != std::string_view::npos) return value.substr(1, closing - 1);
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '#' && (i == 0 || value[i - 1] == ' ' || value[i - 1] == '\t'))
      return trim(value.substr(0, i));
  }
  return value;
}

struct Setting {
  std::string value;
  std::string origin;  // "file .env line 3", "the environment", "the default"
};

class Reader {
 public:
  explicit Reader(std::map<std::string, Setting, std::less<>> settings)
      : settings_(std::move(settings)) {}

  std::string text(std::string_view name) const { return settings_.find(name)->second.value; }

  template <class T>
  T number(std::string_view name, T low, T high) {
    const auto& setting = settings_.find(name)->second;
    T value{};
    const char* end = setting.value.data() + setting.value.size();
    const auto [stop, error] = std::from_chars(setting.value.data(), end, value);
    if (error != std::errc{} || stop != end ||
        !(value >= low && value <= high)) {  // NaN fails, too
      wrong(name, fmt::format("must be a number from {} to {}", low, high));
    }
    return value;
  }

  void wrong(std::string_view name, std::string_view rule) {
    if (!problem_.empty()) return;
    const auto& setting = settings_.find(name)->second;
    problem_ = fmt::format("{} is '{}' ({}) but {}", name, setting.value, setting.origin, rule);
  }

  const std::string& problem() const { return problem_; }

 private:
  std::map<std::string, Setting, std::less<>> settings_;
  std::string problem_;
};

}  // namespace

std::span<const ConfigKey> config_keys() {
  return keys;
}

Result<Config> Config::from_text(std::string_view env_file, std::string_view file_name,
                                 const std::map<std::string, std::string>& environment) {
  std::map<std::string, Setting, std::less<>> settings;
  for (const auto& key : keys) {
    settings[std::string{key.name}] = {std::string{key.fallback}, "the default"};
  }
  int line_number = 0;
  for (std::string_view rest = env_file; !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) {
      return fail(Errc::invalid_input,
                  fmt::format("{} line {}: not KEY=VALUE", file_name, line_number));
    }
    const auto name = trim(line.substr(0, equals));
    if (find_key(name) == nullptr) {
      return fail(
          Errc::invalid_input,
          fmt::format("{} line {}: unknown key '{}'; hint: 'bifrost config' lists every key",
                      file_name, line_number, name));
    }
    settings[std::string{name}] = {std::string{unquote(trim(line.substr(equals + 1)))},
                                   fmt::format("{} line {}", file_name, line_number)};
  }
  for (const auto& [name, value] : environment) {
    if (find_key(name) != nullptr) {
      settings[name] = {value, "the environment"};
    } else if (name.starts_with("BIFROST_") && name != "BIFROST_SHARED_DATA") {
      return fail(
          Errc::invalid_input,
          fmt::format(
              "the environment sets the unknown key '{}'; hint: 'bifrost config' lists every key",
              name));
    }
  }

  Reader in{std::move(settings)};
  Config config;
  config.ib_host = in.text("IB_HOST");
  config.ib_port = in.number<std::uint16_t>("IB_PORT", 1, 65535);
  config.ib_client_id = in.number<int>("IB_CLIENT_ID", 0, 2'000'000'000);
  config.database_url = in.text("DATABASE_URL");
  config.app_host = in.text("APP_HOST");
  config.app_port = in.number<std::uint16_t>("APP_PORT", 0, 65535);
  config.web_root = in.text("BIFROST_WEB_ROOT");
  config.docs_root = in.text("BIFROST_DOCS_ROOT");
  config.collection_interval =
      std::chrono::seconds{in.number<int>("COLLECTION_INTERVAL", 1, 21600)};
  if (config.collection_interval.count() > 0 && 86400 % config.collection_interval.count() != 0) {
    in.wrong("COLLECTION_INTERVAL", "must divide a day (86400) evenly");
  }
  config.expiry_days = in.number<int>("BIFROST_EXPIRY_DAYS", 0, 4000);
  config.strike_window = in.number<double>("BIFROST_STRIKE_WINDOW", 0.0, 10.0);
  config.alerts_per_day = in.number<double>("BIFROST_ALERTS_PER_DAY", 7.0, 10'000.0);
  config.universe = in.text("BIFROST_UNIVERSE");
  const auto positions = in.text("BIFROST_COLLECT_POSITIONS");
  config.collect_positions = positions == "on";
  if (positions != "on" && positions != "off")
    in.wrong("BIFROST_COLLECT_POSITIONS", "must be on or off");
  if (auto closures = parse_extra_closures(in.text("BIFROST_EXTRA_CLOSURES"))) {
    config.extra_closures = *std::move(closures);
  } else {
    in.wrong("BIFROST_EXTRA_CLOSURES", closures.error().message);
  }
  config.ib_lines = in.number<int>("BIFROST_IB_LINES", 1, 10'000);
  config.ib_messages_per_second = in.number<int>("BIFROST_IB_MESSAGES_PER_SECOND", 0, 10'000);
  config.ib_max_server_version = in.number<int>("BIFROST_IB_MAX_SERVER_VERSION", 176, 200);
  config.market_data = in.text("BIFROST_MARKET_DATA");
  if (config.market_data != "live" && config.market_data != "frozen" &&
      config.market_data != "delayed" && config.market_data != "delayed_frozen") {
    in.wrong("BIFROST_MARKET_DATA", "must be live, frozen, delayed or delayed_frozen");
  }
  config.ib_record = in.text("BIFROST_IB_RECORD");
  config.ib_record_mb = in.number<int>("BIFROST_IB_RECORD_MB", 16, 1'000'000);
  config.spool_dir = in.text("BIFROST_SPOOL_DIR");
  config.spool_limit_mb = in.number<std::int64_t>("BIFROST_SPOOL_LIMIT_MB", 16, 1'000'000);
  const auto clock = in.text("BIFROST_CLOCK");
  config.clock_from_gateway = clock == "gateway";
  if (clock != "gateway" && clock != "system")
    in.wrong("BIFROST_CLOCK", "must be system or gateway");
  if (!in.text("BIFROST_RETENTION_DAYS").empty())
    config.retention_days = in.number<int>("BIFROST_RETENTION_DAYS", 7, 36'500);
  config.log_level = in.text("BIFROST_LOG_LEVEL");
  if (config.log_level != "debug" && config.log_level != "info" && config.log_level != "warning" &&
      config.log_level != "error") {
    in.wrong("BIFROST_LOG_LEVEL", "must be debug, info, warning or error");
  }
  const auto symbols = in.text("BIFROST_UNDERLYINGS");
  for (std::string_view rest = symbols; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto symbol = trim(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (!is_symbol(symbol))
      in.wrong("BIFROST_UNDERLYINGS", "must be symbols separated by commas, such as SPY,QQQ");
    config.underlyings.emplace_back(symbol);
  }
  if (!in.problem().empty()) return fail(Errc::invalid_input, in.problem());
  return config;
}

Result<Config> Config::load(const std::filesystem::path& file, bool required) {
  std::string text;
  if (std::ifstream in{file}; in) {
    std::ostringstream content;
    content << in.rdbuf();
    text = content.str();
  } else if (required) {
    return fail(Errc::not_found, fmt::format("{}: cannot be opened for reading", file.string()));
  }
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair{*entry};
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return from_text(text, file.string(), environment);
}

}  // namespace bifrost::core
