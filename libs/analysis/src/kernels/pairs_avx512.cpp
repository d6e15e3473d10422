// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "pairs.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 8;
typedef __m512d Vector;

inline Vector load_all(const double* from) {
  return _mm512_loadu_pd(from);
}
inline Vector broadcast(double value) {
  return _mm512_set1_pd(value);
}
inline Vector larger(Vector a, Vector b) {
  return _mm512_max_pd(a, b);
}
/// Bit i: lane i is not negative.
inline unsigned not_negative(Vector a) {
  return _mm512_cmp_pd_mask(a, _mm512_setzero_pd(), _CMP_GE_OQ);
}

#include "pairs.inc"

}  // namespace

const PairKernels avx512_pairs{"avx512", passing_pairs};

}  // namespace bifrost::analysis::kernels
