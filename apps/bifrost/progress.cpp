// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace bifrost {
namespace {
using namespace std::chrono_literals;
constexpr auto redraw_every = 200ms;
constexpr auto line_every = 5s;
constexpr auto worth_a_line = 2s;
}  // namespace

Progress::Progress(std::string_view title)
    : title_(title),
      started_(std::chrono::steady_clock::now()),
      drawn_(started_),
      terminal_(::isatty(STDERR_FILENO) != 0) {
  if (terminal_) {
    fmt::print(stderr, "  … {}", title_);
    on_line_ = true;
  }
}

Progress::~Progress() {
  if (finished_ || !leaves_a_line()) return;
  clear_line();
  fmt::print(stderr, "  ✗ {}\n", title_);
}

void Progress::update(double fraction, std::string_view detail) {
  const auto now = std::chrono::steady_clock::now();
  fraction = std::clamp(fraction, 0.0, 1.0);
  if (terminal_) {
    if (now - drawn_ < redraw_every) return;
    drawn_ = now;
    constexpr int width = 24;
    const int filled = static_cast<int>(fraction * width);
    clear_line();
    std::string bar;
    for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
    fmt::print(stderr, "  … {} {} {:3.0f} % {}", title_, bar, fraction * 100, detail);
    std::fflush(stderr);
    on_line_ = true;
  } else if (now - drawn_ >= (drawn_ == started_ ? worth_a_line : line_every)) {
    drawn_ = now;
    const auto share = fraction > 0.0 ? fmt::format(" {:.0f} %", fraction * 100) : std::string{};
    fmt::print(stderr, "  … {}{}{}{}\n", title_, share, detail.empty() ? "" : " ", detail);
  }
}

void Progress::done(std::string_view detail) {
  finished_ = true;
  if (!leaves_a_line()) return;
  clear_line();
  fmt::print(stderr, "  ✓ {}{}{}{}\n", title_, detail.empty() ? "" : ": ", detail, elapsed());
}

void Progress::clear_line() {
  if (terminal_ && on_line_) fmt::print(stderr, "\r\033[K");
  on_line_ = false;
}

bool Progress::leaves_a_line() const {
  return terminal_ || std::chrono::steady_clock::now() - started_ >= worth_a_line;
}

std::string Progress::elapsed() const {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  return took.count() < 1 ? "" : fmt::format(" ({:.0f}s)", took.count());
}

}  // namespace bifrost
