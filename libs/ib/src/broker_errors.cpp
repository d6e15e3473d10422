// SPDX-License-Identifier: Apache-2.0
#include "broker_errors.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace bifrost::ib {
namespace {

using core::Errc;

struct Row {
  int code;
  Ruling ruling;
};

constexpr Ruling refuse(Errc code) {
  return {Meaning::refusal, code};
}
constexpr Ruling as(Meaning meaning, Errc code = Errc::unavailable) {
  return {meaning, code};
}

// Sorted by code. Numbers and their handling: IB's guide and the issues named in
// shared/reference/tws-protocol.md, 7.2.
constexpr std::array table{
    Row{0, as(Meaning::rate)},
    Row{100, as(Meaning::rate)},
    Row{101, as(Meaning::no_line)},
    Row{102, as(Meaning::duplicate_id, Errc::conflict)},
    Row{162, refuse(Errc::unavailable)},  // history; its text decides
    Row{165, as(Meaning::notice)},
    Row{200, refuse(Errc::not_found)},
    Row{201, refuse(Errc::invalid_input)},
    Row{202, refuse(Errc::unavailable)},
    Row{300, as(Meaning::notice)},
    Row{309, as(Meaning::notice)},
    Row{310, as(Meaning::notice)},
    Row{317, as(Meaning::notice)},
    Row{320, refuse(Errc::invalid_input)},
    Row{321, refuse(Errc::invalid_input)},
    Row{322, refuse(Errc::invalid_input)},  // unless it says "duplicate"
    Row{326, as(Meaning::id_in_use, Errc::conflict)},
    Row{354, refuse(Errc::unauthorized)},
    Row{357, as(Meaning::outdated)},
    Row{366, as(Meaning::notice)},
    Row{414, refuse(Errc::invalid_input)},
    Row{430, refuse(Errc::not_found)},
    Row{502, refuse(Errc::unavailable)},
    Row{503, as(Meaning::outdated)},
    Row{504, refuse(Errc::unavailable)},
    Row{507, refuse(Errc::unavailable)},
    Row{1100, as(Meaning::upstream_lost)},
    Row{1101, as(Meaning::upstream_back)},
    Row{1102, as(Meaning::upstream_back)},
    Row{1300, as(Meaning::port_changed)},
    Row{2100, as(Meaning::notice)},
    Row{2101, as(Meaning::notice)},
    Row{2103, as(Meaning::farm_lost)},
    Row{2104, as(Meaning::farm_back)},
    Row{2105, as(Meaning::notice)},  // the farms of history and of definitions carry no streams
    Row{2106, as(Meaning::notice)},
    Row{2107, as(Meaning::notice)},
    Row{2108, as(Meaning::notice)},
    Row{2110, as(Meaning::upstream_lost)},
    Row{2119, as(Meaning::notice)},
    Row{2157, as(Meaning::notice)},
    Row{2158, as(Meaning::notice)},
    Row{2174, as(Meaning::notice)},
    Row{2176, as(Meaning::outdated)},
    Row{2186, as(Meaning::advisory, Errc::unauthorized)},
    Row{2187, as(Meaning::advisory, Errc::unauthorized)},
    Row{10089, as(Meaning::advisory, Errc::unauthorized)},
    Row{10090, as(Meaning::advisory, Errc::unauthorized)},
    Row{10091, as(Meaning::advisory, Errc::unauthorized)},
    Row{10167, as(Meaning::advisory, Errc::unauthorized)},
    Row{10168, refuse(Errc::unauthorized)},
    Row{10186, refuse(Errc::unauthorized)},
    Row{10187, refuse(Errc::unauthorized)},
    Row{10189, refuse(Errc::unauthorized)},
    Row{10197, as(Meaning::competing, Errc::unauthorized)},
    Row{10225, refuse(Errc::unavailable)},
    Row{10285, as(Meaning::outdated, Errc::invalid_input)},
    Row{10314, refuse(Errc::invalid_input)},
};
static_assert(std::is_sorted(table.begin(), table.end(),
                             [](const Row& a, const Row& b) { return a.code < b.code; }));

bool mentions(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

/// 162 is whatever the service of history has to say.
Ruling history_ruling(std::string_view text) {
  if (mentions(text, "no data")) return as(Meaning::no_data, Errc::not_found);
  if (mentions(text, "pacing violation")) return as(Meaning::pacing);
  if (mentions(text, "cancel")) return as(Meaning::notice);
  if (mentions(text, "permission") || mentions(text, "subscri")) return refuse(Errc::unauthorized);
  if (mentions(text, "invalid") || mentions(text, "duration") || mentions(text, "time length")) {
    return refuse(Errc::invalid_input);
  }
  return refuse(Errc::unavailable);
}

}  // namespace

Ruling rule(int code, std::string_view text) {
  if (code == 162) return history_ruling(text);
  if (code == 321 && mentions(text, "read-only")) return refuse(Errc::unauthorized);
  if (code == 322 && mentions(text, "duplicate")) return as(Meaning::duplicate_id, Errc::conflict);
  const auto* row = std::lower_bound(table.begin(), table.end(), code,
                                     [](const Row& r, int wanted) { return r.code < wanted; });
  if (row != table.end() && row->code == code) return row->ruling;
  if ((code >= 2100 && code <= 2999) || text.starts_with("Warning")) return as(Meaning::notice);
  return as(Meaning::advisory);
}

}  // namespace bifrost::ib
