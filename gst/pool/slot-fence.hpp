// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the store asks before a slot is written again, where a GPU may still work on it.
#pragma once

#include "frame/fence.h"
#include "pool/slot-choice.hpp"

namespace cudacam {

/// Who writes a slot.
enum class Writer {
  kUpstream,  ///< an upstream element, on a stream that may be its own secret
  kCopy,      ///< we, from a frame in other memory
};

/// One for each slot. Never waits, but for settle(); throws CudaError. Any thread; only one at a
/// time is a writer.
class SlotFence {
 public:
  virtual ~SlotFence() = default;
  virtual Readiness readiness(Writer writer) = 0;
  /// Makes `writer` wait, on the GPU, for what stands in its way; after Readiness::kAfterWait.
  virtual void order(Writer writer) = 0;
  /// The slot is about to be written: neither what readers wait for nor what the CPU wrote is its
  /// last content any more.
  virtual void begin_write(GstMemory *memory) = 0;
  /// Whether a GPU still works on the slot.
  virtual bool pending() = 0;
  /// Blocks until it does not.
  virtual void settle() noexcept = 0;
  /// What readers see of it; owned by this.
  virtual GstCudaCamFence *handle() const = 0;
};

}  // namespace cudacam
