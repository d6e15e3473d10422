// SPDX-License-Identifier: Apache-2.0
#include "maintenance_support.hpp"

#include <algorithm>
#include <random>

#include "bifrost/core/calendar.hpp"
#include "upkeep.hpp"

namespace bifrost::store::testing {

using namespace std::chrono_literals;
using core::Right;

core::OptionContract option(const std::string& strike, Right right) {
  return {"SPX", "SPXW", day("2021-01-15"), price(strike), right, 100};
}

core::OptionQuote quoted(core::OptionContract contract, const std::string& bid,
                         const std::string& ask) {
  core::OptionQuote quote{std::move(contract), {}};
  quote.quote.bid = price(bid);
  quote.quote.ask = price(ask);
  return quote;
}

CycleRecord cycle(core::Instant as_of, std::vector<core::OptionQuote> quotes,
                  const std::string& spot, core::Source source) {
  CycleRecord record;
  record.snapshot = {"SPX", as_of, price(spot), source, std::move(quotes)};
  record.expected = static_cast<std::int64_t>(record.snapshot.quotes.size());
  record.interval = 300s;
  return record;
}

std::vector<CycleRecord> random_days(core::Date first, int days, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return random() % 100 < static_cast<unsigned>(percent); };
  std::vector<CycleRecord> cycles;
  for (int d = 0; d < days; ++d) {
    const auto session = core::session(first + std::chrono::days{d});
    if (!session) continue;
    for (auto as_of = session->open + 1h; as_of <= session->close; as_of += 1h) {
      std::vector<core::OptionQuote> quotes;
      for (int strike = 3600; strike < 3800; strike += 20) {
        for (const auto right : {Right::call, Right::put}) {
          if (chance(15)) continue;
          core::OptionQuote quote{option(std::to_string(strike), right), {}};
          const auto bid = static_cast<std::int64_t>(random() % 5000) * 100;
          if (chance(90)) quote.quote.bid = core::Price::from_units(bid);
          if (chance(90))
            quote.quote.ask = core::Price::from_units(
                chance(5) ? 0 : std::max<std::int64_t>(0, bid + (chance(5) ? -700 : 1300)));
          if (chance(80)) quote.quote.implied_vol = static_cast<double>(random() % 1'000'000) / 1e6;
          if (chance(80)) quote.quote.volume = static_cast<std::int64_t>(random() % 10'000);
          if (chance(80)) quote.quote.open_interest = static_cast<std::int64_t>(random() % 99'999);
          quotes.push_back(std::move(quote));
        }
      }
      auto record = cycle(as_of, std::move(quotes),
                          core::Price::from_units(37'000'000 + random() % 900'000).to_string());
      if (chance(10)) record.snapshot.underlying_price.reset();
      if (chance(20)) {
        record.status = RunStatus::partial;
        record.reason = "some did not answer";
      }
      MarketConditions conditions;
      if (chance(80)) conditions.implied_vol_30d = static_cast<double>(random() % 100'000) / 1e5;
      if (chance(80)) conditions.skew_25_delta = static_cast<double>(random() % 1'000) / 1e4;
      if (chance(80)) {
        conditions.historical_vol_20d = static_cast<double>(random() % 1'000) / 1e3;
        conditions.historical_vol_30d = *conditions.historical_vol_20d / 2;
        conditions.historical_vol_source = chance(30) ? "broker" : "snapshots";
      }
      record.market_conditions = conditions;
      cycles.push_back(std::move(record));
    }
  }
  return cycles;
}

MaintenanceReport keep(Database& database, core::Instant now, const MaintenanceOptions& options,
                       std::optional<Tier> tier) {
  return ok(maintain_as(database, tier, now, options, {}, {}, soon()));
}

const TaskResult& task(const MaintenanceReport& report, std::string_view name) {
  const auto found = std::ranges::find(report.tasks, name, &TaskResult::task);
  if (found == report.tasks.end()) throw std::runtime_error("no such task");
  return *found;
}

std::int64_t count(const TaskResult& result, std::string_view name) {
  for (const auto& [key, value] : result.counts) {
    if (key == name) return value;
  }
  return -1;
}

bool stock(Database& database) {
  return ok(database.status(after_close, soon())).tier == Tier::stock;
}

Recomputed recompute(std::vector<CycleRecord> cycles) {
  std::ranges::sort(cycles, {}, [](const CycleRecord& c) { return c.snapshot.as_of; });
  Recomputed all;
  std::map<std::pair<core::Date, core::OptionContract>, double> spreads;
  for (const auto& record : cycles) {
    const auto day_of = core::exchange_time(record.snapshot.as_of).date;
    for (const auto& [contract, quote] : record.snapshot.quotes) {
      const auto key = std::pair{day_of, contract};
      auto& result = all.options[key];
      result.day = day_of;
      result.contract = contract;
      const bool market = quote.bid && quote.ask && quote.ask->units() > 0 &&
                          quote.bid->units() >= 0 && *quote.ask >= *quote.bid;
      if (market) {
        const double mid = (quote.bid->value() + quote.ask->value()) / 2;
        if (!result.mid_open) result.mid_open = mid;
        result.mid_high = std::max(result.mid_high.value_or(mid), mid);
        result.mid_low = std::min(result.mid_low.value_or(mid), mid);
        result.mid_close = mid;
        spreads[key] += (*quote.ask - *quote.bid).value();
        ++result.n;
      }
      if (market || result.n == 0) {
        result.close_as_of = record.snapshot.as_of;
        result.implied_vol_close = quote.implied_vol;
      }
      if (quote.volume) result.volume = quote.volume;
      if (quote.open_interest) result.open_interest = quote.open_interest;
    }
    auto& result = all.underlyings[day_of];
    result.day = day_of;
    result.source = "live";
    ++result.n;
    if (const auto spot = record.snapshot.underlying_price) {
      if (!result.open) result.open = spot;
      result.high = std::max(result.high.value_or(*spot), *spot);
      result.low = std::min(result.low.value_or(*spot), *spot);
      result.close = spot;
      result.close_as_of = record.snapshot.as_of;
    }
    const auto conditions = record.market_conditions.value_or(MarketConditions{});
    if (const auto vol = conditions.implied_vol_30d) {
      if (!result.implied_vol_30d_open) result.implied_vol_30d_open = vol;
      result.implied_vol_30d_high = std::max(result.implied_vol_30d_high.value_or(*vol), *vol);
      result.implied_vol_30d_low = std::min(result.implied_vol_30d_low.value_or(*vol), *vol);
      result.implied_vol_30d_close = vol;
      result.implied_vol_30d_close_as_of = record.snapshot.as_of;
      result.skew_25_delta = conditions.skew_25_delta;
      result.term_slope = conditions.term_slope;
    }
    if (conditions.historical_vol_20d && conditions.historical_vol_source != "broker") {
      result.historical_vol_20d = conditions.historical_vol_20d;
      result.historical_vol_30d = conditions.historical_vol_30d;
    }
  }
  for (auto& [key, result] : all.options) {
    const auto& [day_of, contract] = key;
    if (result.n > 0) result.average_spread = spreads[key] / static_cast<double>(result.n);
    const auto before = all.options.find({core::previous_trading_day(day_of), contract});
    if (before != all.options.end() && before->second.open_interest && result.open_interest) {
      result.open_interest_change = *result.open_interest - *before->second.open_interest;
    }
    auto& sums = all.underlyings[day_of];
    const auto add = [](std::optional<std::int64_t>& sum, std::optional<std::int64_t> value) {
      if (value) sum = sum.value_or(0) + *value;
    };
    const bool put = contract.right == Right::put;
    add(put ? sums.put_volume : sums.call_volume, result.volume);
    add(put ? sums.put_open_interest : sums.call_open_interest, result.open_interest);
  }
  std::vector<double> vols;
  for (auto& [day_of, result] : all.underlyings) {
    if (const auto vol = result.implied_vol_30d_close) {
      result.iv_rank_n = static_cast<std::int64_t>(vols.size());
      if (!vols.empty()) {
        const double low = std::min(*vol, std::ranges::min(vols));
        const double high = std::max(*vol, std::ranges::max(vols));
        if (high > low) result.iv_rank = (*vol - low) / (high - low);
        result.iv_percentile =
            static_cast<double>(std::ranges::count_if(vols, [&](double v) { return v < *vol; })) /
            static_cast<double>(vols.size());
      }
      vols.push_back(*vol);
    }
  }
  return all;
}

namespace {

void expect_near(const std::optional<double>& a, const std::optional<double>& b) {
  EXPECT_EQ(a.has_value(), b.has_value());
  if (a && b) {
    EXPECT_NEAR(*a, *b, 1e-9);
  }
}

}  // namespace

void expect_equal(Database& database, const Recomputed& wanted) {
  Daily daily{database};
  const auto days = ok(daily.underlying_days("SPX", DailyOrigin::snapshots, day("2000-01-01"),
                                             day("2100-01-01"), soon()));
  ASSERT_EQ(days.size(), wanted.underlyings.size());
  std::size_t options = 0;
  for (auto stored : days) {
    auto expected = wanted.underlyings.at(stored.day);
    expect_near(stored.iv_rank, expected.iv_rank);
    stored.iv_rank = expected.iv_rank;
    EXPECT_EQ(stored, expected) << core::to_iso_date(stored.day);
    for (auto contract : ok(daily.option_days("SPX", stored.day, soon()))) {
      ++options;
      const auto& reference = wanted.options.at({stored.day, contract.contract});
      expect_near(contract.average_spread, reference.average_spread);
      expect_near(contract.mid_open, reference.mid_open);
      expect_near(contract.mid_close, reference.mid_close);
      expect_near(contract.mid_high, reference.mid_high);
      expect_near(contract.mid_low, reference.mid_low);
      contract.average_spread = reference.average_spread;
      contract.mid_open = reference.mid_open;
      contract.mid_close = reference.mid_close;
      contract.mid_high = reference.mid_high;
      contract.mid_low = reference.mid_low;
      EXPECT_EQ(contract, reference)
          << core::to_iso_date(stored.day) << " " << core::describe(contract.contract);
    }
  }
  EXPECT_EQ(options, wanted.options.size());
}

}  // namespace bifrost::store::testing
