// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "bifrost/sim/gateway.hpp"
#include "message_kinds.hpp"
#include "wording.hpp"

namespace bifrost::sim {
namespace {

using core::Errc;
using core::fail;
using core::Result;

/// What an action belongs to, so that a rule which cannot mean anything is refused.
enum class Reach {
  anywhere,
  request,  // of `on request`
  answer,   // of `on request` or `on reply`
  reply,    // of `on reply`
};

/// One action. The signature names its arguments in their order: n a whole number, d a duration,
/// D a duration with a sign, w one of `words`, t text, s a selector; `?` behind one: may be left
/// out.
struct ActionSpec {
  std::string_view name;
  Do what;
  std::string_view signature;
  std::string_view words;
  Reach reach;
  std::string_view help;
};

constexpr std::string_view spoils =
    "crossed locked zero_bid no_quote negative nan infinite unset unparsable wrong_sign "
    "stale_model no_model no_greeks silent";

constexpr ActionSpec action_specs[] = {
    {"reset", Do::reset, "n?", "", Reach::anywhere,
     "[BYTES]  the connection breaks off BYTES into what is being sent, or behind it"},
    {"eof", Do::eof, "n?", "", Reach::anywhere, "[BYTES]  the same, with an orderly end"},
    {"stall", Do::stall, "n?d?", "", Reach::anywhere,
     "[BYTES] [DURATION]  half-open: nothing is sent or answered any more, for ever or so long"},
    {"split", Do::split, "", "", Reach::anywhere, "from now on every byte is a segment of its own"},
    {"notice", Do::notice, "nt?", "", Reach::anywhere,
     "CODE [TEXT]  a notice (id -1), with the usual text of the code"},
    {"message", Do::message, "t", "", Reach::anywhere,
     "FIELDS  a message of these fields, each ended by |: \"250|1|\""},
    {"garbage", Do::garbage, "n", "", Reach::anywhere, "BYTES  a frame of that many random bytes"},
    {"oversize", Do::oversize, "", "", Reach::anywhere, "a frame that announces more than 16 MiB"},
    {"empty", Do::empty, "", "", Reach::anywhere, "a frame of length 0"},
    {"ignore", Do::ignore, "", "", Reach::request, "the request is never answered"},
    {"delay", Do::delay, "d", "", Reach::request, "DURATION  its answer comes so much later"},
    {"duplicate", Do::duplicate, "n?", "", Reach::answer,
     "[N]  the answer, or the reply, comes N times more (1)"},
    {"error", Do::error, "nt?", "", Reach::request, "CODE [TEXT]  this error instead of an answer"},
    {"advise", Do::advise, "nt?", "", Reach::request,
     "CODE [TEXT]  this error first, then the answer"},
    {"readdress", Do::readdress, "n", "", Reach::request,
     "N  the answer carries the request id N instead of its own"},
    {"field", Do::field, "nt", "", Reach::reply,
     "INDEX TEXT  field INDEX of the reply says TEXT (the message id is field 0)"},
    {"surplus", Do::surplus, "n", "", Reach::reply, "N  N fields too many at the end"},
    {"missing", Do::missing, "n", "", Reach::reply, "N  the last N fields are missing"},
    {"lose", Do::lose, "", "", Reach::reply, "the reply is not sent"},
    {"restart", Do::restart, "d", "", Reach::anywhere,
     "DURATION  every connection ends, new ones are refused so long"},
    {"refuse", Do::refuse, "d", "", Reach::anywhere, "DURATION  new connections are refused"},
    {"wedge", Do::wedge, "d", "", Reach::anywhere,
     "DURATION  connections are accepted, none is answered"},
    {"upstream", Do::upstream, "dw", "lost kept silent", Reach::anywhere,
     "DURATION lost|kept|silent  1100, then 1101 and all lines dead; 1102; or 1102 and dead lines"},
    {"farm", Do::farm, "wdw?", "quotes options history definitions", Reach::anywhere,
     "quotes|options|history|definitions DURATION [alive]  broken, then OK; its lines stay dead "
     "unless alive"},
    {"farms", Do::farms, "w", "ready lazy inactive", Reach::anywhere,
     "ready|lazy|inactive  what greets a client: 2104 at once; after its first request; 2108"},
    {"compete", Do::compete, "d", "", Reach::anywhere,
     "DURATION  10197 ends every line and refuses new ones"},
    {"lines", Do::lines, "n", "", Reach::anywhere, "N  market-data lines from now on"},
    {"rate", Do::rate, "n", "", Reach::anywhere, "N  messages per second from now on"},
    {"clock", Do::clock, "D", "", Reach::anywhere,
     "+DURATION|-DURATION  step of the gateway's own clock"},
    {"kill", Do::kill, "s?", "", Reach::anywhere,
     "[SELECTOR]  lines die silently until they are subscribed again"},
    {"after_hours", Do::after_hours, "w", "absent stand", Reach::anywhere,
     "absent|stand  outside sessions bid and ask are -1 unless frozen ones were asked for"},
    {"entitle", Do::entitle, "ws?", "live delayed 354 10089 10090 10091 10167 10168 10186 2186",
     Reach::anywhere,
     "live|delayed|CODE [SELECTOR]  the right to data; delayed: 354 to live, 10167 to delayed "
     "requests"},
    {"spoil", Do::spoil, "ws?", spoils, Reach::anywhere, "FAULT [SELECTOR]  what quotes look like"},
    {"heal", Do::heal, "s?", "", Reach::anywhere, "[SELECTOR]  ends every spoil of these"},
    {"hide", Do::hide, "s", "", Reach::anywhere, "SELECTOR  options that are not listed"},
    {"show", Do::show, "s", "", Reach::anywhere, "SELECTOR  options that are listed again"},
};

constexpr std::pair<std::string_view, Spoil> spoil_words[] = {
    {"crossed", Spoil::crossed},         {"locked", Spoil::locked},
    {"zero_bid", Spoil::zero_bid},       {"no_quote", Spoil::no_quote},
    {"negative", Spoil::negative},       {"nan", Spoil::nan},
    {"infinite", Spoil::infinite},       {"unset", Spoil::unset},
    {"unparsable", Spoil::unparsable},   {"wrong_sign", Spoil::wrong_sign},
    {"stale_model", Spoil::stale_model}, {"no_model", Spoil::no_model},
    {"no_greeks", Spoil::no_greeks},     {"silent", Spoil::silent},
};

struct Token {
  std::string text;
  bool quoted = false;
};

/// Words of a line, split at blanks; "..." is one word; `;` and the `:` behind a trigger are words
/// of their own; `#` begins a comment.
Result<std::vector<Token>> words_of(std::string_view line) {
  std::vector<Token> words;
  bool colon_seen = false;
  for (std::size_t i = 0; i < line.size();) {
    const char c = line[i];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++i;
    } else if (c == '#') {
      break;
    } else if (c == '"') {
      const auto end = line.find('"', i + 1);
      if (end == line.npos) return fail(Errc::invalid_input, "a quote is not closed");
      words.push_back({std::string{line.substr(i + 1, end - i - 1)}, true});
      i = end + 1;
    } else if (c == ';') {
      words.push_back({";"});
      ++i;
    } else {
      auto end = std::min(line.find_first_of(" \t\r;#\"", i), line.size());
      auto word = line.substr(i, end - i);
      i = end;
      const bool ends_trigger = !colon_seen && word.ends_with(':');
      if (ends_trigger) word.remove_suffix(1);
      if (!word.empty()) words.push_back({std::string{word}});
      if (ends_trigger) words.push_back({":"});
      colon_seen = colon_seen || ends_trigger;
    }
  }
  return words;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::chrono::microseconds> duration_of(std::string_view text) {
  const auto unit = text.find_first_not_of("0123456789.");
  const auto value = number_of<double>(text.substr(0, unit));
  if (!value || unit == text.npos || unit == 0) return std::nullopt;
  constexpr std::pair<std::string_view, double> units[] = {
      {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  for (const auto& [name, seconds] : units) {
    const auto length = *value * seconds;
    if (text.substr(unit) == name && length < 1e9) {
      return std::chrono::microseconds{std::llround(length * 1e6)};
    }
  }
  return std::nullopt;
}

bool one_of(std::string_view word, std::string_view words) {
  return std::ranges::any_of(split(words, ' '), [&](auto known) { return known == word; });
}

class Parser {
 public:
  explicit Parser(std::vector<Token> words) : words_(std::move(words)) {}

  Result<Rule> rule() {
    Rule out;
    BF_CHECK(trigger(out.trigger));
    if (!take(":")) {
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of `:` behind the trigger", shown()));
    }
    do {
      BF_TRY(auto a, action(out.trigger.when));
      out.actions.push_back(std::move(a));
    } while (take(";"));
    if (!done()) {
      return fail(Errc::invalid_input, fmt::format("{} is one word too many", shown()));
    }
    return out;
  }

 private:
  bool done() const { return next_ >= words_.size(); }
  std::string_view peek() const { return done() ? std::string_view{} : words_[next_].text; }
  std::string shown() const { return done() ? "the end" : fmt::format("`{}`", peek()); }
  bool quoted() const { return !done() && words_[next_].quoted; }
  bool at_end() const { return done() || (!quoted() && (peek() == ";" || peek() == ":")); }
  bool take(std::string_view word) {
    if (done() || quoted() || peek() != word) return false;
    ++next_;
    return true;
  }

  Result<Span> span(std::string_view what) {
    const auto length = at_end() ? std::nullopt : duration_of(peek());
    if (!length) {
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of {}, such as 90s, 500ms, 2m or 1h", shown(), what));
    }
    ++next_;
    return Span{.length = *length, .real = take("real")};
  }

  Result<std::uint64_t> count(std::string_view what) {
    const auto n = at_end() ? std::nullopt : number_of<std::uint64_t>(peek());
    if (!n || *n == 0) {
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of a number from 1 after `{}`", shown(), what));
    }
    ++next_;
    return *n;
  }

  Result<> trigger(Trigger& t) {
    if (take("at")) {
      t.when = When::time;
      if (const auto instant = core::parse_instant(peek()); instant && !quoted()) {
        ++next_;
        t.instant = *instant;
      } else {
        BF_TRY(t.at, span("an instant or a time since the start"));
      }
      if (take("every")) {
        BF_TRY(t.again, span("a time from one to the next"));
        if (t.again->length.count() <= 0 || t.again->real != (!t.instant && t.at.real)) {
          return fail(Errc::invalid_input,
                      "`every` needs a time above 0 that is real or simulated as `at` is");
        }
      }
    } else if (take("on")) {
      BF_CHECK(event(t));
    } else if (take("after")) {
      BF_TRY(const auto n, count("after"));
      if (take("bytes")) {
        t.when = When::bytes;
        t.bytes = n;
      } else if (take("requests")) {
        t.when = When::request;
        t.first = n;
        t.times = 1;
      } else {
        return fail(Errc::invalid_input,
                    fmt::format("{} instead of `requests` or `bytes`", shown()));
      }
    } else {
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of a trigger: at, on or after", shown()));
    }
    return narrow(t);
  }

  Result<> event(Trigger& t) {
    if (take("connect")) {
      t.when = When::connect;
      return {};
    }
    const bool request = take("request");
    if (!request && !take("reply")) {
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of `connect`, `request` or `reply`", shown()));
    }
    t.when = request ? When::request : When::reply;
    if (at_end() || peek().find('=') != std::string_view::npos || modifier()) return {};
    const auto kind = find_kind(request ? request_kinds() : reply_kinds(), peek());
    if (!kind) {
      return fail(Errc::invalid_input, fmt::format("{} is no kind of {}: a name of wire.hpp or a "
                                                   "message id is",
                                                   shown(), request ? "request" : "reply"));
    }
    ++next_;
    t.kind = kind->id;
    return {};
  }

  bool modifier() const { return one_of(peek(), "nth from every times chance"); }

  Result<> narrow(Trigger& t) {
    while (!at_end()) {
      if (take("nth")) {
        BF_TRY(t.first, count("nth"));
        t.times = 1;
      } else if (take("from")) {
        BF_TRY(t.first, count("from"));
      } else if (t.when != When::time && take("every")) {
        BF_TRY(t.every, count("every"));
      } else if (take("times")) {
        BF_TRY(t.times, count("times"));
      } else if (take("chance")) {
        const auto p = at_end() ? std::nullopt : number_of<double>(peek());
        if (!p || !(*p >= 0) || *p > 1) {
          return fail(Errc::invalid_input,
                      fmt::format("{} instead of a probability from 0 to 1", shown()));
        }
        ++next_;
        t.chance = *p;
      } else {
        BF_CHECK(select(t.selector));
      }
    }
    const bool by_instrument = t.when == When::request || t.when == When::reply;
    if (!by_instrument && !t.selector.any_instrument()) {
      return fail(Errc::invalid_input, "only requests and replies are about an instrument");
    }
    if (t.when != When::reply && t.selector.tick) {
      return fail(Errc::invalid_input, "only replies have a tick type");
    }
    return {};
  }

  /// One `name=value`.
  Result<> select(Selector& s) {
    const auto word = peek();
    const auto equals = word.find('=');
    if (quoted() || equals == word.npos) {
      return fail(Errc::invalid_input, fmt::format("{} is not understood here", shown()));
    }
    const auto name = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    const auto refuse = [&](std::string_view wanted) {
      return fail(Errc::invalid_input, fmt::format("`{}`: {} is wanted", word, wanted));
    };
    if (value.empty()) return refuse("a value");
    if (name == "symbol") {
      s.symbol = value;
    } else if (name == "class") {
      s.trading_class = value;
    } else if (name == "expiry") {
      const auto date = core::parse_date(value);
      if (!date) return refuse("a date such as 2026-03-20");
      s.expiry = *date;
    } else if (name == "strike") {
      const auto dots = value.find("..");
      s.strike_from = number_of<double>(value.substr(0, dots));
      s.strike_to = dots == value.npos ? s.strike_from : number_of<double>(value.substr(dots + 2));
      if (!s.strike_from || !s.strike_to || *s.strike_from > *s.strike_to) {
        return refuse("a strike or LOW..HIGH");
      }
    } else if (name == "right") {
      if (value != "C" && value != "P") return refuse("C or P");
      s.right = value == "C" ? core::Right::call : core::Right::put;
    } else if (name == "type") {
      if (value != "option" && value != "underlying") return refuse("option or underlying");
      s.option = value == "option";
    } else if (name == "share") {
      s.share = number_of<double>(value);
      if (!s.share || !(*s.share >= 0) || *s.share > 1) return refuse("a number from 0 to 1");
    } else if (name == "con_id" || name == "tick" || name == "client") {
      const auto n = parse_int(value);
      if (!n) return refuse("a whole number");
      (name == "con_id" ? s.con_id : name == "tick" ? s.tick : s.client) = *n;
    } else {
      return fail(Errc::invalid_input,
                  fmt::format("`{}` selects nothing; known are symbol, class, expiry, strike, "
                              "right, type, con_id, share, client and tick",
                              name));
    }
    ++next_;
    return {};
  }

  Result<Action> action(When when) {
    const auto spec = std::ranges::find(action_specs, peek(), &ActionSpec::name);
    if (done() || spec == std::end(action_specs)) {
      return fail(Errc::invalid_input, fmt::format("{} is no action", shown()));
    }
    const bool fits = spec->reach == Reach::anywhere ||
                      (spec->reach != Reach::reply && when == When::request) ||
                      (spec->reach != Reach::request && when == When::reply);
    if (!fits) {
      return fail(Errc::invalid_input,
                  fmt::format("`{}` belongs to `on {}`", spec->name,
                              spec->reach == Reach::reply ? "reply" : "request"));
    }
    ++next_;
    Action a;
    a.what = spec->what;
    for (std::size_t i = 0; i < spec->signature.size(); ++i) {
      const bool optional = i + 1 < spec->signature.size() && spec->signature[i + 1] == '?';
      BF_CHECK(argument(*spec, spec->signature[i], optional, a));
      if (optional) ++i;
    }
    if (!at_end()) {
      return fail(Errc::invalid_input,
                  fmt::format("{} is not understood by `{}`: {}", shown(), spec->name, spec->help));
    }
    return a;
  }

  Result<> argument(const ActionSpec& spec, char kind, bool optional, Action& a) {
    const auto refuse = [&](std::string_view wanted) -> Result<> {
      if (optional) return {};
      return fail(Errc::invalid_input,
                  fmt::format("{} instead of {} of `{}`", shown(), wanted, spec.name));
    };
    switch (kind) {
      case 'n': {
        const auto n = at_end() || quoted() ? std::nullopt : number_of<std::int64_t>(peek());
        if (!n || *n < 0 || *n > 1'000'000'000) return refuse("the number");
        ++next_;
        a.number = *n;
        return {};
      }
      case 'd': {
        if (optional && (at_end() || !duration_of(peek()))) return {};
        BF_TRY(a.span, span("a duration"));
        return {};
      }
      case 'D': {
        const bool minus = peek().starts_with('-');
        if (!minus && !peek().starts_with('+')) return refuse("a duration with its sign");
        const auto length = duration_of(peek().substr(1));
        if (!length) return refuse("a duration with its sign");
        ++next_;
        a.span = Span{.length = minus ? -*length : *length};
        return {};
      }
      case 'w': {
        // The second word of `farm` is its own.
        const auto words = optional ? std::string_view{"alive"} : spec.words;
        if (at_end() || !one_of(peek(), words)) return refuse(fmt::format("one of {}", words));
        (optional ? a.text.emplace() : a.word) = peek();
        ++next_;
        return {};
      }
      case 't':
        if (at_end()) return refuse("the text");
        a.text = std::string{peek()};
        ++next_;
        return {};
      default: {
        const auto before = next_;
        while (!at_end()) BF_CHECK(select(a.selector));
        return next_ == before ? refuse("a selector") : Result<>{};
      }
    }
  }

  std::vector<Token> words_;
  std::size_t next_ = 0;
};

}  // namespace

core::Result<Script> parse_script(std::string_view text, std::string_view name) {
  Script script;
  std::string wrong;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    auto rule = [&]() -> Result<std::optional<Rule>> {
      BF_TRY(auto words, words_of(line));
      if (words.empty()) return std::nullopt;
      BF_TRY(auto parsed, Parser{std::move(words)}.rule());
      return parsed;
    }();
    if (!rule) {
      if (!wrong.empty()) wrong += '\n';
      wrong += fmt::format("{}:{}: {}", name, number, rule.error().message);
    } else if (*rule) {
      (*rule)->line = number;
      script.rules.push_back(std::move(**rule));
    }
  }
  if (!wrong.empty()) return fail(Errc::invalid_input, wrong);
  return script;
}

std::string fault_script_help() {
  std::string out = "actions of a fault script (libs/sim/README.md has the language):\n";
  for (const auto& spec : action_specs) out += fmt::format("  {} {}\n", spec.name, spec.help);
  out += fmt::format("  FAULT is one of {}\n", spoils);
  return out;
}

std::string_view usual_text(int code) {
  constexpr std::pair<int, std::string_view> texts[] = {
      {0, "Warning: Approaching max rate of 50 messages per second (44)"},
      {100, "Max rate of messages per second has been exceeded: max=50"},
      {101, "Max number of tickers has been reached"},
      {102, "Duplicate ticker id"},
      {162, "Historical Market Data Service error message:HMDS query returned no data"},
      {165, "Historical Market Data Service query message:HMDS server connection was successful."},
      {200, no_definition},
      {300, "Can't find EId with tickerId"},
      {320, "Error reading request."},
      {321, "Error validating request."},
      {322, "Error processing request.-'b' : cause - Duplicate ticker id"},
      {326, "Unable to connect as the client id is already in use. Retry with a unique client id."},
      {354, "Requested market data is not subscribed.Delayed market data is available."},
      {366, "No historical data query found for ticker id"},
      {504, "Not connected"},
      {1100, "Connectivity between IBKR and Trader Workstation has been lost."},
      {1101,
       "Connectivity between IBKR and Trader Workstation has been restored - data lost. All data "
       "has to be requested anew."},
      {1102,
       "Connectivity between IBKR and Trader Workstation has been restored - data maintained. All "
       "data farms are connected: simfarm; simopt; simhmds; simsecdef."},
      {1300, "TWS socket port has been reset and this connection is being dropped."},
      {2103, "Market data farm connection is broken:simfarm"},
      {2104, "Market data farm connection is OK:simfarm"},
      {2105, "HMDS data farm connection is broken:simhmds"},
      {2106, "HMDS data farm connection is OK:simhmds"},
      {2107, "HMDS data farm connection is inactive but should be available upon demand.simhmds"},
      {2108, "Market data farm connection is inactive but should be available upon demand.simfarm"},
      {2110,
       "Connectivity between Trader Workstation and server is broken. It will be restored "
       "automatically."},
      {2119, "Market data farm is connecting:simfarm"},
      {2157, "Sec-def data farm connection is broken:simsecdef"},
      {2158, "Sec-def data farm connection is OK:simsecdef"},
      {2186, "Requested market data is not subscribed. Displaying delayed market data."},
      {2187, "Generic tick is not available on delayed data"},
      {10089,
       "Requested market data requires additional subscription for API. See link in 'Market Data "
       "Connections' dialog for more details."},
      {10090,
       "Part of requested market data is not subscribed. Subscription-independent ticks are still "
       "active."},
      {10091, "Part of requested market data requires additional subscription for API."},
      {10167, "Requested market data is not subscribed. Displaying delayed market data."},
      {10168, "Requested market data is not subscribed. Delayed market data is not enabled."},
      {10186, "Requested market data is not subscribed. Delayed market data is not enabled."},
      {10197, "No market data during competing live session"},
  };
  const auto at = std::ranges::find(texts, code, &std::pair<int, std::string_view>::first);
  return at == std::end(texts) ? std::string_view{"No text"} : at->second;
}

std::optional<Spoil> parse_spoil(std::string_view word) {
  const auto at = std::ranges::find(spoil_words, word, &std::pair<std::string_view, Spoil>::first);
  return at == std::end(spoil_words) ? std::nullopt : std::optional{at->second};
}

}  // namespace bifrost::sim
