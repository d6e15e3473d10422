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

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Behind the quote that opens at `at`; an apostrophe inside a word closes none.
std::size_t end_of_quote(std::string_view message, std::size_t at) {
  for (auto close = message.find('\'', at + 1); close != message.npos;
       close = message.find('\'', close + 1)) {
    if (close + 1 == message.size() || !is_letter(message[close + 1])) return close + 1;
  }
  return message.size();
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
    if (message[at] == '\'' && (at == 0 || !is_letter(message[at - 1]))) {
      const auto quoted = end_of_quote(message, at) - at;
      out += message.substr(at, quoted);
      at += quoted;
      continue;
    }
    std::size_t end = at;
    while (end < message.size() && in_name(message[end])) ++end;
    if (end == at) {
      out += message[at++];
      continue;
    }
    const auto word = message.substr(at, end - at);
    const bool told = word.find('_') != word.npos || (at == 0 && message.substr(end, 1) == ":");
    const auto* name = told ? find(names, word) : nullptr;
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
