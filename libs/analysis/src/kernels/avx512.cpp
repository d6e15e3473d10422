// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 8;
#include "vector.inc"

inline Real gather(const double* from, Mask at) {
  return (Real)_mm512_i64gather_pd((__m512i)at, from, 8);
}
inline bool any_false(Mask m) {
  return _mm512_movepi64_mask((__m512i)m) != 0xff;
}

#include "european.inc"

#include "american.inc"

#include "boundary.inc"

}  // namespace

const Set avx512{"avx512",     price_all,    higher_all, solve_all,        premium_all,
                 exercise_all, weigh_points, paste,      boundary_premiums};

}  // namespace bifrost::analysis::kernels
