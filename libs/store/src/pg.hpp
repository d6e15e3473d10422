// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/core/time.hpp"

/// The only place that knows libpq: one connection with deadlines, binary values both ways.
namespace bifrost::store::pg {

/// Numbers in PostgreSQL's binary format, the most significant byte first. put_binary gives the end
/// of what it wrote.
template <class Int>
char* put_binary(char* at, Int value) {
  for (std::size_t i = sizeof value; i-- > 0; ++at) *at = static_cast<char>(value >> (8 * i));
  return at;
}
template <class Int>
Int read_binary(const char* at) {
  std::make_unsigned_t<Int> value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<decltype(value)>(value << 8 | static_cast<unsigned char>(at[i]));
  return static_cast<Int>(value);
}

/// Appends values in PostgreSQL's binary format.
class Writer {
 public:
  void int16(std::int16_t value) { put(value); }
  void int32(std::int32_t value) { put(value); }
  void int64(std::int64_t value) { put(value); }
  void raw(std::string_view bytes) { bytes_.append(bytes); }

  // Fields: a length, then the value.
  void field(std::int16_t value) { int32(2), int16(value); }
  void field(std::int32_t value) {
    put(std::int64_t{4} << 32 | static_cast<std::uint32_t>(value));  // most fields: in one piece
  }
  void field(std::int64_t value) { int32(8), int64(value); }
  void field(double value);
  void field(std::string_view value);
  void field(core::Instant value);
  void field(core::Date value);
  template <class T>
  void field(const std::optional<T>& value) {
    value ? field(*value) : int32(-1);
  }

  std::string_view bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  void reserve(std::size_t n) { bytes_.reserve(n); }
  void clear() { bytes_.clear(); }

 private:
  template <class Int>
  void put(Int value) {
    char buffer[sizeof value];
    put_binary(buffer, value);
    bytes_.append(buffer, sizeof value);
  }
  std::string bytes_;
};

/// A timestamp as the binary format has it.
core::Instant decode_instant(std::int64_t microseconds_since_2000);
std::int64_t encode_instant(core::Instant value);

/// What a binary COPY stream begins with.
inline constexpr std::size_t copy_header_bytes = 19;

/// A binary COPY stream. Each tuple must be followed by exactly as many fields as it announces.
class CopyData {
 public:
  CopyData();
  Writer& tuple(std::int16_t fields) {
    out_.int16(fields);
    return out_;
  }
  /// Closes the stream; nothing may be added afterwards.
  std::string_view finish();
  std::string_view bytes() const { return out_.bytes(); }
  /// What was added has been sent.
  void clear() { out_.clear(); }
  void reserve(std::size_t n) { out_.reserve(n); }

 private:
  Writer out_;
  bool finished_ = false;
};

/// Parameters of a statement, in the order of $1, $2, ...
class Params {
 public:
  Params& add(std::int16_t value) { return one(21, value); }
  Params& add(std::int32_t value) { return one(23, value); }
  Params& add(std::int64_t value) { return one(20, value); }
  Params& add(double value) { return one(701, value); }
  Params& add(std::string_view value) { return one(25, value); }
  Params& add(core::Instant value) { return one(1184, value); }
  Params& add(core::Date value) { return one(1082, value); }
  template <class T>
  Params& add(const std::optional<T>& value) {
    if (value) return add(*value);
    add(T{});
    values_.back().missing = true;
    return *this;
  }
  Params& add(std::span<const std::int16_t> values) { return array(1005, 21, values); }
  Params& add(std::span<const std::int32_t> values) { return array(1007, 23, values); }
  Params& add(std::span<const std::int64_t> values) { return array(1016, 20, values); }
  Params& add(std::span<const std::string> values);
  Params& add(std::span<const core::Instant> values) { return array(1185, 1184, values); }
  Params& add(std::span<const core::Date> values) { return array(1182, 1082, values); }
  Params& add(std::span<const std::optional<double>> values) { return array(1022, 701, values); }
  Params& add(std::span<const std::optional<std::int64_t>> values) {
    return array(1016, 20, values);
  }
  Params& add(std::span<const std::optional<std::int16_t>> values) {
    return array(1005, 21, values);
  }
  Params& add(std::span<const std::optional<core::Instant>> values) {
    return array(1185, 1184, values);
  }
  Params& add_bytes(std::string_view value) { return one(17, value); }

 private:
  friend class Connection;
  struct Value {
    Oid type;
    bool missing;
    std::string bytes;
  };

  template <class T>
  Params& one(Oid type, const T& value) {
    Writer out;
    out.field(value);
    values_.push_back({type, false, std::string(out.bytes().substr(4))});
    return *this;
  }
  template <class T>
  Params& array(Oid type, Oid element, std::span<const T> values) {
    Writer out;
    array_header(out, element, values.size());
    for (const auto& value : values) out.field(value);
    values_.push_back({type, false, std::string(out.bytes())});
    return *this;
  }
  static void array_header(Writer& out, Oid element, std::size_t size);

  std::vector<Value> values_;
};

/// Binary result rows. Asking for a column with the wrong type is a defect and stops the program.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result, &PQclear) {}

  int size() const { return PQntuples(result_.get()); }
  /// Rows that the command inserted, updated or deleted.
  std::int64_t affected() const;

  bool missing(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::int64_t integer(int row, int column) const;  // int2, int4, int8
  double real(int row, int column) const;           // float4, float8
  bool boolean(int row, int column) const;
  std::string_view text(int row, int column) const;  // valid as long as the rows; also "char"
  core::Instant instant(int row, int column) const;
  core::Date date(int row, int column) const;

  std::optional<std::int64_t> find_integer(int row, int column) const {
    return missing(row, column) ? std::nullopt : std::optional(integer(row, column));
  }
  std::optional<double> find_real(int row, int column) const {
    return missing(row, column) ? std::nullopt : std::optional(real(row, column));
  }
  std::optional<core::Instant> find_instant(int row, int column) const {
    return missing(row, column) ? std::nullopt : std::optional(instant(row, column));
  }

 private:
  std::uint64_t bits(int row, int column, int width) const;
  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

struct Notification {
  std::string channel;
  std::string payload;
};

/// One connection, used by one thread at a time. Every call gives up at its deadline; the
/// connection is broken then, because the server may still be at work (it notices within a second
/// that we have gone).
class Connection {
 public:
  /// Never repeats the URL in a message.
  static core::Result<Connection> connect(const std::string& url, const std::string& program,
                                          std::chrono::milliseconds statement_timeout,
                                          core::Deadline deadline);

  core::Result<Rows> query(const char* sql, const Params& params, core::Deadline deadline);
  core::Result<Rows> query(const char* sql, core::Deadline deadline) {
    return query(sql, Params{}, deadline);
  }
  /// Several statements in one text, without parameters or results; for migrations and session
  /// commands.
  core::Result<void> run(const std::string& sql, core::Deadline deadline);
  /// `sql` is COPY ... FROM STDIN (FORMAT binary). Gives the rows taken.
  core::Result<std::int64_t> copy_in(const char* sql, CopyData& data, core::Deadline deadline);
  /// The same with tuples that `more` adds piece by piece, as long as it says true: the server
  /// takes in one piece while the next is made.
  core::Result<std::int64_t> copy_in(const char* sql, const std::function<bool(CopyData&)>& more,
                                     core::Deadline deadline);

  /// Gives up, as at a deadline, as soon as this is asked to stop: `cancelled`.
  void stop_with(std::stop_token stop) { stop_ = std::move(stop); }
  /// `sql` is COPY ... TO STDOUT. `take` gets the stream as the server sends it, a row at a time
  /// (the first with the header of a binary stream); its error ends the copy and the connection.
  /// The server has `patience` for each row.
  core::Result<void> copy_out(const std::string& sql,
                              const std::function<core::Result<void>(std::string_view)>& take,
                              std::chrono::milliseconds patience);

  /// SQLSTATE of the last failed statement; empty when the failure was the connection's.
  const std::string& last_sqlstate() const { return last_sqlstate_; }
  bool broken() const;
  bool in_transaction() const;
  int server_version() const { return PQserverVersion(connection_.get()); }
  std::string parameter(const char* name) const;
  int backend_pid() const { return PQbackendPID(connection_.get()); }
  int socket() const { return PQsocket(connection_.get()); }

  /// Takes in what has arrived, without waiting; `unavailable` when the server has gone.
  core::Result<std::vector<Notification>> take_notifications();

 private:
  explicit Connection(PGconn* connection) : connection_(connection, &PQfinish) {}
  core::Result<std::int64_t> copy_in(const char* sql, const std::function<bool(CopyData&)>& more,
                                     CopyData& data, core::Deadline deadline);
  core::Result<void> send(std::string_view copy_data, core::Deadline deadline);
  core::Result<void> flush(core::Deadline deadline);
  core::Result<PGresult*> next_result(core::Deadline deadline);
  core::Result<Rows> finish(core::Deadline deadline);
  core::Result<void> wait(short events, core::Deadline deadline);
  tl::unexpected<core::Error> lost();

  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
  std::string last_sqlstate_;
  std::stop_token stop_;
  bool given_up_ = false;
};

/// What a caller can do about a SQLSTATE.
core::Errc to_errc(std::string_view sqlstate);

}  // namespace bifrost::store::pg
