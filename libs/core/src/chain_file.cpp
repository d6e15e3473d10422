// SPDX-License-Identifier: Apache-2.0
#include "bifrost/core/chain_file.hpp"

#include <fmt/core.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "chain_fields.hpp"

namespace bifrost::core {
namespace {

using namespace chain_fields;

// A line longer than this is no option row; it is rejected, not stored.
constexpr std::size_t max_line = 4096;

constexpr std::array required{quote_ts, underlying, expiry, strike, right};

constexpr std::array<std::string_view, 6> layout_names{"bifrost",  "optionsdx", "orats",
                                                       "cboe-eod", "cboe-1545", "ib"};

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
  Where where{};
  const std::vector<std::string> own_names;
  std::size_t header_fields = 0;
  std::vector<std::string_view> fields;
  ChainLayout layout = ChainLayout::bifrost;
  std::unique_ptr<LayoutReader> vendor;  // of another's file
  std::vector<Item> items;               // of the line read last, the first at the end

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

  Result<void> read_header(std::string_view name, const ChainFileOptions& options) {
    bool overlong = false;
    BF_TRY(const auto header, line(overlong));
    if (!header || overlong) {
      return fail(Errc::invalid_input,
                  fmt::format("{}: no header line; is this an option file?", name));
    }
    if (header->starts_with("PK\x03\x04")) {
      return fail(Errc::invalid_input,
                  fmt::format("{}: a zip archive; hint: unzip it first", name));
    }
    const std::string kept(*header);
    where.fill(-1);
    split(kept, fields);
    header_fields = fields.size();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      for (std::size_t c = 0; c < column_count; ++c) {
        if (fields[i] == column_names[c]) where[c] = static_cast<int>(i);
      }
    }
    bool ours = true;
    for (const Column column : required) ours = ours && where[column] >= 0;
    layout = options.layout.value_or(ChainLayout::bifrost);
    if (!options.layout && !ours) layout = detect(header_names(kept)).value_or(layout);
    if (layout != ChainLayout::bifrost) {
      BF_TRY(vendor, make_reader(layout, kept, options, name));
      return {};
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

  Item parse(std::string_view found) {
    split(found, fields);
    if (fields.size() != header_fields) {
      return ChainFileReject{line_number, fmt::format("{} fields where the header has {}",
                                                      fields.size(), header_fields)};
    }
    FieldReader in{fields, where, own_names};
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
    if (where[observed_at] < 0) {
      row.quote.observed_at = row.quote_ts;
    } else if (!in.text(observed_at).empty()) {
      if (const auto at = parse_instant(in.text(observed_at))) {
        row.quote.observed_at = *at;
      } else {
        in.wrong(observed_at, "is not a UTC instant such as 2014-06-05T13:35:00Z");
      }
    }
    if (const auto shares = in.count(multiplier)) {
      if (*shares < 1) in.wrong(multiplier, "is not a number of shares");
      row.contract.multiplier = static_cast<int>(*shares);
    }
    row.mid = in.number(mid);
    if (!in.reason().empty()) return ChainFileReject{line_number, in.reason()};
    return row;
  }
};

std::string_view to_string(ChainLayout layout) {
  return layout_names[static_cast<std::size_t>(layout)];
}

std::optional<ChainLayout> parse_chain_layout(std::string_view text) {
  for (std::size_t i = 0; i < layout_names.size(); ++i) {
    if (layout_names[i] == text) return static_cast<ChainLayout>(i);
  }
  return std::nullopt;
}

ChainFileReader::ChainFileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChainFileReader::ChainFileReader(ChainFileReader&&) noexcept = default;
ChainFileReader& ChainFileReader::operator=(ChainFileReader&&) noexcept = default;
ChainFileReader::~ChainFileReader() = default;

Result<ChainFileReader> ChainFileReader::open(const std::filesystem::path& path,
                                              const ChainFileOptions& options) {
  namespace fs = std::filesystem;
  auto impl = std::make_unique<Impl>();
  std::error_code error;
  // Not by its name: a socket, or a pipe of somebody else, can be read and not opened again.
  const bool is_standard_input = path == "/dev/stdin";
  const auto status = is_standard_input ? fs::file_status{} : fs::status(path, error);
  // What is no file, a pipe for one, is read all the same; how long it is nobody knows.
  if (!error && (fs::is_regular_file(status) || fs::is_directory(status))) {
    impl->file_bytes = fs::file_size(path, error);
  }
  if (error) {
    return fail(Errc::not_found, fmt::format("{}: {}", path.string(), error.message()));
  }
  if (is_standard_input) {
    const int copy = ::dup(STDIN_FILENO);
    impl->file = copy < 0 ? nullptr : gzdopen(copy, "rb");
    if (impl->file == nullptr && copy >= 0) ::close(copy);
  } else {
    impl->file = gzopen(path.c_str(), "rb");
  }
  if (impl->file == nullptr) {
    return fail(Errc::not_found, fmt::format("{}: cannot be opened for reading", path.string()));
  }
  gzbuffer(impl->file, 128 * 1024);
  BF_CHECK(impl->read_header(path.string(), options));
  return ChainFileReader{std::move(impl)};
}

Result<ChainFileReader> ChainFileReader::from_text(std::string text,
                                                   const ChainFileOptions& options,
                                                   std::string_view name) {
  auto impl = std::make_unique<Impl>();
  impl->text = std::move(text);
  impl->from_memory = true;
  BF_CHECK(impl->read_header(name, options));
  return ChainFileReader{std::move(impl)};
}

Result<std::optional<std::variant<ChainFileRow, ChainFileReject>>> ChainFileReader::next() {
  using Next = std::optional<Item>;
  auto& self = *impl_;
  while (self.items.empty()) {
    bool overlong = false;
    BF_TRY(const auto found, self.line(overlong));
    if (overlong) {
      return Next{
          ChainFileReject{self.line_number, fmt::format("longer than {} characters", max_line)}};
    }
    if (!found) return Next{};
    if (!self.vendor) return Next{self.parse(*found)};
    self.vendor->read(*found, self.line_number, self.items);
    std::ranges::reverse(self.items);
  }
  Next next{std::move(self.items.back())};
  self.items.pop_back();
  return next;
}

ChainLayout ChainFileReader::layout() const {
  return impl_->layout;
}

bool ChainFileReader::tells_observed_at() const {
  return impl_->vendor != nullptr || impl_->where[observed_at] >= 0;
}

double ChainFileReader::progress() const {
  if (impl_->from_memory || impl_->file_bytes == 0) return impl_->input_ended ? 1.0 : 0.0;
  return std::min(
      1.0, static_cast<double>(gzoffset(impl_->file)) / static_cast<double>(impl_->file_bytes));
}

}  // namespace bifrost::core
