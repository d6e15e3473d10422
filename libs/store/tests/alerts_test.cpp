// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/alerts.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace bifrost::store {
namespace {

using namespace testing;
using namespace std::chrono_literals;

TEST(Alerts, AreCountedWithWhatOpenInterestSaidAndBesideThePlainRule) {
  auto database = migrated();
  History history(database);
  struct Case {
    int volume;
    int before;
    int after;
    bool alert;
  };
  // Two alerts borne out, one not; the plain rule's strongest three: one borne out.
  const std::vector<Case> cases{{1'000, 5'000, 5'400, true}, {2'000, 9'000, 9'600, true},
                                {400, 1'000, 900, true},     {500, 10, 10, false},
                                {300, 10, 10, false},        {200, 10, 110, false},
                                {100, 70, 70, false},        {10, 5'000, 5'000, false}};
  const auto monday = at("2021-01-04T20:00:00Z");
  CycleRecord record;
  record.snapshot = {"SPX", monday, price("3700"), core::Source::live, {}};
  auto next = record;
  next.snapshot.as_of = monday + 24h;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    core::OptionContract contract{
        "SPX", "SPXW", day("2021-01-15"),
        core::Price::from_units(static_cast<std::int64_t>(i + 1) * 10'000), core::Right::call};
    core::Quote quote;
    quote.volume = cases[i].volume;
    quote.open_interest = cases[i].before;
    record.snapshot.quotes.push_back({contract, quote});
    record.changes.push_back(
        {contract, ChangeKind::volume, 0, cases[i].volume, cases[i].alert ? 1e-6 : 0.5, 1e-4});
    quote.open_interest = cases[i].after;
    next.snapshot.quotes.push_back({contract, quote});
  }
  record.changes.push_back(
      {record.snapshot.quotes[5].contract, ChangeKind::iv_move, 0.2, 0.5, 1e-6, 1e-4});
  record.changes.push_back({record.snapshot.quotes[6].contract, ChangeKind::spread, 1, 2});
  ok(history.append(record, soon()));
  ok(history.append(next, soon()));
  run(database,
      "INSERT INTO option_daily (day, underlying_id, contract_id, n, close_as_of, volume,"
      " open_interest) SELECT as_of::date, underlying_id, contract_id, 1, as_of, volume,"
      " open_interest FROM option_snapshots");
  const auto report =
      ok(alert_report(database, "SPX", day("2021-01-04"), day("2021-01-04"), soon()));
  const std::vector<AlertCount> expected{{ChangeKind::iv_move, 1, 1, 1, 1, 1},
                                         {ChangeKind::volume, 8, 8, 3, 3, 2},
                                         {ChangeKind::spread, 1, 0, 0, 0, 0}};
  EXPECT_EQ(report.kinds, expected);
  EXPECT_EQ(report.plain, (PlainRule{3, 1}));
  EXPECT_EQ(ok(alert_report(database, {}, day("2021-01-01"), day("2021-01-31"), soon())).kinds,
            expected);
  EXPECT_TRUE(ok(alert_report(database, "QQQ", day("2021-01-01"), day("2021-01-31"), soon()))
                  .kinds.empty());
  // The session after has not been rolled up: nothing is answered.
  const auto open = ok(alert_report(database, "SPX", day("2021-01-05"), day("2021-01-05"), soon()));
  EXPECT_TRUE(open.kinds.empty());
}

}  // namespace
}  // namespace bifrost::store
