// SPDX-License-Identifier: Apache-2.0
#include "underlying_quote.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rotation.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;

namespace {

/// The line, which its caller has taken, and the subscription of one attempt; gives both back at
/// the end.
class Watch {
 public:
  Watch(Link& link, Link::Mailbox& mailbox) : link_(link), mailbox_(mailbox) {}
  ~Watch() {
    if (req_id_ != 0) mailbox_.close(req_id_);
    if (live_) {
      link_.end_subscription(session_, req_id_);
    } else if (!refused_) {
      link_.release_line(false);
    }
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void subscribe(const Link::Session& session, wire::MarketDataRequest request, MarketData type) {
    session_ = session;
    req_id_ = mailbox_.open();
    live_ = true;
    request.req_id = req_id_;
    // A failure means that the link is gone, and LinkLost says so in its turn.
    (void)link_.subscribe(session, request, type);
  }
  void ended_by_gateway() { live_ = false; }
  void line_refused() {
    live_ = false;
    refused_ = true;
    link_.line_refused();
  }

 private:
  Link& link_;
  Link::Mailbox& mailbox_;
  Link::Session session_;
  int req_id_ = 0;
  bool live_ = false;
  bool refused_ = false;
};

struct Seen {
  TickBook book;
  std::optional<Steady::time_point> last_tick;
};

std::optional<UnderlyingQuote> best(const TickBook& book, bool wait_for_last) {
  const auto quote = book.quote(core::Right::call);
  UnderlyingQuote result;
  result.bid = quote.bid;
  result.ask = quote.ask;
  result.implied_vol_30d = book.implied_vol();
  result.historical_vol_30d = book.historical_vol();
  result.delayed = book.delayed();
  if (quote.last) {
    result.price = *quote.last;
    result.from = PriceFrom::last;
    return result;
  }
  if (wait_for_last) return std::nullopt;
  if (quote.bid && quote.ask) {
    result.price = core::Price::from_units((quote.bid->units() + quote.ask->units()) / 2);
    result.from = PriceFrom::mid;
    return result;
  }
  if (!book.close()) return std::nullopt;
  result.price = *book.close();
  result.from = PriceFrom::close;
  return result;
}

/// What a person can do about a refusal.
std::string_view hint_for(const Ruling& ruling, MarketData type) {
  const bool live = type == MarketData::live || type == MarketData::frozen;
  if (ruling.code != Errc::unauthorized || ruling.meaning == Meaning::competing || !live) return "";
  return "; hint: BIFROST_MARKET_DATA=delayed asks for quotes that are 15 minutes old and need no "
         "subscription";
}

}  // namespace

core::Result<UnderlyingQuote> watch_underlying(Link& link, const Underlying& underlying,
                                               const CollectOptions& how, const core::Clock& clock,
                                               core::Deadline deadline) {
  const auto what = fmt::format("price of {}", underlying.symbol);
  const auto market_data = how.market_data.value_or(link.options().market_data);
  auto generic_ticks = allowed_generic_ticks(link.options().underlying_generic_ticks, market_data);
  for (;;) {
    Link::Mailbox mailbox{link};
    // The line comes before the session: waiting for one drops events, and of the session that is
    // subscribed under none may be missed.
    while (!link.acquire_line()) {
      if (link.is_over(deadline)) {
        return fail(Steady::now() < deadline ? Errc::cancelled : Errc::timeout,
                    fmt::format("{}: no market-data line is free", what));
      }
      (void)mailbox.wait(deadline);
    }
    Watch watch{link, mailbox};
    BF_TRY(const auto session, link.await_ready(deadline));
    BF_CHECK(link.pace(deadline));
    watch.subscribe(session,
                    {.contract = {.con_id = underlying.con_id,
                                  .symbol = underlying.symbol,
                                  .sec_type = underlying.sec_type,
                                  .exchange = underlying.exchange,
                                  .currency = underlying.currency},
                     .generic_ticks = generic_ticks},
                    market_data);

    Seen seen;
    std::optional<RequestError> doubt;
    auto give_up = std::min(deadline, core::after(how.dwell_cap));
    for (bool again = false; !again;) {
      const auto quiet_end = seen.last_tick ? *seen.last_tick + how.quiet : give_up;
      auto events = mailbox.wait(std::min(quiet_end, give_up));
      for (auto& event : events) {
        if (const auto* price = std::get_if<wire::TickPrice>(&event)) {
          seen.book.add(*price);
          seen.last_tick = Steady::now();
        } else if (const auto* size = std::get_if<wire::TickSize>(&event)) {
          seen.book.add(*size);
        } else if (const auto* value = std::get_if<wire::TickGeneric>(&event)) {
          seen.book.add(*value);
          seen.last_tick = Steady::now();
        } else if (const auto* type = std::get_if<wire::MarketDataType>(&event)) {
          seen.book.add(*type);
        } else if (const auto* error = std::get_if<RequestError>(&event)) {
          switch (error->ruling.meaning) {
            case Meaning::advisory:
              doubt = *error;
              break;
            case Meaning::no_line:
              watch.line_refused();
              return fail(Errc::unavailable, fmt::format("{}: {}", what, error->text));
            case Meaning::duplicate_id:
              watch.ended_by_gateway();
              again = true;
              break;
            default:
              watch.ended_by_gateway();
              // Which ones an instrument may be asked for is not always known beforehand: the price
              // matters more.
              if (error->ruling.code == Errc::invalid_input && !generic_ticks.empty() &&
                  error->text.find("eneric tick") != std::string::npos) {
                generic_ticks.clear();
                again = true;
                break;
              }
              return fail(error->ruling.code, fmt::format("{}: {}{}", what, error->text,
                                                          hint_for(error->ruling, market_data)));
          }
        } else if (const auto* lost = std::get_if<LinkLost>(&event)) {
          if (lost->session == session.number) {
            watch.ended_by_gateway();
            again = true;
          }
        } else if (std::holds_alternative<StreamsLost>(event)) {
          again = true;
        }
      }
      if (again) break;
      const auto now = Steady::now();
      if (now < deadline && link.is_over(deadline)) {
        return fail(Errc::cancelled, fmt::format("{}: stopped", what));
      }
      const bool over = now >= give_up || (seen.last_tick && now >= *seen.last_tick + how.quiet);
      const bool waits_for_volatility = how.volatilities && !over && !generic_ticks.empty() &&
                                        !(seen.book.implied_vol() && seen.book.historical_vol());
      if (auto quote = best(seen.book, !over); quote && !waits_for_volatility) {
        quote->observed_at = clock.now();
        return *quote;
      }
      if (over) {
        if (doubt) {
          return fail(doubt->ruling.code, fmt::format("{}: {}{}", what, doubt->text,
                                                      hint_for(doubt->ruling, market_data)));
        }
        return fail(now >= deadline ? Errc::timeout : Errc::unavailable,
                    fmt::format("{}: the gateway sent none", what));
      }
    }
    if (Steady::now() >= deadline) return fail(Errc::timeout, what);
  }
}

}  // namespace bifrost::ib
