// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
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

/// Of equal lengths.
double dot(std::span<const double> x, std::span<const double> y);

enum class QuadraticOutcome { solved, infeasible, too_many_steps };

/// Minimises x'Gx / 2 - a'x over x >= 0 under linear equalities and inequalities, by the dual
/// active-set method of Goldfarb and Idnani, "A numerically stable dual method for solving strictly
/// convex quadratic programs" (Mathematical Programming 27, 1983): it starts at the minimum without
/// inequalities and takes in, one after the other, those that it violates. More inequalities may
/// come after a solution; solve() then goes on from there.
class QuadraticProgram {
 public:
  /// G is symmetric, its lower triangle is read. Nothing where it is not positive definite.
  static std::optional<QuadraticProgram> create(DenseRows g, std::span<const double> a);

  /// row x = target. Before the first solve(). False: it contradicts those before it.
  bool require(std::span<const double> row, double target);
  /// row x >= floor, to within 1e-9. Scale the row so that this is little.
  void limit(std::span<const double> row, double floor);

  QuadraticOutcome solve();
  std::span<const double> x() const { return x_; }

 private:
  QuadraticProgram() = default;
  struct Held {
    std::size_t id;  // below the number of variables: the bound of that one; then the inequalities
    bool equality;
    double multiplier;
  };
  struct Normal {
    std::optional<std::size_t> unit;
    std::span<const double> row;
    double times(std::span<const double> x) const;
  };
  Normal normal(std::size_t id) const;
  double slack(std::size_t id) const;
  std::optional<std::size_t> most_violated() const;
  void directions(const Normal& toward);
  double reach() const;
  double length() const;
  void hold(Held what);
  void release(std::size_t which);
  void rotate(std::size_t first, std::size_t second, double cosine, double sine);

  std::size_t n_ = 0;
  DenseRows columns_;  // row c is column c of J, J'GJ = 1; J' times the held normals is (upper; 0)
  DenseRows upper_;
  DenseRows inequalities_;
  std::vector<double> floors_;
  std::vector<Held> held_;
  std::vector<char> free_;  // of the bounds, then of the inequalities: not held
  std::vector<double> x_;
  std::vector<double> direction_;
  std::vector<double> step_;
  std::vector<double> dual_step_;
};

}  // namespace bifrost::analysis
