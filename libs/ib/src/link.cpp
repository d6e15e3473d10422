// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "bifrost/core/log.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;
namespace log = core::log;

namespace {

// Never reused, not even by another client of this process: an answer that comes late must not
// find a request that is not its own.
int next_request_id(int at_least = 1) {
  static std::atomic<int> last{0};
  int before = last.load(std::memory_order_relaxed);
  int id = 0;
  do {
    id = std::max(before + 1, at_least);
    if (id <= 0) core::panic("this process has used up its request ids");
  } while (!last.compare_exchange_weak(before, id, std::memory_order_relaxed));
  return id;
}

}  // namespace

Link::Mailbox::Mailbox(Link& link) : link_(link) {
  const std::scoped_lock lock{link_.mutex_};
  link_.mailboxes_.push_back(this);
}

Link::Mailbox::~Mailbox() {
  const std::scoped_lock lock{link_.mutex_};
  std::erase(link_.mailboxes_, this);
  for (auto& question : link_.time_questions_) {
    if (question.waiter == this) question.waiter = nullptr;
  }
  std::erase_if(link_.routes_, [&](const auto& route) { return route.second == this; });
}

int Link::Mailbox::open() {
  const int id = next_request_id();
  const std::scoped_lock lock{link_.mutex_};
  link_.routes_.emplace(id, this);
  return id;
}

core::Result<int> Link::Mailbox::open_order() {
  const std::scoped_lock lock{link_.mutex_};
  // Orders and requests share the numbers in what the gateway reports. Numbers beyond are left to
  // requests: using them up would end this process.
  constexpr int last_order = 2'000'000'000;
  if (link_.next_order_ > last_order) {
    return fail(Errc::unavailable, "the gateway has no order ids left: reset them there");
  }
  const int id = next_request_id(link_.next_order_);
  link_.routes_.emplace(id, this);
  return id;
}

void Link::Mailbox::listen_for_positions() {
  const std::scoped_lock lock{link_.mutex_};
  link_.routes_.insert_or_assign(positions_route, this);
}

void Link::Mailbox::close(int req_id) {
  const std::scoped_lock lock{link_.mutex_};
  link_.routes_.erase(req_id);
}

std::deque<Event> Link::Mailbox::wait(Steady::time_point until) {
  std::unique_lock lock{link_.mutex_};
  link_.changed_.wait_until(lock, until,
                            [&] { return !events_.empty() || poked_ || link_.stopping_; });
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
  stop();
  reader_.join();
  canceller_.join();
}

void Link::stop() {
  const std::scoped_lock lock{mutex_};
  stopping_ = true;
  state_.connected = false;
  state_.upstream_ok = false;
  if (connection_) connection_->shutdown();
  stopped_.raise();
  changed_.notify_all();
}

bool Link::is_over(core::Deadline deadline) const {
  const std::scoped_lock lock{mutex_};
  return stopping_ || Steady::now() >= deadline;
}

core::Result<> Link::await_first(core::Deadline deadline) const {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline,
                      [&] { return state_.sessions > 0 || hopeless_ || stopping_; });
  if (stopping_) return fail(Errc::cancelled, "the link to the gateway was stopped");
  if (state_.sessions > 0) return {};
  if (attempt_error_) return tl::unexpected{*attempt_error_};
  return fail(Errc::timeout,
              fmt::format("connect to the gateway at {}:{}", options_.host, options_.port));
}

core::Result<Link::Session> Link::await_ready(core::Deadline deadline) const {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline, [&] { return state_.upstream_ok || stopping_; });
  if (stopping_) return fail(Errc::cancelled, "the link to the gateway was stopped");
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
  const auto now = Steady::now();
  state.messages_per_second = bucket_.rate(now);
  if (!session_alert_.empty()) {
    state.alert = session_alert_;
  } else if (!stream_alert_.empty()) {
    state.alert = stream_alert_;
  } else if (now < competing_until_) {
    state.alert = "another session of this user takes the market data";
  } else if (few_lines_) {
    state.alert = fmt::format("the gateway grants only {} market-data lines", lines_.budget());
  }
  return state;
}

core::Result<> Link::pace(core::Deadline deadline) {
  std::unique_lock lock{mutex_};
  for (;;) {
    if (stopping_) return fail(Errc::cancelled, "the link to the gateway was stopped");
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

std::optional<Steady::time_point> Link::ask_time(const Session& session, Mailbox& mailbox) {
  {
    const std::scoped_lock lock{mutex_};
    // Of a session that is gone LinkLost says so.
    if (!state_.connected || session_number_ != session.number) return Steady::time_point::max();
    // Lost on the way is a question without an answer for as long as a silent link is believed in,
    // and one that was passed over: answers keep the order, so its own would be here by now.
    const auto now = Steady::now();
    const auto lost_at = [&](const TimeQuestion& question) {
      const auto unanswered =
          question.asked + options_.heartbeat_interval * std::max(options_.heartbeat_misses, 1);
      if (last_time_answer_ < question.asked) return unanswered;
      return std::min<Steady::time_point>(unanswered,
                                          last_time_answer_ + options_.heartbeat_interval / 6);
    };
    std::erase_if(time_questions_, [&](const TimeQuestion& question) {
      return question.waiter == nullptr && now >= lost_at(question);
    });
    for (const auto& question : time_questions_) {
      if (question.waiter == nullptr) return lost_at(question);
    }
    time_questions_.push_back({now, &mailbox});
  }
  // A failure means that the link is gone.
  if (session.version >= 197) {
    (void)send(session, wire::CurrentTimeMillisRequest{});
  } else {
    (void)send(session, wire::CurrentTimeRequest{});
  }
  return std::nullopt;
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
  if (options_.recorder) {
    // Under the lock of writing, so that the recording has the order of the wire.
    for (auto rest = frames; rest.size() > 4;) {
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        length = length << 8 | static_cast<unsigned char>(rest[i]);
      }
      options_.recorder->record(Record::Kind::sent, session.version, rest.substr(4, length));
      rest.remove_prefix(std::min(rest.size(), 4 + length));
    }
  }
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
  const bool before = lines_.in_use() > 0;
  const bool got = lines_.acquire();
  lines_changed(before);
  return got;
}

void Link::release_line(bool served) {
  const std::scoped_lock lock{mutex_};
  const bool before = lines_.in_use() > 0;
  lines_.release(served);
  lines_changed(before);
  poke_all();
}

void Link::line_refused() {
  const std::scoped_lock lock{mutex_};
  const bool before = lines_.in_use() > 0;
  lines_.refuse();
  lines_changed(before);
  poke_all();
}

void Link::lines_changed(bool before) {
  const bool now = lines_.in_use() > 0;
  if (now && !before) {
    silent_from_ = Steady::now();
  } else if (!now && before) {
    silent_before_ += Steady::now() - silent_from_;
  }
  constexpr int few = 20;
  const bool low = lines_.budget() < std::min(few, options_.lines);
  if (low && !few_lines_) {
    log::warning("the gateway grants only {} market-data lines", lines_.budget());
  }
  few_lines_ = low;
}

Steady::duration Link::silence(Steady::time_point now) const {
  if (lines_.in_use() == 0) return silent_before_;
  return silent_before_ + (now - silent_from_);
}

void Link::poke_all() {
  for (auto* mailbox : mailboxes_) mailbox->poked_ = true;
  changed_.notify_all();
}

}  // namespace bifrost::ib
