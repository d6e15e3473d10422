// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/server.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <condition_variable>
#include <ctime>
#include <random>
#include <thread>

#include "bifrost/core/log.hpp"
#include "bifrost/net/connection.hpp"
#include "transport.hpp"

namespace bifrost::net {
namespace {

using namespace std::chrono_literals;
using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;

constexpr Time never = Time::max();
// After an early answer the rest of the request is read and thrown away for this long: closing on
// unread bytes resets the connection, and the client would lose the answer.
constexpr auto linger_limit = 2s;
// Chunk headers and trailers are not in Beast's limits.
constexpr std::size_t unparsed_limit = 64 * 1024;

Time now() {
  return std::chrono::steady_clock::now();
}

bool is_request_id(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
    if (!ok) return false;
  }
  return true;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

// "http://desk:8000" and Host "desk:8000"; a browser leaves the scheme's own port out of both.
bool same_origin(std::string_view origin, std::string_view host) {
  if (origin.empty()) return true;
  const auto scheme = origin.find("://");
  if (scheme == origin.npos) return false;
  const std::string_view port = origin.substr(0, scheme) == "https" ? ":443" : ":80";
  const auto plain = [&](std::string_view text) {
    if (text.ends_with(port)) text.remove_suffix(port.size());
    return lower(text);
  };
  return plain(origin.substr(scheme + 3)) == plain(host);
}

std::string http_date() {
  const std::time_t t = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&t, &parts);
  std::array<char, 40> text;
  const auto n = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), n};
}

void append_header(std::string& head, std::string_view name, std::string_view value) {
  head += name;
  head += ": ";
  // A line end inside a value would let its author write the rest of the response.
  for (const char c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  head += "\r\n";
}

}  // namespace

class Session;

struct Server::Impl {
  Impl(const ServerOptions& o, Handler h, WsHub* w)
      : options(o),
        handler(std::move(h)),
        hub(w),
        acceptor(io),
        ticker(io),
        pool(std::make_unique<Pool>(o.workers, o.queue_limit)),
        id_prefix(fmt::format("{:08x}", std::random_device{}())) {}

  core::Result<> listen();
  void accept();
  void tick();
  void begin_stop();
  void stop();
  void finished(std::uint64_t session);
  void check_drained();
  void complete(std::uint64_t session, const Response& response);
  WsHub::Impl* ws() { return hub == nullptr ? nullptr : hub->impl_.get(); }
  std::size_t connections() { return sessions.size() + (hub == nullptr ? 0 : ws()->open()); }
  std::chrono::milliseconds tick_interval() const;

  const ServerOptions options;
  const Handler handler;
  WsHub* const hub;
  asio::io_context io{1};
  Acceptor acceptor;
  asio::steady_timer ticker;
  std::unique_ptr<Pool> pool;
  std::thread thread;
  std::uint16_t port = 0;

  // I/O thread
  std::map<std::uint64_t, std::shared_ptr<Session>> sessions;
  std::uint64_t next_session = 1;
  std::uint64_t next_request = 1;
  const std::string id_prefix;
  bool accepting = false;
  bool stopping = false;

  std::mutex mutex;
  std::condition_variable wake;
  bool drained = false;
  bool stopped = false;  // only touched by stop()
};

// One connection. Everything runs on the I/O thread; a request in a handler refers to it by number
// only.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Server::Impl& server, std::uint64_t id, Socket socket, std::string peer)
      : server_(server), id_(id), socket_(std::move(socket)), peer_(std::move(peer)) {}

  void start() { parse(); }

  void tick(Time at) {
    if (deadline_ < at) close_socket();
  }

  void stop() {
    if (state_ == State::idle) close_socket();
  }

  void close_socket() {
    beast::error_code ignored;
    socket_.close(ignored);
  }

  void respond(const Response& response) {
    close_after_ |= server_.stopping;
    head_ = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    append_header(head_, "date", http_date());
    const bool bodiless = response.status == 304 || response.status == 204;
    if (!bodiless) {
      append_header(head_, "content-type", response.content_type);
      append_header(head_, "content-length", std::to_string(response.body.size()));
    }
    append_header(head_, "x-request-id", request_id_);
    append_header(head_, "x-content-type-options", "nosniff");
    append_header(head_, "referrer-policy", "same-origin");
    append_header(head_, "connection", close_after_ ? "close" : "keep-alive");
    for (const auto& [name, value] : response.headers) append_header(head_, name, value);
    head_ += "\r\n";
    body_ = bodiless || head_only_ ? std::string{} : response.body;
    state_ = State::writing;
    deadline_ = now() + server_.options.write_timeout;
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head_), asio::buffer(body_)};
    asio::async_write(socket_, buffers,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (error) return self->finish();
                        self->written();
                      });
  }

 private:
  enum class State { fresh, idle, reading, handling, writing, lingering };
  using Parser = http::request_parser<http::string_body>;

  void read() {
    socket_.async_read_some(asio::buffer(chunk_),
                            [self = shared_from_this()](beast::error_code error, std::size_t n) {
                              if (error) return self->finish();
                              if (self->state_ == State::lingering) return self->read();
                              self->in_.append(self->chunk_.data(), n);
                              self->parse();
                            });
  }

  void parse() {
    if (state_ == State::fresh || state_ == State::idle) {
      if (in_.empty()) {
        if (server_.stopping) return finish();
        state_ = State::idle;
        deadline_ = now() + server_.options.idle_timeout;
        return read();
      }
      begin_request();
    }
    while (!in_.empty()) {
      beast::error_code error;
      const auto used = parser_->put(asio::buffer(in_), error);
      in_.erase(0, used);
      if (error && error != http::error::need_more) return refuse(error);
      if (parser_->is_done()) return take_request();
      if (used == 0 || error) break;
    }
    if (in_.size() > server_.options.max_header_bytes + unparsed_limit) {
      return refuse(http::error::bad_chunk_extension);
    }
    if (parser_->is_header_done() && !continued_ &&
        lower(view(parser_->get()[http::field::expect])) == "100-continue") {
      continued_ = true;
      constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(socket_, asio::buffer(go_on),
                        [self = shared_from_this()](beast::error_code error, std::size_t) {
                          if (error) return self->finish();
                          self->read();
                        });
      return;
    }
    read();
  }

  void begin_request() {
    state_ = State::reading;
    deadline_ = now() + server_.options.read_timeout;
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.options.max_header_bytes));
    parser_->body_limit(server_.options.max_body_bytes);
    parser_->eager(true);
    head_only_ = false;
    continued_ = false;
    close_after_ = false;
    request_id_ = fmt::format("{}-{}", server_.id_prefix, server_.next_request++);
  }

  void refuse(beast::error_code error) {
    close_after_ = true;
    if (error == http::error::header_limit) {
      respond(problem(431, "headers_too_large",
                      fmt::format("the request line and headers may have {} bytes",
                                  server_.options.max_header_bytes),
                      request_id_));
    } else if (error == http::error::body_limit) {
      respond(problem(413, "body_too_large",
                      fmt::format("a body may have {} bytes", server_.options.max_body_bytes),
                      request_id_));
    } else {
      bad_request("this is not an HTTP/1.1 request");
    }
  }

  void bad_request(std::string_view detail) {
    close_after_ = true;
    respond(problem(400, "bad_request", detail, request_id_));
  }

  void take_request() {
    HttpRequest message = parser_->release();
    parser_.reset();
    close_after_ = !message.keep_alive();
    Request request;
    request.method = view(message.method_string());
    head_only_ = request.method == "HEAD";
    for (const auto& field : message) {
      request.headers.emplace_back(lower(view(field.name_string())), view(field.value()));
    }
    if (is_request_id(request.header("x-request-id"))) {
      request_id_ = request.header("x-request-id");
    }
    if (message.version() >= 11 && message.count(http::field::host) != 1) {
      return bad_request("exactly one Host header is needed");
    }
    std::string_view target = view(message.target());
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (target.starts_with(scheme)) {
        target.remove_prefix(std::min(target.find('/', scheme.size()), target.size()));
        if (target.empty()) target = "/";
      }
    }
    if (!target.starts_with('/')) return bad_request("the target must be a path");
    const auto question = std::min(target.find('?'), target.size());
    request.path = target.substr(0, question);
    request.query = target.substr(std::min(question + 1, target.size()));
    request.id = request_id_;
    request.peer = peer_;
    if (server_.hub != nullptr && request.path == server_.ws()->options.path) {
      return upgrade(request, std::move(message));
    }
    request.body = std::move(message.body());
    state_ = State::handling;
    deadline_ = never;
    const bool taken =
        server_.pool->submit([&server = server_, id = id_, request = std::move(request)] {
          Response response;
          try {
            response = server.handler(request);
          } catch (const std::exception& e) {
            core::log::error("request {} {} {}: exception: {}", request.id, request.method,
                             request.path, e.what());
            response = problem(500, "internal", "the server failed; its log says why", request.id);
          } catch (...) {
            core::log::error("request {} {} {}: something thrown that is no exception", request.id,
                             request.method, request.path);
            response = problem(500, "internal", "the server failed; its log says why", request.id);
          }
          asio::post(server.io, [&server, id, response = std::move(response)] {
            server.complete(id, response);
          });
        });
    if (!taken) {
      auto response = problem(503, "overloaded", "too many requests are waiting", request_id_);
      response.headers.emplace_back("retry-after", "1");
      respond(response);
    }
  }

  void upgrade(const Request& request, HttpRequest message) {
    if (!beast::websocket::is_upgrade(message)) {
      auto response =
          problem(426, "upgrade_required", "this path speaks WebSocket only", request_id_);
      response.headers.emplace_back("upgrade", "websocket");
      return respond(response);
    }
    if (!same_origin(request.header("origin"), request.header("host"))) {
      return respond(
          problem(403, "foreign_origin", "pages of other origins may not connect", request_id_));
    }
    if (!in_.empty()) return bad_request("frames came before the handshake");
    if (server_.stopping) return finish();
    server_.ws()->accept(std::move(socket_), std::move(message));
    server_.finished(id_);
  }

  void written() {
    if (close_after_) {
      beast::error_code ignored;
      socket_.shutdown(asio::socket_base::shutdown_send, ignored);
      in_.clear();
      state_ = State::lingering;
      deadline_ = now() + linger_limit;
      return read();
    }
    state_ = State::fresh;
    parse();
  }

  void finish() {
    close_socket();
    server_.finished(id_);
  }

  Server::Impl& server_;
  const std::uint64_t id_;
  Socket socket_;
  const std::string peer_;
  State state_ = State::fresh;
  Time deadline_ = never;
  std::array<char, 8192> chunk_;
  std::string in_;  // read but not parsed
  std::optional<Parser> parser_;
  std::string request_id_;
  bool close_after_ = false;
  bool head_only_ = false;
  bool continued_ = false;
  std::string head_;
  std::string body_;
};

core::Result<> Server::Impl::listen() {
  BF_TRY(auto listener, Listener::bind(options.host, options.port));
  port = listener.port();
  const int fd = listener.release();
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  acceptor.assign(address.ss_family == AF_INET6 ? Tcp::v6() : Tcp::v4(), fd);
  if (hub != nullptr) ws()->attach(io, *pool, [this] { check_drained(); });
  accept();
  tick();
  thread = std::thread{[this] { io.run(); }};
  return {};
}

void Server::Impl::accept() {
  accepting = true;
  acceptor.async_accept(io.get_executor(), [this](beast::error_code error, Socket socket) {
    accepting = false;
    if (stopping || error == asio::error::operation_aborted) return;
    if (error) {
      // Out of descriptors, most likely. The next tick tries again.
      core::log::warning("accept on port {}: {}", port, error.message());
      return;
    }
    beast::error_code ignored;
    socket.set_option(Tcp::no_delay{true}, ignored);
    if (connections() >= options.max_connections) {
      constexpr std::string_view full =
          "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 5\r\n"
          "connection: close\r\n\r\n";
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(full), ignored);
      socket.shutdown(asio::socket_base::shutdown_both, ignored);
    } else {
      const auto end = socket.remote_endpoint(ignored);
      const auto id = next_session++;
      const auto session =
          std::make_shared<Session>(*this, id, std::move(socket),
                                    fmt::format("{}:{}", end.address().to_string(), end.port()));
      sessions.emplace(id, session);
      session->start();
    }
    accept();
  });
}

std::chrono::milliseconds Server::Impl::tick_interval() const {
  auto shortest = std::min({options.read_timeout, options.idle_timeout, options.write_timeout});
  if (hub != nullptr) {
    const auto& ws_options = hub->impl_->options;
    shortest = std::min({shortest, ws_options.ping_interval, ws_options.drain_limit});
  }
  return std::clamp<std::chrono::milliseconds>(shortest / 4, 5ms, 250ms);
}

void Server::Impl::tick() {
  ticker.expires_after(tick_interval());
  ticker.async_wait([this](beast::error_code error) {
    if (error) return;
    const Time at = now();
    for (const auto& [id, session] : sessions) session->tick(at);
    if (hub != nullptr) ws()->tick(at);
    if (!accepting && !stopping) accept();
    check_drained();
    tick();
  });
}

void Server::Impl::complete(std::uint64_t session, const Response& response) {
  const auto found = sessions.find(session);
  if (found != sessions.end()) found->second->respond(response);
}

void Server::Impl::finished(std::uint64_t session) {
  sessions.erase(session);
  check_drained();
}

void Server::Impl::check_drained() {
  if (!stopping || connections() > 0) return;
  {
    const std::lock_guard lock{mutex};
    drained = true;
  }
  wake.notify_all();
}

void Server::Impl::begin_stop() {
  stopping = true;
  beast::error_code ignored;
  acceptor.close(ignored);
  for (const auto& [id, session] : sessions) session->stop();
  if (hub != nullptr) ws()->close_all();
  check_drained();
}

void Server::Impl::stop() {
  if (stopped || !thread.joinable()) return;
  stopped = true;
  asio::post(io, [this] { begin_stop(); });
  {
    std::unique_lock lock{mutex};
    wake.wait_for(lock, options.drain_limit, [this] { return drained; });
  }
  io.stop();
  thread.join();
  // Handlers still running post to the context, which is why it goes last.
  pool.reset();
  if (hub != nullptr) ws()->detach();
  for (const auto& [id, session] : sessions) session->close_socket();
  sessions.clear();
}

core::Result<Server> Server::start(const ServerOptions& options, Handler handler, WsHub* hub) {
  auto impl = std::make_unique<Impl>(options, std::move(handler), hub);
  BF_CHECK(impl->listen());
  return Server{std::move(impl)};
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&& other) noexcept {
  if (this != &other) {
    stop();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Server::~Server() {
  stop();
}

std::uint16_t Server::port() const {
  return impl_->port;
}

void Server::stop() {
  if (impl_) impl_->stop();
}

}  // namespace bifrost::net
