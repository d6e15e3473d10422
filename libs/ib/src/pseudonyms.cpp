// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "bifrost/ib/recording.hpp"
#include "bifrost/ib/wire_orders.hpp"

namespace bifrost::ib {
namespace {

using wire::Reply;
using wire::Request;

/// Where an account id stands: the field's number, counted from the message id; negative: from the
/// end.
struct Place {
  int id;
  int field;
};

constexpr Place at(Reply id, int field) {
  return {static_cast<int>(id), field};
}
constexpr Place at(Request id, int field) {
  return {static_cast<int>(id), field};
}

constexpr std::array received{
    at(Reply::account_value, 5),        at(Reply::portfolio_value, -1),
    at(Reply::account_download_end, 2), at(Reply::position, 2),
    at(Reply::account_summary, 3),      at(Reply::position_multi, 3),
    at(Reply::account_update_multi, 3), at(Reply::open_order, 20),
    at(Reply::execution_data, 16),
};
constexpr std::array sent{
    at(Request::account_updates, 3),
    at(Request::executions, 4),
    at(Request::positions_multi, 3),
    at(Request::account_updates_multi, 3),
    at(Request::pnl, 2),
    at(Request::place_order, 23),
};

/// Shorter ones occur by chance.
constexpr std::size_t shortest_account = 4;

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// Hands every run of letters and digits to `word`, and what is between them to `other`.
template <class Word, class Other>
void split(std::string_view text, Word word, Other other) {
  for (std::size_t at = 0; at < text.size();) {
    const bool is_word = in_word(text[at]);
    std::size_t end = at + 1;
    while (end < text.size() && in_word(text[end]) == is_word) ++end;
    const auto part = text.substr(at, end - at);
    is_word ? word(part) : other(part);
    at = end;
  }
}

}  // namespace

void Pseudonyms::learn(std::string_view account) {
  split(
      account,
      [&](std::string_view word) {
        // What is no id, a word that a broken message has in its place, must not vanish from all
        // others.
        const bool has_digit = word.find_first_of("0123456789") != word.npos;
        if (word.size() >= shortest_account && has_digit) accounts_.emplace(word);
      },
      [](std::string_view) {});
}

std::string Pseudonyms::without_accounts(Record::Kind direction, std::string_view payload) {
  const wire::Fields fields{payload};
  const auto id = fields.id().value_or(-1);
  std::vector<std::size_t> hidden;
  if (direction == Record::Kind::received && id == static_cast<int>(Reply::managed_accounts)) {
    if (fields.size() > 2) {
      std::string_view list = fields[2];
      while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        learn(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
      }
      hidden.push_back(2);
    }
  } else if (direction == Record::Kind::received && id == static_cast<int>(Reply::family_codes)) {
    for (std::size_t i = 2; i < fields.size(); i += 2) {
      learn(fields[i]);
      hidden.push_back(i);
    }
  } else {
    const auto look = [&](const auto& places) {
      for (const auto& place : places) {
        if (place.id != id) continue;
        const auto n = static_cast<int>(fields.size());
        const int field = place.field < 0 ? n + place.field : place.field;
        if (field < 1 || field >= n) continue;
        const auto text = fields[static_cast<std::size_t>(field)];
        if (text.empty() || text == "All") continue;
        learn(text);
        hidden.push_back(static_cast<std::size_t>(field));
      }
    };
    if (direction == Record::Kind::received) look(received);
    if (direction == Record::Kind::sent) look(sent);
  }

  std::string out;
  out.reserve(payload.size());
  if (hidden.empty()) {
    out = payload;
  } else {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool hide = std::find(hidden.begin(), hidden.end(), i) != hidden.end();
      out += hide ? recorded_account : fields[i];
      out.push_back('\0');
    }
  }
  if (accounts_.empty()) return out;
  std::string clean;
  clean.reserve(out.size());
  split(
      out,
      [&](std::string_view word) {
        clean += accounts_.find(word) == accounts_.end() ? word : recorded_account;
      },
      [&](std::string_view other) { clean += other; });
  return clean;
}

}  // namespace bifrost::ib
