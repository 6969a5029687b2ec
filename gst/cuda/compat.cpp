// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cuda/compat.hpp"

#include "cuda/driver.hpp"

namespace cudacam::compat {

bool cuda_library_fits() {
  guint major = 0, minor = 0, micro = 0, nano = 0;
  gst_version(&major, &minor, &micro, &nano);
  const bool runs_with_streams = major > 1 || minor >= 23;
  return runs_with_streams == static_cast<bool>(CUDACAM_BUILT_WITH_STREAMS);
}

#if CUDACAM_BUILT_WITH_STREAMS

struct LetGo {
  void operator()(GstCudaStream *stream) const {
    // Left behind when the driver is not to be called any more.
    if (!process_error()) gst_cuda_stream_unref(stream);
  }
};
using StreamPtr = std::unique_ptr<GstCudaStream, LetGo>;

struct ProducerStream {
  StreamPtr stream;
};

std::shared_ptr<ProducerStream> make_producer_stream(GstCudaContext *context) {
  auto *stream = gst_cuda_stream_new(context);
  return stream ? std::make_shared<ProducerStream>(ProducerStream{StreamPtr(stream)}) : nullptr;
}

void set_producer_stream(GstStructure *pool_config, const ProducerStream &stream) {
  gst_buffer_pool_config_set_cuda_stream(pool_config, stream.stream.get());
}

GstCudaStream *producer(const ProducerStream &stream) {
  return stream.stream.get();
}

CUstream handle(const ProducerStream &stream) {
  return gst_cuda_stream_get_handle(stream.stream.get());
}

guint64 transfers(const ProducerStream &) {
  return 0;
}

bool readers_wait_for_memory() {
  return true;
}

CUstream upload_stream(GstMemory *memory) {
  auto *stream = gst_cuda_memory_get_stream(GST_CUDA_MEMORY_CAST(memory));
  return stream ? gst_cuda_stream_get_handle(stream) : nullptr;
}

/// Read without the memory's lock, which is not ours to take: a thread in gst_cuda_memory_sync()
/// has unset the flag and waits yet. It does so with that lock, and whoever reads the frame maps it
/// first, which takes the lock, too.
CUstream pending_stream(GstMemory *memory) {
  return GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_SYNC) ? upload_stream(memory)
                                                                            : nullptr;
}

/// Another branch of a tee may map the memory meanwhile, which changes other flags. An atomic
/// change undoes none of theirs; if they undo this one, a reader waits for the stream in vain.
void set_complete(GstMemory *memory) {
  g_atomic_int_and(&GST_MINI_OBJECT_FLAGS(memory), ~guint{GST_CUDA_MEMORY_TRANSFER_NEED_SYNC});
}

#else

struct ProducerStream {
  const TransferCount transfers = std::make_shared<std::atomic<guint64>>(0);
};

std::shared_ptr<ProducerStream> make_producer_stream(GstCudaContext *) {
  return std::make_shared<ProducerStream>();
}

void set_producer_stream(GstStructure *, const ProducerStream &) {
}

CUstream handle(const ProducerStream &) {
  return nullptr;
}

guint64 transfers(const ProducerStream &stream) {
  return *stream.transfers;
}

const TransferCount &transfer_count(const ProducerStream &stream) {
  return stream.transfers;
}

bool readers_wait_for_memory() {
  return false;
}

CUstream pending_stream(GstMemory *) {
  return nullptr;
}

CUstream upload_stream(GstMemory *) {
  return nullptr;
}

void set_complete(GstMemory *) {
}

#endif

bool upload_is_due(GstMemory *memory) {
  return GST_MEMORY_FLAG_IS_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD);
}

/// Without the memory's lock: it is a free slot's, of which nobody else has a reference.
void forget_upload(GstMemory *memory) {
  GST_MEMORY_FLAG_UNSET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD);
}

}  // namespace cudacam::compat
