// SPDX-License-Identifier: Apache-2.0
#include "pairs.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 2;
typedef double Vector __attribute__((vector_size(16)));

inline Vector load_all(const double* from) {
  return Vector{from[0], from[1]};
}
inline Vector broadcast(double value) {
  return Vector{value, value};
}
inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}
/// Bit i: lane i is not negative.
inline unsigned not_negative(Vector a) {
  return (a[0] >= 0.0 ? 1u : 0u) | (a[1] >= 0.0 ? 2u : 0u);
}

#include "pairs.inc"

}  // namespace

const PairKernels baseline_pairs{"baseline", passing_pairs};

}  // namespace bifrost::analysis::kernels
