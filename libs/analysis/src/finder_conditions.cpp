// SPDX-License-Identifier: Apache-2.0
#include "finder_conditions.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "kernels/dispatch.hpp"

namespace bifrost::analysis::finder {
namespace {

constexpr double units_per_one = Price::units_per_one;
constexpr double widest = 1e11;     // currency: beyond all strikes
constexpr double rounding = 1e-12;  // of the largest amounts that are added

}  // namespace

kernels::PassingPairs passing_pairs() {
#ifdef BIFROST_X86_KERNELS
  const std::string_view name = kernels::current().name;
  for (const auto* set : {&kernels::avx512_pairs, &kernels::avx2_pairs}) {
    if (name == set->name) return set->passing;
  }
#endif
  return kernels::baseline_pairs.passing;
}

std::size_t Conditions::add(Form form) {
  forms_.push_back(std::move(form));
  lower_values_.emplace_back();
  upper_values_.emplace_back();
  lower_most_.emplace_back();
  upper_most_.emplace_back();
  return forms_.size() - 1;
}

Conditions::Conditions(const Board& board, const Half& lower, const Half& upper)
    : board_(&board), lower_(&lower), upper_(&upper) {
  const Task& task = board.task();
  const auto& request = task.request;
  const auto constrain = [&](Unfit why, std::vector<Form> forms) {
    Group group{.why = why, .forms = {}};
    for (auto& form : forms) group.forms.push_back(add(std::move(form)));
    constraints_.push_back(std::move(group));
  };
  // Whole numbers: half a unit keeps them off the edge.
  const auto at_least = [](Column c, double value) {
    return Form{.terms = {{c, 1.0}}, .constant = 0.5 - value};
  };
  const auto at_most = [](Column c, double value) {
    return Form{.terms = {{c, -1.0}}, .constant = 0.5 + value};
  };

  switch (request.strategy.wings) {
    case Wings::any:
      break;
    case Wings::equal:
      constrain(Unfit::wings, {at_least(wing_difference, 0)});
      constrain(Unfit::wings, {at_most(wing_difference, 0)});
      break;
    case Wings::unequal:
      constrain(Unfit::wings, {at_least(wing_difference, 1), at_most(wing_difference, -1)});
      break;
  }
  for (const auto& [gap, width] : request.constraints.widths) {
    const auto column = static_cast<Column>(gap_0 + gap);
    // Strikes are whole units: the least and the most of them that the window holds.
    if (width.low > 0.0) {
      double least = std::floor(std::min(width.low, widest) * units_per_one);
      while (least / units_per_one < std::min(width.low, widest)) ++least;
      constrain(Unfit::width, {at_least(column, least)});
    }
    if (width.high < widest) {
      const double high = std::max(width.high, -1.0);  // nothing is narrower than 0
      double most = std::ceil(high * units_per_one);
      while (most / units_per_one > high) --most;
      constrain(Unfit::width, {at_most(column, most)});
    }
  }
  const auto plain = [](Column c, double weight = 1.0) {
    return Form{.terms = {{c, weight}}, .constant = 0.0};
  };
  // Max loss and profit: the largest of these with one expiry; with several bounds on either side.
  std::vector<Form> gains{plain(gain_1), plain(gain_2)};
  std::vector<Form> losses{plain(loss_1), plain(loss_2)};  // no loss is less than any of them
  std::vector<Form> most_losses = losses;                  // none exceeds the largest of them
  if (task.several_expiries) {
    gains = {plain(best)};
    most_losses = {plain(worst)};
    losses.clear();
    for (std::size_t k = 0; k < samples; ++k) {
      losses.push_back(plain(static_cast<Column>(sample_0 + k), -1.0));
    }
  }
  const auto moved = [](Form form, double weight, double constant) {
    for (auto& term : form.terms) term.second *= weight;
    form.constant += constant;
    return form;
  };
  const auto all_moved = [&](const std::vector<Form>& forms, double weight, double constant) {
    std::vector<Form> out;
    for (const auto& form : forms) out.push_back(moved(form, weight, constant));
    return out;
  };
  if (!task.unlimited_gain()) constrain(Unfit::no_profit, all_moved(gains, 1.0, -0.5));
  if (!task.unlimited_loss()) {
    constrain(Unfit::no_risk, all_moved(most_losses, 1.0, -0.5));
  }
  if (task.uses_margin && board.margin_formula()->may_be_nothing()) {
    std::vector<Form> asked{plain(paid)};
    for (std::size_t s = 0; s < board.margin_formula()->sums.size(); ++s) {
      asked.push_back(plain(static_cast<Column>(asked_0 + s)));
    }
    constrain(Unfit::no_risk, all_moved(asked, 1.0, -0.5));
  }
  const auto& limits = board.limits();
  if (limits.credit) {
    constrain(Unfit::credit, {at_least(credit, static_cast<double>(*limits.credit))});
  }
  if (limits.loss) {
    for (const auto& loss : losses) {
      constrain(Unfit::max_loss, {moved(loss, -1.0, static_cast<double>(*limits.loss) + 0.5)});
    }
  }
  if (limits.no_breakevens) {
    // Without a breakeven between them profits at the ends have one sign.
    constrain(Unfit::breakevens, {at_least(at_low, 0), at_most(at_high, 0)});
    constrain(Unfit::breakevens, {at_least(at_high, 0), at_most(at_low, 0)});
  }

  // The largest of the least of each clause is the denominator, or bounds it.
  const auto each_alone = [](const std::vector<Form>& forms) {
    Clauses clauses;
    for (const auto& form : forms) clauses.push_back({form});
    return clauses;
  };
  // The requirement, both with what the options cost and without, and that alone; or 0.
  const auto margins = [&](const MarginFormula::Clauses& sums) {
    Clauses required;
    if (board.margin_formula()->worst_loss) {
      required = each_alone(losses);
      for (auto& clause : required) clause[0].terms.emplace_back(cost, -1.0);
    }
    for (const auto& clause : sums) {
      auto& forms = required.emplace_back();
      for (const auto s : clause) forms.push_back(plain(static_cast<Column>(asked_0 + s)));
    }
    Clauses all = required;
    for (auto& clause : required) {
      for (auto& form : clause) form.terms.emplace_back(paid, 1.0);
      all.push_back(std::move(clause));
    }
    all.push_back({plain(paid)});
    return all;
  };
  Clauses least_margins;
  Clauses largest_margins;
  if (task.uses_margin) {
    least_margins = margins(board.margin_formula()->at_least);
    largest_margins = margins(board.margin_formula()->at_most);
  }
  const auto add_all = [&](const Clauses& clauses, double weight) {
    Indices indices;
    for (const auto& clause : clauses) {
      auto& forms = indices.emplace_back();
      for (const auto& form : clause) forms.push_back(add(moved(form, weight, 0.0)));
    }
    return indices;
  };
  // The objective. Forms of a ratio are weighed anew for each threshold.
  const auto ratio = [&](const std::vector<Form>& numerators, const Clauses& at_least_these,
                         const Clauses& at_most_these, bool or_zero) {
    const auto against = [&](const Clauses& denominators) {
      std::vector<Indices> by_numerator;
      for (const auto& numerator : numerators) {
        auto& clauses = by_numerator.emplace_back();
        const auto compare = [&](const std::vector<std::pair<Column, double>>& denominator) {
          clauses.back().push_back(add({}));
          ratios_.push_back({clauses.back().back(), numerator.terms, denominator});
        };
        for (const auto& clause : denominators) {
          clauses.emplace_back();
          for (const auto& denominator : clause) compare(denominator.terms);
        }
        if (or_zero) {
          clauses.emplace_back();
          compare({});
        }
      }
      return by_numerator;
    };
    reaching_ = against(at_least_these);
    sinking_ = board.judges_singly() ? against(at_most_these) : reaching_;
    denominators_ = add_all(at_most_these, 1.0);
  };
  const auto least_losses = each_alone(losses);
  const auto largest_losses = each_alone(most_losses);
  per_unit_ = task.plain == Objective::expected_profit || task.plain == Objective::credit;
  if (task.plain) {
    const Clauses nothing{{Form{}}};
    switch (*task.plain) {
      case Objective::expected_profit:
        ratio({plain(expected)}, nothing, nothing, false);
        break;
      case Objective::credit:
        ratio({plain(credit)}, nothing, nothing, false);
        break;
      case Objective::expected_profit_on_max_loss:
        ratio({plain(expected)}, least_losses, largest_losses, false);
        break;
      case Objective::theta_on_max_loss:
        ratio({plain(theta)}, least_losses, largest_losses, false);
        break;
      case Objective::return_on_risk:
        ratio(gains, least_losses, largest_losses, false);
        break;
      case Objective::return_on_margin:
        ratio(gains, least_margins, largest_margins, false);
        break;
      case Objective::expected_profit_on_margin:
        ratio({plain(expected)}, least_margins, largest_margins, true);
        break;
      case Objective::pop:
        core::panic("pop is no sum");
    }
  } else {
    Form alone;
    Form on_loss = alone;
    Form on_margin = alone;
    double gain_on_loss = 0.0;
    double gain_on_margin = 0.0;
    for (const auto& [objective, weight] : request.objective) {
      switch (objective) {
        case Objective::expected_profit:
          alone.terms.emplace_back(expected, weight / units_per_one);
          break;
        case Objective::credit:
          alone.terms.emplace_back(credit, weight / units_per_one);
          break;
        case Objective::expected_profit_on_max_loss:
          on_loss.terms.emplace_back(expected, weight);
          break;
        case Objective::theta_on_max_loss:
          on_loss.terms.emplace_back(theta, weight);
          break;
        case Objective::return_on_risk:
          gain_on_loss += weight;
          break;
        case Objective::return_on_margin:
          gain_on_margin += weight;
          break;
        case Objective::expected_profit_on_margin:
          on_margin.terms.emplace_back(expected, weight);
          break;
        case Objective::pop:
          pop_weight_ += weight;
          break;
      }
    }
    if (!alone.terms.empty())
      parts_.push_back({.numerators = {add(alone)}, .denominators = {}, .least = {}});
    // Max profit is positive: with a negative weight it adds nothing to a bound.
    const auto add_part = [&](const Form& others, double by_gain, const Clauses& at_least_these,
                              const Clauses& at_most_these) {
      if (others.terms.empty() && by_gain <= 0.0) return;
      Part part{.numerators = {},
                .denominators = add_all(at_most_these, 1.0),
                .least = add_all(at_least_these, -1.0)};
      if (by_gain > 0.0) {
        for (const auto& gain : gains) {
          Form with = others;
          with.terms.emplace_back(gain.terms[0].first, by_gain);
          part.numerators.push_back(add(with));
        }
      } else {
        part.numerators.push_back(add(others));
      }
      parts_.push_back(std::move(part));
    };
    add_part(on_loss, gain_on_loss, least_losses, largest_losses);
    add_part(on_margin, gain_on_margin, least_margins, largest_margins);
  }
  for (std::size_t c = 0; c < columns; ++c) {
    for (const Half* half : {&lower, &upper}) {
      double largest = 0.0;
      for (const double value : half->column[c]) largest = std::max(largest, std::abs(value));
      largest_[c] += largest;
    }
  }
  for (std::size_t form = 0; form < forms_.size(); ++form) {
    if (std::ranges::find(ratios_, form, &Ratio::form) == ratios_.end()) fill(form);
  }
  set_threshold(std::nullopt);
}

void Conditions::fill(std::size_t form) {
  const Form& of = forms_[form];
  const auto one_half = [&](const Half& half, double constant, std::vector<double>& values,
                            std::vector<double>& most) {
    const auto count = static_cast<std::size_t>(half.size());
    values.resize(count + kernels::PairTest::padding);
    double* to = values.data();
    for (std::size_t t = 0; t < of.terms.size(); ++t) {
      const double weight = of.terms[t].second;
      const double* from = half.column[of.terms[t].first].data();
      if (t == 0) {
        for (std::size_t i = 0; i < count; ++i) to[i] = constant + weight * from[i];
      } else {
        for (std::size_t i = 0; i < count; ++i) to[i] += weight * from[i];
      }
    }
    most.resize(half.nodes.size());
    for (std::size_t n = half.nodes.size(); n-- > 0;) {
      const Node& node = half.nodes[n];
      double highest = -infinity;
      if (node.left < 0) {
        for (int i = node.begin; i < node.end; ++i) {
          highest = std::max(highest, values[static_cast<std::size_t>(i)]);
        }
      } else {
        highest = most[static_cast<std::size_t>(node.left)];
        if (node.right >= 0)
          highest = std::max(highest, most[static_cast<std::size_t>(node.right)]);
      }
      most[n] = highest;
    }
  };
  one_half(*lower_, of.constant, lower_values_[form], lower_most_[form]);
  one_half(*upper_, 0.0, upper_values_[form], upper_most_[form]);
}

void Conditions::set_threshold(std::optional<double> threshold, Edge edge) {
  threshold_ = threshold;
  objective_.clear();
  const auto& task = board_->task();
  // What fits has a max profit, so that its return reaches whatever is negative.
  const bool is_return =
      task.plain == Objective::return_on_risk || task.plain == Objective::return_on_margin;
  if (threshold && task.plain && !(is_return && *threshold < 0.0)) {
    const double at = *threshold;
    const double constant = per_unit_ ? -at * units_per_one : 0.0;
    double largest = std::abs(constant);
    for (const auto& [index, numerator, denominator] : ratios_) {
      Form& form = forms_[index];
      form.terms = numerator;
      for (const auto& [column, weight] : denominator)
        form.terms.emplace_back(column, -at * weight);
      double sum = std::abs(constant);
      for (const auto& [column, weight] : form.terms) sum += std::abs(weight) * largest_[column];
      largest = std::max(largest, sum);
    }
    tolerance_ = (edge == Edge::generous ? rounding : -rounding) * largest;
    const auto& by_numerator = at >= 0.0 ? reaching_ : sinking_;
    for (const auto& clauses : by_numerator) {
      for (const auto& clause : clauses) {
        for (const std::size_t index : clause) {
          forms_[index].constant = constant + tolerance_;
          fill(index);
        }
      }
    }
    // Groups must hold all of them, of each one form: so they are every choice of one of several.
    const auto choose = [&](const Indices& from) {
      std::vector<Group> longer;
      for (const auto& group : objective_) {
        for (const auto& forms : from) {
          longer.push_back(group);
          longer.back().forms.insert(longer.back().forms.end(), forms.begin(), forms.end());
        }
      }
      objective_ = std::move(longer);
    };
    objective_.push_back({});
    for (const auto& clauses : by_numerator) {
      if (at >= 0.0) {
        // Some numerator must reach the threshold against every clause, and against some
        // denominator of it.
        choose(clauses);
        continue;
      }
      // Against a negative threshold large denominators help: against all of some clause.
      for (const auto& clause : clauses) {
        Indices singly;
        for (const std::size_t form : clause) singly.push_back({form});
        choose(singly);
      }
    }
  }
  lay_out();
}

void Conditions::lay_out() {
  std::vector<std::size_t> order;
  kernel_ends_.clear();
  names_.clear();
  for (const auto* groups : {&constraints_, &objective_}) {
    for (const auto& group : *groups) {
      order.insert(order.end(), group.forms.begin(), group.forms.end());
      kernel_ends_.push_back(static_cast<int>(order.size()));
      names_.push_back(group.why);
    }
  }
  if (kernel_ends_.size() > kernels::PairTest::most_groups) {
    core::panic("more conditions than the kernels count");
  }
  kernel_left_.clear();
  kernel_right_.clear();
  for (const std::size_t form : order) {
    kernel_left_.push_back(lower_values_[form].data());
    kernel_right_.push_back(upper_values_[form].data());
  }
}

kernels::PairTest Conditions::test(int i) const {
  return {.groups = static_cast<int>(kernel_ends_.size()),
          .ends = kernel_ends_.data(),
          .left = kernel_left_.data(),
          .right = kernel_right_.data(),
          .one = i};
}

std::optional<Conditions::Failure> Conditions::failure(std::size_t lower_node,
                                                       std::size_t upper_node) const {
  const auto best_of = [&](const Group& group) {
    return most_of(group.forms, lower_node, upper_node);
  };
  for (const auto& group : objective_) {
    // Where nothing can be lost or is asked there is no ratio, and a constraint below fails.
    if (best_of(group) < 0.0 &&
        (per_unit_ || largest_of(denominators_, lower_node, upper_node) > 0.0)) {
      return Failure{std::nullopt, most_score(lower_node, upper_node, 1.0)};
    }
  }
  for (const auto& group : constraints_) {
    const double best = best_of(group);
    if (best < 0.0) return Failure{group.why, (best - 0.5) / units_per_one};
  }
  return std::nullopt;
}

double Conditions::most_of(const std::vector<std::size_t>& forms, std::size_t lower_node,
                           std::size_t upper_node) const {
  double best = -infinity;
  for (const std::size_t form : forms) best = std::max(best, most(form, lower_node, upper_node));
  return best;
}

double Conditions::largest_of(const Indices& clauses, std::size_t lower_node,
                              std::size_t upper_node) const {
  double largest = -infinity;
  for (const auto& clause : clauses) {
    double least = infinity;
    for (const std::size_t form : clause)
      least = std::min(least, most(form, lower_node, upper_node));
    largest = std::max(largest, least);
  }
  return largest;
}

double Conditions::most_score(std::size_t lower_node, std::size_t upper_node,
                              double most_pop) const {
  const auto most_of_nodes = [&](const std::vector<std::size_t>& forms) {
    return most_of(forms, lower_node, upper_node);
  };
  if (board_->task().plain) {
    // numerator - threshold * denominator <= excess < 0, so that the ratio stays below the
    // threshold by at least -excess / (the largest denominator).
    if (!threshold_) return infinity;
    double excess = infinity;
    for (const auto& group : objective_) excess = std::min(excess, most_of_nodes(group.forms));
    excess -= tolerance_;
    const double denominator =
        per_unit_ ? units_per_one : largest_of(denominators_, lower_node, upper_node);
    return *threshold_ + excess / denominator;
  }
  double total = pop_weight_ > 0.0 ? pop_weight_ * most_pop : 0.0;
  for (const auto& part : parts_) {
    const double numerator = most_of_nodes(part.numerators);
    if (part.denominators.empty()) {
      total += numerator;
    } else if (numerator > 0.0) {
      // The largest of the denominators is at least the least value of each; a loss or a margin
      // that counts is at least one unit.
      double least = 1.0;
      for (const auto& clause : part.least) {
        double of_clause = infinity;
        for (const std::size_t form : clause) {
          of_clause = std::min(of_clause, -most(form, lower_node, upper_node));
        }
        least = std::max(least, of_clause);
      }
      total += numerator / least;
    } else {
      total += numerator / largest_of(part.denominators, lower_node, upper_node);
    }
  }
  return total;
}

std::vector<double> Conditions::promise(bool lower) const {
  const auto& values = lower ? lower_values_ : upper_values_;
  std::vector<double> sum(static_cast<std::size_t>((lower ? lower_ : upper_)->size()), 0.0);
  for (const auto& clauses : threshold_.value_or(0.0) >= 0.0 ? reaching_ : sinking_) {
    for (const auto& clause : clauses) {
      for (const std::size_t form : clause) {
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[form][i];
      }
    }
  }
  return sum;
}

}  // namespace bifrost::analysis::finder
