// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "bifrost/api/service.hpp"
#include "bifrost/net/ws.hpp"
#include "bifrost/store/listen.hpp"

namespace bifrost::api {

/// Pushes chains over the WebSocket: the present one on subscription, the new one after every
/// stored cycle.
class LiveChains {
 public:
  explicit LiveChains(Service& service);

  net::WsHub& hub() { return hub_; }

  /// Passes on what `listener` hears until asked to stop.
  void run(store::Listener& listener, std::stop_token stop);

 private:
  core::Result<std::string> event(const std::string& topic, bool next);

  Service& service_;
  std::mutex mutex_;
  std::map<std::string, std::int64_t> sequence_;  // by topic
  net::WsHub hub_;
};

}  // namespace bifrost::api
