// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "bifrost/ib/wire.hpp"
#include "bifrost/net/connection.hpp"

namespace bifrost::sim {

namespace wire = ib::wire;

/// The client's side of one conversation over a real socket. Every wait ends after ten seconds with
/// a failed test.
class GatewayClient {
 public:
  static core::Deadline soon() { return core::after(std::chrono::seconds{10}); }

  explicit GatewayClient(std::uint16_t port) : connection_(connect(port)) {}

  /// Connected, started and past the greeting.
  static GatewayClient ready(std::uint16_t port, int client_id = 1, int version = 178) {
    GatewayClient client(port);
    client.hello({.min = 163, .max = version});
    client.send(wire::StartApi{.client_id = client_id, .capabilities = {}});
    client.expect<wire::ManagedAccounts>();
    client.expect<wire::NextValidId>();
    for (;;) {
      const auto payload = client.next();
      if (!payload) throw std::runtime_error("the gateway closed in the middle of its greeting");
      const auto notice = wire::decode<wire::ErrorMessage>(wire::Fields{*payload}, client.version_);
      if (notice && notice->code == 2158) return client;  // the greeting's last
    }
  }

  /// The version agreed on; 0 when the gateway closed instead.
  int hello(wire::VersionRange range) {
    send_bytes(wire::encode_hello(range));
    const auto payload = next();
    if (!payload) return 0;
    const auto reply = wire::decode_hello_reply(wire::Fields{*payload});
    if (!reply) return 0;
    version_ = reply->server_version;
    return version_;
  }

  void send_bytes(std::string_view bytes) {
    ASSERT_TRUE(connection_.write_all(bytes, soon()).has_value());
  }

  template <class M>
  void send(const M& message) {
    send_bytes(wire::encode(message, version_));
  }

  /// The next payload; nothing at the end of the connection.
  std::optional<std::string> next() {
    for (;;) {
      const auto payload = frames_.next();
      if (!payload) return std::nullopt;
      if (*payload) return std::string{**payload};
      std::array<char, 8192> buffer;
      const auto got = connection_.read_some(buffer, soon());
      if (!got && got.error().code == core::Errc::timeout) ADD_FAILURE() << "the gateway is silent";
      reset_ = !got && got.error().code == core::Errc::unavailable;
      if (!got || *got == 0) return std::nullopt;
      received_.append(buffer.data(), *got);
      frames_.feed({buffer.data(), *got});
    }
  }

  /// Neither a byte nor the end of the connection.
  bool hears_nothing_for(std::chrono::milliseconds time) {
    std::array<char, 1> byte;
    const auto got = connection_.read_some(byte, core::after(time));
    return !got && got.error().code == core::Errc::timeout;
  }

  bool closed_by_gateway() { return !next().has_value(); }

  /// The next message, which must be an M.
  template <class M>
  M expect() {
    const auto payload = next();
    if (!payload) {
      ADD_FAILURE() << "connection closed";
      return M{};
    }
    const wire::Fields fields{*payload};
    const auto message = wire::decode<M>(fields, version_);
    if (!message) {
      ADD_FAILURE() << "unexpected message: " << printable(*payload);
      return M{};
    }
    return *message;
  }

  /// All payloads up to and with the first one whose id is `last`.
  std::vector<std::string> until(wire::Reply last) {
    std::vector<std::string> all;
    for (;;) {
      auto payload = next();
      if (!payload) {
        ADD_FAILURE() << "connection closed";
        return all;
      }
      all.push_back(std::move(*payload));
      if (wire::Fields{all.back()}.id() == static_cast<int>(last)) return all;
    }
  }

  /// Messages of one kind among payloads.
  template <class M>
  std::vector<M> only(const std::vector<std::string>& payloads) const {
    std::vector<M> found;
    for (const auto& payload : payloads) {
      const wire::Fields fields{payload};
      if (fields.id() != static_cast<int>(M::id)) continue;
      if (const auto m = wire::decode<M>(fields, version_)) found.push_back(*m);
    }
    return found;
  }

  /// The end was a reset, not an orderly one.
  bool was_reset() const { return reset_; }
  wire::FrameProblem problem() const { return frames_.problem(); }

  const std::string& received() const { return received_; }

  static std::string printable(std::string text) {
    for (auto& c : text) {
      if (c == '\0') c = '|';
    }
    return text;
  }

 private:
  /// Where descriptors are scarce, accept() itself holds the last one for an instant: tried again.
  static net::Connection connect(std::uint16_t port) {
    const auto deadline = soon();
    for (;;) {
      auto connection = net::Connection::connect("127.0.0.1", port, deadline);
      if (connection) return *std::move(connection);
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error(connection.error().message);
    }
  }

  net::Connection connection_;
  wire::FrameReader frames_;
  int version_ = 178;
  bool reset_ = false;
  std::string received_;
};

}  // namespace bifrost::sim
