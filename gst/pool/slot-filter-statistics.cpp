// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is told of slots and frames to who asks, on any thread.
#include "frame/outstanding-query.h"
#include "pool/slot-filter.hpp"

namespace cudacam {

void SlotFilter::answer_outstanding(GstQuery *query) const {
  for (const auto &store : generations_.living()) {
    for (const auto &use : store->uses()) {
      const GstCudaCamOutstanding frame{GST_OBJECT_NAME(element_),
                                        reinterpret_cast<guintptr>(use.memory),
                                        use.references,
                                        0,
                                        nullptr,
                                        FALSE,
                                        {}};
      gst_cuda_cam_query_add_outstanding(query, &frame);
    }
  }
}

GstStructure *SlotFilter::statistics() const {
  const auto store = generations_.current();
  const auto backend = generations_.backend();
  const auto slots = store ? store->counts() : SlotTable::Counts{};
  const auto memory = backend ? backend->name() : "";
  const auto transfers = backend ? backend->transfers() : 0;
  const auto missing = generations_.slots_missing();
  const auto number = generations_.number();
  const auto pending = store ? store->pending() : 0;  // asks the driver

  GValue list = G_VALUE_INIT;
  g_value_init(&list, GST_TYPE_ARRAY);
  for (const auto &one : generations_.living()) {
    const auto counts = one->counts();
    const auto bytes = one->bytes();
    const auto &layout = one->layout();
    GValue item = G_VALUE_INIT;
    g_value_init(&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &item,
        gst_structure_new("generation", "generation", G_TYPE_UINT64, one->generation(), "width",
                          G_TYPE_INT, GST_VIDEO_INFO_WIDTH(&layout), "height", G_TYPE_INT,
                          GST_VIDEO_INFO_HEIGHT(&layout), "bytes", G_TYPE_UINT64, guint64{bytes},
                          "slots-out", G_TYPE_UINT, counts.writing + counts.published, "current",
                          G_TYPE_BOOLEAN, gboolean{one == store}, nullptr));
    gst_value_array_append_and_take_value(&list, &item);
  }

  std::lock_guard lock(lock_);
  auto *result = gst_structure_new(
      "application/x-cudacam-pool-statistics", "camera", G_TYPE_STRING, camera_locked().c_str(),
      "memory", G_TYPE_STRING, memory.c_str(), "generation", G_TYPE_UINT64, number, "bytes",
      G_TYPE_UINT64, guint64{store ? store->bytes() : 0}, "bytes-all-generations", G_TYPE_UINT64,
      guint64{generations_.bytes()}, "bytes-being-freed", G_TYPE_UINT64,
      guint64{generations_.leaving_bytes()}, "slots", G_TYPE_UINT, slots.usable(), "slots-free",
      G_TYPE_UINT, slots.free, "slots-writing", G_TYPE_UINT, slots.writing, "slots-published",
      G_TYPE_UINT, slots.published, "slots-pending", G_TYPE_UINT, pending, "slots-retired",
      G_TYPE_UINT, slots.retired, "slots-missing", G_TYPE_UINT, missing, "frames", G_TYPE_UINT64,
      state_.frames, "copied", G_TYPE_UINT64, state_.copied, "waited", G_TYPE_UINT64, state_.waited,
      "transfers", G_TYPE_UINT64, transfers, "dropped", G_TYPE_UINT64, state_.dropped,
      "write-errors", G_TYPE_UINT64, state_.write_errors, nullptr);
  gst_structure_take_value(result, "generations", &list);
  return result;
}

}  // namespace cudacam
