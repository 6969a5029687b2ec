// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/rtsp-server/rtsp-server.h>

#include <list>

#include "base/ptr.hpp"

namespace cudacam::test {

/// The streams that a camera sends; they end by themselves, when nobody looks any more.
class LiveMedia {
 public:
  void add(GstRTSPMedia *media) { all_.emplace_back(media); }

  /// `function(bin)` with what makes each of them.
  template <typename Function>
  void for_each_bin(Function function) {
    all_.remove_if([&](Weak &one) {
      const auto media = one.get();
      if (!media) return true;
      const auto bin = adopt(gst_rtsp_media_get_element(media.get()));
      function(bin.get());
      return false;
    });
  }

 private:
  /// A reference that keeps nothing alive, with an address of its own as GWeakRef asks.
  class Weak {
   public:
    explicit Weak(GstRTSPMedia *media) { g_weak_ref_init(&ref_, media); }
    ~Weak() { g_weak_ref_clear(&ref_); }
    Weak(const Weak &) = delete;
    Weak &operator=(const Weak &) = delete;

    ObjectPtr<GstRTSPMedia> get() {
      return adopt(static_cast<GstRTSPMedia *>(g_weak_ref_get(&ref_)));
    }

   private:
    GWeakRef ref_;
  };

  std::list<Weak> all_;
};

}  // namespace cudacam::test
