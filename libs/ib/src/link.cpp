// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <iterator>

#include "bifrost/core/log.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;
namespace log = core::log;

namespace {

// Never reused, not even by another client of this process: an answer that comes late must not
// find a request that is not its own.
int next_request_id() {
  static std::atomic<int> last{0};
  const int id = last.fetch_add(1, std::memory_order_relaxed) + 1;
  if (id <= 0) core::panic("this process has used up its request ids");
  return id;
}

/// "Market data farm connection is OK:usfarm"
std::string farm_of(std::string_view text) {
  const auto colon = text.rfind(':');
  return std::string{colon == text.npos ? "" : text.substr(colon + 1)};
}

constexpr auto steady_health = std::chrono::minutes{5};  // after which old failures are forgotten

}  // namespace

/// How a session ended.
struct Link::End {
  core::Error error;
  bool was_ready = false;
  bool rotate_id = false;
  bool hopeless = false;
};

Link::Mailbox::Mailbox(Link& link) : link_(link) {
  const std::scoped_lock lock{link_.mutex_};
  link_.mailboxes_.push_back(this);
}

Link::Mailbox::~Mailbox() {
  const std::scoped_lock lock{link_.mutex_};
  std::erase(link_.mailboxes_, this);
  std::erase(link_.time_waiters_, this);
  std::erase_if(link_.routes_, [&](const auto& route) { return route.second == this; });
}

int Link::Mailbox::open() {
  const int id = next_request_id();
  const std::scoped_lock lock{link_.mutex_};
  link_.routes_.emplace(id, this);
  return id;
}

void Link::Mailbox::close(int req_id) {
  const std::scoped_lock lock{link_.mutex_};
  link_.routes_.erase(req_id);
}

std::deque<Event> Link::Mailbox::wait(Steady::time_point until) {
  std::unique_lock lock{link_.mutex_};
  link_.changed_.wait_until(lock, until, [&] { return !events_.empty() || poked_; });
  poked_ = false;
  return std::exchange(events_, {});
}

Link::Link(ClientOptions options)
    : options_(std::move(options)),
      bucket_(options_.messages_per_second, options_.burst, Steady::now()),
      lines_(options_.lines),
      random_(static_cast<std::minstd_rand::result_type>(options_.seed + 1)) {
  state_.since = Steady::now();
  reader_ = std::thread{[this] { run(); }};
  canceller_ = std::thread{[this] { send_owed(); }};
}

Link::~Link() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
    if (connection_) connection_->shutdown();
    changed_.notify_all();
  }
  reader_.join();
  canceller_.join();
}

core::Result<> Link::await_first(core::Deadline deadline) const {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline, [&] { return state_.sessions > 0 || hopeless_; });
  if (state_.sessions > 0) return {};
  if (attempt_error_) return tl::unexpected{*attempt_error_};
  return fail(Errc::timeout,
              fmt::format("connect to the gateway at {}:{}", options_.host, options_.port));
}

core::Result<Link::Session> Link::await_ready(core::Deadline deadline) const {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline, [&] { return state_.upstream_ok; });
  if (state_.upstream_ok) return Session{session_number_, state_.server_version};
  return fail(Errc::unavailable,
              fmt::format("no link to the broker through {}:{}: {}", options_.host, options_.port,
                          state_.last_problem.empty() ? "not connected yet" : state_.last_problem));
}

std::optional<Link::Session> Link::ready() const {
  const std::scoped_lock lock{mutex_};
  if (!state_.upstream_ok) return std::nullopt;
  return Session{session_number_, state_.server_version};
}

LinkState Link::state() const {
  const std::scoped_lock lock{mutex_};
  LinkState state = state_;
  state.lines_budget = lines_.budget();
  state.lines_in_use = lines_.in_use();
  return state;
}

core::Result<> Link::pace(core::Deadline deadline) {
  std::unique_lock lock{mutex_};
  for (;;) {
    const auto now = Steady::now();
    const auto wait = bucket_.wait(now);
    if (wait == Steady::duration::zero()) {
      bucket_.take(now);
      return {};
    }
    if (now + wait > deadline) {
      return fail(Errc::timeout, "wait for the gateway's message rate");
    }
    changed_.wait_until(lock, now + wait);
  }
}

Steady::duration Link::pace_wait() {
  const std::scoped_lock lock{mutex_};
  return bucket_.wait(Steady::now());
}

void Link::take_place() {
  const std::scoped_lock lock{mutex_};
  bucket_.take(Steady::now());
}

core::Result<> Link::send_frames(const Session& session, std::string_view frames) {
  const std::scoped_lock write_lock{write_mutex_};
  return write(session, frames, 1);
}

core::Result<> Link::subscribe(const Session& session, const wire::MarketDataRequest& request,
                               MarketData type) {
  auto frames = wire::encode(request, session.version);
  // One lock over both messages: another caller's type must not come in between.
  const std::scoped_lock write_lock{write_mutex_};
  if (typed_session_ == session.number && market_data_type_ == type) {
    return write(session, frames, 1);
  }
  take_place();  // the caller has taken only that of its subscription
  const wire::MarketDataTypeRequest set{.type = static_cast<int>(type)};
  BF_CHECK(write(session, wire::encode(set, session.version) + frames, 2));
  typed_session_ = session.number;
  market_data_type_ = type;
  return {};
}

core::Result<> Link::ask_time(const Session& session, Mailbox& mailbox) {
  {
    const std::scoped_lock lock{mutex_};
    time_waiters_.push_back(&mailbox);
  }
  if (session.version >= 197) return send(session, wire::CurrentTimeMillisRequest{});
  return send(session, wire::CurrentTimeRequest{});
}

core::Result<> Link::write(const Session& session, std::string_view frames, unsigned messages) {
  std::shared_ptr<net::Connection> connection;
  {
    const std::scoped_lock lock{mutex_};
    if (state_.connected && session_number_ == session.number) {
      connection = connection_;
      state_.messages_out += messages;
    }
  }
  if (!connection) return fail(Errc::unavailable, "the link was lost");
  auto written = connection->write_all(frames, core::after(options_.write_timeout));
  // Part of a frame may be out: nothing behind it could be understood. The reader sees the end.
  if (!written) connection->shutdown();
  return written;
}

void Link::end_subscription(const Session& session, int req_id) {
  {
    const std::scoped_lock lock{mutex_};
    // With its session a subscription has ended by itself.
    const bool live = state_.connected && session_number_ == session.number;
    const auto now = Steady::now();
    if (live && (!owed_.empty() || bucket_.wait(now) > Steady::duration::zero())) {
      owed_.push_back({session, req_id});
      changed_.notify_all();
      return;
    }
    if (live) bucket_.take(now);
  }
  (void)send(session, wire::CancelMarketData{.req_id = req_id});
  release_line(false);
}

void Link::send_owed() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !owed_.empty(); });
    if (stopping_) return;
    const auto now = Steady::now();
    if (const auto wait = bucket_.wait(now); wait > Steady::duration::zero()) {
      changed_.wait_until(lock, now + wait);
      continue;
    }
    bucket_.take(now);
    const auto owed = owed_.front();
    owed_.pop_front();
    lock.unlock();
    (void)send(owed.session, wire::CancelMarketData{.req_id = owed.req_id});
    release_line(false);
    lock.lock();
  }
}

bool Link::acquire_line() {
  const std::scoped_lock lock{mutex_};
  return lines_.acquire();
}

void Link::release_line(bool served) {
  const std::scoped_lock lock{mutex_};
  lines_.release(served);
  poke_all();
}

void Link::line_refused() {
  const std::scoped_lock lock{mutex_};
  lines_.refuse();
  if (lines_.budget() < 20) {
    log::warning("the gateway grants only {} market-data lines", lines_.budget());
  }
  poke_all();
}

void Link::poke_all() {
  for (auto* mailbox : mailboxes_) mailbox->poked_ = true;
  changed_.notify_all();
}

// ---- the reader thread

bool Link::sleep_for(Steady::duration wait) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_until(lock, Steady::now() + wait, [&] { return stopping_; });
}

void Link::run() {
  constexpr std::array<int, 6> backoff{1, 2, 5, 10, 30, 60};
  std::size_t failures = 0;
  int taken_ids = 0;
  for (;;) {
    const auto begun = Steady::now();
    const End end = run_session();
    {
      const std::scoped_lock lock{mutex_};
      if (stopping_) return;
      const auto now = Steady::now();
      if (state_.connected) {
        state_.since = now;
        for (auto* mailbox : mailboxes_) mailbox->events_.emplace_back(LinkLost{session_number_});
      }
      state_.connected = false;
      state_.upstream_ok = false;
      state_.last_problem = end.error.message;
      connection_.reset();
      for (std::size_t i = 0; i < owed_.size(); ++i) lines_.release(false);
      owed_.clear();
      poke_all();
      attempt_error_ = end.error;
      hopeless_ = end.hopeless;
      routes_.clear();
      time_waiters_.clear();
      changed_.notify_all();
    }
    log::warning("gateway link at {}:{}: {}", options_.host, options_.port, end.error.message);

    if (end.was_ready && Steady::now() - begun >= steady_health) failures = 0;
    if (end.was_ready) taken_ids = 0;
    if (end.rotate_id) {
      id_offset_ = (id_offset_ + 1) % options_.client_ids;
      if (++taken_ids % options_.client_ids != 0) continue;
    }
    const auto step = end.hopeless ? backoff.size() - 1 : std::min(failures, backoff.size() - 1);
    ++failures;
    const double jitter = 0.75 + 0.5 * static_cast<double>(random_() - random_.min()) /
                                     static_cast<double>(random_.max() - random_.min());
    const auto wait = std::chrono::duration<double, std::milli>(options_.first_backoff) *
                      (backoff[step] * jitter);
    if (!sleep_for(std::chrono::duration_cast<Steady::duration>(wait))) return;
  }
}

Link::End Link::run_session() {
  auto connected =
      net::Connection::connect(options_.host, options_.port, core::after(options_.connect_timeout));
  if (!connected) return {.error = std::move(connected).error()};
  const auto connection = std::make_shared<net::Connection>(std::move(*connected));
  {
    const std::scoped_lock lock{mutex_};
    if (stopping_) return {.error = {Errc::cancelled, "stopped", {}}};
    connection_ = connection;
  }
  End end = converse(*connection);
  connection->shutdown();
  return end;
}

core::Result<std::string_view> Link::next_payload(net::Connection& connection,
                                                  wire::FrameReader& frames,
                                                  core::Deadline deadline) {
  for (;;) {
    BF_TRY(const auto payload, frames.next());
    if (payload) return *payload;
    BF_TRY(const auto size, connection.read_some(chunk_, deadline));
    if (size == 0) {
      return fail(Errc::unavailable, frames.pending() > 0
                                         ? "the gateway closed the link in the middle of a message"
                                         : "the gateway closed the link");
    }
    frames.feed({chunk_.data(), size});
  }
}

Link::End Link::converse(net::Connection& connection) {
  const int client_id = options_.client_id + id_offset_;
  const auto handshake_deadline = core::after(options_.handshake_timeout);
  const auto failed = [](core::Error error, std::string_view during) {
    error.message = fmt::format("{}: {}", during, error.message);
    return End{.error = std::move(error)};
  };

  const wire::VersionRange range{options_.min_server_version, options_.max_server_version};
  if (auto sent = connection.write_all(wire::encode_hello(range), handshake_deadline); !sent) {
    return failed(std::move(sent).error(), "handshake");
  }
  wire::FrameReader frames;
  wire::Fields fields;
  int version = 0;
  bool have_ids = false;
  bool upstream_ok = true;
  std::optional<wire::ManagedAccounts> accounts;
  while (version == 0 || !have_ids || !accounts) {
    auto payload = next_payload(connection, frames, handshake_deadline);
    if (!payload) {
      auto end = failed(std::move(payload).error(), "handshake");
      // A taken client id is often answered by the end of the stream alone.
      end.rotate_id = version != 0 && end.error.code == Errc::unavailable;
      return end;
    }
    fields.assign(*payload);
    if (version == 0) {
      const auto reply = wire::decode_hello_reply(fields);
      if (!reply) continue;  // other messages may come first
      version = reply->server_version;
      if (version < range.min || version > range.max) {
        return {.error = {Errc::unavailable,
                          version < 0
                              ? fmt::format("the gateway redirects to {}", reply->connection_time)
                              : fmt::format("the gateway speaks version {}, we {} to {}", version,
                                            range.min, range.max),
                          std::source_location::current()},
                .hopeless = true};
      }
      const wire::StartApi start{.client_id = client_id};
      if (auto sent = connection.write_all(wire::encode(start, version), handshake_deadline);
          !sent) {
        return failed(std::move(sent).error(), "handshake");
      }
      continue;
    }
    if (fields.id() == static_cast<int>(wire::Reply::next_valid_id)) {
      have_ids = true;
    } else if (fields.id() == static_cast<int>(wire::Reply::managed_accounts)) {
      if (auto list = wire::decode<wire::ManagedAccounts>(fields, version)) accounts = *list;
    } else if (fields.id() == static_cast<int>(wire::Reply::error)) {
      const auto error = wire::decode<wire::ErrorMessage>(fields, version);
      if (!error) continue;
      log::info("gateway: {} ({})", error->text, error->code);
      const auto meaning = rule(error->code, error->text).meaning;
      if (meaning == Meaning::upstream_lost) upstream_ok = false;
      if (meaning == Meaning::upstream_back) upstream_ok = true;
      if (meaning == Meaning::id_in_use) {
        return {.error = {Errc::conflict,
                          fmt::format("client id {} is in use at the gateway", client_id),
                          std::source_location::current()},
                .rotate_id = true};
      }
    }
  }

  {
    const std::scoped_lock lock{mutex_};
    ++session_number_;
    ++state_.sessions;
    state_.connected = true;
    state_.upstream_ok = upstream_ok;
    state_.simulated = std::any_of(accounts->accounts.begin(), accounts->accounts.end(),
                                   [](const auto& account) { return account.starts_with("SIM"); });
    state_.server_version = version;
    state_.since = Steady::now();
    poke_all();
  }
  broken_farms_.clear();
  log::info("gateway link at {}:{}: ready, version {}, client id {}", options_.host, options_.port,
            version, client_id);
  const Session session{session_number_, version};

  Batch batch;
  int misses = 0;
  auto heard = Steady::now();
  for (;;) {
    std::uint64_t messages = 0;
    for (;;) {
      auto payload = frames.next();
      if (!payload) {
        deliver(batch, messages);
        return {.error = std::move(payload).error(), .was_ready = true};
      }
      if (!*payload) break;
      fields.assign(**payload);
      on_message(fields, version, batch);
      ++messages;
    }
    deliver(batch, messages);

    const auto size = connection.read_some(chunk_, heard + options_.heartbeat_interval);
    if (size && *size > 0) {
      heard = Steady::now();
      misses = 0;
      frames.feed({chunk_.data(), *size});
      continue;
    }
    if (size) {
      const std::string why = frames.pending() > 0
                                  ? "the gateway closed the link in the middle of a message"
                                  : "the gateway closed the link";
      return {.error = {Errc::unavailable, why, std::source_location::current()},
              .was_ready = true};
    }
    if (size.error().code != Errc::timeout) return {.error = size.error(), .was_ready = true};
    if (misses >= options_.heartbeat_misses) {
      return {.error = {Errc::timeout, "the gateway no longer answers",
                        std::source_location::current()},
              .was_ready = true};
    }
    ++misses;
    heard = Steady::now();
    take_place();
    // A failure shuts the connection down, which the next read reports.
    (void)send(session, wire::CurrentTimeRequest{});
  }
}

template <class M>
std::optional<M> Link::take(const wire::Fields& fields, int version) {
  auto message = wire::decode<M>(fields, version);
  if (message) return std::move(*message);
  // Reported at the first and then ever more rarely.
  if (std::has_single_bit(++undecodable_)) {
    log::warning("dropped a message of the gateway: {} ({} so far)", message.error().message,
                 undecodable_);
  }
  return std::nullopt;
}

void Link::on_message(const wire::Fields& fields, int version, Batch& batch) {
  const auto id = fields.id();
  if (!id) {
    ++undecodable_;
    return;
  }
  const auto pass = [&]<class M>(std::type_identity<M>) {
    if (auto message = take<M>(fields, version)) {
      const int req_id = message->req_id;
      batch.emplace_back(req_id, std::move(*message));
    }
  };
  switch (static_cast<wire::Reply>(*id)) {
    case wire::Reply::tick_price:
      return pass(std::type_identity<wire::TickPrice>{});
    case wire::Reply::tick_size:
      return pass(std::type_identity<wire::TickSize>{});
    case wire::Reply::option_computation:
      return pass(std::type_identity<wire::OptionComputation>{});
    case wire::Reply::market_data_type:
      return pass(std::type_identity<wire::MarketDataType>{});
    case wire::Reply::contract_data:
      if (auto data = take<wire::ContractData>(fields, version)) {
        const int req_id = data->req_id;
        batch.emplace_back(req_id, std::make_unique<wire::ContractData>(std::move(*data)));
      }
      return;
    case wire::Reply::contract_data_end:
      return pass(std::type_identity<wire::ContractDataEnd>{});
    case wire::Reply::option_parameters:
      return pass(std::type_identity<wire::OptionParameters>{});
    case wire::Reply::option_parameters_end:
      return pass(std::type_identity<wire::OptionParametersEnd>{});
    case wire::Reply::current_time:
      if (auto time = take<wire::CurrentTime>(fields, version)) {
        on_time(std::chrono::seconds{1}, time->epoch_seconds, batch);
      }
      return;
    case wire::Reply::current_time_millis:
      if (auto time = take<wire::CurrentTimeMillis>(fields, version)) {
        on_time(std::chrono::milliseconds{1}, time->epoch_millis, batch);
      }
      return;
    case wire::Reply::error:
      if (auto error = take<wire::ErrorMessage>(fields, version)) on_error(*error, batch);
      return;
    case wire::Reply::next_valid_id:
    case wire::Reply::managed_accounts:
    case wire::Reply::tick_generic:
    case wire::Reply::tick_string:
    case wire::Reply::tick_snapshot_end:
    case wire::Reply::tick_request_parameters:
      return;  // known, and of no use here
    default:
      ++unknown_;
  }
}

void Link::on_time(std::chrono::microseconds unit, std::int64_t count, Batch& batch) {
  constexpr std::chrono::microseconds year_2200 = std::chrono::hours{24 * 365 * 230};
  if (count < 0 || count > year_2200 / unit) {
    ++undecodable_;
    return;
  }
  batch.emplace_back(0, TimeAnswer{core::Instant{unit * count}});
}

void Link::on_error(const wire::ErrorMessage& error, Batch& batch) {
  const auto ruling = rule(error.code, error.text);
  const auto upstream = [&](bool ok) {
    const std::scoped_lock lock{mutex_};
    state_.upstream_ok = ok;
    if (!ok) state_.last_problem = error.text;
    poke_all();
  };
  switch (ruling.meaning) {
    case Meaning::rate: {
      log::warning("gateway: {} ({})", error.text, error.code);
      const std::scoped_lock lock{mutex_};
      bucket_.halve_until(Steady::now() + std::chrono::seconds{60});
      return;
    }
    case Meaning::upstream_lost:
      log::warning("gateway: {} ({})", error.text, error.code);
      return upstream(false);
    case Meaning::upstream_back:
      log::info("gateway: {} ({})", error.text, error.code);
      upstream(true);
      batch.emplace_back(0, StreamsLost{});
      return;
    case Meaning::farm_lost:
      log::warning("gateway: {} ({})", error.text, error.code);
      broken_farms_.insert(farm_of(error.text));
      return;
    case Meaning::farm_back:
      log::info("gateway: {} ({})", error.text, error.code);
      // After a break streams may stay dead without a word.
      if (broken_farms_.erase(farm_of(error.text)) > 0) batch.emplace_back(0, StreamsLost{});
      return;
    default:
      break;
  }
  if (!error.req_id) {
    log::info("gateway: {} ({})", error.text, error.code);
    return;
  }
  if (error.code == 320) log::error("the gateway could not read a request of ours: {}", error.text);
  if (ruling.meaning == Meaning::notice) {
    log::debug("gateway: {} ({})", error.text, error.code);
    return;
  }
  batch.emplace_back(*error.req_id, RequestError{*error.req_id, ruling, error.text});
}

void Link::deliver(Batch& batch, std::uint64_t messages) {
  const std::scoped_lock lock{mutex_};
  state_.messages_in += messages;
  state_.undecodable = undecodable_;
  state_.unknown = unknown_;
  for (auto& [req_id, event] : batch) {
    // A peer may send 0 as a request id too, which is nobody's.
    if (const auto* time = std::get_if<TimeAnswer>(&event)) {
      for (auto* waiter : time_waiters_) waiter->events_.emplace_back(*time);
      time_waiters_.clear();
    } else if (std::holds_alternative<StreamsLost>(event)) {
      for (auto* mailbox : mailboxes_) mailbox->events_.emplace_back(StreamsLost{});
    } else if (const auto route = routes_.find(req_id); route != routes_.end()) {
      route->second->events_.push_back(std::move(event));
    } else {
      ++state_.late;
    }
  }
  if (!batch.empty()) changed_.notify_all();
  batch.clear();
}

}  // namespace bifrost::ib
