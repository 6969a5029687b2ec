// SPDX-License-Identifier: LGPL-2.1-or-later
/// GstBufferPools that are only a face of a Store, for upstream elements to write into its slots.
///
/// Whoever asks gets a face of its own, so that a decoder that deactivates "its" pool deactivates
/// nobody else's. Buffers are made at acquire and freed at release; the slot is bound to the
/// memory.
#pragma once

#include <gst/video/video.h>

#include <memory>

#include "base/ptr.hpp"
#include "pool/store.hpp"

namespace cudacam {

/// The vfuncs that every kind of face shares; Instance has `std::shared_ptr<Store> *store`.
template <class Instance>
struct SlotPoolVfuncs {
  static Store &store(GstBufferPool *pool) { return **reinterpret_cast<Instance *>(pool)->store; }

  static const gchar **get_options(GstBufferPool *) {
    static const gchar *options[] = {GST_BUFFER_POOL_OPTION_VIDEO_META, nullptr};
    return options;
  }

  /// Takes any config for the frames that the store is made for; there is nothing else to
  /// configure.
  static gboolean set_config(GstBufferPool *pool, GstStructure *config) {
    const auto &layout = store(pool).layout();
    GstCaps *caps = nullptr;
    GstVideoInfo info;
    if (!gst_buffer_pool_config_get_params(config, &caps, nullptr, nullptr, nullptr) || !caps ||
        !gst_video_info_from_caps(&info, caps) ||
        GST_VIDEO_INFO_FORMAT(&info) != GST_VIDEO_INFO_FORMAT(&layout) ||
        GST_VIDEO_INFO_WIDTH(&info) != GST_VIDEO_INFO_WIDTH(&layout) ||
        GST_VIDEO_INFO_HEIGHT(&info) != GST_VIDEO_INFO_HEIGHT(&layout)) {
      GST_WARNING_OBJECT(pool, "refused a config for other frames: %" GST_PTR_FORMAT,
                         static_cast<void *>(caps));
      return FALSE;
    }
    gst_buffer_pool_config_set_params(config, caps, static_cast<guint>(layout.size), 0, 0);
    // Past the direct parent, whose own set_config would allocate.
    auto *base = GST_BUFFER_POOL_CLASS(g_type_class_peek(GST_TYPE_BUFFER_POOL));
    return base->set_config(pool, config);
  }

  static gboolean start(GstBufferPool *) { return TRUE; }
  static gboolean stop(GstBufferPool *) { return TRUE; }

  static GstFlowReturn acquire(GstBufferPool *pool, GstBuffer **buffer,
                               GstBufferPoolAcquireParams *) {
    if (GST_BUFFER_POOL_IS_FLUSHING(pool)) return GST_FLOW_FLUSHING;
    *buffer = store(pool).take_for_upstream().release();
    return GST_FLOW_OK;
  }

  static void release(GstBufferPool *, GstBuffer *buffer) { gst_buffer_unref(buffer); }

  static void finalize(GObject *object) {
    delete reinterpret_cast<Instance *>(object)->store;
    auto *parent = g_type_class_peek_parent(G_OBJECT_GET_CLASS(object));
    G_OBJECT_CLASS(parent)->finalize(object);
  }

  static void install(gpointer klass) {
    G_OBJECT_CLASS(klass)->finalize = finalize;
    auto *pool = GST_BUFFER_POOL_CLASS(klass);
    pool->get_options = get_options;
    pool->set_config = set_config;
    pool->start = start;
    pool->stop = stop;
    pool->acquire_buffer = acquire;
    pool->release_buffer = release;
  }
};

/// A face over slots in system memory.
ObjectPtr<GstBufferPool> slot_pool(std::shared_ptr<Store> store);

}  // namespace cudacam
