// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/changes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "bifrost/core/calendar.hpp"

namespace bifrost::collector {
namespace {

using core::OptionContract;
using store::Change;
using store::ChangeKind;

bool is_large(ChangeKind kind, const Move& move, const ChangeThresholds& limit) {
  const double a = move.previous;
  const double b = move.current;
  const double size = std::abs(b - a);
  switch (kind) {
    case ChangeKind::price_move:
      return size >= limit.price_move && size >= limit.price_move_share * std::abs(a);
    case ChangeKind::iv_move:
      return size >= limit.iv_move;
    case ChangeKind::delta_move:
      return size >= limit.delta_move;
    case ChangeKind::gamma_move:
      return size >= limit.gamma_move && size >= limit.greek_move_share * std::abs(a);
    case ChangeKind::theta_move:
      return size >= limit.theta_move && size >= limit.greek_move_share * std::abs(a);
    case ChangeKind::vega_move:
      return size >= limit.vega_move && size >= limit.greek_move_share * std::abs(a);
    case ChangeKind::volume:
      return size >= static_cast<double>(limit.volume);
    case ChangeKind::open_interest:
      return size >= static_cast<double>(limit.open_interest);
    case ChangeKind::spread:
      return size >= limit.spread && (b >= limit.spread_ratio * a || a >= limit.spread_ratio * b);
    default:
      core::panic("a kind of change that is not measured");
  }
}

/// What a snapshot looked at, series by series.
class Reach {
 public:
  explicit Reach(const std::vector<const core::OptionQuote*>& sorted) {
    for (const auto* option : sorted) {
      const auto& c = option->contract;
      const auto [at, fresh] =
          strikes_.try_emplace({c.trading_class, c.expiry}, std::pair{c.strike, c.strike});
      if (!fresh) {
        at->second.first = std::min(at->second.first, c.strike);
        at->second.second = std::max(at->second.second, c.strike);
      }
      last_expiry_ = std::max(last_expiry_, c.expiry);
    }
  }
  /// Whether the contract would have been seen, had it been there.
  bool covers(const OptionContract& contract) const {
    const auto series = strikes_.find({contract.trading_class, contract.expiry});
    if (series == strikes_.end()) return contract.expiry <= last_expiry_;
    return contract.strike >= series->second.first && contract.strike <= series->second.second;
  }

 private:
  std::map<std::pair<std::string_view, core::Date>, std::pair<core::Price, core::Price>> strikes_;
  core::Date last_expiry_ = core::Date::min();
};

std::optional<double> spot_of(const core::ChainSnapshot& snapshot) {
  if (!snapshot.underlying_price || snapshot.underlying_price->units() <= 0) return std::nullopt;
  return snapshot.underlying_price->value();
}

bool is_split_like(std::optional<double> before, std::optional<double> now) {
  if (!before || !now) return false;
  const double ratio = *now / *before;
  return ratio < 2.0 / 3 || ratio > 1.5;
}

/// Goes through two snapshots side by side.
class Differ {
 public:
  explicit Differ(const Comparison& look)
      : look_(look),
        step_(step_between(look.before, look.now, look.interval)),
        today_(core::exchange_time(look.now.as_of).date),
        earlier_(by_contract(look.before)),
        later_(by_contract(look.now)) {}

  std::vector<Change> run() {
    Baseline::Walk walk{look_.baseline};
    YearsToExpiry years_before{look_.before.as_of};
    YearsToExpiry years_now{look_.now.as_of};
    const auto spot_now = spot_of(look_.now);
    auto old = earlier_.begin();
    for (const auto* option : later_) {
      for (; old != earlier_.end() && (*old)->contract < option->contract; ++old) {
        gone_.push_back(&(*old)->contract);
      }
      const auto about_now = suspect(*option, years_now(option->contract), spot_now);
      if (old == earlier_.end() || (*old)->contract != option->contract) {
        come_.push_back(&option->contract);
        tell_suspicion(option->contract, {}, about_now);
        continue;
      }
      const auto about_before = suspect(**old, years_before(option->contract), step_.spot);
      tell_suspicion(option->contract, about_before, about_now);
      compare(option->contract,
              moves_between((*old)->quote, about_before, option->quote, about_now, step_),
              walk.find(option->contract));
      ++old;
    }
    for (; old != earlier_.end(); ++old) gone_.push_back(&(*old)->contract);
    tell_comings_and_goings(spot_now);
    std::ranges::sort(changes_, [](const Change& a, const Change& b) {
      return std::tie(a.contract, a.kind) < std::tie(b.contract, b.kind);
    });
    return std::move(changes_);
  }

 private:
  void compare(const OptionContract& contract, const Moves& moves, const OwnSizes* own) {
    const bool judged = look_.baseline != nullptr && look_.baseline->scores() && step_.slot;
    const auto bucket = judged ? bucket_of(contract, today_, step_.spot) : 0;
    for (std::size_t k = 0; k < kinds; ++k) {
      if (!moves[k]) continue;
      if (moves[k]->size == 0 && moves[k]->previous == moves[k]->current) continue;
      Change change{contract, measured_kinds[k], moves[k]->previous, moves[k]->current};
      if (judged) {
        if (const auto verdict =
                look_.baseline->judge(k, *step_.slot, moves[k]->size, own, bucket)) {
          change.score = verdict->score;
          change.false_alarm_rate = verdict->false_alarm_rate;
        }
      }
      if (change.alert() || is_large(change.kind, *moves[k], look_.thresholds)) {
        changes_.push_back(std::move(change));
      }
    }
  }

  void tell_suspicion(const OptionContract& contract, const Suspicion& before,
                      const Suspicion& now) {
    if (now.quote && !before.quote) {
      changes_.push_back({contract, ChangeKind::suspect_quote, std::nullopt, *now.quote});
    }
    if (now.greeks && !before.greeks) {
      changes_.push_back(
          {contract, ChangeKind::suspect_greeks, now.greeks->ours, now.greeks->theirs});
    }
  }

  void tell_comings_and_goings(std::optional<double> spot_now) {
    const bool split = is_split_like(step_.spot, spot_now);
    if (look_.before_reached_all && !come_.empty()) {
      const Reach reach{earlier_};
      for (const auto* contract : come_) {
        if (split || reach.covers(*contract)) {
          changes_.push_back({*contract, ChangeKind::new_contract});
        }
      }
    }
    if (gone_.empty()) return;
    const Reach reach{later_};
    for (const auto* contract : gone_) {
      if (core::last_trading_day(contract->expiry) < today_) {
        changes_.push_back({*contract, ChangeKind::expired});
      } else if (look_.before_reached_all && look_.now_reached_all &&
                 (split || reach.covers(*contract))) {
        changes_.push_back({*contract, ChangeKind::vanished});
      }
    }
  }

  const Comparison& look_;
  const Step step_;
  const core::Date today_;
  const std::vector<const core::OptionQuote*> earlier_;
  const std::vector<const core::OptionQuote*> later_;
  std::vector<const OptionContract*> come_;
  std::vector<const OptionContract*> gone_;
  std::vector<Change> changes_;
};

/// The quote of a contract in a snapshot sorted by contract.
const core::Quote* find_quote(const std::vector<const core::OptionQuote*>& sorted,
                              const OptionContract& contract) {
  const auto at = std::ranges::lower_bound(
      sorted, contract, {},
      [](const core::OptionQuote* option) -> const OptionContract& { return option->contract; });
  return at != sorted.end() && (*at)->contract == contract ? &(*at)->quote : nullptr;
}

}  // namespace

bool reached_all(const store::Run& run) {
  if (!run.expected) return run.status == store::RunStatus::complete;
  return run.received == *run.expected && run.refused == 0;
}

bool reached_all(const store::CycleRecord& record) {
  return static_cast<std::int64_t>(record.snapshot.quotes.size()) == record.expected &&
         record.refused == 0;
}

std::vector<Change> find_changes(const Comparison& look) {
  return Differ{look}.run();
}

std::vector<PendingAlert> pending_alerts(std::span<const store::StoredChange> changes,
                                         const core::ChainSnapshot& last_of_session) {
  std::map<OptionContract, core::Instant> first;
  for (const auto& [as_of, change] : changes) {
    if (change.kind != ChangeKind::volume || !change.alert()) continue;
    const auto [at, fresh] = first.try_emplace(change.contract, as_of);
    if (!fresh) at->second = std::min(at->second, as_of);
  }
  const auto sorted = by_contract(last_of_session);
  std::vector<PendingAlert> pending;
  for (const auto& [contract, as_of] : first) {
    const auto* quote = find_quote(sorted, contract);
    pending.push_back({contract, as_of, quote != nullptr ? quote->volume : std::nullopt,
                       quote != nullptr ? quote->open_interest : std::nullopt});
  }
  return pending;
}

std::vector<Change> confirm_alerts(std::vector<PendingAlert>& pending,
                                   const core::ChainSnapshot& snapshot) {
  std::vector<Change> answers;
  if (pending.empty()) return answers;
  const auto sorted = by_contract(snapshot);
  std::erase_if(pending, [&](const PendingAlert& alert) {
    const auto* quote = find_quote(sorted, alert.contract);
    if (quote == nullptr || !quote->open_interest) return false;
    Change answer{alert.contract, ChangeKind::oi_confirmation};
    if (alert.open_interest) answer.previous = static_cast<double>(*alert.open_interest);
    answer.current = static_cast<double>(*quote->open_interest);
    answer.refers_to = alert.as_of;
    if (alert.open_interest && alert.volume && *alert.volume > 0) {
      const auto grown = static_cast<double>(*quote->open_interest - *alert.open_interest);
      answer.confirmed = grown >= confirming_share * static_cast<double>(*alert.volume);
    }
    answers.push_back(std::move(answer));
    return true;
  });
  return answers;
}

}  // namespace bifrost::collector
