// SPDX-License-Identifier: Apache-2.0
#include "outlet.hpp"

#include <algorithm>

namespace bifrost::sim {

void Outlet::put(std::string_view bytes) {
  if (!cut_) {
    ready_ += bytes;
    return;
  }
  const auto passes = std::min<std::uint64_t>(cut_->left, bytes.size());
  ready_ += bytes.substr(0, passes);
  cut_->left -= passes;
  if (cut_->left == 0 && cut_->until) held_ += bytes.substr(passes);
}

void Outlet::put_later(const Until& due, std::string bytes) {
  later_.emplace_back(due, std::move(bytes));
}

void Outlet::end(Ending ending, std::uint64_t after_bytes) {
  if (this->ending() == Ending::none)
    cut_ = Cut{.ending = ending, .left = after_bytes, .until = {}};
}

void Outlet::stall(std::uint64_t after_bytes, std::optional<Until> until) {
  if (!cut_) cut_ = Cut{.ending = Ending::none, .left = after_bytes, .until = until};
}

bool Outlet::release(const Moment& now) {
  bool over = false;
  if (cut_ && cut_->until && cut_->until->reached(now)) {
    cut_.reset();
    ready_ += std::exchange(held_, {});
    over = true;
  }
  // In the order they were put: an answer that is due never overtakes one due before it.
  std::ranges::stable_sort(later_, [](const auto& a, const auto& b) {
    return std::pair{a.first.at.simulated, a.first.at.real} <
           std::pair{b.first.at.simulated, b.first.at.real};
  });
  std::vector<std::pair<Until, std::string>> waiting;
  for (auto& [due, bytes] : std::exchange(later_, {})) {
    if (due.reached(now)) {
      put(bytes);
    } else {
      waiting.emplace_back(due, std::move(bytes));
    }
  }
  later_ = std::move(waiting);
  return over;
}

}  // namespace bifrost::sim
