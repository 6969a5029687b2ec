// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-filter.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "frame/outstanding-query.h"
#include "pool/capture-time.hpp"

GST_DEBUG_CATEGORY_EXTERN(cudacampool_debug);
#define GST_CAT_DEFAULT cudacampool_debug

namespace cudacam {
namespace {

/// All that was said of the picture, nothing that was said of its old memory.
void copy_metas(GstBuffer *source, GstBuffer *target) {
  gst_buffer_foreach_meta(
      source,
      [](GstBuffer *from, GstMeta **meta, gpointer to) -> gboolean {
        const auto *info = (*meta)->info;
        if (!info->transform_func ||
            gst_meta_api_type_has_tag(info->api, g_quark_from_static_string("memory")))
          return TRUE;
        GstMetaTransformCopy copy{FALSE, 0, static_cast<gsize>(-1)};
        info->transform_func(static_cast<GstBuffer *>(to), *meta, from, _gst_meta_transform_copy,
                             &copy);
        return TRUE;
      },
      target);
}

bool same_pictures(const GstVideoInfo &a, const GstVideoInfo &b) {
  return GST_VIDEO_INFO_FORMAT(&a) == GST_VIDEO_INFO_FORMAT(&b) &&
         GST_VIDEO_INFO_WIDTH(&a) == GST_VIDEO_INFO_WIDTH(&b) &&
         GST_VIDEO_INFO_HEIGHT(&a) == GST_VIDEO_INFO_HEIGHT(&b);
}

}  // namespace

void SlotFilter::start() {
  std::lock_guard lock(lock_);
  if (settings_.slots < kFewestSlots)
    throw ElementError(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                       "slots is " + std::to_string(settings_.slots) +
                           ", but one frame is written while another is read: set slots to " +
                           std::to_string(kFewestSlots) + " or more.");
  state_ = {};
}

void SlotFilter::stop() {
  State last;
  {
    std::lock_guard lock(lock_);
    last = std::exchange(state_, {});
  }
  cuda_.close();
}

/// The slots for frames of these caps: the current ones, or new ones when size or format changed.
/// The old ones live on until their last reader is done.
std::shared_ptr<Store> SlotFilter::store_for(GstCaps *caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps))
    throw ElementError(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                       "cudacampool takes raw video only.");
  auto *features = gst_caps_get_features(caps, 0);
  const bool cuda = features && gst_caps_features_contains(features, "memory:CUDAMemory");

  std::unique_lock lock(lock_);
  if (state_.store && cuda == state_.cuda && same_pictures(state_.info, info)) return state_.store;
  const auto settings = settings_;
  const auto generation = state_.generation + 1;
  auto backend = state_.backend && cuda == state_.cuda ? state_.backend : nullptr;
  lock.unlock();

  if (!backend) backend = cuda ? cuda_.open(settings.device) : system_backend();
  const auto source = backend->slot_source(info);
  const auto store = Store::create(*source, settings.slots, generation);
  GST_INFO_OBJECT(element_,
                  "generation %" G_GUINT64_FORMAT ": %u+1 slots, %" G_GSIZE_FORMAT " bytes in %s",
                  generation, settings.slots, store->bytes(), backend->name().c_str());

  std::shared_ptr<Store> old;  // its memory is freed after the lock is gone
  lock.lock();
  old = std::move(state_.store);
  auto &earlier = state_.earlier;
  earlier.erase(std::remove_if(earlier.begin(), earlier.end(),
                               [](const auto &gone) { return gone.expired(); }),
                earlier.end());
  if (old) earlier.push_back(old);
  state_.backend = backend;
  state_.store = store;
  state_.cuda = cuda;
  state_.info = info;
  state_.generation = generation;
  return store;
}

bool SlotFilter::propose_allocation(GstQuery *query) {
  GstCaps *caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  if (!caps) return false;
  const auto store = store_for(caps);
  std::shared_ptr<Backend> backend;
  {
    std::lock_guard lock(lock_);
    backend = state_.backend;
  }
  const auto face = backend->facade(store);  // cheap, so also for those who did not ask for a pool
  gst_query_add_allocation_pool(query, face.get(), static_cast<guint>(store->layout().size), 0, 0);
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return true;
}

void SlotFilter::observe(GstEvent *event) {
  const gchar *camera = nullptr;
  guint64 connection = 0;
  if (!gst_cuda_cam_event_parse_camera(event, &camera, &connection, nullptr, nullptr)) return;
  std::lock_guard lock(lock_);
  state_.camera = camera;
  state_.connection = connection;
}

void SlotFilter::decide_allocation(GstQuery *query) {
  // Some elements pass on what their downstream lists although they read the frame themselves
  // (cudaconvert); those offer a pool of their own, which readers that only pass frames on do not.
  const bool know =
      gst_query_find_allocation_meta(query, GST_CUDA_CAM_FRAME_META_API_TYPE, nullptr) &&
      gst_query_get_n_allocation_pools(query) == 0;
  GST_DEBUG_OBJECT(element_, "readers %s", know ? "know fences" : "are stock elements");
  std::lock_guard lock(lock_);
  state_.readers_know_fences = know;
}

/// A copy of the frame in a slot, in the overflow slot when none is free.
BufferPtr SlotFilter::into_slot(GstBuffer *frame) {
  std::unique_lock lock(lock_);
  const auto store = state_.store;
  const auto backend = state_.backend;
  const auto info = state_.info;
  lock.unlock();

  auto slot = store->take(Writer::kCopy);
  if (Store::origin(slot.get()) == Store::Origin::kOverflow) return slot;
  backend->copy(info, frame, slot.get());
  gst_buffer_copy_into(slot.get(), frame,
                       GstBufferCopyFlags(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
                       static_cast<gsize>(-1));
  copy_metas(frame, slot.get());
  lock.lock();
  ++state_.copied;
  return slot;
}

BufferPtr SlotFilter::process(BufferPtr frame) {
  std::unique_lock lock(lock_);
  const auto sequence = state_.frames++;
  const auto camera = camera_locked();
  const auto connection = state_.connection;
  const auto store = state_.store;
  const auto backend = state_.backend;
  const auto mode = settings_.sync_mode;
  const bool know_fences = state_.readers_know_fences;
  lock.unlock();

  const bool in_auto = mode == SyncMode::kAuto;
  const bool complete =
      mode == SyncMode::kCpu || (in_auto && !know_fences && !backend->stock_readers_wait());
  // A writer that waits for readers on the GPU is waited for by stock readers on the CPU.
  store->let_writers_wait(mode == SyncMode::kGpu || (in_auto && know_fences));
  try {
    store->rethrow();
    BufferPtr source;
    if (Store::origin(frame.get()) == Store::Origin::kForeign)
      source = std::exchange(frame, into_slot(frame.get()));
    if (Store::origin(frame.get()) == Store::Origin::kOverflow) {
      count_drop(sequence);
      return nullptr;
    }
    if (backend->finish(frame.get(), source.get(), complete)) {
      lock.lock();
      ++state_.waited;
      lock.unlock();
    }
  } catch (const ElementError &) {
    throw;
  } catch (const std::exception &error) {
    throw ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
                       "Camera " + camera + ": a frame could not be written into a slot in " +
                           backend->name() + ": " + error.what());
  }
  const auto generation = Store::publish(frame.get());
  frame.reset(gst_buffer_make_writable(frame.release()));
  gst_buffer_add_cuda_cam_frame_meta(frame.get(), camera.c_str(), connection, generation, sequence,
                                     capture_time(frame.get()));
  lock.lock();
  state_.dropping = false;
  return frame;
}

void SlotFilter::count_drop(guint64 sequence) {
  bool first = false;
  {
    std::lock_guard lock(lock_);
    ++state_.dropped;
    first = !std::exchange(state_.dropping, true);
  }
  if (first)
    GST_WARNING_OBJECT(element_,
                       "all slots are held by readers or in use by the GPU: dropping from frame "
                       "%" G_GUINT64_FORMAT "; release frames sooner or raise `slots`",
                       sequence);
  else
    GST_LOG_OBJECT(element_, "dropped frame %" G_GUINT64_FORMAT, sequence);
}

std::string SlotFilter::camera_locked() const {
  if (!settings_.camera_name.empty()) return settings_.camera_name;
  return state_.camera.empty() ? GST_OBJECT_NAME(element_) : state_.camera;
}

void SlotFilter::answer_outstanding(GstQuery *query) const {
  std::vector<std::shared_ptr<Store>> stores;
  {
    std::lock_guard lock(lock_);
    for (const auto &store : state_.earlier) stores.push_back(store.lock());
    stores.push_back(state_.store);
  }
  for (const auto &store : stores) {
    if (!store) continue;
    for (const auto &use : store->uses()) {
      const GstCudaCamOutstanding frame{GST_OBJECT_NAME(element_),
                                        reinterpret_cast<guintptr>(use.memory),
                                        use.references,
                                        0,
                                        nullptr,
                                        FALSE};
      gst_cuda_cam_query_add_outstanding(query, &frame);
    }
  }
}

GstStructure *SlotFilter::statistics() const {
  std::unique_lock lock(lock_);
  const auto store = state_.store;
  lock.unlock();
  const auto pending = store ? store->pending() : 0;  // asks the driver
  lock.lock();
  const auto slots = state_.store ? state_.store->counts() : SlotTable::Counts{};
  const auto memory = state_.backend ? state_.backend->name() : "";
  return gst_structure_new(
      "application/x-cudacam-pool-statistics", "camera", G_TYPE_STRING, camera_locked().c_str(),
      "memory", G_TYPE_STRING, memory.c_str(), "generation", G_TYPE_UINT64, state_.generation,
      "bytes", G_TYPE_UINT64, guint64{state_.store ? state_.store->bytes() : 0}, "slots-free",
      G_TYPE_UINT, slots.free, "slots-writing", G_TYPE_UINT, slots.writing, "slots-published",
      G_TYPE_UINT, slots.published, "slots-pending", G_TYPE_UINT, pending, "frames", G_TYPE_UINT64,
      state_.frames, "copied", G_TYPE_UINT64, state_.copied, "waited", G_TYPE_UINT64, state_.waited,
      "dropped", G_TYPE_UINT64, state_.dropped, nullptr);
}

SlotFilter::Settings SlotFilter::settings() const {
  std::lock_guard lock(lock_);
  return settings_;
}

void SlotFilter::set_settings(const Settings &settings) {
  std::lock_guard lock(lock_);
  settings_ = settings;
}

}  // namespace cudacam
