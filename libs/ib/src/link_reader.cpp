// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "bifrost/core/log.hpp"
#include "link.hpp"

// The reader thread of a Link: it makes the connection, keeps it, and hands on what comes.
namespace bifrost::ib {

using core::Errc;
using core::fail;
namespace log = core::log;

namespace {

constexpr auto steady_health = std::chrono::minutes{5};  // after which old failures are forgotten

}  // namespace

/// How a session ended.
struct Link::End {
  core::Error error;
  bool was_ready = false;
  bool rotate_id = false;
  bool hopeless = false;
};

bool Link::sleep_for(Steady::duration wait) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_until(lock, Steady::now() + wait, [&] { return stopping_; });
}

void Link::run() {
  constexpr std::array<int, 6> backoff{1, 2, 5, 10, 30, 60};
  std::size_t failures = 0;
  int taken_ids = 0;
  port_ = options_.port;
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
      const bool lines_before = lines_.in_use() > 0;
      for (std::size_t i = 0; i < owed_.size(); ++i) lines_.release(false);
      lines_changed(lines_before);
      owed_.clear();
      poke_all();
      attempt_error_ = end.error;
      hopeless_ = end.hopeless;
      routes_.clear();
      time_questions_.clear();
      changed_.notify_all();
    }
    log::warning("gateway link at {}:{}: {}", options_.host, port_, end.error.message);

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
  auto connected = net::Connection::connect(options_.host, port_,
                                            core::after(options_.connect_timeout), &stopped_);
  if (!connected) {
    // Where the gateway said it would move to, it is not.
    port_ = options_.port;
    return {.error = std::move(connected).error()};
  }
  const auto connection = std::make_shared<net::Connection>(std::move(*connected));
  {
    const std::scoped_lock lock{mutex_};
    if (stopping_) return {.error = {Errc::cancelled, "stopped", {}}};
    connection_ = connection;
  }
  version_ = 0;
  upstream_alive_ = true;
  proven_ = false;
  id_taken_ = false;
  broken_farms_.clear();
  record(Record::Kind::opened, connection->peer());
  wire::FrameReader frames;
  auto failed = shake_hands(*connection, frames);
  const End end = failed ? std::move(*failed) : talk(*connection, frames);
  connection->shutdown();
  record(Record::Kind::closed, end.error.message);
  return end;
}

void Link::record(Record::Kind kind, std::string_view payload) {
  if (options_.recorder) options_.recorder->record(kind, version_, payload);
}

core::Result<std::string_view> Link::next_payload(net::Connection& connection,
                                                  wire::FrameReader& frames,
                                                  core::Deadline deadline) {
  for (;;) {
    BF_TRY(const auto payload, frames.next());
    if (payload) {
      record(Record::Kind::received, *payload);
      return *payload;
    }
    BF_TRY(const auto size, connection.read_some(chunk_, deadline));
    if (size == 0) return tl::unexpected{end_of_stream(frames)};
    frames.feed({chunk_.data(), size});
  }
}

std::optional<Link::End> Link::shake_hands(net::Connection& connection, wire::FrameReader& frames) {
  const auto deadline = core::after(options_.handshake_timeout);
  const auto failed = [](core::Error error) {
    error.message = fmt::format("handshake: {}", error.message);
    return End{.error = std::move(error)};
  };
  const auto send = [&](std::string_view bytes) {
    record(Record::Kind::sent, bytes.substr(4));
    return connection.write_all(bytes, deadline);
  };

  const wire::VersionRange range{options_.min_server_version, options_.max_server_version};
  const auto hello = wire::encode_hello(range);
  record(Record::Kind::sent, std::string_view{hello}.substr(8));
  if (auto sent = connection.write_all(hello, deadline); !sent) {
    return failed(std::move(sent).error());
  }
  wire::Fields fields;
  std::optional<wire::NextValidId> next_id;
  std::optional<wire::ManagedAccounts> accounts;
  Batch batch;
  while (version_ == 0 || !next_id || !accounts) {
    auto payload = next_payload(connection, frames, deadline);
    if (!payload) {
      auto end = failed(std::move(payload).error());
      // A taken client id is often answered by the end of the stream alone.
      end.rotate_id = version_ != 0 && end.error.code == Errc::unavailable;
      return end;
    }
    fields.assign(*payload);
    if (version_ == 0) {
      const auto reply = wire::decode_hello_reply(fields);
      if (!reply) continue;  // other messages may come first
      const int version = reply->server_version;
      if (version < range.min || version > range.max) {
        return End{.error = {Errc::unavailable,
                             version < 0 ? fmt::format("the gateway redirects to {}",
                                                       reply->connection_time)
                                         : fmt::format("the gateway speaks version {}, we {} to {}",
                                                       version, range.min, range.max),
                             std::source_location::current()},
                   .hopeless = true};
      }
      version_ = version;
      const wire::StartApi start{.client_id = client_id()};
      if (auto sent = send(wire::encode(start, version_)); !sent) {
        return failed(std::move(sent).error());
      }
      continue;
    }
    if (fields.id() == static_cast<int>(wire::Reply::next_valid_id)) {
      if (auto id = wire::decode<wire::NextValidId>(fields, version_)) next_id = *id;
    } else if (fields.id() == static_cast<int>(wire::Reply::managed_accounts)) {
      if (auto list = wire::decode<wire::ManagedAccounts>(fields, version_)) accounts = *list;
    } else if (fields.id() == static_cast<int>(wire::Reply::error)) {
      // What is said of the farms now is remembered. Nobody has subscribed yet, so there is nobody
      // to tell.
      if (const auto error = wire::decode<wire::ErrorMessage>(fields, version_)) {
        on_error(*error, batch);
        batch.clear();
      }
      if (id_taken_) return client_id_taken();
    }
  }
  simulated_ = std::any_of(accounts->accounts.begin(), accounts->accounts.end(),
                           [](const auto& account) { return account.starts_with("SIM"); });
  const std::scoped_lock lock{mutex_};
  next_order_ = std::max(next_id->order_id, 1);
  return std::nullopt;
}

core::Error Link::end_of_stream(const wire::FrameReader& frames) {
  return {Errc::unavailable,
          frames.pending() > 0 ? "the gateway closed the link in the middle of a message"
                               : "the gateway closed the link",
          std::source_location::current()};
}

Link::End Link::client_id_taken() const {
  return {
      .error = {Errc::conflict, fmt::format("client id {} is in use at the gateway", client_id()),
                std::source_location::current()},
      .rotate_id = true};
}

void Link::proven() {
  proven_ = true;
  {
    const std::scoped_lock lock{mutex_};
    ++session_number_;
    ++state_.sessions;
    state_.connected = true;
    state_.upstream_ok = upstream_alive_;
    state_.simulated = simulated_;
    state_.server_version = version_;
    state_.since = Steady::now();
    session_alert_.clear();
    // What was silent without a link was no stream; what has been tried against silence stays.
    silent_before_ = options_.stale_after * silence_steps_;
    silent_from_ = state_.since;
    poke_all();
  }
  log::info("gateway link at {}:{}: ready, version {}, client id {}", options_.host, port_,
            version_, client_id());
}

Link::End Link::talk(net::Connection& connection, wire::FrameReader& frames) {
  // A gateway that accepts connections may still be deaf. It is one of ours only once it has
  // answered a question; the first ones may be lost while it connects upstream.
  const auto prove_by = core::after(options_.handshake_timeout);
  const auto probe_again = options_.handshake_timeout / 4;
  const wire::CurrentTimeRequest probe{};
  const auto ask_directly = [&] {
    const auto bytes = wire::encode(probe, version_);
    record(Record::Kind::sent, std::string_view{bytes}.substr(4));
    take_place();
    return connection.write_all(bytes, prove_by);
  };
  if (auto sent = ask_directly(); !sent) return {.error = std::move(sent).error()};

  wire::Fields fields;
  Batch batch;
  std::string silent;
  int misses = 0;
  auto heard = Steady::now();
  auto probed = heard;
  for (;;) {
    std::uint64_t messages = 0;
    for (;;) {
      auto payload = frames.next();
      if (!payload) {
        deliver(batch, messages);
        return {.error = std::move(payload).error(), .was_ready = proven_};
      }
      if (!*payload) break;
      record(Record::Kind::received, **payload);
      fields.assign(**payload);
      on_message(fields, version_, batch);
      ++messages;
    }
    const auto before = Steady::now();
    const bool give_up = watch_streams(before, batch, silent);
    deliver(batch, messages);
    if (id_taken_) return client_id_taken();
    if (give_up) {
      return {.error = {Errc::timeout, silent, std::source_location::current()}, .was_ready = true};
    }

    auto until =
        proven_ ? heard + options_.heartbeat_interval : std::min(prove_by, probed + probe_again);
    if (proven_ && !upstream_alive_ && options_.upstream_patience.count() > 0) {
      const auto give_up_at = upstream_lost_ + options_.upstream_patience;
      if (before >= give_up_at) {
        return {.error = {Errc::unavailable, "the gateway has been without the broker for too long",
                          std::source_location::current()},
                .was_ready = true};
      }
      until = std::min(until, give_up_at);
    }
    if (options_.stale_after.count() > 0)
      until = std::min(until, before + options_.stale_after / 4);
    const auto size = connection.read_some(chunk_, until);
    const auto now = Steady::now();
    if (size && *size > 0) {
      heard = now;
      misses = 0;
      frames.feed({chunk_.data(), *size});
    }
    if (size && *size == 0) return {.error = end_of_stream(frames), .was_ready = proven_};
    if (!size && size.error().code != Errc::timeout) {
      return {.error = size.error(), .was_ready = proven_};
    }
    if (!proven_) {
      if (now >= prove_by && !size) {
        return {.error = {Errc::timeout, "the gateway accepts the connection but answers nothing",
                          std::source_location::current()}};
      }
      if (now >= probed + probe_again) {
        probed = now;
        if (auto sent = ask_directly(); !sent) return {.error = std::move(sent).error()};
      }
      continue;
    }
    if (size || now < heard + options_.heartbeat_interval) continue;
    if (misses >= options_.heartbeat_misses) {
      return {.error = {Errc::timeout, "the gateway no longer answers",
                        std::source_location::current()},
              .was_ready = true};
    }
    ++misses;
    heard = now;
    take_place();
    {
      const std::scoped_lock lock{mutex_};
      time_questions_.push_back({now, nullptr});
    }
    // A failure shuts the connection down, which the next read reports.
    (void)send(Session{session_number_, version_}, probe);
  }
}

bool Link::watch_streams(Steady::time_point now, Batch& batch, std::string& problem) {
  if (options_.stale_after.count() == 0 || !proven_ || ticked_) return false;
  const bool may_be_silent = !upstream_alive_ || (options_.market_open && !options_.market_open());
  const std::scoped_lock lock{mutex_};
  if (may_be_silent) {
    silent_before_ = {};
    silent_from_ = now;
    silence_steps_ = 0;
    return false;
  }
  if (silence(now) < options_.stale_after * (silence_steps_ + 1)) return false;
  ++silence_steps_;
  problem = fmt::format(
      "no tick for {} s although market data are subscribed",
      std::chrono::round<std::chrono::seconds>(options_.stale_after * silence_steps_).count());
  log::warning("gateway link at {}:{}: {}", options_.host, port_, problem);
  state_.last_problem = problem;
  constexpr int resubscribe = 1, reconnect = 2, alert = 3, again = 10;
  if (silence_steps_ == resubscribe) batch.emplace_back(0, StreamsLost{});
  if (silence_steps_ >= alert) stream_alert_ = problem;
  return silence_steps_ == reconnect ||
         (silence_steps_ > reconnect && (silence_steps_ - reconnect) % again == 0);
}

}  // namespace bifrost::ib
