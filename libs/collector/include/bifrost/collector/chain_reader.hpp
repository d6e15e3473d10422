// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/collector/planner.hpp"
#include "bifrost/collector/universe.hpp"
#include "bifrost/collector/universe_rules.hpp"
#include "bifrost/core/clock.hpp"
#include "bifrost/ib/client.hpp"
#include "bifrost/store/history.hpp"
#include "bifrost/store/listings.hpp"

namespace bifrost::collector {

struct ReaderOptions {
  std::chrono::seconds interval{300};
  UniverseRules rules;
  int chunk = 360;                       // contracts asked for between two looks at the clock
  bool positions = false;                // contracts with a position first
  std::chrono::minutes offer_every{30};  // how often the broker's offer is looked at during a day
};

/// What the collector asks the broker: lists, chooses, plans and asks, an underlying at a time. Its
/// knowledge of listings outlives the process in `listings`; it works without, only slower. One
/// thread; the services must outlive it.
class ChainReader {
 public:
  ChainReader(ReaderOptions options, ib::Client& client, store::Listings& listings,
              const core::Clock& clock);

  core::ProductHours hours(std::string_view underlying) const;

  /// What the broker calls an underlying; nullptr before it was asked.
  const ib::Underlying* find(std::string_view underlying) const;

  /// The newest snapshot of an underlying: its volatilities choose strikes, and what a process
  /// before this one chose on the same day stays chosen.
  void remember(const core::ChainSnapshot& snapshot);

  /// In which order the underlyings of a cycle take their turns, as indices.
  std::vector<std::size_t> turn_order(std::span<const std::string> underlyings) const;

  /// Everything the broker tells about one underlying in one cycle, until `end`. No quotes: the
  /// record's reason says why. Codes of the reasons: gateway_unavailable, contracts_not_listed,
  /// no_contracts; expiries_not_listed, out_of_budget, answers_missing, answered_in_part, frozen,
  /// refused, stopped.
  store::CycleRecord read(const std::string& underlying, core::Instant cycle, core::Deadline end,
                          std::stop_token stop);

  /// For the time that a cycle leaves over: saves what was learned, lists what is not listed yet,
  /// looks at the offer when that is due, lists again what was listed on an earlier day. Nearest
  /// dates first, one request at a time, nothing new after `end` or the cycle.
  void tend(std::span<const std::string> underlyings, core::Instant cycle, core::Deadline end,
            std::stop_token stop);

 private:
  struct Known {
    core::Date listed_on{};
    core::Instant listed_at{};
    std::int64_t strikes_hash = 0;  // of its class when it was listed
    bool saved = false;
  };
  struct State {
    std::optional<ib::Underlying> underlying;
    std::vector<Series> offered;
    std::map<std::string, std::int64_t> strikes_hash;  // by class, of the offer of this process
    core::Date offered_on{};
    core::Instant offered_at{};
    bool offer_saved = true;
    bool loaded = false;
    std::map<Series, Known> known;  // listed and wanted: what `universe` holds
    Universe universe;
    VolView vols;
    std::optional<core::Price> last_price;
    std::vector<core::OptionContract> resume;  // chosen before this process, on resume_day
    core::Date resume_day{};
    DwellEstimate dwell;
    std::optional<std::chrono::milliseconds> need;  // of the newest plan, for everything wanted
    std::vector<std::int64_t> unknown;              // con ids, not saved yet
    std::vector<store::UniverseVersion> versions;   // not saved yet
  };
  struct Asked;

  core::Result<void> prepare(State& state, const std::string& underlying, core::Date day,
                             core::Deadline end, std::stop_token stop);
  void begin_day(State& state, const std::string& underlying, core::Date day);
  void load(State& state, const std::string& underlying, core::Date day, core::Deadline end);
  core::Result<void> look_at_offer(State& state, core::Date day, core::Deadline end);
  std::vector<Series> wanted(const State& state, const std::string& underlying,
                             core::Date day) const;
  std::vector<Series> to_list(const State& state, std::span<const Series> wanted) const;
  core::Result<void> list(State& state, const std::string& underlying, const Series& series,
                          core::Date day, core::Deadline end);
  bool tend_once(const std::string& underlying, core::Date day, core::Deadline end);
  bool save(State& state, const std::string& underlying);
  void learn_positions(core::Instant cycle, core::Deadline end);
  Pace pace_of(const State& state) const;
  Asked ask(State& state, const Universe::Choice& choice, const Plan& plan, core::Instant cycle,
            core::Deadline end, std::stop_token stop, store::CycleRecord& record);
  bool over(core::Instant cycle, core::Deadline end) const;

  ReaderOptions options_;
  ib::Client& client_;
  store::Listings& listings_;
  const core::Clock& clock_;
  std::map<std::string, State, std::less<>> states_;
  std::set<std::int64_t> held_;  // con ids
  std::map<std::string, std::set<Series>, std::less<>> held_series_;
  std::optional<core::Instant> held_in_;  // cycle of the newest look at positions
};

}  // namespace bifrost::collector
