// SPDX-License-Identifier: LGPL-2.1-or-later
/// The way from a sink up to the sources that feed it, also while some of its pads are gone.
///
/// Sources and demuxers take their pads away when they stop, so a way is remembered as it was when
/// frames last came along it.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

#include "base/ptr.hpp"

namespace cudacam {

/// A reference that does not keep a GObject alive; at one address, as GWeakRef asks.
template <class T>
class WeakPtr {
 public:
  explicit WeakPtr(T *object) { g_weak_ref_init(&ref_, object); }
  ~WeakPtr() { g_weak_ref_clear(&ref_); }
  WeakPtr(const WeakPtr &) = delete;
  WeakPtr &operator=(const WeakPtr &) = delete;
  ObjectPtr<T> get() const { return adopt(static_cast<T *>(g_weak_ref_get(&ref_))); }

 private:
  mutable GWeakRef ref_;
};

/// What stands between a sink's pool and the cameras, sources included.
struct Upstream {
  /// A link from a pad that comes and goes with its element's state.
  struct Link {
    ObjectPtr<GstElement> source;
    ObjectPtr<GstPad> sink;
    std::string pad;    ///< the name it had
    std::string media;  ///< what it carried, see media_of()
  };
  /// Where frames leave for elements that are not among these.
  struct Outlet {
    ObjectPtr<GstPad> source;
    ObjectPtr<GstPad> sink;
  };

  std::vector<ObjectPtr<GstElement>> elements;  ///< nearest to the sink first
  std::vector<Link> links;
  std::vector<Outlet> outlets;
  std::string
      source;  ///< name of the source, of the first when there are several; empty: none found
};

/// What a pad carries, as far as it tells its links apart: name of the caps, and `media` of RTP.
std::string media_of(GstPad *pad);

/// Not to be used by several threads at once.
class UpstreamRoute {
 public:
  /// The elements that feed `sink`: those above the nearest cudacampool, or all when there is none.
  /// Elements above a pad without a peer are those that were there before; when nothing ever was,
  /// it is the one source beside it that has no peer either.
  Upstream find(GstPad *sink);

 private:
  struct Remembered {
    WeakPtr<GstPad> sink;
    WeakPtr<GstElement> source;
    const std::string pad, media;
    Remembered(GstPad *to, GstElement *from, std::string name, std::string carried)
        : sink(to), source(from), pad(std::move(name)), media(std::move(carried)) {}
  };

  ObjectPtr<GstElement> feeder(GstPad *sink);
  std::vector<ObjectPtr<GstPad>> pool_entries(GstPad *sink);
  void remember(GstPad *source, GstPad *sink, GstElement *element);

  std::vector<std::unique_ptr<Remembered>> memory_;
};

}  // namespace cudacam
