// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/import.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "bifrost/core/chain_file.hpp"
#include "catalogue.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

constexpr std::string_view price_differs =
    "the underlying's price differs between the rows of this instant";

std::optional<std::string> objection(const core::ChainFileRow& row) {
  const auto& quote = row.quote;
  if (!quote.bid && !quote.ask && !quote.last && row.mid) {
    return "only a mid price: the history keeps what was bid and asked";
  }
  if (!units::encode_strike(row.contract.strike))
    return "a strike that is negative, too large or finer than 0.001";
  for (const auto& price : {quote.bid, quote.ask, quote.last}) {
    if (price && !units::encode_price(*price, core::Price::units_per_one))
      return "a price beyond 214748";
  }
  for (const auto& count : {quote.bid_size, quote.ask_size, quote.volume, quote.open_interest}) {
    if (count && !units::encode_count(*count)) return "a size or count beyond 2147483647";
  }
  const std::pair<std::optional<double>, double> reals[] = {{quote.implied_vol, units::implied_vol},
                                                            {quote.delta, units::delta},
                                                            {quote.gamma, units::gamma},
                                                            {quote.theta, units::theta},
                                                            {quote.vega, units::vega}};
  for (const auto& [value, scale] : reals) {
    if (value && !units::encode_real(*value, scale))
      return "a volatility or greek beyond the range of the history";
  }
  return std::nullopt;
}

/// The rows of one underlying and one instant.
struct Group {
  CycleRecord cycle;
  std::unordered_set<core::OptionContract, Catalogue::ContractHash> contracts;
  bool price_differs = false;
};

class Import {
 public:
  Import(History& history, std::span<const std::filesystem::path> files,
         const std::function<bool(const ImportProgress&)>& progress, const ImportOptions& options)
      : history_(history), files_(files), progress_(progress), options_(options) {}

  Result<ImportReport> run() {
    for (file_ = 0; file_ < files_.size(); ++file_) BF_CHECK(read_file());
    return std::move(report_);
  }

 private:
  Result<void> read_file() {
    BF_TRY(auto reader, core::ChainFileReader::open(files_[file_]));
    ended_.clear();
    for (;;) {
      BF_TRY(auto next, reader.next());
      if (!next) break;
      share_ = reader.progress();
      ++report_.rows_read;
      if (auto* bad = std::get_if<core::ChainFileReject>(&*next)) {
        reject(bad->line, std::move(bad->reason));
      } else {
        BF_CHECK(take(std::get<core::ChainFileRow>(*std::move(next))));
      }
    }
    BF_CHECK(end_instant());
    while (!held_.empty()) BF_CHECK(release(held_.begin()->first, std::nullopt));
    share_ = 1;
    BF_CHECK(write());
    return report_progress();
  }

  Result<void> take(core::ChainFileRow row) {
    if (auto why = objection(row)) {
      reject(row.line, *std::move(why));
      return {};
    }
    if (row.quote_ts != instant_) BF_CHECK(end_instant());
    if (ended_.contains({row.contract.underlying, row.quote_ts})) {
      reject(row.line, "rows of this instant came earlier in the file and had ended");
      return {};
    }
    instant_ = row.quote_ts;
    auto& group = open_[row.contract.underlying];
    auto& snapshot = group.cycle.snapshot;
    if (snapshot.quotes.empty()) {
      snapshot.underlying = row.contract.underlying;
      snapshot.as_of = row.quote_ts;
      snapshot.source = core::Source::imported;
      snapshot.underlying_price = row.underlying_price;
    }
    if (!group.contracts.insert(row.contract).second) {
      reject(row.line, "this contract was there already at this instant");
      ++group.cycle.refused;
      return {};
    }
    if (row.underlying_price != snapshot.underlying_price) group.price_differs = true;
    snapshot.quotes.push_back({std::move(row.contract), std::move(row.quote)});
    return {};
  }

  /// Closes the instant being read. Its cycles are held until the next of the same underlying shows
  /// how long one lasts.
  Result<void> end_instant() {
    for (auto& [symbol, group] : open_) {
      auto& cycle = group.cycle;
      if (group.price_differs) {
        cycle.snapshot.underlying_price = std::nullopt;
        cycle.reason = price_differs;
      }
      cycle.expected = static_cast<std::int64_t>(cycle.snapshot.quotes.size());
      ended_.emplace(symbol, cycle.snapshot.as_of);
      const auto as_of = cycle.snapshot.as_of;
      if (held_.contains(symbol)) {
        const auto gap = std::chrono::abs(
            std::chrono::floor<std::chrono::seconds>(as_of - held_[symbol].snapshot.as_of));
        BF_CHECK(release(symbol, gap.count() > 0 ? std::optional(gap) : std::nullopt));
        if (gap.count() > 0) cycle.interval = gap;
      }
      held_[symbol] = std::move(cycle);
    }
    open_.clear();
    return {};
  }

  /// Moves a held cycle into the transaction being filled. The shorter of its two gaps is its
  /// interval: the longer one spans a night or a weekend.
  Result<void> release(const std::string& symbol, std::optional<std::chrono::seconds> gap_after) {
    auto node = held_.extract(symbol);
    auto& cycle = node.mapped();
    if (gap_after) cycle.interval = std::min(*gap_after, cycle.interval.value_or(*gap_after));
    filling_rows_ += cycle.snapshot.quotes.size();
    filling_.push_back(std::move(cycle));
    if (filling_rows_ < options_.rows_per_transaction) return {};
    BF_CHECK(write());
    return report_progress();
  }

  Result<void> write() {
    BF_TRY(const auto appended, history_.append(filling_, core::after(options_.transaction_limit)));
    for (std::size_t i = 0; i < filling_.size(); ++i) {
      const auto rows = static_cast<std::int64_t>(filling_[i].snapshot.quotes.size());
      (appended[i].stored ? report_.cycles_imported : report_.cycles_already_there) += 1;
      (appended[i].stored ? report_.rows_imported : report_.rows_already_there) += rows;
    }
    filling_.clear();
    filling_rows_ = 0;
    return {};
  }

  Result<void> report_progress() const {
    if (!progress_ || progress_({file_, share_, report_})) return {};
    return fail(Errc::cancelled,
                "the import was stopped; what is in stays in, run it again to go on");
  }

  void reject(std::size_t line, std::string reason) {
    ++report_.rows_rejected;
    if (report_.rejects.size() < options_.rejects_kept) {
      report_.rejects.push_back({files_[file_], line, std::move(reason)});
    }
  }

  History& history_;
  const std::span<const std::filesystem::path> files_;
  const std::function<bool(const ImportProgress&)>& progress_;
  const ImportOptions options_;

  ImportReport report_;
  std::size_t file_ = 0;
  double share_ = 0;
  Instant instant_{};
  std::map<std::string, Group> open_;        // of instant_, by underlying
  std::map<std::string, CycleRecord> held_;  // the last closed cycle, by underlying
  std::vector<CycleRecord> filling_;         // the next transaction
  std::size_t filling_rows_ = 0;
  std::set<std::pair<std::string, Instant>> ended_;  // of this file
};

}  // namespace

Result<ImportReport> import_chain_files(History& history,
                                        std::span<const std::filesystem::path> files,
                                        const std::function<bool(const ImportProgress&)>& progress,
                                        const ImportOptions& options) {
  return Import(history, files, progress, options).run();
}

}  // namespace bifrost::store
