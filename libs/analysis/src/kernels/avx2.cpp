// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 4;
#include "vector.inc"

inline Real gather(const double* from, Mask at) {
  return (Real)_mm256_i64gather_pd(from, (__m256i)at, 8);
}
inline bool any_false(Mask m) {
  return _mm256_movemask_pd((__m256d)m) != 0xf;
}

#include "european.inc"

#include "american.inc"

#include "boundary.inc"

}  // namespace

const Set avx2{"avx2",       price_all,    higher_all, solve_all,        premium_all,
               exercise_all, weigh_points, paste,      boundary_premiums};

}  // namespace bifrost::analysis::kernels
