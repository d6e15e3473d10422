// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/ib/wire.hpp"
#include "bifrost/sim/market.hpp"
#include "script.hpp"

namespace bifrost::sim {

using SteadyTime = std::chrono::steady_clock::time_point;

/// An instant by both clocks.
struct Moment {
  core::Instant simulated{};
  SteadyTime real{};
};

/// When something ends.
struct Until {
  Moment at;
  bool real = false;
  bool reached(const Moment& now) const {
    return real ? now.real >= at.real : now.simulated >= at.simulated;
  }
};
Until after(const Span& span, const Moment& now);

/// What an event is about, as far as it is known.
struct Subject {
  std::optional<int> client{};
  std::string symbol{};
  std::string trading_class{};
  std::optional<core::Date> expiry{};
  std::optional<double> strike{};
  std::optional<core::Right> right{};
  std::optional<bool> option{};
  std::optional<int> con_id{};
  std::optional<int> tick{};

  static Subject of(const ListedOption& option);
  static Subject of(const Underlying& underlying);
  /// The instrument of a request's contract: the market's own where its id says which.
  static Subject of(const ib::wire::Fields& fields, std::size_t contract, const Market& market);
};

bool fits(const Selector& selector, const Subject& subject, std::uint64_t seed);

/// A set of Spoil.
class Spoils {
 public:
  Spoils() = default;
  explicit Spoils(Spoil s) { add(s); }
  void add(Spoil s) { bits_ |= 1U << static_cast<unsigned>(s); }
  bool has(Spoil s) const { return (bits_ >> static_cast<unsigned>(s) & 1U) != 0; }
  bool none() const { return bits_ == 0; }
  friend bool operator==(const Spoils&, const Spoils&) = default;

 private:
  std::uint32_t bits_ = 0;
};

/// What happens to every session at once.
struct Blow {
  enum class Kind { notice, kill, compete, connection } kind;
  int code = 0;
  std::string text{};
  Selector selector{};
  Action action{};
};

enum class Farm { quotes, options, history, definitions };
enum class Greeting { ready, lazy, inactive };

/// Makes a script happen: says what fires at an event, and holds what the gateway as a whole has
/// come to. What fires follows from script, seed and the order of events alone.
class Weather {
 public:
  Weather(Script script, std::uint64_t seed);

  bool scripted() const { return !rules_.empty(); }
  std::uint64_t seed() const { return seed_; }

  /// `at` counts from here.
  void begin(const Moment& now) { began_ = now; }

  // What fires. Actions live as long as this object.
  using Fired = std::vector<const Action*>;
  Fired on_connect();
  Fired on_request(int kind, const Subject& subject);
  bool watches_replies() const { return watches_replies_; }
  Fired on_reply(int kind, const Subject& subject);
  /// One connection's count of bytes sent goes from `before` to `after`: at which counts what
  /// fires.
  std::vector<std::pair<std::uint64_t, const Action*>> on_bytes(std::uint64_t before,
                                                                std::uint64_t after,
                                                                const Subject& subject);

  /// Lets time pass: `at` rules fire, what has run out ends. True: something changed.
  bool tick(const Moment& now);

  /// False: the action is about one connection, request or reply, and was left alone.
  bool apply(const Action& action, const Moment& now);

  std::vector<Blow> take_blows() { return std::exchange(blows_, {}); }
  bool closes_all() { return std::exchange(closes_all_, false); }

  // What is the case.
  bool refusing() const { return refuse_until_.has_value(); }
  bool wedged() const { return wedge_until_.has_value(); }
  bool upstream_down() const { return upstream_until_.has_value(); }
  bool broken(Farm farm) const { return farms_[static_cast<std::size_t>(farm)].has_value(); }
  bool competing() const { return compete_until_.has_value(); }
  bool quotes_absent_after_hours() const { return absent_after_hours_; }
  Greeting greeting() const { return greeting_; }
  int lines(int usual) const { return lines_.value_or(usual); }
  int rate(int usual) const { return rate_.value_or(usual); }
  std::chrono::microseconds clock_shift() const { return clock_shift_; }
  /// "live", "delayed" or a code.
  std::string_view entitlement(const Subject& subject) const;
  Spoils spoils(const Subject& subject) const;
  bool hidden(const Subject& subject) const;
  bool hides() const { return !listings_.empty(); }
  /// Differs from an earlier value when hidden() may answer differently.
  std::uint64_t listing_revision() const { return listings_.size(); }

 private:
  struct RuleState {
    Rule rule;
    std::uint64_t events = 0;
    std::uint64_t fired = 0;
    std::optional<Until> next;  // of `at`; none: over
    bool armed = false;
  };
  struct Standing {
    Selector selector;
    std::string word;
    Spoil spoil{};
    bool ends = false;  // heal, show
  };

  bool fires(std::size_t index, const Subject& subject);
  Fired on(When when, int kind, const Subject& subject);
  bool fire_due(const Moment& now);
  bool end_due(const Moment& now);
  void arm(RuleState& rule);
  void tell(int code, std::string text = {});
  void kill(Selector selector);
  void break_farm(const Action& action, const Moment& now);

  std::vector<RuleState> rules_;
  std::uint64_t seed_;
  Moment began_;
  bool watches_replies_ = false;
  bool watches_bytes_ = false;

  std::vector<Blow> blows_;
  bool closes_all_ = false;
  std::optional<Until> refuse_until_;
  std::optional<Until> wedge_until_;
  std::optional<Until> upstream_until_;
  std::string upstream_end_;
  std::array<std::optional<Until>, 4> farms_;
  std::optional<Until> compete_until_;
  bool absent_after_hours_ = false;
  Greeting greeting_ = Greeting::ready;
  std::optional<int> lines_;
  std::optional<int> rate_;
  std::chrono::microseconds clock_shift_{0};
  // In the order they were said: the last one that fits an instrument holds.
  std::vector<Standing> entitlements_;
  std::vector<Standing> spoils_;
  std::vector<Standing> listings_;
};

}  // namespace bifrost::sim
