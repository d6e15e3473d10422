// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/http.hpp"

namespace bifrost::net {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "";
  }
}

Response problem(unsigned status, std::string_view code, std::string_view detail,
                 std::string_view request_id, const Problems& errors) {
  std::string body = R"({"type":"about:blank","title":)";
  append_json_text(body, reason_phrase(status));
  body += ",\"status\":" + std::to_string(status) + ",\"code\":";
  append_json_text(body, code);
  body += ",\"detail\":";
  append_json_text(body, detail);
  body += ",\"request_id\":";
  append_json_text(body, request_id);
  if (!errors.empty()) {
    body += ",\"errors\":[";
    for (const Problem& error : errors) {
      if (body.back() != '[') body += ',';
      body += "{\"path\":";
      append_json_text(body, error.path);
      body += ",\"message\":";
      append_json_text(body, error.message);
      body += ",\"code\":";
      append_json_text(body, error.code);
      body += '}';
    }
    body += ']';
  }
  body += '}';
  return {status, "application/problem+json", std::move(body), {{"cache-control", "no-store"}}};
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

}  // namespace bifrost::net
