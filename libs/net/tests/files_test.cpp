// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/files.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace bifrost::net {
namespace {

namespace fs = std::filesystem;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(base_ / "page/assets");
    fs::create_directories(base_ / "page-secret");
    write("page/index.html", "<!doctype html>");
    write("page/favicon.svg", "<svg/>");
    write("page/assets/app-1a2b.js", "export {}");
    write("page/.env", "PASSWORD=1");
    write("secret.txt", "secret");
    write("page-secret/x.txt", "secret");
    fs::create_symlink(base_ / "secret.txt", base_ / "page/out.txt");
    fs::create_symlink("favicon.svg", base_ / "page/in.svg");
    files_ = Files::open({.root = base_ / "page"}).value();
  }

  void write(const fs::path& name, std::string_view text) { std::ofstream{base_ / name} << text; }

  std::optional<Response> get(std::string path, std::string etag = "") {
    Request request;
    request.method = "GET";
    request.path = std::move(path);
    if (!etag.empty()) request.headers.emplace_back("if-none-match", std::move(etag));
    return files_->serve(request);
  }

  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }

  const TemporaryFolder folder_;
  const fs::path base_ = folder_.path();
  std::optional<Files> files_;
};

TEST_F(FilesTest, ServesFilesWithTheirTypesAndCachePolicy) {
  const auto page = get("/");
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->body, "<!doctype html>");
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(header(*page, "cache-control"), "no-store");
  EXPECT_NE(header(*page, "content-security-policy").find("default-src 'none'"), std::string::npos);

  const auto script = get("/assets/app-1a2b.js");
  ASSERT_TRUE(script.has_value());
  EXPECT_EQ(script->content_type, "text/javascript; charset=utf-8");
  EXPECT_NE(header(*script, "cache-control").find("immutable"), std::string::npos);
  EXPECT_EQ(get("/favicon.svg")->content_type, "image/svg+xml");
}

TEST_F(FilesTest, AnUnchangedFileIsNotSentAgain) {
  const auto first = get("/favicon.svg");
  ASSERT_TRUE(first.has_value());
  const auto etag = header(*first, "etag");
  EXPECT_EQ(get("/favicon.svg", etag)->status, 304u);
  write("page/favicon.svg", "<svg>new</svg>");
  EXPECT_EQ(get("/favicon.svg", etag)->status, 200u);
}

TEST_F(FilesTest, UnknownPathsBelongToThePageUnlessTheyLookLikeFilesOrTheApi) {
  ASSERT_TRUE(get("/chain/SPX").has_value());
  EXPECT_EQ(get("/chain/SPX")->body, "<!doctype html>");
  EXPECT_FALSE(get("/missing.js").has_value());
  EXPECT_FALSE(get("/api/unknown").has_value());
  EXPECT_FALSE(get("/api").has_value());
}

TEST_F(FilesTest, NothingOutsideTheFolderIsServed) {
  for (const auto* path :
       {"/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt", "/..\\secret.txt", "/out.txt", "/.env", "//etc/passwd",
        "/%2fetc/passwd", "/index.html%00.js", "/../page-secret/x.txt", "/assets/./app-1a2b.js",
        "/%zz.txt"}) {
    const auto response = get(path);
    EXPECT_FALSE(response.has_value()) << path << " -> " << response->body;
  }
  EXPECT_TRUE(get("/in.svg").has_value());
}

TEST_F(FilesTest, APrefixIsServedBelowItsSlash) {
  const auto docs =
      Files::open({.root = base_ / "page", .prefix = "/docs/", .single_page = false}).value();
  Request request;
  request.method = "GET";
  request.path = "/docs";
  EXPECT_EQ(docs.serve(request)->status, 308u);
  request.path = "/docs/";
  EXPECT_EQ(docs.serve(request)->body, "<!doctype html>");
  request.path = "/docs/unknown";
  EXPECT_FALSE(docs.serve(request).has_value());
  request.path = "/favicon.svg";
  EXPECT_FALSE(docs.serve(request).has_value());
}

TEST_F(FilesTest, AFolderWithoutAPageIsAnError) {
  const auto result = Files::open({.root = base_ / "page/assets"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, core::Errc::not_found);
}

}  // namespace
}  // namespace bifrost::net
