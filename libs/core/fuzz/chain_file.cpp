// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/chain_file.hpp"

#include <cstdint>
#include <string>

/// The option file reader on arbitrary text: no crash, and every good row obeys what the header
/// promises.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bifrost::core;
  const std::string header =
      "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
      "delta,gamma,theta,vega,"
      "bid_size,ask_size,root,mid\n";
  const bool own_header = size > 0 && (data[0] & 1) != 0;
  auto reader = ChainFileReader::from_text((own_header ? "" : header) +
                                           std::string(reinterpret_cast<const char*>(data), size));
  if (!reader) return 0;
  for (;;) {
    const auto next = reader->next();
    if (!next || !*next) return 0;
    if (const auto* row = std::get_if<ChainFileRow>(&**next)) {
      if (row->contract.strike <= Price{} || !is_symbol(row->contract.underlying)) __builtin_trap();
    }
  }
}
