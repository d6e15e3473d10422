// SPDX-License-Identifier: Apache-2.0
// The 7-for-1 split of AAPL, ex on Monday 2014-06-09: every contract of Friday is gone on Monday
// and others have come, with a seventh of the strike and seven times the open interest.
#include <gtest/gtest.h>

#include <map>

#include "bifrost/collector/changes.hpp"
#include "bifrost/core/calendar.hpp"
#include "bifrost/core/chain_file.hpp"
#include "shared_data.hpp"

namespace bifrost::collector {
namespace {

using store::ChangeKind;

TEST(Split, ContractsOfBothSidesAreOthersAndNoneIsCalledExpiredThatIsNot) {
  const std::string name = "a_clear/aapl_2014_06_06_and_09_hourly.csv.gz";
  const auto file = shared_data(name);
  if (!file) GTEST_SKIP() << "no shared data: " << name;
  auto reader = core::ChainFileReader::open(*file);
  ASSERT_TRUE(reader);
  std::map<core::Instant, core::ChainSnapshot> snapshots;
  for (;;) {
    auto next = reader->next();
    ASSERT_TRUE(next);
    if (!*next) break;
    auto& row = std::get<core::ChainFileRow>(**next);
    auto& snapshot = snapshots[row.quote_ts];
    snapshot.underlying = "AAPL";
    snapshot.as_of = row.quote_ts;
    snapshot.underlying_price = row.underlying_price;
    snapshot.quotes.push_back({row.contract, row.quote});
  }
  const core::Date monday = core::parse_date("2014-06-09").value();
  const auto after = snapshots.lower_bound(core::Instant{monday});
  ASSERT_NE(after, snapshots.end());
  const auto& now = after->second;
  const auto& before = std::prev(after)->second;
  ASSERT_EQ(before.quotes.size(), 2352U);
  ASSERT_EQ(now.quotes.size(), 2180U);

  const auto changes = find_changes(
      {.before = before, .before_reached_all = true, .now = now, .now_reached_all = true});
  std::map<ChangeKind, std::size_t> kinds;
  for (const auto& change : changes) {
    ++kinds[change.kind];
    if (change.kind == ChangeKind::expired) {
      // Friday's weekly alone. What the split renamed has not expired.
      EXPECT_LT(core::last_trading_day(change.contract.expiry), monday)
          << core::describe(change.contract);
    }
  }
  std::size_t weekly = 0;
  for (const auto& option : before.quotes) {
    if (core::last_trading_day(option.contract.expiry) < monday) ++weekly;
  }
  EXPECT_GT(weekly, 0U);
  EXPECT_EQ(kinds[ChangeKind::expired], weekly);
  EXPECT_EQ(kinds[ChangeKind::new_contract], now.quotes.size());
  // Not one number of Friday is compared with one of Monday.
  EXPECT_EQ(kinds[ChangeKind::vanished], before.quotes.size() - weekly);
  EXPECT_EQ(changes.size(), before.quotes.size() + now.quotes.size());
}

}  // namespace
}  // namespace bifrost::collector
