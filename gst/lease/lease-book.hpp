// SPDX-License-Identifier: LGPL-2.1-or-later
/// Who holds which frame: the decisions of cudacamsink, without GStreamer, threads or a clock.
///
/// One producer publishes frames, any number of named holders take them. Each function is one step
/// that either happens or does not: Ledger runs them under a lock and does the waiting.
///
///     publish ──> newest ──take──> lease (counted per holder) ──release──> gone
///        │          └─ replaced by the next publish;               │
///        │             dropped by drain and stop                   └─revoke──> lost ──release──>
///        gone └──> queue of each holder that wants every frame ──take──> lease
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lease/hold-times.hpp"

namespace cudacam {

/// A frame as the book sees it: something that stays alive while anybody has a reference.
using FrameRef = std::shared_ptr<void>;

/// Frames that the book let go. Its caller lets them die where no lock is held: the destructor of
/// their memory may call into a pool.
using Discarded = std::vector<FrameRef>;

class LeaseBook {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Answer {
    kLent,
    kNothingNew,  ///< no frame that the holder has not seen; worth waiting
    kDrain,       ///< a drain is under way; worth waiting
    kDrainHeld,   ///< a drain is under way and waits for leases of this very holder
    kLimit,       ///< the holder has max-leases leases
    kStopped,
  };

  /// A frame on loan. The book keeps a count, never the frame: the holder's reference does that.
  struct Taken {
    Answer answer = Answer::kNothingNew;
    std::uint64_t id = 0;  ///< for release(); 0 when not lent
    FrameRef frame;        ///< null when not lent
  };

  struct Counts {
    std::uint64_t published = 0;
    std::uint64_t replaced = 0;  ///< published, wanted by nobody before the next came
    std::uint64_t refused = 0;   ///< published while draining or stopped, so not kept
    std::uint64_t lent = 0;      ///< = released + revoked + outstanding
    std::uint64_t released = 0;
    std::uint64_t revoked = 0;
    unsigned outstanding = 0;     ///< lent, not yet released or revoked
    unsigned lost = 0;            ///< revoked and not yet released
    std::uint64_t forgotten = 0;  ///< holders, see kMostHolders
  };

  /// Names that are remembered. When there is one more, the holder is forgotten that has asked for
  /// nothing for longest, of those without a lease and not in set_queue(): with its statistics, and
  /// with what it has seen. So a reader that makes up a name for each lease costs others nothing.
  static constexpr std::size_t kMostHolders = 256;

  /// One holder, for statistics.
  struct Row {
    std::string holder;
    std::size_t queue = 0;  ///< longest queue of frames; 0: latest
    unsigned leases = 0;    ///< outstanding
    std::uint64_t taken = 0;
    std::uint64_t released = 0;
    std::uint64_t overdue = 0;
    std::uint64_t revoked = 0;
    std::uint64_t dropped = 0;  ///< queued and let go untaken
    HoldTimes held;             ///< of released leases
  };

  struct Outstanding {
    std::string holder;
    unsigned leases = 0;
    Clock::duration oldest{};  ///< age of this holder's oldest lease
  };

  /// A lease that was not released, revoked or not.
  struct Held {
    std::string holder;
    FrameRef frame;
    bool revoked;
  };

  struct Overdue {
    std::string holder;
    Clock::duration age{};
  };

  /// Makes `frame` the newest and queues it for those who want every one. False: draining or
  /// stopped, not kept.
  bool publish(FrameRef frame, Discarded &discarded);

  /// The next frame for `holder`: the oldest of its queue, or the newest frame if it has not taken
  /// that one yet.
  Taken take(const std::string &holder, Clock::time_point now);

  /// Ends a lease, revoked or not. False: no such lease, nothing changed.
  bool release(std::uint64_t id, Clock::time_point now);

  /// Forgets the leases of `holder`, of all without one: they count as lost until they are
  /// released. Returns how many.
  unsigned revoke(const std::optional<std::string> &holder);
  bool is_revoked(std::uint64_t id) const { return lost_.count(id) != 0; }

  /// From here to the matching end_drain() no frame is kept and none is lent.
  void begin_drain(Discarded &discarded);
  void end_drain() { --drains_; }
  /// No frame is kept or lent any more.
  void stop(Discarded &discarded);
  /// Nobody has a lease: what a drain waits for.
  bool drained() const { return entries_.empty(); }
  /// Leases that are revoked and not released.
  unsigned lost() const { return static_cast<unsigned>(lost_.size()); }

  /// At most this many leases at once for each holder; 0: no limit. Leases that are out stay.
  void limit(unsigned max_leases) { max_leases_ = max_leases; }
  /// `holder` gets every frame, at most `queue` of them wait for it and the oldest is dropped; with
  /// 0, the newest only. It is remembered until this is called with nothing, which makes it a name
  /// like any other.
  void set_queue(const std::string &holder, std::optional<std::size_t> queue, Discarded &discarded);

  /// Leases that are older than `timeout`, each told once.
  std::vector<Overdue> overdue(Clock::time_point now, Clock::duration timeout);
  /// When the next lease that was not told of is older than `timeout`; nothing without leases.
  std::optional<Clock::time_point> next_overdue(Clock::duration timeout) const;

  std::vector<Outstanding> outstanding(Clock::time_point now) const;
  std::vector<Row> rows() const;
  std::vector<Held> held() const;
  Counts counts() const;

 private:
  struct Holder {
    Row row;
    std::uint64_t seen = 0;  // number of the newest frame it took
    std::uint64_t used = 0;  // when it last asked, in steps
    unsigned lost = 0;       // revoked leases that were not released
    bool kept = false;       // never forgotten
    std::deque<FrameRef> frames;
  };
  struct Entry {
    Holder *holder;
    Clock::time_point since;
    std::weak_ptr<void> frame;
    bool told_overdue = false;
  };

  using Entries = std::map<std::uint64_t, Entry>;  // by id, so oldest first

  void enter(std::uint64_t id, Entry entry);
  Holder &holder_named(const std::string &name);
  void forget_idle_holder();
  void forget_frames(Discarded &discarded);

  FrameRef newest_;
  std::uint64_t newest_number_ = 0;        // counts published frames from 1
  bool newest_wanted_ = false;             // taken or queued
  std::map<std::string, Holder> holders_;  // entries point to them
  Entries entries_;                        // leases
  Entries lost_;                           // revoked leases
  std::vector<Entries::node_type> spare_;  // so that a lease allocates nothing under a lock
  std::uint64_t next_id_ = 1;
  std::uint64_t step_ = 0;  // counts what holders ask for
  unsigned max_leases_ = 0;
  unsigned drains_ = 0;
  bool stopped_ = false;
  Counts counts_;
};

}  // namespace cudacam
