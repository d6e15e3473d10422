// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bifrost/core/result.hpp"
#include "bifrost/net/http.hpp"
#include "bifrost/net/ws.hpp"

namespace bifrost::net {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  std::size_t workers = 4;
  std::size_t queue_limit = 256;                    // requests waiting for a worker; beyond: 503
  std::size_t max_connections = 1024;               // WebSockets included; beyond: 503 and closed
  std::size_t max_header_bytes = 16 * 1024;         // beyond: 431
  std::size_t max_body_bytes = 1024 * 1024;         // beyond: 413
  std::chrono::milliseconds read_timeout{10'000};   // first to last byte of a request; then closed
  std::chrono::milliseconds idle_timeout{75'000};   // between requests; longer than a proxy's own
  std::chrono::milliseconds write_timeout{30'000};  // a response that nobody reads; then closed
  std::chrono::milliseconds drain_limit{10'000};    // see stop()
};

/// An HTTP/1.1 server: one thread parses and writes, a pool runs the handler. Requests of one
/// connection are answered in order.
class Server {
 public:
  /// Called on pool threads, several at once. Whatever it throws becomes a 500 without its text.
  using Handler = std::function<Response(const Request&)>;

  /// Listens when this returns. Errors are those of Listener::bind. `hub` may be null.
  static core::Result<Server> start(const ServerOptions& options, Handler handler,
                                    WsHub* hub = nullptr);

  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();  // stop()

  std::uint16_t port() const;

  /// Closes the port and idle connections, sends 1001 to WebSockets, finishes requests in flight
  /// for at most `drain_limit`, then cuts. Returns when all threads ended, which is as late as the
  /// last handler returns. Not from a handler. Safe to call again.
  void stop();

  struct Impl;  // for our own source files

 private:
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::net
