// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/listen.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/log.hpp"
#include "notice.hpp"
#include "pg.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;
using namespace std::chrono_literals;

constexpr auto first_back_off = 100ms;
constexpr auto longest_back_off = 5'000ms;
constexpr auto connect_limit = 5s;

}  // namespace

std::string notice_payload(const Notice& notice) {
  return fmt::format(R"({{"underlying":"{}","as_of":"{}"}})", notice.underlying,
                     core::to_iso(notice.as_of));
}

std::optional<Notice> parse_notice(std::string_view payload) {
  constexpr std::string_view head = R"({"underlying":")";
  constexpr std::string_view middle = R"(","as_of":")";
  constexpr std::string_view tail = R"("})";
  const auto at = payload.find(middle);
  if (!payload.starts_with(head) || !payload.ends_with(tail) || at == std::string_view::npos ||
      at < head.size() || payload.size() < at + middle.size() + tail.size()) {
    return std::nullopt;
  }
  const auto symbol = payload.substr(head.size(), at - head.size());
  auto as_of = payload.substr(at + middle.size());
  as_of.remove_suffix(tail.size());
  const auto instant = core::parse_instant(as_of);
  if (!core::is_symbol(symbol) || !instant) return std::nullopt;
  return Notice{std::string(symbol), *instant};
}

struct Listener::Impl {
  std::string url;
  int stopped = -1;  // an eventfd; readable for ever once stop() was called
  std::optional<pg::Connection> connection;
  std::deque<std::variant<Notice, Gap>> waiting;
  std::chrono::milliseconds back_off{0};
  Deadline next_attempt{};

  ~Impl() {
    if (stopped >= 0) close(stopped);
  }

  Result<void> connect(Deadline deadline) {
    BF_TRY(auto made, pg::Connection::connect(url, "bifrost listener", 30s, deadline));
    BF_CHECK(made.query("LISTEN bifrost_snapshot", deadline));
    connection = std::move(made);
    return {};
  }

  /// Waits until `socket` (if any) is readable or the deadline has come. `cancelled` after stop().
  Result<void> sleep(int socket, Deadline deadline) const {
    pollfd watched[] = {{.fd = stopped, .events = POLLIN, .revents = 0},
                        {.fd = socket, .events = POLLIN, .revents = 0}};
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      const int ready =
          poll(watched, 2, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
      if (watched[0].revents != 0) return fail(Errc::cancelled, "the listener was stopped");
      if (ready > 0 || std::chrono::steady_clock::now() >= deadline) return {};
      if (ready < 0 && errno != EINTR)
        return fail(Errc::unavailable, "cannot wait for the database");
    }
  }

  Result<void> reconnect(Deadline deadline) {
    for (;;) {
      BF_CHECK(sleep(-1, std::min(deadline, next_attempt)));
      if (next_attempt > deadline) return fail(Errc::unavailable, "the database is away");
      auto made = connect(std::min(deadline, core::after(connect_limit)));
      if (made) {
        back_off = 0ms;
        waiting.emplace_back(Gap{});
        return {};
      }
      back_off =
          std::clamp<std::chrono::milliseconds>(back_off * 2, first_back_off, longest_back_off);
      next_attempt = core::after(back_off);
      if (std::chrono::steady_clock::now() >= deadline) {
        return fail(Errc::unavailable, std::move(made).error().message);
      }
    }
  }

  void take(std::vector<pg::Notification> notifications) {
    for (auto& notification : notifications) {
      if (auto notice = parse_notice(notification.payload)) {
        waiting.emplace_back(*std::move(notice));
      } else {
        core::log::warning("a notification on {} that is not ours was ignored",
                           notification.channel);
      }
    }
  }
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Result<Listener> Listener::open(std::string url, Deadline deadline) {
  auto impl = std::make_unique<Impl>();
  impl->url = std::move(url);
  impl->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl->stopped < 0)
    return fail(Errc::unavailable, "the listener cannot get a file descriptor");
  BF_CHECK(impl->connect(deadline));
  return Listener(std::move(impl));
}

Result<std::optional<std::variant<Notice, Gap>>> Listener::wait(Deadline deadline) {
  auto& self = *impl_;
  BF_CHECK(self.sleep(-1, std::chrono::steady_clock::now()));  // stopped?
  for (;;) {
    if (!self.waiting.empty()) {
      auto event = std::move(self.waiting.front());
      self.waiting.pop_front();
      return event;
    }
    if (!self.connection) BF_CHECK(self.reconnect(deadline));
    if (!self.waiting.empty()) continue;
    auto taken = self.connection->take_notifications();
    if (!taken) {
      self.connection.reset();
      continue;
    }
    self.take(*std::move(taken));
    if (!self.waiting.empty()) continue;
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    BF_CHECK(self.sleep(self.connection->socket(), deadline));
  }
}

void Listener::stop() {
  const std::uint64_t one = 1;
  static_cast<void>(!write(impl_->stopped, &one, sizeof one));
}

}  // namespace bifrost::store
