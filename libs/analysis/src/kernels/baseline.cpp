// SPDX-License-Identifier: Apache-2.0
#include "kernels.hpp"

namespace bifrost::analysis::kernels {
namespace {

constexpr int lanes = 2;
#include "vector.inc"

inline Real gather(const double* from, Mask at) {
  return Real{from[at[0]], from[at[1]]};
}
inline bool any_false(Mask m) {
  return (m[0] & m[1]) == 0;
}

#include "european.inc"

#include "american.inc"

#include "boundary.inc"

}  // namespace

const Set baseline{"baseline",   price_all,    higher_all, solve_all,        premium_all,
                   exercise_all, weigh_points, paste,      boundary_premiums};

}  // namespace bifrost::analysis::kernels
