// SPDX-License-Identifier: LGPL-2.1-or-later
/// The slots of a cudacampool on a GPU, as upstream elements get them.
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include <cstring>

#include "base/ptr.hpp"
#include "cuda/compat.hpp"

namespace cudacam::test {

/// What the cudacampool behind a harness proposes for its caps.
class ProposedSlots {
 public:
  explicit ProposedSlots(const GstHarness *harness) {
    auto *pad = harness->srcpad;
    const CapsPtr caps(gst_pad_get_current_caps(pad));
    const QueryPtr query(gst_query_new_allocation(caps.get(), TRUE));
    fail_unless(gst_pad_peer_query(pad, query.get()));
    GstBufferPool *pool = nullptr;
    gst_query_parse_nth_allocation_pool(query.get(), 0, &pool, nullptr, nullptr, nullptr);
    pool_.reset(pool);
    fail_unless(gst_buffer_pool_set_active(pool, TRUE));
  }
  ~ProposedSlots() { gst_buffer_pool_set_active(pool_.get(), FALSE); }
  ProposedSlots(const ProposedSlots &) = delete;
  ProposedSlots &operator=(const ProposedSlots &) = delete;

  BufferPtr acquire() const {
    GstBuffer *frame = nullptr;
    fail_unless_equals_int(gst_buffer_pool_acquire_buffer(pool_.get(), &frame, nullptr),
                           GST_FLOW_OK);
    fail_unless(!compat::upload_is_due(gst_buffer_peek_memory(frame, 0)),
                "what was written last time would be uploaded");
    return BufferPtr(frame);
  }
  /// A frame of one grey, written by the CPU, which has yet to be uploaded.
  BufferPtr write(guint8 grey) const {
    auto frame = acquire();
    write_by_cpu(frame.get(), grey);
    return frame;
  }

  static void write_by_cpu(GstBuffer *frame, guint8 grey) {
    GstMapInfo map;
    fail_unless(gst_buffer_map(frame, &map, GST_MAP_WRITE));
    std::memset(map.data, grey, map.size);
    gst_buffer_unmap(frame, &map);
    fail_unless(compat::upload_is_due(gst_buffer_peek_memory(frame, 0)));
  }

 private:
  ObjectPtr<GstBufferPool> pool_;
};

}  // namespace cudacam::test
