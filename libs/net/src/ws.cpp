// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/ws.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>

#include "bifrost/core/log.hpp"
#include "transport.hpp"

namespace bifrost::net {
namespace {

namespace websocket = beast::websocket;
using namespace std::chrono_literals;

// How long a closing client may take to answer, or to read what stands before our close frame.
constexpr auto close_grace = 2s;

struct Outgoing {
  std::string topic;  // empty: an answer to this client alone
  std::shared_ptr<const std::string> text;
};

}  // namespace

class WsClient : public std::enable_shared_from_this<WsClient> {
 public:
  WsClient(WsHub::Impl& hub, std::uint64_t id, Socket socket, HttpRequest request)
      : hub_(hub), id_(id), ws_(std::move(socket)), request_(std::move(request)) {
    ws_.read_message_max(hub_.options.max_message_bytes);
    ws_.auto_fragment(false);
    websocket::stream_base::timeout limits{};
    limits.handshake_timeout = 5s;
    limits.idle_timeout = websocket::stream_base::none();
    limits.keep_alive_pings = false;
    ws_.set_option(limits);
    beast::error_code ignored;
    ws_.next_layer().set_option(
        asio::socket_base::send_buffer_size{static_cast<int>(hub_.options.send_buffer_bytes)},
        ignored);
  }

  std::uint64_t id() const { return id_; }

  void start() {
    last_heard_ = last_ping_ = std::chrono::steady_clock::now();
    // Beast keeps this as a member of the stream, so it must not own us.
    ws_.control_callback([this](websocket::frame_type, beast::string_view) {
      last_heard_ = std::chrono::steady_clock::now();
    });
    ws_.async_accept(request_, [self = shared_from_this()](beast::error_code error) {
      if (error) return self->end();
      self->open_ = true;
      if (self->closing_) return self->send_close();
      self->read();
      self->write();
    });
  }

  void enqueue(const std::string& topic, const std::shared_ptr<const std::string>& text) {
    if (closing_) return;
    if (queue_.size() >= hub_.options.max_queue) conflate(topic);
    if (queue_.size() >= hub_.options.max_queue) {
      // Only answers are left: it asks and asks, and never reads.
      return close(websocket::close_code::policy_error, "reads nothing");
    }
    queue_.push_back({topic, text});
    write();
  }

  void publish(const std::string& topic, const std::shared_ptr<const std::string>& text) {
    const auto subscription = topics_.find(topic);
    if (subscription == topics_.end()) return;
    subscription->second = true;
    enqueue(topic, text);
  }

  void present(const std::string& topic, const std::shared_ptr<const std::string>& text) {
    const auto subscription = topics_.find(topic);
    if (subscription == topics_.end() || subscription->second) return;
    enqueue(topic, text);
  }

  void close(websocket::close_code code, std::string_view why) {
    if (closing_) return;
    closing_ = std::chrono::steady_clock::now();
    reason_ = websocket::close_reason{code, beast::string_view{why.data(), why.size()}};
    queue_.clear();
    if (open_) send_close();
  }

  void tick(Time now) {
    if (closing_) {
      if (now - *closing_ > close_grace) cut();
      return;
    }
    if (!open_) return;
    if (busy_since_ && now - *busy_since_ > hub_.options.drain_limit) {
      core::log::info("a WebSocket client did not keep up and is closed");
      return close(websocket::close_code::try_again_later, "too slow");
    }
    if (now - last_heard_ > 2 * hub_.options.ping_interval) return cut();
    if (!pinging_ && now - last_ping_ >= hub_.options.ping_interval) {
      last_ping_ = now;
      pinging_ = true;
      ws_.async_ping({},
                     [self = shared_from_this()](beast::error_code) { self->pinging_ = false; });
    }
  }

  void close_socket() {
    beast::error_code ignored;
    ws_.next_layer().close(ignored);
  }

  // The topics it leaves behind, for the hub's count.
  const std::map<std::string, bool, std::less<>>& topics() const { return topics_; }

 private:
  void read() {
    ws_.async_read(in_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->end();
      self->on_message();
    });
  }

  void on_message() {
    last_heard_ = std::chrono::steady_clock::now();
    if (!ws_.got_text()) {
      close(websocket::close_code::unknown_data, "text only");
    } else {
      const auto data = in_.cdata();
      obey(hub_.options.parse({static_cast<const char*>(data.data()), data.size()}));
    }
    in_.consume(in_.size());
    // A close under way reads for itself; a read started beside it may never complete (Beast 1.81).
    if (!closing_) read();
  }

  void obey(const WsCommand& command) {
    if (closing_) return;
    if (command.kind == WsCommand::Kind::unsubscribe && topics_.erase(command.topic) > 0) {
      hub_.unsubscribed(command.topic);
    }
    if (command.kind == WsCommand::Kind::subscribe && !topics_.contains(command.topic)) {
      if (topics_.size() >= hub_.options.max_topics) {
        return close(websocket::close_code::policy_error, "too many topics");
      }
      topics_.emplace(command.topic, false);
      // Without its first picture the client would wait in vain; it is to come again.
      if (!hub_.subscribed(id_, command.topic)) {
        return close(websocket::close_code::try_again_later, "too busy");
      }
    }
    // Last: whoever has read the answer must miss nothing that is published from then on.
    if (!command.reply.empty()) enqueue({}, std::make_shared<const std::string>(command.reply));
  }

  // Makes room by leaving only the latest message of every topic, and none of `incoming`.
  void conflate(const std::string& incoming) {
    std::deque<Outgoing> kept;
    for (auto at = queue_.rbegin(); at != queue_.rend(); ++at) {
      const auto same = [&](const Outgoing& later) { return later.topic == at->topic; };
      const bool superseded = !at->topic.empty() && (at->topic == incoming ||
                                                     std::any_of(kept.begin(), kept.end(), same));
      if (!superseded) kept.push_front(std::move(*at));
    }
    queue_ = std::move(kept);
  }

  void write() {
    if (!open_ || writing_ || queue_.empty()) return;
    writing_ = true;
    if (!busy_since_) busy_since_ = std::chrono::steady_clock::now();
    current_ = std::move(queue_.front().text);
    queue_.pop_front();
    ws_.async_write(asio::buffer(*current_),
                    [self = shared_from_this()](beast::error_code error, std::size_t) {
                      self->writing_ = false;
                      self->current_.reset();
                      if (error) return;  // the read ends with the same error and cleans up
                      if (self->queue_.empty()) self->busy_since_.reset();
                      self->write();
                    });
  }

  void send_close() {
    ws_.async_close(reason_, [self = shared_from_this()](beast::error_code) { self->end(); });
  }

  void cut() {
    close_socket();
    end();
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    if (!closing_) closing_ = std::chrono::steady_clock::now();
    close_socket();
    hub_.remove(*this);
  }

  WsHub::Impl& hub_;
  const std::uint64_t id_;
  websocket::stream<Socket, false> ws_;  // without compression: our frames are few and local
  HttpRequest request_;
  beast::flat_buffer in_;
  std::deque<Outgoing> queue_;
  std::shared_ptr<const std::string> current_;
  std::map<std::string, bool, std::less<>> topics_;  // true: something was published to it since
  bool open_ = false;
  bool writing_ = false;
  bool pinging_ = false;
  bool ended_ = false;
  std::optional<Time> closing_;
  std::optional<Time> busy_since_;  // since when there has always been something to write
  websocket::close_reason reason_;
  Time last_heard_{};
  Time last_ping_{};
};

void WsHub::Impl::attach(asio::io_context& context, Pool& workers, std::function<void()> emptied) {
  on_empty = std::move(emptied);
  const std::lock_guard lock{mutex};
  io = &context;
  pool = &workers;
}

void WsHub::Impl::detach() {
  const std::lock_guard lock{mutex};
  io = nullptr;
  pool = nullptr;
  on_empty = nullptr;
  for (const auto& [id, client] : connected) client->close_socket();
  connected.clear();
  subscribers.clear();
  client_count = 0;
}

void WsHub::Impl::accept(Socket socket, HttpRequest request) {
  const auto id = next_id++;
  const auto client = std::make_shared<WsClient>(*this, id, std::move(socket), std::move(request));
  connected.emplace(id, client);
  {
    const std::lock_guard lock{mutex};
    ++client_count;
  }
  client->start();
}

void WsHub::Impl::tick(Time now) {
  const auto clients_now = connected;  // a cut client removes itself
  for (const auto& [id, client] : clients_now) client->tick(now);
}

void WsHub::Impl::close_all() {
  const auto clients_now = connected;
  for (const auto& [id, client] : clients_now) {
    client->close(websocket::close_code::going_away, "the server stops");
  }
}

void WsHub::Impl::publish(const std::string& topic, std::string message) {
  const std::lock_guard lock{mutex};
  if (io == nullptr || !subscribers.contains(topic)) return;
  asio::post(*io, [this, topic, text = std::make_shared<const std::string>(std::move(message))] {
    const auto clients_now = connected;
    for (const auto& [id, client] : clients_now) client->publish(topic, text);
  });
}

bool WsHub::Impl::subscribed(std::uint64_t client, const std::string& topic) {
  const std::lock_guard lock{mutex};
  ++subscribers[topic];
  if (!options.present) return true;
  return pool->submit([this, id = client, topic] {
    auto state = options.present(topic);
    if (!state) return;
    const std::lock_guard again{mutex};
    if (io == nullptr) return;
    asio::post(*io,
               [this, id, topic, text = std::make_shared<const std::string>(std::move(*state))] {
                 if (const auto found = connected.find(id); found != connected.end()) {
                   found->second->present(topic, text);
                 }
               });
  });
}

void WsHub::Impl::unsubscribed(const std::string& topic) {
  const std::lock_guard lock{mutex};
  const auto found = subscribers.find(topic);
  if (found != subscribers.end() && --found->second == 0) subscribers.erase(found);
}

void WsHub::Impl::remove(WsClient& client) {
  for (const auto& [topic, seen] : client.topics()) unsubscribed(topic);
  {
    const std::lock_guard lock{mutex};
    if (connected.erase(client.id()) > 0) --client_count;
  }
  if (connected.empty() && on_empty) on_empty();
}

WsHub::WsHub(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
WsHub::~WsHub() = default;

void WsHub::publish(const std::string& topic, std::string message) {
  impl_->publish(topic, std::move(message));
}

std::vector<std::string> WsHub::topics() const {
  const std::lock_guard lock{impl_->mutex};
  std::vector<std::string> names;
  for (const auto& [topic, count] : impl_->subscribers) names.push_back(topic);
  return names;
}

std::size_t WsHub::clients() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->client_count;
}

}  // namespace bifrost::net
