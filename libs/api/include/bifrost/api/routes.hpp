// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bifrost/api/service.hpp"
#include "bifrost/net/router.hpp"

namespace bifrost::api {

/// Every endpoint. Without a service (nullptr) the router can only describe itself.
net::Router make_router(Service* service);

/// Swagger UI under /docs, from a folder holding the package swagger-ui-dist.
core::Result<void> add_docs(net::Router& router, const std::filesystem::path& folder);

}  // namespace bifrost::api
