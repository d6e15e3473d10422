// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bifrost/core/log.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// Something that the operator should read. The text begins with a stable code.
struct News {
  core::log::Level level = core::log::Level::info;
  std::string text;
};

/// Tells an outage of the gateway from its rest: says once that it has gone (`gateway_gone`), once
/// that it is back (`gateway_back`), and raises one alert an outage (`gateway_down`, an error) when
/// somebody has to do something: it has been away for a minute and a session is open or opens
/// within 15 minutes, or it is Sunday after 18:00 New York and it has not come back from the
/// weekend. That it goes at times when that is normal is no warning. A function of what it is told.
class GatewayWatch {
 public:
  /// `up`: requests are accepted and the broker is behind the gateway. `problem`: why not.
  std::optional<News> look(core::Instant now, bool up, std::string_view problem);

 private:
  bool ever_up_ = false;
  std::optional<core::Instant> down_since_;
  bool said_gone_ = false;
  bool alerted_ = false;
};

/// Whether a gateway that is away needs a hand now.
bool gateway_is_needed(core::Instant now);

}  // namespace bifrost::collector
