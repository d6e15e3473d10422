// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api_fixture.hpp"

namespace bifrost::api {
namespace {

using namespace testing;

TEST_F(Api, ListsEveryWrongFieldAtOnce) {
  const auto reply =
      get("/api/find/xsp?expiry=soon&strategy=Iron!&limit=0&min_pop=2&fill_position=3&density=magic"
          "&why_not=a&colour=red");
  EXPECT_EQ(reply.status, 422);
  for (const std::string path :
       {"path/symbol", "query/expiry", "query/strategy", "query/limit", "query/min_pop",
        "query/fill_position", "query/density", "query/why_not", "query/colour"}) {
    EXPECT_NE(reply.body.find(path), std::string::npos) << path << " in " << reply.body;
  }
  EXPECT_EQ(get("/api/chain/%27%3B%20DROP%20TABLE%20contracts%3B--?expiry=2026-04-02").status, 422);
  EXPECT_EQ(get("/api/nothing").status, 404);
}

TEST_F(Api, DescribesItself) {
  const auto document = get("/openapi.json");
  EXPECT_EQ(document.status, 200);
  for (const std::string word :
       {"\"3.1", "/api/chain/{symbol}", "StrategyCandidate", "SnapshotEvent"}) {
    EXPECT_NE(document.body.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace bifrost::api
