// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"
#include "bifrost/ib/recording.hpp"

namespace bifrost::sim {

/// A frame of a recorded gateway without its length, and how long after what caused it it came.
struct RecordedFrame {
  std::chrono::microseconds after{0};
  std::string payload;
};

/// A recording taken apart: what was asked, and what came in answer.
struct Frames {
  struct Session {
    int version = 0;
    std::string greeting;                    // the gateway's first frame
    std::vector<RecordedFrame> unsolicited;  // since START_API
  };
  /// The answer to one request, in order; empty where the gateway had none.
  using Answer = std::vector<RecordedFrame>;

  std::vector<Session> sessions;  // those that got as far as START_API
  /// By what was asked (request_content), in the order in which it was asked.
  std::map<std::string, std::vector<Answer>> answers;
  core::Instant first{};
  core::Instant last{};
  std::size_t requests = 0;
  std::size_t lost = 0;  // records that the recorder dropped

  /// Reads a folder or file that `--record` wrote. Errors are those of ib::RecordingReader;
  /// not_found as well where no session got as far as START_API.
  static core::Result<Frames> load(const std::filesystem::path& path);
  static core::Result<Frames> of(std::span<const ib::Record> records);
};

/// A request without its request id: equal for requests that ask the same.
std::string request_content(std::string_view payload, int version);

}  // namespace bifrost::sim
