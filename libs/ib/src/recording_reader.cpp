// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>

#include "bifrost/ib/recording.hpp"
#include "record_format.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;
namespace fs = std::filesystem;

core::Result<std::vector<fs::path>> recording_files(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return std::vector{path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator{path, error}) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(recording_prefix) && name.ends_with(recording_suffix)) {
      files.push_back(entry.path());
    }
  }
  if (error) return fail(Errc::not_found, fmt::format("{}: {}", path.string(), error.message()));
  if (files.empty()) {
    return fail(Errc::not_found, fmt::format("{}: there are no {}*{} files", path.string(),
                                             recording_prefix, recording_suffix));
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct RecordingReader::Impl {
  std::vector<fs::path> files;
  std::size_t at = 0;  // of the file in hand
  std::ifstream in;
  bool open = false;
  z_stream stream{};
  bool ended = false;  // the compressed stream of this file
  RecordCutter cutter;
  std::uint64_t records = 0;  // of this file
  int truncated = 0;
  std::array<char, 65536> raw;
  std::array<char, 65536> plain;

  ~Impl() {
    if (open) inflateEnd(&stream);
  }

  core::Result<> begin() {
    in = std::ifstream{files[at], std::ios::binary};
    if (!in) {
      return fail(Errc::unavailable, fmt::format("{}: cannot be read", files[at].string()));
    }
    stream = {};
    if (inflateInit2(&stream, 31) != Z_OK) core::panic("zlib cannot be started");
    open = true;
    ended = false;
    cutter = {};
    records = 0;
    return {};
  }
  void finish() {
    inflateEnd(&stream);
    open = false;
    ++at;
  }
  tl::unexpected<core::Error> corrupt(std::string_view why) const {
    return fail(Errc::corrupt_data,
                fmt::format("{}: after record {}: {}", files[at].string(), records, why));
  }

  /// More of the file into the cutter; false at its end.
  core::Result<bool> more() {
    if (ended) return false;
    if (stream.avail_in == 0) {
      in.read(raw.data(), static_cast<std::streamsize>(raw.size()));
      stream.next_in = reinterpret_cast<unsigned char*>(raw.data());
      stream.avail_in = static_cast<unsigned>(in.gcount());
      if (stream.avail_in == 0) return false;
    }
    stream.next_out = reinterpret_cast<unsigned char*>(plain.data());
    stream.avail_out = static_cast<unsigned>(plain.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      ended = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return corrupt("the compressed bytes are damaged");
    }
    cutter.feed({plain.data(), plain.size() - stream.avail_out});
    return true;
  }
};

RecordingReader::RecordingReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordingReader::RecordingReader(RecordingReader&&) noexcept = default;
RecordingReader& RecordingReader::operator=(RecordingReader&&) noexcept = default;
RecordingReader::~RecordingReader() = default;

core::Result<RecordingReader> RecordingReader::open(const fs::path& path) {
  auto impl = std::make_unique<Impl>();
  BF_TRY(impl->files, recording_files(path));
  return RecordingReader{std::move(impl)};
}

core::Result<std::optional<Record>> RecordingReader::next() {
  auto& i = *impl_;
  for (;;) {
    if (!i.open) {
      if (i.at >= i.files.size()) return std::nullopt;
      BF_CHECK(i.begin());
    }
    auto record = i.cutter.next();
    if (!record) return i.corrupt(record.error().message);
    if (*record) {
      ++i.records;
      return record;
    }
    BF_TRY(const bool more, i.more());
    if (more) continue;
    if (!i.ended || i.cutter.pending() > 0) ++i.truncated;
    i.finish();
  }
}

int RecordingReader::truncated() const {
  return impl_->truncated;
}

}  // namespace bifrost::ib
