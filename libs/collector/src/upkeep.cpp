// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/upkeep.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <utility>

#include "bifrost/core/log.hpp"

namespace bifrost::collector {
namespace {

using core::Errc;
using namespace std::chrono_literals;
namespace log = core::log;

constexpr std::chrono::milliseconds look_every{1'000};
constexpr std::chrono::milliseconds away_pause{
    10'000};  // the database is away, or others are at it
constexpr std::chrono::milliseconds failed_pause{600'000};  // a task failed
constexpr auto question_patience = 10s;
constexpr auto work_patience = 12h;

}  // namespace

void Upkeep::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  auto wait = look_every;
  while (!stop.stop_requested()) {
    wake.wait_for(lock, stop, wait, [] { return false; });
    if (!stop.stop_requested()) wait = look(stop);
  }
}

std::chrono::milliseconds Upkeep::look(std::stop_token stop) {
  if (!clock_is_known_()) return look_every;
  const auto now = clock_.now();
  const auto closed = store::last_closed_day(now);
  // Not "at or after": somebody with another clock may have been at it, for whom today was long
  // over.
  if (kept_through_ == closed) return look_every;
  const auto kept = store::maintained_through(database_, core::after(question_patience));
  if (!kept) {
    warn(kept.error().message);
    return away_pause;
  }
  kept_through_ = *kept;
  if (kept_through_ == closed) return look_every;
  const auto report =
      store::maintain(database_, now, options_, {}, stop, core::after(work_patience));
  if (!report) {
    if (report.error().code != Errc::cancelled) warn(report.error().message);
    return away_pause;
  }
  told_.clear();
  if (!report->ok()) return failed_pause;  // each task has said why
  kept_through_ = report->through_day;
  std::string counts;
  for (const auto& task : report->tasks) {
    for (const auto& [name, value] : task.counts) {
      if (value != 0) counts += fmt::format(", {} {} {}", task.task, value, name);
    }
  }
  log::info("upkeep through {}{}", core::to_iso_date(report->through_day), counts);
  return look_every;
}

void Upkeep::warn(std::string problem) {
  if (problem == told_) return;
  log::warning("upkeep waits: {}", problem);
  told_ = std::move(problem);
}

}  // namespace bifrost::collector
