// SPDX-License-Identifier: Apache-2.0
#include "client_program.hpp"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

#include "bifrost/core/process.hpp"

namespace bifrost::store {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;

std::string quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

Result<void> for_each_option(const std::string& url,
                             const std::function<Result<void>(const PQconninfoOption&)>& take) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.c_str(), &problem), &PQconninfoFree);
  PQfreemem(problem);  // quotes the URL, password and all
  if (!options) {
    return fail(Errc::invalid_input,
                "the database URL cannot be read; hint: postgresql://user@host:port/name");
  }
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') BF_CHECK(take(*option));
  }
  return {};
}

/// The major version that a client program says it has ("pg_dump (PostgreSQL) 16.4"); 0: none.
int version_of(const fs::path& program) {
  auto process = core::Process::start(
      program, {.arguments = {"--version"}, .environment = {}, .error_log = "/dev/null"});
  if (!process) return 0;
  const auto line = process->read_line(core::after(std::chrono::seconds{10})).value_or("");
  constexpr std::string_view before = "(PostgreSQL) ";
  const auto at = line.find(before);
  int version = 0;
  if (at != std::string::npos) {
    std::from_chars(line.data() + at + before.size(), line.data() + line.size(), version);
  }
  return version;
}

}  // namespace

Result<fs::path> client_program(std::string_view name, int server_major) {
  const auto usable = [](const fs::path& file) { return access(file.c_str(), X_OK) == 0; };
  std::optional<std::pair<int, fs::path>> best;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const auto text = entry.path().filename().string();
    int version = 0;
    std::from_chars(text.data(), text.data() + text.size(), version);
    const auto file = entry.path() / "bin" / name;
    if (version < server_major || !usable(file)) continue;
    if (!best || version < best->first) best = {version, file};
  }
  if (best) return best->second;
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !rest.empty();) {
    const auto colon = rest.find(':');
    const auto file = fs::path(rest.substr(0, colon)) / name;
    if (file.is_absolute() && usable(file) && version_of(file) >= server_major) return file;
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  }
  return fail(Errc::not_found,
              fmt::format("{} of PostgreSQL {} or newer is not installed; hint: apt-get install "
                          "postgresql-client-{}",
                          name, server_major, server_major));
}

Result<ClientSettings> client_settings(const std::string& url) {
  ClientSettings settings;
  const auto add = [&](std::string_view keyword, std::string_view value) {
    if (!settings.conninfo.empty()) settings.conninfo += ' ';
    settings.conninfo += fmt::format("{}={}", keyword, quoted(value));
  };
  BF_CHECK(for_each_option(url, [&](const PQconninfoOption& option) -> Result<void> {
    const std::string_view keyword = option.keyword;
    if (keyword == "dbname") {
      add(keyword, option.val);
    } else if (option.envvar != nullptr) {
      settings.environment[option.envvar] = option.val;
    } else if (option.dispchar != nullptr && *option.dispchar == '*') {
      return fail(Errc::invalid_input,
                  fmt::format("{} of the database URL cannot be handed to another program without "
                              "showing it; hint: use a key without a passphrase, or a service file",
                              keyword));
    } else {
      add(keyword, option.val);
    }
    return {};
  }));
  return settings;
}

Result<std::string> url_of_database(const std::string& url, std::string_view database) {
  std::string made = "dbname=" + quoted(database);
  BF_CHECK(for_each_option(url, [&](const PQconninfoOption& option) -> Result<void> {
    if (std::string_view(option.keyword) != "dbname") {
      made += fmt::format(" {}={}", option.keyword, quoted(option.val));
    }
    return {};
  }));
  return made;
}

Result<std::string> url_with_setting(const std::string& url, std::string_view setting) {
  std::string made;
  std::optional<std::string> options;
  BF_CHECK(for_each_option(url, [&](const PQconninfoOption& option) -> Result<void> {
    if (std::string_view(option.keyword) == "options") {
      options = option.val;
    } else {
      made += fmt::format("{}={} ", option.keyword, quoted(option.val));
    }
    return {};
  }));
  // Options of a URL are instead of those of the environment.
  if (const char* usual = std::getenv("PGOPTIONS"); !options && usual != nullptr) options = usual;
  const auto all = fmt::format("{}{}-c {}", options.value_or(""), options ? " " : "", setting);
  return made + "options=" + quoted(std::string_view(all));
}

Result<std::string> database_of(const std::string& url) {
  std::string name;
  BF_CHECK(for_each_option(url, [&](const PQconninfoOption& option) -> Result<void> {
    if (std::string_view(option.keyword) == "dbname") name = option.val;
    return {};
  }));
  return name;
}

}  // namespace bifrost::store
