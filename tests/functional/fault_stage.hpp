// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "bifrost/core/clock.hpp"
#include "bifrost/sim/gateway.hpp"
#include "fault_market.hpp"
#include "invariants.hpp"
#include "stack.hpp"

namespace bifrost::test {

/// FAULT_SEED, else 42: every random choice of the fault table follows from it.
std::uint64_t fault_seed();

/// One line of the fault table, printed at once and again, in order, when all faults have been.
void tell(std::string_view fault, std::string_view what);
/// For a fault that this machine cannot cause: names it in the table and skips the test.
#define FAULT_NOT_HERE(fault, why)                                        \
  do {                                                                    \
    bifrost::test::tell(fault, std::string{"not caused here: "} + (why)); \
    GTEST_SKIP() << (fault) << ": " << (why);                             \
  } while (false)

/// Seconds since a test began, for its line.
class Stopwatch {
 public:
  std::string text() const;

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// The gateway in this process, over a real socket, with a market the checker knows and a clock in
/// our hand.
class StagedGateway {
 public:
  StagedGateway(MarketShape shape, core::Instant start, sim::GatewayOptions options = quick());
  static sim::GatewayOptions quick();

  const FaultMarket& market() const { return market_; }
  std::uint16_t port() const { return gateway_->port(); }
  core::Instant now() const { return clock_.now(); }
  void set_time(core::Instant t);
  /// The gateway's own restart: every connection ends, then the port is served again.
  void restart();
  void stop() { gateway_->stop(); }

 private:
  FaultMarket market_;
  core::ManualClock clock_;
  sim::GatewayOptions options_;
  std::unique_ptr<sim::Gateway> gateway_;
};

/// What the Unix socket of a private cluster's URL is called.
std::string socket_of(const std::string& url);
/// The same database through a relay's port.
std::string through(const std::string& url, std::uint16_t port);

/// bifrost-collector with these settings on top of the usual ones of a test. Its log is
/// scratch()/`log`.
core::Process start_faulted_collector(const std::string& database_url, std::uint16_t gateway_port,
                                      const std::string& log,
                                      std::map<std::string, std::string> settings = {});

/// Hears every announced cycle on a connection of its own and keeps a digest of its rows as they
/// were read right then: what has been acknowledged. Comes back by itself when the server does.
class Acknowledged {
 public:
  explicit Acknowledged(std::string url);
  ~Acknowledged();
  /// The record so far, oldest first; later entries are only added.
  std::vector<Ack> all() const;

 private:
  void run();

  std::string url_;
  mutable std::mutex mutex_;
  std::vector<Ack> acks_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// Cycles that a collector's log says were stored, with the number of rows it gives.
std::map<core::Instant, std::int64_t> logged_cycles(const std::string& log,
                                                    const std::string& symbol);

struct Usage {
  std::int64_t resident_kib;
  std::int64_t own_kib;  // of it, what is not shared with other processes or files
  int descriptors;
};
Usage usage(pid_t pid);

core::Instant at(std::string_view iso);

}  // namespace bifrost::test
