// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bifrost/net/connection.hpp"

// A deliberately plain HTTP and WebSocket client over Connection, independent of the code under
// test.
namespace bifrost::net::testing {

using namespace std::chrono_literals;

struct Reply {
  int status = 0;
  std::string head;  // lower case names as sent
  std::string body;

  std::string header(std::string_view name) const {
    const auto at = head.find("\r\n" + std::string{name} + ": ");
    if (at == head.npos) return {};
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class Client {
 public:
  explicit Client(std::uint16_t port)
      : connection_(Connection::connect("127.0.0.1", port, core::after(5s)).value()) {}

  bool send(std::string_view bytes) {
    return connection_.write_all(bytes, core::after(10s)).has_value();
  }

  // False at the end of the stream, on a reset and after the wait.
  bool fill(std::chrono::milliseconds wait = 10s) {
    std::array<char, 65536> buffer;
    const auto n = connection_.read_some(buffer, core::after(wait));
    if (!n || *n == 0) return false;
    in_.append(buffer.data(), *n);
    return true;
  }

  // True when the server ends the stream within `wait`, with whatever comes before.
  bool closed_within(std::chrono::milliseconds wait) {
    const auto deadline = core::after(wait);
    std::array<char, 65536> buffer;
    for (;;) {
      const auto n = connection_.read_some(buffer, deadline);
      if (!n) return n.error().code != core::Errc::timeout;
      if (*n == 0) return true;
    }
  }

  Reply receive(bool bodiless = false) {
    Reply reply;
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == in_.npos) {
      if (!fill()) return reply;
    }
    reply.head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    std::from_chars(reply.head.data() + 9, reply.head.data() + 12, reply.status);
    const auto length = reply.header("content-length");
    if (bodiless || length.empty()) return reply;
    const std::size_t n = std::stoul(length);
    while (in_.size() < n && fill()) {
    }
    if (in_.size() < n) return reply;
    reply.body = in_.substr(0, n);
    in_.erase(0, n);
    return reply;
  }

  Reply get(std::string_view target, std::string_view more_headers = "") {
    send("GET " + std::string{target} + " HTTP/1.1\r\nHost: test\r\n" + std::string{more_headers} +
         "\r\n");
    return receive();
  }

  Reply post(std::string_view target, std::string_view body,
             std::string_view type = "application/json") {
    send("POST " + std::string{target} +
         " HTTP/1.1\r\nHost: test\r\nContent-Type: " + std::string{type} +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body});
    return receive();
  }

  // RFC 6455 1.3 uses this very key and answer.
  Reply upgrade(std::string_view path, std::string_view more_headers = "") {
    send("GET " + std::string{path} +
         " HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         std::string{more_headers} + "\r\n");
    return receive();
  }

  bool send_frame(int opcode, std::string_view payload, bool masked = true, bool last = true) {
    std::string frame{static_cast<char>((last ? 0x80 : 0) | opcode)};
    const auto mask_bit = masked ? 0x80 : 0;
    if (payload.size() < 126) {
      frame += static_cast<char>(mask_bit | static_cast<int>(payload.size()));
    } else {
      const bool short_form = payload.size() < 65536;
      frame += static_cast<char>(mask_bit | (short_form ? 126 : 127));
      for (int shift = short_form ? 8 : 56; shift >= 0; shift -= 8) {
        frame += static_cast<char>(payload.size() >> shift & 0xFF);
      }
    }
    constexpr std::string_view key = "\x37\xfa\x21\x3d";
    if (masked) frame += key;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      frame += masked ? static_cast<char>(payload[i] ^ key[i % 4]) : payload[i];
    }
    return send(frame);
  }

  struct Frame {
    int opcode = -1;  // -1: the stream ended
    std::string payload;

    int close_code() const {
      if (opcode != 8 || payload.size() < 2) return 0;
      return static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
    }
  };

  Frame receive_frame(std::chrono::milliseconds wait = 10s) {
    const auto need = [&](std::size_t n) {
      while (in_.size() < n) {
        if (!fill(wait)) return false;
      }
      return true;
    };
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in_[i]); };
    if (!need(2)) return {};
    std::size_t length = byte(1) & 0x7F;
    std::size_t head = 2;
    if (length >= 126) {
      const std::size_t bytes = length == 126 ? 2 : 8;
      if (!need(2 + bytes)) return {};
      length = 0;
      for (std::size_t i = 0; i < bytes; ++i) length = length * 256 + byte(2 + i);
      head += bytes;
    }
    if (!need(head + length)) return {};
    Frame frame{byte(0) & 0x0F, in_.substr(head, length)};
    in_.erase(0, head + length);
    return frame;
  }

  // The next text, skipping pings.
  std::string receive_text() {
    for (;;) {
      const Frame frame = receive_frame();
      if (frame.opcode != 9) return frame.opcode == 1 ? frame.payload : std::string{};
    }
  }

  Connection& connection() { return connection_; }

 private:
  Connection connection_;
  std::string in_;
};

}  // namespace bifrost::net::testing
