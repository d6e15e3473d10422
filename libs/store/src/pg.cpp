// SPDX-License-Identifier: Apache-2.0
#include "pg.hpp"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <utility>

namespace bifrost::store::pg {
namespace {

using core::Deadline;
using core::Errc;
using core::fail;
using core::Result;

// PostgreSQL counts from 2000-01-01.
constexpr core::Date epoch{std::chrono::year{2000} / 1 / 1};

std::string one_line(std::string_view text) {
  std::string out(text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

int poll_timeout(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

/// The values of a URL that must not be shown.
struct Secrets {
  std::vector<std::string> texts;
  std::string redact(std::string message) const {
    for (const auto& secret : texts) {
      for (auto at = message.find(secret); at != std::string::npos; at = message.find(secret, at)) {
        message.replace(at, secret.size(), "***");
        at += 3;
      }
    }
    return message;
  }
};

Result<Secrets> secrets_of(const std::string& url) {
  char* problem = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &problem);
  PQfreemem(problem);  // quotes the URL, password and all
  if (options == nullptr) {
    return fail(Errc::invalid_input,
                "the database URL cannot be read; hint: postgresql://user@host:port/name");
  }
  Secrets secrets{{url}};
  for (const auto* option = options; option->keyword != nullptr; ++option) {
    const std::string_view name = option->keyword;
    const bool secret = name == "password" || name == "sslpassword";
    if (secret && option->val != nullptr && *option->val != '\0') {
      secrets.texts.emplace_back(option->val);
    }
  }
  PQconninfoFree(options);
  return secrets;
}

}  // namespace

void Writer::field(double value) {
  field(static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(value)));
}

void Writer::field(std::string_view value) {
  int32(static_cast<std::int32_t>(value.size()));
  raw(value);
}

void Writer::field(core::Instant value) {
  field(encode_instant(value));
}

void Writer::field(core::Date value) {
  field(static_cast<std::int32_t>((value - epoch).count()));
}

core::Instant decode_instant(std::int64_t microseconds_since_2000) {
  return core::Instant{epoch} + std::chrono::microseconds{microseconds_since_2000};
}

std::int64_t encode_instant(core::Instant value) {
  // Wide open ranges are asked for with Instant::min() and max(); their distance from the epoch
  // would overflow.
  value = std::clamp(value, core::Instant{core::Date{std::chrono::year{1} / 1 / 1}},
                     core::Instant{core::Date{std::chrono::year{9999} / 1 / 1}});
  return (value - core::Instant{epoch}).count();
}

CopyData::CopyData() {
  out_.raw({"PGCOPY\n\377\r\n\0", 11});
  out_.int32(0);
  out_.int32(0);
}

std::string_view CopyData::finish() {
  if (!finished_) out_.int16(-1);
  finished_ = true;
  return out_.bytes();
}

Params& Params::add(std::span<const std::string> values) {
  Writer out;
  array_header(out, 25, values.size());
  for (const auto& value : values) out.field(std::string_view(value));
  values_.push_back({1009, false, std::string(out.bytes())});
  return *this;
}

void Params::array_header(Writer& out, Oid element, std::size_t size) {
  out.int32(size == 0 ? 0 : 1);
  out.int32(1);  // may hold nulls
  out.int32(static_cast<std::int32_t>(element));
  if (size == 0) return;
  out.int32(static_cast<std::int32_t>(size));
  out.int32(1);
}

std::int64_t Rows::affected() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

std::uint64_t Rows::bits(int row, int column, int width) const {
  if (PQgetlength(result_.get(), row, column) != width) {
    core::panic("a result column has another type than the code expects");
  }
  const auto* bytes =
      reinterpret_cast<const unsigned char*>(PQgetvalue(result_.get(), row, column));
  std::uint64_t value = 0;
  for (int i = 0; i < width; ++i) value = value << 8 | bytes[i];
  return value;
}

std::int64_t Rows::integer(int row, int column) const {
  switch (PQgetlength(result_.get(), row, column)) {
    case 2:
      return static_cast<std::int16_t>(bits(row, column, 2));
    case 4:
      return static_cast<std::int32_t>(bits(row, column, 4));
    default:
      return static_cast<std::int64_t>(bits(row, column, 8));
  }
}

double Rows::real(int row, int column) const {
  if (PQgetlength(result_.get(), row, column) == 4) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits(row, column, 4)));
  }
  return std::bit_cast<double>(bits(row, column, 8));
}

bool Rows::boolean(int row, int column) const {
  return bits(row, column, 1) != 0;
}

std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

core::Instant Rows::instant(int row, int column) const {
  return decode_instant(static_cast<std::int64_t>(bits(row, column, 8)));
}

core::Date Rows::date(int row, int column) const {
  return epoch + std::chrono::days{static_cast<std::int32_t>(bits(row, column, 4))};
}

Errc to_errc(std::string_view sqlstate) {
  const auto starts = [&](std::string_view prefix) { return sqlstate.starts_with(prefix); };
  if (starts("57014") || starts("55P03") || starts("25P03")) return Errc::timeout;
  if (starts("23505") || starts("23P01") || starts("40") || starts("42P07")) return Errc::conflict;
  if (starts("22") || starts("23")) return Errc::invalid_input;
  if (starts("28") || starts("42501")) return Errc::unauthorized;
  if (starts("3D")) return Errc::not_found;
  if (starts("XX001") || starts("XX002")) return Errc::corrupt_data;
  return Errc::unavailable;
}

Result<Connection> Connection::connect(const std::string& url, const std::string& program,
                                       std::chrono::milliseconds statement_timeout,
                                       Deadline deadline) {
  BF_TRY(const auto secrets, secrets_of(url));
  // A host that died without a word is noticed within half a minute. What comes before dbname, the
  // URL overrides.
  const char* keywords[] = {
      "keepalives_idle", "keepalives_interval",       "keepalives_count", "tcp_user_timeout",
      "dbname",          "fallback_application_name", "client_encoding",  nullptr};
  const char* values[] = {"10", "5", "3", "20000", url.c_str(), program.c_str(), "UTF8", nullptr};
  Connection made(PQconnectStartParams(keywords, values, 1));
  auto* c = made.connection_.get();
  if (c == nullptr) return fail(Errc::unavailable, "connect to the database: out of memory");
  const auto refused = [&]() {
    // Before a session exists libpq gives no SQLSTATE; these are the server's own words.
    const std::string text = one_line(PQerrorMessage(c));
    const auto says = [&](std::string_view words) { return text.find(words) != std::string::npos; };
    const auto code = says("authentication failed") || says("no password supplied") ||
                              says("no pg_hba.conf entry") || says("role \"")
                          ? Errc::unauthorized
                      : says("database \"") && says("does not exist") ? Errc::not_found
                                                                      : Errc::unavailable;
    return fail(code, "connect to the database: " + secrets.redact(text));
  };
  if (PQstatus(c) == CONNECTION_BAD) return refused();
  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK; state = PQconnectPoll(c)) {
    if (state == PGRES_POLLING_FAILED) return refused();
    if (!made.wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
      return fail(Errc::timeout, "connect to the database: no answer before the deadline");
    }
  }
  PQsetnonblocking(c, 1);
  // The server's notices (partition created, ...) are not for the terminal of our user.
  PQsetNoticeProcessor(c, [](void*, const char*) {}, nullptr);
  if (made.server_version() < 140000) {
    return fail(Errc::unavailable,
                fmt::format("the database server is PostgreSQL {}; 14 or newer is needed",
                            made.parameter("server_version")));
  }
  Params settings;
  settings.add(std::string_view(std::to_string(statement_timeout.count())));
  BF_CHECK(
      made.query("SELECT set_config('statement_timeout', $1, false),"
                 " set_config('TimeZone', 'UTC', false),"
                 " set_config('client_connection_check_interval', '1000', false)",
                 settings, deadline));
  return made;
}

Result<void> Connection::wait(short events, Deadline deadline) {
  pollfd watched{.fd = PQsocket(connection_.get()), .events = events, .revents = 0};
  // How soon a stop is noticed.
  constexpr int slice_ms = 200;
  for (;;) {
    if (stop_.stop_requested()) {
      given_up_ = true;
      return fail(Errc::cancelled, "stopped while the database was at work");
    }
    const int limit = poll_timeout(deadline);
    const int ready = poll(&watched, 1, stop_.stop_possible() ? std::min(limit, slice_ms) : limit);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return lost();
    if (std::chrono::steady_clock::now() >= deadline) {
      given_up_ = true;
      return fail(Errc::timeout, "the database did not answer before the deadline");
    }
  }
}

tl::unexpected<core::Error> Connection::lost() {
  last_sqlstate_.clear();
  given_up_ = true;
  return fail(Errc::unavailable, "the connection to the database was lost: " +
                                     one_line(PQerrorMessage(connection_.get())));
}

Result<void> Connection::flush(Deadline deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return lost();
    BF_CHECK(wait(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(connection_.get()) == 0) return lost();
  }
}

Result<PGresult*> Connection::next_result(Deadline deadline) {
  while (PQisBusy(connection_.get()) != 0) {
    BF_CHECK(wait(POLLIN, deadline));
    if (PQconsumeInput(connection_.get()) == 0) return lost();
  }
  return PQgetResult(connection_.get());
}

Result<Rows> Connection::finish(Deadline deadline) {
  Rows last(nullptr);
  std::optional<core::Error> error;
  for (;;) {
    BF_TRY(PGresult * result, next_result(deadline));
    if (result == nullptr) break;
    Rows rows(result);
    const auto status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR && !error) {
      const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      last_sqlstate_ = state != nullptr ? state : "";
      const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
      std::string message = fmt::format(
          "database: {}", text != nullptr ? text : one_line(PQresultErrorMessage(result)));
      if (detail != nullptr) message += fmt::format(" ({})", one_line(detail));
      if (!last_sqlstate_.empty()) message += fmt::format(" [{}]", last_sqlstate_);
      if (last_sqlstate_ == "42P01" || last_sqlstate_ == "42703")
        message += "; hint: bifrost migrate";
      error =
          core::Error{to_errc(last_sqlstate_), std::move(message), std::source_location::current()};
    } else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
      return rows;
    }
    last = std::move(rows);
  }
  if (error) return tl::unexpected{*std::move(error)};
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return lost();
  return last;
}

Result<Rows> Connection::query(const char* sql, const Params& params, Deadline deadline) {
  if (broken()) return lost();
  const auto n = params.values_.size();
  std::vector<Oid> types(n);
  std::vector<const char*> values(n);
  std::vector<int> lengths(n);
  const std::vector<int> formats(n, 1);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& value = params.values_[i];
    types[i] = value.type;
    values[i] = value.missing ? nullptr : value.bytes.data();
    lengths[i] = static_cast<int>(value.bytes.size());
  }
  if (PQsendQueryParams(connection_.get(), sql, static_cast<int>(n), types.data(), values.data(),
                        lengths.data(), formats.data(), 1) == 0) {
    return lost();
  }
  BF_CHECK(flush(deadline));
  return finish(deadline);
}

Result<void> Connection::run(const std::string& sql, Deadline deadline) {
  if (broken()) return lost();
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) return lost();
  BF_CHECK(flush(deadline));
  BF_CHECK(finish(deadline));
  return {};
}

Result<void> Connection::send(std::string_view copy_data, Deadline deadline) {
  constexpr std::size_t piece = 1 << 16;
  while (!copy_data.empty()) {
    const auto size = std::min(piece, copy_data.size());
    const int taken = PQputCopyData(connection_.get(), copy_data.data(), static_cast<int>(size));
    if (taken < 0) return lost();
    if (taken > 0) {
      copy_data.remove_prefix(size);
      continue;
    }
    BF_CHECK(wait(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(connection_.get()) == 0) return lost();
  }
  return {};
}

Result<std::int64_t> Connection::copy_in(const char* sql, CopyData& data, Deadline deadline) {
  return copy_in(sql, [](CopyData&) { return false; }, data, deadline);
}

Result<std::int64_t> Connection::copy_in(const char* sql,
                                         const std::function<bool(CopyData&)>& more,
                                         Deadline deadline) {
  CopyData data;
  return copy_in(sql, more, data, deadline);
}

Result<std::int64_t> Connection::copy_in(const char* sql,
                                         const std::function<bool(CopyData&)>& more, CopyData& data,
                                         Deadline deadline) {
  BF_CHECK(query(sql, deadline));
  while (more(data)) {
    BF_CHECK(send(data.bytes(), deadline));
    data.clear();
  }
  BF_CHECK(send(data.finish(), deadline));
  int ended = 0;
  while ((ended = PQputCopyEnd(connection_.get(), nullptr)) == 0) {
    BF_CHECK(wait(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(connection_.get()) == 0) return lost();
  }
  if (ended < 0) return lost();
  BF_CHECK(flush(deadline));
  BF_TRY(const auto rows, finish(deadline));
  return rows.affected();
}

Result<void> Connection::copy_out(const std::string& sql,
                                  const std::function<Result<void>(std::string_view)>& take,
                                  std::chrono::milliseconds patience) {
  BF_CHECK(query(sql.c_str(), core::after(patience)));
  for (;;) {
    char* row = nullptr;
    const int size = PQgetCopyData(connection_.get(), &row, 1);
    if (size > 0) {
      const std::unique_ptr<char, void (*)(void*)> owned(row, &PQfreemem);
      if (auto taken = take({row, static_cast<std::size_t>(size)}); !taken) {
        given_up_ = true;  // the rest of the stream is on its way
        return taken;
      }
      continue;
    }
    if (size == -1) break;
    if (size < 0) return lost();
    BF_CHECK(wait(POLLIN, core::after(patience)));
    if (PQconsumeInput(connection_.get()) == 0) return lost();
  }
  BF_CHECK(finish(core::after(patience)));
  return {};
}

bool Connection::broken() const {
  return given_up_ || PQstatus(connection_.get()) == CONNECTION_BAD;
}

bool Connection::in_transaction() const {
  return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

std::string Connection::parameter(const char* name) const {
  const char* value = PQparameterStatus(connection_.get(), name);
  return value != nullptr ? value : "";
}

Result<std::vector<Notification>> Connection::take_notifications() {
  if (PQconsumeInput(connection_.get()) == 0) return lost();
  std::vector<Notification> taken;
  while (PGnotify* notify = PQnotifies(connection_.get())) {
    taken.push_back({notify->relname, notify->extra});
    PQfreemem(notify);
  }
  if (taken.empty() && PQstatus(connection_.get()) == CONNECTION_BAD) return lost();
  return taken;
}

}  // namespace bifrost::store::pg
