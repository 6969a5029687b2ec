// SPDX-License-Identifier: LGPL-2.1-or-later
/// Reads a field of an element's `statistics`.
#pragma once

#include <gst/gst.h>

#include <stdexcept>
#include <string>

#include "base/ptr.hpp"

namespace cudacam::test {

inline StructurePtr statistics(gpointer element) {
  GstStructure *fields = nullptr;
  g_object_get(element, "statistics", &fields, nullptr);
  return StructurePtr(fields);
}

/// An unsigned number, of 32 or 64 bits. Throws for a field that is not there.
inline guint64 number(gpointer element, const char *field) {
  const auto fields = statistics(element);
  guint64 wide = 0;
  guint narrow = 0;
  if (gst_structure_get_uint64(fields.get(), field, &wide)) return wide;
  if (gst_structure_get_uint(fields.get(), field, &narrow)) return narrow;
  throw std::out_of_range(std::string("no number ") + field + " in the statistics");
}

}  // namespace cudacam::test
