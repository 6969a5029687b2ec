// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which copies share a launch, and who launches them. Pure: its caller has the lock.
///
///     enter ──> inside alone ───────────────────────────────────> leave
///     join ──> waiting ──> take (whoever is there when there is room) ──> inside ──> leave
///
/// A few launches at a time go through here: as many as the driver takes from several threads
/// before waiting here is worth it. Who finds room and nobody waiting launches at once; the
/// others wait, and the next of them that gets there takes all that wait by then. So nobody ever
/// waits for more copies to come.
#pragma once

#include <array>
#include <cstddef>

namespace cudacam {

class LaunchTurns {
 public:
  /// Launches at a time. So many threads got more frames each for itself than together, wherever
  /// that was measured (`tests/bench`, copy): who waits loses more than a shared launch saves.
  static constexpr unsigned kMostInside = 16;
  /// What a launch takes at most. A frame has one to four planes.
  static constexpr unsigned kMostCopies = 16;
  static constexpr unsigned kMostPlanes = 64;

  /// A copy that may wait. Its owner keeps it until it is done.
  class Entry {
   public:
    explicit Entry(unsigned planes) : planes_(planes) {}
    unsigned planes() const { return planes_; }
    /// Whether a launch that took it has ended.
    bool done() const { return done_; }

   private:
    friend class LaunchTurns;
    const unsigned planes_;
    bool done_ = false;
    Entry *next_ = nullptr;  // came after this one
  };

  /// Those that share a launch, in the order in which they came.
  class Batch {
   public:
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Entry *const *begin() const { return entries_.data(); }
    Entry *const *end() const { return entries_.data() + size_; }

   private:
    friend class LaunchTurns;
    std::array<Entry *, kMostCopies> entries_{};
    std::size_t size_ = 0;
  };

  explicit LaunchTurns(unsigned most_inside = kMostInside, unsigned most_copies = kMostCopies,
                       unsigned most_planes = kMostPlanes);

  /// Whether the caller may launch at once, alone; then it is inside until it leaves.
  bool enter();
  /// Waits from now on, behind those that wait already.
  void join(Entry &entry);
  /// Those that the caller launches now; then it is inside until it leaves. Nothing while there is
  /// no room, or when nobody waits. Not always with the caller's own: then it goes on waiting.
  Batch take();
  /// The launch of enter() (an empty batch) or of take() has ended.
  void leave(const Batch &batch);

  bool full() const { return inside_ >= most_inside_; }
  unsigned inside() const { return inside_; }
  unsigned waiting() const { return waiting_; }

 private:
  const unsigned most_inside_, most_copies_, most_planes_;
  unsigned inside_ = 0;
  unsigned waiting_ = 0;
  Entry *first_ = nullptr, *last_ = nullptr;  // of those that wait
};

}  // namespace cudacam
