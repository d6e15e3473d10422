// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "bifrost/core/clock.hpp"
#include "bifrost/store/maintenance.hpp"

namespace bifrost::collector {

/// Keeps the history in order once a day, after the close of the market that `clock` shows; after a
/// start at once, if the last closed day was not kept. One thread of its own, so that collecting
/// never waits for it; the services must outlive it. What could not be done is tried again after a
/// while.
class Upkeep {
 public:
  /// `clock_is_known`: what is dropped by a wrong clock is lost, and a simulated market's clock
  /// means nothing before the gateway has been heard. Asked from the thread of run().
  Upkeep(store::Database& database, store::MaintenanceOptions options, const core::Clock& clock,
         std::function<bool()> clock_is_known)
      : database_(database),
        options_(options),
        clock_(clock),
        clock_is_known_(std::move(clock_is_known)) {}

  /// Works until asked to stop; returns within a second of that.
  void run(std::stop_token stop);

 private:
  /// How long until the next look.
  std::chrono::milliseconds look(std::stop_token stop);
  void warn(std::string problem);

  store::Database& database_;
  const store::MaintenanceOptions options_;
  const core::Clock& clock_;
  const std::function<bool()> clock_is_known_;
  std::optional<core::Date> kept_through_;
  std::string told_;
};

}  // namespace bifrost::collector
