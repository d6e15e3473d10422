// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace bifrost::collector {

/// Prints what choosing and planning a cycle costs.
void bench_planning(int underlyings, int contracts);

}  // namespace bifrost::collector
