// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/result.hpp"

// The TWS socket protocol, text era (server versions 163 to 200), both directions: the client of
// this room and the simulated gateway speak through the same layouts. Fields the wire marks as
// unset (empty, -1, -2, DBL_MAX, INT_MAX) are absent optionals here; nothing else is interpreted.
// Prices are per share, sizes of options in contracts.
namespace bifrost::ib::wire {

inline constexpr int min_version = 163;  // below it the gateway truncates sizes
inline constexpr int max_version = 200;  // above it messages are protobuf
inline constexpr std::size_t max_payload = 0xFFFFFF;

// ---- framing

enum class FrameProblem { none, bad_prefix, empty_frame, oversized_frame };

/// Cuts a byte stream into payloads, however the network split it.
class FrameReader {
 public:
  enum class From { gateway, client };  // a client begins with the four bytes "API\0"

  explicit FrameReader(From from = From::gateway) : prefix_pending_(from == From::client) {}

  void feed(std::string_view bytes);

  /// The next whole payload, nothing while it is incomplete, or corrupt_data: the stream cannot be
  /// followed any further and the connection must be closed (problem() says why, every later call
  /// fails again). The view lives until the next feed().
  core::Result<std::optional<std::string_view>> next();

  FrameProblem problem() const { return problem_; }
  /// Bytes held of a frame that is not complete yet.
  std::size_t pending() const { return buffer_.size() - taken_; }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool prefix_pending_;
  FrameProblem problem_ = FrameProblem::none;
};

/// Length prefix and payload. The payload must not be empty and not exceed max_payload.
std::string frame(std::string_view payload);

/// A payload split into its NUL-terminated fields. Holds views: the payload must outlive it.
class Fields {
 public:
  Fields() = default;
  explicit Fields(std::string_view payload) { assign(payload); }
  void assign(std::string_view payload);  // keeps the allocation

  std::size_t size() const { return fields_.size(); }
  std::string_view operator[](std::size_t i) const { return fields_[i]; }
  /// The message id in front; nothing when it is not a number.
  std::optional<int> id() const;

 private:
  std::vector<std::string_view> fields_;
};

// ---- handshake

struct VersionRange {
  int min = 176;
  int max = 178;
  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

/// What a client sends first, in one write: "API\0" and the framed range.
std::string encode_hello(VersionRange range, std::string_view connect_options = {});
/// The framed part ("v176..178", "v178", "v100..193 +PACEAPI"), as FrameReader{From::client}
/// delivers it first.
core::Result<VersionRange> decode_hello(std::string_view payload);

/// The gateway's first message, without an id. A negative version asks the client to go elsewhere.
struct HelloReply {
  int server_version = 0;
  std::string connection_time{};  // free text, any zone, any encoding; of a redirect: host[:port]
  friend bool operator==(const HelloReply&, const HelloReply&) = default;
};
std::string encode(const HelloReply& reply);
core::Result<HelloReply> decode_hello_reply(const Fields& fields);

// ---- message ids

enum class Request : int {  // client to gateway
  market_data = 1,
  cancel_market_data = 2,
  place_order = 3,
  cancel_order = 4,
  open_orders = 5,
  account_updates = 6,
  executions = 7,
  ids = 8,
  contract_data = 9,
  server_log_level = 14,
  auto_open_orders = 15,
  all_open_orders = 16,
  managed_accounts = 17,
  historical_data = 20,
  scanner = 22,
  cancel_scanner = 23,
  scanner_parameters = 24,
  cancel_historical_data = 25,
  current_time = 49,
  calculate_implied_vol = 54,
  calculate_option_price = 55,
  cancel_calculate_implied_vol = 56,
  cancel_calculate_option_price = 57,
  global_cancel = 58,
  market_data_type = 59,
  positions = 61,
  account_summary = 62,
  cancel_account_summary = 63,
  cancel_positions = 64,
  start_api = 71,
  positions_multi = 74,
  cancel_positions_multi = 75,
  account_updates_multi = 76,
  cancel_account_updates_multi = 77,
  option_parameters = 78,
  soft_dollar_tiers = 79,
  family_codes = 80,
  matching_symbols = 81,
  smart_components = 83,
  market_rule = 91,
  pnl = 92,
  cancel_pnl = 93,
  completed_orders = 99,
  user_info = 104,
  current_time_millis = 105,
};

enum class Reply : int {  // gateway to client
  tick_price = 1,
  tick_size = 2,
  order_status = 3,
  error = 4,
  open_order = 5,
  account_value = 6,
  portfolio_value = 7,
  account_update_time = 8,
  next_valid_id = 9,
  contract_data = 10,
  execution_data = 11,
  managed_accounts = 15,
  historical_data = 17,
  scanner_parameters = 19,
  scanner_data = 20,
  option_computation = 21,
  tick_generic = 45,
  tick_string = 46,
  current_time = 49,
  contract_data_end = 52,
  open_order_end = 53,
  account_download_end = 54,
  execution_data_end = 55,
  tick_snapshot_end = 57,
  market_data_type = 58,
  commission_report = 59,
  position = 61,
  position_end = 62,
  account_summary = 63,
  account_summary_end = 64,
  position_multi = 71,
  position_multi_end = 72,
  account_update_multi = 73,
  account_update_multi_end = 74,
  option_parameters = 75,
  option_parameters_end = 76,
  soft_dollar_tiers = 77,
  family_codes = 78,
  symbol_samples = 79,
  tick_request_parameters = 81,
  smart_components = 82,
  historical_data_update = 90,
  reroute_market_data = 91,
  market_rule = 93,
  pnl = 94,
  completed_orders_end = 102,
  historical_schedule = 106,
  user_info = 107,
  historical_data_end = 108,
  current_time_millis = 109,
};

// ---- shared parts

/// A contract as messages describe it; which of the fields a message carries is its own affair.
struct Contract {
  std::int64_t con_id = 0;  // 0: not known
  std::string symbol{};
  std::string sec_type{};         // STK, IND, OPT, BAG, FUND...
  std::string last_trade_date{};  // yyyymmdd, yyyymm, or with a time and a zone behind it
  std::optional<double> strike{};
  std::optional<core::Right> right{};
  std::string multiplier{};
  std::string exchange{};
  std::string primary_exchange{};
  std::string currency{};
  std::string local_symbol{};
  std::string trading_class{};
  friend bool operator==(const Contract&, const Contract&) = default;
};

struct ComboLeg {
  std::int64_t con_id = 0;
  int ratio = 0;
  std::string action{};
  std::string exchange{};
  friend bool operator==(const ComboLeg&, const ComboLeg&) = default;
};

struct DeltaNeutral {
  std::int64_t con_id = 0;
  double delta = 0;
  double price = 0;
  friend bool operator==(const DeltaNeutral&, const DeltaNeutral&) = default;
};

struct TagValue {
  std::string tag{};
  std::string value{};
  friend bool operator==(const TagValue&, const TagValue&) = default;
};

// ---- client to gateway

struct StartApi {
  static constexpr Request id = Request::start_api;
  int client_id = 0;
  std::string capabilities{};
};
struct CurrentTimeRequest {
  static constexpr Request id = Request::current_time;
};
struct CurrentTimeMillisRequest {  // from 197
  static constexpr Request id = Request::current_time_millis;
};
struct IdsRequest {
  static constexpr Request id = Request::ids;
};
struct ManagedAccountsRequest {
  static constexpr Request id = Request::managed_accounts;
};
struct ServerLogLevel {
  static constexpr Request id = Request::server_log_level;
  int level = 0;
};
struct ContractDataRequest {
  static constexpr Request id = Request::contract_data;
  int req_id = 0;
  Contract contract{};
  bool include_expired = false;
  std::string sec_id_type{};
  std::string sec_id{};
  std::string issuer_id{};  // from 176
};
struct OptionParametersRequest {
  static constexpr Request id = Request::option_parameters;
  int req_id = 0;
  std::string underlying_symbol{};
  std::string fut_fop_exchange{};
  std::string underlying_sec_type{};
  std::int64_t underlying_con_id = 0;
};
struct MarketDataRequest {
  static constexpr Request id = Request::market_data;
  int req_id = 0;
  Contract contract{};
  std::vector<ComboLeg> legs{};  // only of a BAG
  std::optional<DeltaNeutral> delta_neutral{};
  std::string generic_ticks{};  // "100,101,106"
  bool snapshot = false;
  bool regulatory_snapshot = false;  // billed each: never ask
  std::string options{};
};
struct CancelMarketData {
  static constexpr Request id = Request::cancel_market_data;
  int req_id = 0;
};
struct MarketDataTypeRequest {
  static constexpr Request id = Request::market_data_type;
  int type = 1;  // 1 live, 2 frozen, 3 delayed, 4 delayed and frozen
};
struct HistoricalDataRequest {
  static constexpr Request id = Request::historical_data;
  int req_id = 0;
  Contract contract{};
  bool include_expired = false;
  std::string end{};       // empty: now
  std::string bar_size{};  // "1 day"
  std::string duration{};  // "30 D"
  bool regular_hours = true;
  std::string what_to_show{};  // "TRADES"
  int format_date = 1;         // 2: epoch seconds
  std::vector<ComboLeg> legs{};
  bool keep_up_to_date = false;
  std::string options{};
};
struct CancelHistoricalData {
  static constexpr Request id = Request::cancel_historical_data;
  int req_id = 0;
};
/// Both shapes seen on the wire are read; written is the short one, version 2.
struct ImpliedVolRequest {
  static constexpr Request id = Request::calculate_implied_vol;
  int req_id = 0;
  Contract contract{};
  std::optional<double> option_price{};
  std::optional<double> underlying_price{};
  std::string options{};
};
struct OptionPriceRequest {
  static constexpr Request id = Request::calculate_option_price;
  int req_id = 0;
  Contract contract{};
  std::optional<double> volatility{};
  std::optional<double> underlying_price{};
  std::string options{};
};
struct CancelImpliedVol {
  static constexpr Request id = Request::cancel_calculate_implied_vol;
  int req_id = 0;
};
struct CancelOptionPrice {
  static constexpr Request id = Request::cancel_calculate_option_price;
  int req_id = 0;
};
struct AccountSummaryRequest {
  static constexpr Request id = Request::account_summary;
  int req_id = 0;
  std::string group{};
  std::string tags{};
};
struct CancelAccountSummary {
  static constexpr Request id = Request::cancel_account_summary;
  int req_id = 0;
};
struct PositionsRequest {
  static constexpr Request id = Request::positions;
};
struct CancelPositions {
  static constexpr Request id = Request::cancel_positions;
};
struct PositionsMultiRequest {
  static constexpr Request id = Request::positions_multi;
  int req_id = 0;
  std::string account{};
  std::string model{};
};
struct CancelPositionsMulti {
  static constexpr Request id = Request::cancel_positions_multi;
  int req_id = 0;
};
struct AccountUpdatesRequest {
  static constexpr Request id = Request::account_updates;
  bool subscribe = true;
  std::string account{};
};
struct AccountUpdatesMultiRequest {
  static constexpr Request id = Request::account_updates_multi;
  int req_id = 0;
  std::string account{};
  std::string model{};
  bool ledger_and_nlv = false;
};
struct CancelAccountUpdatesMulti {
  static constexpr Request id = Request::cancel_account_updates_multi;
  int req_id = 0;
};
struct PnlRequest {
  static constexpr Request id = Request::pnl;
  int req_id = 0;
  std::string account{};
  std::string model{};
};
struct CancelPnl {
  static constexpr Request id = Request::cancel_pnl;
  int req_id = 0;
};
struct OpenOrdersRequest {
  static constexpr Request id = Request::open_orders;
};
struct AllOpenOrdersRequest {
  static constexpr Request id = Request::all_open_orders;
};
struct AutoOpenOrdersRequest {
  static constexpr Request id = Request::auto_open_orders;
  bool auto_bind = false;
};
struct CompletedOrdersRequest {
  static constexpr Request id = Request::completed_orders;
  bool api_only = false;
};
struct ExecutionsRequest {
  static constexpr Request id = Request::executions;
  int req_id = 0;
  std::optional<int> client_id{};
  std::string account{};
  std::string time{};
  std::string symbol{};
  std::string sec_type{};
  std::string exchange{};
  std::string side{};
  std::optional<int> last_days{};    // from 200
  std::vector<std::string> dates{};  // from 200
};
struct MatchingSymbolsRequest {
  static constexpr Request id = Request::matching_symbols;
  int req_id = 0;
  std::string pattern{};
};
struct MarketRuleRequest {
  static constexpr Request id = Request::market_rule;
  int rule_id = 0;
};
struct FamilyCodesRequest {
  static constexpr Request id = Request::family_codes;
};
struct SoftDollarTiersRequest {
  static constexpr Request id = Request::soft_dollar_tiers;
  int req_id = 0;
};
struct SmartComponentsRequest {
  static constexpr Request id = Request::smart_components;
  int req_id = 0;
  std::string bbo_exchange{};
};
struct UserInfoRequest {
  static constexpr Request id = Request::user_info;
  int req_id = 0;
};

// ---- gateway to client

struct NextValidId {
  static constexpr Reply id = Reply::next_valid_id;
  int order_id = 0;
};
struct ManagedAccounts {
  static constexpr Reply id = Reply::managed_accounts;
  std::vector<std::string> accounts{};
};
struct CurrentTime {
  static constexpr Reply id = Reply::current_time;
  std::int64_t epoch_seconds = 0;
};
struct CurrentTimeMillis {  // from 197
  static constexpr Reply id = Reply::current_time_millis;
  std::int64_t epoch_millis = 0;
};
struct ErrorMessage {
  static constexpr Reply id = Reply::error;
  std::optional<int> req_id{};  // nothing: about the session, not about one request
  int code = 0;
  std::string text{};
  std::string reject_json{};                  // from 166
  std::optional<std::int64_t> time_millis{};  // from 194
};
struct Ineligibility {
  std::string reason{};
  std::string description{};
};
/// Of a fund (from 179): seventeen fields that nobody here reads, kept as they came.
struct FundFields {
  std::vector<std::string> text = std::vector<std::string>(17);
};
struct ContractData {
  static constexpr Reply id = Reply::contract_data;
  int req_id = 0;
  Contract contract{};
  std::string last_trade_date_only{};  // from 182
  std::string market_name{};
  std::optional<double> min_tick{};
  int md_size_multiplier = 1;  // only 163
  std::string order_types{};
  std::string valid_exchanges{};
  int price_magnifier = 1;
  std::int64_t under_con_id = 0;
  std::string long_name{};
  std::string contract_month{};
  std::string industry{};
  std::string category{};
  std::string subcategory{};
  std::string time_zone{};
  std::string trading_hours{};
  std::string liquid_hours{};
  std::string ev_rule{};
  std::string ev_multiplier{};
  std::vector<TagValue> sec_ids{};
  std::optional<int> agg_group{};
  std::string under_symbol{};
  std::string under_sec_type{};
  std::string market_rule_ids{};
  std::string real_expiration_date{};
  std::string stock_type{};
  std::optional<double> size_min_tick{};             // only 163
  std::optional<double> min_size{};                  // from 164
  std::optional<double> size_increment{};            // from 164
  std::optional<double> suggested_size_increment{};  // from 164
  FundFields fund{};
  std::vector<Ineligibility> ineligibility{};  // from 186
};
struct ContractDataEnd {
  static constexpr Reply id = Reply::contract_data_end;
  int req_id = 0;
};
struct OptionParameters {
  static constexpr Reply id = Reply::option_parameters;
  int req_id = 0;
  std::string exchange{};
  std::int64_t underlying_con_id = 0;
  std::string trading_class{};
  std::string multiplier{};
  std::vector<std::string> expirations{};  // yyyymmdd
  std::vector<double> strikes{};
};
struct OptionParametersEnd {
  static constexpr Reply id = Reply::option_parameters_end;
  int req_id = 0;
};
struct MarketDataType {
  static constexpr Reply id = Reply::market_data_type;
  int req_id = 0;
  int type = 1;
};
struct TickRequestParameters {
  static constexpr Reply id = Reply::tick_request_parameters;
  int req_id = 0;
  std::optional<double> min_tick{};
  std::string bbo_exchange{};
  int snapshot_permissions = 0;
};

/// Numbers of ticks that this project reads or writes; any other number may arrive.
namespace tick {
inline constexpr int bid_size = 0, bid = 1, ask = 2, ask_size = 3, last = 4, last_size = 5,
                     high = 6, low = 7, volume = 8, close = 9, bid_computation = 10,
                     ask_computation = 11, last_computation = 12, model_computation = 13, open = 14,
                     historical_vol = 23, option_implied_vol = 24, call_open_interest = 27,
                     put_open_interest = 28, last_timestamp = 45, halted = 49,
                     custom_computation = 53, delayed_bid = 66, delayed_ask = 67, delayed_last = 68,
                     delayed_bid_size = 69, delayed_ask_size = 70, delayed_last_size = 71,
                     delayed_high = 72, delayed_low = 73, delayed_volume = 74, delayed_close = 75,
                     delayed_open = 76, delayed_bid_computation = 80, delayed_ask_computation = 81,
                     delayed_last_computation = 82, delayed_model_computation = 83;
}  // namespace tick

struct TickPrice {
  static constexpr Reply id = Reply::tick_price;
  int req_id = 0;
  int tick_type = 0;
  std::optional<double>
      price;  // nothing: no quote (-1 with size 0 on the wire); size is nothing then too
  std::optional<double> size{};
  int attributes = 0;  // bit 0 can auto-execute, 1 past limit, 2 pre-open
};
struct TickSize {
  static constexpr Reply id = Reply::tick_size;
  int req_id = 0;
  int tick_type = 0;
  std::optional<double> size{};
};
struct TickGeneric {
  static constexpr Reply id = Reply::tick_generic;
  int req_id = 0;
  int tick_type = 0;
  std::optional<double> value{};
};
struct TickString {
  static constexpr Reply id = Reply::tick_string;
  int req_id = 0;
  int tick_type = 0;
  std::string value{};
};
/// Vega is per volatility point, theta per calendar day, both per share. All absent: "nothing
/// computed".
struct OptionComputation {
  static constexpr Reply id = Reply::option_computation;
  int req_id = 0;
  int tick_type = 0;
  int attribute = 0;  // 0 return-based, 1 price-based volatility
  std::optional<double> implied_vol{};
  std::optional<double> delta{};
  std::optional<double> option_price{};
  std::optional<double> pv_dividend{};
  std::optional<double> gamma{};
  std::optional<double> vega{};
  std::optional<double> theta{};
  std::optional<double> underlying_price{};
};
struct TickSnapshotEnd {
  static constexpr Reply id = Reply::tick_snapshot_end;
  int req_id = 0;
};
struct Bar {
  std::string date{};
  std::optional<double> open{};
  std::optional<double> high{};
  std::optional<double> low{};
  std::optional<double> close{};
  std::optional<double> volume{};  // meaningless (-1) in volatility series, as are wap and count
  std::optional<double> wap{};
  std::optional<double> count{};
};
struct HistoricalData {
  static constexpr Reply id = Reply::historical_data;
  int req_id = 0;
  std::string start{};  // before 196
  std::string end{};    // before 196; from 196 HistoricalDataEnd must follow
  std::vector<Bar> bars{};
};
struct HistoricalDataEnd {  // from 196
  static constexpr Reply id = Reply::historical_data_end;
  int req_id = 0;
  std::string start{};
  std::string end{};
};
struct HistoricalDataUpdate {
  static constexpr Reply id = Reply::historical_data_update;
  int req_id = 0;
  Bar bar{};
};
struct ScheduleSession {
  std::string start{};
  std::string end{};
  std::string reference_date{};
};
struct HistoricalSchedule {
  static constexpr Reply id = Reply::historical_schedule;
  int req_id = 0;
  std::string start{};
  std::string end{};
  std::string time_zone{};
  std::vector<ScheduleSession> sessions{};
};
struct AccountSummary {
  static constexpr Reply id = Reply::account_summary;
  int req_id = 0;
  std::string account{};
  std::string tag{};
  std::string value{};
  std::string currency{};
};
struct AccountSummaryEnd {
  static constexpr Reply id = Reply::account_summary_end;
  int req_id = 0;
};
struct Position {
  static constexpr Reply id = Reply::position;
  std::string account{};
  Contract contract{};  // no primary exchange
  std::optional<double> position{};
  std::optional<double> average_cost{};  // times the multiplier
};
struct PositionEnd {
  static constexpr Reply id = Reply::position_end;
};
struct PositionMulti {
  static constexpr Reply id = Reply::position_multi;
  int req_id = 0;
  std::string account{};
  Contract contract{};
  std::optional<double> position{};
  std::optional<double> average_cost{};
  std::string model{};
};
struct PositionMultiEnd {
  static constexpr Reply id = Reply::position_multi_end;
  int req_id = 0;
};
struct AccountValue {
  static constexpr Reply id = Reply::account_value;
  std::string key{};
  std::string value{};
  std::string currency{};
  std::string account{};
};
struct PortfolioValue {
  static constexpr Reply id = Reply::portfolio_value;
  Contract contract{};  // no exchange, only the primary one
  std::optional<double> position{};
  std::optional<double> market_price{};
  std::optional<double> market_value{};
  std::optional<double> average_cost{};
  std::optional<double> unrealized_pnl{};
  std::optional<double> realized_pnl{};
  std::string account{};
};
struct AccountUpdateTime {
  static constexpr Reply id = Reply::account_update_time;
  std::string time{};  // HH:MM
};
struct AccountDownloadEnd {
  static constexpr Reply id = Reply::account_download_end;
  std::string account{};
};
struct AccountUpdateMulti {
  static constexpr Reply id = Reply::account_update_multi;
  int req_id = 0;
  std::string account{};
  std::string model{};
  std::string key{};
  std::string value{};
  std::string currency{};
};
struct AccountUpdateMultiEnd {
  static constexpr Reply id = Reply::account_update_multi_end;
  int req_id = 0;
};
struct Pnl {
  static constexpr Reply id = Reply::pnl;
  int req_id = 0;
  std::optional<double> daily{};
  std::optional<double> unrealized{};
  std::optional<double> realized{};
};
struct OpenOrderEnd {
  static constexpr Reply id = Reply::open_order_end;
};
struct CompletedOrdersEnd {
  static constexpr Reply id = Reply::completed_orders_end;
};
struct ExecutionDataEnd {
  static constexpr Reply id = Reply::execution_data_end;
  int req_id = 0;
};
struct SymbolSample {
  std::int64_t con_id = 0;
  std::string symbol{};
  std::string sec_type{};
  std::string primary_exchange{};
  std::string currency{};
  std::vector<std::string> derivative_sec_types{};
  std::string description{};  // from 176
  std::string issuer_id{};    // from 176
};
struct SymbolSamples {
  static constexpr Reply id = Reply::symbol_samples;
  int req_id = 0;
  std::vector<SymbolSample> samples{};
};
struct PriceIncrement {
  double low_edge = 0;
  double increment = 0;
};
struct MarketRule {
  static constexpr Reply id = Reply::market_rule;
  int rule_id = 0;
  std::vector<PriceIncrement> increments{};
};
struct FamilyCode {
  std::string account{};
  std::string code{};
};
struct FamilyCodes {
  static constexpr Reply id = Reply::family_codes;
  std::vector<FamilyCode> codes{};
};
struct SoftDollarTier {
  std::string name{};
  std::string value{};
  std::string display_name{};
};
struct SoftDollarTiers {
  static constexpr Reply id = Reply::soft_dollar_tiers;
  int req_id = 0;
  std::vector<SoftDollarTier> tiers{};
};
struct SmartComponent {
  int bit = 0;
  std::string exchange{};
  std::string letter{};
};
struct SmartComponents {
  static constexpr Reply id = Reply::smart_components;
  int req_id = 0;
  std::vector<SmartComponent> components{};
};
struct UserInfo {
  static constexpr Reply id = Reply::user_info;
  int req_id = 0;
  std::string white_branding_id{};
};

// ---- codec

/// The framed message as `server_version` lays it out. Fields the version does not know are left
/// out.
template <class M>
std::string encode(const M& message, int server_version);

/// Reads a message whose id is M::id (invalid_input otherwise). Surplus fields at the end are
/// ignored; a message that is short or has a field that cannot be read is corrupt_data, to be
/// counted and dropped, never to end a session.
template <class M>
core::Result<M> decode(const Fields& fields, int server_version);

template <class... M>
struct MessageList {};

/// Every message of a direction, for whoever treats them all alike.
using Requests =
    MessageList<StartApi, CurrentTimeRequest, CurrentTimeMillisRequest, IdsRequest,
                ManagedAccountsRequest, ServerLogLevel, ContractDataRequest,
                OptionParametersRequest, MarketDataRequest, CancelMarketData, MarketDataTypeRequest,
                HistoricalDataRequest, CancelHistoricalData, ImpliedVolRequest, OptionPriceRequest,
                CancelImpliedVol, CancelOptionPrice, AccountSummaryRequest, CancelAccountSummary,
                PositionsRequest, CancelPositions, PositionsMultiRequest, CancelPositionsMulti,
                AccountUpdatesRequest, AccountUpdatesMultiRequest, CancelAccountUpdatesMulti,
                PnlRequest, CancelPnl, OpenOrdersRequest, AllOpenOrdersRequest,
                AutoOpenOrdersRequest, CompletedOrdersRequest, ExecutionsRequest,
                MatchingSymbolsRequest, MarketRuleRequest, FamilyCodesRequest,
                SoftDollarTiersRequest, SmartComponentsRequest, UserInfoRequest>;
using Replies =
    MessageList<NextValidId, ManagedAccounts, CurrentTime, CurrentTimeMillis, ErrorMessage,
                ContractData, ContractDataEnd, OptionParameters, OptionParametersEnd,
                MarketDataType, TickRequestParameters, TickPrice, TickSize, TickGeneric, TickString,
                OptionComputation, TickSnapshotEnd, HistoricalData, HistoricalDataEnd,
                HistoricalDataUpdate, HistoricalSchedule, AccountSummary, AccountSummaryEnd,
                Position, PositionEnd, PositionMulti, PositionMultiEnd, AccountValue,
                PortfolioValue, AccountUpdateTime, AccountDownloadEnd, AccountUpdateMulti,
                AccountUpdateMultiEnd, Pnl, OpenOrderEnd, CompletedOrdersEnd, ExecutionDataEnd,
                SymbolSamples, MarketRule, FamilyCodes, SoftDollarTiers, SmartComponents, UserInfo>;

}  // namespace bifrost::ib::wire
