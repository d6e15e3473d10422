// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/net/json.hpp"

namespace bifrost::net {

/// A request as it came, whole.
struct Request {
  std::string method;  // "GET"
  std::string path;    // as sent, percent-encoded, starts with '/'
  std::string query;   // as sent, without the '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string id;    // the client's x-request-id if it sent a usable one, else made by the server
  std::string peer;  // "127.0.0.1:53412"

  /// The first header of that name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const;
};

/// The server adds content-length, date, connection, x-request-id, nosniff and the referrer policy.
struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// The error body of every failure (RFC 9457): `code` is stable and meant for programs, `detail`
/// for people; `errors` lists every field that is wrong (422).
Response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::string_view request_id, const Problems& errors = {});

/// "Not Found"; empty for numbers unknown here.
std::string_view reason_phrase(unsigned status);

/// Nothing when an escape is not %XX. A plus is a blank only in query strings.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank);

}  // namespace bifrost::net
