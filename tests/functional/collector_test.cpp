// SPDX-License-Identifier: Apache-2.0
// The collector's loop in this process, between a simulated gateway over a real socket and a real
// database: what one underlying, one clock or one database must not do to the rest.
#include "bifrost/collector/collector.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <mutex>
#include <thread>

#include "bifrost/collector/reasons.hpp"
#include "bifrost/collector/upkeep.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/sim/gateway.hpp"
#include "bifrost/sim/synthetic_market.hpp"
#include "bifrost/store/collection_schedule.hpp"
#include "bifrost/store/lease.hpp"
#include "stack.hpp"
#include "temporary_folder.hpp"

namespace bifrost::test {
namespace {

using core::Instant;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

Instant at(std::string_view iso) {
  return core::parse_instant(iso).value();
}

template <class T>
T must(core::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// The synthetic market, which tells when a symbol is first asked for.
class WatchedMarket final : public sim::Market {
 public:
  explicit WatchedMarket(const std::vector<std::string>& symbols)
      : market_(11, core::parse_date("2026-01-02").value(), only(symbols)) {}

  /// Called with the symbol when its price is asked for, by a thread of the gateway.
  std::function<void(const std::string&)> on_asked;

  void advance_to(Instant t) override { market_.advance_to(t); }
  Instant now() const override { return market_.now(); }
  std::uint64_t revision() const override { return market_.revision(); }
  std::span<const sim::Underlying> underlyings() const override { return market_.underlyings(); }
  std::span<const sim::ListedOption> options(int con_id) const override {
    return market_.options(con_id);
  }
  const sim::ListedOption* find_option(int con_id) const override {
    return market_.find_option(con_id);
  }
  sim::OptionState option_state(int con_id) const override { return market_.option_state(con_id); }
  sim::UnderlyingState underlying_state(int con_id) const override {
    for (const auto& one : underlyings()) {
      if (one.con_id == con_id && on_asked) on_asked(one.symbol);
    }
    return market_.underlying_state(con_id);
  }
  std::optional<sim::Carry> carry(int con_id) const override { return market_.carry(con_id); }
  std::vector<sim::DailyBar> daily_bars(int con_id, sim::BarKind kind,
                                        std::size_t count) const override {
    return market_.daily_bars(con_id, kind, count);
  }

 private:
  static std::vector<sim::SyntheticSymbol> only(const std::vector<std::string>& symbols) {
    std::vector<sim::SyntheticSymbol> chosen;
    for (auto& one : sim::default_universe()) {
      if (std::ranges::find(symbols, one.symbol) != symbols.end()) chosen.push_back(one);
    }
    return chosen;
  }
  sim::SyntheticMarket market_;
};

/// What is logged from here on, held back however the test ends.
class Said {
 public:
  Said() { ::testing::internal::CaptureStderr(); }
  Said(const Said&) = delete;
  Said& operator=(const Said&) = delete;
  ~Said() {
    if (!taken_) take();
  }
  std::string take() {
    taken_ = true;
    return ::testing::internal::GetCapturedStderr();
  }

 private:
  bool taken_ = false;
};

struct OfficePlan {
  std::string name;                                      // of the database
  std::vector<std::string> underlyings{"ODIN", "FRYA"};  // in the order of the configuration
  std::string rules = "* count=1 strikes=percent:3";
  std::string now = "2026-03-03T15:00:00Z";
  std::chrono::seconds interval{300};
  bool simulated_clock = true;
  double messages_per_second = 0;
  collector::Describe describe{};  // empty: the radar's
};

/// A collector and all that it stands on, as its program builds them.
class Office {
 public:
  explicit Office(OfficePlan plan)
      : plan_(std::move(plan)),
        url_(make_database(plan_.name)),
        clock_(at(plan_.now)),
        broker_clock_(at(plan_.now)),
        market_(plan_.underlyings),
        database_(must(store::Database::open(url_, {.connections = 2}, core::after(30s)))),
        history_(database_),
        looking_(must(store::Database::open(url_, {.connections = 1}, core::after(30s)))),
        seen_(looking_),
        listings_(database_),
        radar_({.interval = plan_.interval}, database_, history_) {}
  ~Office() { stop(); }

  void start() {
    sim::GatewayOptions serving;
    serving.port = 0;
    serving.max_messages_per_second = 0;
    gateway_ = must(sim::Gateway::start(market_, broker_clock_, serving));
    ib::ClientOptions link;
    link.port = gateway_->port();
    link.messages_per_second = plan_.messages_per_second;
    client_ = must(ib::Client::connect(link, core::after(30s)));
    auto spool = must(collector::Spool::open({.folder = spool_folder()}));
    store::LeaseOptions leasing;
    leasing.holder = plan_.name;
    leasing.instance = spool.instance();
    lease_ = store::WriterLease::start(database_, leasing);
    lease_->refresh(core::after(30s));
    auto describe = plan_.describe;
    if (!describe) {
      describe = [this](store::CycleRecord& record, const store::StoredChain* before,
                        core::Deadline deadline) {
        return radar_.describe(record, before != nullptr ? &before->snapshot : nullptr,
                               before != nullptr && collector::reached_all(before->run), deadline);
      };
    }
    journal_.emplace(database_, history_, *lease_, std::move(spool), describe);
    collector::ReaderOptions reading;
    reading.interval = plan_.interval;
    reading.rules = must(collector::UniverseRules::parse(plan_.rules, "rules", 60, 0));
    reader_.emplace(reading, *client_, listings_, clock_);
    bars_.emplace(*client_, database_);
    collector::Options options;
    options.underlyings = plan_.underlyings;
    options.interval = plan_.interval;
    options.simulated_clock = plan_.simulated_clock;
    collector_.emplace(options, *client_, *reader_, *journal_, radar_, *bars_, clock_);
    thread_ = std::jthread{[this](std::stop_token asked) { collector_->run(std::move(asked)); }};
  }
  void stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    collector_.reset();
    journal_.reset();
  }

  void set_time(std::string_view iso) {
    set_broker_time(iso);
    clock_.set(at(iso));
  }
  void set_broker_time(std::string_view iso) {
    broker_clock_.set(at(iso));
    gateway_->step();
  }
  core::ManualClock& clock() { return clock_; }
  collector::Collector& collector() { return *collector_; }
  /// A connection of the test's own.
  store::Database& database() { return looking_; }
  store::History& history() { return seen_; }
  WatchedMarket& market() { return market_; }
  const std::string& url() const { return url_; }
  std::filesystem::path spool_folder() const { return folder_.path() / "spool"; }

  /// The ledger row of a cycle, once there is one.
  std::optional<store::Run> row(const std::string& underlying, std::string_view iso,
                                std::chrono::seconds patience = 60s) {
    std::optional<store::Run> found;
    wait_until(patience, [&] {
      const auto runs = must(seen_.runs(underlying, at(iso), at(iso), core::after(30s)));
      if (!runs.empty()) found = runs.front();
      return found.has_value();
    });
    return found;
  }

 private:
  OfficePlan plan_;
  std::string url_;
  TemporaryFolder folder_;
  core::ManualClock clock_;
  core::ManualClock broker_clock_;
  WatchedMarket market_;
  store::Database database_;
  store::History history_;
  store::Database looking_;
  store::History seen_;
  store::Listings listings_;
  collector::Radar radar_;
  std::unique_ptr<sim::Gateway> gateway_;
  std::unique_ptr<ib::Client> client_;
  std::unique_ptr<store::WriterLease> lease_;
  std::optional<collector::Journal> journal_;
  std::optional<collector::ChainReader> reader_;
  std::optional<collector::BarKeeper> bars_;
  std::optional<collector::Collector> collector_;
  std::jthread thread_;
};

/// A snapshot of one contract, as a collector would have finished it.
collector::FinishedCycle finished(const std::string& underlying, const core::OptionContract& option,
                                  Instant as_of, std::chrono::seconds interval) {
  collector::FinishedCycle made;
  auto& record = made.record;
  record.snapshot.underlying = underlying;
  record.snapshot.as_of = as_of;
  record.snapshot.source = core::Source::simulated;
  core::OptionQuote quote;
  quote.contract = option;
  quote.quote.bid = core::Price::from_units(10'000);
  quote.quote.ask = core::Price::from_units(11'000);
  quote.quote.volume = 900;
  quote.quote.open_interest = 100;
  record.snapshot.quotes.push_back(quote);
  record.expected = 1;
  record.interval = interval;
  record.started_at = as_of;
  record.finished_at = as_of;
  return made;
}

TEST(CollectorLoop, AnUnreadableLedgerOfOneUnderlyingLeavesTheOthersAlone) {
  Office office{{.name = "loop_unreadable"}};
  Sql sql{office.url()};
  must(store::enter_schedule(office.database(), "ODIN",
                             {at("2026-03-03T15:00:00Z"), 300s, core::equity_hours}, std::nullopt,
                             core::after(30s)));
  const auto hours = sql.one("SELECT hours FROM collection_schedule");
  sql("UPDATE collection_schedule SET hours = 'whenever'");
  Said log;
  office.start();
  // ODIN has its turn first, and fails each time.
  for (const auto* cycle : {"2026-03-03T15:00:00Z", "2026-03-03T15:05:00Z"}) {
    office.set_time(cycle);
    const auto row = office.row("FRYA", cycle);
    ASSERT_TRUE(row) << cycle;
    EXPECT_EQ(row->status, store::RunStatus::complete) << row->reason;
  }
  EXPECT_FALSE(office.row("ODIN", "2026-03-03T15:00:00Z", 0s));
  sql(fmt::format("UPDATE collection_schedule SET hours = '{}'", hours));
  // Once it can be read, what it owes is entered.
  const auto now = office.row("ODIN", "2026-03-03T15:05:00Z");
  const auto said = log.take();
  ASSERT_TRUE(now);
  EXPECT_EQ(now->status, store::RunStatus::complete) << now->reason;
  const auto missed = office.row("ODIN", "2026-03-03T15:00:00Z");
  ASSERT_TRUE(missed);
  EXPECT_EQ(missed->status, store::RunStatus::missed);
  const auto first = said.find("ODIN: the ledger could not be read");
  ASSERT_NE(first, said.npos) << said;
  EXPECT_EQ(said.find("ODIN: the ledger could not be read", first + 1), said.npos) << "said once";
}

// What waits is written in shares, between which every underlying is collected.
TEST(CollectorLoop, ALongSpoolTakesNoUnderlyingItsCycle) {
  std::atomic<int> written{0};
  OfficePlan plan{.name = "loop_drain"};
  plan.interval = 1s;  // a quarter of it is for writing
  plan.describe = [&](store::CycleRecord&, const store::StoredChain*,
                      core::Deadline) -> core::Result<void> {
    std::this_thread::sleep_for(20ms);  // a slow history
    ++written;
    return {};
  };
  Office office{plan};
  constexpr int waiting = 3'000;  // a minute's work: no turn comes to its end
  const core::OptionContract contract{"ODIN",
                                      "ODIN",
                                      core::parse_date("2026-03-06").value(),
                                      core::Price::from_units(640'000),
                                      core::Right::call,
                                      100};
  {
    auto spool = must(collector::Spool::open({.folder = office.spool_folder()}));
    for (int i = 0; i < waiting; ++i) {
      auto cycle = finished("ODIN", contract, at("2026-03-02T15:00:00Z") + i * 1s, 1s);
      cycle.undescribed = true;
      must(spool.add(std::move(cycle)));
    }
  }
  std::mutex mutex;
  std::atomic<bool> begun{false};
  std::map<std::string, int> asked;  // with so many written
  office.market().on_asked = [&](const std::string& symbol) {
    const std::lock_guard lock{mutex};
    if (begun) asked.try_emplace(symbol, written);
  };
  office.start();
  begun = true;
  ASSERT_TRUE(wait_until(120s, [&] {
    const std::lock_guard lock{mutex};
    return asked.size() == 2;
  })) << "the spool is written to its end first";
  office.stop();
  EXPECT_GT(asked.at("ODIN"), 0) << "what waits comes first";
  EXPECT_GT(asked.at("FRYA"), asked.at("ODIN")) << "between the two a share is written, too";
  EXPECT_LT(asked.at("FRYA"), waiting);
  // Nothing overtakes what waits.
  EXPECT_TRUE(must(office.history().runs("FRYA", at(OfficePlan{}.now), at(OfficePlan{}.now),
                                         core::after(30s)))
                  .empty());
  auto spool = must(collector::Spool::open({.folder = office.spool_folder()}));
  EXPECT_GT(spool.entries(), static_cast<std::size_t>(waiting - written));
}

/// What the log of `said` states to have planned for an underlying's first cycle.
int planned(const std::string& said, const std::string& underlying) {
  const auto at = said.find(underlying + " 2026-");
  const auto words = said.find("asks for ", at);
  int count = -1;
  if (at != said.npos && words != said.npos)
    std::sscanf(said.c_str() + words, "asks for %d of", &count);
  return count;
}

// A clock in our hand that is no simulated one: a share is real time, of a cycle that never ends.
TEST(CollectorLoop, UnderlyingsThatAreDueShareTheTimeOfTheCycle) {
  // Nine tenths of six seconds at twenty contracts a second are 108, half of it 54. ODIN needs more
  // than all of it, FRYA much less.
  const auto cycle_at = [](const std::string& name, const std::string& now) {
    OfficePlan plan{.name = name};
    plan.rules =
        "ODIN strikes=all expiries=all hours=index\nFRYA count=1 strikes=percent:3 hours=equity\n";
    plan.now = now;
    plan.interval = 6s;
    plan.simulated_clock = false;
    plan.messages_per_second = 40;
    return plan;
  };
  // The plan is said as information.
  struct Talkative {
    Talkative() { core::log::start("bifrost", core::log::Level::info); }
    ~Talkative() { core::log::start("bifrost", core::log::Level::warning); }
  } const talkative;
  const std::string both = "2026-03-03T15:00:00Z";
  const std::string odin_alone = "2026-03-03T21:10:00Z";  // after the close of shares
  {
    Office office{cycle_at("loop_shares", both)};
    Said log;
    office.start();
    const auto large = office.row("ODIN", both);
    const auto small = office.row("FRYA", both);
    office.stop();
    const auto said = log.take();
    ASSERT_TRUE(large && small) << said;
    EXPECT_EQ(small->status, store::RunStatus::complete) << small->reason;
    EXPECT_EQ(large->status, store::RunStatus::partial);
    EXPECT_THAT(large->reason, ::testing::StartsWith("out_of_budget: "));
    EXPECT_GT(planned(said, "ODIN"), 0) << said;
    EXPECT_LE(planned(said, "ODIN"), 54) << said;
    // Ten messages may go at once.
    EXPECT_LE(large->received, 54 + 10);
  }
  {
    Office office{cycle_at("loop_alone", odin_alone)};
    Said log;
    office.start();
    ASSERT_TRUE(office.row("ODIN", odin_alone));
    office.stop();
    const auto said = log.take();
    EXPECT_GT(planned(said, "ODIN"), 60) << "the share of one that is not due was kept: " << said;
  }
}

// A confirmation that was stored nowhere is given again.
TEST(CollectorLoop, WhatWasSaidOfASnapshotThatWasNotKeptIsSaidAgain) {
  OfficePlan plan{.name = "loop_forget", .underlyings = {"ODIN"}};
  Office office{plan};
  // Yesterday ended with a volume alert on a contract that is collected today.
  sim::SyntheticMarket twin(11, core::parse_date("2026-01-02").value(), [] {
    std::vector<sim::SyntheticSymbol> one;
    for (auto& symbol : sim::default_universe())
      if (symbol.symbol == "ODIN") one.push_back(symbol);
    return one;
  }());
  twin.advance_to(at(plan.now));
  const auto& share = twin.underlyings().front();
  const auto spot = twin.underlying_state(share.con_id).last.value().value();
  core::OptionContract contract;
  double nearest = 1e9;
  for (const auto& option : twin.options(share.con_id)) {
    const auto far = std::abs(option.contract.strike.value() - spot);
    if (option.contract.expiry > twin.options(share.con_id).front().contract.expiry) continue;
    if (far < nearest) {
      nearest = far;
      contract = option.contract;
    }
  }
  const auto alarm = at("2026-03-02T20:00:00Z");
  auto yesterday = finished("ODIN", contract, alarm, 300s).record;
  yesterday.changes.push_back({.contract = contract,
                               .kind = store::ChangeKind::volume,
                               .previous = 0,
                               .current = 900,
                               .score = 1e-4,
                               .false_alarm_rate = 1e-3});
  must(office.history().append(yesterday, core::after(30s)));
  Sql sql{office.url()};
  sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF NEW.as_of = '2026-03-03T15:00:00Z' AND NEW.status <> 3 THEN"
      "  RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF;"
      " RETURN NEW; END $$");
  sql("CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON collection_runs"
      " FOR EACH ROW EXECUTE FUNCTION refuse()");
  office.start();
  const auto refused = office.row("ODIN", plan.now);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, store::RunStatus::missed);
  EXPECT_THAT(refused->reason, HasSubstr("history_refused"));
  office.set_time("2026-03-03T15:05:00Z");
  const auto kept = office.row("ODIN", "2026-03-03T15:05:00Z");
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->status, store::RunStatus::complete) << kept->reason;
  const auto answers =
      must(office.history().changes("ODIN", Instant::min(), Instant::max(),
                                    store::ChangeKind::oi_confirmation, 100, core::after(30s)));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].as_of, at("2026-03-03T15:05:00Z"));
  EXPECT_EQ(answers[0].change.contract, contract);
  EXPECT_EQ(answers[0].change.refers_to, alarm);
}

TEST(CollectorLoop, UpkeepRestsWhileTheClockIsNotTrusted) {
  OfficePlan plan{.name = "loop_clock", .underlyings = {"ODIN"}};
  plan.now = "2026-03-03T12:00:00Z";
  plan.simulated_clock = false;
  Office office{plan};
  Sql sql{office.url()};
  const auto kept = [&](const std::string& day) {
    return sql.one(fmt::format(
               "SELECT count(*) FROM maintenance_runs WHERE ok AND through_day = '{}'", day)) ==
           "7";
  };
  auto database = must(store::Database::open(office.url(), {.connections = 1}, core::after(30s)));
  std::atomic<int> distrusted{0};
  // The collector's own clock is ahead from the start: nobody has checked it yet, then it is wrong.
  office.clock().set(at("2026-03-20T12:00:00Z"));
  office.start();
  EXPECT_FALSE(office.collector().clock_trusted());
  collector::Upkeep upkeep{database, {}, office.clock(), [&] {
                             const bool trusted = office.collector().clock_trusted();
                             if (!trusted) ++distrusted;
                             return trusted;
                           }};
  const std::jthread keeper{[&](std::stop_token asked) { upkeep.run(std::move(asked)); }};
  ASSERT_TRUE(wait_until(60s, [&] { return distrusted >= 2; }));
  EXPECT_EQ(sql.one("SELECT count(*) FROM maintenance_runs"), "0");
  // Set right: it is trusted once that was checked, and yesterday is kept.
  office.clock().set(at("2026-03-03T12:00:00Z"));
  ASSERT_TRUE(wait_until(60s, [&] { return kept("2026-03-02"); }));
  // Set again: from this moment on, whatever the last check said.
  const int before = distrusted;
  office.clock().set(at("2026-04-20T12:00:00Z"));
  EXPECT_FALSE(office.collector().clock_trusted());
  ASSERT_TRUE(wait_until(60s, [&] { return distrusted >= before + 3; }));
  EXPECT_EQ(sql.one("SELECT max(through_day) FROM maintenance_runs"), "2026-03-02");
  // The broker says so, too: then it is the time.
  office.set_broker_time("2026-04-20T12:00:00Z");
  EXPECT_TRUE(wait_until(60s, [&] { return kept("2026-04-19"); })) << sql.one(
      "SELECT string_agg(concat_ws(' ', through_day, task, ok, problem), '; ') FROM"
      " maintenance_runs");
}

// F33 while a collector runs: the database comes back as one of another release.
TEST(CollectorLoop, ASchemaThatIsUnknownAfterAReconnectIsNotWrittenTo) {
  const TemporaryFolder folder;
  auto server = must(store::PrivateCluster::start(folder.path() / "db", core::after(60s),
                                                  {.die_with_starter = true}));
  {
    auto database = must(store::Database::open(server.url(), core::after(30s)));
    must(database.migrate(core::after(60s)));
  }
  auto database = store::Database::attach(server.url(), {.connections = 2});
  store::History history{database};
  auto spool = must(collector::Spool::open({.folder = folder.path() / "spool"}));
  store::LeaseOptions leasing;
  leasing.holder = "test";
  leasing.instance = spool.instance();
  leasing.renew_every = 50ms;
  const auto lease = store::WriterLease::start(database, leasing);
  lease->refresh(core::after(30s));
  collector::Journal journal{database, history, *lease, std::move(spool),
                             [](auto&, auto*, auto) -> core::Result<void> { return {}; }};
  const core::OptionContract contract{"ODIN",
                                      "ODIN",
                                      core::parse_date("2026-03-06").value(),
                                      core::Price::from_units(640'000),
                                      core::Right::call,
                                      100};
  const auto first = at("2026-03-03T15:00:00Z");
  const auto keep = [&](int number) {
    return must(journal.keep(finished("ODIN", contract, first + number * 300s, 300s)));
  };
  const auto stands = [&](bool in_step) {
    return wait_until(60s, [&] {
      lease->refresh(core::after(10s));
      journal.look();
      journal.drain({}, core::after(10s));
      return journal.in_step() == in_step;
    });
  };
  ASSERT_TRUE(stands(true));
  EXPECT_EQ(keep(0), collector::Journal::Kept::stored);
  must(server.stop(core::after(30s)));
  ASSERT_TRUE(stands(false));
  EXPECT_EQ(keep(1), collector::Journal::Kept::spooled);

  server = must(store::PrivateCluster::start(folder.path() / "db", core::after(60s),
                                             {.die_with_starter = true}));
  Sql sql{server.url()};
  sql("INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x')");
  Said log;
  ASSERT_TRUE(wait_until(60s, [&] { return lease->refresh(core::after(10s)).reached(); }));
  for (int look = 0; look < 3; ++look) {
    EXPECT_EQ(journal.look(), collector::Journal::Standing::ours);
    journal.drain({}, core::after(10s));
    EXPECT_FALSE(journal.in_step());
    EXPECT_EQ(keep(2 + look), collector::Journal::Kept::spooled);
  }
  const auto said = log.take();
  const auto told = said.find("schema_unknown");
  ASSERT_NE(told, said.npos) << said;
  EXPECT_EQ(said.find("schema_unknown", told + 1), said.npos) << "said once";
  EXPECT_EQ(sql.one("SELECT count(*) FROM collection_runs"), "1");

  sql("DELETE FROM schema_migrations WHERE revision = 9999");
  ASSERT_TRUE(stands(true));
  EXPECT_EQ(sql.one("SELECT count(*) FROM collection_runs"), "5");
}

}  // namespace
}  // namespace bifrost::test
