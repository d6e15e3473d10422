// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/planner.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace bifrost::collector {

using std::chrono::milliseconds;

std::optional<double> contracts_per_second(const Pace& pace) {
  std::optional<double> rate;
  if (pace.messages_per_second > 0) rate = pace.messages_per_second / 2;
  const double dwell = (7.0 * static_cast<double>(pace.dwell_p50.count()) +
                        static_cast<double>(pace.dwell_p95.count())) /
                       8000.0;
  if (dwell > 0 && pace.lines > 0) {
    const double by_lines = pace.lines / dwell;
    rate = rate ? std::min(*rate, by_lines) : by_lines;
  }
  return rate;
}

Plan plan_cycle(std::span<const Candidate> candidates, const Pace& pace, milliseconds time_left) {
  const auto rate = contracts_per_second(pace);
  std::size_t fits = candidates.size();
  if (rate) {
    const double seconds = std::max(0.0, static_cast<double>(time_left.count()) / 1000.0);
    const double most = std::floor(*rate * seconds);
    if (most < static_cast<double>(fits)) fits = static_cast<std::size_t>(most);
  }
  Plan plan;
  plan.planned = fits;
  if (rate) {
    plan.expected =
        milliseconds{std::llround(std::ceil(static_cast<double>(fits) / *rate * 1000.0))};
  }
  std::vector<std::size_t> at(candidates.size());
  std::iota(at.begin(), at.end(), std::size_t{0});
  const auto by_rank = [&](std::size_t a, std::size_t b) {
    return std::tie(candidates[a].rank, a) < std::tie(candidates[b].rank, b);
  };
  const auto by_turn = [&](std::size_t a, std::size_t b) {
    return std::tie(candidates[a].last_asked, candidates[a].rank, a) <
           std::tie(candidates[b].last_asked, candidates[b].rank, b);
  };
  auto rest =
      std::partition(at.begin(), at.end(), [&](std::size_t i) { return candidates[i].held; });
  if (fits == candidates.size()) {
    plan.always = fits;
    std::sort(at.begin(), rest, by_rank);
    std::sort(rest, at.end(), by_rank);
  } else {
    // Nobody stands in the way of those in turn for good.
    const std::size_t in_turn = (fits + 3) / 4;
    const auto held = std::min(static_cast<std::size_t>(rest - at.begin()), fits - in_turn);
    std::sort(at.begin(), rest, by_turn);  // where not all held ones fit, they take turns, too
    rest = at.begin() + static_cast<std::ptrdiff_t>(held);
    const auto near = held < fits / 2 ? fits / 2 - held : 0;
    const auto middle = rest + static_cast<std::ptrdiff_t>(
                                   std::min(near, static_cast<std::size_t>(at.end() - rest)));
    std::partial_sort(rest, middle, at.end(), by_rank);
    std::sort(at.begin(), rest, by_rank);
    std::sort(middle, at.end(), by_turn);
    plan.always = static_cast<std::size_t>(middle - at.begin());
    const auto slots = fits - plan.always;
    const auto waiting = candidates.size() - plan.always;
    plan.every = slots == 0 ? 0 : (waiting + slots - 1) / slots;
  }
  plan.order.reserve(at.size());
  for (const auto i : at) plan.order.push_back(candidates[i].member);
  return plan;
}

std::string out_of_budget(std::size_t left, std::size_t of, std::size_t every) {
  std::string text =
      fmt::format("out_of_budget: {} of {} contracts left for later cycles", left, of);
  if (every > 1) text += fmt::format(", each asked at least every {} cycles", every);
  return text;
}

std::vector<std::size_t> turn_order(std::span<const std::optional<milliseconds>> needs) {
  std::vector<std::size_t> order(needs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) {
    return needs[i] ? needs[i]->count() : std::numeric_limits<milliseconds::rep>::max();
  });
  return order;
}

void DwellEstimate::add(milliseconds p50, milliseconds p95) {
  if (p50.count() <= 0 && p95.count() <= 0) return;
  const bool first = p50_.count() == 0 && p95_.count() == 0;
  p50_ = first ? p50 : (p50_ + p50) / 2;
  p95_ = first ? p95 : (p95_ + p95) / 2;
}

}  // namespace bifrost::collector
