// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace bifrost {

/// A step of work as a person sees it on stderr: a line that redraws itself on a terminal.
/// Elsewhere plain lines, at most one every five seconds, and none of a step that ends within two.
class Progress {
 public:
  explicit Progress(std::string_view title);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  /// `fraction` from 0 to 1.
  void update(double fraction, std::string_view detail);
  void done(std::string_view detail = {});

 private:
  void clear_line();
  bool leaves_a_line() const;
  std::string elapsed() const;

  std::string title_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  bool terminal_;
  bool on_line_ = false;
  bool finished_ = false;
};

}  // namespace bifrost
