// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "finder_board.hpp"
#include "kernels/pairs.hpp"

namespace bifrost::analysis::finder {

/// What a combination must fulfil, as groups of forms over two halves, and at a threshold the
/// objective too. With one expiry the constraints among them, but for breakevens, are exact; the
/// objective is a shade to one side.
class Conditions {
 public:
  /// The halves must outlive this.
  Conditions(const Board& board, const Half& lower, const Half& upper);

  enum class Edge : std::uint8_t {
    generous,  // who does not pass has no score as high
    strict,  // who passes has a higher score, if the board does not judge singly, and fits but for
             // breakevens and pop
  };
  /// From now on scores below `threshold` fail; nothing: all scores pass.
  void set_threshold(std::optional<double> threshold, Edge edge = Edge::generous);

  /// Pairs of lower member `i` with members of the upper half, for the kernels. Valid until the
  /// threshold changes.
  kernels::PairTest test(int i) const;
  /// Under what the kernel's counts of passed groups run. The objective's groups come last.
  const std::vector<std::optional<Unfit>>& group_names() const { return names_; }

  /// Why no pair of these two nodes can pass; nothing if one might.
  struct Failure {
    std::optional<Unfit> why;  // nothing: the score
    double bound;              // as in CertificateClass
  };
  std::optional<Failure> failure(std::size_t lower_node, std::size_t upper_node) const;
  /// No pair of the two nodes scores more, given that none has a higher pop.
  double most_score(std::size_t lower_node, std::size_t upper_node, double most_pop) const;
  /// How promising each member of the lower (upper) half is at the threshold.
  std::vector<double> promise(bool lower) const;
  /// What filling all forms costs, rough nanoseconds; a new threshold fills some.
  double filling_work() const {
    return 4.0 * static_cast<double>(forms_.size()) * (double(lower_->size()) + upper_->size());
  }

 private:
  struct Form {
    std::vector<std::pair<Column, double>> terms;
    double constant = 0.0;
  };
  /// Of denominators: the largest over clauses of the least of a clause. By form, or as indices.
  using Clauses = std::vector<std::vector<Form>>;
  using Indices = std::vector<std::vector<std::size_t>>;
  struct Group {
    std::optional<Unfit> why;
    std::vector<std::size_t> forms;
  };

  std::size_t add(Form form);
  void fill(std::size_t form);
  void lay_out();
  double most_of(const std::vector<std::size_t>& forms, std::size_t lower_node,
                 std::size_t upper_node) const;
  double largest_of(const Indices& clauses, std::size_t lower_node, std::size_t upper_node) const;
  double most(std::size_t form, std::size_t lower_node, std::size_t upper_node) const {
    return lower_most_[form][lower_node] + upper_most_[form][upper_node];
  }

  const Board* board_;
  const Half* lower_;
  const Half* upper_;
  std::vector<Form> forms_;
  std::vector<Group> constraints_;
  std::vector<Group> objective_;  // at the threshold
  struct Ratio {
    std::size_t form;  // numerator - threshold * denominator
    std::vector<std::pair<Column, double>> numerator;
    std::vector<std::pair<Column, double>> denominator;
  };
  std::vector<Ratio> ratios_;
  // By numerator its forms against each denominator: those that none is less than, for thresholds
  // that are not negative; those of which the largest is not exceeded, for others.
  std::vector<Indices> reaching_;
  std::vector<Indices> sinking_;
  bool per_unit_ = false;  // the denominator is one unit of currency
  std::optional<double> threshold_;
  double tolerance_ = 0.0;
  std::array<double, columns> largest_{};  // sum of the largest absolute values of both halves
  // Values of forms: by form, then by member or node.
  std::vector<std::vector<double>> lower_values_;
  std::vector<std::vector<double>> upper_values_;
  std::vector<std::vector<double>> lower_most_;
  std::vector<std::vector<double>> upper_most_;
  // Groups one after another as the kernel wants them.
  std::vector<const double*> kernel_left_;
  std::vector<const double*> kernel_right_;
  std::vector<int> kernel_ends_;
  std::vector<std::optional<Unfit>> names_;

  // For bounds on scores; indices of forms.
  Indices denominators_;
  struct Part {                           // of a weighted sum
    std::vector<std::size_t> numerators;  // the largest of them
    Indices denominators;                 // none: 1
    Indices least;                        // the denominators, negated
  };
  std::vector<Part> parts_;
  double pop_weight_ = 0.0;
};

/// The kernels of the processor that the chain kernels use.
kernels::PassingPairs passing_pairs();

}  // namespace bifrost::analysis::finder
