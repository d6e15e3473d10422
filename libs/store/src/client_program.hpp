// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"

namespace bifrost::store {

/// One of PostgreSQL's own client programs ("pg_dump"): of that major version, else the next newer.
core::Result<std::filesystem::path> client_program(std::string_view name, int server_major);

/// A database URL as a child process gets it: secrets and nearly all else by environment, never as
/// an argument.
struct ClientSettings {
  std::map<std::string, std::string> environment;
  std::string conninfo;  // what has no variable and is no secret, and the database's name
};
core::Result<ClientSettings> client_settings(const std::string& url);

/// The same server and user, another database. For libpq, not for the eye: it may hold a password.
core::Result<std::string> url_of_database(const std::string& url, std::string_view database);
/// The same, in sessions with a setting ("name=value") besides those that the URL or PGOPTIONS
/// gives. A pooler between us and the server may drop it.
core::Result<std::string> url_with_setting(const std::string& url, std::string_view setting);
/// The database that a URL leads to; empty when it leaves that to the user's name.
core::Result<std::string> database_of(const std::string& url);

}  // namespace bifrost::store
