// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/connection.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <system_error>

namespace bifrost::net {
namespace {

using core::Deadline;
using core::Errc;
using core::Result;

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string reason(int error) {
  return std::system_category().message(error);
}

Result<Addresses> resolve(const std::string& host, std::uint16_t port, bool to_listen) {
  addrinfo hints{};
  hints.ai_family = to_listen && host.empty() ? AF_INET : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const std::string service = std::to_string(port);
  const int rc =
      ::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &list);
  if (rc != 0) {
    return core::fail(Errc::unavailable,
                      fmt::format("look up host '{}': {}", host, ::gai_strerror(rc)));
  }
  return Addresses{list};
}

std::string to_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return fmt::format("{}:{}", text, ntohs(v4.sin_port));
}

std::uint16_t local_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    return ntohs(v6.sin6_port);
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Waits until the descriptor is ready for `events` (or in error, which the next call on it
// reports).
Result<> wait_for(int fd, short events, Deadline deadline, std::string_view what,
                  int interrupt = -1) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto wait = std::clamp<std::int64_t>(left.count(), 0, INT_MAX);
    // A negative descriptor is one that poll passes over.
    pollfd entries[]{{.fd = fd, .events = events, .revents = 0},
                     {.fd = interrupt, .events = POLLIN, .revents = 0}};
    const int rc = ::poll(entries, 2, static_cast<int>(wait));
    if (rc > 0 && entries[1].revents != 0) {
      return core::fail(Errc::cancelled, fmt::format("{}: interrupted", what));
    }
    if (rc > 0) return {};
    if (rc < 0 && errno != EINTR) {
      return core::fail(Errc::unavailable, fmt::format("{}: {}", what, reason(errno)));
    }
    if (rc == 0 && left.count() <= INT_MAX) {
      return core::fail(Errc::timeout, fmt::format("{}: the deadline passed", what));
    }
  }
}

}  // namespace

Interrupt::Interrupt() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) core::panic("the system gives no eventfd: " + reason(errno));
}

Interrupt::~Interrupt() {
  ::close(fd_);
}

void Interrupt::raise() noexcept {
  // Fails only when it is raised already.
  (void)::eventfd_write(fd_, 1);
}

Result<Connection> Connection::connect(const std::string& host, std::uint16_t port,
                                       Deadline deadline, const Interrupt* interrupt) {
  const std::string what = fmt::format("connect to {}:{}", host, port);
  BF_TRY(const auto addresses, resolve(host, port, false));
  core::Error last{Errc::unavailable, what + ": no address", std::source_location::current()};
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Socket socket{::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (socket.get() < 0) {
      last.message = fmt::format("{}: {}", what, reason(errno));
      continue;
    }
    no_delay(socket.get());
    if (::connect(socket.get(), at->ai_addr, at->ai_addrlen) != 0) {
      if (errno != EINPROGRESS && errno != EINTR) {
        last.message = fmt::format("{}: {}", what, reason(errno));
        continue;
      }
      BF_CHECK(wait_for(socket.get(), POLLOUT, deadline, what,
                        interrupt == nullptr ? -1 : interrupt->fd_));
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        last.message = fmt::format("{}: {}", what, reason(error));
        continue;
      }
    }
    sockaddr_storage address{};
    std::memcpy(&address, at->ai_addr, std::min<std::size_t>(at->ai_addrlen, sizeof address));
    return Connection{socket.release(), to_text(address)};
  }
  return tl::unexpected{std::move(last)};
}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    peer_ = std::move(other.peer_);
  }
  return *this;
}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> Connection::read_some(std::span<char> into, Deadline deadline) {
  if (into.empty()) core::panic("read into an empty buffer: 0 would mean the end");
  for (;;) {
    const auto n = ::recv(fd_, into.data(), into.size(), 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return core::fail(Errc::unavailable, fmt::format("read from {}: {}", peer_, reason(errno)));
    }
    BF_CHECK(wait_for(fd_, POLLIN, deadline, "read from " + peer_));
  }
}

Result<> Connection::write_all(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return core::fail(Errc::unavailable, fmt::format("write to {}: {}", peer_, reason(errno)));
    }
    BF_CHECK(wait_for(fd_, POLLOUT, deadline, "write to " + peer_));
  }
  return {};
}

void Connection::shutdown() noexcept {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void Connection::reset() noexcept {
  if (fd_ < 0) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  // Dissolving the association sends the reset now; closing the descriptor would race with a thread
  // inside a call. Not through connect(), which ThreadSanitizer takes for the making of a
  // descriptor that no other thread may know.
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  if (::syscall(SYS_connect, fd_, &nobody, sizeof nobody) != 0) ::shutdown(fd_, SHUT_RDWR);
}

Result<Listener> Listener::bind(const std::string& host, std::uint16_t port) {
  BF_TRY(const auto addresses, resolve(host, port, true));
  // "localhost" means both families; older clients of ours say 127.0.0.1, so that one is preferred.
  const addrinfo* chosen = addresses.get();
  for (const addrinfo* at = chosen; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      chosen = at;
      break;
    }
  }
  const std::string where = fmt::format("{}:{}", host.empty() ? "0.0.0.0" : host, port);
  Socket socket{::socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (socket.get() < 0) {
    return core::fail(Errc::unavailable, fmt::format("listen on {}: {}", where, reason(errno)));
  }
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), chosen->ai_addr, chosen->ai_addrlen) != 0 ||
      ::listen(socket.get(), 512) != 0) {
    const int error = errno;
    if (error == EADDRINUSE) {
      return core::fail(Errc::conflict,
                        fmt::format("port {} on {} is taken by another program; hint: stop it "
                                    "(`ss -ltnp 'sport = :{}'` names it) or choose another port",
                                    port, host.empty() ? "0.0.0.0" : host, port));
    }
    if (error == EACCES || error == EPERM) {
      return core::fail(Errc::unauthorized,
                        fmt::format("port {} may only be opened by root; hint: choose a port from "
                                    "1024 up, or grant CAP_NET_BIND_SERVICE",
                                    port));
    }
    return core::fail(Errc::unavailable,
                      fmt::format("listen on {}: {}; hint: the address must belong to this machine",
                                  where, reason(error)));
  }
  const std::uint16_t bound = local_port(socket.get());
  return Listener{socket.release(), bound};
}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    port_ = other.port_;
  }
  return *this;
}

Listener::~Listener() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Connection> Listener::accept(Deadline deadline) {
  const std::string what = fmt::format("accept on port {}", port_);
  for (;;) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd =
        ::accept4(fd_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      no_delay(fd);
      return Connection{fd, to_text(address)};
    }
    // A listening socket that was shut down answers EINVAL for ever.
    if (errno == EINVAL) return core::fail(Errc::cancelled, what + ": the listener was closed");
    // The peer left between its connect and our accept.
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return core::fail(Errc::unavailable, fmt::format("{}: {}", what, reason(errno)));
    }
    BF_CHECK(wait_for(fd_, POLLIN, deadline, what));
  }
}

void Listener::close() noexcept {
  // The descriptor itself lives until the destructor: closing it here would race with accept().
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace bifrost::net
