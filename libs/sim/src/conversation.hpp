// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "outlet.hpp"
#include "weather.hpp"

namespace bifrost::sim {

/// One client's conversation, from its first byte: bytes in, bytes out. Knows no sockets and no
/// threads; the gateway calls it under its lock, with the floor's clocks already at the present.
class Conversation {
 public:
  virtual ~Conversation() = default;

  /// What a script does to a connection that was just made.
  virtual void connected() {}
  /// False: the connection is to be closed once the output has been sent.
  virtual bool receive(std::string_view bytes) = 0;
  /// Queues what was held back until now. False as receive().
  virtual bool time_passed() = 0;
  virtual void market_moved() {}
  virtual void suffer(const Blow&) {}

  /// START_API was accepted.
  virtual bool ready() const = 0;
  /// Nothing is answered, and that is meant: the client is not to be closed for being slow.
  virtual bool stalled() const { return false; }

  /// What is to be sent, handed over once.
  virtual std::string take_output() = 0;
  /// How the connection is to end when that has been sent; none: it goes on.
  virtual Outlet::Ending ending() const { return Outlet::Ending::none; }
  /// Every byte is to be a segment of its own.
  virtual bool bytewise() const { return false; }
};

}  // namespace bifrost::sim
