// SPDX-License-Identifier: LGPL-2.1-or-later
/// A GstCudaMemory over device memory of ours. From GStreamer 1.24 on its library makes one; for
/// 1.22, which cannot, here is an allocator whose memory behaves as the library's own.
#include <cstring>
#include <mutex>
#include <utility>

#include "cuda/compat.hpp"
#include "cuda/driver.hpp"

#if CUDACAM_BUILT_WITH_STREAMS

namespace cudacam::compat {

MemoryPtr wrap(GstCudaContext *context, const ProducerStream &stream, const GstVideoInfo &layout,
               std::unique_ptr<DeviceMemory> memory) {
  gst_cuda_memory_init_once();
  // What is mapped for the CPU is rows of the picture's width, which cut off the chroma of an odd
  // width; this width makes them whole rows.
  auto whole_rows = layout;
  whole_rows.width = layout.stride[0] / GST_VIDEO_INFO_COMP_PSTRIDE(&layout, 0);
  const auto address = memory->address();
  MemoryPtr wrapped(gst_cuda_allocator_alloc_wrapped(
      nullptr, context, producer(stream), &whole_rows, address, memory.release(),
      [](gpointer owned) { delete static_cast<DeviceMemory *>(owned); }));
  GST_CUDA_MEMORY_CAST(wrapped.get())->info = layout;
  return wrapped;
}

}  // namespace cudacam::compat

#else

/// Elements touch only the first member, of which `priv` stays null, and map.
struct GstCudaCamCudaMemory {
  GstCudaMemory parent;
  cudacam::DeviceMemory *device;
  void *staging;      // pinned; from the first mapping for the CPU on
  std::mutex *mutex;  // guards `staging` and the flags for transfers
  cudacam::compat::TransferCount *transfers;
};

struct GstCudaCamCudaAllocator {
  GstCudaAllocator parent;
};
struct GstCudaCamCudaAllocatorClass {
  GstCudaAllocatorClass parent;
};
G_DEFINE_TYPE(GstCudaCamCudaAllocator, gst_cuda_cam_cuda_allocator, GST_TYPE_CUDA_ALLOCATOR)

namespace {

using cudacam::ContextScope;
using cudacam::DeviceMemory;
using cudacam::driver;

/// A part of a memory has nothing of its own.
GstMemory *whole(GstMemory *memory) {
  return memory->parent ? memory->parent : memory;
}

GstCudaCamCudaMemory *ours(GstMemory *memory) {
  return reinterpret_cast<GstCudaCamCudaMemory *>(memory);
}

GstMemory *make(GstCudaContext *context, const GstVideoInfo &layout,
                std::unique_ptr<DeviceMemory> device,
                const cudacam::compat::TransferCount &transfers) {
  static auto *const allocator =
      gst_object_ref_sink(g_object_new(gst_cuda_cam_cuda_allocator_get_type(), nullptr));
  auto *memory = g_new0(GstCudaCamCudaMemory, 1);
  memory->parent.context = static_cast<GstCudaContext *>(gst_object_ref(context));
  memory->parent.info = layout;
  memory->device = device.release();
  memory->mutex = new std::mutex;
  memory->transfers = new cudacam::compat::TransferCount(transfers);
  auto *base = GST_MEMORY_CAST(memory);
  gst_memory_init(base, GstMemoryFlags(0), GST_ALLOCATOR_CAST(allocator), nullptr, layout.size, 0,
                  0, layout.size);
  return base;
}

bool flagged(GstMemory *memory, GstCudaMemoryTransfer flag) {
  return GST_MEMORY_FLAG_IS_SET(memory, flag);
}

/// The address for the GPU, where what the CPU wrote is uploaded first.
gpointer map_for_gpu(GstMemory *memory, GstMapFlags access) {
  auto &self = *ours(memory);
  if (self.staging && flagged(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD)) {
    const ContextScope scope(self.parent.context);
    ++**self.transfers;
    driver().cuMemcpyHtoD(self.device->address(), self.staging, self.parent.info.size);
  }
  GST_MEMORY_FLAG_UNSET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD);
  if (access & GST_MAP_WRITE)
    GST_MINI_OBJECT_FLAG_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
  return reinterpret_cast<gpointer>(self.device->address());
}

/// The address for the CPU, where what the GPU wrote is downloaded first.
gpointer map_for_cpu(GstMemory *memory, GstMapFlags access) {
  auto &self = *ours(memory);
  const bool first = !self.staging;
  if (first || flagged(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD)) {
    // Says again what a failure leaves to do.
    GST_MINI_OBJECT_FLAG_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
    const ContextScope scope(self.parent.context);
    if (first) driver().cuMemAllocHost(&self.staging, self.parent.info.size);
    ++**self.transfers;
    driver().cuMemcpyDtoH(self.staging, self.device->address(), self.parent.info.size);
  }
  GST_MEMORY_FLAG_UNSET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
  if (access & GST_MAP_WRITE)
    GST_MINI_OBJECT_FLAG_SET(memory, GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD);
  return self.staging;
}

gpointer map(GstMemory *part, gsize, GstMapFlags access) {
  auto *memory = whole(part);
  auto &self = *ours(memory);
  const std::lock_guard lock(*self.mutex);
  try {
    return access & GST_MAP_CUDA ? map_for_gpu(memory, access) : map_for_cpu(memory, access);
  } catch (const std::exception &error) {
    GST_CAT_ERROR_OBJECT(cudacam::cuda_category(), memory->allocator, "cannot be mapped: %s",
                         error.what());
    return nullptr;
  }
}

/// Read as the number that they are: GST_MAP_CUDA lies beyond what C++ lets a GstMapFlags hold.
guint flags_of(const GstMapInfo &info) {
  guint flags = 0;
  static_assert(sizeof flags == sizeof info.flags);
  std::memcpy(&flags, &info.flags, sizeof flags);
  return flags;
}

void unmap(GstMemory *part, GstMapInfo *info) {
  auto *memory = whole(part);
  const guint flags = flags_of(*info);
  if (!(flags & GST_MAP_WRITE)) return;
  const std::lock_guard lock(*ours(memory)->mutex);
  GST_MINI_OBJECT_FLAG_SET(memory, flags & GST_MAP_CUDA ? GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD
                                                        : GST_CUDA_MEMORY_TRANSFER_NEED_UPLOAD);
}

/// Of the whole memory, so that it lies as this one's layout says; what is asked for is what is
/// seen of it.
GstMemory *copy(GstMemory *part, gssize offset, gssize size) {
  auto *memory = whole(part);
  auto &self = *ours(memory);
  GstMapInfo from;
  if (!gst_memory_map(memory, &from, GstMapFlags(GST_MAP_READ | GST_MAP_CUDA))) return nullptr;
  GstMemory *result = nullptr;
  try {
    const auto &layout = self.parent.info;
    auto device = cudacam::DeviceAllocator(self.parent.context).allocate(layout.size);
    const ContextScope scope(self.parent.context);
    ++**self.transfers;
    driver().cuMemcpyDtoD(device->address(), self.device->address(), layout.size);
    driver().cuStreamSynchronize(CUstream{nullptr});
    result = make(self.parent.context, layout, std::move(device), *self.transfers);
    GST_MINI_OBJECT_FLAG_SET(result, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
    result->offset = part->offset + static_cast<gsize>(offset);
    result->size = size < 0 ? part->size - static_cast<gsize>(offset) : static_cast<gsize>(size);
  } catch (const std::exception &error) {
    GST_CAT_ERROR_OBJECT(cudacam::cuda_category(), memory->allocator, "cannot be copied: %s",
                         error.what());
  }
  gst_memory_unmap(memory, &from);
  return result;
}

/// What GStreamer's own CUDA memory cannot (1.22 to 1.26 call a function that is not there): bytes
/// of it for another buffer, which keep the whole.
GstMemory *share(GstMemory *memory, gssize offset, gssize size) {
  const auto begin = memory->offset + static_cast<gsize>(offset);
  const auto left = memory->size - static_cast<gsize>(offset);
  auto *part = g_new0(GstCudaCamCudaMemory, 1);
  part->parent.context =
      static_cast<GstCudaContext *>(gst_object_ref(ours(memory)->parent.context));
  part->parent.info = ours(memory)->parent.info;
  auto *base = GST_MEMORY_CAST(part);
  gst_memory_init(base, GstMemoryFlags(GST_MINI_OBJECT_FLAG_LOCK_READONLY), memory->allocator,
                  whole(memory), memory->maxsize, memory->align, begin,
                  size < 0 ? left : static_cast<gsize>(size));
  return base;
}

void free_memory(GstAllocator *, GstMemory *memory) {
  auto *self = ours(memory);
  delete self->device;
  if (self->staging) driver().cuMemFreeHost.quiet(self->staging);
  gst_object_unref(self->parent.context);
  delete self->mutex;
  delete self->transfers;
  g_free(self);
}

}  // namespace

static void gst_cuda_cam_cuda_allocator_init(GstCudaCamCudaAllocator *self) {
  auto *allocator = GST_ALLOCATOR_CAST(self);
  allocator->mem_map = map;
  allocator->mem_unmap_full = unmap;
  allocator->mem_copy = copy;
  allocator->mem_share = share;
}

static void gst_cuda_cam_cuda_allocator_class_init(GstCudaCamCudaAllocatorClass *klass) {
  GST_ALLOCATOR_CLASS(klass)->free = free_memory;
}

namespace cudacam::compat {

MemoryPtr wrap(GstCudaContext *context, const ProducerStream &stream, const GstVideoInfo &layout,
               std::unique_ptr<DeviceMemory> memory) {
  gst_cuda_memory_init_once();  // for elements that look for the allocator by its name
  return MemoryPtr(make(context, layout, std::move(memory), transfer_count(stream)));
}

}  // namespace cudacam::compat

#endif
