// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bifrost/ib/wire.hpp"
#include "conversation.hpp"
#include "frames.hpp"
#include "session.hpp"

namespace bifrost::sim {

/// What all playbacks of one gateway share: how often each thing was asked.
struct PlaybackState {
  explicit PlaybackState(Frames f) : frames(std::move(f)) {}
  Frames frames;
  std::size_t connections = 0;
  std::map<std::string, std::size_t> asked;
};

/// A conversation out of a recording: a request is answered as the recorded gateway answered the
/// same request, whatever its id, at the same distance; the third time with its third answer, and
/// when there are no more, with the last. What nobody had asked for comes at its time after the
/// start.
class Playback final : public Conversation {
 public:
  Playback(Floor& floor, PlaybackState& state) : floor_(floor), state_(state) {}
  ~Playback() override;

  bool receive(std::string_view bytes) override;
  bool time_passed() override;
  bool ready() const override { return client_id_.has_value(); }
  std::string take_output() override { return std::exchange(output_, {}); }

 private:
  bool hello(std::string_view payload);
  bool start(const ib::wire::Fields& fields);
  void answer(std::string_view payload, const ib::wire::Fields& fields, int id);
  void send_error(std::optional<int> req_id, int code, std::string text);
  void send_due();

  struct Waiting {
    std::string req_id;
    std::string frame;
  };

  Floor& floor_;
  PlaybackState& state_;
  ib::wire::FrameReader frames_{ib::wire::FrameReader::From::client};
  const Frames::Session* session_ = nullptr;
  std::optional<int> client_id_;
  std::multimap<core::Instant, Waiting> waiting_;  // equal instants in the order they were put
  std::string output_;
};

}  // namespace bifrost::sim
