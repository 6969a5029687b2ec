// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/cuda-slot-fence.hpp"

#include <stdexcept>
#include <utility>

namespace cudacam {
namespace {

using Shared = std::shared_ptr<Fence>;

/// Runs `call` on the fence; a C++ exception becomes a GError.
template <class Call>
gboolean guarded_call(gpointer fence, GError **error, Call &&call) {
  try {
    call(**static_cast<Shared *>(fence));
    return TRUE;
  } catch (const std::exception &failure) {
    g_set_error_literal(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC, failure.what());
    return FALSE;
  }
}

/// GStreamer says only that it got no stream: asks the driver for one, which says why.
std::shared_ptr<compat::ProducerStream> producer_stream(GstCudaContext *context) {
  expect_working_process();
  auto stream = compat::make_producer_stream(context);
  if (stream) return stream;
  { const Stream asked(context); }
  stream = compat::make_producer_stream(context);
  if (!stream) throw std::runtime_error("no CUDA stream can be made");
  return stream;
}

constexpr GstCudaCamFenceFuncs kFuncs = {
    [](gpointer fence, GError **error) {
      return guarded_call(fence, error, [](Fence &it) { it.wait(); });
    },
    [](gpointer fence, gpointer stream, GError **error) {
      return guarded_call(fence, error,
                          [&](Fence &it) { it.wait_on(static_cast<CUstream>(stream)); });
    },
    [](gpointer fence, gpointer stream, GError **error) {
      return guarded_call(fence, error,
                          [&](Fence &it) { it.add_reader(static_cast<CUstream>(stream)); });
    },
    [](gpointer fence) { delete static_cast<Shared *>(fence); },
    {}};

}  // namespace

WriteStreams::WriteStreams(GstCudaContext *context)
    : context_(share(context)), producer_(producer_stream(context)) {
}

StreamView WriteStreams::copies() {
  if (upstream()) return {context_.get(), upstream()};
  const std::lock_guard lock(mutex_);
  if (!copies_) copies_.emplace(context_.get());
  return copies_->view();
}

CUstream WriteStreams::releases() {
  const std::lock_guard lock(mutex_);
  // In no order with the NULL stream, whose work would wait for our callbacks.
  if (!releases_) releases_.emplace(context_.get(), CU_STREAM_NON_BLOCKING);
  return releases_->handle();
}

CudaSlotFence::CudaSlotFence(GstCudaContext *context, std::shared_ptr<WriteStreams> streams)
    : streams_(std::move(streams)),
      fence_(std::make_shared<Fence>(context)),
      handle_(gst_cuda_cam_fence_new(&kFuncs, new Shared(fence_))) {
}

CudaSlotFence::~CudaSlotFence() {
  if (process_error()) fence_->abandon();  // the memory, which has the handle too, is left behind
  gst_cuda_cam_fence_unref(handle_);
}

Readiness CudaSlotFence::readiness(Writer writer) {
  const auto stream = stream_of(writer);
  switch (fence_->pending(stream)) {
    case Fence::Pending::kNothing:
      return Readiness::kReady;
    case Fence::Pending::kWork:
      return stream ? Readiness::kAfterWait : Readiness::kNotYet;
    case Fence::Pending::kSource:
      break;  // bounds the sources that are kept: one for each slot
  }
  return Readiness::kNotYet;
}

}  // namespace cudacam
