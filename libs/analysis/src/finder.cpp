// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/finder.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "bifrost/analysis/certificate.hpp"
#include "finder_search.hpp"

namespace bifrost::analysis {
namespace {

using finder::Board;
using finder::Choice;
using finder::Conditions;
using finder::Half;
using finder::Progress;
using finder::Ranking;
using finder::stopped;
using finder::Task;

constexpr std::array<std::pair<Objective, std::string_view>, 8> objective_names{{
    {Objective::expected_profit, "expected_profit"},
    {Objective::expected_profit_on_max_loss, "expected_profit_on_max_loss"},
    {Objective::expected_profit_on_margin, "expected_profit_on_margin"},
    {Objective::credit, "credit"},
    {Objective::return_on_risk, "return_on_risk"},
    {Objective::return_on_margin, "return_on_margin"},
    {Objective::pop, "pop"},
    {Objective::theta_on_max_loss, "theta_on_max_loss"},
}};

// Whether a strategy can have legs in both: the second settles on a later day (two classes of one
// day are hours apart), and a contract is as large.
bool one_after_the_other(const SearchExpiry& first, const SearchExpiry& second) {
  return second.priced->years_to_expiry > first.priced->years_to_expiry &&
         second.priced->chain.expiry > first.priced->chain.expiry &&
         second.priced->chain.multiplier == first.priced->chain.multiplier;
}

// The choices of expiries, in the order in which ties are broken.
core::Result<std::vector<std::vector<std::size_t>>> choices_of_expiries(
    const Task& task, std::span<const SearchExpiry> expiries) {
  for (std::size_t i = 1; i < expiries.size(); ++i) {
    if (expiries[i].priced->chain.expiry < expiries[i - 1].priced->chain.expiry) {
      return core::fail(core::Errc::invalid_input, "expiries that do not ascend");
    }
  }
  const auto& constraints = task.request.constraints;
  const auto in_window = [&](std::size_t i) {
    const int days = expiries[i].days_to_expiry;
    return (!constraints.min_days_to_expiry || days >= *constraints.min_days_to_expiry) &&
           (!constraints.max_days_to_expiry || days <= *constraints.max_days_to_expiry);
  };
  std::vector<std::vector<std::size_t>> choices;
  for (std::size_t i = 0; i < expiries.size(); ++i) {
    if (!in_window(i)) continue;
    if (!task.several_expiries) {
      choices.push_back({i});
      continue;
    }
    for (std::size_t j = i + 1; j < expiries.size(); ++j) {
      if (in_window(j) && one_after_the_other(expiries[i], expiries[j])) choices.push_back({i, j});
    }
  }
  return choices;
}

// Without all members when stopped.
struct Halves {
  Halves(const Board& board, bool tree, Progress& progress)
      : lower(board.lower(tree, progress)),
        upper(board.upper(tree, progress)),
        conditions(board, lower, upper) {
    progress.spend(conditions.filling_work());
  }
  Halves(const Halves&) = delete;
  Halves& operator=(const Halves&) = delete;

  Half lower;
  Half upper;
  Conditions conditions;
};

// All boards of a search; their halves are made when needed, and kept where there is but one.
class Boards {
 public:
  static core::Result<Boards> make(const Task& task, std::span<const SearchExpiry> expiries,
                                   Progress& progress) {
    BF_TRY(auto choices, choices_of_expiries(task, expiries));
    Boards made;
    for (auto& at : choices) {
      BF_TRY(auto board, Board::make(task, expiries, std::move(at), progress));
      made.combinations += board.combinations();
      made.all.push_back(std::move(board));
      if (choices.size() > 1) {
        // The seeds are sown in the rest.
        const double share =
            static_cast<double>(made.all.size()) / static_cast<double>(choices.size());
        if (!progress.prepare(0.5 * share)) return finder::stopped();
      }
    }
    return made;
  }

  /// Calls use(index, board, halves) for every board, until stopped.
  template <class Use>
  void each(bool tree, Progress& progress, const Use& use) {
    for (std::size_t index = 0; index < all.size() && !progress.stopped(); ++index) {
      if (all.size() == 1) {
        auto& kept = kept_[tree ? 1 : 0];
        if (!kept) kept = std::make_unique<Halves>(all[index], tree, progress);
        if (!progress.stopped()) use(index, all[index], *kept);
        return;
      }
      Halves halves(all[index], tree, progress);
      if (!progress.stopped()) use(index, all[index], halves);
    }
  }

  std::vector<Board> all;
  std::int64_t combinations = 0;

 private:
  std::array<std::unique_ptr<Halves>, 2> kept_;
};

// Where a combination stands among the members of two halves; nothing if it does not.
std::optional<std::pair<int, int>> members_at(const Board& board, const Halves& halves,
                                              const Board::Rows& rows) {
  const auto find = [&](const Half& half, std::size_t from) -> std::optional<int> {
    for (int m = 0; m < half.size(); ++m) {
      const auto i = static_cast<std::size_t>(m);
      if (half.rungs == 0 ||
          (half.first[i] == rows[from] && (half.rungs == 1 || half.last[i] == rows[from + 1]))) {
        return m;
      }
    }
    return std::nullopt;
  };
  const auto i = find(halves.lower, 0);
  const auto j = find(halves.upper, board.task().lower_rungs);
  if (!i || !j) return std::nullopt;
  return std::pair{*i, *j};
}

// The row of each strike, or the first leg that cannot be used.
tl::expected<Board::Rows, WhyNot::Leg> usable_rows(const Board& board,
                                                   const NamedCombination& combination) {
  Board::Rows rows{};
  const auto& legs = board.task().request.strategy.legs;
  for (std::size_t l = 0; l < legs.size(); ++l) {
    if (legs[l].kind == LegKind::stock) continue;
    const auto rung = static_cast<std::size_t>(legs[l].rung);
    const auto& all = board.board_rows();
    const auto row =
        std::ranges::lower_bound(all, combination.strikes[rung], {}, &finder::BoardRow::strike);
    if (row == all.end() || row->strike != combination.strikes[rung] || row->strike <= Price{}) {
      return tl::unexpected{WhyNot::Leg{l, UnusableLeg::not_listed}};
    }
    rows[rung] = static_cast<int>(row - all.begin());
    if (const auto why = board.leg_place(legs[l], static_cast<std::size_t>(rows[rung])).why) {
      return tl::unexpected{WhyNot::Leg{l, *why}};
    }
  }
  return rows;
}

}  // namespace

std::string_view to_string(Objective objective) {
  for (const auto& [value, name] : objective_names) {
    if (value == objective) return name;
  }
  return "unknown";
}

std::optional<Objective> parse_objective(std::string_view text) {
  for (const auto& [value, name] : objective_names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

std::string_view to_string(Unfit why) {
  switch (why) {
    case Unfit::wings:
      return "wings";
    case Unfit::width:
      return "width";
    case Unfit::no_profit:
      return "no_profit";
    case Unfit::no_risk:
      return "no_risk";
    case Unfit::credit:
      return "credit";
    case Unfit::max_loss:
      return "max_loss";
    case Unfit::breakevens:
      return "breakevens";
    case Unfit::pop:
      return "pop";
  }
  return "unknown";
}

std::string_view to_string(UnusableLeg why) {
  switch (why) {
    case UnusableLeg::days_to_expiry:
      return "days_to_expiry";
    case UnusableLeg::not_listed:
      return "not_listed";
    case UnusableLeg::no_price:
      return "no_price";
    case UnusableLeg::in_the_money:
      return "in_the_money";
    case UnusableLeg::no_delta:
      return "no_delta";
    case UnusableLeg::delta:
      return "delta";
    case UnusableLeg::spread:
      return "spread";
    case UnusableLeg::open_interest:
      return "open_interest";
    case UnusableLeg::size:
      return "size";
    case UnusableLeg::no_theta:
      return "no_theta";
    case UnusableLeg::no_vol:
      return "no_vol";
    case UnusableLeg::no_american_price:
      return "no_american_price";
  }
  return "unknown";
}

std::vector<int> wing_gaps(const StrategyShape& shape) {
  std::vector<int> gaps;
  for (int gap = 0; gap + 1 < rung_count(shape); ++gap) {
    for (const auto& low : shape.legs) {
      const bool wing =
          low.rung == gap && std::ranges::any_of(shape.legs, [&](const LegShape& high) {
            return high.rung == gap + 1 && high.kind == low.kind &&
                   high.expiry_rung == low.expiry_rung && (high.quantity > 0) != (low.quantity > 0);
          });
      if (wing && (gaps.empty() || gaps.back() != gap)) gaps.push_back(gap);
    }
  }
  return gaps;
}

double highest_front_spot(const Density& front, std::span<const Price> strikes) {
  const Price highest = strikes.empty() ? Price{} : std::ranges::max(strikes);
  return std::max(2.0 * highest.value(), pop_cell_edges(front).back());
}

std::vector<double> front_model_spots(const Density& front, std::span<const Price> strikes,
                                      std::optional<std::pair<Price, Price>> no_breakevens) {
  auto spots = pop_cell_edges(front);
  // Where it counts, so close that a dip between two strikes is seen.
  constexpr int parts = 4;
  const double low = front.quantile(0.02);
  const double high = front.quantile(0.98);
  for (std::size_t i = 0, edges = spots.size(); i + 1 < edges; ++i) {
    if (spots[i] < low || spots[i + 1] > high) continue;
    for (int part = 1; part < parts; ++part) {
      spots.push_back(spots[i] + (spots[i + 1] - spots[i]) * part / parts);
    }
  }
  for (const Price strike : strikes) spots.push_back(strike.value());
  // Far out, where a curve may still bend.
  constexpr int steps = 24;
  if (!strikes.empty()) {
    const double lowest = std::ranges::min(strikes).value();
    for (int i = 1; i <= steps; ++i) spots.push_back(lowest * std::pow(0.5, i / double{steps}));
  }
  const double last = std::ranges::max(spots);
  const double highest = highest_front_spot(front, strikes);
  for (int i = 1; i < steps; ++i) {
    spots.push_back(last * std::pow(highest / last, i / double{steps}));
  }
  spots.push_back(highest);
  if (no_breakevens) {
    spots.push_back(no_breakevens->first.value());
    spots.push_back(no_breakevens->second.value());
  }
  std::ranges::sort(spots);
  const auto same = std::ranges::unique(spots);
  spots.erase(same.begin(), same.end());
  return spots;
}

std::optional<LognormalDensity> atm_density(const PricedChain& priced) {
  if (!priced.atm_implied_vol || priced.years_to_expiry <= 0.0) return std::nullopt;
  return LognormalDensity{.forward = priced.parity.forward,
                          .vol = *priced.atm_implied_vol,
                          .years_to_expiry = priced.years_to_expiry};
}

core::Result<FinderResult> find_best(const SearchRequest& request,
                                     std::span<const SearchExpiry> expiries,
                                     const OnProgress& on_progress) {
  BF_TRY(const auto task, finder::make_task(request));
  Progress progress(on_progress);
  BF_TRY(auto boards, Boards::make(task, expiries, progress));
  FinderResult result;
  result.combinations = boards.combinations;
  progress.set_total(boards.combinations);
  Ranking ranking(request.keep);

  Ranking seeds(request.keep);
  if (request.exhaustive) {
    result.census.emplace();
    boards.each(false, progress, [&](std::size_t index, const Board& board, Halves& halves) {
      const auto census = finder::scan(board, index, halves.lower, halves.upper, halves.conditions,
                                       ranking, progress);
      result.census->combinations += census.combinations;
      result.census->qualified += census.qualified;
      for (std::size_t i = 0; i < census.unfit.size(); ++i) {
        result.census->unfit[i] += census.unfit[i];
      }
    });
    result.visited = result.census->combinations;
  } else {
    boards.each(true, progress, [&](std::size_t index, const Board& board, Halves& halves) {
      finder::sow(board, index, halves.lower, halves.upper, halves.conditions, seeds, progress);
      if (boards.all.size() > 1) {
        const double share =
            static_cast<double>(index + 1) / static_cast<double>(boards.all.size());
        progress.prepare(0.5 + 0.5 * share);
      }
    });
    boards.each(true, progress, [&](std::size_t index, const Board& board, Halves& halves) {
      const auto counts =
          finder::branch_and_bound(board, index, halves.lower, halves.upper, halves.conditions,
                                   seeds.threshold(), ranking, nullptr, progress);
      result.visited += counts.visited;
      result.pruned += counts.pruned;
    });
  }
  if (progress.stopped()) return stopped();
  const auto choices = ranking.sorted();

  if (request.certificate) {
    // Once more with the threshold known from the start: fewer classes, all bounded by the same.
    Certificate proof{.threshold = ranking.threshold(),
                      .boards = {},
                      .classes = {},
                      .combinations = boards.combinations,
                      .visited = 0,
                      .pruned = 0};
    Ranking again(request.keep);
    boards.each(true, progress, [&](std::size_t index, const Board& board, Halves& halves) {
      const auto counts =
          finder::branch_and_bound(board, index, halves.lower, halves.upper, halves.conditions,
                                   proof.threshold, again, &proof.classes, progress);
      proof.visited += counts.visited;
      proof.pruned += counts.pruned;
      proof.boards.push_back({board.expiries(), counts.visited + counts.pruned});
    });
    if (progress.stopped()) return stopped();
    result.certificate = std::move(proof);
  }

  for (const auto& choice : choices) {
    auto candidate = boards.all[choice.board].describe(choice.rows);
    candidate.score = choice.score;
    result.candidates.push_back(std::move(candidate));
  }
  return result;
}

core::Result<WhyNot> why_not(const SearchRequest& request, std::span<const SearchExpiry> expiries,
                             const NamedCombination& combination, const OnProgress& on_progress) {
  BF_TRY(const auto task, finder::make_task(request));
  if (combination.strikes.size() != task.rungs ||
      std::ranges::adjacent_find(combination.strikes, std::greater_equal<>{}) !=
          combination.strikes.end()) {
    return core::fail(core::Errc::invalid_input,
                      "strikes are one for each of the strategy's, ascending");
  }
  if (combination.expiries.size() != static_cast<std::size_t>(expiry_count(request.strategy)) ||
      combination.expiries.back() >= expiries.size() ||
      std::ranges::adjacent_find(combination.expiries, std::greater_equal<>{}) !=
          combination.expiries.end()) {
    return core::fail(core::Errc::invalid_input,
                      "expiries are one for each of the strategy's, ascending, of those searched");
  }
  OnProgress on_preparing;
  if (on_progress) {
    on_preparing = [&](const SearchProgress&) { return on_progress({.share = 0.0, .found = 0}); };
  }
  Progress preparing(on_preparing);
  BF_TRY(auto boards, Boards::make(task, expiries, preparing));
  const auto here = std::ranges::find(boards.all, combination.expiries,
                                      [](const Board& b) { return b.expiries(); });
  WhyNot answer;
  if (here == boards.all.end()) {
    answer.unusable = WhyNot::Leg{0, UnusableLeg::days_to_expiry};
    return answer;
  }
  const auto rows = usable_rows(*here, combination);
  if (!rows) {
    answer.unusable = rows.error();
    return answer;
  }

  // In the middle of the spreads and for nothing.
  auto free = request;
  free.fill = Fill::mid;
  free.fee_per_contract = {};
  BF_TRY(const auto free_task, finder::make_task(free));
  BF_TRY(const auto free_board, Board::make(free_task, expiries, combination.expiries, preparing));
  if (usable_rows(free_board, combination)) {
    const Halves halves(free_board, false, preparing);
    if (preparing.stopped()) return stopped();
    if (const auto at = members_at(free_board, halves, *rows)) {
      const auto features = free_board.features(halves.lower, at->first, halves.upper, at->second);
      const finder::Judge judge(free_board, 0, halves.lower, halves.upper);
      if (features.loss > 0.0 && (!free_task.uses_margin || features.margin > 0.0)) {
        answer.score_without_costs = judge.rate(at->first, at->second).score;
      }
    }
  }

  auto asked = request;
  asked.exhaustive = false;
  asked.certificate = false;
  // The list is quickly found; counting those before takes the rest of the time.
  constexpr double share_of_list = 0.05;
  OnProgress on_list;
  OnProgress on_count;
  if (on_progress) {
    on_list = [&](const SearchProgress& at) {
      return on_progress({.share = share_of_list * at.share, .found = at.found});
    };
    on_count = [&](const SearchProgress& at) {
      return on_progress(
          {.share = share_of_list + (1.0 - share_of_list) * at.share, .found = at.found});
    };
  }
  BF_TRY(const auto best, find_best(asked, expiries, on_list));
  if (best.candidates.size() == request.keep) answer.threshold = best.candidates.back().score;

  const auto index = static_cast<std::size_t>(here - boards.all.begin());
  Progress progress(on_count);
  std::optional<Choice> own;
  {
    const Halves halves(*here, false, progress);
    if (progress.stopped()) return stopped();
    const auto at = members_at(*here, halves, *rows);
    if (!at) core::panic("a combination of usable legs that is none");
    const finder::Judge judge(*here, index, halves.lower, halves.upper);
    answer.unfit = judge.unfit(at->first, at->second);
    // Without a risk there is no ratio, and nothing to compare.
    if (answer.unfit == Unfit::no_risk) return answer;
    own = judge.rate(at->first, at->second);
  }
  answer.candidate = here->describe(*rows);
  answer.candidate->score = own->score;

  progress.set_total(boards.combinations);
  std::int64_t before = 0;
  boards.each(false, progress, [&](std::size_t b, const Board& board, Halves& halves) {
    before += finder::count_better(board, b, halves.lower, halves.upper, halves.conditions, *own,
                                   progress);
  });
  if (progress.stopped()) return stopped();
  answer.rank = before + 1;
  return answer;
}

}  // namespace bifrost::analysis
