// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

// Fault scripts: what is to go wrong, when, as data. README.md of this room is their reference for
// whoever writes them; weather.hpp makes them happen.
namespace bifrost::sim {

/// A length of time: simulated, or real where the script says `real`.
struct Span {
  std::chrono::microseconds length{0};
  bool real = false;
};

/// What a rule is narrowed to. Fields that are not given fit everything.
struct Selector {
  std::optional<std::string> symbol;
  std::optional<std::string> trading_class;
  std::optional<core::Date> expiry;
  std::optional<double> strike_from;
  std::optional<double> strike_to;
  std::optional<core::Right> right;
  std::optional<bool> option;  // false: underlyings only
  std::optional<int> con_id;
  std::optional<int> tick;      // type of a tick
  std::optional<int> client;    // client id
  std::optional<double> share;  // of instruments, chosen by their id and the seed
  /// Nothing that only a contract can answer.
  bool any_instrument() const {
    return !symbol && !trading_class && !expiry && !strike_from && !right && !option && !con_id &&
           !share;
  }
};

enum class When { time, connect, request, reply, bytes };

struct Trigger {
  When when = When::time;
  Span at;                               // since the gateway started
  std::optional<core::Instant> instant;  // instead of `at`
  std::optional<Span> again;             // time: repeated after this
  int kind = 0;                          // message id; 0: any
  std::uint64_t bytes = 0;               // sent on one connection
  std::uint64_t first = 1;               // the first event that counts
  std::uint64_t every = 1;               // and how many events from one to the next
  std::optional<std::uint64_t> times;    // at most
  double chance = 1;
  Selector selector;
};

enum class Do {
  // One connection.
  reset,
  eof,
  stall,
  split,
  // What is sent.
  notice,
  message,
  garbage,
  oversize,
  empty,
  // One request.
  ignore,
  delay,
  duplicate,
  error,
  advise,
  readdress,
  // One reply.
  field,
  surplus,
  missing,
  lose,
  // The gateway and what is behind it.
  restart,
  refuse,
  wedge,
  upstream,
  farm,
  farms,
  compete,
  lines,
  rate,
  clock,
  kill,
  after_hours,
  // Instruments.
  entitle,
  spoil,
  heal,
  hide,
  show,
};

struct Action {
  Do what{};
  std::optional<std::int64_t> number;
  std::optional<Span> span;
  std::string word;
  std::optional<std::string> text;
  Selector selector;
};

struct Rule {
  std::size_t line = 0;
  Trigger trigger;
  std::vector<Action> actions;
};

struct Script {
  std::vector<Rule> rules;
};

/// invalid_input: every line that cannot be read, each as `NAME:LINE: what is wrong`.
core::Result<Script> parse_script(std::string_view text, std::string_view name = "script");

/// What a notice of this code says when the script gives no text.
std::string_view usual_text(int code);

/// How quotes and computations are spoiled.
enum class Spoil {
  crossed,      // bid above ask
  locked,       // bid equal to ask
  zero_bid,     // bid 0 of size 0
  no_quote,     // bid and ask -1 with size 0
  negative,     // bid and ask below zero, with sizes
  nan,          // "NaN" in prices and computations
  infinite,     // "Infinity" there
  unset,        // DBL_MAX there
  unparsable,   // text that is no number there
  wrong_sign,   // delta, gamma, vega and theta negated
  stale_model,  // the model's computation stays what it was when this began
  no_model,     // the model's computation does not come
  no_greeks,    // every computation says "nothing computed"
  silent,       // no tick at all
};
std::optional<Spoil> parse_spoil(std::string_view word);

}  // namespace bifrost::sim
