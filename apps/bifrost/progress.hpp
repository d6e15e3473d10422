// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace bifrost {

/// A step of work as a person sees it on stderr: a line that redraws itself on a terminal, a line
/// every tenth elsewhere. Steps that end within two tenths of a second leave one line and no
/// flicker.
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
  std::string elapsed() const;

  std::string title_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  int tenths_ = 0;
  bool terminal_;
  bool on_line_ = false;
  bool finished_ = false;
};

}  // namespace bifrost
