// SPDX-License-Identifier: Apache-2.0
// F26: the decoder against bytes that a gateway would never send. The entry is the fuzz target's
// own; here its input is a recorded conversation, mutated, a bounded number of times.
#include <fmt/core.h>

#include <cstdint>

#include "fault_play.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace bifrost::test {
namespace {

using namespace std::chrono_literals;

/// Flips, cuts, doubles, inserts: the usual ways in which bytes go wrong.
std::string mutated(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const auto times = 1 + below(4);
  for (std::size_t i = 0; i < times && !bytes.empty(); ++i) {
    const auto at = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, 1 + below(8), static_cast<char>(random()));
        break;
      case 3:
        bytes.erase(at, 1 + below(8));
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(40)));
        break;
      default:
        // A length or a number at the edge of what fits.
        bytes.replace(at, std::min<std::size_t>(4, bytes.size() - at),
                      below(2) == 0 ? std::string(4, '\xff') : std::string{"\x7f\xff\xff\xff"});
        break;
    }
  }
  return bytes;
}

const Played f26{
    "F26MalformedWireBytes", "F26", [] {
      Scene scene{{.name = "f26",
                   .shape = {.first = core::parse_date("2026-03-02").value(),
                             .fridays = 12,
                             .lowest_strike = 98,
                             .highest_strike = 102,
                             .seed = fault_seed()}}};
      scene.relay().record();
      scene.cycle(scene.now(), 40s);
      scene.cycles(2, 40s);
      const auto verdict = scene.finish();
      const std::array tapes{scene.relay().tape(0), scene.relay().tape(1)};
      scene.expect(tapes[0].size() > 1'000 && tapes[1].size() > 10'000, "nothing was recorded");
      std::mt19937_64 random{fault_seed()};
      constexpr int executions = 400'000;
      std::uint64_t bytes = 0;
      for (int i = 0; i < executions; ++i) {
        // First byte: version and direction, as the fuzz target reads it.
        const bool from_client = random() % 4 == 0;
        const auto& tape = tapes[from_client ? 0 : 1];
        const auto start = random() % tape.size();
        std::string input(1, static_cast<char>((from_client ? 128 : 0) + random() % 38));
        input += mutated(tape.substr(start, 20 + random() % 300), random);
        bytes += input.size();
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
      }
      return scene.outcome(
          fmt::format("malformed bytes: {} executions of the decoder on {} MB of mutated "
                      "conversation, no crash "
                      "(`make check` fuzzes under sanitizers)  seed {}",
                      executions, bytes >> 20U, fault_seed()));
    }};

}  // namespace
}  // namespace bifrost::test
