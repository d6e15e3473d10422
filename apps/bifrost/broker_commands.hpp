// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bifrost/core/result.hpp"

namespace CLI {
class App;
}

namespace bifrost {

/// What `bifrost broker ...` was asked. Each question makes a link of its own to IB_HOST:IB_PORT,
/// asks, prints, and goes. Nothing is ever ordered.
struct BrokerOptions {
  int client_id = 21;  // not one of the services'
  int patience_s = 30;
  std::string market_data;  // empty: BIFROST_MARKET_DATA
  std::string record;       // folder for the frames; empty: BIFROST_IB_RECORD
  bool json = false;

  std::string symbol;
  std::string account;
  std::string bars_of = "trades";
  int days = 30;
  std::vector<std::string> legs;  // buy:1:2026-01-16:600C, sell:700000600
  std::string trading_class;
  int quantity = 1;
  std::optional<double> limit_price;
};

/// Adds the verb and its questions to `app`; the one that is parsed becomes `work`.
void add_broker_commands(CLI::App& app, const std::string& env_file, BrokerOptions& options,
                         std::function<core::Result<void>()>& work);

}  // namespace bifrost
