// SPDX-License-Identifier: LGPL-2.1-or-later
/// Registers the elements: the one file that sees every folder.
#include <gst/gst.h>

#include "camera/cudacamsrc.hpp"
#include "lease/cudacamsink.hpp"
#include "pool/cudacampool.hpp"

namespace {
gboolean register_elements(GstPlugin *plugin) {
  return GST_ELEMENT_REGISTER(cudacamsrc, plugin) && GST_ELEMENT_REGISTER(cudacampool, plugin) &&
         GST_ELEMENT_REGISTER(cudacamsink, plugin);
}
}  // namespace

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, cudacam,
                  "RTSP cameras on NVIDIA GPUs that come and go unnoticed", register_elements,
                  PACKAGE_VERSION, "LGPL", PACKAGE, PACKAGE_URL)
