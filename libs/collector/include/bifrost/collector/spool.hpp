// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bifrost/core/result.hpp"
#include "bifrost/store/history.hpp"

namespace bifrost::collector {

/// Cycles that brought nothing, as History::mark_missed takes them.
struct MissedCycles {
  std::string underlying;
  std::vector<core::Instant> as_of;
  std::string reason;
  std::optional<std::chrono::seconds> interval = std::nullopt;

  friend bool operator==(const MissedCycles&, const MissedCycles&) = default;
};

/// A finished cycle on its way to the history.
struct FinishedCycle {
  store::CycleRecord record;
  // Changes and market conditions rest on what only the history knows, and it could not be asked:
  // they are found when this cycle is written.
  bool undescribed = false;
};

using SpoolEntry = std::variant<FinishedCycle, MissedCycles>;

struct SpoolOptions {
  std::filesystem::path folder;
  std::uintmax_t limit = std::uintmax_t{2} << 30;         // bytes, what was set aside included
  std::uintmax_t segment_size = std::uintmax_t{8} << 20;  // a new file is begun beyond that
};

/// A queue of entries on disk for the time when the history is away. What add() has accepted is on
/// disk (file and folder flushed) and comes out of front() byte for byte, in order, whatever kills
/// the process, until drop_front() says that it has been dealt with; after a kill the entries of
/// the oldest segment may come out again.
///
/// A record that a kill cut short was never accepted: it is skipped with a warning. Any other
/// damage is said as an error (`spool_corrupt`), skipped, and the whole segment is moved to the
/// folder `aside` once its other entries are through; nothing is ever deleted unread.
///
/// One process a folder. Not safe to use from two threads.
class Spool {
 public:
  /// Makes the folder. `conflict`: another process has it. `unauthorized`: it cannot be used.
  static core::Result<Spool> open(SpoolOptions options);
  Spool(Spool&&) noexcept;
  Spool& operator=(Spool&&) noexcept;
  ~Spool();

  /// `unavailable`: full, by the limit or by the disk; nothing was added and what is there is not
  /// hurt. A note of missed cycles is still taken when snapshots no longer are.
  core::Result<void> add(const SpoolEntry& entry);

  bool empty() const;
  std::size_t entries() const;
  std::uintmax_t bytes() const;  // on disk

  /// The oldest entry; nothing when there is none.
  core::Result<std::optional<SpoolEntry>> front();
  void drop_front();
  /// As drop_front(), for an entry that nobody takes: its segment ends up in `aside`.
  void set_front_aside();
  /// All of it into the folder `aside`: it belongs to another history. Gives the number of entries.
  core::Result<std::size_t> set_all_aside();

  /// The newest snapshot of an underlying that was added since the spool was last empty.
  std::optional<core::Instant> newest(std::string_view underlying) const;

  /// The same for every process that has used this folder.
  const std::string& instance() const;

  /// Which lease this installation held last, and of which history; survives the process.
  struct Held {
    std::int64_t token = 0;
    std::string history_id;

    friend bool operator==(const Held&, const Held&) = default;
  };
  std::optional<Held> last_held() const;
  core::Result<void> remember_held(const Held& held);

 private:
  struct Impl;
  explicit Spool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost::collector
