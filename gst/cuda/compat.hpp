// SPDX-License-Identifier: LGPL-2.1-or-later
/// Everything that differs between the GStreamer versions' CUDA libraries; no other file asks for
/// the version.
#pragma once

#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include <atomic>
#include <memory>

#include "base/ptr.hpp"
#include "cuda/device-memory.hpp"

/// Whether the headers are of a version with GstCudaStream, and all that came with it.
#define CUDACAM_BUILT_WITH_STREAMS GST_CHECK_VERSION(1, 23, 0)

namespace cudacam::compat {

/// Whether the GStreamer that runs has the CUDA library's layout this code was built for: it
/// changed between 1.22 and 1.24. Otherwise only system memory can be used.
bool cuda_library_fits();

/// The stream on which upstream writes frames. From 1.24 on it leaves its work there in flight, and
/// readers find the stream in the memory and wait for it; earlier versions wait before they push.
struct ProducerStream;

/// Null when the driver gives none.
std::shared_ptr<ProducerStream> make_producer_stream(GstCudaContext *context);

/// Makes the elements that a pool with this config is proposed to write on `stream`.
void set_producer_stream(GstStructure *pool_config, const ProducerStream &stream);

/// Where the upstream elements that take it write; null where they keep their stream to themselves,
/// and have waited for it when they push.
CUstream handle(const ProducerStream &stream);

#if CUDACAM_BUILT_WITH_STREAMS
GstCudaStream *producer(const ProducerStream &stream);
#endif

/// How often a thread waited for the GPU because memory of this stream was mapped for the CPU and
/// back, or copied, by whomever. 0 where the memory's functions are GStreamer's own (1.24 and
/// later).
guint64 transfers(const ProducerStream &stream);

#if !CUDACAM_BUILT_WITH_STREAMS
/// Their number, which memory keeps that outlives the stream.
using TransferCount = std::shared_ptr<std::atomic<guint64>>;
const TransferCount &transfer_count(const ProducerStream &stream);
#endif

/// The GstCudaMemory of one frame, which lies in `memory` as `layout` says. It behaves as if
/// GStreamer had allocated it.
MemoryPtr wrap(GstCudaContext *context, const ProducerStream &stream, const GstVideoInfo &layout,
               std::unique_ptr<DeviceMemory> memory);

/// Whether stock readers wait for the stream that a memory names before they read it. Otherwise
/// they take memory to be complete.
bool readers_wait_for_memory();

/// The stream that may still write `memory`, as its producer left it; null when it is complete.
CUstream pending_stream(GstMemory *memory);

/// The stream on which GStreamer uploads what the CPU wrote into `memory`; null where it does so on
/// the NULL stream, and waits.
CUstream upload_stream(GstMemory *memory);

/// Whether the CPU wrote `memory`, and whoever maps it next for the GPU is to upload that.
bool upload_is_due(GstMemory *memory);
/// What the CPU wrote is not wanted any more.
void forget_upload(GstMemory *memory);

/// Nothing writes `memory` any more: readers need not wait for it.
void set_complete(GstMemory *memory);

}  // namespace cudacam::compat
