// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/gateway.hpp"

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "bifrost/core/log.hpp"
#include "bifrost/ib/wire.hpp"
#include "bifrost/net/connection.hpp"
#include "session.hpp"

namespace bifrost::sim {
namespace {

using namespace std::chrono_literals;

// A client that has stopped reading is dropped when this much waits for it.
constexpr std::size_t max_waiting_bytes = 64U << 20U;
constexpr auto write_wait = 30s;
// How long a thread sleeps in a call that shutdown() or close() would end sooner.
constexpr auto idle_wait = 1s;
// How long accepting rests after the system refused a connection.
constexpr auto accept_pause = 200ms;
// Each has two threads.
constexpr std::size_t max_clients = 64;

}  // namespace

struct Gateway::Impl {
  /// One connection with a thread for each direction, so that a slow reader delays nobody else.
  struct Client {
    Client(net::Connection c, Floor& floor)
        : connection(std::move(c)), session(std::in_place, floor) {}

    net::Connection connection;
    // Below: under the lock.
    std::optional<Session> session;
    std::string outbox;
    bool closing = false;
    bool finished = false;  // both threads are past their last look at this client
    std::condition_variable wake;
    std::thread reader;
    std::thread writer;
  };

  Impl(Market& market, const core::Clock& clock, GatewayOptions o, net::Listener l)
      : options(std::move(o)), floor(market, clock, options), listener(std::move(l)) {}

  GatewayOptions options;
  std::mutex lock;
  Floor floor;
  net::Listener listener;
  std::list<Client> clients;
  bool stopping = false;
  std::condition_variable stop_called;
  std::thread acceptor;

  // Everything below with `lock` held.

  void post(Client& client) {
    client.outbox += client.session->take_output();
    if (client.outbox.size() > max_waiting_bytes && !client.closing) {
      core::log::warning("{} does not read, closing it", client.connection.peer());
      client.outbox.clear();
      close(client);
      client.connection.shutdown();
    }
    if (!client.outbox.empty()) client.wake.notify_all();
  }

  static void close(Client& client) {
    client.closing = true;
    client.wake.notify_all();
  }

  void catch_up() {
    const auto now = floor.clock.now();
    if (now == floor.market.now()) return;
    floor.market.advance_to(now);
    for (auto& client : clients) {
      if (!client.session || client.closing) continue;
      client.session->market_moved();
      post(client);
    }
  }

  // Threads.

  void read(Client& client) {
    const auto started = std::chrono::steady_clock::now();
    std::array<char, 16384> buffer;
    bool ready = false;
    for (;;) {
      const auto deadline = ready ? core::after(idle_wait) : started + options.start_wait;
      const auto got = client.connection.read_some(buffer, deadline);
      const std::lock_guard guard(lock);
      if (client.closing) break;
      if (!got) {
        if (got.error().code == core::Errc::timeout && ready) continue;
        if (got.error().code == core::Errc::timeout) {
          core::log::info("{} did not start the API in time", client.connection.peer());
        }
        break;
      }
      if (*got == 0) break;
      catch_up();
      const bool stay =
          client.session->receive({buffer.data(), *got}, std::chrono::steady_clock::now());
      post(client);
      if (!stay) break;
      ready = client.session->ready();
    }
    const std::lock_guard guard(lock);
    close(client);
  }

  void write(Client& client) {
    std::unique_lock guard(lock);
    for (;;) {
      client.wake.wait(guard, [&] { return client.closing || !client.outbox.empty(); });
      if (client.outbox.empty()) break;
      const auto bytes = std::exchange(client.outbox, {});
      guard.unlock();
      const auto sent = client.connection.write_all(bytes, core::after(write_wait));
      guard.lock();
      if (!sent) break;
    }
    // Frees the client id and the lines: a client that comes back must find them free once it has
    // seen the end of this connection.
    client.closing = true;
    client.session.reset();
    guard.unlock();
    client.connection.shutdown();
    client.reader.join();
    guard.lock();
    client.finished = true;
  }

  void reap() {
    std::list<Client> done;
    {
      const std::lock_guard guard(lock);
      for (auto it = clients.begin(); it != clients.end();) {
        const auto here = it++;
        if (here->finished) done.splice(done.end(), clients, here);
      }
    }
    for (auto& client : done) client.writer.join();
  }

  void accept() {
    for (;;) {
      auto connection = listener.accept(core::after(idle_wait));
      reap();
      std::unique_lock guard(lock);
      if (stopping) return;
      if (connection) {
        serve(*std::move(connection), guard);
      } else if (connection.error().code == core::Errc::cancelled) {
        return;
      } else if (connection.error().code != core::Errc::timeout) {
        // Out of descriptors, say: that passes, and a connection that waits is served then.
        core::log::warning("no client can be accepted just now: {}", connection.error().message);
        if (stop_called.wait_for(guard, accept_pause, [this] { return stopping; })) return;
      }
    }
  }

  /// Starts a client's threads, or closes the connection.
  void serve(net::Connection connection, std::unique_lock<std::mutex>& guard) {
    if (clients.size() >= max_clients) {
      core::log::warning("{} is closed: {} clients are served already", connection.peer(),
                         clients.size());
      return;
    }
    auto& client = clients.emplace_back(std::move(connection), floor);
    const auto place = std::prev(clients.end());
    try {
      client.reader = std::thread([this, &client] { read(client); });
      client.writer = std::thread([this, &client] { write(client); });
    } catch (const std::system_error& error) {
      core::log::warning("{} is closed: {}", client.connection.peer(), error.what());
      close(client);
      client.connection.shutdown();
      guard.unlock();
      if (client.reader.joinable()) client.reader.join();
      guard.lock();
      clients.erase(place);
    }
  }
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() {
  stop();
}

core::Result<std::unique_ptr<Gateway>> Gateway::start(Market& market, const core::Clock& clock,
                                                      GatewayOptions options) {
  if (options.min_version < ib::wire::min_version || options.max_version > ib::wire::max_version ||
      options.min_version > options.max_version) {
    return core::fail(
        core::Errc::invalid_input,
        fmt::format("server versions {} to {} are not within {} to {}", options.min_version,
                    options.max_version, ib::wire::min_version, ib::wire::max_version));
  }
  BF_TRY(auto listener, net::Listener::bind(options.host, options.port));
  auto impl = std::make_unique<Impl>(market, clock, std::move(options), std::move(listener));
  auto* raw = impl.get();
  raw->floor.market.advance_to(clock.now());
  raw->acceptor = std::thread([raw] { raw->accept(); });
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

std::uint16_t Gateway::port() const {
  return impl_->listener.port();
}

void Gateway::step() {
  const std::lock_guard guard(impl_->lock);
  impl_->catch_up();
}

void Gateway::stop() {
  {
    const std::lock_guard guard(impl_->lock);
    if (impl_->stopping) return;
    impl_->stopping = true;
    impl_->stop_called.notify_all();
    for (auto& client : impl_->clients) {
      client.outbox.clear();
      Impl::close(client);
      client.connection.shutdown();
    }
  }
  impl_->listener.close();
  impl_->acceptor.join();
  for (auto& client : impl_->clients) client.writer.join();
}

}  // namespace bifrost::sim
