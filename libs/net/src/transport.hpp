// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "bifrost/net/pool.hpp"
#include "bifrost/net/ws.hpp"

// What server.cpp and ws.cpp share. Asio and Beast go no further.
namespace bifrost::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
// The plain executor: any_io_executor costs an indirection per call and seconds per file.
using Socket = asio::basic_stream_socket<Tcp, asio::io_context::executor_type>;
using Time = std::chrono::steady_clock::time_point;
using HttpRequest = http::request<http::string_body>;

class WsClient;

/// The I/O thread's side of the hub. Functions without a remark run on that thread only.
struct WsHub::Impl {
  explicit Impl(Options o) : options(std::move(o)) {}

  // Before that thread starts. `emptied` is called when the last client has gone.
  void attach(asio::io_context& context, Pool& workers, std::function<void()> emptied);
  void detach();  // after that thread ended
  void accept(Socket socket, HttpRequest request);
  void tick(Time now);
  void close_all();
  std::size_t open() const { return connected.size(); }

  void publish(const std::string& topic, std::string message);  // any thread
  // False when nobody can be asked for the present state.
  [[nodiscard]] bool subscribed(std::uint64_t client, const std::string& topic);
  void unsubscribed(const std::string& topic);
  void remove(WsClient& client);

  const Options options;

  // I/O thread
  std::map<std::uint64_t, std::shared_ptr<WsClient>> connected;
  std::uint64_t next_id = 1;
  std::function<void()> on_empty;

  // any thread, under the mutex
  mutable std::mutex mutex;
  asio::io_context* io = nullptr;
  Pool* pool = nullptr;
  std::map<std::string, std::size_t, std::less<>> subscribers;
  std::size_t client_count = 0;
};

}  // namespace bifrost::net
