// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

// What passed between a client and a gateway, frame by frame: for finding out later what the broker
// really sent, and for playing it again (`bifrost-sim --frames`).
//
// A recording is a folder of files named `frames-LABEL-TIME.bfr.gz`, in the order of their names. A
// file is gzip over the line "bifrost-frames 1\n" and records, numbers big-endian:
//
//   kind u8, server version u16, microseconds since 1970 i64, length u32, payload
//
// A file that a crash cut off is good up to its last whole record. Account ids never reach the
// disk: a constant takes their place.
namespace bifrost::ib {

/// What stands in a recording where an account id stood. It begins as accounts of simulators do, so
/// that nobody takes what is played back for a live market.
inline constexpr std::string_view recorded_account = "SIM-RECORDED";

struct Record {
  enum class Kind : char {
    opened = 'o',    // a connection; payload: host:port
    sent = '>',      // a frame of the client, without its length; the first is the version range
    received = '<',  // a frame of the gateway, without its length
    closed = 'x',    // the connection; payload: why
    lost = '!',      // the recorder could not keep up; payload: how many records are missing here
  };
  Kind kind = Kind::received;
  int server_version = 0;  // 0 until it has been agreed upon
  core::Instant at{};
  std::string payload{};
  friend bool operator==(const Record&, const Record&) = default;
};

/// A record as bytes of the uncompressed stream.
std::string encode(const Record& record);

/// Cuts the uncompressed stream of one file into records, however it was split.
class RecordCutter {
 public:
  void feed(std::string_view bytes);
  /// Nothing while the next one is incomplete; corrupt_data, then for ever, if this is no such
  /// stream.
  core::Result<std::optional<Record>> next();
  /// Bytes held of a record that is not complete.
  std::size_t pending() const { return buffer_.size() - taken_; }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool greeted_ = false;
  bool broken_ = false;
};

/// Takes account ids out of frames. Learns them from the gateway's list and from every message that
/// has a field for one; what it has learned is replaced wherever it stands as a word in that frame
/// and later ones.
class Pseudonyms {
 public:
  /// `payload` is one frame without its length.
  std::string without_accounts(Record::Kind direction, std::string_view payload);

 private:
  void learn(std::string_view account);
  std::set<std::string, std::less<>> accounts_;
};

struct RecorderOptions {
  std::filesystem::path folder{};     // made if it is not there
  std::string label = "link";         // who records, letters and digits: several may share a folder
  std::size_t file_bytes = 32 << 20;  // compressed; then a new file is begun
  std::chrono::seconds file_age{3600};
  std::size_t total_bytes = 1 << 30;  // of one label: the oldest files go first
  std::size_t files = 1'000;
  std::size_t queue_bytes = 16 << 20;      // that wait for the disk; more is dropped and counted
  std::chrono::milliseconds flush{1'000};  // what a crash may cost
};

/// Writes a recording on a thread of its own. record() never waits for the disk.
class Recorder {
 public:
  /// The folder is made if need be. invalid_input: no folder or label; unavailable: the system's
  /// words, if no file can be made in it.
  static core::Result<std::unique_ptr<Recorder>> open(RecorderOptions options);
  ~Recorder();  // writes what is queued
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// From any thread; the order of calls is kept.
  void record(Record::Kind kind, int server_version, std::string_view payload);

  struct State {
    std::uint64_t records = 0;  // on their way or written
    std::uint64_t dropped = 0;  // for want of room in the queue or on the disk
    std::uint64_t bytes = 0;    // compressed, written by this program
    std::string problem;        // of the disk, the last one
  };
  State state() const;

 private:
  struct Impl;
  explicit Recorder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Files of a recording in order: the folder's, or the one file that `path` names. not_found: there
/// is none.
core::Result<std::vector<std::filesystem::path>> recording_files(const std::filesystem::path& path);

/// Reads a recording, file after file.
class RecordingReader {
 public:
  static core::Result<RecordingReader> open(const std::filesystem::path& path);
  RecordingReader(RecordingReader&&) noexcept;
  RecordingReader& operator=(RecordingReader&&) noexcept;
  ~RecordingReader();

  /// Nothing at the end. A file that ends in the middle of a record is left there (truncated()
  /// counts it) and the next one begun; bytes that are no recording are corrupt_data, naming file
  /// and record.
  core::Result<std::optional<Record>> next();
  int truncated() const;

 private:
  struct Impl;
  explicit RecordingReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::ib
