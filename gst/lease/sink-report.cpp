// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/sink-report.hpp"

#include "base/ptr.hpp"

namespace cudacam {
namespace {

guint64 nanoseconds(LeaseBook::Clock::duration time) {
  return static_cast<guint64>(std::chrono::nanoseconds(time).count());
}

GstStructure *row_structure(const LeaseBook::Row &row) {
  return gst_structure_new(
      "holder", "mode", G_TYPE_STRING, row.queue ? "every" : "latest", "leases", G_TYPE_UINT,
      row.leases, "taken", G_TYPE_UINT64, row.taken, "released", G_TYPE_UINT64, row.released,
      "overdue", G_TYPE_UINT64, row.overdue, "revoked", G_TYPE_UINT64, row.revoked, "dropped",
      G_TYPE_UINT64, row.dropped, "hold-median", G_TYPE_UINT64, nanoseconds(row.held.quantile(50)),
      "hold-p99", G_TYPE_UINT64, nanoseconds(row.held.quantile(99)), nullptr);
}

}  // namespace

GstStructure *drain_answer(const std::vector<Ledger::Outstanding> &left) {
  const StructurePtr holders(gst_structure_new_empty("holders"));
  guint outstanding = 0;
  for (const auto &row : left) {
    gst_structure_set(holders.get(), row.holder.c_str(), G_TYPE_UINT, row.leases, nullptr);
    outstanding += row.leases;
  }
  return gst_structure_new("application/x-cudacam-drain", "drained", G_TYPE_BOOLEAN, left.empty(),
                           "outstanding", G_TYPE_UINT, outstanding, "holders", GST_TYPE_STRUCTURE,
                           holders.get(), nullptr);
}

void add_lease_statistics(GstStructure *statistics, Ledger *ledger) {
  const auto counts = ledger ? ledger->counts() : Ledger::Counts{};
  const StructurePtr holders(gst_structure_new_empty("holders"));
  for (const auto &row : ledger ? ledger->rows() : std::vector<LeaseBook::Row>{}) {
    const StructurePtr fields(row_structure(row));
    gst_structure_set(holders.get(), row.holder.c_str(), GST_TYPE_STRUCTURE, fields.get(), nullptr);
  }
  gst_structure_set(statistics, "frames", G_TYPE_UINT64, counts.published + counts.refused,
                    "replaced", G_TYPE_UINT64, counts.replaced, "refused", G_TYPE_UINT64,
                    counts.refused, "leases", G_TYPE_UINT64, counts.lent, "released", G_TYPE_UINT64,
                    counts.released, "revoked", G_TYPE_UINT64, counts.revoked, "outstanding",
                    G_TYPE_UINT, counts.outstanding, "lost", G_TYPE_UINT, counts.lost, "waiting",
                    G_TYPE_UINT, counts.waiting, "forgotten-holders", G_TYPE_UINT64,
                    counts.forgotten, "holders", GST_TYPE_STRUCTURE, holders.get(), nullptr);
}

GstMessage *overdue_message(GstElement *element, const LeaseBook::Overdue &overdue) {
  return gst_message_new_element(
      GST_OBJECT(element),
      gst_structure_new("cudacam-lease-overdue", "holder", G_TYPE_STRING, overdue.holder.c_str(),
                        "age", G_TYPE_UINT64, nanoseconds(overdue.age), nullptr));
}

}  // namespace cudacam
