// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/ib/wire.hpp"

// Market scanners, and the detour that a gateway proposes for some contracts: what other clients
// ask of a gateway. Nothing of ours sends these.
namespace bifrost::ib::wire {

struct ScannerRequest {
  static constexpr Request id = Request::scanner;
  int req_id = 0;
  int rows = -1;
  std::string instrument{};
  std::string location{};
  std::string scan_code{};
  std::optional<double> above_price{};
  std::optional<double> below_price{};
  std::optional<double> above_volume{};
  std::optional<double> market_cap_above{};
  std::optional<double> market_cap_below{};
  std::string moody_above{};
  std::string moody_below{};
  std::string sp_above{};
  std::string sp_below{};
  std::string maturity_above{};
  std::string maturity_below{};
  std::optional<double> coupon_above{};
  std::optional<double> coupon_below{};
  bool exclude_convertible = false;
  std::optional<double> option_volume_above{};
  std::string setting_pairs{};
  std::string stock_type{};
  std::string filter_options{};
  std::string options{};
};
struct CancelScanner {
  static constexpr Request id = Request::cancel_scanner;
  int req_id = 0;
};
struct ScannerParametersRequest {
  static constexpr Request id = Request::scanner_parameters;
};

struct ScannerParameters {
  static constexpr Reply id = Reply::scanner_parameters;
  std::string xml{};
};
struct ScannerRow {
  int rank = 0;
  Contract contract{};  // no multiplier, no primary exchange
  std::string market_name{};
  std::string distance{};
  std::string benchmark{};
  std::string projection{};
  std::string legs{};
};
struct ScannerData {
  static constexpr Reply id = Reply::scanner_data;
  int req_id = 0;
  std::vector<ScannerRow> rows{};
};
/// Ask for this contract there instead (contracts for difference only).
struct RerouteMarketData {
  static constexpr Reply id = Reply::reroute_market_data;
  int req_id = 0;
  std::int64_t con_id = 0;
  std::string exchange{};
};

using ScannerRequests = MessageList<ScannerRequest, CancelScanner, ScannerParametersRequest>;
using ScannerReplies = MessageList<ScannerParameters, ScannerData, RerouteMarketData>;

}  // namespace bifrost::ib::wire
