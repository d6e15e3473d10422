// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fault_relay.hpp"
#include "fault_stage.hpp"

namespace bifrost::test {

/// What became of a fault that was played beside others.
struct Outcome {
  std::vector<std::string> wrong;
  std::string line;      // for the table
  std::string not_here;  // why this machine cannot cause it
};

/// A fault with a stage of its own whose time goes by in waiting: all of them that are to run are
/// played side by side, and each test then tells what its own came to.
struct Played {
  Played(const char* test_name, const char* fault, std::function<Outcome()> play);
};

/// make_database() for plays, one at a time: the cluster is shared.
std::string play_database(const std::string& name);
/// Without tables.
std::string play_empty_database(const std::string& name);

/// A gateway, a relay, a database and a collector, and a clock that goes from cycle to cycle.
class Scene {
 public:
  struct Plan {
    std::string name;  // of database and logs: "f10"
    MarketShape shape{};
    sim::GatewayOptions gateway = StagedGateway::quick();
    std::string script{};
    std::map<std::string, std::string> settings{};
    std::string first = "2026-03-02T14:35:00Z";
    std::chrono::seconds interval{300};
  };
  explicit Scene(Plan plan);
  ~Scene();

  /// Moves on to this instant; `cycle` waits for its ledger row. False: there was none in time.
  void set_time(core::Instant t) { gateway_.set_time(t); }
  bool cycle(core::Instant as_of, std::chrono::seconds patience);
  /// The `count` cycles after the present one, each with that patience.
  void cycles(int count, std::chrono::seconds patience);
  /// On to further cycles until one is complete; how many it took.
  int back_within(int limit, std::chrono::seconds patience);

  void start_collector();
  core::Process& collector() { return *collector_; }
  Relay& relay() { return *relay_; }
  StagedGateway& gateway() { return gateway_; }
  const std::string& url() const { return url_; }
  Sql& sql() { return sql_; }
  std::vector<Ack> heard() const { return heard_->all(); }
  core::Instant first() const { return at(plan_.first); }
  core::Instant now() const { return gateway_.now(); }
  core::Instant next(core::Instant t);

  int status_of(core::Instant as_of);  // 0: no row
  std::string reasons();               // of all rows that are not complete
  int log_lines(const std::string& text) const;

  void expect(bool holds, std::string what);
  /// Stops the collector and runs the checker; adds to what is wrong.
  Verdict finish(Owed owed = {});
  Outcome outcome(std::string line);

 private:
  Plan plan_;
  std::string url_;
  Sql sql_;
  StagedGateway gateway_;
  std::unique_ptr<Relay> relay_;
  std::optional<core::Process> collector_;
  std::unique_ptr<Acknowledged> heard_;
  std::vector<core::Instant> owed_;
  std::vector<std::string> wrong_;
};

}  // namespace bifrost::test
