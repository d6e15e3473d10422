// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bifrost/collector/bars.hpp"
#include "bifrost/collector/chain_reader.hpp"
#include "bifrost/collector/radar.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/session_hours.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

struct Options {
  std::vector<std::string> underlyings;
  std::chrono::seconds interval{300};
  bool simulated_clock = false;  // `clock` is the gateway's and may run faster than life
};

/// Pulls chains cycle by cycle and writes them to the history. Every scheduled cycle of every
/// underlying ends as one ledger row: complete, partial (with the reason) or missed (with the
/// reason); starting, going on after a crash and catching up after a pause are one path. The
/// underlyings of a cycle share its time evenly, so that a large chain cannot starve the others.
/// One thread; the services must outlive it.
///
/// While the history is away a finished cycle is kept in memory and written when it comes back;
/// cycles that fall due meanwhile are entered as missed.
class Collector {
 public:
  Collector(Options options, ib::Client& client, ChainReader& reader, store::History& history,
            Radar& radar, BarKeeper& bars, const core::Clock& clock);

  /// Works until asked to stop; returns within seconds of that.
  void run(std::stop_token stop);

 private:
  /// The ledger as this process knows it.
  struct Progress {
    bool known = false;                 // the history has been asked
    std::optional<core::Instant> last;  // newest cycle with a ledger row of a collector
  };

  enum class Turn { worked, idle, troubled };

  Turn turn(std::stop_token stop);
  core::Result<void> learn_progress(const std::string& underlying);
  core::Result<void> enter_missed(const std::string& underlying, core::Instant before,
                                  std::string_view reason);
  void collect(const std::string& underlying, core::Instant cycle, core::Deadline end,
               std::stop_token stop);
  core::Deadline share_of(core::Instant cycle, std::size_t underlyings_left) const;
  core::Result<void> describe(store::CycleRecord& record);
  bool quiet_work();
  core::Result<store::Appended> write(const store::CycleRecord& record, std::stop_token stop);

  Options options_;
  ib::Client& client_;
  ChainReader& reader_;
  store::History& history_;
  Radar& radar_;
  BarKeeper& bars_;
  const core::Clock& clock_;
  std::map<std::string, Progress> progress_;
  std::map<std::string, store::StoredChain> previous_;  // newest snapshot, for changes
};

}  // namespace bifrost::collector
