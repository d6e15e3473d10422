// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <mutex>

#include "bifrost/core/log.hpp"
#include "bifrost/ib/client.hpp"

namespace bifrost::ib {

using std::chrono::steady_clock;

struct GatewayClock::State {
  std::mutex mutex;
  std::optional<core::Instant> answer;
  steady_clock::time_point answered{};
  steady_clock::time_point ask_again{};  // after a failure, so that not every reader waits for one
};

GatewayClock::GatewayClock(Client& client, std::chrono::milliseconds patience)
    : client_(client), patience_(patience), state_(std::make_unique<State>()) {}

GatewayClock::~GatewayClock() = default;

core::Instant GatewayClock::now() const {
  // A simulator without a message rate may be asked as often as it likes.
  const std::chrono::milliseconds reuse{client_.link().messages_per_second == 0 ? 5 : 100};
  const std::scoped_lock lock{state_->mutex};
  auto& s = *state_;
  auto at = steady_clock::now();
  if (s.answer && at - s.answered < reuse) return *s.answer;
  if (at >= s.ask_again) {
    const auto time = client_.current_time(core::after(patience_));
    at = steady_clock::now();
    if (time) {
      // Whole seconds, and answers that overtake each other, must not turn time back; a gateway
      // that was started again earlier does.
      constexpr auto jitter = std::chrono::seconds{5};
      if (s.answer && *time < *s.answer - jitter) {
        core::log::warning("the gateway's time went back from {} to {}", core::to_iso(*s.answer),
                           core::to_iso(*time));
        s.answer = *time;
      } else {
        s.answer = s.answer ? std::max(*s.answer, *time) : *time;
      }
      s.answered = at;
      return *s.answer;
    }
    s.ask_again = at + patience_;
  }
  if (!s.answer) return core::SystemClock{}.now();
  return *s.answer + std::chrono::floor<std::chrono::microseconds>(at - s.answered);
}

}  // namespace bifrost::ib
