// SPDX-License-Identifier: Apache-2.0
// The settings of a program's link to the gateway.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/config.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/ib/recording.hpp"

namespace bifrost {

/// `label` names the program in a recording. An error if frames are to be recorded and cannot be.
inline core::Result<ib::ClientOptions> link_options(const core::Config& config, std::string label) {
  ib::ClientOptions link;
  link.host = config.ib_host;
  link.port = config.ib_port;
  link.client_id = config.ib_client_id;
  link.max_server_version = config.ib_max_server_version;
  link.messages_per_second = config.ib_messages_per_second;
  link.lines = config.ib_lines;
  link.market_data = config.market_data == "frozen"           ? ib::MarketData::frozen
                     : config.market_data == "delayed"        ? ib::MarketData::delayed
                     : config.market_data == "delayed_frozen" ? ib::MarketData::delayed_frozen
                                                              : ib::MarketData::live;
  if (!config.clock_from_gateway) {
    // Outside the session silence is nothing to worry about. A simulated market has its own hours.
    link.market_open = [] {
      const auto now = core::SystemClock{}.now();
      const auto session = core::session(core::exchange_time(now).date);
      return session && now >= session->open && now < session->close;
    };
  }
  if (!config.ib_record.empty()) {
    constexpr std::size_t file_bytes = std::size_t{16} << 20;
    BF_TRY(
        auto recorder,
        ib::Recorder::open({.folder = config.ib_record,
                            .label = std::move(label),
                            .file_bytes = file_bytes,
                            .total_bytes = static_cast<std::size_t>(config.ib_record_mb) << 20}));
    link.recorder = std::move(recorder);
  }
  return link;
}

}  // namespace bifrost
