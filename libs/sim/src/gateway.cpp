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
#include "playback.hpp"
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
// How often a gateway with a fault script looks whether something is due.
constexpr auto weather_interval = 20ms;
// Each has two threads.
constexpr std::size_t max_clients = 64;

}  // namespace

struct Gateway::Impl {
  /// One connection with a thread for each direction, so that a slow reader delays nobody else.
  struct Client {
    Client(net::Connection c, std::unique_ptr<Conversation> talk)
        : connection(std::move(c)), session(std::move(talk)) {}

    net::Connection connection;
    // Below: under the lock.
    std::unique_ptr<Conversation> session;
    std::string outbox;
    bool closing = false;
    bool reset = false;  // ends broken off
    bool bytewise = false;
    bool finished = false;  // both threads are past their last look at this client
    std::condition_variable wake;
    std::thread reader;
    std::thread writer;
  };

  Impl(Market& market, const core::Clock& clock, GatewayOptions o, Script script, Account account,
       net::Listener l)
      : options(std::move(o)),
        floor(market, clock, options, std::move(script), std::move(account)),
        listener(std::move(l)),
        port(listener.port()) {}

  GatewayOptions options;
  std::mutex lock;
  std::unique_ptr<Market> own_market;  // of a playback: nothing is ever asked of it
  std::optional<PlaybackState> playback;
  Floor floor;
  net::Listener listener;  // replaced and closed with the lock held
  const std::uint16_t port;
  std::list<Client> clients;
  bool stopping = false;
  bool refusing = false;
  std::condition_variable stop_called;
  std::thread acceptor;
  std::thread watcher;  // only with a fault script

  // Everything below with `lock` held.

  void post(Client& client) {
    client.outbox += client.session->take_output();
    client.bytewise = client.session->bytewise();
    if (client.outbox.size() > max_waiting_bytes && !client.closing) {
      core::log::warning("{} does not read, closing it", client.connection.peer());
      client.outbox.clear();
      close(client);
      client.connection.shutdown();
    }
    if (client.session->ending() != Outlet::Ending::none && !client.closing) {
      client.reset = client.session->ending() == Outlet::Ending::reset;
      close(client);
    }
    if (!client.outbox.empty()) client.wake.notify_all();
  }

  static void close(Client& client) {
    client.closing = true;
    client.wake.notify_all();
  }

  void catch_up() {
    floor.now = {.simulated = floor.clock.now(), .real = std::chrono::steady_clock::now()};
    const bool moved = floor.now.simulated != floor.market.now();
    if (moved) floor.market.advance_to(floor.now.simulated);
    const bool weather = floor.weather.scripted() && floor.weather.tick(floor.now);
    if (weather) spread();
    if (!moved && !watched()) return;
    for (auto& client : clients) {
      if (!client.session || client.closing) continue;
      const bool stays = client.session->time_passed();
      if (moved || weather) client.session->market_moved();
      post(client);
      if (!stays) close(client);
    }
  }

  void spread_on() {
    spread();
    for (auto& client : clients) {
      if (client.session && !client.closing) post(client);
    }
  }

  /// Lets the weather's doings reach the clients and the port.
  void spread() {
    for (const auto& blow : floor.weather.take_blows()) {
      for (auto& client : clients) {
        if (client.session && !client.closing) client.session->suffer(blow);
      }
    }
    floor.rate.set_limit(floor.weather.rate(options.max_messages_per_second));
    if (floor.weather.closes_all()) {
      for (auto& client : clients) {
        if (client.session) post(client);
        close(client);
      }
    }
    const bool refuses = floor.weather.refusing();
    if (refuses == refusing) return;
    refusing = refuses;
    if (refusing) listener.close();
    stop_called.notify_all();
  }

  // Threads.

  void read(Client& client) {
    const auto started = std::chrono::steady_clock::now();
    std::array<char, 16384> buffer;
    bool patient = false;
    for (;;) {
      const auto deadline = patient ? core::after(idle_wait) : started + options.start_wait;
      const auto got = client.connection.read_some(buffer, deadline);
      const std::lock_guard guard(lock);
      if (client.closing) break;
      patient = client.session->ready() || client.session->stalled();
      if (!got) {
        if (got.error().code == core::Errc::timeout && patient) continue;
        if (got.error().code == core::Errc::timeout) {
          core::log::info("{} did not start the API in time", client.connection.peer());
        }
        break;
      }
      if (*got == 0) break;
      catch_up();
      if (client.closing) break;
      const bool stay = client.session->receive({buffer.data(), *got});
      post(client);
      // What the request has set off is for every client.
      if (floor.weather.scripted()) spread_on();
      if (!stay) break;
      patient = client.session->ready() || client.session->stalled();
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
      const std::size_t piece = client.bytewise ? 1 : bytes.size();
      guard.unlock();
      core::Result<> sent;
      for (std::size_t at = 0; sent && at < bytes.size(); at += piece) {
        sent = client.connection.write_all(std::string_view{bytes}.substr(at, piece),
                                           core::after(write_wait));
      }
      guard.lock();
      if (!sent) break;
    }
    // Frees the client id and the lines: a client that comes back must find them free once it has
    // seen the end of this connection.
    client.closing = true;
    client.session.reset();
    const bool reset = client.reset;
    guard.unlock();
    if (reset) {
      client.connection.reset();
    } else {
      client.connection.shutdown();
    }
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
      if (connection && !refusing) {
        serve(*std::move(connection), guard);
      } else if (connection) {
        core::log::info("{} is closed: the script refuses connections", connection->peer());
      } else if (connection.error().code == core::Errc::cancelled) {
        if (!listen_again(guard)) return;
      } else if (connection.error().code != core::Errc::timeout) {
        // Out of descriptors, say: that passes, and a connection that waits is served then.
        core::log::warning("no client can be accepted just now: {}", connection.error().message);
        if (stop_called.wait_for(guard, accept_pause, [this] { return stopping; })) return;
      }
    }
  }

  /// Opens the port again when the script's refusal is over. False: the gateway stops.
  bool listen_again(std::unique_lock<std::mutex>& guard) {
    for (;;) {
      stop_called.wait(guard, [this] { return stopping || !refusing; });
      if (stopping) return false;
      auto fresh = net::Listener::bind(options.host, port);
      if (fresh) {
        listener = *std::move(fresh);
        return true;
      }
      core::log::warning("the port cannot be opened again just now: {}", fresh.error().message);
      if (stop_called.wait_for(guard, accept_pause, [this] { return stopping; })) return false;
    }
  }

  void watch() {
    std::unique_lock guard(lock);
    while (!stop_called.wait_for(guard, weather_interval, [this] { return stopping; })) catch_up();
  }

  std::unique_ptr<Conversation> converse() {
    if (playback) return std::make_unique<Playback>(floor, *playback);
    return std::make_unique<Session>(floor);
  }

  bool watched() const { return floor.weather.scripted() || playback.has_value(); }

  /// Starts a client's threads, or closes the connection.
  void serve(net::Connection connection, std::unique_lock<std::mutex>& guard) {
    if (clients.size() >= max_clients) {
      core::log::warning("{} is closed: {} clients are served already", connection.peer(),
                         clients.size());
      return;
    }
    auto& client = clients.emplace_back(std::move(connection), converse());
    const auto place = std::prev(clients.end());
    catch_up();
    client.session->connected();
    post(client);
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

namespace {

core::Result<> check_versions(const GatewayOptions& options) {
  if (options.min_version < ib::wire::min_version || options.max_version > ib::wire::max_version ||
      options.min_version > options.max_version) {
    return core::fail(
        core::Errc::invalid_input,
        fmt::format("server versions {} to {} are not within {} to {}", options.min_version,
                    options.max_version, ib::wire::min_version, ib::wire::max_version));
  }
  return {};
}

/// The market of a playback.
class EmptyMarket final : public Market {
 public:
  void advance_to(core::Instant t) override { now_ = t; }
  core::Instant now() const override { return now_; }
  std::uint64_t revision() const override { return 1; }
  std::span<const Underlying> underlyings() const override { return {}; }
  std::span<const ListedOption> options(int) const override { return {}; }
  const ListedOption* find_option(int) const override { return nullptr; }
  OptionState option_state(int) const override { return {}; }
  UnderlyingState underlying_state(int) const override { return {}; }
  std::optional<Carry> carry(int) const override { return std::nullopt; }
  std::vector<DailyBar> daily_bars(int, BarKind, std::size_t) const override { return {}; }

 private:
  core::Instant now_{};
};

}  // namespace

core::Result<std::unique_ptr<Gateway>> Gateway::start(Market& market, const core::Clock& clock,
                                                      GatewayOptions options) {
  BF_CHECK(check_versions(options));
  BF_TRY(auto script, parse_script(options.fault_script, options.fault_script_name));
  Account account;
  market.advance_to(clock.now());
  if (options.account_file.empty()) {
    account = default_account(market);
  } else {
    BF_TRY(account, parse_account(options.account_file, options.account_file_name));
  }
  BF_TRY(auto listener, net::Listener::bind(options.host, options.port));
  auto impl = std::make_unique<Impl>(market, clock, std::move(options), std::move(script),
                                     std::move(account), std::move(listener));
  return open(std::move(impl));
}

core::Result<std::unique_ptr<Gateway>> Gateway::play(const std::filesystem::path& frames,
                                                     const core::Clock& clock,
                                                     GatewayOptions options) {
  BF_TRY(auto recorded, Frames::load(frames));
  core::log::info("playing back {} requests of {} sessions, {} to {}", recorded.requests,
                  recorded.sessions.size(), core::to_iso(recorded.first),
                  core::to_iso(recorded.last));
  if (recorded.lost > 0) core::log::warning("the recorder had lost {} frames", recorded.lost);
  BF_TRY(auto listener, net::Listener::bind(options.host, options.port));
  auto market = std::make_unique<EmptyMarket>();
  auto impl = std::make_unique<Impl>(*market, clock, std::move(options), Script{}, Account{},
                                     std::move(listener));
  impl->own_market = std::move(market);
  impl->playback.emplace(std::move(recorded));
  return open(std::move(impl));
}

core::Result<Gateway::RecordedSpan> Gateway::recorded_span(const std::filesystem::path& frames) {
  BF_TRY(const auto recorded, Frames::load(frames));
  return RecordedSpan{.first = recorded.first, .last = recorded.last};
}

std::unique_ptr<Gateway> Gateway::open(std::unique_ptr<Impl> impl) {
  auto* raw = impl.get();
  raw->floor.now = {.simulated = raw->floor.clock.now(), .real = std::chrono::steady_clock::now()};
  raw->floor.market.advance_to(raw->floor.now.simulated);
  raw->floor.weather.begin(raw->floor.now);
  raw->catch_up();
  raw->acceptor = std::thread([raw] { raw->accept(); });
  if (raw->watched()) raw->watcher = std::thread([raw] { raw->watch(); });
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

std::uint16_t Gateway::port() const {
  return impl_->port;
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
    impl_->listener.close();
  }
  impl_->acceptor.join();
  if (impl_->watcher.joinable()) impl_->watcher.join();
  for (auto& client : impl_->clients) client.writer.join();
}

}  // namespace bifrost::sim
