// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <utility>
#include <variant>

#include "bifrost/core/chain_file.hpp"

namespace bifrost::analysis {

// The chains of a file by their moment.
struct History {
  std::map<core::Instant, core::ChainSnapshot> snapshots;
};

inline History read_history(const std::filesystem::path& path) {
  History history;
  auto reader = core::ChainFileReader::open(path);
  EXPECT_TRUE(reader) << reader.error().message;
  if (!reader) return history;
  for (;;) {
    const auto line = reader->next();
    EXPECT_TRUE(line) << line.error().message;
    if (!line || !*line) return history;
    const auto* row = std::get_if<core::ChainFileRow>(&**line);
    if (row == nullptr) continue;
    auto& snapshot = history.snapshots[row->quote_ts];
    snapshot.underlying = row->contract.underlying;
    snapshot.as_of = row->quote_ts;
    snapshot.underlying_price = row->underlying_price;
    snapshot.source = core::Source::imported;
    core::OptionQuote quote{row->contract, row->quote};
    if (row->mid && !quote.quote.bid && !quote.quote.ask) {
      // Files with settlement prices only: a locked market at that price.
      quote.quote.bid = core::Price::from_double(*row->mid);
      quote.quote.ask = quote.quote.bid;
    }
    snapshot.quotes.push_back(std::move(quote));
  }
}

}  // namespace bifrost::analysis
