// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/files.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace bifrost::net {
namespace {

// Vite emits modules, Mantine sets style attributes; nothing else is needed.
constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'";

std::string_view content_type(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 17> types{{
      {"html", "text/html; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"webp", "image/webp"},
      {"ico", "image/x-icon"},
      {"woff2", "font/woff2"},
      {"woff", "font/woff"},
      {"txt", "text/plain; charset=utf-8"},
      {"wasm", "application/wasm"},
      {"pdf", "application/pdf"},
  }};
  const auto dot = name.rfind('.');
  if (dot != name.npos) {
    for (const auto& [extension, type] : types) {
      if (name.substr(dot + 1) == extension) return type;
    }
  }
  return "application/octet-stream";
}

// Neither empty parts nor names that begin with a dot: "..", ".git" and their like are not part of
// any page.
bool is_safe(std::string_view path) {
  if (path.find('\0') != path.npos || path.find('\\') != path.npos) return false;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (part.empty() || part.front() == '.') return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
  return true;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

core::Result<Files> Files::open(Options options) {
  std::error_code error;
  auto root = std::filesystem::canonical(options.root, error);
  if (error || !std::filesystem::is_regular_file(root / "index.html", error)) {
    return core::fail(core::Errc::not_found,
                      fmt::format("serve the folder '{}': it holds no index.html; hint: build the "
                                  "page first",
                                  options.root.string()));
  }
  return Files{std::move(root), std::move(options.prefix), options.single_page};
}

std::optional<Response> Files::serve(const Request& request) const {
  const auto decoded = percent_decode(request.path, false);
  if (!decoded) return std::nullopt;
  if (prefix_.size() > 1 && *decoded == std::string_view{prefix_}.substr(0, prefix_.size() - 1)) {
    return Response{308, "text/plain; charset=utf-8", "", {{"location", prefix_}}};
  }
  if (!decoded->starts_with(prefix_)) return std::nullopt;
  std::string relative = decoded->substr(prefix_.size());
  if (relative.empty() || relative.back() == '/') relative += "index.html";
  if (!is_safe(relative)) return std::nullopt;
  if (auto found = serve_file(relative, request)) return found;
  if (!single_page_ || *decoded == "/api" || decoded->starts_with("/api/")) return std::nullopt;
  const auto last = std::string_view{*decoded}.substr(decoded->rfind('/') + 1);
  if (last.find('.') != last.npos) return std::nullopt;
  return serve_file("index.html", request);
}

std::optional<Response> Files::serve_file(const std::string& relative,
                                          const Request& request) const {
  std::error_code error;
  const auto path = std::filesystem::canonical(root_ / relative, error);
  if (error) return std::nullopt;
  // Links may point elsewhere inside the folder, never out of it.
  const auto [end_of_root, rest] =
      std::mismatch(root_.begin(), root_.end(), path.begin(), path.end());
  if (end_of_root != root_.end() || rest == path.end()) return std::nullopt;

  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::nullopt;
  }
  const std::string etag =
      fmt::format("\"{:x}.{:x}-{:x}\"", info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size);
  Response response;
  response.content_type = content_type(relative);
  const bool is_page = relative.ends_with("index.html");
  const bool is_asset = relative.starts_with("assets/");
  response.headers = {
      {"cache-control", is_page    ? "no-store"
                        : is_asset ? "public, max-age=31536000, immutable"
                                   : "no-cache"},
      {"content-security-policy", std::string{content_security_policy}},
  };
  if (!is_page) response.headers.emplace_back("etag", etag);
  if (!is_page && request.header("if-none-match") == etag) {
    response.status = 304;
    return response;
  }
  response.body.resize(static_cast<std::size_t>(info.st_size));
  std::size_t filled = 0;
  while (filled < response.body.size()) {
    const auto n = ::read(file.get(), response.body.data() + filled, response.body.size() - filled);
    if (n <= 0) break;
    filled += static_cast<std::size_t>(n);
  }
  response.body.resize(filled);
  return response;
}

}  // namespace bifrost::net
