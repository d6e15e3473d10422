// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "bifrost/collector/bars.hpp"
#include "bifrost/collector/chain_reader.hpp"
#include "bifrost/collector/clock_watch.hpp"
#include "bifrost/collector/gateway_watch.hpp"
#include "bifrost/collector/journal.hpp"
#include "bifrost/collector/radar.hpp"
#include "bifrost/core/clock.hpp"
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
/// reason); starting, going on after a crash and catching up after a pause are one path
/// (ledger.hpp). The underlyings of a cycle share its time evenly, so that a large chain cannot
/// starve the others. One thread; the services must outlive it.
///
/// While the history is away collection goes on into the journal's spool. While another collector
/// holds the lease this one waits and asks the broker for nothing.
class Collector {
 public:
  Collector(Options options, ib::Client& client, ChainReader& reader, Journal& journal,
            Radar& radar, BarKeeper& bars, const core::Clock& clock);

  /// Works until asked to stop; returns within seconds of that.
  void run(std::stop_token stop);

  /// The clock agreed with the broker's when it was last checked, and has not been set since; a
  /// simulated one: the gateway has been heard. From any thread.
  bool clock_trusted() const;

 private:
  /// The ledger as this process knows it.
  struct Progress {
    bool known = false;                                // the history has been asked
    bool searched = false;                             // for all since the schedule began
    std::optional<core::Instant> last = std::nullopt;  // newest cycle that has been dealt with
    std::optional<core::Instant> newest =
        std::nullopt;             // newest row: after `last` when a clock was set back
    std::string gap_reason = {};  // why cycles have no row that the ledger is found to lack
    bool set_back = false;        // the clock was, and `newest` has not been passed since
  };

  /// What failed for one underlying: when it is tried again, and what was said of it.
  struct Attempt {
    core::Deadline next{};
    std::string told;
  };

  enum class Turn { worked, idle, waiting };

  Turn turn(std::stop_token stop);
  bool watch(core::Instant now);
  bool is_due(const std::string& underlying, core::Instant now) const;
  core::Result<void> learn_progress(const std::string& underlying, core::Instant due);
  bool learned(const std::string& underlying, core::Instant due);
  core::Result<bool> has_snapshot(const std::string& underlying, core::Instant cycle);
  void remember_spooled(const std::string& underlying);
  core::Result<void> close_removed(core::Instant now);
  void enter_missed(const std::string& underlying, core::Instant before);
  void miss(const std::string& underlying, std::vector<core::Instant> cycles,
            const std::string& reason);
  void collect(const std::string& underlying, core::Instant cycle, core::Deadline end,
               std::stop_token stop);
  core::Deadline share_of(core::Instant cycle, std::size_t underlyings_left) const;
  std::chrono::milliseconds drain_share() const;
  bool describe(store::CycleRecord& record);
  bool quiet_work();

  Options options_;
  ib::Client& client_;
  ChainReader& reader_;
  Journal& journal_;
  Radar& radar_;
  BarKeeper& bars_;
  const core::Clock& clock_;
  std::map<std::string, Progress> progress_;
  std::uint64_t epoch_ = 0;      // of the journal, that progress_ and previous_ are of
  bool removed_closed_ = false;  // underlyings collected no longer are accounted for
  GatewayWatch gateway_watch_;
  ClockWatch clock_watch_;
  std::string clock_problem_;  // why no cycle is named by this clock; empty: nothing is wrong
  std::string clock_step_;     // what became of the clock since the last cycle
  std::optional<core::Instant> clock_checked_;
  // How far the clock is ahead of the steady one, from the last check that it passed.
  static constexpr auto clock_unknown = std::numeric_limits<std::int64_t>::min();
  std::atomic<std::int64_t> clock_ahead_us_{clock_unknown};
  std::map<std::string, Attempt> ledger_attempts_;
  std::map<std::string, Attempt> prepare_attempts_;
  std::map<std::string, store::StoredChain> previous_;  // newest snapshot, for changes
};

}  // namespace bifrost::collector
