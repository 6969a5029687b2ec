// SPDX-License-Identifier: LGPL-2.1-or-later
/// Makes GStreamer's registry (GST_REGISTRY, with GST_REGISTRY_FORK=no) in this process, which can
/// load what was built with the same sanitizer.
#include <gst/gst.h>

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  return 0;
}
