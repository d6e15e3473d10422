// SPDX-License-Identifier: Apache-2.0
#include "weather.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "bifrost/core/log.hpp"
#include "catalogue.hpp"
#include "hash.hpp"
#include "message_kinds.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

struct FarmWords {
  std::string_view word;
  Farm farm;
  int broken;
  int ok;
  std::string_view kind;
  std::string_view name;
};
constexpr FarmWords farm_words[] = {
    {"quotes", Farm::quotes, 2103, 2104, "Market data farm", "simfarm"},
    {"options", Farm::options, 2103, 2104, "Market data farm", "simopt"},
    {"history", Farm::history, 2105, 2106, "HMDS data farm", "simhmds"},
    {"definitions", Farm::definitions, 2157, 2158, "Sec-def data farm", "simsecdef"},
};

template <class T>
bool equal(const std::optional<T>& wanted, const std::optional<T>& is) {
  return !wanted || wanted == is;
}

std::optional<double> strike_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && value != 0 ? std::optional{value} : std::nullopt;
}

}  // namespace

Until after(const Span& span, const Moment& now) {
  return {.at = {.simulated = now.simulated + span.length, .real = now.real + span.length},
          .real = span.real};
}

Subject Subject::of(const ListedOption& option) {
  const auto& c = option.contract;
  return {.symbol = c.underlying,
          .trading_class = c.trading_class,
          .expiry = c.expiry,
          .strike = c.strike.value(),
          .right = c.right,
          .option = true,
          .con_id = option.con_id};
}

Subject Subject::of(const Underlying& underlying) {
  return {.symbol = underlying.symbol, .option = false, .con_id = underlying.con_id};
}

Subject Subject::of(const ib::wire::Fields& fields, std::size_t contract, const Market& market) {
  Subject s;
  if (contract == 0 || fields.size() < contract + 12) return s;
  if (const auto id = parse_int(fields[contract]).value_or(0); id != 0) {
    if (const auto* option = market.find_option(id)) return of(*option);
    if (const auto* underlying = find_underlying(market, id)) return of(*underlying);
    s.con_id = id;
  }
  s.symbol = fields[contract + 1];
  s.option = fields[contract + 2] == "OPT";
  if (const auto date = core::parse_compact_date(fields[contract + 3])) s.expiry = *date;
  s.strike = strike_of(fields[contract + 4]);
  const auto right = fields[contract + 5];
  if (right == "C" || right == "CALL") s.right = core::Right::call;
  if (right == "P" || right == "PUT") s.right = core::Right::put;
  s.trading_class = fields[contract + 11];
  return s;
}

bool fits(const Selector& selector, const Subject& subject, std::uint64_t seed) {
  if (selector.symbol && *selector.symbol != subject.symbol) return false;
  if (selector.trading_class && *selector.trading_class != subject.trading_class) return false;
  if (selector.strike_from && (!subject.strike || *subject.strike < *selector.strike_from ||
                               *subject.strike > *selector.strike_to)) {
    return false;
  }
  if (selector.share) {
    if (!subject.con_id) return false;
    const auto key = seed ^ mix(static_cast<std::uint64_t>(*subject.con_id));
    if (uniform(key) >= *selector.share) return false;
  }
  return equal(selector.expiry, subject.expiry) && equal(selector.right, subject.right) &&
         equal(selector.option, subject.option) && equal(selector.con_id, subject.con_id) &&
         equal(selector.tick, subject.tick) && equal(selector.client, subject.client);
}

Weather::Weather(Script script, std::uint64_t seed) : seed_(seed) {
  for (auto& rule : script.rules) {
    watches_replies_ = watches_replies_ || rule.trigger.when == When::reply;
    watches_bytes_ = watches_bytes_ || rule.trigger.when == When::bytes;
    rules_.push_back({.rule = std::move(rule), .next = {}});
  }
}

// ---- what fires

bool Weather::fires(std::size_t index, const Subject& subject) {
  auto& state = rules_[index];
  const auto& t = state.rule.trigger;
  if (!fits(t.selector, subject, seed_)) return false;
  ++state.events;
  if (state.events < t.first || (state.events - t.first) % t.every != 0) return false;
  if (t.times && state.fired >= *t.times) return false;
  if (t.chance < 1 && uniform(mix(seed_ ^ mix(index + 1)) ^ state.events) >= t.chance) return false;
  ++state.fired;
  core::log::info("script line {} happens", state.rule.line);
  return true;
}

Weather::Fired Weather::on(When when, int kind, const Subject& subject) {
  Fired fired;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const auto& t = rules_[i].rule.trigger;
    if (t.when != when || (t.kind != 0 && t.kind != kind) || !fires(i, subject)) continue;
    for (const auto& action : rules_[i].rule.actions) fired.push_back(&action);
  }
  return fired;
}

Weather::Fired Weather::on_connect() {
  return on(When::connect, 0, {});
}
Weather::Fired Weather::on_request(int kind, const Subject& subject) {
  return on(When::request, kind, subject);
}
Weather::Fired Weather::on_reply(int kind, const Subject& subject) {
  return on(When::reply, kind, subject);
}

std::vector<std::pair<std::uint64_t, const Action*>> Weather::on_bytes(std::uint64_t before,
                                                                       std::uint64_t after,
                                                                       const Subject& subject) {
  std::vector<std::pair<std::uint64_t, const Action*>> fired;
  if (!watches_bytes_) return fired;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const auto& t = rules_[i].rule.trigger;
    if (t.when != When::bytes || t.bytes <= before || t.bytes > after || !fires(i, subject)) {
      continue;
    }
    for (const auto& action : rules_[i].rule.actions) fired.emplace_back(t.bytes, &action);
  }
  std::ranges::stable_sort(fired, {}, &std::pair<std::uint64_t, const Action*>::first);
  return fired;
}

void Weather::arm(RuleState& state) {
  const auto& t = state.rule.trigger;
  state.armed = true;
  state.next = t.instant ? Until{.at = {.simulated = *t.instant, .real = {}}, .real = false}
                         : after(t.at, began_);
}

bool Weather::fire_due(const Moment& now) {
  bool any = false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    auto& state = rules_[i];
    const auto& t = state.rule.trigger;
    if (t.when != When::time) continue;
    if (!state.armed) arm(state);
    if (!state.next || !state.next->reached(now)) continue;
    if (t.again) {
      // What a jump of the clock passed over happens once, not once for each time.
      do {
        state.next = after({.length = t.again->length, .real = state.next->real}, state.next->at);
      } while (state.next->reached(now));
    } else {
      state.next.reset();
    }
    if (!fires(i, {.client = t.selector.client})) continue;
    any = true;
    for (const auto& action : state.rule.actions) {
      if (!apply(action, now)) {
        blows_.push_back(
            {.kind = Blow::Kind::connection, .selector = t.selector, .action = action});
      }
    }
  }
  return any;
}

bool Weather::end_due(const Moment& now) {
  const auto over = [&](std::optional<Until>& until) {
    if (!until || !until->reached(now)) return false;
    until.reset();
    return true;
  };
  bool any = over(refuse_until_);
  any = over(wedge_until_) || any;
  any = over(compete_until_) || any;
  if (over(upstream_until_)) {
    any = true;
    tell(upstream_end_ == "lost" ? 1101 : 1102);
    if (upstream_end_ != "kept") kill({});
  }
  for (const auto& words : farm_words) {
    if (!over(farms_[static_cast<std::size_t>(words.farm)])) continue;
    any = true;
    tell(words.ok, fmt::format("{} connection is OK:{}", words.kind, words.name));
  }
  return any;
}

bool Weather::tick(const Moment& now) {
  const bool ended = end_due(now);
  return fire_due(now) || ended;
}

// ---- what an action does

void Weather::tell(int code, std::string text) {
  if (text.empty()) text = usual_text(code);
  blows_.push_back({.kind = Blow::Kind::notice, .code = code, .text = std::move(text)});
}

void Weather::kill(Selector selector) {
  blows_.push_back({.kind = Blow::Kind::kill, .selector = std::move(selector)});
}

void Weather::break_farm(const Action& action, const Moment& now) {
  const auto words = std::ranges::find(farm_words, action.word, &FarmWords::word);
  farms_[static_cast<std::size_t>(words->farm)] = after(*action.span, now);
  tell(words->broken, fmt::format("{} connection is broken:{}", words->kind, words->name));
  const bool streams = words->farm == Farm::quotes || words->farm == Farm::options;
  if (streams && !action.text) {
    Selector selector;
    selector.option = words->farm == Farm::options;
    kill(std::move(selector));
  }
}

bool Weather::apply(const Action& action, const Moment& now) {
  switch (action.what) {
    case Do::restart:
      closes_all_ = true;
      [[fallthrough]];
    case Do::refuse:
      refuse_until_ = after(*action.span, now);
      return true;
    case Do::wedge:
      wedge_until_ = after(*action.span, now);
      return true;
    case Do::upstream:
      upstream_until_ = after(*action.span, now);
      upstream_end_ = action.word;
      tell(1100);
      return true;
    case Do::farm:
      break_farm(action, now);
      return true;
    case Do::farms:
      greeting_ = action.word == "lazy"       ? Greeting::lazy
                  : action.word == "inactive" ? Greeting::inactive
                                              : Greeting::ready;
      return true;
    case Do::compete:
      compete_until_ = after(*action.span, now);
      blows_.push_back({.kind = Blow::Kind::compete});
      return true;
    case Do::lines:
      lines_ = static_cast<int>(*action.number);
      return true;
    case Do::rate:
      rate_ = static_cast<int>(*action.number);
      return true;
    case Do::clock:
      clock_shift_ += action.span->length;
      return true;
    case Do::kill:
      kill(action.selector);
      return true;
    case Do::after_hours:
      absent_after_hours_ = action.word == "absent";
      return true;
    case Do::entitle:
      entitlements_.push_back({.selector = action.selector, .word = action.word});
      return true;
    case Do::spoil:
      spoils_.push_back(
          {.selector = action.selector, .word = {}, .spoil = *parse_spoil(action.word)});
      return true;
    case Do::heal:
      spoils_.push_back({.selector = action.selector, .word = {}, .spoil = {}, .ends = true});
      return true;
    case Do::hide:
    case Do::show:
      listings_.push_back(
          {.selector = action.selector, .word = {}, .spoil = {}, .ends = action.what == Do::show});
      return true;
    default:
      return false;
  }
}

// ---- what is the case

std::string_view Weather::entitlement(const Subject& subject) const {
  for (auto rule = entitlements_.rbegin(); rule != entitlements_.rend(); ++rule) {
    if (fits(rule->selector, subject, seed_)) return rule->word;
  }
  return "live";
}

Spoils Weather::spoils(const Subject& subject) const {
  Spoils out;
  for (const auto& rule : spoils_) {
    if (!fits(rule.selector, subject, seed_)) continue;
    if (rule.ends) {
      out = {};
    } else {
      out.add(rule.spoil);
    }
  }
  return out;
}

bool Weather::hidden(const Subject& subject) const {
  for (auto rule = listings_.rbegin(); rule != listings_.rend(); ++rule) {
    if (fits(rule->selector, subject, seed_)) return !rule->ends;
  }
  return false;
}

}  // namespace bifrost::sim
