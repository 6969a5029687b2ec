// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <mutex>

#include "base/error.hpp"
#include "cuda/compat.hpp"
#include "cuda/copy.hpp"
#include "cuda/device-memory.hpp"
#include "cuda/frame-layout.hpp"
#include "cuda/mapped-frame.hpp"
#include "pool/backend.hpp"
#include "pool/cuda-slot-fence.hpp"
#include "pool/slot-pool.hpp"

/// The face that nvcodec's decoders accept: a GstCudaBufferPool of their own context.
struct GstCudaCamCudaSlotPool {
  GstCudaBufferPool parent;
  std::shared_ptr<cudacam::Store> *store;
};
struct GstCudaCamCudaSlotPoolClass {
  GstCudaBufferPoolClass parent;
};
G_DEFINE_TYPE(GstCudaCamCudaSlotPool, gst_cuda_cam_cuda_slot_pool, GST_TYPE_CUDA_BUFFER_POOL)

static void gst_cuda_cam_cuda_slot_pool_init(GstCudaCamCudaSlotPool *) {
}
static void gst_cuda_cam_cuda_slot_pool_class_init(GstCudaCamCudaSlotPoolClass *klass) {
  cudacam::SlotPoolVfuncs<GstCudaCamCudaSlotPool>::install(klass);
}

namespace cudacam {
namespace {

class CudaSlots : public SlotSource {
 public:
  CudaSlots(GstCudaContext *context, std::shared_ptr<WriteStreams> streams,
            const GstVideoInfo &info)
      : context_(share(context)),
        streams_(std::move(streams)),
        allocator_(context),
        layout_(frame_layout(info, allocator_.row_alignment())) {}

  MemoryPtr allocate() override {
    expect_working_process();
    try {
      return compat::wrap(context_.get(), streams_->producer(), layout_,
                          allocator_.allocate(layout_.size));
    } catch (const CudaError &error) {
      if (error.code() != CUDA_ERROR_OUT_OF_MEMORY) throw;
      const ContextScope scope(context_.get());
      size_t free = 0, total = 0;
      const bool known = driver().cuMemGetInfo.quiet(&free, &total) == CUDA_SUCCESS;
      throw NoMemory(error.what() +
                     (known ? "; " + std::to_string(free) + " bytes are free" : std::string()));
    }
  }
  gsize bytes() const override { return allocator_.rounded(layout_.size); }
  const GstVideoInfo &layout() const override { return layout_; }
  std::unique_ptr<SlotFence> make_fence() override {
    return std::make_unique<CudaSlotFence>(context_.get(), streams_);
  }
  bool freeing_waits() const override { return true; }
  bool device_works() const override { return !process_error(); }

 private:
  CudaContextPtr context_;
  std::shared_ptr<WriteStreams> streams_;
  const DeviceAllocator allocator_;
  const GstVideoInfo layout_;
};

/// GStreamer says only that there is no context; the driver, to the calls that lead to one, says
/// why.
std::string why_no_context(gint device) {
  try {
    driver().cuInit(0u);
    CUdevice found = 0;
    driver().cuDeviceGet(&found, std::max(device, 0));
    CUcontext context = nullptr;
    driver().cuDevicePrimaryCtxRetain(&context, found);
    driver().cuDevicePrimaryCtxRelease(found);
    return "the driver gives a context now";
  } catch (const std::exception &error) {
    return error.what();
  }
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(GstCudaContext *context)
      : context_(share(context)), streams_(std::make_shared<WriteStreams>(context)) {}

  std::string name() const override {
    return "CUDA device " + std::to_string(device_of(context_.get()));
  }

  std::unique_ptr<SlotSource> slot_source(const GstVideoInfo &info) const override {
    return std::make_unique<CudaSlots>(context_.get(), streams_, info);
  }

  ObjectPtr<GstBufferPool> facade(std::shared_ptr<Store> store) const override {
    auto *face = static_cast<GstCudaCamCudaSlotPool *>(
        g_object_new(gst_cuda_cam_cuda_slot_pool_get_type(), nullptr));
    const auto layout = store->layout();
    face->store = new std::shared_ptr<Store>(std::move(store));
    face->parent.context = share(context_.get()).release();
    auto pool = sink(GST_BUFFER_POOL_CAST(face));
    // Upstream keeps the stream of the config that it finds, and the slots are of that stream.
    auto *config = gst_buffer_pool_get_config(pool.get());
    const CapsPtr caps(gst_video_info_to_caps(&layout));
    gst_caps_set_features(caps.get(), 0, gst_caps_features_new("memory:CUDAMemory", nullptr));
    gst_buffer_pool_config_set_params(config, caps.get(), 0, 0, 0);
    compat::set_producer_stream(config, streams_->producer());
    gst_buffer_pool_set_config(pool.get(), config);
    return pool;
  }

  bool takes(GstBuffer *slot) const override {
    return Store::fence(slot) && on_this_gpu(gst_buffer_peek_memory(slot, 0));
  }

  void copy(const GstVideoInfo &info, GstBuffer *source, GstBuffer *slot) override {
    try {
      if (!copier_) copier_ = std::make_unique<FrameCopier>(context_.get());
      by_host_ = false;
      // Parts of slots, and slots of another GPU, may still be written. The latter are mapped for
      // their own GPU alone.
      for (guint i = 0; i < gst_buffer_n_memory(source); ++i) {
        auto *memory = gst_buffer_peek_memory(source, i);
        auto *fence = static_cast<CudaSlotFence *>(Store::fence_behind(memory));
        if (!fence) continue;
        fence->fence().wait_on(streams_->copies().handle);
        by_host_ = by_host_ || !on_this_gpu(memory);
      }
      copied_on_ = copier_->enqueue(info, source, slot, streams_->copies(), by_host_);
    } catch (const CudaError &error) {
      throw WriteError(error.what());
    }
  }

  bool finish(GstBuffer *slot, GstBuffer *source, bool complete) override {
    try {
      return finish_checked(slot, source, complete);
    } catch (const std::exception &error) {
      throw WriteError(error.what());
    }
  }

  guint64 transfers() const override { return compat::transfers(streams_->producer()); }
  bool stock_readers_wait() const override { return compat::readers_wait_for_memory(); }
  void check() const override { expect_working_process(); }
  bool ending_waits() const override { return copier_ != nullptr; }  // its kernels are unloaded

 private:
  /// What upstream wrote with the CPU goes to the GPU now: the first reader who maps the frame
  /// would do it else, on a stream that no fence waits for. It comes after readers who have let go
  /// of the frame while it was written where it is. Whether there was any.
  static bool upload(GstBuffer *slot, Fence &fence) {
    auto *memory = gst_buffer_peek_memory(slot, 0);
    if (!compat::upload_is_due(memory)) return false;
    if (auto *stream = compat::upload_stream(memory))
      fence.order_writer(stream);
    else
      fence.wait_for_work();
    const MappedFrame mapped(GST_CUDA_MEMORY_CAST(memory)->info, slot, GST_MAP_READ);
    return true;
  }

  bool on_this_gpu(GstMemory *memory) const {
    auto *other = GST_CUDA_MEMORY_CAST(memory)->context;
    return other == context_.get() || device_of(other) == device_of(context_.get());
  }

  bool finish_checked(GstBuffer *slot, GstBuffer *source, bool complete) {
    auto *memory = gst_buffer_peek_memory(slot, 0);
    auto &fence = static_cast<CudaSlotFence *>(Store::fence(slot))->fence();
    const bool uploaded = !source && upload(slot, fence);
    try {
      // A frame that comes again, from another cudacampool, is in flight since the first time.
      auto *writer = source ? copied_on_ : compat::pending_stream(memory);
      if (writer && (uploaded || !fence.in_flight())) fence.written_on(writer);
      // Stock readers wait for the stream that the slot names.
      auto *named = streams_->upstream();
      if (source && named && named != copied_on_) fence.wait_on(named);
      if (source && !complete) fence.keep(share(source), streams_->releases());
    } catch (const CudaError &) {
      // What still writes the slot reads the source, which its owner is about to get back.
      if (source) driver().cuStreamSynchronize.quiet(copied_on_);
      throw;
    }
    // For a download, or an upload without a stream to do it on, GStreamer waited.
    if (!complete || !fence.in_flight())
      return (source && by_host_) || (uploaded && !compat::pending_stream(memory));
    fence.wait();
    compat::set_complete(memory);
    return true;
  }

  CudaContextPtr context_;
  std::shared_ptr<WriteStreams> streams_;
  // Of the streaming thread.
  std::unique_ptr<FrameCopier> copier_;  // made by the first copy
  CUstream copied_on_ = nullptr;         // where the last copy is
  bool by_host_ = false;                 // whether its source had to be downloaded
};

}  // namespace

struct CudaSide::Impl {
  GstElement *element;         // borrowed: it owns us
  std::recursive_mutex mutex;  // guards `context`; recursive, since asking the neighbours for a
                               // context comes back through set_context()
  GstCudaContext *context = nullptr;  // outlives every backend on it
};

CudaSide::CudaSide(GstElement *element) : impl_(new Impl{element, {}, nullptr}) {
}
CudaSide::~CudaSide() {
  close();
}

void CudaSide::set_context(GstContext *context, gint device) {
  std::lock_guard lock(impl_->mutex);
  gst_cuda_handle_set_context(impl_->element, context, device, &impl_->context);
}

bool CudaSide::answer(GstQuery *query) {
  std::lock_guard lock(impl_->mutex);
  return gst_cuda_handle_context_query(impl_->element, query, impl_->context);
}

std::shared_ptr<Backend> CudaSide::open(gint device) {
  if (!compat::cuda_library_fits())
    throw ElementError(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                       std::string("CUDA memory cannot be used: this plugin was built for another "
                                   "GStreamer than the running ") +
                           gst_version_string() + "; rebuild it.");
  const auto number = std::to_string(std::max(device, 0));
  const auto cannot = [&](const std::string &why) {
    return ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                        "CUDA device " + number + " cannot be used: " + why +
                            ". Check the NVIDIA driver with nvidia-smi, or use system memory.");
  };
  if (const auto *error = process_error()) throw cannot(CudaError(*error).what());
  std::lock_guard lock(impl_->mutex);
  if (!gst_cuda_load_library() ||
      !gst_cuda_ensure_element_context(impl_->element, device, &impl_->context))
    throw cannot(why_no_context(device));
  try {
    return std::make_shared<CudaBackend>(impl_->context);
  } catch (const std::exception &error) {
    throw cannot(error.what());
  }
}

void CudaSide::close() {
  std::lock_guard lock(impl_->mutex);
  if (process_error())
    impl_->context = nullptr;  // left behind: to end it would be a call to the driver
  else
    gst_clear_object(&impl_->context);
}

}  // namespace cudacam
