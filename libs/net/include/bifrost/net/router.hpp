// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/net/files.hpp"
#include "bifrost/net/http.hpp"
#include "bifrost/net/refusal.hpp"

namespace bifrost::net {

/// What the OpenAPI document says about a route.
struct RouteDoc {
  std::string summary;
  std::string description{};
  std::string tag{};
  std::string operation_id{};  // by default made from method and path
};

/// The requests a program answers: typed routes, raw routes and files. Register everything first;
/// handle() may then run on any number of threads at once. Handlers are called concurrently.
class Router {
 public:
  struct About {
    std::string title;
    std::string version;
    std::string description{};
  };
  /// The one table from what went wrong to an HTTP status.
  using StatusOf = unsigned (*)(core::Errc);
  using RawHandler = std::function<Response(const Request&)>;

  Router(About about, StatusOf status_of);

  /// `handler` is called as core::Result<Reply>(const Query&). Members of Query named in the path
  /// ("{symbol}") come from there, the others from the query string. What is wrong with them is
  /// answered with 422, an Error of the handler by the table, an exception with 500 and nothing of
  /// its text.
  template <class Query, class Reply, class Handler>
  void get(std::string_view path, RouteDoc doc, Handler handler) {
    add({"GET", std::string{path}, std::move(doc), &type_of<Query>(), nullptr, &type_of<Reply>()},
        [handler = std::move(handler)](const Call& call) -> Answer {
          Query query{};
          BF_CHECK(call.read_query(&query));
          return call.answer<Reply>(handler(std::as_const(query)));
        });
  }

  /// As get(), with a JSON body (content type application/json, else 415):
  /// core::Result<Reply>(const Query&, const Body&), or with a Refusal as its error.
  template <class Query, class Body, class Reply, class Handler>
  void post(std::string_view path, RouteDoc doc, Handler handler) {
    add({"POST", std::string{path}, std::move(doc), &type_of<Query>(), &type_of<Body>(),
         &type_of<Reply>()},
        [handler = std::move(handler)](const Call& call) -> Answer {
          Query query{};
          Body body{};
          BF_CHECK(call.read_query_and_body(&query, &body));
          return call.answer<Reply>(handler(std::as_const(query), std::as_const(body)));
        });
  }

  /// A fixed path outside the OpenAPI document, answering GET and HEAD.
  void raw(std::string_view path, RawHandler handler);

  /// Asked when no route matches, in the order they were added.
  void add_files(Files files);

  /// Puts a type into the document that no route mentions, such as a WebSocket message.
  template <class T>
  void add_schema() {
    schemas_.push_back(&type_of<T>());
  }

  /// The OpenAPI 3.1 document of all typed routes, indented, the same bytes every time.
  std::string openapi_json() const;

  /// Never throws.
  Response handle(const Request& request) const;

 private:
  struct Route {
    std::string method;
    std::string path;
    RouteDoc doc;
    const TypeInfo* query;
    const TypeInfo* body;  // nullptr: none
    const TypeInfo* reply;
  };

  // A reply's JSON, or the response that says why there is none.
  using Answer = tl::expected<std::string, Response>;

  class Call {
   public:
    tl::expected<void, Response> read_query(void* query) const;
    tl::expected<void, Response> read_query_and_body(void* query, void* body) const;
    template <class Reply>
    Answer answer(const core::Result<Reply>& result) const {
      if (!result) return tl::unexpected{failed(result.error())};
      return to_json(*result);
    }
    template <class Reply>
    Answer answer(const tl::expected<Reply, Refusal>& result) const {
      if (!result) return tl::unexpected{refused(result.error())};
      return to_json(*result);
    }

   private:
    friend class Router;
    Response failed(const core::Error& error) const;
    Response refused(const Refusal& refusal) const;
    const Router& router;
    const Route& route;
    const Request& request;
    const std::vector<Parameter>& in_path;
    Call(const Router& r, const Route& t, const Request& q, const std::vector<Parameter>& p)
        : router(r), route(t), request(q), in_path(p) {}
  };

  struct Entry {
    Route route;
    std::vector<std::string> parts;
    std::function<Answer(const Call&)> run;
    RawHandler raw;
  };

  void add(Route route, std::function<Answer(const Call&)> run);
  void add_entry(Entry entry);
  Response dispatch(const Request& request) const;
  static Response serve(const Router& router, const Entry& entry, const Request& request,
                        const std::vector<Parameter>& in_path);

  About about_;
  StatusOf status_of_;
  std::vector<Entry> entries_;
  std::vector<Files> files_;
  std::vector<const TypeInfo*> schemas_;
};

}  // namespace bifrost::net
