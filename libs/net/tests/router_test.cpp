// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/router.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <stdexcept>

#include "shapes.hpp"

namespace bifrost::net {
namespace {

using core::Errc;
namespace dom = simdjson::dom;

unsigned status_of(Errc code) {
  switch (code) {
    case Errc::invalid_input:
      return 400;
    case Errc::not_found:
      return 404;
    case Errc::unavailable:
      return 503;
    default:
      return 500;
  }
}

Router make_router() {
  Router router{{.title = "Test", .version = "1.2.3"}, status_of};
  router.get<shapes::Query, shapes::Everything>(
      "/api/things/{symbol}", {.summary = "Things of a symbol"},
      [](const shapes::Query& q) -> core::Result<shapes::Everything> {
        if (q.symbol == "NONE") return core::fail(Errc::not_found, "no symbol NONE");
        if (q.symbol == "DOWN") return core::fail(Errc::corrupt_data, "password is hunter2");
        if (q.symbol == "THROW") throw std::runtime_error{"password is hunter2"};
        shapes::Everything e{};
        e.name = q.symbol;
        return e;
      });
  router.get<None, shapes::Inner>(
      "/api/things/special", {.summary = "One thing"},
      [](const None&) -> core::Result<shapes::Inner> { return shapes::Inner{7, std::nullopt}; });
  router.post<None, shapes::Order, shapes::Order>(
      "/api/orders", {.summary = "Echo an order", .tag = "orders"},
      [](const None&, const shapes::Order& order) -> core::Result<shapes::Order> { return order; });
  router.post<None, shapes::Order, shapes::Order>(
      "/api/orders/checked", {.summary = "Refuse an order"},
      [](const None&, const shapes::Order& order) -> tl::expected<shapes::Order, Refusal> {
        if (order.symbol == "NONE") return core::fail(Errc::not_found, "no symbol NONE");
        return tl::unexpected{Refusal{core::fail(Errc::not_found, "no price").value(),
                                      {{"body/legs/0/strike", "is not listed", "not_listed"}}}};
      });
  router.raw("/metrics", [](const Request&) { return Response{200, "text/plain", "up 1\n"}; });
  router.add_schema<shapes::Inner>();
  return router;
}

Response call(const Router& router, std::string method, std::string target, std::string body = "") {
  Request request;
  request.method = std::move(method);
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != target.npos) request.query = target.substr(question + 1);
  request.body = std::move(body);
  request.headers = {{"content-type", "application/json; charset=utf-8"}};
  request.id = "r-1";
  return router.handle(request);
}

class Json {
 public:
  explicit Json(const std::string& text) { element = parser.parse(text); }
  std::string text(std::string_view pointer) {
    std::string_view found;
    EXPECT_EQ(element.at_pointer(pointer).get(found), simdjson::SUCCESS) << pointer;
    return std::string{found};
  }
  bool has(std::string_view pointer) {
    return element.at_pointer(pointer).error() == simdjson::SUCCESS;
  }
  std::string raw(std::string_view pointer) {
    return simdjson::minify(element.at_pointer(pointer));
  }
  dom::parser parser;
  dom::element element;
};

constexpr auto good = "?expiry=2021-01-04&strike=3700&right=call";

TEST(Router, TakesParametersFromPathAndQuery) {
  const auto router = make_router();
  const auto response = call(router, "GET", std::string{"/api/things/BRK%20B"} + good);
  EXPECT_EQ(response.status, 200u) << response.body;
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(Json{response.body}.text("/name"), "BRK B");
}

TEST(Router, PrefersLettersToParameters) {
  const auto router = make_router();
  EXPECT_EQ(call(router, "GET", "/api/things/special").body, R"({"n":7,"v":null})");
}

TEST(Router, AnswersInvalidParametersWithAllProblems) {
  const auto router = make_router();
  const auto response = call(router, "GET", "/api/things/spx?expiry=soon&right=%zz&limt=1");
  EXPECT_EQ(response.status, 422u);
  EXPECT_EQ(response.content_type, "application/problem+json");
  Json json{response.body};
  EXPECT_EQ(json.text("/code"), "validation_failed");
  EXPECT_EQ(json.text("/request_id"), "r-1");
  EXPECT_EQ(json.raw("/status"), "422");
  std::vector<std::string> found;
  for (const dom::element e : json.element["errors"]) {
    found.push_back(std::string{e["path"].get_c_str()} + ' ' + e["code"].get_c_str().value());
  }
  EXPECT_EQ(found,
            (std::vector<std::string>{"query/right bad_text", "path/symbol pattern",
                                      "query/expiry not_a_date", "query/strike missing",
                                      "query/right missing", "query/limt unknown_parameter"}));
}

TEST(Router, ReadsBodiesAndReportsTheirPaths) {
  const auto router = make_router();
  const std::string order =
      R"({"symbol":"SPX","expiry":"2021-01-04","limit":null,"colour":null,"legs":[{"strike":3700.5,"quantity":-1}]})";
  EXPECT_EQ(call(router, "POST", "/api/orders", order).body, order);
  const auto bad = call(router, "POST", "/api/orders", R"({"legs":[{"strike":-1}]})");
  EXPECT_EQ(bad.status, 422u);
  EXPECT_NE(bad.body.find("body/legs/0/strike"), std::string::npos);
  EXPECT_NE(bad.body.find("body/expiry"), std::string::npos);
}

TEST(Router, AnswersARefusalOfFieldsAsARequestThatIsNotValid) {
  const auto router = make_router();
  const auto refused = [&](std::string_view symbol) {
    return call(router, "POST", "/api/orders/checked",
                R"({"expiry":"2021-01-04","legs":[{"strike":3700,"quantity":1}],"symbol":")" +
                    std::string{symbol} + "\"}");
  };
  EXPECT_EQ(refused("NONE").status, 404u);
  const auto fields = refused("SPX");
  EXPECT_EQ(fields.status, 422u);
  Json json{fields.body};
  EXPECT_EQ(json.text("/detail"), "no price");
  EXPECT_EQ(json.text("/errors/0/path"), "body/legs/0/strike");
  EXPECT_EQ(json.text("/errors/0/code"), "not_listed");
}

TEST(Router, RefusesOtherBodyTypes) {
  const auto router = make_router();
  Request request;
  request.method = "POST";
  request.path = "/api/orders";
  request.headers = {{"content-type", "text/plain"}};
  EXPECT_EQ(router.handle(request).status, 415u);
}

TEST(Router, TurnsErrorsIntoStatusByTheTable) {
  const auto router = make_router();
  const auto response = call(router, "GET", std::string{"/api/things/NONE"} + good);
  EXPECT_EQ(response.status, 404u);
  Json json{response.body};
  EXPECT_EQ(json.text("/code"), "not_found");
  EXPECT_EQ(json.text("/detail"), "no symbol NONE");
}

TEST(Router, TellsNothingOfItsInsides) {
  const auto router = make_router();
  for (const auto* symbol : {"DOWN", "THROW"}) {
    const auto response = call(router, "GET", "/api/things/" + std::string{symbol} + good);
    EXPECT_EQ(response.status, 500u);
    EXPECT_EQ(response.body.find("hunter2"), std::string::npos);
  }
}

TEST(Router, UnknownPathsAreProblemsAndWrongMethodsNameTheRightOnes) {
  const auto router = make_router();
  const auto missing = call(router, "GET", "/api/nothing");
  EXPECT_EQ(missing.status, 404u);
  EXPECT_EQ(missing.content_type, "application/problem+json");
  const auto wrong = call(router, "DELETE", "/api/things/SPX");
  EXPECT_EQ(wrong.status, 405u);
  bool allowed = false;
  for (const auto& [name, value] : wrong.headers)
    allowed |= name == "allow" && value == "GET, HEAD";
  EXPECT_TRUE(allowed);
  EXPECT_EQ(call(router, "HEAD", "/metrics").status, 200u);
}

TEST(OpenApi, DescribesRoutesAndSchemas) {
  const auto router = make_router();
  const auto text = router.openapi_json();
  EXPECT_EQ(text, make_router().openapi_json());
  Json json{text};
  EXPECT_EQ(json.text("/openapi"), "3.1.0");
  const std::string get = "/paths/~1api~1things~1{symbol}/get";
  EXPECT_EQ(json.text(get + "/operationId"), "get_api_things_symbol");
  EXPECT_EQ(json.text(get + "/parameters/0/in"), "path");
  EXPECT_EQ(json.text(get + "/parameters/1/in"), "query");
  EXPECT_EQ(json.raw(get + "/parameters/1/required"), "true");
  EXPECT_EQ(json.text(get + "/parameters/1/schema/format"), "date");
  EXPECT_EQ(json.raw(get + "/parameters/4/required"), "false");
  EXPECT_EQ(json.raw(get + "/parameters/4/schema"),
            R"({"type":"integer","format":"int32","minimum":1,"maximum":500})");
  EXPECT_TRUE(json.has(get + "/responses/422"));
  EXPECT_TRUE(json.has(get + "/responses/404"));
  EXPECT_FALSE(json.has("/paths/~1metrics"));
}

TEST(OpenApi, OptionalsAreNullableInRepliesAndOptionalInRequests) {
  const auto router = make_router();
  Json json{router.openapi_json()};
  const std::string schemas = "/components/schemas";
  EXPECT_EQ(json.raw(schemas + "/Inner/required"), R"(["n","v"])");
  EXPECT_EQ(json.raw(schemas + "/Inner/properties/v/type"), R"(["number","null"])");
  EXPECT_EQ(json.raw(schemas + "/Order/properties/colour/anyOf/0"),
            R"({"$ref":"#/components/schemas/Colour"})");
  EXPECT_EQ(json.raw(schemas + "/OrderInput/required"), R"(["symbol","expiry","legs"])");
  EXPECT_EQ(json.raw(schemas + "/OrderInput/additionalProperties"), "false");
  EXPECT_EQ(json.raw(schemas + "/OrderInput/properties/legs/items"),
            R"({"$ref":"#/components/schemas/LegInput"})");
  EXPECT_EQ(json.raw(schemas + "/Colour/enum"), R"(["red","green"])");
  EXPECT_EQ(json.raw(schemas + "/Right/enum"), R"(["call","put"])");
  EXPECT_EQ(json.text(schemas + "/Leg/properties/strike/description"), "per share");
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const auto router = make_router();
  const auto text = router.openapi_json();
  Json json{text};
  std::size_t found = 0;
  for (auto at = text.find("\"#/"); at != text.npos; at = text.find("\"#/", at + 1)) {
    EXPECT_TRUE(json.has(text.substr(at + 2, text.find('"', at + 1) - at - 2)));
    ++found;
  }
  EXPECT_GT(found, 10u);
}

}  // namespace
}  // namespace bifrost::net
