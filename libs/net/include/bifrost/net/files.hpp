// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "bifrost/core/result.hpp"
#include "bifrost/net/http.hpp"

namespace bifrost::net {

/// A folder of static files, such as the built page. Nothing outside the folder is ever served: no
/// "..", no encoded trick, no link that leads out, no name that begins with a dot.
class Files {
 public:
  struct Options {
    std::filesystem::path root;
    std::string prefix = "/";  // begins and ends with '/'
    /// Unknown paths without a dot in their last part, and not under /api, get index.html: the
    /// page's own router knows them.
    bool single_page = true;
  };
  /// not_found: the folder or its index.html is missing.
  static core::Result<Files> open(Options options);

  /// Nothing when the path is not ours. Only for GET and HEAD. Files under assets/ (whose names
  /// carry a hash) are cached for ever, index.html never, all else is revalidated by its ETag.
  std::optional<Response> serve(const Request& request) const;

  const std::string& prefix() const { return prefix_; }

 private:
  Files(std::filesystem::path root, std::string prefix, bool single_page)
      : root_(std::move(root)), prefix_(std::move(prefix)), single_page_(single_page) {}
  std::optional<Response> serve_file(const std::string& relative, const Request& request) const;

  std::filesystem::path root_;  // canonical
  std::string prefix_;
  bool single_page_;
};

}  // namespace bifrost::net
