// SPDX-License-Identifier: Apache-2.0
#include "bifrost/collector/spool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <utility>

#include "bifrost/core/data_folder.hpp"
#include "bifrost/core/log.hpp"
#include "spool_codec.hpp"

namespace bifrost::collector {
namespace {

namespace fs = std::filesystem;
namespace log = core::log;
using core::Errc;
using core::fail;
using core::Result;

// Notes of missed cycles are small and tell the truth about the snapshots that are not taken.
constexpr std::uintmax_t room_for_notes = std::uintmax_t{4} << 20;

tl::unexpected<core::Error> refuse(std::string_view doing, const fs::path& path, int error) {
  return fail(
      error == EACCES || error == EPERM || error == EROFS ? Errc::unauthorized : Errc::unavailable,
      fmt::format("cannot {} {}: {}", doing, path.string(), std::strerror(error)));
}

/// What has vanished or is not given back by the disk is as lost as what is damaged.
bool is_lost(int error) {
  return error == ENOENT || error == EIO;
}

tl::unexpected<core::Error> refuse_reading(std::string_view doing, const fs::path& path,
                                           int error) {
  auto refused = refuse(doing, path, error);
  if (is_lost(error)) refused.value().code = Errc::corrupt_data;
  return refused;
}

/// An open file, closed at the end of the scope.
class File {
 public:
  static Result<File> open(const fs::path& path, int flags, decltype(refuse)* refusal = refuse) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return refusal("open", path, errno);
    return File{fd};
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  explicit File(int fd) : fd_(fd) {}
  int fd_;
};

Result<void> write_all(const File& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const auto written = ::write(file.fd(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return refuse("write", path, written < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> flush_folder(const fs::path& folder) {
  BF_TRY(const auto file, File::open(folder, O_RDONLY | O_DIRECTORY));
  if (::fsync(file.fd()) != 0) return refuse("flush", folder, errno);
  return {};
}

/// corrupt_data: it is lost.
Result<std::string> read_part(const fs::path& path, std::uintmax_t offset, std::uintmax_t length) {
  BF_TRY(const auto file, File::open(path, O_RDONLY, refuse_reading));
  std::string bytes(length, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const auto got = ::pread(file.fd(), bytes.data() + have, bytes.size() - have,
                             static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse_reading("read", path, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

/// All of it or nothing, whatever happens meanwhile.
Result<void> replace_file(const fs::path& path, std::string_view bytes) {
  auto fresh = path;
  fresh += ".new";
  {
    BF_TRY(const auto file, File::open(fresh, O_WRONLY | O_CREAT | O_TRUNC));
    BF_CHECK(write_all(file, bytes, fresh));
    if (::fsync(file.fd()) != 0) return refuse("flush", fresh, errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return refuse("rename", fresh, errno);
  return flush_folder(path.parent_path());
}

std::string whole(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return {};
  return read_part(path, 0, size).value_or(std::string{});
}

std::uintmax_t size_below(const fs::path& folder) {
  std::error_code error;
  std::uintmax_t bytes = 0;
  for (const auto& file : fs::directory_iterator{folder, error}) {
    const auto size = file.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

/// "segment-0000000042.spool".
std::optional<std::uint64_t> segment_number(const fs::path& path) {
  const auto name = path.filename().string();
  constexpr std::string_view head = "segment-";
  constexpr std::string_view tail = ".spool";
  if (!name.starts_with(head) || !name.ends_with(tail)) return std::nullopt;
  const auto digits = std::string_view{name}.substr(head.size());
  std::uint64_t number = 0;
  const auto* end = digits.data() + digits.size() - tail.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace

struct Spool::Impl {
  struct Segment {
    std::uint64_t number = 0;
    std::uintmax_t bytes = 0;
    std::size_t left = 0;  // entries not dealt with
    bool odd = false;      // something in it was not understood or not taken: to be kept
    bool filling = false;  // entries are still added to it
  };
  struct Place {
    std::uint64_t segment;
    std::uintmax_t offset;
    std::size_t length;  // of the payload
  };

  Impl(SpoolOptions wanted, core::FolderLock taken)
      : options(std::move(wanted)), lock(std::move(taken)) {}

  fs::path path_of(std::uint64_t number) const {
    return options.folder / fmt::format("segment-{:010}.spool", number);
  }
  fs::path aside() const { return options.folder / "aside"; }
  Segment& segment(std::uint64_t number) {
    return *std::ranges::find(segments, number, &Segment::number);
  }
  std::uintmax_t bytes() const {
    std::uintmax_t sum = bytes_aside;
    for (const auto& entry : segments) sum += entry.bytes;
    return sum;
  }

  Result<void> load();
  Result<void> load_segment(Segment& segment);
  Result<void> begin_segment();
  Result<SpoolEntry> read(const Place& place) const;
  void finish_front();
  void retire(std::uint64_t number);
  Result<void> move_aside(std::uint64_t number);

  SpoolOptions options;
  core::FolderLock lock;
  std::string instance;
  std::optional<Held> held;
  std::deque<Segment> segments;                              // oldest first
  std::deque<Place> places;                                  // of the entries, oldest first
  std::map<std::string, core::Instant, std::less<>> newest;  // snapshots
  std::optional<File> file;                                  // of the segment that is filling
  std::uintmax_t bytes_aside = 0;
  std::uint64_t next_number = 1;
};

Result<void> Spool::Impl::load() {
  std::error_code error;
  fs::create_directories(aside(), error);
  if (error) return refuse("make", aside(), error.value());
  const auto name = options.folder / "instance";
  instance = whole(name);
  if (instance.empty()) {
    // The kernel's source of unique names.
    BF_TRY(instance, read_part("/proc/sys/kernel/random/uuid", 0, 36));
    BF_CHECK(replace_file(name, instance));
  }
  if (const auto text = whole(options.folder / "held"); !text.empty()) {
    Held read;
    const auto* end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, read.token);
    if (problem == std::errc{} && stop != end && *stop == ' ') {
      read.history_id.assign(stop + 1, end);
      held = std::move(read);
    }
  }
  bytes_aside = size_below(aside());
  std::vector<std::uint64_t> numbers;
  for (const auto& found : fs::directory_iterator{options.folder, error}) {
    if (const auto number = segment_number(found.path())) numbers.push_back(*number);
  }
  if (error) return refuse("list", options.folder, error.value());
  std::ranges::sort(numbers);
  for (const auto number : numbers) {
    next_number = number + 1;
    segments.push_back({.number = number});
    if (const auto loaded = load_segment(segments.back()); !loaded) {
      if (loaded.error().code != Errc::corrupt_data) return loaded;
      log::error("spool_corrupt: {}; what lay there is lost to the history",
                 loaded.error().message);
      segments.back().odd = true;
    }
    if (segments.back().left == 0) retire(number);
  }
  // A number is used once even if its file has been moved or removed.
  for (const auto& found : fs::directory_iterator{aside(), error}) {
    if (const auto number = segment_number(found.path()))
      next_number = std::max(next_number, *number + 1);
  }
  return {};
}

Result<void> Spool::Impl::load_segment(Segment& segment) {
  const auto path = path_of(segment.number);
  std::error_code error;
  segment.bytes = fs::file_size(path, error);
  if (error) {
    segment.bytes = 0;
    return refuse_reading("read", path, error.value());
  }
  BF_TRY(const auto bytes, read_part(path, 0, segment.bytes));
  std::string_view rest{bytes};
  while (!rest.empty()) {
    const auto offset = bytes.size() - rest.size();
    const auto found = find_frame(rest);
    switch (found.what) {
      case Found::What::entry: {
        const auto length = found.length - frame_header;
        const auto entry = decode_payload(rest.substr(frame_header, length));
        if (!entry) {
          log::error(
              "spool_corrupt: {} holds an entry at byte {} that this program cannot read; "
              "the file will be kept in {}",
              path.string(), offset, aside().string());
          segment.odd = true;
          break;
        }
        const Place place{segment.number, offset + frame_header, length};
        places.push_back(place);
        ++segment.left;
        if (const auto* cycle = std::get_if<FinishedCycle>(&*entry))
          newest.insert_or_assign(cycle->record.snapshot.underlying, cycle->record.snapshot.as_of);
        break;
      }
      case Found::What::torn:
        log::warning("{}: {} bytes at its end were being written when the process ended: skipped",
                     path.string(), found.length);
        break;
      case Found::What::damage:
        log::error(
            "spool_corrupt: {} is damaged from byte {} to {}; what lay there is lost to the "
            "history, the file will be kept in {}",
            path.string(), offset, offset + found.length, aside().string());
        segment.odd = true;
        break;
    }
    rest.remove_prefix(found.length);
  }
  return {};
}

Result<void> Spool::Impl::begin_segment() {
  const auto number = next_number;
  const auto path = path_of(number);
  BF_TRY(auto fresh, File::open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
  ++next_number;
  if (auto flushed = flush_folder(options.folder); !flushed) {
    ::unlink(path.c_str());
    return flushed;
  }
  file = std::move(fresh);
  segments.push_back({.number = number, .filling = true});
  return {};
}

Result<SpoolEntry> Spool::Impl::read(const Place& place) const {
  const auto path = path_of(place.segment);
  BF_TRY(const auto bytes,
         read_part(path, place.offset - frame_header, frame_header + place.length));
  if (!bytes.empty()) {
    const auto found = find_frame(bytes);
    if (found.what == Found::What::entry && found.length == frame_header + place.length) {
      if (auto entry = decode_payload(std::string_view{bytes}.substr(frame_header)))
        return *std::move(entry);
    }
  }
  return fail(Errc::corrupt_data,
              fmt::format("{} can no longer be read at byte {}", path.string(), place.offset));
}

/// The oldest entry has been dealt with.
void Spool::Impl::finish_front() {
  const auto place = places.front();
  places.pop_front();
  if (places.empty()) newest.clear();
  auto& of = segment(place.segment);
  if (--of.left > 0) return;
  if (of.filling) {
    file.reset();
    of.filling = false;
  }
  retire(place.segment);
}

/// Removes a segment in which nothing is left to do, or keeps it aside.
void Spool::Impl::retire(std::uint64_t number) {
  auto& done = segment(number);
  if (done.odd) {
    if (const auto moved = move_aside(number); !moved)
      log::error("spool_corrupt: {}", moved.error().message);
    return;
  }
  const auto path = path_of(number);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    log::warning("cannot remove {}: {}", path.string(), std::strerror(errno));
  std::erase_if(segments, [&](const Segment& each) { return each.number == number; });
}

Result<void> Spool::Impl::move_aside(std::uint64_t number) {
  const auto path = path_of(number);
  const auto bytes_of = segment(number).bytes;
  std::erase_if(segments, [&](const Segment& each) { return each.number == number; });
  const auto target = aside() / path.filename();
  if (::rename(path.c_str(), target.c_str()) != 0) return refuse("move", path, errno);
  bytes_aside += bytes_of;
  return flush_folder(aside());
}

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::Spool(Spool&&) noexcept = default;
Spool& Spool::operator=(Spool&&) noexcept = default;
Spool::~Spool() = default;

Result<Spool> Spool::open(SpoolOptions options) {
  BF_TRY(auto lock, core::FolderLock::take(options.folder, "a collector"));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(lock));
  BF_CHECK(impl->load());
  return Spool{std::move(impl)};
}

Result<void> Spool::add(const SpoolEntry& entry) {
  auto& spool = *impl_;
  const auto payload = encode_payload(entry);
  const auto frame = to_frame(payload);
  const auto* cycle = std::get_if<FinishedCycle>(&entry);
  const auto limit = spool.options.limit + (cycle == nullptr ? room_for_notes : 0);
  if (payload.size() > longest_payload || spool.bytes() + frame.size() > limit) {
    return fail(Errc::unavailable,
                fmt::format("the spool is full: {} MB of {} MB in {}", spool.bytes() >> 20,
                            spool.options.limit >> 20, spool.options.folder.string()));
  }
  if (spool.file && spool.segments.back().bytes >= spool.options.segment_size) {
    spool.segments.back().filling = false;
    spool.file.reset();
  }
  if (!spool.file) BF_CHECK(spool.begin_segment());
  auto& segment = spool.segments.back();
  const auto path = spool.path_of(segment.number);
  auto written = write_all(*spool.file, frame, path);
  if (written && ::fdatasync(spool.file->fd()) != 0) written = refuse("flush", path, errno);
  if (!written) {
    // What the kernel failed to write once it may have forgotten: a flush is never tried again on
    // the same file. Its earlier entries were flushed and stay; the next one begins a new file.
    if (::ftruncate(spool.file->fd(), static_cast<off_t>(segment.bytes)) != 0)
      log::warning("cannot cut {} back: {}", path.string(), std::strerror(errno));
    spool.file.reset();
    segment.filling = false;
    if (segment.left == 0) spool.retire(segment.number);
    return written;
  }
  const Impl::Place place{segment.number, segment.bytes + frame_header, payload.size()};
  segment.bytes += frame.size();
  ++segment.left;
  spool.places.push_back(place);
  if (cycle != nullptr)
    spool.newest.insert_or_assign(cycle->record.snapshot.underlying, cycle->record.snapshot.as_of);
  return {};
}

bool Spool::empty() const {
  return impl_->places.empty();
}
std::size_t Spool::entries() const {
  return impl_->places.size();
}
std::uintmax_t Spool::bytes() const {
  return impl_->bytes();
}

Result<std::optional<SpoolEntry>> Spool::front() {
  while (!impl_->places.empty()) {
    auto entry = impl_->read(impl_->places.front());
    if (entry) return *std::move(entry);
    if (entry.error().code != Errc::corrupt_data) return tl::unexpected{std::move(entry).error()};
    log::error("spool_corrupt: {}; the file will be kept in {}", entry.error().message,
               impl_->aside().string());
    set_front_aside();
  }
  return std::nullopt;
}

void Spool::drop_front() {
  impl_->finish_front();
}

void Spool::set_front_aside() {
  impl_->segment(impl_->places.front().segment).odd = true;
  impl_->finish_front();
}

Result<std::size_t> Spool::set_all_aside() {
  const auto count = impl_->places.size();
  impl_->file.reset();
  impl_->places.clear();
  impl_->newest.clear();
  Result<std::size_t> moved = count;
  while (!impl_->segments.empty()) {
    const auto one = impl_->move_aside(impl_->segments.front().number);
    if (!one && moved) moved = tl::unexpected{one.error()};
  }
  return moved;
}

std::optional<core::Instant> Spool::newest(std::string_view underlying) const {
  const auto known = impl_->newest.find(underlying);
  if (known == impl_->newest.end()) return std::nullopt;
  return known->second;
}

const std::string& Spool::instance() const {
  return impl_->instance;
}

std::optional<Spool::Held> Spool::last_held() const {
  return impl_->held;
}

Result<void> Spool::remember_held(const Held& held) {
  if (impl_->held == held) return {};
  BF_CHECK(replace_file(impl_->options.folder / "held",
                        fmt::format("{} {}", held.token, held.history_id)));
  impl_->held = held;
  return {};
}

}  // namespace bifrost::collector
