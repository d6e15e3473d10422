// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/routes.hpp"

namespace bifrost::api {
namespace {

/// What went wrong, as HTTP says it.
unsigned status_of(core::Errc code) {
  switch (code) {
    case core::Errc::invalid_input:
      return 400;
    case core::Errc::unauthorized:
      return 403;
    case core::Errc::not_found:
      return 404;
    case core::Errc::conflict:
      return 409;
    case core::Errc::corrupt_data:
      return 500;
    case core::Errc::unavailable:
    case core::Errc::cancelled:
      return 503;
    case core::Errc::timeout:
      return 504;
  }
  return 500;
}

net::Response document(std::string_view content_type, std::string body) {
  net::Response response;
  response.content_type = content_type;
  response.body = std::move(body);
  response.headers = {
      {"cache-control", "no-store"},
      {"content-security-policy",
       "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
       "data:; "
       "font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"}};
  return response;
}

constexpr std::string_view docs_page = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Bifrost Trader API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
)";

constexpr std::string_view docs_script =
    "window.ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, "
    "validatorUrl: null });\n";

}  // namespace

net::Router make_router(Service* service) {
  net::Router router{{"Bifrost Trader", BIFROST_VERSION,
                      "Option chains, their history and ranked strategies. Prices are per share, "
                      "volatilities annual and "
                      "decimal, times UTC. Null is unknown, never zero."},
                     status_of};
  router.get<net::None, Health>(
      "/api/health", {.summary = "State of the service and its dependencies", .tag = "operations"},
      [service](const net::None&) -> core::Result<Health> { return service->health(); });
  router.get<net::None, Underlyings>(
      "/api/underlyings", {.summary = "Underlyings with history", .tag = "chains"},
      [service](const net::None&) { return service->underlyings(); });
  router.get<SymbolQuery, Expirations>(
      "/api/expirations/{symbol}", {.summary = "Expiries of the last snapshot", .tag = "chains"},
      [service](const SymbolQuery& query) { return service->expirations(query); });
  router.get<ChainQuery, Chain>(
      "/api/chain/{symbol}",
      {.summary = "One expiry of a chain, live, stored, or as of a time", .tag = "chains"},
      [service](const ChainQuery& query) { return service->chain(query); });
  router.get<HistoryQuery, History>(
      "/api/history/{symbol}", {.summary = "One contract over time", .tag = "chains"},
      [service](const HistoryQuery& query) { return service->history(query); });
  router.get<MarketConditionsQuery, MarketConditions>(
      "/api/market-conditions/{symbol}",
      {.summary = "Volatility, skew, IV rank and put/call ratios of an underlying",
       .tag = "markets"},
      [service](const MarketConditionsQuery& query) { return service->market_conditions(query); });
  router.get<ChangesQuery, Changes>(
      "/api/changes/{symbol}",
      {.summary = "What changed between snapshots, and how unusual it is", .tag = "markets"},
      [service](const ChangesQuery& query) { return service->changes(query); });
  router.get<net::None, Catalogue>(
      "/api/catalogue", {.summary = "Every strategy that the finder knows", .tag = "strategies"},
      [](const net::None&) -> core::Result<Catalogue> { return catalogue(); });
  router.get<FindQuery, Found>(
      "/api/find/{symbol}",
      {.summary = "The best structures, exactly, out of every listed strike and expiry",
       .tag = "strategies"},
      [service](const FindQuery& query) { return service->find(query); });
  router.post<PositionQuery, PositionRequest, Position>(
      "/api/analyze/{symbol}",
      {.summary = "One position: payoff, probabilities, margin, and profit over dates and prices",
       .tag = "strategies"},
      [service](const PositionQuery& query, const PositionRequest& request) {
        return service->analyse(query, request);
      });
  router.get<FitQuery, Fit>(
      "/api/fit/{symbol}",
      {.summary = "Forward, smile and quantiles of every expiry", .tag = "markets"},
      [service](const FitQuery& query) { return service->fit(query); });
  router.get<DensityQuery, Densities>(
      "/api/density/{symbol}",
      {.summary = "Where the underlying may settle, by market, formula and history",
       .tag = "markets"},
      [service](const DensityQuery& query) { return service->densities(query); });
  router.add_schema<ClientMessage>();
  router.add_schema<SnapshotEvent>();
  router.raw("/openapi.json", [body = router.openapi_json()](const net::Request&) {
    return document("application/json", body);
  });
  return router;
}

core::Result<void> add_docs(net::Router& router, const std::filesystem::path& folder) {
  BF_TRY(auto files, net::Files::open({.root = folder, .prefix = "/docs/", .single_page = false}));
  const auto page = [](const net::Request&) {
    return document("text/html; charset=utf-8", std::string{docs_page});
  };
  router.raw("/docs", page);
  router.raw("/docs/", page);
  router.raw("/docs/start.js", [](const net::Request&) {
    return document("text/javascript; charset=utf-8", std::string{docs_script});
  });
  router.add_files(std::move(files));
  return {};
}

}  // namespace bifrost::api
