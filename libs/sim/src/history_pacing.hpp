// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "weather.hpp"

namespace bifrost::sim {

/// How often history may be asked for, in real time and over all clients: strict for bars of thirty
/// seconds and less, free for longer ones.
class HistoryPacing {
 public:
  static constexpr std::size_t max_open = 50;

  /// True: too much of it. `contract` names contract, exchange and what is shown, `request` all of
  /// the request; bid and ask together count twice.
  bool violates(const std::string& contract, const std::string& request, bool bid_ask,
                SteadyTime now) {
    using namespace std::chrono_literals;
    while (!asked_.empty() && now - asked_.front().at > 10min) asked_.pop_front();
    int lately = bid_ask ? 2 : 1;
    int in_two_seconds = 1;
    for (const auto& a : asked_) {
      lately += a.weight;
      if (now - a.at < 15s && a.request == request) return true;
      if (now - a.at < 2s && a.contract == contract) ++in_two_seconds;
    }
    if (lately > 60 || in_two_seconds >= 6) return true;
    asked_.push_back(
        {.at = now, .contract = contract, .request = request, .weight = bid_ask ? 2 : 1});
    return false;
  }

 private:
  struct Asked {
    SteadyTime at;
    std::string contract;
    std::string request;
    int weight;
  };
  std::deque<Asked> asked_;
};

}  // namespace bifrost::sim
