// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "bifrost/ib/client.hpp"
#include "link.hpp"

namespace bifrost::ib {

class Client::Impl {
 public:
  explicit Impl(ClientOptions options) : link(std::move(options)) {}

  Link link;

  // The gateway keeps two summaries at most, and a list of positions carries no request id.
  std::timed_mutex summary_turn;
  std::timed_mutex positions_turn;
  std::uint64_t positions_spoiled = 0;  // the session in which a list of positions was given up

  HistoryPacer history;
};

}  // namespace bifrost::ib
