// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "bifrost/ib/client.hpp"
#include "bifrost/ib/recording.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/net/connection.hpp"
#include "broker_errors.hpp"
#include "pacing.hpp"

namespace bifrost::ib {

struct RequestError {
  int req_id = 0;
  Ruling ruling;
  std::string text;
};
struct TimeAnswer {
  core::Instant time;
};
/// A session is gone and every request with it.
struct LinkLost {
  std::uint64_t session = 0;
};
/// The session lives, but what was subscribed may be dead: subscribe again.
struct StreamsLost {};

using Event =
    std::variant<std::unique_ptr<wire::ContractData>, wire::ContractDataEnd, wire::OptionParameters,
                 wire::OptionParametersEnd, wire::MarketDataType, wire::TickPrice, wire::TickSize,
                 wire::TickGeneric, wire::OptionComputation, wire::TickSnapshotEnd,
                 wire::HistoricalData, wire::HistoricalDataEnd, wire::AccountSummary,
                 wire::AccountSummaryEnd, wire::Position, wire::PositionEnd,
                 std::unique_ptr<wire::OpenOrder>, RequestError, TimeAnswer, LinkLost, StreamsLost>;

/// The socket, its reader thread and everything that outlives one request. Requests are made by
/// the callers' threads: each owns a Mailbox, opens request ids for it, sends, and waits.
class Link {
 public:
  /// Where the answers of one caller arrive. Lives on the caller's stack.
  class Mailbox {
   public:
    explicit Mailbox(Link& link);
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    /// An id for one request, never used before in this process; answers to it come here.
    int open();
    /// An id that the gateway takes for that of an order; unavailable if it has none left to give.
    core::Result<int> open_order();
    /// The list of positions, which carries no request id, comes here.
    void listen_for_positions();
    /// Answers that still come are dropped.
    void close(int req_id);
    /// What has arrived, at once or as soon as something does; also returns without anything when
    /// the state of the link or of the lines changed, at the deadline, and from stop() on.
    std::deque<Event> wait(Steady::time_point until);

   private:
    friend class Link;
    Link& link_;
    std::deque<Event> events_;
    bool poked_ = false;
  };

  /// One life of the connection. Stale once the link is lost.
  struct Session {
    std::uint64_t number = 0;
    int version = 0;
  };

  explicit Link(ClientOptions options);
  ~Link();

  /// Ends the connection and every wait of a caller, those to come as well; no new one is made.
  void stop();
  /// No use waiting: the deadline has passed, or the link was stopped.
  bool is_over(core::Deadline deadline) const;

  /// For connect(): the first handshake, or the error of the last attempt.
  core::Result<> await_first(core::Deadline deadline) const;
  /// A session whose upstream is fine; unavailable at the deadline.
  core::Result<Session> await_ready(core::Deadline deadline) const;
  std::optional<Session> ready() const;
  LinkState state() const;

  /// Waits for a place in the message rate; timeout if there is none before the deadline.
  core::Result<> pace(core::Deadline deadline);
  /// How long until a message may go; zero: now.
  Steady::duration pace_wait();
  /// Accounts for a message that pace() did not.
  void take_place();

  /// unavailable: the session is gone (LinkLost has arrived or is about to).
  core::Result<> send_frames(const Session& session, std::string_view frames);
  template <class M>
  core::Result<> send(const Session& session, const M& message) {
    return send_frames(session, wire::encode(message, session.version));
  }
  /// A subscription under a market-data type, which the wire keeps per connection.
  core::Result<> subscribe(const Session& session, const wire::MarketDataRequest& request,
                           MarketData type);
  /// Answers about the time name no question: the n-th answer of a session is that to its n-th
  /// question. While one that nobody waits for any more may still be answered nothing is asked, and
  /// it is said when to try again; the mailbox wakes before if that answer comes. Nothing: asked.
  std::optional<Steady::time_point> ask_time(const Session& session, Mailbox& mailbox);

  /// Cancels a subscription and gives its line back once the cancellation is out: at once if the
  /// pace allows it, else later and without its caller. A line that is free here but held at the
  /// gateway would be refused to whoever takes it next.
  void end_subscription(const Session& session, int req_id);

  bool acquire_line();
  void release_line(bool served);
  void line_refused();

  const ClientOptions& options() const { return options_; }

 private:
  struct End;
  struct Owed {
    Session session;
    int req_id;
  };
  struct TimeQuestion {
    Steady::time_point asked;
    Mailbox* waiter;  // null: a heartbeat, or its caller has given up
  };
  using Batch = std::vector<std::pair<int, Event>>;  // request id (0: not of one request) and event
  static constexpr int positions_route = -61;        // in place of a request id

  void run();
  End run_session();
  std::optional<End> shake_hands(net::Connection& connection, wire::FrameReader& frames);
  End talk(net::Connection& connection, wire::FrameReader& frames);
  static core::Error end_of_stream(const wire::FrameReader& frames);
  End client_id_taken() const;
  void proven();
  bool watch_streams(Steady::time_point now, Batch& batch, std::string& problem);
  core::Result<std::string_view> next_payload(net::Connection& connection,
                                              wire::FrameReader& frames, core::Deadline deadline);
  void on_message(const wire::Fields& fields, int version, Batch& batch);
  template <class M>
  std::optional<M> take(const wire::Fields& fields, int version);
  void record(Record::Kind kind, std::string_view payload);
  void on_time(std::chrono::microseconds unit, std::int64_t count, Batch& batch);
  void on_error(const wire::ErrorMessage& error, Batch& batch);
  void set_upstream(bool alive, const std::string& problem);
  void upstream_is_back(Batch& batch);
  void deliver(Batch& batch, std::uint64_t messages);
  core::Result<> write(const Session& session, std::string_view frames,
                       unsigned messages);  // with write_mutex_ held
  void poke_all();                          // with mutex_ held
  void lines_changed(bool before);          // with mutex_ held: whether some were in use before
  Steady::duration silence(Steady::time_point now) const;  // with mutex_ held
  void send_owed();
  bool sleep_for(Steady::duration wait);

  const ClientOptions options_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopping_ = false;
  bool hopeless_ = false;  // another attempt would fail the same way
  std::optional<core::Error> attempt_error_;
  LinkState state_;
  std::uint64_t session_number_ = 0;
  std::shared_ptr<net::Connection> connection_;
  std::unordered_map<int, Mailbox*> routes_;
  std::vector<Mailbox*> mailboxes_;
  std::deque<TimeQuestion> time_questions_;  // of this session, unanswered
  Steady::time_point last_time_answer_{};
  TokenBucket bucket_;
  LineBudget lines_;
  std::deque<Owed> owed_;  // cancellations that wait for the pace; each still holds its line
  int next_order_ = 0;     // the gateway's first free order id of this session

  // How long the streams have been silent: the sum of the times in which something was subscribed
  // since the last tick.
  Steady::duration silent_before_{};
  Steady::time_point silent_from_{};
  int silence_steps_ = 0;  // what has been tried against it
  std::string stream_alert_;
  std::string session_alert_;
  Steady::time_point competing_until_{};
  bool few_lines_ = false;

  std::mutex write_mutex_;           // taken before mutex_, never after it
  std::uint64_t typed_session_ = 0;  // under write_mutex_: the session whose type was set
  MarketData market_data_type_ = MarketData::live;  // under write_mutex_

  // Only of the reader thread.
  std::minstd_rand random_;
  int client_id() const { return options_.client_id + client_id_stride * id_offset_; }
  int id_offset_ = 0;
  std::set<std::string> broken_farms_;  // of market data
  std::uint16_t port_ = 0;              // the configured one, or where the gateway has moved to
  int version_ = 0;
  bool upstream_alive_ = true;
  Steady::time_point upstream_lost_{};  // when, while it is not alive
  bool proven_ = false;                 // a first question has been answered
  bool id_taken_ = false;
  bool simulated_ = false;
  bool ticked_ = false;  // something of a stream has come in the batch in hand
  std::uint64_t undecodable_ = 0;
  std::uint64_t unknown_ = 0;
  std::array<char, 65536> chunk_{};

  net::Interrupt stopped_;
  std::thread reader_;
  std::thread canceller_;  // sends what is owed
};

}  // namespace bifrost::ib
