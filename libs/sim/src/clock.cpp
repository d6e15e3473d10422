// SPDX-License-Identifier: Apache-2.0
#include "bifrost/sim/clock.hpp"

#include <algorithm>

#include "bifrost/core/calendar.hpp"

namespace bifrost::sim {
namespace {

namespace chr = std::chrono;
using Seconds = chr::duration<double>;

core::Session session_on_or_after(core::Date day) {
  return *core::session(core::is_trading_day(day) ? day : core::next_trading_day(day));
}

core::Instant moved(core::Instant t, Seconds by) {
  return t + chr::round<chr::microseconds>(by);
}

}  // namespace

core::Instant simulated_time(core::Instant start, chr::steady_clock::duration elapsed, Pace pace) {
  const Seconds real = elapsed;
  if (!pace.skip_closed) return moved(start, real * pace.speed);
  auto t = start;
  Seconds left = real;
  auto session = session_on_or_after(core::exchange_time(t).date);
  for (;;) {
    if (t >= session.close) {
      session = session_on_or_after(core::exchange_time(session.close).date + chr::days{1});
    }
    const bool open = t >= session.open;
    const double speed = open ? pace.speed : pace.speed * closed_speed_up;
    const auto boundary = open ? session.close : session.open;
    const Seconds needed = Seconds(boundary - t) / speed;
    if (left < needed) return moved(t, left * speed);
    left -= needed;
    t = boundary;
  }
}

}  // namespace bifrost::sim
