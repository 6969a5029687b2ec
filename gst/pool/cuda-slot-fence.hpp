// SPDX-License-Identifier: LGPL-2.1-or-later
/// The order of the GPU's work on a slot in CUDA memory, and the streams on which slots are
/// written.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "cuda/compat.hpp"
#include "cuda/fence.hpp"
#include "pool/slot-fence.hpp"

namespace cudacam {

/// The streams of one cudacampool. Any thread.
class WriteStreams {
 public:
  /// Throws std::runtime_error when the driver gives none.
  explicit WriteStreams(GstCudaContext *context);

  const compat::ProducerStream &producer() const { return *producer_; }
  /// Null where upstream elements keep their streams to themselves.
  CUstream upstream() const { return compat::handle(*producer_); }
  /// Of our copies: upstream's, where that can be reached, since it is the one that stock readers
  /// of a slot wait for. Made by the first copy.
  StreamView copies();
  /// For Fence::keep(). Made by the first copy whose source is kept.
  CUstream releases();

 private:
  const CudaContextPtr context_;
  const std::shared_ptr<compat::ProducerStream> producer_;
  std::mutex mutex_;  // guards the two below
  std::optional<Stream> copies_;
  std::optional<Stream> releases_;
};

class CudaSlotFence : public SlotFence {
 public:
  CudaSlotFence(GstCudaContext *context, std::shared_ptr<WriteStreams> streams);
  ~CudaSlotFence() override;
  CudaSlotFence(const CudaSlotFence &) = delete;
  CudaSlotFence &operator=(const CudaSlotFence &) = delete;

  Readiness readiness(Writer writer) override;
  void order(Writer writer) override { fence_->order_writer(stream_of(writer)); }
  void begin_write(GstMemory *memory) override {
    compat::forget_upload(memory);
    fence_->begin_write();
  }
  bool pending() override { return fence_->pending(nullptr) != Fence::Pending::kNothing; }
  void settle() noexcept override { fence_->settle(); }
  GstCudaCamFence *handle() const override { return handle_; }

  Fence &fence() { return *fence_; }

 private:
  CUstream stream_of(Writer writer) {
    return writer == Writer::kCopy ? streams_->copies().handle : streams_->upstream();
  }

  const std::shared_ptr<WriteStreams> streams_;
  const std::shared_ptr<Fence> fence_;  // shared with the handle, which may outlive the slot
  GstCudaCamFence *const handle_;
};

}  // namespace cudacam
