// SPDX-License-Identifier: LGPL-2.1-or-later
/// What cudacamsink tells of its leases, as GStreamer structures; their fields are documented in
/// docs/elements/cudacamsink.md.
#pragma once

#include <gst/gst.h>

#include <vector>

#include "lease/ledger.hpp"

namespace cudacam {

/// The answer of the drain signal: who still holds what.
GstStructure *drain_answer(const std::vector<Ledger::Outstanding> &left);

/// Adds what `ledger` counted to `statistics`; null: it was never started.
void add_lease_statistics(GstStructure *statistics, Ledger *ledger);

/// The element message of a lease that is overdue.
GstMessage *overdue_message(GstElement *element, const LeaseBook::Overdue &overdue);

}  // namespace cudacam
