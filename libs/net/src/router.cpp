// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/router.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <set>

#include "bifrost/core/log.hpp"

namespace bifrost::net {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return parts;
}

bool is_parameter(std::string_view part) {
  return part.starts_with('{') && part.ends_with('}');
}

std::string_view parameter_name(std::string_view part) {
  return part.substr(1, part.size() - 2);
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& parts) {
  return std::equal(pattern.begin(), pattern.end(), parts.begin(), parts.end(),
                    [](const std::string& want, const std::string& got) {
                      return is_parameter(want) ? !got.empty() : want == got;
                    });
}

struct Query {
  std::vector<Parameter> parameters;
  Problems problems;
};

Query split_query(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const auto piece = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
    if (piece.empty()) continue;
    const auto equals = std::min(piece.find('='), piece.size());
    auto name = percent_decode(piece.substr(0, equals), true);
    auto value = percent_decode(piece.substr(std::min(equals + 1, piece.size())), true);
    if (name && value) {
      query.parameters.push_back({std::move(*name), std::move(*value)});
    } else {
      query.problems.push_back(
          {"query/" + std::string{piece.substr(0, equals)}, "has a broken %-escape", "bad_text"});
    }
  }
  return query;
}

}  // namespace

Router::Router(About about, StatusOf status_of) : about_(std::move(about)), status_of_(status_of) {}

void Router::add(Route route, std::function<Answer(const Call&)> run) {
  auto parts = split(route.path);
  for (const std::string& part : parts) {
    if (!is_parameter(part)) continue;
    const auto& members = route.query->members;
    if (std::none_of(members.begin(), members.end(),
                     [&](const Member& m) { return m.name == parameter_name(part); })) {
      core::panic(
          fmt::format("{} names {}, which {} does not hold", route.path, part, route.query->name));
    }
  }
  add_entry({std::move(route), std::move(parts), std::move(run), {}});
}

void Router::raw(std::string_view path, RawHandler handler) {
  add_entry({{"GET", std::string{path}, {}, nullptr, nullptr, nullptr},
             split(path),
             {},
             std::move(handler)});
}

void Router::add_entry(Entry entry) {
  for (const Entry& other : entries_) {
    if (other.route.method == entry.route.method && other.route.path == entry.route.path) {
      core::panic("two routes for " + entry.route.path);
    }
  }
  entries_.push_back(std::move(entry));
}

void Router::add_files(Files files) {
  files_.push_back(std::move(files));
}

Response Router::handle(const Request& request) const {
  try {
    return dispatch(request);
  } catch (const std::exception& e) {
    core::log::error("request {} {} {}: exception: {}", request.id, request.method, request.path,
                     e.what());
  } catch (...) {
    core::log::error("request {} {} {}: something thrown that is no exception", request.id,
                     request.method, request.path);
  }
  return problem(500, "internal", "the server failed; its log says why", request.id);
}

Response Router::dispatch(const Request& request) const {
  const auto parts = split(request.path);
  const bool head = request.method == "HEAD";
  const Entry* chosen = nullptr;
  std::set<std::string> allowed;
  for (const Entry& entry : entries_) {
    if (!fits(entry.parts, parts)) continue;
    allowed.insert(entry.route.method);
    if (entry.route.method == "GET") allowed.insert("HEAD");
    if (entry.route.method != (head ? "GET" : request.method)) continue;
    // The route that names more of the path in letters wins.
    if (chosen == nullptr ||
        std::count_if(entry.parts.begin(), entry.parts.end(), is_parameter) <
            std::count_if(chosen->parts.begin(), chosen->parts.end(), is_parameter)) {
      chosen = &entry;
    }
  }
  if (chosen != nullptr) {
    if (chosen->raw) return chosen->raw(request);
    std::vector<Parameter> in_path;
    Problems problems;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!is_parameter(chosen->parts[i])) continue;
      const std::string name{parameter_name(chosen->parts[i])};
      auto value = percent_decode(parts[i], false);
      if (!value) problems.push_back({"path/" + name, "has a broken %-escape", "bad_text"});
      in_path.push_back({name, std::move(value).value_or("")});
    }
    if (!problems.empty()) {
      return problem(422, "validation_failed", "the request is not valid", request.id, problems);
    }
    return serve(*this, *chosen, request, in_path);
  }
  if (allowed.empty()) {
    Request as_get;
    as_get.path = request.path;
    const bool reading = head || request.method == "GET";
    for (const Files& files : files_) {
      if (auto response = files.serve(reading ? request : as_get)) {
        if (reading) return std::move(*response);
        allowed = {"GET", "HEAD"};
        break;
      }
    }
  }
  if (!allowed.empty()) {
    std::string list;
    for (const auto& method : allowed) list += (list.empty() ? "" : ", ") + method;
    auto response = problem(
        405, "method_not_allowed",
        fmt::format("{} is not possible here; allowed: {}", request.method, list), request.id);
    response.headers.emplace_back("allow", list);
    return response;
  }
  return problem(404, "no_such_path", "nothing is served at this path", request.id);
}

Response Router::serve(const Router& router, const Entry& entry, const Request& request,
                       const std::vector<Parameter>& in_path) {
  auto answer = entry.run(Call{router, entry.route, request, in_path});
  if (!answer) return std::move(answer).error();
  return {200, "application/json", *std::move(answer), {{"cache-control", "no-store"}}};
}

tl::expected<void, Response> Router::Call::read_query(void* query) const {
  auto [parameters, problems] = split_query(request.query);
  auto more = read_parameters(in_path, parameters, *route.query, query);
  problems.insert(problems.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  if (problems.empty()) return {};
  return tl::unexpected{
      problem(422, "validation_failed", "the request is not valid", request.id, problems)};
}

tl::expected<void, Response> Router::Call::read_query_and_body(void* query, void* body) const {
  const auto type = request.header("content-type");
  if (type.substr(0, type.find_first_of("; ")) != "application/json") {
    return tl::unexpected{
        problem(415, "unsupported_media_type", "send the body as application/json", request.id)};
  }
  auto [parameters, problems] = split_query(request.query);
  for (const auto& more : {read_parameters(in_path, parameters, *route.query, query),
                           read_json(request.body, "body", *route.body, body)}) {
    problems.insert(problems.end(), more.begin(), more.end());
  }
  if (problems.empty()) return {};
  return tl::unexpected{
      problem(422, "validation_failed", "the request is not valid", request.id, problems)};
}

Response Router::Call::failed(const core::Error& error) const {
  const unsigned status = router.status_of_(error.code);
  if (status >= 500) {
    core::log::error("request {} {} {}: {}: {} ({}:{})", request.id, request.method, request.path,
                     core::to_string(error.code), error.message, error.where.file_name(),
                     error.where.line());
  }
  // What a 500 would tell belongs into the log; the other classes were written for the caller.
  const std::string_view detail =
      status == 500 ? std::string_view{"the server failed; its log says why"} : error.message;
  return problem(status, core::to_string(error.code), detail, request.id);
}

Response Router::Call::refused(const Refusal& refusal) const {
  if (refusal.fields.empty()) return failed(refusal);
  return problem(422, "validation_failed", refusal.message, request.id, refusal.fields);
}

}  // namespace bifrost::net
