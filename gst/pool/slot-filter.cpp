// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-filter.hpp"

#include <gst/base/gstbasetransform.h>

#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "frame/camera-event.h"
#include "frame/frame-meta.h"
#include "pool/capture-time.hpp"
#include "pool/picture-size.hpp"

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

SlotTable::Time now() {
  return std::chrono::steady_clock::now().time_since_epoch();
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
  generations_.close();
  generations_.settle();
  {
    std::lock_guard lock(lock_);
    state_ = {};
  }
  cuda_.close();
}

/// Runs `body`; an error gets the camera's name and is the last one until the element starts again.
template <class Body>
auto SlotFilter::reporting(Body &&body) -> decltype(body()) {
  const auto note = [&](GQuark domain, int code, const std::string &text) {
    std::lock_guard lock(lock_);
    state_.failed = true;
    return ElementError(domain, code, "Camera " + camera_locked() + ": " + text);
  };
  try {
    return body();
  } catch (const ElementError &error) {
    throw note(error.domain(), error.code(), error.what());
  } catch (const std::exception &error) {
    const auto backend = generations_.backend();
    throw note(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
               (backend ? backend->name() + ": " : "") + error.what());
  }
}

bool SlotFilter::set_caps(GstCaps *caps) {
  if (failed()) return false;
  reporting([&] { prepare(caps); });
  return true;
}

/// Sees to slots for frames of these caps: the current ones, or those of a new generation when
/// size, format or memory changed.
void SlotFilter::prepare(GstCaps *caps) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps))
    throw ElementError(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                       "cudacampool takes raw video only.");
  if (!can_be_counted(info))
    throw ElementError(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                       "pictures of " + std::to_string(info.width) + "x" +
                           std::to_string(info.height) + " are too large for any memory.");
  auto *features = gst_caps_get_features(caps, 0);
  const bool cuda = features && gst_caps_features_contains(features, "memory:CUDAMemory");

  std::unique_lock lock(lock_);
  if (state_.prepared && cuda == state_.cuda && same_pictures(state_.info, info)) return;
  auto backend = state_.prepared && cuda == state_.cuda ? generations_.backend() : nullptr;
  const auto settings = settings_;
  lock.unlock();

  if (!backend) backend = cuda ? cuda_.open(settings.device) : system_backend();
  generations_.change(backend, info,
                      {settings.slots, settings.vram_budget,
                       SlotTable::Time(static_cast<gint64>(settings.min_reuse_delay))});
  lock.lock();
  state_.prepared = true;
  state_.cuda = cuda;
  state_.info = info;
  lock.unlock();
  fill(true);
  GST_INFO_OBJECT(element_,
                  "generation %" G_GUINT64_FORMAT ": %u+1 slots, %u missing, %" G_GSIZE_FORMAT
                  " bytes for all generations in %s",
                  generations_.number(), settings.slots, generations_.slots_missing(),
                  generations_.bytes(), backend->name().c_str());
}

/// Adds slots that are missing. Unless they are about to be `offered`, upstream is asked to look
/// for the first ones.
void SlotFilter::fill(bool offered) {
  const auto had = generations_.current() != nullptr;
  const auto lack = offered ? generations_.fill_patiently(now()) : generations_.fill(now());
  if (!offered && !had && generations_.current())
    gst_base_transform_reconfigure_sink(GST_BASE_TRANSFORM(element_));
  std::unique_lock lock(lock_);
  const bool first = !std::exchange(state_.filled, true);
  if (lack.has_value() == state_.lacking) return;
  state_.lacking = lack.has_value();
  lock.unlock();
  if (!lack) {
    GST_INFO_OBJECT(element_, "all slots have memory again");
    return;
  }
  // Nothing that could come back: this camera cannot work.
  if (first && !generations_.earlier_bytes())
    throw ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                       *lack + ". Use fewer or smaller cameras, or fewer slots.");
  warn(GST_RESOURCE_ERROR_NO_SPACE_LEFT,
       *lack + ". Frames without a slot are dropped until there is memory.");
}

bool SlotFilter::propose_allocation(GstQuery *query) {
  GstCaps *caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  if (!caps || failed()) return false;
  reporting([&] {
    prepare(caps);
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
    const auto store = generations_.current();
    if (!store) return;  // upstream writes elsewhere, and is asked again when there is memory
    // Cheap, so also for those who did not ask for a pool.
    const auto face = generations_.backend()->facade(store);
    gst_query_add_allocation_pool(query, face.get(), static_cast<guint>(store->layout().size), 0,
                                  0);
  });
  return true;
}

void SlotFilter::observe(GstEvent *event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    const auto stream = gst_event_get_seqnum(event);
    std::lock_guard lock(lock_);
    // Told again, to elements linked anew.
    if (std::exchange(state_.stream, stream) != stream) state_.stream_is_new = true;
    return;
  }
  const gchar *camera = nullptr;
  guint64 connection = 0;
  if (!gst_cuda_cam_event_parse_camera(event, &camera, &connection, nullptr, nullptr)) return;
  std::lock_guard lock(lock_);
  state_.told_by_camera = true;
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

bool SlotFilter::failed() const {
  std::lock_guard lock(lock_);
  return state_.failed;
}

/// The frame in a slot of ours, or a copy of it, with a fence that says when it is complete; null
/// when no slot is free, or it could not be written.
BufferPtr SlotFilter::in_slot(BufferPtr frame) {
  std::unique_lock lock(lock_);
  const auto mode = settings_.sync_mode;
  const bool know_fences = state_.readers_know_fences;
  lock.unlock();
  const auto store = generations_.current();
  const auto backend = generations_.backend();
  const bool in_auto = mode == SyncMode::kAuto;
  const bool complete =
      mode == SyncMode::kCpu || (in_auto && !know_fences && !backend->stock_readers_wait());
  if (store) {
    // A writer that waits for readers on the GPU is waited for by stock readers on the CPU.
    store->let_writers_wait(mode == SyncMode::kGpu || (in_auto && know_fences));
    store->rethrow();
  }
  const auto origin = Store::origin(frame.get());
  if (origin == Store::Origin::kOverflow) return nullptr;
  BufferPtr source;
  if (origin == Store::Origin::kForeign || !backend->takes(frame.get())) {
    if (!store) return nullptr;
    source = std::exchange(frame, store->take(Writer::kCopy));
    if (Store::origin(frame.get()) == Store::Origin::kOverflow) return nullptr;
  }
  if (Store::is_retired(frame.get())) return nullptr;  // by another element behind the same tee
  try {
    if (source) {
      lock.lock();
      const auto info = state_.info;
      lock.unlock();
      backend->copy(info, source.get(), frame.get());
    }
    const bool waited = backend->finish(frame.get(), source.get(), complete);
    if (waited || source) {
      lock.lock();
      state_.waited += waited ? 1 : 0;
      state_.copied += source ? 1 : 0;
      lock.unlock();
    }
  } catch (const WriteError &error) {
    lose_slot(frame.get(), error.what());
    return nullptr;
  } catch (const std::exception &error) {
    throw ElementError(
        GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
        "a frame could not be copied into a slot in " + backend->name() + ": " + error.what());
  }
  if (source) {
    gst_buffer_copy_into(frame.get(), source.get(),
                         GstBufferCopyFlags(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
                         static_cast<gsize>(-1));
    copy_metas(source.get(), frame.get());
  }
  return frame;
}

/// The slot goes, the camera goes on, as long as there are slots and the device works.
void SlotFilter::lose_slot(GstBuffer *slot, const std::string &why) {
  Store::retire(slot);
  const auto backend = generations_.backend();
  const auto store = generations_.current();
  // Another element's is its to replace, one of an earlier generation nobody's.
  const bool ours = Store::owner(slot) == store.get();
  const auto wanted = settings().slots;
  const auto left = ours ? store->attainable(wanted) : wanted;
  const auto what =
      "a frame could not be written into a slot in " + backend->name() + ": " + why + ". ";
  {
    std::lock_guard lock(lock_);
    ++state_.write_errors;
  }
  backend->check();
  if (left < kFewestSlots)
    throw ElementError(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
                       what + "Too many slots were lost this way.");
  warn(GST_RESOURCE_ERROR_WRITE, what + "The frame is dropped and its slot not used again" +
                                     (ours ? "; " + std::to_string(left) + " of " +
                                                 std::to_string(wanted) + " slots can be had."
                                           : "."));
}

BufferPtr SlotFilter::process(BufferPtr frame) {
  return reporting([&]() -> BufferPtr {
    std::unique_lock lock(lock_);
    const auto sequence = state_.frames++;
    const auto camera = camera_locked();
    if (std::exchange(state_.stream_is_new, false) && !state_.told_by_camera) ++state_.connection;
    const auto connection = state_.connection;
    const bool settled = state_.filled && !state_.lacking;
    lock.unlock();

    if (const auto backend = generations_.backend()) backend->check();
    if (!settled || !generations_.full()) fill(false);
    frame = in_slot(std::move(frame));
    const auto generation = frame ? Store::publish(frame.get()) : std::nullopt;
    if (!generation) {
      count_drop(sequence);
      return nullptr;
    }
    frame.reset(gst_buffer_make_writable(frame.release()));
    while (auto *of_another = gst_buffer_get_cuda_cam_frame_meta(frame.get()))
      gst_buffer_remove_meta(frame.get(), &of_another->meta);
    gst_buffer_add_cuda_cam_frame_meta(frame.get(), camera.c_str(), connection, *generation,
                                       sequence, capture_time(frame.get()));
    lock.lock();
    state_.dropping = false;
    return std::move(frame);
  });
}

void SlotFilter::warn(gint code, const std::string &text) {
  gst_element_message_full(element_, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, code,
                           g_strdup(("Camera " + camera() + ": " + text).c_str()), nullptr,
                           __FILE__, GST_FUNCTION, __LINE__);
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
                       "no slot is free of readers and of the GPU: dropping from frame "
                       "%" G_GUINT64_FORMAT "; release frames sooner or raise `slots`",
                       sequence);
  else
    GST_LOG_OBJECT(element_, "dropped frame %" G_GUINT64_FORMAT, sequence);
}

std::string SlotFilter::camera() const {
  std::lock_guard lock(lock_);
  return camera_locked();
}

std::string SlotFilter::camera_locked() const {
  if (!settings_.camera_name.empty()) return settings_.camera_name;
  return state_.camera.empty() ? GST_OBJECT_NAME(element_) : state_.camera;
}

SlotFilter::Settings SlotFilter::settings() const {
  std::lock_guard lock(lock_);
  return settings_;
}

bool SlotFilter::change_settings(const std::function<bool(Settings &)> &change) {
  std::lock_guard lock(lock_);
  return change(settings_);
}

}  // namespace cudacam
