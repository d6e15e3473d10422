// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <string_view>

namespace bifrost::core::log {

enum class Level { debug, info, warning, error };
/// As the configuration spells it; info for anything else.
Level parse_level(std::string_view text);

/// Names the program in every line and sets the lowest level written. Lines go to stderr, one event
/// each. Thread-safe.
void start(std::string_view program, Level lowest = Level::info);
void write(Level level, std::string_view message);
bool enabled(Level level);

template <class... A>
void debug(fmt::format_string<A...> format, A&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void info(fmt::format_string<A...> format, A&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void warning(fmt::format_string<A...> format, A&&... args) {
  write(Level::warning, fmt::format(format, std::forward<A>(args)...));
}
template <class... A>
void error(fmt::format_string<A...> format, A&&... args) {
  write(Level::error, fmt::format(format, std::forward<A>(args)...));
}

}  // namespace bifrost::core::log
