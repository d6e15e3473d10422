// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/import.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
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

constexpr std::string_view twice = "this contract was there already at this instant";
constexpr std::string_view stored_without =
    "the snapshot of this instant is already stored, without this contract, and stays as it is; "
    "hint: files that share an instant must be imported together";

struct Origin {
  std::size_t file;  // index into the files
  std::size_t line;
};

using Key = std::pair<std::string, Instant>;  // underlying and instant

/// The rows of one underlying and one instant.
struct Group {
  CycleRecord cycle;
  std::vector<Origin> origins;  // of the quotes
  std::unordered_map<core::OptionContract, std::size_t, Catalogue::ContractHash> contracts;
  bool price_differs = false;
  std::string refusal;  // why the first row was refused

  Key key() const { return {cycle.snapshot.underlying, cycle.snapshot.as_of}; }
};

class Import {
 public:
  Import(History& history, std::span<const std::filesystem::path> files,
         const std::function<bool(const ImportProgress&)>& progress, const ImportOptions& options)
      : history_(history), files_(files), progress_(progress), options_(options) {}

  Result<ImportReport> run() {
    if (files_.size() > 1) BF_CHECK(find_shared());
    for (file_ = 0; file_ < files_.size(); ++file_) BF_CHECK(read_file());
    return std::move(report_);
  }

 private:
  /// Which instants are spread over several files: a cycle is written once, so their rows have to
  /// meet before that.
  Result<void> find_shared() {
    struct Seen {
      std::size_t last_file;
      std::size_t rows = 0;
    };
    std::map<Key, Seen> seen;
    for (file_ = 0; file_ < files_.size(); ++file_) {
      // Whatever else is wrong with it, opening it tells.
      std::error_code unknown;
      const auto& file = files_[file_];
      if (const auto status = std::filesystem::status(file, unknown);
          !unknown && (std::filesystem::is_fifo(status) || std::filesystem::is_socket(status) ||
                       std::filesystem::is_character_file(status))) {
        return fail(Errc::invalid_input,
                    fmt::format("{}: cannot be read twice, as files beside others are; nothing was "
                                "imported; hint: import it alone",
                                file.string()));
      }
      BF_TRY(auto reader, core::ChainFileReader::open(files_[file_], options_.file));
      for (;;) {
        auto next = reader.next();
        if (!next || !*next) break;  // damage is told when the file is imported
        auto* row = std::get_if<core::ChainFileRow>(&**next);
        if (row == nullptr) continue;
        Key key{std::move(row->contract.underlying), row->quote_ts};
        auto& found = seen.try_emplace(key, Seen{file_}).first->second;
        ++found.rows;
        if (found.last_file != file_) shared_[std::move(key)] = file_;
        found.last_file = file_;
      }
      BF_CHECK(report_progress());
    }
    std::size_t rows = 0;
    for (const auto& [key, last_file] : shared_) rows += seen.at(key).rows;
    if (rows <= options_.shared_rows) return {};
    return fail(Errc::invalid_input,
                fmt::format("{} rows belong to instants that several of the files hold, more than "
                            "the {} that are put together in memory; nothing was imported; hint: "
                            "join these files into one, ordered by quote_ts",
                            rows, options_.shared_rows));
  }

  Result<void> read_file() {
    BF_TRY(auto reader, core::ChainFileReader::open(files_[file_], options_.file));
    ended_.clear();
    tells_observed_at_ = reader.tells_observed_at();
    for (;;) {
      BF_TRY(auto next, reader.next());
      if (!next) break;
      share_ = reader.progress();
      ++report_.rows_read;
      if (auto* bad = std::get_if<core::ChainFileReject>(&*next)) {
        reject({file_, bad->line}, std::move(bad->reason));
      } else {
        BF_CHECK(take(std::get<core::ChainFileRow>(*std::move(next))));
      }
    }
    BF_CHECK(end_instant());
    while (!held_.empty()) BF_CHECK(release(held_.begin()->first, std::nullopt));
    for (auto it = gathered_.begin(); it != gathered_.end();) {
      const auto here = it++;
      if (shared_.at(here->first) != file_) continue;
      BF_CHECK(fill(std::move(gathered_.extract(here).mapped())));
    }
    share_ = 1;
    BF_CHECK(write());
    BF_CHECK(settle());
    return report_progress();
  }

  Result<void> take(core::ChainFileRow row) {
    const Origin origin{file_, row.line};
    // The key of the row before is open, so it has not ended.
    const bool same = row.quote_ts == instant_ && open_.contains(row.contract.underlying);
    if (!same && ended_.contains({row.contract.underlying, row.quote_ts})) {
      reject(origin, "rows of this instant came earlier in the file and had ended");
      return {};
    }
    if (row.quote_ts != instant_) BF_CHECK(end_instant());
    instant_ = row.quote_ts;
    if (open_rows_ >= options_.open_rows && !open_.contains(row.contract.underlying)) {
      // A market's day in one instant: files of that kind go from underlying to underlying.
      BF_CHECK(end_instant());
    }
    ++open_rows_;
    auto& group = open_[row.contract.underlying];
    auto& snapshot = group.cycle.snapshot;
    snapshot.underlying = row.contract.underlying;
    snapshot.as_of = row.quote_ts;
    snapshot.source = core::Source::imported;
    if (tells_observed_at_) {
      // Tells an export later that observed_at says more than as_of.
      auto& finished = group.cycle.finished_at;
      finished =
          std::max(finished.value_or(Instant::min()), row.quote.observed_at.value_or(row.quote_ts));
    }
    if (auto why = objection(row)) {
      refuse(group, origin, *std::move(why));
      return {};
    }
    if (!group.contracts.try_emplace(row.contract, snapshot.quotes.size()).second) {
      refuse(group, origin, std::string(twice));
      return {};
    }
    if (snapshot.quotes.empty()) snapshot.underlying_price = row.underlying_price;
    if (row.underlying_price != snapshot.underlying_price) group.price_differs = true;
    snapshot.quotes.push_back({std::move(row.contract), std::move(row.quote)});
    group.origins.push_back(origin);
    return {};
  }

  /// Closes the instant being read. Its cycles are held until the next of the same underlying shows
  /// how long one lasts.
  Result<void> end_instant() {
    for (auto& [symbol, group] : open_) {
      const auto as_of = group.cycle.snapshot.as_of;
      ended_.emplace(symbol, as_of);
      if (const auto before = held_.find(symbol); before != held_.end()) {
        const auto gap = std::chrono::abs(
            std::chrono::floor<std::chrono::seconds>(as_of - before->second.cycle.snapshot.as_of));
        BF_CHECK(release(symbol, gap.count() > 0 ? std::optional(gap) : std::nullopt));
        if (gap.count() > 0) group.cycle.interval = gap;
      }
      held_[symbol] = std::move(group);
    }
    open_.clear();
    open_rows_ = 0;
    return {};
  }

  /// Moves a held cycle on. The shorter of its two gaps is its interval: the longer one spans a
  /// night or a weekend.
  Result<void> release(const std::string& symbol, std::optional<std::chrono::seconds> gap_after) {
    auto node = held_.extract(symbol);
    auto& group = node.mapped();
    shorten(group.cycle.interval, gap_after);
    if (!shared_.contains(group.key())) return fill(std::move(group));
    gather(std::move(group));
    return {};
  }

  static void shorten(std::optional<std::chrono::seconds>& interval,
                      std::optional<std::chrono::seconds> other) {
    if (other) interval = std::min(*other, interval.value_or(*other));
  }

  /// Adds what this file has of a cycle to what the files before it had.
  void gather(Group group) {
    const auto [place, first] = gathered_.try_emplace(group.key());
    auto& whole = place->second;
    if (first) {
      whole = std::move(group);
      return;
    }
    auto& all = whole.cycle.snapshot;
    auto& more = group.cycle.snapshot;
    shorten(whole.cycle.interval, group.cycle.interval);
    whole.cycle.finished_at = std::max(whole.cycle.finished_at, group.cycle.finished_at);
    whole.cycle.refused += group.cycle.refused;
    if (whole.refusal.empty()) whole.refusal = std::move(group.refusal);
    if (all.quotes.empty()) all.underlying_price = more.underlying_price;
    const bool differs = !more.quotes.empty() && more.underlying_price != all.underlying_price;
    whole.price_differs = whole.price_differs || group.price_differs || differs;
    for (std::size_t i = 0; i < more.quotes.size(); ++i) {
      auto& quote = more.quotes[i];
      const auto [known, added] = whole.contracts.try_emplace(quote.contract, all.quotes.size());
      if (added) {
        all.quotes.push_back(std::move(quote));
        whole.origins.push_back(group.origins[i]);
      } else if (all.quotes[known->second] == quote) {
        ++report_.rows_already_there;  // files that overlap say the same twice
      } else {
        refuse(whole, group.origins[i], std::string(twice));
      }
    }
  }

  /// Puts a cycle that has all its rows into the transaction being filled.
  Result<void> fill(Group group) {
    auto& cycle = group.cycle;
    const auto rows = cycle.snapshot.quotes.size();
    if (rows == 0) return {};
    cycle.expected = static_cast<std::int64_t>(rows) + cycle.refused;
    if (cycle.refused > 0) {
      cycle.status = RunStatus::partial;
      cycle.reason = fmt::format("{} row{} of the file could not be taken, the first because: {}",
                                 cycle.refused, cycle.refused == 1 ? "" : "s", group.refusal);
    }
    if (group.price_differs) {
      cycle.snapshot.underlying_price = std::nullopt;
      if (!cycle.reason.empty()) cycle.reason += "; ";
      cycle.reason += price_differs;
    }
    filling_rows_ += rows;
    filling_.push_back(std::move(cycle));
    filling_origins_.push_back(std::move(group.origins));
    if (filling_rows_ < options_.rows_per_transaction) return {};
    BF_CHECK(write());
    return report_progress();
  }

  /// Hands the filled transaction to the database and goes on reading: the next write, or the end
  /// of the file, waits for it.
  Result<void> write() {
    BF_CHECK(settle());
    if (filling_.empty()) return {};
    writing_ = std::move(filling_);
    writing_origins_ = std::move(filling_origins_);
    filling_.clear();
    filling_origins_.clear();
    filling_rows_ = 0;
    written_ = std::async(std::launch::async, [this] {
      return history_.append(writing_, core::after(options_.transaction_limit));
    });
    return {};
  }

  /// Waits for the transaction under way and takes what became of it into the report.
  Result<void> settle() {
    if (!written_.valid()) return {};
    BF_TRY(const auto appended, written_.get());
    for (std::size_t i = 0; i < writing_.size(); ++i) {
      if (appended[i].stored) {
        ++report_.cycles_imported;
        report_.rows_imported += static_cast<std::int64_t>(writing_[i].snapshot.quotes.size());
      } else {
        ++report_.cycles_already_there;
        BF_CHECK(compare_with_stored(writing_[i].snapshot, writing_origins_[i]));
      }
    }
    return {};
  }

  /// Tells the rows of a cycle that the history has from those that it will never have.
  Result<void> compare_with_stored(const core::ChainSnapshot& snapshot,
                                   const std::vector<Origin>& origins) {
    const auto found = history_.chain(snapshot.underlying, {.at = snapshot.as_of},
                                      core::after(options_.transaction_limit));
    if (!found && found.error().code == Errc::not_found) {
      // In the ledger, and its quotes were dropped by retention: it was there.
      report_.rows_already_there += static_cast<std::int64_t>(origins.size());
      return {};
    }
    BF_TRY(const auto& stored, found);
    std::unordered_set<core::OptionContract, Catalogue::ContractHash> contracts;
    if (stored.run.as_of == snapshot.as_of) {
      for (const auto& quote : stored.snapshot.quotes) contracts.insert(quote.contract);
    }
    for (std::size_t i = 0; i < origins.size(); ++i) {
      if (contracts.contains(snapshot.quotes[i].contract)) {
        ++report_.rows_already_there;
      } else {
        reject(origins[i], std::string(stored_without));
      }
    }
    return {};
  }

  Result<void> report_progress() const {
    if (!progress_ || progress_({file_, share_, report_})) return {};
    return fail(Errc::cancelled,
                "the import was stopped; what is in stays in, run it again to go on");
  }

  void refuse(Group& group, Origin origin, std::string reason) {
    ++group.cycle.refused;
    if (group.refusal.empty()) group.refusal = reason;
    reject(origin, std::move(reason));
  }

  void reject(Origin origin, std::string reason) {
    ++report_.rows_rejected;
    if (report_.rejects.size() < options_.rejects_kept) {
      report_.rejects.push_back({files_[origin.file], origin.line, std::move(reason)});
    }
  }

  History& history_;
  const std::span<const std::filesystem::path> files_;
  const std::function<bool(const ImportProgress&)>& progress_;
  const ImportOptions options_;

  ImportReport report_;
  std::map<Key, std::size_t> shared_;  // instants of several files, and the last of these
  std::size_t file_ = 0;
  double share_ = 0;
  bool tells_observed_at_ = false;
  std::size_t open_rows_ = 0;
  Instant instant_{};
  std::map<std::string, Group> open_;  // of instant_, by underlying
  std::map<std::string, Group> held_;  // the last closed cycle, by underlying
  std::map<Key, Group> gathered_;      // shared cycles that later files have more of
  std::vector<CycleRecord> filling_;   // the next transaction
  std::vector<std::vector<Origin>> filling_origins_;
  std::size_t filling_rows_ = 0;
  std::set<Key> ended_;               // of this file
  std::vector<CycleRecord> writing_;  // the transaction under way
  std::vector<std::vector<Origin>> writing_origins_;
  std::future<Result<std::vector<Appended>>> written_;  // last: its end waits for the writer
};

}  // namespace

Result<ImportReport> import_chain_files(History& history,
                                        std::span<const std::filesystem::path> files,
                                        const std::function<bool(const ImportProgress&)>& progress,
                                        const ImportOptions& options) {
  return Import(history, files, progress, options).run();
}

}  // namespace bifrost::store
