// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bifrost::test {

/// Stands between a program and the gateway and database it talks to, carries their bytes both
/// ways, counts them, and can kill at any chosen one: the bytes before it have arrived, those after
/// it never will. Sockets of its own, so that nothing under test is trusted to be killed.
class Relay {
 public:
  /// `database_socket`: the file of the server's Unix socket.
  Relay(std::uint16_t gateway_port, std::string database_socket);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  std::uint16_t gateway_port() const { return doors_[gateway].port; }
  std::uint16_t database_port() const { return doors_[database].port; }

  enum class Counts { everything, database };
  /// From now on counts from zero and kills `victim` (SIGKILL) at this byte; 0 never. What is not
  /// counted is not cut either.
  void kill_at(std::uint64_t byte, pid_t victim, Counts counts = Counts::everything);
  /// As above, but cuts every connection instead of killing anybody.
  void cut_at(std::uint64_t byte);
  std::uint64_t passed() const { return passed_; }
  bool struck() const { return struck_; }

  /// Keeps what passes between program (0) and gateway (1), up to a quarter of a megabyte each.
  void record() { recording_ = true; }
  std::string tape(std::size_t from);

  /// While closed nobody is let through; connections there are cut.
  void close_gateway(bool closed) { doors_[gateway].closed = closed; }
  void close_database(bool closed) { doors_[database].closed = closed; }
  /// While silent, connections are accepted and nothing is carried: a half-open link.
  void silence_gateway(bool silent) { doors_[gateway].silent = silent; }

 private:
  enum Door : std::size_t { gateway, database };
  struct Entrance {
    int listener = -1;
    std::uint16_t port = 0;
    std::atomic<bool> closed = false;
    std::atomic<bool> silent = false;
  };
  struct Side {
    int fd = -1;
    std::string waiting;  // to be written to it
    bool ended = false;   // sends no more
  };
  struct Pair {
    Door door;
    std::array<Side, 2> sides;  // the program, the server
    bool broken = false;
  };

  void run();
  void let_in(Door door);
  void carry(Pair& pair, std::size_t from);
  static void flush(Side& side, Pair& pair);
  void strike();

  std::uint16_t gateway_target_;
  std::string database_target_;
  std::array<Entrance, 2> doors_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  int wake_ = -1;
  std::atomic<bool> stop_ = false;

  std::mutex mutex_;  // the plan
  std::uint64_t at_ = 0;
  pid_t victim_ = -1;
  bool cut_ = false;
  Counts counts_ = Counts::everything;
  std::array<std::string, 2> tapes_;
  std::atomic<bool> recording_ = false;
  std::atomic<std::uint64_t> passed_ = 0;
  std::atomic<bool> struck_ = false;
  std::thread thread_;
};

}  // namespace bifrost::test
