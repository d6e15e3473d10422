// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "bifrost/core/clock.hpp"
#include "bifrost/core/log.hpp"
#include "bifrost/ib/recording.hpp"
#include "bifrost/ib/wire.hpp"
#include "record_format.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;
using Steady = std::chrono::steady_clock;
namespace fs = std::filesystem;

namespace {

/// One compressed file being written.
class GzipFile {
 public:
  GzipFile() = default;
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;
  ~GzipFile() { close(); }

  bool is_open() const { return fd_ >= 0; }
  std::size_t written() const { return written_; }

  /// False, with errno, if the file cannot be made; EEXIST if it is there.
  bool create(const fs::path& path) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0) return false;
    stream_ = {};
    // 31: a gzip header, the largest window. A level that costs less than the network does.
    if (deflateInit2(&stream_, 4, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      core::panic("zlib cannot be started");
    }
    written_ = 0;
    return true;
  }

  bool append(std::string_view bytes) { return push(bytes, Z_NO_FLUSH); }
  /// Everything so far can be read after a crash.
  bool flush() { return push({}, Z_SYNC_FLUSH); }

  bool close() {
    if (fd_ < 0) return true;
    const bool whole = push({}, Z_FINISH);
    deflateEnd(&stream_);
    ::close(fd_);
    fd_ = -1;
    return whole;
  }
  /// After a failed write: what is there stays, nothing is added.
  void abandon() {
    if (fd_ < 0) return;
    deflateEnd(&stream_);
    ::close(fd_);
    fd_ = -1;
  }

 private:
  bool push(std::string_view bytes, int how) {
    std::array<unsigned char, 65536> out;
    // zlib only reads what it is given; its field is not const.
    stream_.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<unsigned>(bytes.size());
    do {
      stream_.next_out = out.data();
      stream_.avail_out = static_cast<unsigned>(out.size());
      deflate(&stream_, how);
      const auto size = out.size() - stream_.avail_out;
      for (std::size_t done = 0; done < size;) {
        const auto count = ::write(fd_, out.data() + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        done += static_cast<std::size_t>(count);
      }
      written_ += size;
    } while (stream_.avail_out == 0);
    return true;
  }

  int fd_ = -1;
  z_stream stream_{};
  std::size_t written_ = 0;
};

std::string file_name(std::string_view label, core::Instant t) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t);
  return fmt::format("{}{}-{:%Y%m%dT%H%M%S}.{:06}Z{}", recording_prefix, label,
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (t - seconds).count(), recording_suffix);
}

bool is_managed_accounts(std::string_view payload) {
  return payload.starts_with(std::string_view{"15\0", 3});
}

}  // namespace

struct Recorder::Impl {
  explicit Impl(RecorderOptions o) : options(std::move(o)) {}

  RecorderOptions options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Record> queue;
  std::size_t queued = 0;
  std::uint64_t missing = 0;  // dropped since the last `lost` record
  bool stopping = false;
  State state;

  // Only of the writer.
  Pseudonyms pseudonyms;
  GzipFile file;
  core::Instant last_name{};
  Steady::time_point begun{};
  Steady::time_point flushed{};
  Steady::time_point retry{};  // after a failure of the disk
  bool unflushed = false;
  std::thread thread;

  void drop(std::uint64_t count) {
    state.dropped += count;
    if (std::has_single_bit(state.dropped)) {
      core::log::warning("recording in {}: {} frames dropped so far", options.folder.string(),
                         state.dropped);
    }
  }

  void prune() {
    std::error_code ignored;
    std::vector<std::pair<fs::path, std::size_t>> files;
    std::size_t total = 0;
    const auto prefix = fmt::format("{}{}-", recording_prefix, options.label);
    for (const auto& entry : fs::directory_iterator{options.folder, ignored}) {
      const auto name = entry.path().filename().string();
      if (!name.starts_with(prefix) || !name.ends_with(recording_suffix)) continue;
      const auto size = static_cast<std::size_t>(entry.file_size(ignored));
      files.emplace_back(entry.path(), size);
      total += size;
    }
    std::sort(files.begin(), files.end());
    // The file about to be begun counts, too.
    std::size_t left = files.size() + 1;
    for (const auto& [path, size] : files) {
      if (left <= options.files && total + options.file_bytes <= options.total_bytes) break;
      fs::remove(path, ignored);
      total -= size;
      --left;
    }
  }

  bool begin_file() {
    prune();
    auto t = std::max(core::SystemClock{}.now(), last_name + std::chrono::microseconds{1});
    for (;; t += std::chrono::microseconds{1}) {
      if (file.create(options.folder / file_name(options.label, t))) break;
      if (errno != EEXIST) return false;
    }
    last_name = t;
    begun = flushed = Steady::now();
    return file.append(recording_greeting) && file.flush();
  }

  /// The disk has failed: what was to be written is lost, and a new file is tried a little later.
  void failed(std::uint64_t records) {
    const auto problem = fmt::format("{}: {}", options.folder.string(), std::strerror(errno));
    file.abandon();
    retry = Steady::now() + std::chrono::seconds{10};
    const std::scoped_lock lock{mutex};
    if (state.problem != problem) core::log::warning("recording: {}", problem);
    state.problem = problem;
    missing += records;
    drop(records);
  }

  void write(std::deque<Record>& batch) {
    const auto before = file.written();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto now = Steady::now();
      if (file.is_open() &&
          (file.written() >= options.file_bytes || now - begun >= options.file_age)) {
        if (!file.close()) return failed(batch.size() - i);
      }
      auto& record = batch[i];
      // Learned even while nothing can be written.
      if (record.kind == Record::Kind::sent || record.kind == Record::Kind::received) {
        record.payload = pseudonyms.without_accounts(record.kind, record.payload);
      }
      if (!file.is_open()) {
        if (now < retry) {
          const std::scoped_lock lock{mutex};
          ++missing;
          drop(1);
          continue;
        }
        if (!begin_file()) return failed(batch.size() - i);
      }
      if (!file.append(encode(record))) return failed(batch.size() - i);
      unflushed = true;
    }
    const std::scoped_lock lock{mutex};
    state.bytes += file.written() > before ? file.written() - before : 0;
  }

  void run() {
    std::unique_lock lock{mutex};
    for (;;) {
      const auto awake = [&] { return stopping || !queue.empty(); };
      if (unflushed) {
        changed.wait_until(lock, flushed + options.flush, awake);
      } else {
        changed.wait(lock, awake);
      }
      auto batch = std::exchange(queue, {});
      queued = 0;
      const bool last = stopping;
      lock.unlock();
      write(batch);
      const auto now = Steady::now();
      if (unflushed && file.is_open() && (last || now - flushed >= options.flush)) {
        if (!file.flush()) failed(0);
        unflushed = false;
        flushed = now;
      }
      lock.lock();
      if (last && queue.empty()) break;
    }
    lock.unlock();
    file.close();
  }
};

core::Result<std::unique_ptr<Recorder>> Recorder::open(RecorderOptions options) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (options.folder.empty() || options.label.empty() ||
      !std::all_of(options.label.begin(), options.label.end(), is_word)) {
    return fail(Errc::invalid_input,
                "a recording needs a folder and a label of letters and digits");
  }
  if (options.file_bytes == 0 || options.files == 0 || options.total_bytes < options.file_bytes) {
    return fail(Errc::invalid_input,
                "a recording needs room for at least one file of its file size");
  }
  std::error_code error;
  if (fs::create_directories(options.folder, error)) {
    fs::permissions(options.folder, fs::perms::owner_all, error);
  }
  auto impl = std::make_unique<Impl>(std::move(options));
  if (error || !impl->begin_file()) {
    return fail(Errc::unavailable,
                fmt::format("record frames in {}: {}", impl->options.folder.string(),
                            error ? error.message() : std::strerror(errno)));
  }
  impl->thread = std::thread{[raw = impl.get()] { raw->run(); }};
  return std::unique_ptr<Recorder>{new Recorder{std::move(impl)}};
}

Recorder::Recorder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Recorder::~Recorder() {
  {
    const std::scoped_lock lock{impl_->mutex};
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

void Recorder::record(Record::Kind kind, int server_version, std::string_view payload) {
  Record record{.kind = kind,
                .server_version = server_version,
                .at = core::SystemClock{}.now(),
                .payload = std::string{payload}};
  auto& i = *impl_;
  const std::scoped_lock lock{i.mutex};
  // The list of accounts is what all others are cleaned by: it is never dropped.
  const bool must = kind == Record::Kind::received && is_managed_accounts(payload);
  if (i.queued + payload.size() > i.options.queue_bytes && !i.queue.empty() && !must) {
    ++i.missing;
    i.drop(1);
    return;
  }
  if (i.missing > 0) {
    i.queue.push_back({.kind = Record::Kind::lost,
                       .server_version = server_version,
                       .at = record.at,
                       .payload = std::to_string(std::exchange(i.missing, 0))});
  }
  ++i.state.records;
  i.queued += payload.size() + sizeof(Record);
  i.queue.push_back(std::move(record));
  i.changed.notify_one();
}

Recorder::State Recorder::state() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->state;
}

}  // namespace bifrost::ib
