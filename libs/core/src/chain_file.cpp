// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/chain_file.hpp"

#include <fmt/core.h>
#include <zlib.h>

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace bifrost::core {
namespace {

// A line longer than this is no option row; it is rejected, not stored.
constexpr std::size_t max_line = 4096;

enum Column : std::size_t {
  quote_ts,
  underlying,
  und_price,
  expiry,
  strike,
  right,
  bid,
  ask,
  last,
  volume,
  open_interest,
  iv,
  delta,
  gamma,
  theta,
  vega,
  bid_size,
  ask_size,
  root,
  mid,
  column_count
};

constexpr std::array<std::string_view, column_count> column_names{
    "quote_ts", "underlying", "und_price", "expiry",        "strike", "right", "bid",
    "ask",      "last",       "volume",    "open_interest", "iv",     "delta", "gamma",
    "theta",    "vega",       "bid_size",  "ask_size",      "root",   "mid"};

constexpr std::array required{quote_ts, underlying, expiry, strike, right};

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  fields.reserve(column_count);
  for (;;) {
    const auto comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

/// Reads the fields of one line; the first thing wrong becomes the reason and later reads do
/// nothing.
class FieldReader {
 public:
  FieldReader(const std::vector<std::string_view>& fields,
              const std::array<int, column_count>& where)
      : fields_(fields), where_(where) {}

  std::string_view text(Column column) const {
    const int at = where_[column];
    return at < 0 ? std::string_view{} : fields_[static_cast<std::size_t>(at)];
  }

  std::optional<Price> price(Column column, bool may_be_negative = false) {
    const auto value = text(column);
    if (value.empty()) return std::nullopt;
    const auto parsed = Price::parse(value);
    if (!parsed) {
      wrong(column, "is not a price with at most four decimals");
    } else if (!may_be_negative && *parsed < Price{}) {
      wrong(column, "is negative");
    }
    return parsed;
  }

  std::optional<std::int64_t> count(Column column) {
    const auto value = text(column);
    if (value.empty()) return std::nullopt;
    std::int64_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc{} || end != value.data() + value.size() || parsed < 0 ||
        parsed > 2'000'000'000) {
      wrong(column, "is not a whole number from 0 to 2000000000");
      return std::nullopt;
    }
    return parsed;
  }

  std::optional<double> number(Column column) {
    const auto value = text(column);
    if (value.empty()) return std::nullopt;
    double parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc{} || end != value.data() + value.size() || !std::isfinite(parsed)) {
      wrong(column, "is not a number");
      return std::nullopt;
    }
    return parsed;
  }

  /// A hundred times the number, as the decimal text has it: shifted before it is rounded to a
  /// double, so that 0.25147 gives 25.147.
  std::optional<double> hundredfold(Column column) {
    const auto plain = number(column);
    if (!plain) return std::nullopt;
    const std::string shifted{std::string{text(column)} + "e2"};
    double parsed = 0;
    const auto [end, error] =
        std::from_chars(shifted.data(), shifted.data() + shifted.size(), parsed);
    if (error != std::errc{} || end != shifted.data() + shifted.size()) parsed = *plain * 100;
    if (!std::isfinite(parsed)) {
      wrong(column, "is too large");
      return std::nullopt;
    }
    return parsed;
  }

  void wrong(Column column, std::string_view why) {
    if (reason_.empty()) {
      reason_ = fmt::format("{} '{}' {}", column_names[column], text(column).substr(0, 40), why);
    }
  }

  const std::string& reason() const { return reason_; }

 private:
  const std::vector<std::string_view>& fields_;
  const std::array<int, column_count>& where_;
  std::string reason_;
};

}  // namespace

struct ChainFileReader::Impl {
  gzFile file = nullptr;  // zlib reads plain text through the same calls
  std::uintmax_t file_bytes = 0;
  std::string text;  // the whole input when it came from memory
  bool from_memory = false;

  std::string buffer;
  std::size_t position = 0;  // start of the next line in the buffer
  bool input_ended = false;
  std::size_t line_number = 0;
  std::array<int, column_count> where{};
  std::size_t header_fields = 0;

  ~Impl() {
    if (file != nullptr) gzclose_r(file);
  }

  Result<void> fill() {
    buffer.erase(0, position);
    position = 0;
    if (from_memory) {
      buffer += text;
      text.clear();
      input_ended = true;
      return {};
    }
    const std::size_t before = buffer.size();
    constexpr std::size_t chunk = 256 * 1024;
    buffer.resize(before + chunk);
    const int got = gzread(file, buffer.data() + before, chunk);
    buffer.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    int status = Z_OK;
    const char* why = gzerror(file, &status);
    // A cut-off gzip reads its good part and reports Z_BUF_ERROR; that is damage, not the end.
    if (got < 0 || (status != Z_OK && status != Z_STREAM_END)) {
      return fail(Errc::corrupt_data,
                  fmt::format("damaged file after line {}: {}", line_number,
                              why != nullptr && *why != 0 ? why : "cannot be read"));
    }
    if (static_cast<std::size_t>(got) < chunk) input_ended = gzeof(file) != 0;
    return {};
  }

  /// The next line without its end; nothing at the end of the input. `overlong` tells that a line
  /// was too long to be a row: its text is not kept.
  Result<std::optional<std::string_view>> line(bool& overlong) {
    overlong = false;
    for (;;) {
      const auto end = buffer.find('\n', position);
      if (end != std::string::npos) {
        std::string_view found{buffer.data() + position, end - position};
        position = end + 1;
        ++line_number;
        if (overlong || found.size() > max_line) {
          overlong = true;
          return std::string_view{};
        }
        if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
        return found;
      }
      if (buffer.size() - position > max_line) {
        overlong = true;
        position = buffer.size();
      }
      if (input_ended) {
        if (position == buffer.size() && !overlong) return std::nullopt;
        std::string_view found{buffer.data() + position, buffer.size() - position};
        position = buffer.size();
        ++line_number;
        return overlong ? std::string_view{} : found;
      }
      BF_CHECK(fill());
    }
  }

  Result<void> read_header(std::string_view name) {
    bool overlong = false;
    BF_TRY(const auto header, line(overlong));
    if (!header || overlong) {
      return fail(Errc::invalid_input,
                  fmt::format("{}: no header line; is this an option file?", name));
    }
    where.fill(-1);
    const auto fields = split(*header);
    header_fields = fields.size();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      for (std::size_t c = 0; c < column_count; ++c) {
        if (fields[i] == column_names[c]) where[c] = static_cast<int>(i);
      }
    }
    for (const Column column : required) {
      if (where[column] < 0) {
        return fail(Errc::invalid_input,
                    fmt::format("{}: the header has no column '{}'; is this an option file?", name,
                                column_names[column]));
      }
    }
    return {};
  }

  std::variant<ChainFileRow, ChainFileReject> parse(std::string_view found) const {
    const auto fields = split(found);
    if (fields.size() != header_fields) {
      return ChainFileReject{line_number, fmt::format("{} fields where the header has {}",
                                                      fields.size(), header_fields)};
    }
    FieldReader in{fields, where};
    ChainFileRow row;
    row.line = line_number;
    if (const auto at = parse_instant(in.text(quote_ts))) {
      row.quote_ts = *at;
    } else {
      in.wrong(quote_ts, "is not a UTC instant such as 2014-06-05T13:35:00Z");
    }
    row.contract.underlying = in.text(underlying);
    if (!is_symbol(row.contract.underlying)) in.wrong(underlying, "is not a symbol");
    row.contract.trading_class = in.text(root).empty() ? in.text(underlying) : in.text(root);
    if (!is_symbol(row.contract.trading_class)) in.wrong(root, "is not a trading class");
    if (const auto day = parse_date(in.text(expiry))) {
      row.contract.expiry = *day;
    } else {
      in.wrong(expiry, "is not a date such as 2014-06-21");
    }
    if (const auto at = in.price(strike)) {
      row.contract.strike = *at;
      if (*at <= Price{}) in.wrong(strike, "is not above zero");
    } else {
      in.wrong(strike, "is missing");
    }
    if (in.text(right) == "C") {
      row.contract.right = Right::call;
    } else if (in.text(right) == "P") {
      row.contract.right = Right::put;
    } else {
      in.wrong(right, "is neither C nor P");
    }
    row.underlying_price = in.price(und_price, true);
    row.quote.bid = in.price(bid);
    row.quote.ask = in.price(ask);
    row.quote.last = in.price(last);
    row.quote.volume = in.count(volume);
    row.quote.open_interest = in.count(open_interest);
    row.quote.bid_size = in.count(bid_size);
    row.quote.ask_size = in.count(ask_size);
    row.quote.implied_vol = in.number(iv);
    row.quote.delta = in.number(delta);
    row.quote.gamma = in.number(gamma);
    row.quote.theta = in.number(theta);
    row.quote.vega = in.hundredfold(vega);
    row.quote.observed_at = row.quote_ts;
    row.mid = in.number(mid);
    if (!in.reason().empty()) return ChainFileReject{line_number, in.reason()};
    return row;
  }
};

ChainFileReader::ChainFileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChainFileReader::ChainFileReader(ChainFileReader&&) noexcept = default;
ChainFileReader& ChainFileReader::operator=(ChainFileReader&&) noexcept = default;
ChainFileReader::~ChainFileReader() = default;

Result<ChainFileReader> ChainFileReader::open(const std::filesystem::path& path) {
  auto impl = std::make_unique<Impl>();
  std::error_code error;
  impl->file_bytes = std::filesystem::file_size(path, error);
  if (error) {
    return fail(Errc::not_found, fmt::format("{}: {}", path.string(), error.message()));
  }
  impl->file = gzopen(path.c_str(), "rb");
  if (impl->file == nullptr) {
    return fail(Errc::not_found, fmt::format("{}: cannot be opened for reading", path.string()));
  }
  gzbuffer(impl->file, 128 * 1024);
  BF_CHECK(impl->read_header(path.string()));
  return ChainFileReader{std::move(impl)};
}

Result<ChainFileReader> ChainFileReader::from_text(std::string text) {
  auto impl = std::make_unique<Impl>();
  impl->text = std::move(text);
  impl->from_memory = true;
  BF_CHECK(impl->read_header("text"));
  return ChainFileReader{std::move(impl)};
}

Result<std::optional<std::variant<ChainFileRow, ChainFileReject>>> ChainFileReader::next() {
  using Next = std::optional<std::variant<ChainFileRow, ChainFileReject>>;
  bool overlong = false;
  BF_TRY(const auto found, impl_->line(overlong));
  if (overlong) {
    return Next{
        ChainFileReject{impl_->line_number, fmt::format("longer than {} characters", max_line)}};
  }
  if (!found) return Next{};
  return Next{impl_->parse(*found)};
}

double ChainFileReader::progress() const {
  if (impl_->from_memory || impl_->file_bytes == 0) return impl_->input_ended ? 1.0 : 0.0;
  return std::min(
      1.0, static_cast<double>(gzoffset(impl_->file)) / static_cast<double>(impl_->file_bytes));
}

}  // namespace bifrost::core
