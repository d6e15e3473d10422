// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "bifrost/core/result.hpp"

namespace bifrost::core {

/// A file that is whole or not there: it is written beside its place (NAME.part) and takes its
/// name, replacing what had it, only in commit(). Without that the destructor removes it; a killed
/// program leaves the .part, which the next writer of that name replaces. One writer at a time.
class WholeFile {
 public:
  /// `conflict`: another program writes this file just now.
  static Result<WholeFile> create(const std::filesystem::path& path);

  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;
  ~WholeFile();

  Result<void> write(std::string_view bytes);
  /// On disk, and under its name.
  Result<void> commit();

  /// Where the bytes are until commit(), for programs that write files themselves; write() adds at
  /// the end.
  const std::filesystem::path& part() const { return part_; }

 private:
  WholeFile(std::filesystem::path path, std::filesystem::path part, int fd);
  std::filesystem::path path_;
  std::filesystem::path part_;
  int fd_;
};

}  // namespace bifrost::core
