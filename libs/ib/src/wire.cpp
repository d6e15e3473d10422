// SPDX-License-Identifier: Apache-2.0
#include "bifrost/ib/wire.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "codec.hpp"
#include "layouts.hpp"

namespace bifrost::ib::wire {
namespace {

using core::Errc;
using core::fail;

constexpr std::string_view prefix{"API\0", 4};

}  // namespace

void FrameReader::feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  if (problem_ == FrameProblem::none) buffer_.append(bytes);
}

core::Result<std::optional<std::string_view>> FrameReader::next() {
  const auto stop = [&](FrameProblem problem) {
    problem_ = problem;
    switch (problem) {
      case FrameProblem::bad_prefix:
        return fail(Errc::corrupt_data, "the peer does not begin as a TWS client");
      case FrameProblem::empty_frame:
        return fail(Errc::corrupt_data, "the peer sent a frame of length 0");
      default:
        return fail(Errc::corrupt_data, "the peer announced a frame beyond 16 MiB");
    }
  };
  if (problem_ != FrameProblem::none) return stop(problem_);
  const auto held = std::string_view{buffer_}.substr(taken_);
  if (prefix_pending_) {
    if (!prefix.starts_with(held.substr(0, prefix.size()))) return stop(FrameProblem::bad_prefix);
    if (held.size() < prefix.size()) return std::nullopt;
    taken_ += prefix.size();
    prefix_pending_ = false;
    return next();
  }
  if (held.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(held[i]);
  if (length == 0) return stop(FrameProblem::empty_frame);
  if (length > max_payload) return stop(FrameProblem::oversized_frame);
  if (held.size() < 4 + length) return std::nullopt;
  taken_ += 4 + length;
  return held.substr(4, length);
}

std::string frame(std::string_view payload) {
  if (payload.empty() || payload.size() > max_payload) core::panic("no frame holds such a payload");
  std::string bytes;
  bytes.reserve(payload.size() + 4);
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
  return bytes.append(payload);
}

void Fields::assign(std::string_view payload) {
  fields_.clear();
  while (!payload.empty()) {
    const auto end = std::min(payload.find('\0'), payload.size());
    fields_.push_back(payload.substr(0, end));
    payload.remove_prefix(std::min(end + 1, payload.size()));
  }
}

std::optional<int> Fields::id() const {
  int id = 0;
  if (fields_.empty() || !parse_whole(fields_.front(), id)) return std::nullopt;
  return id;
}

std::string encode_hello(VersionRange range, std::string_view connect_options) {
  return std::string{prefix} +
         frame(fmt::format("v{}..{}{}{}", range.min, range.max, connect_options.empty() ? "" : " ",
                           connect_options));
}

core::Result<VersionRange> decode_hello(std::string_view payload) {
  const auto refuse = [] {
    return fail(Errc::corrupt_data, "the client announced no version range");
  };
  auto text = payload.substr(0, payload.find_first_of(std::string_view{" \0", 2}));
  if (!text.starts_with('v')) return refuse();
  text.remove_prefix(1);
  const auto dots = text.find("..");
  VersionRange range;
  if (!parse_whole(text.substr(0, dots), range.min)) return refuse();
  range.max = range.min;
  if (dots != text.npos && !parse_whole(text.substr(dots + 2), range.max)) return refuse();
  if (range.min < 0 || range.min > range.max) return refuse();
  return range;
}

std::string encode(const HelloReply& reply) {
  std::string payload = fmt::format("{}", reply.server_version);
  payload.push_back('\0');
  for (const char c : reply.connection_time) {
    if (c != '\0') payload.push_back(c);
  }
  payload.push_back('\0');
  return frame(payload);
}

core::Result<HelloReply> decode_hello_reply(const Fields& fields) {
  const auto version = fields.id();
  if (fields.size() != 2 || !version) {
    return fail(Errc::corrupt_data, "the gateway's first message is not version and time");
  }
  return HelloReply{*version, utf8(fields[1])};
}

BF_MESSAGE(StartApi)
BF_MESSAGE(CurrentTimeRequest)
BF_MESSAGE(CurrentTimeMillisRequest)
BF_MESSAGE(IdsRequest)
BF_MESSAGE(ManagedAccountsRequest)
BF_MESSAGE(ServerLogLevel)
BF_MESSAGE(ContractDataRequest)
BF_MESSAGE(OptionParametersRequest)
BF_MESSAGE(MarketDataRequest)
BF_MESSAGE(CancelMarketData)
BF_MESSAGE(MarketDataTypeRequest)
BF_MESSAGE(HistoricalDataRequest)
BF_MESSAGE(CancelHistoricalData)
BF_MESSAGE(ImpliedVolRequest)
BF_MESSAGE(OptionPriceRequest)
BF_MESSAGE(CancelImpliedVol)
BF_MESSAGE(CancelOptionPrice)
BF_MESSAGE(AccountSummaryRequest)
BF_MESSAGE(CancelAccountSummary)
BF_MESSAGE(PositionsRequest)
BF_MESSAGE(CancelPositions)
BF_MESSAGE(PositionsMultiRequest)
BF_MESSAGE(CancelPositionsMulti)
BF_MESSAGE(AccountUpdatesRequest)
BF_MESSAGE(AccountUpdatesMultiRequest)
BF_MESSAGE(CancelAccountUpdatesMulti)
BF_MESSAGE(PnlRequest)
BF_MESSAGE(CancelPnl)
BF_MESSAGE(OpenOrdersRequest)
BF_MESSAGE(AllOpenOrdersRequest)
BF_MESSAGE(AutoOpenOrdersRequest)
BF_MESSAGE(CompletedOrdersRequest)
BF_MESSAGE(ExecutionsRequest)
BF_MESSAGE(MatchingSymbolsRequest)
BF_MESSAGE(MarketRuleRequest)
BF_MESSAGE(FamilyCodesRequest)
BF_MESSAGE(SoftDollarTiersRequest)
BF_MESSAGE(SmartComponentsRequest)
BF_MESSAGE(UserInfoRequest)
BF_MESSAGE(NextValidId)
BF_MESSAGE(ManagedAccounts)
BF_MESSAGE(CurrentTime)
BF_MESSAGE(CurrentTimeMillis)
BF_MESSAGE(ErrorMessage)
BF_MESSAGE(ContractData)
BF_MESSAGE(ContractDataEnd)
BF_MESSAGE(OptionParameters)
BF_MESSAGE(OptionParametersEnd)
BF_MESSAGE(MarketDataType)
BF_MESSAGE(TickRequestParameters)
BF_MESSAGE(TickPrice)
BF_MESSAGE(TickSize)
BF_MESSAGE(TickGeneric)
BF_MESSAGE(TickString)
BF_MESSAGE(OptionComputation)
BF_MESSAGE(TickSnapshotEnd)
BF_MESSAGE(HistoricalData)
BF_MESSAGE(HistoricalDataEnd)
BF_MESSAGE(HistoricalDataUpdate)
BF_MESSAGE(HistoricalSchedule)
BF_MESSAGE(AccountSummary)
BF_MESSAGE(AccountSummaryEnd)
BF_MESSAGE(Position)
BF_MESSAGE(PositionEnd)
BF_MESSAGE(PositionMulti)
BF_MESSAGE(PositionMultiEnd)
BF_MESSAGE(AccountValue)
BF_MESSAGE(PortfolioValue)
BF_MESSAGE(AccountUpdateTime)
BF_MESSAGE(AccountDownloadEnd)
BF_MESSAGE(AccountUpdateMulti)
BF_MESSAGE(AccountUpdateMultiEnd)
BF_MESSAGE(Pnl)
BF_MESSAGE(OpenOrderEnd)
BF_MESSAGE(CompletedOrdersEnd)
BF_MESSAGE(ExecutionDataEnd)
BF_MESSAGE(SymbolSamples)
BF_MESSAGE(MarketRule)
BF_MESSAGE(FamilyCodes)
BF_MESSAGE(SoftDollarTiers)
BF_MESSAGE(SmartComponents)
BF_MESSAGE(UserInfo)

}  // namespace bifrost::ib::wire
