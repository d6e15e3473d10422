// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weather.hpp"

namespace bifrost::sim {

/// What one connection has still to send, and how it is disturbed: answers that come later, a
/// connection that goes silent, one that breaks off in the middle of a frame.
class Outlet {
 public:
  enum class Ending { none, eof, reset };

  void put(std::string_view bytes);
  void put_later(const Until& due, std::string bytes);

  /// After so many more bytes nothing follows, and the connection ends so.
  void end(Ending ending, std::uint64_t after_bytes);
  /// After so many more bytes nothing follows, until then or for ever.
  void stall(std::uint64_t after_bytes, std::optional<Until> until);

  /// Lets time pass. True: a stall is over.
  bool release(const Moment& now);

  Ending ending() const { return cut_ && cut_->left == 0 ? cut_->ending : Ending::none; }
  bool stalled() const { return cut_ && cut_->left == 0 && cut_->ending == Ending::none; }

  std::string take() { return std::exchange(ready_, {}); }

 private:
  struct Cut {
    Ending ending = Ending::none;  // none: a stall
    std::uint64_t left = 0;
    std::optional<Until> until;
  };

  std::string ready_;
  std::string held_;  // of a stall that will end
  std::optional<Cut> cut_;
  std::vector<std::pair<Until, std::string>> later_;
};

}  // namespace bifrost::sim
