// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/index_symbols.hpp"

#include <algorithm>
#include <array>

namespace bifrost::core {
namespace {

// Sorted. Cboe's and Nasdaq's as docs/calendar.md names them; MXEA and MXEF from Cboe's page "MSCI
// Index Options"; DAX, ESTX50 and SMI from the column "TWS" of Interactive Brokers' page "Eurex
// Benchmark Derivatives"; CAC40, HSI, N225 and V2TX as public programs ask its API for an Index.
// Not here: Z, which is the FTSE 100 there and a share in the United States.
constexpr std::array<std::string_view, 22> symbols{
    "CAC40", "DAX", "DJX", "ESTX50", "HSI", "MNX", "MRUT", "MXEA", "MXEF", "N225", "NDX",
    "NQX",   "OEX", "RUT", "RVX",    "SMI", "SPX", "V2TX", "VIX",  "XEO",  "XND",  "XSP"};

static_assert(std::ranges::is_sorted(symbols));

}  // namespace

bool is_index_symbol(std::string_view symbol) {
  return std::ranges::binary_search(symbols, symbol);
}

}  // namespace bifrost::core
