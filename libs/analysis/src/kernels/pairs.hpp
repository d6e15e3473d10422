// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tests of many sums a[f] + b[f][j] at once; see finder_board.hpp for what they mean. Compiled
// three times like the chain kernels, and as they are without standard headers.
namespace bifrost::analysis::kernels {

/// Forms in groups of neighbours. A pair passes a group when one of its forms is not negative.
struct PairTest {
  static constexpr int most_groups = 48;
  static constexpr int padding = 32;  // doubles readable after the end of each column
  int groups;
  const int* ends;             // [groups], one past the group's last form
  const double* const* left;   // by form, columns over the partners of which `one` is tested ...
  const double* const* right;  // ... with the partners of these
  long one;
};

/// Those of the partners [from, to) that pass every group, ascending, into `out`, which has room
/// for all of them. Returns how many. `passed[g]`, where not null, grows by how many pass group g
/// and all before it.
using PassingPairs = long (*)(const PairTest&, long from, long to, int* out, long long* passed);

struct PairKernels {
  const char* name;
  PassingPairs passing;
};

extern const PairKernels baseline_pairs;
#ifdef BIFROST_X86_KERNELS
extern const PairKernels avx2_pairs;
extern const PairKernels avx512_pairs;
#endif

}  // namespace bifrost::analysis::kernels
