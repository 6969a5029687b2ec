// SPDX-License-Identifier: LGPL-2.1-or-later
/// Owners for GLib's and GStreamer's reference-counted things.
///
/// A type that ends in Ptr owns one reference. adopt() takes over a reference that a "transfer
/// full" function returned, share() adds one to a borrowed pointer, release() hands one to a
/// "transfer full" parameter. Raw pointers in this project never own.
#pragma once

#include <gst/gst.h>

#include <memory>

namespace cudacam {

/// Gives up one reference. Overloads rather than a template over the function: GStreamer's unref
/// functions are static inlines, which would give each file a type of its own.
struct Unref {
  void operator()(GstBuffer *it) const noexcept { gst_buffer_unref(it); }
  void operator()(GstCaps *it) const noexcept { gst_caps_unref(it); }
  void operator()(GstEvent *it) const noexcept { gst_event_unref(it); }
  void operator()(GstMemory *it) const noexcept { gst_memory_unref(it); }
  void operator()(GstMessage *it) const noexcept { gst_message_unref(it); }
  void operator()(GstQuery *it) const noexcept { gst_query_unref(it); }
  void operator()(GstStructure *it) const noexcept { gst_structure_free(it); }
  void operator()(GError *it) const noexcept { g_error_free(it); }
  void operator()(char *it) const noexcept { g_free(it); }
};

/// The same for a type that one file alone uses: std::unique_ptr<GstRTSPToken,
/// FreeWith<gst_rtsp_token_unref>>.
template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T *it) const noexcept {
    Free(it);
  }
};

struct ObjectUnref {
  void operator()(gpointer object) const noexcept { g_object_unref(object); }
};

template <class T>
using ObjectPtr = std::unique_ptr<T, ObjectUnref>;  ///< any GObject
using BufferPtr = std::unique_ptr<GstBuffer, Unref>;
using CapsPtr = std::unique_ptr<GstCaps, Unref>;
using EventPtr = std::unique_ptr<GstEvent, Unref>;
using MemoryPtr = std::unique_ptr<GstMemory, Unref>;
using MessagePtr = std::unique_ptr<GstMessage, Unref>;
using QueryPtr = std::unique_ptr<GstQuery, Unref>;
using StructurePtr = std::unique_ptr<GstStructure, Unref>;
using ErrorPtr = std::unique_ptr<GError, Unref>;
using CharPtr = std::unique_ptr<char, Unref>;

template <class T>
ObjectPtr<T> adopt(T *object) {
  return ObjectPtr<T>(object);
}
template <class T>
ObjectPtr<T> share(T *object) {
  return ObjectPtr<T>(object ? static_cast<T *>(g_object_ref(object)) : nullptr);
}
inline BufferPtr share(GstBuffer *buffer) {
  return BufferPtr(gst_buffer_ref(buffer));
}
inline CapsPtr share(GstCaps *caps) {
  return CapsPtr(caps ? gst_caps_ref(caps) : nullptr);
}

/// Takes over a new element or pad, whose only reference is floating.
template <class T>
ObjectPtr<T> sink(T *floating) {
  return ObjectPtr<T>(floating ? static_cast<T *>(g_object_ref_sink(floating)) : nullptr);
}

}  // namespace cudacam
