// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/baseline.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bifrost::collector {
namespace {

/// Moves of its kind that the bucket's mean counts for beside a contract's own.
constexpr double weight_of_bucket(std::size_t kind) {
  return measured_kinds[kind] == store::ChangeKind::open_interest ? 3 : 20;
}

/// Scales come from steps within a day, and for what steps only over night, from those.
constexpr bool makes_scale(std::size_t kind, std::size_t slot) {
  return (slot == overnight) == (measured_kinds[kind] == store::ChangeKind::open_interest);
}

double ratio_of(double size, double scale) {
  if (size == 0) return 0;
  return scale > 0 ? size / scale : std::numeric_limits<double>::infinity();
}

template <class Count, class Sum>
void add(BucketSizes& to, const Sizes<Count, Sum>& from) {
  for (std::size_t k = 0; k < kinds; ++k) {
    to.n[k] += from.n[k];
    to.roots[k] += static_cast<double>(from.roots[k]);
  }
}

OwnSizes narrow(const BucketSizes& sizes) {
  OwnSizes own;
  for (std::size_t k = 0; k < kinds; ++k) {
    own.n[k] = static_cast<std::uint16_t>(std::min<std::uint32_t>(sizes.n[k], 65'535));
    own.roots[k] = static_cast<float>(sizes.roots[k]);
  }
  return own;
}

}  // namespace

std::size_t Tail::bin_of(double ratio) {
  if (!(ratio > 0)) return 0;
  if (ratio < 0.5) return 1;
  if (ratio < 1) return 2;
  const double octaves = std::log2(ratio);
  if (octaves < 6) return 3 + static_cast<std::size_t>(octaves * 32);
  if (octaves < 14) return 3 + 6 * 32 + static_cast<std::size_t>((octaves - 6) * 8);
  return bins - 1;
}

std::size_t bucket_of(const core::OptionContract& contract, core::Date day,
                      std::optional<double> spot) {
  if (!spot || *spot <= 0 || contract.strike.units() <= 0) return buckets - 1;
  const double side = contract.right == core::Right::call ? 1 : -1;
  const double out = side * std::log(contract.strike.value() / *spot);
  constexpr std::array edges{-0.10, -0.03, 0.03, 0.10};
  const auto moneyness =
      static_cast<std::size_t>(std::ranges::upper_bound(edges, out) - edges.begin());
  constexpr std::array lives{7, 30, 90};
  const auto left = static_cast<int>((contract.expiry - day).count());
  const auto life = static_cast<std::size_t>(std::ranges::lower_bound(lives, left) - lives.begin());
  return life * 5 + moneyness;
}

Baseline::Baseline(core::Date day, std::span<const DaySketch> sketches, double alerts_per_day)
    : day_(day), simulated_(!sketches.empty() && sketches.back().simulated) {
  std::map<core::OptionContract, BucketSizes> own;
  std::vector<Tail> tails(slots * kinds);
  std::vector<int> days(tails.size());
  for (const auto& sketch : sketches) {
    if (sketch.simulated != simulated_) continue;
    for (const auto& [contract, sizes] : sketch.contracts) {
      if (contract.expiry + std::chrono::days{1} >= day) add(own[contract], sizes);
    }
    for (std::size_t b = 0; b < buckets; ++b) {
      add(by_bucket_[b], sketch.by_bucket[b]);
      add(all_, sketch.by_bucket[b]);
    }
    for (std::size_t i = 0; i < sketch.tails.size(); ++i) {
      if (sketch.tails[i].n() > 0) ++days[i];
      const auto& counts = sketch.tails[i].counts();
      for (std::size_t bin = 0; bin < Tail::bins; ++bin) tails[i].add(bin, counts[bin]);
    }
  }
  contracts_.reserve(own.size());
  own_.reserve(own.size());
  for (const auto& [contract, sizes] : own) {
    contracts_.push_back(contract);
    own_.push_back(narrow(sizes));
  }
  const auto active = std::ranges::count_if(days, [](int n) { return n >= minimum_days; });
  if (active == 0) return;
  cells_.resize(tails.size());
  for (std::size_t i = 0; i < tails.size(); ++i) {
    if (days[i] < minimum_days) continue;
    cells_[i].days = days[i];
    std::uint32_t above = 0;
    for (std::size_t bin = Tail::bins; bin-- > 0;) {
      above += tails[i].counts()[bin];
      cells_[i].at_least[bin] = above;
    }
    const double tests_per_day = static_cast<double>(tails[i].n()) / days[i];
    cells_[i].false_alarm_rate =
        std::min(highest_rate, alerts_per_day / static_cast<double>(active) / tests_per_day);
  }
}

std::optional<double> Baseline::scale(std::size_t kind, const OwnSizes* own,
                                      std::size_t bucket) const {
  const auto& like = by_bucket_[bucket].n[kind] > 0 ? by_bucket_[bucket] : all_;
  if (like.n[kind] == 0) return std::nullopt;
  const double typical = like.roots[kind] / like.n[kind];
  double n = weight_of_bucket(kind);
  double roots = n * typical;
  if (own != nullptr) {
    n += own->n[kind];
    roots += static_cast<double>(own->roots[kind]);
  }
  return (roots / n) * (roots / n);
}

std::optional<Baseline::Verdict> Baseline::judge(std::size_t kind, std::size_t slot, double size,
                                                 const OwnSizes* own, std::size_t bucket) const {
  if (!scores() || !is_tested(kind, slot)) return std::nullopt;
  const auto& cell = cells_[slot * kinds + kind];
  if (cell.days < minimum_days) return std::nullopt;
  const auto n = cell.at_least[0];
  const auto typical = scale(kind, own, bucket);
  if (!typical) return std::nullopt;
  // The move itself counts as one of its kind, which is what keeps the rate at or below its word.
  const double score = (1.0 + cell.at_least[Tail::bin_of(ratio_of(size, *typical))]) / (1.0 + n);
  return Verdict{score, cell.false_alarm_rate};
}

const OwnSizes* Baseline::Walk::find(const core::OptionContract& contract) {
  if (baseline_ == nullptr) return nullptr;
  const auto& known = baseline_->contracts_;
  while (at_ < known.size() && known[at_] < contract) ++at_;
  return at_ < known.size() && known[at_] == contract ? &baseline_->own_[at_] : nullptr;
}

void SketchBuilder::add(const core::ChainSnapshot& before, const core::ChainSnapshot& now) {
  const Step step = step_between(before, now, interval_);
  simulated_ = now.source == core::Source::simulated;
  if (!step.slot) return;
  const std::size_t slot = *step.slot;
  const auto earlier = by_contract(before);
  const auto later = by_contract(now);
  YearsToExpiry years_before{before.as_of};
  YearsToExpiry years_now{now.as_of};
  Baseline::Walk walk{&scales_};
  const auto spot_now = now.underlying_price && now.underlying_price->units() > 0
                            ? std::optional{now.underlying_price->value()}
                            : std::nullopt;
  std::size_t at = 0;
  for (const auto* option : later) {
    const auto& contract = option->contract;
    while (at < earlier.size() && earlier[at]->contract < contract) ++at;
    if (at == earlier.size()) break;
    if (earlier[at]->contract != contract) continue;
    const Moves moves =
        moves_between(earlier[at]->quote, suspect(*earlier[at], years_before(contract), step.spot),
                      option->quote, suspect(*option, years_now(contract), spot_now), step);
    const std::size_t bucket = bucket_of(contract, scales_.day(), step.spot);
    const OwnSizes* own = walk.find(contract);
    auto& sums = contracts_[contract];
    for (std::size_t k = 0; k < kinds; ++k) {
      if (!moves[k] || !is_tested(k, slot)) continue;
      const double size = moves[k]->size;
      if (makes_scale(k, slot)) {
        for (auto* to : {&sums, &by_bucket_[bucket]}) {
          ++to->n[k];
          to->roots[k] += std::sqrt(size);
        }
      }
      if (const auto scale = scales_.scale(k, own, bucket)) {
        if (tails_.empty()) tails_.resize(slots * kinds);
        tails_[slot * kinds + k].count(ratio_of(size, *scale));
      }
    }
  }
}

DaySketch SketchBuilder::finish() const {
  DaySketch sketch;
  sketch.simulated = simulated_;
  for (const auto& [contract, sizes] : contracts_) {
    if (std::ranges::any_of(sizes.n, [](auto n) { return n > 0; })) {
      sketch.contracts.emplace_back(contract, narrow(sizes));
    }
  }
  sketch.by_bucket = by_bucket_;
  sketch.tails = tails_;
  return sketch;
}

}  // namespace bifrost::collector
