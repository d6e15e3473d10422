// SPDX-License-Identifier: Apache-2.0
#include "fault_relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace bifrost::test {

namespace {

constexpr std::size_t longest_tape = 256U << 10U;

int checked(int result, const char* what) {
  if (result < 0) throw std::runtime_error(std::string{what} + ": " + std::strerror(errno));
  return result;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Relay::Relay(std::uint16_t gateway_port, std::string database_socket)
    : gateway_target_(gateway_port), database_target_(std::move(database_socket)) {
  for (auto& door : doors_) {
    door.listener =
        checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "relay socket");
    auto address = loopback(0);
    checked(::bind(door.listener, reinterpret_cast<sockaddr*>(&address), sizeof address),
            "relay bind");
    checked(::listen(door.listener, 64), "relay listen");
    socklen_t size = sizeof address;
    checked(::getsockname(door.listener, reinterpret_cast<sockaddr*>(&address), &size),
            "relay name");
    door.port = ntohs(address.sin_port);
  }
  wake_ = checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "relay event");
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  stop_ = true;
  ::eventfd_write(wake_, 1);
  thread_.join();
  for (auto& pair : pairs_) {
    for (auto& side : pair->sides) ::close(side.fd);
  }
  for (auto& door : doors_) ::close(door.listener);
  ::close(wake_);
}

void Relay::kill_at(std::uint64_t byte, pid_t victim, Counts counts) {
  const std::lock_guard guard(mutex_);
  counts_ = counts;
  at_ = byte;
  victim_ = victim;
  cut_ = false;
  passed_ = 0;
  struck_ = false;
}

void Relay::cut_at(std::uint64_t byte) {
  const std::lock_guard guard(mutex_);
  counts_ = Counts::everything;
  at_ = byte;
  victim_ = -1;
  cut_ = true;
  passed_ = 0;
  struck_ = false;
}

std::string Relay::tape(std::size_t from) {
  const std::lock_guard guard(mutex_);
  return tapes_[from];
}

void Relay::let_in(Door door) {
  const int program =
      ::accept4(doors_[door].listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (program < 0) return;
  no_delay(program);
  const bool tcp = door == gateway;
  const int server = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = -1;
  if (tcp) {
    auto address = loopback(gateway_target_);
    connected = ::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address);
    no_delay(server);
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    database_target_.copy(address.sun_path, sizeof address.sun_path - 1);
    connected = ::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  if (connected != 0) {
    ::close(server);
    ::close(program);
    return;
  }
  auto pair = std::make_unique<Pair>();
  pair->door = door;
  pair->sides[0].fd = program;
  pair->sides[1].fd = server;
  pairs_.push_back(std::move(pair));
}

void Relay::strike() {
  // With the lock held.
  struck_ = true;
  if (victim_ > 0) ::kill(victim_, SIGKILL);
  if (victim_ > 0 || cut_) {
    for (auto& pair : pairs_) {
      pair->broken = counts_ == Counts::everything || pair->door == database;
    }
  }
}

void Relay::flush(Side& side, Pair& pair) {
  while (!side.waiting.empty()) {
    const auto sent =
        ::send(side.fd, side.waiting.data(), side.waiting.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) pair.broken = true;
      return;
    }
    side.waiting.erase(0, static_cast<std::size_t>(sent));
  }
}

void Relay::carry(Pair& pair, std::size_t from) {
  std::array<char, 65536> buffer;
  const auto got = ::recv(pair.sides[from].fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) pair.broken = true;
    return;
  }
  if (got == 0) {
    pair.sides[from].ended = true;
    return;
  }
  auto& to = pair.sides[1 - from];
  auto size = static_cast<std::uint64_t>(got);
  const std::lock_guard guard(mutex_);
  const bool counted = counts_ == Counts::everything || pair.door == database;
  const bool last = counted && at_ > 0 && !struck_ && passed_ + size >= at_;
  if (last) size = at_ - passed_;
  if (counted) passed_ += size;
  to.waiting.append(buffer.data(), size);
  if (recording_ && pair.door == gateway && tapes_[from].size() < longest_tape) {
    tapes_[from].append(buffer.data(), size);
  }
  flush(to, pair);
  if (last) strike();
}

void Relay::run() {
  std::vector<pollfd> watched;
  while (!stop_) {
    watched.clear();
    watched.push_back({wake_, POLLIN, 0});
    for (const auto& door : doors_) {
      watched.push_back({door.listener, POLLIN, 0});
    }
    for (const auto& pair : pairs_) {
      const bool silent = doors_[pair->door].silent;
      for (const auto& side : pair->sides) {
        const auto& other = pair->sides[&side == &pair->sides[0] ? 1 : 0];
        short events = 0;
        if (!silent && !side.ended && other.waiting.size() < 1U << 20U) events |= POLLIN;
        if (!side.waiting.empty()) events |= POLLOUT;
        watched.push_back({side.fd, events, 0});
      }
    }
    ::poll(watched.data(), watched.size(), 20);
    const auto known = pairs_.size();
    for (std::size_t p = 0; p < known; ++p) {
      auto& pair = *pairs_[p];
      for (std::size_t s = 0; s < 2; ++s) {
        const auto& event = watched[3 + 2 * p + s];
        if ((event.revents & POLLOUT) != 0) flush(pair.sides[s], pair);
        if ((event.events & POLLIN) != 0 && (event.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
          carry(pair, s);
        }
      }
    }
    for (std::size_t d = 0; d < doors_.size(); ++d) {
      if (watched[1 + d].revents == 0) continue;
      if (doors_[d].closed) {
        const int refused = ::accept4(doors_[d].listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (refused >= 0) ::close(refused);
      } else {
        let_in(static_cast<Door>(d));
      }
    }
    std::erase_if(pairs_, [&](const std::unique_ptr<Pair>& pair) {
      const bool done = pair->broken || doors_[pair->door].closed ||
                        (pair->sides[0].ended && pair->sides[1].waiting.empty()) ||
                        (pair->sides[1].ended && pair->sides[0].waiting.empty());
      if (done) {
        for (auto& side : pair->sides) ::close(side.fd);
      }
      return done;
    });
  }
}

}  // namespace bifrost::test
