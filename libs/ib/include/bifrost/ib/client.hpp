// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bifrost/core/clock.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/ib/account.hpp"
#include "bifrost/ib/bars.hpp"

namespace bifrost::ib {

class Recorder;

/// What to ask the gateway for. Frozen is the last quote before the close; delayed is 15 to 20
/// minutes old and needs no subscription.
enum class MarketData : std::uint8_t { live = 1, frozen = 2, delayed = 3, delayed_frozen = 4 };

/// From one id that a client tries to the next: programs of neighbouring ids never take each
/// other's.
inline constexpr int client_id_stride = 100;

struct ClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 4002;
  int client_id = 1;
  // client_id and the ones each client_id_stride further, tried in turn while one is in use.
  int client_ids = 3;
  int min_server_version = 176;
  int max_server_version = 178;  // up to 200; a gateway always comes down to this

  // The gateway allows 50 messages per second over all of its clients together.
  double messages_per_second = 40;  // 0: unlimited, for a simulator
  int burst = 10;
  int lines = 90;  // market-data lines this client may hold at once
  MarketData market_data = MarketData::live;
  std::string generic_ticks = "100,101,106";         // of options
  std::string underlying_generic_ticks = "104,106";  // volatilities over 30 days, past and implied

  // How the link is kept. The defaults suit a real gateway; tests shorten them.
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds handshake_timeout{8'000};
  std::chrono::milliseconds write_timeout{10'000};
  std::chrono::milliseconds heartbeat_interval{30'000};  // a silent link is asked for the time
  int heartbeat_misses = 2;                              // as often in vain, and it is given up
  std::chrono::milliseconds first_backoff{1'000};  // then 2, 5, 10, 30 and 60 times it, each +-25 %
  std::uint64_t seed = 0;                          // of that jitter
  // A gateway that has lost the broker and says no more gets a new link after so long: the word
  // that the broker is back may have been lost. Zero: waits for that word.
  std::chrono::milliseconds upstream_patience{300'000};

  // Streams that die without a word: no tick at all for so long while something is subscribed, and
  // everything is subscribed again; as long once more, and the link is made anew; then alert says
  // so. Zero: not watched. Time in which market_open says false does not count; unset: it is open.
  std::chrono::milliseconds stale_after{30'000};
  std::function<bool()> market_open{};

  // After a complaint the message rate is halved for so long, and then grows back in as long.
  std::chrono::milliseconds rate_recovery{60'000};

  std::shared_ptr<Recorder> recorder{};  // of every frame in both directions; null: none
};

/// What is known of the link at this moment.
struct LinkState {
  bool connected = false;    // handshake done and a first question, for the time, answered
  bool upstream_ok = false;  // connected, and the gateway has not lost the broker behind it
  bool simulated = false;    // the last gateway serves an account whose name begins with "SIM"
  int server_version = 0;    // 0 until the first handshake
  std::chrono::steady_clock::time_point since{};  // of the last change of `connected`
  std::string last_problem;                       // why the link was last lost or could not be made
  std::uint64_t sessions = 0;                     // handshakes completed
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t undecodable = 0;  // messages dropped because they did not follow their layout
  std::uint64_t unknown = 0;      // messages of kinds that nobody here reads
  std::uint64_t late = 0;         // answers to requests that had already ended or never were
  int lines_budget = 0;           // lowered when the gateway refuses lines, raised slowly
  int lines_in_use = 0;
  double messages_per_second = 0;  // the rate in force: halved by complaints; 0: unlimited
  std::string alert;               // what wants a person's eye now; empty: nothing
};

/// An underlying as the broker knows it. `con_id` is the broker's handle: opaque, stable for years.
struct Underlying {
  std::string symbol;
  std::string sec_type;  // STK or IND
  std::string exchange;  // where to ask for it: SMART, CBOE
  std::string currency;
  std::string long_name;
  std::int64_t con_id = 0;
  std::optional<double> min_tick;
};

/// One option class of an underlying on one exchange. Not every combination of expiry and strike
/// is listed: listed_options() tells which are.
struct OptionParameters {
  std::string exchange;
  std::string trading_class;
  int multiplier = 100;
  std::vector<core::Date> expiries;  // as to be asked for, ascending; of morning-settled classes
                                     // this may be the last trading day, before the expiry itself
  std::vector<core::Price> strikes;  // ascending
};

struct ListedOption {
  core::OptionContract contract;
  std::int64_t con_id = 0;
  std::string exchange;  // where to ask for it
  std::string currency;
  std::string last_trade_date;  // the broker's key where it differs from contract.expiry
};

struct CollectOptions {
  std::optional<MarketData> market_data{};     // absent: what the client is set to
  std::chrono::milliseconds dwell_cap{4'000};  // longest time a contract may hold a line
  // A contract that has sent something but lacks a quote side or the model is given up after this
  // long without a further tick.
  std::chrono::milliseconds quiet{750};
  // Volume and open interest may come behind bid, ask and model. A contract that lacks one keeps
  // its line so much longer for them; absent: as long again as the others took, 250 ms at most. It
  // ends at once where another contract waits for the line. What does not come is missing, the
  // contract complete.
  std::optional<std::chrono::milliseconds> late_ticks{};
  // One look without a stream: no generic ticks (so no open interest), one message instead of two
  // unless it is complete before the gateway ends it, after some 11 s. The dwell cap is at least
  // 15 s then.
  bool snapshot = false;
  // An underlying's quote waits for its two volatilities, too, a quiet while at most.
  bool volatilities = false;
};

enum class Completeness : std::uint8_t {
  complete,     // bid, ask and model answered, each possibly with "there is none"
  partial,      // some of them were not answered in time
  refused,      // the broker will not serve it: see refusal
  not_reached,  // the call ended before its turn, or no tick came while it held a line
};

struct Refusal {
  core::Errc
      code;  // not_found: no such contract; unauthorized: no right to the data; else as usual
  std::string reason;  // the broker's words
};

/// One contract of a collection. Bid, ask and last may be zero (quoted at zero) or negative;
/// absent ones are not quoted. quote.observed_at is when the last tick came, absent if none did.
struct CollectedQuote {
  core::OptionQuote option;
  Completeness completeness = Completeness::not_reached;
  bool delayed = false;
  bool frozen = false;  // of a closed market: as it was at the close, whenever it came
  std::optional<Refusal> refusal;
};

struct CollectReport {
  std::vector<CollectedQuote> quotes;  // in the order asked for
  std::size_t complete = 0;
  std::size_t partial = 0;
  std::size_t refused = 0;
  std::size_t not_reached = 0;
  std::optional<std::string> stopped;  // why the rest was given up before the deadline
  std::chrono::milliseconds dwell_p50{0};
  std::chrono::milliseconds dwell_p95{0};
  int lines_used = 0;  // most lines held at once
};

enum class PriceFrom : std::uint8_t { last, mid, close };

struct UnderlyingQuote {
  core::Price price;
  PriceFrom from = PriceFrom::last;
  std::optional<core::Price> bid;
  std::optional<core::Price> ask;
  std::optional<double> implied_vol_30d;     // of its options; annual, decimal
  std::optional<double> historical_vol_30d;  // annual, decimal
  bool delayed = false;
  core::Instant observed_at{};
};

/// A link to an IB Gateway (or to our simulator), read only: there is no way to place an order. One
/// thread of its own reads the socket and keeps the link, which it makes again by itself until
/// destroyed; a second one sends what the message rate has put off.
/// All calls may come from several threads; each blocks until it has its answer or its deadline
/// has passed (timeout), and survives a reconnection in between. unavailable: there was no usable
/// link in the whole time. No call may run any more when the client is destroyed.
class Client {
 public:
  /// Waits for the first handshake, trying again until the deadline. The error is that of the last
  /// attempt: unavailable (nobody listens, refused, version not supported), timeout (accepts but
  /// does not answer), conflict (every client id is in use). A version problem ends it at once.
  static core::Result<std::unique_ptr<Client>> connect(ClientOptions options,
                                                       core::Deadline deadline);

  /// The same without waiting: a link that is not there yet is found when it comes.
  static core::Result<std::unique_ptr<Client>> start(ClientOptions options);

  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Ends the link for good: calls that wait return at once, with what they have or as cancelled,
  /// and so do later ones. For who must not wait for deadlines when asked to stop. Safe from any
  /// thread.
  void stop();

  LinkState link() const;
  /// Until requests are accepted and the broker is behind the gateway; false at the deadline.
  bool wait_ready(core::Deadline deadline) const;

  /// The gateway's clock; whole seconds before server version 197.
  core::Result<core::Instant> current_time(core::Deadline deadline);

  /// A stock or ETF of that symbol, else an index. not_found: neither; invalid_input: no symbol.
  core::Result<Underlying> underlying(const std::string& symbol, core::Deadline deadline);

  /// One entry per trading class and exchange. not_found: it has no options.
  core::Result<std::vector<OptionParameters>> option_parameters(const Underlying& underlying,
                                                                core::Deadline deadline);

  /// The contracts that exist, by strike, call before put; empty where there are none. Each occurs
  /// once, is of the underlying asked for, has a symbol as its trading class and a strike of whole
  /// thousandths: others, which no history keeps, are left out with a warning. Costly at the
  /// broker: ask once a day per class and expiry, one at a time.
  core::Result<std::vector<ListedOption>> listed_options(const Underlying& underlying,
                                                         const std::string& trading_class,
                                                         core::Date expiry,
                                                         core::Deadline deadline);

  /// Looks at every contract once, most important first: subscribes to as many as there are lines,
  /// ends each as soon as it has answered, until all are done or the deadline passes. What is then
  /// still subscribed is cancelled at the message rate after the call has returned; until then it
  /// counts as lines in use. `clock` stamps the quotes. An error only if nothing could be asked at
  /// all: contracts that failed or were not reached are in the report.
  core::Result<CollectReport> quotes(std::span<const ListedOption> options,
                                     const CollectOptions& how, const core::Clock& clock,
                                     core::Deadline deadline);

  /// The last trade, else the middle of bid and ask, else the previous close. Unlike a chain's
  /// quotes, a missing price is an error: unavailable, or unauthorized if the broker says so.
  core::Result<UnderlyingQuote> underlying_quote(const Underlying& underlying,
                                                 const CollectOptions& how,
                                                 const core::Clock& clock, core::Deadline deadline);

  /// The last `days` trading days of an underlying, the current one included, oldest first; empty
  /// where the broker has none. History may need a subscription even where delayed quotes do not:
  /// unauthorized then.
  core::Result<std::vector<DailyBar>> daily_bars(const Underlying& underlying, BarKind kind,
                                                 int days, core::Deadline deadline);

  /// One entry per account of the user.
  core::Result<std::vector<AccountSummary>> account_summary(core::Deadline deadline);

  /// What is held, by account, underlying and contract.
  core::Result<std::vector<Position>> positions(const PositionFilter& filter,
                                                core::Deadline deadline);

  /// What the broker would ask for a combination: its what-if check, which orders nothing.
  /// unauthorized: the gateway's API is read-only, which forbids even the question; invalid_input:
  /// the broker cannot take such a combination.
  core::Result<Margin> what_if_margin(const MarginQuestion& question, core::Deadline deadline);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Time as the gateway tells it, for markets that are simulated faster than life. An answer is
/// reused for 100 ms; when the gateway does not answer within `patience`, time runs on from its
/// last answer, or from the system's clock if there never was one. An answer up to 5 s behind the
/// last one is jitter and does not turn time back; one further behind is followed, with a warning:
/// that gateway, a simulator, has begun again at an earlier time.
class GatewayClock final : public core::Clock {
 public:
  explicit GatewayClock(Client& client,
                        std::chrono::milliseconds patience = std::chrono::milliseconds{1'000});
  ~GatewayClock() override;
  core::Instant now() const override;

 private:
  struct State;
  Client& client_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<State> state_;
};

}  // namespace bifrost::ib
