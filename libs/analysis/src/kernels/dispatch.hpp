// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/analysis/chain_pricing.hpp"
#include "kernels.hpp"

namespace bifrost::analysis {

/// What the kernels see of the contracts.
struct ChainKernels {
  static kernels::Contracts of(const ContractColumns& c) {
    return {.strike = c.strike_.data(),
            .log_strike = c.log_strike_.data(),
            .root_strike = c.root_strike_.data(),
            .sign = c.sign_.data(),
            .count = static_cast<long>(c.size())};
  }
};

namespace kernels {
/// The kernels in use; see use_chain_kernels().
const Set& current();
}  // namespace kernels

}  // namespace bifrost::analysis
