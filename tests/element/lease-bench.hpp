// SPDX-License-Identifier: LGPL-2.1-or-later
/// A harness around cudacampool and cudacamsink, and what tests of leases do with it.
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include <memory>
#include <thread>

#include "base/ptr.hpp"
#include "gstcudacam.h"
#include "support/statistics.hpp"

namespace cudacam::test {

constexpr const char *kCaps = "video/x-raw,format=GRAY8,width=4,height=4,framerate=30/1";
constexpr GstClockTime kLong = 60 * GST_SECOND;

struct LeaseUnref {
  void operator()(GstCudaCamLease *lease) const { gst_cuda_cam_lease_unref(lease); }
};
using LeasePtr = std::unique_ptr<GstCudaCamLease, LeaseUnref>;

struct HolderUnref {
  void operator()(GstCudaCamHolder *holder) const { gst_cuda_cam_holder_unref(holder); }
};
using HolderPtr = std::unique_ptr<GstCudaCamHolder, HolderUnref>;

class LeaseBench {
 public:
  explicit LeaseBench(const char *launch = "cudacampool slots=4 ! cudacamsink")
      : harness_(gst_harness_new_parse(launch)) {
    sink_ = gst_harness_find_element(harness_, "cudacamsink");
    gst_harness_set_src_caps_str(harness_, kCaps);
  }
  ~LeaseBench() {
    gst_object_unref(sink_);
    gst_harness_teardown(harness_);
  }
  LeaseBench(const LeaseBench &) = delete;
  LeaseBench &operator=(const LeaseBench &) = delete;

  GstElement *sink() const { return sink_; }
  GstHarness *harness() const { return harness_; }
  void push(guint8 value) {
    auto *frame = gst_harness_create_buffer(harness_, 16);
    gst_buffer_memset(frame, 0, value, 16);
    fail_unless_equals_int(gst_harness_push(harness_, frame), GST_FLOW_OK);
  }
  LeasePtr acquire(const char *holder, GstClockTime timeout = 0, GError **error = nullptr) {
    return LeasePtr(
        gst_cuda_cam_lender_acquire(GST_CUDA_CAM_LENDER(sink_), holder, timeout, error));
  }
  HolderPtr every(const char *name, guint queue_size, GError **error = nullptr) {
    return HolderPtr(gst_cuda_cam_holder_new(GST_CUDA_CAM_LENDER(sink_), name,
                                             GST_CUDA_CAM_HOLDER_MODE_EVERY, queue_size, error));
  }
  StructurePtr drain(guint64 timeout) {
    GstStructure *answer = nullptr;
    g_signal_emit_by_name(sink_, "drain", timeout, &answer);
    return StructurePtr(answer);
  }
  guint revoke(const char *holder) {
    guint revoked = 0;
    g_signal_emit_by_name(sink_, "revoke", holder, &revoked);
    return revoked;
  }

 private:
  GstHarness *harness_;
  GstElement *sink_;
};

/// Until a reader waits inside the sink; readers are started by the test just before.
inline void await_waiting_reader(GstElement *sink) {
  while (number(sink, "waiting") == 0) std::this_thread::yield();
}

/// The first pixel of a frame of the bench.
inline guint8 value(const LeasePtr &lease) {
  guint8 byte = 0;
  gst_buffer_extract(gst_cuda_cam_lease_get_buffer(lease.get()), 0, &byte, 1);
  return byte;
}

/// What `fields` (statistics, a drain's answer) say of a holder; null: nothing.
inline StructurePtr holder_row(const StructurePtr &fields, const char *holder) {
  const auto *rows = gst_structure_get_value(fields.get(), "holders");
  for (guint i = 0; i < gst_value_array_get_size(rows); ++i) {
    const auto *row = gst_value_get_structure(gst_value_array_get_value(rows, i));
    if (!g_strcmp0(gst_structure_get_string(row, "name"), holder))
      return StructurePtr(gst_structure_copy(row));
  }
  return nullptr;
}

/// A field of a holder's statistics.
inline guint64 holder_number(GstElement *sink, const char *holder, const char *field) {
  const auto row = holder_row(statistics(sink), holder);
  guint64 wide = 0;
  guint narrow = 0;
  fail_unless(row != nullptr, "no holder %s", holder);
  if (gst_structure_get_uint64(row.get(), field, &wide)) return wide;
  fail_unless(gst_structure_get_uint(row.get(), field, &narrow), "no field %s", field);
  return narrow;
}

inline void expect_error(GError *error, GstCudaCamLeaseError code) {
  fail_unless(g_error_matches(error, GST_CUDA_CAM_LEASE_ERROR, code));
  g_error_free(error);
}

inline bool flag(const StructurePtr &fields, const char *name) {
  gboolean on = FALSE;
  fail_unless(gst_structure_get_boolean(fields.get(), name, &on));
  return on;
}

}  // namespace cudacam::test
