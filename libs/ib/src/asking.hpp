// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "link.hpp"

namespace bifrost::ib {

/// Sends `message` under a fresh id and hands what comes to `take` until that says true; begins
/// again (`begin`) when the link is lost on the way or the id was taken. `after(session, id)` runs
/// whenever an attempt ends under a session that may live, for what must be cancelled.
template <class M, class Begin, class Take, class After>
core::Result<> ask(Link& link, M message, std::string_view what, core::Deadline deadline,
                   Begin begin, Take take, After after) {
  using core::Errc;
  using core::fail;
  int duplicates = 0;
  for (;;) {
    begin();
    Link::Mailbox mailbox{link};
    BF_TRY(const auto session, link.await_ready(deadline));
    BF_CHECK(link.pace(deadline));
    int id = 0;
    if constexpr (requires { message.req_id; }) {
      id = message.req_id = mailbox.open();
    } else if constexpr (requires { message.order_id; }) {
      BF_TRY(id, mailbox.open_order());
      message.order_id = id;
    } else {
      mailbox.listen_for_positions();
    }
    // A failure means that the link is gone, and LinkLost says so in its turn.
    (void)link.send(session, message);
    std::optional<RequestError> doubt;
    for (bool again = false; !again;) {
      auto events = mailbox.wait(deadline);
      for (auto& event : events) {
        if (take(event)) {
          after(session, id);
          return {};
        }
        if (const auto* error = std::get_if<RequestError>(&event)) {
          if (error->ruling.meaning == Meaning::duplicate_id && ++duplicates <= 3) {
            again = true;
          } else if (error->ruling.meaning == Meaning::advisory) {
            doubt = *error;
          } else {
            after(session, id);
            return fail(error->ruling.code, fmt::format("{}: {}", what, error->text));
          }
        } else if (const auto* gone = std::get_if<LinkLost>(&event)) {
          again = again || gone->session == session.number;
        }
      }
      if (!again && link.is_over(deadline)) {
        after(session, id);
        if (Steady::now() < deadline)
          return fail(Errc::cancelled, fmt::format("{}: stopped", what));
        if (doubt) return fail(doubt->ruling.code, fmt::format("{}: {}", what, doubt->text));
        return fail(Errc::timeout, fmt::format("{}: the gateway did not answer", what));
      }
    }
  }
}

/// Gathers `Item`s until `End`.
template <class Item, class End, class M>
core::Result<std::vector<Item>> gather(Link& link, M message, std::string_view what,
                                       core::Deadline deadline) {
  std::vector<Item> items;
  BF_CHECK(ask(
      link, std::move(message), what, deadline, [&] { items.clear(); },
      [&](Event& event) {
        if (auto* item = std::get_if<Item>(&event)) items.push_back(std::move(*item));
        return std::holds_alternative<End>(event);
      },
      [](const Link::Session&, int) {}));
  return items;
}

}  // namespace bifrost::ib
