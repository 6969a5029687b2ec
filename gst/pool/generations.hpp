// SPDX-License-Identifier: LGPL-2.1-or-later
/// The stores of one cudacampool: the one that frames go to, and earlier ones that are still read.
///
/// Each change of size, format or memory starts a *generation*, with a number of its own. An
/// earlier generation keeps no more than the frames that somebody still holds (and its overflow
/// slot). When its size comes back while it lives, its store is used again, under a new number: a
/// camera that goes back and forth between two sizes never has more than two stores.
///
/// Slots that there is no memory for now, or no room in the budget, are added as soon as there is:
/// until then a generation has fewer, or none, and frames are dropped.
#pragma once

#include <gst/video/video.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/backend.hpp"
#include "pool/store.hpp"

namespace cudacam {

/// Changed by one thread at a time (streaming, or a state change); looked at by any.
class Generations {
 public:
  using Time = SlotTable::Time;

  struct Wish {
    unsigned slots = 0;
    guint64 budget = 0;  // bytes of all generations together; 0: no limit
    Time reuse_delay{0};
  };

  /// Frames of `info` come now. Slots for them are made by fill().
  void change(std::shared_ptr<Backend> backend, const GstVideoInfo &info, const Wish &wish);
  /// No more frames come; those that are held stay, and as long as they do their store does.
  void close();
  /// After close(): frees what nobody holds, and gives what is being freed a moment, for a stopped
  /// element's context may end next.
  void settle() const;

  /// Whether there is nothing for fill() to do, as for nearly every frame: no slot is missing, and
  /// none of an earlier generation could be freed.
  bool full() const;
  /// Adds the slots that are missing. Returns why some still are, as a clause
  /// ("2 of 4 slots of 1000 bytes ..."), or nothing. Throws std::runtime_error when the device is
  /// beyond use.
  std::optional<std::string> fill(Time now);
  /// The same after a change, which may find that memory is still being freed: gives it a moment.
  std::optional<std::string> fill_patiently(Time now);

  /// Null before the first change, and while there is no memory for even one frame.
  std::shared_ptr<Store> current() const;
  std::shared_ptr<Backend> backend() const;
  guint64 number() const;
  unsigned slots_missing() const;
  /// Of all generations together.
  gsize bytes() const { return account_->bytes(); }
  /// Bytes of other generations than the current one, and of what is being freed.
  gsize earlier_bytes() const;
  gsize leaving_bytes() const { return leaving_->bytes(); }
  /// Earlier ones first.
  std::vector<std::shared_ptr<Store>> living() const;

 private:
  struct Earlier {
    std::weak_ptr<Store> store;
    std::weak_ptr<Backend> backend;
  };
  /// After memory was refused, the driver is asked again when some came back, or after a while:
  /// others may have freed theirs.
  struct Refused {
    Time again;
    gsize earlier;  // bytes of earlier generations at that time
    std::string why;
  };

  std::vector<std::shared_ptr<Store>> earlier() const;
  void trim_earlier() const;
  std::shared_ptr<Store> take_earlier(const Backend &backend, const GstVideoInfo &info);
  std::shared_ptr<Store> make_store();
  bool fits(gsize more) const;
  std::string lack(const std::string &why) const;

  const std::shared_ptr<Leaving> leaving_ = std::make_shared<Leaving>();
  const std::shared_ptr<Account> account_ = std::make_shared<Account>();
  mutable std::mutex mutex_;  // guards all below; never held while calling out
  std::shared_ptr<Backend> backend_;
  std::shared_ptr<Store> current_;
  std::vector<Earlier> earlier_;
  guint64 number_ = 0;
  Wish wish_;
  // Of the streaming thread alone:
  GstVideoInfo info_{};
  gsize frame_bytes_ = 0;  // of one slot; before there is a source of them, of the picture
  std::optional<Refused> refused_;
};

/// Whether frames of both fit into the same slots.
bool same_pictures(const GstVideoInfo &a, const GstVideoInfo &b);

}  // namespace cudacam
