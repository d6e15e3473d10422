// SPDX-License-Identifier: Apache-2.0
// Faults that a gateway causes, each by a script of the simulator.
#include <fmt/core.h>

#include "bifrost/store/history.hpp"
#include "fault_play.hpp"

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;
using core::Instant;

MarketShape small_market() {
  return {.first = core::parse_date("2026-03-02").value(),
          .fridays = 12,
          .listed = 2,
          .lowest_strike = 98,
          .highest_strike = 102,
          .seed = fault_seed()};
}

Scene::Plan plan(std::string name, std::string script) {
  return {.name = std::move(name), .shape = small_market(), .script = std::move(script)};
}

const Played f10{
    "F10GatewayResetsInTheMiddleOfAMessage", "F10", [] {
      Scene scene{plan("f10",
                       "on request contract_data nth 3: reset 20\n"
                       "on reply option_computation nth 25: reset 7\n"
                       "on reply tick_price nth 150: eof 5\n")};
      scene.cycle(scene.now(), 40s);
      scene.cycles(4, 40s);
      const int back = scene.back_within(3, 40s);
      const int sessions = scene.log_lines("ready, version");
      scene.expect(sessions >= 4, fmt::format("{} sessions: the resets did not come", sessions));
      const auto verdict = scene.finish();
      return scene.outcome(
          fmt::format("reset in the middle of a message, three times: {} sessions, complete again "
                      "after {} cycle: {}",
                      sessions, back, verdict.text()));
    }};

const Played f11{
    "F11GatewayAcceptsAndNeverAnswers", "F11", [] {
      Scene scene{plan("f11",
                       "on connect nth 1: stall\n"
                       "on request market_data nth 30: stall\n")};
      const Stopwatch handshake;
      scene.cycle(scene.now(), 60s);
      const auto first = handshake.text();
      const Stopwatch request;
      scene.cycle(scene.next(scene.now()), 150s);
      const auto second = request.text();
      scene.back_within(3, 150s);
      scene.expect(scene.log_lines("ready, version") >= 2, "the half-open link was never given up");
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "accepted and never answered: a handshake overcome in {}, a half-open link in "
          "{}, no bare probe: {}",
          first, second, verdict.text()));
    }};

Outcome upstream(const std::string& name, const std::string& how, const std::string& codes) {
  Scene scene{plan(name, "at 10m: upstream 4m " + how + "\n")};
  scene.cycle(scene.now(), 40s);
  scene.cycles(1, 40s);
  const auto lost = scene.next(scene.now());
  scene.cycle(lost, 3s);  // nobody behind the gateway: it will be in the ledger as missed
  const int back = scene.back_within(2, 60s);
  scene.expect(scene.log_lines("1100") > 0, "1100 never came");
  scene.expect(scene.log_lines("(322)") == 0, "a request id was used twice");
  const auto verdict = scene.finish();
  scene.expect(scene.status_of(lost) == 3 || scene.status_of(lost) == 2,
               "the cycle without an upstream is called complete");
  return scene.outcome(fmt::format("{}: complete again after {} cycle, no id twice: {}", codes,
                                   back, verdict.text()));
}

const Played f12{"F12UpstreamLostAndTheDataWithIt", "F12",
                 [] { return upstream("f12", "lost", "1100 then 1101"); }};
const Played f13{"F13UpstreamLostAndTheDataKept", "F13",
                 [] { return upstream("f13", "kept", "1100 then 1102"); }};
const Played f13b{"F13UpstreamBackWithDeadLines", "F13",
                  [] { return upstream("f13b", "silent", "1100 then 1102, every line dead"); }};

const Played f14{
    "F14FarmBreaksAndStreamsStayDead", "F14", [] {
      Scene scene{plan("f14", "on request market_data nth 45: farm options 3s real\n")};
      scene.cycle(scene.now(), 40s);
      scene.cycles(3, 60s);
      const int back = scene.back_within(2, 60s);
      scene.expect(scene.log_lines("2103") > 0, "2103 never came");
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "2103, 3 s, 2104 in the middle of a cycle, streams dead: complete again after {} "
          "cycle: {}",
          back, verdict.text()));
    }};

const Played f15{
    "F15RequestIdsAfterAReconnection", "F15", [] {
      Scene scene{plan("f15",
                       "on request start_api nth 1: error 326; eof\n"
                       "on request market_data nth 10: error 322\n"
                       "on request market_data nth 30: reset\n"
                       "on request market_data nth 70: reset\n")};
      scene.cycle(scene.now(), 40s);
      scene.cycles(4, 40s);
      const int back = scene.back_within(2, 40s);
      scene.expect(scene.log_lines("ready, version") >= 3, "the resets did not come");
      scene.expect(scene.log_lines("(300)") == 0,
                   "something was cancelled that the session never had");
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "326, 322 and two reconnections: no id twice, complete again after {} cycle: {}", back,
          verdict.text()));
    }};

const Played f16{
    "F16CompetingSession", "F16", [] {
      Scene scene{plan("f16", "at 9m: compete 14m\n")};
      auto api = start_api({.database_url = scene.url(), .gateway_port = scene.gateway().port()});
      scene.cycle(scene.now(), 40s);
      scene.relay().kill_at(0, -1);
      scene.cycles(1, 40s);
      const auto usual = scene.relay().passed();
      scene.relay().kill_at(0, -1);
      const auto first = scene.next(scene.now());
      scene.cycles(3, 20s);
      const auto competing = scene.relay().passed();
      // I4: old data is still served, with its age, and said to be stale.
      const auto health = [&] { return get(api.port, "/api/health"); };
      scene.expect(
          wait_until(20s, [&] { return health().find("\"stale\":true") != std::string::npos; }),
          "I4: data two intervals old is not called stale: " + health());
      scene.expect(scene.status_of(first) != 1, "a cycle without data is called complete");
      const int back = scene.back_within(3, 60s);
      scene.expect(
          wait_until(20s, [&] { return health().find("\"stale\":false") != std::string::npos; }),
          "I4: fresh data is called stale");
      api.process.stop(core::after(15s));
      const auto verdict = scene.finish();
      scene.expect(scene.reasons().find("10197") != std::string::npos ||
                       scene.reasons().find("ompeting") != std::string::npos,
                   "no reason names the other session: " + scene.reasons());
      scene.expect(competing < 20 * usual,
                   fmt::format("{} bytes in three refused cycles, {} in a usual one: a busy loop",
                               competing, usual));
      return scene.outcome(
          fmt::format("10197 for three cycles, said to be stale: {} bytes where a usual cycle has "
                      "{}, complete again after {} "
                      "cycle: {}",
                      competing, usual, back, verdict.text()));
    }};

Outcome entitled(const std::string& name, const std::string& right, const std::string& codes) {
  auto scenario = plan(name, "at 0s: entitle " + right + " share=0.4\n");
  scenario.gateway.account = "DU1000001";  // or everything would be stored as simulated
  Scene scene{std::move(scenario)};
  scene.cycle(scene.now(), 60s);
  scene.cycles(2, 60s);
  // Live and delayed never share a name: whatever was delayed makes the whole snapshot delayed.
  const auto live = scene.sql().one(
      "SELECT coalesce(sum(received), 0) FROM collection_runs WHERE source = 'live' AND status IN "
      "(1, 2)");
  const auto delayed = scene.sql().one(
      "SELECT coalesce(sum(received), 0) FROM collection_runs WHERE source = 'delayed' AND status "
      "IN (1, 2)");
  const auto named =
      scene.sql().one("SELECT string_agg(DISTINCT source, ' and ') FROM collection_runs");
  const bool shown_delayed = right == "10167";
  scene.expect(!shown_delayed || live == "0", "delayed quotes were stored as live");
  scene.expect(shown_delayed || delayed == "0" || live == "0", "live and delayed in one history");
  Owed owed;
  owed.prices_differ = true;
  auto verdict = scene.finish(owed);
  return scene.outcome(
      fmt::format("{} for 40 % of the contracts: stored as {}: {}", codes, named, verdict.text()));
}

const Played f17{"F17NotSubscribed", "F17", [] {
                   auto outcome = entitled("f17", "delayed", "354, then delayed");
                   const auto shown = entitled("f17b", "10167", "10167, delayed shown instead");
                   outcome.wrong.insert(outcome.wrong.end(), shown.wrong.begin(),
                                        shown.wrong.end());
                   outcome.line += " | " + shown.line;
                   return outcome;
                 }};

const Played f18{
    "F18PacingAndLines", "F18", [] {
      auto scenario = plan("f18", "at 0s: lines 5; rate 30\n");
      scenario.settings = {{"BIFROST_IB_LINES", "90"}, {"BIFROST_IB_MESSAGES_PER_SECOND", "40"}};
      Scene scene{std::move(scenario)};
      scene.cycle(scene.now(), 90s);
      scene.cycles(3, 90s);
      const int back = scene.back_within(3, 90s);
      const int sessions = scene.log_lines("ready, version");
      scene.expect(sessions <= 3,
                   fmt::format("{} sessions: the gateway threw it out again and again", sessions));
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "5 lines and 30 messages a second where 90 and 40 were believed: {} session, complete "
          "after {} cycle: {}",
          sessions, back, verdict.text()));
    }};

const Played f19{
    "F19ThreeDaysWithoutAGateway", "F19", [] {
      auto scenario = plan("f19",
                           "at 2026-03-07T04:45:00Z: restart 60s\n"
                           "at 2026-03-07T06:00:00Z: restart 57h\n");
      scenario.first = "2026-03-06T20:50:00Z";
      Scene scene{std::move(scenario)};
      scene.cycle(scene.now(), 40s);
      scene.cycles(2, 40s);  // to the close of Friday
      const auto close = scene.now();
      for (const auto* t : {"2026-03-07T04:45:00Z", "2026-03-07T04:46:30Z", "2026-03-07T06:00:00Z",
                            "2026-03-07T18:00:00Z", "2026-03-08T06:30:00Z", "2026-03-08T23:00:00Z",
                            "2026-03-09T13:35:00Z", "2026-03-09T14:55:00Z"}) {
        scene.set_time(at(t));
        wait_until(1s, [] { return false; });
      }
      const Stopwatch recovery;
      const auto monday = at("2026-03-09T15:05:00Z");
      scene.expect(scene.cycle(monday, 90s), "nothing was collected once the gateway was back");
      const auto after = recovery.text();
      scene.cycles(2, 40s);
      const int trouble = scene.log_lines("warning");
      scene.expect(trouble < 40, fmt::format("{} warnings in one outage", trouble));
      const auto verdict = scene.finish();
      scene.expect(scene.sql().one(fmt::format(
                       "SELECT count(*) FROM collection_runs WHERE as_of > '{}' AND as_of < "
                       "'2026-03-09T13:30:00Z'",
                       core::to_iso(close))) == "0",
                   "the weekend is in the ledger");
      return scene.outcome(fmt::format(
          "nightly restart, then nobody there from Saturday to Monday 15:00: {} warnings, back "
          "{} after the gateway: {}",
          trouble, after, verdict.text()));
    }};

const Played f20{
    "F20AnswersOfThePreviousCycle", "F20", [] {
      Scene scene{plan("f20",
                       "on request market_data nth 35: delay 6m\n"
                       "on request market_data nth 60: delay 4m\n"
                       "on reply option_computation nth 60: duplicate\n"
                       "on reply tick_price nth 333: duplicate 3\n")};
      scene.cycle(scene.now(), 60s);
      scene.cycles(6, 60s);
      const int back = scene.back_within(2, 60s);
      const auto verdict = scene.finish();
      return scene.outcome(fmt::format(
          "answers 4 and 6 minutes late, some twice: {} rows all of their own cycle, complete "
          "again after {} cycle: {}",
          verdict.compared, back, verdict.text()));
    }};

const Played f22{
    "F22ImpossibleQuotes", "F22", [] {
      auto scenario =
          plan("f22",
               "at 0s: spoil nan share=0.1; spoil infinite share=0.15; spoil unset share=0.2\n"
               "at 12m: heal; spoil unparsable share=0.2\n"
               "at 22m: heal; spoil no_quote share=0.3; spoil no_model share=0.2\n"
               "at 32m: heal\n");
      scenario.shape.dirty =
          true;  // crossed, locked, zero and negative quotes are the market's own
      Scene scene{std::move(scenario)};
      scene.cycle(scene.now(), 60s);
      scene.cycles(6, 60s);
      const int back = scene.back_within(3, 60s);
      Owed owed;
      owed.fields_may_lack = true;
      const auto verdict = scene.finish(owed);
      return scene.outcome(fmt::format(
          "NaN, infinite, unset, unreadable, crossed, locked, zero and negative: {} rows say what "
          "was sent or nothing, {} fields nothing, complete again after {} cycle: {}",
          verdict.compared, verdict.lacking, back, verdict.text()));
    }};

const Played f23{"F23GreeksOfTheWrongSign", "F23", [] {
                   auto scenario = plan("f23", "at 10m: spoil wrong_sign share=0.3\n");
                   scenario.shape.plausible = true;
                   Scene scene{std::move(scenario)};
                   scene.cycle(scene.now(), 60s);
                   scene.cycles(2, 60s);
                   const auto as_of = core::to_iso(scene.now());
                   Owed owed;
                   owed.prices_differ = true;
                   // By the sign alone, without a model of ours.
                   const auto wrong = scene.sql().one(
                       fmt::format("SELECT count(*) FROM option_snapshots JOIN contracts USING "
                                   "(contract_id) WHERE as_of = '{}' AND delta <> 0 "
                                   "AND (delta > 0) <> (\"right\" = 'C')",
                                   as_of));
                   const auto flagged = [&](std::string_view comparison) {
                     return scene.sql().one(fmt::format(
                         "SELECT count(*) FROM option_changes WHERE kind = {} AND as_of {} '{}'",
                         static_cast<int>(store::ChangeKind::suspect_greeks), comparison, as_of));
                   };
                   scene.expect(wrong != "0", "no greek was wrong");
                   scene.expect(flagged("=") == wrong, flagged("=") + " flagged of " + wrong);
                   scene.expect(flagged("<") == "0", "right greeks were flagged: " + flagged("<"));
                   const auto verdict = scene.finish(owed);
                   return scene.outcome(
                       fmt::format("greeks of the wrong sign: {} sent, {} flagged as suspect: {}",
                                   wrong, flagged("="), verdict.text()));
                 }};

}  // namespace
}  // namespace bifrost::test
