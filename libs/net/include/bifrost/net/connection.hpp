// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

namespace bifrost::net {

/// Ends a wait from another thread, once and for good. Must outlive every call it was given to.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  void raise() noexcept;

 private:
  friend class Connection;
  int fd_;
};

/// One TCP stream with blocking calls that give up at a deadline. TCP_NODELAY is on and a vanished
/// peer never raises SIGPIPE. One thread may read while another writes; shutdown() may come from
/// any third. Closed by its destructor, which must not run while another thread is inside a call.
class Connection {
 public:
  /// unavailable: unknown name, refused or unreachable; timeout: the deadline passed. The deadline
  /// bounds the connection attempts, not the system's name resolution (numeric addresses need
  /// none). cancelled: `interrupt` was raised.
  static core::Result<Connection> connect(const std::string& host, std::uint16_t port,
                                          core::Deadline deadline,
                                          const Interrupt* interrupt = nullptr);

  Connection(Connection&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), peer_(std::move(other.peer_)) {}
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  /// Waits for at least one byte and returns how many came; 0: the peer closed, or shutdown() was
  /// called. Bytes that are there already are returned even if the deadline has passed. timeout
  /// leaves the stream usable; unavailable (reset) does not. `into` must not be empty.
  core::Result<std::size_t> read_some(std::span<char> into, core::Deadline deadline);

  /// After any error an unknown part has been sent: close the connection then.
  core::Result<> write_all(std::string_view bytes, core::Deadline deadline);

  /// Ends both directions: blocked calls return at once, later ones too, and the peer sees the end.
  /// Safe from any thread and more than once.
  void shutdown() noexcept;

  /// Breaks the stream off: the peer sees a reset instead of an end, and what it has not been sent
  /// yet is lost. Otherwise as shutdown().
  void reset() noexcept;

  /// "127.0.0.1:53412", for logs.
  const std::string& peer() const { return peer_; }

 private:
  friend class Listener;
  Connection(int fd, std::string peer) : fd_(fd), peer_(std::move(peer)) {}
  int fd_ = -1;
  std::string peer_;
};

/// A listening TCP port.
class Listener {
 public:
  /// Port 0 takes any free one. An empty host is every IPv4 interface. conflict: the port is taken;
  /// unauthorized: a privileged port; unavailable: no such local address. Messages name port and
  /// remedy.
  static core::Result<Listener> bind(const std::string& host, std::uint16_t port);

  Listener(Listener&& other) noexcept : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();

  std::uint16_t port() const { return port_; }

  /// cancelled: close() was called, now or before.
  core::Result<Connection> accept(core::Deadline deadline);

  /// Frees the port; a blocked accept returns. Safe from any thread and more than once.
  void close() noexcept;

  /// Gives the listening descriptor away; the caller closes it.
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  Listener(int fd, std::uint16_t port) : fd_(fd), port_(port) {}
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace bifrost::net
