// SPDX-License-Identifier: LGPL-2.1-or-later
/// Prints, as JSON, where the figures of the other programs come from.
#include "machine.hpp"

#include <gst/gst.h>

#include <cstdio>
#include <nlohmann/json.hpp>

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  std::printf("%s\n", cudacam::test::describe_machine(argc, argv).dump().c_str());
  return 0;
}
