// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

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

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

}  // namespace

void Pseudonyms::learn(std::string_view account) {
  // What is no id, a word that a broken message has in its place, must not vanish from all others.
  const bool has_digit = account.find_first_of("0123456789") != account.npos;
  if (account.size() < shortest_account || !has_digit || account == recorded_account ||
      std::find(accounts_.begin(), accounts_.end(), account) != accounts_.end()) {
    return;
  }
  // An id that is the beginning of another must not be taken out of it.
  const auto place = std::find_if(accounts_.begin(), accounts_.end(),
                                  [&](const auto& known) { return known.size() < account.size(); });
  accounts_.emplace(place, account);
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
  for (const auto& account : accounts_) replace_all(out, account, recorded_account);
  return out;
}

}  // namespace bifrost::ib
