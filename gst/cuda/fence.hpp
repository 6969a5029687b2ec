// SPDX-License-Identifier: LGPL-2.1-or-later
/// The order of a GPU's work on one piece of memory: who writes it waits for those who read it, who
/// reads it for the one who writes it.
///
///     write ──record──> ready ──────wait_on──> reader's stream ──add_reader──┐
///       ^                                      reader's stream ──add_reader──┤
///       └────────────────order_writer──── done <──────────record── join <────┘
///
/// `join` is a stream of the fence's own that does nothing but wait for readers: so one event
/// stands for any number of them, on streams of any context, and it is of a context that the fence
/// keeps alive. A reader's context may be gone long before the memory is written again.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <mutex>
#include <optional>

#include "base/ptr.hpp"
#include "cuda/event.hpp"
#include "cuda/stream.hpp"

namespace cudacam {

/// All functions may be called from any thread and throw CudaError, but only one thread at a time
/// writes, and nobody reads what is being written.
class Fence : public std::enable_shared_from_this<Fence> {
 public:
  explicit Fence(GstCudaContext *context)
      : context_(share(context)), ready_(context), done_(context) {}
  Fence(const Fence &) = delete;
  Fence &operator=(const Fence &) = delete;

  // The reader.

  /// Blocks this thread until the content is complete.
  void wait();
  /// Makes what is queued on `stream` from now on wait for the content.
  void wait_on(CUstream stream);
  /// The next writer waits for what is queued on `stream` up to now.
  void add_reader(CUstream stream);

  // The writer.

  enum class Pending {
    kNothing,  ///< the memory can be written at once
    kWork,     ///< a stream still works on it: ask again, or order_writer()
    kSource,   ///< a copy does, whose source is kept: ask again
  };
  /// What a writer on `stream` would be in the way of; null: on a stream that cannot be reached.
  Pending pending(CUstream stream);
  /// Makes what is queued on `stream` from now on wait for all work that is pending.
  void order_writer(CUstream stream);
  /// What the memory holds now is nobody's to read any more.
  void begin_write();
  /// The content is complete when what is queued on `stream` up to now has ended. Without this, it
  /// is complete already.
  void written_on(CUstream stream);
  /// Whether the content may be incomplete: written_on() was called, and no wait() since.
  bool in_flight() const;

  /// Keeps what the content is copied from until the copy, for which written_on() was called last,
  /// has ended; no thread waits. `releases` is a stream for nothing else: what it does takes as
  /// long as the driver takes to call us.
  void keep(BufferPtr source, CUstream releases);
  /// Blocks this thread until no work is pending: for a writer whose stream cannot be made to wait.
  void wait_for_work();
  /// The same before the memory is freed. Never throws: after an error nothing works on it any
  /// more.
  void settle() noexcept;
  /// Lets go of what keep() keeps: when no release comes any more, because the GPU is gone.
  void abandon();

 private:
  static void CUDA_CB on_released(void *fence);
  void release_source();
  bool ready_passed();
  bool done_passed();

  const CudaContextPtr context_;
  mutable std::mutex mutex_;  // guards all below
  Event ready_;
  Event done_;
  std::optional<Stream> join_;  // from the first reader on
  CUstream writer_ = nullptr;   // where ready_ was recorded
  bool in_flight_ = false;
  bool ready_pending_ = false;  // recorded, and not seen to have passed
  bool done_pending_ = false;   // the same
  BufferPtr source_;
  unsigned releases_due_ = 0;    // calls that the driver still owes us
  std::shared_ptr<Fence> self_;  // while there are any
};

}  // namespace cudacam
