// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace bifrost::core::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_logger(std::string name, Level lowest) {
  auto logger = std::make_shared<spdlog::logger>(std::move(name),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v", spdlog::pattern_time_type::utc);
  logger->set_level(to_spdlog(lowest));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

// Before start() only warnings are heard: a library user or a test that never names itself stays
// quiet.
std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = make_logger("bifrost", Level::warning);
  return instance;
}

}  // namespace

Level parse_level(std::string_view text) {
  if (text == "debug") return Level::debug;
  if (text == "warning") return Level::warning;
  return text == "error" ? Level::error : Level::info;
}

void start(std::string_view program, Level lowest) {
  logger() = make_logger(std::string{program}, lowest);
}

bool enabled(Level level) {
  return logger()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view message) {
  // A quoted name or a peer's text must not be able to forge a second line.
  std::string line{message};
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  logger()->log(to_spdlog(level), spdlog::string_view_t{line.data(), line.size()});
}

}  // namespace bifrost::core::log
