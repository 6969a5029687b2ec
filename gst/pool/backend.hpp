// SPDX-License-Identifier: LGPL-2.1-or-later
/// What differs between slots in system memory and slots on a GPU.
#pragma once

#include <gst/video/video.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "base/ptr.hpp"
#include "pool/store.hpp"

namespace cudacam {

/// Writing a slot went wrong on the device: its content and its pending work are unknown.
class WriteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// For people: "system memory", "CUDA device 0".
  virtual std::string name() const = 0;
  virtual std::unique_ptr<SlotSource> slot_source(const GstVideoInfo &info) const = 0;
  /// A buffer pool over `store` of the kind that upstream elements accept.
  virtual ObjectPtr<GstBufferPool> facade(std::shared_ptr<Store> store) const = 0;
  /// Throws std::runtime_error, with the first error, when the device is beyond use.
  virtual void check() const {}
  /// Whether the end of this may wait for a GPU's work.
  virtual bool ending_waits() const { return false; }
  /// Whether a frame in a slot, perhaps of another cudacampool, can leave as it is: readers of this
  /// element's frames expect them here.
  virtual bool takes(GstBuffer *slot) const = 0;
  /// Copies a frame of `info` into a slot; finish() must be the next call for it. Throws
  /// WriteError, or another std::runtime_error when the slot was not touched; either way the source
  /// is not read any more.
  virtual void copy(const GstVideoInfo &info, GstBuffer *source, GstBuffer *slot) = 0;
  /// A frame in a slot is about to leave, written by upstream or copied from `source` (null for the
  /// first). From here on its fence says when it is complete, and `source` is kept until then; with
  /// `complete`, it is when this returns. Returns whether a thread had to wait. Throws WriteError.
  virtual bool finish([[maybe_unused]] GstBuffer *slot, [[maybe_unused]] GstBuffer *source,
                      [[maybe_unused]] bool complete) {
    return false;
  }
  /// How often a thread waited because a slot was mapped for the CPU or copied, where that can be
  /// known.
  virtual guint64 transfers() const { return 0; }
  /// Whether stock readers wait themselves for a frame that is not complete.
  virtual bool stock_readers_wait() const { return false; }
};

std::shared_ptr<Backend> system_backend();

/// The element's dealings with the CUDA context that it shares with its neighbours. One
/// implementation with CUDA, one that says why there is none.
class CudaSide {
 public:
  explicit CudaSide(GstElement *element);
  ~CudaSide();

  /// GstElement::set_context.
  void set_context(GstContext *context, gint device);
  /// Answers a neighbour that asks for the context.
  bool answer(GstQuery *query);
  /// The backend on the context of the neighbours, or on a new one. Throws ElementError.
  std::shared_ptr<Backend> open(gint device);
  /// Forgets the context; what still holds frames keeps it alive.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cudacam
