// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bifrost/api/routes.hpp"
#include "bifrost/api/service.hpp"
#include "bifrost/net/json.hpp"
#include "bifrost/net/server.hpp"
#include "bifrost/store/private_cluster.hpp"
#include "ok.hpp"
#include "temporary_folder.hpp"

namespace bifrost::api::testing {

inline const Instant first = core::parse_instant("2026-03-02T15:00:00Z").value();
inline const Instant second = first + std::chrono::minutes{5};
inline const Date april = core::parse_date("2026-04-02").value();
inline const Date june = core::parse_date("2026-06-19").value();
inline constexpr double vol = 0.2;
inline constexpr double forward = 100;

/// A chain whose every middle lies on one volatility, in pennies, ten cents wide.
core::ChainSnapshot flat_chain(Instant as_of, bool with_morning_class);
/// The same smile on thirty-one strikes two cents wide, with sizes and open interest: enough to
/// search and to fit.
core::ChainSnapshot dense_chain(Instant as_of);

/// Of legs with expiry, strike and entry price alone, on shares of a hundred.
double profit_at_expiry(const std::vector<StrategyLeg>& legs, double spot);

/// The API over real HTTP, on a real database, with and without history; the gateway is away
/// throughout.
class Api : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  Api();

  struct Reply {
    int status = 0;
    std::string body;
  };
  Reply get(std::string_view target) {
    return ask(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target));
  }
  Reply post(std::string_view target, std::string_view json) {
    return ask(
        fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    target, json.size(), json));
  }
  Reply ask(const std::string& request);
  template <class T>
  T get_as(std::string_view target) {
    return read<T>(target, get(target));
  }
  template <class T>
  T post_as(std::string_view target, std::string_view json) {
    return read<T>(target, post(target, json));
  }
  template <class T>
  static T read(std::string_view target, const Reply& reply) {
    EXPECT_EQ(reply.status, 200) << target << ": " << reply.body;
    auto parsed = net::parse_json<T>(reply.body);
    if (!parsed)
      throw std::runtime_error(
          fmt::format("{}: {}", parsed.error().front().path, parsed.error().front().message));
    return *parsed;
  }

  static inline std::optional<TemporaryFolder> folder;
  static inline std::optional<store::PrivateCluster> cluster;
  static inline std::optional<store::Database> database;
  store::History history{*database};
  core::ManualClock clock{second + std::chrono::seconds{90}};
  std::unique_ptr<ib::Client> client;
  std::unique_ptr<Service> service;
  std::unique_ptr<net::Router> router;
  std::optional<net::Server> server;
};

}  // namespace bifrost::api::testing
