// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bifrost/ib/wire.hpp"

// What can be said about a message without reading it whole: its name, and where its request id
// and its contract stand. For fault scripts and for recordings, which treat all kinds alike.
namespace bifrost::sim {

struct MessageKind {
  std::string_view name;  // as scripts spell it: that of the enumerator in wire.hpp
  int id = 0;
  int req_id = 0;    // number of the field with the request id; 0: has none
  int contract = 0;  // of the first of the twelve contract fields; 0: has none
};

std::span<const MessageKind> request_kinds();
std::span<const MessageKind> reply_kinds();

/// By name or by number; a number nobody knows is a kind without a name. Nothing for other text.
std::optional<MessageKind> find_kind(std::span<const MessageKind> kinds, std::string_view text);
MessageKind kind_of(std::span<const MessageKind> kinds, int id);

/// Number of the field with the request id at a server version; 0: the message has none.
std::size_t request_id_field(const MessageKind& request, int version);
std::size_t reply_id_field(const MessageKind& reply, int version);

/// The payload of a frame with one field changed; the frame as it was when it has no such field.
std::string with_field(std::string_view frame, std::size_t field, std::string_view text);

}  // namespace bifrost::sim
