// SPDX-License-Identifier: Apache-2.0
#include "broker_errors.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <vector>

namespace bifrost::ib {

// For what a failure prints.
static void PrintTo(Meaning meaning, std::ostream* out) {
  *out << static_cast<int>(meaning);
}

namespace {

using core::Errc;

/// Every row of shared/reference/tws-protocol.md 7.2, in its order.
struct Row {
  int code;
  const char* text;
  Meaning meaning;
  std::optional<Errc> error{};  // where a caller gets to see it
};

std::vector<Row> rows() {
  using enum Meaning;
  return {
      {0, "Warning: Approaching max rate of 50 messages per second (44)", rate},
      {100, "Max rate of messages per second has been exceeded:max=50 rec=61", rate},
      {101, "Max number of tickers has been reached", no_line},
      {102, "Duplicate ticker ID", duplicate_id},
      {322, "Error processing request.-'bA' : cause - Duplicate ticker id", duplicate_id},
      {162, "HMDS query returned no data: SPY@SMART Trades", no_data, Errc::not_found},
      {162, "Historical data request pacing violation", pacing, Errc::unavailable},
      {162, "API historical data query cancelled: 7", notice},
      {162, "No market data permissions for ISLAND STK", refusal, Errc::unauthorized},
      {162, "Invalid step", refusal, Errc::invalid_input},
      {162, "Historical data request for this duration is not supported", refusal,
       Errc::invalid_input},
      {162, "something new", refusal, Errc::unavailable},
      {165, "HMDS server disconnect occurred. Attempting reconnection...", notice},
      {366, "No historical data query found for ticker id:7", notice},
      {200, "No security definition has been found for the request", refusal, Errc::not_found},
      {201, "Order rejected - reason:...", refusal, Errc::invalid_input},
      {202, "Order Canceled - reason:", refusal, Errc::unavailable},
      {300, "Can't find EId with tickerId:7", notice},
      {309, "Max number (3) of market depth requests has been reached", notice},
      {310, "Can't find the subscribed market depth", notice},
      {317, "Market depth data has been RESET", notice},
      {320, "Unable to parse field: 'abc'", refusal, Errc::invalid_input},
      {321, "Please enter exchange", refusal, Errc::invalid_input},
      {321, "The API interface is currently in Read-Only mode.", refusal, Errc::unauthorized},
      {322, "Maximum number of account summary requests exceeded", refusal, Errc::invalid_input},
      {326, "Unable to connect as the client id is already in use.", id_in_use},
      {354, "Requested market data is not subscribed. Delayed market data is available.", refusal,
       Errc::unauthorized},
      {357, "The TWS is out of date and must be upgraded", outdated},
      {503, "The TWS is out of date and must be upgraded", outdated},
      {414, "Snapshot market data subscription is not applicable to generic ticks", refusal,
       Errc::invalid_input},
      {430, "The fundamentals data for the security specified is not available", refusal,
       Errc::not_found},
      {502, "Couldn't connect to TWS", refusal, Errc::unavailable},
      {504, "Not connected", refusal, Errc::unavailable},
      {507, "Bad Message Length", refusal, Errc::unavailable},
      {1100, "Connectivity between IBKR and TWS has been lost.", upstream_lost},
      {1101, "Connectivity has been restored - data lost.", upstream_back},
      {1102, "Connectivity has been restored - data maintained.", upstream_back},
      {1300, "Please reconnect on the new port - 4002", port_changed},
      {2100, "New account data requested from TWS", notice},
      {2101, "Unable to subscribe to account", notice},
      {2103, "Market data farm connection is broken:usopt", farm_lost},
      {2105, "HMDS data farm connection is broken:ushmds", notice},
      {2157, "Sec-def data farm connection is broken:secdefnj", notice},
      {2104, "Market data farm connection is OK:usopt", farm_back},
      {2106, "HMDS data farm connection is OK:ushmds", notice},
      {2158, "Sec-def data farm connection is OK:secdefnj", notice},
      {2107, "HMDS data farm connection is inactive", notice},
      {2108, "Market data farm connection is inactive", notice},
      {2110, "Connectivity between TWS and server is broken.", upstream_lost},
      {2119, "Market data farm is connecting:usopt", notice},
      {2174, "Warning: You submitted request with date-time attributes without explicit time zone",
       notice},
      {2176, "Warning: Your API version does not support fractional share size rules", outdated},
      {10285, "Your API version does not support fractional size rules", outdated},
      {2186, "Delayed market data is shown", advisory},
      {10167, "Requested market data is not subscribed. Displaying delayed market data.", advisory},
      {2187, "Generic tick is not available on delayed data", advisory},
      {10089, "Requested market data requires additional subscription for API.", advisory},
      {10091, "Part of requested market data requires additional subscription for API.", advisory},
      {10090, "Part of requested market data is not subscribed.", advisory},
      {10168, "Requested market data is not subscribed. Delayed market data is not enabled.",
       refusal, Errc::unauthorized},
      {10186, "Requested market data is not subscribed. Delayed market data is not enabled.",
       refusal, Errc::unauthorized},
      {10187, "Failed to request historical ticks", refusal, Errc::unauthorized},
      {10189, "Failed to request tick-by-tick data", refusal, Errc::unauthorized},
      {10197, "No market data during competing live session", competing},
      {10225, "Bust event occurred, current subscription is deactivated.", refusal,
       Errc::unavailable},
      {10314, "End Date/Time: The date, time, or time-zone entered is invalid", refusal,
       Errc::invalid_input},
      // The general rule.
      {2999, "anything", notice},
      {777, "Warning: anything", notice},
      {777, "anything", advisory},
  };
}

TEST(BrokerErrors, EveryRowOfTheTable) {
  for (const auto& row : rows()) {
    const auto ruling = rule(row.code, row.text);
    EXPECT_EQ(ruling.meaning, row.meaning) << row.code << ": " << row.text;
    if (row.error) {
      EXPECT_EQ(ruling.code, *row.error) << row.code << ": " << row.text;
    }
  }
}

}  // namespace
}  // namespace bifrost::ib
