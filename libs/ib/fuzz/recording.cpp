// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bifrost/core/result.hpp"
#include "bifrost/ib/recording.hpp"

// The input is the uncompressed stream of a recording, without its first line if it is to get
// further than that. What is read must be written the same, and cleaning a frame twice changes
// nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bifrost::ib;
  if (size == 0) return 0;
  RecordCutter cutter;
  if (data[0] % 2 == 0) cutter.feed("bifrost-frames 1\n");
  std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  Pseudonyms names;
  while (!rest.empty()) {
    const auto piece = rest.substr(0, 11);
    rest.remove_prefix(piece.size());
    cutter.feed(piece);
    for (;;) {
      const auto record = cutter.next();
      if (!record) return 0;
      if (!*record) break;
      RecordCutter again;
      again.feed("bifrost-frames 1\n" + encode(**record));
      const auto copy = again.next();
      if (!copy || *copy != *record) bifrost::core::panic("a round trip changes a record");
      const auto clean = names.without_accounts((*record)->kind, (*record)->payload);
      if (names.without_accounts((*record)->kind, clean) != clean) {
        bifrost::core::panic("a clean frame is cleaned again");
      }
    }
  }
  return 0;
}
