// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstdlib>

#include "base/frame-extent.hpp"
#include "pool/backend.hpp"
#include "pool/slot-pool.hpp"

struct GstCudaCamSlotPool {
  GstBufferPool parent;
  std::shared_ptr<cudacam::Store> *store;
};
struct GstCudaCamSlotPoolClass {
  GstBufferPoolClass parent;
};
G_DEFINE_TYPE(GstCudaCamSlotPool, gst_cuda_cam_slot_pool, GST_TYPE_BUFFER_POOL)

static void gst_cuda_cam_slot_pool_init(GstCudaCamSlotPool *) {
}
static void gst_cuda_cam_slot_pool_class_init(GstCudaCamSlotPoolClass *klass) {
  cudacam::SlotPoolVfuncs<GstCudaCamSlotPool>::install(klass);
}

namespace cudacam {
namespace {

constexpr gsize kAlignment = 64;  // a cache line, and what the widest vector instructions want

class SystemSlots : public SlotSource {
 public:
  explicit SystemSlots(const GstVideoInfo &info) : layout_(info) {}

  MemoryPtr allocate() override {
    // GStreamer's allocator ends the process when there is too little memory.
    const auto whole_lines = (layout_.size + kAlignment - 1) / kAlignment * kAlignment;
    auto *bytes = std::aligned_alloc(kAlignment, whole_lines);
    if (!bytes) throw NoMemory("a frame of " + std::to_string(layout_.size) + " bytes was refused");
    return MemoryPtr(gst_memory_new_wrapped(GstMemoryFlags(0), bytes, layout_.size, 0, layout_.size,
                                            bytes, std::free));
  }
  const GstVideoInfo &layout() const override { return layout_; }

 private:
  const GstVideoInfo layout_;
};

class SystemBackend : public Backend {
 public:
  std::string name() const override { return "system memory"; }
  std::unique_ptr<SlotSource> slot_source(const GstVideoInfo &info) const override {
    return std::make_unique<SystemSlots>(info);
  }
  ObjectPtr<GstBufferPool> facade(std::shared_ptr<Store> store) const override {
    return slot_pool(std::move(store));
  }
  bool takes(GstBuffer *slot) const override { return !Store::fence(slot); }
  void copy(const GstVideoInfo &info, GstBuffer *source, GstBuffer *slot) override {
    const auto *meta = gst_buffer_get_video_meta(source);
    if (meta && !holds_picture(*meta, info)) throw std::runtime_error(kNotItsCaps);
    GstVideoFrame from, to;
    if (!gst_video_frame_map(&from, &info, source, GST_MAP_READ))
      throw std::runtime_error("the frame cannot be mapped for reading");
    const bool whole = rows_are_mapped(from, info);
    const bool mapped = whole && gst_video_frame_map(&to, &info, slot, GST_MAP_WRITE);
    const bool copied = mapped && gst_video_frame_copy(&to, &from);
    if (mapped) gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    if (!whole) throw std::runtime_error(kNotItsCaps);
    if (!copied) throw std::runtime_error("the frame cannot be copied into a slot");
  }
};

}  // namespace

ObjectPtr<GstBufferPool> slot_pool(std::shared_ptr<Store> store) {
  auto *face =
      static_cast<GstCudaCamSlotPool *>(g_object_new(gst_cuda_cam_slot_pool_get_type(), nullptr));
  face->store = new std::shared_ptr<Store>(std::move(store));
  return sink(GST_BUFFER_POOL_CAST(face));
}

std::shared_ptr<Backend> system_backend() {
  return std::make_shared<SystemBackend>();
}

}  // namespace cudacam
