// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/sink-report.hpp"

#include "base/ptr.hpp"

namespace cudacam {
namespace {

guint64 nanoseconds(LeaseBook::Clock::duration time) {
  return static_cast<guint64>(std::chrono::nanoseconds(time).count());
}

/// Holders, each a structure with its name as a value: names of fields are never freed by GStreamer
/// before 1.26, and applications may make up names without end.
class Holders {
 public:
  Holders() { g_value_init(&list_, GST_TYPE_ARRAY); }
  ~Holders() { g_value_unset(&list_); }
  Holders(const Holders &) = delete;
  Holders &operator=(const Holders &) = delete;

  void add(StructurePtr holder) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&item, holder.release());
    gst_value_array_append_and_take_value(&list_, &item);
  }
  void add_to(GstStructure *fields) const { gst_structure_set_value(fields, "holders", &list_); }

 private:
  GValue list_ = G_VALUE_INIT;
};

GstStructure *row_structure(const LeaseBook::Row &row) {
  return gst_structure_new("holder", "name", G_TYPE_STRING, row.holder.c_str(), "mode",
                           G_TYPE_STRING, row.queue ? "every" : "latest", "leases", G_TYPE_UINT,
                           row.leases, "taken", G_TYPE_UINT64, row.taken, "released", G_TYPE_UINT64,
                           row.released, "overdue", G_TYPE_UINT64, row.overdue, "revoked",
                           G_TYPE_UINT64, row.revoked, "dropped", G_TYPE_UINT64, row.dropped,
                           "hold-median", G_TYPE_UINT64, nanoseconds(row.held.quantile(50)),
                           "hold-p99", G_TYPE_UINT64, nanoseconds(row.held.quantile(99)), nullptr);
}

}  // namespace

GstStructure *drain_answer(const std::vector<Ledger::Outstanding> &left) {
  Holders holders;
  guint outstanding = 0;
  for (const auto &row : left) {
    holders.add(StructurePtr(gst_structure_new("holder", "name", G_TYPE_STRING, row.holder.c_str(),
                                               "leases", G_TYPE_UINT, row.leases, nullptr)));
    outstanding += row.leases;
  }
  auto *answer = gst_structure_new("application/x-cudacam-drain", "drained", G_TYPE_BOOLEAN,
                                   left.empty(), "outstanding", G_TYPE_UINT, outstanding, nullptr);
  holders.add_to(answer);
  return answer;
}

void add_lease_statistics(GstStructure *statistics, Ledger *ledger) {
  const auto counts = ledger ? ledger->counts() : Ledger::Counts{};
  gst_structure_set(statistics, "frames", G_TYPE_UINT64, counts.published + counts.refused,
                    "replaced", G_TYPE_UINT64, counts.replaced, "refused", G_TYPE_UINT64,
                    counts.refused, "leases", G_TYPE_UINT64, counts.lent, "released", G_TYPE_UINT64,
                    counts.released, "revoked", G_TYPE_UINT64, counts.revoked, "outstanding",
                    G_TYPE_UINT, counts.outstanding, "lost", G_TYPE_UINT, counts.lost, "waiting",
                    G_TYPE_UINT, counts.waiting, "forgotten-holders", G_TYPE_UINT64,
                    counts.forgotten, nullptr);
  Holders holders;
  for (const auto &row : ledger ? ledger->rows() : std::vector<LeaseBook::Row>{})
    holders.add(StructurePtr(row_structure(row)));
  holders.add_to(statistics);
}

GstMessage *overdue_message(GstElement *element, const LeaseBook::Overdue &overdue) {
  return gst_message_new_element(
      GST_OBJECT(element),
      gst_structure_new("cudacam-lease-overdue", "holder", G_TYPE_STRING, overdue.holder.c_str(),
                        "age", G_TYPE_UINT64, nanoseconds(overdue.age), nullptr));
}

}  // namespace cudacam
