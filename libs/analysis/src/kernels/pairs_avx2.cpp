// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "pairs.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 4;
typedef __m256d Vector;

inline Vector load_all(const double* from) {
  return _mm256_loadu_pd(from);
}
inline Vector broadcast(double value) {
  return _mm256_set1_pd(value);
}
inline Vector larger(Vector a, Vector b) {
  return _mm256_max_pd(a, b);
}
/// Bit i: lane i is not negative.
inline unsigned not_negative(Vector a) {
  return static_cast<unsigned>(
      _mm256_movemask_pd(_mm256_cmp_pd(a, _mm256_setzero_pd(), _CMP_GE_OQ)));
}

#include "pairs.inc"

}  // namespace

const PairKernels avx2_pairs{"avx2", passing_pairs};

}  // namespace bifrost::analysis::kernels
