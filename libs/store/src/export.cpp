// SPDX-License-Identifier: Apache-2.0
#include "bifrost/store/export.hpp"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <future>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bifrost/core/contract.hpp"
#include "bifrost/core/price.hpp"
#include "bifrost/core/quote.hpp"
#include "bifrost/core/whole_file.hpp"
#include "bifrost/store/history.hpp"
#include "known.hpp"
#include "pool.hpp"
#include "units.hpp"

namespace bifrost::store {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Instant;
using core::Result;

constexpr std::size_t piece = 1 << 17;  // what the sink gets at a time
constexpr auto redraw_every = std::chrono::milliseconds{200};

/// Writing an export is bounded by what a value costs: bytes are put one behind the other into room
/// that was made for the whole row, and decimal numbers come straight from the scaled integers that
/// are stored, so that nothing is rounded on the way. Each gives the end of what it wrote.
char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}
char* put(char* at, char c) {
  *at = c;
  return at + 1;
}
/// value / 10^digits without trailing zeros; at most longest_number characters.
constexpr std::size_t longest_number = 24;
char* put_decimal(char* at, std::int64_t value, int digits) {
  char buffer[longest_number];
  char* const end = buffer + sizeof buffer;
  char* first = end;
  auto rest = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  for (; digits > 0 && rest % 10 == 0; --digits) rest /= 10;
  if (digits > 0) {
    for (; digits > 0; --digits, rest /= 10) *--first = static_cast<char>('0' + rest % 10);
    *--first = '.';
  }
  do {
    *--first = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) *--first = '-';
  return put(at, std::string_view(first, static_cast<std::size_t>(end - first)));
}

/// Bytes that grow and are used again.
class Text {
 public:
  /// Space for `more` characters behind the text; what of it was used, up_to says.
  char* room(std::size_t more) {
    if (bytes_.size() < size_ + more) bytes_.resize(2 * (size_ + more) + 256);
    return bytes_.data() + size_;
  }
  void up_to(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }
  void add(std::string_view text) { up_to(put(room(text.size()), text)); }
  void add(char c) { up_to(put(room(1), c)); }
  void add_decimal(std::int64_t value, int digits) {
    up_to(put_decimal(room(longest_number), value, digits));
  }
  std::string_view view() const { return {bytes_.data(), size_}; }
  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  std::string bytes_;  // as large as it ever was
  std::size_t size_ = 0;
};

/// Collects what is written, packs it if asked to, and hands it on in pieces.
class Output {
 public:
  Output(const ExportSink& sink, bool packed) : sink_(sink) {
    if (!packed) return;
    packer_ = std::make_unique<z_stream>();
    // 31: a gzip header; level 3 packs nearly as well as 6 in half the time.
    if (deflateInit2(packer_.get(), 3, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      core::panic("zlib cannot be started");
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    if (packer_) deflateEnd(packer_.get());
  }

  Text text;

  Result<void> pass_on() { return text.size() < piece ? Result<void>{} : flush(); }

  Result<void> finish() {
    BF_CHECK(flush());
    if (packer_) BF_CHECK(pack({}, Z_FINISH));
    return {};
  }

  std::int64_t bytes() const { return bytes_; }

 private:
  Result<void> flush() {
    if (text.size() == 0) return {};
    if (packer_) {
      BF_CHECK(pack(text.view(), Z_NO_FLUSH));
    } else {
      BF_CHECK(give(text.view()));
    }
    text.clear();
    return {};
  }

  Result<void> pack(std::string_view input, int how) {
    packer_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    packer_->avail_in = static_cast<uInt>(input.size());
    for (;;) {
      packer_->next_out = packed_.data();
      packer_->avail_out = static_cast<uInt>(packed_.size());
      const int status = deflate(packer_.get(), how);
      if (status == Z_STREAM_ERROR) core::panic("zlib lost its stream");
      const auto made = packed_.size() - packer_->avail_out;
      if (made > 0) BF_CHECK(give({reinterpret_cast<const char*>(packed_.data()), made}));
      if (how == Z_FINISH ? status == Z_STREAM_END : packer_->avail_out > 0) return {};
    }
  }

  Result<void> give(std::string_view bytes) {
    BF_CHECK(sink_(bytes));
    bytes_ += static_cast<std::int64_t>(bytes.size());
    return {};
  }

  const ExportSink& sink_;
  std::unique_ptr<z_stream> packer_;
  std::array<Bytef, piece> packed_{};
  std::int64_t bytes_ = 0;
};

/// A cycle to be exported.
struct Cycle {
  Instant as_of;
  std::optional<Instant> version;  // superseded: the stored_at of what moved aside
  RunStatus status{};
  std::int64_t received = 0;
  std::optional<std::int64_t> price;  // of the underlying, as stored
  std::string source;
};

/// What the rows of a contract say of it.
struct Listed {
  std::string csv_key;    // ",2021-01-15,3700,C"
  std::string csv_class;  // ",SPXW"
  std::string csv_multiplier;
  std::string binary_key;  // the fields trading_class to multiplier
};

constexpr std::size_t values = 13;  // of a fact, after its key
enum Value : std::size_t {
  bid,
  ask,
  last,
  bid_size,
  ask_size,
  volume,
  open_interest,
  implied_vol,
  delta,
  gamma,
  theta,
  vega,
  observed
};

struct Fact {
  std::int32_t rank;  // of the contract in the order of the file
  std::uint16_t there;
  std::array<std::int32_t, values> value;

  bool has(std::size_t which) const { return (there >> which & 1U) != 0; }
};

/// The text of an instant or a symbol in a statement: COPY takes no parameters. Both are made of
/// characters that need no quoting.
std::string literal(Instant t) {
  return core::to_iso(std::clamp(t, Instant{core::Date{std::chrono::year{1} / 1 / 1}},
                                 Instant{core::Date{std::chrono::year{9999} / 1 / 1}}));
}

class Export {
 public:
  Export(pg::Connection& connection, const ExportRequest& request, const ExportSink& sink,
         const std::function<bool(const ExportProgress&)>& progress)
      : connection_(connection),
        request_(request),
        progress_(progress),
        out_(sink, request.format == ExportFormat::csv_gz) {}

  Result<ExportReport> run() {
    BF_TRY(const auto found,
           connection_.query("SELECT underlying_id, price_scale FROM underlyings WHERE symbol = $1",
                             pg::Params{}.add(std::string_view(request_.underlying)), soon()));
    if (found.size() == 0) {
      return fail(Errc::not_found,
                  fmt::format("the history knows no underlying {}", request_.underlying));
    }
    underlying_id_ = static_cast<std::int32_t>(found.integer(0, 0));
    price_factor_ = core::Price::units_per_one / found.integer(0, 1);
    BF_CHECK(settle(connection_, request_.known_at, std::array{underlying_id_}, soon()));
    BF_CHECK(connection_.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", soon()));
    // A piece may wait for whoever reads the export.
    BF_CHECK(connection_.query("SELECT set_config('statement_timeout', '0', true)", soon()));
    if (request_.daily) {
      BF_CHECK(copy_daily());
    } else {
      BF_CHECK(read_contracts());
      BF_CHECK(read_cycles());
      head();
      for (std::size_t at = 0; at < cycles_.size();) BF_CHECK(copy_segment(at));
      BF_CHECK(settle_writing());
      if (request_.format == ExportFormat::binary) out_.text.add(std::string_view("\377\377", 2));
    }
    BF_CHECK(connection_.query("COMMIT", soon()));
    BF_CHECK(out_.finish());
    report_.bytes = out_.bytes();
    return report_;
  }

 private:
  Deadline soon() const { return core::after(request_.patience); }

  Result<void> read_contracts() {
    std::optional<std::string_view> trading_class;
    if (request_.trading_class) trading_class = *request_.trading_class;
    pg::Params params;
    params.add(underlying_id_).add(request_.expiry).add(trading_class);
    BF_TRY(const auto rows,
           connection_.query("SELECT contract_id, trading_class, expiry, strike, \"right\","
                             " multiplier FROM contracts WHERE underlying_id = $1"
                             " AND ($2::date IS NULL OR expiry = $2)"
                             " AND ($3::text IS NULL OR trading_class = $3)"
                             " ORDER BY expiry, strike, \"right\", trading_class COLLATE \"C\","
                             " multiplier",
                             params, soon()));
    for (int row = 0; row < rows.size(); ++row) {
      const auto id = static_cast<std::size_t>(rows.integer(row, 0));
      if (rank_.size() <= id) rank_.resize(std::max(id + 1, rank_.size() * 2), -1);
      rank_[id] = row;
      ids_.push_back(static_cast<std::int32_t>(id));
      Text key;
      key.add(',');
      key.add(core::to_iso_date(rows.date(row, 2)));
      key.add(',');
      key.add_decimal(rows.integer(row, 3), 3);
      key.add(',');
      key.add(rows.text(row, 4));
      pg::Writer fields;
      fields.field(rows.text(row, 1));
      fields.field(rows.date(row, 2));
      fields.field(static_cast<std::int32_t>(rows.integer(row, 3)));
      fields.field(rows.text(row, 4));
      fields.field(static_cast<std::int32_t>(rows.integer(row, 5)));
      contracts_.push_back({std::string(key.view()), "," + std::string(rows.text(row, 1)),
                            "," + std::to_string(rows.integer(row, 5)),
                            std::string(fields.bytes())});
      if (rows.integer(row, 5) != 100) with_multiplier_ = true;
    }
    return {};
  }

  Result<void> read_cycles() {
    BF_TRY(const auto kept, connection_.query("SELECT quotes_kept_from FROM db_info"
                                              " WHERE quotes_kept_from IS NOT NULL",
                                              soon()));
    if (kept.size() > 0) quotes_kept_from_ = kept.instant(0, 0);
    pg::Params params;
    params.add(underlying_id_)
        .add(request_.from)
        .add(request_.to)
        .add(request_.known_at.value_or(Instant::max()));
    BF_TRY(const auto rows,
           connection_.query(
               "SELECT r.as_of, r.status, r.received, r.underlying_price, r.source, r.stored_at,"
               " r.superseded, r.finished_at FROM " BIFROST_KNOWN_RUNS(
                   "underlying_id = $1 AND as_of BETWEEN $2 AND $3", "$4") " ORDER BY r.as_of",
               params, soon()));
    for (int row = 0; row < rows.size(); ++row) {
      const auto status = static_cast<RunStatus>(rows.integer(row, 1));
      if (status == RunStatus::missed) {
        ++report_.cycles_missed;
        continue;
      }
      Cycle cycle{rows.instant(row, 0),
                  std::nullopt,
                  status,
                  rows.integer(row, 2),
                  rows.find_integer(row, 3),
                  std::string(rows.text(row, 4))};
      if (rows.boolean(row, 6)) cycle.version = rows.instant(row, 5);
      // An imported file says when a quote was observed only if it has a column for it; then the
      // cycle has an end.
      if (cycle.source != "imported" || !rows.missing(row, 7)) with_observed_ = true;
      cycles_.push_back(std::move(cycle));
    }
    return {};
  }

  void head() {
    if (request_.format == ExportFormat::binary) {
      out_.text.add(std::string_view("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", pg::copy_header_bytes));
      return;
    }
    out_.text.add(
        "quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,"
        "delta,gamma,theta,vega,bid_size,ask_size,root,mid");
    if (with_multiplier_) out_.text.add(",multiplier");
    if (with_observed_) out_.text.add(",observed_at");
    out_.text.add('\n');
  }

  /// The cycles of one UTC day (one partition) that lie in the same table: one statement.
  Result<void> copy_segment(std::size_t& at) {
    const auto begin = at;
    const auto day = std::chrono::floor<std::chrono::days>(cycles_[begin].as_of);
    const bool aside = cycles_[begin].version.has_value();
    while (at < cycles_.size() && cycles_[at].version.has_value() == aside &&
           std::chrono::floor<std::chrono::days>(cycles_[at].as_of) == day) {
      ++at;
    }
    const std::span segment(cycles_.data() + begin, at - begin);
    std::string instants;
    std::string versions;
    for (const auto& cycle : segment) {
      if (!instants.empty()) instants += ',';
      instants += literal(cycle.as_of);
      if (!aside) continue;
      if (!versions.empty()) versions += ',';
      versions += literal(*cycle.version);
    }
    std::string wanted;
    if (request_.expiry || request_.trading_class) {
      for (const auto id : ids_) wanted += fmt::format("{}{}", wanted.empty() ? "" : ",", id);
      wanted = fmt::format(" AND f.contract_id = ANY('{{{}}}'::int4[])", wanted);
    }
    // One probe of the key per cycle, in their order; the bounds name the one partition.
    const auto sql = fmt::format(
        "COPY (SELECT f.as_of, f.contract_id, f.bid, f.ask, f.last, f.bid_size, f.ask_size,"
        " f.volume, f.open_interest, f.implied_vol, f.delta, f.gamma, f.theta, f.vega,"
        " f.observed_offset_ms FROM unnest('{{{0}}}'::timestamptz[]{1}) AS k(as_of{2})"
        " CROSS JOIN LATERAL (SELECT * FROM {3} f WHERE f.as_of = k.as_of AND f.underlying_id = {4}"
        " AND f.as_of >= '{5}' AND f.as_of <= '{6}'{7}{8} OFFSET 0) f) TO STDOUT (FORMAT binary)",
        instants, aside ? fmt::format(", '{{{}}}'::timestamptz[]", versions) : "",
        aside ? ", stored_at" : "", aside ? "superseded_option_snapshots" : "option_snapshots",
        underlying_id_, literal(segment.front().as_of), literal(segment.back().as_of),
        aside ? " AND f.stored_at = k.stored_at" : "", wanted);
    std::size_t current = begin;
    bool header = true;
    const auto take = [&](std::string_view bytes) -> Result<void> {
      if (header) bytes.remove_prefix(pg::copy_header_bytes);
      header = false;
      if (bytes.size() < 2 || pg::read_binary<std::int16_t>(bytes.data()) == -1) return {};
      Fact fact{};
      const auto as_of = parse(bytes, fact);
      while (as_of != cycles_[current].as_of) {
        BF_CHECK(end_cycle(current));
        if (++current == at) core::panic("an export got a cycle that it did not ask for");
      }
      if (fact.rank >= 0) facts_.push_back(fact);
      return {};
    };
    BF_CHECK(connection_.copy_out(sql, take, request_.patience));
    for (; current < at; ++current) BF_CHECK(end_cycle(current));
    return {};
  }

  /// Reads one tuple; a contract that is not wanted gets no rank. Gives the tuple's as_of.
  Instant parse(std::string_view tuple, Fact& fact) const {
    const char* at = tuple.data() + 2;
    const auto as_of = pg::decode_instant(pg::read_binary<std::int64_t>(at + 4));
    const auto id = static_cast<std::size_t>(pg::read_binary<std::int32_t>(at + 16));
    at += 20;
    fact.rank = id < rank_.size() ? rank_[id] : -1;
    if (fact.rank < 0) return as_of;
    for (std::size_t i = 0; i < values; ++i) {
      const bool missing = pg::read_binary<std::int32_t>(at) < 0;
      at += 4;
      if (missing) continue;
      fact.value[i] = pg::read_binary<std::int32_t>(at);
      fact.there = static_cast<std::uint16_t>(fact.there | 1U << i);
      at += 4;
    }
    return as_of;
  }

  Result<void> end_cycle(std::size_t index) {
    const auto& cycle = cycles_[index];
    const bool narrowed = request_.expiry || request_.trading_class;
    const bool emptied = facts_.empty() && cycle.received > 0 && cycle.as_of < quotes_kept_from_;
    const bool lacks_rows = static_cast<std::int64_t>(facts_.size()) != cycle.received;
    if (emptied || (!narrowed && lacks_rows)) ++report_.cycles_short;
    if (facts_.empty()) return {};
    ++report_.cycles;
    if (cycle.status == RunStatus::partial) ++report_.cycles_partial;
    report_.rows += static_cast<std::int64_t>(facts_.size());
    if (!report_.first) report_.first = cycle.as_of;
    report_.last = cycle.as_of;
    BF_CHECK(settle_writing());
    std::swap(facts_, writing_);
    facts_.clear();
    written_ = std::async(std::launch::async, [this, &cycle] { return write_cycle(cycle); });
    return show(static_cast<double>(index + 1) / static_cast<double>(cycles_.size()));
  }

  /// Waits for the cycle that is being written out, while the next one was read.
  Result<void> settle_writing() { return written_.valid() ? written_.get() : Result<void>{}; }

  Result<void> write_cycle(const Cycle& cycle) {
    // Contracts usually got their ids in the order of the file.
    if (!std::ranges::is_sorted(writing_, {}, &Fact::rank))
      std::ranges::sort(writing_, {}, &Fact::rank);
    if (request_.format == ExportFormat::binary) {
      const auto head = binary_head(cycle);
      for (const auto& fact : writing_) {
        write_binary(cycle, head, fact);
        BF_CHECK(out_.pass_on());
      }
      return {};
    }
    Text head;
    head.add(core::to_iso(cycle.as_of));
    head.add(',');
    head.add(request_.underlying);
    head.add(',');
    if (cycle.price) head.add_decimal(*cycle.price * price_factor_, 4);
    for (const auto& fact : writing_) {
      write_csv(cycle, head.view(), fact);
      BF_CHECK(out_.pass_on());
    }
    return {};
  }

  void write_csv(const Cycle& cycle, std::string_view head, const Fact& fact) {
    constexpr std::size_t longest_instant = 40;
    const auto& contract = contracts_[static_cast<std::size_t>(fact.rank)];
    auto* at = out_.text.room(head.size() + contract.csv_key.size() + contract.csv_class.size() +
                              contract.csv_multiplier.size() + values * (longest_number + 1) +
                              longest_instant);
    const auto decimal = [&](Value which, std::int64_t factor, int digits) {
      at = put(at, ',');
      if (fact.has(which)) at = put_decimal(at, fact.value[which] * factor, digits);
    };
    at = put(at, head);
    at = put(at, contract.csv_key);
    decimal(bid, price_factor_, 4);
    decimal(ask, price_factor_, 4);
    decimal(last, price_factor_, 4);
    decimal(volume, 1, 0);
    decimal(open_interest, 1, 0);
    decimal(implied_vol, 1, 6);
    decimal(delta, 1, 6);
    decimal(gamma, 1, 8);
    decimal(theta, 1, 6);
    decimal(vega, 1, 7);  // stored per 1.00 of volatility in 1e-5; the file's is per point
    decimal(bid_size, 1, 0);
    decimal(ask_size, 1, 0);
    at = put(at, contract.csv_class);
    at = put(at, ',');  // mid
    if (with_multiplier_) at = put(at, contract.csv_multiplier);
    if (with_observed_) {
      at = put(at, ',');
      if (fact.has(observed)) at = put_observed_at(at, cycle, fact.value[observed]);
    }
    out_.text.up_to(put(at, '\n'));
  }

  /// The quotes of a cycle are usually observed at few different moments.
  char* put_observed_at(char* at, const Cycle& cycle, std::int32_t offset) {
    const auto observed_at = units::decode_observed_at(offset, cycle.as_of);
    if (observed_text_.empty() || observed_at != observed_at_) {
      observed_at_ = observed_at;
      observed_text_ = core::to_iso(observed_at);
    }
    return put(at, observed_text_);
  }

  /// What all rows of a cycle begin with.
  std::string binary_head(const Cycle& cycle) const {
    pg::Writer head;
    head.int16(22);
    head.field(cycle.as_of);
    head.field(std::string_view(request_.underlying));
    head.field(cycle.price ? std::optional(*cycle.price * price_factor_) : std::nullopt);
    head.field(std::string_view(cycle.source));
    return std::string(head.bytes());
  }

  void write_binary(const Cycle& cycle, std::string_view head, const Fact& fact) {
    constexpr std::size_t longest_field = 12;
    const auto& contract = contracts_[static_cast<std::size_t>(fact.rank)];
    auto* at = out_.text.room(head.size() + contract.binary_key.size() + values * longest_field);
    const auto field = [&](Value which, auto value) {
      if (!fact.has(which)) {
        at = pg::put_binary(at, std::int32_t{-1});
        return;
      }
      at = pg::put_binary(at, static_cast<std::int32_t>(sizeof value));
      at = pg::put_binary(at, value);
    };
    at = put(at, head);
    at = put(at, contract.binary_key);
    for (const auto price : {bid, ask, last}) field(price, fact.value[price] * price_factor_);
    for (const auto plain :
         {bid_size, ask_size, volume, open_interest, implied_vol, delta, gamma, theta, vega}) {
      field(plain, fact.value[plain]);
    }
    field(observed,
          pg::encode_instant(units::decode_observed_at(fact.value[observed], cycle.as_of)));
    out_.text.up_to(at);
  }

  /// Roll-ups: few rows, so the server writes the text.
  Result<void> copy_daily() {
    std::string where = fmt::format("d.underlying = '{}'", request_.underlying);
    if (request_.from != Instant::min()) {
      where += fmt::format(" AND d.day >= '{}'",
                           core::to_iso_date(core::exchange_time(request_.from).date));
    }
    if (request_.to != Instant::max()) {
      where += fmt::format(" AND d.day <= '{}'",
                           core::to_iso_date(core::exchange_time(request_.to).date));
    }
    if (request_.expiry)
      where += fmt::format(" AND d.expiry = '{}'", core::to_iso_date(*request_.expiry));
    if (request_.trading_class)
      where += fmt::format(" AND d.trading_class = '{}'", *request_.trading_class);
    const bool binary = request_.format == ExportFormat::binary;
    const auto sql = fmt::format(
        "COPY (SELECT d.day, d.underlying, d.trading_class, d.expiry, d.strike, d.\"right\","
        " d.multiplier, d.mid_open, d.mid_high, d.mid_low, d.mid_close, d.average_spread, d.n,"
        " to_char(d.close_as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS"
        " close_as_of, d.implied_vol_close, d.volume, d.open_interest, d.open_interest_change"
        " FROM v_option_daily d WHERE {} ORDER BY d.day, d.expiry, d.strike, d.\"right\","
        " d.trading_class COLLATE \"C\", d.multiplier) TO STDOUT (FORMAT {})",
        where, binary ? "binary" : "csv, HEADER");
    bool header = true;
    return connection_.copy_out(
        sql,
        [&](std::string_view bytes) -> Result<void> {
          // The first piece of a binary stream is its header with the first row, the last its end.
          const auto ends = header ? pg::copy_header_bytes + 2 : 2;
          if (binary ? bytes.size() != ends : !header) ++report_.rows;
          header = false;
          out_.text.add(bytes);
          BF_CHECK(out_.pass_on());
          return show(0);
        },
        request_.patience);
  }

  Result<void> show(double share) {
    const auto now = std::chrono::steady_clock::now();
    if (!progress_ || now - shown_ < redraw_every) return {};
    shown_ = now;
    if (progress_({report_.rows, share})) return {};
    return fail(Errc::cancelled, "the export was stopped");
  }

  pg::Connection& connection_;
  const ExportRequest& request_;
  const std::function<bool(const ExportProgress&)>& progress_;
  Output out_;
  ExportReport report_;
  std::int32_t underlying_id_ = 0;
  std::int64_t price_factor_ = 1;
  std::vector<std::int32_t> rank_;  // by contract id, -1: not wanted
  std::vector<std::int32_t> ids_;
  std::vector<Listed> contracts_;  // by rank
  std::vector<Cycle> cycles_;
  std::vector<Fact> facts_;    // of the cycle being read
  std::vector<Fact> writing_;  // of the cycle being written out
  Instant quotes_kept_from_ = Instant::min();
  bool with_multiplier_ = false;
  bool with_observed_ = false;
  Instant observed_at_{};      // of observed_text_
  std::string observed_text_;  // the last that was written
  std::chrono::steady_clock::time_point shown_{};
  std::future<Result<void>> written_;  // last: its end waits for the writer
};

}  // namespace

std::optional<ExportFormat> parse_export_format(std::string_view text) {
  if (text == "csv") return ExportFormat::csv;
  if (text == "csv.gz") return ExportFormat::csv_gz;
  if (text == "binary") return ExportFormat::binary;
  return std::nullopt;
}

Result<ExportReport> export_chains(Database& database, const ExportRequest& request,
                                   const ExportSink& sink,
                                   const std::function<bool(const ExportProgress&)>& progress) {
  // Names become part of a statement that takes no parameters.
  if (!core::is_symbol(request.underlying))
    return fail(Errc::invalid_input, "an export of something that is no symbol");
  if (request.trading_class && !core::is_symbol(*request.trading_class))
    return fail(Errc::invalid_input, "a trading class that is no symbol");
  if (request.daily && request.known_at) {
    return fail(Errc::invalid_input, "roll-ups are what is known now; known_at is for quotes");
  }
  BF_TRY(const auto connection, database.pool().lease(core::after(request.patience)));
  return Export(*connection, request, sink, progress).run();
}

Result<ExportReport> export_chains(Database& database, const ExportRequest& request,
                                   const std::filesystem::path& file,
                                   const std::function<bool(const ExportProgress&)>& progress) {
  BF_TRY(auto whole, core::WholeFile::create(file));
  BF_TRY(
      const auto report,
      export_chains(
          database, request, [&](std::string_view bytes) { return whole.write(bytes); }, progress));
  BF_CHECK(whole.commit());
  return report;
}

}  // namespace bifrost::store
