// SPDX-License-Identifier: Apache-2.0
#include "bifrost/net/describe.hpp"

#include "bifrost/core/result.hpp"

namespace bifrost::net {

void TypeInfo::add_member(std::string_view member_name, const TypeInfo& type, std::size_t offset) {
  std::string key = members.empty() ? "\"" : ",\"";
  key += member_name;
  key += "\":";
  members.push_back({member_name, std::move(key), &type, offset, {}});
}

void TypeInfo::add_notes(const Notes& notes) {
  doc = notes.doc;
  if (notes.fields.size() != members.size())
    core::panic("notes and members of " + name + " differ");
  for (std::size_t i = 0; i < members.size(); ++i) members[i].field = notes.fields[i].field;
}

}  // namespace bifrost::net
