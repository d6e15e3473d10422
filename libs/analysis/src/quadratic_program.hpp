// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace bifrost::analysis {

/// Rows of equal length, one after the other.
struct DenseRows {
  std::size_t columns = 0;
  std::vector<double> values;

  std::size_t size() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<double> operator[](std::size_t i) { return {&values[i * columns], columns}; }
  std::span<const double> operator[](std::size_t i) const {
    return {&values[i * columns], columns};
  }
};

/// Minimise x'Gx / 2 - a'x over x >= 0 with equalities rows x = targets and inequalities
/// rows x >= floors. G is symmetric and positive definite.
struct QuadraticProgram {
  DenseRows g;
  std::vector<double> a;
  DenseRows equalities;
  std::vector<double> targets;
  DenseRows inequalities;
  std::vector<double> floors;
};

enum class QuadraticOutcome { solved, infeasible, not_positive_definite, too_many_steps };

struct QuadraticSolution {
  QuadraticOutcome outcome;
  std::vector<double> x;
  int steps;
};

/// The dual active-set method of Goldfarb and Idnani, "A numerically stable dual method for solving
/// strictly convex quadratic programs" (Mathematical Programming 27, 1983): starts at the minimum
/// without inequalities and takes in, one after the other, those that it violates. Bounds come out
/// as exact zeros; an inequality may be missed by 1e-9 of its largest coefficient's share.
QuadraticSolution solve(const QuadraticProgram& program);

}  // namespace bifrost::analysis
