// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "bifrost/core/result.hpp"
#include "bifrost/ib/wire_orders.hpp"
#include "bifrost/ib/wire_scanner.hpp"

// The first byte chooses the server version and the side; the rest is a stream of that side. What
// a decoder accepts must be writable, readable again, and written the same the second time.
namespace {

using namespace bifrost::ib;

// Only the message that the id names is read: the other hundred refuse by the id, each with an
// error's text, which is no test and nearly all of the time.
template <class M>
void try_one(const wire::Fields& fields, std::optional<int> id, int version) {
  if (id != static_cast<int>(M::id)) return;
  const auto message = wire::decode<M>(fields, version);
  if (!message) return;
  const auto bytes = wire::encode(*message, version);
  const auto again = wire::decode<M>(wire::Fields{std::string_view{bytes}.substr(4)}, version);
  if (!again) bifrost::core::panic("cannot read what was written: " + again.error().message);
  if (wire::encode(*again, version) != bytes)
    bifrost::core::panic("a round trip changes a message");
}

template <class... M>
void try_all(wire::MessageList<M...>, const wire::Fields& fields, int version) {
  const auto id = fields.id();
  (try_one<M>(fields, id, version), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const int version = wire::min_version + data[0] % (wire::max_version - wire::min_version + 1);
  const bool from_client = data[0] >= 128;
  std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};

  wire::FrameReader frames{from_client ? wire::FrameReader::From::client
                                       : wire::FrameReader::From::gateway};
  wire::Fields fields;
  bool first = true;
  while (!rest.empty()) {
    const auto piece = rest.substr(0, 7);
    rest.remove_prefix(piece.size());
    frames.feed(piece);
    for (;;) {
      const auto payload = frames.next();
      if (!payload) return 0;
      if (!*payload) break;
      fields.assign(**payload);
      if (std::exchange(first, false)) {
        (void)wire::decode_hello(**payload);
        (void)wire::decode_hello_reply(fields);
      }
      if (from_client) {
        try_all(wire::Requests{}, fields, version);
        try_all(wire::OrderRequests{}, fields, version);
        try_all(wire::ScannerRequests{}, fields, version);
      } else {
        try_all(wire::Replies{}, fields, version);
        try_all(wire::OrderReplies{}, fields, version);
        try_all(wire::ScannerReplies{}, fields, version);
      }
    }
  }
  return 0;
}
