// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "bifrost/net/router.hpp"

namespace bifrost::net {
namespace {

// Indented JSON text, for a document that people read and git compares.
class Document {
 public:
  Document& open(char bracket) {
    separate();
    text_ += bracket;
    closers_ += bracket == '{' ? '}' : ']';
    fresh_ = true;
    return *this;
  }
  Document& close() {
    const char closer = closers_.back();
    closers_.pop_back();
    if (!fresh_) indent();
    text_ += closer;
    fresh_ = false;
    return *this;
  }
  Document& key(std::string_view name) {
    separate();
    append_json_text(text_, name);
    text_ += ": ";
    after_key_ = true;
    return *this;
  }
  Document& value(std::string_view text) {
    separate();
    append_json_text(text_, text);
    return *this;
  }
  Document& literal(std::string_view json) {
    separate();
    text_ += json;
    return *this;
  }
  Document& pair(std::string_view name, std::string_view text) { return key(name).value(text); }
  std::string take() && { return std::move(text_) + '\n'; }

 private:
  void indent() { text_ += '\n' + std::string(closers_.size() * 2, ' '); }
  void separate() {
    if (after_key_) {
      after_key_ = false;
      return;
    }
    if (closers_.empty()) return;
    if (!fresh_) text_ += ',';
    indent();
    fresh_ = false;
  }

  std::string text_;
  std::string closers_;
  bool fresh_ = true;
  bool after_key_ = false;
};

// Requests may leave optionals out and may send nothing unknown; replies hold every member. A type
// used both ways therefore needs two schemas.
enum class Use { request, reply };

class Schemas {
 public:
  void collect(const TypeInfo& type, Use use) {
    if (type.item != nullptr) collect(*type.item, use);
    if (type.kind == Kind::enumeration) add(type.name, type, Use::reply);
    if (type.kind != Kind::object) return;
    auto& known = use == Use::request ? requests_ : replies_;
    if (!known.insert(&type).second) return;
    for (const Member& member : type.members) collect(*member.type, use);
  }

  void finish() {
    for (const TypeInfo* type : replies_) add(type->name, *type, Use::reply);
    for (const TypeInfo* type : requests_) add(request_name(*type), *type, Use::request);
  }

  void reference(Document& doc, const TypeInfo& type, Use use) const {
    const bool renamed = type.kind == Kind::object && use == Use::request;
    doc.pair("$ref", "#/components/schemas/" + (renamed ? request_name(type) : type.name));
  }

  // The members of a schema object for `type`; the caller opens and closes it.
  void schema(Document& doc, const TypeInfo& type, Use use, const Field& field,
              bool nullable) const {
    const auto named = [&](std::string_view name) {
      doc.key("type");
      if (nullable) {
        doc.open('[').value(name).value("null").close();
      } else {
        doc.value(name);
      }
    };
    switch (type.kind) {
      case Kind::boolean:
        named("boolean");
        break;
      case Kind::integer:
        named("integer");
        doc.pair("format", type.most > 0x7fffffff ? "int64" : "int32");
        bounds(doc, field);
        break;
      case Kind::number:
        named("number");
        doc.pair("format", "double");
        bounds(doc, field);
        break;
      case Kind::price:
        // No multipleOf: validators test that in binary floating point and refuse good prices.
        named("number");
        bounds(doc, field);
        break;
      case Kind::text:
        named("string");
        lengths(doc, field, "minLength", "maxLength");
        if (!field.pattern.empty()) doc.pair("pattern", fmt::format("^(?:{})$", field.pattern));
        break;
      case Kind::date:
        named("string");
        doc.pair("format", "date");
        break;
      case Kind::instant:
        named("string");
        doc.pair("format", "date-time");
        break;
      case Kind::optional:
        schema(doc, *type.item, use, field, use == Use::reply);
        return;
      case Kind::list:
        named("array");
        lengths(doc, field, "minItems", "maxItems");
        doc.key("items").open('{');
        schema(doc, *type.item, use, {}, false);
        doc.close();
        break;
      case Kind::map:
        named("object");
        lengths(doc, field, "minProperties", "maxProperties");
        doc.key("additionalProperties").open('{');
        schema(doc, *type.item, use, {}, false);
        doc.close();
        break;
      case Kind::enumeration:
      case Kind::object:
        if (nullable) {
          doc.key("anyOf").open('[').open('{');
          reference(doc, type, use);
          doc.close().open('{').pair("type", "null").close().close();
        } else {
          reference(doc, type, use);
        }
        break;
    }
    if (!field.doc.empty()) doc.pair("description", field.doc);
  }

  void write(Document& doc) const {
    for (const auto& [name, entry] : all_) {
      const TypeInfo* type = entry.first;
      const Use use = entry.second;
      doc.key(name).open('{');
      if (!type->doc.empty()) doc.pair("description", type->doc);
      if (type->kind == Kind::enumeration) {
        doc.pair("type", "string").key("enum").open('[');
        for (const auto& [text, value] : type->enumerators) doc.value(text);
        doc.close().close();
        continue;
      }
      doc.pair("type", "object").key("properties").open('{');
      for (const Member& member : type->members) {
        doc.key(member.name).open('{');
        schema(doc, *member.type, use, member.field, false);
        doc.close();
      }
      doc.close();
      const auto is_required = [use](const Member& m) {
        return use == Use::reply || m.type->kind != Kind::optional;
      };
      if (std::any_of(type->members.begin(), type->members.end(), is_required)) {
        doc.key("required").open('[');
        for (const Member& member : type->members) {
          if (is_required(member)) doc.value(member.name);
        }
        doc.close();
      }
      if (use == Use::request) doc.key("additionalProperties").literal("false");
      doc.close();
    }
  }

 private:
  std::string request_name(const TypeInfo& type) const {
    return replies_.contains(&type) ? type.name + "Input" : type.name;
  }

  void add(const std::string& name, const TypeInfo& type, Use use) {
    const auto [at, fresh] = all_.try_emplace(name, &type, use);
    if (!fresh && at->second.first != &type) core::panic("two schemas are named " + name);
  }

  static void bounds(Document& doc, const Field& field) {
    if (field.min) doc.key("minimum").literal(to_json(*field.min));
    if (field.above) doc.key("exclusiveMinimum").literal(to_json(*field.above));
    if (field.max) doc.key("maximum").literal(to_json(*field.max));
  }

  static void lengths(Document& doc, const Field& field, std::string_view least,
                      std::string_view most) {
    if (field.min_length) doc.key(least).literal(std::to_string(*field.min_length));
    if (field.max_length) doc.key(most).literal(std::to_string(*field.max_length));
  }

  std::set<const TypeInfo*> requests_;
  std::set<const TypeInfo*> replies_;
  std::map<std::string, std::pair<const TypeInfo*, Use>> all_;
};

std::string operation_id(std::string_view method, std::string_view path) {
  std::string id;
  for (const char c : method) id += static_cast<char>(c - 'A' + 'a');
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) {
      id += c;
    } else if (id.back() != '_') {
      id += '_';
    }
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

void write_problem_response(Document& doc, std::string_view status, std::string_view what) {
  doc.key(status).open('{').pair("description", what);
  doc.key("content").open('{').key("application/problem+json").open('{').key("schema").open('{');
  doc.pair("$ref", "#/components/schemas/Problem").close().close().close().close();
}

void write_problem_schemas(Document& doc) {
  doc.key("Problem").open('{');
  doc.pair("description", "Why a request failed (RFC 9457). `code` is stable.");
  doc.pair("type", "object").key("properties").open('{');
  for (const std::string_view name : {"type", "title", "code", "detail", "request_id"}) {
    doc.key(name).open('{').pair("type", "string").close();
  }
  doc.key("status").open('{').pair("type", "integer").pair("format", "int32").close();
  doc.key("errors").open('{').pair("type", "array").key("items").open('{');
  doc.pair("$ref", "#/components/schemas/FieldProblem").close();
  doc.pair("description", "every field that is wrong").close().close();
  doc.key("required").open('[');
  for (const std::string_view name : {"type", "title", "status", "code", "detail", "request_id"}) {
    doc.value(name);
  }
  doc.close().close();
  doc.key("FieldProblem").open('{').pair("type", "object").key("properties").open('{');
  for (const std::string_view name : {"path", "message", "code"}) {
    doc.key(name).open('{').pair("type", "string").close();
  }
  doc.close().key("required").open('[').value("path").value("message").value("code");
  doc.close().close();
}

}  // namespace

std::string Router::openapi_json() const {
  Schemas schemas;
  for (const TypeInfo* type : schemas_) schemas.collect(*type, Use::reply);
  // In the order of registration; one path may have several methods.
  std::vector<std::pair<std::string, std::vector<const Entry*>>> paths;
  for (const Entry& entry : entries_) {
    if (entry.raw) continue;
    schemas.collect(*entry.route.reply, Use::reply);
    if (entry.route.body != nullptr) schemas.collect(*entry.route.body, Use::request);
    // Parameters are listed one by one; only what they refer to needs a schema.
    for (const Member& member : entry.route.query->members) {
      schemas.collect(*member.type, Use::request);
    }
    auto found = std::find_if(paths.begin(), paths.end(),
                              [&](const auto& p) { return p.first == entry.route.path; });
    if (found == paths.end()) {
      paths.push_back({entry.route.path, {&entry}});
    } else {
      found->second.push_back(&entry);
    }
  }
  schemas.finish();

  Document doc;
  doc.open('{').pair("openapi", "3.1.0");
  doc.key("info").open('{').pair("title", about_.title).pair("version", about_.version);
  if (!about_.description.empty()) doc.pair("description", about_.description);
  doc.close();
  doc.key("paths").open('{');
  for (const auto& [path, entries] : paths) {
    doc.key(path).open('{');
    for (const Entry* entry : entries) {
      const Route& route = entry->route;
      doc.key(route.method == "GET" ? "get" : "post").open('{');
      doc.pair("operationId", route.doc.operation_id.empty()
                                  ? operation_id(route.method, route.path)
                                  : route.doc.operation_id);
      doc.pair("summary", route.doc.summary);
      if (!route.doc.description.empty()) doc.pair("description", route.doc.description);
      if (!route.doc.tag.empty()) doc.key("tags").open('[').value(route.doc.tag).close();
      if (!route.query->members.empty()) {
        doc.key("parameters").open('[');
        for (const Member& member : route.query->members) {
          const bool in_path = std::find(entry->parts.begin(), entry->parts.end(),
                                         fmt::format("{{{}}}", member.name)) != entry->parts.end();
          const bool required =
              in_path || (member.type->kind != Kind::optional && member.type->kind != Kind::list);
          doc.open('{').pair("name", member.name).pair("in", in_path ? "path" : "query");
          if (!member.field.doc.empty()) doc.pair("description", member.field.doc);
          doc.key("required").literal(required ? "true" : "false");
          Field rules = member.field;
          rules.doc = {};
          doc.key("schema").open('{');
          schemas.schema(doc, *member.type, Use::request, rules, false);
          doc.close().close();
        }
        doc.close();
      }
      if (route.body != nullptr) {
        doc.key("requestBody").open('{').key("required").literal("true");
        doc.key("content").open('{').key("application/json").open('{').key("schema").open('{');
        schemas.schema(doc, *route.body, Use::request, {}, false);
        doc.close().close().close().close();
      }
      doc.key("responses").open('{');
      doc.key("200").open('{').pair("description", "OK").key("content").open('{');
      doc.key("application/json").open('{').key("schema").open('{');
      schemas.schema(doc, *route.reply, Use::reply, {}, false);
      doc.close().close().close().close();
      write_problem_response(doc, "404", "Nothing of that name");
      if (route.body != nullptr || !route.query->members.empty()) {
        write_problem_response(doc, "422", "The request is not valid; `errors` lists every field");
      }
      write_problem_response(doc, "503", "A dependency is away, or too many requests are waiting");
      doc.close().close();
    }
    doc.close();
  }
  doc.close();
  doc.key("components").open('{').key("schemas").open('{');
  write_problem_schemas(doc);
  schemas.write(doc);
  doc.close().close().close();
  return std::move(doc).take();
}

}  // namespace bifrost::net
