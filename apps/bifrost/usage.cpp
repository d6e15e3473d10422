// SPDX-License-Identifier: Apache-2.0
#include "usage.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace bifrost {
namespace {

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

const OptionName* find(std::span<const OptionName> names, std::string_view field) {
  const auto found = std::ranges::find(names, field, &OptionName::field);
  return found == names.end() ? nullptr : &*found;
}

}  // namespace

void refuse(std::string_view option, std::string_view why) {
  throw CLI::ValidationError(option.empty() ? std::string{why}
                                            : fmt::format("{}: {}", option, why));
}

std::string in_options(std::string_view message, std::span<const OptionName> names) {
  std::string out;
  for (std::size_t at = 0; at < message.size();) {
    std::size_t end = at;
    while (end < message.size() && in_name(message[end])) ++end;
    if (end == at) {
      out += message[at++];
      continue;
    }
    const auto word = message.substr(at, end - at);
    const auto* name = word.find('_') == word.npos ? nullptr : find(names, word);
    out += name != nullptr ? name->option : word;
    at = end;
  }
  return out;
}

void check_limits(const net::Problems& problems, std::span<const OptionName> names,
                  std::string_view part_of) {
  if (problems.empty()) return;
  const auto& first = problems.front();
  std::string_view path = first.path;
  path.remove_prefix(path.find('/') + 1);
  // The innermost field that has an option: a list's item is told by the list.
  for (auto rest = path;;) {
    const auto slash = rest.rfind('/');
    const auto* name = find(names, slash == rest.npos ? rest : rest.substr(slash + 1));
    if (name != nullptr) {
      const auto why = first.code == "pattern" && !name->form.empty()
                           ? fmt::format("must be {}", name->form)
                           : first.message;
      if (part_of.empty()) refuse(name->option, why);
      refuse(part_of, fmt::format("{} {}", name->option, why));
    }
    if (slash == rest.npos) break;
    rest = rest.substr(0, slash);
  }
  refuse({}, fmt::format("{} {}", path, first.message));
}

}  // namespace bifrost
