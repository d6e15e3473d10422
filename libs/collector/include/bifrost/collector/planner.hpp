// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bifrost/core/time.hpp"

namespace bifrost::collector {

/// A contract that a cycle would like to ask for.
struct Candidate {
  std::size_t member = 0;      // whatever its owner knows it by
  double rank = 0;             // smaller matters more: near the money, near in time
  core::Instant last_asked{};  // cycle in which it was last asked for; see Universe for newcomers
  bool held = false;           // there is a position in it
};

/// How fast contracts of one underlying can be asked for. What is unknown does not limit.
struct Pace {
  int lines = 0;                           // market-data lines
  double messages_per_second = 0;          // 0: no limit; a contract takes two
  std::chrono::milliseconds dwell_p50{0};  // how long contracts held a line in earlier cycles;
  std::chrono::milliseconds dwell_p95{0};  // 0: nothing measured yet
};

/// Two messages a contract, and `lines` of them at a time for the mean dwell, estimated from the
/// two percentiles as 7/8 p50 + 1/8 p95 (exact to 2 % for an exponential distribution). Nothing
/// where neither is known.
std::optional<double> contracts_per_second(const Pace& pace);

/// What one cycle of one underlying asks for, and in which order.
struct Plan {
  std::vector<std::size_t> order;  // every candidate's `member`; the first `planned` fit
  std::size_t planned = 0;
  std::size_t always = 0;  // of those, asked for in every cycle: held, then nearest the money
  // Each candidate is asked for at least every so many cycles, while pace and time stay what they
  // are. 0: there is no time at all.
  std::size_t every = 1;
  std::optional<std::chrono::milliseconds> expected;  // for `planned`; nothing: not known
};

/// Everything in the order of held, then rank, where it fits into the time. Where it does not: held
/// contracts first (up to three quarters of what fits), then the nearest the money up to half of
/// what fits, then the rest in turn, longest unasked first. At least a quarter of what fits is for
/// those in turn, so that nobody waits for ever.
Plan plan_cycle(std::span<const Candidate> candidates, const Pace& pace,
                std::chrono::milliseconds time_left);

/// "out_of_budget: 340 of 2000 contracts left for later cycles, each asked at least every 2
/// cycles".
std::string out_of_budget(std::size_t left, std::size_t of, std::size_t every);

/// In which order underlyings take their turns in a cycle, so that an even split of the time that
/// is left, made anew at each turn, gives everybody the even share and passes on what one does not
/// need: those that need least first, unknown needs last, else as they come.
std::vector<std::size_t> turn_order(
    std::span<const std::optional<std::chrono::milliseconds>> needs);

/// Dwell of an underlying's contracts, from the reports of its cycles: the newest counts half.
class DwellEstimate {
 public:
  void add(std::chrono::milliseconds p50, std::chrono::milliseconds p95);
  std::chrono::milliseconds p50() const { return p50_; }
  std::chrono::milliseconds p95() const { return p95_; }

 private:
  std::chrono::milliseconds p50_{0};
  std::chrono::milliseconds p95_{0};
};

}  // namespace bifrost::collector
