// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "asking.hpp"
#include "bifrost/core/log.hpp"
#include "client_impl.hpp"

namespace bifrost::ib {

using core::Errc;
using core::fail;

namespace {

std::string_view on_the_wire(BarKind kind) {
  switch (kind) {
    case BarKind::trades:
      return "TRADES";
    case BarKind::option_implied_volatility:
      return "OPTION_IMPLIED_VOLATILITY";
    case BarKind::historical_volatility:
      return "HISTORICAL_VOLATILITY";
  }
  core::panic("a bar kind without a name");
}

/// The gateway counts calendar or trading days, and wants years beyond one: rather too many than
/// too few.
std::string duration_for(int days) {
  const int calendar_days = days * 365 / 252 + 7;
  if (calendar_days <= 365) return fmt::format("{} D", calendar_days);
  return fmt::format("{} Y", (calendar_days + 364) / 365);
}

std::optional<DailyBar> to_daily(const wire::Bar& bar, BarKind kind) {
  const auto date = core::parse_compact_date(std::string_view{bar.date}.substr(0, 8));
  if (!date) return std::nullopt;
  DailyBar day{.date = *date,
               .open = bar.open,
               .high = bar.high,
               .low = bar.low,
               .close = bar.close,
               .volume = bar.volume};
  if (day.volume < 0.0 || kind != BarKind::trades) day.volume.reset();
  if (kind == BarKind::trades) return day;
  // A volatility is never negative: the gateway's marks for "none" are.
  for (auto* field : {&day.open, &day.high, &day.low, &day.close}) {
    if (*field && !(**field >= 0)) field->reset();
  }
  return day;
}

/// One of the requests that the gateway keeps open at once.
class HistoryTurn {
 public:
  static core::Result<HistoryTurn> take(HistoryPacer& pacer, core::Deadline deadline) {
    BF_CHECK(pacer.begin(deadline));
    return HistoryTurn{pacer};
  }
  HistoryTurn(HistoryTurn&& other) noexcept : pacer_(std::exchange(other.pacer_, nullptr)) {}
  HistoryTurn& operator=(HistoryTurn&&) = delete;
  ~HistoryTurn() {
    if (pacer_ != nullptr) pacer_->end();
  }

 private:
  explicit HistoryTurn(HistoryPacer& pacer) : pacer_(&pacer) {}
  HistoryPacer* pacer_;
};

}  // namespace

core::Result<std::vector<DailyBar>> Client::daily_bars(const Underlying& underlying, BarKind kind,
                                                       int days, core::Deadline deadline) {
  const auto what = fmt::format("daily {} of {}", on_the_wire(kind), underlying.symbol);
  if (days < 1 || days > 5'000) {
    return fail(Errc::invalid_input, fmt::format("{}: {} days cannot be asked for", what, days));
  }
  const wire::HistoricalDataRequest request{.contract = {.con_id = underlying.con_id,
                                                         .symbol = underlying.symbol,
                                                         .sec_type = underlying.sec_type,
                                                         .exchange = underlying.exchange,
                                                         .currency = underlying.currency},
                                            .bar_size = "1 day",
                                            .duration = duration_for(days),
                                            .regular_hours = true,
                                            .what_to_show = std::string{on_the_wire(kind)}};
  BF_TRY(const auto turn, HistoryTurn::take(impl_->history, deadline));
  auto& link = impl_->link;
  std::vector<wire::Bar> bars;
  bool complete = false;
  bool no_data = false;
  bool too_fast = false;
  const auto asked = ask(
      link, request, what, deadline,
      [&] {
        bars.clear();
        complete = false;
      },
      [&](Event& event) {
        if (auto* data = std::get_if<wire::HistoricalData>(&event)) {
          bars = std::move(data->bars);
          // From 196 the end is a message of its own.
          complete = link.state().server_version < 196;
        } else if (std::holds_alternative<wire::HistoricalDataEnd>(event)) {
          complete = true;
        } else if (const auto* error = std::get_if<RequestError>(&event)) {
          no_data = error->ruling.meaning == Meaning::no_data;
          too_fast = error->ruling.meaning == Meaning::pacing;
          complete = no_data;
        }
        return complete;
      },
      [&](const Link::Session& session, int id) {
        if (complete) return;
        link.take_place();
        (void)link.send(session, wire::CancelHistoricalData{.req_id = id});
      });
  if (too_fast) impl_->history.violated(Steady::now());
  if (!asked) return tl::unexpected{asked.error()};

  std::vector<DailyBar> history;
  history.reserve(bars.size());
  for (const auto& bar : bars) {
    if (const auto day = to_daily(bar, kind)) {
      history.push_back(*day);
    } else {
      core::log::warning("{}: a bar dated \"{}\" is left out", what, bar.date);
    }
  }
  std::stable_sort(history.begin(), history.end(),
                   [](const auto& a, const auto& b) { return a.date < b.date; });
  // Of a day that was sent twice the later one counts.
  const auto rest = std::unique(history.rbegin(), history.rend(),
                                [](const auto& a, const auto& b) { return a.date == b.date; });
  history.erase(history.begin(), rest.base());
  if (history.size() > static_cast<std::size_t>(days)) {
    history.erase(history.begin(), history.end() - days);
  }
  return history;
}

}  // namespace bifrost::ib
