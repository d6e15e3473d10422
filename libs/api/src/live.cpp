// SPDX-License-Identifier: Apache-2.0
#include "bifrost/api/live.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "bifrost/core/log.hpp"
#include "bifrost/net/json.hpp"

namespace bifrost::api {
namespace {

using namespace std::chrono_literals;

// One text per chain: symbol, expiry and class hold no '|'.
std::string to_topic(const ChainTopic& chain) {
  return fmt::format("{}|{}|{}", chain.symbol, core::to_iso_date(chain.expiry),
                     chain.trading_class);
}

std::optional<ChainTopic> parse_topic(std::string_view topic) {
  const auto first = topic.find('|');
  const auto last = topic.rfind('|');
  if (first == last) return std::nullopt;
  const auto expiry = core::parse_date(topic.substr(first + 1, last - first - 1));
  if (!expiry) return std::nullopt;
  return ChainTopic{std::string{topic.substr(0, first)}, *expiry,
                    std::string{topic.substr(last + 1)}};
}

struct ErrorEvent {
  std::string type;
  std::string detail;
};
BF_DESCRIBE(ErrorEvent, "A message of the client that could not be followed.", (type), (detail))

net::WsCommand refuse(std::string detail) {
  return {
      net::WsCommand::Kind::reply_only, {}, net::to_json(ErrorEvent{"error", std::move(detail)})};
}

net::WsCommand parse_message(std::string_view text) {
  const auto message = net::parse_json<ClientMessage>(text, "message");
  if (!message)
    return refuse(
        fmt::format("{}: {}", message.error().front().path, message.error().front().message));
  if (message->subscribe.has_value() == message->unsubscribe.has_value()) {
    return refuse("send exactly one of subscribe and unsubscribe");
  }
  if (message->subscribe)
    return {net::WsCommand::Kind::subscribe, to_topic(*message->subscribe), {}};
  return {net::WsCommand::Kind::unsubscribe, to_topic(*message->unsubscribe), {}};
}

}  // namespace

LiveChains::LiveChains(Service& service)
    : service_(service),
      hub_({.path = "/api/ws",
            .parse = parse_message,
            .present = [this](const std::string& topic) -> std::optional<std::string> {
              auto message = event(topic, false);
              return message ? std::optional{*std::move(message)} : std::nullopt;
            }}) {}

/// The chain of a topic as a message. not_found: there is none (yet).
core::Result<std::string> LiveChains::event(const std::string& topic, bool next) {
  const auto wanted = parse_topic(topic);
  if (!wanted) return core::fail(core::Errc::not_found, "no such topic");
  BF_TRY(auto chain, service_.chain({wanted->symbol, wanted->expiry, wanted->trading_class,
                                     ChainFrom::history, std::nullopt}));
  SnapshotEvent message{"snapshot", 0, std::move(chain)};
  const std::lock_guard lock{mutex_};
  message.sequence = next ? ++sequence_[topic] : sequence_[topic];
  return net::to_json(message);
}

void LiveChains::run(store::Listener& listener, std::stop_token stop) {
  std::set<std::string> owed;  // topics with news that could not be read yet
  while (!stop.stop_requested()) {
    const auto heard = listener.wait(core::after(1s));
    if (!heard) {
      if (heard.error().code == core::Errc::cancelled) return;
      core::log::warning("not hearing of new snapshots: {}", heard.error().message);
      continue;
    }
    const auto watched = hub_.topics();
    if (*heard) {
      // After a gap nobody knows what was missed: everything that is watched is sent again.
      const auto* notice = std::get_if<store::Notice>(&**heard);
      for (const auto& topic : watched) {
        if (notice == nullptr || topic.starts_with(notice->underlying + "|")) owed.insert(topic);
      }
    }
    std::erase_if(owed, [&](const std::string& topic) {
      if (!std::ranges::binary_search(watched, topic)) return true;
      auto message = event(topic, true);
      if (message) hub_.publish(topic, *std::move(message));
      if (message || message.error().code == core::Errc::not_found) return true;
      core::log::warning("{} not pushed yet: {}", topic, message.error().message);
      return false;
    });
  }
}

}  // namespace bifrost::api
