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

#include "bifrost/collector/radar.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/core/session_hours.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

struct Options {
  std::vector<std::string> underlyings;
  std::chrono::seconds interval{300};
  int expiry_days = 60;          // calendar days ahead; 0: every expiry
  double strike_window = 0.25;   // share of the underlying's price to either side; 0: every strike
  int chunk = 360;               // contracts asked for between two looks at the clock
  bool simulated_clock = false;  // `clock` is the gateway's and may run faster than life
};

/// Pulls chains cycle by cycle and writes them to the history. Every scheduled cycle of every
/// underlying ends as one ledger row: complete, partial (with the reason) or missed (with the
/// reason); starting, going on after a crash and catching up after a pause are one path. The
/// underlyings of a cycle share its time evenly, so that a large chain cannot starve the ones after
/// it. One thread; the services must outlive it.
///
/// While the history is away a finished cycle is kept in memory and written when it comes back;
/// cycles that fall due meanwhile are entered as missed.
class Collector {
 public:
  Collector(Options options, ib::Client& client, store::History& history, Radar& radar,
            const core::Clock& clock);

  /// Works until asked to stop; returns within seconds of that.
  void run(std::stop_token stop);

 private:
  using Series =
      std::pair<std::string, core::Date>;  // trading class, date the broker files it under

  /// What the broker lists on a trading day, as far as it has been asked.
  struct Universe {
    core::Date day{};
    std::set<Series> to_list;
    std::vector<ib::ListedOption> options;
  };
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
  core::Result<const Universe*> universe(const std::string& underlying, core::Date day,
                                         core::Deadline end, std::stop_token stop);
  core::ProductHours hours(const std::string& underlying) const;
  core::Deadline share_of(core::Instant cycle, std::size_t underlyings_left) const;
  bool over(core::Instant cycle, core::Deadline end) const;
  std::vector<ib::ListedOption> choose(const Universe& universe, core::Date day,
                                       std::optional<core::Price> spot) const;
  store::CycleRecord ask(const std::string& underlying, core::Instant cycle, core::Deadline end,
                         std::stop_token stop);
  core::Result<void> describe(store::CycleRecord& record);
  bool quiet_work();
  core::Result<store::Appended> write(const store::CycleRecord& record, std::stop_token stop);

  Options options_;
  ib::Client& client_;
  store::History& history_;
  Radar& radar_;
  const core::Clock& clock_;
  std::map<std::string, ib::Underlying> underlyings_;
  std::map<std::string, Universe> universes_;
  std::map<std::string, Progress> progress_;
  std::map<std::string, store::StoredChain> previous_;  // newest snapshot, for changes
};

}  // namespace bifrost::collector
