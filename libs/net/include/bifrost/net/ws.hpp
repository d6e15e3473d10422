// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bifrost::net {

/// What a client's message asks for.
struct WsCommand {
  enum class Kind { reply_only, subscribe, unsubscribe };
  Kind kind = Kind::reply_only;
  std::string topic{};
  std::string reply{};  // sent to that client, unless empty
};

/// Pushes texts to the WebSocket clients of a Server, by topic. Every message of a topic must stand
/// alone: a client that reads too slowly is sent only the latest one of each topic, and is closed
/// (code 1013) when it has not caught up for `drain_limit`. A page of another origin than the Host
/// header's is refused with 403.
///
/// Must outlive the Server it is given to. All functions are safe from any thread.
class WsHub {
 public:
  struct Options {
    std::string path = "/api/ws";
    /// Runs on the I/O thread: decides, nothing more; must not throw. Never sees more than
    /// `max_message_bytes` of UTF-8.
    std::function<WsCommand(std::string_view message)> parse;
    /// Runs on the pool when a client subscribes: the present state of the topic for that client,
    /// or nothing. Dropped if something newer was published to the client meanwhile.
    std::function<std::optional<std::string>(const std::string& topic)> present{};

    std::size_t max_message_bytes = 16 * 1024;
    std::size_t max_queue = 64;   // messages waiting for one client before they are conflated
    std::size_t max_topics = 32;  // of one client; one more closes it with 1008
    std::size_t send_buffer_bytes = 256 * 1024;       // of the kernel, per client
    std::chrono::milliseconds ping_interval{20'000};  // silent for two of these: closed
    std::chrono::milliseconds drain_limit{30'000};
  };

  explicit WsHub(Options options);
  ~WsHub();
  WsHub(const WsHub&) = delete;
  WsHub& operator=(const WsHub&) = delete;

  /// Queues the message for every client subscribed now. Costs next to nothing when there is none.
  void publish(const std::string& topic, std::string message);

  /// The topics that somebody is subscribed to, sorted.
  std::vector<std::string> topics() const;

  std::size_t clients() const;

  struct Impl;  // for our own source files

 private:
  friend class Server;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::net
