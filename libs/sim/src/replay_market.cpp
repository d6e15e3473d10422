// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/replay_market.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <variant>

#include "bifrost/core/calendar.hpp"
#include "bifrost/core/chain_file.hpp"
#include "bifrost/core/index_symbols.hpp"

namespace bifrost::sim {
namespace {

using core::Date;
using core::Instant;

struct Row {
  std::uint32_t contract;  // index into Series::contracts
  core::Quote quote;
};

/// All rows of one quote_ts, rows sorted by contract.
struct Moment {
  Instant at;
  std::optional<core::Price> underlying_price;
  std::vector<Row> rows;
};

struct Series {
  Underlying info;
  std::vector<ListedOption> contracts;  // sorted; every contract of the files
  std::vector<Moment> moments;          // sorted by time
  std::map<Date, std::vector<std::uint32_t>> listed_on;

  const Moment* current = nullptr;
  std::vector<ListedOption> listed;
};

}  // namespace

struct ReplayMarket::Impl {
  std::vector<Series> series;
  std::vector<Underlying> underlyings;
  std::unordered_map<int, std::pair<std::size_t, std::uint32_t>> by_con_id;  // series, contract
  Instant now{};
  std::uint64_t revision = 0;
  std::size_t rejected = 0;

  const Series* find_series(int con_id) const {
    const auto it = std::ranges::find(series, con_id, [](const auto& s) { return s.info.con_id; });
    return it == series.end() ? nullptr : &*it;
  }

  void move_to(Instant t) {
    now = t;
    const auto today = core::exchange_time(t).date;
    for (auto& s : series) {
      const auto next = std::ranges::upper_bound(s.moments, t, {}, &Moment::at);
      const auto* current = next == s.moments.begin() ? nullptr : &*std::prev(next);
      auto listing = s.listed_on.upper_bound(today);
      if (listing != s.listed_on.begin()) --listing;
      std::vector<ListedOption> listed;
      listed.reserve(listing->second.size());
      for (const auto i : listing->second) {
        const bool recorded_today = listing->first == today;
        if (recorded_today || s.contracts[i].last_trade_date >= today) {
          listed.push_back(s.contracts[i]);
        }
      }
      const bool relisted =
          !std::ranges::equal(listed, s.listed, {}, &ListedOption::con_id, &ListedOption::con_id);
      if (relisted) s.listed = std::move(listed);
      if (relisted || current != s.current) ++revision;
      s.current = current;
    }
  }
};

ReplayMarket::ReplayMarket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReplayMarket::~ReplayMarket() = default;

core::Result<std::unique_ptr<ReplayMarket>> ReplayMarket::open(
    std::span<const std::filesystem::path> files) {
  struct Loading {
    std::map<core::OptionContract, std::uint32_t> index;
    std::map<Instant, Moment> moments;
  };
  auto impl = std::make_unique<Impl>();
  std::map<std::string, Loading> loading;
  for (const auto& file : files) {
    BF_TRY(auto reader, core::ChainFileReader::open(file));
    for (;;) {
      BF_TRY(auto line, reader.next());
      if (!line) break;
      if (std::holds_alternative<core::ChainFileReject>(*line)) {
        ++impl->rejected;
        continue;
      }
      auto& row = std::get<core::ChainFileRow>(*line);
      auto& into = loading[row.contract.underlying];
      const auto index = static_cast<std::uint32_t>(into.index.size());
      const auto id = into.index.emplace(std::move(row.contract), index).first->second;
      auto& moment = into.moments[row.quote_ts];
      moment.at = row.quote_ts;
      if (row.underlying_price) moment.underlying_price = row.underlying_price;
      moment.rows.push_back({id, std::move(row.quote)});
    }
  }
  if (loading.empty()) {
    return core::fail(core::Errc::invalid_input, "the files to replay hold no usable row");
  }

  auto first = Instant::max();
  std::vector<int> taken;
  for (auto& [symbol, from] : loading) {
    auto& s = impl->series.emplace_back();
    s.info = {.con_id = underlying_con_id(symbol),
              .symbol = symbol,
              .type = core::is_index_symbol(symbol) ? SecurityType::index : SecurityType::stock,
              .name = fmt::format("{} (REPLAY)", symbol),
              .exchange = core::is_index_symbol(symbol) ? "CBOE" : "NYSE",
              .min_tick = core::Price::from_units(core::Price::units_per_one / 100)};
    // The map is sorted, which is the order that contract ids and listings follow.
    std::vector<std::uint32_t> place(from.index.size());
    for (const auto& [contract, id] : from.index) {
      place[id] = static_cast<std::uint32_t>(s.contracts.size());
      s.contracts.push_back({.underlying_con_id = s.info.con_id,
                             .contract = contract,
                             .last_trade_date = last_trade_date(contract)});
    }
    assign_con_ids(s.contracts, taken);
    for (std::uint32_t i = 0; i < s.contracts.size(); ++i) {
      taken.push_back(s.contracts[i].con_id);
      impl->by_con_id.emplace(s.contracts[i].con_id, std::pair{impl->series.size() - 1, i});
    }
    for (auto& [at, moment] : from.moments) {
      for (auto& row : moment.rows) row.contract = place[row.contract];
      std::ranges::stable_sort(moment.rows, {}, &Row::contract);
      auto& listed = s.listed_on[core::exchange_time(at).date];
      for (const auto& row : moment.rows) listed.push_back(row.contract);
      s.moments.push_back(std::move(moment));
    }
    for (auto& [date, listed] : s.listed_on) {
      std::ranges::sort(listed);
      const auto repeated = std::ranges::unique(listed);
      listed.erase(repeated.begin(), repeated.end());
    }
    first = std::min(first, s.moments.front().at);
    impl->underlyings.push_back(s.info);
  }
  impl->move_to(first);
  return std::unique_ptr<ReplayMarket>(new ReplayMarket(std::move(impl)));
}

Instant ReplayMarket::first() const {
  auto t = Instant::max();
  for (const auto& s : impl_->series) t = std::min(t, s.moments.front().at);
  return t;
}

Instant ReplayMarket::last() const {
  auto t = Instant::min();
  for (const auto& s : impl_->series) t = std::max(t, s.moments.back().at);
  return t;
}

std::size_t ReplayMarket::rejected_lines() const {
  return impl_->rejected;
}
void ReplayMarket::advance_to(Instant t) {
  impl_->move_to(t);
}
Instant ReplayMarket::now() const {
  return impl_->now;
}
std::uint64_t ReplayMarket::revision() const {
  return impl_->revision;
}
std::span<const Underlying> ReplayMarket::underlyings() const {
  return impl_->underlyings;
}

std::span<const ListedOption> ReplayMarket::options(int underlying) const {
  const auto* s = impl_->find_series(underlying);
  return s ? std::span<const ListedOption>{s->listed} : std::span<const ListedOption>{};
}

const ListedOption* ReplayMarket::find_option(int con_id) const {
  const auto it = impl_->by_con_id.find(con_id);
  if (it == impl_->by_con_id.end()) return nullptr;
  const auto& s = impl_->series[it->second.first];
  const auto& contract = s.contracts[it->second.second].contract;
  const auto listed = std::ranges::lower_bound(s.listed, contract, {}, &ListedOption::contract);
  return listed != s.listed.end() && listed->con_id == con_id ? &*listed : nullptr;
}

OptionState ReplayMarket::option_state(int con_id) const {
  const auto it = impl_->by_con_id.find(con_id);
  if (it == impl_->by_con_id.end()) return {};
  const auto& s = impl_->series[it->second.first];
  if (!s.current) return {};
  const auto row = std::ranges::lower_bound(s.current->rows, it->second.second, {}, &Row::contract);
  if (row == s.current->rows.end() || row->contract != it->second.second) return {};
  OptionState state;
  state.quote = row->quote;
  const auto& q = state.quote;
  if (q.implied_vol || q.delta || q.gamma || q.theta || q.vega) {
    auto& model = state.model.emplace();
    model.implied_vol = q.implied_vol;
    model.delta = q.delta;
    model.gamma = q.gamma;
    model.theta = q.theta;
    model.vega = q.vega;
    if (s.current->underlying_price) {
      model.underlying_price = s.current->underlying_price->value();
    }
  }
  return state;
}

UnderlyingState ReplayMarket::underlying_state(int con_id) const {
  UnderlyingState state;
  const auto* s = impl_->find_series(con_id);
  if (s && s->current) state.last = s->current->underlying_price;
  return state;
}

std::optional<Carry> ReplayMarket::carry(int) const {
  return std::nullopt;
}
std::vector<DailyBar> ReplayMarket::daily_bars(int, BarKind, std::size_t) const {
  return {};
}

}  // namespace bifrost::sim
