// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "bifrost/collector/planner.hpp"
#include "bifrost/collector/universe_rules.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/ib/client.hpp"

namespace bifrost::collector {

/// What is known of an underlying's volatility before a cycle, for choosing strikes; never stored.
class VolView {
 public:
  /// The implied vols of a snapshot: at each strike that of the option out of the money, at the
  /// money the one of the strike nearest to the underlying's price. What it does not tell stays as
  /// earlier snapshots told it.
  void learn(const core::ChainSnapshot& snapshot);
  /// Serves while no snapshot has told anything.
  void set_implied_vol_30d(std::optional<double> vol) { implied_vol_30d_ = vol; }
  void forget_before(core::Date day);

  bool empty() const { return at_the_money_.empty() && !implied_vol_30d_; }
  /// Of the nearest date known; nothing when none is.
  std::optional<double> at_the_money(core::Date expiry) const;
  /// The strike's own, else at the money.
  std::optional<double> at(core::Date expiry, core::Price strike) const;

 private:
  std::map<core::Date, double> at_the_money_;
  std::map<std::pair<core::Date, core::Price>, double> by_strike_;
  std::optional<double> implied_vol_30d_;
};

/// The strikes of one date that a rule takes.
class StrikeWindow {
 public:
  /// Time to the expiry counts as a day at least. Without a spot every strike is in.
  StrikeWindow(const UniverseRule& rule, std::optional<core::Price> spot, const VolView& vols,
               core::Date expiry, double years_to_expiry);
  bool contains(core::Price strike) const;
  /// The rule needs a volatility and none is known: its fallback is in force.
  bool fell_back() const { return fell_back_; }

 private:
  StrikeRule rule_;
  bool fell_back_ = false;
  std::optional<double> spot_;
  const VolView* vols_;
  core::Date expiry_;
  double years_;
};

/// The contracts of one underlying on a trading day: what the broker lists, and which of it is
/// collected. The chosen set of a day only grows with the price: a contract once chosen stays until
/// the day ends, it is last quoted, or the broker no longer knows it. So what a cycle is expected
/// to bring changes for stated reasons alone; each change is a new version. No I/O.
class Universe {
 public:
  struct Member {
    ib::ListedOption option;
    Series series;
    core::Instant last_asked{};  // cycle
    bool chosen = false;
    bool chosen_yesterday = false;
    bool withdrawn = false;
  };

  /// Forgets what the day before chose and withdrew, and contracts that have expired.
  void begin_day(core::Date day);
  core::Date day() const { return day_; }

  /// What the broker lists under a series now, instead of what was known of it.
  void list(const Series& series, std::span<const ib::ListedOption> options);
  /// The broker no longer offers the series at all.
  void remove(const Series& series) { list(series, {}); }

  struct Circumstances {
    core::Instant cycle;
    std::chrono::seconds interval;
    std::optional<core::Price> spot;
    const VolView& vols;
    const std::set<std::int64_t>& held;      // con ids; chosen wherever they lie
    std::span<const Series> held_only = {};  // series of which nothing else is
  };
  struct Choice {
    int version = 0;       // of the day, from 1
    bool changed = false;  // the version is new
    std::size_t added = 0;
    std::size_t removed = 0;  // last quoted, withdrawn or no longer listed
    bool fell_back = false;
    std::vector<Candidate> candidates;  // `member` is an index for member(), until the next list()
  };
  /// A contract not chosen before waits behind all others for its first turn, as if it had been
  /// asked for in the cycle before.
  Choice choose(const UniverseRule& rule, const Circumstances& now);
  /// Chosen already today by a process before this one.
  void keep(const core::OptionContract& contract);

  const Member& member(std::size_t index) const { return members_[index]; }
  std::size_t size() const { return members_.size(); }

  void asked(std::size_t index, core::Instant cycle) { members_[index].last_asked = cycle; }
  /// The broker does not know this contract: not asked for again today.
  void withdraw(std::size_t index) { members_[index].withdrawn = true; }
  void withdraw(const core::OptionContract& contract);

 private:
  std::vector<Member>::iterator find(const core::OptionContract& contract);

  core::Date day_{};
  std::vector<Member> members_;  // by expiry, trading class, strike, right, multiplier
  int version_ = 0;
  std::size_t delisted_ = 0;  // chosen ones that list() has removed since the last choice
};

}  // namespace bifrost::collector
