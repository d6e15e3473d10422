// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "bifrost/core/clock.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/sim/market.hpp"

namespace bifrost::sim {

struct GatewayOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7497;  // 0: any free one
  int min_version = 163;      // server versions offered, within 163 to 200
  int max_version = 200;
  int max_lines = 100;                     // market-data lines of all clients together; 0: no limit
  int max_messages_per_second = 50;        // of all clients together, real seconds; 0: no limit
  std::chrono::seconds snapshot_wait{11};  // simulated time until a snapshot ends; 0: at once
  std::chrono::milliseconds start_wait{10'000};  // real time a client has to reach START_API
  std::string account = "SIM1000001";  // the prefix SIM tells clients that nothing here is real
  bool allow_what_if = true;           // margin questions are answered; orders never
  /// What the account holds, in the language of this room's README; empty: a million and two option
  /// positions.
  std::string account_file{};
  std::string account_file_name = "account";  // in messages about its lines
  std::string fault_script{};  // what is to go wrong, in the language of this room's README
  std::string fault_script_name = "script";  // in messages about its lines
  std::uint64_t fault_seed = 1;              // of what the script leaves to chance
};

/// Every action of the fault scripts, one a line, for --help.
std::string fault_script_help();

/// A simulated IB Gateway: serves up to 64 clients over the TWS wire protocol with what
/// `market` shows at the time of `clock`; one more is closed at once. Read-only: orders are
/// refused.
///
/// Time moves when step() is called, when a request arrives and, with a fault script, every twenty
/// milliseconds; every client is then sent what changed. With one client and a clock that stands
/// still the bytes sent depend on script, seed and requests alone.
class Gateway {
 public:
  /// Binds and serves until stop(). `market` and `clock` must outlive the gateway, and the market
  /// must not be touched by anybody else. Errors are those of net::Listener::bind; invalid_input:
  /// versions out of range, or lines of the script that cannot be read, each named.
  static core::Result<std::unique_ptr<Gateway>> start(Market& market, const core::Clock& clock,
                                                      GatewayOptions options);
  ~Gateway();

  /// Serves what a recording of a real session holds (a folder that `--record` wrote) instead of a
  /// market: Playback says how. Errors are those of reading it, too.
  static core::Result<std::unique_ptr<Gateway>> play(const std::filesystem::path& frames,
                                                     const core::Clock& clock,
                                                     GatewayOptions options);
  struct RecordedSpan {
    core::Instant first;
    core::Instant last;
  };
  static core::Result<RecordedSpan> recorded_span(const std::filesystem::path& frames);

  std::uint16_t port() const;

  /// Brings the market to the clock's time and queues what changed for every client. Safe from any
  /// thread.
  void step();

  /// Closes every connection and frees the port. Safe more than once.
  void stop();

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  static std::unique_ptr<Gateway> open(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::sim
