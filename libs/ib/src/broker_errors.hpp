// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "bifrost/core/result.hpp"

namespace bifrost::ib {

/// What a message of the broker means for the request it names, or for the session.
enum class Meaning {
  notice,         // for the log
  advisory,       // the request goes on; a refusal only if nothing arrives
  refusal,        // the request is over
  no_data,        // and so is this one: there is nothing of what it asked for
  pacing,         // and this one: history was asked for too fast
  no_line,        // the request is over for lack of a market-data line: ask again later
  duplicate_id,   // the request is over: ask again under another id
  competing,      // no data for anybody while another session of the user is live
  rate,           // too many messages
  id_in_use,      // of the client, at the handshake
  outdated,       // one side is too old for the other: only a person can change that
  port_changed,   // the gateway drops the link; its text names the new port
  upstream_lost,  // the gateway lost the broker
  upstream_back,  // and found it again; streams may be dead
  farm_lost,      // the market-data farm that the text names is gone
  farm_back,      // and here again; its streams may be dead
};

struct Ruling {
  Meaning meaning;
  core::Errc code;  // for the caller, if it comes to that
};

/// The one place where the broker's numbers are known. The text matters because one number has
/// several causes.
Ruling rule(int code, std::string_view text);

}  // namespace bifrost::ib
