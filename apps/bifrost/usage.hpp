// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "bifrost/core/result.hpp"
#include "bifrost/net/json.hpp"

// Wrong usage told in the words of the command line.
namespace bifrost {

/// What the API calls something, and what is typed for it here.
struct OptionName {
  std::string_view field;
  std::string_view option;
  std::string_view form = {};  // what a text looks like that the field's pattern accepts
};

inline constexpr std::string_view symbol_form = "capital letters and digits, such as SPX or BRK B";
/// In place of the symbol of a file that holds only one.
inline constexpr const char* any_symbol = "ANY";

/// Ends the verb with the code for wrong usage. Throws what CLI11 throws of a wrong option.
[[noreturn]] void refuse(std::string_view option, std::string_view why);

/// "give its entry_price" as "give its @PRICE": names of fields that are more than one word, or
/// that begin the message before a colon. What stands in single quotes was typed, and stays.
std::string in_options(std::string_view message, std::span<const OptionName> names);

/// Refuses what the API's own description of a request refuses, naming the option of the field, or
/// what it is in `part_of`: an option and its text.
void check_limits(const net::Problems& problems, std::span<const OptionName> names,
                  std::string_view part_of = {});

/// The answer to a request. What the API calls invalid_input is wrong usage here; what else went
/// wrong is a failure, told in the same words.
template <class T>
core::Result<T> answer_of(core::Result<T> answer, std::span<const OptionName> names) {
  if (answer) return answer;
  auto error = std::move(answer).error();
  error.message = in_options(error.message, names);
  if (error.code == core::Errc::invalid_input) refuse({}, error.message);
  return tl::unexpected{std::move(error)};
}

}  // namespace bifrost
